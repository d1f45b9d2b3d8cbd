//! `[cells]`: what is kept for a second look.

use serde::Deserialize;
use smearscope_common::exported::Pseudonyms;

use crate::exit::bad_input;
use crate::named_file::NamedFile;

/// The least megabytes that hold more than a slide or two.
const LEAST_MB: u64 = 8;
/// The least characters of a key.
const LEAST_KEY: usize = 16;

/// `[cells]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cells {
    /// The most that the kept cells may take in megabytes, at least 8, or 0 to keep none. Default: 256, about ten thousand
    /// cells. The oldest go first, and those that somebody decided on last, but
    /// for a quarter of the room, which is for new ones. They are beside the store, in `cells.sqlite`.
    pub max_mb: u64,
    /// A file whose first line is the key by which slides and reviewers get pseudonyms where kept cells leave the board. Default:
    /// a key of this board's own, made when it is first needed (`pseudonyms.key` beside the store). With the same key on all
    /// boards of a site a slide has the same pseudonym whichever counted it.
    pub pseudonym_key_file: Option<NamedFile>,
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            max_mb: 256,
            pseudonym_key_file: None,
        }
    }
}

impl Cells {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if (1..LEAST_MB).contains(&self.max_mb) {
            let why = format!(
                "`max_mb` is {}, but is 0 to keep no cells, or at least {LEAST_MB}",
                self.max_mb
            );
            return Err(("max_mb", why));
        }
        Ok(())
    }

    /// By the configured key, if there is one.
    ///
    /// # Errors
    /// Bad input, when the key can't be read, is short, or isn't kept from others.
    pub fn pseudonyms(&self) -> anyhow::Result<Option<Pseudonyms>> {
        let Some(file) = &self.pseudonym_key_file else {
            return Ok(None);
        };
        let key = file.read_secret("the key of the pseudonyms")?.first_line();
        let key = key.expose().trim();
        if key.len() < LEAST_KEY {
            return Err(bad_input(format!(
                "{file}: the key of the pseudonyms has {} characters, so slides could be guessed; give it at least {LEAST_KEY}, \
                 such as what `openssl rand -hex 32` prints",
                key.len()
            )));
        }
        Ok(Some(Pseudonyms::new(key)))
    }

    /// The most bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_mb.saturating_mul(1 << 20)
    }
}
