//! One connection, from CONNECT to its end.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Packet, PubAck, PubAckReason, PublishProperties};
use rumqttc::v5::{AsyncClient, ConnectionError, Event};
use smearscope_common::message::DeviceState;
use smearscope_common::topic::Topic;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::Publication;
use super::connect::{mqtt_options, sentence};
use super::delivery::Delivery;
use super::outbox::Key;
use super::window::{WIDTH, Window};

/// Room for a topic and properties beside a payload.
const OVERHEAD: usize = 512;
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Messages between us and rumqttc's event loop: a full window and some pictures.
const CHANNEL: usize = WIDTH as usize + 8;

/// Why a session is over.
pub(super) enum Ended {
    /// There is nothing more to do, or no more time for it.
    Finished,
    /// The connection is gone, or never was.
    Lost(String),
}

/// What a PUBACK will answer.
enum Ticket {
    Online,
    Field(Key),
    Slide(u64),
    Stopped,
}

/// What is known once the broker has let us in.
struct Online {
    window: Window<Ticket>,
    max_packet: usize,
}

/// A connection with what it works for.
pub(super) struct Session<'d> {
    delivery: &'d mut Delivery,
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, ConnectionError>>,
    /// `None` before the CONNACK.
    online: Option<Online>,
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
            farewell: None,
            _event_loop: AbortOnDropHandle::new(task),
        }
    }

    /// Publishes until there is nothing more to do, time is up, or the connection is gone.
    pub(super) async fn run(mut self) -> Ended {
        let give_up = self.delivery.give_up.clone();
        loop {
            let is_over = self.delivery.is_done() || give_up.is_cancelled();
            if is_over && self.online.is_none() {
                return Ended::Finished;
            }
            self.offer(is_over);
            let now = Instant::now();
            // A result that is due now waits for room, which an event will announce.
            let retry = self.delivery.outbox.next_due().filter(|at| *at > now);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Ok(event)) => if self.handle(event) {
                        return Ended::Finished;
                    },
                    Some(Err(error)) => return Ended::Lost(sentence(&error)),
                    None => return Ended::Lost("the MQTT client has stopped".into()),
                },
                more = self.delivery.input.recv(), if self.delivery.wants_input() => match more {
                    Some(publication) => self.take(publication),
                    None => self.delivery.input_closed(),
                },
                () = sleep_until(retry.unwrap_or(now)), if retry.is_some() => {}
                () = give_up.cancelled(), if !is_over => {}
                () = sleep_until(self.farewell.unwrap_or(now)), if self.farewell.is_some() => {
                    return Ended::Finished;
                }
            }
        }
    }

    /// Hands over as much as the window takes: results first, then the slide, at last the
    /// farewell.
    fn offer(&mut self, is_over: bool) {
        let Some(online) = &mut self.online else {
            return;
        };
        let delivery = &mut *self.delivery;
        let device = delivery.options.device.clone();
        while online.window.has_room() && self.farewell.is_none() {
            let now = Instant::now();
            if is_over {
                let stopped = delivery.options.status(DeviceState::Stopped);
                if publish(&self.client, Topic::Status.of(&device), true, stopped) {
                    online.window.handed_over(Ticket::Stopped);
                }
                self.farewell = Some(now + FAREWELL);
            } else if let Some((key, payload)) = delivery.outbox.due(now) {
                if payload.len() + OVERHEAD > online.max_packet {
                    let (size, max) = (payload.len(), online.max_packet);
                    let wait = delivery.outbox.refuse(key, now);
                    warn!(
                        "a result of {size} bytes is more than the broker takes ({max}); next try in {wait:?}"
                    );
                    continue;
                }
                if !publish(
                    &self.client,
                    Topic::Field.of(&device),
                    false,
                    payload.clone(),
                ) {
                    return;
                }
                delivery.outbox.offer(key);
                online.window.handed_over(Ticket::Field(key));
            } else if let Some((revision, payload)) = delivery.slide.due() {
                if !publish(
                    &self.client,
                    Topic::Slide.of(&device),
                    true,
                    payload.clone(),
                ) {
                    return;
                }
                delivery.slide.offer(revision);
                online.window.handed_over(Ticket::Slide(revision));
            } else {
                return;
            }
        }
        // Time is up and the broker answers nothing: the farewell finds no room, and its time
        // runs all the same.
        if is_over && self.farewell.is_none() {
            self.farewell = Some(Instant::now() + FAREWELL);
        }
    }

    /// Takes in a result; its picture goes out at once or never.
    fn take(&mut self, publication: Publication) {
        let Publication {
            field_id,
            field,
            slide,
            image,
        } = publication;
        if let (Some(online), Some(image)) = (&self.online, image)
            && image.len() + OVERHEAD <= online.max_packet
        {
            let properties = PublishProperties {
                content_type: Some("image/jpeg".into()),
                user_properties: vec![("field_id".into(), field_id.to_string())],
                ..PublishProperties::default()
            };
            let topic = Topic::ImageField.of(&self.delivery.options.device);
            // Full: rumqttc waits for the network, and the picture is not worth waiting for.
            let _ = self.client.try_publish_with_properties(
                topic,
                QoS::AtMostOnce,
                false,
                image,
                properties,
            );
        }
        self.delivery.take(field, slide);
    }

    /// Handles what rumqttc tells; `true` when the farewell is said.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Incoming(Packet::ConnAck(connack)) => self.connected(&connack),
            Event::Incoming(Packet::PubAck(puback)) => self.answered(&puback),
            // QoS 0 has no packet id.
            Event::Outgoing(Outgoing::Publish(id)) if id != 0 => {
                if let Some(online) = &mut self.online {
                    online.window.sent(id);
                }
            }
            Event::Outgoing(Outgoing::Disconnect) => return true,
            _ => {}
        }
        false
    }

    /// rumqttc passes on an accepted CONNACK only.
    fn connected(&mut self, connack: &ConnAck) {
        let limits = connack.properties.as_ref();
        let mut window = Window::new(limits.and_then(|l| l.receive_max));
        let options = &self.delivery.options;
        let online = options.status(DeviceState::Online);
        if publish(
            &self.client,
            Topic::Status.of(&options.device),
            true,
            online,
        ) {
            window.handed_over(Ticket::Online);
        }
        self.online = Some(Online {
            window,
            max_packet: limits
                .and_then(|l| l.max_packet_size)
                .map_or(usize::MAX, |max| max as usize),
        });
    }

    fn answered(&mut self, puback: &PubAck) {
        let ticket = self
            .online
            .as_mut()
            .and_then(|online| online.window.answered(puback.pkid));
        let reason = puback.reason;
        let is_accepted = matches!(
            reason,
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers
        );
        let delivery = &mut *self.delivery;
        match ticket {
            Some(Ticket::Field(key)) if is_accepted => {
                delivery.outbox.acknowledge(key);
                delivery.acknowledged += 1;
            }
            Some(Ticket::Field(key)) => {
                let wait = delivery.outbox.refuse(key, Instant::now());
                warn!("the broker refused a result ({reason:?}); next try in {wait:?}");
            }
            Some(Ticket::Slide(revision)) => {
                delivery.slide.answer(revision);
                if !is_accepted {
                    warn!("the broker refused the slide's count ({reason:?})");
                }
            }
            Some(Ticket::Online) if is_accepted => {
                info!("online at the broker {}", delivery.options.address);
            }
            Some(Ticket::Online) => warn!("the broker refused the status ({reason:?})"),
            Some(Ticket::Stopped) => {
                // The channel is empty: the farewell was the last thing in it. If not, the
                // farewell's time runs out.
                let _ = self.client.try_disconnect();
            }
            None => {}
        }
    }
}

/// Hands a JSON message over; `false` when rumqttc takes no more for now.
fn publish(client: &AsyncClient, topic: String, retain: bool, payload: Bytes) -> bool {
    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".into()),
        ..PublishProperties::default()
    };
    client
        .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
        .is_ok()
}
