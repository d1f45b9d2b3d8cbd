//! The real binary on data that is as data are: what `inspect` and `predict` say and draw.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use smearscope_common::image::{Rgb, RgbImage, decode, encode_jpeg, encode_png};
use support::{cells, crop, json, refused, run};
use tempfile::TempDir;

fn text_of(arguments: &[&str], folder: &Path) -> String {
    let output = run(arguments, folder);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn picture(path: &Path) -> RgbImage {
    decode(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn inspect_counts_finds_duplicates_and_draws() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let original = here.join("cells/Parasitized/C1ThinF_IMG_cell_0.png");
    fs::copy(&original, here.join("cells/Uninfected/C1ThinF_copy.png")).unwrap();
    fs::copy(&original, here.join("cells/Parasitized/C2ThinF_copy.png")).unwrap();
    let black = encode_png(&RgbImage::new(40, 40)).unwrap();
    fs::write(here.join("cells/Uninfected/C3ThinF_black.png"), black).unwrap();

    let inspect = |more: &[&str]| {
        let arguments = [&["inspect", "cells", "--json"], more].concat();
        json(&arguments, here)
    };
    let seen = inspect(&["--montage", "montage.png", "--manifest", "manifest.csv"]);
    assert_eq!(seen["images"], 75);
    assert_eq!(seen["by_subject"]["1"]["Parasitized"], 3);
    assert_eq!(seen["by_subject"]["1"]["Uninfected"], 4);
    let found = &seen["duplicates"];
    assert_eq!(found["surplus"], 2);
    assert_eq!(
        (&found["label_conflicts"], &found["leaks"]),
        (&1.into(), &1.into())
    );
    assert_eq!(found["groups"][0]["files"].as_array().unwrap().len(), 3);
    let flaws = seen["degenerate"].as_object().unwrap();
    assert_eq!(
        flaws.keys().collect::<Vec<_>>(),
        ["Uninfected/C3ThinF_black.png"]
    );
    let bins = seen["longer_side_bins"].as_array().unwrap();
    let sum: u64 = bins.iter().map(|b| b["images"].as_u64().unwrap()).sum();
    assert_eq!(sum, 75);

    let manifest = fs::read_to_string(here.join("manifest.csv")).unwrap();
    let mut lines = manifest.lines();
    assert_eq!(
        lines.next().unwrap(),
        "file,class,subject,sha256,width,height"
    );
    assert_eq!(lines.clone().count(), 76, "unreadable ones too");
    let row: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(
        row[..3],
        ["Parasitized/C10ThinF_IMG_cell_0.png", "Parasitized", "10"]
    );
    assert_eq!((row[3].len(), row[4], row[5]), (64, "30", "30"));
    let broken = lines.find(|l| l.contains("broken")).unwrap();
    assert!(broken.ends_with(",,"), "{broken}");

    let montage = picture(&here.join("montage.png"));
    // Two classes with 36 and 36 pictures in rows of twelve: six rows of pictures.
    assert!(montage.width() > 12 * 96 && montage.height() > 6 * 96);
    let bytes = |file: &str| fs::read(here.join(file)).unwrap();
    inspect(&["--montage", "again.png"]);
    inspect(&["--montage", "other.png", "--seed", "2"]);
    assert_eq!(bytes("montage.png"), bytes("again.png"), "the seed decides");
    assert_ne!(bytes("montage.png"), bytes("other.png"));

    let text = text_of(&["inspect", "cells"], here);
    for words in [
        "75 images of 12 subjects",
        "1 of them with two labels",
        "1 of them under two subjects",
        "unreadable: Uninfected/C1ThinF_broken.png: not a readable image",
        "hardly a cell: Uninfected/C3ThinF_black.png: one even colour",
        "no image: Parasitized/Thumbs.db",
        "█",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn suspects_are_shown_and_counted() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    fs::create_dir(here.join("crossval")).unwrap();
    let inspect = ["inspect", "cells", "--json", "--suspects", "crossval"];
    assert!(refused(&inspect, here).contains("predictions.csv"));
    let mut csv = "file,subject,class,p_parasitized,fold\n".to_owned();
    for subject in 1..=12 {
        for (cell, class, p) in [(0, "Parasitized", 0.9), (1, "Uninfected", 0.1)] {
            let p = if subject == 7 { 1.0 - p * 1.1 } else { p };
            let file = format!("{class}/C{subject}ThinF_IMG_cell_{cell}.png");
            csv.push_str(&format!("{file},{subject},{class},{p},{}\n", subject % 5));
        }
    }
    fs::write(here.join("crossval/predictions.csv"), &csv).unwrap();
    // At 0.95 only the Parasitized of subject 7 with p = 0.01; at 0.85 its other cell too.
    let seen = json(&inspect, here);
    assert_eq!(seen["images"], 72, "all the rest is there too");
    assert_eq!(seen["suspects"]["suspects"], 1);
    assert_eq!(seen["suspects"]["predicted"], 24);
    assert_eq!(seen["suspects"]["by_class"]["Parasitized"]["suspects"], 1);
    let table = fs::read_to_string(here.join("crossval/suspects/suspects.csv")).unwrap();
    assert!(table.contains("Parasitized/C7ThinF_IMG_cell_0.png,Parasitized,7,"));
    let page = fs::read_to_string(here.join("crossval/suspects/suspects.html")).unwrap();
    assert_eq!(page.matches("<img").count(), 1);

    let more = ["--suspect-confidence", "0.85", "--suspects-out", "out"];
    let seen = json(&[&inspect[..], &more].concat(), here);
    assert_eq!(seen["suspects"]["suspects"], 2);
    assert_eq!(seen["suspects"]["by_subject"]["7"]["suspects"], 2);
    picture(&here.join("out/suspects-Parasitized.png"));
    picture(&here.join("out/suspects-Uninfected.png"));

    fs::write(
        here.join("crossval/predictions.csv"),
        csv.replace("0.9,", "9,"),
    )
    .unwrap();
    let said = refused(&inspect, here);
    assert!(
        said.contains("predictions.csv, line 2: p_parasitized 9"),
        "{said}"
    );
    let odd = [&inspect[..], &["--suspect-confidence", "0.2"]].concat();
    assert_eq!(run(&odd, here).status.code(), Some(2));
}

/// A model that has learnt the made-up cells, as a run and as an .onnx.
fn model(here: &Path) {
    cells(&here.join("cells"));
    let train = [
        "train", "cells", "--out", "run", "--json", "--epochs", "1", "--batch", "8", "--size",
        "32", "--seed", "3", "--views", "mild", "--device", "cpu",
    ];
    json(&train, here);
    json(&["export", "run", "--out", "m.onnx", "--json"], here);
}

/// The JSON lines of a call, by image.
fn lines(arguments: &[&str], here: &Path) -> BTreeMap<String, Value> {
    text_of(arguments, here)
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["image"].as_str().unwrap().to_owned(), line)
        })
        .collect()
}

