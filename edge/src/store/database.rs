//! One SQLite database of results: how it is opened and read.

use std::path::Path;

use bytes::Bytes;
use rusqlite::types::{FromSql, ToSql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use smearscope_common::message::{Drops, SlideId};
use tracing::warn;
use uuid::Uuid;

use super::slides;
use super::step::Step;
use super::{Kind, Message};
use crate::failpoint;
use crate::slide::{Rules, Slide};
use crate::sqlite::{Trouble, make_tables, private_file, set_up, used_bytes};

/// `PRAGMA user_version` of what `schema.sql` makes.
const VERSION: i64 = 1;
/// Where the names of the damaged files are noted that were taken over.
const TAKEN_OVER: &str = "taken_over";

/// Up to this size, every page and index of a file is checked when it is opened: seconds on a board's card. Those of most
/// boards are smaller.
const CHECKED_BYTES: u64 = 64 << 20;

/// Larger counts and numbers than any board makes, and JSON's last exact one: what is beyond is damage, and could not be
/// counted on from.
pub(super) const MAX_COUNT: i64 = 1 << 53;

/// An open database.
pub(super) struct Database {
    pub(super) connection: Connection,
    series: Uuid,
}

impl Database {
    /// Opens the database of a file, or makes one; nobody else can open it until this one is dropped.
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        private_file(path)?;
        Self::prepare(Connection::open(path)?)
    }

    /// A database that lives as long as this value.
    pub(super) fn in_memory() -> Result<Self, Trouble> {
        Self::prepare(Connection::open_in_memory()?)
    }

    /// Opens a damaged database, of which [`Database::absorb`] takes over what can be read.
    pub(super) fn open_damaged(path: &Path) -> Result<Self, Trouble> {
        let connection = Connection::open(path)?;
        set_up(&connection)?;
        Ok(Self {
            connection,
            series: Uuid::nil(),
        })
    }

    fn prepare(mut connection: Connection) -> Result<Self, Trouble> {
        set_up(&connection)?;
        let step = connection.transaction()?;
        if make_tables(&step, VERSION, include_str!("schema.sql"))? {
            put(&step, "series", Uuid::now_v7().as_bytes().as_slice())?;
            put(&step, "last_seq", 0)?;
        } else {
            check(&step)?;
        }
        let series = get(&step, "series")?
            .and_then(|bytes: Vec<u8>| Uuid::from_slice(&bytes).ok())
            .ok_or_else(|| Trouble::Damaged("it has no numbering".into()))?;
        step.commit()?;
        Ok(Self { connection, series })
    }

    /// The numbering of what is committed here.
    pub(super) fn series(&self) -> Uuid {
        self.series
    }

    /// The last number given; 0 before the first.
    pub(super) fn last_seq(&self) -> Result<u64, Trouble> {
        Ok(get(&self.connection, "last_seq")?.unwrap_or(0))
    }

    /// The place of the last message in the order of all; 0 where there is none.
    pub(super) fn last_message(&self) -> i64 {
        self.connection
            .query_row("SELECT ifnull(max(n), 0) FROM message", [], |row| {
                row.get(0)
            })
            .unwrap_or(0)
    }

    /// Begins a step of which all or nothing happens.
    pub(super) fn step(&mut self) -> Result<Step<'_>, Trouble> {
        Ok(Step {
            transaction: self.connection.transaction()?,
            series: self.series,
        })
    }

    /// Up to `rows` messages that are not acknowledged, in their order, from the one after `after`; not much more than
    /// `bytes` in all. Damaged ones are taken out and counted.
    pub(super) fn pending(
        &mut self,
        after: i64,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<Message>, Trouble> {
        let mut after = after;
        loop {
            let (found, damaged) = self.read_pending(after, rows, bytes)?;
            let Some(&last) = damaged.last() else {
                return Ok(found);
            };
            self.take_out(&damaged)?;
            // Where all of these were damaged, sound ones may follow.
            if !found.is_empty() {
                return Ok(found);
            }
            after = last;
        }
    }

    /// As [`Database::pending`], with the numbers of the damaged ones among them.
    fn read_pending(
        &self,
        after: i64,
        rows: usize,
        bytes: usize,
    ) -> Result<(Vec<Message>, Vec<i64>), Trouble> {
        let mut found = Vec::new();
        let mut damaged = Vec::new();
        let mut query = self.connection.prepare_cached(
            "SELECT n, id, kind, crc, payload, acknowledged_at FROM message
             WHERE acknowledged_at IS NULL AND n > ?1 ORDER BY n LIMIT ?2",
        )?;
        let mut answer = query.query(params![after, rows as i64])?;
        let mut room = bytes;
        let mut before = after;
        while let Some(row) = answer.next()? {
            // Pages that were mixed up would lead in a circle.
            let n: i64 = row.get(0)?;
            if n <= before {
                return Err(Trouble::Damaged("its rows are out of order".into()));
            }
            before = n;
            // The index says that it waits, and the row that it doesn't: it would be sent for ever.
            if row.get_ref(5)? != ValueRef::Null {
                return Err(Trouble::Damaged("its indexes don't agree".into()));
            }
            match message(row)? {
                Ok(message) => {
                    room = room.saturating_sub(message.payload.len());
                    found.push(message);
                    if room == 0 {
                        break;
                    }
                }
                Err(n) => damaged.push(n),
            }
        }
        Ok((found, damaged))
    }

    /// Removes damaged messages and counts them.
    fn take_out(&mut self, damaged: &[i64]) -> Result<(), Trouble> {
        let step = self.step()?;
        for n in damaged {
            step.transaction
                .execute("DELETE FROM message WHERE n = ?1", [n])?;
        }
        step.count_drops(Drops {
            damaged: damaged.len() as u64,
            ..Drops::default()
        })?;
        step.commit()
    }

    /// One message that is not acknowledged; `None` where there is none of this id, or it is damaged.
    pub(super) fn message(&self, id: Uuid) -> Result<Option<Message>, Trouble> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT n, id, kind, crc, payload FROM message WHERE id = ?1 AND acknowledged_at IS NULL",
            )?
            .query_row([id.as_bytes().as_slice()], message)
            .optional()?;
        Ok(found.and_then(Result::ok))
    }

    /// Whether there is a message with this id, acknowledged or not.
    pub(super) fn has(&self, id: &[u8]) -> Result<bool, Trouble> {
        Ok(self
            .connection
            .prepare_cached("SELECT 1 FROM message WHERE id = ?1")?
            .exists([id])?)
    }

    /// The bytes of a message that is not acknowledged; `None` where there is none of this id.
    pub(super) fn pending_bytes(&self, id: Uuid) -> Result<Option<u64>, Trouble> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT CASE WHEN bytes BETWEEN 0 AND ?2 THEN bytes ELSE 0 END FROM message
                 WHERE id = ?1 AND acknowledged_at IS NULL",
            )?
            .query_row(params![id.as_bytes().as_slice(), u32::MAX], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(found)
    }

    /// How many messages are not acknowledged, and their bytes.
    pub(super) fn pending_totals(&self) -> Result<(u64, u64), Trouble> {
        Ok(self
            .connection
            .prepare_cached(
                // A length that can't be one counts as none: the message is sound or not whatever stands there.
                "SELECT count(*), CAST(total(CASE WHEN bytes BETWEEN 0 AND ?1 THEN bytes END) AS INTEGER)
                 FROM message WHERE acknowledged_at IS NULL",
            )?
            .query_row([u32::MAX], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// How many acknowledged messages are kept.
    pub(super) fn kept(&self) -> Result<u64, Trouble> {
        Ok(self
            .connection
            .prepare_cached("SELECT count(*) FROM message WHERE acknowledged_at IS NOT NULL")?
            .query_row([], |row| row.get(0))?)
    }

    /// What was given up here.
    pub(super) fn drops(&self) -> Result<Drops, Trouble> {
        drops(&self.connection)
    }

    /// The slide that was begun last, open or closed.
    pub(super) fn last_slide(&self) -> Result<Option<Slide>, Trouble> {
        let found = self
            .connection
            .prepare_cached(&format!(
                "SELECT {} FROM slide ORDER BY rowid DESC LIMIT 1",
                slides::COLUMNS
            ))?
            .query_row([], slides::slide)
            .optional()?;
        Ok(found)
    }

    /// Whether a slide had this id.
    pub(super) fn knows_slide(&self, id: &SlideId) -> Result<bool, Trouble> {
        Ok(self
            .connection
            .prepare_cached("SELECT 1 FROM slide WHERE id = ?1")?
            .exists([id.as_str()])?)
    }

    /// What was answered to a command.
    pub(super) fn answer(&self, request_id: &str) -> Result<Option<Bytes>, Trouble> {
        let found: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT reply FROM answer WHERE request_id = ?1")?
            .query_row([request_id], |row| row.get(0))
            .optional()?;
        Ok(found.map(Bytes::from))
    }

    /// The slides for which a condition of SQL holds.
    pub(super) fn slides(&self, condition: &str) -> Result<Vec<Slide>, Trouble> {
        slides::slides(&self.connection, condition)
    }

    /// What was answered to commands.
    pub(super) fn answers(&self) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        let mut query = self
            .connection
            .prepare("SELECT request_id, reply FROM answer ORDER BY n")?;
        let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.filter_map(Result::ok).collect())
    }

    /// A word that was noted.
    pub(super) fn note(&self, key: &str) -> Result<Option<String>, Trouble> {
        get(&self.connection, key)
    }

    /// Takes over what another database has: all of it from a sound one, what can be read from a damaged one, of which
    /// `name` is noted as taken over. `slide` is written as it is now, and the only one that stays open. Says how many
    /// messages that was.
    pub(super) fn absorb(
        &mut self,
        other: &Self,
        name: Option<&str>,
        slide: Option<&Slide>,
        rules: &Rules,
    ) -> Result<u64, Trouble> {
        let step = self.step()?;
        if name.is_none() {
            step.take_back_last(other)?;
        }
        let mut taken = 0;
        // From both ends, since a damaged page hides what is behind it.
        for order in ["ASC", "DESC"] {
            match (step.take_messages(other, order, &mut taken)?, name) {
                (None, _) => break,
                (Some(unreadable), None) => return Err(unreadable),
                (Some(unreadable), Some(name)) => {
                    warn!("{name} can't be read to its end: {unreadable}");
                }
            }
        }
        if let Ok(found) = other.drops() {
            step.count_drops(found)?;
        }
        step.take_slides(other)?;
        step.take_reports(other)?;
        step.take_answers(other)?;
        if let Some(slide) = slide {
            step.write_slide(slide)?;
            step.keep_suspects(&slide.id, rules.report_cells)?;
            step.close_all_but(&slide.id, rules)?;
        }
        if let Some(name) = name {
            let before: String = get(&step.transaction, TAKEN_OVER)?.unwrap_or_default();
            step.write_note(TAKEN_OVER, &format!("{before}{name}\n"))?;
        }
        failpoint::hit("absorb");
        step.commit()?;
        Ok(taken)
    }

    /// Whether a damaged file of this name was taken over.
    pub(super) fn has_taken_over(&self, name: &str) -> Result<bool, Trouble> {
        let names = self.note(TAKEN_OVER)?.unwrap_or_default();
        Ok(names.lines().any(|known| known == name))
    }
}

