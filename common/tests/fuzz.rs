//! Runs the checks of the fuzz targets (`fuzz/src`) with the committed seeds and with mutations of them.
#![allow(clippy::unwrap_used)] // Test equipment: its panic is the report.

use smearscope_common::segment::segment;

#[path = "../../fuzz/src/lib.rs"]
mod checks;
#[path = "../../fuzz/driver.rs"]
mod driver;

use driver::{driven, mutated, seeds};

#[test]
fn segmentation() {
    driven("segment", checks::segment::check, 150);
}

#[test]
fn crops() {
    driven("crop", checks::crop::check, 400);
}

#[test]
fn image_files() {
    driven("decode", checks::decode::check, 2000);
}

#[test]
fn labels() {
    driven("labels", checks::labels::check, 5000);
}

#[test]
fn commands() {
    driven("command", checks::command::check, 20_000);
}

#[cfg(feature = "engine")]
#[test]
fn models() {
    driven("model", checks::model::check, 400);
}

/// A seed in which nothing is found any more would test nothing any more.
#[test]
fn the_seeds_with_cells_have_cells() {
    let mut with_cells = 0;
    for (name, bytes) in seeds("segment") {
        let image = checks::picture::picture(&bytes);
        if name.starts_with("cells") {
            with_cells += 1;
            assert!(segment(&image).cells.len() >= 3, "{name}");
        }
    }
    assert!(with_cells >= 3);
}

#[test]
fn mutations_are_the_same_each_time_and_differ_from_each_other() {
    let seeds = seeds("labels");
    assert_eq!(mutated(&seeds, 7), mutated(&seeds, 7));
    let distinct: std::collections::BTreeSet<_> =
        (0..100).map(|run| mutated(&seeds, run)).collect();
    assert!(distinct.len() > 90, "{}", distinct.len());
}
