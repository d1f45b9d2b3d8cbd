//! The key by which slides and reviewers get their pseudonyms: the configured one, or one of this board's own.

use std::io::ErrorKind;
use std::path::Path;

use rand::RngCore;
use smearscope_common::exported::{KEY_FILE, Pseudonyms};
use tracing::warn;

use super::{KeptCells, KeptError};
use crate::whole_file;

/// Bytes of a key that is made up.
const KEY_BYTES: usize = 32;

impl KeptCells {
    /// By which slides and reviewers are called elsewhere; also where no cells are kept.
    ///
    /// # Errors
    /// [`KeptError::Key`].
    pub fn pseudonyms(&self) -> Result<Pseudonyms, KeptError> {
        let mut inner = self.lock();
        let found = match (&inner.pseudonyms, &inner.path) {
            (Some(found), _) => found.clone(),
            (None, Some(path)) => read_or_make(&path.with_file_name(KEY_FILE))
                .inspect_err(|error| warn!("{error}"))?,
            (None, None) => Pseudonyms::new(new_key()),
        };
        inner.pseudonyms = Some(found.clone());
        Ok(found)
    }
}

fn new_key() -> Vec<u8> {
    let mut key = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    hex::encode(key).into_bytes()
}

/// The key of this board's own; one that isn't there is made.
fn read_or_make(path: &Path) -> Result<Pseudonyms, KeptError> {
    let trouble = |what: String| {
        KeptError::Key(format!(
            "the key of the pseudonyms, {}, {what}",
            path.display()
        ))
    };
    match std::fs::read(path) {
        Ok(key) if key.trim_ascii().is_empty() => Err(trouble(
            "is empty; remove it, and a new one is made: then slides that were exported before get other pseudonyms".into(),
        )),
        Ok(key) => Ok(Pseudonyms::new(key.trim_ascii())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = new_key();
            whole_file::write(path, &key)
                .map_err(|error| trouble(format!("cannot be written: {error}")))?;
            Ok(Pseudonyms::new(key))
        }
        Err(error) => Err(trouble(format!("cannot be read: {error}"))),
    }
}