/// Looks for what would be in the way of every later step, so that the file is set aside at once.
fn check(connection: &Connection) -> Result<(), Trouble> {
    if used_bytes(connection)? <= CHECKED_BYTES {
        // SQLite believes its indexes: one that disagrees with its table hides rows, or tells of what isn't there.
        let found: String =
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Trouble::Damaged(found));
        }
    }
    drops(connection)?;
    let last_seq = get(connection, "last_seq")?;
    if !last_seq.is_some_and(|last: i64| (0..=MAX_COUNT).contains(&last)) {
        return Err(Trouble::Damaged(format!("last_seq is {last_seq:?}")));
    }
    let mut outside = String::from(
        "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND ?1)",
    );
    for table in ["message", "slide", "suspect", "report", "answer"] {
        // Two look-ups; as one condition it would read the whole table.
        outside += &format!(
            " OR EXISTS (SELECT 1 FROM {table} WHERE rowid < 1) OR EXISTS (SELECT 1 FROM {table} WHERE rowid > ?1)"
        );
    }
    if connection.query_row(&outside, [MAX_COUNT], |row| row.get(0))? {
        return Err(Trouble::Damaged(
            "a row has a number that was never given".into(),
        ));
    }
    Ok(())
}

/// What a row has in `crc`. Of the id too: with a flipped bit in it, it would be another message's.
pub(crate) fn checksum(id: Uuid, kind: Kind, payload: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(id.as_bytes()), &[kind as u8]);
    crc32c::crc32c_append(head, payload)
}

