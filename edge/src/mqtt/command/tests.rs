use super::*;
use crate::control::{Analysed, Control, LastField};
use crate::health::tests::with_store;
use crate::kept::KeptCells;
use crate::kept::tests::{chosen, field};
use crate::pulse::Stage;
use crate::store::tests::{commit, store_in_memory};
use rumqttc::v5::mqttbytes::QoS;
use serde_json::json;
use smearscope_common::image::RgbImage;
use smearscope_common::message::KeptReason;
use uuid::Uuid;

struct Bench {
    commands: Commands,
    store: Arc<Store>,
    control: Arc<Control>,
    kept: Arc<KeptCells>,
}

fn board() -> Bench {
    board_with(false)
}

fn board_with(pseudonyms: bool) -> Bench {
    let store = Arc::new(store_in_memory());
    let board = Arc::new(with_store(Arc::clone(&store)));
    let (control, kept) = (Arc::clone(&board.control), Arc::clone(&board.kept));
    let pulse = Arc::new(Arc::clone(&board.pulses).begin(Stage::Delivery));
    let commands = Commands::new(board, Arc::clone(&store), pulse, 80, pseudonyms, &[]);
    Bench {
        commands,
        store,
        control,
        kept,
    }
}

impl Bench {
    fn send(&mut self, text: &str) -> Value {
        serde_json::from_slice(&self.commands.answer(text.as_bytes(), false).0).unwrap()
    }

    fn run(&mut self, id: &str, command: &str, args: Value) -> Value {
        let request = json!({ "request_id": id, "command": command, "args": args });
        self.send(&request.to_string())
    }
}

#[test]
fn slides_begin_and_end_once_however_often_it_is_asked() {
    let mut board = board();
    let first = board.store.slide().unwrap().id;
    commit(&board.store);
    let started = board.run("a", "slide.start", json!({}));
    assert_eq!(started["ok"], true, "{started}");
    assert_eq!(board.run("a", "slide.start", json!({})), started);
    let slide = board.store.slide().unwrap();
    assert_eq!(started["result"]["slide"], slide.id.to_string());
    assert!(slide.id != first && slide.fields == 0);
    for id in ["a/b", "+", "#", "a b", "", &"x".repeat(10_000)] {
        let request = format!("bad-{}", id.len());
        let refused = board.run(&request, "slide.start", json!({ "id": id }));
        assert_eq!(refused["code"], "bad_args", "{refused}");
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains("slide id") && error.len() < 400, "{error}");
    }
    assert_eq!(board.store.slide().unwrap().id, slide.id);
    let again = board.run("b", "slide.start", json!({ "id": first }));
    assert_eq!(
        (&again["ok"], &again["code"]),
        (&json!(false), &json!("bad_args"))
    );

    let stopped = board.run("c", "slide.stop", json!({}));
    assert_eq!(stopped["result"]["slide"], slide.id.to_string());
    assert_eq!(board.run("c", "slide.stop", json!({})), stopped);
    let none = board.run("d", "slide.stop", json!({}));
    assert_eq!(none["code"], "not_now");
    assert!(board.store.slide().unwrap().closed_at.is_some());
    // One field and two closed slides.
    assert_eq!(board.store.health().0.pending, 3);
}

#[test]
fn where_slides_go_by_pseudonyms_no_name_comes_in() {
    let mut board = board_with(true);
    let started = board.run("a", "slide.start", json!({ "id": "Ada-Lovelace" }));
    let pseudonym = board.store.slide().unwrap().id;
    assert!(pseudonym.as_str().starts_with("anon-"), "{pseudonym}");
    assert_eq!(started["result"]["slide"], pseudonym.as_str());
    // Whoever has the slide in hand finds its cells by what is written on it, or by what the board calls it.
    let suspect = chosen(KeptReason::Suspicious, 0.9);
    board
        .kept
        .keep(&field(1, Some(pseudonym.as_str())), &[suspect]);
    for (id, slide) in [("b", "Ada-Lovelace"), ("c", pseudonym.as_str())] {
        let listed = board.run(id, "cells.list", json!({ "slide": slide }));
        assert_eq!(listed["result"]["total"], 1, "{listed}");
    }
    // Slides from before, and those that the board has named itself, are found by the names that they have.
    let own = SlideId::new_unique();
    for (n, slide) in [(2, "Old-1"), (3, own.as_str())] {
        let suspect = chosen(KeptReason::Suspicious, 0.8);
        board.kept.keep(&field(n, Some(slide)), &[suspect]);
        let listed = board.run(&format!("own-{n}"), "cells.list", json!({ "slide": slide }));
        assert_eq!(listed["result"]["total"], 1, "{listed}");
    }
    // What is no slide id may be a name all the same.
    let refused = board.run("bad", "slide.start", json!({ "id": "Ada Lovelace" }));
    assert_eq!(refused["code"], "bad_args");
    let error = refused["error"].as_str().unwrap();
    assert!(!error.contains("Ada") && error.contains("A-Z"), "{error}");
    // Its name is in use, and so are the ones that the board makes.
    assert_eq!(board.run("d", "slide.start", json!({}))["ok"], true);
    let again = board.run("e", "slide.start", json!({ "id": "Ada-Lovelace" }));
    assert_eq!(again["code"], "bad_args", "{again}");
}

