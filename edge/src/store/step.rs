//! Changes to a database, of which all or none are made.

use jiff::Timestamp;
use rusqlite::{ErrorCode, OptionalExtension, Transaction, params};
use smearscope_common::message::Drops;
use uuid::Uuid;

use super::Kind;
use super::database::{Database, MAX_COUNT, checksum, drops, get, message, put};
use crate::clock;
use crate::failpoint;
use crate::sqlite::{Trouble, used_bytes};

/// How many answers to commands are kept.
const ANSWERS: i64 = 1000;

/// Room and time that results get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the database.
    pub(super) bytes: u64,
    /// How long an acknowledged result stays, in seconds.
    pub(super) keep_s: i64,
    /// How long a result may wait to be acknowledged, in seconds.
    pub(super) wait_s: i64,
    /// The last message that can have waited for so long.
    pub(super) expires_to: i64,
}

/// What a step removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pruned {
    /// What was lost by that.
    pub(super) drops: Drops,
    /// Whether nothing is left to be removed.
    pub(super) is_done: bool,
}

/// So many messages one step removes or sends again: it holds the store, and a card is slow.
const ROWS: u64 = 256;

/// Changes of which all or none are made: those of a step that is dropped are not.
pub(super) struct Step<'d> {
    pub(super) transaction: Transaction<'d>,
    pub(super) series: Uuid,
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
                checksum(id, kind, payload),
                payload.len() as i64,
                payload
            ])?;
        failpoint::hit("step.message");
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
        // A repeat of the command would find nothing here, or another's answer, and be done again.
        let noted: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT reply FROM answer WHERE request_id = ?1")?
            .query_row([request_id], |row| row.get(0))
            .optional()?;
        if noted.as_deref() != Some(reply) {
            return Err(Trouble::Damaged("its indexes don't agree".into()));
        }
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

    /// Makes fields of a numbering from one number to another wait again, so many as one step may change; gives how many,
    /// and the number to go on from if there may be more.
    pub(super) fn resend(
        &self,
        series: Uuid,
        from: u64,
        to: u64,
    ) -> Result<(u64, Option<u64>), Trouble> {
        // SQLite's integers are signed; a number beyond them was never given.
        let [from, to] = [from, to].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let mut update = self.transaction.prepare_cached(
            "UPDATE message SET acknowledged_at = NULL WHERE n IN
             (SELECT n FROM message WHERE series = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4)
             RETURNING CAST(seq AS INTEGER)",
        )?;
        let found = params![series.as_bytes().as_slice(), from, to, ROWS];
        let (mut count, mut last) = (0, from);
        for seq in update.query_map(found, |row| row.get(0))? {
            count += 1;
            last = last.max(seq?);
        }
        let next = last
            .checked_add(1)
            .and_then(|next| u64::try_from(next).ok());
        Ok((count, next.filter(|_| count == ROWS)))
    }

    /// Removes what has been here for too long, then what has no room: first what was acknowledged, then the oldest that
    /// was not. So much as one step may change; gives what was lost by that.
    pub(super) fn prune(&self, limits: Limits) -> Result<Pruned, Trouble> {
        // A result from before the clock was set has no age.
        let now = now();
        let outdated = self.transaction.execute(
            "DELETE FROM message WHERE n IN
             (SELECT n FROM message WHERE acknowledged_at BETWEEN ?1 AND ?2 LIMIT ?3)",
            params![clock::IS_SET, now - limits.keep_s, ROWS],
        )? as u64;
        let expired = if now < clock::IS_SET {
            0
        } else {
            self.transaction.execute(
                "DELETE FROM message WHERE n IN
                 (SELECT n FROM message
                  WHERE acknowledged_at IS NULL AND committed_at BETWEEN ?1 AND ?2 AND n <= ?3 LIMIT ?4)",
                params![clock::IS_SET, now - limits.wait_s, limits.expires_to, ROWS],
            )? as u64
        };
        failpoint::hit("prune.age");
        let (mut removed, mut no_room) = (0, 0);
        while removed < ROWS && used_bytes(&self.transaction)? > limits.bytes {
            let kept = self.transaction.execute(
                "DELETE FROM message WHERE n IN
                 (SELECT n FROM message WHERE acknowledged_at IS NOT NULL ORDER BY n LIMIT 32)",
                [],
            )? as u64;
            removed += kept;
            if kept == 0 {
                // The newest stays, whatever the limit: it is what the technician looks at.
                let dropped = self.transaction.execute(
                    "DELETE FROM message WHERE n IN (SELECT n FROM message ORDER BY n LIMIT 8)
                     AND n < (SELECT max(n) FROM message)",
                    [],
                )? as u64;
                if dropped == 0 {
                    break;
                }
                removed += dropped;
                no_room += dropped;
            }
            failpoint::hit("prune.room");
        }
        let drops = Drops {
            expired,
            no_room,
            damaged: 0,
        };
        if drops != Drops::default() {
            self.count_drops(drops)?;
        }
        Ok(Pruned {
            drops,
            is_done: outdated.max(expired).max(removed) < ROWS,
        })
    }

    /// Makes the changes last.
    pub(super) fn commit(self) -> Result<(), Trouble> {
        failpoint::hit("step.commit");
        self.transaction.commit()?;
        failpoint::hit("step.committed");
        Ok(())
    }

    pub(super) fn count_drops(&self, more: Drops) -> Result<(), Trouble> {
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

    /// Takes the last number back where `other` has its message under another number: its step was told to have failed, by a
    /// disk that had written it all the same, and nobody has seen it.
    pub(super) fn take_back_last(&self, other: &Database) -> Result<(), Trouble> {
        let last: u64 = get(&self.transaction, "last_seq")?.unwrap_or(0);
        let id: Option<Vec<u8>> = self
            .transaction
            .query_row(
                "SELECT id FROM message WHERE series = ?1 AND seq = ?2",
                params![self.series.as_bytes().as_slice(), last],
                |row| row.get(0),
            )
            .optional()?;
        let Some(id) = id else {
            return Ok(());
        };
        if other.has(&id)? {
            self.transaction
                .execute("DELETE FROM message WHERE id = ?1", [id])?;
            put(&self.transaction, "last_seq", last - 1)?;
        }
        Ok(())
    }

    /// Takes messages over; gives why the reading ended early. An error is one of writing.
    pub(super) fn take_messages(
        &self,
        other: &Database,
        order: &str,
        taken: &mut u64,
    ) -> Result<Option<Trouble>, Trouble> {
        let query = other.connection.prepare(&format!(
            "SELECT n, id, kind, crc, payload, series, seq, committed_at, acknowledged_at, bytes
             FROM message ORDER BY n {order}"
        ));
        let mut query = match query {
            Ok(query) => query,
            Err(error) => return Ok(Some(error.into())),
        };
        let mut rows = match query.query([]) {
            Ok(rows) => rows,
            Err(error) => return Ok(Some(error.into())),
        };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error.into())),
            };
            let Ok(Ok(message)) = message(row) else {
                continue;
            };
            // What is no number beside a sound payload is left away; without a time of acknowledgement it is sent again.
            let series: Option<Vec<u8>> = row.get(5).unwrap_or_default();
            let seq: Option<u64> = row.get(6).unwrap_or_default();
            let committed_at: i64 = row.get(7).unwrap_or_else(|_| now());
            let acknowledged_at: Option<i64> = row.get(8).unwrap_or_default();
            let insert = |series: Option<&[u8]>, seq: Option<u64>| {
                self.transaction.execute(
                    "INSERT INTO message
                     (id, kind, series, seq, committed_at, acknowledged_at, crc, bytes, payload)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
                    params![
                        message.id.as_bytes().as_slice(),
                        message.kind as u8,
                        series,
                        seq,
                        committed_at,
                        acknowledged_at,
                        checksum(message.id, message.kind, &message.payload),
                        message.payload.len() as i64,
                        &message.payload[..]
                    ],
                )
            };
            *taken += match insert(series.as_deref(), seq) {
                // Its number is another's here: it is delivered all the same.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    insert(None, None)?
                }
                inserted => inserted?,
            } as u64;
        }
    }

    /// Takes answers to commands over, as far as they can be read.
    pub(super) fn take_answers(&self, other: &Database) -> Result<(), Trouble> {
        for (request_id, reply) in other.answers().unwrap_or_default() {
            self.write_answer(&request_id, &reply)?;
        }
        Ok(())
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}
