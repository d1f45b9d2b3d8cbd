//! Finds the dense blocks of a decluttered graph, by its structure alone: no node's name is read.
//!
//! What is looked for is the same whoever wrote the file. Batch norms are found as the
//! multiplications and additions that tract makes of them, or folded into the convolution before
//! them; concatenations may be nested (this project's export) or flat (torch's).

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::ensure;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::direct::Geometry;

/// `max(x · scale + shift, 0)`, one pair for each channel: a batch norm and its ReLU.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The factor of each channel.
    pub scale: Vec<f32>,
    /// What is added to each channel.
    pub shift: Vec<f32>,
}

/// A convolution as a matrix, by what each channel made is multiplied, and its bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The graph's own: all weights of a network copied at once would double its memory.
    constant: Arc<Tensor>,
    scale: Vec<f32>,
    /// One value for each channel made.
    pub bias: Vec<f32>,
}

impl Weights {
    /// `[channels made, channels read × height × width of the kernel]`, row by row.
    ///
    /// # Errors
    /// When what is folded in makes a value too large.
    pub fn matrix(&self) -> TractResult<Vec<f32>> {
        let values = self.constant.try_as_plain_ram()?;
        let rows = values.as_slice::<f32>()?.chunks_exact(self.length());
        let scaled = rows.zip(&self.scale);
        let matrix: Vec<f32> = scaled
            .flat_map(|(row, scale)| row.iter().map(move |weight| weight * scale))
            .collect();
        ensure!(finite(&matrix) && finite(&self.bias), "weights overflow");
        Ok(matrix)
    }

    /// Values in a row of the matrix.
    pub fn length(&self) -> usize {
        self.constant.len() / self.bias.len().max(1)
    }
}

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

