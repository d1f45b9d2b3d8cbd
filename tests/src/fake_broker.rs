//! An MQTT 5 broker that does what a sound one can't be made to do: it refuses, withholds and confuses as a script says,
//! and records all that it is told, with the time. It keeps no session and relays nothing.
//!
//! Packets are read and written by rumqttc's own codec; what it writes wrongly is written here.

mod talk;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, Connect, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill, Login,
    Packet, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};

use crate::{PATIENCE, lock};
use talk::{Client, Talk};

/// How long a thread of the broker may sleep before it looks at what it was told.
const TICK: Duration = Duration::from_millis(5);
/// What the CONNACK announces. The default announces nothing, and then everything is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announced {
    /// Whether the broker says that it remembers the client. It never does.
    pub session_present: bool,
    /// How many publishes of QoS 1 may be unacknowledged.
    pub receive_max: Option<u16>,
    /// The largest packet in bytes.
    pub max_packet_size: Option<u32>,
    /// The highest QoS: 0 or 1.
    pub max_qos: Option<u8>,
    /// Whether messages may be retained.
    pub retain_available: Option<bool>,
    /// The keep-alive in seconds, instead of the client's own.
    pub server_keep_alive: Option<u16>,
}

/// How a publish of QoS 1 is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once, with this reason.
    Now(PubAckReason),
    /// With this reason, the latest message first, once so many wait for it; or once the client has been silent for 300 ms.
    Reversed(PubAckReason, usize),
    /// Never.
    Never,
    /// Not at all: the connection is closed with a DISCONNECT of this reason.
    Disconnect(DisconnectReasonCode),
}

/// A packet that came, and when.
#[derive(Clone, Debug)]
pub struct Record {
    /// Time since the broker was started.
    pub at: Duration,
    /// Which connection it came over, counted from 1.
    pub connection: u64,
    /// The packet.
    pub packet: Packet,
}

type OnConnect = dyn FnMut(&Connect, Option<&Login>) -> ConnectReturnCode + Send;
type OnPublish = dyn FnMut(&Publish) -> Answer + Send;
type OnSubscribe = dyn FnMut(&Filter) -> SubscribeReasonCode + Send;

struct Script {
    announced: Announced,
    connect: Box<OnConnect>,
    publish: Box<OnPublish>,
    subscribe: Box<OnSubscribe>,
}

/// The broker; ends with its value.
pub struct FakeBroker {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    started: Instant,
    script: Mutex<Script>,
    records: Mutex<Vec<Record>>,
    /// What the clients did that they had been told not to do.
    breaches: Mutex<Vec<DisconnectReasonCode>>,
    /// The connections whose CONNECT was accepted.
    clients: Mutex<Vec<Arc<Client>>>,
    ended: AtomicBool,
}

