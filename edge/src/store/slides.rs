//! Slides in the database: their counts, their most suspicious cells, and their reports until these are files.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use smearscope_common::geometry::Rect;
use smearscope_common::message::{SlideId, SlideMessage};
use uuid::Uuid;

use super::Kind;
use super::database::{Database, MAX_COUNT};
use super::step::Step;
use crate::failpoint;
use crate::mqtt::to_json;
use crate::report::{Report, ReportedCell};
use crate::slide::{Rules, Slide, Suspect, Tally};
use crate::sqlite::Trouble;

/// The columns that [`slide`] reads.
pub(super) const COLUMNS: &str =
    "id, started_at, closed_at, fields, cells, parasitized, tally, crc";
/// How many reports wait at most for their files to be written: the message is kept all the same.
const MOST_REPORTS: i64 = 16;

impl Step<'_> {
    /// Writes a slide's count as it is now.
    pub(super) fn write_slide(&self, slide: &Slide) -> Result<(), Trouble> {
        let started_at = slide.started_at.to_string();
        let closed_at = slide.closed_at.map(|at| at.to_string());
        let tally = String::from_utf8(to_json(&slide.tally_now()).into())
            .map_err(|_| Trouble::Unusable("a slide's tally is no text".into()))?;
        let crc = checksum(
            slide.id.as_str(),
            &started_at,
            closed_at.as_deref(),
            slide.fields,
            &tally,
        );
        let counts = slide.counts();
        self.transaction
            .prepare_cached(
                "INSERT INTO slide (id, started_at, closed_at, fields, cells, parasitized, tally, crc)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (id) DO UPDATE
                 SET closed_at = ?3, fields = ?4, cells = ?5, parasitized = ?6, tally = ?7, crc = ?8",
            )?
            .execute(params![
                slide.id.as_str(),
                started_at,
                closed_at,
                slide.fields,
                counts.cells,
                counts.parasitized,
                tally,
                crc
            ])?;
        failpoint::hit("step.slide");
        Ok(())
    }

    /// Writes a closed slide with its report: the message, which gets this id, and what its files are to be made of.
    pub(super) fn close_slide(
        &self,
        slide: &Slide,
        rules: &Rules,
        id: Uuid,
    ) -> Result<(), Trouble> {
        self.write_slide(slide)?;
        let payload = to_json(&slide.message(rules));
        self.add(id, Kind::Report, None, &payload)?;
        self.transaction.execute(
            "INSERT OR REPLACE INTO report (slide, crc, payload) VALUES (?1, ?2, ?3)",
            params![slide.id.as_str(), crc32c::crc32c(&payload), &payload[..]],
        )?;
        let too_many: Vec<i64> = self
            .transaction
            .prepare_cached("SELECT n FROM report ORDER BY n DESC LIMIT -1 OFFSET ?1")?
            .query_map([MOST_REPORTS], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        failpoint::hit("step.report");
        too_many.into_iter().try_for_each(|n| self.end_report(n))
    }

    /// Closes every open slide but one, with its report: one may have been left open on a disk that could not be read when
    /// the next was begun.
    pub(super) fn close_all_but(&self, id: &SlideId, rules: &Rules) -> Result<(), Trouble> {
        let open = slides(&self.transaction, "closed_at IS NULL")?;
        open.into_iter()
            .filter(|slide| slide.id != *id)
            .try_for_each(|slide| self.close_slide(&slide.closed(), rules, Uuid::now_v7()))
    }

    /// Adds cells of a field to the most suspicious ones of a slide, of which `most` stay.
    pub(super) fn add_suspects(
        &self,
        slide: &SlideId,
        seq: u64,
        suspects: &[Suspect],
        most: usize,
    ) -> Result<(), Trouble> {
        if suspects.is_empty() {
            return Ok(());
        }
        for suspect in suspects {
            self.insert_suspect(slide.as_str(), seq, suspect)?;
        }
        self.keep_suspects(slide, most)?;
        failpoint::hit("step.suspect");
        Ok(())
    }

    fn insert_suspect(&self, slide: &str, seq: u64, suspect: &Suspect) -> Result<(), Trouble> {
        let Rect { x, y, w, h } = suspect.bbox;
        self.transaction
            .prepare_cached(
                "INSERT INTO suspect (slide, seq, p, x, y, w, h, picture)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                slide,
                seq,
                suspect.p_parasitized,
                x,
                y,
                w,
                h,
                suspect.picture
            ])?;
        Ok(())
    }

    /// Leaves `most` of a slide's suspicious cells.
    pub(super) fn keep_suspects(&self, slide: &SlideId, most: usize) -> Result<(), Trouble> {
        self.transaction
            .prepare_cached(
                "DELETE FROM suspect WHERE n IN
                 (SELECT n FROM suspect WHERE slide = ?1 ORDER BY p DESC, n LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![slide.as_str(), most as i64])?;
        Ok(())
    }

    /// The report of this number is written, or given up.
    pub(super) fn end_report(&self, n: i64) -> Result<(), Trouble> {
        self.transaction.execute(
            "DELETE FROM suspect WHERE slide = (SELECT slide FROM report WHERE n = ?1)",
            [n],
        )?;
        let ended = self
            .transaction
            .execute("DELETE FROM report WHERE n = ?1", [n])?;
        // One that is read and can't be found would be written for ever.
        if ended == 0 {
            return Err(Trouble::Damaged("its rows are out of order".into()));
        }
        Ok(())
    }

    /// Takes slides over, as far as they can be read.
    pub(super) fn take_slides(&self, other: &Database) -> Result<(), Trouble> {
        let slides = other.slides("1").unwrap_or_default();
        slides.iter().try_for_each(|slide| self.write_slide(slide))
    }

    /// Takes over what reports are made of, as far as it can be read.
    pub(super) fn take_reports(&self, other: &Database) -> Result<(), Trouble> {
        for (slide, cell) in other.suspects(None).unwrap_or_default() {
            self.insert_suspect(&slide, cell.seq, &cell.suspect)?;
        }
        for (slide, crc, payload) in other.reports().unwrap_or_default() {
            self.transaction.execute(
                "INSERT INTO report (slide, crc, payload) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![slide, crc, payload],
            )?;
        }
        Ok(())
    }
}

