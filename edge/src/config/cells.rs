//! `[cells]`: what is kept for a second look.

use serde::Deserialize;

/// The least megabytes that hold more than a slide or two.
const LEAST_MB: u64 = 8;

/// `[cells]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cells {
    /// The most that the kept cells may take in megabytes, at least 8, or 0 to keep none. Default: 256, about ten thousand
    /// cells. The oldest go first, and those that somebody decided on last, but
    /// for a quarter of the room, which is for new ones. They are beside the store, in `cells.sqlite`.
    pub max_mb: u64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { max_mb: 256 }
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

    /// The most bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_mb.saturating_mul(1 << 20)
    }
}
