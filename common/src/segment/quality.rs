//! Whether a picture can be trusted: sharp, well exposed, not crowded, its cells large enough.

use super::grid::{Grid, reduce};
use super::{REDUCED_SIDE, Segmentation};
use crate::image::RgbImage;
use crate::message::Quality;

/// How wide a cell is where sharpness is measured, in pixels.
const CELL: f32 = 40.0;

/// How many small things must be there to be taken for the cells of a weak objective.
pub const MANY: usize = 10;

/// How many pixels are summed in 32 bits, which vectorises: the square of a Laplacian is less than 2^20.
const STRETCH: usize = 1024;

/// Judges a picture.
///
/// - `focus`: the variance of the Laplacian of the green channel over the variance of the channel itself, in
///   thousandths, where a cell is about 40 pixels wide (where there is none, the frame's shorter side about 480).
///   So neither light nor stain nor magnification matter, only how steep the outlines are: they fade within
///   a fortieth of a cell at 200, within a twelfth at 50, within a fifth at 10. Sharp fields of several
///   microscopes have 35 and more. 0 in a picture without contrast.
/// - `exposure`: the mean of the brightest tenth of the green channel, 1 the largest value: the light
///   between the cells. Above 0.98 it is burnt out, below 0.3 the lamp is dim.
/// - `crowded`: as the segmentation says.
/// - `cell_diameter`: the median of the cells, or the segmentation's rough one where [`MANY`] things may be cells
///   too small to be counted.
/// - `objective_too_low`: whether that is less than `least`, in pixels (see [`crate::crop::least_diameter`]), and
///   there are [`MANY`] of them: the weaker the objective, the more cells are in a field, whereas a few small
///   things in an empty one are platelets or dirt.
pub fn quality(image: &RgbImage, segmentation: &Segmentation, least: f32) -> Quality {
    let short = image.width().min(image.height());
    let many = segmentation.cells.len() + segmentation.others.len() >= MANY;
    let rough = segmentation.rough_diameter.filter(|_| many);
    let cell_diameter = segmentation.cell_diameter.or(rough);
    let mut quality = Quality {
        focus: 0.0,
        exposure: 0.0,
        crowded: segmentation.crowded,
        cell_diameter,
        objective_too_low: many && cell_diameter.is_some_and(|diameter| diameter < least),
    };
    if short == 0 {
        return quality;
    }
    let factor = match segmentation.cell_diameter {
        Some(diameter) => diameter / CELL,
        None => short as f32 / REDUCED_SIDE as f32,
    };
    let green = reduce(image, (factor.round() as usize).max(1)).green;
    quality.focus = focus(&green);
    quality.exposure = exposure(&green);
    quality
}

fn focus(plane: &Grid<u8>) -> f32 {
    let mut laplacian = Moments::default();
    let mut value = Moments::default();
    for y in 1..plane.height.saturating_sub(1) {
        let [above, row, below] = [y - 1, y, y + 1].map(|y| plane.row(y));
        for start in (1..plane.width.saturating_sub(1)).step_by(STRETCH) {
            let end = (start + STRETCH).min(plane.width - 1);
            let beside = row[start - 1..end - 1].iter().zip(&row[start + 1..=end]);
            let around = above[start..end].iter().zip(&below[start..end]).zip(beside);
            let [mut sums, mut squares] = [[0i32; 2]; 2];
            for (&own, ((&a, &b), (&c, &d))) in row[start..end].iter().zip(around) {
                let [own, a, b, c, d] = [own, a, b, c, d].map(i32::from);
                let steep = a + b + c + d - 4 * own;
                sums = [sums[0] + own, sums[1] + steep];
                squares = [squares[0] + own * own, squares[1] + steep * steep];
            }
            value.add(end - start, sums[0], squares[0]);
            laplacian.add(end - start, sums[1], squares[1]);
        }
    }
    let contrast = value.variance();
    // Less than the grain of a camera is no contrast.
    if contrast < 1.0 {
        return 0.0;
    }
    (1000.0 * laplacian.variance() / contrast) as f32
}

/// [`brightest_tenth`] of a plane.
pub(super) fn exposure(plane: &Grid<u8>) -> f32 {
    brightest_tenth(&plane.data)
}

