//! Results → broker, over MQTT 5.
//!
//! `status` is retained, `offline` is the last will, `online` follows an accepted CONNACK,
//! `stopped` precedes an orderly DISCONNECT. `field` (QoS 1) comes from the [`outbox`]: a result
//! leaves it only when the broker has acknowledged it. `slide` (QoS 1, retained) has only a newest
//! value. `image/field` (QoS 0) goes out while connected or not at all; its user property
//! `field_id` says which field it shows.
//!
//! rumqttc is used for one connection at a time, each with an event loop of its own: what its
//! loop would carry over from a lost connection is ours to offer again.

mod address;
mod backoff;
mod connect;
mod delivery;
#[cfg_attr(not(test), expect(dead_code, reason = "the session is to publish it"))]
mod discovery;
mod outbox;
mod session;
mod window;

use std::num::NonZeroUsize;

use bytes::Bytes;
use smearscope_common::message::{DeviceState, ModelRef, StatusMessage};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

pub use address::Address;
pub use delivery::{Delivered, Delivery};

/// How many results wait for the broker before the pipeline does, where nothing else is said.
pub const OUTBOX: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");

/// A user name with its password.
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password; empty where the broker asks for none.
    pub password: String,
}

/// Where and as whom to publish.
#[derive(Clone)]
pub struct Options {
    /// The broker.
    pub address: Address,
    /// Who we say we are to the broker.
    pub credentials: Option<Credentials>,
    /// The board.
    pub device: DeviceId,
    /// The model at work.
    pub model: ModelRef,
    /// This start of the program.
    pub boot_id: Uuid,
    /// How many results may wait.
    pub outbox: NonZeroUsize,
}

impl Options {
    fn status(&self, state: DeviceState) -> Bytes {
        to_json(&StatusMessage {
            schema: StatusMessage::SCHEMA.into(),
            state,
            device: self.device.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            model: self.model.clone(),
            boot_id: self.boot_id,
        })
    }
}

/// What an analysed field gives to publish.
pub struct Publication {
    /// The field's id.
    pub field_id: Uuid,
    /// `field`.
    pub field: Bytes,
    /// `slide`, with this field counted.
    pub slide: Bytes,
    /// `image/field`, where one is due.
    pub image: Option<Bytes>,
}

/// A message as JSON.
pub fn to_json<T: serde::Serialize>(message: &T) -> Bytes {
    // Every message type of ours has string keys and no fallible serializer.
    serde_json::to_vec(message)
        .expect("a message type serialises")
        .into()
}
