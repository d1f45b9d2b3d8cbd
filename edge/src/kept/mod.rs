//! Cells that are kept for a second look: the suspicious ones, those that the model could hardly decide on, and a few by
//! lot.
//!
//! They have a database of their own beside that of the results, so that whatever becomes of pictures, no result is lost
//! for it: it may be full, damaged or unwritable, and only the second look suffers. Its size is bounded; what somebody has
//! decided on goes last.

mod choose;
mod database;
mod export;
mod pseudonyms;
#[cfg(test)]
pub mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use smearscope_common::exported::{CELLS_FILE, Pseudonyms};
use smearscope_common::message::{
    CellPictures, CellReviewed, CellsList, CellsListed, CellsReview, CellsShown, Decided, Decision,
    KeptHealth, Reviewed, SlideId, SlideMessage,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::health::machine::disk_free_mb;
use crate::sqlite::{Trouble, folder_of, set_aside};
use database::Database;

pub use choose::{Chosen, choose};
pub use export::Page;
pub use smearscope_common::kept_row::KeptField;

/// The file, beside that of the results.
pub const FILE: &str = CELLS_FILE;
/// What is left for results on a disk that is nearly full.
const RESERVE_MB: f64 = 100.0;
/// An answer with pictures ends when it has so many bytes of them: in base64 that is what any broker takes.
const MOST_SHOWN: usize = 384 << 10;
/// How long a database that can't be opened is left alone.
const RETRY: Duration = Duration::from_secs(30);

/// Where cells are kept.
#[derive(Clone)]
pub struct Options {
    /// The file; `None` keeps them in memory, as `demo` does.
    pub path: Option<PathBuf>,
    /// The most bytes that they take; 0 keeps none.
    pub max_bytes: u64,
    /// By which slides and reviewers are called where cells leave the board; `None` for a key of this board's own, made when it
    /// is first needed.
    pub pseudonyms: Option<Pseudonyms>,
}

/// Why something can't be done with kept cells.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The config says so.
    #[error("this board keeps no cells: [cells] max_mb is 0 in its config")]
    Off,
    /// No such cell.
    #[error("no cell {0} is kept here, or not any more")]
    Unknown(Uuid),
    /// The key of the pseudonyms can be neither read nor made.
    #[error("{0}")]
    Key(String),
    /// The database can't be used now.
    #[error("the kept cells can't be reached: {0}")]
    Unusable(String),
}

/// The cells that this board keeps.
pub struct KeptCells {
    /// See [`Options::max_bytes`].
    max_bytes: u64,
    inner: Mutex<Inner>,
    at_hand: Mutex<Option<(SlideId, Decided)>>,
}

struct Inner {
    path: Option<PathBuf>,
    database: Option<Database>,
    pseudonyms: Option<Pseudonyms>,
    /// Why it can't be used, or could not be the last time.
    trouble: Option<String>,
    retry_at: Instant,
}

