//! The report of a closed slide as files: JSON for programs, and one HTML page to print and sign.
//!
//! Each is whole or not there. The page needs no network, no script and no other file.

mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use smearscope_common::geometry::Rect;
use smearscope_common::message::SlideMessage;
use tracing::warn;

use crate::slide::Suspect;
use crate::whole_file;

/// The folder of the reports, beside the store.
pub const FOLDER: &str = "reports";
/// What a report's JSON file says that it is.
const SCHEMA: &str = "smearscope.report-file/1";
/// The files of a report by their endings.
const ENDINGS: [&str; 2] = ["json", "html"];

/// What a closed slide's files are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The `slide/report` message, as it is published.
    pub message: SlideMessage,
    /// The most suspicious cells, these first.
    pub cells: Vec<ReportedCell>,
}

/// A suspicious cell and where it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedCell {
    /// The `seq` of its field.
    pub seq: u64,
    /// The cell.
    pub suspect: Suspect,
}

impl ReportedCell {
    /// The picture as an address that contains it.
    fn picture(&self) -> String {
        format!(
            "data:image/jpeg;base64,{}",
            STANDARD.encode(&self.suspect.picture)
        )
    }
}

/// The JSON file.
#[derive(Serialize)]
struct Document<'r> {
    schema: &'static str,
    /// The message.
    report: &'r SlideMessage,
    /// The most suspicious cells, these first.
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    /// The field's number.
    seq: u64,
    p_parasitized: f32,
    bbox: Rect,
    /// A `data:` address of a JPEG.
    picture: String,
}

/// Writes both files of a report. Files of before under the same names are replaced.
///
/// # Errors
/// When a file can't be written.
pub fn write(folder: &Path, report: &Report) -> anyhow::Result<()> {
    // For the same eyes only as the store.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let document = Document {
        schema: SCHEMA,
        report: &report.message,
        cells: report
            .cells
            .iter()
            .map(|cell| Cell {
                seq: cell.seq,
                p_parasitized: cell.suspect.p_parasitized,
                bbox: cell.suspect.bbox,
                picture: cell.picture(),
            })
            .collect(),
    };
    let json = serde_json::to_string_pretty(&document).context("the report has no JSON")?;
    let html = page::page(report).context("the report's page can't be made")?;
    for (ending, text) in ENDINGS.into_iter().zip([json, html]) {
        let name = format!("{}.{ending}", report.message.id);
        whole_file::write(&folder.join(&name), text.as_bytes())
            .with_context(|| format!("cannot write {}", folder.join(&name).display()))?;
    }
    Ok(())
}

/// Removes the oldest reports until there are no more than `keep`; those of the slides `last` stay, because a board without
/// a clock may have given them the oldest times.
pub fn remove_old(folder: &Path, last: &[String], keep: usize) {
    let names = || -> std::io::Result<BTreeSet<(std::time::SystemTime, PathBuf)>> {
        let mut pages = BTreeSet::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDINGS[1]) {
                pages.insert((fs::metadata(&path)?.modified()?, path));
            }
        }
        Ok(pages)
    };
    let pages = match names() {
        Ok(pages) => pages,
        Err(error) => {
            warn!("old reports can't be removed: {error}");
            return;
        }
    };
    let too_many = pages.len().saturating_sub(keep);
    let is_last = |page: &Path| {
        let slide = page.file_stem().unwrap_or_default().to_string_lossy();
        last.iter().any(|id| *id == slide)
    };
    let old = pages
        .iter()
        .map(|(_, page)| page)
        .filter(|page| !is_last(page));
    for page in old.take(too_many) {
        for ending in ENDINGS {
            match fs::remove_file(page.with_extension(ending)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    warn!(
                        "the old report {} can't be removed: {error}",
                        page.display()
                    );
                }
                _ => {}
            }
        }
    }
}
