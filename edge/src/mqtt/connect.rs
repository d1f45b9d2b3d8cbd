//! How a connection is made, and what its end means.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::TlsConfiguration;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, LastWill, LastWillProperties};
use rumqttc::v5::mqttbytes::{self, QoS};
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};
use rumqttc::{TlsError, Transport as Way};
use rustls::ClientConfig;
use smearscope_common::message::{DeviceState, ModelRef};
use smearscope_common::topic::Topic;

use super::window::WIDTH;
use super::{Options, Transport, refusal};

/// A broker that is silent for so long is asked whether it lives; after twice as long it is lost.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a broker keeps our session, and commands for us, without a connection.
const SESSION_EXPIRY_S: u32 = 60;
/// How long a lost connection may stay lost before others are told: a short gap is no outage.
const WILL_DELAY_S: u32 = 15;
/// How long connecting may take, CONNACK included.
const CONNECT_SECONDS: u64 = 10;
/// The largest packet that we take from a broker; rumqttc's own limit is 10 KiB.
const MAX_INCOMING: u32 = 1 << 20;

/// What rumqttc is told.
pub(super) fn mqtt_options(options: &Options, model: ModelRef) -> MqttOptions {
    let client_id = format!("smearscope-{}", options.device);
    let (host, way) = host_and_way(options);
    let mut mqtt = MqttOptions::new(client_id, host, options.address.port);
    let will = LastWillProperties {
        delay_interval: Some(WILL_DELAY_S),
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("application/json".into()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    mqtt.set_transport(way)
        .set_keep_alive(KEEP_ALIVE)
        // A session that goes on is what the delay of the will hangs on.
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_connection_timeout(CONNECT_SECONDS)
        .set_max_packet_size(Some(MAX_INCOMING))
        // Wider than our window, so that a packet id never comes round while it is in use.
        .set_outgoing_inflight_upper_limit(4 * WIDTH)
        .set_last_will(LastWill::new(
            Topic::Status.of(&options.device),
            options.status(DeviceState::Offline, model),
            QoS::AtLeastOnce,
            true,
            Some(will),
        ));
    if let Some(credentials) = &options.credentials {
        mqtt.set_credentials(&credentials.username, credentials.password.expose());
    }
    mqtt
}

/// What rumqttc takes for a host is another thing with each transport: over TLS the name in the certificate, without
/// brackets around an IPv6 address; of a WebSocket the whole URL.
fn host_and_way(options: &Options) -> (String, Way) {
    let address = &options.address;
    let config = |tls: &Arc<ClientConfig>| TlsConfiguration::Rustls(tls.clone());
    match &options.transport {
        Transport::Tcp => (address.url_host(), Way::Tcp),
        Transport::Tls(tls) => (address.host.clone(), Way::Tls(config(tls))),
        Transport::Ws { path } => (format!("ws://{address}{path}"), Way::Ws),
        Transport::Wss { path, tls } => (format!("wss://{address}{path}"), Way::Wss(config(tls))),
    }
}

/// Why a connection ended, for people.
pub(super) fn sentence(error: &ConnectionError) -> String {
    if let Some(tls) = tls_error(error) {
        return refusal::tls(tls);
    }
    match error {
        ConnectionError::ConnectionRefused(reason) => refusal::connack(*reason),
        ConnectionError::Timeout(_) => "it does not answer".into(),
        ConnectionError::Tls(TlsError::Io(io)) => broken_handshake(io),
        ConnectionError::Websocket(_) => match io_error(error) {
            Some(io) => broken_handshake(io),
            None => format!("its WebSocket does not open ({error}): are `port` and `path` right?"),
        },
        ConnectionError::ResponseValidation(_) => {
            "its WebSocket does not speak MQTT: are `port` and `path` right?".into()
        }
        ConnectionError::NotConnAck(_) => "it does not begin as MQTT 5 does".into(),
        ConnectionError::Io(io) => broken_connection(io),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => "another client took over; do two boards have the same device id?".into(),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("it closed the connection ({reason_code:?})")
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => "it fell silent".into(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            // rumqttc 0.25 can't read a DISCONNECT that has a reason and nothing else, which is what mosquitto sends: the
            // reason is lost, and this one is the most common.
            "it closed the connection; if it does so again and again: do two boards have the same device id?".into()
        }
        ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(io))) => {
            broken_connection(io)
        }
        ConnectionError::MqttState(StateError::Deserialization(
            mqttbytes::Error::OutgoingPacketTooLarge { .. },
        )) => error.to_string(),
        ConnectionError::MqttState(StateError::Deserialization(why)) => {
            format!("it sends what is not MQTT 5 ({why}): are `port` and `transport` right?")
        }
        other => other.to_string(),
    }
}

/// A connection that ended without a word. A port for TLS does so with everyone who speaks without.
fn broken_connection(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset => {
            "it reset the connection; if it does so each time, are `port` and `transport` right?"
                .into()
        }
        _ => error.to_string(),
    }
}

/// A connection that ended before TLS or a WebSocket was agreed on.
fn broken_handshake(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
            "it closed the connection at once: are `port` and `transport` right?".into()
        }
        _ => error.to_string(),
    }
}

/// What rustls said, which each layer wraps in its own way.
fn tls_error(error: &ConnectionError) -> Option<&rustls::Error> {
    match error {
        ConnectionError::Tls(TlsError::TLS(error)) => Some(error),
        error => io_error(error)?.get_ref()?.downcast_ref(),
    }
}

/// What reading or writing said.
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
