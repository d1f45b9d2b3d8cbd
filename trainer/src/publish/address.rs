//! Where the broker is and how it is reached: the URL of `--broker`.

use std::fmt;

use anyhow::Result;
use url::Url;

use crate::error::bad_input;

/// The path of a WebSocket where none is named: what most brokers have.
const DEFAULT_PATH: &str = "/mqtt";

/// What MQTT is spoken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP: everyone on the way can read and change what is said.
    Tcp,
    /// TLS.
    Tls,
    /// A WebSocket, as open as TCP.
    Ws,
    /// A WebSocket over TLS.
    Wss,
}

impl Protocol {
    fn named(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "mqtt" => Self::Tcp,
            "mqtts" => Self::Tls,
            "ws" => Self::Ws,
            "wss" => Self::Wss,
            _ => return None,
        })
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 1883,
            Self::Tls => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether nobody on the way can read what is said.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// How.
    pub protocol: Protocol,
    /// The host; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and query of a WebSocket; else empty.
    pub path: String,
    /// The user, where the URL names one.
    pub user: Option<String>,
}

impl BrokerUrl {
    /// Reads a URL. No error quotes it, for somebody may have put a password there.
    ///
    /// # Errors
    /// It is no URL of a broker, or holds a password.
    pub fn read(text: &str) -> Result<Self> {
        let form = |why: &str| {
            bad_input!(
                "--broker {why}: give a URL such as mqtts://broker.lab:8883, with mqtt://, mqtts://, ws:// or wss://"
            )
        };
        let url = Url::parse(text).map_err(|e| form(&format!("is no URL ({e})")))?;
        let protocol = Protocol::named(url.scheme())
            .filter(|_| text.contains("://"))
            .ok_or_else(|| form("is no URL of a broker"))?;
        if url.password().is_some() {
            return Err(bad_input!(
                "--broker holds a password, which everyone on this machine can read; \
                 put it into a file and name that with --password-file"
            ));
        }
        let user = url.username();
        if user.contains('%') {
            return Err(bad_input!(
                "--broker holds a user with special characters: name it with --username instead"
            ));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| form("names no host"))?;
        if url.port() == Some(0) {
            return Err(form("names port 0, which cannot be connected to"));
        }
        if url.fragment().is_some() {
            return Err(form("has a # in it"));
        }
        let query = url.query().map(|query| format!("?{query}"));
        let query = query.unwrap_or_default();
        let path = match (protocol.is_websocket(), url.path()) {
            // What was written counts: a WebSocket's URL without a path and with / read alike.
            (true, "/" | "") if !after_host(text).starts_with('/') => {
                format!("{DEFAULT_PATH}{query}")
            }
            (true, path) => format!("{path}{query}"),
            (false, "" | "/") if query.is_empty() => String::new(),
            (false, _) => return Err(form("has a path, which only ws:// and wss:// have")),
        };
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port: url.port().unwrap_or_else(|| protocol.default_port()),
            path,
            user: (!user.is_empty()).then(|| user.to_owned()),
        })
    }
}

/// What follows the host and port of a URL.
fn after_host(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.find(['/', '?', '#']).map_or("", |at| &rest[at..])
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.protocol.scheme(), &self.host, self.port);
        write!(f, "{scheme}://{host}:{port}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_their_default_ports_and_paths() {
        for (text, written, user) in [
            ("mqtt://broker.lab", "mqtt://broker.lab:1883", None),
            (
                "mqtts://u@broker.lab/",
                "mqtts://broker.lab:8883",
                Some("u"),
            ),
            ("mqtt://[::1]:1884", "mqtt://[::1]:1884", None),
            ("ws://10.0.0.1", "ws://10.0.0.1:80/mqtt", None),
            ("ws://10.0.0.1:80/", "ws://10.0.0.1:80/", None),
            ("wss://a?key=b", "wss://a:443/mqtt?key=b", None),
            (
                "wss://u-1@a:9001/b/c?d=e",
                "wss://a:9001/b/c?d=e",
                Some("u-1"),
            ),
        ] {
            let url = BrokerUrl::read(text).unwrap();
            assert_eq!(url.to_string(), written, "{text}");
            assert_eq!(url.user.as_deref(), user, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_no_password_is_told() {
        for bad in [
            "",
            "broker.lab",
            "broker.lab:1883",
            "mqtt:broker",
            "http://a:1",
            "mqtt://",
            "mqtt://a:0",
            "mqtt://a:99999",
            "mqtt://a/b",
            "mqtt://a?b",
            "ws://a/#c",
            "mqtts://a b",
            "mqtt://u%20v@a",
            "mqtts://board:s3cret@a:1",
            "http://board:s3cret@a:1",
            "mqtts://board:s3cret@a:b",
        ] {
            let error = BrokerUrl::read(bad).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!(crate::error::exit_code(&error), 2, "{bad}");
        }
    }
}