#[test]
fn capture_and_the_picture_are_asked_for() {
    let mut board = board();
    assert_eq!(board.run("a", "image.get", json!({}))["code"], "not_now");
    let field = LastField {
        id: Uuid::from_u128(5),
        image: Arc::new(RgbImage::new(8, 8)),
    };
    board.control.analysed(Analysed {
        source: "a.png",
        focus: 1.0,
        cell_diameter: None,
        repeats: 0,
        overlap_is_uncertain: false,
        field,
    });
    let request = br#"{"request_id":"b","command":"image.get"}"#;
    let (reply, picture) = board.commands.answer(request, false);
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    let picture = picture.unwrap();
    assert_eq!(picture.field_id, Uuid::from_u128(5));
    assert_eq!(reply["result"]["bytes"], picture.jpeg.len());
    // Not sent a second time.
    assert!(board.commands.answer(request, false).1.is_none());
    for (id, command) in [
        ("c", "capture.pause"),
        ("d", "capture.once"),
        ("e", "capture.resume"),
    ] {
        assert_eq!(board.run(id, command, json!({}))["ok"], true);
    }
    let pong = board.run("f", "ping", json!({}));
    assert!(
        pong["result"]["boot_id"]
            .as_str()
            .unwrap()
            .parse::<Uuid>()
            .is_ok()
    );
}

#[test]
fn a_slide_has_the_notes_that_were_said_last() {
    let mut board = board();
    let noted = board.run("a", "slide.note", json!({ "text": "thin edge" }));
    assert_eq!(noted["ok"], true, "{noted}");
    assert_eq!(board.store.slide().unwrap().notes.as_str(), "thin edge");
    board.run("b", "slide.start", json!({ "id": "B", "notes": "second" }));
    assert_eq!(board.store.slide().unwrap().notes.as_str(), "second");
    board.run("c", "slide.note", json!({ "text": "" }));
    assert_eq!(board.store.slide().unwrap().notes.as_str(), "");
    board.run("d", "slide.stop", json!({}));
    let none = board.run("e", "slide.note", json!({ "text": "late" }));
    assert_eq!(none["code"], "not_now");
    let long = board.run("f", "slide.note", json!({ "text": "x".repeat(1001) }));
    assert_eq!(long["code"], "bad_args");
}

#[test]
fn kept_cells_are_listed_shown_and_decided_on() {
    let mut board = board();
    let slide = board.store.slide().unwrap().id;
    let cells = [
        chosen(KeptReason::Suspicious, 0.9),
        chosen(KeptReason::Random, 0.1),
    ];
    board.kept.keep(&field(1, Some(slide.as_str())), &cells);
    let listed = board.run("a", "cells.list", json!({ "decided": false, "limit": 1 }));
    let result = &listed["result"];
    assert_eq!(
        (&result["total"], &result["more"]),
        (&json!(2), &json!(true))
    );
    let id = result["cells"][0]["id"].clone();
    let shown = board.run("b", "cells.get", json!({ "ids": [id] }));
    assert!(
        shown["result"]["cells"][0]["picture"].is_string(),
        "{shown}"
    );
    let changes = board.store.changes();
    let reviewed = board.run(
        "c",
        "cells.review",
        json!({ "id": id, "verdict": "uninfected", "by": "A. Otieno" }),
    );
    let result = &reviewed["result"];
    assert_eq!(result["decision"]["by"], "A. Otieno", "{reviewed}");
    assert_eq!(
        (&result["slide"], &result["reviewed"]["rejected"]),
        (&json!(slide), &json!(1))
    );
    assert!(
        changes.has_changed().unwrap(),
        "the slide's figure is another one"
    );
    for (id, command, args, code) in [
        (
            "d",
            "cells.review",
            json!({ "id": Uuid::nil(), "verdict": null }),
            "bad_args",
        ),
        (
            "e",
            "cells.list",
            json!({ "after": Uuid::nil() }),
            "bad_args",
        ),
        ("f", "cells.get", json!({ "ids": [] }), "bad_args"),
    ] {
        assert_eq!(board.run(id, command, args)["code"], code);
    }
    let missing = board.run("g", "cells.get", json!({ "ids": [Uuid::nil()] }));
    assert_eq!(missing["result"]["missing"], json!([Uuid::nil()]));
}

