//! Everything that goes over the wire or comes out of `analyze --json`.
//!
//! A payload names its schema in `schema` as `smearscope.<what>/<version>`; the version rises
//! only when a reader of the old one would misunderstand the new one. Readers ignore keys that
//! they don't know. A key that was added since the version began has `#[serde(default)]`: messages
//! of before don't have it, and so the JSON Schema that is made of the type doesn't require it
//! (`docs/wire/README.md` has the whole rule).

mod answer;
mod brief;
mod command;
mod health;
mod kept;
mod live;
mod model;
mod slide;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::geometry::Rect;
use crate::parasitemia::Counts;
use crate::segment::Other;
use crate::topic::DeviceId;

pub use answer::{FieldImage, Pong, Resent, WhichSlide};
pub use command::{
    Command, InvalidCommand, MAX_REQUEST_ID, NoArgs, Reply, ReplyCode, Request, RequestId, Resend,
    SlideNote, SlideStart,
};
pub use health::{
    BrokerHealth, CameraHealth, CameraState, DriftHealth, DriftState, Drops, FieldHealth, Gated,
    HealthMessage, Incident, StoreHealth, StoreState, Throttling,
};
pub use kept::{
    CellPictures, CellReviewed, CellsGet, CellsList, CellsListed, CellsReview, CellsShown, Decided,
    Decision, InvalidReviewer, KeptCell, KeptHealth, KeptReason, MAX_LISTED, MAX_REVIEWER,
    MAX_SHOWN, Reviewed, Reviewer,
};
pub use live::{LiveMessage, Verdict};
pub use model::{
    DesiredModel, InvalidDesired, InvalidModelHash, KeptModel, MAX_CHUNK, MAX_DESIRED, ModelEvent,
    ModelEventKind, ModelHash, ModelHistory, ModelList, ModelMessage, ModelOrigin, ModelRollback,
    ModelUpdate, ModelUse, ModelWatch, UpdateState, WhichModel,
};
pub use slide::{
    CoursePoint, FocusOfFields, InvalidNotes, InvalidSlideId, JoinedField, LeftOut, MAX_COURSE,
    MAX_NOTES, MAX_RECENT, MAX_SLIDE_ID, Notes, ParasitesPerUl, SlideId, SlideMessage, SlideModel,
    SlideState, TurnedAway,
};

/// What the model says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// `p_parasitized` is at or above the card's threshold.
    Parasitized,
    /// `p_parasitized` is below it.
    Uninfected,
}

/// A countable red cell with the model's opinion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellResult {
    /// Where it is in the field.
    pub bbox: Rect,
    /// The decision at the card's threshold.
    pub label: Label,
    /// The calibrated probability that it carries a parasite, 0 to 1.
    pub p_parasitized: f32,
    /// Whether it was counted in a field before, which this one overlaps: it is not counted again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counted_before: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Whether the picture can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// Sharpness, higher is sharper; see [`crate::segment::quality`] for its unit.
    #[schemars(
        description = "Sharpness, whatever light, stain and magnification: the variance of the green channel's Laplacian over that of the channel itself, in thousandths, where a cell is about 40 pixels wide. Sharp fields have 35 and more."
    )]
    pub focus: f32,
    /// Mean brightness of the brightest tenth of the green channel, 0 to 1.
    pub exposure: f32,
    /// Whether so many cells overlap that the count is doubtful.
    pub crowded: bool,
    /// The median diameter of the red cells in pixels of the picture, or about what it would be where they are
    /// too small to be counted; `null` where there are none.
    #[serde(default)]
    pub cell_diameter: Option<f32>,
    /// Whether the cells are too few pixels wide for the model, so that its opinions are doubtful.
    #[serde(default)]
    pub objective_too_low: bool,
}

/// Where the time of a field went, in milliseconds of wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimingMs {
    /// Finding the cells.
    pub segment: f64,
    /// Cutting and classifying them, over all workers.
    pub classify: f64,
    /// From pixels to result.
    pub total: f64,
}

/// One analysed picture: a line of `analyze --json`, and the heart of a [`FieldMessage`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldAnalysis {
    /// Width of the field in pixels.
    pub width: u32,
    /// Height of the field in pixels.
    pub height: u32,
    /// Whether the picture can be trusted.
    pub quality: Quality,
    /// Countable red cells only.
    pub cells: Vec<CellResult>,
    /// Platelets, white cells, debris and cells cut by the frame edge.
    pub others: Vec<Other>,
    /// What was seen in this field.
    pub counts: Counts,
    /// Where the time went.
    pub timing_ms: TimingMs,
}

/// Which model made a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelRef {
    /// The card's name.
    pub name: String,
    /// The card's version.
    pub version: String,
    /// SHA-256 of the .onnx file, in hex.
    pub sha256: String,
}

