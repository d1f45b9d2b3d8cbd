//! The stain step: from one laboratory's colours to those that the model was taught with.
//!
//! Light, camera, stain and its age multiply the light that comes through a cell by nearly the same factor for
//! each colour all over a field. So the colour of the field's typical red cell is brought to that
//! of the typical cell the model was taught with, by one gain for each colour: a shift of optical density (Beer and
//! Lambert). Most cells of a field are uninfected, and the median doesn't notice the others.
//!
//! Measured on another laboratory's fields with a model that was taught at one laboratory only: the guide
//! to training has the figures. Adding the difference of the colours, one gain for all fields together,
//! and scaling optical density instead of shifting it all did less.

use ::image::{Rgb, RgbImage};

/// A mean colour: red, green and blue from 0 to 255.
pub type Colour = [f32; 3];

/// A pixel whose brightest colour is below this lies outside the mask: black, but for what lossy compression left
/// there. The darkest nucleus under bright-field light is brighter.
const MASKED_OUT: u8 = 32;

/// The range of a gain. Beyond it the picture is too dark or too pale for colours to be made of it.
const GAIN: std::ops::RangeInclusive<f32> = 0.25..=4.0;

/// The mean colour of a cell in a crop as [`crate::crop::cut`] makes it; `None` of a black one.
pub fn cell_colour(crop: &RgbImage) -> Option<Colour> {
    let mut sums = [0u64; 3];
    let mut n = 0u64;
    for pixel in crop.pixels() {
        if pixel.0.iter().any(|&value| value >= MASKED_OUT) {
            for (sum, &value) in sums.iter_mut().zip(&pixel.0) {
                *sum += u64::from(value);
            }
            n += 1;
        }
    }
    (n > 0).then(|| sums.map(|sum| (sum as f64 / n as f64) as f32))
}

/// The median of the cells' colours, each colour for itself; `None` of no cells.
pub fn typical_colour(cells: impl IntoIterator<Item = Colour>) -> Option<Colour> {
    let mut planes: [Vec<f32>; 3] = Default::default();
    for colour in cells {
        for (plane, value) in planes.iter_mut().zip(colour) {
            plane.push(value);
        }
    }
    let n = planes[0].len();
    (n > 0).then(|| {
        planes.map(|mut plane| {
            plane.sort_unstable_by(f32::total_cmp);
            (plane[(n - 1) / 2] + plane[n / 2]) / 2.0
        })
    })
}

/// What each colour of a field is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains([f32; 3]);

impl Gains {
    /// The gains that bring the typical cell's colour to `reference`.
    pub fn new(typical: Colour, reference: Colour) -> Self {
        Self(std::array::from_fn(|c| {
            (reference[c] / typical[c].max(1.0)).clamp(*GAIN.start(), *GAIN.end())
        }))
    }

    /// Multiplies the pixels of a crop; black stays black.
    pub fn apply(&self, crop: &mut RgbImage) {
        // One look-up for each value: a crop has more pixels than a byte has values.
        let tables = self.0.map(|gain| {
            let scaled = |value| (value as f32 * gain + 0.5).min(255.0) as u8;
            std::array::from_fn::<u8, 256, _>(scaled)
        });
        for Rgb(pixel) in crop.pixels_mut() {
            for (value, table) in pixel.iter_mut().zip(&tables) {
                *value = table[usize::from(*value)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(4, 4, Rgb(colour))
    }

    #[test]
    fn what_is_black_or_nearly_so_is_no_part_of_the_cell() {
        let mut crop = plain([0; 3]);
        assert_eq!(cell_colour(&crop), None);
        assert_eq!(cell_colour(&RgbImage::new(0, 0)), None);
        crop.put_pixel(0, 0, Rgb([31, 3, 9]));
        crop.put_pixel(1, 0, Rgb([150, 90, 120]));
        crop.put_pixel(2, 0, Rgb([100, 80, 10]));
        assert_eq!(cell_colour(&crop), Some([125.0, 85.0, 65.0]));
    }

    #[test]
    fn a_few_infected_cells_don_t_move_the_typical_colour() {
        let healthy = [160.0, 120.0, 130.0];
        let infected = [90.0, 60.0, 120.0];
        let cells = [healthy, infected, healthy, healthy, infected];
        assert_eq!(typical_colour(cells), Some(healthy));
        assert_eq!(
            typical_colour([healthy, [162.0, 124.0, 136.0]]),
            Some([161.0, 122.0, 133.0])
        );
        assert_eq!(typical_colour([]), None);
    }

    #[test]
    fn the_typical_cell_gets_the_reference_and_black_stays_black() {
        let gains = Gains::new([150.0, 100.0, 120.0], [165.0, 130.0, 126.0]);
        let mut crop = plain([150, 100, 120]);
        crop.put_pixel(0, 0, Rgb([0; 3]));
        crop.put_pixel(1, 0, Rgb([250, 250, 250]));
        gains.apply(&mut crop);
        assert_eq!(crop.get_pixel(3, 3), &Rgb([165, 130, 126]));
        assert_eq!(crop.get_pixel(0, 0), &Rgb([0; 3]));
        assert_eq!(crop.get_pixel(1, 0), &Rgb([255; 3]));
    }

    #[test]
    fn equal_colours_change_nothing() {
        let mut crop =
            RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 16 + y) as u8, x as u8, y as u8]));
        let before = crop.clone();
        Gains::new([140.0; 3], [140.0; 3]).apply(&mut crop);
        assert_eq!(crop, before);
    }

    proptest! {
        #[test]
        fn any_light_gives_the_same_crop(light in prop::array::uniform3(0.6f32..1.0), seed in 0u32..1000) {
            // The same cell under another light: after the step nobody can tell, but for rounding.
            let cell = RgbImage::from_fn(9, 9, |x, y| {
                let v = (x * 31 + y * 17 + seed) % 60;
                Rgb([(150 + v) as u8, (100 + v) as u8, (120 + v) as u8])
            });
            let mut lit = cell.clone();
            for Rgb(pixel) in lit.pixels_mut() {
                for (value, light) in pixel.iter_mut().zip(light) {
                    *value = (f32::from(*value) * light).round() as u8;
                }
            }
            let reference = cell_colour(&cell).unwrap();
            Gains::new(cell_colour(&lit).unwrap(), reference).apply(&mut lit);
            for (a, b) in cell.as_raw().iter().zip(lit.as_raw()) {
                prop_assert!(a.abs_diff(*b) <= 2, "{a} {b}");
            }
        }
    }
}
