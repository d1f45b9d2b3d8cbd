//! Disks that fail under the daemon: it goes on live, says so, and nothing that was there is lost.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::fake_broker::FakeBroker;
use smearscope_tests::{PATIENCE, Running};
use tempfile::TempDir;

/// A board that goes round its frames until it is stopped.
fn board(folder: &Path, broker: &FakeBroker) -> Board {
    let frames = small_frames(folder, 10);
    Board::new(
        folder,
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 20"),
        &format!("port = {}", broker.port()),
        "[image]\nenabled = false",
    )
}

fn fields(broker: &FakeBroker) -> Vec<Value> {
    let published = broker.published("smearscope/scope-1/field");
    let parsed = published
        .iter()
        .map(|(_, publish)| serde_json::from_slice(&publish.payload).unwrap());
    parsed.collect()
}

fn wait_until(what: &str, board: &Board, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: {}", board.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The last thing that the board said of itself.
fn health(broker: &FakeBroker) -> Value {
    let all = broker.published("smearscope/scope-1/health");
    serde_json::from_slice(&all.last().unwrap().1.payload).unwrap()
}

fn stop(board: &Board, program: &mut Running) {
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0), "{}", board.log());
}

#[test]
fn a_disk_that_fills_up_leaves_the_results_in_memory_until_there_is_room() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let board = board(dir.path(), &broker);
    let mut program = board.start_on_a_full_disk(600);
    wait_until("the disk is full", &board, || {
        board.log().contains("can't take results")
    });
    let before = fields(&broker).len();
    wait_until("fields go on", &board, || {
        fields(&broker).len() > before + 20
    });
    // Told with the next connection, at the latest.
    broker.hang_up();
    wait_until("health says so", &board, || {
        health(&broker)["store"]["state"] == "memory"
    });
    assert!(health(&broker)["store"]["trouble"].is_string());
    // Room again: the next try is within half a minute.
    let lifted = Command::new("prlimit")
        .args(["--pid", &program.0.id().to_string(), "--fsize=unlimited"])
        .status()
        .unwrap();
    assert!(lifted.success());
    wait_until("the disk is used again", &board, || {
        board.log().contains("takes results again")
    });
    let after = fields(&broker).len();
    wait_until("fields go on", &board, || {
        fields(&broker).len() > after + 20
    });
    stop(&board, &mut program);
    // All that was published is in the store, and nothing else: what was in memory has moved there.
    let committed = board.committed();
    let mut published: Vec<String> = fields(&broker)
        .iter()
        .map(|field| field["id"].as_str().unwrap().replace('-', ""))
        .collect();
    published.sort_unstable();
    published.dedup();
    assert_eq!(committed.into_keys().collect::<Vec<_>>(), published);
}

#[test]
fn a_disk_that_cannot_be_written_is_told_and_the_station_works() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let board = board(dir.path(), &broker);
    let config = fs::read_to_string(dir.path().join("edge.toml")).unwrap();
    // No folder can be made there, whoever we are.
    let store = format!("path = {:?}", board.store());
    let nowhere = config.replace(&store, "path = \"/proc/smearscope/results.sqlite\"");
    assert!(nowhere != config);
    fs::write(dir.path().join("edge.toml"), nowhere).unwrap();
    let mut program = board.start();
    wait_until("fields come", &board, || fields(&broker).len() > 20);
    let health = health(&broker);
    assert_eq!(health["store"]["state"], "memory", "{health}");
    assert!(board.log().contains("/proc/smearscope/results.sqlite"));
    stop(&board, &mut program);
}

#[test]
fn a_damaged_store_is_set_aside_and_the_station_works() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let board = board(dir.path(), &broker);
    fs::write(board.store(), "this was a database once. ".repeat(1000)).unwrap();
    let mut program = board.start();
    wait_until("fields come", &board, || fields(&broker).len() > 20);
    let health = health(&broker);
    assert_eq!(health["store"]["state"], "disk", "{health}");
    let aside = health["store"]["set_aside"][0].as_str().unwrap().to_owned();
    assert!(
        fs::read(&aside)
            .unwrap()
            .starts_with(b"this was a database once")
    );
    stop(&board, &mut program);
    assert!(board.committed().len() > 20);
}

#[test]
fn two_programs_cannot_share_a_store() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let board = board(dir.path(), &broker);
    let mut program = board.start();
    wait_until("fields come", &board, || !fields(&broker).is_empty());
    assert_eq!(board.start().wait(), Some(1));
    assert!(
        board
            .log()
            .contains("another smearscope-edge uses the store")
    );
    stop(&board, &mut program);
}
