//! One SQLite database of results: how it is opened, and the single steps on it.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::{FromSql, ToSql};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};
use smearscope_common::message::Drops;
use smearscope_common::parasitemia::Counts;
use uuid::Uuid;

use super::failpoint;
use super::{Kind, Message};
use crate::slide::Slide;

/// `PRAGMA user_version` of what `schema.sql` makes.
const VERSION: i64 = 1;
/// How long another process may still hold the file, such as one that is being killed.
const BUSY: Duration = Duration::from_secs(5);
/// How many answers to commands are kept.
const ANSWERS: i64 = 1000;
/// Clocks that stand before 2026 were never set: boards have none that runs without power. A result from such a time
/// has no age.
const CLOCK_IS_SET: i64 = 1_767_225_600;

/// Larger counts and numbers than any board makes, and JSON's last exact one: what is beyond is damage, and could not be
/// counted on from.
const MAX_COUNT: i64 = 1 << 53;

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Another process has it.
    #[error("another program uses it")]
    InUse,
    /// Its bytes are no database any more.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// It can't be read or written now.
    #[error("{0}")]
    Unusable(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Our statements are always the same: one that doesn't fit the tables (`Unknown` is SQLITE_ERROR), or is kept
            // from a row by another, has met what we never made.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::Unknown
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch,
            ) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(_) => Self::Unusable(error.to_string()),
            // No error of SQLite's, but of what we found in it: a missing row, a text for a number.
            None => Self::Damaged(error.to_string()),
        }
    }
}

/// Room and time that results get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the database.
    pub(super) bytes: u64,
    /// How long an acknowledged result stays, in seconds.
    pub(super) keep_s: i64,
    /// How long a result may wait to be acknowledged, in seconds.
    pub(super) wait_s: i64,
}

/// An open database.
pub(super) struct Database {
    connection: Connection,
    series: Uuid,
}

