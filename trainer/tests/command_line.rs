//! The real binary on small made-up data: what a data scientist types, and what goes wrong.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use tempfile::TempDir;

fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smearscope-train"))
        .args(arguments)
        // Two threads wait for each other at every tiny operation; on a busy machine that is slow.
        .env("OMP_NUM_THREADS", "1")
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Runs a command that must succeed and returns its line of JSON.
fn json(arguments: &[&str], folder: &Path) -> Value {
    let output = run(arguments, folder);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{arguments:?} printed {text:?}");
    serde_json::from_str(&text).unwrap()
}

/// Runs a command that must be refused, and returns what it said.
fn refused(arguments: &[&str], folder: &Path) -> String {
    let output = run(arguments, folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    let error = said
        .lines()
        .find(|l| l.starts_with("error:"))
        .unwrap_or_default();
    assert!(error.len() > 20, "{arguments:?}: {said}");
    error.to_owned()
}

/// A pink disc on black, with a dark dot when parasitized.
fn crop(parasitized: bool, shade: u8, side: u32) -> RgbImage {
    let middle = f64::from(side) / 2.0;
    RgbImage::from_fn(side, side, |x, y| {
        let from = |cx: f64, cy: f64| (f64::from(x) - cx).hypot(f64::from(y) - cy) / middle;
        if parasitized && from(middle * 0.8, middle * 1.2) < 0.3 {
            Rgb([90, 30, 120])
        } else if from(middle, middle) < 0.95 {
            Rgb([220, 150 + shade, 160])
        } else {
            Rgb([0; 3])
        }
    })
}

/// Twelve people with six cells each in the NIH layout, a stray file and a broken image.
fn cells(root: &Path) {
    for class in ["Parasitized", "Uninfected"] {
        fs::create_dir_all(root.join(class)).unwrap();
        fs::write(root.join(class).join("Thumbs.db"), b"no image").unwrap();
    }
    for subject in 1..=12u8 {
        for cell in 0..6u8 {
            let parasitized = cell % 2 == 0;
            let class = if parasitized {
                "Parasitized"
            } else {
                "Uninfected"
            };
            let name = format!("C{subject}ThinF_IMG_cell_{cell}.png");
            let picture = crop(parasitized, subject * 3, 30 + u32::from(cell));
            fs::write(root.join(class).join(name), encode_png(&picture).unwrap()).unwrap();
        }
    }
    fs::write(
        root.join("Uninfected").join("C1ThinF_broken.png"),
        b"\x89PNG\r\n",
    )
    .unwrap();
}

fn zip_of(folder: &Path, zip: &Path) {
    let mut writer = zip::ZipWriter::new(File::create(zip).unwrap());
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            writer
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(&fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    writer.finish().unwrap();
}

const QUICK: [&str; 12] = [
    "--epochs", "3", "--batch", "8", "--size", "32", "--seed", "3", "--views", "mild", "--device",
    "cpu",
];

fn train(data: &str, out: &str, more: &[&str], folder: &Path) -> Value {
    let arguments = [&["train", data, "--out", out, "--json"], &QUICK[..], more].concat();
    json(&arguments, folder)
}

#[test]
fn from_a_zip_of_cells_to_a_model_that_a_board_reads() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    zip_of(&here.join("cells"), &here.join("cells.zip"));

    let seen = json(&["inspect", "cells.zip", "--json"], here);
    assert_eq!(seen["images"], 72);
    assert_eq!(seen["subjects"], 12);
    assert_eq!(seen["classes"]["Parasitized"]["images"], 36);
    assert_eq!(seen["unreadable"].as_object().unwrap().len(), 1);
    assert_eq!(seen["ignored"].as_array().unwrap().len(), 2);
    assert_eq!(
        seen,
        json(&["inspect", "cells", "--json"], here),
        "folder and zip are the same"
    );

    let split = json(
        &[
            "split",
            "cells.zip",
            "--out",
            "split.csv",
            "--seed",
            "3",
            "--json",
        ],
        here,
    );
    let test_cells = &split["subsets"]["test"]["classes"];
    assert!(test_cells["Parasitized"].as_u64().unwrap() >= 6);

    let first = train("cells.zip", "run", &["--split", "split.csv"], here);
    let again = train("cells", "again", &["--split", "split.csv"], here);
    assert_eq!(
        first, again,
        "the same seed gives the same figures, from a zip or a folder"
    );
    let weights = |run: &str| fs::read(here.join(run).join("best.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("again"), "and the same weights");
    let log = fs::read_to_string(here.join("run/metrics.csv")).unwrap();
    assert_eq!(log.lines().count(), 4, "{log}");
    assert!(log.starts_with("epoch,train_loss,val_loss,val_accuracy,val_auc,seconds,best"));

    assert_eq!(json(&["evaluate", "run", "--json"], here), first);
    for file in ["calibration.json", "curves.svg", "report.html"] {
        assert!(here.join("run").join(file).exists(), "{file}");
    }
    let half = ["calibrate", "again", "--target", "fixed:0.25", "--json"];
    assert_eq!(json(&half, here)["reached"], true);
    let report = ["evaluate", "again", "--report", "r.html", "--json"];
    assert_eq!(json(&report, here)["threshold"], 0.25);
    let test: Value =
        serde_json::from_slice(&fs::read(here.join("again/test.json")).unwrap()).unwrap();
    assert_eq!(
        test["threshold"], 0.25,
        "the test figures follow the threshold"
    );
    assert!(
        fs::read_to_string(here.join("r.html"))
            .unwrap()
            .contains("fixed:0.25")
    );
    let export = json(
        &[
            "export", "run", "--out", "m.onnx", "--name", "tiny", "--json",
        ],
        here,
    );
    assert!(export["self_test_delta"].as_f64().unwrap() < 1e-3);
    assert_eq!(
        export["card"]["validation"]["sensitivity"]["n"],
        test_cells["Parasitized"]
    );
    let onnx = json(
        &[
            "evaluate",
            "m.onnx",
            "cells.zip",
            "--split",
            "split.csv",
            "--subset",
            "test",
            "--json",
        ],
        here,
    );
    assert_eq!(onnx["n"], first["n"]);
    // f16 weights and another engine may move a probability a little.
    let loss = |figures: &Value| figures["loss"].as_f64().unwrap();
    assert!((loss(&onnx) - loss(&first)).abs() < 0.01);

    let one = "cells/Parasitized/C1ThinF_IMG_cell_0.png";
    let output = run(
        &[
            "predict",
            "m.onnx",
            one,
            "cells/Uninfected/C1ThinF_broken.png",
            "--json",
        ],
        here,
    );
    assert!(output.status.success());
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["image"], one);
    assert!((0.0..=1.0).contains(&line["p_parasitized"].as_f64().unwrap()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("C1ThinF_broken.png"));

    // Start from those weights, and teach only the tutorial's head.
    let more = [
        "--weights",
        "run/best.safetensors",
        "--freeze",
        "backbone",
        "--head",
        "tutorial",
    ];
    train("cells.zip", "head", &more, here);
    let backbone = |run: &str| {
        let bytes = weights(run);
        let tensors =
            tch::Tensor::read_safetensors(here.join(run).join("best.safetensors")).unwrap();
        assert!(!bytes.is_empty());
        let norm = |(n, _): &(String, tch::Tensor)| n == "features.norm5.running_mean";
        tensors.into_iter().find(norm).unwrap().1
    };
    assert_eq!(
        backbone("run"),
        backbone("head"),
        "a frozen backbone's statistics stay"
    );
    let card = json(&["export", "head", "--out", "head.onnx", "--json"], here);
    assert_eq!(card["card"]["parent"].as_str().unwrap().len(), 64);
}

#[test]
fn what_cannot_work_is_refused_in_one_sentence() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let train = |data: &str, more: &[&str]| {
        refused(
            &[&["train", data, "--out", "out"], &QUICK[..], more].concat(),
            here,
        )
    };
    assert!(train("absent.zip", &[]).contains("absent.zip"));
    fs::write(here.join("text.zip"), "no zip").unwrap();
    assert!(train("text.zip", &[]).contains("zip"));
    fs::create_dir(here.join("empty")).unwrap();
    assert!(train("empty", &[]).contains("no images"));
    assert!(refused(&["inspect", "empty"], here).contains("no images"));
    assert!(train("cells/Uninfected", &[]).contains("class folder"));
    assert!(train("cells", &["--split", "absent.csv"]).contains("absent.csv"));
    assert!(train("cells", &["--weights", "text.zip"]).contains("safetensors"));
    assert!(train("cells", &["--rate", "0"]).contains("--rate"));
    assert!(train("cells", &["--val", "0.9"]).contains("--val"));
    assert!(refused(&["train", "cells", "--out", "cells"], here).contains("not empty"));

    fs::create_dir_all(here.join("one/Parasitized")).unwrap();
    fs::copy(
        here.join("cells/Parasitized/C1ThinF_IMG_cell_0.png"),
        here.join("one/Parasitized/C1.png"),
    )
    .unwrap();
    assert!(train("one", &[]).contains("only one class"));
    // Last: it leaves its run folder behind, and that must be said too.
    assert!(train("cells", &["--rate", "1e30"]).contains("lower --rate"));
    assert!(train("cells", &[]).contains("not empty"));

    assert!(refused(&["calibrate", "empty"], here).contains("run folder"));
    let target = ["calibrate", "empty", "--target", "accuracy:1"];
    assert!(refused(&target, here).contains("specificity:0.99"));
    assert!(refused(&["evaluate", "empty"], here).contains("run folder"));
    assert!(refused(&["evaluate", "text.zip", "cells"], here).contains("ONNX"));
    assert!(refused(&["predict", "text.zip", "cells/x.png"], here).contains("ONNX"));
    assert!(refused(&["export", "empty", "--out", "m.onnx"], here).contains("run folder"));
    assert_eq!(run(&["train", "--nonsense"], here).status.code(), Some(2));
}
