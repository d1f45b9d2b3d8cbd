//! The model card: how a model describes itself inside its own .onnx file.
//!
//! It is JSON under `metadata_props["smearscope.card"]`. Readers refuse another major schema and
//! ignore keys that they don't know.

use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::Reference;
use crate::stain::Colour;
use crate::topic::DeviceId;

/// The key of the card in the .onnx file's metadata.
pub const METADATA_KEY: &str = "smearscope.card";

/// The only schema that this version reads and writes.
pub const SCHEMA: &str = "smearscope.card/1";

/// The newest crop path; older ones stay executable.
pub const CROP_VERSION: u32 = 2;

/// No stain step.
const NO_STAIN: &str = "none";

/// The stain step of crop version 2: see [`crate::stain`].
pub const FIELD_GAIN: &str = "field-gain";

/// Name of the graph's input: f32 `[N, 3, S, S]`.
pub const INPUT_NAME: &str = "image";

/// Name of the graph's output: f32 `[N, classes]`.
pub const OUTPUT_NAME: &str = "logits";

/// The most that logits of the self-test may differ between the trainer and a board.
pub const SELF_TEST_TOLERANCE: f32 = 1e-2;

/// What a normalisation of values of 0 to 1 can be. With less than that of a standard deviation crops overflow, and a network's
/// ReLUs may hide it: its answers would be finite and mean nothing.
const MEAN: RangeInclusive<f32> = -10.0..=10.0;
const STD: RangeInclusive<f32> = 0.001..=10.0;

/// Why a card can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// It is not the JSON of a card.
    #[error("the model card is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written for another version of smearscope.
    #[error("the model card has schema {0:?}, but this version reads {SCHEMA:?}")]
    Schema(String),
    /// A field has a value that can't be.
    #[error("the model card says {field} = {value}, which must be {must}")]
    Value {
        /// The field's path in the card.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        must: &'static str,
    },
}

/// Everything that a board must know to use a model, and a reviewer to judge it.
///
/// Invariant of a card from [`ModelCard::from_json`]: at least two classes, one of them
/// `parasitized` (in any case); sizes, rates, temperature and normalisation are finite and in
/// range; the crop version is one that this program can execute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// [`SCHEMA`].
    pub schema: String,
    /// A name for people.
    pub name: String,
    /// The model's own version.
    pub version: String,
    /// The network, such as `densenet121`.
    pub architecture: String,
    /// The classes in the order of the logits.
    pub classes: Vec<String>,
    /// What the network wants to be fed.
    pub input: InputSpec,
    /// How a cell becomes a picture.
    pub crop: CropSpec,
    /// A cell is parasitized when its probability is at least this, 0 to 1.
    pub threshold: f32,
    /// The logits are divided by this before the softmax.
    pub temperature: f32,
    /// Rates measured on held-out subjects, and where.
    pub validation: Option<Validation>,
    /// SHA-256 of the training data (see the trainer's `dataset` for what is hashed), in hex.
    pub data_sha256: String,
    /// SHA-256 of the split CSV, in hex.
    pub split_sha256: String,
    /// SHA-256 of the .onnx file or weights that training started from; `null` from scratch.
    pub parent: Option<String>,
    /// The models that it was made from, the first one first, [`ModelCard::parent`] last; empty where it was taught from
    /// scratch, or from weights that have no card.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Ancestor>,
    /// What cells of its own slides look like, so that a board notices when its slides are others; `null` where nobody has
    /// looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The version of the trainer.
    pub trainer_version: String,
    /// When it was exported.
    pub created: Timestamp,
    /// What a board must reproduce before it uses the model.
    pub self_test: SelfTest,
}

/// The network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Side S of the square input in pixels.
    pub size: u32,
    /// Order of the colour planes; always `rgb`.
    pub colour_order: String,
    /// Subtracted from each plane, in units of 0 to 1.
    pub mean: [f32; 3],
    /// Then divided by this.
    pub std: [f32; 3],
}

/// How a cell becomes a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CropSpec {
    /// The version of [`crate::crop`] to execute.
    pub version: u32,
    /// The stain step: `none`, or from version 2 on [`FIELD_GAIN`].
    pub stain: String,
    /// The colour of the typical cell that the model was taught with, which the stain step brings
    /// the field's typical cell to; each colour 1 to 255. Only with [`FIELD_GAIN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Colour>,
}

impl CropSpec {
    /// The newest crop path, for a model that was taught with cells of this typical colour; without
    /// one, there is no stain step.
    pub fn newest(reference: Option<Colour>) -> Self {
        Self {
            version: CROP_VERSION,
            stain: if reference.is_some() {
                FIELD_GAIN
            } else {
                NO_STAIN
            }
            .into(),
            reference,
        }
    }

    /// The colour to bring cells to; `None` where the stain step is `none`.
    pub fn stain_reference(&self) -> Option<Colour> {
        self.reference.filter(|_| self.stain == FIELD_GAIN)
    }

