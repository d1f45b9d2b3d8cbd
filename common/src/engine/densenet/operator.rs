//! A computation of this project as one operator of tract, with buffers of its own for each thread.

use std::fmt;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

/// What an [`Operator`] does with one input `[1, channels, height, width]` of f32.
pub trait Computation: Send + Sync + 'static {
    /// What one thread works in. It holds nothing between two crops.
    type Buffers: Send + 'static;

    /// What it is called.
    const NAME: &'static str;

    /// Channels, height and width of what is made.
    fn made(&self) -> [usize; 3];

    /// Buffers for a thread.
    ///
    /// # Errors
    /// When tract can't make them; if it could once, it always can.
    fn buffers(&self) -> TractResult<Self::Buffers>;

    /// Writes every value of `output`, `[channels, pixels]`.
    ///
    /// # Errors
    /// When the input has another shape than was asked for.
    fn run(
        &self,
        buffers: &mut Self::Buffers,
        input: &[f32],
        output: &mut Tensor,
    ) -> TractResult<()>;
}

/// A computation in tract's graph.
pub struct Operator<C>(Arc<C>);

impl<C: Computation> Operator<C> {
    /// Makes an operator of it.
    pub fn new(computation: C) -> Self {
        Self(Arc::new(computation))
    }
}

impl<C> Clone for Operator<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> PartialEq for Operator<C> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<C> Eq for Operator<C> {}

impl<C: Computation> fmt::Debug for Operator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.0.made();
        write!(f, "{}, {channels} × {height} × {width}", C::NAME)
    }
}

impl<C: Computation> Op for Operator<C> {
    fn name(&self) -> StaticName {
        C::NAME.into()
    }

    op_as_typed_op!();
}

impl<C: Computation> EvalOp for Operator<C> {
    not_out_of_plan!();

    fn state(&self, _ctx: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(State {
            buffers: self.0.buffers()?,
            operator: self.clone(),
        })))
    }
}

impl<C: Computation> TypedOp for Operator<C> {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [channels, height, width] = self.0.made();
        let shape = [1, channels, height, width];
        Ok(tvec!(inputs[0].datum_type.fact(shape)))
    }

    as_op!();
}

/// One thread's buffers.
struct State<C: Computation> {
    operator: Operator<C>,
    buffers: C::Buffers,
}

impl<C: Computation> Clone for State<C> {
    fn clone(&self) -> Self {
        Self {
            operator: self.operator.clone(),
            // What could be made once can be made again: it depends on the computation alone.
            buffers: self
                .operator
                .0
                .buffers()
                .expect("buffers of a computation that has some"),
        }
    }
}

impl<C: Computation> fmt::Debug for State<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffers of {:?}", self.operator)
    }
}

impl<C: Computation> OpState for State<C> {
    fn eval(
        &mut self,
        _ctx: &EvalContext,
        _op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let computation = &self.operator.0;
        let [channels, height, width] = computation.made();
        let mut output = Tensor::zero::<f32>(&[channels, height * width])?;
        let input = inputs[0].try_as_plain_ram()?;
        computation.run(&mut self.buffers, input.as_slice()?, &mut output)?;
        let output = output.into_shape(&[1, channels, height, width])?;
        Ok(tvec!(output.into_tvalue()))
    }

    fn reset_lanes(&mut self, _lanes: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}
