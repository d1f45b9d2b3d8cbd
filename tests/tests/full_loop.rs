//! The loop closes: a board keeps cells, a person looks at them over MQTT, the workstation takes them in over HTTP, teaches the
//! board's own model with them, compares, signs and publishes it, and the next fields are judged by it.
//!
//! `make loop-demo` runs this and shows what each step says.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use serde_json::{Value, json};
use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use smearscope_common::synth::{ObjectKind, SmearSpec, smear};
use smearscope_tests::board::Board;
use smearscope_tests::operator::Operator;
use smearscope_tests::{PATIENCE, edge, free_port, mosquitto, subscribe, trainer};
use tempfile::TempDir;

/// The model inside the board's program.
const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/models/default.onnx");
/// Slides that are counted and reviewed.
const SLIDES: usize = 6;
/// Fields that are drawn; they are played over and over.
const FIELDS: u64 = 18;

fn spec() -> SmearSpec {
    SmearSpec {
        width: 640,
        height: 480,
        cells: 24,
        parasitemia: 0.25,
        ..SmearSpec::default()
    }
}

/// What a person at the microscope would know: whether a cell of a drawn field is parasitized.
fn is_parasitized(seed: u64, bbox: Rect) -> bool {
    let truth = smear(&spec(), seed).truth;
    let nearest = truth
        .iter()
        .max_by(|a, b| a.bbox.iou(&bbox).total_cmp(&b.bbox.iou(&bbox)))
        .unwrap();
    use ObjectKind::{Gametocyte, Ring, Schizont, Trophozoite};
    matches!(nearest.kind, Ring | Trophozoite | Schizont | Gametocyte)
}

/// Says a step, for who watches.
fn step(words: &str) {
    println!("\n== {words}");
}

/// Runs a command to its end and gives its line of JSON.
fn said(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let line = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}\n{errors}"))
}

