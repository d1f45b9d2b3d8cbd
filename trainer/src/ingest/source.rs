//! What hands over cells, one after the other.

use anyhow::Result;
use smearscope_common::exported::{ExportedCell, Part};

use super::Cell;

/// The largest file of an export that is read, in bytes.
pub const MAX_FILE: u64 = 16 << 20;

/// A place that has exported cells.
pub trait Source {
    /// Hands over each cell.
    ///
    /// # Errors
    /// It can't be read (any more), or whoever takes the cells fails.
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()>;

    /// Where decisions of this source are made, as the manifest has it.
    fn decided_on(&self) -> &'static str {
        "board"
    }

    /// How many cells were left out so far because they can't be read, each named in the log.
    fn damaged(&self) -> u64;
}

/// The three files of a cell as they come in, in any order.
#[derive(Default)]
pub struct Pieces {
    record: Option<Vec<u8>>,
    picture: Option<Vec<u8>>,
    mask: Option<Vec<u8>>,
}

impl Pieces {
    /// Puts one of them in.
    pub fn put(&mut self, part: Part, bytes: Vec<u8>) {
        *match part {
            Part::Record => &mut self.record,
            Part::Picture => &mut self.picture,
            Part::Mask => &mut self.mask,
        } = Some(bytes);
    }

    /// The cell that they make.
    ///
    /// # Errors
    /// One is missing, or the record can't be read.
    pub fn cell(self) -> Result<Cell, String> {
        let missing = |what: &str| format!("its {what} is missing");
        let record = self.record.ok_or_else(|| missing("record"))?;
        Ok(Cell {
            record: ExportedCell::from_json(&record).map_err(|e| e.to_string())?,
            picture: self.picture.ok_or_else(|| missing("picture"))?,
            mask: self.mask.ok_or_else(|| missing("mask"))?,
        })
    }
}
