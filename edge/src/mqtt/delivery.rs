//! Keeps a connection up and gives it what is to be published, until everything is delivered.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::outbox::Outbox;
use super::session::{Ended, Session};
use super::{Options, Publication};

/// A connection that has held for so long was no accident: the next wait is short again.
const STABLE: Duration = Duration::from_secs(10);

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Results that the broker has accepted.
    pub acknowledged: u64,
    /// Results that were given up.
    pub undelivered: u64,
}

/// The newest value of a retained topic: an older one needs no delivery.
#[derive(Debug, Default)]
pub(super) struct Newest {
    payload: Option<Bytes>,
    revision: u64,
    offered: u64,
    answered: u64,
}

impl Newest {
    fn set(&mut self, payload: Bytes) {
        self.payload = Some(payload);
        self.revision += 1;
    }

    /// What is to be offered, if anything.
    pub(super) fn due(&self) -> Option<(u64, &Bytes)> {
        let payload = self.payload.as_ref()?;
        (self.offered < self.revision).then_some((self.revision, payload))
    }

    pub(super) fn offer(&mut self, revision: u64) {
        self.offered = revision;
    }

    pub(super) fn answer(&mut self, revision: u64) {
        self.answered = self.answered.max(revision);
    }

    /// The broker may have forgotten what it retained: the value is offered again.
    fn reconnect(&mut self) {
        self.offered = 0;
    }

    fn is_settled(&self) -> bool {
        self.answered == self.revision
    }
}

/// What is to be delivered, and what has been.
pub struct Delivery {
    pub(super) options: Options,
    pub(super) outbox: Outbox,
    pub(super) slide: Newest,
    pub(super) acknowledged: u64,
    /// Closed by the analysis when it has no more.
    pub(super) input: mpsc::Receiver<Publication>,
    input_is_open: bool,
    /// Cancelled when no more time is left for what is not delivered.
    pub(super) give_up: CancellationToken,
}

impl Delivery {
    /// Publishes what comes through `input` until that is closed and everything is acknowledged,
    /// or until `give_up` is cancelled.
    pub fn new(
        options: Options,
        input: mpsc::Receiver<Publication>,
        give_up: CancellationToken,
    ) -> Self {
        Self {
            outbox: Outbox::new(options.outbox),
            options,
            slide: Newest::default(),
            acknowledged: 0,
            input,
            input_is_open: true,
            give_up,
        }
    }

    /// Delivers. A broker that is not there is tried again for as long as it takes.
    pub async fn run(mut self) -> Delivered {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            match Session::open(&mut self).run().await {
                Ended::Finished => break,
                Ended::Lost(why) => {
                    self.outbox.reconnect(Instant::now());
                    self.slide.reconnect();
                    if begun.elapsed() >= STABLE {
                        backoff.reset();
                    }
                    let wait = backoff.next_wait();
                    let address = &self.options.address;
                    warn!(
                        "no connection to the broker at {address}: {why}; next try in {wait:.1?}"
                    );
                    if !self.pause(wait).await {
                        break;
                    }
                }
            }
        }
        self.close().await
    }

    /// Whether a result may come in: there is room for it, and there are more.
    pub(super) fn wants_input(&self) -> bool {
        self.input_is_open && !self.outbox.is_full()
    }

    /// Takes in what came through `input`, except the picture.
    pub(super) fn take(&mut self, field: Bytes, slide: Bytes) {
        self.outbox.push(field, Instant::now());
        self.slide.set(slide);
    }

    /// There will be no more results.
    pub(super) fn input_closed(&mut self) {
        self.input_is_open = false;
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        !self.input_is_open && self.outbox.len() == 0 && self.slide.is_settled()
    }

    /// Waits without a connection, taking results in. `false`: there is no point in another try.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while !self.is_done() {
            tokio::select! {
                () = sleep_until(until) => return true,
                () = self.give_up.cancelled() => return false,
                more = self.input.recv(), if self.wants_input() => match more {
                    // Without a connection a picture would be stale before it is sent.
                    Some(Publication { field, slide, .. }) => self.take(field, slide),
                    None => self.input_closed(),
                },
            }
        }
        false
    }

    /// Counts what is left; the analysis may still finish its last field.
    async fn close(mut self) -> Delivered {
        let mut undelivered = self.outbox.len() as u64;
        while self.input.recv().await.is_some() {
            undelivered += 1;
        }
        let delivered = Delivered {
            acknowledged: self.acknowledged,
            undelivered,
        };
        if undelivered > 0 {
            warn!("{undelivered} results were not delivered");
        } else {
            info!("all {} results are delivered", self.acknowledged);
        }
        debug!(?delivered);
        delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_value_is_delivered_and_a_reconnect_repeats_it() {
        let mut slide = Newest::default();
        assert!(slide.due().is_none() && slide.is_settled());
        slide.set("1".into());
        slide.set("2".into());
        let (revision, payload) = slide.due().unwrap();
        assert_eq!(payload, "2");
        slide.offer(revision);
        assert!(slide.due().is_none());
        slide.set("3".into());
        // The answer to an older value settles nothing.
        slide.answer(revision);
        assert!(!slide.is_settled());
        let (revision, _) = slide.due().unwrap();
        slide.offer(revision);
        slide.answer(revision);
        assert!(slide.is_settled() && slide.due().is_none());
        slide.reconnect();
        assert_eq!(slide.due().unwrap().1, "3");
        assert!(slide.is_settled());
    }
}
