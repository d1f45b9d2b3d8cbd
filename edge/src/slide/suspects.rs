//! The cells that a person should look at: those that the model finds most like parasitized ones.

use smearscope_common::geometry::Rect;
use smearscope_common::image::{ImageError, RgbImage, encode_jpeg};
use smearscope_common::message::CellResult;

/// What is shown around a cell, as a share of its size: enough to see its neighbours' stain.
const MARGIN: f32 = 0.3;
/// Quality of the pictures: a ring is a few pixels wide.
const QUALITY: u8 = 92;
/// The widest picture in pixels; cells are never so large, but boxes from elsewhere might be.
const MOST_PIXELS: u32 = 512;

/// A cell of a field with its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Where it is in the field.
    pub bbox: Rect,
    /// The probability that it carries a parasite, 0 to 1.
    pub p_parasitized: f32,
    /// The cell with a margin, in the field's own pixels: JPEG.
    pub picture: Vec<u8>,
}

/// Which cells of a field would be shown in its slide's report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// How many at most.
    pub most: usize,
    /// Only those whose probability is above this.
    pub above: f32,
}

impl Wanted {
    /// None of them.
    pub const NONE: Self = Self {
        most: 0,
        above: f32::INFINITY,
    };
}

/// The wanted cells of those that were counted, the most suspicious first, cut out of their field.
///
/// # Errors
/// When a picture can't be encoded.
pub fn most_suspicious(
    field: &RgbImage,
    counted: &[CellResult],
    wanted: Wanted,
) -> Result<Vec<Suspect>, ImageError> {
    let mut found: Vec<&CellResult> = counted
        .iter()
        .filter(|cell| cell.p_parasitized > wanted.above)
        .collect();
    found.sort_by(|a, b| b.p_parasitized.total_cmp(&a.p_parasitized));
    found
        .into_iter()
        .take(wanted.most)
        .filter_map(|cell| Some((cell, with_margin(field, cell.bbox)?)))
        .map(|(cell, place)| {
            Ok(Suspect {
                bbox: cell.bbox,
                p_parasitized: cell.p_parasitized,
                picture: encode_jpeg(&part(field, place), QUALITY)?,
            })
        })
        .collect()
}

/// The box with its margin, as far as that lies in the field; `None` where nothing of it does.
pub fn with_margin(field: &RgbImage, bbox: Rect) -> Option<Rect> {
    let range = |start: u32, length: u32, end: u32| {
        if start >= end || length == 0 {
            return None;
        }
        let margin = (length as f32 * MARGIN).round() as u32;
        let from = start.saturating_sub(margin).min(end);
        let to = start
            .saturating_add(length)
            .saturating_add(margin)
            .min(end)
            .min(from.saturating_add(MOST_PIXELS));
        (to > from).then_some((from, to - from))
    };
    let (x, w) = range(bbox.x, bbox.w, field.width())?;
    let (y, h) = range(bbox.y, bbox.h, field.height())?;
    Some(Rect { x, y, w, h })
}

/// A part of the field, which must lie within it.
pub fn part(field: &RgbImage, part: Rect) -> RgbImage {
    RgbImage::from_fn(part.w, part.h, |x, y| {
        *field.get_pixel(part.x + x, part.y + y)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smearscope_common::image::{Rgb, decode};
    use smearscope_common::message::Label;

    fn cell(bbox: [u32; 4], p_parasitized: f32) -> CellResult {
        CellResult {
            bbox: bbox.into(),
            label: Label::Uninfected,
            p_parasitized,
            counted_before: false,
        }
    }

    #[test]
    fn the_most_suspicious_are_cut_out_with_a_margin_that_ends_with_the_field() {
        let mut field = RgbImage::from_pixel(200, 100, Rgb([200, 180, 190]));
        field.put_pixel(50, 50, Rgb([0, 0, 0]));
        let cells = [
            cell([40, 40, 20, 20], 0.5),
            cell([0, 0, 20, 20], 0.9),
            cell([190, 90, 10, 10], 0.2),
        ];
        let wanted = |most, above| Wanted { most, above };
        let found = most_suspicious(&field, &cells, wanted(2, 0.0)).unwrap();
        assert_eq!(
            found.iter().map(|s| s.p_parasitized).collect::<Vec<_>>(),
            [0.9, 0.5]
        );
        let sizes: Vec<_> = found
            .iter()
            .map(|s| decode(&s.picture).unwrap().dimensions())
            .collect();
        assert_eq!(sizes, [(26, 26), (32, 32)]);
        // The dark pixel is where it was: in the middle.
        let picture = decode(&found[1].picture).unwrap();
        assert!(picture.get_pixel(16, 16)[0] < 120);
        assert!(picture.get_pixel(3, 3)[0] > 150);
        let above = most_suspicious(&field, &cells, wanted(9, 0.5)).unwrap();
        assert_eq!(above.len(), 1);
        assert_eq!(most_suspicious(&field, &cells, Wanted::NONE).unwrap(), []);
    }

    #[test]
    fn boxes_that_lie_nowhere_are_passed_over() {
        let field = RgbImage::new(10, 10);
        let cells = [
            cell([10, 0, 5, 5], 0.9),
            cell([u32::MAX, u32::MAX, u32::MAX, u32::MAX], 0.8),
            cell([0, 0, 0, 0], 0.7),
            cell([0, 0, u32::MAX, 1], f32::NAN),
            cell([0, 0, u32::MAX, 1], 0.6),
        ];
        let wanted = Wanted {
            most: 9,
            above: 0.0,
        };
        let found = most_suspicious(&field, &cells, wanted).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].p_parasitized, 0.6);
    }
}
