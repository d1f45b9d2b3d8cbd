//! `analyze --truth` by the real program, on drawn fields whose truth is known and written down in each format.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use smearscope_common::image::{decode, encode_png};
use smearscope_common::synth::{ObjectKind, SmearSpec, SyntheticField, smear};
use smearscope_tests::edge;
use tempfile::TempDir;

/// Draws fields into `folder/images`.
fn fields(folder: &Path, count: u64, spec: &SmearSpec) -> Vec<(String, SyntheticField)> {
    let images = folder.join("images");
    fs::create_dir_all(&images).unwrap();
    (0..count)
        .map(|seed| {
            let (name, field) = (format!("field-{seed}"), smear(spec, seed));
            let png = encode_png(&field.image).unwrap();
            fs::write(images.join(format!("{name}.png")), png).unwrap();
            (name, field)
        })
        .collect()
}

fn usual() -> SmearSpec {
    SmearSpec {
        width: 640,
        height: 480,
        cells: 24,
        overlap: 0.0,
        white_cells: 1,
        ..SmearSpec::default()
    }
}

/// Writes a label file for each field; `line` says what a file holds.
fn labels(
    folder: &Path,
    ending: &str,
    fields: &[(String, SyntheticField)],
    text: impl Fn(&SyntheticField) -> String,
) -> PathBuf {
    let labels = folder.join(format!("labels-{ending}"));
    fs::create_dir_all(&labels).unwrap();
    for (name, field) in fields {
        let file = labels.join(name).with_extension(ending);
        fs::write(file, text(field)).unwrap();
    }
    labels
}

fn centres(field: &SyntheticField) -> String {
    let mut text = String::new();
    for object in field.truth.iter().filter(|o| o.kind.is_red_cell()) {
        let b = object.bbox;
        writeln!(text, "{} {} 0", b.x + b.w / 2, b.y + b.h / 2).unwrap();
    }
    text
}

fn voc(field: &SyntheticField) -> String {
    let mut text = format!(
        "<annotation>\n<size><width>{}</width><height>{}</height><depth>3</depth></size>\n",
        field.image.width(),
        field.image.height()
    );
    for object in &field.truth {
        let name = match object.kind {
            ObjectKind::WhiteCell => "WBC",
            ObjectKind::Platelet => "Platelets",
            _ => "RBC",
        };
        let b = object.bbox;
        writeln!(
            text,
            "<object><name>{name}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>",
            b.x + 1,
            b.y + 1,
            b.right(),
            b.bottom()
        )
        .unwrap();
    }
    text + "</annotation>\n"
}

fn analyze(folder: &Path, labels: &Path, more: &[&str]) -> Output {
    edge()
        .arg("analyze")
        .arg(folder.join("images"))
        .arg("--truth")
        .arg(labels)
        .args(more)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The last line of `--json`.
fn summary(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    last["summary"].clone()
}

#[test]
fn centres_are_scored_and_errors_drawn() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let fields = fields(here, 2, &usual());
    let labels = labels(here, "txt", &fields, centres);
    let output = analyze(here, &labels, &["--json", "--overlay", "right"]);
    let right = summary(&output);
    assert_eq!(right["images"], 2);
    assert_eq!(right["recall"], Value::Null);
    assert!(right.get("named").is_none() && right["crowded"].get("centres").is_none());
    let score = &right["centres"];
    let labelled: usize = fields.iter().map(|(_, f)| centres(f).lines().count()).sum();
    let (n, at_edge) = (
        score["n"].as_u64().unwrap(),
        score["at_edge"].as_u64().unwrap(),
    );
    assert_eq!(n + at_edge, labelled as u64);
    assert!(
        at_edge > 0 && score["recall"].as_f64().unwrap() >= 0.95,
        "{score}"
    );

    // A label where nothing is: a miss for certain.
    let file = labels.join("field-0.txt");
    let text = fs::read_to_string(&file).unwrap();
    let lie = format!("{text}{} 0 0\n", empty_column(&fields[0].1));
    fs::write(&file, lie).unwrap();
    let output = analyze(here, &labels, &["--json", "--overlay", "lie"]);
    let lied = &summary(&output)["centres"];
    assert_eq!(lied["n"].as_u64().unwrap(), n + 1);
    assert_eq!(lied["found"], score["found"]);
    let red = |folder: &str| {
        let bytes = fs::read(here.join(folder).join("field-0.png")).unwrap();
        let image = decode(&bytes).unwrap();
        image.pixels().filter(|p| p.0 == [255, 0, 0]).count()
    };
    assert!(red("lie") > red("right"), "{} {}", red("lie"), red("right"));

    let said = String::from_utf8(analyze(here, &labels, &[]).stdout).unwrap();
    let last = said.lines().last().unwrap();
    assert!(
        last.contains(&format!("of {} labelled centres found", n + 1)),
        "{last}"
    );
}

