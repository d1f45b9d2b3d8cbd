//! What absorbs light, summed pixel by pixel.

use super::chance::Chance;
use crate::geometry::Rect;

/// An optical density (natural logarithm) in red, green and blue light.
pub(super) type Density = [f32; 3];

/// `amount` times a density.
pub(super) fn times(density: Density, amount: f32) -> Density {
    density.map(|d| d * amount)
}

/// A field's optical densities. Where two things overlap their densities add, so that their light
/// multiplies, as in the smear.
pub(super) struct Canvas {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<Density>,
    /// How many pixels an outline takes from full to nothing.
    pub softness: f32,
}

/// A round thing whose outline may be elliptical and wavy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub x: f32,
    pub y: f32,
    /// The mean radius in pixels.
    pub radius: f32,
    /// How the radius changes around the outline: the parts of cos 2φ, sin 2φ, cos 3φ, sin 3φ, cos 4φ and
    /// sin 4φ.
    pub waves: [f32; 6],
}

impl Outline {
    /// A disc.
    pub fn disc(x: f32, y: f32, radius: f32) -> Self {
        Self {
            x,
            y,
            radius,
            waves: [0.0; 6],
        }
    }

    /// A disc that chance makes elliptical (by up to `ellipticity` of the radius) and wavy (by up to `wobble`).
    pub fn uneven(
        [x, y]: [f32; 2],
        radius: f32,
        ellipticity: f32,
        wobble: f32,
        chance: &mut Chance,
    ) -> Self {
        let [c2, s2] = chance.in_disc().map(|v| v * ellipticity);
        let [c3, s3] = chance.in_disc().map(|v| v * wobble);
        let [c4, s4] = chance.in_disc().map(|v| v * wobble * 0.6);
        let waves = [c2, s2, c3, s3, c4, s4];
        Self {
            x,
            y,
            radius,
            waves,
        }
    }

    /// The largest radius that the waves can give.
    pub fn reach(&self) -> f32 {
        self.radius * (1.0 + self.waves.iter().map(|w| w.abs()).sum::<f32>())
    }

    /// The radius in the direction (c, s) of length 1.
    fn radius_towards(&self, c: f32, s: f32) -> f32 {
        let (c2, s2) = (c * c - s * s, 2.0 * c * s);
        let (c3, s3) = (c2 * c - s2 * s, s2 * c + c2 * s);
        let (c4, s4) = (c2 * c2 - s2 * s2, 2.0 * c2 * s2);
        let w = &self.waves;
        self.radius * (1.0 + w[0] * c2 + w[1] * s2 + w[2] * c3 + w[3] * s3 + w[4] * c4 + w[5] * s4)
    }
}

impl Canvas {
    pub fn new(width: u32, height: u32, softness: f32) -> Self {
        Self {
            width,
            height,
            pixels: vec![[0.0; 3]; width as usize * height as usize],
            softness: softness.max(0.5),
        }
    }

    /// Adds a thing. `density` tells what it absorbs at a distance from its centre, from 0 there to 1 at its
    /// outline. Returns the box of what is within the frame.
    pub fn add(&mut self, outline: &Outline, density: impl Fn(f32) -> Density) -> Option<Rect> {
        let reach = outline.reach() + self.softness;
        // `as` saturates: what lies outside is cut at the frame.
        let (left, right) = (
            (outline.x - reach).max(0.0) as u32,
            ((outline.x + reach + 1.0).max(0.0) as u32).min(self.width),
        );
        let (top, bottom) = (
            (outline.y - reach).max(0.0) as u32,
            ((outline.y + reach + 1.0).max(0.0) as u32).min(self.height),
        );
        let (mut x0, mut x1, mut y0, mut y1) = (u32::MAX, 0, u32::MAX, 0);
        for y in top..bottom {
            let dy = y as f32 + 0.5 - outline.y;
            let start = y as usize * self.width as usize;
            for x in left..right {
                let dx = x as f32 + 0.5 - outline.x;
                let distance = (dx * dx + dy * dy).sqrt();
                if distance > reach {
                    continue;
                }
                let scale = 1.0 / distance.max(1e-3);
                let radius = outline.radius_towards(dx * scale, dy * scale);
                let cover = smooth((radius - distance) / self.softness + 0.5);
                if cover <= 0.0 {
                    continue;
                }
                if cover >= 0.5 {
                    (x0, x1) = (x0.min(x), x1.max(x));
                    (y0, y1) = (y0.min(y), y1.max(y));
                }
                let added = density((distance / radius.max(1e-3)).min(1.0));
                let pixel = &mut self.pixels[start + x as usize];
                for (sum, part) in pixel.iter_mut().zip(added) {
                    *sum += part * cover;
                }
            }
        }
        (x0 <= x1).then(|| Rect {
            x: x0,
            y: y0,
            w: x1 - x0 + 1,
            h: y1 - y0 + 1,
        })
    }
}

/// From 0 to 1 with a soft start and end.
pub(super) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_has_its_box_and_what_is_outside_is_cut() {
        let mut canvas = Canvas::new(100, 80, 1.0);
        let inside = canvas.add(&Outline::disc(50.0, 40.0, 10.0), |_| [1.0; 3]);
        assert_eq!(inside, Some(Rect::from([40, 30, 20, 20])));
        let cut = canvas.add(&Outline::disc(0.0, 80.0, 10.0), |_| [1.0; 3]);
        assert_eq!(cut, Some(Rect::from([0, 70, 10, 10])));
        assert_eq!(
            canvas.add(&Outline::disc(-50.0, -50.0, 10.0), |_| [1.0; 3]),
            None
        );
        assert_eq!(canvas.pixels[40 * 100 + 50], [1.0; 3]);
    }

    #[test]
    fn densities_add_where_things_overlap() {
        let mut canvas = Canvas::new(40, 40, 1.0);
        canvas.add(&Outline::disc(15.0, 20.0, 10.0), |_| [0.5, 0.25, 0.0]);
        canvas.add(&Outline::disc(25.0, 20.0, 10.0), |_| [0.5, 0.25, 0.0]);
        assert_eq!(canvas.pixels[20 * 40 + 20], [1.0, 0.5, 0.0]);
    }
}
