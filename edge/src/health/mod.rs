//! How the board is, for whoever asks: the broker (`health`), Prometheus, systemd.

pub mod machine;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use smearscope_common::message::{
    BrokerHealth, Drops, HealthMessage, KeptHealth, SlideMessage, StoreHealth, Throttling,
};
use smearscope_common::topic::DeviceId;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

use crate::control::Control;
use crate::kept::KeptCells;
use crate::models::Models;
use crate::pulse::Pulses;
use crate::store::Store;

/// What there is to know of a station at work.
pub struct Board {
    /// Its name.
    pub device: DeviceId,
    /// Its models.
    pub models: Arc<Models>,
    /// This start of the program.
    pub boot_id: Uuid,
    /// What the stages tell.
    pub control: Arc<Control>,
    /// Which of them are alive.
    pub pulses: Arc<Pulses>,
    /// Cells for a second look.
    pub kept: Arc<KeptCells>,
    store: Arc<Store>,
    started: Instant,
    started_at: Timestamp,
    link: Mutex<Link>,
    /// Whoever asks the store without waiting for it; one at a time, or those whom it leaves hanging pile up.
    asking: Arc<Semaphore>,
}

/// What the store tells, and the machine: what is read from files.
pub struct Stored {
    health: StoreHealth,
    drops: Drops,
    temperature_c: Option<f32>,
    throttled: Option<Vec<Throttling>>,
    memory_mb: Option<f64>,
    written_mb: Option<f64>,
    disk_free_mb: Option<f64>,
    cells: Option<KeptHealth>,
    /// The count of the slide at hand.
    pub slide: Option<SlideMessage>,
}

/// The connection to the broker.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Whether the broker has let us in.
    pub is_online: bool,
    /// What it said.
    pub health: BrokerHealth,
}

impl Board {
    /// A board that begins now.
    pub fn new(
        device: DeviceId,
        models: Arc<Models>,
        store: Arc<Store>,
        kept: Arc<KeptCells>,
    ) -> Self {
        Self {
            device,
            models,
            boot_id: Uuid::now_v7(),
            control: Arc::default(),
            pulses: Arc::default(),
            kept,
            store,
            started: Instant::now(),
            started_at: Timestamp::now(),
            link: Mutex::default(),
            asking: Arc::new(Semaphore::new(1)),
        }
    }

    /// Changes what is known of the connection, or reads it.
    pub fn link<R>(&self, change: impl FnOnce(&mut Link) -> R) -> R {
        // Each change is whole by itself: a panic leaves nothing half done.
        change(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long the program runs.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When it began, by the board's clock.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Asks the store and the machine, and blocks while the store writes.
    pub fn stored(&self) -> Stored {
        let (health, drops) = self.store.health();
        let folder = self.store.folder();
        Stored {
            health,
            drops,
            temperature_c: machine::temperature_c(),
            throttled: machine::throttled(),
            memory_mb: machine::memory_mb(),
            written_mb: machine::written_mb(),
            disk_free_mb: folder.and_then(|folder| machine::disk_free_mb(&folder)),
            cells: self.kept.health(),
            slide: self.slide(),
        }
    }

    /// The count of the slide at hand, with what was decided of its cells.
    pub fn slide(&self) -> Option<SlideMessage> {
        let mut slide = self.store.slide()?;
        slide.reviewed = self.kept.reviewed(&slide);
        Some(slide)
    }

    /// Asks the store, and waits no longer than `patience`; `None` while it hangs.
    pub async fn stored_within(self: &Arc<Self>, patience: Duration) -> Option<Stored> {
        let board = Arc::clone(self);
        let asked = async {
            let turn = Arc::clone(&board.asking).acquire_owned().await.ok()?;
            let stored = spawn_blocking(move || {
                let stored = board.stored();
                drop(turn);
                stored
            });
            stored.await.ok()
        };
        timeout(patience, asked).await.ok().flatten()
    }

    /// How everything is.
    pub fn health(&self, stored: &Stored) -> HealthMessage {
        let (camera, fields) = self.control.health();
        HealthMessage {
            schema: HealthMessage::SCHEMA.into(),
            device: self.device.clone(),
            boot_id: self.boot_id,
            at: Timestamp::now(),
            uptime_s: self.uptime().as_secs(),
            camera,
            fields,
            store: stored.health.clone(),
            drops: stored.drops,
            broker: self.link(|link| link.health.clone()),
            temperature_c: stored.temperature_c,
            throttled: stored.throttled.clone(),
            memory_mb: stored.memory_mb,
            written_mb: stored.written_mb,
            disk_free_mb: stored.disk_free_mb,
            cells: stored.cells.clone(),
            drift: self.control.drifted(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::kept::tests::in_memory;
    use crate::store::tests::store_in_memory;

    /// A board that has seen nothing yet.
    pub fn board() -> Board {
        with_store(Arc::new(store_in_memory()))
    }

    /// A board with this store.
    pub fn with_store(store: Arc<Store>) -> Board {
        with_models(Models::idle(), store)
    }

    /// A board with these models and this store.
    pub fn with_models(models: Models, store: Arc<Store>) -> Board {
        let device = "scope-1".parse().unwrap();
        Board::new(device, Arc::new(models), store, Arc::new(in_memory()))
    }
}
