//! Results that the broker has not acknowledged yet, in memory, in the order in which they came.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Names an entry for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// How long a refused result waits for the first time; it doubles with each refusal.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest that a refused result waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum State {
    /// To be offered, not before this time.
    Waiting(Instant),
    /// Handed to the connection at hand, not acknowledged yet.
    Offered,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    payload: Bytes,
    refusals: u32,
    state: State,
}

/// A bounded outbox.
///
/// Invariant: an entry leaves by [`Outbox::acknowledge`] alone, so whatever was pushed is either
/// acknowledged or still here.
#[derive(Debug)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    next_key: u64,
    capacity: usize,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            entries: VecDeque::new(),
            next_key: 0,
            capacity: capacity.get(),
        }
    }

    /// Whether there is no room for another result; then the pipeline has to wait.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    /// How many results are not acknowledged.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a result.
    pub fn push(&mut self, payload: Bytes, now: Instant) {
        self.entries.push_back(Entry {
            key: Key(self.next_key),
            payload,
            refusals: 0,
            state: State::Waiting(now),
        });
        self.next_key += 1;
    }

    /// The oldest result that is due, if any.
    pub fn due(&self, now: Instant) -> Option<(Key, &Bytes)> {
        self.entries
            .iter()
            .find(|entry| matches!(entry.state, State::Waiting(from) if from <= now))
            .map(|entry| (entry.key, &entry.payload))
    }

    /// When the next result will be due; `None` when none is waiting.
    pub fn next_due(&self) -> Option<Instant> {
        self.entries
            .iter()
            .filter_map(|entry| match entry.state {
                State::Waiting(from) => Some(from),
                State::Offered => None,
            })
            .min()
    }

    /// Notes that the connection at hand has taken a result.
    pub fn offer(&mut self, key: Key) {
        if let Some(entry) = self.entry(key) {
            entry.state = State::Offered;
        }
    }

    /// Removes a result that the broker has accepted.
    pub fn acknowledge(&mut self, key: Key) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// Puts a result back that the broker has refused, and gives the time until its next try.
    pub fn refuse(&mut self, key: Key, now: Instant) -> Duration {
        let Some(entry) = self.entry(key) else {
            return Duration::ZERO;
        };
        let wait = (FIRST_WAIT * (1 << entry.refusals.min(10))).min(LONGEST_WAIT);
        entry.refusals += 1;
        entry.state = State::Waiting(now + wait);
        wait
    }

    /// The connection is lost: what it had taken is to be offered again. Refused results keep
    /// their time.
    pub fn reconnect(&mut self, now: Instant) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Offered) {
                entry.state = State::Waiting(now);
            }
        }
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn outbox(capacity: usize) -> Outbox {
        Outbox::new(NonZeroUsize::new(capacity).unwrap())
    }

    #[test]
    fn results_are_offered_in_order_and_leave_only_when_acknowledged() {
        let now = Instant::now();
        let mut outbox = outbox(2);
        outbox.push("a".into(), now);
        outbox.push("b".into(), now);
        assert!(outbox.is_full());
        let (a, payload) = outbox.due(now).unwrap();
        assert_eq!(payload, "a");
        outbox.offer(a);
        let (b, payload) = outbox.due(now).unwrap();
        assert_eq!(payload, "b");
        outbox.offer(b);
        assert!(outbox.due(now).is_none() && outbox.next_due().is_none());
        outbox.acknowledge(b);
        assert_eq!(outbox.len(), 1);
        outbox.reconnect(now);
        assert_eq!(outbox.due(now).unwrap().0, a);
    }

    #[test]
    fn a_refused_result_stays_waits_longer_each_time_and_lets_others_pass() {
        let now = Instant::now();
        let mut outbox = outbox(4);
        outbox.push("a".into(), now);
        outbox.push("b".into(), now);
        let (a, _) = outbox.due(now).unwrap();
        outbox.offer(a);
        assert_eq!(outbox.refuse(a, now), FIRST_WAIT);
        assert_eq!(outbox.due(now).unwrap().1, "b");
        outbox.reconnect(now);
        assert_eq!(outbox.due(now).unwrap().1, "b");
        assert_eq!(outbox.due(now + FIRST_WAIT).unwrap().1, "a");
        assert_eq!(outbox.refuse(a, now), FIRST_WAIT * 2);
        for _ in 0..40 {
            outbox.refuse(a, now);
        }
        assert_eq!(outbox.refuse(a, now), LONGEST_WAIT);
        assert_eq!(outbox.len(), 2);
    }

    proptest! {
        /// Whatever the broker and the network do, a pushed result is acknowledged or still here,
        /// and every one can be delivered in the end.
        #[test]
        fn nothing_is_lost(steps in proptest::collection::vec(0u8..6, 0..300)) {
            let mut now = Instant::now();
            let mut outbox = outbox(8);
            let mut pushed = 0u64;
            let mut acknowledged = BTreeSet::new();
            let mut offered: Vec<(Key, Bytes)> = Vec::new();
            for step in steps {
                match step {
                    0 | 1 if !outbox.is_full() => {
                        outbox.push(Bytes::from(pushed.to_string()), now);
                        pushed += 1;
                    }
                    2 => if let Some((key, payload)) = outbox.due(now).map(|(k, p)| (k, p.clone())) {
                        outbox.offer(key);
                        offered.push((key, payload));
                    },
                    // Acknowledgements may come in any order.
                    3 => if !offered.is_empty() {
                        let (key, payload) = offered.swap_remove(offered.len() / 2);
                        outbox.acknowledge(key);
                        prop_assert!(acknowledged.insert(payload));
                    },
                    4 => if let Some((key, _)) = offered.pop() {
                        outbox.refuse(key, now);
                    },
                    5 => {
                        outbox.reconnect(now);
                        offered.clear();
                    }
                    _ => now += Duration::from_secs(1),
                }
                prop_assert!(outbox.len() <= 8);
                prop_assert_eq!(outbox.len() + acknowledged.len(), pushed as usize);
            }
            outbox.reconnect(now);
            while let Some(at) = outbox.next_due() {
                let (key, payload) = outbox.due(at.max(now)).map(|(k, p)| (k, p.clone())).unwrap();
                outbox.offer(key);
                outbox.acknowledge(key);
                prop_assert!(acknowledged.insert(payload));
            }
            prop_assert_eq!(acknowledged.len(), pushed as usize);
        }
    }
}
