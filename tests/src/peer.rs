//! An MQTT 5 client that shares no code with the daemon and tells what the broker answers.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason, Publish, PublishProperties};
use rumqttc::v5::{Client, ConnectionError, Event, Incoming, MqttOptions};

use crate::PATIENCE;

/// An independent MQTT 5 client.
pub struct Peer {
    client: Client,
    acks: Receiver<PubAckReason>,
    subscribed: Receiver<()>,
    messages: Receiver<Publish>,
}

impl Peer {
    /// Connects; the broker's reason where it refuses.
    pub fn enter(mut options: MqttOptions) -> Result<Self, ConnectReturnCode> {
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(Some(16 << 20));
        let (client, mut connection) = Client::new(options, 64);
        let (let_in, is_in) = channel();
        let (acked, acks) = channel();
        let (sub_acked, subscribed) = channel();
        let (received, messages) = channel();
        thread::spawn(move || {
            // A receiver that is gone has heard enough.
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                        let _ = let_in.send(Ok(()));
                    }
                    Ok(Event::Incoming(Incoming::PubAck(ack))) => {
                        let _ = acked.send(ack.reason);
                    }
                    Ok(Event::Incoming(Incoming::SubAck(_))) => {
                        let _ = sub_acked.send(());
                    }
                    Ok(Event::Incoming(Incoming::Publish(message))) => {
                        let _ = received.send(message);
                    }
                    Ok(_) => {}
                    Err(ConnectionError::ConnectionRefused(reason)) => {
                        let _ = let_in.send(Err(reason));
                        return;
                    }
                    Err(_) => return,
                }
            }
        });
        is_in.recv_timeout(PATIENCE).expect("no CONNACK")?;
        Ok(Self {
            client,
            acks,
            subscribed,
            messages,
        })
    }

    /// Subscribes at QoS 1; returns when the broker has acknowledged it.
    pub fn subscribe(&self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.subscribed.recv_timeout(PATIENCE).expect("no SUBACK");
    }

    /// Publishes at QoS 1; the PUBACK's reason.
    pub fn publish(&self, topic: &str, payload: &str) -> PubAckReason {
        self.publish_with(topic, payload, PublishProperties::default())
    }

    /// As [`Peer::publish`], with properties.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: &str,
        properties: PublishProperties,
    ) -> PubAckReason {
        let payload = payload.to_owned();
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .unwrap();
        self.acks.recv_timeout(PATIENCE).expect("no PUBACK")
    }

    /// Publishes at QoS 1 what the broker is to keep.
    pub fn retain(&self, topic: &str, payload: &[u8]) {
        self.client
            .publish(topic, QoS::AtLeastOnce, true, payload.to_vec())
            .unwrap();
        let reason = self.acks.recv_timeout(PATIENCE).expect("no PUBACK");
        assert!(
            matches!(
                reason,
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers
            ),
            "{topic}: {reason:?}"
        );
    }

    /// Panics unless the broker accepts a message.
    pub fn is_allowed(&self, topic: &str, payload: &str) {
        let reason = self.publish(topic, payload);
        assert!(
            matches!(
                reason,
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers
            ),
            "{topic}: {reason:?}"
        );
    }

    /// Panics unless the broker refuses a message as not authorised (reason 0x87).
    pub fn is_refused(&self, topic: &str) {
        let reason = self.publish(topic, "forged");
        assert_eq!(reason, PubAckReason::NotAuthorized, "{topic}");
    }

    /// The next message that comes.
    pub fn next(&self) -> Publish {
        self.messages
            .recv_timeout(PATIENCE)
            .expect("no message comes")
    }

    /// The topics of all that comes before the payload `end`.
    pub fn heard_until(&self, end: &str) -> Vec<String> {
        let mut topics = Vec::new();
        loop {
            let message = self.next();
            if message.payload == end {
                return topics;
            }
            topics.push(topic(&message));
        }
    }
}

/// A message's topic.
pub fn topic(message: &Publish) -> String {
    String::from_utf8(message.topic.to_vec()).unwrap()
}
