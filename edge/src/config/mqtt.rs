//! `[mqtt]`: where the broker is, how it is reached, and who we are there.

use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::exit::{OrBadInput, bad_input};
use crate::mqtt::{
    Address, BrokerUrl, ClientIdentity, Credentials, DEFAULT_PATH, InvalidAddress, Protocol,
    Transport, Trust, check_path, is_loopback_name,
};
use crate::named_file::{NamedFile, Secret};

/// Where a broker is that nobody names.
const HOST: &str = "127.0.0.1";

/// `[mqtt]`. A file is named by its path, or as `credential:NAME` where systemd hands it over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Whether the program is its own broker, for a board that works alone: on the loopback interface, at `port` or any free
    /// one; pages reach it by [http]. Nothing else of [mqtt] goes with it. Default: false.
    pub embedded: bool,
    /// Name or address of the broker. Default: 127.0.0.1.
    pub host: String,
    /// What MQTT is spoken over: `tcp`, `tls`, `ws` or `wss`. Default: `tcp`.
    pub transport: Protocol,
    /// The broker's port. Default: that of the transport, 1883, 8883, 80 or 443.
    pub port: Option<u16>,
    /// The path of a WebSocket. Default: `/mqtt`.
    pub path: Option<String>,
    /// The certificates (PEM) of the only CAs to trust. Default: those of the system.
    pub ca_file: Option<NamedFile>,
    /// The certificate (PEM) that we show. Default: none.
    pub client_certificate: Option<NamedFile>,
    /// Its private key (PEM), which others must not be able to read. Default: none.
    pub client_key: Option<NamedFile>,
    /// Default: none, the broker lets anyone in.
    pub username: Option<String>,
    /// A file whose first line is the password, so that the config may be shown to others; they must not be able to
    /// read that file. Default: none.
    pub password_file: Option<NamedFile>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            embedded: false,
            host: HOST.into(),
            transport: Protocol::default(),
            port: None,
            path: None,
            ca_file: None,
            client_certificate: None,
            client_key: None,
            username: None,
            password_file: None,
        }
    }
}

