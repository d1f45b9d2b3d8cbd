//! A folder of exported cells, and of such folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use smearscope_common::exported::Part;
use uuid::Uuid;

use super::Cell;
use super::source::{MAX_FILE, Pieces, Source};
use crate::error::bad_input;
use crate::files;

/// The cells below a folder.
pub struct Folder {
    /// By where they lie: two exports below one folder may have the same cell, at different times.
    cells: BTreeMap<(PathBuf, Uuid), Vec<(Part, PathBuf)>>,
    damaged: u64,
}

impl Folder {
    /// Lists it.
    ///
    /// # Errors
    /// It can't be listed, or there is no cell in it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut cells: BTreeMap<_, Vec<(Part, PathBuf)>> = BTreeMap::new();
        for file in files::below(path)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if let Some((id, part)) = Part::of(&name) {
                let folder = file.parent().unwrap_or(path).to_owned();
                cells.entry((folder, id)).or_default().push((part, file));
            }
        }
        let mut files = cells.values().flatten();
        // A data set of `ingest` has pictures of the same names, and no records.
        if !files.any(|(part, _)| *part == Part::Record) {
            return Err(bad_input!(
                "{}: holds no exported cells (`<id>.json` with `<id>.png` and `<id>.mask.png`) and no cells.sqlite of a board",
                path.display()
            ));
        }
        Ok(Self { cells, damaged: 0 })
    }
}

impl Source for Folder {
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
        for ((_, id), files) in &self.cells {
            let mut pieces = Pieces::default();
            let mut trouble = None;
            for (part, path) in files {
                match read(path) {
                    Ok(bytes) => pieces.put(*part, bytes),
                    Err(e) => trouble = Some(format!("{}: {e}", path.display())),
                }
            }
            let cell = trouble.map_or_else(|| pieces.cell(), Err);
            match cell {
                Ok(cell) => take(cell)?,
                Err(why) => {
                    tracing::warn!("cell {id}: left out: {why}");
                    self.damaged += 1;
                }
            }
        }
        Ok(())
    }

    fn damaged(&self) -> u64 {
        self.damaged
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_FILE {
        return Err(std::io::Error::other("too large for a cell's file"));
    }
    fs::read(path)
}
