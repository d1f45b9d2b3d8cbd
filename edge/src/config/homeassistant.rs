//! `[homeassistant]`: whether Home Assistant is told of the board.

use serde::Deserialize;

/// The longest discovery prefix in bytes.
const MAX_PREFIX: usize = 200;

/// `[homeassistant]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomeAssistant {
    /// Whether the board makes itself known there. Default: false, and what an earlier start has announced is removed.
    pub enabled: bool,
    /// The discovery prefix that Home Assistant was given. Default: homeassistant, as there.
    pub prefix: String,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self {
            enabled: false,
            prefix: "homeassistant".into(),
        }
    }
}

impl HomeAssistant {
    /// The prefix is the beginning of a topic that is published to and not only subscribed.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let prefix = &self.prefix;
        let fits = !prefix.is_empty()
            && !prefix.starts_with(['/', '$'])
            && !prefix.ends_with('/')
            && !prefix.contains(['+', '#'])
            && !prefix.contains(char::is_control)
            && prefix.len() <= MAX_PREFIX;
        if fits {
            return Ok(());
        }
        let why = format!(
            "`prefix` is {prefix:?}, but must be the beginning of a topic: 1 to {MAX_PREFIX} bytes, without + or #, with no \
             slash at either end and no $ at the beginning"
        );
        Err(("prefix", why))
    }
}
