//! The database of kept cells.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smearscope_common::geometry::Rect;
use smearscope_common::message::{
    CellsList, Decided, Decision, KeptCell, KeptReason, Label, ModelRef, Reviewer, SlideId,
};
use uuid::Uuid;

use super::Chosen;
use crate::sqlite::{Trouble, private_file, set_up};

/// `PRAGMA user_version` of what `schema.sql` makes.
const VERSION: i64 = 1;
/// One part in so many of the room is for cells that nobody has decided on yet, however many were decided.
const FRESH: u64 = 4;
/// What a row takes beside its pictures and texts, about.
const ROW_BYTES: usize = 160;
/// The columns that [`kept_cell`] reads.
const COLUMNS: &str = "id, slide, reason, p, label, facts, verdict, decided_at, decided_by";

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
    pub captured_at: jiff::Timestamp,
    /// Whether the clock was right then.
    pub clock_synchronised: Option<bool>,
    /// What judged its cells.
    pub model: ModelRef,
}

/// What of a cell is kept as text.
#[derive(Serialize, Deserialize)]
struct Facts {
    #[serde(flatten)]
    field: KeptField,
    bbox: Rect,
    crop: Rect,
}

/// PNGs of a cell: the picture and the mask.
pub(super) type Pictures = (Vec<u8>, Vec<u8>);

