//! What a session hands over, in which order, and what is too large for that.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, PublishProperties};
use smearscope_common::message::DeviceState;
use smearscope_common::topic::Topic;
use tokio::time::Instant;
use tracing::warn;

use super::super::Picture;
use super::super::outbox::Refused;
use super::{FAREWELL, LIVE, OVERHEAD, SIGHT, SIGHT_EXPIRY_S, Session, Ticket, expiring, json};

/// A live picture that is older is not worth showing.
const PICTURE_EXPIRY_S: u32 = 60;
/// Nobody waits longer for an answer.
const REPLY_EXPIRY_S: u32 = 300;

impl Session<'_> {
    /// Hands one message over; `false` when there is none, or no room for it.
    pub(super) fn offer_one(&mut self, is_over: bool) -> bool {
        let Some(online) = self
            .online
            .as_ref()
            .filter(|online| online.window.has_room())
        else {
            return false;
        };
        let announced = online.announced;
        let delivery = &mut *self.delivery;
        let device = &delivery.options.device;
        if let Some((number, reply)) = delivery.replies.next() {
            let properties = PublishProperties {
                correlation_data: reply.correlation,
                ..expiring(json(), REPLY_EXPIRY_S)
            };
            let ticket = Ticket::Reply(number);
            return self.hand_over(reply.topic, false, reply.payload, properties, ticket);
        }
        if is_over {
            let (topic, stopped) = (
                Topic::Status.of(device),
                delivery
                    .options
                    .status(DeviceState::Stopped, delivery.board.models.at_work()),
            );
            self.farewell = Some(Instant::now() + FAREWELL);
            return self.hand_over(topic, true, stopped, json(), Ticket::Stopped);
        }
        if let Some((revision, payload)) = delivery.slide.due() {
            let (topic, payload) = (Topic::Slide.of(device), payload.clone());
            delivery.slide.offer(revision);
            return self.hand_over(topic, true, payload, json(), Ticket::Slide(revision));
        }
        if let Some((revision, payload)) = delivery.model.due() {
            let (topic, payload) = (Topic::Model.of(device), payload.clone());
            delivery.model.offer(revision);
            return self.hand_over(topic, true, payload, json(), Ticket::Model(revision));
        }
        if self.ask_for_models() {
            return true;
        }
        let delivery = &mut *self.delivery;
        let device = &delivery.options.device;
        if let Some(message) = delivery.outbox.next(Instant::now()) {
            let topic = message.kind.topic().of(device);
            let ticket = Ticket::Message(message.id, Instant::now());
            return self.hand_over(topic, false, message.payload, json(), ticket);
        }
        // After everything else: a broker may close the connection for what isn't ours alone.
        if let Some((topic, payload)) = delivery.options.announcements.get(announced).cloned() {
            if let Some(online) = &mut self.online {
                online.announced += 1;
            }
            let ticket = Ticket::Announcement(announced);
            return self.hand_over(topic, true, payload, json(), ticket);
        }
        false
    }

    /// Says that we are there.
    pub(super) fn tell_online(&mut self) {
        let options = &self.delivery.options;
        let model = self.delivery.board.models.at_work();
        let topic = Topic::Status.of(&options.device);
        let status = options.status(DeviceState::Online, model.clone());
        if let Some(online) = &mut self.online {
            online.told = Some(model);
        }
        self.hand_over(topic, true, status, json(), Ticket::Online);
    }

    /// Hands a message of QoS 1 over; `false` when that can't be done. One that is too large for the broker counts as done.
    fn hand_over(
        &mut self,
        topic: String,
        retain: bool,
        payload: Bytes,
        properties: PublishProperties,
        ticket: Ticket,
    ) -> bool {
        let Some(online) = &mut self.online else {
            return false;
        };
        let correlation = properties.correlation_data.as_ref().map_or(0, Bytes::len);
        let size = topic.len() + payload.len() + correlation + OVERHEAD;
        if size > online.max_packet {
            self.too_large(&topic, size, &ticket);
            return true;
        }
        let handed = self.client.try_publish_with_properties(
            topic,
            QoS::AtLeastOnce,
            retain && online.keeps,
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

    /// A message of this size would end the connection. A result waits for the next one, whose broker may take more; what
    /// is live is given up.
    fn too_large(&mut self, topic: &str, size: usize, ticket: &Ticket) {
        let Some(online) = &mut self.online else {
            return;
        };
        let delivery = &mut *self.delivery;
        match ticket {
            Ticket::Message(id, _) => {
                delivery.outbox.refuse(*id, Refused::Size, Instant::now());
                if std::mem::replace(&mut online.has_too_large, true) {
                    return;
                }
            }
            Ticket::Reply(number) => delivery.replies.answered(*number),
            Ticket::Slide(revision) => delivery.slide.answer(*revision),
            Ticket::Model(revision) => delivery.model.answer(*revision),
            Ticket::Online | Ticket::Announcement(_) | Ticket::Stopped | Ticket::Asked => {}
        }
        let max = online.max_packet;
        let reason = format!("{topic}: {size} bytes are more than the broker takes ({max})");
        warn!("{reason}");
        delivery.note_refusal(reason);
    }

    /// Asks the broker for the chunks that are wanted now, and no more for others; `false` where there is nothing to ask. A
    /// SUBSCRIBE takes a packet id as a message does, and so a place in the window.
    fn ask_for_models(&mut self) -> bool {
        let Some(online) = &mut self.online else {
            return false;
        };
        let wanted = self.delivery.door.wanted.borrow().clone();
        let is_new = online.round != wanted.round;
        let (old, new): (Vec<_>, Vec<_>) = (
            minus(&online.asked, &wanted.topics),
            match is_new {
                true => wanted.topics.clone(),
                false => minus(&wanted.topics, &online.asked),
            },
        );
        let handed = if let Some(topic) = old.first() {
            online.asked.retain(|asked| asked != topic);
            self.client.try_unsubscribe(topic)
        } else if !new.is_empty() {
            online.round = wanted.round;
            online.asked.clone_from(&wanted.topics);
            let filter = |topic: String| Filter::new(topic, QoS::AtLeastOnce);
            self.client.try_subscribe_many(new.into_iter().map(filter))
        } else {
            return false;
        };
        if handed.is_err() {
            return false;
        }
        online.window.handed_over(Ticket::Asked);
        true
    }

    /// Hands over what is live: it goes out at once or never.
    pub(super) fn show(
        &mut self,
        topic: String,
        retain: bool,
        payload: Bytes,
        properties: PublishProperties,
    ) {
        let Some(online) = &mut self.online else {
            return;
        };
        if payload.len() + OVERHEAD > online.max_packet || online.live == LIVE {
            return;
        }
        let handed = self.client.try_publish_with_properties(
            topic,
            QoS::AtMostOnce,
            retain && online.keeps,
            payload,
            properties,
        );
        online.live += usize::from(handed.is_ok());
    }

    /// Shows what a live camera sees. Where that is lost or back, the board's health follows at once.
    pub(super) fn show_sight(&mut self) {
        let Some((camera, live)) = self.delivery.live() else {
            return;
        };
        let Some(online) = &mut self.online else {
            return;
        };
        let now = Instant::now();
        online.sight_at = now + SIGHT;
        if std::mem::replace(&mut online.camera, camera) != camera {
            online.health_at = now;
        }
        let topic = Topic::Live.of(&self.delivery.options.device);
        self.show(topic, false, live, expiring(json(), SIGHT_EXPIRY_S));
    }

    /// Shows the picture of a field.
    pub(super) fn show_picture(&mut self, picture: Picture) {
        let properties = PublishProperties {
            content_type: Some("image/jpeg".into()),
            user_properties: vec![("field_id".into(), picture.field_id.to_string())],
            ..expiring(PublishProperties::default(), PICTURE_EXPIRY_S)
        };
        let topic = Topic::ImageField.of(&self.delivery.options.device);
        self.show(topic, false, picture.jpeg, properties);
    }
}

/// What is in the first and not in the second.
fn minus(some: &[String], others: &[String]) -> Vec<String> {
    let is_other = |topic: &&String| !others.contains(topic);
    some.iter().filter(is_other).cloned().collect()
}
