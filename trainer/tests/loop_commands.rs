//! From a site's reviewed cells to a model that knows them: ingest, train --replay, compare, validate, export-labels.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use smearscope_common::exported::{ExportedCell, Part};
use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use smearscope_common::message::{Decision, KeptCell, KeptReason, Label, ModelRef, Reviewer};
use support::{cells, json, refused, run, zip_of};
use tempfile::TempDir;
use uuid::Uuid;

const QUICK: [&str; 10] = [
    "--epochs", "1", "--batch", "8", "--seed", "3", "--views", "mild", "--device", "cpu",
];

/// Writes cells as a board exports them: six of each of `slides` slides, of which every other one is parasitized; every
/// `undecided`-th waits for a decision.
fn site(folder: &Path, slides: u32, undecided: Option<u32>) {
    fs::create_dir_all(folder).unwrap();
    for n in 0..slides * 6 {
        let (slide, parasitized) = (n / 6, n % 2 == 0);
        let picture = RgbImage::from_fn(60, 60, |x, y| {
            let (dx, dy) = (x as i32 - 30, y as i32 - 30);
            let spot = parasitized && (dx - 6).pow(2) + (dy - n as i32 % 12 + 6).pow(2) < 70;
            let shade = (n * 7 % 40) as u8;
            if spot {
                Rgb([40, 10, 90 + shade])
            } else {
                let (green, blue) = ((n * 29 % 60) as u8, (n * 41 % 70) as u8);
                Rgb([140 + shade, 90 + green + x as u8 % 7, 110 + blue])
            }
        });
        let mask = RgbImage::from_fn(60, 60, |x, y| {
            let (dx, dy) = (x as i32 - 30, y as i32 - 30);
            Rgb([if dx * dx + dy * dy < 24 * 24 { 255 } else { 0 }; 3])
        });
        let (picture, mask) = (encode_png(&picture).unwrap(), encode_png(&mask).unwrap());
        let verdict = match parasitized {
            true => Label::Parasitized,
            false => Label::Uninfected,
        };
        let waits = undecided.is_some_and(|every| n % every == 0);
        let cell = KeptCell {
            id: Uuid::from_u128(1 + u128::from(n)),
            field_id: Uuid::from_u128(1000 + u128::from(n)),
            series: Uuid::nil(),
            seq: 0,
            slide: Some(format!("anon-{slide:016x}").parse().unwrap()),
            captured_at: jiff::Timestamp::UNIX_EPOCH,
            clock_synchronised: None,
            reason: KeptReason::Threshold,
            bbox: Rect::from([6, 6, 48, 48]),
            crop: Rect::from([0, 0, 60, 60]),
            label: Label::Uninfected,
            p_parasitized: 0.1,
            model: ModelRef {
                name: "base".into(),
                version: "1".into(),
                sha256: "00".into(),
            },
            decision: (!waits).then(|| Decision {
                verdict,
                at: jiff::Timestamp::UNIX_EPOCH,
                by: Some(Reviewer::try_from("anon-0123456789abcdef".to_owned()).unwrap()),
            }),
            field_colour: Some([150.0, 100.0, 120.0]),
            stands_for: 1,
            field_cells: 1,
            novelty: None,
        };
        let record = ExportedCell {
            stage: parasitized.then(|| "ring".to_owned()),
            ..ExportedCell::of("scope-1".parse().unwrap(), cell, &picture, &mask)
        };
        let record = serde_json::to_vec(&record).unwrap();
        let id = Uuid::from_u128(1 + u128::from(n));
        for (part, bytes) in [
            (Part::Record, &record),
            (Part::Picture, &picture),
            (Part::Mask, &mask),
        ] {
            fs::write(folder.join(part.name(id)), bytes).unwrap();
        }
    }
}

