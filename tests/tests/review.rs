//! The second look: cells are kept, shown and decided on over a real broker; decisions outlast a kill.
#![allow(clippy::unwrap_used)]

use std::fs;

use rumqttc::v5::MqttOptions;
use serde_json::{Value, json};
use smearscope_common::image::{Rgb, RgbImage, decode};
use smearscope_tests::board::Board;
use smearscope_tests::operator::Operator;
use smearscope_tests::{frames, free_port, mosquitto};
use tempfile::TempDir;

/// A board whose fields are played again and again, and who talks to it.
fn station(dir: &TempDir, port: u16, more: &str) -> Board {
    let frames = frames(dir.path(), 3);
    Board::new(
        dir.path(),
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 20"),
        &format!("port = {port}"),
        &format!("[slide]\nauto_start = false\n[image]\nenabled = false\n{more}"),
    )
}

fn operator(port: u16, name: &str) -> Operator {
    Operator::new(MqttOptions::new(name, "127.0.0.1", port), "scope-1")
}

fn picture(shown: &Value, key: &str) -> RgbImage {
    let text = shown[key].as_str().unwrap();
    decode(&base64(text)).unwrap()
}

/// With an alphabet and nothing else: this crate shares no code with what it tests.
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&c| c != b'=').map(value).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0_u32, |bits, &d| bits << 6 | u32::from(d));
            let bits = bits << (6 * (4 - four.len()));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}

#[test]
fn cells_are_kept_looked_at_and_decided_on() {
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let board = station(&dir, port, "");
    let mut program = board.start();
    let desk = operator(port, "desk");
    desk.gets(
        "begin",
        "slide.start",
        json!({ "id": "A-17", "notes": "thin edge" }),
    );
    let slide =
        desk.sees_slide(|slide| slide["id"] == "A-17" && slide["fields"].as_u64() > Some(0));
    assert_eq!(slide["notes"], "thin edge");
    let last = |key: &str| slide[key].as_array().unwrap().last().unwrap().clone();
    assert!(last("recent")["cells"].as_u64() > Some(0), "{slide}");
    assert_eq!(last("course")["cells"], slide["cells"], "{slide}");
    assert_eq!(slide["reviewed"], Value::Null);

    let listed = desk.gets("list", "cells.list", json!({ "slide": "A-17" }));
    let cells = listed["cells"].as_array().unwrap();
    assert!(!cells.is_empty(), "{listed}");
    let p = |cell: &Value| cell["p_parasitized"].as_f64().unwrap();
    assert!(cells.is_sorted_by(|a, b| p(a) >= p(b)));
    let ids: Vec<&Value> = cells.iter().map(|cell| &cell["id"]).take(8).collect();
    let shown = desk.gets("get", "cells.get", json!({ "ids": ids }));
    assert_eq!(shown["missing"], json!([]));
    for (cell, shown) in cells.iter().zip(shown["cells"].as_array().unwrap()) {
        assert_eq!(cell["id"], shown["id"]);
        // The very pixels of the field that was played.
        let number = (cell["seq"].as_u64().unwrap() - 1) % 3;
        let source = fs::read(dir.path().join(format!("frames/field-{number}.png")))
            .and_then(|bytes| decode(&bytes).map_err(std::io::Error::other))
            .unwrap();
        let of = |key: &str| -> [u32; 4] { serde_json::from_value(cell[key].clone()).unwrap() };
        let (crop, bbox) = (of("crop"), of("bbox"));
        let (seen, mask) = (picture(shown, "picture"), picture(shown, "mask"));
        assert_eq!(seen.dimensions(), (crop[2], crop[3]));
        assert_eq!(mask.dimensions(), seen.dimensions());
        for (x, y, pixel) in seen.enumerate_pixels() {
            assert_eq!(pixel, source.get_pixel(crop[0] + x, crop[1] + y));
        }
        let white = mask
            .enumerate_pixels()
            .filter(|(_, _, p)| **p == Rgb([255; 3]));
        for (x, y, _) in white {
            let (x, y) = (crop[0] + x, crop[1] + y);
            assert!(x >= bbox[0] && x < bbox[0] + bbox[2] && y >= bbox[1] && y < bbox[1] + bbox[3]);
        }
    }

    let first = &cells[0];
    let other = match first["label"].as_str().unwrap() {
        "parasitized" => "uninfected",
        _ => "parasitized",
    };
    let review = json!({ "id": first["id"], "verdict": other, "by": "A. Otieno" });
    let reviewed = desk.gets("review", "cells.review", review);
    assert_eq!(reviewed["decision"]["verdict"], other);
    // What everyone sees, and who comes later.
    let slide = desk.sees_slide(|slide| slide["reviewed"].is_object());
    let of = |key: &str| slide["reviewed"][key].as_u64().unwrap();
    assert_eq!(of("rejected") + of("found"), 1, "{slide}");

    program.signal("KILL");
    program.wait();
    let _program = board.start();
    let late = operator(port, "late");
    let slide = late.sees_slide(|_| true);
    assert_eq!(
        slide["reviewed"]["rejected"].as_u64().unwrap()
            + slide["reviewed"]["found"].as_u64().unwrap(),
        1,
        "{slide}"
    );
    let decided = late.gets("decided", "cells.list", json!({ "decided": true }));
    assert_eq!(decided["cells"][0]["id"], first["id"]);
    assert_eq!(decided["cells"][0]["decision"]["by"], "A. Otieno");
    let back = late.gets(
        "back",
        "cells.review",
        json!({ "id": first["id"], "verdict": null }),
    );
    assert_eq!(
        (&back["decision"], &back["reviewed"]),
        (&Value::Null, &Value::Null)
    );
    let unknown = late.asks(
        "unknown",
        "cells.review",
        json!({ "id": "01970000-0000-7000-8000-000000000000", "verdict": "parasitized" }),
    );
    assert_eq!(unknown["code"], "bad_args", "{unknown}");
}

#[test]
fn a_board_that_keeps_none_says_so_and_counts_all_the_same() {
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, dir.path());
    let board = station(&dir, port, "[cells]\nmax_mb = 0");
    let _program = board.start();
    let desk = operator(port, "desk");
    desk.gets("begin", "slide.start", json!({}));
    desk.sees_slide(|slide| slide["fields"].as_u64() > Some(0));
    let listed = desk.asks("list", "cells.list", json!({}));
    assert_eq!(listed["code"], "not_now", "{listed}");
    assert!(!dir.path().join("cells.sqlite").exists());
}
