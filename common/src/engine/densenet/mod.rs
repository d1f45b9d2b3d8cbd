//! Makes a DenseNet fast: each dense block of a graph becomes one operator.
//!
//! [`pattern`] finds the blocks and [`stem_pattern`] what comes before them, both with [`graph`];
//! [`block`] and [`stem`] compute them as [`operator`]s of tract. Their convolutions are matrix
//! products ([`product`]) by tract's own kernels ([`kernel`]), on pixels that [`pixels`] packs; the
//! 3 × 3 is [`direct`] or [`winograd`].

mod block;
mod direct;
mod graph;
mod kernel;
mod operator;
mod pattern;
mod pixels;
mod product;
mod stem;
mod stem_pattern;
mod winograd;

use tract_onnx::prelude::*;

use kernel::Chooser;
use operator::{Computation, Operator};

/// What was replaced in a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Dense blocks.
    pub blocks: usize,
    /// What comes before the first of them.
    pub stem: bool,
}

/// Replaces the dense blocks and the stem of a decluttered graph. A graph without any is left as
/// it is, and so is a block that can't be computed here: tract can.
///
/// # Errors
/// When tract can't put an operator in.
pub fn replace_blocks(graph: &mut TypedModel) -> TractResult<Replaced> {
    let kernels = Chooser::new();
    let mut replaced = Replaced::default();
    // From the last to the first: each block reads what the one before it makes.
    for found in pattern::dense_blocks(graph)?.iter().rev() {
        let block = block::DenseBlock::new(&kernels, found);
        replaced.blocks += usize::from(replace(graph, found.input, found.output, block)?);
    }
    if replaced.blocks > 0 {
        for found in stem_pattern::stems(graph) {
            let stem = stem::Stem::new(&kernels, &found);
            replaced.stem |= replace(graph, found.input, found.output, stem)?;
        }
    }
    Ok(replaced)
}

/// Puts a computation between two outlets, if it could be made and fits.
fn replace(
    graph: &mut TypedModel,
    input: OutletId,
    output: OutletId,
    computation: TractResult<impl Computation>,
) -> TractResult<bool> {
    let patched = computation.and_then(|computation| {
        let name = format!("{}.fused", graph.node(output.node).name);
        let mut patch = TypedModelPatch::default();
        let input = patch.tap_model(graph, input)?;
        let made = patch.wire_node(name, Operator::new(computation), &[input])?;
        patch.shunt_outside(graph, output, made[0])?;
        Ok(patch)
    });
    let Ok(patch) = patched else {
        return Ok(false);
    };
    patch.apply(graph)?;
    Ok(true)
}
