//! Random views of a batch of crops, made on the training device.
//!
//! Geometry: rotation, mirroring, scale, a small shift, and a random part of the picture. Stain: the laboratory's colour is
//! the one thing that a cell must not be recognised by, so optical density, colour balance, contrast,
//! saturation, sharpness and noise vary widely (ranges: measured from lab to lab on masked crops,
//! where they raised the AUC at another laboratory from 0.81 to 0.94).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How widely the views vary; 0 or `[1, 1]` leaves a property alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Rotation by up to this angle in degrees to either side.
    pub rotation: f64,
    /// Mirroring of every second crop.
    pub mirror: bool,
    /// The cell's size is multiplied by a factor in this range.
    pub scale: [f64; 2],
    /// Shift by up to this part of the side.
    pub shift: f64,
    /// What is left of the picture: a part with a share of its area in this range, anywhere in it,
    /// stretched to the whole.
    pub part: [f64; 2],
    /// Width over height of that part, before it is stretched.
    pub aspect: [f64; 2],
    /// Optical density of the whole cell is multiplied by a factor in this range.
    pub density: [f64; 2],
    /// Optical density of each colour is multiplied by a factor in this range.
    pub colour: [f64; 2],
    /// The difference of each pixel's optical density from the cell's mean is multiplied by a factor
    /// in this range: the board's stain step brings a dense stain back to the mean, but not its
    /// contrast.
    #[serde(default = "unchanged")]
    pub contrast: [f64; 2],
    /// Optical density of each colour is shifted by up to this.
    pub offset: f64,
    /// The distance of each colour from gray is multiplied by a factor in this range.
    pub saturation: [f64; 2],
    /// Share of the crops that are blurred a little.
    pub blur: f64,
    /// Highest standard deviation of the noise, in units of 0 to 1.
    pub noise: f64,
}

/// The range of a property that is left alone.
fn unchanged() -> [f64; 2] {
    [1.0, 1.0]
}

impl Augment {
    /// Strong stain jitter: for a model that must see another laboratory's cells.
    pub fn strong() -> Self {
        Self {
            rotation: 180.0,
            mirror: true,
            scale: [0.85, 1.15],
            shift: 0.04,
            part: [1.0, 1.0],
            aspect: [1.0, 1.0],
            density: [0.6, 1.5],
            colour: [0.65, 1.35],
            contrast: [0.6, 1.8],
            offset: 0.175,
            saturation: [0.0, 1.3],
            blur: 0.3,
            noise: 0.03,
        }
    }

    /// Rotation, flips, scale and brightness only: for the laboratory of the training data.
    pub fn mild() -> Self {
        Self {
            rotation: 180.0,
            mirror: true,
            scale: [0.9, 1.1],
            shift: 0.03,
            part: [1.0, 1.0],
            aspect: [1.0, 1.0],
            density: [0.85, 1.15],
            colour: [0.95, 1.05],
            contrast: unchanged(),
            offset: 0.02,
            saturation: [0.9, 1.1],
            blur: 0.0,
            noise: 0.0,
        }
    }

    /// As the tutorial: a little rotation, a mirror, and torchvision's `RandomResizedCrop`, which
    /// may cut the parasite away.
    pub fn tutorial() -> Self {
        Self {
            rotation: 30.0,
            mirror: true,
            part: [0.08, 1.0],
            aspect: [3.0 / 4.0, 4.0 / 3.0],
            ..Self::none()
        }
    }

    /// Every crop as it is.
    pub fn none() -> Self {
        Self {
            rotation: 0.0,
            mirror: false,
            scale: [1.0, 1.0],
            shift: 0.0,
            part: [1.0, 1.0],
            aspect: [1.0, 1.0],
            density: [1.0, 1.0],
            colour: [1.0, 1.0],
            contrast: unchanged(),
            offset: 0.0,
            saturation: [1.0, 1.0],
            blur: 0.0,
            noise: 0.0,
        }
    }

