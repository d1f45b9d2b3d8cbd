//! `live`: what a camera sees now.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CameraState;
use crate::topic::DeviceId;

/// What is said of a frame before it is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing in it.
    Blank,
    /// Too little light.
    TooDark,
    /// So much light that it is burnt out.
    TooBright,
    /// Not sharp.
    OutOfFocus,
    /// The slide moves, or has not stood still for long enough.
    Moving,
    /// Cells on top of each other nearly everywhere.
    Crowded,
    /// A field that was analysed before.
    SeenBefore,
    /// Fit to be analysed.
    New,
}

impl Verdict {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::TooDark => "too_dark",
            Self::TooBright => "too_bright",
            Self::OutOfFocus => "out_of_focus",
            Self::Moving => "moving",
            Self::Crowded => "crowded",
            Self::SeenBefore => "seen_before",
            Self::New => "new",
        }
    }
}

/// `live`, not retained, some times a second while a camera runs: for the person at the microscope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveMessage {
    /// [`LiveMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = LiveMessage::SCHEMA))]
    pub schema: String,
    /// The board.
    pub device: DeviceId,
    /// This start of the program.
    pub boot_id: Uuid,
    /// When this was true, by the board's clock.
    pub at: Timestamp,
    /// What the camera does.
    pub camera: CameraState,
    /// Sharpness of the frame, in the unit of a field's `quality.focus`; `null` where there is no frame.
    pub focus: Option<f32>,
    /// The light between the cells, in the unit of a field's `quality.exposure`; `null` where there is no frame.
    pub exposure: Option<f32>,
    /// What is said of the frame; `null` where there is none, or frames are not judged.
    pub verdict: Option<Verdict>,
    /// The same in words, for the person at the microscope: what to do.
    pub reason: String,
    /// Whether a field is being analysed: the next one is taken after it.
    pub is_analysing: bool,
}

impl LiveMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.live/1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_has_one_word_everywhere() {
        use Verdict::{Blank, Crowded, Moving, New, OutOfFocus, SeenBefore, TooBright, TooDark};
        for verdict in [
            Blank, TooDark, TooBright, OutOfFocus, Moving, Crowded, SeenBefore, New,
        ] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
        }
    }
}