/// An open database of cells.
pub(super) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the database of a file, or makes one; without a path, in memory.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Trouble> {
        let mut connection = match path {
            Some(path) => {
                private_file(path)?;
                Connection::open(path)?
            }
            None => Connection::open_in_memory()?,
        };
        set_up(&connection)?;
        let step = connection.transaction()?;
        let version: i64 = step.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => {
                step.execute_batch(include_str!("schema.sql"))?;
                step.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            newer => {
                return Err(Trouble::Unusable(format!(
                    "it is of version {newer}, made by a newer smearscope-edge; this one reads {VERSION}"
                )));
            }
        }
        step.commit()?;
        Ok(Self { connection })
    }

    /// Adds cells of a field, then removes what is too much: of the reason that has most the oldest that nobody decided on, and
    /// where these take no more than [`FRESH`] of the room, the oldest that somebody did. All or nothing.
    pub(super) fn add(
        &mut self,
        field: &KeptField,
        cells: &[Chosen],
        max_bytes: u64,
    ) -> Result<(), Trouble> {
        let step = self.connection.transaction()?;
        for chosen in cells {
            insert(&step, field, chosen)?;
        }
        while used(&step)? > max_bytes {
            let decided =
                "DELETE FROM cell WHERE n = (SELECT min(n) FROM cell WHERE verdict IS NOT NULL)";
            let undecided = "DELETE FROM cell WHERE n = (
                SELECT min(n) FROM cell WHERE verdict IS NULL AND reason = (
                    SELECT reason FROM cell WHERE verdict IS NULL
                    GROUP BY reason ORDER BY count(*) DESC, reason DESC LIMIT 1))";
            let is_stale = undecided_bytes(&step)? > max_bytes / FRESH;
            let order = if is_stale {
                [undecided, decided]
            } else {
                [decided, undecided]
            };
            if step.execute(order[0], [])? == 0 && step.execute(order[1], [])? == 0 {
                break;
            }
        }
        Ok(step.commit()?)
    }

    /// The cells that are asked for, and how many there are in all; `None` where `after` is not there.
    pub(super) fn list(&self, wanted: &CellsList) -> Result<Option<(Vec<KeptCell>, u64)>, Trouble> {
        let after: Option<(f64, i64)> = match wanted.after {
            None => None,
            Some(id) => match self.rank(id)? {
                None => return Ok(None),
                found => found,
            },
        };
        let slide = wanted.slide.as_ref().map(SlideId::as_str);
        let reason = wanted.reason.map(reason_number);
        let fits = "(?1 IS NULL OR slide = ?1) AND (?2 IS NULL OR (verdict IS NOT NULL) = ?2)
                    AND (?3 IS NULL OR reason = ?3)";
        let total: u64 = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM cell WHERE {fits}"))?
            .query_row(params![slide, wanted.decided, reason], |row| row.get(0))?;
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM cell WHERE {fits} AND (?4 IS NULL OR p < ?4 OR (p = ?4 AND n > ?5))
             ORDER BY p DESC, n LIMIT ?6"
        ))?;
        let (p, n) = after.unzip();
        let rows = query.query_map(
            params![slide, wanted.decided, reason, p, n, wanted.limit],
            kept_cell,
        )?;
        // What can't be read is passed over: the others are there to be looked at.
        let cells = rows.filter_map(Result::ok).collect();
        Ok(Some((cells, total)))
    }

    /// One cell.
    pub(super) fn cell(&self, id: Uuid) -> Result<Option<KeptCell>, Trouble> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM cell WHERE id = ?1"))?
            .query_row([id.as_bytes().as_slice()], kept_cell)
            .optional()?)
    }

    /// A cell's PNGs, picture and mask; `None` where there is no such cell, or its bytes are not those that were kept.
    pub(super) fn pictures(&self, id: Uuid) -> Result<Option<Pictures>, Trouble> {
        type Row = (String, Vec<u8>, Vec<u8>, Vec<u8>);
        let found: Option<Row> = self
            .connection
            .prepare_cached("SELECT facts, picture, mask, sum FROM cell WHERE id = ?1")?
            .query_row([id.as_bytes().as_slice()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        Ok(found.and_then(|(facts, picture, mask, sum)| {
            let is_sound = sum == checksum(id, &facts, &picture, &mask);
            is_sound.then_some((picture, mask))
        }))
    }

    /// Notes a decision, or takes one back; `false` where there is no such cell.
    pub(super) fn decide(&self, id: Uuid, decision: Option<&Decision>) -> Result<bool, Trouble> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE cell SET verdict = ?2, decided_at = ?3, decided_by = ?4 WHERE id = ?1",
            )?
            .execute(params![
                id.as_bytes().as_slice(),
                decision.map(|decision| label_number(decision.verdict)),
                decision.map(|decision| decision.at.to_string()),
                decision.and_then(|decision| decision.by.clone().map(String::from)),
            ])?;
        Ok(changed > 0)
    }

    /// How many cells of a slide were decided, and how.
    pub(super) fn decided(&self, slide: &SlideId) -> Result<Decided, Trouble> {
        let mut query = self.connection.prepare_cached(
            "SELECT label, verdict, count(*) FROM cell
             WHERE slide = ?1 AND verdict IS NOT NULL GROUP BY label, verdict",
        )?;
        let mut rows = query.query([slide.as_str()])?;
        let mut decided = Decided::default();
        while let Some(row) = rows.next()? {
            decided.add(label(row, 0)?, label(row, 1)?, row.get(2)?);
        }
        Ok(decided)
    }

    /// How many cells there are, how many of them are decided, and the bytes that they take.
    pub(super) fn totals(&self) -> Result<(u64, u64, u64), Trouble> {
        let counts =
            self.connection
                .query_row("SELECT count(*), count(verdict) FROM cell", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                });
        let (kept, reviewed) = counts?;
        Ok((kept, reviewed, used(&self.connection)?))
    }

    /// Where a cell is in the order of suspicion.
    fn rank(&self, id: Uuid) -> Result<Option<(f64, i64)>, Trouble> {
        Ok(self
            .connection
            .prepare_cached("SELECT p, n FROM cell WHERE id = ?1")?
            .query_row([id.as_bytes().as_slice()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?)
    }
}

fn insert(connection: &Connection, field: &KeptField, chosen: &Chosen) -> Result<(), Trouble> {
    let id = Uuid::now_v7();
    let facts = serde_json::to_string(&Facts {
        field: field.clone(),
        bbox: chosen.cell.bbox,
        crop: chosen.crop,
    })
    .expect("facts have string keys and no fallible serializer");
    let bytes = ROW_BYTES + facts.len() + chosen.picture.len() + chosen.mask.len();
    connection
        .prepare_cached(
            "INSERT INTO cell (id, slide, reason, p, label, facts, picture, mask, sum, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id.as_bytes().as_slice(),
            field.slide.as_ref().map(SlideId::as_str),
            reason_number(chosen.reason),
            chosen.cell.p_parasitized,
            label_number(chosen.cell.label),
            facts,
            chosen.picture,
            chosen.mask,
            checksum(id, &facts, &chosen.picture, &chosen.mask),
            bytes as i64,
        ])?;
    Ok(())
}

