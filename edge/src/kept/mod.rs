//! Cells that are kept for a second look: the suspicious ones, those that the model could hardly decide on, and a few by
//! lot.
//!
//! They have a database of their own beside that of the results, so that whatever becomes of pictures, no result is lost
//! for it: it may be full, damaged or unwritable, and only the second look suffers. Its size is bounded; what somebody has
//! decided on goes last.

mod choose;
mod database;
#[cfg(test)]
pub mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use smearscope_common::message::{
    CellPictures, CellReviewed, CellsList, CellsListed, CellsReview, CellsShown, Decision,
    KeptHealth, Reviewed, SlideMessage,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::sqlite::{Trouble, set_aside};
use database::Database;

pub use choose::{Chosen, choose};
pub use database::KeptField;

/// The file, beside that of the results.
pub const FILE: &str = "cells.sqlite";
/// How long a database that can't be opened is left alone.
const RETRY: Duration = Duration::from_secs(30);

/// Where cells are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; `None` keeps them in memory, as `demo` does.
    pub path: Option<PathBuf>,
    /// The most bytes that they take; 0 keeps none.
    pub max_bytes: u64,
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
    /// The database can't be used now.
    #[error("the kept cells can't be reached: {0}")]
    Unusable(String),
}

/// The cells that this board keeps.
pub struct KeptCells {
    inner: Mutex<Inner>,
}

struct Inner {
    options: Options,
    database: Option<Database>,
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
            options,
            database: None,
            trouble: None,
            retry_at: Instant::now(),
        };
        if inner.options.max_bytes > 0
            && let Err(Trouble::InUse) = inner.open()
        {
            let path = inner.options.path.unwrap_or_default();
            anyhow::bail!(
                "another smearscope-edge uses the kept cells {}",
                path.display()
            );
        }
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// Whether cells are kept at all.
    pub fn is_on(&self) -> bool {
        self.lock().options.max_bytes > 0
    }

    /// Keeps cells of a field. What goes wrong is told in the log and in [`KeptCells::health`]: no result waits for it.
    pub fn keep(&self, field: &KeptField, cells: &[Chosen]) {
        if cells.is_empty() {
            return;
        }
        let max_bytes = self.lock().options.max_bytes;
        // What goes wrong is told where it goes wrong.
        let _ = self.with(|database| database.add(field, cells, max_bytes));
    }

    /// Which cells are kept.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn list(&self, wanted: &CellsList) -> Result<CellsListed, KeptError> {
        // One more than asked for tells whether there are more.
        let limit = wanted.limit as usize;
        let one_more = CellsList {
            limit: wanted.limit.saturating_add(1),
            ..wanted.clone()
        };
        let found = self.with(|database| database.list(&one_more))?;
        let (mut cells, total) =
            found.ok_or_else(|| KeptError::Unknown(wanted.after.unwrap_or_default()))?;
        let more = cells.len() > limit;
        cells.truncate(limit);
        Ok(CellsListed { cells, total, more })
    }

    /// What cells look like.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn show(&self, ids: &[Uuid]) -> Result<CellsShown, KeptError> {
        let mut shown = CellsShown {
            cells: Vec::new(),
            missing: Vec::new(),
        };
        for &id in ids {
            match self.with(|database| database.pictures(id))? {
                Some((picture, mask)) => shown.cells.push(CellPictures {
                    id,
                    picture: STANDARD.encode(picture),
                    mask: STANDARD.encode(mask),
                }),
                None => shown.missing.push(id),
            }
        }
        Ok(shown)
    }

    /// Notes what a person decided of a cell; `slide` is the slide at hand. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn review(
        &self,
        review: &CellsReview,
        slide: Option<&SlideMessage>,
    ) -> Result<CellReviewed, KeptError> {
        let id = review.id;
        let decision = review.verdict.map(|verdict| Decision {
            verdict,
            at: Timestamp::now(),
            by: review.by.clone(),
        });
        let found = self.with(|database| {
            let is_here = database.decide(id, decision.as_ref())?;
            if is_here { database.cell(id) } else { Ok(None) }
        })?;
        let cell = found.ok_or(KeptError::Unknown(id))?;
        let at_hand = slide.filter(|slide| cell.slide.as_ref() == Some(&slide.id));
        Ok(CellReviewed {
            id,
            decision: cell.decision,
            slide: cell.slide,
            reviewed: at_hand.and_then(|slide| self.reviewed(slide)),
        })
    }

    /// What the decisions make of a slide's count.
    pub fn reviewed(&self, slide: &SlideMessage) -> Option<Reviewed> {
        let decided = self.with(|database| database.decided(&slide.id)).ok()?;
        Reviewed::of(slide.counts, decided)
    }

    /// How many there are; `None` where none are kept.
    pub fn health(&self) -> Option<KeptHealth> {
        if !self.is_on() {
            return None;
        }
        let (kept, reviewed, bytes) = self.with(|database| database.totals()).unwrap_or_default();
        let inner = self.lock();
        Some(KeptHealth {
            kept,
            reviewed,
            bytes,
            max_bytes: inner.options.max_bytes,
            trouble: inner.trouble.clone(),
        })
    }

    /// Does something with the database. A damaged one is set aside, and a new one begun.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, Trouble>,
    ) -> Result<T, KeptError> {
        let mut inner = self.lock();
        if inner.options.max_bytes == 0 {
            return Err(KeptError::Off);
        }
        if inner.database.is_none() {
            if Instant::now() < inner.retry_at {
                let trouble = inner.trouble.clone().unwrap_or_default();
                return Err(KeptError::Unusable(trouble));
            }
            inner.open().map_err(unusable)?;
        }
        let database = inner.database.as_mut().expect("it was just opened");
        match work(database) {
            Ok(done) => {
                inner.is_well();
                Ok(done)
            }
            Err(trouble) => {
                inner.note(&trouble);
                if let Trouble::Damaged(_) = trouble {
                    // The next one to ask finds a new one.
                    inner.database = None;
                    inner.replace();
                }
                Err(unusable(trouble))
            }
        }
    }

    /// Each change is SQLite's: nothing is ever half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Opens the database; a damaged one is followed by a new one.
    fn open(&mut self) -> Result<(), Trouble> {
        let mut opened = Database::open(self.options.path.as_deref());
        if let Err(trouble @ Trouble::Damaged(_)) = &opened {
            self.note(trouble);
            self.replace();
            opened = Database::open(self.options.path.as_deref());
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
        let Some(path) = &self.options.path else {
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

fn unusable(trouble: Trouble) -> KeptError {
    KeptError::Unusable(trouble.to_string())
}