/// A column whose first pixel is away from everything drawn.
fn empty_column(field: &SyntheticField) -> u32 {
    let is_empty = |x: &u32| {
        let mut boxes = field.truth.iter().map(|o| o.bbox);
        boxes.all(|b| b.y > 9 || b.x > x + 9 || b.right() + 9 < u64::from(*x))
    };
    (0..field.image.width()).find(is_empty).unwrap()
}

#[test]
fn named_boxes_are_scored() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let fields = fields(here, 2, &usual());
    let labels = labels(here, "xml", &fields, voc);
    let output = analyze(here, &labels, &["--json"]);
    let summary = summary(&output);
    assert_eq!(summary["images"], 2);
    assert!(summary.get("centres").is_none());
    let named = &summary["named"];
    for (name, score) in named.as_object().unwrap() {
        let seen = score["as"].as_object().unwrap();
        let sum: u64 = seen.values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(score["n"].as_u64().unwrap(), sum, "{name}");
    }
    assert!(named["RBC"]["recall"].as_f64().unwrap() >= 0.95, "{named}");
    assert_eq!(named["Platelets"]["called_red_cell"], 0.0, "{named}");

    let said = String::from_utf8(analyze(here, &labels, &[]).stdout).unwrap();
    assert!(
        said.contains("RBC: ") && said.contains("seen as: "),
        "{said}"
    );
}

#[test]
fn labels_that_cannot_be_read_are_one_sentence_and_exit_2() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let fields = fields(here, 1, &usual());
    for (ending, text, words) in [
        ("txt", "10 10 0\n700 10 0\n", "line 2"),
        ("txt", "0 0.5 0.5 0.1 0.1\n10 10 0\n", "line 2"),
        ("xml", "<annotation>\n<object/>\n</annotation>\n", "line 2"),
        (
            "xml",
            "<!DOCTYPE a [<!ENTITY b \"b\"><!ENTITY c \"&b;&b;\">]>\n<annotation>&c;</annotation>",
            "DTD",
        ),
    ] {
        let labels = labels(here, ending, &fields, |_| text.into());
        let output = analyze(here, &labels, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        let error = said
            .lines()
            .find(|line| line.starts_with("error:"))
            .unwrap();
        assert!(
            error.contains(words) && error.contains("field-0"),
            "{error}"
        );
    }
}

#[test]
fn a_weak_objective_is_told() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let weak = SmearSpec {
        cells: 150,
        cell_diameter: 20.0,
        ..usual()
    };
    fields(here, 1, &weak);
    let run = |more: &[&str]| {
        let output = edge()
            .arg("analyze")
            .arg(here.join("images"))
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&[]);
    assert!(
        said.contains("pixels wide, too few for the model: use a stronger objective"),
        "{said}"
    );
    let line: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    let quality = &line["quality"];
    assert_eq!(quality["objective_too_low"], true);
    let diameter = quality["cell_diameter"].as_f64().unwrap();
    assert!((15.0..25.0).contains(&diameter), "{diameter}");
}
