//! A row of a board's database of kept cells, for whoever reads it: the board itself, or the workstation to which its card was
//! brought. How it is stored is SQL and stands with the board; what its columns mean stands here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::geometry::Rect;
use crate::message::{Decision, KeptCell, KeptReason, Label, ModelRef, Reviewer, SlideId};
use crate::stain::Colour;

/// The columns of the table `cell` that make a [`KeptRow`], in the order of its fields.
pub const COLUMNS: &str = "id, slide, reason, p, label, facts, verdict, decided_at, decided_by";

/// A field of which cells are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptField {
    /// Its id.
    pub field_id: Uuid,
    /// Its numbering.
    pub series: Uuid,
    /// Its number.
    pub seq: u64,
    /// The slide that it joined.
    pub slide: Option<SlideId>,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Whether the clock was right then.
    pub clock_synchronised: Option<bool>,
    /// What judged its cells.
    pub model: ModelRef,
    /// The colour of its typical cell.
    #[serde(default)]
    pub colour: Option<Colour>,
    /// How many cells of it were counted; 0 where that was not noted.
    #[serde(default)]
    pub counted: u32,
}

/// What of a cell is kept as text: the column `facts`, in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Its field.
    #[serde(flatten)]
    pub field: KeptField,
    /// See [`KeptCell::bbox`].
    pub bbox: Rect,
    /// See [`KeptCell::crop`].
    pub crop: Rect,
    /// See [`KeptCell::stands_for`].
    #[serde(default = "itself")]
    pub stands_for: u32,
    /// See [`KeptCell::novelty`].
    #[serde(default)]
    pub novelty: Option<f32>,
}

fn itself() -> u32 {
    1
}

/// The values of [`COLUMNS`].
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRow {
    /// Sixteen bytes.
    pub id: Vec<u8>,
    /// The slide's id.
    pub slide: Option<String>,
    /// See [`reason_number`].
    pub reason: i64,
    /// What the model said.
    pub p: f32,
    /// See [`label_number`].
    pub label: i64,
    /// [`Facts`] in JSON.
    pub facts: String,
    /// See [`label_number`].
    pub verdict: Option<i64>,
    /// When that was decided.
    pub decided_at: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// A row that nobody of ours has written.
#[derive(Debug, thiserror::Error)]
#[error("its {column} is not as it is written: {reason}")]
pub struct RowError {
    /// The column.
    pub column: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl KeptRow {
    /// Reads it from a query's row, of which [`COLUMNS`] are the first columns.
    ///
    /// # Errors
    /// A column holds another kind of value.
    #[cfg(feature = "sqlite")]
    pub fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            slide: row.get(1)?,
            reason: row.get(2)?,
            p: row.get(3)?,
            label: row.get(4)?,
            facts: row.get(5)?,
            verdict: row.get(6)?,
            decided_at: row.get(7)?,
            decided_by: row.get(8)?,
        })
    }

    /// The cell that it holds.
    ///
    /// # Errors
    /// The first column that can't be.
    pub fn cell(self) -> Result<KeptCell, RowError> {
        let Facts {
            field,
            bbox,
            crop,
            stands_for,
            novelty,
        } = serde_json::from_str(&self.facts).map_err(|e| wrong("facts", e))?;
        let decided = |verdict| -> Result<Decision, RowError> {
            Ok(Decision {
                verdict: label("verdict", verdict)?,
                at: self
                    .decided_at
                    .as_deref()
                    .unwrap_or_default()
                    .parse()
                    .map_err(|e: jiff::Error| wrong("decided_at", e))?,
                by: self
                    .decided_by
                    .clone()
                    .map(Reviewer::try_from)
                    .transpose()
                    .map_err(|e| wrong("decided_by", e))?,
            })
        };
        Ok(KeptCell {
            id: Uuid::from_slice(&self.id).map_err(|e| wrong("id", e))?,
            field_id: field.field_id,
            series: field.series,
            seq: field.seq,
            slide: field.slide,
            captured_at: field.captured_at,
            clock_synchronised: field.clock_synchronised,
            reason: reason(self.reason)?,
            bbox,
            crop,
            label: label("label", self.label)?,
            p_parasitized: self.p,
            model: field.model,
            decision: self.verdict.map(decided).transpose()?,
            field_colour: field.colour,
            stands_for,
            field_cells: field.counted,
            novelty,
        })
    }
}

