//! `[store]`: where results are kept, and for how long.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use smearscope_common::topic::DeviceId;

use crate::exit::bad_input;
use crate::kept;
use crate::models;
use crate::report;

/// The least megabytes of a store: some hundred fields of many cells.
const LEAST_STORE_MB: u64 = 16;

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The file of the results. Default: `results.sqlite` in `$STATE_DIRECTORY`, which systemd sets; without it, in
    /// `smearscope/<device>` below `$XDG_STATE_HOME` or `~/.local/state`.
    pub path: Option<PathBuf>,
    /// The most that it may hold in megabytes, at least 16. Default: 1024. Delivered results go first; what then must go
    /// undelivered is counted in `health`.
    pub max_mb: u64,
    /// How many days a delivered result can be sent again. Default: 7.
    pub keep_days: u64,
    /// How many days a result waits for a broker before it is given up. Default: 90. Those of this run of the program wait
    /// at least as long as it has run, whatever the clock says meanwhile.
    pub max_wait_days: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: None,
            max_mb: 1024,
            keep_days: 7,
            max_wait_days: 90,
        }
    }
}

impl Store {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.max_mb < LEAST_STORE_MB {
            let why = format!(
                "`max_mb` is {}, but a store needs at least {LEAST_STORE_MB}",
                self.max_mb
            );
            return Err(("max_mb", why));
        }
        Ok(())
    }

    /// Where the results are.
    ///
    /// # Errors
    /// Bad input, when there is no path and no place where one could be.
    pub fn path(&self, device: &DeviceId) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        // A folder for a program may be several, parted by colons.
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(folders) = set("STATE_DIRECTORY") {
            let first = folders.split(':').next().unwrap_or_default();
            return Ok(Path::new(first).join("results.sqlite"));
        }
        let below = set("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/state")))
            .ok_or_else(|| {
                bad_input("no folder for results is known: set `path` in [store] of the config")
            })?;
        Ok(below
            .join("smearscope")
            .join(device.to_string())
            .join("results.sqlite"))
    }

    /// Where models are kept: beside the results.
    ///
    /// # Errors
    /// As [`Store::path`].
    pub fn models(&self, device: &DeviceId) -> anyhow::Result<PathBuf> {
        Ok(self.path(device)?.with_file_name(models::FOLDER))
    }

    /// Where the reports of slides are: beside the results.
    ///
    /// # Errors
    /// As [`Store::path`].
    pub fn reports(&self, device: &DeviceId) -> anyhow::Result<PathBuf> {
        Ok(self.path(device)?.with_file_name(report::FOLDER))
    }

    /// Where cells are kept for a second look: beside the results.
    ///
    /// # Errors
    /// As [`Store::path`].
    pub fn cells(&self, device: &DeviceId) -> anyhow::Result<PathBuf> {
        Ok(self.path(device)?.with_file_name(kept::FILE))
    }
}