fn sha256(path: &Path) -> String {
    let hash = Sha256::digest(fs::read(path).unwrap());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_site_is_learnt_beside_the_old_cells() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    zip_of(&here.join("cells"), &here.join("old.zip"));
    let with = |words: &[&'static str]| [words, &QUICK[..]].concat();
    json(
        &with(&[
            "train", "old.zip", "--out", "base", "--size", "32", "--json",
        ]),
        here,
    );
    json(&["export", "base", "--out", "base.onnx", "--json"], here);

    site(&here.join("exported"), 8, None);
    let taken = json(
        &[
            "ingest", "exported", "--site", "clinic", "--out", "clinic", "--json",
        ],
        here,
    );
    assert_eq!(
        (&taken["seen"], &taken["added"]),
        (&json!(48), &json!(48)),
        "{taken}"
    );
    assert_eq!(taken["groups"], 8);

    let adapt = with(&[
        "train",
        "clinic",
        "--out",
        "run",
        "--size",
        "32",
        "--base",
        "base.onnx",
        "--replay",
        "old.zip",
        "--replay-split",
        "base/split.csv",
        "--replay-cells",
        "20",
        "--test",
        "0.4",
        "--json",
    ]);
    let tested = json(&adapt, here);
    let subjects: Vec<&String> = tested["subjects"].as_object().unwrap().keys().collect();
    assert!(
        !subjects.is_empty() && subjects.iter().all(|s| s.starts_with("clinic/")),
        "{subjects:?}"
    );
    // Nobody of the base's test subjects is learnt from, and no replayed cell is tested on.
    let base_split = fs::read_to_string(here.join("base/split.csv")).unwrap();
    let split = fs::read_to_string(here.join("run/split.csv")).unwrap();
    let replayed: Vec<&str> = split.lines().filter(|l| l.starts_with("replay/")).collect();
    assert!((10..=20).contains(&replayed.len()), "{}", replayed.len());
    for line in &replayed {
        assert!(!line.ends_with(",test"), "{line}");
        let file = line
            .split(',')
            .next()
            .unwrap()
            .trim_start_matches("replay/");
        let there = base_split
            .lines()
            .find(|l| l.starts_with(&format!("{file},")))
            .unwrap();
        assert!(!there.ends_with(",test"), "{line} against {there}");
    }
    // A run knows its replayed cells again.
    assert_eq!(json(&["evaluate", "run", "--json"], here), tested);
    json(
        &["calibrate", "run", "--target", "sensitivity:0.9", "--json"],
        here,
    );
    let again = json(
        &["train", "clinic", "--out", "run", "--resume", "--json"],
        here,
    );
    assert_eq!(again["n"], tested["n"]);

    let exported = json(
        &[
            "export", "run", "--out", "new.onnx", "--name", "clinic", "--json",
        ],
        here,
    );
    let card = &exported["card"];
    assert_eq!(card["parent"], sha256(&here.join("base.onnx")));
    assert_eq!(card["lineage"][0]["name"], "base", "{card}");
    assert_eq!(card["validation"]["devices"], json!(["scope-1"]));
    assert_eq!(card["validation"]["dataset"], "clinic, clinic, test subset");
    // What the base saw cells by stays.
    let base: Value =
        serde_json::from_slice(&fs::read(here.join("base/run.json")).unwrap()).unwrap();
    assert_eq!(card["crop"]["reference"], base["typical_cell"]);

    let compared = json(
        &[
            "compare",
            "base.onnx",
            "new.onnx",
            "clinic",
            "old.zip",
            "--split",
            "run/split.csv",
            "--split",
            "base/split.csv",
            "--json",
        ],
        here,
    );
    assert_eq!(compared["new"]["sha256"], sha256(&here.join("new.onnx")));
    let sites: Vec<&String> = compared["sites"].as_object().unwrap().keys().collect();
    assert_eq!(sites, ["clinic", "old.zip"]);
    assert_eq!(
        compared["stages"]["ring"]["parasitized"],
        compared["sites"]["clinic"]["parasitized"]
    );
    let beside: Value =
        serde_json::from_slice(&fs::read(here.join("new.onnx.comparison.json")).unwrap()).unwrap();
    assert_eq!(beside, compared);

    let validated = json(
        &[
            "validate",
            "base.onnx",
            "clinic",
            "--model-version",
            "1-clinic",
            "--out",
            "validated.onnx",
            "--json",
        ],
        here,
    );
    let card = &validated["card"];
    assert_eq!(
        (&card["name"], &card["version"]),
        (&json!("base"), &json!("1-clinic"))
    );
    assert_eq!(card["validation"]["sensitivity"]["n"], 24);
    assert_eq!(card["validation"]["specificity"]["n"], 24);
    assert_eq!(card["lineage"][0]["name"], "base");

    // More slides have come: who was tested on stays so, and an old split is not taken for one of all.
    site(&here.join("more"), 11, None);
    let grown = json(
        &[
            "ingest", "more", "--site", "clinic", "--out", "clinic", "--json",
        ],
        here,
    );
    assert_eq!((&grown["added"], &grown["known"]), (&json!(18), &json!(48)));
    let stale = refused(
        &[
            "compare",
            "base.onnx",
            "new.onnx",
            "clinic",
            "--split",
            "run/split.csv",
        ],
        here,
    );
    assert!(stale.contains("has no line for"), "{stale}");
    let next = with(&[
        "train",
        "clinic",
        "--out",
        "next",
        "--size",
        "32",
        "--base",
        "new.onnx",
        "--keep-split",
        "run/split.csv",
        "--test",
        "0.4",
        "--json",
    ]);
    json(&next, here);
    let now = fs::read_to_string(here.join("next/split.csv")).unwrap();
    for line in split.lines().filter(|line| line.contains("clinic/")) {
        assert!(now.contains(line), "{line}");
    }
}

#[test]
fn what_can_t_be_done_is_refused_in_a_sentence() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    site(&here.join("exported"), 2, Some(1));
    let nothing = refused(&["ingest", "exported", "--out", "data"], here);
    assert!(
        nothing.contains("none was decided on") && nothing.contains("export-labels"),
        "{nothing}"
    );
    assert!(refused(&["ingest", "nowhere", "--out", "x"], here).contains("neither an address"));
    assert!(refused(&["ingest", "cells", "--out", "x"], here).contains("no exported cells"));
    assert!(
        refused(&["ingest", "exported", "--site", "a b", "--out", "x"], here).contains("--site")
    );
    assert!(
        refused(&["ingest", "exported", "--out", "cells"], here)
            .contains("no data set of `ingest`")
    );
    let none = refused(
        &[
            "ingest",
            "http://127.0.0.1:1/",
            "--token-file",
            "none",
            "--out",
            "x",
        ],
        here,
    );
    assert!(none.contains("the token cannot be read"), "{none}");
    fs::write(here.join("labels.json"), "[]").unwrap();
    assert!(refused(&["ingest", "labels.json", "--out", "x"], here).contains("--cells"));
    let alone = run(
        &["train", "cells", "--out", "run", "--replay", "cells"],
        here,
    );
    assert_eq!(alone.status.code(), Some(2));
    assert!(refused(&["compare", "none.onnx", "none.onnx", "cells"], here).contains("none.onnx"));
}

