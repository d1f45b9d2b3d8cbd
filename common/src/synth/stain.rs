//! Giemsa's colours, the light behind them, and the camera that takes the picture.

use super::SmearSpec;
use super::canvas::{Canvas, Density};
use super::chance::Chance;
use crate::geometry::Rect;
use crate::image::RgbImage;

/// What the parts of cells absorb in this smear.
pub(super) struct Stain {
    /// Hemoglobin with eosin, in the thick rim of a red cell: pink to grey.
    pub red_cell: Density,
    /// Chromatin of parasites and the nuclei of white cells: purple.
    pub chromatin: Density,
    /// Cytoplasm of parasites: blue.
    pub cytoplasm: Density,
    /// Hemozoin: brown.
    pub pigment: Density,
}

impl Stain {
    /// A stain; at `variation` 0 the middle one, at 1 anything from one laboratory to the next.
    pub fn new(variation: f32, chance: &mut Chance) -> Self {
        let mut about =
            |middle: f32, part: f32| middle * (1.0 + part * variation * chance.between(-1.0, 1.0));
        let strength = about(0.62, 0.4);
        let nuclear = about(1.0, 0.3);
        Self {
            red_cell: [
                strength * about(0.38, 0.3),
                strength,
                strength * about(0.72, 0.2),
            ],
            chromatin: [
                nuclear * about(0.75, 0.2),
                nuclear * about(1.7, 0.15),
                nuclear * about(0.6, 0.25),
            ],
            cytoplasm: [
                nuclear * about(0.5, 0.2),
                nuclear * about(0.5, 0.2),
                nuclear * about(0.2, 0.3),
            ],
            pigment: [0.5, 0.7, 0.9],
        }
    }
}

/// The light that reaches the camera where nothing absorbs.
#[derive(Clone)]
pub(super) struct Light {
    /// At its brightest, 0 to 255.
    colour: [f32; 3],
    /// Where it is brightest, in coordinates from -1 to 1.
    centre: [f32; 2],
    /// How much darker it is at a squared distance of 1.
    fall: f32,
    /// How it changes along x and y.
    slope: [f32; 2],
}

impl Light {
    pub fn new(spec: &SmearSpec, chance: &mut Chance) -> Self {
        let green = 225.0 + 20.0 * spec.stain_variation * chance.between(-1.0, 1.0);
        let mut tint = |low: f32, high: f32| {
            let middle = (low + high) / 2.0;
            green * (middle + (chance.between(low, high) - middle) * spec.stain_variation)
        };
        let colour = [tint(0.82, 1.02), green, tint(0.84, 1.0)];
        let half = spec.illumination / 2.0;
        Self {
            colour,
            centre: chance.in_disc().map(|v| v * 0.5),
            fall: half * 0.6,
            slope: chance.direction().map(|v| v * half * 0.5),
        }
    }

    /// The same light, brighter or darker in red, green and blue.
    pub fn times(&self, gain: [f32; 3]) -> Self {
        Self {
            colour: [0, 1, 2].map(|i| self.colour[i] * gain[i]),
            ..*self
        }
    }

    fn at(&self, u: f32, v: f32) -> f32 {
        let (x, y) = (u - self.centre[0], v - self.centre[1]);
        (1.0 - self.fall * (x * x + y * y) + self.slope[0] * u + self.slope[1] * v).max(0.05)
    }
}

/// The picture of a window into what was drawn, which must lie within it. `noise` is the standard deviation of the
/// grain.
pub(super) fn photograph(
    canvas: &Canvas,
    window: Rect,
    light: &Light,
    noise: f32,
    chance: &mut Chance,
) -> RgbImage {
    let transmitted = Transmission::new();
    let (w, h) = (window.w as usize, window.h as usize);
    let mut bytes = vec![0u8; w * h * 3];
    let mut grain = vec![0u8; w * 4];
    // Four even bytes have a standard deviation of 147.8 when summed.
    let noise = noise / 147.8;
    for y in 0..h {
        chance.fill(&mut grain);
        let v = (2.0 * y as f32 + 1.0) / h as f32 - 1.0;
        let start = (window.y as usize + y) * canvas.width as usize + window.x as usize;
        let line = &canvas.pixels[start..start + w];
        let out = bytes[y * w * 3..(y + 1) * w * 3].chunks_exact_mut(3);
        for (x, ((out, density), grain)) in out.zip(line).zip(grain.chunks_exact(4)).enumerate() {
            let u = (2.0 * x as f32 + 1.0) / w as f32 - 1.0;
            let here = light.at(u, v);
            let [a, b, c, d] =
                [grain[0], grain[1], grain[2], grain[3]].map(|g| f32::from(g) - 127.5);
            // Three sums of the same four bytes: grey grain with a little colour in it.
            let grains = [a + b + c + d, a + b + c - d, a + b - c + d];
            for i in 0..3 {
                let clean = light.colour[i] * here * transmitted.of(density[i]);
                // `as` saturates at 0 and 255, as the camera does.
                out[i] = (clean + noise * grains[i] + 0.5) as u8;
            }
        }
    }
    RgbImage::from_raw(window.w, window.h, bytes).expect("three bytes were made for each pixel")
}

/// exp(−density), from a table: the same on every machine.
struct Transmission {
    table: Vec<f32>,
}

impl Transmission {
    const STEPS: f32 = 128.0;
    const MAX: usize = 6;

    fn new() -> Self {
        // e^(-1/128)
        const STEP: f64 = 0.992_217_938_260_243_5;
        let mut value = 1.0;
        let table = (0..Self::MAX * Self::STEPS as usize + 2)
            .map(|_| {
                let now = value as f32;
                value *= STEP;
                now
            })
            .collect();
        Self { table }
    }

    fn of(&self, density: f32) -> f32 {
        let place = (density * Self::STEPS).clamp(0.0, Self::MAX as f32 * Self::STEPS);
        let index = place as usize;
        let part = place - index as f32;
        self.table[index] + (self.table[index + 1] - self.table[index]) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_exponential() {
        let table = Transmission::new();
        for density in [0.0f32, 0.001, 0.5, 1.2345, 5.9] {
            assert!(
                (table.of(density) - (-density).exp()).abs() < 2e-5,
                "{density}"
            );
        }
        assert_eq!(table.of(-1.0), 1.0);
        assert!(table.of(f32::MAX) < 0.003);
    }
}
