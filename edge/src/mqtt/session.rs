//! One connection, from CONNECT to its end.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing as Sent;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Packet, PubAck, PubAckReason, Publish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event};
use smearscope_common::message::DeviceState;
use smearscope_common::topic::Topic;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::Picture;
use super::announce::{removed, still_due};
use super::connect::{mqtt_options, sentence};
use super::delivery::{Delivery, incident};
use super::outbox::Refused;
use super::window::{WIDTH, Window};

/// Room for a topic and properties beside a payload.
const OVERHEAD: usize = 512;
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Pictures and health between us and the network.
const LIVE: usize = 6;
/// Messages between us and rumqttc's event loop: a full window, what is live, a subscription and a farewell. It is never
/// full: both of the first are bounded here.
const CHANNEL: usize = WIDTH as usize + LIVE + 2;
/// How often the board's health is told.
const HEALTH: Duration = Duration::from_secs(30);
/// What was acknowledged is written no later than this.
const FLUSH: Duration = Duration::from_millis(250);
/// A live picture that is older is not worth showing.
const PICTURE_EXPIRY_S: u32 = 60;
/// Health that is older says nothing: four were missed.
const HEALTH_EXPIRY_S: u32 = 120;
/// Nobody waits longer for an answer.
const REPLY_EXPIRY_S: u32 = 300;

/// Why a session is over.
pub(super) enum Ended {
    /// There is nothing more to do, or no more time for it.
    Finished,
    /// The connection is gone, or never was.
    Lost(String),
    /// The broker doesn't let us in.
    Refused(String),
}

/// What a PUBACK will answer.
enum Ticket {
    Online,
    /// The index in [`super::Options::announcements`].
    Announcement(usize),
    Reply(u64),
    Slide(u64),
    Message(Uuid),
    Stopped,
}

/// What is known once the broker has let us in.
struct Online {
    window: Window<Ticket>,
    max_packet: usize,
    /// Whether it keeps retained messages.
    keeps: bool,
    /// How many announcements were handed over.
    announced: usize,
    health_at: Instant,
    /// Pictures and health that were handed over and not sent yet.
    live: usize,
}

/// A connection with what it works for.
pub(super) struct Session<'d> {
    delivery: &'d mut Delivery,
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, ConnectionError>>,
    /// `None` before the CONNACK.
    online: Option<Online>,
    /// When what was acknowledged is written.
    flush_at: Option<Instant>,
    /// Set when `stopped` was handed over: the end of our patience.
    farewell: Option<Instant>,
    /// Runs rumqttc's event loop, whose `poll` must not be cancelled halfway; ends with the
    /// session.
    _event_loop: AbortOnDropHandle<()>,
}

impl<'d> Session<'d> {
    /// Begins to connect.
    pub(super) fn open(delivery: &'d mut Delivery) -> Self {
        let (client, mut event_loop) = AsyncClient::new(mqtt_options(&delivery.options), CHANNEL);
        let (sender, events) = mpsc::channel(CHANNEL);
        let task = tokio::spawn(async move {
            loop {
                let event = event_loop.poll().await;
                // A poll after an error would reconnect by itself.
                let is_last = event.is_err();
                if sender.send(event).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self {
            delivery,
            client,
            events,
            online: None,
            flush_at: None,
            farewell: None,
            _event_loop: AbortOnDropHandle::new(task),
        }
    }

    /// Publishes until there is nothing more to do, time is up, or the connection is gone.
    pub(super) async fn run(mut self) -> Ended {
        let give_up = self.delivery.ends.give_up.clone();
        loop {
            let is_over = self.delivery.is_done() || give_up.is_cancelled();
            if is_over && self.online.is_none() {
                return Ended::Finished;
            }
            block_in_place(|| self.offer(is_over));
            let now = Instant::now();
            // A result that is due now waits for room, which an event will announce.
            let retry = self.delivery.outbox.next_due().filter(|at| *at > now);
            let health_at = self.online.as_ref().map(|online| online.health_at);
            let wake = [retry, health_at, self.flush_at]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Ok(event)) => if self.handle(event) {
                        return Ended::Finished;
                    },
                    Some(Err(error @ ConnectionError::ConnectionRefused(_))) => {
                        return Ended::Refused(sentence(&error));
                    }
                    Some(Err(error)) => return Ended::Lost(sentence(&error)),
                    None => return Ended::Lost("the MQTT client has stopped".into()),
                },
                changed = self.delivery.changes.changed() => if changed.is_ok() {
                    block_in_place(|| self.delivery.store_changed());
                },
                more = self.delivery.pictures.recv(), if self.delivery.is_fed() => match more {
                    Some(picture) => self.show_picture(picture),
                    None => self.delivery.input_closed(),
                },
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = give_up.cancelled(), if !is_over => {}
                () = sleep_until(self.farewell.unwrap_or(now)), if self.farewell.is_some() => {
                    return Ended::Finished;
                }
            }
        }
    }

