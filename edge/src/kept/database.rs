//! The database of kept cells.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::{ToSql, Type};
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smearscope_common::geometry::Rect;
use smearscope_common::message::{
    CellsList, CellsListed, Decided, Decision, KeptCell, KeptReason, Label, ModelRef, Reviewer,
    SlideId,
};
use uuid::Uuid;

use super::Chosen;
use crate::sqlite::{Trouble, make_tables, private_file, set_up, used_bytes};

/// `PRAGMA user_version` of what `schema.sql` makes.
const VERSION: i64 = 1;
/// One part in so many of the room is for cells that nobody has decided on yet, however many were decided.
const FRESH: u64 = 4;
/// So many cells one step removes: it holds the store of cells, and a smaller `max_mb` may leave very many too much.
const MOST_REMOVED: usize = 64;
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
        make_tables(&step, VERSION, include_str!("schema.sql"))?;
        step.commit()?;
        Ok(Self { connection })
    }

    /// Adds cells of a field, then removes what is too much, as far as one step may: of the reason that has most the oldest that
    /// nobody decided on, and where these take no more than one part in [`FRESH`] of the room, the oldest that somebody did.
    /// All or nothing; tells whether decisions went, too.
    pub(super) fn add(
        &mut self,
        field: &KeptField,
        cells: &[Chosen],
        max_bytes: u64,
    ) -> Result<bool, Trouble> {
        let step = self.connection.transaction()?;
        for chosen in cells {
            insert(&step, field, chosen)?;
        }
        let mut lost_decisions = false;
        if used_bytes(&step)? > max_bytes {
            let mut waiting = Undecided::of(&step)?;
            for _ in 0..MOST_REMOVED {
                if used_bytes(&step)? <= max_bytes {
                    break;
                }
                let is_much = waiting.bytes() > max_bytes / FRESH;
                if is_much && waiting.remove_oldest(&step)? {
                    continue;
                }
                if step.execute(
                    "DELETE FROM cell WHERE n =
                     (SELECT n FROM cell INDEXED BY cell_age WHERE verdict IS NOT NULL ORDER BY n LIMIT 1)",
                    [],
                )? > 0
                {
                    lost_decisions = true;
                } else if !waiting.remove_oldest(&step)? {
                    break;
                }
            }
        }
        step.commit()?;
        Ok(lost_decisions)
    }

    /// The cells that are asked for, how many there are in all, and whether there are more behind these; `None` where `after`
    /// is not there.
    pub(super) fn list(&self, wanted: &CellsList) -> Result<Option<CellsListed>, Trouble> {
        let after: Option<(f64, i64)> = match wanted.after {
            None => None,
            Some(id) => match self.rank(id)? {
                None => return Ok(None),
                found => found,
            },
        };
        // Only what is asked for is a condition: else no index would fit.
        let mut conditions = String::from("1");
        let mut given: Vec<&dyn ToSql> = Vec::new();
        let slide = wanted.slide.as_ref().map(SlideId::as_str);
        if slide.is_some() {
            conditions += " AND slide = ?";
            given.push(&slide);
        }
        conditions += match wanted.decided {
            None => "",
            Some(true) => " AND verdict IS NOT NULL",
            Some(false) => " AND verdict IS NULL",
        };
        let reason = wanted.reason.map(reason_number);
        if reason.is_some() {
            conditions += " AND reason = ?";
            given.push(&reason);
        }
        let total: u64 = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM cell WHERE {conditions}"))?
            .query_row(given.as_slice(), |row| row.get(0))?;
        if let Some((p, n)) = &after {
            conditions += " AND (p < ? OR (p = ? AND n > ?))";
            given.extend([p as &dyn ToSql, p, n]);
        }
        // One more than asked for tells whether there are more.
        let limit = wanted.limit as usize;
        let one_more = limit as i64 + 1;
        given.push(&one_more);
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM cell WHERE {conditions} ORDER BY p DESC, n LIMIT ?"
        ))?;
        let mut rows = query.query(given.as_slice())?;
        let (mut cells, mut seen) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            seen += 1;
            if seen > limit {
                break;
            }
            // What can't be read is passed over: the others are there to be looked at.
            cells.extend(kept_cell(row));
        }
        Ok(Some(CellsListed {
            cells,
            total,
            more: seen > limit,
        }))
    }

    /// One cell, and the command that brought its decision; `None` where there is none that can be read.
    pub(super) fn cell(&self, id: Uuid) -> Result<Option<(KeptCell, Option<String>)>, Trouble> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, decided_request FROM cell WHERE id = ?1"
        ))?;
        let mut rows = query.query([id.as_bytes().as_slice()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(kept_cell(row)
            .ok()
            .map(|cell| (cell, row.get(9).unwrap_or_default())))
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

    /// Notes a decision that a command has brought, or takes one back.
    pub(super) fn decide(
        &self,
        id: Uuid,
        decision: Option<&Decision>,
        request: &str,
    ) -> Result<(), Trouble> {
        self.connection
            .prepare_cached(
                "UPDATE cell SET verdict = ?2, decided_at = ?3, decided_by = ?4, decided_request = ?5
                 WHERE id = ?1",
            )?
            .execute(params![
                id.as_bytes().as_slice(),
                decision.map(|decision| label_number(decision.verdict)),
                decision.map(|decision| decision.at.to_string()),
                decision.and_then(|decision| decision.by.clone().map(String::from)),
                request,
            ])?;
        Ok(())
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
            // What nobody ever wrote is no decision.
            if let (Ok(model), Ok(reviewer)) = (label(row, 0), label(row, 1)) {
                decided.add(model, reviewer, row.get(2)?);
            }
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
        Ok((kept, reviewed, used_bytes(&self.connection)?))
    }

    /// Lets the file have so many pages and no more, as if its disk were full.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, most: &str) -> Result<(), Trouble> {
        let pages: i64 =
            self.connection
                .query_row("SELECT page_count FROM pragma_page_count", [], |row| {
                    row.get(0)
                })?;
        let most = most.replace("page_count", &pages.to_string());
        let set = format!("PRAGMA max_page_count = {most}");
        Ok(self.connection.query_row(&set, [], |_| Ok(()))?)
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

/// The cells that nobody has decided on, by reason: how many, and what they take.
struct Undecided(BTreeMap<u8, (u64, u64)>);

impl Undecided {
    fn of(connection: &Connection) -> Result<Self, Trouble> {
        let mut query = connection.prepare_cached(
            "SELECT reason, count(*), sum(bytes) FROM cell INDEXED BY cell_undecided
             WHERE verdict IS NULL GROUP BY reason",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|(_, bytes)| bytes).sum()
    }

    /// Removes the oldest of the reason that has most; `false` where there is none.
    fn remove_oldest(&mut self, connection: &Connection) -> Result<bool, Trouble> {
        let Some((&reason, sum)) = self.0.iter_mut().max_by_key(|(_, (count, _))| *count) else {
            return Ok(false);
        };
        let found: Option<(i64, u64)> = connection
            .prepare_cached(
                "SELECT n, bytes FROM cell INDEXED BY cell_undecided
                 WHERE verdict IS NULL AND reason = ?1 ORDER BY n LIMIT 1",
            )?
            .query_row([reason], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((n, bytes)) = found else {
            self.0.remove(&reason);
            return Ok(false);
        };
        *sum = (sum.0.saturating_sub(1), sum.1.saturating_sub(bytes));
        let gone = connection
            .prepare_cached("DELETE FROM cell WHERE n = ?1")?
            .execute([n])?;
        Ok(gone > 0)
    }
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
