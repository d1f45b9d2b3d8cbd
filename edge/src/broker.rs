//! The broker inside the program: MQTT over TCP and over WebSocket, on the loopback interface.
//!
//! Three crates were tried with `mosquitto_sub -V mqttv5` and with mqtt.js at protocol version 5
//! over WebSocket: retained messages, wills of killed clients, QoS 1, payloads of half a megabyte.
//!
//! - **rmqtt 0.24** passed, takes any WebSocket path and port 0, and makes a broker of 3.7 MB in
//!   all. Its default store of retained messages is switched off in favour of a plugin; the tree
//!   inside that store works and is switched on by [`Retained`].
//! - mqtt5 0.49 passed with less code and half as many crates, but makes a broker of 14.7 MB, as
//!   its authentication, bridges, file store and hot reload can't be left out: too much for a
//!   program that is to stay small.
//! - rumqttd 0.20 speaks only MQTT 3.1.1 over WebSocket, and the page speaks MQTT 5.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::server::MqttServer;
use rmqtt::types::{Retain, TopicFilter, TopicName};
use tokio_util::task::AbortOnDropHandle;

/// The largest packet, a picture of a field included.
const MAX_PACKET: u32 = 16 << 20;

/// What waits for a page that is slow, or asleep: pictures among it.
const MOST_WAITING: usize = 100;

/// A running broker; it ends with this value.
pub struct Broker {
    /// Where MQTT clients connect.
    pub mqtt: SocketAddr,
    /// Where browsers connect: `ws://` and this.
    pub websocket: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

impl Broker {
    /// Starts a broker on 127.0.0.1, for MQTT at this port or, where that is 0, at any free one. It lets everyone in who can
    /// reach it.
    ///
    /// # Errors
    /// When the port can't be had.
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        let tcp = listener("tcp", port).and_then(|l| l.tcp().map_err(own_error))?;
        let websocket = listener("websocket", 0).and_then(|l| l.ws().map_err(own_error))?;
        let address = |l: &Listener| l.local_addr().map_err(own_error);
        let (mqtt_address, websocket_address) = (address(&tcp)?, address(&websocket)?);

        let context = ServerContext::new().build().await;
        *context.extends.retain_mut().await = Box::new(Retained(DefaultRetainStorage::new()));
        // rmqtt takes a listener's port for its name, and both ask for port 0.
        let server = MqttServer::new(context)
            .listener_by_id(tcp, 1)
            .listener_by_id(websocket, 2)
            .build();
        let server = tokio::spawn(async move {
            if let Err(error) = server.run().await {
                tracing::error!("the embedded broker has stopped: {error:#}");
            }
        });
        Ok(Self {
            mqtt: mqtt_address,
            websocket: websocket_address,
            _server: AbortOnDropHandle::new(server),
        })
    }

    /// What a browser is told.
    pub fn websocket_url(&self) -> String {
        format!("ws://{}", self.websocket)
    }
}

fn listener(name: &str, port: u16) -> anyhow::Result<Listener> {
    Builder::new()
        .name(name)
        .laddr((Ipv4Addr::LOCALHOST, port).into())
        .max_packet_size(MAX_PACKET)
        .max_mqueue_len(MOST_WAITING)
        // None but what a sender asks for: rmqtt would forget what is retained after five minutes.
        .message_expiry_interval(Duration::ZERO)
        .bind()
        .map_err(own_error)
        .with_context(|| format!("cannot open port {port} of 127.0.0.1 for the embedded broker"))
}

/// rmqtt has an error type of its own that is no `std::error::Error`.
fn own_error(error: rmqtt::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

/// rmqtt's own tree of retained messages, switched on. It lives as long as the broker.
struct Retained(DefaultRetainStorage);

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(
        &self,
        topic: &TopicName,
        retain: Retain,
        expiry_interval: Option<Duration>,
    ) -> rmqtt::Result<()> {
        // To rmqtt's deliveries zero is never, to its store at once.
        let timeout = expiry_interval.filter(|interval| !interval.is_zero());
        self.0.set_with_timeout(topic, retain, timeout).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
    use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions};
    use tokio::time::{sleep, timeout};

    use super::*;

    /// A client of the broker that nothing has happened to.
    fn client(broker: &Broker, name: &str) -> (AsyncClient, EventLoop) {
        let (host, port) = (broker.mqtt.ip().to_string(), broker.mqtt.port());
        AsyncClient::new(MqttOptions::new(name, host, port), 10)
    }

    /// Retains a word under a topic, with an expiry in seconds or without.
    async fn retain(broker: &Broker, topic: &str, expires: Option<u32>) {
        let (client, mut events) = client(broker, topic);
        let properties = PublishProperties {
            message_expiry_interval: expires,
            ..PublishProperties::default()
        };
        client
            .publish_with_properties(topic, QoS::AtLeastOnce, true, "here", properties)
            .await
            .unwrap();
        while !matches!(
            events.poll().await.unwrap(),
            Event::Incoming(Incoming::PubAck(_))
        ) {}
    }

    /// What a newcomer is told at once.
    async fn told(broker: &Broker) -> Vec<Publish> {
        let (client, mut events) = client(broker, "newcomer");
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let mut told = Vec::new();
        while let Ok(event) = timeout(Duration::from_millis(500), events.poll()).await {
            if let Event::Incoming(Incoming::Publish(publish)) = event.unwrap() {
                told.push(publish);
            }
        }
        told
    }

    #[tokio::test]
    async fn what_is_retained_stays_unless_its_sender_said_for_how_long() {
        let broker = Broker::start(0).await.unwrap();
        retain(&broker, "stays", None).await;
        retain(&broker, "goes", Some(1)).await;
        sleep(Duration::from_millis(1500)).await;
        let told = told(&broker).await;
        let topics: Vec<_> = told.iter().map(|publish| &publish.topic[..]).collect();
        assert_eq!(topics, [b"stays"]);
        let properties = told[0].properties.as_ref();
        let expires = properties.and_then(|properties| properties.message_expiry_interval);
        assert_eq!(expires, None, "nobody asked for that");
    }
}
