//! Which of tract's matrix kernels does a block's products fastest on this machine.
//!
//! tract's own choice is made for matrices at large; here one side is a plane of 4 to some
//! thousand pixels. So the kernels are tried once for each shape. They are tried only where they
//! give, to the bit, what tract's own choice gives: a measurement under load may cost time, but
//! changes no result.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tract_onnx::prelude::tract_linalg::MmmDispatch;
use tract_onnx::prelude::tract_linalg::mmm::{MatMatMul, Query};
use tract_onnx::prelude::tract_linalg::pack::PackedFormat;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::product::{Panels, Product};

/// More pixels than this tell nothing new of a kernel.
const TRIED_PIXELS: usize = 256;

/// The fastest of so many runs counts.
const RUNS: usize = 4;

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
    /// Never for what [`choose`] returned.
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
    /// Never for what [`choose`] returned.
    pub fn weights_format(&self) -> TractResult<&PackedFormat> {
        let [rows, columns] = self.formats().context("a kernel that packs otherwise")?;
        Ok(match self.pixels_are {
            Side::Rows => columns,
            Side::Columns => rows,
        })
    }
}

/// What was chosen for `[pixels, length, channels]`.
static CHOSEN: Mutex<BTreeMap<[usize; 3], Choice>> = Mutex::new(BTreeMap::new());

/// The kernel for `channels × length` weights and a plane of `pixels`.
///
/// # Errors
/// When tract has no kernel for f32, which is on no machine.
pub fn choose(pixels: usize, length: usize, channels: usize) -> TractResult<Choice> {
    let shape = [pixels.min(TRIED_PIXELS), length, channels];
    let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(choice) = chosen.get(&shape) {
        return Ok(choice.clone());
    }
    let choice = fastest(shape)?;
    chosen.insert(shape, choice.clone());
    Ok(choice)
}

fn fastest(shape: [usize; 3]) -> TractResult<Choice> {
    let [pixels, length, channels] = shape;
    let kernels = MmmDispatch::native();
    let query = Query::plain(
        f32::datum_type(),
        Some(pixels),
        Some(length),
        Some(channels),
    );
    let plain = |kernel: Box<dyn MatMatMul>| {
        let choice = Choice {
            kernel,
            pixels_are: Side::Rows,
        };
        let f32s = choice.kernel.internal_type() == f32::datum_type();
        (f32s && choice.formats().is_some()).then_some(choice)
    };
    // Where its own choice packs otherwise, the first that doesn't.
    let picked = kernels.pick(&query).map(|(kernel, ..)| kernel);
    let tracts = picked
        .into_iter()
        .chain(kernels.runnable().iter().cloned())
        .find_map(plain)
        .context("no kernel for f32")?;
    let weights = noise(channels * length, 1);
    let values = noise(length * TRIED_PIXELS, 2);
    let trial = |choice: &Choice, runs| try_out(choice, &weights, &values, shape, runs);
    let (wanted, mut least) = trial(&tracts, RUNS)?;
    let mut best = tracts;
    let arch = best.kernel.arch();
    for kernel in kernels.runnable() {
        let candidate = kernel.internal_type() == f32::datum_type()
            && kernel.arch() == arch
            && !kernel.emulated();
        for pixels_are in [Side::Rows, Side::Columns] {
            let choice = Choice {
                kernel: kernel.clone(),
                pixels_are,
            };
            if !candidate || choice.formats().is_none() {
                continue;
            }
            // The first run is slow: memory is cold. One that is slower by far isn't repeated.
            let (made, first) = trial(&choice, 1)?;
            if made == wanted && first < least * 2 {
                let (_, time) = trial(&choice, RUNS)?;
                if time < least {
                    (best, least) = (choice, time);
                }
            }
        }
    }
    Ok(best)
}

/// What a kernel makes, as bits, and the least time it took.
fn try_out(
    choice: &Choice,
    weights: &[f32],
    values: &[f32],
    [pixels, length, channels]: [usize; 3],
    runs: usize,
) -> TractResult<(Vec<u32>, Duration)> {
    let product = Product::new(choice, weights, &vec![0.0; channels], channels, false)?;
    let mut panels = Panels::new(choice.pixels_format()?, length, pixels)?;
    let mut scratch = product.scratch();
    let mut out = Tensor::zero::<f32>(&[channels, pixels])?;
    let mut least = Duration::MAX;
    for _ in 0..runs {
        let (width, mut first) = (panels.width(), 0);
        let mut taken = Duration::ZERO;
        while first < pixels {
            let count = panels.pixels_at_a_time(length).min(pixels - first);
            let (packed, distance) = panels.begin(count, length)?;
            for pixel in first..first + count {
                let (panel, column) = ((pixel - first) / width, (pixel - first) % width);
                for row in 0..length {
                    packed[panel * distance + row * width + column] =
                        values[row * TRIED_PIXELS + pixel];
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
    Ok((made.iter().map(|value| value.to_bits()).collect(), least))
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
