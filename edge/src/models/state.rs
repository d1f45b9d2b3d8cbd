//! Which models a board has, which one decides, and how it came to that: what is written down, and how it may change.
//!
//! Invariants: every model that is named here has its file, and [`State::before`] holds only models that have stood their
//! watch, the last of them being what a rollback goes back to. The model inside the program (`None`) is always there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smearscope_common::message::{
    ModelEvent, ModelEventKind, ModelHash, ModelOrigin, ModelRef, ModelUpdate, UpdateState,
};

use super::check::Signed;

/// The form of what is written.
pub const SCHEMA: &str = "smearscope.models/1";
/// How many models stay to go back to, besides the one that decides.
const KEPT: usize = 3;
/// How many events are remembered.
const REMEMBERED: usize = 100;
/// So many starts of the program within one watch are too many: the model is what ends it.
pub const MOST_STARTS: u32 = 3;

/// A model on the board; `None` is the one inside the program.
pub type Which = Option<ModelHash>;

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA`].
    pub schema: String,
    /// The one that decides.
    pub current: Which,
    /// Its watch; `None` when it has stood it.
    #[serde(default)]
    pub watch: Option<Trial>,
    /// The ones that decided before and had stood their watch, the newest last, each once.
    #[serde(default)]
    pub before: Vec<Which>,
    /// What is known of the installed ones.
    #[serde(default)]
    pub models: BTreeMap<ModelHash, ModelRef>,
    /// When the newest accepted signature was made.
    #[serde(default)]
    pub signed_at: Option<Timestamp>,
    /// What became of the model that came with it.
    #[serde(default)]
    pub update: Option<ModelUpdate>,
    /// What happened, the newest last.
    #[serde(default)]
    pub history: Vec<ModelEvent>,
}

/// A watch that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Starts of the program since it began.
    pub starts: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            current: None,
            watch: None,
            before: Vec::new(),
            models: BTreeMap::new(),
            signed_at: None,
            update: None,
            history: Vec::new(),
        }
    }
}

impl State {
    /// Takes a model that was checked: it decides, and its watch begins.
    pub fn take(&mut self, model: &ModelRef, hash: &ModelHash, size: u64, signed: &Signed) {
        self.signed_at = Some(signed.at);
        self.models.insert(hash.clone(), model.clone());
        let taken = Some(hash.clone());
        if self.current != taken {
            // What has not stood its watch is nothing to go back to.
            if self.watch.is_none() {
                let left = self.current.clone();
                self.before.retain(|which| *which != left);
                self.before.push(left);
            }
            // One that has stood its watch on this board before needs no other.
            let has_stood = self.before.contains(&taken);
            self.before.retain(|which| *which != taken);
            self.current = taken;
            self.watch = (!has_stood).then(Trial::default);
            self.note(ModelEventKind::Taken, hash, None);
            if let Some(event) = self.history.last_mut() {
                event.signed_by = Some(signed.by.clone());
            }
        }
        self.update = Some(ModelUpdate {
            sha256: hash.clone(),
            size,
            received: size,
            state: match self.watch {
                Some(_) => UpdateState::Switching,
                None => UpdateState::Installed,
            },
            at: Timestamp::now(),
            reason: None,
        });
        self.forget();
    }

    /// The model that decides has stood its watch.
    pub fn stood(&mut self) {
        if self.watch.take().is_none() {
            return;
        }
        if let Some(hash) = self.current.clone() {
            self.note(ModelEventKind::Stood, &hash, None);
            self.outcome(&hash, UpdateState::Installed, None);
        }
    }

    /// Goes back to the model before, for this reason; `false` where there is none.
    pub fn roll_back(&mut self, kind: ModelEventKind, reason: &str) -> bool {
        // The program's own is nothing that could be left.
        let Some(left) = self.current.clone() else {
            return false;
        };
        self.current = self.before.pop().flatten();
        self.watch = None;
        self.note(kind, &left, Some(reason.into()));
        self.outcome(&left, UpdateState::RolledBack, Some(reason.into()));
        self.forget();
        true
    }

    /// What [`State::roll_back`] would go back to; `None` where it can't.
    pub fn previous(&self) -> Option<Which> {
        self.current.as_ref()?;
        Some(self.before.last().cloned().flatten())
    }

    /// Adds to what happened.
    pub fn note(&mut self, kind: ModelEventKind, hash: &ModelHash, reason: Option<String>) {
        let model = self.models.get(hash);
        self.history.push(ModelEvent {
            at: Timestamp::now(),
            kind,
            sha256: hash.clone(),
            model: model.map(|model| format!("{} {}", model.name, model.version)),
            reason,
            signed_by: None,
        });
        let too_many = self.history.len().saturating_sub(REMEMBERED);
        self.history.drain(..too_many);
    }

    /// The installed models that are used, or kept to go back to.
    pub fn kept(&self) -> impl Iterator<Item = &ModelHash> {
        self.before
            .iter()
            .rev()
            .chain([&self.current])
            .filter_map(Option::as_ref)
    }

    fn outcome(&mut self, hash: &ModelHash, state: UpdateState, reason: Option<String>) {
        if let Some(update) = self.update.as_mut().filter(|update| update.sha256 == *hash) {
            update.state = state;
            update.at = Timestamp::now();
            update.reason = reason;
        }
    }

    /// Keeps only the newest models to go back to.
    fn forget(&mut self) {
        let too_many = self.before.len().saturating_sub(KEPT);
        self.before.drain(..too_many);
        let kept: Vec<ModelHash> = self.kept().cloned().collect();
        self.models.retain(|hash, _| kept.contains(hash));
    }
}

/// Where a model of the folder came from.
pub fn origin(which: &Which) -> ModelOrigin {
    match which {
        Some(_) => ModelOrigin::Installed,
        None => ModelOrigin::Program,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn hash(n: u8) -> ModelHash {
        format!("{n:02x}").repeat(32).parse().unwrap()
    }

    pub(crate) fn signed(at: Timestamp) -> Signed {
        Signed {
            at,
            by: "0123456789ABCDEF".into(),
        }
    }

    fn take(state: &mut State, n: u8) {
        let model = ModelRef {
            name: "m".into(),
            version: n.to_string(),
            sha256: hash(n).to_string(),
        };
        let at = Timestamp::from_second(i64::from(n)).unwrap();
        state.take(&model, &hash(n), 9, &signed(at));
    }

    #[test]
    fn a_model_that_has_stood_its_watch_is_what_is_gone_back_to() {
        use ModelEventKind::{RolledBack, Stood, Taken};
        let mut state = State::default();
        assert_eq!(state.previous(), None);
        assert!(!state.roll_back(RolledBack, "nothing to leave"));
        take(&mut state, 1);
        assert_eq!(state.previous(), Some(None));
        state.stood();
        take(&mut state, 2);
        // 2 has not stood: 3 goes back to 1.
        take(&mut state, 3);
        assert_eq!(state.previous(), Some(Some(hash(1))));
        assert!(state.roll_back(RolledBack, "NaN"));
        assert_eq!((&state.current, state.watch), (&Some(hash(1)), None));
        let update = state.update.as_ref().unwrap();
        assert_eq!(update.state, UpdateState::RolledBack);
        assert_eq!(update.reason.as_deref(), Some("NaN"));
        assert!(state.roll_back(RolledBack, "asked"));
        assert_eq!(state.current, None);
        let kinds: Vec<_> = state.history.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [Taken, Stood, Taken, Taken, RolledBack, RolledBack]);
    }

    #[test]
    fn the_same_model_again_only_moves_the_time_on() {
        let mut state = State::default();
        take(&mut state, 1);
        state.stood();
        let before = state.before.clone();
        let model = state.models[&hash(1)].clone();
        let later = Timestamp::from_second(9).unwrap();
        state.take(&model, &hash(1), 9, &signed(later));
        assert_eq!((state.signed_at, &state.before), (Some(later), &before));
        assert_eq!(state.watch, None);
        assert_eq!(state.update.unwrap().state, UpdateState::Installed);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_last_good_model_is_kept(
            steps in proptest::collection::vec((0u8..3, 1u8..9), 0..60),
        ) {
            let mut state = State::default();
            let mut good: Which = None;
            for (step, n) in steps {
                match step {
                    0 => take(&mut state, n),
                    1 => { state.stood(); }
                    _ => { state.roll_back(ModelEventKind::RolledBack, "x"); }
                }
                if state.watch.is_none() {
                    good = state.current.clone();
                }
                let kept: Vec<_> = state.kept().cloned().collect();
                prop_assert!(good.iter().all(|hash| kept.contains(hash)), "{good:?} {state:?}");
                prop_assert!(kept.iter().all(|hash| state.models.contains_key(hash)));
                prop_assert!(kept.len() <= KEPT + 1);
                prop_assert_eq!(state.models.len(), kept.len());
                prop_assert!(state.current.is_some() || state.watch.is_none());
            }
        }
    }
}
