//! What of the store is to be offered next, and when what the broker refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::store::{Cursor, Message, Store};

/// How long is waited after a first refusal; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How many messages are read from the store at once, and about how many bytes.
const ROWS: usize = 64;
const BYTES: usize = 1 << 20;

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This message: the next one may be taken.
    Message,
    /// The size of this message: nothing changes that while the connection lasts.
    Size,
    /// Whatever we publish, such as for want of a right or of room: all wait, and then one is tried.
    All,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    times: u32,
    until: Instant,
}

impl Wait {
    /// The wait after one more refusal.
    fn longer(before: Option<&Self>, now: Instant) -> Self {
        let times = before.map_or(0, |wait| wait.times);
        Self {
            times: times + 1,
            until: now + (FIRST_WAIT * (1 << times.min(10))).min(LONGEST_WAIT),
        }
    }
}

/// The pending messages of a store as one connection after the other sees them.
///
/// Invariant: a message leaves the store by [`Outbox::acknowledge`] alone; whatever else happens, it is offered again.
pub struct Outbox {
    store: Arc<Store>,
    cursor: Cursor,
    /// Read, not offered yet.
    ready: VecDeque<Message>,
    /// Handed to the connection at hand, not answered yet.
    offered: BTreeSet<Uuid>,
    /// Refused, and when each is tried again.
    refused: BTreeMap<Uuid, Wait>,
    /// More than the broker at hand takes.
    too_large: BTreeSet<Uuid>,
    /// All wait.
    pause: Option<Wait>,
    /// Nothing is behind the cursor, until the store tells of a change.
    is_read: bool,
}

