//! MQTT topic names. All of a device's topics stand below `smearscope/<device>/`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// QoS 1, to the board: what to do.
    Command,
    /// QoS 1: the answer to a command that named no response topic.
    CommandReply,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Status,
        Self::Field,
        Self::Slide,
        Self::SlideReport,
        Self::Health,
        Self::ImageField,
        Self::Live,
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
            Self::Command => "command",
            Self::CommandReply => "command/reply",
        }
    }
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
}