/// The tasks hold to what Label Studio documents for pre-annotated tasks: an object `data` with what the interface names by
/// `$…`, and `predictions` with `model_version`, `score` and a `result` of `from_name`, `to_name`, `type` and `value`, which name
/// controls and objects of the interface and choices that these have.
#[test]
fn tasks_are_what_label_studio_imports() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    site(&here.join("exported"), 3, Some(2));
    let made = json(
        &["export-labels", "exported", "--out", "tasks", "--json"],
        here,
    );
    assert_eq!(
        (&made["tasks"], &made["decided"]),
        (&json!(9), &json!(9)),
        "{made}"
    );
    let tasks: Value =
        serde_json::from_slice(&fs::read(here.join("tasks/tasks.json")).unwrap()).unwrap();
    let interface = fs::read_to_string(here.join("tasks/labelling-interface.xml")).unwrap();
    let xml = roxmltree::Document::parse(&interface).unwrap();
    let named = |tag: &str, name: &str| {
        xml.descendants()
            .find(|node| node.has_tag_name(tag) && node.attribute("name") == Some(name))
            .unwrap_or_else(|| panic!("no {tag} {name} in {interface}"))
    };
    assert_eq!(xml.root_element().tag_name().name(), "View");
    let tasks = tasks.as_array().unwrap();
    assert_eq!(tasks.len(), 9);
    for task in tasks {
        let keys: Vec<&String> = task.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "predictions"]);
        let prediction = &task["predictions"][0];
        assert!(prediction["model_version"].is_string());
        assert!((0.0..=1.0).contains(&prediction["score"].as_f64().unwrap()));
        let result = &prediction["result"][0];
        assert_eq!(result["type"], "choices");
        let control = named("Choices", result["from_name"].as_str().unwrap());
        let object = result["to_name"].as_str().unwrap();
        assert_eq!(control.attribute("toName"), Some(object));
        let value = named("Image", object).attribute("value").unwrap();
        let image = task["data"][value.trim_start_matches('$')]
            .as_str()
            .unwrap();
        assert!(
            here.join("tasks")
                .join(image.rsplit('/').next().unwrap())
                .exists(),
            "{image}"
        );
        let choices: Vec<&str> = control
            .children()
            .filter_map(|c| c.attribute("value"))
            .collect();
        let chosen = result["value"]["choices"].as_array().unwrap();
        assert_eq!(chosen.len(), 1);
        assert!(
            choices.contains(&chosen[0].as_str().unwrap()),
            "{chosen:?} of {choices:?}"
        );
    }
    // What Label Studio gives back, with somebody's answers.
    let answered: Vec<Value> = tasks
        .iter()
        .enumerate()
        .map(|(i, task)| {
            let mut result = task["predictions"][0]["result"].clone();
            result[0]["value"]["choices"][0] = json!(if i % 3 == 0 { "Parasitized" } else { "Uninfected" });
            json!({"id": i, "data": task["data"], "predictions": [],
                "annotations": [{"id": i, "result": result, "was_cancelled": false, "completed_by": 1,
                    "created_at": "2026-11-28T10:00:00.123456Z", "lead_time": 2.5}]})
        })
        .collect();
    fs::write(
        here.join("answers.json"),
        serde_json::to_vec(&answered).unwrap(),
    )
    .unwrap();
    let taken = json(
        &[
            "ingest",
            "answers.json",
            "--cells",
            "tasks",
            "--out",
            "data",
            "--json",
        ],
        here,
    );
    assert_eq!(
        taken["classes"],
        json!({"Parasitized": 3, "Uninfected": 6}),
        "{taken}"
    );
    assert!(refused(&["export-labels", "exported", "--out", "tasks"], here).contains("not empty"));
}
