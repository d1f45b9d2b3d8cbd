//! `[http]`: who may ask the board for its figures.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::exit::bad_input;
use crate::named_file::{NamedFile, Secret};

/// A shorter token can be guessed.
const LEAST_TOKEN: usize = 16;

/// `[http]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where `/metrics` (for Prometheus) and `/healthz` are served, such as `127.0.0.1:9788`. Default: nowhere.
    pub listen: Option<SocketAddr>,
    /// A file whose first line is the token that a client must show (`Authorization: Bearer …`), at least 16 characters;
    /// others must not be able to read that file. Default: none, which is possible on the board's own loopback only.
    pub token_file: Option<NamedFile>,
}

impl Http {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        match (self.listen, &self.token_file) {
            (Some(address), None) if !address.ip().is_loopback() => {
                let why = format!(
                    "{address} can be reached from other machines: name a `token_file` beside it, or listen at 127.0.0.1"
                );
                Err(("listen", why))
            }
            (None, Some(_)) => {
                let why = "a token needs an address to `listen` at beside it";
                Err(("token_file", why.into()))
            }
            _ => Ok(()),
        }
    }

    /// What a client must show; reads the file.
    ///
    /// # Errors
    /// Bad input, when the file can't be read, isn't kept from others, or begins with no good token.
    pub fn token(&self) -> anyhow::Result<Option<Secret>> {
        let Some(file) = &self.token_file else {
            return Ok(None);
        };
        let token = file.read_secret("token file")?.first_line();
        if token.expose().len() < LEAST_TOKEN {
            return Err(bad_input(format!(
                "the token in the first line of {file} has fewer than {LEAST_TOKEN} characters and can be guessed: \
                 `openssl rand -hex 32` makes a good one"
            )));
        }
        if !token.expose().chars().all(|c| c.is_ascii_graphic()) {
            return Err(bad_input(format!(
                "the token in the first line of {file} has blanks or letters that no client can send: \
                 `openssl rand -hex 32` makes a good one"
            )));
        }
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn http(text: &str) -> Http {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn who_is_not_on_the_board_needs_a_token() {
        for good in [
            "",
            "listen = \"127.0.0.1:9788\"",
            "listen = \"[::1]:0\"",
            "listen = \"0.0.0.0:9788\"\ntoken_file = \"credential:metrics\"",
        ] {
            assert_eq!(http(good).check(), Ok(()), "{good}");
        }
        for (text, key) in [
            ("listen = \"0.0.0.0:9788\"", "listen"),
            ("listen = \"[::]:9788\"", "listen"),
            ("token_file = \"t\"", "token_file"),
        ] {
            assert_eq!(http(text).check().unwrap_err().0, key, "{text}");
        }
        assert!(toml::from_str::<Http>("listen = \"9788\"").is_err());
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            http(&format!("token_file = {path:?}")).token()
        };
        let good = token("0123456789abcdef\nnot this\n").unwrap().unwrap();
        assert_eq!(good.expose(), "0123456789abcdef");
        let error = token("short\n").unwrap_err().to_string();
        assert!(
            error.contains("guessed") && !error.contains("short"),
            "{error}"
        );
        assert!(token("0123456789abcdef \n").is_err() && token("0123456789abcdeé\n").is_err());
        assert!(http("").token().unwrap().is_none());
    }
}
