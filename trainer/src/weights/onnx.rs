//! The initializers of an exported `.onnx`: they have torchvision's names, and nothing is folded
//! into them.

use prost::Message;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use super::numbers::{Kind, count, decode};
use super::{Array, WeightsError};

/// All initializers that are not of whole numbers.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, WeightsError> {
    let model = ModelProto::decode(bytes).map_err(|_| WeightsError::Format)?;
    let graph = model.graph.ok_or(WeightsError::Format)?;
    let mut tensors = Vec::new();
    for tensor in graph.initializer {
        let kind = match DataType::try_from(tensor.data_type) {
            Ok(DataType::Float16) => Kind::F16,
            Ok(DataType::Bfloat16) => Kind::BF16,
            Ok(DataType::Float) => Kind::F32,
            Ok(DataType::Double) => Kind::F64,
            _ => continue,
        };
        let name = tensor.name;
        let outside = DataLocation::External as i32;
        if tensor.data_location == Some(outside) {
            let what = "lies in another file; export with the weights inside";
            return Err(WeightsError::Tensor { name, what });
        }
        let values = if kind == Kind::F32 && tensor.raw_data.is_empty() {
            tensor.float_data
        } else {
            decode(kind, &tensor.raw_data)
        };
        let shape: Option<Vec<usize>> = tensor
            .dims
            .iter()
            .map(|&d| usize::try_from(d).ok())
            .collect();
        match shape {
            Some(shape) if count(&shape) == Some(values.len()) => {
                tensors.push((name, Array { shape, values }));
            }
            _ => {
                let what = "has not as many numbers as its shape says";
                return Err(WeightsError::Tensor { name, what });
            }
        }
    }
    Ok(tensors)
}
