//! A run folder: what was trained, how, how far it is, and the best weights.
//!
//! `run.json` (settings), `split.csv`, `metrics.csv` (one line per epoch), `best.safetensors`
//! (weights of the epoch with the lowest validation loss), `last.safetensors` (all that going on
//! takes), `calibration.json` (temperature and threshold), `curves.svg`, `test.json` and
//! `report.html` (figures on the test subset), `predictions.csv` (what was said of each of its
//! cells; the last of all). Files are written beside their place and
//! renamed, so that a run that is killed leaves whole ones. `run.json` comes last of those that a
//! run begins with: where it is, there is something to resume.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use smearscope_common::model_card::{Ancestor, CropSpec, InputSpec};
use smearscope_common::stain::Colour;
use tch::nn::VarStore;
use tch::{Device, Tensor};

use crate::calibrate::Target;
use crate::dataset::Dataset;
use crate::densenet::{Architecture, DenseNet, Head};
use crate::error::bad_input;
use crate::optimizer::Optimizer;
use crate::replay::Replay;
use crate::split::{self, Split, SplitBy};
use crate::train::{Epoch, Settings};
use crate::weights;

/// `run.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The network.
    pub architecture: Architecture,
    /// Its head.
    pub head: Head,
    /// Classes in the order of the logits.
    pub classes: Vec<String>,
    /// What it is fed.
    pub input: InputSpec,
    /// The colour of the typical cell among those it is taught with, for the board's stain step;
    /// `None` in runs from before there was one.
    #[serde(default)]
    pub typical_cell: Option<Colour>,
    /// The data set's path as given, made absolute.
    pub data: PathBuf,
    /// The subject pattern.
    pub subject_pattern: String,
    /// What was learnt from beside it, so that it isn't forgotten.
    #[serde(default)]
    pub replay: Option<Replay>,
    /// See [`crate::dataset::Dataset::sha256`].
    pub data_sha256: String,
    /// Of `split.csv`.
    pub split_sha256: String,
    /// Whether whole subjects were dealt to the subsets. If not, figures flatter.
    pub split_by: SplitBy,
    /// What the threshold is to reach on the validation subset.
    #[serde(default)]
    pub target: Target,
    /// SHA-256 of the weights that training started from.
    pub parent: Option<String>,
    /// The models that it is made from, the first one first.
    #[serde(default)]
    pub lineage: Vec<Ancestor>,
    /// How it was trained.
    pub settings: Settings,
}

/// Names in a run folder.
pub const RUN: &str = "run.json";
/// See [`RUN`].
pub const SPLIT: &str = "split.csv";
/// See [`RUN`].
pub const METRICS: &str = "metrics.csv";
/// See [`RUN`].
pub const BEST: &str = "best.safetensors";
/// See [`RUN`].
pub const LAST: &str = "last.safetensors";
/// The weights that a run began with, where those that stay are a blend with them.
pub const BASE: &str = "base.safetensors";
/// See [`RUN`].
pub const TEST: &str = "test.json";

impl Run {
    /// Reads the settings of a run folder.
    ///
    /// # Errors
    /// It is not one, or of another version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RUN);
        let json = fs::read_to_string(&path).map_err(|e| {
            bad_input!(
                "{}: not a run folder of `smearscope-train train`: {e}",
                folder.display()
            )
        })?;
        serde_json::from_str(&json)
            .map_err(|e| bad_input!("{}: not readable by this version: {e}", path.display()))
    }

    /// How a cell becomes a picture for its network.
    pub fn crop_spec(&self) -> CropSpec {
        CropSpec::newest(self.typical_cell)
    }

    /// The split that a run was trained on.
    ///
    /// # Errors
    /// It is not readable, does not fit the data, or has changed since.
    pub fn split(&self, folder: &Path, dataset: &Dataset) -> Result<Split> {
        let path = folder.join(SPLIT);
        let csv =
            fs::read(&path).map_err(|e| bad_input!("{}: cannot be read: {e}", path.display()))?;
        if split::sha256(&csv) != self.split_sha256 {
            return Err(bad_input!(
                "{}: its {SPLIT} has changed since it was begun, so nobody knows any more what the \
                 weights have seen",
                folder.display()
            ));
        }
        Split::read(&path, dataset, self.split_by)
    }

    /// Whether another run was trained alike: everything but where it began, the split and the
    /// place of the data.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.architecture == other.architecture
            && self.head == other.head
            && self.classes == other.classes
            && self.input == other.input
            && self.data_sha256 == other.data_sha256
            && self.split_by == other.split_by
            && self.settings == other.settings
    }

    /// The network of a run with its best weights.
    ///
    /// # Errors
    /// There are none yet, or they don't fit the settings.
    pub fn load(&self, folder: &Path, device: Device) -> Result<(VarStore, DenseNet)> {
        let store = VarStore::new(device);
        let classes = self.classes.len() as i64;
        let net = DenseNet::new(&store.root(), self.architecture, self.head, classes);
        let path = folder.join(BEST);
        if !path.exists() {
            return Err(bad_input!(
                "{}: has no {BEST}; the training has not finished an epoch",
                folder.display()
            ));
        }
        weights::read(&path)?.load_into(&store, true)?;
        Ok((store, net))
    }
}

