//! `[model]`: what judges cells, and which models may take its place.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};
use serde::Deserialize;
use smearscope_common::topic::DeviceId;

use crate::models::{Demands, Rules};

/// The fewest cells of a watch: less says nothing.
const LEAST_CELLS: u64 = 100;
/// The most megabytes of a model: it is held in memory as a whole while it is checked.
const MOST_MB: u64 = 1024;
/// The most hours that a model may be on its way.
const MOST_HOURS: f64 = 24.0 * 31.0;

/// `[model]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// The .onnx file; then it is the only one, and no other is installed. Default: the model that was installed last, before
    /// the first the one inside the program.
    pub path: Option<PathBuf>,
    /// Threads that classify cells. Default: one for each core.
    pub workers: Option<NonZeroUsize>,
    /// The public keys (minisign) of those who may bring a model. Default: none, so that nobody may.
    pub trusted_keys: Vec<TrustedKey>,
    /// The most megabytes of a model. Default: 64.
    pub max_mb: u64,
    /// How many hours a model may be on its way. Default: 24.
    pub receive_hours: f64,
    /// The most milliseconds of one core for a cell. Default: 1000.
    pub max_ms_per_crop: f64,
    /// Over how many cells a new model is watched. Default: 500.
    pub watch_cells: u64,
    /// The most that the share of parasitized cells among these may differ from what the model before calls so, 0 to 1.
    /// Default: 0.1.
    pub max_share_shift: f64,
    /// The least part of the cells that the model before calls parasitized that the new one must call so, too, 0 to 1.
    /// Default: 0.2.
    pub min_agreement: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            path: None,
            workers: None,
            trusted_keys: Vec::new(),
            max_mb: 64,
            receive_hours: 24.0,
            max_ms_per_crop: 1000.0,
            watch_cells: 500,
            max_share_shift: 0.1,
            min_agreement: 0.2,
        }
    }
}

/// A public key of minisign: the second line of its .pub file.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedKey {
    text: String,
    key: PublicKey,
}

impl TryFrom<String> for TrustedKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match PublicKey::from_base64(&text) {
            Ok(key) => Ok(Self { text, key }),
            Err(_) => Err(format!(
                "{text:?} is no public key of minisign: it is the second line of a .pub file and begins with RW"
            )),
        }
    }
}

impl TrustedKey {
    /// The id of the key, as minisign shows it: eight bytes behind the two that name the kind, the last one first.
    pub fn id(&self) -> String {
        let bytes = STANDARD.decode(&self.text).unwrap_or_default();
        let id = bytes.get(2..10).unwrap_or_default();
        id.iter().rev().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Checks a signature of these bytes: both kinds are as good, the old one, of the whole file, and that of its hash.
    ///
    /// # Errors
    /// When this key has not signed them.
    pub fn verify(
        &self,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), minisign_verify::Error> {
        self.key.verify(bytes, signature, true)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ModelConfig {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let between = |key, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err((
                key,
                format!("`{key}` is {value}, but goes from {least} to {most}"),
            ))
        };
        between("max_mb", self.max_mb as f64, 1.0, MOST_MB as f64)?;
        between("receive_hours", self.receive_hours, 0.01, MOST_HOURS)?;
        between("max_ms_per_crop", self.max_ms_per_crop, 0.1, 1e6)?;
        between(
            "watch_cells",
            self.watch_cells as f64,
            LEAST_CELLS as f64,
            1e9,
        )?;
        between("max_share_shift", self.max_share_shift, 0.001, 1.0)?;
        between("min_agreement", self.min_agreement, 0.0, 1.0)
    }

    /// What a new model must be like.
    pub fn demands(&self, device: &DeviceId) -> Demands {
        Demands {
            device: device.clone(),
            keys: self.trusted_keys.clone(),
            max_bytes: self.max_mb << 20,
            watch: Rules {
                cells: self.watch_cells,
                max_share_shift: self.max_share_shift,
                min_agreement: self.min_agreement,
                max_ms_per_crop: self.max_ms_per_crop,
            },
        }
    }

    /// How long its bytes may take.
    pub fn receive_within(&self) -> Duration {
        Duration::from_secs_f64(self.receive_hours * 3600.0)
    }
}
