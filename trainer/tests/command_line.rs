//! The real binary on small made-up data: what a data scientist types, and what goes wrong.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smearscope-train");

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        // Two threads wait for each other at every tiny operation; on a busy machine that is slow.
        .env("OMP_NUM_THREADS", "1")
        .current_dir(folder);
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().unwrap()
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

/// `metrics.csv` without its columns of time.
fn figures(run: &Path) -> Vec<String> {
    let log = fs::read_to_string(run.join("metrics.csv")).unwrap_or_default();
    let columns = |line: &str| {
        let all: Vec<_> = line.split(',').collect();
        [&all[..6], &all[8..]].concat().join(",")
    };
    log.lines().map(columns).collect()
}

#[test]
fn a_killed_run_goes_on_to_the_same_result() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let arguments = |out: &'static str| {
        let own = [
            "train", "cells", "--out", out, "--batch", "8", "--size", "32", "--epochs", "5",
        ];
        // The tutorial's head draws random numbers while it learns.
        let more = [
            "--patience",
            "9",
            "--head",
            "tutorial",
            "--device",
            "cpu",
            "--json",
        ];
        [&own[..], &more].concat()
    };
    let whole = json(&arguments("whole"), here);

    let mut child = command(&arguments("killed"), here).spawn().unwrap();
    while figures(&here.join("killed")).len() < 3 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!here.join("killed/test.json").exists());
    let resumed = json(
        &["train", "cells", "--out", "killed", "--resume", "--json"],
        here,
    );
    assert_eq!(resumed, whole);
    assert_eq!(figures(&here.join("killed")), figures(&here.join("whole")));
    for file in ["best.safetensors", "last.safetensors", "predictions.csv"] {
        let read = |run: &str| fs::read(here.join(run).join(file)).unwrap();
        assert!(read("killed") == read("whole"), "{file} differs");
    }
    // Once more: there is nothing left to do, and nothing changes.
    assert_eq!(
        json(
            &["train", "cells", "--out", "killed", "--resume", "--json"],
            here
        ),
        whole
    );

    assert!(refused(&["train", "cells", "--out", "none", "--resume"], here).contains("run folder"));
    fs::remove_file(here.join("cells/Uninfected/C1ThinF_broken.png")).unwrap();
    let other = refused(&["train", "cells", "--out", "killed", "--resume"], here);
    assert!(other.contains("other data"), "{other}");
    let text = fs::read_to_string(here.join("whole/run.json")).unwrap();
    fs::write(
        here.join("whole/run.json"),
        text.replace("densenet121", "densenet169"),
    )
    .unwrap();
    let other = refused(&["evaluate", "whole"], here);
    assert!(other.contains("another architecture"), "{other}");
}

#[test]
fn a_disk_that_is_full_loses_no_checkpoint() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let begin = "train cells --out run --batch 8 --size 32 --epochs 2 --device cpu --json";
    let whole = json(
        &begin.replace("run", "whole").split(' ').collect::<Vec<_>>(),
        here,
    );

    // A limit on the size of a file stands in for a full disk: weights fit, a checkpoint does not.
    let limited = |line: &str, kilobytes: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {PROGRAM} {line}");
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &script])
            .env("OMP_NUM_THREADS", "1")
            .current_dir(here);
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("cannot write") && said.contains("last.safetensors"),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    };
    limited(begin, 1000);
    // Nothing was begun, so the same command simply begins anew; this time the disk fills later.
    let mut child = command(&begin.split(' ').collect::<Vec<_>>(), here)
        .spawn()
        .unwrap();
    while !here.join("run/metrics.csv").exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be stopped"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = "train cells --out run --resume --json";
    let checkpoint = fs::read(here.join("run/last.safetensors")).unwrap();
    limited(resume, 40_000);
    assert!(fs::read(here.join("run/last.safetensors")).unwrap() == checkpoint);
    assert_eq!(json(&resume.split(' ').collect::<Vec<_>>(), here), whole);
}

#[test]
fn every_cell_is_judged_by_a_model_that_never_saw_its_subject() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let fold = |more: &[&'static str]| {
        let own = [
            "crossval", "cells", "--folds", "2", "--val", "0.3", "--out", "cv",
        ];
        let quick = [
            "--epochs", "1", "--batch", "8", "--size", "32", "--device", "cpu",
        ];
        [&own[..], &quick, more].concat()
    };
    assert!(refused(&fold(&["--collect"]), here).contains("fold-0"));
    assert!(refused(&fold(&["--fold", "2"]), here).contains("counted from 0"));
    // Each fold by a process of its own, as on a cluster.
    for number in ["1", "0"] {
        assert!(run(&fold(&["--fold", number]), here).status.success());
    }
    let summary = json(&fold(&["--collect", "--json"]), here);
    assert_eq!(summary["as_published"]["n"], 72);
    assert_eq!(
        summary["as_published"]["subjects"]
            .as_object()
            .unwrap()
            .len(),
        12
    );
    let each: u64 = (0..2)
        .map(|f| summary["each"][f]["n"].as_u64().unwrap())
        .sum();
    assert_eq!(each, 72);
    let rows = fs::read_to_string(here.join("cv/predictions.csv")).unwrap();
    assert_eq!(rows.lines().count(), 73);
    // The split of each fold says that none of those it is judged by were learnt from.
    let split = fs::read_to_string(here.join("cv/fold-1/split.csv")).unwrap();
    for row in rows.lines().filter(|r| r.ends_with(",1")) {
        let file = row.split(',').next().unwrap();
        let line = split.lines().find(|l| l.starts_with(file)).unwrap();
        assert!(line.ends_with(",test"), "{line}");
    }
    let other = fold(&["--collect", "--seed", "7"]);
    assert!(refused(&other, here).contains("another --folds or --seed"));
}

#[test]
fn a_frozen_backbone_learns_its_head_and_the_tutorial_warns_of_its_leak() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let tutorial = [
        "train", "cells", "--out", "tutorial", "--recipe", "tutorial",
    ];
    let quick = ["--size", "32", "--epochs", "3", "--device", "cpu"];
    let fresh = refused(&[&tutorial[..], &quick].concat(), here);
    assert!(fresh.contains("--weights"), "{fresh}");
    train("cells", "base", &[], here);
    let more = ["--base", "base/best.safetensors", "--weights", "x"];
    assert!(
        !run(&[&tutorial[..], &quick, &more].concat(), here)
            .status
            .success()
    );

    let weights = ["--weights", "base/best.safetensors"];
    let output = run(&[&tutorial[..], &quick, &weights].concat(), here);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("flatter"), "{said}");
    let settings = fs::read_to_string(here.join("tutorial/run.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["split_by"], "cell");
    assert_eq!(settings["head"], "tutorial");
    let s = &settings["settings"];
    assert_eq!(
        (s["batch"].as_i64(), s["rate"].as_f64()),
        (Some(32), Some(0.003))
    );
    assert_eq!(
        (&s["optimizer"], &s["freeze"]),
        (&"adam".into(), &"backbone".into())
    );
    // A split that leaks is read back by its own run, and by nothing that asks for subjects.
    json(&["evaluate", "tutorial", "--json"], here);
    let leak = [
        "train",
        "cells",
        "--out",
        "x",
        "--split",
        "tutorial/split.csv",
    ];
    assert!(refused(&leak, here).contains("two subsets"));
}
