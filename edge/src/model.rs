//! Which model decides: a file, or the one inside the program.

use std::path::Path;

use anyhow::Context;
use smearscope_common::engine::Model;

use crate::exit::OrBadInput;

/// The model that is used where none is named.
const DEFAULT: &[u8] = include_bytes!("../models/default.onnx");

/// Loads a model and proves by its self-test that it answers here as it did on the workstation.
///
/// # Errors
/// Bad input, when the file can't be read, is no model of smearscope's, or fails its self-test.
pub fn load(path: Option<&Path>) -> anyhow::Result<Model> {
    let (name, model) = match path {
        Some(path) => {
            let name = path.display().to_string();
            let bytes = std::fs::read(path)
                .with_context(|| format!("cannot read the model {name}"))
                .or_bad_input()?;
            (name, Model::load(&bytes))
        }
        None => ("the default model".into(), Model::load(DEFAULT)),
    };
    let model = model
        .with_context(|| format!("{name} cannot be used"))
        .or_bad_input()?;
    model
        .self_test()
        .with_context(|| format!("{name} cannot be used"))
        .or_bad_input()?;
    Ok(model)
}