/// `field`: one analysed field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldMessage {
    /// [`FieldMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = FieldMessage::SCHEMA))]
    pub schema: String,
    /// UUIDv7, made once: a repeat of the message has the same id.
    pub id: Uuid,
    /// The board.
    pub device: DeviceId,
    /// Counts this device's fields from 1, without a gap as long as `series` stays the same.
    pub seq: u64,
    /// The numbering that `seq` belongs to. A new one begins where the board's store of results is new, lost, or out
    /// of order, so that no number is given twice. Nil in messages of before it existed.
    #[serde(default)]
    pub series: Uuid,
    /// The start of the program that numbered it.
    pub boot_id: Uuid,
    /// The slide that the field belongs to; `null` for a field that was seen while no slide was open.
    pub slide: Option<SlideId>,
    /// When the camera took the picture, not when it was sent.
    pub captured_at: Timestamp,
    /// Whether the board's clock was set by a network then; `null` where that can't be known, and from boards too old to
    /// say it.
    #[serde(default)]
    pub clock_synchronised: Option<bool>,
    /// Where the picture came from: a file name or a camera.
    pub source: String,
    /// What was found.
    #[serde(flatten)]
    pub analysis: FieldAnalysis,
    /// What of it joined the slide's count.
    pub counted: Counts,
    /// How it lies to the fields before it; `null` where it overlaps none, and where nobody looked, as in a replay.
    #[serde(default)]
    pub overlap: Option<FieldOverlap>,
    /// Which model decided.
    pub model: ModelRef,
}

/// How a field lies to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldOverlap {
    /// The largest part of it that was seen in one of those fields, 0 to 1.
    pub share: f32,
    /// How many of its cells were counted before, and so were not counted again.
    pub repeats: u64,
    /// Whether there may be an overlap that could not be made out for certain: nothing was taken off for it, so that cells
    /// may be counted twice.
    pub is_uncertain: bool,
}

impl FieldMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.field/1";
}

/// Whether a board is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Connected.
    Online,
    /// The broker lost it (the last will).
    Offline,
    /// Shut down in order.
    Stopped,
}

/// `status`, retained, and the last will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusMessage {
    /// [`StatusMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = StatusMessage::SCHEMA))]
    pub schema: String,
    /// Whether it is there.
    pub state: DeviceState,
    /// The board.
    pub device: DeviceId,
    /// The program's version.
    pub version: String,
    /// The model at work.
    pub model: ModelRef,
    /// Made anew at each start of the program.
    pub boot_id: Uuid,
}

impl StatusMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.status/1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_of_before_the_objective_was_judged_can_be_read() {
        let text = r#"{"focus":1.0,"exposure":0.9,"crowded":true}"#;
        let quality: Quality = serde_json::from_str(text).unwrap();
        assert!(quality.crowded && !quality.objective_too_low);
        assert_eq!(quality.cell_diameter, None);
    }

    #[test]
    fn a_field_message_reads_back_and_has_the_promised_shape() {
        let message = FieldMessage {
            schema: FieldMessage::SCHEMA.into(),
            id: Uuid::from_u128(7),
            device: "demo".parse().unwrap(),
            seq: 1,
            series: Uuid::from_u128(6),
            boot_id: Uuid::from_u128(8),
            slide: Some(Uuid::from_u128(9).into()),
            captured_at: Timestamp::UNIX_EPOCH,
            clock_synchronised: Some(false),
            source: "synthetic:1".into(),
            analysis: FieldAnalysis {
                width: 640,
                height: 480,
                quality: Quality {
                    focus: 1.0,
                    exposure: 0.9,
                    crowded: false,
                    cell_diameter: Some(80.0),
                    objective_too_low: false,
                },
                cells: vec![CellResult {
                    bbox: Rect::from([1, 2, 3, 4]),
                    label: Label::Parasitized,
                    p_parasitized: 0.75,
                    counted_before: false,
                }],
                others: vec![Other {
                    bbox: Rect::from([5, 6, 7, 8]),
                    kind: crate::segment::OtherKind::WhiteCell,
                }],
                counts: Counts {
                    cells: 1,
                    parasitized: 1,
                },
                timing_ms: TimingMs::default(),
            },
            counted: Counts {
                cells: 1,
                parasitized: 1,
            },
            overlap: None,
            model: ModelRef {
                name: "m".into(),
                version: "1".into(),
                sha256: "00".into(),
            },
        };
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json["cells"][0]["bbox"], serde_json::json!([1, 2, 3, 4]));
        assert_eq!(json["cells"][0]["label"], "parasitized");
        assert_eq!(json["others"][0]["kind"], "white_cell");
        assert_eq!(json["captured_at"], "1970-01-01T00:00:00Z");
        assert_eq!(json["quality"]["objective_too_low"], false);
        assert_eq!(
            serde_json::from_value::<FieldMessage>(json).unwrap(),
            message
        );
    }
}
