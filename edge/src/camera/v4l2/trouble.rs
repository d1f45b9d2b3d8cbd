//! What can be wrong with a camera, for programs and in words.

use std::io;

use serde::Serialize;

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not there, or not there any more.
    Absent,
    /// Another program has it.
    Busy,
    /// We may not open it.
    Denied,
    /// It offers nothing that can be used, or not what the config asks for.
    Unusable,
    /// It sends no frames.
    Stalled,
    /// It sends damaged frames only.
    Damaged,
    /// The kernel says that something else went wrong.
    Failed,
}

/// Why there are no frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// For programs.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
}

impl Trouble {
    /// Of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Of what the kernel says when `step` is tried.
    pub(super) fn of(step: &str, error: &io::Error) -> Self {
        Self::new(kind(error), format!("{step}: {}", words(error)))
    }
}

/// The kind of an error of a camera's node.
fn kind(error: &io::Error) -> Kind {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT) => Kind::Absent,
        Some(libc::EBUSY) => Kind::Busy,
        Some(libc::EACCES | libc::EPERM) => Kind::Denied,
        _ => Kind::Failed,
    }
}

/// What to do about an error of a camera's node.
pub(super) fn words(error: &io::Error) -> String {
    match kind(error) {
        Kind::Absent => "it was unplugged".to_owned(),
        Kind::Busy => "another program uses it (`fuser -v /dev/video*` says which)".to_owned(),
        Kind::Denied => "no right to open it: the user must be in the group `video`".to_owned(),
        _ => error.to_string(),
    }
}
