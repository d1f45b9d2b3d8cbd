//! What a command's end means to the shell: 0 done, 1 failed, 2 bad usage or bad input.

use std::fmt;
use std::io::ErrorKind;
use std::process::ExitCode;

use crate::{log, supervisor};

/// Marks an error that the caller can mend by other arguments, another file or another config.
#[derive(Debug)]
pub struct BadInput(anyhow::Error);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain: this marker stands in for it.
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for BadInput {}

/// Marks the error of a result as [`BadInput`].
pub trait OrBadInput<T> {
    /// The same result, with its error marked.
    fn or_bad_input(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrBadInput<T> for Result<T, E> {
    fn or_bad_input(self) -> anyhow::Result<T> {
        self.map_err(|error| BadInput(error.into()).into())
    }
}

/// A [`BadInput`] that says `message`.
pub fn bad_input(message: impl fmt::Display) -> anyhow::Error {
    BadInput(anyhow::Error::msg(message.to_string())).into()
}

/// Says what went wrong on standard error, in one line, and gives the exit status.
pub fn status(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // `… | head` has seen enough: no failure.
    let enough = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(enough) {
        return ExitCode::SUCCESS;
    }
    let line = format!("error: {}", one_line(&format!("{error:#}")));
    supervisor::failed(&line);
    // The journal takes the level from such a prefix. Source: sd-daemon(3).
    let level = if log::is_journal() { "<3>" } else { "" };
    eprintln!("{level}{line}");
    if error.chain().any(|cause| cause.is::<BadInput>()) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// Errors of libraries may have several lines; ours are one sentence.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn bad_input_is_told_from_failure_through_any_context() {
        let bad: anyhow::Result<()> = Err(bad_input("no such key")).context("reading a.toml");
        let failed: anyhow::Result<()> = Err(anyhow::anyhow!("the disk is full"));
        assert_eq!(
            format!("{:#}", bad.as_ref().unwrap_err()),
            "reading a.toml: no such key"
        );
        assert_eq!(status(bad), ExitCode::from(2));
        assert_eq!(status(failed), ExitCode::FAILURE);
        assert_eq!(status(Ok(())), ExitCode::SUCCESS);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = std::io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(status(Err(closed.into())), ExitCode::SUCCESS);
    }
}
