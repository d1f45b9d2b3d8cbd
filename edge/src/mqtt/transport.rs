//! By which way a broker is reached.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::ClientConfig;
use serde::Deserialize;

use super::tls::Trust;
use super::{Address, InvalidAddress};

/// The path of a WebSocket where none is named: what EMQX, HiveMQ and VerneMQ have, and mosquitto takes any.
pub const DEFAULT_PATH: &str = "/mqtt";

/// What MQTT is spoken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP; everyone on the way can read and change what is said.
    #[default]
    Tcp,
    /// TLS.
    Tls,
    /// A WebSocket, as open as TCP.
    Ws,
    /// A WebSocket over TLS: where a network lets nothing but web pages through.
    Wss,
}

impl Protocol {
    /// The port where brokers offer it.
    pub fn default_port(self) -> u16 {
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

    /// Whether it has a path.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// How a URL begins.
    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The way, ready to be gone; `path` is used by WebSockets, `trust` by TLS.
    ///
    /// # Errors
    /// Bad input, when the files of `trust` can't be used.
    pub fn transport(self, path: &str, trust: &Trust) -> anyhow::Result<Transport> {
        let path = path.to_owned();
        Ok(match self {
            Self::Tcp => Transport::Tcp,
            Self::Tls => Transport::Tls(trust.client_config()?),
            Self::Ws => Transport::Ws { path },
            Self::Wss => Transport::Wss {
                path,
                tls: trust.client_config()?,
            },
        })
    }
}

/// A [`Protocol`] with what it needs.
#[derive(Clone)]
pub enum Transport {
    /// [`Protocol::Tcp`]
    Tcp,
    /// [`Protocol::Tls`]
    Tls(Arc<ClientConfig>),
    /// [`Protocol::Ws`]
    Ws {
        /// Begins with `/`.
        path: String,
    },
    /// [`Protocol::Wss`]
    Wss {
        /// Begins with `/`.
        path: String,
        /// Whom to trust, and who we are.
        tls: Arc<ClientConfig>,
    },
}

/// Checks the path of a WebSocket.
///
/// # Errors
/// [`InvalidUrl::Path`].
pub fn check_path(path: &str) -> Result<(), InvalidUrl> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&b);
    if path.starts_with('/') && path.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(InvalidUrl::Path(path.into()))
    }
}

/// Where a broker is and how it is reached: `HOST:PORT` for TCP, or a URL that begins with `mqtt://`, `mqtts://`,
/// `ws://` or `wss://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// How.
    pub protocol: Protocol,
    /// Where.
    pub address: Address,
    /// The path of a WebSocket; else [`DEFAULT_PATH`].
    pub path: String,
}

/// What is no URL of a broker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidUrl {
    /// It begins otherwise.
    #[error("a broker's URL begins with mqtt://, mqtts://, ws:// or wss://, not with {0}://")]
    Scheme(String),
    /// A password among a program's arguments can be read by everyone on the machine.
    #[error("a user and password stand in the config of `run`, not in a URL")]
    Credentials,
    /// Host or port are wrong.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The path is wrong.
    #[error(
        "{0:?} is no path of a WebSocket: it begins with / and has letters, digits and -._~!$&'()*+,;=:@/%?"
    )]
    Path(String),
    /// MQTT without WebSocket has no path.
    #[error("only ws:// and wss:// have a path")]
    NoPath,
}

impl From<Address> for BrokerUrl {
    fn from(address: Address) -> Self {
        Self {
            protocol: Protocol::Tcp,
            address,
            path: DEFAULT_PATH.into(),
        }
    }
}

impl FromStr for BrokerUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(text.parse::<Address>()?.into());
        };
        let protocol = [Protocol::Tcp, Protocol::Tls, Protocol::Ws, Protocol::Wss]
            .into_iter()
            .find(|protocol| protocol.scheme() == scheme)
            .ok_or_else(|| InvalidUrl::Scheme(scheme.into()))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        // The colons within the brackets of an IPv6 address announce no port.
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let address = if has_port {
            host.parse()?
        } else {
            format!("{host}:{}", protocol.default_port()).parse()?
        };
        match path {
            "" => {}
            path if protocol.is_websocket() => check_path(path)?,
            "/" => {}
            _ => return Err(InvalidUrl::NoPath),
        }
        let path = if protocol.is_websocket() && !path.is_empty() {
            path
        } else {
            DEFAULT_PATH
        };
        Ok(Self {
            protocol,
            address,
            path: path.into(),
        })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol.scheme(), self.address)?;
        if self.protocol.is_websocket() {
            f.write_str(&self.path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_brokers_with_their_default_ports() {
        for (text, protocol, written) in [
            ("broker.lab:1884", Protocol::Tcp, "mqtt://broker.lab:1884"),
            ("mqtt://broker.lab", Protocol::Tcp, "mqtt://broker.lab:1883"),
            ("mqtts://[::1]", Protocol::Tls, "mqtts://[::1]:8883"),
            ("mqtts://[::1]:8884/", Protocol::Tls, "mqtts://[::1]:8884"),
            ("ws://10.0.0.1", Protocol::Ws, "ws://10.0.0.1:80/mqtt"),
            ("wss://a:9001/", Protocol::Wss, "wss://a:9001/"),
            ("wss://a/b/c?d=e", Protocol::Wss, "wss://a:443/b/c?d=e"),
        ] {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!(url.protocol, protocol, "{text}");
            assert_eq!(url.to_string(), written);
            assert_eq!(written.parse::<BrokerUrl>().unwrap(), url);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "broker.lab",
            "http://a:1",
            "mqtt://",
            "mqtt://a/b",
            "mqtts://a:0",
            "mqtts://::1",
            "ws://a:1/b c",
            "ws://a:1/#c",
            "wss://a?b",
        ] {
            assert!(bad.parse::<BrokerUrl>().is_err(), "{bad:?}");
        }
        let error = "mqtts://board:s3cret@a:1".parse::<BrokerUrl>().unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
