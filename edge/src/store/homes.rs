//! Where results are: on the disk, or in memory while the disk can't take them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smearscope_common::message::{Drops, SlideId, SlideMessage};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::database::Database;
use super::step::{Limits, Pruned, Step};
use super::{Answer, Cursor, Message, Options, StoreError};
use crate::failpoint;
use crate::report::{self, Report};
use crate::slide::{Slide, Wanted};
use crate::sqlite::{Trouble, folder_of, set_aside, used_bytes};

/// How long a disk that can't take results is left alone before it is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(30);
/// How long a start is given to deliver what is old, before that can be given up.
const FIRST_DELIVERY: Duration = Duration::from_secs(60 * 60);
/// What results may take of the memory where the disk can't have them.
const MEMORY_BYTES: u64 = 64 << 20;

/// The databases of a store, and what of them is only in memory.
pub(super) struct Homes {
    pub(super) options: Options,
    /// The database of [`Options::path`], where it can be read.
    pub(super) disk: Option<Database>,
    /// Where results go while the disk can't take them, or always where there is no path.
    pub(super) memory: Option<Database>,
    /// Why the disk can't take results.
    pub(super) trouble: Option<String>,
    /// When the disk is tried again.
    pub(super) retry_at: Instant,
    pub(super) set_aside: Vec<String>,
    /// The most results that were known to be lost, by cause.
    pub(super) most_drops: Drops,
    /// The slide that was begun last, open or closed.
    pub(super) slide: Option<Slide>,
    /// Acknowledged, but not written yet.
    pub(super) acknowledged: BTreeSet<Uuid>,
    /// Rises when messages before a cursor may be pending again.
    pub(super) generation: u64,
    /// When acknowledgements are written to a failing disk again.
    pub(super) ask_at: Instant,
    /// When the store was opened.
    pub(super) opened: Instant,
    /// The last message of the disk that was there before; 0 where the disk's file is another now.
    pub(super) old: i64,
}

impl Homes {
    /// The database that takes what is new.
    pub(super) fn current(&self) -> &Database {
        self.memory
            .as_ref()
            .or(self.disk.as_ref())
            .expect("a store has a disk or falls back to memory before it is used")
    }

    pub(super) fn databases(&mut self) -> impl Iterator<Item = &mut Database> {
        [&mut self.disk, &mut self.memory].into_iter().flatten()
    }

    pub(super) fn series(&self) -> Uuid {
        self.current().series()
    }

