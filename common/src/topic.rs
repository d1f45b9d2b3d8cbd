//! MQTT topic names. All of a device's topics stand below `smearscope/<device>/`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::ModelHash;

/// What the topics of models' bytes begin with. So no board may be called `models`.
const MODELS: &str = "smearscope/models/";

/// The name of a board on the wire: 1 to 64 of `A–Z a–z 0–9 _ -`, so that it can never
/// break out of its place in a topic.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9_-]{1,64}$"))]
pub struct DeviceId(String);

/// A device id with a forbidden character or length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("device id {0:?} is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidDeviceId(String);

impl FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let fits = (1..=64).contains(&s.len())
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidDeviceId(s.to_owned()))
        }
    }
}

impl TryFrom<String> for DeviceId {
    type Error = InvalidDeviceId;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of a device's topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Retained, QoS 1: is the board there?
    Status,
    /// QoS 1: one analysed field.
    Field,
    /// Retained, QoS 1: the running count of the slide.
    Slide,
    /// QoS 1: the count of a closed slide.
    SlideReport,
    /// Retained, QoS 0: how the board itself is.
    Health,
    /// QoS 0: JPEG of the last field.
    ImageField,
    /// QoS 0: what the camera sees now.
    Live,
    /// Retained, QoS 1: which model decides, and what becomes of the desired one.
    Model,
    /// Retained, QoS 1, to the board: the model to take.
    ModelDesired,
    /// QoS 1, to the board: what to do.
    Command,
    /// QoS 1: the answer to a command that named no response topic.
    CommandReply,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Field,
        Self::Slide,
        Self::SlideReport,
        Self::Health,
        Self::ImageField,
        Self::Live,
        Self::Model,
        Self::ModelDesired,
        Self::Command,
        Self::CommandReply,
    ];

    /// The full topic name for a device.
    pub fn of(self, device: &DeviceId) -> String {
        format!("smearscope/{device}/{}", self.leaf())
    }

    /// The part of the topic name after the device.
    pub fn leaf(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Field => "field",
            Self::Slide => "slide",
            Self::SlideReport => "slide/report",
            Self::Health => "health",
            Self::ImageField => "image/field",
            Self::Live => "live",
            Self::Model => "model",
            Self::ModelDesired => "model/desired",
            Self::Command => "command",
            Self::CommandReply => "command/reply",
        }
    }
}

/// Where a chunk of a model's file is, counted from 0: the same for all boards.
pub fn model_chunk(model: &ModelHash, number: u32) -> String {
    format!("{MODELS}{model}/{number}")
}

/// The model and the number of a chunk's topic; `None` for any other topic.
pub fn of_model_chunk(topic: &str) -> Option<(ModelHash, u32)> {
    let (model, number) = topic.strip_prefix(MODELS)?.split_once('/')?;
    let (model, number): (ModelHash, u32) = (model.parse().ok()?, number.parse().ok()?);
    // One number is written in one way only.
    (model_chunk(&model, number) == topic).then_some((model, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_cannot_leave_their_topic() {
        for bad in ["", "a/b", "#", "+", "é", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
        }
        let device: DeviceId = "lab-3_A".parse().unwrap();
        assert_eq!(Topic::Field.of(&device), "smearscope/lab-3_A/field");
        assert_eq!(
            Topic::ImageField.of(&device),
            "smearscope/lab-3_A/image/field"
        );
    }

    #[test]
    fn a_chunk_has_one_topic() {
        let model: ModelHash = "0123456789abcdef".repeat(4).parse().unwrap();
        let topic = model_chunk(&model, 12);
        assert_eq!(topic, format!("smearscope/models/{model}/12"));
        assert_eq!(of_model_chunk(&topic), Some((model.clone(), 12)));
        for bad in ["+12", "012", "-1", "", "1/2", "4294967296"] {
            let topic = format!("smearscope/models/{model}/{bad}");
            assert_eq!(of_model_chunk(&topic), None, "{bad}");
        }
        assert_eq!(of_model_chunk("smearscope/models/12/1"), None);
    }
}
