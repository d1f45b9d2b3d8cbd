//! The database of kept cells.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::{ToSql, Type};
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use smearscope_common::kept_row::{
    COLUMNS, Facts, KeptField, KeptRow, checksum, label, label_number, reason_number,
};
use smearscope_common::message::{CellsList, CellsListed, Decided, Decision, KeptCell, SlideId};
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
            let is_sound = sum == checksum(id, &facts, &picture, &mask).as_slice();
            is_sound.then_some((picture, mask))
        }))
    }

    /// The next cell behind the `after`-th that was ever kept, and its place; without what it is where its row or its pictures
    /// can't be read. `None` at the end.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    pub(super) fn next_after(
        &self,
        after: i64,
    ) -> Result<Option<(i64, Option<(KeptCell, Pictures)>)>, Trouble> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, n FROM cell WHERE n > ?1 ORDER BY n LIMIT 1"
        ))?;
        let mut rows = query.query([after])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let n = row.get(9)?;
        let Ok(cell) = kept_cell(row) else {
            return Ok(Some((n, None)));
        };
        let pictures = self.pictures(cell.id)?;
        Ok(Some((n, pictures.map(|pictures| (cell, pictures)))))
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
            let read = |column, name| label(name, row.get(column).ok()?).ok();
            if let (Some(model), Some(reviewer)) = (read(0, "label"), read(1, "verdict")) {
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
        stands_for: chosen.stands_for,
        novelty: chosen.novelty,
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
            checksum(id, &facts, &chosen.picture, &chosen.mask).as_slice(),
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

/// A row with [`COLUMNS`] as a cell.
fn kept_cell(row: &Row<'_>) -> rusqlite::Result<KeptCell> {
    KeptRow::of(row)?
        .cell()
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}
