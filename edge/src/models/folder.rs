//! The folder of the models: their files, and what is written down about them.
//!
//! The order of writes makes each cut of the power harmless. A model's file and its signature are there before the state
//! names them, and go only after it has ceased to. The state is one file that is replaced as a whole: it says which model
//! decides, so replacing it is the switch. What no state names is swept away at the next start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use smearscope_common::message::ModelHash;
use tracing::{error, warn};

use super::state::{SCHEMA, State};
use crate::{failpoint, whole_file};

/// The state's file.
const STATE: &str = "state.json";
/// What has arrived of models that aren't whole.
const INCOMING: &str = "incoming";

/// Tells one version of the state's file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

/// The folder of the models.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path, which is made where it is missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        if let Some(parent) = path.parent() {
            whole_file::give_to_owner_of(parent, &File::open(&path)?)?;
        }
        Ok(Self(path))
    }

    /// What is written down. A file that can't be understood is set aside: the program's own model is always there.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn state(&self) -> io::Result<State> {
        let path = self.0.join(STATE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            Err(error) => return Err(error),
        };
        let why = match serde_json::from_slice::<State>(&text) {
            Ok(state) if state.schema == SCHEMA => return Ok(state),
            Ok(state) => format!("it has schema {:?}, not {SCHEMA:?}", state.schema),
            Err(error) => error.to_string(),
        };
        let aside = self.0.join(format!("{STATE}.damaged"));
        fs::rename(&path, &aside)?;
        error!(
            "what is written about models can't be understood ({why}); it is set aside as {}, and the model inside the program decides",
            aside.display()
        );
        Ok(State::default())
    }

    /// Changes what is written down, alone: whoever else wants to waits. `change` says whether there is anything to write,
    /// and writes the files of the models that it names.
    ///
    /// # Errors
    /// When it can't be read or written; then nothing is changed.
    pub fn change(&self, change: impl FnOnce(&mut State) -> io::Result<bool>) -> io::Result<State> {
        let _lock = self.lock()?;
        let mut state = self.state()?;
        if change(&mut state)? {
            let text = serde_json::to_vec_pretty(&state)?;
            whole_file::write(&self.0.join(STATE), &text)?;
            failpoint::hit("models.state");
        }
        Ok(state)
    }

    /// Held until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.0.join("lock"))?;
        whole_file::give_to_owner_of(&self.0, &lock)?;
        lock.lock()?;
        Ok(lock)
    }

    /// The version of the state's file; `None` where there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        let state = fs::metadata(self.0.join(STATE)).ok()?;
        Some(Stamp {
            inode: state.ino(),
            changed: (state.mtime(), state.mtime_nsec()),
        })
    }

    /// The bytes of a model.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn model(&self, hash: &ModelHash) -> io::Result<Vec<u8>> {
        fs::read(self.onnx(hash))
    }

    /// Keeps a model and its signature. Nothing goes by them before a state names them.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn keep(&self, hash: &ModelHash, onnx: &[u8], signature: &str) -> io::Result<()> {
        whole_file::write(&self.minisig(hash), signature.as_bytes())?;
        failpoint::hit("models.signature");
        whole_file::write(&self.onnx(hash), onnx)?;
        failpoint::hit("models.file");
        Ok(())
    }

    /// Where the chunks of a model arrive.
    pub fn incoming(&self, hash: &ModelHash) -> PathBuf {
        self.0.join(INCOMING).join(hash.to_string())
    }

    /// Removes what no state names, and chunks of other models than `wanted`.
    pub fn sweep(&self, wanted: Option<&ModelHash>) {
        if let Err(error) = self.try_sweep(wanted) {
            warn!(
                "old models can't be removed from {}: {error}",
                self.0.display()
            );
        }
    }

    fn try_sweep(&self, wanted: Option<&ModelHash>) -> io::Result<()> {
        let _lock = self.lock()?;
        let state = self.state()?;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            let is_kept = |hash: &ModelHash| path == self.onnx(hash) || path == self.minisig(hash);
            match ending {
                Some("onnx" | "minisig") if !state.kept().any(is_kept) => fs::remove_file(&path)?,
                Some("new") => fs::remove_file(&path)?,
                _ => {}
            }
            failpoint::hit("models.sweep");
        }
        let incoming = match fs::read_dir(self.0.join(INCOMING)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            incoming => incoming?,
        };
        for entry in incoming {
            let path = entry?.path();
            if wanted.is_none_or(|hash| path != self.incoming(hash)) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }

    fn onnx(&self, hash: &ModelHash) -> PathBuf {
        self.0.join(format!("{hash}.onnx"))
    }

    fn minisig(&self, hash: &ModelHash) -> PathBuf {
        self.0.join(format!("{hash}.minisig"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::signed;
    use super::*;
    use jiff::Timestamp;
    use smearscope_common::message::ModelRef;
    use tempfile::TempDir;

    fn hash(n: u8) -> ModelHash {
        format!("{n:02x}").repeat(32).parse().unwrap()
    }

    fn take(state: &mut State, n: u8) -> bool {
        let model = ModelRef {
            name: "m".into(),
            version: n.to_string(),
            sha256: hash(n).to_string(),
        };
        state.take(&model, &hash(n), 1, &signed(Timestamp::UNIX_EPOCH));
        true
    }

    #[test]
    fn what_is_written_is_read_and_shows_that_it_changed() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path().join("state/models")).unwrap();
        assert_eq!(
            (folder.state().unwrap(), folder.stamp()),
            (State::default(), None)
        );
        let state = folder.change(|state| Ok(take(state, 1))).unwrap();
        assert_eq!(folder.state().unwrap(), state);
        let stamp = folder.stamp();
        folder.change(|_| Ok(false)).unwrap();
        assert_eq!(folder.stamp(), stamp);
        folder.change(|state| Ok(take(state, 2))).unwrap();
        assert_ne!(folder.stamp(), stamp);
    }

    #[test]
    fn a_damaged_state_is_set_aside_and_the_programs_model_decides() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path().into()).unwrap();
        for damaged in [
            "",
            "{",
            "{\"schema\":\"smearscope.models/9\",\"current\":null}",
            "[1]",
        ] {
            fs::write(dir.path().join(STATE), damaged).unwrap();
            assert_eq!(folder.state().unwrap(), State::default());
            let aside = dir.path().join("state.json.damaged");
            assert_eq!(fs::read_to_string(&aside).unwrap(), damaged);
        }
    }

    #[test]
    fn what_no_state_names_is_swept_away() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path().into()).unwrap();
        for n in 1..4 {
            folder.keep(&hash(n), b"onnx", "signature").unwrap();
            fs::create_dir_all(folder.incoming(&hash(n))).unwrap();
        }
        fs::write(dir.path().join(".x.onnx.new"), "half").unwrap();
        let taken = |state: &mut State| {
            take(state, 1);
            state.stood();
            Ok(take(state, 2))
        };
        folder.change(taken).unwrap();
        folder.sweep(Some(&hash(3)));
        assert_eq!(folder.model(&hash(1)).unwrap(), b"onnx");
        assert_eq!(folder.model(&hash(2)).unwrap(), b"onnx");
        assert!(folder.model(&hash(3)).is_err());
        assert!(folder.incoming(&hash(3)).exists());
        assert!(!folder.incoming(&hash(1)).exists());
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let of = |n| [format!("{}.minisig", hash(n)), format!("{}.onnx", hash(n))];
        let wanted = [
            &of(1)[..],
            &of(2),
            &["incoming", "lock", STATE].map(String::from),
        ]
        .concat();
        assert_eq!(names, wanted);
    }
}
