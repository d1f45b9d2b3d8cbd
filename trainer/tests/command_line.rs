//! The real binary on small made-up data: what a data scientist types, and what goes wrong.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use serde_json::Value;
use support::{cells, json, refused, run, zip_of};
use tempfile::TempDir;

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
    assert!(log.starts_with(
        "epoch,train_loss,val_loss,val_accuracy,val_auc,rate,images_per_s,seconds,best"
    ));

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
    // Start from the whole model; its head must mean the same classes.
    let tuned = train("cells.zip", "tuned", &["--base", "m.onnx"], here);
    assert_eq!(tuned["n"], first["n"]);
    fs::create_dir(here.join("other")).unwrap();
    for (class, name) in [("Parasitized", "Parasitized"), ("Uninfected", "Healthy")] {
        fs::rename(
            here.join("cells").join(class),
            here.join("other").join(name),
        )
        .unwrap();
    }
    let other = ["train", "other", "--out", "x", "--base", "m.onnx"];
    let said = refused(&other, here);
    assert!(
        said.contains("Healthy") && said.contains("--weights"),
        "{said}"
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
    assert!(train("cells", &["--rate", "1e30"]).contains("lower --rate"));
    // One step in the epoch: its loss is still a number, what it leaves is none.
    let one_step = "train cells --out out --size 32 --epochs 2 --batch 64 --rate 1e30 --device cpu";
    let one_step = refused(&one_step.split(' ').collect::<Vec<_>>(), here);
    assert!(
        one_step.contains("no longer a number in epoch 1"),
        "{one_step}"
    );
    // No epoch was done, so the same folder may be tried again as advised; then it holds a run.
    json(
        &[&["train", "cells", "--out", "out", "--json"], &QUICK[..]].concat(),
        here,
    );
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

#[test]
fn whoever_reads_may_stop_and_a_full_disk_is_told() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let inspect = |out: File| {
        let mut command = support::command(&["inspect", "cells"], here);
        let output = command.stdout(out).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        (output.status.code(), said)
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, said) = inspect(std::os::fd::OwnedFd::from(writer).into());
    assert_eq!(code, Some(0), "{said}");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, said) = inspect(full);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard output cannot be written"), "{said}");
}
