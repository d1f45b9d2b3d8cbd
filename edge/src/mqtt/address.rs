//! Where a broker is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Host and port of a broker. The host is a name, an IPv4 address, or an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without the brackets that an IPv6 address is written in beside a port.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// What is no address of a broker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAddress {
    /// It is not of the form that is asked for.
    #[error("{0:?} is not HOST:PORT, such as broker.lab:1883 or [::1]:1883")]
    Form(String),
    /// The host has characters that no host has.
    #[error("{0:?} is no host name or IP address")]
    Host(String),
    /// The port is not 1 to 65535.
    #[error("{0:?} is no port (1 to 65535)")]
    Port(String),
}

impl Address {
    /// Checks a host and a port.
    ///
    /// # Errors
    /// [`InvalidAddress`] says which of them can't be one.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidAddress> {
        let is_name = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_name && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(InvalidAddress::Host(host.into()));
        }
        if port == 0 {
            return Err(InvalidAddress::Port("0".into()));
        }
        Ok(Self {
            host: host.into(),
            port,
        })
    }

    /// The host as rumqttc wants it, which puts a colon and the port behind it.
    pub fn url_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let form = || InvalidAddress::Form(s.into());
        let (host, port) = s.rsplit_once(':').ok_or_else(form)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(form)?,
            // Two colons without brackets: where would the port begin?
            None if host.contains(':') => return Err(form()),
            None => host,
        };
        let port = port
            .parse()
            .map_err(|_| InvalidAddress::Port(port.into()))?;
        Self::new(host, port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.url_host(), self.port)
    }
}

/// Whether what goes to this name or address doesn't leave this machine.
pub fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_ip_address() {
        for (text, host) in [
            ("localhost:1883", "localhost"),
            ("broker_1.lab-2:1883", "broker_1.lab-2"),
            ("10.0.0.1:1883", "10.0.0.1"),
            ("[::1]:1883", "::1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, 1883));
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for bad in [
            "",
            "localhost",
            ":1883",
            "a:",
            "a:b",
            "a:0",
            "a:65536",
            "a b:1",
            "::1:1883",
            "[::1:1883",
            "mqtt://a:1883",
            "a/b:1",
            "é:1",
        ] {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(!error.is_empty(), "{bad:?}");
        }
    }
}
