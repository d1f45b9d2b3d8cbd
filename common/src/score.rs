//! How good an analysis is, against labelled fields: the summary of `analyze --truth`.

mod centres;
mod judged;
mod matching;
mod named;
mod truth;
mod voc;
mod yolo;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::geometry::Rect;
use crate::message::{CellResult, Label};
use crate::segment::Other;
use centres::CentresTally;
pub use centres::{Centre, CentresScore, parse_centres};
pub use judged::ClassScore;
use judged::Probabilities;
pub use matching::MIN_IOU;
use matching::match_boxes;
use named::NamedTally;
pub use named::{NamedScore, SeenAs};
pub use truth::{Format, Truth};
pub use voc::{NamedBox, parse_voc};
pub use yolo::{DIFFICULT, TruthBox, parse_yolo};

/// A line of a label file that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no label: {reason}")]
pub struct ScoreError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// One labelled field with what was found in it.
#[derive(Clone, Copy, Debug)]
pub struct ScoredField<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What is there.
    pub truth: &'a Truth,
    /// What was found: the countable cells.
    pub predictions: &'a [CellResult],
    /// What else was found, and is not counted.
    pub others: &'a [Other],
    /// Whether the data set names it as crowded: it is scored apart.
    pub crowded: bool,
}

/// What went wrong in one field, as boxes in its pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// What is labelled, should have been found and was not, or was taken for something else. A centre is a box
    /// of one pixel.
    pub missed: Vec<Rect>,
    /// Counted cells that are nothing labelled.
    pub spurious: Vec<Rect>,
}

/// The summary over all fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The fields that aren't crowded.
    #[serde(flatten)]
    pub rest: Score,
    /// The crowded ones.
    pub crowded: Score,
}

/// The figures of a group of fields. A ratio without a denominator is `None`, `null` in JSON.
///
/// All but `images`, `centres` and `named` speak of fields whose cells have boxes with classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Fields.
    pub images: u64,
    /// Labelled cells that count: not at the frame's edge, not difficult.
    pub cells: u64,
    /// Labelled cells that were found / `cells`.
    pub recall: Option<f64>,
    /// Found cells that are labelled / found cells that count.
    pub precision: Option<f64>,
    /// Parasitized cells found and called parasitized / all parasitized cells: one not found is a miss.
    pub sensitivity: Option<f64>,
    /// Uninfected cells called uninfected / uninfected cells found.
    pub specificity: Option<f64>,
    /// The sensitivity at the lowest threshold that calls at least 98 % of the uninfected cells found
    /// uninfected.
    pub sensitivity_at_specificity_0_98: Option<f64>,
    /// The area under the ROC curve over the cells found.
    #[serde(default)]
    pub auc: Option<f64>,
    /// The counts by what the cell is.
    pub by_class: ByClass,
    /// The mean over fields of |found − true parasitemia|, in percentage points; a field without labelled
    /// cells has no part in it, one where nothing was found has 0 % found.
    pub parasitemia_mae: Option<f64>,
    /// The fields with labelled centres; `None`, and no key in JSON, where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centres: Option<CentresScore>,
    /// The fields with named boxes, by name; `None`, and no key in JSON, where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<BTreeMap<String, NamedScore>>,
}

/// The counts of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByClass {
    /// Uninfected red cells.
    pub red_blood_cell: ClassScore,
    /// Ring forms.
    pub ring: ClassScore,
    /// Trophozoites.
    pub trophozoite: ClassScore,
    /// Schizonts.
    pub schizont: ClassScore,
    /// Gametocytes.
    pub gametocyte: ClassScore,
}

impl ByClass {
    /// The classes of parasitized cells, in the order of their numbers.
    pub fn parasitized(&self) -> [ClassScore; 4] {
        [self.ring, self.trophozoite, self.schizont, self.gametocyte]
    }

    /// The counts of a class from 0 to 4.
    fn of(&mut self, class: u8) -> Option<&mut ClassScore> {
        match class {
            0 => Some(&mut self.red_blood_cell),
            1 => Some(&mut self.ring),
            2 => Some(&mut self.trophozoite),
            3 => Some(&mut self.schizont),
            4 => Some(&mut self.gametocyte),
            _ => None,
        }
    }
}

