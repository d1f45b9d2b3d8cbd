use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Program, Stdio};

use jiff::Timestamp;
use smearscope_common::message::{
    BrokerHealth, CameraHealth, Command, DeviceState, Drops, FieldHealth, HealthMessage, ModelRef,
    Request, SlideMessage, SlideStart, SlideState, StatusMessage, StoreHealth,
};
use smearscope_common::parasitemia::Counts;
use uuid::Uuid;

use super::*;

fn device() -> DeviceId {
    "lab-1".parse().unwrap()
}

fn announced() -> Value {
    serde_json::from_slice(&announcement(&device(), "1.2.3")).unwrap()
}

fn component(key: &str) -> Value {
    announced()["components"][key].clone()
}

#[test]
fn the_message_stands_where_home_assistant_looks_for_it() {
    assert_eq!(
        topic("homeassistant", &device()),
        "homeassistant/device/lab-1/config"
    );
    assert!(REMOVED.is_empty());
}

#[test]
fn the_board_and_the_program_are_named() {
    let all = announced();
    assert_eq!(all["device"]["identifiers"], json!(["smearscope/lab-1"]));
    assert_eq!(all["device"]["name"], "Smearscope lab-1");
    assert_eq!(all["device"]["sw_version"], "1.2.3");
    assert!(
        all["device"]["model"]
            .as_str()
            .unwrap()
            .contains("research use only")
    );
    assert_eq!(
        all["origin"],
        json!({"name": "smearscope-edge", "sw_version": "1.2.3"})
    );
}