/// A row as a message; the inner error has the number of a damaged one.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Result<Message, i64>> {
    let n: i64 = row.get(0)?;
    let (id, kind, crc): (Vec<u8>, u8, u32) = match (row.get(1), row.get(2), row.get(3)) {
        (Ok(id), Ok(kind), Ok(crc)) => (id, kind, crc),
        _ => return Ok(Err(n)),
    };
    let payload: Vec<u8> = match row.get(4) {
        Ok(payload) => payload,
        Err(_) => return Ok(Err(n)),
    };
    let (Ok(id), Some(kind)) = (Uuid::from_slice(&id), Kind::of(kind)) else {
        return Ok(Err(n));
    };
    if checksum(id, kind, &payload) != crc {
        return Ok(Err(n));
    }
    Ok(Ok(Message {
        n,
        id,
        kind,
        payload: payload.into(),
    }))
}

pub(super) fn drops(connection: &Connection) -> Result<Drops, Trouble> {
    let count = |key| match get(connection, key)? {
        None => Ok(0),
        Some(count @ 0..=MAX_COUNT) => Ok(count as u64),
        Some(count) => Err(Trouble::Damaged(format!("{key} is {count}"))),
    };
    Ok(Drops {
        expired: count("expired")?,
        no_room: count("no_room")?,
        damaged: count("damaged")?,
    })
}

pub(super) fn get<T: FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, Trouble> {
    Ok(connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

pub(super) fn put(connection: &Connection, key: &str, value: impl ToSql) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )?
        .execute(params![key, value])?;
    Ok(())
}
