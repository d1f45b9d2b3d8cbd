//! The connection to the broker: what is to be published gets there, however often the connection breaks.
//!
//! One task holds the connection. What the broker has not acknowledged is offered again after a reconnect, in order, and
//! the subscriptions are made anew. Everything here is retained and may come twice.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::address::{BrokerUrl, Protocol};
use super::tls;
use super::trouble::{self, Trouble};
use crate::secret::Secret;

/// Messages that may be on their way at once.
const WINDOW: usize = 8;
/// A broker that is silent for so long is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT_SECONDS: u64 = 10;
/// The largest packet that we take: a board's messages have some kilobytes.
const MAX_INCOMING: u32 = 1 << 20;
/// Wait after the first broken connection; it doubles up to the last one.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];
/// How long taking leave may take.
const LEAVE: Duration = Duration::from_secs(3);

/// Where to connect, and as whom.
pub struct Target {
    /// The broker.
    pub url: BrokerUrl,
    /// The user, where there is one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// The CAs to trust; without it, the system's.
    pub ca: Option<PathBuf>,
}

/// Tells one publication from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// A message from the broker.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Bytes,
    /// Whether the broker had kept it.
    pub is_retained: bool,
}

/// What comes from the connection.
#[derive(Debug)]
pub enum Heard {
    /// It stands, and the subscriptions are made.
    Connected,
    /// It is lost, or could not be made; it is tried again unless that is of no use.
    Lost(Trouble),
    /// A message.
    Message(Message),
    /// The broker has what was published.
    Acked(Ticket),
    /// It refuses it; says why.
    Refused(Ticket, String),
}

/// Something to publish, retained.
struct Order {
    ticket: Ticket,
    topic: String,
    payload: Bytes,
}

/// Our side of the connection.
pub struct Broker {
    orders: UnboundedSender<Order>,
    heard: UnboundedReceiver<Heard>,
    task: JoinHandle<()>,
    next: u64,
}

impl Broker {
    /// Begins to connect, in the runtime that this is called in.
    ///
    /// # Errors
    /// The CA file can't be used.
    pub fn connect(target: &Target, filters: &[&str]) -> Result<Self> {
        let options = options(target)?;
        let (orders, orders_in) = unbounded_channel();
        let (heard_out, heard) = unbounded_channel();
        let driver = Driver {
            options,
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            orders: orders_in,
            heard: heard_out,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
        };
        Ok(Self {
            orders,
            heard,
            task: tokio::spawn(driver.run()),
            next: 0,
        })
    }