impl KeptCells {
    /// Opens the database. One that can't be used is no error: see [`KeptHealth::trouble`].
    ///
    /// # Errors
    /// When another program has it open.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        let mut inner = Inner {
            path: options.path,
            database: None,
            pseudonyms: options.pseudonyms,
            trouble: None,
            retry_at: Instant::now(),
        };
        if options.max_bytes > 0
            && let Err(Trouble::InUse) = inner.open()
        {
            let path = inner.path.unwrap_or_default();
            anyhow::bail!(
                "another smearscope-edge uses the kept cells {}",
                path.display()
            );
        }
        Ok(Self {
            max_bytes: options.max_bytes,
            inner: Mutex::new(inner),
            at_hand: Mutex::default(),
        })
    }

    /// Whether cells are kept at all.
    pub fn is_on(&self) -> bool {
        self.max_bytes > 0
    }

    /// Keeps cells of a field. What goes wrong is told in the log and in [`KeptCells::health`]: no result is lost for it.
    pub fn keep(&self, field: &KeptField, cells: &[Chosen]) {
        if cells.is_empty() {
            return;
        }
        // What goes wrong is told where it goes wrong.
        let added = self.write(|database, has_room| match has_room {
            true => database.add(field, cells, self.max_bytes),
            false => Err(Trouble::Unusable(format!(
                "the disk has less than {RESERVE_MB} MB left, which are for results"
            ))),
        });
        if added.is_ok_and(|lost_decisions| lost_decisions) {
            *self.at_hand() = None;
        }
    }

    /// Which cells are kept.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn list(&self, wanted: &CellsList) -> Result<CellsListed, KeptError> {
        let found = self.read(|database| database.list(wanted))?;
        found.ok_or_else(|| KeptError::Unknown(wanted.after.unwrap_or_default()))
    }

    /// What cells look like; those that would make the answer too large are left for later.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn show(&self, ids: &[Uuid]) -> Result<CellsShown, KeptError> {
        let mut shown = CellsShown {
            cells: Vec::new(),
            missing: Vec::new(),
            later: Vec::new(),
        };
        let mut bytes = 0;
        for &id in ids {
            if bytes >= MOST_SHOWN {
                shown.later.push(id);
                continue;
            }
            match self.read(|database| database.pictures(id))? {
                Some((picture, mask)) => {
                    bytes += picture.len() + mask.len();
                    shown.cells.push(CellPictures {
                        id,
                        picture: STANDARD.encode(picture),
                        mask: STANDARD.encode(mask),
                    });
                }
                None => shown.missing.push(id),
            }
        }
        Ok(shown)
    }

    /// Notes what a person decided of a cell by this command; `slide` is the slide at hand. It is on the disk when this returns.
    /// The same command once more changes nothing: somebody else may have decided since.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn review(
        &self,
        review: &CellsReview,
        request: &str,
        slide: Option<&SlideMessage>,
    ) -> Result<CellReviewed, KeptError> {
        let id = review.id;
        let found = self.read(|database| database.cell(id))?;
        let (cell, decided_by) = found.ok_or(KeptError::Unknown(id))?;
        let mut decision = cell.decision;
        if decided_by.as_deref() != Some(request) {
            decision = review.verdict.map(|verdict| Decision {
                verdict,
                at: Timestamp::now(),
                by: review.by.clone(),
            });
            self.write(|database, _| database.decide(id, decision.as_ref(), request))?;
            *self.at_hand() = None;
        }
        let at_hand = slide.filter(|slide| cell.slide.as_ref() == Some(&slide.id));
        Ok(CellReviewed {
            id,
            decision,
            slide: cell.slide,
            reviewed: at_hand.and_then(|slide| self.reviewed(slide)),
        })
    }

    /// What the decisions make of a slide's count. Asked with each field, and so answered from memory where it can be.
    pub fn reviewed(&self, slide: &SlideMessage) -> Option<Reviewed> {
        let mut at_hand = self.at_hand();
        let decided = match &*at_hand {
            Some((id, decided)) if *id == slide.id => *decided,
            _ => {
                let decided = self.read(|database| database.decided(&slide.id)).ok()?;
                *at_hand = Some((slide.id.clone(), decided));
                decided
            }
        };
        Reviewed::of(slide.counts, decided)
    }

    /// How many there are; `None` where none are kept.
    pub fn health(&self) -> Option<KeptHealth> {
        if !self.is_on() {
            return None;
        }
        let (kept, reviewed, bytes) = self.read(|database| database.totals()).unwrap_or_default();
        Some(KeptHealth {
            kept,
            reviewed,
            bytes,
            max_bytes: self.max_bytes,
            trouble: self.lock().trouble.clone(),
        })
    }

    /// Reads.
    fn read<T>(&self, work: impl FnOnce(&Database) -> Result<T, Trouble>) -> Result<T, KeptError> {
        self.with(|inner| work(inner.opened()?))
    }

    /// Writes; the work is told whether the disk has room to spare. Only what could be written says that nothing is wrong.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Database, bool) -> Result<T, Trouble>,
    ) -> Result<T, KeptError> {
        self.with(|inner| {
            let has_room = inner.has_room();
            let done = work(inner.opened()?, has_room)?;
            inner.is_well();
            Ok(done)
        })
    }

    /// Does something with the database. A damaged one is set aside, and a new one begun.
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T, Trouble>) -> Result<T, KeptError> {
        if !self.is_on() {
            return Err(KeptError::Off);
        }
        let mut inner = self.lock();
        work(&mut inner).map_err(|trouble| {
            inner.note(&trouble);
            if let Trouble::Damaged(_) = trouble {
                // The next one to ask finds a new one.
                inner.database = None;
                inner.replace();
            }
            KeptError::Unusable(trouble.to_string())
        })
    }

    /// The decisions of the slide that was asked for last. Taken before [`KeptCells::lock`], never after.
    fn at_hand(&self) -> MutexGuard<'_, Option<(SlideId, Decided)>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each change is SQLite's: nothing is ever half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The database, opened if it is time to try that.
    fn opened(&mut self) -> Result<&mut Database, Trouble> {
        if self.database.is_none() {
            if Instant::now() < self.retry_at {
                let trouble = self.trouble.clone().unwrap_or_default();
                return Err(Trouble::Unusable(trouble));
            }
            self.open()?;
        }
        Ok(self.database.as_mut().expect("it was just opened"))
    }

    /// Whether results have room enough on the disk.
    fn has_room(&self) -> bool {
        let folder = self.path.as_deref().map(folder_of);
        let free = folder.and_then(disk_free_mb);
        free.is_none_or(|free| free >= RESERVE_MB)
    }

    /// Opens the database; a damaged one is followed by a new one.
    fn open(&mut self) -> Result<(), Trouble> {
        let mut opened = Database::open(self.path.as_deref());
        if let Err(trouble @ Trouble::Damaged(_)) = &opened {
            self.note(trouble);
            self.replace();
            opened = Database::open(self.path.as_deref());
        }
        match opened {
            Ok(database) => {
                self.database = Some(database);
                self.is_well();
                Ok(())
            }
            Err(trouble) => {
                self.retry_at = Instant::now() + RETRY;
                self.note(&trouble);
                Err(trouble)
            }
        }
    }

    /// Sets a damaged file aside.
    fn replace(&self) {
        let Some(path) = &self.path else {
            return;
        };
        match set_aside(path) {
            Ok(aside) => warn!(
                "the damaged database of kept cells is set aside as {}, and a new one begun",
                aside.display()
            ),
            Err(trouble) => error!(
                "the damaged {} can't be set aside: {trouble}",
                path.display()
            ),
        }
    }

    /// Tells of a trouble once, not with each field.
    fn note(&mut self, trouble: &Trouble) {
        let trouble = trouble.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            error!("cells for a second look can't be kept now: {trouble}");
            self.trouble = Some(trouble);
        }
    }

    fn is_well(&mut self) {
        if self.trouble.take().is_some() {
            info!("cells for a second look are kept again");
        }
    }
}
