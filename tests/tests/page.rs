//! The demo with its embedded broker, seen by an independent client and by a real browser.
#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use serde_json::Value;
use smearscope_tests::browser::{Demo, alone, seen_by};
use smearscope_tests::{Running, edge, frames, free_port};
use tempfile::TempDir;

#[test]
fn the_demo_needs_nothing_and_ends_after_its_fields() {
    let http = format!("127.0.0.1:{}", free_port());
    let child = edge()
        .args(["demo", "--fields", "2", "--http", &http])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(Running(child).wait(), Some(0));
}

#[test]
fn a_taken_port_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let http = holder.local_addr().unwrap().to_string();
    let output = edge()
        .args(["demo", "--fields", "1", "--http", &http])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(&http), "{said}");
}

#[test]
fn the_first_view_shows_the_field_its_cells_and_the_count_and_goes_on() {
    let _alone = alone();
    let mut demo = Demo::start(None);
    let Some(seen) = seen_by("first_view.mjs", &[&demo.page]) else {
        return;
    };
    assert!(seen["boxes"].as_u64().unwrap() > 20, "{seen}");
    // Nothing here tells of a camera.
    assert_eq!(seen["now"], Value::Null, "{seen}");
    demo.program.signal("TERM");
    assert_eq!(demo.program.wait(), Some(0));
}

#[test]
fn what_a_camera_sees_is_shown_and_when_it_is_lost() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    // One field only: the processor is the browser's.
    let demo = Demo::start(Some(&frames(folder.path(), 1)));
    let Some(seen) = seen_by("now_card.mjs", &[&demo.page, &demo.broker, "demo"]) else {
        return;
    };
    assert_eq!(seen["now-focus"], "30.5", "{seen}");
}

#[test]
fn a_broker_that_is_lost_is_told_and_comes_back_by_itself() {
    let _alone = alone();
    let demo = Demo::start(None);
    seen_by(
        "broker_lost.mjs",
        &[&demo.page, "--broker", &demo.websocket],
    );
}

#[test]
fn every_view_can_be_used_by_everyone() {
    let _alone = alone();
    let demo = Demo::start(None);
    let Some(seen) = seen_by("accessible.mjs", &[&demo.page]) else {
        return;
    };
    assert_eq!(seen["findings"], serde_json::json!([]), "{seen}");
}

#[test]
fn twenty_boards_are_seen_on_one_page() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let demo = Demo::start(Some(&frames(folder.path(), 1)));
    seen_by("fleet.mjs", &[&demo.websocket, "--page", &demo.page]);
}
