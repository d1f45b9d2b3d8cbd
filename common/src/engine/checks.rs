//! Whether a file's graph is one that can be used.

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

use super::EngineError;
use crate::model_card::{INPUT_NAME, OUTPUT_NAME};

/// Whether an input is f32 `[N, 3, size, size]`, N being 1 or a symbol.
pub fn takes_crops(input: &InferenceFact, size: u32) -> bool {
    let size = i64::from(size);
    let Some(shape) = input.shape.concretize() else {
        return false;
    };
    let dims: Vec<_> = shape.iter().map(|dim| dim.to_i64().ok()).collect();
    input.datum_type.concretize() == Some(f32::datum_type())
        && dims.len() == 4
        && matches!(dims[0], None | Some(1))
        && dims[1..] == [Some(3), Some(size), Some(size)]
}

/// Looks for NaN and infinity in all floating-point weights: what they meet may hide them.
pub fn weights(proto: &pb::ModelProto) -> Result<(), EngineError> {
    let graphs = proto.graph.iter();
    for tensor in graphs.flat_map(|graph| &graph.initializer) {
        let finite = match tensor.data_type() {
            DataType::Float => {
                let raw = tensor.raw_data.as_chunks::<4>().0.iter();
                let raw = raw.map(|&bytes| f32::from_le_bytes(bytes));
                raw.chain(tensor.float_data.iter().copied())
                    .all(f32::is_finite)
            }
            // All ones in the exponent.
            DataType::Float16 => {
                let raw = tensor.raw_data.as_chunks::<2>().0.iter();
                let raw = raw.map(|&bytes| u16::from_le_bytes(bytes));
                raw.chain(tensor.int32_data.iter().map(|&half| half as u16))
                    .all(|half| half & 0x7C00 != 0x7C00)
            }
            _ => true,
        };
        if !finite {
            return Err(EngineError::Weights(tensor.name.clone()));
        }
    }
    Ok(())
}

/// The same for the constants that tract makes of the weights, by divisions and roots: a batch norm
/// with a negative variance, say.
pub fn constants(graph: &TypedModel) -> Result<(), EngineError> {
    for node in graph.nodes() {
        let constants = node.outputs.iter().filter_map(|o| o.fact.konst.as_ref());
        for values in constants.filter_map(|constant| constant.try_as_plain_ram().ok()) {
            let finite = values
                .as_slice::<f32>()
                .is_ok_and(|v| v.iter().all(|v| v.is_finite()))
                || values
                    .as_slice::<f16>()
                    .is_ok_and(|v| v.iter().all(|v| v.is_finite()))
                || values
                    .as_slice::<f64>()
                    .is_ok_and(|v| v.iter().all(|v| v.is_finite()))
                || !values.datum_type().is_float();
            if !finite {
                return Err(EngineError::Weights(node.name.clone()));
            }
        }
    }
    Ok(())
}

/// Whether input and output are called as they should be, and there are no others.
pub fn names(graph: &InferenceModel) -> Result<(), EngineError> {
    let called = |outlets: &[OutletId]| -> Vec<String> {
        outlets
            .iter()
            .map(|o| graph.node(o.node).name.clone())
            .collect()
    };
    let inputs = called(graph.input_outlets().unwrap_or_default());
    if inputs != [INPUT_NAME] {
        return Err(EngineError::Shape {
            what: "list of inputs",
            is: format!("{inputs:?}"),
            card: format!("[{INPUT_NAME:?}]"),
        });
    }
    let outputs = graph.output_outlets().unwrap_or_default();
    let labels: Vec<_> = outputs
        .iter()
        .map(|o| graph.outlet_label(*o).unwrap_or_default().to_owned())
        .collect();
    if labels != [OUTPUT_NAME] && called(outputs) != [OUTPUT_NAME] {
        return Err(EngineError::Shape {
            what: "list of outputs",
            is: format!("{labels:?}"),
            card: format!("[{OUTPUT_NAME:?}]"),
        });
    }
    Ok(())
}
