//! Nothing is lost between the model and the broker: every result is on the disk before anything is offered to MQTT.
//!
//! A field's message, the slide's count with that field in it, and the number it got are committed in one transaction of
//! SQLite (WAL, synchronous FULL). A message stays *pending* until the broker has acknowledged it; then it is kept for
//! some days, so that [`Store::resend`] can make it pending again. What is published comes from here and nowhere else:
//! the MQTT client is no queue.
//!
//! Where the disk can't take results (full, read-only, damaged), they go to a database in memory, under a numbering of
//! its own, until the disk can; then they move there. A damaged file is set aside, after what can be read of it has been
//! taken over.

mod database;
mod homes;
mod slides;
mod step;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use smearscope_common::message::{Drops, Notes, SlideId, SlideMessage, StoreHealth, StoreState};
use smearscope_common::parasitemia::Counts;
use smearscope_common::topic::Topic;
use tokio::sync::watch;
use tracing::{info, warn};
use uuid::Uuid;

use crate::report;
use crate::slide::{Rules, Seen, Slide, Wanted};
use crate::sqlite::Trouble;
use database::Database;
pub(crate) use database::checksum;
use homes::{Homes, memory};
pub(crate) use slides::checksum as slide_checksum;

/// So many acknowledgements are written in one transaction: one lost with the power is a repeat, and no more.
const BATCH: usize = 64;

/// What a message of the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// One analysed field.
    Field = 1,
    /// The count of a closed slide.
    Report = 2,
}

impl Kind {
    pub(crate) fn of(number: u8) -> Option<Self> {
        [Self::Field, Self::Report]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    /// Where it is published.
    pub fn topic(self) -> Topic {
        match self {
            Self::Field => Topic::Field,
            Self::Report => Topic::SlideReport,
        }
    }
}

/// A message that is to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    n: i64,
    /// Its own id: two messages never share one.
    pub id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// JSON.
    pub payload: Bytes,
}

/// How far the pending messages have been read. The first one begins at the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    generation: u64,
    disk: i64,
    memory: i64,
}

/// What a field is told when it is committed.
#[derive(Clone, Debug)]
pub struct Place {
    /// The numbering.
    pub series: Uuid,
    /// The number.
    pub seq: u64,
    /// The slide that it joins.
    pub slide: Option<SlideId>,
    /// What of it joins that slide.
    pub counted: Counts,
}

/// Where results are kept, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database's file; `None` keeps everything in memory and loses it with the program, as `demo` does.
    pub path: Option<PathBuf>,
    /// The most bytes on the disk.
    pub max_bytes: u64,
    /// How long an acknowledged result stays.
    pub keep: Duration,
    /// How long a result may wait for its acknowledgement.
    pub max_wait: Duration,
    /// What slides go by.
    pub rules: Rules,
    /// Whether a slide is begun where none is open at the start.
    pub auto_start: bool,
}

/// Why a command to the store was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An id that another slide has.
    #[error("there was a slide {0} before: choose another id, or none")]
    SlideExists(SlideId),
    /// There is no slide to close.
    #[error("no slide is open")]
    NoSlide,
    /// Numbers that can't be a range.
    #[error("from is {from} and to is {to}: a range begins at 1 or later and ends no earlier")]
    Range {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Neither the disk nor the memory takes it.
    #[error("the store can't take it: {0}")]
    Unusable(String),
}

/// What a command is answered, noted in the same step as what it does.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The command's.
    pub request_id: &'a str,
    /// JSON.
    pub reply: &'a [u8],
}

/// The results of this board.
pub struct Store {
    inner: Mutex<Homes>,
    /// Held while files of reports are written, which takes longer than anything else should wait for.
    reporting: Mutex<()>,
    changed: watch::Sender<()>,
}

