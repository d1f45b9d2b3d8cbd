//! Cell → picture for the network. The trainer and the board call these same functions.
//!
//! Crop version 1: [`cut`] (tight box, black outside the mask, as the NIH crops are), then
//! [`letterbox`] (whole cell kept, its proportions kept), then normalisation. NIH crops are cut
//! already and enter at [`letterbox`].
//!
//! Crop version 2: between the two, [`crate::stain`] brings the field's colours to those that the
//! model was taught with. The crops that it was taught with have them already.

use ::image::imageops::{self, FilterType};

use crate::geometry::Rect;
use crate::image::{Rgb, RgbImage};
use crate::model_card::{CropSpec, InputSpec};
use crate::segment::Cell;
use crate::stain::{Colour, Gains, cell_colour, typical_colour};

/// The cells of a field as a model wants them.
pub struct CutField {
    /// In the order of the cells.
    pub crops: Vec<RgbImage>,
    /// The colour of the field's typical cell as the camera saw it, before any stain step; `None` without cells.
    pub colour: Option<Colour>,
}

/// Cuts all cells out of their field as the model wants them: [`cut`], and the stain step where `spec` asks for one.
///
/// All at once, because the stain step looks at all cells of a field.
pub fn cut_all(field: &RgbImage, cells: &[Cell], spec: &CropSpec) -> CutField {
    let mut crops: Vec<RgbImage> = cells.iter().map(|cell| cut(field, cell)).collect();
    let colour = typical_colour(crops.iter().filter_map(cell_colour));
    for crop in &mut crops {
        stain(crop, colour, spec);
    }
    CutField { crops, colour }
}

/// The stain step for one crop of a field whose typical cell has that colour, where `spec` asks for the step.
pub fn stain(crop: &mut RgbImage, field: Option<Colour>, spec: &CropSpec) {
    if let Some((typical, reference)) = field.zip(spec.stain_reference()) {
        Gains::new(typical, reference).apply(crop);
    }
}

/// Cuts a cell once more, out of a part of its field and a mask of the same size that is white where the cell is: byte for byte
/// what [`cut`] made of the whole field. `part` is where that part lies in the field. `None` where the pictures don't belong
/// together, or the box is not within the part.
pub fn cut_again(picture: &RgbImage, mask: &RgbImage, part: Rect, bbox: Rect) -> Option<RgbImage> {
    let is_within = picture.dimensions() == mask.dimensions()
        && picture.dimensions() == (part.w, part.h)
        && bbox.x.checked_add(bbox.w)? <= part.x.checked_add(part.w)?
        && bbox.y.checked_add(bbox.h)? <= part.y.checked_add(part.h)?;
    let (left, top) = (bbox.x.checked_sub(part.x)?, bbox.y.checked_sub(part.y)?);
    is_within.then(|| {
        RgbImage::from_fn(bbox.w, bbox.h, |x, y| {
            let (x, y) = (left + x, top + y);
            match mask.get_pixel(x, y)[0] {
                0..128 => Rgb([0; 3]),
                _ => *picture.get_pixel(x, y),
            }
        })
    })
}

/// Cuts a cell out of its field: its tight box, everything outside its mask black.
///
/// Pixels of the box that lie outside the field are black too.
pub fn cut(field: &RgbImage, cell: &Cell) -> RgbImage {
    RgbImage::from_fn(cell.bbox.w, cell.bbox.h, |x, y| {
        // A sum that overflows is outside as well.
        let place = cell.bbox.x.checked_add(x).zip(cell.bbox.y.checked_add(y));
        place
            .filter(|_| cell.mask.get(x, y))
            .and_then(|(x, y)| field.get_pixel_checked(x, y))
            .copied()
            .unwrap_or(Rgb([0; 3]))
    })
}

/// Scales a crop with an antialiased triangle filter so that its longer side is `size` pixels,
/// and centres it on a black square of that size. An empty crop gives a black square.
pub fn letterbox(crop: &RgbImage, size: u32) -> RgbImage {
    let (w, h) = crop.dimensions();
    let longest = w.max(h);
    let mut square = RgbImage::new(size, size);
    if longest == 0 || w.min(h) == 0 {
        return square;
    }
    // Rounded to the nearest pixel; the longer side comes out as exactly `size`.
    let scaled = |side: u32| {
        let wide =
            (u64::from(side) * u64::from(size) * 2 + u64::from(longest)) / (2 * u64::from(longest));
        (wide as u32).max(1)
    };
    let (w, h) = (scaled(w), scaled(h));
    let resized = imageops::resize(crop, w, h, FilterType::Triangle);
    let (left, top) = ((size - w) / 2, (size - h) / 2);
    imageops::replace(&mut square, &resized, i64::from(left), i64::from(top));
    square
}

