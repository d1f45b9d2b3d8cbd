//! What a command gives: the `result` of a [`super::Reply`] that is `ok`.
//!
//! Commands that are not named here give an empty object.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SlideId;

/// Of `slide.start` and `slide.stop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhichSlide {
    /// The slide that was begun, or closed.
    pub slide: SlideId,
}

/// Of `image.get`. The picture itself is published on `image/field`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldImage {
    /// The field that it shows.
    pub field_id: Uuid,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Of `results.resend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resent {
    /// How many results are published once more.
    pub resent: u64,
    /// How many of those that were asked for the board doesn't have any more, or never had.
    pub missing: u64,
}

/// Of `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The program's version.
    pub version: String,
    /// What time it is, by the board's clock.
    pub at: Timestamp,
    /// Seconds since the program was started.
    pub uptime_s: u64,
    /// This start of the program.
    pub boot_id: Uuid,
}
