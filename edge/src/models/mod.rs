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
mod state;
#[cfg(test)]
pub mod tests;
mod updates;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use jiff::Timestamp;
use smearscope_common::engine::Model;
use smearscope_common::message::{
    DesiredModel, KeptModel, ModelEventKind, ModelHash, ModelHistory, ModelList, ModelMessage,
    ModelOrigin, ModelRef, ModelUpdate, ModelUse, UpdateState,
};
use smearscope_common::topic::DeviceId;
use tokio::sync::watch::{Receiver, Sender, channel};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::model;

pub use check::{Demands, Refusal};
pub use chunks::Chunks;
pub use folder::Folder;
pub use updates::{Chunk, Door, Updates};
pub use watch::{Before, Judged, Rules};

use check::Checked;
use folder::Stamp;
use state::{MOST_STARTS, State, Which, origin};
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
    changes: Sender<()>,
}

struct Inner {
    state: State,
    /// The version of the state's file that `state` is of.
    stamp: Option<Stamp>,
    /// What the analysis works with.
    at_work: ModelRef,
    /// What it is to take before the next field.
    next: Option<Arc<Model>>,
    watch: Option<Watch>,
    /// What becomes of the model that was desired last, as long as the state does not say it.
    update: Option<ModelUpdate>,
}

/// What is to be done about a desired model.
pub enum Need {
    /// Nothing: it is known what became of it.
    Nothing,
    /// Its bytes are here.
    Bytes(Vec<u8>),
    /// Its bytes are to come.
    Receive,
}

impl Models {
    /// Opens the models of a board, with what the analysis begins with. A model that can't be used any more is left for the
    /// one before it.
    ///
    /// # Errors
    /// Bad input, when the config names a model that can't be used.
    pub fn open(options: Options) -> anyhow::Result<(Self, AtWork)> {
        let is_fixed = options.path.is_some();
        let folder = options.folder.filter(|_| !is_fixed).and_then(kept_in);
        let Some(folder) = folder else {
            let model = model::load(options.path.as_deref())?;
            return Ok(Self::begun(
                None,
                is_fixed,
                options.demands,
                State::default(),
                model,
                None,
            ));
        };
        let mut state = folder.state().unwrap_or_else(|error| {
            error!("what is written about models can't be read: {error}");
            State::default()
        });
        write(&folder, &mut state, |state| {
            let Some(trial) = &mut state.watch else {
                return false;
            };
            trial.starts += 1;
            if trial.starts > MOST_STARTS {
                let why = format!(
                    "the program was started {} times while it was watched",
                    trial.starts
                );
                state.roll_back(ModelEventKind::RolledBack, &why);
            }
            true
        });
        let model = loop {
            match load(&folder, &state.current) {
                Ok(model) => break model,
                Err(error) if state.current.is_none() => return Err(error),
                Err(error) => {
                    let why = format!("{error:#}");
                    error!("the installed model can't be used, the one before it is: {why}");
                    let was = state.current.clone();
                    write(&folder, &mut state, |state| {
                        // Somebody else may have left it already.
                        state.current == was && state.roll_back(ModelEventKind::Damaged, &why)
                    });
                }
            }
        };
        folder.sweep(None);
        let before = match (&state.watch, state.previous()) {
            (Some(_), Some(which)) => load(&folder, &which).ok(),
            _ => None,
        };
        Ok(Self::begun(
            Some(folder),
            is_fixed,
            options.demands,
            state,
            model,
            before,
        ))
    }

    fn begun(
        folder: Option<Folder>,
        is_fixed: bool,
        demands: Demands,
        state: State,
        model: Model,
        before: Option<Model>,
    ) -> (Self, AtWork) {
        let models = Self::with(folder, is_fixed, demands, state, model.reference());
        let at_work = AtWork {
            model: Arc::new(model),
            before: before.map(Arc::new),
        };
        (models, at_work)
    }

