//! The real daemon against a real mosquitto: nothing lost, nothing half-published, and every end
//! of the program told.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;
use smearscope_common::message::{
    DeviceState, FieldAnalysis, FieldMessage, HealthMessage, ModelMessage, ModelOrigin,
    SlideMessage, StatusMessage,
};
use smearscope_tests::{
    PATIENCE, Received, Running, edge, frames, free_port, mosquitto, subscribe, subscribe_as,
};
use tempfile::TempDir;

/// Takes messages until `count` of a topic have come; returns those.
fn take(messages: &Receiver<Received>, topic: &str, count: usize) -> Vec<Received> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = messages.recv_timeout(PATIENCE);
        let message = next.unwrap_or_else(|_| panic!("{} of {count} {topic}", taken.len()));
        if message.topic == topic {
            taken.push(message);
        }
    }
    taken
}

fn status(message: &Received) -> DeviceState {
    serde_json::from_slice::<StatusMessage>(&message.payload)
        .unwrap()
        .state
}

/// Waits for a status that says `state`.
fn wait_for(messages: &Receiver<Received>, topic: &str, state: DeviceState) {
    while status(&take(messages, topic, 1)[0]) != state {}
}

/// What `analyze --json` says of each image, by its file name: with one worker, where the station has one for each core.
fn analyzed(folder: &std::path::Path) -> BTreeMap<String, FieldAnalysis> {
    let output = edge()
        .arg("analyze")
        .arg(folder)
        .args(["--json", "--workers", "1"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let image = line["image"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned();
            (image, serde_json::from_value(line).unwrap())
        })
        .collect()
}

fn demo(port: u16, fields: u64, frames: &std::path::Path) -> Running {
    let child = edge()
        .args([
            "demo",
            "--http",
            "127.0.0.1:0",
            "--fields",
            &fields.to_string(),
        ])
        .args([
            "--mqtt",
            &format!("127.0.0.1:{port}"),
            "--device",
            "bench-1",
            "--frames",
        ])
        .arg(frames)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Running(child)
}

#[test]
fn every_replayed_field_arrives_once_with_the_counts_of_analyze() {
    let dir = TempDir::new().unwrap();
    let frames = frames(dir.path(), 5);
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let messages = subscribe(port, "smearscope/bench-1/#");
    assert_eq!(demo(port, 5, &frames).wait(), Some(0));

    let expected = analyzed(&frames);
    assert_eq!(expected.len(), 5);
    let mut fields = Vec::new();
    let mut slide = None;
    let mut states = Vec::new();
    while states.last() != Some(&DeviceState::Stopped) {
        let message = messages.recv_timeout(PATIENCE).unwrap();
        match message.topic.rsplit_once("bench-1/").unwrap().1 {
            "field" => {
                fields.push(serde_json::from_slice::<FieldMessage>(&message.payload).unwrap());
            }
            "slide" => {
                slide = Some(serde_json::from_slice::<SlideMessage>(&message.payload).unwrap());
            }
            "status" => states.push(status(&message)),
            "health" => {
                let health: HealthMessage = serde_json::from_slice(&message.payload).unwrap();
                assert_eq!(health.device.to_string(), "bench-1");
            }
            "model" => {
                let model: ModelMessage = serde_json::from_slice(&message.payload).unwrap();
                assert_eq!((model.origin, model.update), (ModelOrigin::Program, None));
            }
            "image/field" => assert!(message.payload.starts_with(&[0xff, 0xd8])),
            other => panic!("unexpected topic {other}"),
        }
    }
    assert_eq!(states, [DeviceState::Online, DeviceState::Stopped]);
    assert_eq!(
        fields.iter().map(|f| f.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let mut cells = 0;
    for field in &fields {
        let name = field.source.rsplit('/').next().unwrap();
        let line = &expected[name];
        let mut analysis = field.analysis.clone();
        analysis.timing_ms = line.timing_ms;
        assert_eq!(&analysis, line, "{name}");
        assert_eq!(field.counted, field.analysis.counts);
        cells += field.analysis.counts.cells;
    }
    assert!(cells > 50, "the drawn fields have cells: {cells}");
    let slide = slide.unwrap();
    assert_eq!((slide.fields, slide.counts.cells), (5, cells));
    let p = slide.parasitemia.unwrap();
    assert!(p.low <= p.percent && p.percent <= p.high);
}

#[test]
fn a_broker_that_comes_late_gets_every_result() {
    let dir = TempDir::new().unwrap();
    let frames = frames(dir.path(), 3);
    let port = free_port();
    // Once the broker is there, nobody could subscribe faster than the daemon publishes: a session
    // that the broker remembers waits for the results in the subscriber's place.
    let mut broker = mosquitto(port, dir.path());
    drop(subscribe_as("archive", port, "smearscope/bench-1/field"));
    broker.signal("TERM");
    assert_eq!(broker.wait(), Some(0));

    let mut program = demo(port, 3, &frames);
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        program.0.try_wait().unwrap().is_none(),
        "it waits for the broker"
    );
    let _broker = mosquitto(port, dir.path());
    assert_eq!(program.wait(), Some(0), "all three were acknowledged");

    let results = subscribe_as("archive", port, "smearscope/bench-1/field");
    let fields = take(&results, "smearscope/bench-1/field", 3);
    let seqs = fields.iter().map(|f| {
        serde_json::from_slice::<FieldMessage>(&f.payload)
            .unwrap()
            .seq
    });
    assert_eq!(seqs.collect::<Vec<_>>(), [1, 2, 3]);

    let latest = subscribe(port, "smearscope/bench-1/slide");
    let kept = take(&latest, "smearscope/bench-1/slide", 1);
    assert!(kept[0].retained);
    let slide: SlideMessage = serde_json::from_slice(&kept[0].payload).unwrap();
    assert_eq!(slide.fields, 3);
}

#[test]
fn the_end_of_the_program_is_told_however_it_comes() {
    let dir = TempDir::new().unwrap();
    let frames = frames(dir.path(), 1);
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let config = dir.path().join("station.toml");
    let text = format!(
        "[device]\nid = \"bench-2\"\n[source]\nkind = \"replay\"\nfolder = {frames:?}\n\
         repeat = true\ninterval_ms = 200\n[mqtt]\nport = {port}\n[store]\npath = {:?}\n",
        dir.path().join("results.sqlite")
    );
    std::fs::write(&config, text).unwrap();
    let messages = subscribe(port, "smearscope/bench-2/#");
    let topic = "smearscope/bench-2/status";
    let start = || {
        let child = edge()
            .args(["run", "--config"])
            .arg(&config)
            .spawn()
            .unwrap();
        let program = Running(child);
        wait_for(&messages, topic, DeviceState::Online);
        take(&messages, "smearscope/bench-2/field", 2);
        program
    };
    let mut program = start();
    program.signal("TERM");
    wait_for(&messages, topic, DeviceState::Stopped);
    assert_eq!(program.wait(), Some(0));

    let mut program = start();
    program.signal("KILL");
    wait_for(&messages, topic, DeviceState::Offline);
    assert_eq!(program.wait(), None);
}

#[test]
fn bad_input_is_one_sentence_and_exit_2() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    std::fs::create_dir(here.join("empty")).unwrap();
    std::fs::write(here.join("text.png"), "no image").unwrap();
    std::fs::write(here.join("text.onnx"), "no model").unwrap();
    std::fs::write(
        here.join("key.toml"),
        "[device]\nid = \"a\"\n[source]\nkind = \"synthetic\"\n[mqtt]\nhots = 1\n",
    )
    .unwrap();
    let refused = |arguments: &[&str]| {
        let output = edge().args(arguments).current_dir(here).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        let errors: Vec<_> = said.lines().filter(|l| l.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "{arguments:?}: {said}");
        errors[0].to_owned()
    };
    assert!(refused(&["analyze", "absent.png"]).contains("absent.png"));
    assert!(refused(&["analyze", "empty"]).contains("empty"));
    assert!(refused(&["analyze", "text.png"]).contains("text.png"));
    assert!(refused(&["analyze", "text.png", "--model", "text.onnx"]).contains("text.onnx"));
    assert!(refused(&["model", "verify", "text.onnx"]).contains("text.onnx"));
    assert!(refused(&["check-config", "key.toml"]).contains("hots"));
    assert!(refused(&["run", "--config", "absent.toml"]).contains("absent.toml"));
    assert!(refused(&["demo", "--fields", "1", "--frames", "empty"]).contains("empty"));
    assert!(refused(&["demo", "--fields", "1", "--device", "a/b"]).contains("a/b"));
}

#[test]
fn one_bad_image_among_many_is_named_and_skipped() {
    let dir = TempDir::new().unwrap();
    let frames = frames(dir.path(), 2);
    std::fs::write(frames.join("a-broken.png"), "no image").unwrap();
    let output = edge()
        .arg("analyze")
        .arg(&frames)
        .arg("--json")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output
            .stdout
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .count(),
        2
    );
    assert!(said.contains("a-broken.png"), "{said}");
}