    /// A random view of each of `[N, 3, S, S]` crops with values 0 to 1. What is black outside
    /// the cell's mask stays black.
    pub fn apply(&self, crops: &Tensor) -> Tensor {
        if *self == Self::none() {
            return crops.shallow_clone();
        }
        let moved = self.warp(crops);
        // The mask moves with the cell: a pixel with no light in any colour is outside it.
        let mask = moved.amax([1], true).gt(0.5 / 255.0).to_kind(Kind::Float);
        self.stain(&moved, &mask) * mask
    }

    fn warp(&self, crops: &Tensor) -> Tensor {
        let (n, options) = (crops.size()[0], (Kind::Float, crops.device()));
        let each = |range| uniform(&[n], range, options);
        let turn = self.rotation / 180.0 * PI;
        let angle = each([-turn, turn]);
        let mirror = if self.mirror {
            each([0.0, 1.0]).gt(0.5).to_kind(Kind::Float) * 2.0 - 1.0
        } else {
            Tensor::ones([n], options)
        };
        // The grid says where each pixel is taken from, in units of half a side: a larger cell
        // takes from nearer by, a part of the picture from its own half-width and half-height.
        let reach = each(self.scale).reciprocal();
        let side = each(self.part).sqrt();
        let stretch = (each(self.aspect.map(f64::ln)) * 0.5).exp();
        let (wide, high) = (
            (&side * &stretch).clamp_max(1.0),
            (side / stretch).clamp_max(1.0),
        );
        let shift = || each([-2.0 * self.shift, 2.0 * self.shift]);
        let place = |half: &Tensor| each([-1.0, 1.0]) * (1.0 - half);
        let (x, y) = (shift() + place(&wide), shift() + place(&high));
        let (cos, sin) = (angle.cos() * &reach, angle.sin() * reach);
        let rows = [
            Tensor::stack(&[&cos * &mirror * &wide, -&sin * &high, x], 1),
            Tensor::stack(&[sin * mirror * wide, cos * high, y], 1),
        ];
        let grid = Tensor::affine_grid_generator(&Tensor::stack(&rows, 1), crops.size(), false);
        // 0, 0: bilinear, and black from outside.
        crops.grid_sampler(&grid, 0, 0, false)
    }

    fn stain(&self, crops: &Tensor, mask: &Tensor) -> Tensor {
        let (n, options) = (crops.size()[0], (Kind::Float, crops.device()));
        let each = |range| uniform(&[n, 1, 1, 1], range, options);
        let colour = |range| uniform(&[n, 3, 1, 1], range, options);
        // Beer-Lambert: stain multiplies optical density, not light.
        let mut density = -crops.clamp(1.0 / 255.0, 1.0).log();
        if self.contrast != unchanged() {
            let sum =
                |values: &Tensor| values.sum_dim_intlist([2, 3].as_slice(), true, Kind::Float);
            let mean = sum(&(&density * mask)) / sum(mask).clamp_min(1.0);
            density = &mean + (&density - &mean) * each(self.contrast);
        }
        let density = density * each(self.density) * colour(self.colour)
            + colour([-self.offset, self.offset]);
        let light = (-density).exp();
        let gray = light.mean_dim([1].as_slice(), true, Kind::Float);
        let mut light = &gray + (&light - &gray) * each(self.saturation);
        if self.blur > 0.0 {
            let soft = light.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>);
            let share = each([0.0, 1.0]) * each([0.0, 1.0]).lt(self.blur).to_kind(Kind::Float);
            light = &light + (soft - &light) * share;
        }
        if self.noise > 0.0 {
            light += light.randn_like() * each([0.0, self.noise]);
        }
        // Above 0, so that the cell's darkest pixels still belong to it.
        light.clamp(1.0 / 255.0, 1.0)
    }
}

