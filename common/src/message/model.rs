//! Models on the wire: which one a board is to take, its bytes, and what became of it.
//!
//! Who hands a model out publishes its bytes first, retained, as the chunks 0, 1, 2 … of
//! [`crate::topic::model_chunk`], each of at most [`MAX_CHUNK`] bytes, or puts them at a URL. Then
//! `model/desired`, retained, tells the board. What the board makes of it stands on `model`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ModelRef;
use super::brief::brief;
use crate::model_card::Ancestor;
use crate::topic::DeviceId;

/// The most bytes of a chunk of a model.
pub const MAX_CHUNK: usize = 128 << 10;

/// The most bytes of a `model/desired`: a signature takes a few hundred, unless it is for many boards.
pub const MAX_DESIRED: usize = 16 << 10;

/// The SHA-256 of a model's file: 64 hexadecimal digits, small letters. So it can stand in a topic and in a file name.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct ModelHash(String);

/// A text that is no [`ModelHash`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a model's sha256 is 64 hexadecimal digits in small letters, not {0:?}")]
pub struct InvalidModelHash(String);

impl FromStr for ModelHash {
    type Err = InvalidModelHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidModelHash(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for ModelHash {
    type Error = InvalidModelHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ModelHash> for String {
    fn from(hash: ModelHash) -> Self {
        hash.0
    }
}

impl fmt::Display for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ModelHash {
    /// The first digits: enough for a person.
    pub fn brief(&self) -> &str {
        &self.0[..12]
    }
}

/// A `model/desired` that can't be followed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidDesired {
    /// More bytes than [`MAX_DESIRED`].
    #[error("it has {0} bytes, more than {MAX_DESIRED}")]
    TooLarge(usize),
    /// Not JSON, or not of the form of a desired model.
    #[error("it is not of the form {{\"sha256\", \"size\", \"signature\", \"url\"}}: {0}")]
    Form(String),
}

/// `model/desired`, retained: the model that a board is to take. An empty payload withdraws it.
///
/// A field that this version doesn't know is refused and not ignored: who asks for more than is done must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredModel {
    /// [`DesiredModel::SCHEMA`]; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        description = "Names this schema and its version; may be left out.",
        extend("const" = DesiredModel::SCHEMA)
    )]
    pub schema: Option<String>,
    /// SHA-256 of the .onnx file.
    pub sha256: ModelHash,
    /// Its bytes.
    pub size: u64,
    /// The text of its minisign signature, as in a .minisig file.
    pub signature: String,
    /// Where the file is (http or https); without it, it is on the broker in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub url: Option<String>,
}

impl DesiredModel {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.desired/1";

    /// Reads a payload; `None` for an empty one, which withdraws what was desired.
    ///
    /// # Errors
    /// [`InvalidDesired`], in a sentence that goes on from "a desired model is refused:".
    pub fn read(payload: &[u8]) -> Result<Option<Self>, InvalidDesired> {
        if payload.is_empty() {
            return Ok(None);
        }
        if payload.len() > MAX_DESIRED {
            return Err(InvalidDesired::TooLarge(payload.len()));
        }
        let form = |reason: &dyn fmt::Display| InvalidDesired::Form(brief(reason));
        // serde would read an array as the fields in their order.
        if payload.trim_ascii_start().starts_with(b"[") {
            return Err(form(&"it is an array and no JSON object"));
        }
        let desired: Self = serde_json::from_slice(payload).map_err(|e| form(&e))?;
        match desired.schema.as_deref() {
            None | Some(Self::SCHEMA) => Ok(Some(desired)),
            Some(other) => Err(form(&format_args!(
                "this version reads the schema {:?} and not {other:?}",
                Self::SCHEMA
            ))),
        }
    }
}

/// Where the model at work came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelOrigin {
    /// It is the one inside the program.
    Program,
    /// The config names its file: it stays, whatever is desired.
    File,
    /// It was installed: signed, checked and tried on this board.
    Installed,
}

/// What has become of the model that was desired last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Its bytes are on their way.
    Receiving,
    /// Signature, card, self-test and speed are checked.
    Checking,
    /// It is checked, and decides from the next field on.
    Switching,
    /// It decides, and is watched.
    Watching,
    /// It decides, and has stood its watch.
    Installed,
    /// It was not taken; `reason` says why.
    Refused,
    /// It was taken and taken back; `reason` says why.
    RolledBack,
}

impl UpdateState {
    /// Whether nothing more will become of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Installed | Self::Refused | Self::RolledBack)
    }
}

/// The model that was desired last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelUpdate {
    /// SHA-256 of its file.
    pub sha256: ModelHash,
    /// Its bytes.
    pub size: u64,
    /// How many of them are here.
    pub received: u64,
    /// What has become of it.
    pub state: UpdateState,
    /// Since when.
    pub at: Timestamp,
    /// Why, where it was refused or taken back.
    pub reason: Option<String>,
}

/// A new model's watch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelWatch {
    /// Cells that it has judged.
    pub cells: u64,
    /// As many end the watch.
    pub cells_needed: u64,
    /// The share of these that it calls parasitized, 0 to 1; `null` before the first.
    pub share: Option<f64>,
    /// The share of the same cells that the model before it calls so.
    pub share_before: Option<f64>,
}

