//! Keeps a connection up and gives it what is to be published, until everything is delivered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use smearscope_common::message::{BrokerHealth, CameraState, HealthMessage, Incident, LiveMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::command::Commands;
use super::newest::Newest;
use super::outbox::Outbox;
use super::replies::Replies;
use super::session::{Ended, Session};
use super::{Options, Picture, to_json};
use crate::control::{Control, Sight};
use crate::health;
use crate::store::Store;

/// A connection that has held for so long was no accident: the next wait is short again.
const STABLE: Duration = Duration::from_secs(10);

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Results that the broker has accepted.
    pub acknowledged: u64,
    /// Results that it has not.
    pub waiting: u64,
    /// Whether those wait for the next start of the program.
    pub is_lasting: bool,
}

/// What a delivery ends by.
#[derive(Clone)]
pub struct Ends {
    /// There will be no more results, by wish.
    pub stop: CancellationToken,
    /// No more time for what is not delivered.
    pub give_up: CancellationToken,
}

/// What is to be delivered, and what has been.
pub struct Delivery {
    pub(super) options: Options,
    pub(super) store: Arc<Store>,
    pub(super) outbox: Outbox,
    pub(super) slide: Newest,
    pub(super) replies: Replies,
    pub(super) commands: Commands,
    pub(super) broker: BrokerHealth,
    pub(super) changes: watch::Receiver<()>,
    /// Closed by the analysis when it has no more.
    pub(super) pictures: mpsc::Receiver<Picture>,
    pub(super) ends: Ends,
    /// Since when the broker has us, in this connection.
    pub(super) online_since: Option<Instant>,
    pub(super) sights: watch::Receiver<Option<Sight>>,
    control: Arc<Control>,
    is_fed: bool,
}

impl Delivery {
    /// Publishes what the store has, until `pictures` is closed and everything is acknowledged, or until there is no more
    /// time.
    pub fn new(
        options: Options,
        store: Arc<Store>,
        control: Arc<Control>,
        commands: Commands,
        pictures: mpsc::Receiver<Picture>,
        ends: Ends,
    ) -> Self {
        let mut slide = Newest::default();
        slide.set(store.slide().as_ref().map(to_json));
        Self {
            outbox: Outbox::new(Arc::clone(&store)),
            changes: store.changes(),
            options,
            store,
            slide,
            replies: Replies::default(),
            commands,
            broker: BrokerHealth::default(),
            pictures,
            ends,
            online_since: None,
            sights: control.sights(),
            control,
            is_fed: true,
        }
    }

    /// Delivers. A broker that is not there is tried again for as long as it takes.
    pub async fn run(mut self) -> Delivered {
        let mut backoff = Backoff::default();
        loop {
            self.online_since = None;
            match Session::open(&mut self).run().await {
                Ended::Finished => break,
                Ended::Lost(why) => {
                    self.disconnected();
                    if self.online_since.is_some_and(|at| at.elapsed() >= STABLE) {
                        backoff.reset();
                    }
                    let wait = backoff.next_wait();
                    self.lost(&why, wait);
                    if !self.pause(wait).await {
                        break;
                    }
                }
                Ended::Refused(why) => {
                    self.disconnected();
                    let wait = backoff.next_wait_refused();
                    self.broker.refused += 1;
                    self.broker.last_refusal = Some(incident(why.clone()));
                    self.lost(&why, wait);
                    if !self.pause(wait).await {
                        break;
                    }
                }
            }
        }
        self.close().await
    }

    /// Whether more pictures may come.
    pub(super) fn is_fed(&self) -> bool {
        self.is_fed
    }

    /// There will be no more results.
    pub(super) fn input_closed(&mut self) {
        self.is_fed = false;
    }

    /// The store has changed: there may be more results, and another slide.
    pub(super) fn store_changed(&mut self) {
        self.outbox.changed();
        self.slide.set(self.store.slide().as_ref().map(to_json));
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&mut self) -> bool {
        !self.is_fed
            && self.replies.is_empty()
            && self.slide.is_settled()
            && tokio::task::block_in_place(|| self.outbox.is_empty())
    }

    /// How everything is.
    pub(super) fn health(&self) -> Bytes {
        let (camera, fields) = self.control.health();
        let (store, drops) = self.store.health();
        to_json(&HealthMessage {
            schema: HealthMessage::SCHEMA.into(),
            device: self.options.device.clone(),
            boot_id: self.options.boot_id,
            at: Timestamp::now(),
            uptime_s: self.commands.uptime().as_secs(),
            camera,
            fields,
            store,
            drops,
            broker: self.broker.clone(),
            temperature_c: health::temperature_c(),
            memory_mb: health::memory_mb(),
            disk_free_mb: self
                .store
                .folder()
                .and_then(|folder| health::disk_free_mb(&folder)),
        })
    }

    /// What a live camera sees now, and what it does; `None` where there is none.
    pub(super) fn live(&mut self) -> Option<(CameraState, Bytes)> {
        let sight = self.sights.borrow_and_update().clone()?;
        let live = LiveMessage {
            schema: LiveMessage::SCHEMA.into(),
            device: self.options.device.clone(),
            boot_id: self.options.boot_id,
            at: Timestamp::now(),
            camera: sight.camera,
            focus: sight.focus,
            exposure: sight.exposure,
            verdict: sight.verdict,
            reason: sight.reason,
            is_analysing: !self.control.is_free(),
        };
        Some((sight.camera, to_json(&live)))
    }

    fn disconnected(&mut self) {
        tokio::task::block_in_place(|| self.store.flush());
        self.outbox.reconnect();
        self.slide.reconnect();
        self.replies.reconnect();
    }

    fn lost(&mut self, why: &str, wait: Duration) {
        let address = &self.options.address;
        warn!("no connection to the broker at {address}: {why}; next try in {wait:.1?}");
        self.broker.last_loss = Some(incident(why.into()));
    }

    /// Waits without a connection. `false`: there is no point in another try.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let Ends { stop, give_up } = self.ends.clone();
        while !self.is_done() {
            // What waits will be delivered after the next start: no reason to wait for a broker that isn't there.
            if stop.is_cancelled() && !self.is_fed && self.store.is_lasting() {
                return false;
            }
            tokio::select! {
                () = sleep_until(until) => return true,
                () = give_up.cancelled() => return false,
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                changed = self.changes.changed() => if changed.is_ok() {
                    tokio::task::block_in_place(|| self.store_changed());
                },
                // Without a connection a picture would be stale before it is sent.
                more = self.pictures.recv(), if self.is_fed => if more.is_none() {
                    self.input_closed();
                },
            }
        }
        false
    }

    /// Counts what is left; the analysis may still finish its last field.
    async fn close(mut self) -> Delivered {
        while self.pictures.recv().await.is_some() {}
        self.store.flush();
        let (health, _) = self.store.health();
        let delivered = Delivered {
            acknowledged: self.broker.acknowledged,
            waiting: health.pending,
            is_lasting: self.store.is_lasting(),
        };
        match delivered.waiting {
            0 => info!("all {} results are delivered", delivered.acknowledged),
            n if delivered.is_lasting => {
                info!("{n} results wait in the store for the next start");
            }
            n => warn!("{n} results were not delivered"),
        }
        debug!(?delivered);
        delivered
    }
}

/// Something that happened now.
pub(super) fn incident(reason: String) -> Incident {
    Incident {
        at: Timestamp::now(),
        reason,
    }
}
