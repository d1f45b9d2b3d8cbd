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
mod failpoint;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use smearscope_common::message::{Drops, SlideMessage, StoreHealth, StoreState};
use smearscope_common::parasitemia::Counts;
use smearscope_common::topic::Topic;
use tokio::sync::watch;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::mqtt::to_json;
use crate::slide::{Rules, Slide};
use database::{Database, Limits, Step, Trouble};

/// How long a disk that can't take results is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// What results may take of the memory where the disk can't have them.
const MEMORY_BYTES: u64 = 64 << 20;
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
    fn of(number: u8) -> Option<Self> {
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
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The numbering.
    pub series: Uuid,
    /// The number.
    pub seq: u64,
    /// The slide that it joins.
    pub slide: Option<Uuid>,
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
    SlideExists(Uuid),
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
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

struct Inner {
    options: Options,
    /// The database of [`Options::path`], where it can be read.
    disk: Option<Database>,
    /// Where results go while the disk can't take them, or always where there is no path.
    memory: Option<Database>,
    /// Why the disk can't take results.
    trouble: Option<String>,
    /// When the disk is tried again.
    retry_at: Instant,
    set_aside: Vec<String>,
    /// The slide that was begun last, open or closed.
    slide: Option<Slide>,
    /// Acknowledged, but not written yet.
    acknowledged: BTreeSet<Uuid>,
    /// Rises when messages before a cursor may be pending again.
    generation: u64,
}

impl Store {
    /// Opens the store. A disk that can't be used is no error: see [`StoreHealth::trouble`].
    ///
    /// # Errors
    /// When another program has this store open, or not even memory can be had.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        let mut inner = Inner {
            disk: None,
            memory: None,
            trouble: None,
            retry_at: Instant::now(),
            set_aside: Vec::new(),
            slide: None,
            acknowledged: BTreeSet::new(),
            generation: 0,
            options,
        };
        match inner.options.path.clone() {
            None => inner.memory = Some(memory()?),
            Some(path) => match Database::open(&path) {
                Ok(disk) => inner.disk = Some(disk),
                Err(Trouble::InUse) => anyhow::bail!(
                    "another smearscope-edge uses the store {}; each needs a [store] path of its own",
                    path.display()
                ),
                Err(trouble) => inner.fall_back(trouble)?,
            },
        }
        inner.restore_slide()?;
        Ok(Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
        })
    }

    /// Tells of each change: something may be pending, or the slide's count is another.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Commits a field: gives it its number, adds its cells to the slide that is open, and makes it pending. `message` is
    /// called with its place, maybe twice, and gives id and payload; `counts` is what was seen.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn commit(
        &self,
        counts: Counts,
        mut message: impl FnMut(&Place) -> (Uuid, Bytes),
    ) -> Result<Place, StoreError> {
        let mut inner = self.lock();
        inner.recover();
        let slide = inner.slide.clone();
        let (place, slide) = inner.write(|step, series| {
            let mut slide = slide.clone();
            let joined = slide.as_mut().filter(|slide| slide.is_open());
            let place = Place {
                series,
                seq: step.next_seq()?,
                slide: joined.as_ref().map(|slide| slide.id),
                counted: joined.as_ref().map_or(Counts::default(), |_| counts),
            };
            if let Some(slide) = joined {
                slide.add(counts);
                step.write_slide(slide)?;
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

    /// The count of the slide that is open, or of the last one.
    pub fn slide(&self) -> Option<SlideMessage> {
        let inner = self.lock();
        inner
            .slide
            .as_ref()
            .map(|slide| slide.message(&inner.options.rules))
    }

    /// Begins a slide under the id and closes the one that is open; gives the closed one's count.
    ///
    /// # Errors
    /// [`StoreError::SlideExists`] or [`StoreError::Unusable`].
    pub fn start_slide(
        &self,
        id: Uuid,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<SlideMessage>, StoreError> {
        let mut inner = self.lock();
        let known = [&inner.disk, &inner.memory]
            .into_iter()
            .flatten()
            .any(|database| database.knows_slide(id).unwrap_or(false));
        if known {
            return Err(StoreError::SlideExists(id));
        }
        let closed = inner.change_slide(Some(Slide::new(id)), answer)?;
        drop(inner);
        self.changed.send_replace(());
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
        closed.ok_or(StoreError::NoSlide)
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
    /// many of them there still are.
    ///
    /// # Errors
    /// [`StoreError::Range`] or [`StoreError::Unusable`].
    pub fn resend(&self, series: Option<Uuid>, from: u64, to: u64) -> Result<u64, StoreError> {
        if from < 1 || from > to {
            return Err(StoreError::Range { from, to });
        }
        let mut inner = self.lock();
        // Else one of them would be found acknowledged at the next flush.
        inner.write_acknowledged();
        let series = series.unwrap_or_else(|| inner.series());
        let found = inner
            .write_everywhere(|step| step.resend(series, from, to))
            .map_err(|trouble| StoreError::Unusable(trouble.to_string()))?
            .into_iter()
            .sum();
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
            return inner.pending_totals().0 <= inner.acknowledged.len() as u64;
        }
        inner.databases().all(|database| {
            database
                .pending(0, 1, 1)
                .is_ok_and(|found| found.is_empty())
        })
    }

    /// What is to be done from time to time: the disk is tried again, old results go. Gives what was lost by that.
    pub fn maintain(&self) -> Drops {
        let mut inner = self.lock();
        inner.recover();
        inner.write_acknowledged();
        let drops = inner.prune();
        if drops != Drops::default() {
            warn!(
                "results given up before the broker had them: {} too old, {} without room",
                drops.expired, drops.no_room
            );
        }
        drops
    }

    /// How the store is, and what was lost in all.
    pub fn health(&self) -> (StoreHealth, Drops) {
        let inner = self.lock();
        let databases = || [&inner.disk, &inner.memory].into_iter().flatten();
        let (pending, pending_bytes) = inner.pending_totals();
        let mut drops = Drops::default();
        for more in databases().filter_map(|database| database.drops().ok()) {
            drops.expired += more.expired;
            drops.no_room += more.no_room;
            drops.damaged += more.damaged;
        }
        let health = StoreHealth {
            state: match inner.memory {
                Some(_) => StoreState::Memory,
                None => StoreState::Disk,
            },
            trouble: inner.trouble.clone(),
            set_aside: inner.set_aside.clone(),
            pending: pending.saturating_sub(inner.acknowledged.len() as u64),
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
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The database that takes what is new.
    fn current(&self) -> &Database {
        self.memory
            .as_ref()
            .or(self.disk.as_ref())
            .expect("a store has a disk or falls back to memory before it is used")
    }

    fn databases(&mut self) -> impl Iterator<Item = &mut Database> {
        [&mut self.disk, &mut self.memory].into_iter().flatten()
    }

    fn series(&self) -> Uuid {
        self.current().series()
    }

    /// Does a step on the disk, or in memory where the disk can't take it.
    fn write<T>(
        &mut self,
        mut work: impl FnMut(&Step<'_>, Uuid) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        if self.memory.is_none() {
            let disk = self.disk.as_mut().expect("without memory there is a disk");
            match one_step(disk, &mut work) {
                Ok(done) => return Ok(done),
                Err(trouble) => self
                    .fall_back(trouble)
                    .map_err(|error| StoreError::Unusable(format!("{error:#}")))?,
            }
        }
        // A damaged file may have been followed by a new one, which is on the disk again.
        let current = self.memory.as_mut().or(self.disk.as_mut());
        one_step(
            current.expect("falling back leaves one of the two"),
            &mut work,
        )
        .map_err(|trouble| StoreError::Unusable(trouble.to_string()))
    }

    /// The disk has failed: a damaged file is set aside and followed by a new one; otherwise the memory takes over.
    fn fall_back(&mut self, trouble: Trouble) -> anyhow::Result<()> {
        let path = self.options.path.clone().unwrap_or_default();
        let mut trouble = trouble;
        if let Trouble::Damaged(reason) = &trouble {
            error!("the store {} is damaged ({reason})", path.display());
            match self.replace_damaged(&path) {
                Ok(()) => return Ok(()),
                Err(next) => trouble = next,
            }
        }
        error!(
            "the store {} can't take results ({trouble}): they stay in memory until it can, and are lost with the power",
            path.display()
        );
        self.trouble = Some(trouble.to_string());
        self.retry_at = Instant::now() + RETRY;
        if self.memory.is_none() {
            self.memory = Some(memory()?);
        }
        Ok(())
    }

    /// Sets a damaged file aside, makes a new one, and takes over what can be read of the old one.
    fn replace_damaged(&mut self, path: &Path) -> Result<(), Trouble> {
        self.disk = None;
        let aside = set_aside(path)?;
        failpoint::hit("aside.renamed");
        self.set_aside.push(aside.display().to_string());
        let mut disk = Database::open(path)?;
        let taken = Database::open_damaged(&aside)
            .and_then(|damaged| disk.absorb(&damaged, self.slide.as_ref()))
            .unwrap_or(0);
        warn!(
            "{taken} results were taken over from the damaged store, which is kept as {}",
            aside.display()
        );
        self.disk = Some(disk);
        self.generation += 1;
        Ok(())
    }

    /// Tries the disk again, if it is time, and moves there what is in memory.
    fn recover(&mut self) {
        let Some(path) = self.options.path.clone() else {
            return;
        };
        if self.memory.is_none() || Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + RETRY;
        match self.move_to_disk(&path) {
            Ok(moved) => {
                info!(
                    "the store {} takes results again; {moved} moved there from memory",
                    path.display()
                );
                self.memory = None;
                self.trouble = None;
                self.generation += 1;
            }
            Err(trouble) => {
                if let Trouble::Damaged(_) = trouble
                    && self.replace_damaged(&path).is_ok()
                {
                    // The next try moves what is in memory.
                    self.retry_at = Instant::now();
                }
                self.trouble = Some(trouble.to_string());
            }
        }
    }

    fn move_to_disk(&mut self, path: &Path) -> Result<u64, Trouble> {
        if !is_writable(path) {
            return Err(Trouble::Unusable("its folder can't be written".into()));
        }
        // Opened anew: the old handle may be of a disk that was pulled out.
        self.disk = None;
        let mut disk = Database::open(path)?;
        let memory = self.memory.as_ref().expect("checked by the caller");
        let moved = disk.absorb(memory, self.slide.as_ref());
        self.disk = Some(disk);
        self.generation += 1;
        moved
    }

    /// The slide that was open when the program ended, or a new one.
    fn restore_slide(&mut self) -> anyhow::Result<()> {
        self.slide = match self.current().last_slide() {
            Ok(slide) => slide,
            Err(trouble) => {
                self.fall_back(trouble)?;
                self.current().last_slide().ok().flatten()
            }
        };
        if !self.slide.as_ref().is_some_and(Slide::is_open) && self.options.auto_start {
            self.change_slide(Some(Slide::new(Uuid::now_v7())), None)?;
        }
        Ok(())
    }

    /// Closes the slide that is open and opens `next`, in one step with the answer.
    fn change_slide(
        &mut self,
        next: Option<Slide>,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<SlideMessage>, StoreError> {
        let closed = self.slide.clone().filter(Slide::is_open).map(Slide::closed);
        let report = closed
            .as_ref()
            .map(|slide| slide.message(&self.options.rules));
        let payload = report.as_ref().map(to_json);
        let id = Uuid::now_v7();
        self.write(|step, _| {
            if let (Some(slide), Some(payload)) = (&closed, &payload) {
                step.write_slide(slide)?;
                step.add(id, Kind::Report, None, payload)?;
            }
            if let Some(slide) = &next {
                step.write_slide(slide)?;
            }
            if let Some(answer) = answer {
                step.write_answer(answer.request_id, answer.reply)?;
            }
            Ok(())
        })?;
        self.slide = next.or(closed);
        Ok(report)
    }

    /// Pending messages behind the cursor: those of the disk are older than those in memory. An error says that the
    /// databases are others now, and reading begins anew.
    fn read(&mut self, cursor: &mut Cursor, rows: usize, bytes: usize) -> Result<Vec<Message>, ()> {
        if let Some(disk) = &mut self.disk {
            match disk.pending(cursor.disk, rows, bytes) {
                Ok(found) if found.is_empty() => {}
                Ok(found) => {
                    cursor.disk = found.last().map_or(cursor.disk, |last| last.n);
                    return Ok(found);
                }
                Err(trouble) => {
                    // Followed by a new one, or given up until it is opened anew.
                    let is_new = self.fall_back(trouble).is_ok() && self.memory.is_none();
                    if !is_new {
                        self.disk = None;
                    }
                    self.generation += 1;
                    return Err(());
                }
            }
        }
        let Some(memory) = &mut self.memory else {
            return Ok(Vec::new());
        };
        let found = memory
            .pending(cursor.memory, rows, bytes)
            .unwrap_or_else(|trouble| {
                error!("results in memory can't be read: {trouble}");
                Vec::new()
            });
        cursor.memory = found.last().map_or(cursor.memory, |last| last.n);
        Ok(found)
    }

    /// Writes what was acknowledged, wherever it is. Where that fails it is tried again: until then [`Store::pending`]
    /// passes these messages over.
    fn write_acknowledged(&mut self) {
        if self.acknowledged.is_empty() {
            return;
        }
        let ids = self.acknowledged.clone();
        let written = self.write_everywhere(|step| step.acknowledge(ids.iter().copied()));
        if written.is_ok() {
            self.acknowledged.clear();
        }
    }

    /// Does a step on the disk and in memory, where there are both. A disk that is found damaged by it is followed by a new
    /// one, on which it is done then.
    fn write_everywhere<T>(
        &mut self,
        work: impl Fn(&Step<'_>) -> Result<T, Trouble>,
    ) -> Result<Vec<T>, Trouble> {
        let mut work = |step: &Step<'_>, _| work(step);
        let mut done = Vec::new();
        if let Some(disk) = &mut self.disk {
            match one_step(disk, &mut work) {
                Err(trouble @ Trouble::Damaged(_)) => {
                    self.fall_back(trouble)
                        .map_err(|error| Trouble::Unusable(format!("{error:#}")))?;
                    if let Some(disk) = &mut self.disk {
                        done.push(one_step(disk, &mut work)?);
                    }
                }
                other => done.push(other?),
            }
        }
        if let Some(memory) = &mut self.memory {
            done.push(one_step(memory, &mut work)?);
        }
        Ok(done)
    }

    fn prune(&mut self) -> Drops {
        let options = &self.options;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 2);
        let limits = Limits {
            bytes: match self.memory {
                Some(_) => MEMORY_BYTES.min(options.max_bytes),
                None => options.max_bytes,
            },
            keep_s: seconds(options.keep),
            wait_s: seconds(options.max_wait),
        };
        self.write(|step, _| step.prune(limits))
            .unwrap_or_else(|error| {
                warn!("old results can't be removed: {error}");
                Drops::default()
            })
    }

    /// How many messages are pending, and their bytes; those whose acknowledgement is not written are in it.
    fn pending_totals(&self) -> (u64, u64) {
        [&self.disk, &self.memory]
            .into_iter()
            .flatten()
            .filter_map(|database| database.pending_totals().ok())
            .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
    }
}

fn memory() -> anyhow::Result<Database> {
    Database::in_memory().map_err(|trouble| anyhow::anyhow!("results can't be kept: {trouble}"))
}

fn one_step<T>(
    database: &mut Database,
    work: &mut impl FnMut(&Step<'_>, Uuid) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let series = database.series();
    let step = database.step()?;
    let done = work(&step, series)?;
    step.commit()?;
    Ok(done)
}

/// Renames a database with the files that belong to it.
fn set_aside(path: &Path) -> Result<PathBuf, Trouble> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stamp = Timestamp::now().as_second();
    let aside = (0..)
        .map(|n| with(&format!(".damaged-{}", stamp + n)))
        .find(|aside| !aside.exists())
        .expect("some second is free");
    let unusable = |error: std::io::Error| Trouble::Unusable(error.to_string());
    std::fs::rename(path, &aside).map_err(unusable)?;
    for suffix in ["-wal", "-journal"] {
        let mut name = aside.as_os_str().to_owned();
        name.push(suffix);
        if with(suffix).exists() {
            std::fs::rename(with(suffix), name).map_err(unusable)?;
        }
    }
    Ok(aside)
}

/// Whether a file can be made beside `path`, or its folder can.
fn is_writable(path: &Path) -> bool {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok() || !folder.exists()
}

#[cfg(test)]
pub mod tests;
