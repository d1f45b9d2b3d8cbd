//! What one connection has in flight, and which PUBACK answers what.
//!
//! rumqttc gives packet ids out itself, one after the other and round in a circle, and tells them
//! by events: `Outgoing::Publish(id)` in the order in which messages were handed over, `PubAck` in
//! any order. Should an id come round while its last message is still unanswered, rumqttc stops
//! (and after a refused PUBACK for good). The window makes that impossible: it reaches from the
//! oldest unanswered message to the newest, and is never wider than the circle.

use std::collections::VecDeque;

/// How many messages one connection may have unanswered.
pub const WIDTH: u16 = 16;

#[derive(Debug)]
struct Slot<T> {
    /// `None` until rumqttc has sent it.
    packet_id: Option<u16>,
    /// `None` once it is answered.
    what: Option<T>,
}

/// The messages of one connection from the oldest unanswered to the newest.
#[derive(Debug)]
pub struct Window<T> {
    slots: VecDeque<Slot<T>>,
    width: usize,
}

impl<T> Window<T> {
    /// A window for a connection to a broker that takes `receive_maximum` messages at a time.
    pub fn new(receive_maximum: Option<u16>) -> Self {
        let width = receive_maximum.unwrap_or(WIDTH).clamp(1, WIDTH);
        Self {
            slots: VecDeque::new(),
            width: usize::from(width),
        }
    }

    /// Whether another message may be handed over.
    pub fn has_room(&self) -> bool {
        self.slots.len() < self.width
    }

    /// Notes a message that was handed over.
    pub fn handed_over(&mut self, what: T) {
        self.slots.push_back(Slot {
            packet_id: None,
            what: Some(what),
        });
    }

    /// rumqttc has sent the next message under this id.
    pub fn sent(&mut self, packet_id: u16) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.packet_id.is_none()) {
            slot.packet_id = Some(packet_id);
        }
    }

    /// The broker has answered this id: for what was it? `None` for an id that is not in flight.
    pub fn answered(&mut self, packet_id: u16) -> Option<T> {
        let what = self
            .slots
            .iter_mut()
            .find(|slot| slot.packet_id == Some(packet_id) && slot.what.is_some())?
            .what
            .take();
        while self.slots.front().is_some_and(|slot| slot.what.is_none()) {
            self.slots.pop_front();
        }
        what
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_find_their_message_in_any_order() {
        let mut window = Window::new(Some(2));
        window.handed_over("a");
        window.handed_over("b");
        assert!(!window.has_room());
        assert_eq!(window.answered(1), None);
        window.sent(1);
        window.sent(2);
        assert_eq!(window.answered(2), Some("b"));
        // "a" is still unanswered, so its id must not come round.
        assert!(!window.has_room());
        assert_eq!(window.answered(2), None);
        assert_eq!(window.answered(1), Some("a"));
        assert!(window.has_room());
    }

    #[test]
    fn the_brokers_limit_counts_where_it_is_smaller() {
        let room = |limit| {
            let mut window = Window::new(limit);
            let mut n = 0;
            while window.has_room() {
                window.handed_over(());
                n += 1;
            }
            n
        };
        assert_eq!(
            (room(None), room(Some(3)), room(Some(60000)), room(Some(0))),
            (16, 3, 16, 1)
        );
    }

    proptest! {
        /// Ids that run round a circle as wide as the window never meet an unanswered one.
        #[test]
        fn ids_never_collide(
            limit in 1u16..40,
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..400),
        ) {
            let mut window = Window::new(Some(limit));
            let circle = limit.min(WIDTH);
            let mut last = 0;
            let mut unanswered: Vec<(u16, u32)> = Vec::new();
            for (n, (send, which)) in (0u32..).zip(steps) {
                if send && window.has_room() {
                    window.handed_over(n);
                    last = last % circle + 1;
                    prop_assert!(unanswered.iter().all(|(id, _)| *id != last));
                    window.sent(last);
                    unanswered.push((last, n));
                } else if !send && !unanswered.is_empty() {
                    let (id, n) = unanswered.swap_remove(which.index(unanswered.len()));
                    prop_assert_eq!(window.answered(id), Some(n));
                }
            }
        }
    }
}