impl Store {
    /// Opens the store. A disk that can't be used is no error: see [`StoreHealth::trouble`].
    ///
    /// # Errors
    /// When another program has this store open, or not even memory can be had.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        let mut inner = Homes {
            disk: None,
            memory: None,
            trouble: None,
            retry_at: Instant::now(),
            set_aside: Vec::new(),
            most_drops: Drops::default(),
            slide: None,
            acknowledged: BTreeSet::new(),
            generation: 0,
            ask_at: Instant::now(),
            opened: Instant::now(),
            old: 0,
            options,
        };
        match inner.options.path.clone() {
            None => inner.memory = Some(memory()?),
            Some(path) => match Database::open(&path) {
                Ok(disk) => {
                    inner.old = disk.last_message();
                    inner.disk = Some(disk);
                    inner.take_over(&path);
                }
                Err(Trouble::InUse) => anyhow::bail!(
                    "another smearscope-edge uses the store {}; each needs a [store] path of its own",
                    path.display()
                ),
                Err(trouble) => inner.fall_back(trouble)?,
            },
        }
        inner.restore_slide()?;
        let store = Self {
            inner: Mutex::new(inner),
            reporting: Mutex::new(()),
            changed: watch::Sender::new(()),
        };
        // Of slides that were closed when the power went, or the disk was full.
        store.write_reports();
        Ok(store)
    }

    /// Tells of each change: something may be pending, or the slide's count is another.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Commits a field: gives it its number, adds its cells to the slide that is open, and makes it pending. `message` is
    /// called with its place, maybe twice, and gives id and payload; `seen` is what may join the slide.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn commit(
        &self,
        seen: &Seen<'_>,
        mut message: impl FnMut(&Place) -> (Uuid, Bytes),
    ) -> Result<Place, StoreError> {
        let mut inner = self.lock();
        inner.recover();
        let slide = inner.slide.clone();
        let report_cells = inner.report_cells();
        let (place, slide) = inner.write(|step, series| {
            let mut slide = slide.clone();
            let joined = slide.as_mut().filter(|slide| slide.is_open());
            let place = Place {
                series,
                seq: step.next_seq()?,
                slide: joined.as_ref().map(|slide| slide.id.clone()),
                counted: joined.as_ref().map_or(Counts::default(), |_| seen.counted),
            };
            if let Some(slide) = joined {
                slide.add(place.seq, seen);
                step.write_slide(slide)?;
                let suspects = &seen.suspects[..seen.suspects.len().min(report_cells)];
                step.add_suspects(&slide.id, place.seq, suspects, report_cells)?;
            }
            let (id, payload) = message(&place);
            step.add(id, Kind::Field, Some(place.seq), &payload)?;
            Ok((place, slide))
        })?;
        inner.slide = slide;
        drop(inner);
        self.changed.send_replace(());
        Ok(place)
    }

    /// A picture was not analysed, for this cause. It is counted in the slide that is open, and kept with the next field.
    pub fn turn_away(&self, cause: &'static str) {
        let mut inner = self.lock();
        if let Some(slide) = inner.slide.as_mut().filter(|slide| slide.is_open()) {
            slide.turn_away(cause);
        }
    }

    /// Which cells of the next field would be shown in the slide's report: none while no slide is open, or where no report
    /// will be written.
    pub fn wanted_suspects(&self) -> Wanted {
        self.lock().wanted_suspects()
    }

    /// The slide that is open.
    pub fn open_slide(&self) -> Option<SlideId> {
        let inner = self.lock();
        let slide = inner.slide.as_ref().filter(|slide| slide.is_open());
        slide.map(|slide| slide.id.clone())
    }

    /// The count of the slide that is open, or of the last one.
    pub fn slide(&self) -> Option<SlideMessage> {
        let inner = self.lock();
        inner
            .slide
            .as_ref()
            .map(|slide| slide.message(&inner.options.rules))
    }

    /// Begins a slide under the id with these notes and closes the one that is open; gives the closed one's count.
    ///
    /// # Errors
    /// [`StoreError::SlideExists`] or [`StoreError::Unusable`].
    pub fn start_slide(
        &self,
        id: SlideId,
        notes: Notes,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<SlideMessage>, StoreError> {
        let mut inner = self.lock();
        let known = [&inner.disk, &inner.memory]
            .into_iter()
            .flatten()
            .any(|database| database.knows_slide(&id).unwrap_or(false));
        if known {
            return Err(StoreError::SlideExists(id));
        }
        let mut slide = Slide::new(id);
        slide.note(notes);
        let closed = inner.change_slide(Some(slide), answer)?;
        drop(inner);
        self.changed.send_replace(());
        self.write_reports();
        Ok(closed)
    }

    /// Closes the slide that is open, and gives its count.
    ///
    /// # Errors
    /// [`StoreError::NoSlide`] or [`StoreError::Unusable`].
    pub fn stop_slide(&self, answer: Option<Answer<'_>>) -> Result<SlideMessage, StoreError> {
        let mut inner = self.lock();
        if !inner.slide.as_ref().is_some_and(Slide::is_open) {
            return Err(StoreError::NoSlide);
        }
        let closed = inner.change_slide(None, answer)?;
        drop(inner);
        self.changed.send_replace(());
        self.write_reports();
        closed.ok_or(StoreError::NoSlide)
    }

    /// Says something of the slide that is open, in place of what was said before.
    ///
    /// # Errors
    /// [`StoreError::NoSlide`] or [`StoreError::Unusable`].
    pub fn note_slide(&self, notes: Notes, answer: Answer<'_>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let open = inner.slide.clone().filter(Slide::is_open);
        let mut slide = open.ok_or(StoreError::NoSlide)?;
        slide.note(notes);
        inner.write(|step, _| {
            step.write_slide(&slide)?;
            step.write_answer(answer.request_id, answer.reply)
        })?;
        inner.slide = Some(slide);
        drop(inner);
        self.changed.send_replace(());
        Ok(())
    }

    /// Tells of a change of what belongs to the slide and is not kept here.
    pub fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Writes the files of the reports whose slides are closed. What fails is tried again by [`Store::maintain`].
    fn write_reports(&self) {
        let _one_at_a_time = self
            .reporting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some((n, folder, report)) = self.lock().next_report() else {
                return;
            };
            let slide = report.message.id.clone();
            if let Err(error) = report::write(&folder, &report) {
                warn!("the report of the slide {slide} can't be written now: {error:#}");
                return;
            }
            let mut inner = self.lock();
            if let Err(error) = inner.write(|step, _| step.end_report(n)) {
                warn!("the report of the slide {slide} will be written again: {error}");
                return;
            }
            let keep = inner.options.rules.keep_reports;
            let last = inner.current().last_slides(keep).unwrap_or_default();
            drop(inner);
            info!("the slide {slide} is reported in {}", folder.display());
            report::remove_old(&folder, &last, keep);
        }
    }

    /// What was answered to a command with this id, if it was one that changed something.
    pub fn answer(&self, request_id: &str) -> Option<Bytes> {
        let inner = self.lock();
        [&inner.memory, &inner.disk]
            .into_iter()
            .flatten()
            .find_map(|database| database.answer(request_id).ok().flatten())
    }

    /// Up to `rows` pending messages behind the cursor, in the order in which they were committed, and not much more than
    /// `bytes` in all. Some may have been read before: the cursor goes back where messages became pending again.
    pub fn pending(&self, cursor: &mut Cursor, rows: usize, bytes: usize) -> Vec<Message> {
        let mut inner = self.lock();
        loop {
            if cursor.generation != inner.generation {
                *cursor = Cursor {
                    generation: inner.generation,
                    ..Cursor::default()
                };
            }
            let Ok(mut found) = inner.read(cursor, rows, bytes) else {
                continue;
            };
            if found.is_empty() {
                return found;
            }
            found.retain(|message| !inner.acknowledged.contains(&message.id));
            if !found.is_empty() {
                return found;
            }
        }
    }

    /// A pending message.
    pub fn message(&self, id: Uuid) -> Option<Message> {
        let inner = self.lock();
        if inner.acknowledged.contains(&id) {
            return None;
        }
        [&inner.disk, &inner.memory]
            .into_iter()
            .flatten()
            .find_map(|database| database.message(id).ok().flatten())
    }

    /// The broker has this message. It is written with others, or by [`Store::flush`].
    pub fn acknowledge(&self, id: Uuid) {
        let mut inner = self.lock();
        inner.acknowledged.insert(id);
        if inner.acknowledged.len() >= BATCH {
            inner.write_acknowledged();
        }
    }

    /// Writes what was acknowledged.
    pub fn flush(&self) {
        self.lock().write_acknowledged();
    }

    /// Makes the fields `from` to `to` of a numbering (the current one, where none is named) pending again; gives how
    /// many of them there still are. Calls `alive` after each step.
    ///
    /// # Errors
    /// [`StoreError::Range`] or [`StoreError::Unusable`].
    pub fn resend(
        &self,
        series: Option<Uuid>,
        from: u64,
        to: u64,
        alive: impl Fn(),
    ) -> Result<u64, StoreError> {
        if from < 1 || from > to {
            return Err(StoreError::Range { from, to });
        }
        let mut inner = self.lock();
        // Else one of them would be found acknowledged at the next flush. Where they can't be written, they are sent once
        // more with the others.
        inner.write_acknowledged();
        inner.acknowledged.clear();
        let series = series.unwrap_or_else(|| inner.series());
        let (mut found, mut from) = (0, Some(from));
        while let Some(next) = from {
            let steps = inner
                .write_everywhere(|step| step.resend(series, next, to))
                .map_err(|trouble| StoreError::Unusable(trouble.to_string()))?;
            found += steps.iter().map(|(count, _)| count).sum::<u64>();
            from = steps.iter().filter_map(|(_, next)| *next).min();
            // Others get their turn.
            drop(inner);
            alive();
            inner = self.lock();
        }
        inner.generation += 1;
        drop(inner);
        self.changed.send_replace(());
        Ok(found)
    }

    /// Whether nothing is pending.
    pub fn is_delivered(&self) -> bool {
        let mut inner = self.lock();
        inner.write_acknowledged();
        if !inner.acknowledged.is_empty() {
            // They can't be written now: counted instead.
            return inner.pending_totals().0 == 0;
        }
        inner.databases().all(|database| {
            database
                .pending(0, 1, 1)
                .is_ok_and(|found| found.is_empty())
        })
    }

    /// What is to be done from time to time: the disk is tried again, old results go. Calls `alive` after each step and gives
    /// what was lost.
    pub fn maintain(&self, alive: impl Fn()) -> Drops {
        let mut drops = Drops::default();
        loop {
            let mut inner = self.lock();
            inner.recover();
            inner.write_acknowledged();
            let pruned = inner.prune();
            drop(inner);
            alive();
            drops.expired += pruned.drops.expired;
            drops.no_room += pruned.drops.no_room;
            if pruned.is_done {
                break;
            }
        }
        if drops != Drops::default() {
            warn!(
                "results given up before the broker had them: {} too old, {} without room",
                drops.expired, drops.no_room
            );
        }
        self.write_reports();
        drops
    }

    /// How the store is, and what was lost in all: that never becomes less, also while the disk that counts can't be read.
    pub fn health(&self) -> (StoreHealth, Drops) {
        let mut inner = self.lock();
        let databases = || [&inner.disk, &inner.memory].into_iter().flatten();
        let (pending, pending_bytes) = inner.pending_totals();
        let mut drops = Drops::default();
        for more in databases().filter_map(|database| database.drops().ok()) {
            drops.expired += more.expired;
            drops.no_room += more.no_room;
            drops.damaged += more.damaged;
        }
        let most = &mut inner.most_drops;
        most.expired = most.expired.max(drops.expired);
        most.no_room = most.no_room.max(drops.no_room);
        most.damaged = most.damaged.max(drops.damaged);
        let drops = *most;
        let databases = || [&inner.disk, &inner.memory].into_iter().flatten();
        let health = StoreHealth {
            state: match inner.memory {
                Some(_) => StoreState::Memory,
                None => StoreState::Disk,
            },
            trouble: inner.trouble.clone(),
            set_aside: inner.set_aside.clone(),
            pending,
            pending_bytes,
            kept: databases()
                .filter_map(|database| database.kept().ok())
                .sum(),
            series: inner.series(),
            last_seq: inner.current().last_seq().unwrap_or(0),
        };
        (health, drops)
    }

    /// Whether what is pending now survives the end of the program.
    pub fn is_lasting(&self) -> bool {
        self.lock().memory.is_none()
    }

    /// Where the disk of the results is, if they are on one.
    pub fn folder(&self) -> Option<PathBuf> {
        let inner = self.lock();
        let path = inner.options.path.as_ref()?;
        Some(path.parent().unwrap_or(Path::new(".")).to_owned())
    }

    /// A word noted by [`Store::write_note`].
    pub fn note(&self, key: &str) -> Option<String> {
        self.lock().current().note(key).ok().flatten()
    }

    /// Notes a word for later starts of the program. Not worth an error.
    pub fn write_note(&self, key: &str, value: &str) {
        let written = self.lock().write(|step, _| step.write_note(key, value));
        if let Err(error) = written {
            warn!("a note about {key} is lost: {error}");
        }
    }

    /// Each method leaves a state that holds together; one that panicked left it before it changed anything but SQLite's
    /// transaction, which is rolled back.
    fn lock(&self) -> MutexGuard<'_, Homes> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub mod tests;
