//! A smear larger than a field, that a microscope's stage can be moved over.

use super::canvas::Canvas;
use super::chance::Chance;
use super::stain::{Light, photograph};
use super::{SmearSpec, TrueObject, draw};
use crate::geometry::Rect;
use crate::image::RgbImage;

/// A drawn smear with exact truth, of which fields can be photographed. The lamp and the camera stay the same: light falls
/// off towards the same corner of each field.
pub struct SyntheticSlide {
    canvas: Canvas,
    truth: Vec<TrueObject>,
    light: Light,
    noise: f32,
}

impl SyntheticSlide {
    /// A slide; the size in the spec is that of the whole. It takes 12 bytes for each pixel.
    pub fn new(spec: &SmearSpec, seed: u64) -> Self {
        let spec = spec.within_range();
        let mut chance = Chance::new(seed);
        let (canvas, truth) = draw(&spec, &mut chance);
        let light = Light::new(&spec, &mut chance);
        Self {
            canvas,
            truth,
            light,
            noise: spec.noise,
        }
    }

    /// Everything on the slide, in its pixels.
    pub fn truth(&self) -> &[TrueObject] {
        &self.truth
    }

    /// The field at a window, which is brought within the slide. `gain` makes it brighter or darker in red, green and blue,
    /// 1 as the lamp was set; each seed has a grain of its own.
    pub fn field(&self, window: Rect, gain: [f32; 3], seed: u64) -> RgbImage {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let (w, h) = (window.w.clamp(1, width), window.h.clamp(1, height));
        let window = Rect {
            x: window.x.min(width - w),
            y: window.y.min(height - h),
            w,
            h,
        };
        let light = self.light.times(gain);
        let mut chance = Chance::new(seed);
        photograph(&self.canvas, window, &light, self.noise, &mut chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fields_show_the_same_smear() {
        let spec = SmearSpec {
            width: 400,
            height: 300,
            cells: 30,
            cell_diameter: 36.0,
            noise: 0.0,
            illumination: 0.0,
            ..SmearSpec::default()
        };
        let slide = SyntheticSlide::new(&spec, 1);
        let one = slide.field(Rect::from([0, 0, 200, 150]), [1.0; 3], 1);
        let two = slide.field(Rect::from([50, 20, 200, 150]), [1.0; 3], 2);
        let differing = (0..100)
            .filter(|&i| one.get_pixel(50 + i, 20 + i) != two.get_pixel(i, i))
            .count();
        assert_eq!(differing, 0);
        let dim = slide.field(Rect::from([50, 20, 200, 150]), [0.5; 3], 2);
        assert!(dim.get_pixel(3, 3)[1].abs_diff(two.get_pixel(3, 3)[1] / 2) <= 1);
        assert!(slide.truth().len() > 25);
    }

    #[test]
    fn no_window_is_outside() {
        let spec = SmearSpec {
            width: 40,
            height: 30,
            cells: 1,
            cell_diameter: 10.0,
            ..SmearSpec::default()
        };
        let slide = SyntheticSlide::new(&spec, 1);
        for (window, size) in [
            ([u32::MAX; 4], (40, 30)),
            ([0; 4], (1, 1)),
            ([39, 29, 10, 10], (10, 10)),
        ] {
            let field = slide.field(Rect::from(window), [f32::NAN; 3], 1);
            assert_eq!(field.dimensions(), size);
        }
    }
}
