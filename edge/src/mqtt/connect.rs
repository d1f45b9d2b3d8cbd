//! How a connection is made, and what its end means.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, LastWill, LastWillProperties};
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};
use smearscope_common::message::DeviceState;
use smearscope_common::topic::Topic;

use super::Options;
use super::window::WIDTH;

/// A broker that is silent for so long is asked whether it lives; after twice as long it is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a broker keeps our session, and commands for us, without a connection.
const SESSION_EXPIRY_S: u32 = 60;
/// How long a lost connection may stay lost before others are told: a short gap is no outage.
const WILL_DELAY_S: u32 = 15;
/// How long connecting may take, CONNACK included.
const CONNECT_SECONDS: u64 = 10;
/// The largest packet that we take from a broker; rumqttc's own limit is 10 KiB.
const MAX_INCOMING: u32 = 1 << 20;

/// What rumqttc is told.
pub(super) fn mqtt_options(options: &Options) -> MqttOptions {
    let client_id = format!("smearscope-{}", options.device);
    let address = &options.address;
    let mut mqtt = MqttOptions::new(client_id, address.url_host(), address.port);
    let will = LastWillProperties {
        delay_interval: Some(WILL_DELAY_S),
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("application/json".into()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    mqtt.set_keep_alive(KEEP_ALIVE)
        // A session that goes on is what the delay of the will hangs on.
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_connection_timeout(CONNECT_SECONDS)
        .set_max_packet_size(Some(MAX_INCOMING))
        // Wider than our window, so that a packet id never comes round while it is in use.
        .set_outgoing_inflight_upper_limit(4 * WIDTH)
        .set_last_will(LastWill::new(
            Topic::Status.of(&options.device),
            options.status(DeviceState::Offline),
            QoS::AtLeastOnce,
            true,
            Some(will),
        ));
    if let Some(credentials) = &options.credentials {
        mqtt.set_credentials(&credentials.username, &credentials.password);
    }
    mqtt
}

/// Why a connection ended, for people.
pub(super) fn sentence(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(reason) => format!("it refused us ({reason:?})"),
        ConnectionError::Timeout(_) => "it does not answer".into(),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => "another client took over; do two boards have the same device id?".into(),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("it closed the connection ({reason_code:?})")
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => "it fell silent".into(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "it closed the connection".into()
        }
        other => other.to_string(),
    }
}