/// The least diameter in pixels that a cell should have in its field for a model of that input size.
///
/// [`letterbox`] enlarges a narrower one more than twofold: three of four pixels that the model sees are then
/// made up between others, while nearly all crops that it learned from were reduced. At the usual size of 64 that
/// is 32 pixels; there the chromatin of a ring, an eighth of the cell, is four pixels wide, and the lens
/// resolves about as much.
pub fn least_diameter(size: u32) -> f32 {
    size as f32 / 2.0
}

/// Crop → the network's input: `3·S·S` values in planes (red, green, blue), row by row,
/// each `(v / 255 − mean) / std`.
pub fn prepare(crop: &RgbImage, input: &InputSpec) -> Vec<f32> {
    normalise(&letterbox(crop, input.size), input)
}

fn normalise(square: &RgbImage, input: &InputSpec) -> Vec<f32> {
    let plane = square.width() as usize * square.height() as usize;
    let mut values = vec![0.0; 3 * plane];
    for (i, pixel) in square.pixels().enumerate() {
        for c in 0..3 {
            values[c * plane + i] = (f32::from(pixel[c]) / 255.0 - input.mean[c]) / input.std[c];
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Mask;
    use proptest::prelude::*;

    fn spec(size: u32) -> InputSpec {
        InputSpec {
            size,
            colour_order: "rgb".into(),
            mean: [0.5; 3],
            std: [0.25, 0.5, 1.0],
        }
    }

    #[test]
    fn cut_keeps_the_mask_and_blackens_the_rest() {
        let field = RgbImage::from_fn(10, 10, |x, y| Rgb([x as u8 + 1, y as u8 + 1, 9]));
        let mut mask = Mask::new(3, 2);
        mask.set(0, 0);
        mask.set(2, 1);
        let cell = Cell {
            bbox: Rect::from([8, 4, 3, 2]),
            mask,
            area: 2,
            roundness: 1.0,
            split: false,
        };
        let crop = cut(&field, &cell);
        assert_eq!(crop.dimensions(), (3, 2));
        assert_eq!(crop.get_pixel(0, 0), &Rgb([9, 5, 9]));
        assert_eq!(crop.get_pixel(1, 0), &Rgb([0; 3]));
        // Marked, but outside the field.
        assert_eq!(crop.get_pixel(2, 1), &Rgb([0; 3]));
    }

    #[test]
    fn a_box_at_the_end_of_all_numbers_is_outside_the_field() {
        let field = RgbImage::from_pixel(10, 10, Rgb([200; 3]));
        let mut mask = Mask::new(3, 3);
        mask.set(2, 2);
        let cell = Cell {
            bbox: Rect::from([u32::MAX - 1, u32::MAX - 1, 3, 3]),
            mask,
            area: 1,
            roundness: 1.0,
            split: false,
        };
        assert!(cut(&field, &cell).pixels().all(|p| p.0 == [0; 3]));
    }

    #[test]
    fn a_crop_of_the_right_size_is_not_touched() {
        let crop = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
        assert_eq!(letterbox(&crop, 64), crop);
    }

    #[test]
    fn a_wide_crop_is_centred_between_black_bars() {
        let crop = RgbImage::from_pixel(40, 20, Rgb([200; 3]));
        let square = letterbox(&crop, 64);
        assert_eq!(square.get_pixel(32, 15), &Rgb([0; 3]));
        assert_eq!(square.get_pixel(32, 16), &Rgb([200; 3]));
        assert_eq!(square.get_pixel(32, 47), &Rgb([200; 3]));
        assert_eq!(square.get_pixel(32, 48), &Rgb([0; 3]));
    }

    #[test]
    fn shrinking_averages_instead_of_skipping() {
        // A checkerboard of single pixels must become an even gray.
        let crop = RgbImage::from_fn(256, 256, |x, y| Rgb([255 * ((x + y) % 2) as u8; 3]));
        assert!(
            letterbox(&crop, 64)
                .pixels()
                .all(|p| (120..=135).contains(&p[0]))
        );
    }

    #[test]
    fn prepare_is_planar_and_normalised() {
        let crop = RgbImage::from_pixel(32, 32, Rgb([255, 0, 51]));
        let values = prepare(&crop, &spec(32));
        assert_eq!(values.len(), 3 * 32 * 32);
        assert_eq!(values[0], 2.0);
        assert_eq!(values[32 * 32], -1.0);
        assert!((values[2 * 32 * 32] - (0.2 - 0.5)).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn any_shape_becomes_a_full_square(w in 0u32..300, h in 0u32..300, size in 32u32..128) {
            let values = prepare(&RgbImage::from_pixel(w, h, Rgb([255; 3])), &spec(size));
            prop_assert_eq!(values.len(), 3 * (size * size) as usize);
            prop_assert!(values.iter().all(|v| v.is_finite()));
        }
    }
}
