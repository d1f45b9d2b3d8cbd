//! What a command says on standard output.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

/// A line on standard output, as `println!`, which would panic where it can't be written.
macro_rules! say {
    ($($words:tt)*) => { $crate::say::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// Writes it.
///
/// # Errors
/// Standard output can't be written: its disk is full. Whoever reads and has seen enough (`… | head`) is no failure.
pub fn line(words: Arguments<'_>) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{words}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}