    fn with(
        folder: Option<Folder>,
        is_fixed: bool,
        demands: Demands,
        state: State,
        at_work: ModelRef,
    ) -> Self {
        let inner = Inner {
            stamp: folder.as_ref().and_then(Folder::stamp),
            at_work,
            next: None,
            watch: state.watch.map(|_| Watch::new(demands.watch)),
            update: None,
            state,
        };
        Self {
            folder,
            is_fixed,
            demands,
            inner: Mutex::new(inner),
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
        Self::with(None, false, demands, State::default(), at_work)
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
        inner.watch = inner.state.watch.map(|_| Watch::new(self.demands.watch));
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
        let current = self.inner().state.current.clone();
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
        let noted = folder.change(|state| {
            let watched = state.watch.as_mut();
            Ok(watched.is_some_and(|trial| std::mem::take(&mut trial.starts) > 0))
        });
        self.took(noted);
    }

    /// Reads what others have written, such as `model install` on the command line.
    pub fn refresh(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        let stamp = folder.stamp();
        if self.inner().stamp == stamp {
            return;
        }
        let state = match folder.state() {
            Ok(state) => state,
            Err(error) => {
                warn!("what is written about models can't be read: {error}");
                return;
            }
        };
        let was = {
            let mut inner = self.inner();
            inner.stamp = stamp;
            std::mem::replace(&mut inner.state, state.clone()).current
        };
        if was != state.current {
            match load(folder, &state.current) {
                Ok(model) => self.hand_over(Arc::new(model)),
                Err(error) => {
                    let why = format!("{error:#}");
                    error!("the installed model can't be used: {why}");
                    self.go_back(ModelEventKind::Damaged, &why, state.current.as_ref());
                }
            }
        }
        self.changes.send_replace(());
    }

    /// What is to be done about a desired model.
    ///
    /// # Errors
    /// [`Refusal`], if that can be said without its bytes.
    pub fn need(&self, desired: &DesiredModel) -> Result<Need, Refusal> {
        if self.is_fixed {
            return Err(Refusal::Fixed);
        }
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        let mut inner = self.inner();
        let note = self.demands.foresee(desired, inner.state.signed_at)?;
        let known = inner.state.update.as_ref();
        if known.is_some_and(|update| update.sha256 == desired.sha256)
            && inner.state.signed_at == Some(note.signed_at)
        {
            inner.update = None;
            drop(inner);
            self.changes.send_replace(());
            return Ok(Need::Nothing);
        }
        let is_here = inner.state.models.contains_key(&desired.sha256);
        drop(inner);
        match is_here.then(|| folder.model(&desired.sha256)) {
            Some(Ok(bytes)) => Ok(Need::Bytes(bytes)),
            _ => Ok(Need::Receive),
        }
    }

    /// Where the chunks of a desired model arrive; those of others are given up.
    ///
    /// # Errors
    /// [`Refusal`], when they can't be kept.
    pub fn incoming(&self, desired: &DesiredModel) -> Result<Chunks, Refusal> {
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        folder.sweep(Some(&desired.sha256));
        Ok(Chunks::open(
            folder.incoming(&desired.sha256),
            desired.size,
        )?)
    }

    /// Says how far a desired model is.
    pub fn tell(&self, desired: &DesiredModel, state: UpdateState, received: u64) {
        self.set_update(desired, state, received, None);
    }

    /// Says that a desired model is not taken.
    pub fn refuse(&self, desired: &DesiredModel, refusal: &Refusal) {
        let why = refusal.to_string();
        warn!("model {} is refused: {why}", desired.sha256.brief());
        if let Some(folder) = &self.folder {
            let noted = folder.change(|state| {
                let hash = &desired.sha256;
                let known = state.history.last();
                // A broker repeats what is desired with each connection.
                let is_new = known.is_none_or(|event| {
                    event.sha256 != *hash || event.reason.as_deref() != Some(&why)
                });
                if is_new {
                    state.note(ModelEventKind::Refused, hash, Some(why.clone()));
                }
                Ok(is_new)
            });
            self.took(noted);
        }
        self.set_update(desired, UpdateState::Refused, 0, Some(why));
    }

    /// No model is desired any more.
    pub fn withdrawn(&self) {
        let mut inner = self.inner();
        // What has become of one that was taken stays said.
        inner.update = None;
        drop(inner);
        self.changes.send_replace(());
    }

    /// Checks a model and takes it: it is written down, and decides from the next field on. Takes seconds.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn install(&self, onnx: &[u8], signature: &str) -> Result<ModelRef, Refusal> {
        if self.is_fixed {
            return Err(Refusal::Fixed);
        }
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        let (state, model) = install(folder, &self.demands, onnx, signature)?;
        let reference = model.reference();
        let was = {
            let mut inner = self.inner();
            inner.stamp = folder.stamp();
            inner.update = None;
            std::mem::replace(&mut inner.state, state.clone()).current
        };
        info!(
            "model {} {} is installed",
            reference.name, reference.version
        );
        if was != state.current {
            self.hand_over(Arc::new(model));
        }
        folder.sweep(None);
        self.changes.send_replace(());
        Ok(reference)
    }

