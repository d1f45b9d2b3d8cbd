//! Finds the dense blocks of a decluttered graph, by its structure alone: no node's name is read.
//!
//! What is looked for is the same whoever wrote the file. Batch norms are found as the
//! multiplications and additions that tract makes of them, or folded into the convolution before
//! them; concatenations may be nested (this project's export) or flat (torch's).

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::cnn::SumPool;

use super::graph::{
    Activation, Weights, activation, convolution, fold_into, has_no_padding, only_reader,
    plain_pool, pointwise, shape,
};

/// One layer of a dense block.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Applied to all channels so far.
    pub activation: Activation,
    /// 1 × 1, with the batch norm after it folded in; a ReLU follows.
    pub bottleneck: Weights,
    /// 3 × 3 with a border of zeros.
    pub growth: Weights,
}

/// What follows a dense block, except for the last: half the channels, a quarter of the pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Applied to all channels of the block.
    pub activation: Activation,
    /// 1 × 1; an average over 2 × 2 pixels follows.
    pub weights: Weights,
}

/// A dense block of a graph.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where the block reads its first channels, `[1, channels, height, width]`.
    pub input: OutletId,
    /// Whose value the block computes.
    pub output: OutletId,
    /// Channels, height and width of the input.
    pub shape: [usize; 3],
    /// At least one.
    pub layers: Vec<Layer>,
    /// Where one follows.
    pub transition: Option<Transition>,
}

/// All dense blocks of a graph, in the order in which they are computed.
pub fn dense_blocks(graph: &TypedModel) -> TractResult<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for id in graph.eval_order()? {
        let input = OutletId::new(id, 0);
        if !graph.node(id).op_is::<TypedConcat>() {
            found.extend(block_at(graph, input));
        }
    }
    Ok(found)
}

fn block_at(graph: &TypedModel, input: OutletId) -> Option<Found> {
    let &[1, channels, height, width] = shape(graph, input)? else {
        return None;
    };
    if channels == 0 || height == 0 || width == 0 {
        return None;
    }
    let mut parts = vec![input];
    let mut so_far = channels;
    let mut layers = Vec::new();
    let mut output = input;
    let mut transition = None;
    // All outlets that hold the channels so far: the same concatenation may be written twice.
    let mut current = vec![input];
    // What is only read inside, and by what nodes.
    let (mut inner, mut inside) = (Vec::new(), Vec::new());
    loop {
        // A layer must be the only reader; concatenations read on.
        let readers = readers_but_concats(graph, &current);
        let [reader] = readers.as_slice() else { break };
        if let Some((layer, new)) = layer(graph, *reader, so_far, [height, width]) {
            if layers.first().is_some_and(|first| !alike(first, &layer)) {
                break;
            }
            let made = layer.growth.bias.len();
            parts.push(new);
            let next = concats_of(graph, &parts);
            if next.is_empty() {
                parts.pop();
                break;
            }
            so_far += made;
            layers.push(layer);
            // All but the input, which is there for others too.
            inner.extend(current.into_iter().filter(|&outlet| outlet != input));
            inner.push(new);
            inside.push(reader.node);
            inside.extend(next.iter().map(|concat| concat.node));
            current = next;
            output = current[0];
            continue;
        }
        if let Some((found, end)) = transition_after(graph, *reader, so_far, [height, width]) {
            transition = Some(found);
            output = end;
            inner.extend(current.iter().copied().filter(|&outlet| outlet != input));
            inside.push(reader.node);
        }
        break;
    }
    // Whoever else reads the block's channels must find them: only one outlet is replaced.
    let whole = transition.is_some() || current.len() == 1;
    let whole = whole && read_by(graph, &inner, &inside);
    (!layers.is_empty() && whole).then_some(Found {
        input,
        output,
        shape: [channels, height, width],
        layers,
        transition,
    })
}

/// Whether two layers can share their buffers: each has the same width as the other.
fn alike(a: &Layer, b: &Layer) -> bool {
    let widths = |layer: &Layer| (layer.bottleneck.bias.len(), layer.growth.bias.len());
    widths(a) == widths(b)
}

/// The concatenations that consist of just these outlets.
fn concats_of(graph: &TypedModel, parts: &[OutletId]) -> Vec<OutletId> {
    let Some(last) = parts.last() else {
        return Vec::new();
    };
    let readers = graph.outlet_successors(*last).iter();
    let mut found: Vec<OutletId> = readers
        .map(|inlet| OutletId::new(inlet.node, 0))
        .filter(|&outlet| consists_of(graph, outlet, parts))
        .collect();
    found.dedup();
    found
}

