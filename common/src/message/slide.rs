//! `slide` and `slide/report`: what was counted on a slide, and what that says.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ModelRef, Reviewed};
use crate::model_card::Validation;
use crate::parasitemia::{Counts, DetectionLimit, Parasitemia};
use crate::topic::DeviceId;

/// The most characters of a [`SlideId`].
pub const MAX_SLIDE_ID: usize = 64;

/// What is written on a slide: 1 to 64 of `A–Z a–z 0–9 . _ -`, not beginning with a dot, so that it can be the name of a
/// file and a word in a topic. One that a board makes is a UUID.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"))]
pub struct SlideId(String);

/// A slide id with a forbidden character or length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "slide id {0:?} is not 1 to {MAX_SLIDE_ID} characters of A-Z, a-z, 0-9, ., _ and -, the first of them no dot"
)]
pub struct InvalidSlideId(String);

impl SlideId {
    /// An id that no other slide has.
    pub fn new_unique() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SlideId {
    type Err = InvalidSlideId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MAX_SLIDE_ID).contains(&s.len())
            && !s.starts_with('.')
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits {
            Ok(Self(s.to_owned()))
        } else {
            // It may be as long as a message.
            Err(InvalidSlideId(s.chars().take(MAX_SLIDE_ID).collect()))
        }
    }
}

impl TryFrom<String> for SlideId {
    type Error = InvalidSlideId;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<SlideId> for String {
    fn from(id: SlideId) -> Self {
        id.0
    }
}

impl From<Uuid> for SlideId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for SlideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most characters of a slide's [`Notes`].
pub const MAX_NOTES: usize = 1000;
/// The most points of [`SlideMessage::course`].
pub const MAX_COURSE: usize = 64;
/// The most fields of [`SlideMessage::recent`].
pub const MAX_RECENT: usize = 24;

/// What somebody has to say of a slide: at most 1000 characters, of control characters only line ends and tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("maxLength" = MAX_NOTES))]
pub struct Notes(String);

/// Notes with a forbidden character or length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "notes have at most {MAX_NOTES} characters, and no control characters but line ends and tabs"
)]
pub struct InvalidNotes;

impl Notes {
    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Notes {
    type Error = InvalidNotes;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_foreign = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let fits = text.chars().count() <= MAX_NOTES && !text.contains(is_foreign);
        fits.then_some(Self(text)).ok_or(InvalidNotes)
    }
}

impl From<Notes> for String {
    fn from(notes: Notes) -> Self {
        notes.0
    }
}

/// `slide`: the running count; `slide/report`: the count of a closed slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlideMessage {
    /// [`SlideMessage::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = SlideMessage::SCHEMA))]
    pub schema: String,
    /// The slide: what a laboratory has written on it, or a UUID that the board made.
    pub id: SlideId,
    /// The board.
    pub device: DeviceId,
    /// When it was begun.
    pub started_at: Timestamp,
    /// How many fields joined the count.
    pub fields: u64,
    /// The cells of those fields.
    #[serde(flatten)]
    pub counts: Counts,
    /// The raw rate, with the model's own errors in it; `null` before the first cell.
    pub parasitemia: Option<Parasitemia>,
    /// How the interval was made: `wilson` for independent cells, `wilson_clustered` where it allows for cells of one
    /// field being alike.
    pub interval: String,
    /// How many cells make the count sufficient.
    pub cells_needed: u64,
    /// Whether the count says enough.
    pub state: SlideState,
    /// When it was closed; `null` while fields join it.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// How many cells are still to be counted, 0 where there are enough; `null` in messages of before it existed.
    #[serde(default)]
    pub cells_to_go: Option<u64>,
    /// By how much the fields scatter more than independent cells would, as a ratio of variances, at least 1; `null` where
    /// there are too few fields to tell.
    #[serde(default)]
    pub design_effect: Option<f64>,
    /// The rate without the model's own errors; `null` unless these were measured at this site.
    #[serde(default)]
    pub corrected: Option<Parasitemia>,
    /// What the raw rate must be told from; `null` where the model's errors are not known, or several models have
    /// counted.
    #[serde(default)]
    pub detection_limit: Option<DetectionLimit>,
    /// Parasitized cells in a microlitre of blood; `null` before the first cell, and where the raw rate is all there is and
    /// lies below the limit of detection.
    #[serde(default)]
    pub parasites_per_ul: Option<ParasitesPerUl>,
    /// Focus of the counted fields; `null` before the first.
    #[serde(default)]
    pub focus: Option<FocusOfFields>,
    /// What was analysed and not counted, by cause.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Pictures that were not analysed while the slide was open, by cause.
    #[serde(default)]
    pub turned_away: Vec<TurnedAway>,
    /// Which models have counted; usually one.
    #[serde(default)]
    pub models: Vec<SlideModel>,
    /// For how many seconds the slide was open while the board was at work, by a clock that nobody sets; `null` in
    /// messages of before it existed.
    #[serde(default)]
    pub duration_s: Option<u64>,
    /// Whether the clock was synchronised at the beginning and, of a closed slide, at the end, so that its times can be
    /// trusted; `null` where nobody knows.
    #[serde(default)]
    pub clock_synchronised: Option<bool>,
    /// What somebody had to say of it; empty where nobody had.
    #[serde(default)]
    pub notes: Notes,
    /// How the raw rate became what it is: at most 64 points, evenly spaced in fields but for the last, which is now.
    #[serde(default)]
    pub course: Vec<CoursePoint>,
    /// The last fields that joined, at most 24, the newest last.
    #[serde(default)]
    pub recent: Vec<JoinedField>,
    /// What the decisions of a person make of the count; `null` where nobody has decided anything.
    #[serde(default)]
    pub reviewed: Option<Reviewed>,
}

