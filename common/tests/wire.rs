//! The golden messages in `fixtures/wire`: what boards and clients of each version sent, which every later version
//! must read. A golden message is added where a type gains a key or a state, and never changed.
//!
//! A folder is named after the schema and the version of the messages in it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use smearscope_common::message::{
    CellReviewed, CellsListed, CellsShown, DesiredModel, FieldImage, FieldMessage, HealthMessage,
    LiveMessage, ModelHistory, ModelList, ModelMessage, Pong, Reply, Request, Resent, SlideMessage,
    StatusMessage, UpdateState, WhichModel, WhichSlide,
};
use uuid::Uuid;

/// The golden messages of a kind, by the name of their files.
fn golden(kind: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/wire")
        .join(kind);
    let mut messages: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let message = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            (name, message)
        })
        .collect();
    messages.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!messages.is_empty());
    messages
}

fn one(kind: &str, name: &str) -> Value {
    let mut all = golden(kind).into_iter();
    all.find(|(other, _)| other == name).unwrap().1
}

/// Reads from text, as it comes over the wire.
fn read<T: DeserializeOwned>(message: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_str(&message.to_string())
}

/// Writes as text, as it goes over the wire, and gives its JSON.
fn written<T: Serialize>(message: &T) -> Value {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

/// Panics unless all of `old` is in `new`, under the same keys and with the same values.
fn keeps(name: &str, path: &str, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let path = format!("{path}/{key}");
                match new.get(key) {
                    Some(there) => keeps(name, &path, value, there),
                    None => panic!("{name}: {path} is not written any more"),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{name}: {path}");
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                keeps(name, &format!("{path}/{i}"), old, new);
            }
        }
        _ => assert_eq!(old, new, "{name}: {path}"),
    }
}

/// Adds a key that nobody knows to each object of a message.
fn with_unknown_keys(message: &mut Value) {
    match message {
        Value::Object(object) => {
            object.values_mut().for_each(with_unknown_keys);
            object.insert("of_a_later_version".into(), json!([1, {"x": null}]));
        }
        Value::Array(values) => values.iter_mut().for_each(with_unknown_keys),
        _ => {}
    }
}

/// What holds for every message that a board sends.
fn board_sends<T>(kind: &str, schema: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    for (name, message) in golden(kind) {
        let name = format!("{kind}/{name}");
        assert_eq!(message["schema"], schema, "{name}");
        let known: T = read(&message).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = written(&known);
        keeps(&name, "", &message, &again);
        assert_eq!(read::<T>(&again).unwrap(), known, "{name}");

        // Readers ignore what they don't know.
        let mut later = message.clone();
        with_unknown_keys(&mut later);
        // A result is kept as it came: `what_commands_gave_is_read` looks into those.
        if let Some(result) = message.get("result") {
            later["result"] = result.clone();
        }
        assert_eq!(read::<T>(&later).unwrap(), known, "{name}");
    }
}

#[test]
fn what_boards_have_sent_is_read_and_nothing_of_it_has_gone() {
    board_sends::<FieldMessage>("field-1", FieldMessage::SCHEMA);
    board_sends::<SlideMessage>("slide-1", SlideMessage::SCHEMA);
    board_sends::<StatusMessage>("status-1", StatusMessage::SCHEMA);
    board_sends::<HealthMessage>("health-1", HealthMessage::SCHEMA);
    board_sends::<LiveMessage>("live-1", LiveMessage::SCHEMA);
    board_sends::<ModelMessage>("model-1", ModelMessage::SCHEMA);
    board_sends::<Reply>("reply-1", Reply::SCHEMA);
}

#[test]
fn each_state_of_an_update_is_among_what_boards_have_sent() {
    let mut seen = BTreeSet::new();
    for (_, message) in golden("model-1") {
        let message: ModelMessage = read(&message).unwrap();
        seen.extend(
            message
                .update
                .map(|update| written(&update.state).to_string()),
        );
    }
    use UpdateState::{Checking, Installed, Receiving, Refused, RolledBack, Switching, Watching};
    for state in [
        Receiving, Checking, Switching, Watching, Installed, Refused, RolledBack,
    ] {
        assert!(seen.contains(&written(&state).to_string()), "{state:?}");
    }
}

