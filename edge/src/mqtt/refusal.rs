//! What brokers refuse and TLS rejects, in words.

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// Why a broker let us not in.
pub(super) fn connack(reason: ConnectReturnCode) -> String {
    use ConnectReturnCode as R;
    let words = match reason {
        R::BadUserNamePassword => "user name or password is wrong",
        // What mosquitto says of a wrong password, too.
        R::NotAuthorized => "user name or password is wrong, or this user may not connect",
        R::Banned => "this board is banned",
        R::BadClientId | R::ClientIdentifierNotValid => "it does not accept our client id",
        R::ServerUnavailable | R::ServiceUnavailable => "it is not available now",
        R::ServerBusy => "it is busy",
        R::QuotaExceeded => "a quota is used up",
        R::ConnectionRateExceeded => "there are too many connections in a short time",
        R::UnsupportedProtocolVersion | R::RefusedProtocolVersion => "it does not speak MQTT 5",
        R::UseAnotherServer | R::ServerMoved => "another broker is to be used: change `host`",
        R::BadAuthenticationMethod => "it wants another proof than user name and password",
        R::RetainNotSupported => "it keeps no retained messages, which smearscope needs",
        R::QoSNotSupported => "it does not support QoS 1, which smearscope needs",
        R::PacketTooLarge => "our first packet is too large for it",
        R::TopicNameInvalid => "it does not accept the topic of our status",
        R::Success
        | R::UnspecifiedError
        | R::MalformedPacket
        | R::ProtocolError
        | R::ImplementationSpecificError
        | R::PayloadFormatInvalid => return format!("it refused us ({reason:?})"),
    };
    format!("it refused us: {words}")
}

/// Why there is no TLS with a broker.
pub(super) fn tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(error) => certificate(error),
        TlsError::AlertReceived(alert) => self::alert(*alert),
        TlsError::PeerIncompatible(why) => {
            format!("it offers neither TLS 1.2 nor 1.3 with a cipher of ours ({why:?})")
        }
        TlsError::InvalidMessage(_) => {
            "it does not speak TLS on this port: are `port` and `transport` right?".into()
        }
        other => format!("TLS failed: {other}"),
    }
}

/// What is wrong with a broker's certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as C;
    match error {
        C::UnknownIssuer => {
            "its certificate is from a CA that is not trusted here: name that CA's certificate as \
                             `ca_file`"
                .into()
        }
        C::Expired | C::ExpiredContext { .. } => {
            "its certificate has expired, or this board's clock is wrong".into()
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this board's clock is wrong".into()
        }
        C::NotValidForName => "its certificate is for another name than `host`".into(),
        C::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "its certificate is not for {:?}, but for {}: `host` must be a name or an address that the certificate has",
            expected.to_str(),
            if presented.is_empty() {
                "no name".into()
            } else {
                presented.join(", ")
            }
        ),
        C::Revoked => "its certificate is revoked".into(),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers".into()
        }
        // webpki's own error, which rustls passes on in a box. `openssl req -x509` makes such certificates.
        C::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is a CA's own: sign one for the broker with it".into()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// What a broker doesn't like about us.
fn alert(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired | A::NoCertificate => {
            "it wants a client certificate: set `client_certificate` and `client_key`".into()
        }
        // All that TLS 1.2 has to say about a missing certificate.
        A::HandshakeFailure => {
            "it refused the TLS handshake: it wants a client certificate (`client_certificate`, `client_key`) or \
             another cipher"
                .into()
        }
        A::UnknownCA
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateUnknown
        | A::AccessDenied => format!("it does not accept our client certificate ({alert:?})"),
        A::CertificateExpired => "our client certificate has expired".into(),
        A::CertificateRevoked => "our client certificate is revoked".into(),
        A::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3".into(),
        A::UnrecognisedName => "it knows nothing of the name in `host`".into(),
        other => format!("it broke TLS off ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_says_how() {
        let expired = TlsError::InvalidCertificate(CertificateError::Expired);
        assert!(tls(&expired).contains("clock"));
        let missing = TlsError::AlertReceived(AlertDescription::CertificateRequired);
        assert!(tls(&missing).contains("`client_certificate`"));
        assert!(connack(ConnectReturnCode::BadUserNamePassword).contains("password"));
        assert!(connack(ConnectReturnCode::UnspecifiedError).contains("UnspecifiedError"));
    }
}
