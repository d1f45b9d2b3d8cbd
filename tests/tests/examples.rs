//! The programs of docs/examples, run.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::PubAckReason;
use serde_json::json;
use smearscope_tests::site::{DOCS, Site, password};
use smearscope_tests::{PATIENCE, Running, lines};

#[test]
fn the_example_subscriber_prints_each_field_once_and_names_the_gaps() {
    let python = std::env::var("SMEARSCOPE_PYTHON").unwrap_or_default();
    let has_paho = Path::new(&python).exists()
        && Command::new(&python)
            .args(["-c", "import paho.mqtt"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !has_paho {
        // Straight to standard error: cargo's test runner would swallow `eprintln!`.
        let skip = "SKIP: docs/examples/subscribe.py: SMEARSCOPE_PYTHON names no Python with paho-mqtt (make setup)\n";
        std::io::stderr().write_all(skip.as_bytes()).unwrap();
        return;
    }
    let site = Site::start();
    let secret = site.folder.path().join("password");
    fs::write(&secret, password("dashboard") + "\n").unwrap();
    let start = || {
        let child = Command::new(&python)
            .arg(Path::new(DOCS).join("examples/subscribe.py"))
            .args(["127.0.0.1", &site.port.to_string(), "dashboard"])
            .arg(&secret)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut program = Running(child);
        let said = lines(program.0.stdout.take().unwrap());
        (program, said)
    };
    let board = site.enter("scope-1");
    let field = |seq: u64, id: &str| {
        let field = json!({
            "id": id, "device": "scope-1", "seq": seq, "series": "s",
            "counts": {"cells": 10, "parasitized": 1},
        });
        // Who is connected need not have subscribed yet.
        while board.publish("smearscope/scope-1/field", &field.to_string())
            == PubAckReason::NoMatchingSubscribers
        {
            thread::sleep(Duration::from_millis(20));
        }
    };
    let line = |seq: u64| format!("scope-1 {seq} {{'cells': 10, 'parasitized': 1}}");

    let (program, said) = start();
    let next = |said: &Receiver<String>| said.recv_timeout(PATIENCE).expect("a line");
    assert_eq!(next(&said), "connected: Success");
    for (seq, id) in [(4, "d"), (5, "e"), (5, "e"), (8, "h"), (6, "f")] {
        field(seq, id);
    }
    let missing = "missing: scope-1 s 6 to 7".to_owned();
    for expected in [line(4), line(5), missing, line(8), line(6)] {
        assert_eq!(next(&said), expected);
    }
    drop(program);
    // What it had not yet acknowledged comes again, and what came while it was away.
    field(9, "i");
    let (_program, said) = start();
    while next(&said) != line(9) {}
}
