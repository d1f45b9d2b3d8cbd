//! The models of a board: who may bring one, which one decides, and how a wrong one goes again.
//!
//! A model arrives signed ([`updates`]), is checked ([`check`]), written down ([`folder`], [`state`]) and handed to the
//! analysis, which takes it between two fields. While it is new it is watched ([`watch`]): what fails goes back to the
//! model before, in the same field if need be, so that no field is lost and none is judged by a model that gives no
//! numbers. The model inside the program is always there to go back to.

mod check;
mod chunks;
mod fetch;
mod folder;
mod open;
mod record;
mod state;
#[cfg(test)]
pub mod tests;
mod told;
mod updates;
mod watch;
mod wish;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smearscope_common::engine::Model;
use smearscope_common::message::{ModelEventKind, ModelHash, ModelRef, ModelUpdate};
use smearscope_common::model_card::Ancestor;
use tokio::sync::watch::{Receiver, Sender, channel};
use tracing::{error, info};

use crate::model;

pub use check::{Demands, Refusal, hash_of};
pub use chunks::Chunks;
pub use folder::Folder;
pub use told::list_of;
pub use updates::{Chunk, Door, Updates};
pub use watch::{Before, Judged, Rules};
pub use wish::{Need, install};

use open::load;
use record::Record;
use state::{State, Which};
use watch::{Verdict, Watch};

/// The folder of the models, beside the store.
pub const FOLDER: &str = "models";

/// Why a model is left that somebody wants to leave.
pub const ASKED: &str = "somebody asked for it";
/// Why nothing can be gone back to.
pub const NOTHING_BEFORE: &str = "the model inside the program decides: there is none before it";

/// Which models a board may use.
pub struct Options {
    /// The file that the config names: then it is the only one.
    pub path: Option<PathBuf>,
    /// Where models are kept; `None` where there is no place, as in `demo`.
    pub folder: Option<PathBuf>,
    /// What is asked of a new one.
    pub demands: Demands,
}

/// What the analysis works with.
pub struct AtWork {
    /// The model that decides.
    pub model: Arc<Model>,
    /// The one before it, which judges beside it during the watch.
    pub before: Option<Arc<Model>>,
}

/// A model that the analysis is to take.
pub struct Next {
    /// It.
    pub model: Arc<Model>,
    /// Whether it is new: then the one before it judges beside it.
    pub is_watched: bool,
}

/// The models of a board, for all who deal with them.
pub struct Models {
    folder: Option<Folder>,
    is_fixed: bool,
    demands: Demands,
    inner: Mutex<Inner>,
    /// Held while the record changes: one after the other, and nobody who only reads waits for the disk.
    changing: Mutex<()>,
    changes: Sender<()>,
}

struct Inner {
    record: Record,
    /// What the analysis works with.
    at_work: ModelRef,
    /// Where that comes from.
    chain: Vec<Ancestor>,
    /// What it is to take before the next field.
    next: Option<Arc<Model>>,
    watch: Option<Watch>,
    /// What becomes of the model that was desired last, as long as the state does not say it.
    update: Option<ModelUpdate>,
}

impl Models {
    fn with(
        folder: Option<Folder>,
        is_fixed: bool,
        demands: Demands,
        record: Record,
        at_work: ModelRef,
        chain: Vec<Ancestor>,
    ) -> Self {
        let watched = record.state.watch;
        let inner = Inner {
            record,
            at_work,
            chain,
            next: None,
            watch: watched.map(|_| Watch::new(demands.watch)),
            update: None,
        };
        Self {
            folder,
            is_fixed,
            demands,
            inner: Mutex::new(inner),
            changing: Mutex::new(()),
            changes: channel(()).0,
        }
    }

    /// Models of a board that has none but the one inside the program, which nobody has loaded.
    #[cfg(test)]
    pub fn idle() -> Self {
        let demands = Demands {
            device: "scope-1".parse().unwrap(),
            keys: Vec::new(),
            max_bytes: 1 << 20,
            watch: Rules {
                cells: 300,
                max_share_shift: 0.1,
                min_agreement: 0.2,
                max_ms_per_crop: 1e6,
            },
        };
        let at_work = ModelRef {
            name: "test".into(),
            version: "1".into(),
            sha256: "00".into(),
        };
        Self::with(None, false, demands, Record::default(), at_work, Vec::new())
    }

    /// Tells when the model that decides, its watch, or the desired one has changed.
    pub fn changes(&self) -> Receiver<()> {
        self.changes.subscribe()
    }

    /// The model that the analysis works with.
    pub fn at_work(&self) -> ModelRef {
        self.inner().at_work.clone()
    }

    /// What the analysis is to take before the next field; from then on it decides.
    pub fn next(&self) -> Option<Next> {
        let mut inner = self.inner();
        let model = inner.next.take()?;
        inner.at_work = model.reference();
        inner.chain = model.card().chain(model.sha256());
        inner.watch = inner
            .record
            .state
            .watch
            .map(|_| Watch::new(self.demands.watch));
        let is_watched = inner.watch.is_some();
        info!(
            "model {} {} decides from this field on",
            inner.at_work.name, inner.at_work.version
        );
        drop(inner);
        self.changes.send_replace(());
        Some(Next { model, is_watched })
    }