/// Writes a file so that it is either there whole or not at all.
///
/// # Errors
/// The folder can't be written or the disk is full; what was there before stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    rename_when_written(path, |beside| Ok(fs::write(beside, bytes)?))
}

/// Stores all variables, atomically.
///
/// # Errors
/// As [`write_whole`].
pub fn save_weights(store: &VarStore, path: &Path) -> Result<()> {
    let variables = store.variables().into_iter();
    save_tensors(
        variables
            .map(|(name, tensor)| (name, on_cpu(&tensor)))
            .collect(),
        path,
    )
}

/// Blends the weights of `store` with those that the run began with ([`BASE`] in the folder): `share` of what it learnt. What is
/// blended is kept as the run's best.
///
/// # Errors
/// A file can't be read or written.
pub fn blend(store: &VarStore, folder: &Path, share: f64) -> Result<()> {
    let learnt: Vec<(String, Tensor)> = store
        .variables()
        .into_iter()
        .map(|(name, learnt)| (name, learnt.detach().copy()))
        .collect();
    weights::read(&folder.join(BASE))?.load_into(store, true)?;
    let variables = store.variables();
    tch::no_grad(|| {
        for (name, learnt) in learnt {
            let mut variable = variables[&name].shallow_clone();
            let blended = &variable * (1.0 - share) + learnt * share;
            variable.copy_(&blended);
        }
    });
    save_weights(store, &folder.join(BEST))
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The epochs that are done.
    pub epochs: Vec<Epoch>,
}

impl Progress {
    /// The lowest validation loss so far.
    pub fn lowest(&self) -> Option<f64> {
        let losses = self.epochs.iter().map(|e| e.val_loss);
        losses.min_by(f64::total_cmp)
    }

    /// Epochs since the best one.
    pub fn since_best(&self) -> u64 {
        let worse = self.epochs.iter().rev().take_while(|e| !e.best);
        worse.count() as u64
    }

    /// `metrics.csv`. Every digit is kept, so that a run that is resumed compares with what was.
    ///
    /// # Errors
    /// Never in practice: it is written to memory.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for epoch in &self.epochs {
            writer.serialize(epoch)?;
        }
        Ok(writer.into_inner()?)
    }

    /// Reads what [`Progress::to_csv`] wrote.
    ///
    /// # Errors
    /// It was written by another version.
    pub fn from_csv(csv: &[u8]) -> Result<Self> {
        let epochs = csv::Reader::from_reader(csv)
            .deserialize()
            .collect::<Result<_, _>>()?;
        Ok(Self { epochs })
    }
}

/// Names of variables in a checkpoint begin with this, to tell them from the optimizer's.
const MODEL: &str = "model.";

/// Stores weights, optimizer and progress, atomically.
///
/// # Errors
/// As [`write_whole`].
pub fn save_state(
    path: &Path,
    store: &VarStore,
    optimizer: &Optimizer,
    progress: &Progress,
) -> Result<()> {
    let mut tensors = optimizer.state();
    // In the same file: it is all there is to a checkpoint, and is there whole or not at all.
    tensors.push((METRICS.to_owned(), Tensor::from_slice(&progress.to_csv()?)));
    tensors.extend(
        store
            .variables()
            .into_iter()
            .map(|(name, tensor)| (format!("{MODEL}{name}"), on_cpu(&tensor))),
    );
    save_tensors(tensors, path)
}

/// Takes back what [`save_state`] stored.
///
/// # Errors
/// The file can't be read, or belongs to another network or optimizer.
pub fn load_state(path: &Path, store: &VarStore, optimizer: &mut Optimizer) -> Result<Progress> {
    let tensors: HashMap<_, _> = Tensor::read_safetensors(path)
        .map_err(|e| bad_input!("{}: cannot be read: {e}", path.display()))?
        .into_iter()
        .collect();
    let find = |name: &str| {
        let found = tensors.get(name).map(Tensor::shallow_clone);
        found.ok_or_else(|| bad_input!("{}: has no tensor {name:?}", path.display()))
    };
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            let saved = find(&format!("{MODEL}{name}"))?;
            if saved.size() != variable.size() {
                return Err(bad_input!(
                    "{}: tensor {name:?} is of another network",
                    path.display()
                ));
            }
            variable.copy_(&saved);
        }
        optimizer.restore(find)
    })?;
    Progress::from_csv(&Vec::<u8>::try_from(find(METRICS)?)?)
        .map_err(|e| bad_input!("{}: not of this version: {e}", path.display()))
}

fn on_cpu(tensor: &Tensor) -> Tensor {
    tensor.to_device(Device::Cpu).contiguous()
}

fn save_tensors(mut tensors: Vec<(String, Tensor)>, path: &Path) -> Result<()> {
    // Equal content gives equal bytes.
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    rename_when_written(path, |beside| {
        Ok(Tensor::write_safetensors(&tensors, beside)?)
    })
}

fn rename_when_written(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = path.with_file_name(name);
    let done = write(&beside)
        .and_then(|()| Ok(fs::File::open(&beside)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&beside, path)?));
    if done.is_err() {
        // What is left of a failed attempt helps nobody; the error below says what happened.
        let _ = fs::remove_file(&beside);
    }
    done.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_whole(&path, b"old").unwrap();
        let failed = rename_when_written(&path, |beside| {
            fs::write(beside, b"ne")?;
            anyhow::bail!("disk full")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