    fn check(&self) -> Result<(), CardError> {
        let fault = |field, value: String, must| Err(CardError::Value { field, value, must });
        if !(1..=CROP_VERSION).contains(&self.version) {
            return fault(
                "crop.version",
                self.version.to_string(),
                "a crop path that this program knows (is it too old?)",
            );
        }
        if self.stain == NO_STAIN {
            return Ok(());
        }
        if self.stain != FIELD_GAIN || self.version < 2 {
            return fault(
                "crop.stain",
                self.stain.clone(),
                "\"none\", or from crop version 2 on \"field-gain\"",
            );
        }
        match self.reference {
            Some(colour) if colour.iter().all(|v| (1.0..=255.0).contains(v)) => Ok(()),
            other => fault(
                "crop.reference",
                format!("{other:?}"),
                "three colours from 1 to 255",
            ),
        }
    }
}

/// A model that another one was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ancestor {
    /// SHA-256 of its file, in hex.
    pub sha256: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When it was exported.
    pub created: Timestamp,
    /// SHA-256 of the data that it was taught with, in hex.
    pub data_sha256: String,
    /// SHA-256 of the split of that, in hex.
    pub split_sha256: String,
}

/// Rates of the model at its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// Where the cells came from; rates from elsewhere mislead.
    pub dataset: String,
    /// How many people they came from.
    pub subjects: u64,
    /// Parasitized cells that it called so.
    pub sensitivity: Rate,
    /// Uninfected cells that it called so.
    pub specificity: Rate,
    /// The boards whose own slides these cells are from: on these the rates may correct a count. Empty where they are from no
    /// board.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceId>,
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |Rate { value, hits, n }: Rate| format!("{value:.3} ({hits} of {n})");
        write!(
            f,
            "{} ({} people or slides): sensitivity {}, specificity {}",
            self.dataset,
            self.subjects,
            rate(self.sensitivity),
            rate(self.specificity)
        )
    }
}

/// A proportion with its counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// The proportion: `hits / n`, or where cells speak for several, one up to the next whole hit above that.
    pub value: f64,
    /// The numerator, rounded down.
    pub hits: u64,
    /// The denominator.
    pub n: u64,
}

impl Rate {
    /// The proportion; `None` when `n` is 0.
    pub fn new(hits: u64, n: u64) -> Option<Self> {
        (n > 0).then(|| Self {
            value: hits as f64 / n as f64,
            hits,
            n,
        })
    }
}

/// A known answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Seed of [`self_test_input`].
    pub seed: u64,
    /// The logits that the trainer computed with the weights as stored.
    pub logits: Vec<f32>,
}

/// The seeded input of the self-test: `3·size·size` values, uniform in −2 to 2, the same on
/// every machine.
pub fn self_test_input(seed: u64, size: u32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..3 * size as usize * size as usize)
        .map(|_| rng.random_range(-2.0..2.0))
        .collect()
}

