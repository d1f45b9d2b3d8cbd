//! Which of tract's matrix kernels does a block's products fastest on this machine.
//!
//! tract's own choice is made for matrices at large; here one side is a plane of 4 to some
//! thousand pixels. So the kernels are tried once for each shape. Only those take part that give,
//! to the bit, what tract's own choice gives for noise of the shortest, the middle and the longest
//! length they are to be used for, with a bias and a ReLU, in a part of the plane and of the
//! channels; lengths between them are taken to be alike, which a test checks for some. So a
//! measurement under load costs time, but should change no result.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tract_onnx::prelude::tract_linalg::MmmDispatch;
use tract_onnx::prelude::tract_linalg::mmm::{MatMatMul, Query};
use tract_onnx::prelude::tract_linalg::pack::PackedFormat;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::product::{Panels, Product};

/// More pixels than this are not tried; with 64, inputs of 96 pixels took a few percent longer.
const TRIED_PIXELS: usize = 256;

/// Neither do more channels: a transition's hundreds would take half of the time there is.
const TRIED_CHANNELS: usize = 128;

/// Pixels and channels whose bits are compared: whole tiles of most kernels, and a part of one.
const COMPARED: usize = 40;

/// The fastest of so many runs counts.
const RUNS: usize = 4;

/// For so long kernels are tried in a load. For what is not tried by then the best so far is taken,
/// tract's own choice at first, until the next load. A small board should not wait for many
/// seconds, but too little time costs more: with 150 ms an input of 224 pixels takes a quarter
/// longer, for as long as the model is used.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which side of a matrix product the pixels are on; the channels are on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Pixels are rows: a kernel's vectors run along them.
    Rows,
    /// Pixels are columns: a kernel's vectors run along the channels.
    Columns,
}

/// A kernel, and how it is used.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Packing 0 of it is of f32 on both sides.
    pub kernel: Box<dyn MatMatMul>,
    /// Where the pixels go.
    pub pixels_are: Side,
}

impl Choice {
    /// How rows and columns are packed; `None` for a kernel whose packing isn't plain panels of f32.
    fn formats(&self) -> Option<[&PackedFormat; 2]> {
        let (rows, columns) = self.kernel.packings().first()?;
        let formats = [rows.downcast_ref()?, columns.downcast_ref()?];
        let plain = |format: &PackedFormat| format.dt == f32::datum_type();
        formats.into_iter().all(plain).then_some(formats)
    }

    /// How pixels are packed.
    ///
    /// # Errors
    /// Never for what [`Chooser::choose`] returned.
    pub fn pixels_format(&self) -> TractResult<&PackedFormat> {
        let [rows, columns] = self.formats().context("a kernel that packs otherwise")?;
        Ok(match self.pixels_are {
            Side::Rows => rows,
            Side::Columns => columns,
        })
    }

    /// How weights are packed.
    ///
    /// # Errors
    /// Never for what [`Chooser::choose`] returned.
    pub fn weights_format(&self) -> TractResult<&PackedFormat> {
        let [rows, columns] = self.formats().context("a kernel that packs otherwise")?;
        Ok(match self.pixels_are {
            Side::Rows => columns,
            Side::Columns => rows,
        })
    }
}

/// A plane of pixels and the weights that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    pixels: usize,
    /// The shortest, the middle and the longest number of values that a pixel has.
    lengths: [usize; 3],
    channels: usize,
}

impl Shape {
    /// For `channels × length` weights, of all these lengths in rising order, and a plane of
    /// `pixels`.
    pub fn new(pixels: usize, lengths: &[usize], channels: usize) -> Self {
        let at = |index: usize| lengths.get(index).copied().unwrap_or_default();
        let last = lengths.len().saturating_sub(1);
        Self {
            pixels: pixels.min(TRIED_PIXELS),
            lengths: [at(0), at(lengths.len() / 2), at(last)],
            channels: channels.min(TRIED_CHANNELS),
        }
    }
}

