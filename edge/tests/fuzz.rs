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
#[test]
fn stored_rows() {
    let memory = Path::new("/dev/shm");
    let folder = match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().unwrap(),
    };
    driven("store", |bytes| fuzz::store(bytes, folder.path()), 1000);
}