/// What the cells take.
fn used(connection: &Connection) -> Result<u64, Trouble> {
    Ok(connection
        .prepare_cached("SELECT ifnull(sum(bytes), 0) FROM cell")?
        .query_row([], |row| row.get(0))?)
}

/// What those take that nobody has decided on.
fn undecided_bytes(connection: &Connection) -> Result<u64, Trouble> {
    Ok(connection
        .prepare_cached("SELECT ifnull(sum(bytes), 0) FROM cell WHERE verdict IS NULL")?
        .query_row([], |row| row.get(0))?)
}

fn checksum(id: Uuid, facts: &str, picture: &[u8], mask: &[u8]) -> Vec<u8> {
    let mut sum = Sha256::new();
    for part in [id.as_bytes().as_slice(), facts.as_bytes(), picture, mask] {
        // So that no byte can pass from one part to the next.
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    sum.finalize().to_vec()
}

fn reason_number(reason: KeptReason) -> u8 {
    match reason {
        KeptReason::Suspicious => 1,
        KeptReason::Threshold => 2,
        KeptReason::Random => 3,
    }
}

fn label_number(label: Label) -> u8 {
    match label {
        Label::Parasitized => 1,
        Label::Uninfected => 0,
    }
}

fn no_cell(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

fn label(row: &Row<'_>, column: usize) -> rusqlite::Result<Label> {
    match row.get(column)? {
        1 => Ok(Label::Parasitized),
        0 => Ok(Label::Uninfected),
        other => Err(Error::IntegralValueOutOfRange(column, other)),
    }
}

/// A row with [`COLUMNS`] as a cell.
fn kept_cell(row: &Row<'_>) -> rusqlite::Result<KeptCell> {
    let id: Vec<u8> = row.get(0)?;
    let facts: String = row.get(5)?;
    let Facts { field, bbox, crop } =
        serde_json::from_str(&facts).map_err(|error| no_cell(5, error))?;
    let verdict = match row.get::<_, Option<i64>>(6)? {
        None => None,
        Some(_) => Some(label(row, 6)?),
    };
    let at: Option<String> = row.get(7)?;
    let by: Option<String> = row.get(8)?;
    let decision = verdict
        .map(|verdict| {
            Ok::<_, Error>(Decision {
                verdict,
                at: at
                    .unwrap_or_default()
                    .parse()
                    .map_err(|error: jiff::Error| no_cell(7, error))?,
                by: by
                    .map(Reviewer::try_from)
                    .transpose()
                    .map_err(|error| no_cell(8, error))?,
            })
        })
        .transpose()?;
    Ok(KeptCell {
        id: Uuid::from_slice(&id).map_err(|error| no_cell(0, error))?,
        field_id: field.field_id,
        series: field.series,
        seq: field.seq,
        slide: field.slide,
        captured_at: field.captured_at,
        clock_synchronised: field.clock_synchronised,
        reason: match row.get(2)? {
            1 => KeptReason::Suspicious,
            2 => KeptReason::Threshold,
            3 => KeptReason::Random,
            other => return Err(Error::IntegralValueOutOfRange(2, other)),
        },
        bbox,
        crop,
        label: label(row, 4)?,
        p_parasitized: row.get(3)?,
        model: field.model,
        decision,
    })
}