/// What was chosen so far.
static CHOSEN: Mutex<BTreeMap<Shape, Choice>> = Mutex::new(BTreeMap::new());

/// Chooses the kernels of one load.
pub struct Chooser {
    until: Instant,
    /// What this load was told, also of what was not decided in time: the layers of a block must
    /// get the same, whatever another load decides meanwhile.
    told: RefCell<BTreeMap<Shape, Choice>>,
}

impl Chooser {
    /// From now on.
    pub fn new() -> Self {
        Self::until(Instant::now() + PATIENCE)
    }

    fn until(until: Instant) -> Self {
        Self {
            until,
            told: RefCell::default(),
        }
    }

    /// The kernel for a shape.
    ///
    /// # Errors
    /// When tract has no kernel for f32, which is on no machine.
    pub fn choose(&self, shape: Shape) -> TractResult<Choice> {
        if let Some(choice) = self.told.borrow().get(&shape) {
            return Ok(choice.clone());
        }
        let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
        let choice = match chosen.get(&shape) {
            Some(choice) => choice.clone(),
            None => {
                let (choice, in_time) = self.fastest(shape)?;
                if in_time {
                    chosen.insert(shape, choice.clone());
                }
                choice
            }
        };
        self.told.borrow_mut().insert(shape, choice.clone());
        Ok(choice)
    }

    /// The fastest kernel; `false` when the time was up before all were tried.
    fn fastest(&self, shape: Shape) -> TractResult<(Choice, bool)> {
        let mut best = tracts_choice(shape)?;
        let late = || Instant::now() >= self.until;
        if late() {
            return Ok((best, false));
        }
        let trial = Trial::new(shape);
        let wanted = trial.bits(&best)?;
        let mut least = trial.time(&best, Duration::MAX)?;
        for choice in candidates(&best) {
            if late() {
                return Ok((best, false));
            }
            if trial.bits(&choice)? == wanted {
                let time = trial.time(&choice, least * 2)?;
                if time < least {
                    (best, least) = (choice, time);
                }
            }
        }
        Ok((best, true))
    }
}

/// Where tract's own choice packs otherwise than in plain panels, the first kernel that doesn't.
fn tracts_choice(shape: Shape) -> TractResult<Choice> {
    let kernels = MmmDispatch::native();
    let [_, length, _] = shape.lengths;
    let query = Query::plain(
        f32::datum_type(),
        Some(shape.pixels),
        Some(length),
        Some(shape.channels),
    );
    let plain = |kernel: Box<dyn MatMatMul>| {
        let choice = Choice {
            kernel,
            pixels_are: Side::Rows,
        };
        let f32s = choice.kernel.internal_type() == f32::datum_type() && choice.kernel.built();
        (f32s && choice.formats().is_some()).then_some(choice)
    };
    let picked = kernels.pick(&query).map(|(kernel, ..)| kernel);
    picked
        .into_iter()
        .chain(kernels.runnable().iter().cloned())
        .find_map(plain)
        .context("no kernel for f32")
}

/// All kernels of the same architecture, each both ways.
fn candidates(tracts: &Choice) -> Vec<Choice> {
    let own = tracts.kernel.name();
    let kernels = MmmDispatch::native().runnable().iter();
    let fit = kernels.filter(|kernel| {
        kernel.internal_type() == f32::datum_type()
            && kernel.arch() == tracts.kernel.arch()
            && !kernel.emulated()
            && kernel.built()
            && for_this_core(kernel.name(), own)
    });
    let both = fit.flat_map(|kernel| {
        [Side::Rows, Side::Columns].map(|pixels_are| Choice {
            kernel: kernel.clone(),
            pixels_are,
        })
    });
    both.filter(|choice| choice.formats().is_some()).collect()
}

/// Whether a kernel isn't tuned for another core than the one that tract sees. On ARM tract has
/// most of them three times: for Cortex-A53, for A55, and for all; they differ in the order of
/// their instructions alone.
fn for_this_core(name: &str, tracts_own: &str) -> bool {
    ["_a53", "_a55"]
        .iter()
        .all(|core| !name.ends_with(core) || tracts_own.ends_with(core))
}

