//! The beginning of a DenseNet as one operator: a convolution of stride 2, ReLU, and the maximum of
//! 3 × 3 pixels at stride 2.

use tract_onnx::prelude::*;

use super::direct::{self, Direct};
use super::kernel::Chooser;
use super::operator::Computation;
use super::pixels::with_wide_vectors;
use super::product::Scratch;
use super::stem_pattern::FoundStem;

/// Convolution, ReLU and maximum.
pub struct Stem {
    convolution: Direct,
    /// Height and width of what the convolution makes.
    between: (usize, usize),
}

impl Stem {
    /// Packs the weights for this machine's kernels.
    ///
    /// # Errors
    /// When tract can't pack them.
    pub fn new(kernels: &Chooser, found: &FoundStem) -> TractResult<Self> {
        Ok(Self {
            convolution: Direct::new(kernels, &found.weights, found.geometry, true)?,
            between: found.geometry.made(),
        })
    }
}

/// The greatest of 3 × 3 values of planes without negative ones: zeros around change nothing.
fn maxima(planes: &[f32], (height, width): (usize, usize), row: &mut [f32], out: &mut [f32]) {
    #[inline(always)]
    fn greater(a: f32, b: f32) -> f32 {
        // What is no number stays, on whichever side it is.
        if a < b || b.is_nan() { b } else { a }
    }
    #[inline(always)]
    fn take(planes: &[f32], size: (usize, usize), row: &mut [f32], out: &mut [f32]) {
        let (height, width) = size;
        let made = width.div_ceil(2);
        let planes = planes.chunks_exact(height * width);
        for (plane, out) in planes.zip(out.chunks_exact_mut(height.div_ceil(2) * made)) {
            for (y, out) in out.chunks_exact_mut(made).enumerate() {
                // A zero before the row and at least one after it.
                let inner = &mut row[1..=width];
                inner.copy_from_slice(&plane[2 * y * width..][..width]);
                for other in [(2 * y).checked_sub(1), Some(2 * y + 1)]
                    .into_iter()
                    .flatten()
                {
                    let other = plane.get(other * width..(other + 1) * width);
                    for (value, &other) in inner.iter_mut().zip(other.unwrap_or_default()) {
                        *value = greater(*value, other);
                    }
                }
                for (x, out) in out.iter_mut().enumerate() {
                    *out = greater(greater(row[2 * x], row[2 * x + 1]), row[2 * x + 2]);
                }
            }
        }
    }
    let size = (height, width);
    with_wide_vectors!(take(
        planes: &[f32],
        size: (usize, usize),
        row: &mut [f32],
        out: &mut [f32]
    ));
}

/// What one thread works in.
pub struct Buffers {
    scratch: Scratch,
    convolution: direct::Buffers,
    between: Tensor,
    row: Vec<f32>,
}

impl Computation for Stem {
    type Buffers = Buffers;

    const NAME: &'static str = "Stem";

    /// Each maximum is of three rows and columns around an even one.
    fn made(&self) -> [usize; 3] {
        let (height, width) = self.between;
        [
            self.convolution.channels(),
            height.div_ceil(2),
            width.div_ceil(2),
        ]
    }

    fn buffers(&self) -> TractResult<Buffers> {
        let (height, width) = self.between;
        Ok(Buffers {
            scratch: self.convolution.scratch(),
            convolution: self.convolution.buffers()?,
            between: Tensor::zero::<f32>(&[self.convolution.channels(), height * width])?,
            row: vec![0.0; width + 3],
        })
    }

    fn run(&self, buffers: &mut Buffers, input: &[f32], output: &mut Tensor) -> TractResult<()> {
        self.convolution.run(
            input,
            &mut buffers.convolution,
            &mut buffers.scratch,
            &mut buffers.between,
            0,
        )?;
        maxima(
            buffers.between.try_as_plain_ram()?.as_slice()?,
            self.between,
            &mut buffers.row,
            output.try_as_plain_ram_mut()?.as_slice_mut()?,
        );
        Ok(())
    }
}