/// Takes in field after field and gives the summary.
///
/// The rules where cells have boxes: a prediction is a labelled cell when their boxes' IoU is at least [`MIN_IOU`], one to one,
/// the largest first. Labelled cells that touch the frame's edge or are [`DIFFICULT`] count neither way, nor do
/// predictions that match them. Predictions that touch the edge and match nothing don't count either: cells
/// cut by the frame are often unlabelled.
///
/// Where they have centres: a prediction is a labelled cell when the centre lies within its box, one to one, the
/// one nearest to the box's middle first. A centre that is in no prediction but, one to one, within the box of a
/// cell cut by the frame counts neither way.
///
/// Where things have names: as where cells have boxes, but matched with all that was found, counted or not.
#[derive(Clone, Debug, Default)]
pub struct Scorer {
    rest: Tally,
    crowded: Tally,
}

impl Scorer {
    /// Scores a field, and says what went wrong in it.
    pub fn add(&mut self, field: &ScoredField) -> Errors {
        let tally = if field.crowded {
            &mut self.crowded
        } else {
            &mut self.rest
        };
        tally.add(field)
    }

    /// The figures of all fields so far.
    pub fn summary(&self) -> Summary {
        Summary {
            rest: self.rest.score(),
            crowded: self.crowded.score(),
        }
    }
}

/// The counts behind a [`Score`].
#[derive(Clone, Debug, Default)]
struct Tally {
    images: u64,
    /// Predictions that match nothing and should.
    spurious: u64,
    by_class: ByClass,
    probabilities: Probabilities,
    /// |found − true parasitemia| of each field that has one.
    parasitemia_errors: Vec<f64>,
    /// `None` before the first field with centres.
    centres: Option<CentresTally>,
    /// `None` before the first field with named boxes.
    named: Option<NamedTally>,
}

impl Tally {
    fn add(&mut self, field: &ScoredField) -> Errors {
        self.images += 1;
        match field.truth {
            Truth::Boxes(boxes) => self.add_boxes(boxes, field),
            Truth::Centres(centres) => self.centres.get_or_insert_default().add(centres, field),
            Truth::Named(boxes) => self.named.get_or_insert_default().add(boxes, field),
        }
    }

    fn add_boxes(&mut self, boxes: &[TruthBox], field: &ScoredField) -> Errors {
        let (w, h) = (field.width, field.height);
        let counts = |truth: &TruthBox| truth.class < DIFFICULT && !truth.bbox.touches_edge(w, h);
        let (mut true_cells, mut true_parasitized) = (0u64, 0u64);
        for truth in boxes.iter().filter(|truth| counts(truth)) {
            true_cells += 1;
            true_parasitized += u64::from(truth.is_parasitized());
            if let Some(class) = self.by_class.of(truth.class) {
                class.n += 1;
            }
        }
        let (mut cells, mut parasitized) = (0u64, 0u64);
        let mut report = |cell: &CellResult| {
            cells += 1;
            parasitized += u64::from(cell.label == Label::Parasitized);
        };
        let labelled: Vec<(Rect, u8)> = boxes.iter().map(|t| (t.bbox, t.class)).collect();
        let found: Vec<(Rect, (u32, bool))> = field
            .predictions
            .iter()
            .map(|cell| {
                let called = cell.label == Label::Parasitized;
                (cell.bbox, (cell.p_parasitized.to_bits(), called))
            })
            .collect();
        let mut errors = Errors::default();
        let mut missed = vec![true; boxes.len()];
        let mut unmatched = vec![true; found.len()];
        for (t, p) in match_boxes(&labelled, &found) {
            missed[t] = false;
            unmatched[p] = false;
            let (truth, cell) = (&boxes[t], &field.predictions[p]);
            if !counts(truth) {
                continue;
            }
            report(cell);
            if let Some(class) = self.by_class.of(truth.class) {
                class.found += 1;
                class.called_parasitized += u64::from(cell.label == Label::Parasitized);
            }
            self.probabilities.add(truth.class, cell.p_parasitized);
        }
        for (cell, _) in field
            .predictions
            .iter()
            .zip(unmatched)
            .filter(|&(_, free)| free)
        {
            if !cell.bbox.touches_edge(w, h) {
                self.spurious += 1;
                errors.spurious.push(cell.bbox);
                report(cell);
            }
        }
        if let Some(truth) = ratio(true_parasitized, true_cells) {
            let found = ratio(parasitized, cells).unwrap_or(0.0);
            self.parasitemia_errors.push(100.0 * (found - truth).abs());
        }
        let missed = boxes.iter().zip(missed);
        errors.missed = missed
            .filter(|&(truth, missed)| missed && counts(truth))
            .map(|(truth, _)| truth.bbox)
            .collect();
        errors
    }

