//! Which model decides: a file, or the one inside the program.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context;
use sha2::{Digest, Sha256};
use smearscope_common::engine::{Blocks, Model, read_card};
use smearscope_common::message::ModelRef;

use crate::exit::OrBadInput;

/// The model that is used where none is named. A static: of a constant each user may get a copy of its own, of 15 MB.
/// The file of the model inside the program.
pub static DEFAULT: &[u8] = include_bytes!("../models/default.onnx");

/// Loads a model and proves by its self-test that it answers here as it did on the workstation.
///
/// # Errors
/// Bad input, when the file can't be read, is no model of smearscope's, or fails its self-test.
pub fn load(path: Option<&Path>) -> anyhow::Result<Model> {
    let model = load_untested(path, Blocks::Fused)?;
    model
        .self_test()
        .with_context(|| format!("{} cannot be used", name_of(path)))
        .or_bad_input()?;
    Ok(model)
}

/// Loads a model without its self-test: only to measure it.
///
/// # Errors
/// Bad input, when the file can't be read or is no model of smearscope's.
pub fn load_untested(path: Option<&Path>, blocks: Blocks) -> anyhow::Result<Model> {
    let name = name_of(path);
    let model = match path {
        Some(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("cannot read the model {name}"))
                .or_bad_input()?;
            Model::load_with(&bytes, blocks)
        }
        None => Model::load_with(DEFAULT, blocks),
    };
    model
        .with_context(|| format!("{name} cannot be used"))
        .or_bad_input()
}

/// The name of the model inside the program.
pub fn default_reference() -> ModelRef {
    static NAME: OnceLock<ModelRef> = OnceLock::new();
    NAME.get_or_init(|| {
        let card =
            read_card(DEFAULT).expect("the model inside the program has a card: a test reads it");
        ModelRef {
            name: card.name,
            version: card.version,
            sha256: hex::encode(Sha256::digest(DEFAULT)),
        }
    })
    .clone()
}

fn name_of(path: Option<&Path>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "the default model".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_inside_the_program_is_named_as_it_is_when_loaded() {
        assert_eq!(load(None).unwrap().reference(), default_reference());
    }
}