#[test]
fn no_two_components_of_any_boards_have_the_same_id() {
    let mut seen = BTreeSet::new();
    // With an underscore as separator the start button of the one would be the other's.
    for name in ["a", "a_slide"] {
        let all = config(&name.parse().unwrap(), "1");
        for component in all["components"].as_object().unwrap().values() {
            assert!(seen.insert(component["unique_id"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(seen.len(), 2 * 14);
}

#[test]
fn all_but_the_connection_itself_are_unavailable_without_the_board() {
    for (key, component) in announced()["components"].as_object().unwrap() {
        let topic = &component["availability"][0]["topic"];
        if key == CONNECTED {
            assert!(topic.is_null());
        } else {
            assert_eq!(topic, "smearscope/lab-1/status", "{key}");
        }
    }
}

#[test]
fn the_connection_is_a_binary_sensor_of_the_status() {
    let connected = component(CONNECTED);
    assert_eq!(connected["platform"], "binary_sensor");
    assert_eq!(connected["device_class"], "connectivity");
    assert_eq!(connected["state_topic"], "smearscope/lab-1/status");
}

#[test]
fn sensors_read_the_topic_that_has_their_value_and_have_its_unit() {
    for (key, topic, unit) in [
        ("parasitemia", "slide", json!("%")),
        ("slide_state", "slide", json!(null)),
        ("cells", "slide", json!("cells")),
        ("parasitized", "slide", json!("cells")),
        ("fields", "slide", json!("fields")),
        ("focus", "health", json!(null)),
        ("temperature", "health", json!("°C")),
        ("pending", "health", json!("results")),
    ] {
        let sensor = component(key);
        assert_eq!(sensor["platform"], "sensor");
        assert_eq!(sensor["state_topic"], format!("smearscope/lab-1/{topic}"));
        assert_eq!(sensor["unit_of_measurement"], unit, "{key}");
    }
    assert_eq!(component("temperature")["device_class"], "temperature");
    for key in ["temperature", "pending"] {
        assert_eq!(component(key)["entity_category"], "diagnostic");
    }
}

#[test]
fn every_state_of_a_slide_is_an_option() {
    let states = [
        SlideState::Insufficient,
        SlideState::BelowDetectionLimit,
        SlideState::Sufficient,
    ];
    assert_eq!(component("slide_state")["options"], json!(states));
}

#[test]
fn the_image_is_the_last_fields() {
    let image = component("image");
    assert_eq!(image["platform"], "image");
    assert_eq!(image["image_topic"], "smearscope/lab-1/image/field");
    assert_eq!(image["content_type"], "image/jpeg");
}

/// Whether discovery is what Home Assistant reads is checked on this file, by hand, with Home Assistant's own package.
#[test]
fn the_file_that_is_checked_against_home_assistant_is_what_is_sent() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/homeassistant.json");
    let text = format!("{:#}\n", announced());
    if std::env::var_os("SMEARSCOPE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|file| file == text),
        "run this test once more with SMEARSCOPE_WRITE_DOCS=1, and then scripts/check-homeassistant.sh"
    );
}

fn status(state: DeviceState) -> Value {
    json!(StatusMessage {
        schema: StatusMessage::SCHEMA.into(),
        state,
        device: device(),
        version: "1.2.3".into(),
        model: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        boot_id: Uuid::from_u128(8),
    })
}

fn slide(counts: Counts, closed_at: Option<Timestamp>) -> Value {
    let before = json!({
        "schema": SlideMessage::SCHEMA,
        "id": Uuid::from_u128(9),
        "device": device(),
        "started_at": Timestamp::UNIX_EPOCH,
        "fields": 4,
        "cells": counts.cells,
        "parasitized": counts.parasitized,
        "parasitemia": counts.parasitemia(),
        "interval": "wilson",
        "cells_needed": 5000,
        "state": SlideState::Insufficient,
        "closed_at": closed_at,
    });
    // With all that came later.
    json!(serde_json::from_value::<SlideMessage>(before).unwrap())
}

fn health(temperature_c: Option<f32>, focus: Option<f32>) -> Value {
    json!(HealthMessage {
        drift: None,
        schema: HealthMessage::SCHEMA.into(),
        device: device(),
        boot_id: Uuid::from_u128(8),
        at: Timestamp::UNIX_EPOCH,
        uptime_s: 3,
        camera: CameraHealth::default(),
        fields: FieldHealth {
            analysed: 4,
            focus,
            ..FieldHealth::default()
        },
        store: StoreHealth {
            pending: 12,
            ..StoreHealth::default()
        },
        drops: Drops::default(),
        broker: BrokerHealth::default(),
        temperature_c,
        throttled: None,
        memory_mb: None,
        written_mb: None,
        disk_free_mb: None,
        cells: None,
    })
}

/// What each template is given, and what it must make of it.
fn cases() -> Vec<(String, Value, &'static str)> {
    let mut cases = Vec::new();
    let mut case = |template: &Value, message: Value, text| {
        cases.push((template.as_str().unwrap().to_owned(), message, text));
    };
    let available = &component("cells")["availability"][0]["value_template"];
    let connected = &component(CONNECTED)["value_template"];
    for (state, word, on) in [
        (DeviceState::Online, "online", "ON"),
        (DeviceState::Offline, "offline", "OFF"),
        (DeviceState::Stopped, "offline", "OFF"),
    ] {
        case(available, status(state), word);
        case(connected, status(state), on);
    }

    let none = Counts::default();
    let some = Counts {
        cells: 400,
        parasitized: 1,
    };
    let clean = Counts {
        cells: 400,
        parasitized: 0,
    };
    let closed = Some(Timestamp::UNIX_EPOCH);
    for (key, text) in [
        ("parasitemia", "0.25"),
        ("slide_state", "insufficient"),
        ("cells", "400"),
        ("parasitized", "1"),
        ("fields", "4"),
    ] {
        let template = &component(key)["value_template"];
        case(template, slide(some, None), text);
        case(template, slide(some, closed), text);
    }
    let percent = &component("parasitemia")["value_template"];
    case(percent, slide(none, None), "None");
    case(percent, slide(none, closed), "None");
    case(percent, slide(clean, None), "0.0");

    for (key, known, unknown) in [
        ("focus", "51.5", "None"),
        ("temperature", "48.5", "None"),
        ("pending", "12", "12"),
    ] {
        let template = &component(key)["value_template"];
        case(template, health(Some(48.5), Some(51.5)), known);
        case(template, health(None, None), unknown);
    }
    cases
}

/// The texts of the templates; `None` where there is no Jinja to make them.
fn render(cases: &[(String, Value)], seed: u32) -> Option<Vec<String>> {
    let python = std::env::var("SMEARSCOPE_PYTHON").unwrap_or_default();
    if !Path::new(&python).exists() {
        // Straight to standard error: cargo's test runner would swallow `eprintln!`.
        let skip =
            "SKIP: Home Assistant's templates: SMEARSCOPE_PYTHON names no Python (make setup)\n";
        std::io::stderr().write_all(skip.as_bytes()).unwrap();
        return None;
    }
    let mut program = Program::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/render_templates.py"))
        .arg(seed.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input: Vec<Value> = cases
        .iter()
        .map(|(template, value_json)| json!({"template": template, "value_json": value_json}))
        .collect();
    let stdin = program.stdin.take().unwrap();
    serde_json::to_writer(stdin, &input).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn every_template_makes_sense_of_every_message() {
    let cases = cases();
    let input: Vec<_> = cases
        .iter()
        .map(|(template, message, _)| (template.clone(), message.clone()))
        .collect();
    let Some(texts) = render(&input, 1) else {
        return;
    };
    assert_eq!(texts.len(), cases.len());
    for ((template, message, expected), text) in cases.iter().zip(texts) {
        assert_eq!(&text, expected, "{template} of {message}");
    }
}

#[test]
fn a_percentage_goes_with_its_interval() {
    let template = component("parasitemia")["json_attributes_template"].clone();
    let counts = Counts {
        cells: 400,
        parasitized: 1,
    };
    let mut before_closing = slide(counts, None);
    // As an older version sends it.
    before_closing.as_object_mut().unwrap().remove("closed_at");
    let input = [
        slide(counts, Some(Timestamp::UNIX_EPOCH)),
        slide(Counts::default(), None),
        before_closing,
    ]
    .map(|message| (template.as_str().unwrap().to_owned(), message));
    let Some(texts) = render(&input, 1) else {
        return;
    };
    let attributes: Vec<Value> = texts
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(attributes[0]["cells"], 400);
    assert_eq!(attributes[0]["interval"], "wilson");
    assert_eq!(attributes[0]["closed_at"], "1970-01-01T00:00:00Z");
    assert!(attributes[0]["low"].as_f64().unwrap() < 0.25);
    assert!(attributes[0]["high"].as_f64().unwrap() > 0.25);
    assert!(attributes[1]["low"].is_null() && attributes[1]["closed_at"].is_null());
    assert!(attributes[2]["closed_at"].is_null());
}

#[test]
fn each_press_of_a_button_is_a_new_command_that_the_board_reads() {
    let buttons = [
        ("slide_start", Command::SlideStart(SlideStart::default())),
        ("slide_stop", Command::SlideStop),
        ("capture_pause", Command::CapturePause),
        ("capture_resume", Command::CaptureResume),
    ];
    let mut input = Vec::new();
    for (key, _) in &buttons {
        let button = component(key);
        assert_eq!(button["platform"], "button");
        assert_eq!(button["command_topic"], "smearscope/lab-1/command");
        assert_eq!(
            (&button["qos"], &button["retain"]),
            (&json!(1), &json!(false))
        );
        let template = button["command_template"].as_str().unwrap().to_owned();
        // Pressed twice.
        input.extend([(template.clone(), json!(null)), (template, json!(null))]);
    }
    let (Some(here), Some(there)) = (render(&input, 1), render(&input, 2)) else {
        return;
    };
    let mut ids = BTreeSet::new();
    for texts in [here, there] {
        for (index, text) in texts.iter().enumerate() {
            let request = Request::read(text.as_bytes()).unwrap();
            assert_eq!(request.parse().unwrap(), buttons[index / 2].1);
            ids.insert(request.request_id);
        }
    }
    assert_eq!(ids.len(), 2 * input.len());
}