impl ModelCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// [`CardError`] when it is no card, of another schema, or breaks the invariant.
    pub fn from_json(json: &str) -> Result<Self, CardError> {
        #[derive(Deserialize)]
        struct Header {
            schema: String,
        }
        let header: Header = serde_json::from_str(json)?;
        if header.schema != SCHEMA {
            return Err(CardError::Schema(header.schema));
        }
        let card: Self = serde_json::from_str(json)?;
        card.check()?;
        Ok(card)
    }

    /// The card as JSON.
    ///
    /// # Errors
    /// [`CardError`] when it breaks the invariant: such a card is never written.
    pub fn to_json(&self) -> Result<String, CardError> {
        self.check()?;
        Ok(serde_json::to_string(self)?)
    }

    /// What its children say of it, whose file has this hash.
    pub fn ancestor(&self, sha256: &str) -> Ancestor {
        Ancestor {
            sha256: sha256.to_owned(),
            name: self.name.clone(),
            version: self.version.clone(),
            created: self.created,
            data_sha256: self.data_sha256.clone(),
            split_sha256: self.split_sha256.clone(),
        }
    }

    /// The models that it was made from, and itself, whose file has this hash, last.
    pub fn chain(&self, sha256: &str) -> Vec<Ancestor> {
        let itself = [self.ancestor(sha256)];
        self.lineage.iter().cloned().chain(itself).collect()
    }

    /// The position of the parasitized class among the logits.
    pub fn parasitized_index(&self) -> Option<usize> {
        self.classes
            .iter()
            .position(|c| c.eq_ignore_ascii_case("parasitized"))
    }

    fn check(&self) -> Result<(), CardError> {
        let refuse = |field, value: String, must| Err(CardError::Value { field, value, must });
        if self.classes.len() < 2 || self.parasitized_index().is_none() {
            return refuse(
                "classes",
                format!("{:?}", self.classes),
                "at least two, one of them \"parasitized\"",
            );
        }
        if !(32..=1024).contains(&self.input.size) {
            return refuse("input.size", self.input.size.to_string(), "32 to 1024");
        }
        if self.input.colour_order != "rgb" {
            return refuse(
                "input.colour_order",
                self.input.colour_order.clone(),
                "\"rgb\"",
            );
        }
        if !self.input.mean.iter().all(|m| MEAN.contains(m)) {
            return refuse("input.mean", format!("{:?}", self.input.mean), "-10 to 10");
        }
        if !self.input.std.iter().all(|s| STD.contains(s)) {
            return refuse("input.std", format!("{:?}", self.input.std), "0.001 to 10");
        }
        self.crop.check()?;
        if !(0.0..=1.0).contains(&self.threshold) {
            return refuse("threshold", self.threshold.to_string(), "0 to 1");
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return refuse(
                "temperature",
                self.temperature.to_string(),
                "finite and positive",
            );
        }
        if let Some(reference) = self.reference.as_ref().filter(|r| !r.is_sound()) {
            return refuse(
                "reference",
                format!("{:?}", reference.ranges),
                "ranges of finite numbers, and shares of 0 to 1",
            );
        }
        if self.self_test.logits.len() != self.classes.len()
            || !self.self_test.logits.iter().all(|l| l.is_finite())
        {
            return refuse(
                "self_test.logits",
                format!("{:?}", self.self_test.logits),
                "one finite number per class",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn card() -> ModelCard {
        ModelCard {
            schema: SCHEMA.into(),
            name: "test".into(),
            version: "1".into(),
            architecture: "densenet121".into(),
            classes: vec!["Parasitized".into(), "Uninfected".into()],
            input: InputSpec {
                size: 64,
                colour_order: "rgb".into(),
                mean: [0.5; 3],
                std: [0.25; 3],
            },
            crop: CropSpec::newest(Some([160.0, 130.5, 138.25])),
            threshold: 0.5,
            temperature: 1.0,
            validation: None,
            data_sha256: String::new(),
            split_sha256: String::new(),
            parent: None,
            lineage: Vec::new(),
            reference: None,
            trainer_version: "0".into(),
            created: Timestamp::UNIX_EPOCH,
            self_test: SelfTest {
                seed: 1,
                logits: vec![0.0, 1.0],
            },
        }
    }

    #[test]
    fn a_card_reads_back() {
        let card = card();
        assert_eq!(
            ModelCard::from_json(&card.to_json().unwrap()).unwrap(),
            card
        );
        assert_eq!(card.parasitized_index(), Some(0));
    }

    #[test]
    fn wrong_cards_are_refused_by_name() {
        let break_and_read = |edit: &dyn Fn(&mut ModelCard)| {
            let mut card = card();
            edit(&mut card);
            ModelCard::from_json(&serde_json::to_string(&card).unwrap())
                .unwrap_err()
                .to_string()
        };
        assert!(break_and_read(&|c| c.schema = "smearscope.card/2".into()).contains("card/2"));
        assert!(break_and_read(&|c| c.classes = vec!["a".into()]).contains("classes"));
        assert!(break_and_read(&|c| c.input.size = 0).contains("input.size"));
        assert!(break_and_read(&|c| c.input.mean[2] = 1e9).contains("input.mean"));
        assert!(break_and_read(&|c| c.input.std[1] = 0.0).contains("input.std"));
        assert!(break_and_read(&|c| c.input.std[1] = 1e-39).contains("input.std"));
        assert!(break_and_read(&|c| c.crop.version = 99).contains("crop.version"));
        assert!(break_and_read(&|c| c.crop.stain = "magic".into()).contains("crop.stain"));
        assert!(break_and_read(&|c| c.crop.version = 1).contains("crop.stain"));
        assert!(break_and_read(&|c| c.crop.reference = None).contains("crop.reference"));
        assert!(
            break_and_read(&|c| c.crop.reference = Some([0.0, 9.0, 9.0]))
                .contains("crop.reference")
        );
        assert!(break_and_read(&|c| c.threshold = 1.5).contains("threshold"));
        assert!(break_and_read(&|c| c.temperature = 0.0).contains("temperature"));
        assert!(break_and_read(&|c| c.self_test.logits.clear()).contains("self_test"));
        assert!(
            ModelCard::from_json("{}")
                .unwrap_err()
                .to_string()
                .contains("schema")
        );
        assert!(ModelCard::from_json("no json").is_err());
    }

    #[test]
    fn cards_of_crop_version_1_stay_readable() {
        let json = card().to_json().unwrap();
        let (before, rest) = json.split_once("\"crop\":{").unwrap();
        let (_, after) = rest.split_once('}').unwrap();
        let old = format!("{before}\"crop\":{{\"version\":1,\"stain\":\"none\"}}{after}");
        let card = ModelCard::from_json(&old).unwrap();
        assert_eq!(card.crop.stain_reference(), None);
        assert_eq!(CropSpec::newest(None).stain_reference(), None);
        // Whoever reads a card of version 1 finds what stood there, and no more.
        assert_eq!(card.to_json().unwrap(), old);
    }

    #[test]
    fn the_self_test_input_never_changes() {
        let input = self_test_input(42, 32);
        assert_eq!(input.len(), 3 * 32 * 32);
        assert_eq!(input, self_test_input(42, 32));
        assert_ne!(input, self_test_input(43, 32));
        assert!(input.iter().all(|v| (-2.0..2.0).contains(v)));
    }
}
