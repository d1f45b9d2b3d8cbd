//! The real binary when training is cut short, dealt to several processes, or begun from weights.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{PROGRAM, cells, command, json, refused, run};
use tempfile::TempDir;

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
            "--target",
            "sensitivity:0.9",
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
    for file in ["best.safetensors", "calibration.json", "predictions.csv"] {
        let read = |run: &str| fs::read(here.join(run).join(file)).unwrap();
        assert!(read("killed") == read("whole"), "{file} differs");
    }
    // The optimizer's moments too; only the times in its table of epochs may differ.
    let state = |run: &str| {
        let path = here.join(run).join("last.safetensors");
        let mut tensors = tch::Tensor::read_safetensors(path).unwrap();
        tensors.retain(|(name, _)| name != "metrics.csv");
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    assert!(state("killed") == state("whole"));
    // While one process trains there, another may not.
    let lock = fs::File::create(here.join("killed/.lock")).unwrap();
    lock.lock().unwrap();
    let locked = refused(&["train", "cells", "--out", "killed", "--resume"], here);
    assert!(locked.contains("another process"), "{locked}");
    // Nor begin another run where one has not finished its first epoch: nothing is written there.
    fs::create_dir(here.join("busy")).unwrap();
    let first = fs::File::create(here.join("busy/.lock")).unwrap();
    first.lock().unwrap();
    let busy = refused(&["train", "cells", "--out", "busy"], here);
    assert!(busy.contains("another process"), "{busy}");
    assert!(!here.join("busy/split.csv").exists());
    drop((lock, first));
    // Killed after its last checkpoint, before what follows from it.
    let best = fs::read(here.join("killed/best.safetensors")).unwrap();
    fs::remove_file(here.join("killed/metrics.csv")).unwrap();
    // Once more: there is nothing left to do, and nothing changes.
    assert_eq!(
        json(
            &["train", "cells", "--out", "killed", "--resume", "--json"],
            here
        ),
        whole
    );

    assert_eq!(figures(&here.join("killed")), figures(&here.join("whole")));
    assert!(fs::read(here.join("killed/best.safetensors")).unwrap() == best);

    assert!(refused(&["train", "cells", "--out", "none", "--resume"], here).contains("run folder"));
    fs::remove_file(here.join("cells/Uninfected/C1ThinF_broken.png")).unwrap();
    let other = refused(&["train", "cells", "--out", "killed", "--resume"], here);
    assert!(other.contains("other data"), "{other}");
    let path = here.join("killed/split.csv");
    let split = fs::read_to_string(&path).unwrap();
    // A whole subject that was learnt from becomes one to test on.
    let moved = |line: &str| match line.split(',').nth(2) {
        Some("2") => line.replace(",train", ",test"),
        _ => line.to_owned(),
    };
    let moved: Vec<_> = split.lines().map(moved).collect();
    assert_ne!(
        moved.join("\n"),
        split.trim_end(),
        "subject 2 was learnt from"
    );
    fs::write(&path, moved.join("\n")).unwrap();
    let changed = refused(&["calibrate", "killed"], here);
    assert!(changed.contains("split.csv has changed"), "{changed}");
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
    let other = refused(&fold(&["--fold", "1", "--rate", "0.5"]), here);
    assert!(other.contains("other options"), "{other}");
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
    json(
        &[&["train", "cells", "--out", "base", "--json"], &quick[..]].concat(),
        here,
    );
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
    let export = json(&["export", "tutorial", "--out", "t.onnx", "--json"], here);
    assert_eq!(
        export["card"]["validation"],
        Value::Null,
        "rates that flatter are no rates"
    );
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