/// What kernels are tried with.
struct Trial {
    shape: Shape,
    weights: Vec<f32>,
    values: Vec<f32>,
    bias: Vec<f32>,
}

impl Trial {
    fn new(shape: Shape) -> Self {
        let [.., longest] = shape.lengths;
        Self {
            shape,
            weights: noise(shape.channels * longest, 1),
            values: noise(longest * shape.pixels, 2),
            bias: noise(shape.channels, 3),
        }
    }

    /// What a kernel makes of a small part of each length, with a bias and a ReLU.
    fn bits(&self, choice: &Choice) -> TractResult<Vec<u32>> {
        let pixels = self.shape.pixels.min(COMPARED);
        let channels = self.shape.channels.min(COMPARED);
        let mut lengths = self.shape.lengths.to_vec();
        lengths.dedup();
        let mut made = Vec::new();
        for length in lengths {
            let (part, _) = self.run(choice, [pixels, length, channels], None)?;
            made.extend(part.iter().map(|value| value.to_bits()));
        }
        Ok(made)
    }

    /// The least time that a kernel took for the middle length. One that takes `far` or longer
    /// twice is not run again: twice, since the first time its memory is cold.
    fn time(&self, choice: &Choice, far: Duration) -> TractResult<Duration> {
        let [_, length, _] = self.shape.lengths;
        let shape = [self.shape.pixels, length, self.shape.channels];
        Ok(self.run(choice, shape, Some(far))?.1)
    }

    /// As [`try_out`], with noise.
    fn run(
        &self,
        choice: &Choice,
        shape: [usize; 3],
        far: Option<Duration>,
    ) -> TractResult<(Vec<f32>, Duration)> {
        let [_, length, channels] = shape;
        let weights = &self.weights[..channels * length];
        let bias = &self.bias[..channels];
        try_out(choice, shape, (weights, &self.values, bias), far)
    }
}

/// What a kernel makes, `[channels, pixels]`, and the least time it took; run once without `far`.
fn try_out(
    choice: &Choice,
    [pixels, length, channels]: [usize; 3],
    (weights, values, bias): (&[f32], &[f32], &[f32]),
    far: Option<Duration>,
) -> TractResult<(Vec<f32>, Duration)> {
    let product = Product::new(choice, weights, bias, channels, true)?;
    let mut panels = Panels::new(choice.pixels_format()?, length, pixels)?;
    let mut scratch = product.scratch();
    let mut out = Tensor::zero::<f32>(&[channels, pixels])?;
    let mut least = Duration::MAX;
    for run in 0..far.map_or(1, |_| RUNS) {
        if run >= 2 && far.is_some_and(|far| least >= far) {
            break;
        }
        let (width, mut first) = (panels.width(), 0);
        let mut taken = Duration::ZERO;
        while first < pixels {
            let count = panels.pixels_at_a_time(length).min(pixels - first);
            let (packed, distance) = panels.begin(count, length)?;
            for pixel in first..first + count {
                let (panel, column) = ((pixel - first) / width, (pixel - first) % width);
                for row in 0..length {
                    packed[panel * distance + row * width + column] = values[row * pixels + pixel];
                }
            }
            let begun = Instant::now();
            product.run(&panels, &mut scratch, &mut out, (0, first))?;
            taken += begun.elapsed();
            first += count;
        }
        least = least.min(taken);
    }
    let made = out.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    Ok((made, least))
}

