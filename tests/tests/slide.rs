//! A slide from its start to its report: named by the laboratory, cut off by a kill, closed by a command.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};
use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::{PATIENCE, Received, free_port, mosquitto, subscribe};
use tempfile::TempDir;

const NAME: &str = "ward-3.A-17";

/// Who sends commands and hears what comes of them.
struct Desk {
    port: u16,
    board: Board,
    replies: Receiver<Received>,
    fields: Receiver<Received>,
    /// What each field of the slide has added to its count, by the field's id.
    counted: BTreeMap<String, (u64, u64)>,
}

impl Desk {
    fn asks(&self, id: &str, command: &str, args: &Value) -> Value {
        let request = json!({"request_id": id, "command": command, "args": args}).to_string();
        let sent = Command::new("mosquitto_pub")
            .args(["-V", "mqttv5", "-q", "1", "-p", &self.port.to_string()])
            .args(["-t", &self.board.topic("command"), "-m", &request])
            .status()
            .unwrap();
        assert!(sent.success());
        loop {
            let reply = self.replies.recv_timeout(PATIENCE).unwrap();
            let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
            if reply["request_id"] == id {
                return reply;
            }
        }
    }

    fn hears(&mut self, field: &Received) -> bool {
        let field: Value = serde_json::from_slice(&field.payload).unwrap();
        let is_of_the_slide = field["slide"] == NAME;
        if is_of_the_slide {
            let of = |key: &str| field["counted"][key].as_u64().unwrap();
            let id = field["id"].as_str().unwrap().to_owned();
            self.counted.insert(id, (of("cells"), of("parasitized")));
        }
        is_of_the_slide
    }

    /// Waits for so many fields.
    fn sees(&mut self, fields: usize, of_the_slide: bool) {
        let mut seen = 0;
        while seen < fields {
            let field = self.fields.recv_timeout(PATIENCE).unwrap();
            seen += usize::from(self.hears(&field) == of_the_slide);
        }
    }
}

#[test]
fn a_slide_is_counted_once_through_a_kill_and_ends_in_a_report() {
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let frames = small_frames(dir.path(), 6);
    let board = Board::new(
        dir.path(),
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 50"),
        &format!("port = {port}"),
        "[slide]\nauto_start = false\n[image]\nenabled = false",
    );
    let reports = subscribe(port, &board.topic("slide/report"));
    let mut program = board.start();
    let mut desk = Desk {
        port,
        replies: subscribe(port, &board.topic("command/reply")),
        fields: subscribe(port, &board.topic("field")),
        board,
        counted: BTreeMap::new(),
    };
    // It is connected, and no slide is open.
    desk.sees(1, false);
    let long = "x".repeat(10_000);
    for (n, bad) in ["a/b", "#", "+", "../x", ".", "", "a b", &long]
        .iter()
        .enumerate()
    {
        let reply = desk.asks(&format!("bad{n}"), "slide.start", &json!({ "id": bad }));
        assert_eq!(
            (&reply["ok"], &reply["code"]),
            (&json!(false), &json!("bad_args"))
        );
        assert!(reply["error"].as_str().unwrap().len() < 400, "{reply}");
    }
    assert_eq!(
        desk.asks("early", "slide.stop", &json!({}))["code"],
        "not_now"
    );
    let begun = desk.asks("begin", "slide.start", &json!({ "id": NAME }));
    assert_eq!(begun["result"]["slide"], NAME, "{begun}");
    desk.sees(5, true);

    program.signal("KILL");
    program.wait();
    let mut program = desk.board.start();
    desk.sees(5, true);
    let again = desk.asks("again", "slide.start", &json!({ "id": NAME }));
    assert_eq!(again["ok"], false, "that name is used: {again}");
    let closed = desk.asks("end", "slide.stop", &json!({}));
    assert_eq!(closed["result"]["slide"], NAME, "{closed}");
    assert_eq!(
        desk.asks("late", "slide.stop", &json!({}))["code"],
        "not_now"
    );

    let report = reports.recv_timeout(PATIENCE).unwrap();
    let report: Value = serde_json::from_slice(&report.payload).unwrap();
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0), "{}", desk.board.log());
    while let Ok(field) = desk.fields.recv_timeout(Duration::from_secs(1)) {
        desk.hears(&field);
    }
    let cells: u64 = desk.counted.values().map(|counted| counted.0).sum();
    let parasitized: u64 = desk.counted.values().map(|counted| counted.1).sum();
    assert_eq!(report["fields"], desk.counted.len());
    assert_eq!(
        (&report["cells"], &report["parasitized"]),
        (&json!(cells), &json!(parasitized))
    );
    assert_eq!(report["state"], "insufficient");
    assert_eq!(report["cells_to_go"], 5000 - cells);
    assert_eq!(
        report["corrected"],
        Value::Null,
        "no rates are of this site"
    );

    let file = |ending: &str| {
        let path = dir.path().join(format!("reports/{NAME}.{ending}"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let on_disk: Value = serde_json::from_str(&file("json")).unwrap();
    let slide = &on_disk["report"];
    assert_eq!(
        (&slide["cells"], &slide["id"]),
        (&json!(cells), &json!(NAME))
    );
    let page = file("html");
    assert!(
        page.contains(NAME) && page.contains("research use"),
        "{page}"
    );
    assert!(page.contains("data:image/jpeg;base64,"), "no cell is shown");
    assert!(!page.contains("<script"), "it is to be printed");
}
