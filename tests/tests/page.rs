//! The demo with its embedded broker, seen by an independent client and by a real browser.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use smearscope_tests::{Running, edge, free_port};

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

#[test]
fn a_browser_shows_the_field_its_cells_and_the_count() {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !browser.join("node_modules").exists() {
        return skip("its npm modules are not installed (make setup says why)");
    }
    let http = format!("127.0.0.1:{}", free_port());
    let child = edge()
        .args(["demo", "--http", &http])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut demo = Running(child);
    // The page may be opened once the program says where it is.
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let told = lines.by_ref().any(|line| line.unwrap().contains(&http));
    assert!(told, "the demo never said where its page is");
    std::thread::spawn(move || lines.for_each(drop));

    let output = Command::new("node")
        .arg(browser.join("live_page.mjs"))
        .args([&format!("http://{http}/"), "--timeout", "90"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) {
        return skip(said.trim());
    }
    assert!(output.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(seen["boxes"].as_u64().unwrap() > 20, "{seen}");
    demo.signal("TERM");
    assert_eq!(demo.wait(), Some(0));
}
