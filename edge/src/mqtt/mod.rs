//! Results → broker, commands → board, over MQTT 5.
//!
//! `status` is retained, `offline` is the last will, `online` follows an accepted CONNACK, `stopped` precedes an orderly
//! DISCONNECT. `field` and `slide/report` (QoS 1) come from the store by way of the [`outbox`]: a message leaves it only
//! when the broker has acknowledged it. `slide` (QoS 1, retained) has only a newest value. `health` (QoS 0, retained) goes
//! out each half minute, `image/field` (QoS 0) while connected or not at all; its user property `field_id` says which
//! field it shows. [`command`] is the door by which commands come in.
//!
//! rumqttc is used for one connection at a time, each with an event loop of its own: what its loop would carry over from a
//! lost connection is ours to offer again.

mod address;
mod announce;
mod backoff;
mod command;
mod connect;
mod delivery;
pub mod discovery;
mod newest;
mod outbox;
mod refusal;
mod replies;
mod session;
mod tls;
mod transport;
mod window;

use bytes::Bytes;
use smearscope_common::message::{DeviceState, ModelRef, StatusMessage};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

use crate::named_file::Secret;

pub use address::{Address, InvalidAddress, is_loopback_name};
pub use announce::announcements;
pub use command::Commands;
pub use delivery::{Delivered, Delivery, Ends};
pub use tls::{ClientIdentity, Trust};
pub use transport::{BrokerUrl, DEFAULT_PATH, Protocol, Transport, check_path};

/// A user name with its password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password; empty where the broker asks for none.
    pub password: Secret,
}

/// Where and as whom to publish.
#[derive(Clone)]
pub struct Options {
    /// The broker.
    pub address: Address,
    /// How to get there.
    pub transport: Transport,
    /// Who we say we are to the broker.
    pub credentials: Option<Credentials>,
    /// The board.
    pub device: DeviceId,
    /// This start of the program.
    pub boot_id: Uuid,
    /// Retained messages of others' making by their whole topic, such as Home Assistant's discovery; an empty one removes
    /// what was there.
    pub announcements: Vec<(String, Bytes)>,
}

impl Options {
    fn status(&self, state: DeviceState, model: ModelRef) -> Bytes {
        to_json(&StatusMessage {
            schema: StatusMessage::SCHEMA.into(),
            state,
            device: self.device.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            model,
            boot_id: self.boot_id,
        })
    }
}

/// The picture of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Which field it shows.
    pub field_id: Uuid,
    /// JPEG.
    pub jpeg: Bytes,
}

/// A message as JSON.
pub fn to_json<T: serde::Serialize>(message: &T) -> Bytes {
    // Every message type of ours has string keys and no fallible serializer.
    serde_json::to_vec(message)
        .expect("a message type serialises")
        .into()
}