    /// Does a step on the disk, or in memory where the disk can't take it.
    pub(super) fn write<T>(
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
    pub(super) fn fall_back(&mut self, trouble: Trouble) -> anyhow::Result<()> {
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
    pub(super) fn replace_damaged(&mut self, path: &Path) -> Result<(), Trouble> {
        self.disk = None;
        self.old = 0;
        let aside = set_aside(path)?;
        failpoint::hit("aside.renamed");
        self.set_aside.push(aside.display().to_string());
        self.disk = Some(Database::open(path)?);
        failpoint::hit("aside.replaced");
        self.take_over(path);
        self.generation += 1;
        Ok(())
    }

    /// Takes over what can be read of damaged files beside `path` that were not taken over yet: after a cut of the power,
    /// or a disk that was full, it is tried again.
    pub(super) fn take_over(&mut self, path: &Path) {
        let Some(disk) = &mut self.disk else {
            return;
        };
        for aside in files_aside(path) {
            let name = aside.file_name().unwrap_or_default().to_string_lossy();
            if disk.has_taken_over(&name).unwrap_or(true) {
                continue;
            }
            let taken = Database::open_damaged(&aside).and_then(|damaged| {
                disk.absorb(
                    &damaged,
                    Some(&name),
                    self.slide.as_ref(),
                    &self.options.rules,
                )
            });
            match taken {
                Ok(taken) => warn!(
                    "{taken} results were taken over from the damaged store, which is kept as {}",
                    aside.display()
                ),
                Err(trouble) => error!("{} can't be taken over: {trouble}", aside.display()),
            }
        }
    }

    /// Tries the disk again, if it is time, and moves there what is in memory.
    pub(super) fn recover(&mut self) {
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

    pub(super) fn move_to_disk(&mut self, path: &Path) -> Result<u64, Trouble> {
        if !is_writable(path) {
            return Err(Trouble::Unusable("its folder can't be written".into()));
        }
        let memory = self.memory.as_ref().expect("checked by the caller");
        // Once in the log and once in the file. A disk without that room needn't be asked with everything.
        let room = rustix::fs::statvfs(folder_of(path)).map(|disk| disk.f_bavail * disk.f_frsize);
        if room.is_ok_and(|room| room < 2 * used_bytes(&memory.connection).unwrap_or(0)) {
            return Err(Trouble::Unusable("its disk is full".into()));
        }
        // Opened anew: the old handle may be of a disk that was pulled out.
        self.disk = None;
        let mut disk = Database::open(path)?;
        let moved = disk.absorb(memory, None, self.slide.as_ref(), &self.options.rules);
        self.disk = Some(disk);
        self.take_over(path);
        self.generation += 1;
        moved
    }

    /// The slide that was open when the program ended, or a new one.
    pub(super) fn restore_slide(&mut self) -> anyhow::Result<()> {
        self.slide = match self.current().last_slide() {
            Ok(slide) => slide,
            Err(trouble) => {
                self.fall_back(trouble)?;
                self.current().last_slide().ok().flatten()
            }
        };
        if !self.slide.as_ref().is_some_and(Slide::is_open) && self.options.auto_start {
            self.change_slide(Some(Slide::new(SlideId::new_unique())), None)?;
        }
        Ok(())
    }

    /// Closes the slide that is open and opens `next`, in one step with the answer.
    pub(super) fn change_slide(
        &mut self,
        next: Option<Slide>,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<SlideMessage>, StoreError> {
        let closed = self.slide.clone().filter(Slide::is_open).map(Slide::closed);
        let rules = self.options.rules.clone();
        // The same if a disk fails that has written it all the same.
        let id = Uuid::now_v7();
        self.write(|step, _| {
            if let Some(slide) = &closed {
                step.close_slide(slide, &rules, id)?;
            }
            if let Some(slide) = &next {
                step.write_slide(slide)?;
            }
            if let Some(answer) = answer {
                step.write_answer(answer.request_id, answer.reply)?;
            }
            Ok(())
        })?;
        let report = closed.as_ref().map(|slide| slide.message(&rules));
        self.slide = next.or(closed);
        Ok(report)
    }

    /// How many suspicious cells of a slide are kept: none where no report will be written.
    pub(super) fn report_cells(&self) -> usize {
        match self.options.path {
            Some(_) => self.options.rules.report_cells,
            None => 0,
        }
    }

    /// Which cells of the next field would be shown in the slide's report.
    pub(super) fn wanted_suspects(&self) -> Wanted {
        let most = self.report_cells();
        match &self.slide {
            Some(slide) if slide.is_open() && most > 0 => {
                let above = self.current().suspect_floor(&slide.id, most);
                above.map_or(Wanted::NONE, |above| Wanted { most, above })
            }
            _ => Wanted::NONE,
        }
    }

    /// The oldest report that is still to be written, with its number and its folder; `None` while the disk can't take it. One
    /// that can't be made any more is given up.
    pub(super) fn next_report(&mut self) -> Option<(i64, PathBuf, Report)> {
        let folder = folder_of(self.options.path.as_ref()?).join(report::FOLDER);
        if self.memory.is_some() {
            return None;
        }
        loop {
            match self.disk.as_ref()?.next_report() {
                Ok(Some((n, Some(report)))) => return Some((n, folder, report)),
                Ok(Some((n, None))) => {
                    error!("the report of a slide is damaged and can't be written as a file");
                    self.write(|step, _| step.end_report(n)).ok()?;
                }
                Ok(None) => return None,
                Err(trouble) => {
                    warn!("reports can't be read: {trouble}");
                    return None;
                }
            }
        }
    }

    /// Pending messages behind the cursor: those of the disk are older than those in memory. An error says that the
    /// databases are others now, and reading begins anew.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<Message>, ()> {
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
    pub(super) fn write_acknowledged(&mut self) {
        // A disk that can't take them is not asked for each one.
        let waits = self.memory.is_some() && self.disk.is_some() && Instant::now() < self.ask_at;
        if self.acknowledged.is_empty() || waits {
            return;
        }
        let ids = self.acknowledged.clone();
        let written = self.write_everywhere(|step| step.acknowledge(ids.iter().copied()));
        match written {
            Ok(_) => self.acknowledged.clear(),
            Err(_) => self.ask_at = Instant::now() + RETRY,
        }
    }

    /// Does a step on the disk and in memory, where there are both; the first error is given when both were tried. A disk
    /// that is found damaged by it is followed by a new one, on which it is done then.
    pub(super) fn write_everywhere<T>(
        &mut self,
        work: impl Fn(&Step<'_>) -> Result<T, Trouble>,
    ) -> Result<Vec<T>, Trouble> {
        let mut work = |step: &Step<'_>, _| work(step);
        let mut on_disk = self.disk.as_mut().map(|disk| one_step(disk, &mut work));
        if let Some(Err(Trouble::Damaged(reason))) = on_disk {
            self.fall_back(Trouble::Damaged(reason))
                .map_err(|error| Trouble::Unusable(format!("{error:#}")))?;
            on_disk = self.disk.as_mut().map(|disk| one_step(disk, &mut work));
        }
        let in_memory = self
            .memory
            .as_mut()
            .map(|memory| one_step(memory, &mut work));
        [on_disk, in_memory].into_iter().flatten().collect()
    }

    pub(super) fn prune(&mut self) -> Pruned {
        let options = &self.options;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 2);
        let limits = Limits {
            bytes: match self.memory {
                Some(_) => MEMORY_BYTES.min(options.max_bytes),
                None => options.max_bytes,
            },
            keep_s: seconds(options.keep),
            // A board that was switched off for long must reach its broker first.
            wait_s: if self.opened.elapsed() < options.max_wait.min(FIRST_DELIVERY) {
                i64::MAX / 2
            } else {
                seconds(options.max_wait)
            },
            // Whatever the clock says, what was committed by this run is no older than the run.
            expires_to: if self.opened.elapsed() < options.max_wait {
                self.old
            } else {
                i64::MAX
            },
        };
        self.write(|step, _| step.prune(limits))
            .unwrap_or_else(|error| {
                warn!("old results can't be removed: {error}");
                Pruned {
                    drops: Drops::default(),
                    is_done: true,
                }
            })
    }

    /// How many messages are pending, and their bytes; those whose acknowledgement is not written are no more so.
    pub(super) fn pending_totals(&self) -> (u64, u64) {
        let mut totals = (0, 0);
        for database in [&self.disk, &self.memory].into_iter().flatten() {
            if let Ok((count, bytes)) = database.pending_totals() {
                totals.0 += count;
                totals.1 += bytes;
            }
            for id in &self.acknowledged {
                if let Ok(Some(bytes)) = database.pending_bytes(*id) {
                    totals.0 = totals.0.saturating_sub(1);
                    totals.1 = totals.1.saturating_sub(bytes);
                }
            }
        }
        totals
    }
}

pub(super) fn memory() -> anyhow::Result<Database> {
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

/// Whether a file can be made beside `path`, or its folder can.
fn is_writable(path: &Path) -> bool {
    let folder = folder_of(path);
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok() || !folder.exists()
}

/// The damaged files beside `path`, the oldest first.
fn files_aside(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return Vec::new();
    };
    let begins = format!("{name}.damaged-");
    let folder = folder_of(path);
    let mut aside: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(&begins)
                .is_some_and(|stamp| stamp.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect();
    aside.sort();
    aside
}
