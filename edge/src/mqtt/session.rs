//! One connection, from CONNECT to its end.

mod offer;

use std::time::Duration;

use rumqttc::Outgoing as Sent;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, Packet, PubAck, PubAckReason, Publish, PublishProperties, SubAck,
    SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event};
use smearscope_common::message::{CameraState, ModelRef};
use smearscope_common::topic::{Topic, of_model_chunk};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::announce::{removed, still_due};
use super::connect::{KEEP_ALIVE, mqtt_options, sentence};
use super::delivery::Delivery;
use super::outbox::Refused;
use super::window::{WIDTH, Window};
use crate::models::Chunk;
use crate::pulse::BEAT;
use crate::timing::Step;

/// Room for a topic and properties beside a payload.
const OVERHEAD: usize = 512;
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Pictures, sights and health between us and the network.
const LIVE: usize = 6;
/// Messages between us and rumqttc's event loop: a full window, what is live, a subscription and a farewell. It is never
/// full: both of the first are bounded here.
const CHANNEL: usize = WIDTH as usize + LIVE + 2;
/// How often the board's health is told.
const HEALTH: Duration = Duration::from_secs(30);
/// What the camera sees is told no more often.
const SIGHT: Duration = Duration::from_millis(500);
/// What the camera saw that long ago helps nobody.
const SIGHT_EXPIRY_S: u32 = 5;
/// What was acknowledged is written no later than this.
const FLUSH: Duration = Duration::from_millis(250);
/// Health that is older says nothing: four were missed.
const HEALTH_EXPIRY_S: u32 = 120;

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
    Model(u64),
    /// A subscription, or its end.
    Asked,
    /// A result, and when it was handed over.
    Message(Uuid, Instant),
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
    /// When what the camera sees may be told again.
    sight_at: Instant,
    /// What the camera did when that was told last.
    camera: CameraState,
    /// How long nothing at all may happen: pings do, unless the network takes no more bytes.
    patience: Duration,
    /// Whether a status was accepted.
    is_greeted: bool,
    /// Whether the last status was refused.
    is_untold: bool,
    /// Whether a result was too large for this broker, which is said once.
    has_too_large: bool,
    /// The topics of models' chunks that the broker was asked for, and in which round.
    asked: Vec<String>,
    round: u64,
    /// The model that the status names.
    told: Option<ModelRef>,
    /// Pictures, sights and health that were handed over and not sent yet.
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
    /// When rumqttc last told anything.
    heard: Instant,
    /// Set when `stopped` was handed over: the end of our patience.
    farewell: Option<Instant>,
    /// Runs rumqttc's event loop, whose `poll` must not be cancelled halfway; ends with the
    /// session.
    _event_loop: AbortOnDropHandle<()>,
}