    fn score(&self) -> Score {
        let mut by_class = self.by_class;
        let called_at_98 = self.probabilities.called_at_specificity_0_98();
        for (class, called) in called_at_98.into_iter().enumerate() {
            if let Some(class) = by_class.of(class as u8) {
                class.called_at_specificity_0_98 = called;
            }
        }
        let healthy = by_class.red_blood_cell;
        let sick = by_class.parasitized();
        let sum = |count: fn(&ClassScore) -> u64| sick.iter().map(count).sum::<u64>();
        let all_sick = sum(|class| class.n);
        let found = healthy.found + sum(|class| class.found);
        let called = sum(|class| class.called_parasitized);
        let at_98 = (healthy.found > 0)
            .then(|| sum(|class| class.called_at_specificity_0_98))
            .and_then(|called| ratio(called, all_sick));
        Score {
            images: self.images,
            cells: healthy.n + all_sick,
            recall: ratio(found, healthy.n + all_sick),
            precision: ratio(found, found + self.spurious),
            sensitivity: ratio(called, all_sick),
            specificity: ratio(healthy.found - healthy.called_parasitized, healthy.found),
            sensitivity_at_specificity_0_98: at_98,
            auc: self.probabilities.auc(),
            by_class,
            parasitemia_mae: (!self.parasitemia_errors.is_empty()).then(|| {
                self.parasitemia_errors.iter().sum::<f64>() / self.parasitemia_errors.len() as f64
            }),
            centres: self.centres.map(|centres| centres.score()),
            named: self.named.as_ref().map(NamedTally::score),
        }
    }
}

/// The label of each found cell of a field, in their order: [`TruthBox::class`] of the labelled cell that it is. `None` of one
/// that is nothing labelled or cut by the frame, and of all where the labels are no boxes: those alone say what a cell is.
pub fn labels_of(field: &ScoredField) -> Vec<Option<u8>> {
    let mut labels = vec![None; field.predictions.len()];
    if let Truth::Boxes(boxes) = field.truth {
        let labelled: Vec<(Rect, u8)> = boxes.iter().map(|t| (t.bbox, t.class)).collect();
        let found = field.predictions.iter();
        let found: Vec<(Rect, u32)> = found
            .map(|cell| (cell.bbox, cell.p_parasitized.to_bits()))
            .collect();
        for (t, p) in match_boxes(&labelled, &found) {
            let truth = &boxes[t];
            if !truth.bbox.touches_edge(field.width, field.height) {
                labels[p] = Some(truth.class);
            }
        }
    }
    labels
}

/// The name of a parasite's form, by [`TruthBox::class`]; `None` of what is no parasite.
pub fn stage(class: u8) -> Option<&'static str> {
    match class {
        1 => Some("ring"),
        2 => Some("trophozoite"),
        3 => Some("schizont"),
        4 => Some("gametocyte"),
        _ => None,
    }
}

/// What `parse` makes of each line that isn't empty, or the first one that it refuses.
fn read_lines<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ScoreError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            parse(line).map_err(|reason| ScoreError {
                line: i + 1,
                reason,
            })
        })
        .collect()
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;