#[test]
fn models_that_were_desired_are_understood() {
    for (name, message) in golden("desired-1") {
        let text = message.to_string();
        let desired = DesiredModel::read(text.as_bytes())
            .unwrap_or_else(|e| panic!("{name}: {e}"))
            .unwrap();
        keeps(&name, "", &message, &written(&desired));
        let mut more = message;
        more["of_a_later_version"] = json!(1);
        assert!(DesiredModel::read(more.to_string().as_bytes()).is_err());
    }
}

#[test]
fn messages_of_the_beginning_of_version_1_have_the_meaning_that_they_had() {
    let field: FieldMessage = read(&one("field-1", "of-the-beginning")).unwrap();
    assert_eq!(field.series, Uuid::nil());
    assert!(field.slide.is_some());
    assert_eq!((field.clock_synchronised, field.overlap), (None, None));
    assert!(!field.analysis.cells[0].counted_before);
    assert_eq!(field.analysis.quality.cell_diameter, None);
    assert!(!field.analysis.quality.objective_too_low);
    let slide: SlideMessage = read(&one("slide-1", "of-the-beginning")).unwrap();
    assert_eq!(slide.closed_at, None);
    assert_eq!(
        (
            slide.cells_to_go,
            slide.duration_s,
            slide.clock_synchronised
        ),
        (None, None, None)
    );
    assert!(slide.models.is_empty() && slide.detection_limit.is_none());
    assert!(slide.course.is_empty() && slide.recent.is_empty() && slide.reviewed.is_none());
    assert_eq!(slide.notes.as_str(), "");
}

#[test]
fn commands_that_were_sent_are_understood() {
    let mut asked = BTreeSet::new();
    for (name, message) in golden("command-1") {
        let request =
            Request::read(message.to_string().as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let command = request.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
        keeps(&name, "", &message, &written(&request));
        let again: Request = read(&written(&request)).unwrap();
        assert_eq!(again.parse(), Ok(command), "{name}");
        asked.insert(request.command);

        let mut more = message.clone();
        more["of_a_later_version"] = json!(1);
        assert!(Request::read(more.to_string().as_bytes()).is_err());
        let mut more = message;
        more["args"] = json!({"of_a_later_version": 1});
        let request = Request::read(more.to_string().as_bytes()).unwrap();
        assert!(request.parse().is_err(), "{name}");
    }
    let all = [
        "capture.once",
        "capture.pause",
        "capture.resume",
        "cells.get",
        "cells.list",
        "cells.review",
        "image.get",
        "model.history",
        "model.list",
        "model.rollback",
        "ping",
        "results.resend",
        "slide.note",
        "slide.start",
        "slide.stop",
    ];
    assert_eq!(asked.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

/// What holds for the result of a command.
fn gives<T: Serialize + DeserializeOwned>(name: &str) {
    let result = one("reply-1", name)["result"].clone();
    let known: T = read(&result).unwrap();
    keeps(name, "", &result, &written(&known));
    let mut later = result;
    with_unknown_keys(&mut later);
    read::<T>(&later).unwrap();
}

#[test]
fn what_commands_gave_is_read() {
    gives::<WhichSlide>("slide-start");
    gives::<WhichSlide>("slide-start-as-written");
    gives::<WhichSlide>("slide-stop");
    gives::<WhichSlide>("slide-note");
    gives::<CellsListed>("cells-list");
    gives::<CellsListed>("cells-list-novel");
    gives::<CellsShown>("cells-get");
    gives::<CellReviewed>("cells-review");
    gives::<CellReviewed>("cells-review-of-another-slide");
    gives::<FieldImage>("image-get");
    gives::<ModelHistory>("model-history");
    gives::<ModelHistory>("model-history-with-its-chain");
    gives::<ModelList>("model-list");
    gives::<WhichModel>("model-rollback");
    gives::<Resent>("results-resend");
    gives::<Pong>("ping");
}