fn uniform(shape: &[i64], [low, high]: [f64; 2], options: (Kind, tch::Device)) -> Tensor {
    Tensor::rand(shape, options) * (high - low) + low
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn disc() -> Tensor {
        let axis = Tensor::arange(64, (Kind::Float, Device::Cpu)) - 31.5;
        let radius = axis.square().unsqueeze(0) + axis.square().unsqueeze(1);
        let inside = radius.lt(24.0 * 24.0).to_kind(Kind::Float);
        (inside * 0.6).expand([4, 3, 64, 64], false).contiguous()
    }

    #[test]
    fn without_ranges_nothing_changes() {
        // Not quite none, which would be no work at all.
        let still = Augment {
            shift: 1e-9,
            ..Augment::none()
        };
        let crops = disc();
        let delta = (still.apply(&crops) - &crops).abs().max();
        assert!(f64::try_from(delta).unwrap() < 1e-5);
    }

    #[test]
    fn a_part_of_the_picture_fills_it() {
        tch::manual_seed(1);
        // Brightness is the place: red grows to the right, green downwards.
        let axis = (Tensor::arange(64, (Kind::Float, Device::Cpu)) + 0.5) / 64.0 * 0.9 + 0.05;
        let red = axis.unsqueeze(0).expand([64, 64], false);
        let picture = Tensor::stack(&[&red, &red.transpose(0, 1), &red], 0);
        let pictures = picture
            .unsqueeze(0)
            .expand([64, 3, 64, 64], false)
            .contiguous();
        let quarter = Augment {
            part: [0.25, 0.25],
            ..Augment::none()
        };
        let views = quarter.warp(&pictures);
        assert!(
            f64::try_from(views.min()).unwrap() > 0.0,
            "nothing from outside"
        );
        // Without the rim, which is mixed with what is outside the picture where it touches it.
        let red = views.select(1, 0).slice(1, 1, 63, 1).slice(2, 1, 63, 1);
        let spread = red.amax([1, 2], false) - red.amin([1, 2], false);
        // Half the side, so half the range of colours.
        assert!(f64::try_from((spread - 0.45).abs().max()).unwrap() < 0.03);
        let middle = red.mean_dim([1, 2].as_slice(), false, Kind::Float);
        assert!(f64::try_from(middle.std(true)).unwrap() > 0.1, "anywhere");
    }

    #[test]
    fn contrast_leaves_the_cell_s_mean_density_alone() {
        tch::manual_seed(3);
        let crops = disc() * (Tensor::rand([4, 3, 64, 64], (Kind::Float, Device::Cpu)) * 0.5 + 0.5);
        let doubled = Augment {
            contrast: [2.0, 2.0],
            ..Augment::none()
        };
        let mask = crops.amax([1], true).gt(0.0).to_kind(Kind::Float);
        let density = |light: &Tensor| -light.clamp(1.0 / 255.0, 1.0).log();
        let (before, after) = (density(&crops), density(&doubled.stain(&crops, &mask)));
        let inside = mask.expand([4, 3, 64, 64], false).gt(0.5);
        let [before, after] = [before, after].map(|d| d.masked_select(&inside));
        let mean = |d: &Tensor| f64::try_from(d.mean(Kind::Float)).unwrap();
        assert!((mean(&before) - mean(&after)).abs() < 0.01);
        let spread = |d: &Tensor| f64::try_from(d.std(true)).unwrap();
        // Not quite double: what would be brighter than light is cut off.
        assert!(spread(&after) > 1.8 * spread(&before));
    }

    #[test]
    fn strong_views_differ_stay_in_range_and_keep_the_background_black() {
        tch::manual_seed(1);
        let crops = disc();
        let views = Augment::strong().apply(&crops);
        assert_eq!(views.size(), crops.size());
        assert!(f64::try_from(views.min()).unwrap() >= 0.0);
        assert!(f64::try_from(views.max()).unwrap() <= 1.0);
        assert!(f64::try_from(views.isfinite().all().to_kind(Kind::Float)).unwrap() > 0.0);
        // Corners are outside every rotated and scaled disc.
        let corner = views.slice(2, 0, 3, 1).slice(3, 0, 3, 1).abs().max();
        assert_eq!(f64::try_from(corner).unwrap(), 0.0);
        let spread = views.std_dim([0].as_slice(), true, false).max();
        assert!(f64::try_from(spread).unwrap() > 0.05);
    }
}