impl FakeBroker {
    /// Listens on a port of its own. Until it is told otherwise it accepts and acknowledges everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            script: Mutex::new(Script {
                announced: Announced::default(),
                connect: Box::new(|_, _| ConnectReturnCode::Success),
                publish: Box::new(|_| Answer::Now(PubAckReason::Success)),
                subscribe: Box::new(|filter| SubscribeReasonCode::Success(filter.qos)),
            }),
            records: Mutex::default(),
            breaches: Mutex::default(),
            clients: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            Some(thread::spawn(move || shared.accept(&listener)))
        };
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the next CONNACKs announce, and what clients are held to from now on.
    pub fn announce(&self, announced: Announced) {
        lock(&self.shared.script).announced = announced;
    }

    /// Decides how a CONNECT is answered.
    pub fn on_connect(
        &self,
        answer: impl FnMut(&Connect, Option<&Login>) -> ConnectReturnCode + Send + 'static,
    ) {
        lock(&self.shared.script).connect = Box::new(answer);
    }

    /// Decides how a publish of QoS 1 is answered.
    pub fn on_publish(&self, answer: impl FnMut(&Publish) -> Answer + Send + 'static) {
        lock(&self.shared.script).publish = Box::new(answer);
    }

    /// Decides how each filter of a SUBSCRIBE is answered.
    pub fn on_subscribe(
        &self,
        answer: impl FnMut(&Filter) -> SubscribeReasonCode + Send + 'static,
    ) {
        lock(&self.shared.script).subscribe = Box::new(answer);
    }

    /// Sends a message to every connected client at QoS 1, whatever it has subscribed to.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>, retain: bool) {
        self.send_publish(topic, payload.into(), retain, None);
    }

    /// Sends a command as MQTT 5 has it: with the topic where the answer is wanted, and what is to come back with it.
    pub fn command(
        &self,
        topic: &str,
        payload: impl Into<Bytes>,
        response_topic: Option<&str>,
        correlation_data: Option<&[u8]>,
    ) {
        let properties = PublishProperties {
            response_topic: response_topic.map(str::to_owned),
            correlation_data: correlation_data.map(Bytes::copy_from_slice),
            ..PublishProperties::default()
        };
        self.send_publish(topic, payload.into(), false, Some(properties));
    }

    fn send_publish(
        &self,
        topic: &str,
        payload: Bytes,
        retain: bool,
        properties: Option<PublishProperties>,
    ) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, properties);
        publish.retain = retain;
        for client in lock(&self.shared.clients).iter() {
            client.publish(publish.clone());
        }
    }

    /// Sends every client a DISCONNECT and closes its connection.
    pub fn disconnect(&self, reason: DisconnectReasonCode) {
        for client in lock(&self.shared.clients).drain(..) {
            client.disconnect(reason);
        }
    }

    /// Closes every connection without a word.
    pub fn hang_up(&self) {
        for client in lock(&self.shared.clients).drain(..) {
            client.close();
        }
    }

    /// How many clients are connected and accepted.
    pub fn clients(&self) -> usize {
        lock(&self.shared.clients).len()
    }

    /// All that came so far, in order.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.shared.records).clone()
    }

    /// When each CONNECT came.
    pub fn connects(&self) -> Vec<Duration> {
        self.records()
            .iter()
            .filter(|record| matches!(record.packet, Packet::Connect(..)))
            .map(|record| record.at)
            .collect()
    }

    /// The last will of the last CONNECT.
    pub fn last_will(&self) -> Option<LastWill> {
        self.records()
            .into_iter()
            .rev()
            .find_map(|record| match record.packet {
                Packet::Connect(_, will, _) => Some(will),
                _ => None,
            })
            .flatten()
    }

    /// Each publish on a topic, repeats included, with the time when it came.
    pub fn published(&self, topic: &str) -> Vec<(Duration, Publish)> {
        self.records()
            .into_iter()
            .filter_map(|record| match record.packet {
                Packet::Publish(publish) if publish.topic == topic => Some((record.at, publish)),
                _ => None,
            })
            .collect()
    }

    /// What clients did against what the CONNACK had announced, by the reason of the DISCONNECT that they got for it.
    pub fn breaches(&self) -> Vec<DisconnectReasonCode> {
        lock(&self.shared.breaches).clone()
    }

    /// Waits until what came fulfils a condition; panics after [`PATIENCE`] and says what was awaited.
    pub fn wait_for(&self, what: &str, fulfilled: impl Fn(&[Record]) -> bool) {
        let begun = Instant::now();
        while !fulfilled(&lock(&self.shared.records)) {
            assert!(
                begun.elapsed() < PATIENCE,
                "the fake broker waits in vain for {what}"
            );
            thread::sleep(TICK);
        }
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            // It has said itself why it ended early.
            let _ = accepting.join();
        }
        self.hang_up();
    }
}

/// The most of these times, in ascending order, that fall within any second.
pub fn most_per_second(times: &[Duration]) -> usize {
    let second = Duration::from_secs(1);
    (0..times.len())
        .map(|first| times[first..].partition_point(|&time| time < times[first] + second))
        .max()
        .unwrap_or(0)
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut number = 0;
        while !self.ended.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(TICK);
                continue;
            };
            number += 1;
            let client = Arc::new(Client::new(stream));
            let shared = Arc::clone(self);
            thread::spawn(move || {
                Talk::new(number, &shared, &client).hold();
                client.close();
                lock(&shared.clients).retain(|other| !Arc::ptr_eq(other, &client));
            });
        }
    }
}

impl Announced {
    fn properties(self) -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: self.receive_max,
            max_qos: self.max_qos,
            retain_available: self.retain_available.map(u8::from),
            max_packet_size: self.max_packet_size,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: self.server_keep_alive,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    /// What a publish does that was not allowed.
    fn breach(
        self,
        publish: &Publish,
        size: usize,
        unacknowledged: u16,
    ) -> Option<DisconnectReasonCode> {
        if self
            .max_packet_size
            .is_some_and(|most| size > most as usize)
        {
            Some(DisconnectReasonCode::PacketTooLarge)
        } else if publish.qos as u8 > self.max_qos.unwrap_or(1) {
            Some(DisconnectReasonCode::QoSNotSupported)
        } else if publish.retain && self.retain_available == Some(false) {
            Some(DisconnectReasonCode::RetainNotSupported)
        } else if self.receive_max.is_some_and(|most| unacknowledged > most) {
            Some(DisconnectReasonCode::ReceiveMaximumExceeded)
        } else {
            None
        }
    }
}
