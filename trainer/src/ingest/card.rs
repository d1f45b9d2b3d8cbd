//! The card of a board: its database of kept cells as it lies on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, Row};
use smearscope_common::exported::{CELLS_FILE, ExportedCell, KEY_FILE, Pseudonyms};
use smearscope_common::kept_row::{COLUMNS, KeptRow, checksum};
use smearscope_common::topic::DeviceId;
use tempfile::TempDir;

use super::Cell;
use super::source::Source;
use crate::error::bad_input;
use crate::files;

/// A copy of the database.
pub struct Card {
    connection: Connection,
    device: DeviceId,
    pseudonyms: Pseudonyms,
    damaged: u64,
    /// Where the copy lies.
    _copy: TempDir,
}

/// The database in a folder of a card, or in one below it; `None` where there is none.
///
/// # Errors
/// There are several, or the folder can't be listed.
pub fn database_in(folder: &Path) -> Result<Option<PathBuf>> {
    let mut found = files::below(folder)?;
    found.retain(|file| file.file_name().is_some_and(|name| name == CELLS_FILE));
    if found.len() > 1 {
        let paths: Vec<String> = found
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(bad_input!(
            "{}: holds the cells of several boards ({}); give one board's folder at a time",
            folder.display(),
            paths.join(", ")
        ));
    }
    Ok(found.pop())
}

impl Card {
    /// Copies and opens the database: what SQLite writes to read it must not go to the card.
    ///
    /// # Errors
    /// It can't be copied or is no database of a board, or there is no key for pseudonyms.
    pub fn open(database: &Path, device: DeviceId, pseudonyms: Option<Pseudonyms>) -> Result<Self> {
        let pseudonyms = match pseudonyms {
            Some(pseudonyms) => pseudonyms,
            None => key_beside(database)?,
        };
        let copy = TempDir::new().context("cannot make a temporary folder (TMPDIR says where)")?;
        let place = copy.path().join(CELLS_FILE);
        // What was committed last may be in the log beside it.
        for ending in ["", "-wal"] {
            let with = |path: &Path| {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                PathBuf::from(name)
            };
            let from = with(database);
            if ending.is_empty() || from.exists() {
                fs::copy(&from, with(&place))
                    .map_err(|e| bad_input!("{}: cannot be copied: {e}", from.display()))?;
            }
        }
        let no_database = |e: rusqlite::Error| {
            bad_input!("{}: is no database of kept cells: {e}", database.display())
        };
        let connection = Connection::open(&place).map_err(no_database)?;
        connection
            .query_row("SELECT count(*) FROM cell", [], |row| row.get::<_, i64>(0))
            .map_err(no_database)?;
        Ok(Self {
            connection,
            device,
            pseudonyms,
            damaged: 0,
            _copy: copy,
        })
    }
}

fn key_beside(database: &Path) -> Result<Pseudonyms> {
    let path = database.with_file_name(KEY_FILE);
    match fs::read(&path) {
        Ok(key) if !key.trim_ascii().is_empty() => Ok(Pseudonyms::new(key.trim_ascii())),
        _ => Err(bad_input!(
            "{}: there is no {KEY_FILE} beside it, so slides could only be called by their names; give a key with \
             --pseudonym-key-file (what `openssl rand -hex 32` prints, the same one each time)",
            database.display()
        )),
    }
}

impl Source for Card {
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
        let mut query = self.connection.prepare(&format!(
            "SELECT {COLUMNS}, picture, mask, sum FROM cell ORDER BY n"
        ))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            match cell(row, &self.device, &self.pseudonyms) {
                Ok(cell) => take(cell)?,
                Err(why) => {
                    tracing::warn!("a cell of the card is left out: {why:#}");
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

fn cell(row: &Row<'_>, device: &DeviceId, pseudonyms: &Pseudonyms) -> Result<Cell> {
    let kept = KeptRow::of(row)?;
    let (picture, mask, sum): (Vec<u8>, Vec<u8>, Vec<u8>) =
        (row.get(9)?, row.get(10)?, row.get(11)?);
    let facts = kept.facts.clone();
    let cell = kept.cell()?;
    if checksum(cell.id, &facts, &picture, &mask).as_slice() != sum {
        return Err(bad_input!("cell {}: its bytes are damaged", cell.id));
    }
    let cell = pseudonyms.cell(cell);
    Ok(Cell {
        record: ExportedCell::of(device.clone(), cell, &picture, &mask),
        picture,
        mask,
    })
}
