//! Keeps a connection up and gives it what is to be published, until everything is delivered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use smearscope_common::message::{CameraState, Incident, LiveMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::command::Commands;
use super::newest::Newest;
use super::outbox::Outbox;
use super::replies::Replies;
use super::session::{Ended, Session};
use super::{Options, Picture, to_json};
use crate::control::Sight;
use crate::health::Board;
use crate::models::Door;
use crate::pulse::{BEAT, Pulse};
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
    /// What is said of the models.
    pub(super) model: Newest,
    pub(super) model_changes: watch::Receiver<()>,
    /// The connection's side of updates of models.
    pub(super) door: Door,
    /// Its other side is gone: a failure of its own, and no reason to deliver no results.
    pub(super) has_no_updates: bool,
    pub(super) replies: Replies,
    pub(super) commands: Commands,
    pub(super) board: Arc<Board>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) changes: watch::Receiver<()>,
    /// Closed by the analysis when it has no more.
    pub(super) pictures: mpsc::Receiver<Picture>,
    pub(super) ends: Ends,
    /// Since when the broker has us, in this connection.
    pub(super) online_since: Option<Instant>,
    pub(super) sights: watch::Receiver<Option<Sight>>,
    is_fed: bool,
}

impl Delivery {
    /// Publishes what the store has, until `pictures` is closed and everything is acknowledged, or until there is no more
    /// time.
    pub fn new(
        options: Options,
        store: Arc<Store>,
        board: Arc<Board>,
        pulse: Arc<Pulse>,
        commands: Commands,
        door: Door,
        pictures: mpsc::Receiver<Picture>,
        ends: Ends,
    ) -> Self {
        let mut slide = Newest::default();
        slide.set(board.slide().as_ref().map(to_json));
        let mut model = Newest::default();
        model.set(Some(of_models(&board)));
        Self {
            model,
            model_changes: board.models.changes(),
            door,
            has_no_updates: false,
            outbox: Outbox::new(Arc::clone(&store)),
            changes: store.changes(),
            options,
            store,
            slide,
            replies: Replies::default(),
            commands,
            pulse,
            pictures,
            ends,
            online_since: None,
            sights: board.control.sights(),
            board,
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
                    self.note_refusal(why.clone());
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
        self.slide.set(self.board.slide().as_ref().map(to_json));
    }

    /// Another model decides, or there is news of one.
    pub(super) fn models_changed(&mut self) {
        self.model.set(Some(of_models(&self.board)));
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&mut self) -> bool {
        !self.is_fed
            && self.replies.is_empty()
            && self.slide.is_settled()
            && self.model.is_settled()
            && tokio::task::block_in_place(|| self.outbox.is_empty())
    }

    /// How everything is.
    pub(super) fn health(&self) -> Bytes {
        to_json(&self.board.health(&self.board.stored()))
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
            is_analysing: !self.board.control.is_free(),
        };
        Some((sight.camera, to_json(&live)))
    }

    fn disconnected(&mut self) {
        self.board.link(|link| link.is_online = false);
        tokio::task::block_in_place(|| self.store.flush());
        self.outbox.reconnect();
        self.slide.reconnect();
        self.model.reconnect();
        self.replies.reconnect();
    }

    fn lost(&mut self, why: &str, wait: Duration) {
        let address = &self.options.address;
        warn!("no connection to the broker at {address}: {why}; next try in {wait:.1?}");
        self.board
            .link(|link| link.health.last_loss = Some(incident(why.into())));
    }

    /// The broker doesn't take something, or doesn't let us in.
    pub(super) fn note_refusal(&self, reason: String) {
        self.board.link(|link| {
            link.health.refused += 1;
            link.health.last_refusal = Some(incident(reason));
        });
    }

    /// Waits without a connection. `false`: there is no point in another try.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let Ends { stop, give_up } = self.ends.clone();
        while !self.is_done() {
            self.pulse.beat();
            // What waits will be delivered after the next start: no reason to wait for a broker that isn't there.
            if stop.is_cancelled() && !self.is_fed && self.store.is_lasting() {
                return false;
            }
            tokio::select! {
                () = sleep_until(until) => return true,
                () = sleep(BEAT) => {}
                () = give_up.cancelled() => return false,
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                changed = self.changes.changed() => if changed.is_ok() {
                    tokio::task::block_in_place(|| self.store_changed());
                },
                changed = self.model_changes.changed() => if changed.is_ok() {
                    self.models_changed();
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
        while self
            .pulse
            .while_waiting(self.pictures.recv())
            .await
            .is_some()
        {}
        let (health, _) = tokio::task::block_in_place(|| {
            self.store.flush();
            self.store.health()
        });
        let delivered = Delivered {
            acknowledged: self.board.link(|link| link.health.acknowledged),
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

/// What is said of the models.
fn of_models(board: &Board) -> Bytes {
    to_json(&board.models.message(&board.device, board.boot_id))
}

/// Something that happened now.
pub(super) fn incident(reason: String) -> Incident {
    Incident {
        at: Timestamp::now(),
        reason,
    }
}