/// The raw rate after so many fields.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoursePoint {
    /// How many fields had joined.
    pub fields: u64,
    /// Their cells.
    #[serde(flatten)]
    pub counts: Counts,
    /// The rate of these, with its interval.
    #[serde(flatten)]
    pub parasitemia: Parasitemia,
}

/// What a field brought to its slide.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JoinedField {
    /// Its number.
    pub seq: u64,
    /// Its cells that joined the count.
    #[serde(flatten)]
    pub counts: Counts,
    /// Its sharpness.
    pub focus: f32,
}

impl SlideMessage {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.slide/1";
}

/// Whether a slide's count says enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlideState {
    /// Fewer cells than asked for.
    Insufficient,
    /// As many as asked for, but the rate can't be told from the model's false positives.
    BelowDetectionLimit,
    /// As many as asked for.
    Sufficient,
}

/// Parasites by volume, from a number of red cells that is not the patient's own but the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParasitesPerUl {
    /// The estimate in parasitized cells per microlitre.
    pub count: f64,
    /// The lower end of the 95 % interval of the rate, as a count; the number of red cells is taken as exact.
    pub low: f64,
    /// The upper end of it.
    pub high: f64,
    /// Red cells in a microlitre, as configured.
    pub red_cells_per_ul: u64,
    /// Whether it is of the corrected rate; otherwise the model's own errors are in it.
    pub is_corrected: bool,
}

impl ParasitesPerUl {
    /// The count for a rate.
    pub fn of(rate: &Parasitemia, red_cells_per_ul: u64, is_corrected: bool) -> Self {
        let count = |percent: f64| percent / 100.0 * red_cells_per_ul as f64;
        Self {
            count: count(rate.percent),
            low: count(rate.low),
            high: count(rate.high),
            red_cells_per_ul,
            is_corrected,
        }
    }
}

/// How sharp the counted fields were, in the unit of a field's `quality.focus`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FocusOfFields {
    /// The mean.
    pub mean: f64,
    /// That of the least sharp field.
    pub min: f32,
}

/// What was analysed and did not join the count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Why: `crowded`, `overlap` with a field that was counted before, or a word of a later version.
    pub cause: String,
    /// In how many fields.
    pub fields: u64,
    /// How many cells.
    pub cells: u64,
}

/// Pictures that were not analysed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnedAway {
    /// Why, in the word that `health` has for it.
    pub cause: String,
    /// How many.
    pub frames: u64,
}

/// A model that has counted cells of a slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlideModel {
    /// Which it is.
    #[serde(flatten)]
    pub model: ModelRef,
    /// How many cells it counted.
    pub cells: u64,
    /// Its rates and where they were measured, as its card has them; `null` where it has none.
    #[serde(default)]
    pub validation: Option<Validation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_a_laboratory_writes_and_a_file_can_be_called() {
        for good in [
            "A-17",
            "2026.11.28_ward-3",
            "-",
            "x",
            &"9".repeat(64),
            "01938b3e-7c10-7b12-9c23-4d5e6f708293",
        ] {
            let id: SlideId = good.parse().unwrap();
            assert_eq!(id.to_string(), good);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<SlideId>(&json).unwrap(), id);
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "+",
            "a#",
            "ä",
            "a\n",
            "a\0",
            "$a",
            &"9".repeat(65),
        ] {
            assert!(bad.parse::<SlideId>().is_err(), "{bad:?}");
        }
        let id = Uuid::from_u128(7);
        assert_eq!(SlideId::from(id), id.to_string().parse().unwrap());
        assert_ne!(SlideId::new_unique(), SlideId::new_unique());
    }

    #[test]
    fn notes_are_text_of_a_bounded_length() {
        for good in [
            "",
            "ring forms?\n\tsee field 12",
            "é",
            &"é".repeat(MAX_NOTES),
        ] {
            let notes = Notes::try_from(good.to_owned()).unwrap();
            assert_eq!(notes.as_str(), good);
        }
        for bad in ["\0", "\u{1b}[2J", &"x".repeat(MAX_NOTES + 1)] {
            assert_eq!(Notes::try_from(bad.to_owned()), Err(InvalidNotes));
        }
    }

    #[test]
    fn a_refusal_quotes_little_of_a_long_id() {
        let error = "x/"
            .repeat(5000)
            .parse::<SlideId>()
            .unwrap_err()
            .to_string();
        assert!(
            error.len() < 300 && error.contains("64 characters"),
            "{error}"
        );
    }
}