/// A report that is still to be written: its number, and what it is made of; `None` where it can't be made any more.
pub(super) type Draft = (i64, Option<Report>);

impl Database {
    /// The oldest report that is still to be written.
    pub(super) fn next_report(&self) -> Result<Option<Draft>, Trouble> {
        type Row = (String, u32, Vec<u8>);
        let found: Option<(i64, rusqlite::Result<Row>)> = self
            .connection
            .prepare_cached("SELECT n, slide, crc, payload FROM report ORDER BY n LIMIT 1")?
            .query_row([], |row| {
                let read = || Ok((row.get(1)?, row.get(2)?, row.get(3)?));
                Ok((row.get(0)?, read()))
            })
            .optional()?;
        let Some((n, row)) = found else {
            return Ok(None);
        };
        let message = row.ok().and_then(|(slide, crc, payload)| {
            let message: SlideMessage = serde_json::from_slice(&payload).ok()?;
            let is_sound = crc32c::crc32c(&payload) == crc && message.id.as_str() == slide;
            is_sound.then_some(message)
        });
        let Some(message) = message else {
            return Ok(Some((n, None)));
        };
        let cells = self.suspects(Some(&message.id))?;
        let report = Report {
            message,
            cells: cells.into_iter().map(|(_, cell)| cell).collect(),
        };
        Ok(Some((n, Some(report))))
    }