/// Values between -1 and 1 that are the same each time.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kernel that could be chosen on this machine, whatever the clock says.
    #[test]
    fn every_kernel_computes_the_product() {
        let lengths = [1, 3, 7, 8, 9, 16, 31, 40, 64, 130];
        for channels in [1, 5, 32, 37] {
            for pixels in [1, 4, 9, 33, 64] {
                for length in lengths {
                    let tracts = tracts_choice(Shape::new(pixels, &[length], channels)).unwrap();
                    let shape = [pixels, length, channels];
                    let trial = Trial::new(Shape::new(pixels, &[length], channels));
                    let wanted = naive(shape);
                    for choice in candidates(&tracts).iter().chain([&tracts]) {
                        let (made, _) = trial.run(choice, shape, None).unwrap();
                        for (a, b) in made.iter().zip(&wanted) {
                            let apart = (f64::from(*a) - b).abs();
                            assert!(apart < 1e-4, "{choice:?} {length} {a} {b}");
                        }
                    }
                }
            }
        }
    }

    /// Three lengths stand for those between them.
    #[test]
    fn kernels_that_agree_at_three_lengths_agree_between_them() {
        let lengths: Vec<_> = (16..=64).step_by(4).collect();
        let shape = Shape::new(33, &lengths, 37);
        let tracts = tracts_choice(shape).unwrap();
        let trial = Trial::new(shape);
        let wanted = trial.bits(&tracts).unwrap();
        let mut agree = 0;
        for choice in candidates(&tracts) {
            if trial.bits(&choice).unwrap() == wanted {
                agree += 1;
                for &length in &lengths {
                    let made = |choice| trial.run(choice, [33, length, 37], None).unwrap().0;
                    assert!(made(&choice) == made(&tracts), "{choice:?} {length}");
                }
            }
        }
        assert!(agree > 0);
    }

    #[test]
    fn kernels_of_other_cores_are_not_tried() {
        for (name, own, tried) in [
            (
                "arm64simd_mmm_f32_12x8_a53",
                "arm64simd_mmm_f32_8x8_a55",
                false,
            ),
            (
                "arm64simd_mmm_f32_12x8_a53",
                "arm64simd_mmm_f32_8x8_a53",
                true,
            ),
            (
                "arm64simd_mmm_f32_12x8_a53",
                "arm64simd_mmm_f32_8x8_gen",
                false,
            ),
            (
                "arm64simd_mmm_f32_12x8_gen",
                "arm64simd_mmm_f32_8x8_a53",
                true,
            ),
            ("avx512_mmm_f32_16x12", "fma_mmm_f32_16x6", true),
        ] {
            assert_eq!(for_this_core(name, own), tried, "{name} {own}");
        }
    }

    #[test]
    fn without_time_tracts_own_choice_stands() {
        let shape = Shape::new(61, &[59], 53);
        let chooser = Chooser::until(Instant::now());
        let (choice, in_time) = chooser.fastest(shape).unwrap();
        assert!(!in_time);
        assert_eq!(
            choice.kernel.name(),
            tracts_choice(shape).unwrap().kernel.name()
        );
    }

    /// Another load may decide meanwhile what this one had no time for.
    #[test]
    fn a_load_is_told_the_same_each_time() {
        let shape = Shape::new(58, &[60], 51);
        let late = Chooser::until(Instant::now());
        let told = late.choose(shape).unwrap();
        let other = candidates(&told)
            .into_iter()
            .find(|choice| choice.kernel.name() != told.kernel.name())
            .unwrap();
        CHOSEN.lock().unwrap().insert(shape, other);
        let again = late.choose(shape).unwrap();
        assert_eq!(again.kernel.name(), told.kernel.name());
    }

    /// What [`Trial::run`] should make.
    fn naive([pixels, length, channels]: [usize; 3]) -> Vec<f64> {
        let (weights, values) = (noise(channels * length, 1), noise(length * pixels, 2));
        let bias = noise(channels, 3);
        let mut made = Vec::new();
        for channel in 0..channels {
            for pixel in 0..pixels {
                let product = |row: usize| {
                    f64::from(weights[channel * length + row])
                        * f64::from(values[row * pixels + pixel])
                };
                let sum: f64 = (0..length).map(product).sum();
                made.push((sum + f64::from(bias[channel])).max(0.0));
            }
        }
        made
    }
}