/// Whether an outlet is these parts side by side, seen through concatenations of concatenations.
///
/// It stops at the first difference: a file can nest concatenations as deeply, and double them as
/// often, as it likes.
fn consists_of(graph: &TypedModel, outlet: OutletId, parts: &[OutletId]) -> bool {
    let mut expected = parts.iter();
    let mut open = vec![outlet];
    while let Some(outlet) = open.pop() {
        let node = graph.node(outlet.node);
        match node.op_as::<TypedConcat>() {
            Some(concat) if concat.axis == 1 => open.extend(node.inputs.iter().rev()),
            _ if expected.next() == Some(&outlet) => {}
            _ => return false,
        }
        // Each has at least one part.
        if open.len() > expected.len() {
            return false;
        }
    }
    expected.next().is_none()
}

/// Whether nothing but these nodes reads the outlets: else they'd be computed twice, in the block
/// and for the others.
fn read_by(graph: &TypedModel, outlets: &[OutletId], nodes: &[usize]) -> bool {
    let shown = graph.output_outlets().unwrap_or_default();
    outlets.iter().all(|outlet| {
        let mut readers = graph.outlet_successors(*outlet).iter();
        !shown.contains(outlet) && readers.all(|reader| nodes.contains(&reader.node))
    })
}

/// What reads any of these outlets, besides concatenations.
fn readers_but_concats(graph: &TypedModel, outlets: &[OutletId]) -> Vec<InletId> {
    outlets
        .iter()
        .flat_map(|&outlet| graph.outlet_successors(outlet).iter().copied())
        .filter(|inlet| !graph.node(inlet.node).op_is::<TypedConcat>())
        .collect()
}

/// A layer that begins at a reader of the channels so far, and the outlet of its new channels.
fn layer(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
    plane: [usize; 2],
) -> Option<(Layer, OutletId)> {
    let (activation, active) = activation(graph, reader, channels)?;
    let (mut bottleneck, reduced) = pointwise(graph, only_reader(graph, active)?, channels)?;
    let between = bottleneck.bias.len();
    let (folded, reduced) = self::activation(graph, only_reader(graph, reduced)?, between)?;
    fold_into(&mut bottleneck, &folded);
    let (growth, new) = convolution(graph, only_reader(graph, reduced)?, between, 3)?;
    let unchanged = shape(graph, new)?[2..] == plane;
    let layer = Layer {
        activation,
        bottleneck,
        growth,
    };
    unchanged.then_some((layer, new))
}

fn transition_after(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
    [height, width]: [usize; 2],
) -> Option<(Transition, OutletId)> {
    let (activation, active) = activation(graph, reader, channels)?;
    let (weights, narrowed) = pointwise(graph, only_reader(graph, active)?, channels)?;
    let node = graph.node(only_reader(graph, narrowed)?.node);
    let pool = node.op_as::<SumPool>()?;
    let halves = pool.normalize
        && pool.pool_spec.kernel_shape[..] == [2, 2]
        && pool.pool_spec.strides()[..] == [2, 2]
        && plain_pool(&pool.pool_spec)
        && has_no_padding(&pool.pool_spec.padding);
    let output = OutletId::new(node.id, 0);
    // Of a single row or column nothing would be left.
    let fits =
        halves && height.min(width) >= 2 && shape(graph, output)?[2..] == [height / 2, width / 2];
    let transition = Transition {
        activation,
        weights,
    };
    fits.then_some((transition, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of concatenations: each of what `inputs` makes of the one before it and the source.
    fn concats(
        count: usize,
        inputs: impl Fn(OutletId, OutletId) -> [OutletId; 2],
    ) -> (TypedModel, OutletId, OutletId) {
        let mut graph = TypedModel::default();
        let fact = f32::datum_type().fact([1, 1, 1, 1]);
        let source = graph.add_source("source", fact).unwrap();
        let mut last = source;
        for index in 0..count {
            let concat = TypedConcat { axis: 1 };
            let wired = graph.wire_node(index.to_string(), concat, &inputs(last, source));
            last = wired.unwrap()[0];
        }
        (graph, source, last)
    }

    #[test]
    fn concatenations_are_seen_through() {
        let (graph, source, last) = concats(3, |last, source| [last, source]);
        assert!(consists_of(&graph, last, &[source; 4]));
        assert!(!consists_of(&graph, last, &[source; 3]));
        assert!(!consists_of(&graph, last, &[source; 5]));
        assert!(!consists_of(&graph, last, &[source, source, source, last]));
    }

    /// Walked to their end, the first would take for ever and the second all of the stack.
    #[test]
    fn doubled_and_deep_concatenations_are_no_trouble() {
        let (graph, source, last) = concats(50, |last, _| [last, last]);
        assert!(!consists_of(&graph, last, &[source; 9]));
        for nested in [|last, source| [last, source], |last, source| [source, last]] {
            let (graph, source, last) = concats(20_000, nested);
            assert!(!consists_of(&graph, last, &[source; 9]));
            assert!(consists_of(&graph, last, &vec![source; 20_001]));
        }
    }
}
