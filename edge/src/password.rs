//! `hash-password`: what the config holds of the page's password.

use std::io::{IsTerminal, Write};

use anyhow::{Context, anyhow};
use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, Params};

use crate::exit::bad_input;

/// A shorter password can be guessed.
const LEAST: usize = 10;

/// Asks for a password, and prints its hash.
///
/// # Errors
/// Bad input, when it is too short, or was typed in two ways.
pub fn run() -> anyhow::Result<()> {
    let password = asked()?;
    if password.chars().count() < LEAST {
        return Err(bad_input(format!(
            "the password has fewer than {LEAST} characters and can be guessed: take a longer one, such as four words"
        )));
    }
    let hash = hash_with(&password, Params::default())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{hash}")?;
    out.flush()?;
    Ok(())
}

/// The hash of a password in the PHC string format.
///
/// # Errors
/// When there is no memory or no chance to be had.
pub fn hash_with(password: &str, params: Params) -> anyhow::Result<String> {
    let hash = Argon2::from(params)
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow!("the password can't be hashed: {error}"))?;
    Ok(hash.to_string())
}

/// From a terminal twice and unseen, else the first line of standard input.
fn asked() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("cannot read the password from standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let ask = |prompt| rpassword::prompt_password(prompt).context("cannot ask for the password");
    let password = ask("Password for the page: ")?;
    if ask("Once more: ")? != password {
        return Err(bad_input(
            "the two passwords differ: nothing was made of them",
        ));
    }
    Ok(password)
}