#[test]
fn what_was_delivered_can_be_sent_again() {
    let mut board = board();
    for _ in 0..3 {
        commit(&board.store);
    }
    let mut cursor = crate::store::Cursor::default();
    for message in board.store.pending(&mut cursor, 10, 1 << 20) {
        board.store.acknowledge(message.id);
    }
    assert!(board.store.is_delivered());
    let reply = board.run("a", "results.resend", json!({ "from": 2, "to": 9 }));
    assert_eq!(reply["result"], json!({ "resent": 2, "missing": 6 }));
    assert_eq!(board.store.pending(&mut cursor, 10, 1 << 20).len(), 2);
    for (from, to) in [(0, 1), (3, 2)] {
        let id = format!("r{from}");
        let reply = board.run(&id, "results.resend", json!({ "from": from, "to": to }));
        assert_eq!(reply["code"], "bad_args");
    }
}

#[test]
fn what_is_no_command_is_answered_with_its_reason() {
    let mut board = board();
    for (text, code, id) in [
        ("", "malformed", Value::Null),
        ("[1]", "malformed", Value::Null),
        (
            r#"{"request_id":"r","command":"ping","x":1}"#,
            "malformed",
            Value::Null,
        ),
        (
            r#"{"request_id":"r1","command":"cells.eat"}"#,
            "unknown_command",
            json!("r1"),
        ),
        (
            r#"{"request_id":"r2","command":"ping","args":{"x":1}}"#,
            "bad_args",
            json!("r2"),
        ),
        (&"x".repeat(MAX_BYTES + 1), "too_large", Value::Null),
    ] {
        let reply = board.send(text);
        assert_eq!(
            (&reply["ok"], &reply["code"]),
            (&json!(false), &json!(code)),
            "{reply}"
        );
        assert_eq!(reply["request_id"], id);
        assert!(!reply["error"].as_str().unwrap().is_empty());
    }
    let retained = br#"{"request_id":"r3","command":"slide.stop"}"#;
    let (reply, _) = board.commands.answer(retained, true);
    assert!(String::from_utf8_lossy(&reply).contains("retain"));
    assert!(board.store.slide().unwrap().closed_at.is_none());
}

#[test]
fn too_many_at_once_are_refused_and_not_done() {
    let mut board = board();
    let answers: Vec<Value> = (0..BURST.get() * 3)
        .filter_map(|n| {
            let request = format!(r#"{{"request_id":"{n}","command":"slide.start"}}"#);
            let message = Publish::new("command", QoS::AtLeastOnce, request, None);
            let (reply, _) = board.commands.handle(&message);
            Some(serde_json::from_slice(&reply?.payload).unwrap())
        })
        .collect();
    // The last third got no answer at all, but for those that time has allowed.
    assert!(
        answers.len() < (BURST.get() * 2 + 10) as usize,
        "{}",
        answers.len()
    );
    let refused: Vec<_> = answers
        .iter()
        .filter(|a| a["code"] == "rate_limited")
        .collect();
    assert!(refused.len() >= 9, "{}", refused.len());
    assert!(refused[0]["request_id"].is_string());
    let done = answers.iter().filter(|a| a["ok"] == true).count() as u64;
    assert_eq!(board.store.health().0.pending, done);
}

#[test]
fn an_answer_goes_nowhere_where_it_could_pass_for_something_else() {
    let device = "lab".parse().unwrap();
    for good in [
        "smearscope/lab/command/reply",
        "smearscope/lab/command/reply/dash-1",
        "dashboards/7/replies",
        "x",
    ] {
        assert!(is_safe(good, &device, &[]), "{good}");
    }
    for bad in [
        "",
        "smearscope/lab/field",
        "smearscope/lab/command",
        "smearscope/lab/command/replying",
        "smearscope/other/command",
        "smearscope/other/command/reply",
        "smearscope",
        "/smearscope/lab/field",
        "homeassistant/device/lab/config",
        "home/device/lab/config",
        "$SYS/x",
        "$share/a/b",
        "a/+/b",
        "a/#",
        "a\0b",
        &"x".repeat(MAX_TOPIC + 1),
    ] {
        assert!(!is_safe(bad, &device, &["home".into()]), "{bad}");
    }
}
