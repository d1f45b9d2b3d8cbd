//! Finds the beginning of a DenseNet, as [`super::pattern`] finds its blocks.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool};

use super::direct::Geometry;
use super::graph::{
    Weights, activation, fold_into, has_border, kernel_of, only_reader, plain_pool, shape,
};

/// The beginning of a DenseNet: a convolution of stride 2, ReLU, and the maximum of 3 × 3 pixels at
/// stride 2.
#[derive(Clone, Debug)]
pub struct FoundStem {
    /// Where it reads, `[1, channels, height, width]`.
    pub input: OutletId,
    /// Whose value it computes.
    pub output: OutletId,
    /// What the convolution reads and how.
    pub geometry: Geometry,
    /// With all that is done before the ReLU folded in.
    pub weights: Weights,
}

/// All stems of a graph.
pub fn stems(graph: &TypedModel) -> Vec<FoundStem> {
    let nodes = graph.nodes().iter();
    nodes
        .filter_map(|node| stem_at(graph, InletId::new(node.id, 0)))
        .collect()
}

fn stem_at(graph: &TypedModel, reader: InletId) -> Option<FoundStem> {
    let node = graph.node(reader.node);
    let spec = &node.op_as::<Conv>()?.pool_spec;
    let input = *node.inputs.first()?;
    let &[1, channels, height, width] = shape(graph, input)? else {
        return None;
    };
    let side = *spec.kernel_shape.first()?;
    let border = spec.computed_padding(&[height, width]).first()?.pad_before;
    let square = spec.strides()[..] == [2, 2]
        && has_border(spec, [height, width], border)
        && height.min(width) + 2 * border >= side;
    let (mut weights, made) = square.then(|| kernel_of(graph, reader, channels, side))??;
    let between = weights.bias.len();
    let (folded, active) = activation(graph, only_reader(graph, made)?, between)?;
    fold_into(&mut weights, &folded);
    let pool = graph.node(only_reader(graph, active)?.node);
    let maximum = pool.op_as::<MaxPool>()?;
    let spec = &maximum.pool_spec;
    let fits = maximum.with_index_outputs.is_none()
        && spec.kernel_shape[..] == [3, 3]
        && spec.strides()[..] == [2, 2]
        && plain_pool(spec);
    let geometry = Geometry {
        input: [channels, height, width],
        side,
        stride: 2,
        border,
    };
    let output = OutletId::new(pool.id, 0);
    let (rows, columns) = geometry.made();
    let fits = fits && has_border(spec, [rows, columns], 1);
    let made = [1, between, rows.div_ceil(2), columns.div_ceil(2)];
    (fits && shape(graph, output)? == made).then_some(FoundStem {
        input,
        output,
        geometry,
        weights,
    })
}