    /// The probability that a cell must have more of to be among the `most` suspicious ones of a slide.
    pub(super) fn suspect_floor(&self, slide: &SlideId, most: usize) -> Result<f32, Trouble> {
        let (count, least): (usize, Option<f32>) = self
            .connection
            .prepare_cached("SELECT count(*), min(p) FROM suspect WHERE slide = ?1")?
            .query_row([slide.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(least.filter(|_| count >= most).unwrap_or(-1.0))
    }

    /// The suspicious cells of a slide, or of all, with their slides, the most suspicious first; what is none is passed
    /// over.
    fn suspects(&self, slide: Option<&SlideId>) -> Result<Vec<(String, ReportedCell)>, Trouble> {
        let mut query = self.connection.prepare_cached(
            "SELECT slide, seq, p, x, y, w, h, picture FROM suspect
             WHERE ?1 IS NULL OR slide = ?1 ORDER BY p DESC, n",
        )?;
        let found = query.query_map([slide.map(SlideId::as_str)], |row| {
            let [x, y, w, h] = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
            let cell = ReportedCell {
                seq: row.get(1)?,
                suspect: Suspect {
                    bbox: Rect { x, y, w, h },
                    p_parasitized: row.get(2)?,
                    picture: row.get(7)?,
                },
            };
            Ok((row.get(0)?, cell))
        })?;
        Ok(found.filter_map(Result::ok).collect())
    }

    /// The reports that are still to be written: their slides, checksums and payloads.
    fn reports(&self) -> Result<Vec<(String, u32, Vec<u8>)>, Trouble> {
        let mut query = self
            .connection
            .prepare("SELECT slide, crc, payload FROM report ORDER BY n")?;
        let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(found.filter_map(Result::ok).collect())
    }

    /// The ids of the last slides, so many.
    pub(super) fn last_slides(&self, count: usize) -> Result<Vec<String>, Trouble> {
        let mut query = self
            .connection
            .prepare_cached("SELECT id FROM slide ORDER BY rowid DESC LIMIT ?1")?;
        let found = query.query_map([count as i64], |row| row.get(0))?;
        Ok(found.filter_map(Result::ok).collect())
    }
}

/// A row with [`COLUMNS`] as a slide.
pub(super) fn slide(row: &Row<'_>) -> rusqlite::Result<Slide> {
    let no_slide = |column: usize, kind: Type, error: Box<dyn std::error::Error + Send + Sync>| {
        Error::FromSqlConversionFailure(column, kind, error)
    };
    let time = |column: usize, text: &str| {
        text.parse::<Timestamp>()
            .map_err(|error| no_slide(column, Type::Text, error.into()))
    };
    let id: String = row.get(0)?;
    let started_at: String = row.get(1)?;
    let closed_at: Option<String> = row.get(2)?;
    let fields: u64 = row.get(3)?;
    let tally_text: String = row.get(6)?;
    let tally: Tally =
        serde_json::from_str(&tally_text).map_err(|error| no_slide(6, Type::Text, error.into()))?;
    let counts = tally.sums.counts;
    let is_sound = row.get::<_, u32>(7)?
        == checksum(&id, &started_at, closed_at.as_deref(), fields, &tally_text)
        && (row.get::<_, u64>(4)?, row.get::<_, u64>(5)?) == (counts.cells, counts.parasitized)
        && fields.max(counts.cells) <= MAX_COUNT as u64
        && tally.is_possible(fields);
    if !is_sound {
        return Err(no_slide(7, Type::Integer, "its count was changed".into()));
    }
    Ok(Slide::restored(
        id.parse()
            .map_err(|error| no_slide(0, Type::Text, Box::new(error)))?,
        time(1, &started_at)?,
        closed_at.map(|text| time(2, &text)).transpose()?,
        fields,
        tally,
    ))
}

/// The checksum of a slide's row.
pub(crate) fn checksum(
    id: &str,
    started_at: &str,
    closed_at: Option<&str>,
    fields: u64,
    tally: &str,
) -> u32 {
    let text = format!(
        "{id}\n{started_at}\n{}\n{fields}\n{tally}",
        closed_at.unwrap_or_default()
    );
    crc32c::crc32c(text.as_bytes())
}

/// The slides for which a condition of SQL holds, in the order of their beginning; what is none is passed over.
pub(super) fn slides(connection: &Connection, condition: &str) -> Result<Vec<Slide>, Trouble> {
    let mut query = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM slide WHERE {condition} ORDER BY rowid"
    ))?;
    let mut rows = query.query([])?;
    let mut slides = Vec::new();
    // What lies behind a row that can't be read is not known; what lies before it is.
    while let Ok(Some(row)) = rows.next() {
        slides.extend(slide(row));
    }
    Ok(slides)
}
