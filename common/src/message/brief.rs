//! What is told back of a stranger's words.

use std::fmt;

/// The longest reason of a refusal in characters.
const MAX_REASON: usize = 200;

/// The beginning of a reason, on one line: it may quote a key of the sender's, whatever that is.
pub(super) fn brief(reason: impl fmt::Display) -> String {
    let reason = reason.to_string();
    let mut characters = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut said: String = characters.by_ref().take(MAX_REASON).collect();
    if characters.next().is_some() {
        said.push('…');
    }
    said
}
