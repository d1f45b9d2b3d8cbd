//! The config as an engineer meets it: mistakes named, variables of the environment, and what `check-config` tells.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use smearscope_common::message::{FieldMessage, StatusMessage};
use smearscope_tests::board::small_frames;
use smearscope_tests::{PATIENCE, Running, edge, free_port, mosquitto, subscribe};
use tempfile::TempDir;

const SYNTHETIC: &str = "[device]\nid = \"scope-1\"\n[source]\nkind = \"synthetic\"\n";

/// Runs the program beside a config with variables of the environment.
fn said(folder: &Path, text: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    fs::write(folder.join("edge.toml"), text).unwrap();
    edge()
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The last line of what was refused.
fn refused(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    said.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_misspelt_key_is_told_with_what_was_meant() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let text = format!("{SYNTHETIC}[mqtt]\nhots = \"broker.lab\"\n");
    let expected = "error: edge.toml, line 6: unknown key `hots` in [mqtt]; did you mean `host`?";
    for arguments in [
        &["check-config", "edge.toml"][..],
        &["run", "--config", "edge.toml"],
    ] {
        assert_eq!(refused(&said(here, &text, &[], arguments)), expected);
    }
    // In the environment there is no line.
    let variable = [("SMEARSCOPE_MQTT_HOTS", "broker.lab")];
    let output = said(here, SYNTHETIC, &variable, &["check-config", "edge.toml"]);
    assert_eq!(
        refused(&output),
        "error: environment variable SMEARSCOPE_MQTT_HOTS: unknown key `hots` in [mqtt]; did you mean SMEARSCOPE_MQTT_HOST?"
    );
}

#[test]
fn one_file_does_for_boards_that_differ_in_their_environment() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let port = free_port();
    let _broker = mosquitto(port, here);
    let frames = small_frames(here, 1);
    let text = format!(
        "[source]\nkind = \"replay\"\nfolder = {frames:?}\n[mqtt]\nport = 1\n[image]\nenabled = false\n"
    );
    fs::write(here.join("edge.toml"), &text).unwrap();
    let arguments = ["run", "--config", "edge.toml"];
    // Nobody may be anybody: without a name it doesn't begin.
    let nameless = refused(&said(here, &text, &[], &arguments));
    assert!(
        nameless.contains("`id` is missing in [device]")
            && nameless.contains("SMEARSCOPE_DEVICE_ID"),
        "{nameless}"
    );
    for device in ["scope-17", "scope-18"] {
        let messages = subscribe(port, &format!("smearscope/{device}/#"));
        let child = edge()
            .args(arguments)
            .current_dir(here)
            .env("SMEARSCOPE_DEVICE_ID", device)
            .env("SMEARSCOPE_MQTT_PORT", port.to_string())
            .env("SMEARSCOPE_STORE_PATH", here.join(device))
            .spawn();
        assert_eq!(Running(child.unwrap()).wait(), Some(0));
        let field = loop {
            let message = messages.recv_timeout(PATIENCE).expect("a field");
            if message.topic == format!("smearscope/{device}/field") {
                break serde_json::from_slice::<FieldMessage>(&message.payload).unwrap();
            }
            if message.topic.ends_with("/status") {
                serde_json::from_slice::<StatusMessage>(&message.payload).unwrap();
            }
        };
        assert_eq!((field.device.to_string(), field.seq), (device.into(), 1));
        assert!(here.join(device).exists());
    }
}

#[test]
fn check_config_tells_what_would_run_and_begins_nothing() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    // A broker that would notice.
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    broker.set_nonblocking(true).unwrap();
    let port = broker.local_addr().unwrap().port();
    let text = format!(
        "[source]\nkind = \"camera\"\ndevice = \"/dev/video987\"\n[mqtt]\nport = {port}\nusername = \"board\"\n\
         password_file = \"credential:password\"\n[store]\npath = \"new/results.sqlite\"\nmax_mb = 64\n\
         [model]\nworkers = 1\n"
    );
    let variables = [
        ("SMEARSCOPE_DEVICE_ID", "scope-17"),
        ("SMEARSCOPE_MQQT_HOST", "x"),
    ];
    let output = said(here, &text, &variables, &["check-config", "edge.toml"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words}");
    let line = |what: &str| {
        let found = words.lines().find(|line| line.starts_with(what));
        found
            .unwrap_or_else(|| panic!("no {what} in {words}"))
            .to_owned()
    };
    assert_eq!(words.lines().next(), Some("edge.toml is sound"));
    for (what, told) in [
        (
            "device",
            "scope-17; its topics begin with smearscope/scope-17/",
        ),
        ("source", "`run` waits for it"),
        ("gate", "on"),
        ("model", "inside the program"),
        ("workers", "1"),
        ("store", "not there yet"),
        ("broker", "127.0.0.1"),
        ("home assistant", "not told"),
        ("http", "no figures are served"),
        ("environment", "SMEARSCOPE_DEVICE_ID=scope-17"),
        ("doubt", "SMEARSCOPE_MQTT_HOST"),
    ] {
        assert!(line(what).contains(told), "{what}: {words}");
    }
    assert!(
        words.contains("password file credential:password: systemd hands it over"),
        "{words}"
    );

    let output = said(
        here,
        &text,
        &variables,
        &["check-config", "edge.toml", "--json"],
    );
    let json = String::from_utf8(output.stdout).unwrap();
    assert_eq!(json.lines().count(), 1, "{json}");
    let report: Value = serde_json::from_str(&json).unwrap();
    for (pointer, expected) in [
        ("/config", json!("edge.toml")),
        ("/device", json!("scope-17")),
        ("/topics", json!("smearscope/scope-17/")),
        ("/source/kind", json!("camera")),
        ("/source/device", json!("/dev/video987")),
        ("/source/mode", json!(null)),
        ("/gate", json!(true)),
        ("/model/path", json!(null)),
        ("/workers", json!(1)),
        ("/store/path", json!("new/results.sqlite")),
        ("/store/exists", json!(false)),
        ("/broker/url", json!(format!("mqtt://127.0.0.1:{port}"))),
        ("/broker/username", json!("board")),
        ("/broker/files/0/reach", json!("of_service")),
        ("/homeassistant", json!(null)),
        ("/http", json!(null)),
        ("/environment/0/name", json!("SMEARSCOPE_DEVICE_ID")),
        ("/environment/0/value", json!("scope-17")),
    ] {
        assert_eq!(
            report.pointer(pointer),
            Some(&expected),
            "{pointer}: {json}"
        );
    }
    let called = broker.accept().expect_err("check-config called the broker");
    assert_eq!(called.kind(), ErrorKind::WouldBlock);
    let left: Vec<_> = fs::read_dir(here)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["edge.toml"]);
}

#[test]
fn check_config_refuses_what_run_would_refuse() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    fs::write(here.join("text.onnx"), "no model").unwrap();
    for (rest, word) in [
        ("[model]\npath = \"text.onnx\"\n", "text.onnx"),
        ("[model]\npath = \"absent.onnx\"\n", "absent.onnx"),
        (
            "[mqtt]\nusername = \"a\"\npassword_file = \"absent\"\n",
            "absent",
        ),
    ] {
        let text = format!("{SYNTHETIC}{rest}");
        for arguments in [
            &["check-config", "edge.toml"][..],
            &["check-config", "edge.toml", "--json"],
        ] {
            let refusal = refused(&said(here, &text, &[], arguments));
            assert!(refusal.contains(word), "{refusal}");
        }
    }
}