    /// What is on the board, the model that decides first.
    pub fn list(&self) -> ModelList {
        let inner = self.inner();
        if self.is_fixed || self.folder.is_none() {
            let only = KeptModel {
                model: inner.at_work.clone(),
                origin: self.origin(&inner),
                used: ModelUse::Current,
            };
            return ModelList { models: vec![only] };
        }
        list_of(&inner.state)
    }

    /// What happened with models, the newest last.
    pub fn history(&self) -> ModelHistory {
        ModelHistory {
            events: self.inner().state.history.clone(),
        }
    }

    /// The message on `model`.
    pub fn message(&self, device: &DeviceId, boot_id: Uuid) -> ModelMessage {
        let inner = self.inner();
        let mut update = inner.update.clone().or_else(|| inner.state.update.clone());
        let is_taken = inner.next.is_none() && inner.watch.is_some();
        if let Some(update) = update.as_mut()
            && is_taken
            && update.state == UpdateState::Switching
        {
            update.state = UpdateState::Watching;
        }
        ModelMessage {
            schema: ModelMessage::SCHEMA.into(),
            device: device.clone(),
            boot_id,
            current: inner.at_work.clone(),
            origin: self.origin(&inner),
            previous: inner
                .state
                .previous()
                .filter(|_| !self.is_fixed)
                .map(|which| reference_of(&inner.state, &which)),
            watch: inner.watch.as_ref().map(Watch::progress),
            signed_at: inner.state.signed_at,
            update,
        }
    }

    fn origin(&self, inner: &Inner) -> ModelOrigin {
        if self.is_fixed {
            return ModelOrigin::File;
        }
        let is_installed = inner
            .state
            .models
            .values()
            .any(|model| model.sha256 == inner.at_work.sha256);
        if is_installed {
            ModelOrigin::Installed
        } else {
            ModelOrigin::Program
        }
    }

    fn stood(&self) {
        let mut inner = self.inner();
        inner.watch = None;
        let current = inner.state.current.clone();
        inner.state.stood();
        drop(inner);
        info!("the model has stood its watch");
        if let Some(folder) = &self.folder {
            let noted = folder.change(|state| {
                // Another one may have been installed by hand meanwhile.
                let is_same = state.current == current && state.watch.is_some();
                if is_same {
                    state.stood();
                }
                Ok(is_same)
            });
            self.took(noted);
        }
        self.changes.send_replace(());
    }

