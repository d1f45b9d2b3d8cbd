//! `health`: how the board itself is.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::KeptHealth;
use crate::drift::Measured;
use crate::topic::DeviceId;

/// `health`, retained, each 30 seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthMessage {
    /// [`HealthMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = HealthMessage::SCHEMA))]
    pub schema: String,
    /// The board.
    pub device: DeviceId,
    /// This start of the program.
    pub boot_id: Uuid,
    /// When this was true, by the board's clock.
    pub at: Timestamp,
    /// Seconds since the program was started.
    pub uptime_s: u64,
    /// Where fields come from.
    pub camera: CameraHealth,
    /// What became of them.
    pub fields: FieldHealth,
    /// The results that wait for the broker, and those that are kept.
    pub store: StoreHealth,
    /// Results that nobody will ever get, by cause.
    pub drops: Drops,
    /// The connection to the broker.
    pub broker: BrokerHealth,
    /// The hottest of the board's sensors in °C; `null` where it has none.
    pub temperature_c: Option<f32>,
    /// What slows the processor down now, or undermines it; `null` where nothing tells, as on an ordinary computer.
    #[serde(default)]
    pub throttled: Option<Vec<Throttling>>,
    /// Memory of the program in megabytes.
    pub memory_mb: Option<f64>,
    /// What the program has written to disks since it was started, in megabytes: an SD card wears out.
    #[serde(default)]
    pub written_mb: Option<f64>,
    /// Room on the disk of the results in megabytes; `null` where they are in memory.
    pub disk_free_mb: Option<f64>,
    /// The cells that wait for a second look; `null` where none are kept.
    #[serde(default)]
    pub cells: Option<KeptHealth>,
    /// Whether the slides still look like those that the model knows; `null` where its card doesn't say what those look like.
    #[serde(default)]
    pub drift: Option<DriftHealth>,
}

impl HealthMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.health/1";
}

/// Whether the slides look like those that the model was taught or validated with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriftHealth {
    /// What the measures come to.
    pub state: DriftState,
    /// The fields that were looked at: the last ones.
    pub fields: u64,
    /// The uninfected cells of these.
    pub cells: u64,
    /// Each measure beside its usual range.
    pub measures: Vec<Measured>,
}

impl DriftHealth {
    /// Before anything was seen.
    pub fn unknown() -> Self {
        Self {
            state: DriftState::TooFew,
            fields: 0,
            cells: 0,
            measures: Vec::new(),
        }
    }
}

/// What the measures of [`DriftHealth`] come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftState {
    /// Too few cells were seen yet to tell.
    #[default]
    TooFew,
    /// All are within their ranges.
    Fits,
    /// One at least is not: figures may mislead.
    Drifted,
}

/// What slows a board's processor down, or undermines it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Throttling {
    /// The power supply is too weak: results may be lost with the next drop of the voltage, and cards are damaged so.
    UnderVoltage,
    /// The processor's highest rate is capped.
    FrequencyCapped,
    /// The processor is slowed down.
    Throttled,
    /// The temperature has passed the soft limit.
    TemperatureLimit,
}

/// Where fields come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraHealth {
    /// What it does.
    pub state: CameraState,
    /// The last field's source: a file name or a camera.
    pub source: Option<String>,
    /// Fields per minute over the last minutes; `null` before the second field.
    pub fields_per_minute: Option<f64>,
    /// What a live camera delivers: pixel format, size and rate, such as `YUYV 1280x960 30 fps`; `null` while it delivers
    /// nothing, and where fields come from files.
    #[serde(default)]
    pub format: Option<String>,
    /// Why there is no picture; `null` where there is.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Frames that a live camera gave since the program was started.
    #[serde(default)]
    pub frames: u64,
    /// Frames that the driver says it lost. Those that nobody needed are none of them.
    #[serde(default)]
    pub lost_frames: u64,
    /// Frames that could not be decoded, or that the driver marked as faulty.
    #[serde(default)]
    pub faulty_frames: u64,
    /// How often the camera was opened anew after it had been lost.
    #[serde(default)]
    pub reopened: u64,
}

/// What a camera does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// It takes fields.
    #[default]
    Running,
    /// `capture.pause` was sent.
    Paused,
    /// There are no more fields.
    Ended,
    /// It can't be used now: unplugged, busy or broken. It is tried again.
    Lost,
}

/// What became of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldHealth {
    /// Fields analysed since the program was started.
    pub analysed: u64,
    /// Sharpness of the last one, in the unit of a field's `quality.focus`.
    pub focus: Option<f32>,
    /// What became of the frames of a live camera that were looked at, since the program was started.
    #[serde(default)]
    pub gated: Gated,
    /// Cells that were not counted again because a field before had them.
    #[serde(default)]
    pub repeats: u64,
    /// Fields whose overlap with those before could not be made out for certain.
    #[serde(default)]
    pub uncertain_overlaps: u64,
}

/// Frames that were looked at, by what was said of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gated {
    /// Nothing in them.
    pub blank: u64,
    /// Too little light.
    pub too_dark: u64,
    /// So much light that it is burnt out.
    pub too_bright: u64,
    /// Not sharp.
    pub out_of_focus: u64,
    /// The slide moved, or had not stood still for long enough.
    pub moving: u64,
    /// Cells on top of each other nearly everywhere.
    pub crowded: u64,
    /// A field that was analysed before.
    pub seen_before: u64,
    /// Fit to be analysed. Only some are: the next one is taken when the one before is done.
    pub new: u64,
}

/// Where results are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// On the disk: they survive the loss of power.
    Disk,
    /// In memory, as in `demo`, or because the disk can't take them.
    #[default]
    Memory,
}

/// The results on the board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreHealth {
    /// Where they are.
    pub state: StoreState,
    /// Why the disk can't take them; `null` where it does or isn't meant to.
    pub trouble: Option<String>,
    /// Damaged files that were set aside since the program was started.
    pub set_aside: Vec<String>,
    /// Results that the broker has not acknowledged.
    pub pending: u64,
    /// Their size in bytes.
    pub pending_bytes: u64,
    /// Acknowledged results that can be sent again.
    pub kept: u64,
    /// The numbering of new results.
    pub series: Uuid,
    /// The last number given; 0 before the first.
    pub last_seq: u64,
}

/// Results that nobody will ever get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drops {
    /// Not acknowledged within the time that they are kept.
    pub expired: u64,
    /// Not acknowledged when there was no more room for them.
    pub no_room: u64,
    /// Found damaged in the store.
    pub damaged: u64,
}

/// The connection to the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrokerHealth {
    /// Connections that the broker has accepted since the program was started.
    pub connections: u64,
    /// Results that it has acknowledged.
    pub acknowledged: u64,
    /// Messages that it has refused.
    pub refused: u64,
    /// The last refusal, of a message or of the connection.
    pub last_refusal: Option<Incident>,
    /// How the last connection ended.
    pub last_loss: Option<Incident>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// When, by the board's clock.
    pub at: Timestamp,
    /// What, in a sentence.
    pub reason: String,
}
