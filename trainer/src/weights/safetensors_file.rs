//! `.safetensors`.

use safetensors::{Dtype, SafeTensors};

use super::numbers::{Kind, decode};
use super::{Array, WeightsError};

/// Whether the bytes begin as such a file does: the length of a header, and the header's brace.
pub fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// All tensors that are not of whole numbers.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, WeightsError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| WeightsError::Broken(format!("is a damaged .safetensors file: {e}")))?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::BF16,
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            _ => continue,
        };
        let array = Array {
            shape: view.shape().to_vec(),
            values: decode(kind, view.data()),
        };
        tensors.push((name, array));
    }
    Ok(tensors)
}
