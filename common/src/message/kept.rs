//! Cells that a board keeps, so that a person looks at them a second time: commands, answers, and what came of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{Label, ModelRef, SlideId};
use crate::geometry::Rect;
use crate::parasitemia::{Counts, Parasitemia};
use crate::stain::Colour;

/// The most cells that one `cells.list` gives.
pub const MAX_LISTED: u32 = 200;
/// How many it gives where nobody says.
const LISTED: u32 = 100;
/// The most cells that one `cells.get` gives: their pictures must fit into a message that any broker takes.
pub const MAX_SHOWN: usize = 8;
/// The longest name of a reviewer in characters.
pub const MAX_REVIEWER: usize = 64;

/// Why a cell is kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum KeptReason {
    /// The model called it parasitized.
    Suspicious,
    /// The model could hardly decide.
    Threshold,
    /// Drawn by lot, whatever the model says: it shows what the model overlooks.
    Random,
    /// Unlike the other cells that this board has seen.
    Novel,
}

/// A cell that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeptCell {
    /// Its id, UUIDv7.
    pub id: Uuid,
    /// The field that it was seen in.
    pub field_id: Uuid,
    /// The numbering of that field.
    pub series: Uuid,
    /// The number of that field.
    pub seq: u64,
    /// The slide that it was counted for; `null` where none was open.
    pub slide: Option<SlideId>,
    /// When the camera took the field.
    pub captured_at: Timestamp,
    /// Whether the board's clock was set by a network then; `null` where that can't be known.
    pub clock_synchronised: Option<bool>,
    /// Why it is kept.
    pub reason: KeptReason,
    /// Where it is in its field.
    pub bbox: Rect,
    /// The part of the field that its picture shows: the cell with a margin.
    pub crop: Rect,
    /// What the model decided.
    pub label: Label,
    /// The probability that the model gave it.
    pub p_parasitized: f32,
    /// Which model that was.
    pub model: ModelRef,
    /// What a person decided; `null` as long as nobody did.
    pub decision: Option<Decision>,
    /// The colour of its field's typical cell, red, green and blue from 0 to 255, by which the stain step goes; `null` where
    /// that was not noted.
    #[serde(default)]
    pub field_colour: Option<Colour>,
    /// Of how many cells of its field it was chosen by lot, itself among them; 1 where there was no lot. By these weights what
    /// was found among kept cells speaks for all cells of their fields.
    #[serde(default = "itself")]
    pub stands_for: u32,
    /// How many cells of its field were counted: where all that was kept of a field is at hand, it stands for so many together.
    /// 0 where that was not noted.
    #[serde(default)]
    pub field_cells: u32,
    /// How far it is, in what the network sees, from the cells that this board saw before: 1 is usual. `null` where that can't
    /// be told.
    #[serde(default)]
    pub novelty: Option<f32>,
}

fn itself() -> u32 {
    1
}

/// What a person decided of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// What it is.
    pub verdict: Label,
    /// When that was decided, by the board's clock.
    pub at: Timestamp,
    /// Who decided; `null` where nobody said.
    pub by: Option<Reviewer>,
}

/// The name that a reviewer goes by: 1 to 64 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = MAX_REVIEWER))]
pub struct Reviewer(String);

/// A reviewer's name that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`by` is not 1 to {MAX_REVIEWER} characters without control characters")]
pub struct InvalidReviewer;

impl TryFrom<String> for Reviewer {
    type Error = InvalidReviewer;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits =
            (1..=MAX_REVIEWER).contains(&name.chars().count()) && !name.contains(char::is_control);
        fits.then_some(Self(name)).ok_or(InvalidReviewer)
    }
}

impl From<Reviewer> for String {
    fn from(reviewer: Reviewer) -> Self {
        reviewer.0
    }
}

/// The arguments of `cells.list`: which of the kept cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellsList {
    /// Only those of this slide; without it, of all.
    #[serde(default)]
    pub slide: Option<SlideId>,
    /// Only those that somebody decided on, or only those that nobody did; without it, both.
    #[serde(default)]
    pub decided: Option<bool>,
    /// Only those that are kept for this reason.
    #[serde(default)]
    pub reason: Option<KeptReason>,
    /// Only those behind this one in the order of the answer.
    #[serde(default)]
    pub after: Option<Uuid>,
    /// How many at most, 1 to 200. Default: 100.
    #[serde(default = "listed")]
    #[schemars(range(min = 1, max = MAX_LISTED))]
    pub limit: u32,
}

fn listed() -> u32 {
    LISTED
}

impl Default for CellsList {
    fn default() -> Self {
        Self {
            slide: None,
            decided: None,
            reason: None,
            after: None,
            limit: LISTED,
        }
    }
}

/// Of `cells.list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellsListed {
    /// The cells, the most suspicious first; of equal ones the older first.
    pub cells: Vec<KeptCell>,
    /// How many there are in all, before `after` and `limit`.
    pub total: u64,
    /// Whether there are more behind these.
    pub more: bool,
}

/// The arguments of `cells.get`: whose pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellsGet {
    /// The cells, 1 to 8.
    #[schemars(length(min = 1, max = MAX_SHOWN))]
    pub ids: Vec<Uuid>,
}

/// Of `cells.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellsShown {
    /// Those that are there, in the order in which they were asked for.
    pub cells: Vec<CellPictures>,
    /// Those that are not, or not any more.
    pub missing: Vec<Uuid>,
    /// Those that would have made the answer too large: to be asked for once more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Uuid>,
}

/// What a kept cell looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellPictures {
    /// The cell.
    pub id: Uuid,
    /// A PNG in base64: the cell with a margin, pixel for pixel as the camera saw it.
    pub picture: String,
    /// A PNG in base64 of the same size: white where the cell is, black around it.
    pub mask: String,
}