    /// Leaves the model that decides, or `from` if that does, and hands the one before to the analysis. What can't be
    /// written holds for this start of the program.
    fn go_back(&self, kind: ModelEventKind, why: &str, from: Option<&ModelHash>) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        let current = self.inner().state.current.clone();
        if current.is_none() || from.is_some() && from != current.as_ref() {
            return false;
        }
        error!("the model that decides is left for the one before it: {why}");
        let changed =
            folder.change(|state| Ok(state.current == current && state.roll_back(kind, why)));
        match changed {
            Ok(_) => self.took(changed),
            Err(error) => {
                error!("this can't be written, and may not hold after the next start: {error}");
                self.inner().state.roll_back(kind, why);
            }
        }
        let which = self.inner().state.current.clone();
        let is_done = match load(folder, &which) {
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

    /// Goes by what was written.
    fn took(&self, changed: std::io::Result<State>) {
        match (changed, &self.folder) {
            (Ok(state), Some(folder)) => {
                let mut inner = self.inner();
                inner.state = state;
                inner.stamp = folder.stamp();
            }
            (Err(error), _) => warn!("what happened with models can't be written: {error}"),
            _ => {}
        }
    }

    fn set_update(
        &self,
        desired: &DesiredModel,
        state: UpdateState,
        received: u64,
        reason: Option<String>,
    ) {
        self.inner().update = Some(ModelUpdate {
            sha256: desired.sha256.clone(),
            size: desired.size,
            received,
            state,
            at: Timestamp::now(),
            reason,
        });
        self.changes.send_replace(());
    }

    /// Each change is whole by itself: a panic leaves nothing half done.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder at this path; `None`, and said why, where it can't be used.
fn kept_in(path: PathBuf) -> Option<Folder> {
    Folder::open(path.clone())
        .inspect_err(|error| {
            let path = path.display();
            error!("models can't be kept in {path}: {error}; the model inside the program decides");
        })
        .ok()
}

/// Checks a model and writes it down as the one that decides.
///
/// # Errors
/// [`Refusal`].
pub fn install(
    folder: &Folder,
    demands: &Demands,
    onnx: &[u8],
    signature: &str,
) -> Result<(State, Model), Refusal> {
    let newest = folder.state()?.signed_at;
    let Checked {
        model,
        hash,
        signed_at,
    } = demands.check(onnx, signature, newest)?;
    // Checking takes seconds: somebody else may have installed a newer one meanwhile.
    let mut overtaken = None;
    let state = folder.change(|state| {
        overtaken = state.signed_at.filter(|newest| *newest > signed_at);
        if overtaken.is_some() {
            return Ok(false);
        }
        // The bytes before the name.
        if !state.models.contains_key(&hash) {
            folder.keep(&hash, onnx, signature)?;
        }
        state.take(&model.reference(), &hash, onnx.len() as u64, signed_at);
        Ok(true)
    })?;
    if let Some(newest) = overtaken {
        return Err(Refusal::Older { signed_at, newest });
    }
    Ok((state, model))
}

/// Changes what is written, and `state` with it; what can't be written holds for this start of the program.
fn write(folder: &Folder, state: &mut State, change: impl Fn(&mut State) -> bool) {
    match folder.change(|state| Ok(change(state))) {
        Ok(written) => *state = written,
        Err(error) => {
            error!("what happens with models can't be written: {error}");
            change(state);
        }
    }
}

/// Loads a model of the folder and holds it against its name.
fn load(folder: &Folder, which: &Which) -> anyhow::Result<Model> {
    let Some(hash) = which else {
        return model::load(None);
    };
    let onnx = folder
        .model(hash)
        .with_context(|| format!("the file of model {} can't be read", hash.brief()))?;
    anyhow::ensure!(
        check::hash_of(&onnx) == *hash,
        "the file of model {} is damaged",
        hash.brief()
    );
    let model = Model::load(&onnx)?;
    model.self_test()?;
    Ok(model)
}

/// What is on a board, by its state.
pub fn list_of(state: &State) -> ModelList {
    let entry = |which: &Which, used| KeptModel {
        model: reference_of(state, which),
        origin: origin(which),
        used,
    };
    let mut models = vec![entry(&state.current, ModelUse::Current)];
    let previous = state.previous();
    if let Some(which) = &previous {
        models.push(entry(which, ModelUse::Previous));
    }
    let others = state.before.iter().rev().skip(1);
    models.extend(others.map(|which| entry(which, ModelUse::Kept)));
    if !models
        .iter()
        .any(|model| model.origin == ModelOrigin::Program)
    {
        models.push(entry(&None, ModelUse::Kept));
    }
    ModelList { models }
}

fn reference_of(state: &State, which: &Which) -> ModelRef {
    match which {
        None => model::default_reference(),
        Some(hash) => state.models.get(hash).cloned().unwrap_or_else(|| ModelRef {
            name: "unknown".into(),
            version: String::new(),
            sha256: hash.to_string(),
        }),
    }
}