    /// Whether the model that decides is watched: then [`Models::judged`] wants to know each field.
    pub fn is_watched(&self) -> bool {
        let inner = self.inner();
        inner.watch.is_some() && inner.next.is_none()
    }

    /// A field was judged during the watch.
    pub fn judged(&self, judged: &Judged) {
        let verdict = {
            let mut inner = self.inner();
            let Some(watch) = &mut inner.watch else {
                return;
            };
            watch.add(judged)
        };
        match verdict {
            Verdict::GoesOn => {
                self.changes.send_replace(());
            }
            Verdict::Stood => self.stood(),
            Verdict::Failed(why) => {
                self.go_back(ModelEventKind::RolledBack, &why, None);
            }
        }
    }

    /// The model gives no answer, watched or not. `true`: there is another one to take, for the same field.
    pub fn failed(&self, why: &str) -> bool {
        let is_next = self.inner().next.is_some();
        is_next || self.go_back(ModelEventKind::RolledBack, why, None)
    }

    /// Goes back to the model before; unless another one than `from` decides.
    ///
    /// # Errors
    /// What is in the way, in a sentence.
    pub fn roll_back(&self, from: Option<&ModelHash>) -> Result<ModelRef, String> {
        if self.is_fixed {
            return Err(Refusal::Fixed.to_string());
        }
        let current = self.current();
        if current.is_none() {
            return Err(NOTHING_BEFORE.into());
        }
        if from.is_some() && from != current.as_ref() {
            return Err("another model decides by now".into());
        }
        if !self.go_back(ModelEventKind::RolledBack, ASKED, from) {
            return Err("the model before it can't be used".into());
        }
        let inner = self.inner();
        let next = inner.next.as_ref().map(|model| model.reference());
        Ok(next.unwrap_or_else(|| inner.at_work.clone()))
    }

    /// The program ends in order: that says nothing against a model that is watched.
    pub fn end(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        self.change(folder, |state| {
            let watched = state.watch.as_mut();
            watched.is_some_and(|trial| std::mem::take(&mut trial.starts) > 0)
        });
    }

    /// Reads what others have written, such as `model install` on the command line.
    pub fn refresh(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        // Before the lock: nobody who only reads waits for the disk.
        let stamp = folder.stamp();
        if self.inner().record.is_of(stamp) {
            return;
        }
        let was = self.current();
        self.change(folder, |_| false);
        let current = self.current();
        if was != current {
            match load(folder, &current) {
                Ok(model) => self.hand_over(Arc::new(model)),
                Err(error) => {
                    let why = format!("{error:#}");
                    error!("the installed model can't be used: {why}");
                    self.go_back(ModelEventKind::Damaged, &why, current.as_ref());
                }
            }
        }
        self.changes.send_replace(());
    }

    fn stood(&self) {
        self.inner().watch = None;
        info!("the model has stood its watch");
        let current = self.current();
        if let Some(folder) = &self.folder {
            self.change(folder, |state| {
                // Another one may have been installed by hand meanwhile.
                let is_same = state.current == current && state.watch.is_some();
                if is_same {
                    state.stood();
                }
                is_same
            });
        }
        self.changes.send_replace(());
    }

    /// Leaves the model that decides, or `from` if that does, and hands the one before to the analysis.
    fn go_back(&self, kind: ModelEventKind, why: &str, from: Option<&ModelHash>) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        let current = self.current();
        if current.is_none() || from.is_some() && from != current.as_ref() {
            return false;
        }
        error!("the model that decides is left for the one before it: {why}");
        self.change(folder, |state| {
            state.current == current && state.roll_back(kind, why)
        });
        let is_done = match load(folder, &self.current()) {
            Ok(model) => {
                self.hand_over(Arc::new(model));
                true
            }
            // The next start tries the one before that.
            Err(error) => {
                error!("the model before can't be used: {error:#}");
                match model::load(None) {
                    Ok(model) => {
                        self.hand_over(Arc::new(model));
                        true
                    }
                    Err(_) => false,
                }
            }
        };
        self.changes.send_replace(());
        is_done
    }

    /// The analysis shall take this one before the next field.
    fn hand_over(&self, model: Arc<Model>) {
        let mut inner = self.inner();
        inner.watch = None;
        inner.next = Some(model);
    }

    /// Changes what is written; `change` says whether there is anything to write.
    fn change(&self, folder: &Folder, change: impl Fn(&mut State) -> bool) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut record = self.inner().record.clone();
        record.change(folder, change);
        self.inner().record = record;
    }

    /// Which model decides, by what is written.
    fn current(&self) -> Which {
        self.inner().record.state.current.clone()
    }

    /// Each change is whole by itself: a panic leaves nothing half done.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
