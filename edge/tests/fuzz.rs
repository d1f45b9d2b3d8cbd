//! Runs the checks of `smearscope_edge::fuzz` with the committed seeds and with mutations of them.
#![allow(clippy::unwrap_used)] // Test equipment: its panic is the report.

use std::path::Path;

use smearscope_edge::fuzz;

#[path = "../../fuzz/driver.rs"]
mod driver;

use driver::driven;

#[test]
fn configs() {
    driven("config", fuzz::config, 5000);
}

/// Where there is a disk in memory, nothing waits for a real one.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

#[test]
fn models_on_their_way() {
    let folder = folder();
    driven("models", |bytes| fuzz::models(bytes, folder.path()), 5000);
}

#[test]
fn stored_rows() {
    let folder = folder();
    driven("store", |bytes| fuzz::store(bytes, folder.path()), 1000);
}
