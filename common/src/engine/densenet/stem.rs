//! The beginning of a DenseNet as one operator: a convolution of stride 2, ReLU, and the maximum of
//! 3 × 3 pixels at stride 2.

use std::fmt;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::direct::{self, Direct};
use super::kernel::Chooser;
use super::pattern::FoundStem;
use super::pixels::with_wide_vectors;
use super::product::Scratch;

/// Convolution, ReLU and maximum.
#[derive(Clone)]
pub struct Stem(Arc<Shared>);

struct Shared {
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
        Ok(Self(Arc::new(Shared {
            convolution: Direct::new(kernels, &found.weights, found.geometry, true)?,
            between: found.geometry.made(),
        })))
    }
}

impl Shared {
    /// Height and width of the maxima: each is of three rows and columns around an even one.
    fn made(&self) -> (usize, usize) {
        (self.between.0.div_ceil(2), self.between.1.div_ceil(2))
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

impl PartialEq for Stem {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Stem {}

impl fmt::Debug for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (height, width) = self.0.made();
        write!(f, "Stem, {height} × {width}")
    }
}

impl Op for Stem {
    fn name(&self) -> StaticName {
        "Stem".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Stem {
    not_out_of_plan!();

    fn state(&self, _ctx: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(State::new(self)?)))
    }
}

impl TypedOp for Stem {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let (height, width) = self.0.made();
        let shape = [1, self.0.convolution.channels(), height, width];
        Ok(tvec!(inputs[0].datum_type.fact(shape)))
    }

    as_op!();
}

/// One thread's buffers. They hold nothing between two crops.
struct State {
    stem: Stem,
    scratch: Scratch,
    buffers: direct::Buffers,
    between: Tensor,
    row: Vec<f32>,
}

impl State {
    fn new(stem: &Stem) -> TractResult<Self> {
        let Shared {
            convolution,
            between: (height, width),
        } = &*stem.0;
        Ok(Self {
            stem: stem.clone(),
            scratch: convolution.scratch(),
            buffers: convolution.buffers()?,
            between: Tensor::zero::<f32>(&[convolution.channels(), height * width])?,
            row: vec![0.0; width + 3],
        })
    }
}

impl Clone for State {
    fn clone(&self) -> Self {
        // The same was possible before.
        Self::new(&self.stem).expect("buffers of a stem that has some")
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffers of {:?}", self.stem)
    }
}

impl OpState for State {
    fn eval(
        &mut self,
        _ctx: &EvalContext,
        _op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let stem = &self.stem.0;
        let input = inputs[0].try_as_plain_ram()?;
        stem.convolution.run(
            input.as_slice::<f32>()?,
            &mut self.buffers,
            &mut self.scratch,
            &mut self.between,
            0,
        )?;
        let (height, width) = stem.made();
        let shape = [1, stem.convolution.channels(), height, width];
        let mut output = Tensor::zero::<f32>(&shape)?;
        maxima(
            self.between.try_as_plain_ram()?.as_slice()?,
            stem.between,
            &mut self.row,
            output.try_as_plain_ram_mut()?.as_slice_mut()?,
        );
        Ok(tvec!(output.into_tvalue()))
    }

    fn reset_lanes(&mut self, _lanes: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}
