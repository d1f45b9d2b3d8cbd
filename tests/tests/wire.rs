//! What a real station sends to a real broker is what `docs/wire` says: each payload by its schema, and retained what is
//! said to be retained. The judge is a validator of JSON Schema that knows nothing of our types.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{Client, Event, Incoming, MqttOptions};
use serde_json::{Value, json};
use smearscope_tests::{
    PATIENCE, Received, Running, edge, frames, free_port, mosquitto, subscribe,
};
use tempfile::TempDir;

const DEVICE: &str = "wire-1";

fn skip(why: &str) {
    let line = format!("SKIP: messages of a real run against their schemas: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn validator() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wire")
}

/// The schemas as the program itself writes them.
fn written_schemas(folder: &Path) -> PathBuf {
    let written = edge()
        .args(["schema", "--out"])
        .arg(folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(written.success());
    folder.join("schemas")
}

/// A line for the validator; `None` for a picture.
fn line(message: &Received) -> Option<String> {
    if message.topic.ends_with("/image/field") {
        assert!(message.payload.starts_with(&[0xff, 0xd8]), "a JPEG");
        return None;
    }
    let payload: Value = serde_json::from_slice(&message.payload)
        .unwrap_or_else(|e| panic!("{} is no JSON: {e}", message.topic));
    Some(json!({"topic": message.topic, "payload": payload}).to_string())
}

/// How many messages of each schema were valid. Panics with the validator's sentence about the first that wasn't.
fn validate(messages: &[Received], schemas: &Path) -> BTreeMap<String, u64> {
    let mut node = Command::new("node")
        .arg(validator().join("validate.mjs"))
        .arg(schemas)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = messages.iter().filter_map(line).map(|l| l + "\n").collect();
    // It stops reading at the first wrong line, and then says why.
    let _ = node.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Sends each payload as a command, with and without a response topic, and waits until the broker has them all.
fn command(port: u16, payloads: &[String], response_topic: &str) {
    let (client, mut connection) =
        Client::new(MqttOptions::new("wire-operator", "127.0.0.1", port), 64);
    let topic = format!("smearscope/{DEVICE}/command");
    for payload in payloads {
        let answered = PublishProperties {
            response_topic: Some(response_topic.into()),
            correlation_data: Some("7".into()),
            ..PublishProperties::default()
        };
        let qos = QoS::AtLeastOnce;
        client.publish(&topic, qos, false, payload.clone()).unwrap();
        client
            .publish_with_properties(&topic, qos, false, payload.clone(), answered)
            .unwrap();
    }
    let mut acknowledged = 0;
    for event in connection.iter() {
        if let Event::Incoming(Incoming::PubAck(_)) = event.unwrap() {
            acknowledged += 1;
        }
        if acknowledged == 2 * payloads.len() {
            return;
        }
    }
}

/// Adds what comes until there are `count` fields more.
fn take_fields(messages: &Receiver<Received>, taken: &mut Vec<Received>, count: usize) {
    let mut seen = 0;
    while seen < count {
        let message = messages
            .recv_timeout(PATIENCE)
            .expect("the station sends no field");
        seen += usize::from(message.topic.ends_with("/field") && line(&message).is_some());
        taken.push(message);
    }
}

/// Which addresses are retained, by the AsyncAPI document.
fn documented_retained(asyncapi: &Path) -> BTreeMap<String, bool> {
    let document: Value = serde_json::from_slice(&std::fs::read(asyncapi).unwrap()).unwrap();
    let operations = document["operations"].as_object().unwrap();
    operations
        .values()
        .filter(|operation| operation["action"] == "send")
        .map(|operation| {
            let channel = operation["channel"]["$ref"].as_str().unwrap();
            let channel = document.pointer(channel.trim_start_matches('#')).unwrap();
            let address = channel["address"].as_str().unwrap();
            let retained = operation["bindings"]["mqtt"]["retain"].as_bool().unwrap();
            (address.replace("{device}", DEVICE), retained)
        })
        .collect()
}

#[test]
fn every_message_of_a_real_run_is_as_documented() {
    if !validator().join("node_modules").exists() {
        return skip("its npm modules are not installed (make setup says why)");
    }
    let dir = TempDir::new().unwrap();
    let schemas = written_schemas(&dir.path().join("documented"));
    let frames = frames(dir.path(), 3);
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let config = dir.path().join("station.toml");
    let text = format!(
        "[device]\nid = {DEVICE:?}\n[source]\nkind = \"replay\"\nfolder = {frames:?}\n\
         repeat = true\ninterval_ms = 100\n[mqtt]\nport = {port}\n[store]\npath = {:?}\n",
        dir.path().join("results.sqlite")
    );
    std::fs::write(&config, text).unwrap();
    let messages = subscribe(port, "smearscope/#");
    let response_topic = format!("smearscope/{DEVICE}/command/reply/wire");
    let child = edge().args(["run", "--config"]).arg(&config).spawn();
    let mut station = Running(child.unwrap());

    let mut taken = Vec::new();
    take_fields(&messages, &mut taken, 3);
    let request = |id: &str, command: &str, args: Value| {
        json!({"request_id": id, "command": command, "args": args}).to_string()
    };
    let commands = [
        request("1", "ping", json!({})),
        request("2", "slide.start", json!({})),
        request("3", "image.get", json!({})),
        request("4", "results.resend", json!({"from": 1, "to": 2})),
        request("5", "slide.stop", json!({})),
        request("6", "capture.once", json!({})),
        request("9", "model.list", json!({})),
        request("10", "model.history", json!({})),
    ];
    command(port, &commands, &response_topic);
    // What is refused is answered too. These lines are no valid commands, and so not for the validator.
    let refused = [
        "{".to_owned(),
        request("7", "pong", json!({})),
        request("8", "ping", json!({"x": 1})),
    ];
    command(port, &refused, &response_topic);
    take_fields(&messages, &mut taken, 3);
    station.signal("TERM");
    assert_eq!(station.wait(), Some(0));
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_secs(1) {
        taken.extend(messages.recv_timeout(Duration::from_millis(100)));
    }

    let to_the_board = format!("smearscope/{DEVICE}/command");
    let ours = |message: &Received| refused.iter().any(|r| r.as_bytes() == message.payload);
    taken.retain(|message| message.topic != to_the_board || !ours(message));
    let valid = validate(&taken, &schemas);
    for sent in [
        "smearscope.field/1",
        "smearscope.slide/1",
        "smearscope.status/1",
        "smearscope.health/1",
        "smearscope.model/1",
        "smearscope.command/1",
        "smearscope.reply/1",
    ] {
        assert!(valid[sent] > 0, "no {sent}: {valid:?}");
    }

    // A late subscriber gets what is documented as retained, and nothing else.
    let documented = documented_retained(&dir.path().join("documented/asyncapi.json"));
    let late = subscribe(port, &format!("smearscope/{DEVICE}/#"));
    let mut kept = Vec::new();
    while let Ok(message) = late.recv_timeout(Duration::from_secs(1)) {
        let wanted = documented.get(&message.topic);
        assert_eq!(wanted, Some(&true), "{} is retained", message.topic);
        kept.push(message);
    }
    for leaf in ["status", "slide", "health", "model"] {
        let topic = format!("smearscope/{DEVICE}/{leaf}");
        assert!(kept.iter().any(|m| m.topic == topic), "{topic} is not kept");
    }
    validate(&kept, &schemas);
}