/// `model`, retained: which model decides, and what becomes of the one that is desired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelMessage {
    /// [`ModelMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = ModelMessage::SCHEMA))]
    pub schema: String,
    /// The board.
    pub device: DeviceId,
    /// This start of the program.
    pub boot_id: Uuid,
    /// The model that decides.
    pub current: ModelRef,
    /// Where it came from.
    pub origin: ModelOrigin,
    /// What `model.rollback` goes back to; `null` where there is nothing to go back to.
    pub previous: Option<ModelRef>,
    /// The watch over the model that decides; `null` when it has stood it.
    pub watch: Option<ModelWatch>,
    /// When the newest signature that the board has accepted was made: an older one is refused. `null` before the first.
    pub signed_at: Option<Timestamp>,
    /// The model that was desired last; `null` where none was.
    pub update: Option<ModelUpdate>,
}

impl ModelMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.model/1";
}

/// The arguments of `model.rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRollback {
    /// The model that is to be left: another one is kept, so that a command that comes late does no harm. Without it, whichever
    /// decides.
    #[serde(default)]
    pub from: Option<ModelHash>,
}

/// Of `model.rollback`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhichModel {
    /// The model that decides from the next field on.
    pub model: ModelRef,
}

/// Of `model.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelList {
    /// The models on the board, the one that decides first.
    pub models: Vec<KeptModel>,
}

/// What a model on the board is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelUse {
    /// It decides.
    Current,
    /// `model.rollback` goes back to it.
    Previous,
    /// It is kept.
    Kept,
}

/// A model on the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptModel {
    /// Which one.
    pub model: ModelRef,
    /// Where it came from.
    pub origin: ModelOrigin,
    /// What it is there for.
    #[serde(rename = "use")]
    pub used: ModelUse,
}

/// Of `model.history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelHistory {
    /// What happened, the newest last.
    pub events: Vec<ModelEvent>,
    /// Where the model that decides comes from: the models that it was made from, the first one first, and itself last. Empty
    /// where its card can't be read.
    #[serde(default)]
    pub chain: Vec<Ancestor>,
}

/// What can happen with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelEventKind {
    /// It was taken, and decides from then on.
    Taken,
    /// It has stood its watch.
    Stood,
    /// It was not taken.
    Refused,
    /// It was taken back.
    RolledBack,
    /// Its file was found damaged or gone.
    Damaged,
}

/// Something that happened with a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelEvent {
    /// When, by the board's clock.
    pub at: Timestamp,
    /// What.
    pub kind: ModelEventKind,
    /// SHA-256 of its file.
    pub sha256: ModelHash,
    /// Its card's name and version; `null` where that was not known.
    pub model: Option<String>,
    /// Why; `null` where there is nothing to say.
    pub reason: Option<String>,
    /// Who handed it out: the id of the key that has signed it, as minisign shows it; `null` where it was not signed, or not
    /// with this event.
    #[serde(default)]
    pub signed_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desired(edit: impl FnOnce(&mut serde_json::Value)) -> Result<Option<DesiredModel>, String> {
        let mut value = serde_json::json!({
            "sha256": "0123456789abcdef".repeat(4),
            "size": 7,
            "signature": "untrusted comment: x\n",
        });
        edit(&mut value);
        DesiredModel::read(value.to_string().as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_desired_model_is_read_and_an_empty_payload_withdraws_it() {
        let plain = desired(|_| ()).unwrap().unwrap();
        assert_eq!((plain.size, plain.url), (7, None));
        let named = desired(|v| v["schema"] = DesiredModel::SCHEMA.into());
        assert!(named.unwrap().is_some());
        assert_eq!(DesiredModel::read(b""), Ok(None));
    }

    #[test]
    fn what_is_no_desired_model_is_refused_with_its_reason() {
        let long = "x".repeat(MAX_DESIRED);
        for (said, word) in [
            (desired(|v| v["sha256"] = "../../etc".into()), "hexadecimal"),
            (
                desired(|v| v["sha256"] = "0123456789ABCDEF".repeat(4).into()),
                "small letters",
            ),
            (desired(|v| v["size"] = (-1).into()), "size"),
            (desired(|v| v["force"] = true.into()), "force"),
            (
                desired(|v| v["schema"] = "smearscope.desired/2".into()),
                "desired/2",
            ),
            (desired(|v| v["signature"] = long.into()), "more than"),
            (desired(|v| *v = serde_json::json!(["a"])), "array"),
        ] {
            let said = said.unwrap_err();
            assert!(said.contains(word) && said.len() < 400, "{said}");
        }
    }

    #[test]
    fn an_update_ends_in_three_ways() {
        use UpdateState::{
            Checking, Installed, Receiving, Refused, RolledBack, Switching, Watching,
        };
        for state in [Receiving, Checking, Switching, Watching] {
            assert!(!state.is_final());
        }
        for state in [Installed, Refused, RolledBack] {
            assert!(state.is_final());
        }
    }
}
