//! Makes a DenseNet fast: each dense block of a graph becomes one operator.
//!
//! [`pattern`] finds the blocks, [`block`] is the operator. Its two convolutions are matrix
//! products ([`product`]) by tract's own kernels ([`kernel`]), on pixels that [`pixels`] packs; the
//! 3 × 3 is [`direct`] or [`winograd`].

mod block;
mod direct;
mod kernel;
mod pattern;
mod pixels;
mod product;
mod stem;
mod winograd;

use tract_onnx::prelude::*;

/// Replaces the dense blocks of a decluttered graph; returns how many there were. A graph without
/// any is left as it is.
///
/// # Errors
/// When tract can't pack a block's weights or put the operator in.
pub fn replace_blocks(graph: &mut TypedModel) -> TractResult<usize> {
    let mut blocks = pattern::dense_blocks(graph)?;
    let count = blocks.len();
    // From the last to the first: each block reads what the one before it makes.
    while let Some(found) = blocks.pop() {
        let name = format!("{}.block", graph.node(found.output.node).name);
        let mut patch = TypedModelPatch::default();
        let input = patch.tap_model(graph, found.input)?;
        let made = patch.wire_node(name, block::DenseBlock::new(&found)?, &[input])?;
        patch.shunt_outside(graph, found.output, made[0])?;
        patch.apply(graph)?;
    }
    if count > 0 {
        for found in pattern::stems(graph) {
            let name = format!("{}.stem", graph.node(found.output.node).name);
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(graph, found.input)?;
            let made = patch.wire_node(name, stem::Stem::new(&found)?, &[input])?;
            patch.shunt_outside(graph, found.output, made[0])?;
            patch.apply(graph)?;
        }
    }
    Ok(count)
}