/// The arguments of `cells.review`: a person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["id", "verdict"]))]
pub struct CellsReview {
    /// The cell.
    pub id: Uuid,
    /// What it is; `null` takes a decision back.
    #[serde(deserialize_with = "present")]
    pub verdict: Option<Label>,
    /// Who says so.
    #[serde(default)]
    pub by: Option<Reviewer>,
}

/// A decision must not be taken back by a word that was forgotten.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Label>, D::Error> {
    Option::deserialize(deserializer)
}

/// Of `cells.review`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellReviewed {
    /// The cell.
    pub id: Uuid,
    /// What is decided of it now.
    pub decision: Option<Decision>,
    /// The slide that it was counted for.
    pub slide: Option<SlideId>,
    /// What the decisions make of that slide's count; `null` unless it is the slide at hand.
    pub reviewed: Option<Reviewed>,
}

/// A slide's count with the decisions of whoever looked at its cells in place of the model's.
///
/// Only kept cells can be looked at. Where every cell that the model called parasitized was, what is left of the model's
/// errors are the parasitized cells that it overlooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reviewed {
    /// Called parasitized by the model, and by the reviewer.
    pub confirmed: u64,
    /// Called parasitized by the model, and uninfected by the reviewer.
    pub rejected: u64,
    /// Called uninfected by the model, and parasitized by the reviewer.
    pub found: u64,
    /// Called uninfected by the model, and by the reviewer.
    pub agreed: u64,
    /// The parasitized cells of the slide: the model's, without those that were rejected, with those that were found.
    pub parasitized: u64,
    /// Their share of the slide's cells, with Wilson's interval; `null` before the first cell.
    pub parasitemia: Option<Parasitemia>,
    /// Whether every cell that the model called parasitized was decided.
    pub complete: bool,
}

impl Reviewed {
    /// The count with these decisions; `None` where nobody has decided anything.
    pub fn of(counts: Counts, decided: Decided) -> Option<Self> {
        let Decided {
            confirmed,
            rejected,
            found,
            agreed,
        } = decided;
        if decided == Decided::default() {
            return None;
        }
        let parasitized = counts.parasitized.saturating_sub(rejected) + found;
        let parasitized = parasitized.min(counts.cells);
        Some(Self {
            confirmed,
            rejected,
            found,
            agreed,
            parasitized,
            parasitemia: Counts {
                parasitized,
                ..counts
            }
            .parasitemia(),
            complete: confirmed + rejected >= counts.parasitized,
        })
    }
}

/// How many of a slide's cells were decided, and how that lies to what the model says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Parasitized to both.
    pub confirmed: u64,
    /// Parasitized to the model only.
    pub rejected: u64,
    /// Parasitized to the reviewer only.
    pub found: u64,
    /// Uninfected to both.
    pub agreed: u64,
}

impl Decided {
    /// Adds so many cells of which the model said one thing, and the reviewer another.
    pub fn add(&mut self, model: Label, reviewer: Label, cells: u64) {
        let count = match (model, reviewer) {
            (Label::Parasitized, Label::Parasitized) => &mut self.confirmed,
            (Label::Parasitized, Label::Uninfected) => &mut self.rejected,
            (Label::Uninfected, Label::Parasitized) => &mut self.found,
            (Label::Uninfected, Label::Uninfected) => &mut self.agreed,
        };
        *count += cells;
    }
}

/// The kept cells as a whole, in `health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptHealth {
    /// How many there are.
    pub kept: u64,
    /// How many of them somebody has decided on.
    pub reviewed: u64,
    /// What they take.
    pub bytes: u64,
    /// What they may take; beyond it the oldest go, those that somebody decided on last, but for a quarter of the room.
    pub max_bytes: u64,
    /// Why none can be kept now; `null` where they can.
    pub trouble: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_take_the_place_of_what_the_model_said() {
        let counts = Counts {
            cells: 1000,
            parasitized: 10,
        };
        assert_eq!(Reviewed::of(counts, Decided::default()), None);
        let mut decided = Decided::default();
        decided.add(Label::Parasitized, Label::Parasitized, 3);
        decided.add(Label::Parasitized, Label::Uninfected, 6);
        decided.add(Label::Uninfected, Label::Parasitized, 1);
        decided.add(Label::Uninfected, Label::Uninfected, 20);
        let reviewed = Reviewed::of(counts, decided).unwrap();
        assert_eq!(reviewed.parasitized, 5);
        let rate = reviewed.parasitemia.unwrap();
        assert!((rate.percent - 0.5).abs() < 1e-12 && rate.low < 0.5 && rate.high > 0.5);
        assert!(!reviewed.complete);
        decided.add(Label::Parasitized, Label::Uninfected, 1);
        let reviewed = Reviewed::of(counts, decided).unwrap();
        assert!(reviewed.complete && reviewed.parasitized == 4);
    }

    #[test]
    fn more_decisions_than_cells_make_no_impossible_count() {
        let decided = Decided {
            rejected: 9,
            found: 7,
            ..Decided::default()
        };
        let counts = Counts {
            cells: 5,
            parasitized: 2,
        };
        let reviewed = Reviewed::of(counts, decided).unwrap();
        assert_eq!(reviewed.parasitized, 5);
        let none = Reviewed::of(Counts::default(), decided).unwrap();
        assert_eq!((none.parasitized, none.parasitemia), (0, None));
    }

    #[test]
    fn a_reviewer_has_a_name_or_none() {
        for good in ["A. Otieno", "é", &"x".repeat(64), &"é".repeat(64)] {
            assert!(Reviewer::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\0", &"x".repeat(65)] {
            assert_eq!(Reviewer::try_from(bad.to_owned()), Err(InvalidReviewer));
        }
    }
}
