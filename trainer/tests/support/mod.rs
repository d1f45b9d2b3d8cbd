//! The real binary and small made-up cells, for every test file beside.
// Each test file is a program of its own and needs only some of this.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use smearscope_common::image::{Rgb, RgbImage, encode_png};

/// The real binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_smearscope-train");

/// The real binary in a folder.
pub fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        // Two threads wait for each other at every tiny operation; on a busy machine that is slow.
        .env("OMP_NUM_THREADS", "1")
        .current_dir(folder);
    command
}

/// Runs the real binary in a folder.
pub fn run(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().unwrap()
}

/// Runs a command that must succeed and returns its line of JSON.
pub fn json(arguments: &[&str], folder: &Path) -> Value {
    let output = run(arguments, folder);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{arguments:?} printed {text:?}");
    serde_json::from_str(&text).unwrap()
}

/// Runs a command that must be refused, and returns what it said.
pub fn refused(arguments: &[&str], folder: &Path) -> String {
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
pub fn crop(parasitized: bool, shade: u8, side: u32) -> RgbImage {
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
pub fn cells(root: &Path) {
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

/// Packs what lies below a folder.
pub fn zip_of(folder: &Path, zip: &Path) {
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