    /// Publishes, retained and at QoS 1; what becomes of it comes by [`Broker::next`].
    pub fn publish(&mut self, topic: String, payload: Bytes) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        // A driver that is gone has said why.
        let _ = self.orders.send(Order {
            ticket,
            topic,
            payload,
        });
        ticket
    }

    /// What comes next. May be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Heard {
        self.heard.recv().await.unwrap_or_else(|| {
            Heard::Lost(Trouble {
                why: "the connection has ended".into(),
                is_final: true,
            })
        })
    }

    /// Takes leave. What is not acknowledged yet may be lost.
    pub async fn close(self) {
        let Self {
            orders, mut task, ..
        } = self;
        drop(orders);
        if timeout(LEAVE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

fn options(target: &Target) -> Result<MqttOptions> {
    let url = &target.url;
    let tls = || -> Result<TlsConfiguration> {
        Ok(TlsConfiguration::Rustls(tls::client_config(
            target.ca.as_deref(),
        )?))
    };
    // What rumqttc takes for a host is another thing with each transport: over TLS the name in the certificate, without
    // brackets around an IPv6 address; of a WebSocket the whole URL.
    let bare = url.host.trim_matches(['[', ']']).to_owned();
    let (host, way) = match url.protocol {
        Protocol::Tcp => (url.host.clone(), Transport::Tcp),
        Protocol::Tls => (bare, Transport::Tls(tls()?)),
        Protocol::Ws => (url.to_string(), Transport::Ws),
        Protocol::Wss => (url.to_string(), Transport::Wss(tls()?)),
    };
    // Two that had the same name would end each other's connection.
    let id = format!("smearscope-publish-{}", uuid::Uuid::now_v7().simple());
    let mut options = MqttOptions::new(id, host, url.port);
    options
        .set_transport(way)
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_SECONDS)
        .set_max_packet_size(Some(MAX_INCOMING))
        .set_outgoing_inflight_upper_limit(4 * WINDOW as u16);
    if let Some(user) = &target.user {
        let password = target.password.as_ref().map_or("", Secret::expose);
        options.set_credentials(user, password);
    }
    Ok(options)
}

/// What holds the connection.
struct Driver {
    options: MqttOptions,
    filters: Vec<String>,
    orders: UnboundedReceiver<Order>,
    heard: UnboundedSender<Heard>,
    waiting: VecDeque<Order>,
    /// On their way, in order; each with its packet id once it has one.
    sent: VecDeque<(Option<u16>, Order)>,
}

/// How one connection ended.
enum End {
    /// Our side has taken leave.
    Left,
    Lost(Trouble),
}

impl Driver {
    async fn run(mut self) {
        let mut wait = WAITS[0];
        loop {
            let mut was_up = false;
            match self.connection(&mut was_up).await {
                End::Left => return,
                End::Lost(trouble) => {
                    let is_final = trouble.is_final;
                    if self.heard.send(Heard::Lost(trouble)).is_err() || is_final {
                        return;
                    }
                }
            }
            while let Some((_, order)) = self.sent.pop_back() {
                self.waiting.push_front(order);
            }
            if was_up {
                wait = WAITS[0];
            }
            sleep(wait).await;
            wait = WAITS[1].min(2 * wait);
            if self.orders.is_closed() && self.orders.is_empty() {
                return;
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self, was_up: &mut bool) -> End {
        // Room for a whole window and the subscription: nothing here waits for room.
        let (client, mut event_loop) = AsyncClient::new(self.options.clone(), 4 * WINDOW);
        let (events_out, mut events) = unbounded_channel();
        // A poll that is dropped half-way loses packets: it has a task of its own.
        let polling = tokio::spawn(async move {
            loop {
                let event = event_loop.poll().await;
                let is_over = event.is_err();
                if events_out.send(event).is_err() || is_over {
                    return;
                }
            }
        });
        let _ended_with_us = AbortOnDrop(polling);
        let mut is_leaving = false;
        loop {
            if *was_up {
                self.hand_over(&client);
                if is_leaving && self.sent.is_empty() && self.waiting.is_empty() {
                    let _ = client.try_disconnect();
                    // The packet goes out, or the connection is lost anyway.
                    let gone = async {
                        while let Some(Ok(event)) = events.recv().await {
                            if event == Event::Outgoing(Outgoing::Disconnect) {
                                return;
                            }
                        }
                    };
                    let _ = timeout(LEAVE, gone).await;
                    return End::Left;
                }
            }
            let event = tokio::select! {
                event = events.recv() => event,
                order = self.orders.recv(), if !is_leaving => {
                    match order {
                        Some(order) => self.waiting.push_back(order),
                        None if *was_up => is_leaving = true,
                        None => return End::Left,
                    }
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    if let Some(trouble) = self.take(event, &client, was_up) {
                        return End::Lost(trouble);
                    }
                }
                Some(Err(error)) => return End::Lost(trouble::of(&error)),
                None => {
                    return End::Lost(Trouble {
                        why: "the connection broke down".into(),
                        is_final: false,
                    });
                }
            }
        }
    }

    /// Takes an event of the connection; gives what makes it useless.
    fn take(&mut self, event: Event, client: &AsyncClient, was_up: &mut bool) -> Option<Trouble> {
        let lasting = |why: String| {
            Some(Trouble {
                why,
                is_final: true,
            })
        };
        let said = match event {
            Event::Incoming(Incoming::ConnAck(ack)) => {
                let properties = ack.properties.as_ref();
                if properties.and_then(|p| p.retain_available) == Some(0) {
                    return lasting("it keeps no retained messages, which smearscope needs".into());
                }
                let filters = self.filters.iter();
                let filters: Vec<_> = filters
                    .map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce))
                    .collect();
                if client.try_subscribe_many(filters).is_err() {
                    return lasting("its topics cannot be subscribed to".into());
                }
                return None;
            }
            Event::Incoming(Incoming::SubAck(ack)) => {
                let is_granted =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let refused = ack.return_codes.iter().position(|code| !is_granted(code));
                if let Some(filter) = refused.and_then(|at| self.filters.get(at)) {
                    return lasting(format!(
                        "it does not let this user read {filter}: its ACL must allow it"
                    ));
                }
                *was_up = true;
                Heard::Connected
            }
            Event::Incoming(Incoming::Publish(message)) => Heard::Message(Message {
                topic: String::from_utf8_lossy(&message.topic).into_owned(),
                payload: message.payload,
                is_retained: message.retain,
            }),
            Event::Outgoing(Outgoing::Publish(packet)) => {
                // They go out in the order in which they were handed over.
                if let Some((id, _)) = self.sent.iter_mut().find(|(id, _)| id.is_none()) {
                    *id = Some(packet);
                }
                return None;
            }
            Event::Incoming(Incoming::PubAck(ack)) => {
                let is_its = |(id, _): &(Option<u16>, Order)| *id == Some(ack.pkid);
                let place = self.sent.iter().position(is_its)?;
                let (_, order) = self.sent.remove(place)?;
                match trouble::refusal(&order.topic, ack.reason) {
                    None => Heard::Acked(order.ticket),
                    Some(why) => Heard::Refused(order.ticket, why),
                }
            }
            _ => return None,
        };
        // Nobody who hears it any more is about to leave.
        let _ = self.heard.send(said);
        None
    }

    /// Hands what waits to the connection, as much as may be on its way.
    fn hand_over(&mut self, client: &AsyncClient) {
        while self.sent.len() < WINDOW
            && let Some(order) = self.waiting.pop_front()
        {
            let (topic, payload) = (order.topic.clone(), order.payload.clone());
            if client
                .try_publish(topic, QoS::AtLeastOnce, true, payload)
                .is_err()
            {
                // The connection is going: it comes with the next one.
                self.waiting.push_front(order);
                return;
            }
            self.sent.push_back((None, order));
        }
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
