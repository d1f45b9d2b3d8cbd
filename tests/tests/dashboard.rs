//! The page at work with a real board and a real mosquitto, in a real browser: a slide from its start to its report, a second
//! look by keys, signing in.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::v5::MqttOptions;
use serde_json::{Value, json};
use smearscope_tests::board::Board;
use smearscope_tests::browser::{alone, pictures, seen_by};
use smearscope_tests::operator::Operator;
use smearscope_tests::pki::write_private;
use smearscope_tests::{PATIENCE, Running, frames, free_port, mosquitto_with};
use tempfile::TempDir;

/// Waits until a board's page can be had.
fn listens(http: u16, board: &Board) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", http)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "{}", board.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// A board whose results go to a mosquitto, which has a WebSocket for the page.
struct Clinic {
    folder: TempDir,
    port: u16,
    http: u16,
    board: Board,
    _broker: Running,
    _program: Running,
}

impl Clinic {
    fn open(interval_ms: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let (port, websocket, http) = (free_port(), free_port(), free_port());
        let more = format!(
            "listener {websocket} 127.0.0.1\nsocket_domain ipv4\nprotocol websockets\nallow_anonymous true\n\
             set_tcp_nodelay true\n"
        );
        let broker = mosquitto_with(port, folder.path(), &more, &[]);
        let frames = frames(folder.path(), 4);
        let board = Board::new(
            folder.path(),
            "scope-1",
            &format!(
                "kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = {interval_ms}"
            ),
            &format!("port = {port}"),
            &format!(
                "[image]\ninterval_ms = 2000\n[http]\nlisten = \"127.0.0.1:{http}\"\nbroker = \"ws://127.0.0.1:{websocket}\""
            ),
        );
        let program = board.start();
        let clinic = Self {
            folder,
            port,
            http,
            board,
            _broker: broker,
            _program: program,
        };
        listens(clinic.http, &clinic.board);
        clinic
    }

    fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.http)
    }

    fn desk(&self) -> Operator {
        Operator::new(MqttOptions::new("desk", "127.0.0.1", self.port), "scope-1")
    }
}

#[test]
fn a_slide_is_started_counted_closed_and_reported() {
    let _alone = alone();
    let clinic = Clinic::open(1000);
    let Some(seen) = seen_by("slide.mjs", &[&clinic.page(), "--id", "ward-3.A-17"]) else {
        return;
    };
    let report = clinic.folder.path().join("reports/ward-3.A-17.json");
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let report = &report["report"];
    for key in ["cells", "fields", "parasitized"] {
        assert_eq!(seen[key], report[key], "{key}: {seen} {report}");
    }
    assert!(
        report["notes"].as_str().unwrap().contains("Giemsa"),
        "{report}"
    );
}

#[test]
fn cells_are_decided_on_by_keys_and_the_board_keeps_that() {
    let _alone = alone();
    let clinic = Clinic::open(1000);
    let desk = clinic.desk();
    desk.sees_slide(|slide| slide["fields"].as_u64() >= Some(6));
    desk.gets("pause", "capture.pause", json!({}));
    let Some(seen) = seen_by("review.mjs", &[&clinic.page()]) else {
        return;
    };
    let kept = desk.gets("kept", "cells.list", json!({ "decided": true }));
    let decided =
        |cells: &Value, id: &str, verdict: fn(&Value) -> Value| -> BTreeMap<String, Value> {
            let cells = cells.as_array().unwrap().iter();
            cells
                .map(|cell| (cell[id].as_str().unwrap().to_owned(), verdict(cell)))
                .collect()
        };
    let on_the_board = decided(&kept["cells"], "id", |cell| {
        cell["decision"]["verdict"].clone()
    });
    let on_the_page = decided(&seen["decided"], "id", |cell| cell["verdict"].clone());
    assert!(on_the_page.len() >= 3, "{seen}");
    assert_eq!(on_the_page, on_the_board);
}

#[test]
fn who_has_the_password_signs_in_and_out() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    // Made by the program itself, as its users would.
    let made = std::process::Command::new("bash")
        .args([
            "-c",
            "printf 'correct horse battery\\n' | \"$0\" hash-password",
        ])
        .arg(smearscope_tests::edge().get_program())
        .output()
        .unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    assert!(made.starts_with("$argon2id$"), "{made}");
    write_private(&folder.path().join("password"), &made);
    let http = free_port();
    let frames = frames(folder.path(), 2);
    let board = Board::new(
        folder.path(),
        "alone",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 1000"),
        "embedded = true",
        &format!(
            "[http]\nlisten = \"127.0.0.1:{http}\"\npassword_file = {:?}",
            folder.path().join("password")
        ),
    );
    let _program = board.start();
    listens(http, &board);
    let page = format!("http://127.0.0.1:{http}/");
    seen_by("login.mjs", &[&page, "--password", "correct horse battery"]);
}

#[test]
fn the_readme_s_pictures_are_made_of_a_running_board() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let (mqtt, http) = (free_port(), free_port());
    let board = Board::new(
        folder.path(),
        "kisumu-1",
        "kind = \"synthetic\"\ninterval_ms = 200\n[source.smear]\nnoise = 0.6",
        &format!("embedded = true\nport = {mqtt}"),
        &format!("[http]\nlisten = \"127.0.0.1:{http}\""),
    );
    let _program = board.start();
    listens(http, &board);
    let page = format!("http://127.0.0.1:{http}/");
    let broker = format!("mqtt://127.0.0.1:{mqtt}");
    // As many fields as scripts/pictures.sh takes are worth no test's time.
    let arguments = [&page, "--broker", &broker, "--fields", "4"];
    if seen_by("pictures.mjs", &arguments).is_some() {
        for name in ["live", "slide", "review", "fleet", "phone"] {
            let picture = pictures().join(format!("{name}.png"));
            assert!(
                fs::metadata(&picture).unwrap().len() > 20_000,
                "{picture:?}"
            );
        }
    }
}
