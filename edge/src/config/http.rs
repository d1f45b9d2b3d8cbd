//! `[http]`: where the board's page and figures are, and who may see them.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use serde::Deserialize;

use crate::exit::bad_input;
use crate::mqtt::BrokerUrl;
use crate::named_file::{NamedFile, Secret};
use crate::pem::{certificates, not_together, private_key};
use crate::web::{Access, HashedPassword};

/// A shorter token can be guessed.
const LEAST_TOKEN: usize = 16;
/// How a hash is made.
const HOW: &str = "`smearscope-edge hash-password` makes one";

/// `[http]`. A file is named by its path, or as `credential:NAME` where systemd hands it over.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where the page, `/metrics` (for Prometheus) and `/healthz` are served, such as `127.0.0.1:9788`. Default: nowhere.
    pub listen: Option<SocketAddr>,
    /// A file whose first line is the token that a program must show (`Authorization: Bearer …`), at least 16 characters;
    /// others must not be able to read that file. Default: none. Without a token and a password, only the board's own
    /// loopback can be listened at.
    pub token_file: Option<NamedFile>,
    /// A file whose first line is the hash of the password that a person must type, as `smearscope-edge hash-password` prints
    /// it; others must not be able to read that file. Default: none.
    pub password_file: Option<NamedFile>,
    /// The certificate (PEM) that is shown, then those that lead to its CA: then all of it is encrypted. Default: none.
    pub certificate: Option<NamedFile>,
    /// Its private key (PEM), which others must not be able to read. Default: none.
    pub key: Option<NamedFile>,
    /// Where a browser finds the broker: a URL that begins with `ws://` or `wss://`. Default: that of [mqtt], where it is a
    /// WebSocket, or the broker inside the program; else the page has nothing to show.
    pub broker: Option<String>,
}

impl Http {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let keys = [
            ("token_file", self.token_file.is_some()),
            ("password_file", self.password_file.is_some()),
            ("certificate", self.certificate.is_some()),
            ("key", self.key.is_some()),
            ("broker", self.broker.is_some()),
        ];
        let Some(address) = self.listen else {
            return match keys.iter().find(|(_, is_set)| *is_set) {
                Some((key, _)) => Err((
                    key,
                    format!("`{key}` needs an address to `listen` at beside it"),
                )),
                None => Ok(()),
            };
        };
        let is_open = self.token_file.is_none() && self.password_file.is_none();
        if is_open && !address.ip().is_loopback() {
            let why = format!(
                "{address} can be reached from other machines: name a `password_file` or a `token_file` beside it, or listen \
                 at 127.0.0.1"
            );
            return Err(("listen", why));
        }
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                return Err((
                    "certificate",
                    "a certificate needs its `key` beside it".into(),
                ));
            }
            (None, Some(_)) => {
                return Err(("key", "a key needs its `certificate` beside it".into()));
            }
            _ => {}
        }
        if let Some(url) = &self.broker {
            let parsed: Result<BrokerUrl, _> = url.parse();
            if !parsed.is_ok_and(|url| url.protocol.is_websocket()) {
                let why = format!(
                    "{url:?} is no address of a WebSocket, such as wss://broker.example/mqtt"
                );
                return Err(("broker", why));
            }
        }
        Ok(())
    }

    /// Who may see what is served; reads the files.
    ///
    /// # Errors
    /// Bad input, when a file can't be used.
    pub fn access(&self) -> anyhow::Result<Access> {
        Ok(Access::new(
            self.token()?,
            self.password()?,
            self.certificate.is_some(),
        ))
    }

    /// How it is encrypted, if it is; reads the files.
    ///
    /// # Errors
    /// Bad input, when a file can't be used.
    pub fn tls(&self) -> anyhow::Result<Option<Arc<ServerConfig>>> {
        let Some((certificate, key)) = self.certificate.as_ref().zip(self.key.as_ref()) else {
            return Ok(None);
        };
        let chain = certificates(certificate, "certificate of [http]")?;
        let private = private_key(key, "key of [http]")?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("this build has no TLS")?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| {
                let certificate = ("certificate of [http]", certificate);
                not_together(error, certificate, ("key of [http]", key))
            })?;
        Ok(Some(Arc::new(config)))
    }

    /// What works but shouldn't be.
    pub fn doubt(&self) -> Option<String> {
        let address = self.listen?;
        let is_open = self.certificate.is_none() && !address.ip().is_loopback();
        is_open.then(|| {
            format!(
                "what is asked for at {address}, password and token too, goes unencrypted: everyone on the way can read it; \
                 name a `certificate` and its `key`"
            )
        })
    }

    /// The hash of the password; reads the file.
    ///
    /// # Errors
    /// Bad input, when the file can't be read, isn't kept from others, or begins with no hash.
    pub fn password(&self) -> anyhow::Result<Option<HashedPassword>> {
        let Some(file) = &self.password_file else {
            return Ok(None);
        };
        let line = file.read_secret("password file of [http]")?.first_line();
        let hash = HashedPassword::parse(line.expose()).map_err(|why| {
            bad_input(format!(
                "the first line of {file} can't be used for the page's password, {why}: {HOW}"
            ))
        })?;
        Ok(Some(hash))
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
    fn who_is_not_on_the_board_needs_a_token_or_a_password() {
        for good in [
            "",
            "listen = \"127.0.0.1:9788\"",
            "listen = \"[::1]:0\"",
            "listen = \"0.0.0.0:9788\"\ntoken_file = \"credential:metrics\"",
            "listen = \"0.0.0.0:9788\"\npassword_file = \"p\"",
            "listen = \"0.0.0.0:9788\"\npassword_file = \"p\"\ncertificate = \"c\"\nkey = \"k\"",
            "listen = \"127.0.0.1:9788\"\nbroker = \"wss://broker.lab/mqtt\"",
        ] {
            assert_eq!(http(good).check(), Ok(()), "{good}");
        }
        for (text, key) in [
            ("listen = \"0.0.0.0:9788\"", "listen"),
            ("listen = \"[::]:9788\"", "listen"),
            ("token_file = \"t\"", "token_file"),
            ("password_file = \"t\"", "password_file"),
            ("broker = \"ws://a\"", "broker"),
            ("listen = \"127.0.0.1:1\"\nkey = \"k\"", "key"),
            (
                "listen = \"127.0.0.1:1\"\ncertificate = \"c\"",
                "certificate",
            ),
            ("listen = \"127.0.0.1:1\"\nbroker = \"mqtt://a\"", "broker"),
            ("listen = \"127.0.0.1:1\"\nbroker = \"nonsense\"", "broker"),
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