#[test]
fn predict_takes_runs_and_folders_and_draws() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    model(here);
    let board = lines(&["predict", "m.onnx", "cells", "--json"], here);
    let network = lines(
        &["predict", "run", "cells", "--json", "--device", "cpu"],
        here,
    );
    assert_eq!(
        board.len(),
        72,
        "every image, however deep, and nothing else"
    );
    for (image, line) in &board {
        let p = |line: &Value| line["p_parasitized"].as_f64().unwrap();
        assert!(
            (p(line) - p(&network[image])).abs() < 0.02,
            "{line} {}",
            network[image]
        );
        let classes = line["probabilities"].as_object().unwrap();
        assert_eq!(classes["Parasitized"], line["p_parasitized"]);
        let sum: f64 = classes.values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        let class = image.split('/').nth(1).unwrap();
        assert_eq!(line["truth"], class);
        let said = line["label"] == "parasitized";
        assert_eq!(line["right"], said == (class == "Parasitized"));
    }

    // Two pictures of one name, and one whose folder says nothing.
    let loose = here.join("loose/C1ThinF_IMG_cell_0.jpg");
    fs::create_dir(here.join("loose")).unwrap();
    fs::write(&loose, encode_jpeg(&crop(true, 3, 50), 95).unwrap()).unwrap();
    let one = "cells/Parasitized/C1ThinF_IMG_cell_0.png";
    let draw = [
        "predict",
        "m.onnx",
        one,
        "loose",
        "cells",
        "--out",
        "drawn",
        "--montage",
        "page.png",
    ];
    let text = text_of(&draw, here);
    assert!(
        text.lines()
            .next()
            .unwrap()
            .starts_with(&format!("{one}: ")),
        "{text}"
    );
    let first = picture(&here.join("drawn/C1ThinF_IMG_cell_0.png"));
    assert!(
        first.width() >= 384 && first.height() > first.width(),
        "with words below"
    );
    let count = |folder: &str| {
        fs::read_dir(here.join("drawn").join(folder))
            .unwrap()
            .count()
    };
    assert_eq!(count("Parasitized") + count("Uninfected"), 72);
    assert!(
        here.join("drawn/C1ThinF_IMG_cell_0-2.png").exists(),
        "the one of loose/"
    );
    let unknown = picture(&here.join("drawn/C1ThinF_IMG_cell_0-2.png"));
    assert_eq!(
        unknown.get_pixel(11, 11),
        &Rgb([190; 3]),
        "neither right nor wrong"
    );
    assert!(picture(&here.join("page.png")).height() > 9 * 128);
    let right = text.lines().last().unwrap();
    assert!(right.contains("of 73 right"), "{right}");

    assert!(refused(&draw, here).contains("not empty"));
    let onto = ["predict", "m.onnx", one, "--montage", one];
    assert!(refused(&onto, here).contains("one of the pictures"));
    picture(&here.join(one));
    fs::create_dir(here.join("empty")).unwrap();
    assert!(refused(&["predict", "m.onnx", "empty"], here).contains("no images"));
    assert!(refused(&["predict", "empty", one], here).contains("run folder"));

    // No table is written here, so that a name may be anything; a message may not panic at it.
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"odd/C1\xff.png");
        fs::create_dir(here.join("odd")).unwrap();
        fs::rename(&loose, here.join(odd)).unwrap();
        let all = lines(&["predict", "m.onnx", "odd", "--json"], here);
        assert!(all.contains_key("odd/C1\u{fffd}.png"));
    }
}

