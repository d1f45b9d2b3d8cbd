//! Home Assistant's discovery: announced while it is switched on, and gone when it no longer is.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::{free_port, mosquitto, subscribe};
use tempfile::TempDir;

const TOPIC: &str = "homeassistant/device/lab-1/config";

/// What the broker has kept of the board's announcement.
fn announced(port: u16) -> Option<Value> {
    let kept = subscribe(port, TOPIC).recv_timeout(Duration::from_secs(1));
    kept.ok()
        .map(|message| serde_json::from_slice(&message.payload).unwrap())
}

#[test]
fn the_board_is_announced_as_documented_and_removed_when_that_is_switched_off() {
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let frames = small_frames(dir.path(), 2);
    let run = |homeassistant: &str| {
        let board = Board::new(
            dir.path(),
            "lab-1",
            &format!("kind = \"replay\"\nfolder = {frames:?}"),
            &format!("port = {port}"),
            homeassistant,
        );
        assert_eq!(board.start().wait(), Some(0), "{}", board.log());
    };
    run("");
    assert_eq!(announced(port), None);
    run("[homeassistant]\nenabled = true");
    let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/homeassistant.json");
    let mut documented: Value = serde_json::from_slice(&fs::read(documented).unwrap()).unwrap();
    // The example has a version of its own.
    for part in ["device", "origin"] {
        documented[part]["sw_version"] = env!("CARGO_PKG_VERSION").into();
    }
    assert_eq!(announced(port), Some(documented));
    run("[homeassistant]\nenabled = false");
    assert_eq!(announced(port), None);
}