impl Outbox {
    /// All that is pending in the store.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            cursor: Cursor::default(),
            ready: VecDeque::new(),
            offered: BTreeSet::new(),
            refused: BTreeMap::new(),
            too_large: BTreeSet::new(),
            pause: None,
            is_read: false,
        }
    }

    /// The store has changed.
    pub fn changed(&mut self) {
        self.is_read = false;
    }

    /// The message that is to be offered now, and is taken to be from here on.
    pub fn next(&mut self, now: Instant) -> Option<Message> {
        if let Some(pause) = self.pause {
            // One at a time, until one is accepted.
            if pause.until > now || !self.offered.is_empty() {
                return None;
            }
            // One that was refused may be refused for ever: the others come first.
            let message = self.next_new().or_else(|| self.next_refused(now));
            return message.inspect(|message| self.offer(message));
        }
        let message = self.next_refused(now).or_else(|| self.next_new());
        message.inspect(|message| self.offer(message))
    }

    /// When there may be a message again that isn't due now; `None` when only an answer or the store will tell.
    pub fn next_due(&self) -> Option<Instant> {
        let pause = self.pause.map(|pause| pause.until);
        let first = self.refused.values().map(|wait| wait.until).min();
        match (pause, first) {
            (Some(pause), Some(first)) if self.ready.is_empty() => Some(pause.max(first)),
            (pause, first) => pause.or(first),
        }
    }

    /// The broker has it.
    pub fn acknowledge(&mut self, id: Uuid) {
        self.offered.remove(&id);
        self.refused.remove(&id);
        self.pause = None;
        self.store.acknowledge(id);
    }

    /// The broker doesn't take it; gives the time until the next try.
    pub fn refuse(&mut self, id: Uuid, what: Refused, now: Instant) -> Duration {
        self.offered.remove(&id);
        let wait = Wait::longer(self.refused.get(&id), now);
        if what == Refused::Size {
            self.too_large.insert(id);
            return wait.until - now;
        }
        self.refused.insert(id, wait);
        if what == Refused::Message {
            return wait.until - now;
        }
        // What was offered together is refused together: that counts once.
        match self.pause {
            Some(pause) if pause.until > now => pause.until - now,
            _ => {
                let pause = Wait::longer(self.pause.as_ref(), now);
                self.pause = Some(pause);
                pause.until - now
            }
        }
    }

    /// The connection is lost: all that is pending is offered again, in its order. What was refused keeps its time.
    pub fn reconnect(&mut self) {
        self.ready.clear();
        self.offered.clear();
        self.too_large.clear();
        self.cursor = Cursor::default();
        self.is_read = false;
    }

    /// Whether nothing is left.
    pub fn is_empty(&mut self) -> bool {
        let is_seen = self.ready.is_empty()
            && self.offered.is_empty()
            && self.refused.is_empty()
            && self.too_large.is_empty();
        is_seen && self.store.is_delivered()
    }

    fn offer(&mut self, message: &Message) {
        self.offered.insert(message.id);
    }

    fn next_new(&mut self) -> Option<Message> {
        while self.ready.is_empty() && !self.is_read {
            let found = self.store.pending(&mut self.cursor, ROWS, BYTES);
            self.is_read = found.is_empty();
            // The cursor may have gone back.
            let (offered, refused, too_large) = (&self.offered, &self.refused, &self.too_large);
            let is_new = |m: &Message| {
                !offered.contains(&m.id)
                    && !refused.contains_key(&m.id)
                    && !too_large.contains(&m.id)
            };
            self.ready.extend(found.into_iter().filter(is_new));
        }
        self.ready.pop_front()
    }

    fn next_refused(&mut self, now: Instant) -> Option<Message> {
        loop {
            let (offered, refused) = (&self.offered, &self.refused);
            let id = refused
                .iter()
                .find(|(id, wait)| wait.until <= now && !offered.contains(id))
                .map(|(id, _)| *id)?;
            match self.store.message(id) {
                Some(message) => return Some(message),
                // Given up by the store.
                None => {
                    self.refused.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{commit, store_in_memory};
    use proptest::prelude::*;

    fn outbox(fields: u64) -> (Arc<Store>, Outbox) {
        let store = Arc::new(store_in_memory());
        for _ in 0..fields {
            commit(&store);
        }
        let outbox = Outbox::new(Arc::clone(&store));
        (store, outbox)
    }

    fn seq(message: &Message) -> u64 {
        serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap()["seq"]
            .as_u64()
            .unwrap()
    }

    #[test]
    fn results_are_offered_in_order_and_leave_only_when_acknowledged() {
        let now = Instant::now();
        let (_store, mut outbox) = outbox(2);
        let a = outbox.next(now).unwrap();
        let b = outbox.next(now).unwrap();
        assert_eq!((seq(&a), seq(&b)), (1, 2));
        assert!(outbox.next(now).is_none() && outbox.next_due().is_none());
        outbox.acknowledge(b.id);
        assert!(!outbox.is_empty());
        outbox.reconnect();
        assert_eq!(outbox.next(now).unwrap().id, a.id);
        assert!(outbox.next(now).is_none());
        outbox.acknowledge(a.id);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_refused_message_waits_longer_each_time_and_lets_others_pass() {
        let now = Instant::now();
        let (store, mut outbox) = outbox(2);
        let a = outbox.next(now).unwrap();
        assert_eq!(outbox.refuse(a.id, Refused::Message, now), FIRST_WAIT);
        let b = outbox.next(now).unwrap();
        assert_eq!(seq(&b), 2);
        outbox.reconnect();
        assert_eq!(outbox.next(now).unwrap().id, b.id);
        assert_eq!(outbox.next(now + FIRST_WAIT).unwrap().id, a.id);
        assert_eq!(outbox.refuse(a.id, Refused::Message, now), FIRST_WAIT * 2);
        for _ in 0..40 {
            outbox.refuse(a.id, Refused::Message, now);
        }
        assert_eq!(outbox.refuse(a.id, Refused::Message, now), LONGEST_WAIT);
        assert!(!outbox.is_empty() && !store.is_delivered());
    }

    #[test]
    fn a_broker_that_refuses_all_is_asked_with_one_message_at_a_time() {
        let mut now = Instant::now();
        let (_store, mut outbox) = outbox(40);
        let offered: Vec<_> = (0..16).map(|_| outbox.next(now).unwrap()).collect();
        for message in &offered {
            assert_eq!(outbox.refuse(message.id, Refused::All, now), FIRST_WAIT);
        }
        assert!(outbox.next(now).is_none());
        for asked in 1..9 {
            now = outbox.next_due().unwrap();
            // Another than those that were refused: a single bad one must not hold all others.
            let message = outbox.next(now).unwrap();
            assert_eq!(seq(&message), 16 + asked);
            assert!(outbox.next(now).is_none());
            let wait = outbox.refuse(message.id, Refused::All, now);
            assert_eq!(wait, (FIRST_WAIT * (1 << asked)).min(LONGEST_WAIT));
        }
        now += LONGEST_WAIT;
        let message = outbox.next(now).unwrap();
        outbox.acknowledge(message.id);
        // All at once again, what was refused first.
        let next: Vec<_> = (0..16).map(|_| seq(&outbox.next(now).unwrap())).collect();
        assert!(next.iter().all(|seq| *seq <= 24), "{next:?}");
    }

    proptest! {
        /// Whatever the broker and the network do, what was committed is acknowledged or still pending, and all of it can
        /// be delivered in the end.
        #[test]
        fn nothing_is_lost(steps in proptest::collection::vec(0u8..9, 0..200)) {
            let mut now = Instant::now();
            let (store, mut outbox) = outbox(0);
            let mut committed = 0u64;
            let mut acknowledged = BTreeSet::new();
            let mut offered: Vec<Message> = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => {
                        commit(&store);
                        outbox.changed();
                        committed += 1;
                    }
                    2 | 3 => offered.extend(outbox.next(now)),
                    // Acknowledgements may come in any order.
                    4 => if !offered.is_empty() {
                        let message = offered.swap_remove(offered.len() / 2);
                        outbox.acknowledge(message.id);
                        prop_assert!(acknowledged.insert(seq(&message)));
                    },
                    5 => if let Some(message) = offered.pop() {
                        outbox.refuse(message.id, Refused::Message, now);
                    },
                    6 => if let Some(message) = offered.pop() {
                        outbox.refuse(message.id, Refused::All, now);
                    },
                    7 => {
                        outbox.reconnect();
                        offered.clear();
                    }
                    _ => now += Duration::from_secs(1),
                }
                let (health, _) = store.health();
                prop_assert_eq!(health.pending + acknowledged.len() as u64, committed);
            }
            outbox.reconnect();
            while !outbox.is_empty() {
                let Some(message) = outbox.next(now) else {
                    now = outbox.next_due().unwrap().max(now);
                    continue;
                };
                outbox.acknowledge(message.id);
                prop_assert!(acknowledged.insert(seq(&message)));
            }
            prop_assert_eq!(acknowledged.len() as u64, committed);
        }
    }
}