/// Class folders of cells of "the old site": discs of another stain, some with a spot.
fn old_site(folder: &Path) {
    for (class, spotted) in [("Parasitized", true), ("Uninfected", false)] {
        let class = folder.join(class);
        fs::create_dir_all(&class).unwrap();
        for n in 0..60u32 {
            let crop = RgbImage::from_fn(70, 70, |x, y| {
                let (dx, dy) = (x as i32 - 35, y as i32 - 35);
                let spot = spotted && (dx - 9).pow(2) + (dy + n as i32 % 11 - 5).pow(2) < 60;
                match dx * dx + dy * dy {
                    ..1100 if spot => Rgb([90, 50, 110]),
                    ..1100 => Rgb([190, 150 + (n % 13) as u8, 160]),
                    _ => Rgb([0; 3]),
                }
            });
            let name = format!("C{}P1_cell_{n}.png", n % 12);
            fs::write(class.join(name), encode_png(&crop).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_a_board_is_unsure_of_teaches_the_model_that_it_works_with_next() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let (port, http) = (free_port(), free_port());
    let frames = here.join("frames");
    fs::create_dir(&frames).unwrap();
    for seed in 0..FIELDS {
        let png = encode_png(&smear(&spec(), seed).image).unwrap();
        fs::write(frames.join(format!("field-{seed:02}.png")), png).unwrap();
    }
    let key = here.join("clinic.key");
    let made = said(
        trainer()
            .args(["keygen", "--no-password", "--json", "--out"])
            .arg(&key),
    );
    let public = made["trusted_key"].as_str().unwrap();
    let _broker = mosquitto(port, here);
    let board = Board::new(
        here,
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 250"),
        &format!("port = {port}"),
        &format!(
            "[slide]\nauto_start = false\n[http]\nlisten = \"127.0.0.1:{http}\"\n[model]\ntrusted_keys = [{public:?}]\n\
             watch_cells = 100\nmin_agreement = 0.0\nmax_share_shift = 1.0"
        ),
    );
    let fields = subscribe(port, "smearscope/scope-1/field");
    let mut program = board.start();
    let desk = Operator::new(MqttOptions::new("desk", "127.0.0.1", port), "scope-1");

    step("The board counts some slides, and keeps cells of them");
    for n in 0..SLIDES {
        desk.gets(
            &format!("begin-{n}"),
            "slide.start",
            json!({"id": format!("Ada-{n}")}),
        );
        desk.sees_slide(|slide| {
            slide["id"] == format!("Ada-{n}") && slide["fields"].as_u64() >= Some(3)
        });
        desk.gets(&format!("end-{n}"), "slide.stop", json!({}));
    }
    desk.gets("pause", "capture.pause", json!({}));
    // Which picture each field was.
    let mut seed_of = HashMap::new();
    while let Ok(message) = fields.recv_timeout(Duration::from_secs(2)) {
        let field: Value = serde_json::from_slice(&message.payload).unwrap();
        let source = field["source"].as_str().unwrap();
        let seed = source.trim_start_matches("field-").trim_end_matches(".png");
        seed_of.insert(
            field["id"].as_str().unwrap().to_owned(),
            seed.parse::<u64>().unwrap(),
        );
        assert_eq!(field["model"]["name"], "smearscope-nih");
    }

    step("Somebody looks at them, by the commands that the page sends");
    let mut reviewed = 0;
    loop {
        let listed = desk.gets(
            &format!("list-{reviewed}"),
            "cells.list",
            json!({"decided": false, "limit": 200}),
        );
        let cells = listed["cells"].as_array().unwrap();
        if cells.is_empty() {
            break;
        }
        for cell in cells {
            let bbox: Rect = serde_json::from_value(cell["bbox"].clone()).unwrap();
            let seed = seed_of[cell["field_id"].as_str().unwrap()];
            let verdict = match is_parasitized(seed, bbox) {
                true => "parasitized",
                false => "uninfected",
            };
            let args = json!({"id": cell["id"], "verdict": verdict, "by": "Grace"});
            desk.gets(&format!("say-{reviewed}"), "cells.review", args);
            // As fast as a person may: five in a second.
            sleep(Duration::from_millis(210));
            reviewed += 1;
        }
    }
    println!("{reviewed} cells were looked at");

    step("The workstation takes them in: smearscope-train ingest");
    let data = here.join("clinic-cells");
    let address = format!("http://127.0.0.1:{http}");
    let taken = said(
        trainer()
            .args(["ingest", &address, "--site", "clinic", "--json", "--out"])
            .arg(&data),
    );
    println!("{taken}");
    assert_eq!(taken["seen"], reviewed, "{taken}");
    assert_eq!(
        (&taken["undecided"], &taken["damaged"]),
        (&json!(0), &json!(0))
    );
    let (sick, healthy) = (
        &taken["classes"]["Parasitized"],
        &taken["classes"]["Uninfected"],
    );
    assert!(
        sick.as_u64() > Some(20) && healthy.as_u64() > Some(20),
        "{taken}"
    );
    let manifest = fs::read_to_string(data.join("manifest.csv")).unwrap();
    assert!(
        !manifest.contains("Ada") && !manifest.contains("Grace"),
        "a name has left the board"
    );
    assert!(manifest.contains("anon-"));

    step("The board's model learns them, beside some of its old cells: train --replay, export");
    let old = here.join("old-cells");
    old_site(&old);
    let run = here.join("run");
    let trained = trainer()
        .arg("train")
        .arg(&data)
        .args(["--base", BASE, "--replay"])
        .arg(&old)
        .args([
            "--replay-cells",
            "60",
            "--epochs",
            "1",
            "--batch",
            "16",
            "--val",
            "0.2",
            "--test",
            "0.4",
        ])
        .args(["--device", "cpu", "--out"])
        .arg(&run)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&trained.stderr);
    assert!(trained.status.success(), "{told}");
    let new = here.join("clinic.onnx");
    let exported = said(
        trainer()
            .arg("export")
            .arg(&run)
            .args([
                "--name",
                "clinic",
                "--model-version",
                "1",
                "--json",
                "--out",
            ])
            .arg(&new),
    );
    let card = &exported["card"];
    assert_eq!(card["lineage"][1]["version"], "2.1.0", "{card}");
    assert_eq!(card["lineage"][1]["sha256"], card["parent"]);
    assert_eq!(card["validation"]["devices"], json!(["scope-1"]), "{card}");

    step("Is it better? smearscope-train compare");
    let split = run.join("split.csv");
    let compared = said(
        trainer()
            .args(["compare", BASE])
            .arg(&new)
            .arg(&data)
            .arg("--split")
            .arg(&split)
            .arg("--json"),
    );
    println!("verdict: {}", compared["verdict"]);
    assert!(
        compared["sites"]["clinic"]["parasitized"].as_u64() > Some(5),
        "{compared}"
    );

    step("It goes to the board, signed: smearscope-train publish");
    let published = trainer()
        .arg("publish")
        .arg(&new)
        .args(["--broker", &format!("mqtt://127.0.0.1:{port}"), "--device", "scope-1"])
        // What a day of teaching on drawn cells comes to is not the point here.
        .args(["--force", "--until", "watching", "--key"])
        .arg(&key)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&published.stderr);
    assert!(published.status.success(), "{told}");

    step("The next fields are judged by it, and the count is corrected by the site's own rates");
    desk.gets("next", "slide.start", json!({"id": "Next-1"}));
    desk.gets("go-on", "capture.resume", json!({}));
    let field = loop {
        let message = fields.recv_timeout(PATIENCE).unwrap();
        let field: Value = serde_json::from_slice(&message.payload).unwrap();
        if field["model"]["name"] == "clinic" {
            break field;
        }
    };
    println!("{}", field["model"]);
    let rates = &card["validation"];
    let youden = rates["sensitivity"]["value"].as_f64().unwrap()
        + rates["specificity"]["value"].as_f64().unwrap();
    let slide =
        desk.sees_slide(|slide| slide["id"] == "Next-1" && slide["fields"].as_u64() >= Some(1));
    // Where the model's word says nothing, nothing can be corrected by it.
    assert_eq!(slide["corrected"].is_null(), youden <= 1.0, "{slide}");
    println!(
        "parasitemia {}, corrected {}",
        slide["parasitemia"], slide["corrected"]
    );

    step("Where it comes from: smearscope-edge model history");
    let config = here.join("edge.toml");
    let history = said(
        edge()
            .args(["model", "history", "--json", "--config"])
            .arg(&config),
    );
    let names: Vec<&str> = history["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ancestor| ancestor["name"].as_str().unwrap())
        .collect();
    println!("{}", names.join(" → "));
    assert_eq!(names.last(), Some(&"clinic"));
    assert_eq!(names.len(), 3, "{history}");
    let event = history["events"].as_array().unwrap().last().unwrap();
    assert_eq!(event["signed_by"].as_str().unwrap().len(), 16, "{event}");
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0), "{}", board.log());
}