    /// Hands over what is due, as much as the window takes: how things are now before what was found earlier.
    fn offer(&mut self, is_over: bool) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.delivery.store.flush();
            self.flush_at = None;
        }
        let Some(online) = &mut self.online else {
            return;
        };
        if online.health_at <= now {
            online.health_at = now + HEALTH;
            let health = self.delivery.health();
            let topic = Topic::Health.of(&self.delivery.options.device);
            self.show(topic, true, health, expiring(json(), HEALTH_EXPIRY_S));
        }
        while self.farewell.is_none() && self.offer_one(is_over) {}
        // Time is up and the broker answers nothing: the farewell finds no room, and its time
        // runs all the same.
        if is_over && self.farewell.is_none() {
            self.farewell = Some(now + FAREWELL);
        }
    }

    /// Hands one message over; `false` when there is none, or no room for it.
    fn offer_one(&mut self, is_over: bool) -> bool {
        let Some(online) = self
            .online
            .as_mut()
            .filter(|online| online.window.has_room())
        else {
            return false;
        };
        let delivery = &mut *self.delivery;
        let device = &delivery.options.device;
        let (topic, retain, payload, properties, ticket) = if let Some((number, reply)) =
            delivery.replies.next()
        {
            let properties = PublishProperties {
                correlation_data: reply.correlation,
                ..expiring(json(), REPLY_EXPIRY_S)
            };
            (
                reply.topic,
                false,
                reply.payload,
                properties,
                Ticket::Reply(number),
            )
        } else if is_over {
            let stopped = delivery.options.status(DeviceState::Stopped);
            self.farewell = Some(Instant::now() + FAREWELL);
            (
                Topic::Status.of(device),
                true,
                stopped,
                json(),
                Ticket::Stopped,
            )
        } else if let Some((topic, payload)) = delivery.options.announcements.get(online.announced)
        {
            let ticket = Ticket::Announcement(online.announced);
            online.announced += 1;
            (topic.clone(), true, payload.clone(), json(), ticket)
        } else if let Some((revision, payload)) = delivery.slide.due() {
            let payload = payload.clone();
            delivery.slide.offer(revision);
            (
                Topic::Slide.of(device),
                true,
                payload,
                json(),
                Ticket::Slide(revision),
            )
        } else {
            let now = Instant::now();
            let Some(message) = delivery.outbox.next(now) else {
                return false;
            };
            let size = message.payload.len() + OVERHEAD;
            if size > online.max_packet {
                let max = online.max_packet;
                let reason =
                    format!("a message of {size} bytes is more than the broker takes ({max})");
                let wait = delivery.outbox.refuse(message.id, Refused::Message, now);
                warn!("{reason}; next try in {wait:?}");
                delivery.broker.refused += 1;
                delivery.broker.last_refusal = Some(incident(reason));
                return true;
            }
            let topic = message.kind.topic().of(device);
            (
                topic,
                false,
                message.payload,
                json(),
                Ticket::Message(message.id),
            )
        };
        let retain = retain && online.keeps;
        let handed = self.client.try_publish_with_properties(
            topic,
            QoS::AtLeastOnce,
            retain,
            payload,
            properties,
        );
        if handed.is_err() {
            // rumqttc has stopped, and says why with the next event; then all is offered again.
            return false;
        }
        online.window.handed_over(ticket);
        true
    }

    /// Hands over what is live: it goes out at once or never.
    fn show(&mut self, topic: String, retain: bool, payload: Bytes, properties: PublishProperties) {
        let Some(online) = &mut self.online else {
            return;
        };
        if payload.len() + OVERHEAD > online.max_packet || online.live == LIVE {
            return;
        }
        let retain = retain && online.keeps;
        let handed = self.client.try_publish_with_properties(
            topic,
            QoS::AtMostOnce,
            retain,
            payload,
            properties,
        );
        online.live += usize::from(handed.is_ok());
    }

    fn show_picture(&mut self, picture: Picture) {
        let properties = PublishProperties {
            content_type: Some("image/jpeg".into()),
            user_properties: vec![("field_id".into(), picture.field_id.to_string())],
            ..expiring(PublishProperties::default(), PICTURE_EXPIRY_S)
        };
        let topic = Topic::ImageField.of(&self.delivery.options.device);
        self.show(topic, false, picture.jpeg, properties);
    }

    /// Handles what rumqttc tells; `true` when the farewell is said.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Incoming(Packet::ConnAck(connack)) => self.connected(&connack),
            Event::Incoming(Packet::PubAck(puback)) => self.answered(&puback),
            Event::Incoming(Packet::SubAck(suback)) => self.subscribed(&suback),
            Event::Incoming(Packet::Publish(publish)) => self.commanded(&publish),
            Event::Outgoing(Sent::Publish(id)) => {
                if let Some(online) = &mut self.online {
                    // QoS 0 has no packet id.
                    match id {
                        0 => online.live = online.live.saturating_sub(1),
                        id => online.window.sent(id),
                    }
                }
            }
            Event::Outgoing(Sent::Disconnect) => return true,
            _ => {}
        }
        false
    }

    /// rumqttc passes on an accepted CONNACK only.
    fn connected(&mut self, connack: &ConnAck) {
        let limits = connack.properties.as_ref();
        let mut window = Window::new(limits.and_then(|l| l.receive_max));
        let keeps = limits.and_then(|l| l.retain_available) != Some(0);
        if !keeps {
            warn!(
                "the broker keeps no retained messages: who comes late sees no status and no slide"
            );
        }
        if limits.and_then(|l| l.max_qos) == Some(0) {
            warn!("the broker takes QoS 0 only: it may refuse results");
        }
        let delivery = &mut *self.delivery;
        block_in_place(|| still_due(&delivery.store, &mut delivery.options.announcements));
        let options = &self.delivery.options;
        let status = options.status(DeviceState::Online);
        // The channel is empty: both find room.
        let told = self.client.try_publish_with_properties(
            Topic::Status.of(&options.device),
            QoS::AtLeastOnce,
            keeps,
            status,
            json(),
        );
        if told.is_ok() {
            window.handed_over(Ticket::Online);
        }
        let _ = self
            .client
            .try_subscribe(Topic::Command.of(&options.device), QoS::AtLeastOnce);
        self.delivery.broker.connections += 1;
        self.online = Some(Online {
            window,
            max_packet: limits
                .and_then(|l| l.max_packet_size)
                .map_or(usize::MAX, |max| max as usize),
            keeps,
            announced: 0,
            health_at: Instant::now(),
            live: 0,
        });
    }

    fn subscribed(&mut self, suback: &SubAck) {
        let refused =
            |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
        if let Some(code) = suback.return_codes.iter().find(refused) {
            let reason = format!("the broker lets nobody send us commands ({code:?})");
            warn!("{reason}");
            self.delivery.broker.refused += 1;
            self.delivery.broker.last_refusal = Some(incident(reason));
        }
    }

    fn commanded(&mut self, publish: &Publish) {
        if publish.topic != Topic::Command.of(&self.delivery.options.device).as_bytes() {
            debug!("a message on a topic that was not subscribed to");
            return;
        }
        let (reply, picture) = block_in_place(|| self.delivery.commands.handle(publish));
        self.delivery.replies.push(reply);
        if let Some(picture) = picture {
            self.show_picture(picture);
        }
    }

    fn answered(&mut self, puback: &PubAck) {
        let Some(online) = &mut self.online else {
            return;
        };
        let Some(ticket) = online.window.answered(puback.pkid) else {
            return;
        };
        let reason = puback.reason;
        let is_accepted = matches!(
            reason,
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers
        );
        let delivery = &mut *self.delivery;
        let refused_what = match ticket {
            Ticket::Message(id) if is_accepted => {
                block_in_place(|| delivery.outbox.acknowledge(id));
                delivery.broker.acknowledged += 1;
                self.flush_at.get_or_insert(Instant::now() + FLUSH);
                return;
            }
            Ticket::Message(id) => {
                let what = match reason {
                    PubAckReason::PayloadFormatInvalid => Refused::Message,
                    _ => Refused::All,
                };
                let wait = delivery.outbox.refuse(id, what, Instant::now());
                format!("a result ({reason:?}); next try in {wait:.0?}")
            }
            Ticket::Slide(revision) => {
                delivery.slide.answer(revision);
                format!("the slide's count ({reason:?})")
            }
            Ticket::Online => {
                info!("online at the broker {}", delivery.options.address);
                format!("the status ({reason:?})")
            }
            Ticket::Announcement(index) => {
                let (topic, payload) = &delivery.options.announcements[index];
                if is_accepted && payload.is_empty() {
                    block_in_place(|| removed(&delivery.store, topic));
                }
                format!("{topic} ({reason:?})")
            }
            Ticket::Reply(number) => {
                delivery.replies.answered(number);
                format!("the answer to a command ({reason:?})")
            }
            Ticket::Stopped => {
                // The channel is empty: the farewell was the last thing in it. If not, the
                // farewell's time runs out.
                let _ = self.client.try_disconnect();
                format!("the last status ({reason:?})")
            }
        };
        if !is_accepted {
            warn!("the broker refused {refused_what}");
            delivery.broker.refused += 1;
            delivery.broker.last_refusal = Some(incident(format!("it refused {refused_what}")));
        }
    }
}

/// The properties of a JSON message.
fn json() -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".into()),
        ..PublishProperties::default()
    }
}

fn expiring(properties: PublishProperties, seconds: u32) -> PublishProperties {
    PublishProperties {
        message_expiry_interval: Some(seconds),
        ..properties
    }
}