impl<'d> Session<'d> {
    /// Begins to connect.
    pub(super) fn open(delivery: &'d mut Delivery) -> Self {
        let (client, mut event_loop) = AsyncClient::new(
            mqtt_options(&delivery.options, delivery.board.models.at_work()),
            CHANNEL,
        );
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
            heard: Instant::now(),
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
            self.delivery.pulse.beat();
            block_in_place(|| self.offer(is_over));
            let now = Instant::now();
            // A result that is due now waits for room, which an event will announce.
            let retry = self.delivery.outbox.next_due().filter(|at| *at > now);
            let health_at = self.online.as_ref().map(|online| online.health_at);
            // rumqttc sends no ping while it waits for the network to take what it has.
            let silent_at = self
                .online
                .as_ref()
                .map(|online| self.heard + online.patience);
            if silent_at.is_some_and(|at| at <= now) {
                return Ended::Lost("it fell silent".into());
            }
            let sight_at = self.online.as_ref().map(|online| online.sight_at);
            let may_tell_sight = sight_at.is_some_and(|at| at <= now);
            let sight_at = sight_at.filter(|at| *at > now);
            let wake = [retry, health_at, silent_at, sight_at, self.flush_at]
                .into_iter()
                .flatten()
                .fold(now + BEAT, Instant::min);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Ok(event)) => {
                        self.heard = Instant::now();
                        if self.handle(event) {
                            return Ended::Finished;
                        }
                    }
                    Some(Err(error @ ConnectionError::ConnectionRefused(_))) => {
                        return Ended::Refused(sentence(&error));
                    }
                    Some(Err(error)) => return Ended::Lost(sentence(&error)),
                    None => return Ended::Lost("the MQTT client has stopped".into()),
                },
                changed = self.delivery.changes.changed() => if changed.is_ok() {
                    block_in_place(|| self.delivery.store_changed());
                },
                changed = self.delivery.sights.changed(), if may_tell_sight => if changed.is_ok() {
                    self.show_sight();
                },
                changed = self.delivery.model_changes.changed() => if changed.is_ok() {
                    block_in_place(|| self.delivery.models_changed());
                },
                // It is seen when the next thing is offered.
                changed = self.delivery.door.wanted.changed(), if !self.delivery.has_no_updates => {
                    self.delivery.has_no_updates = changed.is_err();
                }
                more = self.delivery.pictures.recv(), if self.delivery.is_fed() => match more {
                    Some(picture) => self.show_picture(picture),
                    None => self.delivery.input_closed(),
                },
                () = sleep_until(wake) => {}
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
            self.delivery.slide.try_again();
            self.delivery.model.try_again();
            if std::mem::take(&mut online.is_untold) {
                self.tell_online();
            }
            let health = self.delivery.health();
            let topic = Topic::Health.of(&self.delivery.options.device);
            self.show(topic, true, health, expiring(json(), HEALTH_EXPIRY_S));
        }
        if !is_over {
            self.tell_other_model();
        }
        while self.farewell.is_none() && self.offer_one(is_over) {}
        // Time is up and the broker answers nothing: the farewell finds no room, and its time
        // runs all the same.
        if is_over && self.farewell.is_none() {
            self.farewell = Some(now + FAREWELL);
        }
    }

    /// Another model decides: the status names it.
    fn tell_other_model(&mut self) {
        let Some(online) = self
            .online
            .as_ref()
            .filter(|online| online.window.has_room())
        else {
            return;
        };
        let model = self.delivery.board.models.at_work();
        if online.told.as_ref().is_some_and(|told| *told != model) {
            self.tell_online();
        }
    }

    /// Handles what rumqttc tells; `true` when the farewell is said.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Incoming(Packet::ConnAck(connack)) => self.connected(&connack),
            Event::Incoming(Packet::PubAck(puback)) => self.answered(&puback),
            Event::Incoming(Packet::SubAck(suback)) => self.subscribed(&suback),
            Event::Incoming(Packet::UnsubAck(unsuback)) => self.was_asked(unsuback.pkid),
            Event::Incoming(Packet::Publish(publish)) => self.came(&publish),
            Event::Outgoing(Sent::Publish(id)) => {
                if let Some(online) = &mut self.online {
                    // QoS 0 has no packet id.
                    match id {
                        0 => online.live = online.live.saturating_sub(1),
                        id => online.window.sent(id),
                    }
                }
            }
            Event::Outgoing(Sent::Subscribe(id) | Sent::Unsubscribe(id)) => {
                if let Some(online) = &mut self.online {
                    online.window.sent(id);
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
        let keeps = limits.and_then(|l| l.retain_available) != Some(0);
        if !keeps {
            warn!(
                "the broker keeps no retained messages: who comes late sees no status and no slide"
            );
        }
        if limits.and_then(|l| l.max_qos) == Some(0) {
            warn!("the broker takes QoS 0 only: it may refuse results");
        }
        let keep_alive = limits
            .and_then(|l| l.server_keep_alive)
            .map_or(KEEP_ALIVE, |seconds| Duration::from_secs(seconds.into()));
        let delivery = &mut *self.delivery;
        block_in_place(|| still_due(&delivery.store, &mut delivery.options.announcements));
        delivery.board.link(|link| {
            link.is_online = true;
            link.health.connections += 1;
        });
        delivery.online_since = Some(Instant::now());
        // It goes before all else: what comes for us must not be missed.
        let device = &delivery.options.device;
        let mut command = Filter::new(Topic::Command.of(device), QoS::AtLeastOnce);
        // So that a retained command shows as one, also when it is sent while we are there.
        command.preserve_retain = true;
        let desired = Filter::new(Topic::ModelDesired.of(device), QoS::AtLeastOnce);
        // The channel is empty: there is room.
        let _ = self.client.try_subscribe_many([command, desired]);
        let mut window = Window::new(limits.and_then(|l| l.receive_max));
        window.handed_over(Ticket::Asked);
        self.online = Some(Online {
            window,
            max_packet: limits
                .and_then(|l| l.max_packet_size)
                .map_or(usize::MAX, |max| max as usize),
            keeps,
            announced: 0,
            health_at: Instant::now(),
            sight_at: Instant::now(),
            camera: CameraState::default(),
            patience: KEEP_ALIVE.max(keep_alive).mul_f64(2.5),
            is_greeted: false,
            is_untold: false,
            has_too_large: false,
            asked: Vec::new(),
            round: delivery.door.wanted.borrow().round,
            told: None,
            live: 0,
        });
        self.tell_online();
    }

    /// A SUBACK or UNSUBACK has come.
    fn was_asked(&mut self, packet_id: u16) {
        if let Some(online) = &mut self.online {
            online.window.answered(packet_id);
        }
    }

    fn subscribed(&mut self, suback: &SubAck) {
        self.was_asked(suback.pkid);
        let refused =
            |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
        if let Some(code) = suback.return_codes.iter().find(refused) {
            let reason = format!("the broker lets nobody send us commands or models ({code:?})");
            warn!("{reason}");
            self.delivery.note_refusal(reason);
        }
    }

    /// Something came that we have subscribed to.
    fn came(&mut self, publish: &Publish) {
        let device = &self.delivery.options.device;
        let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
        if topic == Topic::Command.of(device) {
            self.commanded(publish);
        } else if topic == Topic::ModelDesired.of(device) {
            let payload = Some(publish.payload.clone());
            self.delivery.door.desired.send_replace(payload);
        } else if let Some((model, number)) = of_model_chunk(topic) {
            let chunk = Chunk {
                model,
                number,
                bytes: publish.payload.clone(),
            };
            // What finds no room was not asked for, or will be again.
            let _ = self.delivery.door.chunks.try_send(chunk);
        } else {
            debug!("a message on a topic that was not subscribed to");
        }
    }

    fn commanded(&mut self, publish: &Publish) {
        let (reply, picture) = block_in_place(|| self.delivery.commands.handle(publish));
        if let Some(reply) = reply {
            self.delivery.replies.push(reply);
        }
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
            Ticket::Message(id, since) if is_accepted => {
                block_in_place(|| delivery.outbox.acknowledge(id));
                delivery.board.link(|link| link.health.acknowledged += 1);
                let timings = delivery.board.control.timings();
                timings.took(Step::Deliver, since.elapsed());
                self.flush_at.get_or_insert(Instant::now() + FLUSH);
                return;
            }
            Ticket::Message(id, _) => {
                let what = match reason {
                    PubAckReason::PayloadFormatInvalid => Refused::Message,
                    _ => Refused::All,
                };
                let wait = delivery.outbox.refuse(id, what, Instant::now());
                format!("a result ({reason:?}); next try in {wait:.0?}")
            }
            Ticket::Slide(revision) => {
                match is_accepted {
                    true => delivery.slide.answer(revision),
                    false => delivery.slide.refuse(revision),
                }
                format!("the slide's count ({reason:?})")
            }
            Ticket::Model(revision) => {
                match is_accepted {
                    true => delivery.model.answer(revision),
                    false => delivery.model.refuse(revision),
                }
                format!("the state of the models ({reason:?})")
            }
            // A PUBACK with the id of a SUBSCRIBE is the broker's mistake.
            Ticket::Asked => return,
            Ticket::Online => {
                online.is_untold = !is_accepted;
                if is_accepted && !std::mem::replace(&mut online.is_greeted, true) {
                    info!("online at the broker {}", delivery.options.address);
                }
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
            delivery.note_refusal(format!("it refused {refused_what}"));
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