impl Mqtt {
    /// Checks what doesn't show in a single value; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.embedded {
            return self.check_embedded();
        }
        let port = self.port.unwrap_or(self.transport.default_port());
        match Address::new(&self.host, port) {
            Err(error @ InvalidAddress::Port(_)) => return Err(("port", error.to_string())),
            Err(error) => return Err(("host", error.to_string())),
            Ok(_) => {}
        }
        if self.transport.is_encrypted() {
            // An address may have names that no certificate can have.
            if ServerName::try_from(self.host.as_str()).is_err() {
                let why = format!("{:?} is no name that a certificate can be for", self.host);
                return Err(("host", why));
            }
        } else {
            for (key, file) in [
                ("ca_file", &self.ca_file),
                ("client_certificate", &self.client_certificate),
                ("client_key", &self.client_key),
            ] {
                if file.is_some() {
                    let why = format!("`{key}` needs `transport = \"tls\"` or \"wss\" beside it");
                    return Err((key, why));
                }
            }
        }
        if let Some(path) = &self.path {
            if !self.transport.is_websocket() {
                let why = "`path` needs `transport = \"ws\"` or \"wss\" beside it";
                return Err(("path", why.into()));
            }
            check_path(path).map_err(|error| ("path", error.to_string()))?;
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(_), None) => {
                let why = "a client certificate needs its `client_key` beside it";
                return Err(("client_certificate", why.into()));
            }
            (None, Some(_)) => {
                let why = "a client key needs its `client_certificate` beside it";
                return Err(("client_key", why.into()));
            }
            _ => {}
        }
        if self.password_file.is_some() && self.username.is_none() {
            let why = "a password needs a `username` beside it";
            return Err(("password_file", why.into()));
        }
        Ok(())
    }

    /// Checks that nothing says how a broker elsewhere is reached.
    fn check_embedded(&self) -> Result<(), (&'static str, String)> {
        for (key, is_set) in [
            ("host", self.host != HOST),
            ("transport", self.transport != Protocol::default()),
            ("path", self.path.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
            ("client_key", self.client_key.is_some()),
            ("username", self.username.is_some()),
            ("password_file", self.password_file.is_some()),
        ] {
            if is_set {
                let why =
                    format!("`{key}` is of a broker elsewhere, and `embedded = true` needs none");
                return Err((key, why));
            }
        }
        Ok(())
    }

    /// Where the broker is.
    ///
    /// # Errors
    /// Bad input, when the host or the port can't be one.
    pub fn address(&self) -> anyhow::Result<Address> {
        let port = self.port.unwrap_or(self.transport.default_port());
        Address::new(&self.host, port).or_bad_input()
    }

    /// How to get there; reads certificates and key.
    ///
    /// # Errors
    /// Bad input, when a file can't be used.
    pub fn transport(&self) -> anyhow::Result<Transport> {
        let both = self.client_certificate.clone().zip(self.client_key.clone());
        let trust = Trust {
            ca: self.ca_file.clone(),
            client: both.map(|(certificate, key)| ClientIdentity { certificate, key }),
        };
        let path = self.path.as_deref().unwrap_or(DEFAULT_PATH);
        self.transport.transport(path, &trust)
    }

    /// Who we say we are; reads the password.
    ///
    /// # Errors
    /// Bad input, when the file can't be read, begins with no password, or isn't kept from others.
    pub fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(username) = self.username.clone() else {
            return Ok(None);
        };
        let password = match &self.password_file {
            None => Secret::from(""),
            Some(file) => {
                let password = file.read_secret("password file")?.first_line();
                if password.expose().is_empty() {
                    return Err(bad_input(format!(
                        "the password file {file} has no password in its first line"
                    )));
                }
                password
            }
        };
        Ok(Some(Credentials { username, password }))
    }

    /// Where a browser finds the same broker, if that is by a WebSocket.
    ///
    /// # Errors
    /// As [`Mqtt::address`].
    pub fn websocket_url(&self) -> anyhow::Result<Option<String>> {
        if !self.transport.is_websocket() {
            return Ok(None);
        }
        let url = BrokerUrl {
            protocol: self.transport,
            address: self.address()?,
            path: self.path.clone().unwrap_or_else(|| DEFAULT_PATH.into()),
        };
        Ok(Some(url.to_string()))
    }

    /// What works but shouldn't be.
    pub fn doubt(&self) -> Option<String> {
        let is_open = self.password_file.is_some() && !self.transport.is_encrypted();
        (is_open && !is_loopback_name(&self.host)).then(|| {
            format!(
                "the password goes to {} unencrypted: everyone on the way can read it; use `transport = \"tls\"`",
                self.host
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn mqtt(text: &str) -> Mqtt {
        toml::from_str(text).unwrap()
    }

    fn with_password(folder: &Path, text: &str) -> Mqtt {
        let file = folder.join("p");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        mqtt(&format!(
            "host = \"broker.lab\"\nusername = \"board\"\npassword_file = {file:?}"
        ))
    }

    #[test]
    fn the_password_is_the_first_line_of_its_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mqtt = with_password(folder.path(), "s3cret\nnot this\n");
        let credentials = mqtt.credentials().unwrap().unwrap();
        assert_eq!(credentials.password.expose(), "s3cret");
        let shown = format!("{credentials:?} {credentials:#?} {mqtt:?}");
        assert!(
            shown.contains("board") && !shown.contains("s3cret"),
            "{shown}"
        );
        for empty in ["", "\nsecond line\n"] {
            let error = with_password(folder.path(), empty)
                .credentials()
                .unwrap_err();
            assert!(error.to_string().contains("no password"), "{error}");
        }
    }

    #[test]
    fn a_board_that_works_alone_needs_no_word_of_another_broker() {
        for good in ["embedded = true", "embedded = true\nport = 1883"] {
            assert_eq!(mqtt(good).check(), Ok(()), "{good}");
        }
        for (rest, key) in [
            ("host = \"broker.lab\"", "host"),
            ("transport = \"tls\"", "transport"),
            ("username = \"a\"", "username"),
        ] {
            let text = format!("embedded = true\n{rest}");
            assert_eq!(mqtt(&text).check().unwrap_err().0, key);
        }
    }

    #[test]
    fn a_browser_is_sent_where_the_board_goes_if_it_can_follow() {
        let url = |text: &str| mqtt(text).websocket_url().unwrap();
        assert_eq!(url("host = \"broker.lab\""), None);
        let wss = "host = \"broker.lab\"\ntransport = \"wss\"\npath = \"/ws\"";
        assert_eq!(url(wss).unwrap(), "wss://broker.lab:443/ws");
    }

    #[test]
    fn the_port_follows_the_transport() {
        for (transport, port) in [("tcp", 1883), ("tls", 8883), ("ws", 80), ("wss", 443)] {
            let text = format!("transport = \"{transport}\"");
            assert_eq!(mqtt(&text).address().unwrap().port, port);
            let text = format!("{text}\nport = 4711");
            assert_eq!(mqtt(&text).address().unwrap().port, 4711);
        }
    }

    #[test]
    fn a_password_in_clear_is_doubtful_unless_it_stays_on_the_machine() {
        let password = "username = \"a\"\npassword_file = \"p\"\n";
        for (rest, is_doubtful) in [
            ("host = \"broker.lab\"", true),
            ("host = \"10.0.0.1\"\ntransport = \"ws\"", true),
            ("host = \"broker.lab\"\ntransport = \"tls\"", false),
            ("host = \"broker.lab\"\ntransport = \"wss\"", false),
            ("host = \"localhost\"", false),
            ("host = \"127.0.0.2\"", false),
            ("host = \"::1\"", false),
        ] {
            let doubt = mqtt(&format!("{password}{rest}")).doubt();
            assert_eq!(doubt.is_some(), is_doubtful, "{rest}");
        }
        assert!(
            mqtt("host = \"broker.lab\"\nusername = \"a\"")
                .doubt()
                .is_none()
        );
    }

    #[test]
    fn what_does_not_fit_together_is_named_by_its_key() {
        let tls = "transport = \"tls\"\n";
        for (text, key) in [
            ("port = 0", "port"),
            ("host = \"a b\"", "host"),
            ("transport = \"tls\"\nhost = \"-\"", "host"),
            ("ca_file = \"ca.pem\"", "ca_file"),
            ("transport = \"ws\"\nca_file = \"ca.pem\"", "ca_file"),
            ("client_key = \"credential:key\"", "client_key"),
            (&format!("{tls}client_key = \"k\""), "client_key"),
            (
                &format!("{tls}client_certificate = \"c\""),
                "client_certificate",
            ),
            (&format!("{tls}path = \"/mqtt\""), "path"),
            ("transport = \"ws\"\npath = \"mqtt\"", "path"),
            ("transport = \"wss\"\npath = \"/a b\"", "path"),
            ("password_file = \"p\"", "password_file"),
        ] {
            let (found, why) = mqtt(text).check().unwrap_err();
            assert_eq!(found, key, "{text}: {why}");
        }
        for good in [
            "",
            "transport = \"ws\"\npath = \"/a?b=c\"",
            &format!("{tls}host = \"::1\"\nca_file = \"a\""),
            &format!("{tls}host = \"broker_1.lab\""),
            "transport = \"wss\"\nclient_certificate = \"c\"\nclient_key = \"credential:k\"",
        ] {
            assert_eq!(mqtt(good).check(), Ok(()), "{good}");
        }
    }
}
