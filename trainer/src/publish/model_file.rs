//! The model that is to be handed out: everything that a board would refuse is refused here already.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use smearscope_common::engine::Model;
use smearscope_common::message::ModelHash;
use smearscope_common::model_card::{ModelCard, Rate};

use crate::error::bad_input;

/// A model that has passed.
pub struct ModelFile {
    /// Its bytes.
    pub onnx: Bytes,
    /// Their SHA-256.
    pub sha256: ModelHash,
    /// The file's name without its folder.
    pub name: String,
    /// Its card.
    pub card: ModelCard,
}

impl ModelFile {
    /// Reads a model and runs its self-test in the engine that boards have.
    ///
    /// # Errors
    /// It is none, or a board would refuse it.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let onnx =
            fs::read(path).map_err(|e| bad_input!("{shown}: the model cannot be read: {e}"))?;
        let in_file = || shown.to_string();
        let model = Model::load(&onnx).with_context(in_file)?;
        let card = model.card().clone();
        if !card.architecture.starts_with("densenet") || model.fused_blocks() == 0 {
            return Err(bad_input!(
                "{shown}: its card says that it is a {:?}, and boards take only a DenseNet whose graph is one",
                card.architecture
            ));
        }
        model.self_test().with_context(in_file)?;
        let sha256 = model.reference().sha256.parse();
        Ok(Self {
            onnx: onnx.into(),
            sha256: sha256.context("the model's hash cannot be written down")?,
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
            card,
        })
    }

    /// What it is, in a sentence or two.
    pub fn describe(&self) -> String {
        let Self { card, onnx, .. } = self;
        let rate =
            |rate: &Rate| format!("{:.1} % ({} of {})", 100.0 * rate.value, rate.hits, rate.n);
        let validation = card.validation.as_ref().map_or_else(
            || "its card says nothing of a validation".into(),
            |v| {
                format!(
                    "validated on {} ({} people): sensitivity {}, specificity {}",
                    v.dataset,
                    v.subjects,
                    rate(&v.sensitivity),
                    rate(&v.specificity)
                )
            },
        );
        format!(
            "{} {}, {:.1} MB, SHA-256 {}…; self-test passed; {validation}",
            card.name,
            card.version,
            onnx.len() as f64 / 1e6,
            self.sha256.brief()
        )
    }
}
