//! A run folder: what was trained, how, and the best weights.
//!
//! `run.json` (settings), `split.csv`, `metrics.csv` (one line per epoch), `best.safetensors`
//! (weights of the epoch with the lowest validation loss), `test.json` (figures on the test
//! subset). Files are written beside their place and renamed, so that a run that is killed leaves
//! whole ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use smearscope_common::model_card::InputSpec;
use tch::nn::VarStore;
use tch::{Device, Tensor};

use crate::densenet::{Architecture, DenseNet, Head};
use crate::error::bad_input;
use crate::train::Settings;
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
    /// The data set's path as given, made absolute.
    pub data: PathBuf,
    /// The subject pattern.
    pub subject_pattern: String,
    /// See [`crate::dataset::Dataset::sha256`].
    pub data_sha256: String,
    /// Of `split.csv`.
    pub split_sha256: String,
    /// SHA-256 of the weights that training started from.
    pub parent: Option<String>,
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
    let mut variables: Vec<_> = store
        .variables()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_device(Device::Cpu).contiguous()))
        .collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    rename_when_written(path, |beside| {
        Ok(Tensor::write_safetensors(&variables, beside)?)
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
