//! How the board is, for whoever asks: the broker (`health`), Prometheus, systemd.

pub mod machine;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use smearscope_common::message::{BrokerHealth, HealthMessage, ModelRef, SlideMessage};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

use crate::control::Control;
use crate::pulse::Pulses;
use crate::store::Store;

/// What there is to know of a station at work.
pub struct Board {
    /// Its name.
    pub device: DeviceId,
    /// The model at work.
    pub model: ModelRef,
    /// This start of the program.
    pub boot_id: Uuid,
    /// What the stages tell.
    pub control: Arc<Control>,
    /// Which of them are alive.
    pub pulses: Arc<Pulses>,
    store: Arc<Store>,
    started: Instant,
    link: Mutex<Link>,
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
    pub fn new(device: DeviceId, model: ModelRef, store: Arc<Store>) -> Self {
        Self {
            device,
            model,
            boot_id: Uuid::now_v7(),
            control: Arc::default(),
            pulses: Arc::default(),
            store,
            started: Instant::now(),
            link: Mutex::default(),
        }
    }

    /// Changes what is known of the connection, or reads it.
    pub fn link<R>(&self, change: impl FnOnce(&mut Link) -> R) -> R {
        // Each change is whole by itself: a panic leaves nothing half done.
        change(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The count of the slide at hand.
    pub fn slide(&self) -> Option<SlideMessage> {
        self.store.slide()
    }

    /// How everything is. It asks the store, and blocks while that writes.
    pub fn health(&self) -> HealthMessage {
        let (camera, fields) = self.control.health();
        let (store, drops) = self.store.health();
        let folder = self.store.folder();
        HealthMessage {
            schema: HealthMessage::SCHEMA.into(),
            device: self.device.clone(),
            boot_id: self.boot_id,
            at: Timestamp::now(),
            uptime_s: self.started.elapsed().as_secs(),
            camera,
            fields,
            store,
            drops,
            broker: self.link(|link| link.health.clone()),
            temperature_c: machine::temperature_c(),
            throttled: machine::throttled(),
            memory_mb: machine::memory_mb(),
            written_mb: machine::written_mb(),
            disk_free_mb: folder.and_then(|folder| machine::disk_free_mb(&folder)),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::store::tests::store_in_memory;

    /// A board that has seen nothing yet.
    pub fn board() -> Board {
        let model = ModelRef {
            name: "test".into(),
            version: "1".into(),
            sha256: "00".into(),
        };
        let device = "scope-1".parse().unwrap();
        Board::new(device, model, Arc::new(store_in_memory()))
    }
}
