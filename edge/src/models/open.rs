//! The start: which model decides, and what is left of one that can't be used any more.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use smearscope_common::engine::Model;
use smearscope_common::message::ModelEventKind;
use tracing::error;

use super::check::{self, Demands};
use super::folder::Folder;
use super::record::Record;
use super::state::{MOST_STARTS, Which};
use super::{AtWork, Models, Options};
use crate::model;

impl Models {
    /// Opens the models of a board, with what the analysis begins with. A model that can't be used any more is left for the
    /// one before it.
    ///
    /// # Errors
    /// Bad input, when the config names a model that can't be used.
    pub fn open(options: Options) -> anyhow::Result<(Self, AtWork)> {
        let is_fixed = options.path.is_some();
        let folder = options.folder.filter(|_| !is_fixed).and_then(kept_in);
        let Some(folder) = folder else {
            let model = model::load(options.path.as_deref())?;
            return Ok(Self::begun(
                None,
                is_fixed,
                options.demands,
                Record::default(),
                model,
                None,
            ));
        };
        let mut record = Record::read(&folder);
        record.change(&folder, |state| {
            let Some(trial) = &mut state.watch else {
                return false;
            };
            trial.starts += 1;
            if trial.starts > MOST_STARTS {
                let why = format!(
                    "the program was started {} times while it was watched",
                    trial.starts
                );
                state.roll_back(ModelEventKind::RolledBack, &why);
            }
            true
        });
        let model = loop {
            let current = record.state.current.clone();
            match load(&folder, &current) {
                Ok(model) => break model,
                Err(error) if current.is_none() => return Err(error),
                Err(error) => {
                    let why = format!("{error:#}");
                    error!("the installed model can't be used, the one before it is: {why}");
                    record.change(&folder, |state| {
                        // Somebody else may have left it already.
                        state.current == current && state.roll_back(ModelEventKind::Damaged, &why)
                    });
                }
            }
        };
        folder.sweep(None);
        let before = match (&record.state.watch, record.state.previous()) {
            (Some(_), Some(which)) => load(&folder, &which).ok(),
            _ => None,
        };
        Ok(Self::begun(
            Some(folder),
            is_fixed,
            options.demands,
            record,
            model,
            before,
        ))
    }

    fn begun(
        folder: Option<Folder>,
        is_fixed: bool,
        demands: Demands,
        record: Record,
        model: Model,
        before: Option<Model>,
    ) -> (Self, AtWork) {
        let chain = model.card().chain(model.sha256());
        let models = Self::with(folder, is_fixed, demands, record, model.reference(), chain);
        let at_work = AtWork {
            model: Arc::new(model),
            before: before.map(Arc::new),
        };
        (models, at_work)
    }
}

/// The folder at this path; `None`, and said why, where it can't be used.
fn kept_in(path: PathBuf) -> Option<Folder> {
    Folder::open(path.clone())
        .inspect_err(|error| {
            let path = path.display();
            error!("models can't be kept in {path}: {error}; the model inside the program decides");
        })
        .ok()
}

/// Loads a model of the folder and holds it against its name.
pub(super) fn load(folder: &Folder, which: &Which) -> anyhow::Result<Model> {
    let Some(hash) = which else {
        return model::load(None);
    };
    let onnx = folder
        .model(hash)
        .with_context(|| format!("the file of model {} can't be read", hash.brief()))?;
    anyhow::ensure!(
        check::hash_of(&onnx) == *hash,
        "the file of model {} is damaged",
        hash.brief()
    );
    let model = Model::load(&onnx)?;
    model.self_test()?;
    Ok(model)
}
