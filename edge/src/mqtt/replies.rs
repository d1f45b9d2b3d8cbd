//! Answers to commands, until the broker has them.

use std::collections::VecDeque;

use super::command::Outgoing;

/// More are not worth keeping: a repeated command gets its answer again.
const MOST: usize = 64;

#[derive(Debug)]
struct Entry {
    number: u64,
    reply: Outgoing,
    is_offered: bool,
}

/// The answers that wait, in their order.
#[derive(Debug, Default)]
pub(super) struct Replies {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Replies {
    /// Keeps an answer; the oldest goes where there are too many.
    pub(super) fn push(&mut self, reply: Outgoing) {
        if self.entries.len() == MOST {
            self.entries.pop_front();
        }
        self.last += 1;
        self.entries.push_back(Entry {
            number: self.last,
            reply,
            is_offered: false,
        });
    }

    /// The next one to hand over, with its number; taken to be handed over from here on.
    pub(super) fn next(&mut self) -> Option<(u64, Outgoing)> {
        let entry = self.entries.iter_mut().find(|entry| !entry.is_offered)?;
        entry.is_offered = true;
        Some((entry.number, entry.reply.clone()))
    }

    /// The broker has answered this one, whatever it said: what it refuses once it refuses again.
    pub(super) fn answered(&mut self, number: u64) {
        self.entries.retain(|entry| entry.number != number);
    }

    /// The connection is lost. What was handed over is given up: it may be what the broker closed the connection for, and
    /// who repeats the command gets the same answer.
    pub(super) fn reconnect(&mut self) {
        self.entries.retain(|entry| !entry.is_offered);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(topic: &str) -> Outgoing {
        Outgoing {
            topic: topic.into(),
            payload: "{}".into(),
            correlation: None,
        }
    }

    #[test]
    fn answers_go_out_in_order_and_none_ends_two_connections() {
        let mut replies = Replies::default();
        replies.push(reply("a"));
        replies.push(reply("b"));
        replies.push(reply("c"));
        let (a, _) = replies.next().unwrap();
        let (_, second) = replies.next().unwrap();
        assert_eq!(second.topic, "b");
        replies.answered(a);
        replies.reconnect();
        let (c, third) = replies.next().unwrap();
        assert_eq!(third.topic, "c");
        assert!(replies.next().is_none());
        replies.answered(c);
        assert!(replies.is_empty());
    }

    #[test]
    fn they_are_bounded_and_the_newest_stay() {
        let mut replies = Replies::default();
        for n in 0..MOST + 5 {
            replies.push(reply(&n.to_string()));
        }
        assert_eq!(replies.next().unwrap().1.topic, "5");
    }
}
