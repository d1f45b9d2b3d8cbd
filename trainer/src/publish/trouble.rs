//! Why a broker can't be reached or refuses something, in words.

use std::error::Error;
use std::io;

use rumqttc::TlsError;
use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason};
use rumqttc::v5::{ConnectionError, StateError};
use rustls::{CertificateError, Error as RustlsError};

/// How a connection came to its end.
#[derive(Debug)]
pub struct Trouble {
    /// Why, in words that follow on "the broker:".
    pub why: String,
    /// Whether the user has to change something: trying again won't help.
    pub is_final: bool,
}

/// Why a connection ended.
pub fn of(error: &ConnectionError) -> Trouble {
    let passing = |why: String| Trouble {
        why,
        is_final: false,
    };
    if let Some(tls) = tls_error(error) {
        return passing(self::tls(tls));
    }
    match error {
        ConnectionError::ConnectionRefused(reason) => refused(*reason),
        ConnectionError::Timeout(_) => passing("it does not answer".into()),
        ConnectionError::Websocket(_) if io_error(error).is_none() => passing(format!(
            "its WebSocket does not open ({error}): are port and path right?"
        )),
        ConnectionError::ResponseValidation(_) => {
            passing("its WebSocket does not speak MQTT: are port and path right?".into())
        }
        ConnectionError::NotConnAck(_) => passing("it does not begin as MQTT 5 does".into()),
        ConnectionError::MqttState(StateError::AwaitPingResp) => passing("it fell silent".into()),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            passing("it closed the connection".into())
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            passing(format!("it closed the connection ({reason_code:?})"))
        }
        ConnectionError::MqttState(
            StateError::OutgoingPacketTooLarge { max, .. }
            | StateError::Deserialization(mqttbytes::Error::OutgoingPacketTooLarge { max, .. }),
        ) => Trouble {
            why: format!(
                "it takes no packet of more than {max} bytes, and a chunk of a model has 131072: raise its limit \
                 (max_packet_size of mosquitto), or put the model on a web server and name that with --url"
            ),
            is_final: true,
        },
        error => match io_error(error) {
            Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
                passing("it closed the connection at once: are scheme and port right?".into())
            }
            Some(io) if io.kind() == io::ErrorKind::ConnectionReset => passing(
                "it reset the connection; if it does so each time, are scheme and port right?"
                    .into(),
            ),
            Some(io) => passing(io.to_string()),
            None => passing(error.to_string()),
        },
    }
}

fn refused(reason: ConnectReturnCode) -> Trouble {
    use ConnectReturnCode as R;
    let (words, is_final) = match reason {
        R::BadUserNamePassword | R::NotAuthorized => (
            "user name or password is wrong, or this user may not connect: see --username and --password-file",
            true,
        ),
        R::Banned => ("this client is banned", true),
        R::ServerUnavailable | R::ServiceUnavailable => ("it is not available now", false),
        R::ServerBusy => ("it is busy", false),
        R::UnsupportedProtocolVersion | R::RefusedProtocolVersion => {
            ("it does not speak MQTT 5", true)
        }
        R::UseAnotherServer | R::ServerMoved => ("another broker is to be used", true),
        other => {
            return Trouble {
                why: format!("it refused us ({other:?})"),
                is_final: false,
            };
        }
    };
    Trouble {
        why: format!("it refused us: {words}"),
        is_final,
    }
}

/// Why a broker took no message, by the reason of its PUBACK; `None` where it took it.
pub fn refusal(topic: &str, reason: PubAckReason) -> Option<String> {
    Some(match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::NotAuthorized => format!(
            "the broker does not let this user write to {topic}: its ACL must allow it, as docs/mosquitto/acl does for `publisher`"
        ),
        PubAckReason::QuotaExceeded => {
            format!("the broker has no room for {topic}: a quota is used up")
        }
        other => format!("the broker refuses {topic} ({other:?})"),
    })
}

fn tls(error: &RustlsError) -> String {
    let RustlsError::InvalidCertificate(certificate) = error else {
        return format!("TLS failed ({error}): are scheme and port right?");
    };
    use CertificateError as C;
    match certificate {
        C::UnknownIssuer => {
            "its certificate is from a CA that is not trusted here: name that CA's file with --ca-file".into()
        }
        C::Expired | C::ExpiredContext { .. } => {
            "its certificate has expired, or this machine's clock is wrong".into()
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".into()
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "its certificate is for another name than the URL's host".into()
        }
        other => format!("its certificate is not accepted ({other})"),
    }
}

/// What rustls said, which each layer wraps in its own way.
fn tls_error(error: &ConnectionError) -> Option<&RustlsError> {
    match error {
        ConnectionError::Tls(TlsError::TLS(error)) => Some(error),
        error => io_error(error)?.get_ref()?.downcast_ref(),
    }
}

fn io_error(error: &ConnectionError) -> Option<&io::Error> {
    match error {
        ConnectionError::Io(io)
        | ConnectionError::Tls(TlsError::Io(io))
        | ConnectionError::MqttState(
            StateError::Io(io) | StateError::Deserialization(mqttbytes::Error::Io(io)),
        ) => Some(io),
        ConnectionError::Websocket(error) => error.source()?.downcast_ref(),
        _ => None,
    }
}