impl Database {
    /// Opens the database of a file, or makes one; nobody else can open it until this one is dropped.
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        let cannot = |error: std::io::Error| Trouble::Unusable(error.to_string());
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(cannot)?;
        }
        // Made by us and not by SQLite, so that nobody else can read what was found in someone's blood.
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
        {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(error)),
            _ => {}
        }
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
        let version: i64 = step.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => {
                step.execute_batch(include_str!("schema.sql"))?;
                step.pragma_update(None, "user_version", VERSION)?;
                put(&step, "series", Uuid::now_v7().as_bytes().as_slice())?;
                put(&step, "last_seq", 0)?;
            }
            VERSION => check(&step)?,
            newer => {
                return Err(Trouble::Unusable(format!(
                    "it is of version {newer}, made by a newer smearscope-edge; this one reads {VERSION}"
                )));
            }
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
            "SELECT n, id, kind, crc, payload FROM message
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
            .prepare_cached(
                "SELECT id, started_at, closed_at, fields, cells, parasitized FROM slide
                 ORDER BY rowid DESC LIMIT 1",
            )?
            .query_row([], slide)
            .optional()?;
        Ok(found)
    }

    /// Whether a slide had this id.
    pub(super) fn knows_slide(&self, id: Uuid) -> Result<bool, Trouble> {
        Ok(self
            .connection
            .prepare_cached("SELECT 1 FROM slide WHERE id = ?1")?
            .exists([id.as_bytes().as_slice()])?)
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

    /// A word that was noted.
    pub(super) fn note(&self, key: &str) -> Result<Option<String>, Trouble> {
        get(&self.connection, key)
    }

    /// Takes over all that can be read of another database, and `slide` as it is now; says how many messages that was. An
    /// error while reading ends the reading and no more: what was read before counts.
    pub(super) fn absorb(&mut self, other: &Self, slide: Option<&Slide>) -> Result<u64, Trouble> {
        let step = self.step()?;
        let mut taken = 0;
        // From both ends, since a damaged page hides what is behind it.
        for order in ["ASC", "DESC"] {
            match step.take_messages(other, order, &mut taken) {
                Ok(()) => break,
                Err(Trouble::Damaged(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        if let Ok(found) = other.drops() {
            step.count_drops(found)?;
        }
        match step.take_slides(other) {
            Ok(()) | Err(Trouble::Damaged(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        if let Some(slide) = slide {
            step.write_slide(slide)?;
        }
        failpoint::hit("absorb");
        step.commit()?;
        Ok(taken)
    }
}

/// Changes of which all or none are made: those of a step that is dropped are not.
pub(super) struct Step<'d> {
    transaction: Transaction<'d>,
    series: Uuid,
}

impl Step<'_> {
    /// The number of the next field.
    pub(super) fn next_seq(&self) -> Result<u64, Trouble> {
        let last: u64 = get(&self.transaction, "last_seq")?
            .ok_or_else(|| Trouble::Damaged("it has lost its last number".into()))?;
        put(&self.transaction, "last_seq", last + 1)?;
        failpoint::hit("step.seq");
        Ok(last + 1)
    }

    /// Adds a message that is to be delivered.
    pub(super) fn add(
        &self,
        id: Uuid,
        kind: Kind,
        seq: Option<u64>,
        payload: &[u8],
    ) -> Result<(), Trouble> {
        let series = seq.map(|_| self.series.as_bytes().as_slice());
        self.transaction
            .prepare_cached(
                "INSERT INTO message (id, kind, series, seq, committed_at, crc, bytes, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id.as_bytes().as_slice(),
                kind as u8,
                series,
                seq,
                now(),
                crc32c::crc32c(payload),
                payload.len() as i64,
                payload
            ])?;
        failpoint::hit("step.message");
        Ok(())
    }

    /// Writes a slide's count as it is now.
    pub(super) fn write_slide(&self, slide: &Slide) -> Result<(), Trouble> {
        self.transaction
            .prepare_cached(
                "INSERT INTO slide (id, started_at, closed_at, fields, cells, parasitized)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (id) DO UPDATE SET closed_at = ?3, fields = ?4, cells = ?5, parasitized = ?6",
            )?
            .execute(params![
                slide.id.as_bytes().as_slice(),
                slide.started_at.to_string(),
                slide.closed_at.map(|at| at.to_string()),
                slide.fields,
                slide.counts.cells,
                slide.counts.parasitized
            ])?;
        failpoint::hit("step.slide");
        Ok(())
    }

    /// Notes what a command was answered.
    pub(super) fn write_answer(&self, request_id: &str, reply: &[u8]) -> Result<(), Trouble> {
        self.transaction.execute(
            "INSERT OR REPLACE INTO answer (request_id, reply) VALUES (?1, ?2)",
            params![request_id, reply],
        )?;
        self.transaction.execute(
            "DELETE FROM answer WHERE n <= (SELECT max(n) FROM answer) - ?1",
            [ANSWERS],
        )?;
        failpoint::hit("step.answer");
        Ok(())
    }

    /// Notes a word.
    pub(super) fn write_note(&self, key: &str, value: &str) -> Result<(), Trouble> {
        put(&self.transaction, key, value)
    }

    /// Marks messages as acknowledged.
    pub(super) fn acknowledge(&self, ids: impl Iterator<Item = Uuid>) -> Result<(), Trouble> {
        let mut mark = self.transaction.prepare_cached(
            "UPDATE message SET acknowledged_at = ?2 WHERE id = ?1 AND acknowledged_at IS NULL",
        )?;
        let mut overlooked = self
            .transaction
            .prepare_cached("SELECT 1 FROM message WHERE +id = ?1 AND acknowledged_at IS NULL")?;
        let now = now();
        for id in ids {
            let id = id.as_bytes().as_slice();
            // It may lie in the other database, or be marked already. One that is here and not in the index would be sent
            // for ever.
            if mark.execute(params![id, now])? == 0 && overlooked.exists([id])? {
                return Err(Trouble::Damaged("its indexes don't agree".into()));
            }
            failpoint::hit("step.acknowledge");
        }
        Ok(())
    }

    /// Makes the fields of a numbering from one number to another wait again; gives how many there are.
    pub(super) fn resend(&self, series: Uuid, from: u64, to: u64) -> Result<u64, Trouble> {
        // SQLite's integers are signed; a number beyond them was never given.
        let [from, to] = [from, to].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let found = self.transaction.execute(
            "UPDATE message SET acknowledged_at = NULL WHERE series = ?1 AND seq BETWEEN ?2 AND ?3",
            params![series.as_bytes().as_slice(), from, to],
        )?;
        Ok(found as u64)
    }

    /// Removes what has been here for too long, then what has no room: first what was acknowledged, then the oldest that
    /// was not. Gives what was lost by that.
    pub(super) fn prune(&self, limits: Limits) -> Result<Drops, Trouble> {
        let now = now();
        self.transaction.execute(
            "DELETE FROM message WHERE acknowledged_at < ?1",
            [now - limits.keep_s],
        )?;
        let expired = if now < CLOCK_IS_SET {
            0
        } else {
            self.transaction.execute(
                "DELETE FROM message WHERE acknowledged_at IS NULL AND committed_at BETWEEN ?1 AND ?2",
                [CLOCK_IS_SET, now - limits.wait_s],
            )?
        };
        failpoint::hit("prune.age");
        let mut no_room = 0;
        while self.used_bytes()? > limits.bytes {
            let kept = self.transaction.execute(
                "DELETE FROM message WHERE n IN
                 (SELECT n FROM message WHERE acknowledged_at IS NOT NULL ORDER BY n LIMIT 32)",
                [],
            )?;
            if kept == 0 {
                // The newest stays, whatever the limit: it is what the technician looks at.
                let dropped = self.transaction.execute(
                    "DELETE FROM message WHERE n IN (SELECT n FROM message ORDER BY n LIMIT 8)
                     AND n < (SELECT max(n) FROM message)",
                    [],
                )?;
                if dropped == 0 {
                    break;
                }
                no_room += dropped;
            }
            failpoint::hit("prune.room");
        }
        let drops = Drops {
            expired: expired as u64,
            no_room: no_room as u64,
            damaged: 0,
        };
        if drops != Drops::default() {
            self.count_drops(drops)?;
        }
        Ok(drops)
    }

    /// Makes the changes last.
    pub(super) fn commit(self) -> Result<(), Trouble> {
        failpoint::hit("step.commit");
        self.transaction.commit()?;
        failpoint::hit("step.committed");
        Ok(())
    }

    fn used_bytes(&self) -> Result<u64, Trouble> {
        Ok(self
            .transaction
            .prepare_cached(
                "SELECT (page_count - freelist_count) * page_size
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            )?
            .query_row([], |row| row.get(0))?)
    }

    fn count_drops(&self, more: Drops) -> Result<(), Trouble> {
        let before = drops(&self.transaction)?;
        for (key, value) in [
            ("expired", before.expired + more.expired),
            ("no_room", before.no_room + more.no_room),
            ("damaged", before.damaged + more.damaged),
        ] {
            put(&self.transaction, key, value.min(MAX_COUNT as u64))?;
        }
        Ok(())
    }

    fn take_messages(&self, other: &Database, order: &str, taken: &mut u64) -> Result<(), Trouble> {
        let mut query = other.connection.prepare(&format!(
            "SELECT n, id, kind, crc, payload, series, seq, committed_at, acknowledged_at, bytes
             FROM message ORDER BY n {order}"
        ))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let Ok(message) = message(row)? else {
                continue;
            };
            // What is no number beside a sound payload is left away; without a time of acknowledgement it is sent again.
            let series: Option<Vec<u8>> = row.get(5).unwrap_or_default();
            let seq: Option<u64> = row.get(6).unwrap_or_default();
            let times: (i64, Option<i64>) = (
                row.get(7).unwrap_or_else(|_| now()),
                row.get(8).unwrap_or_default(),
            );
            *taken += self.transaction.execute(
                "INSERT OR IGNORE INTO message
                 (id, kind, series, seq, committed_at, acknowledged_at, crc, bytes, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    message.id.as_bytes().as_slice(),
                    message.kind as u8,
                    series,
                    seq,
                    times.0,
                    times.1,
                    crc32c::crc32c(&message.payload),
                    message.payload.len() as i64,
                    &message.payload[..]
                ],
            )? as u64;
        }
        Ok(())
    }

    fn take_slides(&self, other: &Database) -> Result<(), Trouble> {
        let mut query = other.connection.prepare(
            "SELECT id, started_at, closed_at, fields, cells, parasitized FROM slide ORDER BY rowid",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            if let Ok(slide) = slide(row) {
                self.write_slide(&slide)?;
            }
        }
        Ok(())
    }
}

/// How every connection works.
fn set_up(connection: &Connection) -> Result<(), Trouble> {
    connection.busy_timeout(BUSY)?;
    // Exclusive: one daemon for a store, and no file of shared memory beside it.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(())
}

/// Looks for what would be in the way of every later step, so that the file is set aside at once.
fn check(connection: &Connection) -> Result<(), Trouble> {
    drops(connection)?;
    let last_seq = get(connection, "last_seq")?;
    if !last_seq.is_some_and(|last: i64| (0..=MAX_COUNT).contains(&last)) {
        return Err(Trouble::Damaged(format!("last_seq is {last_seq:?}")));
    }
    let mut outside = String::from(
        "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND ?1)",
    );
    for table in ["message", "slide", "answer"] {
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

/// A row as a message; the inner error has the number of a damaged one.
fn message(row: &Row<'_>) -> rusqlite::Result<Result<Message, i64>> {
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
    if crc32c::crc32c(&payload) != crc {
        return Ok(Err(n));
    }
    Ok(Ok(Message {
        n,
        id,
        kind,
        payload: payload.into(),
    }))
}

fn slide(row: &Row<'_>) -> rusqlite::Result<Slide> {
    let time = |column: usize, text: &str| {
        text.parse::<Timestamp>().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                column,
                rusqlite::types::Type::Text,
                error.into(),
            )
        })
    };
    let count = |column: usize, most: u64| {
        let count: u64 = row.get(column)?;
        if count > most {
            return Err(rusqlite::Error::IntegralValueOutOfRange(
                column,
                count as i64,
            ));
        }
        Ok(count)
    };
    let cells = count(4, MAX_COUNT as u64)?;
    let id: Vec<u8> = row.get(0)?;
    let started_at: String = row.get(1)?;
    let closed_at: Option<String> = row.get(2)?;
    Ok(Slide {
        id: Uuid::from_slice(&id).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, error.into())
        })?,
        started_at: time(1, &started_at)?,
        closed_at: closed_at.map(|text| time(2, &text)).transpose()?,
        fields: count(3, MAX_COUNT as u64)?,
        counts: Counts {
            cells,
            parasitized: count(5, cells)?,
        },
    })
}

fn drops(connection: &Connection) -> Result<Drops, Trouble> {
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

fn get<T: FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, Trouble> {
    Ok(connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

fn put(connection: &Connection, key: &str, value: impl ToSql) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )?
        .execute(params![key, value])?;
    Ok(())
}

fn now() -> i64 {
    Timestamp::now().as_second()
}