/// Scales and shifts what a convolution makes.
fn fold_into(weights: &mut Weights, after: &Activation) {
    let rows = weights.scale.iter_mut().zip(&mut weights.bias);
    for ((scale, bias), (by, shift)) in rows.zip(after.scale.iter().zip(&after.shift)) {
        *scale *= by;
        *bias = *bias * by + shift;
    }
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

/// Multiplications and additions by channel, then a ReLU; the outlet after it.
fn activation(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
) -> Option<(Activation, OutletId)> {
    let mut scale = vec![1.0; channels];
    let mut shift = vec![0.0; channels];
    let mut reader = reader;
    loop {
        let node = graph.node(reader.node);
        let op = node.op_as::<TypedBinOp>()?;
        let other = *node.inputs.get(1 - reader.slot)?;
        let by = by_channel(graph, other, channels)?;
        let after = OutletId::new(node.id, 0);
        if shape(graph, after)? != shape(graph, node.inputs[reader.slot])? || op.1.is_some() {
            return None;
        }
        if op.0.is::<math::Mul>() {
            for ((scale, shift), by) in scale.iter_mut().zip(&mut shift).zip(&by) {
                *scale *= by;
                *shift *= by;
            }
        } else if op.0.is::<math::Add>() {
            shift
                .iter_mut()
                .zip(&by)
                .for_each(|(shift, by)| *shift += by);
        } else if op.0.is::<math::Sub>() && reader.slot == 0 {
            shift
                .iter_mut()
                .zip(&by)
                .for_each(|(shift, by)| *shift -= by);
        } else if op.0.is::<math::Max>() && by.iter().all(|&by| by == 0.0) {
            // Folded, they may overflow where one by one they don't.
            return (finite(&scale) && finite(&shift))
                .then_some((Activation { scale, shift }, after));
        } else {
            return None;
        }
        reader = only_reader(graph, after)?;
    }
}

/// A 1 × 1 convolution, be it a matrix product in tract's eyes or a convolution.
fn pointwise(graph: &TypedModel, reader: InletId, channels: usize) -> Option<(Weights, OutletId)> {
    let node = graph.node(reader.node);
    let Some(op) = node.op_as::<EinSum>() else {
        return convolution(graph, reader, channels, 1);
    };
    let &[_, weights] = node.inputs.as_slice() else {
        return None;
    };
    let sums_over_channels = op.q_params.is_none()
        && op.operating_dt == f32::datum_type()
        && op.axes.iter_all_axes().count() == 5
        && op.axes.iter_all_axes().all(|axis| {
            let (image, matrix) = (&axis.inputs[0][..], &axis.inputs[1][..]);
            matches!(
                (image, matrix, &axis.outputs[0][..]),
                ([0], [], [0]) | ([1], [1], []) | ([], [0], [1]) | ([2], [], [2]) | ([3], [], [3])
            )
        });
    let made = shape(graph, weights)?.first().copied()?;
    if reader.slot != 0 || !sums_over_channels || shape(graph, weights)? != [made, channels] {
        return None;
    }
    let weights = Weights {
        constant: tensor(graph, weights)?,
        scale: vec![1.0; made],
        bias: vec![0.0; made],
    };
    Some((weights, OutletId::new(node.id, 0)))
}

/// A square convolution of stride 1 with a border of zeros that keeps the size of the plane.
fn convolution(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
    side: usize,
) -> Option<(Weights, OutletId)> {
    let node = graph.node(reader.node);
    let op = node.op_as::<Conv>()?;
    let spec = &op.pool_spec;
    let border = side / 2;
    let keeps_size = match &spec.padding {
        PaddingSpec::Explicit(before, after) => {
            before[..] == [border, border] && after[..] == [border, border]
        }
        PaddingSpec::SameUpper | PaddingSpec::SameLower => true,
        other => border == 0 && has_no_padding(other),
    };
    let fits = spec.strides()[..] == [1, 1] && keeps_size;
    fits.then(|| kernel_of(graph, reader, channels, side))?
}

/// The weights of a square convolution of any stride and border, and its outlet.
fn kernel_of(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
    side: usize,
) -> Option<(Weights, OutletId)> {
    let node = graph.node(reader.node);
    let op = node.op_as::<Conv>()?;
    let spec = &op.pool_spec;
    let fits = op.group == 1
        && op.q_params.is_none()
        && op.kernel_fmt == KernelFormat::OIHW
        && spec.kernel_shape[..] == [side, side]
        && spec.input_channels == channels
        && plain_pool(spec)
        && reader.slot == 0
        && node.inputs.len() == 3;
    if !fits {
        return None;
    }
    let made = spec.output_channels;
    let matrix = tensor(graph, node.inputs[1])?;
    let bias = match constant(graph, node.inputs[2])? {
        same if same.len() == 1 => vec![same[0]; made],
        each => each,
    };
    let weights = Weights {
        constant: matrix,
        scale: vec![1.0; made],
        bias,
    };
    (weights.bias.len() == made && weights.constant.len() == made * channels * side * side)
        .then_some((weights, OutletId::new(node.id, 0)))
}

fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

fn plain_pool(spec: &PoolSpec) -> bool {
    spec.data_format == DataFormat::NCHW && spec.dilations()[..] == [1, 1]
}

/// Whether a plane gets so many zeros on each side, however that is written down.
fn has_border(spec: &PoolSpec, plane: [usize; 2], border: usize) -> bool {
    let computed = spec.computed_padding(&plane);
    let mut pads = computed
        .iter()
        .flat_map(|pads| [pads.pad_before, pads.pad_after]);
    pads.all(|pad| pad == border)
}

fn has_no_padding(padding: &PaddingSpec) -> bool {
    match padding {
        PaddingSpec::Valid => true,
        PaddingSpec::Explicit(before, after)
        | PaddingSpec::ExplicitOnnxPool(before, after, false) => {
            before.iter().chain(after).all(|&pad| pad == 0)
        }
        _ => false,
    }
}

/// The only reader of an outlet that is no output of the model.
fn only_reader(graph: &TypedModel, outlet: OutletId) -> Option<InletId> {
    let shown = graph.output_outlets().ok()?.contains(&outlet);
    match graph.outlet_successors(outlet) {
        &[reader] if !shown => Some(reader),
        _ => None,
    }
}

fn shape(graph: &TypedModel, outlet: OutletId) -> Option<&[usize]> {
    let fact = graph.outlet_fact(outlet).ok()?;
    (fact.datum_type == f32::datum_type()).then(|| fact.shape.as_concrete())?
}

/// A constant of f32.
fn tensor(graph: &TypedModel, outlet: OutletId) -> Option<Arc<Tensor>> {
    let tensor = graph.outlet_fact(outlet).ok()?.konst.clone()?;
    let values = tensor.try_as_plain_ram().ok()?;
    values.as_slice::<f32>().is_ok().then(|| tensor.clone())
}

/// The values of a constant.
fn constant(graph: &TypedModel, outlet: OutletId) -> Option<Vec<f32>> {
    let tensor = tensor(graph, outlet)?;
    let values = tensor.try_as_plain_ram().ok()?;
    Some(values.as_slice::<f32>().ok()?.to_vec())
}

/// A constant that has one value for all channels, or one for each.
fn by_channel(graph: &TypedModel, outlet: OutletId, channels: usize) -> Option<Vec<f32>> {
    let values = constant(graph, outlet)?;
    if values.len() == 1 {
        return Some(vec![values[0]; channels]);
    }
    (shape(graph, outlet)? == [1, channels, 1, 1]).then_some(values)
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
