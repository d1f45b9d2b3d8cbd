//! What can be read of a decluttered graph, by its structure alone: batch norms with their ReLU, convolutions, constants.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::ensure;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::DataFormat;

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

/// Scales and shifts what a convolution makes.
pub fn fold_into(weights: &mut Weights, after: &Activation) {
    let rows = weights.scale.iter_mut().zip(&mut weights.bias);
    for ((scale, bias), (by, shift)) in rows.zip(after.scale.iter().zip(&after.shift)) {
        *scale *= by;
        *bias = *bias * by + shift;
    }
}

/// Multiplications and additions by channel, then a ReLU; the outlet after it.
pub fn activation(
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
        } else if op.0.is::<math::Add>() || (op.0.is::<math::Sub>() && reader.slot == 0) {
            let sign = if op.0.is::<math::Add>() { 1.0 } else { -1.0 };
            for (shift, by) in shift.iter_mut().zip(&by) {
                *shift += sign * by;
            }
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
pub fn pointwise(
    graph: &TypedModel,
    reader: InletId,
    channels: usize,
) -> Option<(Weights, OutletId)> {
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
pub fn convolution(
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
pub fn kernel_of(
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

/// Whether pixels lie as in every graph of ours, and none is left out between those of a kernel.
pub fn plain_pool(spec: &PoolSpec) -> bool {
    spec.data_format == DataFormat::NCHW && spec.dilations()[..] == [1, 1]
}

/// Whether a plane gets so many zeros on each side, however that is written down.
pub fn has_border(spec: &PoolSpec, plane: [usize; 2], border: usize) -> bool {
    let computed = spec.computed_padding(&plane);
    let mut pads = computed
        .iter()
        .flat_map(|pads| [pads.pad_before, pads.pad_after]);
    pads.all(|pad| pad == border)
}

/// Whether nothing is added around a plane.
pub fn has_no_padding(padding: &PaddingSpec) -> bool {
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
pub fn only_reader(graph: &TypedModel, outlet: OutletId) -> Option<InletId> {
    let shown = graph.output_outlets().ok()?.contains(&outlet);
    match graph.outlet_successors(outlet) {
        &[reader] if !shown => Some(reader),
        _ => None,
    }
}

/// The shape of an outlet of f32, if it has no symbols.
pub fn shape(graph: &TypedModel, outlet: OutletId) -> Option<&[usize]> {
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
