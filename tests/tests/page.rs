//! The demo with its embedded broker, seen by an independent client and by a real browser.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use smearscope_tests::{PATIENCE, Running, edge, frames, free_port, lines};
use tempfile::TempDir;

/// Straight to standard error: cargo's test runner would swallow `eprintln!`.
fn skip(why: &str) {
    let line = format!("SKIP: the live page in a browser: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

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

/// The demo, where its page is and where its broker.
fn demo(frames: Option<&Path>) -> (Running, String, String) {
    let mut command = edge();
    command.args(["demo", "--http", "127.0.0.1:0"]);
    if let Some(frames) = frames {
        command.arg("--frames").arg(frames);
    }
    let mut demo = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let told = lines(demo.0.stdout.take().unwrap());
    let place = |name: &str| loop {
        let line = told.recv_timeout(PATIENCE).unwrap();
        if let Some(place) = line.strip_prefix(name) {
            return place.trim().to_owned();
        }
    };
    let (page, broker) = (place("page "), place("broker "));
    // It ends where nobody listens to it any more.
    std::thread::spawn(move || told.iter().for_each(drop));
    (demo, page, broker)
}

/// What a script of `browser` saw; `None`, and said so, where this machine has no browser.
fn seen_by(script: &str, arguments: &[&str]) -> Option<Value> {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !browser.join("node_modules").exists() {
        skip("its npm modules are not installed (make setup says why)");
        return None;
    }
    let output = Command::new("node")
        .arg(browser.join(script))
        .args(arguments)
        .args(["--timeout", "90"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) {
        skip(said.trim());
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_browser_shows_the_field_its_cells_and_the_count() {
    let (mut demo, page, _) = demo(None);
    let Some(seen) = seen_by("live_page.mjs", &[&page]) else {
        return;
    };
    assert!(seen["boxes"].as_u64().unwrap() > 20, "{seen}");
    // Nothing here tells of a camera.
    assert_eq!(seen["now"], Value::Null, "{seen}");
    demo.signal("TERM");
    assert_eq!(demo.wait(), Some(0));
}

#[test]
fn a_browser_shows_what_a_camera_sees_and_when_it_is_lost() {
    let folder = TempDir::new().unwrap();
    // One field only: the processor is the browser's.
    let (_demo, page, broker) = demo(Some(&frames(folder.path(), 1)));
    let Some(seen) = seen_by("now_card.mjs", &[&page, &broker, "demo"]) else {
        return;
    };
    assert_eq!(seen["now-focus"], "30.5", "{seen}");
}
