//! What is written about models, as this program knows it.

use tracing::{error, warn};

use super::folder::{Folder, Stamp};
use super::state::State;

/// What is written about models. What can't be written holds in this program until it can, so that a full disk brings no
/// model back that was left.
#[derive(Clone, Default)]
pub struct Record {
    /// What holds.
    pub state: State,
    /// The version of the file that it was read from or written to.
    stamp: Option<Stamp>,
    /// Whether `state` has what the file has not.
    is_ahead: bool,
}

impl Record {
    /// What is written in a folder.
    pub fn read(folder: &Folder) -> Self {
        let stamp = folder.stamp();
        let state = folder.state().unwrap_or_else(|error| {
            error!("what is written about models can't be read: {error}");
            State::default()
        });
        Self {
            state,
            stamp,
            is_ahead: false,
        }
    }

    /// Whether it is of this version of the file; else somebody else has written since.
    pub fn is_of(&self, stamp: Option<Stamp>) -> bool {
        self.stamp == stamp
    }

    /// Changes what is written, after having read what others have written. `change` says whether there is anything to
    /// write.
    pub fn change(&mut self, folder: &Folder, change: impl Fn(&mut State) -> bool) {
        let written = folder.change(|state| {
            // Whoever has written since knows better.
            let is_ours = self.is_ahead && self.is_of(folder.stamp());
            if is_ours {
                state.clone_from(&self.state);
            }
            Ok(change(state) || is_ours)
        });
        match written {
            Ok(state) => {
                *self = Self {
                    state,
                    stamp: folder.stamp(),
                    is_ahead: false,
                };
            }
            Err(error) => {
                warn!(
                    "what happens with models can't be written, and may not hold after the next start: {error}"
                );
                self.is_ahead |= change(&mut self.state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::{hash, signed};
    use super::*;
    use jiff::Timestamp;
    use smearscope_common::message::{ModelEventKind, ModelRef};
    use std::fs;
    use tempfile::TempDir;

    fn take(n: u8) -> impl Fn(&mut State) -> bool {
        move |state| {
            let model = ModelRef {
                name: "m".into(),
                version: n.to_string(),
                sha256: hash(n).to_string(),
            };
            state.take(&model, &hash(n), 1, &signed(Timestamp::UNIX_EPOCH));
            state.stood();
            true
        }
    }

    fn leave(state: &mut State) -> bool {
        state.roll_back(ModelEventKind::RolledBack, "x")
    }

    #[test]
    fn what_cannot_be_written_holds_and_is_written_once_it_can() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path().into()).unwrap();
        let mut record = Record::read(&folder);
        for n in 1..=3 {
            record.change(&folder, take(n));
        }
        let in_the_way = dir.path().join(".state.json.new");
        fs::create_dir(&in_the_way).unwrap();
        for wanted in [Some(hash(2)), Some(hash(1))] {
            record.change(&folder, leave);
            assert_eq!(record.state.current, wanted);
            record.change(&folder, |_| false);
            assert_eq!(record.state.current, wanted);
            assert_eq!(folder.state().unwrap().current, Some(hash(3)));
        }
        fs::remove_dir(&in_the_way).unwrap();
        record.change(&folder, |_| false);
        assert_eq!(folder.state().unwrap(), record.state);
        assert_eq!(record.state.current, Some(hash(1)));
    }

    #[test]
    fn whoever_has_written_since_knows_better() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path().into()).unwrap();
        let mut record = Record::read(&folder);
        record.change(&folder, take(1));
        let in_the_way = dir.path().join(".state.json.new");
        fs::create_dir(&in_the_way).unwrap();
        record.change(&folder, leave);
        fs::remove_dir(&in_the_way).unwrap();
        assert!(record.is_of(folder.stamp()));
        Record::read(&folder).change(&folder, take(2));
        assert!(!record.is_of(folder.stamp()));
        record.change(&folder, |_| false);
        assert_eq!(record.state.current, Some(hash(2)));
        assert!(record.is_of(folder.stamp()));
    }
}
