//! Passwords: from a file or from the terminal, never from the command line, which everyone on the machine can read.

use std::fs;
use std::io::{IsTerminal, stdin};
use std::path::Path;

use anyhow::Result;

use crate::error::bad_input;

/// What must not stand in a log: it has neither Debug nor Display.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for whoever has to hand it on.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads the first line of a file.
    ///
    /// # Errors
    /// It can't be read, or its first line is empty.
    pub fn from_file(path: &Path, what: &str) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|e| bad_input!("{}: {what} cannot be read: {e}", path.display()))?;
        warn_if_open(path);
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self(line.to_owned())),
            _ => Err(bad_input!(
                "{}: its first line is empty; {what} must stand there",
                path.display()
            )),
        }
    }

    /// Asks on the terminal; `instead` names what serves where there is none.
    ///
    /// # Errors
    /// There is no terminal, or it was left.
    pub fn ask(prompt: &str, instead: &str) -> Result<Self> {
        // Whoever pipes something in can't be asked, even if a terminal is near.
        if !stdin().is_terminal() {
            return Err(bad_input!(
                "there is no terminal to ask for a password: give {instead}"
            ));
        }
        let answer = rpassword::prompt_password(prompt)
            .map_err(|e| bad_input!("no password was entered ({e}): give {instead}"))?;
        Ok(Self(answer))
    }

    /// Whether it has no characters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says so when others on the machine can read a file that holds a secret.
pub fn warn_if_open(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let is_open = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
        if is_open {
            let path = path.display();
            tracing::warn!("{path} can be read by others on this machine: chmod 600 {path}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_and_an_empty_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, " a b \nmore\n").unwrap();
        let secret = Secret::from_file(&path, "the password");
        assert_eq!(secret.ok().unwrap().expose(), " a b ");
        fs::write(&path, "\nx").unwrap();
        let said = Secret::from_file(&path, "the password").err().unwrap();
        assert!(said.to_string().contains("first line"), "{said}");
        assert!(Secret::from_file(&folder.path().join("absent"), "x").is_err());
    }
}