/// The mean of the brightest tenth of values, 1 the largest value: of a green channel the light between the cells.
pub fn brightest_tenth(values: &[u8]) -> f32 {
    let mut histogram = [0u64; 256];
    for &value in values {
        histogram[usize::from(value)] += 1;
    }
    let tenth = (values.len() as u64).div_ceil(10);
    let (mut left, mut sum) = (tenth, 0);
    for (value, &n) in histogram.iter().enumerate().rev() {
        let taken = n.min(left);
        left -= taken;
        sum += taken * value as u64;
    }
    sum as f32 / tenth.max(1) as f32 / 255.0
}

/// Sums of whole numbers: exact, and the same in every order.
#[derive(Default)]
struct Moments {
    n: i64,
    sum: i64,
    squares: i64,
}

impl Moments {
    /// Adds so many values with their sums.
    fn add(&mut self, n: usize, sum: i32, squares: i32) {
        self.n += n as i64;
        self.sum += i64::from(sum);
        self.squares += i64::from(squares);
    }

    fn variance(&self) -> f64 {
        if self.n == 0 {
            return 0.0;
        }
        let mean = self.sum as f64 / self.n as f64;
        self.squares as f64 / self.n as f64 - mean * mean
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment;
    use super::*;
    use crate::image::Rgb;
    use crate::synth::{SmearSpec, smear};

    #[test]
    fn blur_lowers_the_focus_and_light_does_not() {
        let judge = |blur, noise| {
            let spec = SmearSpec {
                blur,
                noise,
                ..SmearSpec::default()
            };
            let image = smear(&spec, 4).image;
            quality(&image, &segment(&image), 32.0)
        };
        let [sharp, soft, blurred] = [2.0, 6.0, 14.0].map(|blur| judge(blur, 1.0).focus);
        assert!(
            sharp > 1.5 * soft && soft > 1.5 * blurred,
            "{sharp} {soft} {blurred}"
        );
        let dim = {
            let mut image = smear(
                &SmearSpec {
                    blur: 2.0,
                    noise: 0.0,
                    ..SmearSpec::default()
                },
                4,
            )
            .image;
            image.iter_mut().for_each(|v| *v /= 2);
            quality(&image, &segment(&image), 32.0)
        };
        assert!(
            (dim.focus / judge(2.0, 0.0).focus - 1.0).abs() < 0.1,
            "{}",
            dim.focus
        );
        assert!((dim.exposure * 2.0 / judge(2.0, 0.0).exposure - 1.0).abs() < 0.05);
    }

    #[test]
    fn pictures_without_content_have_no_focus() {
        let of = |width, height, value| {
            quality(
                &RgbImage::from_pixel(width, height, Rgb([value; 3])),
                &Segmentation::default(),
                32.0,
            )
        };
        assert_eq!((of(0, 0, 0).focus, of(0, 0, 0).exposure), (0.0, 0.0));
        assert_eq!((of(1, 1, 255).focus, of(1, 1, 255).exposure), (0.0, 1.0));
        assert_eq!(
            (of(640, 480, 0).focus, of(640, 480, 0).exposure),
            (0.0, 0.0)
        );
    }

    #[test]
    fn cells_of_a_weak_objective_are_told() {
        // Reduced as a weaker objective would: the same field on fewer pixels.
        let seen_by = |reduced: u32| {
            let spec = SmearSpec {
                cells: 60,
                ..SmearSpec::default()
            };
            let field = smear(&spec, 4).image;
            let (w, h) = (field.width() / reduced, field.height() / reduced);
            let filter = ::image::imageops::FilterType::Triangle;
            let image = ::image::imageops::resize(&field, w, h, filter);
            quality(&image, &segment(&image), 32.0)
        };
        let strong = seen_by(1);
        assert!(!strong.objective_too_low, "{strong:?}");
        for (reduced, counted) in [(4, true), (12, false)] {
            let weak = seen_by(reduced);
            assert!(weak.objective_too_low, "{reduced}: {weak:?}");
            let expected = strong.cell_diameter.unwrap() / reduced as f32;
            let found = weak.cell_diameter.unwrap();
            let tolerance = if counted { 1.2 } else { 2.0 };
            assert!(
                found < expected * tolerance && found * tolerance > expected,
                "{reduced}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_few_small_things_say_nothing_of_the_objective() {
        let mut found = segment(&smear(&SmearSpec::default(), 4).image);
        let blank = RgbImage::new(64, 64);
        found.others.clear();
        found.cell_diameter = Some(12.0);
        found.cells.truncate(MANY);
        assert!(quality(&blank, &found, 32.0).objective_too_low);
        found.cells.truncate(MANY - 1);
        assert!(!quality(&blank, &found, 32.0).objective_too_low);
    }
}
