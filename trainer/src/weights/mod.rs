//! Pretrained weights, in the files that people have: `.safetensors`, `torch.save` of torchvision
//! (zip, or the older stream of pickles; new and old names; bare or inside a checkpoint), and our
//! own exported `.onnx`. What a file is, is told by its content.
//!
//! [`parse`] turns bytes into plain numbers and needs no libtorch, so that it can be fuzzed;
//! [`Weights::load_into`] puts them into a network.

mod load;
mod machine;
mod names;
mod numbers;
mod onnx;
mod pickle;
mod safetensors_file;
mod torch_file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::error::bad_input;

/// A tensor: `values` in row-major order, as many as the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The numbers, converted to f32.
    pub values: Vec<f32>,
}

/// Tensors by torchvision's present name (`features.denseblock1.denselayer1.norm1.weight`). Those
/// of whole numbers, like `num_batches_tracked`, are left out.
pub type Tensors = BTreeMap<String, Array>;

/// Why bytes are not weights that can be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Nothing that we know.
    #[error(
        "is not a file of weights; those of safetensors, of torch.save and of our own export are"
    )]
    Format,
    /// The pickle wants Python to import something.
    #[error(
        "wants {0:?} to be imported, which weights don't need and which could run a program; \
         in Python, save model.state_dict() alone"
    )]
    Global(String),
    /// The pickle can't be followed.
    #[error("its pickle is damaged at byte {at}: {what}")]
    Pickle {
        /// Where, counted from the start of the pickle.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A tensor does not fit its numbers.
    #[error("its tensor {name:?} {what}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Anything else, as the end of "the file …".
    #[error("{0}")]
    Broken(String),
}

/// The content of a file of weights.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Where they were read, for messages.
    pub path: PathBuf,
    /// Of the whole file, in hex.
    pub sha256: String,
    /// What is in it.
    pub tensors: Tensors,
}

/// Reads a file of weights of any known form. Memory stays within a small multiple of its size.
///
/// # Errors
/// The file can't be read, or is nothing that we know, or is damaged: bad input.
pub fn read(path: &Path) -> Result<Weights> {
    let bytes = fs::read(path)
        .map_err(|e| bad_input!("{}: the weights cannot be read: {e}", path.display()))?;
    let tensors = parse(&bytes).map_err(|e| bad_input!("{}: {e}", path.display()))?;
    Ok(Weights {
        path: path.to_owned(),
        sha256: hex::encode(Sha256::digest(&bytes)),
        tensors,
    })
}

/// The tensors in the bytes of a file. Nothing in them is executed.
///
/// # Errors
/// See [`WeightsError`].
pub fn parse(bytes: &[u8]) -> Result<Tensors, WeightsError> {
    let found = if torch_file::is_zip(bytes) {
        torch_file::read_zip(bytes)?
    } else if torch_file::is_stream(bytes) {
        torch_file::read_stream(bytes)?
    } else if safetensors_file::is_safetensors(bytes) {
        safetensors_file::read(bytes)?
    } else {
        onnx::read(bytes)?
    };
    let mut tensors = Tensors::new();
    for (name, array) in found {
        let modern = names::modern(&name);
        if tensors.insert(modern, array).is_some() {
            let what = "is there twice, under its old and its new name";
            return Err(WeightsError::Tensor { name, what });
        }
    }
    if tensors.is_empty() {
        return Err(WeightsError::Broken("holds no tensor of weights".into()));
    }
    Ok(tensors)
}