/// The column `sum` of a row: SQLite doesn't notice a flipped bit.
pub fn checksum(id: Uuid, facts: &str, picture: &[u8], mask: &[u8]) -> [u8; 32] {
    let mut sum = Sha256::new();
    for part in [id.as_bytes().as_slice(), facts.as_bytes(), picture, mask] {
        // So that no byte can pass from one part to the next.
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    sum.finalize().into()
}

/// How a reason is written.
pub fn reason_number(reason: KeptReason) -> u8 {
    match reason {
        KeptReason::Suspicious => 1,
        KeptReason::Threshold => 2,
        KeptReason::Random => 3,
        KeptReason::Novel => 4,
    }
}

/// How a label and a verdict are written.
pub fn label_number(label: Label) -> u8 {
    match label {
        Label::Parasitized => 1,
        Label::Uninfected => 0,
    }
}

fn reason(number: i64) -> Result<KeptReason, RowError> {
    match number {
        1 => Ok(KeptReason::Suspicious),
        2 => Ok(KeptReason::Threshold),
        3 => Ok(KeptReason::Random),
        4 => Ok(KeptReason::Novel),
        other => Err(wrong("reason", format!("{other} is no reason"))),
    }
}

/// What a number in a column of labels means.
///
/// # Errors
/// It is neither 0 nor 1.
pub fn label(column: &'static str, number: i64) -> Result<Label, RowError> {
    match number {
        1 => Ok(Label::Parasitized),
        0 => Ok(Label::Uninfected),
        other => Err(wrong(column, format!("{other} is no label"))),
    }
}

fn wrong(column: &'static str, reason: impl ToString) -> RowError {
    RowError {
        column,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> KeptRow {
        let facts = Facts {
            field: KeptField {
                field_id: Uuid::from_u128(1),
                series: Uuid::from_u128(2),
                seq: 3,
                slide: None,
                captured_at: Timestamp::UNIX_EPOCH,
                clock_synchronised: None,
                model: ModelRef {
                    name: "m".into(),
                    version: "1".into(),
                    sha256: "00".into(),
                },
                colour: Some([1.0, 2.5, 3.0]),
                counted: 75,
            },
            bbox: Rect::from([1, 2, 3, 4]),
            crop: Rect::from([0, 0, 9, 9]),
            stands_for: 70,
            novelty: Some(1.25),
        };
        KeptRow {
            id: Uuid::from_u128(7).as_bytes().to_vec(),
            slide: None,
            reason: reason_number(KeptReason::Novel).into(),
            p: 0.5,
            label: 0,
            facts: serde_json::to_string(&facts).unwrap(),
            verdict: Some(1),
            decided_at: Some("2026-11-28T10:00:00Z".into()),
            decided_by: None,
        }
    }

    #[test]
    fn a_row_is_a_cell() {
        let cell = row().cell().unwrap();
        assert_eq!(
            (cell.id, cell.reason),
            (Uuid::from_u128(7), KeptReason::Novel)
        );
        assert_eq!((cell.stands_for, cell.field_cells), (70, 75));
        assert_eq!(cell.novelty, Some(1.25));
        assert_eq!(cell.field_colour, Some([1.0, 2.5, 3.0]));
        assert_eq!(cell.decision.unwrap().verdict, Label::Parasitized);
        for reason in [1, 2, 3, 4] {
            let cell = KeptRow { reason, ..row() }.cell().unwrap();
            assert_eq!(i64::from(reason_number(cell.reason)), reason);
        }
    }

    #[test]
    fn what_an_older_board_has_kept_is_readable() {
        let mut facts: serde_json::Value = serde_json::from_str(&row().facts).unwrap();
        for key in ["colour", "counted", "stands_for", "novelty"] {
            facts.as_object_mut().unwrap().remove(key).unwrap();
        }
        let cell = KeptRow {
            facts: facts.to_string(),
            ..row()
        };
        let cell = cell.cell().unwrap();
        assert_eq!(
            (cell.stands_for, cell.novelty, cell.field_colour),
            (1, None, None)
        );
    }

    #[test]
    fn a_wrong_column_is_named() {
        type Break = fn(&mut KeptRow);
        let broken: [(&str, Break); 7] = [
            ("id", |row| row.id.truncate(3)),
            ("reason", |row| row.reason = 9),
            ("label", |row| row.label = 2),
            ("facts", |row| row.facts.truncate(5)),
            ("verdict", |row| row.verdict = Some(7)),
            ("decided_at", |row| row.decided_at = None),
            ("decided_by", |row| row.decided_by = Some(String::new())),
        ];
        for (column, break_it) in broken {
            let mut row = row();
            break_it(&mut row);
            assert_eq!(row.cell().unwrap_err().column, column);
        }
    }
}