#[cfg(unix)]
#[test]
fn odd_names_and_links_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    cells(&here.join("cells"));
    let class = here.join("cells/Uninfected");
    let odd = std::ffi::OsStr::from_bytes(b"C1\xff.png");
    fs::write(class.join(odd), encode_png(&crop(false, 9, 40)).unwrap()).unwrap();
    symlink(here.join("cells"), class.join("loop")).unwrap();
    fs::create_dir(class.join("C2.png")).unwrap();
    let output = run(&["inspect", "cells", "--json"], here);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("not UTF-8") && said.contains("a link to a folder around it"),
        "{said}"
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["images"], 72);
    assert!(seen["ignored"].to_string().contains("C1\u{fffd}.png"));
}

#[test]
fn a_data_set_too_small_to_split_is_refused() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    for file in [
        "Parasitized/C1.png",
        "Uninfected/C1.png",
        "Uninfected/C2.png",
    ] {
        let path = here.join("tiny").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, encode_png(&crop(false, 1, 30)).unwrap()).unwrap();
    }
    let split = ["split", "tiny", "--out", "s.csv"];
    assert!(refused(&split, here).contains("the val subset would be empty"));
    assert!(!here.join("s.csv").exists());
    let more = [&split[..], &["--val", "0", "--test", "0.5"]].concat();
    let output = run(&more, here);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("has no cell of the class Parasitized"),
        "{said}"
    );
    assert!(
        said.contains("the class Parasitized has only one image"),
        "{said}"
    );
    let seen = json(&["inspect", "tiny", "--json"], here);
    assert!(
        seen["warnings"][0]
            .as_str()
            .unwrap()
            .contains("only one image")
    );
}
