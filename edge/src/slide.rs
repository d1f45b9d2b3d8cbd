//! A slide: the fields that are counted together.

mod course;
mod suspects;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smearscope_common::message::{
    FocusOfFields, JoinedField, LeftOut, ModelRef, Notes, ParasitesPerUl, SlideId, SlideMessage,
    SlideModel, SlideState, TurnedAway,
};
use smearscope_common::model_card::Validation;
use smearscope_common::parasitemia::{
    Counts, FieldSums, IntervalMethod, LEAST_FIELDS, Parasitemia, corrected, detection_limit,
};
use smearscope_common::topic::DeviceId;

use crate::clock;
use crate::config;
use course::Course;

pub use suspects::{Suspect, Wanted, most_suspicious, part, with_margin};

/// The most causes, and models, that a slide keeps apart: their words are the program's, but a file may be damaged.
const MOST_KINDS: usize = 64;

/// What all slides of a board go by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The board.
    pub device: DeviceId,
    /// How many cells make a count sufficient.
    pub cells_needed: u64,
    /// Red cells in a microlitre of blood.
    pub red_cells_per_ul: u64,
    /// The validation of a model card that was made at this site.
    pub site_validation: Option<String>,
    /// How many of a slide's most suspicious cells are kept for its report.
    pub report_cells: usize,
    /// How many reports are kept as files.
    pub keep_reports: usize,
}

impl Rules {
    /// Those of a config.
    pub fn new(device: DeviceId, config: &config::Slide) -> Self {
        Self {
            device,
            cells_needed: config.cells_needed,
            red_cells_per_ul: config.red_cells_per_ul,
            site_validation: config.site_validation.clone(),
            report_cells: config.report_cells,
            keep_reports: config.keep_reports,
        }
    }

    /// Whether a model's rates may correct a count here: rates from elsewhere mislead.
    pub fn corrects(&self, validation: &Validation) -> bool {
        validation.devices.contains(&self.device)
            || self.site_validation.as_ref() == Some(&validation.dataset)
    }

    /// Why nothing is corrected although it was asked for.
    pub fn doubt(&self, validation: Option<&Validation>) -> Option<String> {
        let wanted = self.site_validation.as_ref()?;
        let there = match validation {
            Some(validation) if self.corrects(validation) => return None,
            Some(validation) => format!("they were measured on {:?}", validation.dataset),
            None => "it has none".into(),
        };
        Some(format!(
            "`site_validation` is {wanted:?}, but the rates of the model at work are not from there ({there}): parasitemia is \
             not corrected"
        ))
    }
}

/// A model that judges cells, with what is known of its errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    /// Which it is.
    pub model: ModelRef,
    /// Its card's rates.
    pub validation: Option<Validation>,
    /// The probability from which it calls a cell parasitized.
    pub threshold: f32,
}

/// Cells of a field that were seen and don't join the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCounted {
    /// Why, in the word of [`LeftOut::cause`].
    pub cause: &'static str,
    /// How many cells.
    pub cells: u64,
}

/// What a slide is told of an analysed field.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What of the field may join the count.
    pub counted: Counts,
    /// What may not. A field of which nothing may join is no field of the slide.
    pub not_counted: Option<NotCounted>,
    /// The field's `quality.focus`.
    pub focus: f32,
    /// What judged its cells.
    pub judge: &'a Judge,
    /// The most suspicious of the counted cells: see [`most_suspicious`].
    pub suspects: &'a [Suspect],
}

impl Seen<'_> {
    /// Whether the field joins the slide.
    pub fn joins(&self) -> bool {
        self.counted.cells > 0 || self.not_counted.is_none()
    }
}

/// A slide with its count. Once closed it takes no more fields.
#[derive(Clone, Debug)]
pub struct Slide {
    /// Which slide it is.
    pub id: SlideId,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How many fields joined it.
    pub fields: u64,
    /// What was counted, and how.
    pub tally: Tally,
    /// Since when the time runs that [`Tally::open_ms`] doesn't have yet; `None` where it doesn't run.
    since: Option<Instant>,
}

/// Everything of a slide that grows, in the form in which the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The cells of the counted fields.
    pub sums: FieldSums,
    focus_sum: f64,
    focus_min: Option<f32>,
    left_out: BTreeMap<String, Out>,
    turned_away: BTreeMap<String, u64>,
    models: Vec<SlideModel>,
    clock_synchronised: Option<bool>,
    open_ms: u64,
    /// Those of before it existed have none.
    #[serde(default)]
    course: Course,
    #[serde(default)]
    notes: Notes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Out {
    fields: u64,
    cells: u64,
}

impl Tally {
    /// Whether a slide of so many fields can have this tally: what was kept and read again may be damaged.
    pub fn is_possible(&self, fields: u64) -> bool {
        self.sums.is_possible()
            && self.sums.fields <= fields
            && self.focus_sum.is_finite()
            && self.course.is_possible()
            && [
                self.left_out.len(),
                self.turned_away.len(),
                self.models.len(),
            ]
            .iter()
            .all(|kinds| *kinds <= MOST_KINDS)
    }
}

impl Slide {
    /// An empty slide, begun now.
    pub fn new(id: SlideId) -> Self {
        Self {
            id,
            started_at: Timestamp::now(),
            closed_at: None,
            fields: 0,
            tally: Tally {
                clock_synchronised: clock::is_synchronised(),
                ..Tally::default()
            },
            since: Some(Instant::now()),
        }
    }

    /// A slide that was kept; while it is open, its time runs on from now.
    pub fn restored(
        id: SlideId,
        started_at: Timestamp,
        closed_at: Option<Timestamp>,
        fields: u64,
        tally: Tally,
    ) -> Self {
        Self {
            id,
            started_at,
            closed_at,
            fields,
            tally,
            since: closed_at.is_none().then(Instant::now),
        }
    }

    /// Whether fields may join.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// The counted cells.
    pub fn counts(&self) -> Counts {
        self.tally.sums.counts
    }

    /// Adds the field of this number.
    pub fn add(&mut self, seq: u64, seen: &Seen<'_>) {
        let tally = &mut self.tally;
        if let Some(NotCounted { cause, cells }) = seen.not_counted
            && let Some(out) = entry(&mut tally.left_out, cause)
        {
            out.fields += 1;
            out.cells += cells;
        }
        if !seen.joins() {
            return;
        }
        self.fields += 1;
        tally.sums.add(seen.counted);
        let field = JoinedField {
            seq,
            counts: seen.counted,
            focus: if seen.focus.is_finite() {
                seen.focus
            } else {
                0.0
            },
        };
        tally.course.add(self.fields, field, &tally.sums);
        if seen.focus.is_finite() {
            tally.focus_sum += f64::from(seen.focus);
            tally.focus_min = Some(
                tally
                    .focus_min
                    .map_or(seen.focus, |min| min.min(seen.focus)),
            );
        }
        let cells = seen.counted.cells;
        let known = tally
            .models
            .iter()
            .position(|known| known.model == seen.judge.model);
        match known {
            Some(index) => tally.models[index].cells += cells,
            None if tally.models.len() < MOST_KINDS => tally.models.push(SlideModel {
                model: seen.judge.model.clone(),
                cells,
                validation: seen.judge.validation.clone(),
            }),
            None => {}
        }
    }

    /// Says something of it, in place of what was said before.
    pub fn note(&mut self, notes: Notes) {
        self.tally.notes = notes;
    }

    /// A picture came while the slide was open and was not analysed.
    pub fn turn_away(&mut self, cause: &'static str) {
        if let Some(frames) = entry(&mut self.tally.turned_away, cause) {
            *frames += 1;
        }
    }

    /// The tally as it is now, with the time until now.
    pub fn tally_now(&self) -> Tally {
        let mut tally = self.tally.clone();
        let more = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        tally.open_ms = tally
            .open_ms
            .saturating_add(u64::try_from(more.as_millis()).unwrap_or(u64::MAX));
        tally
    }

    /// The same slide, closed now.
    pub fn closed(mut self) -> Self {
        self.tally = self.tally_now();
        self.since = None;
        self.closed_at = Some(Timestamp::now());
        // Known to be right only if it was at both ends; known to be wrong if it was at one.
        self.tally.clock_synchronised =
            match (self.tally.clock_synchronised, clock::is_synchronised()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        self
    }

    /// What is published of it.
    pub fn message(&self, rules: &Rules) -> SlideMessage {
        let tally = self.tally_now();
        let counts = tally.sums.counts;
        let estimate = tally.sums.estimate();
        let validation = match tally.models.as_slice() {
            [only] => only.validation.as_ref(),
            _ => None,
        };
        let course = tally.course.points(self.fields, &tally.sums);
        let raw = estimate.as_ref();
        let limit = raw
            .zip(validation)
            .and_then(|(raw, v)| detection_limit(raw, v));
        let corrected = raw
            .zip(validation.filter(|v| rules.corrects(v)))
            .and_then(|(raw, v)| corrected(raw, v.sensitivity, v.specificity));
        let parasitemia = raw.map(|raw| raw.parasitemia());
        let is_below = limit.as_ref().is_some_and(|limit| !limit.is_above);
        SlideMessage {
            schema: SlideMessage::SCHEMA.into(),
            id: self.id.clone(),
            device: rules.device.clone(),
            started_at: self.started_at,
            fields: self.fields,
            counts,
            parasitemia,
            interval: raw
                .map_or(IntervalMethod::Wilson, |raw| raw.method)
                .word()
                .into(),
            cells_needed: rules.cells_needed,
            state: state(counts.cells, rules.cells_needed, is_below),
            closed_at: self.closed_at,
            cells_to_go: Some(rules.cells_needed.saturating_sub(counts.cells)),
            design_effect: raw
                .filter(|_| tally.sums.fields >= LEAST_FIELDS)
                .map(|raw| raw.design_effect),
            corrected,
            detection_limit: limit,
            parasites_per_ul: by_volume(parasitemia, corrected, is_below, rules.red_cells_per_ul),
            focus: tally.focus_min.map(|min| FocusOfFields {
                mean: tally.focus_sum / self.fields.max(1) as f64,
                min,
            }),
            left_out: tally
                .left_out
                .into_iter()
                .map(|(cause, Out { fields, cells })| LeftOut {
                    cause,
                    fields,
                    cells,
                })
                .collect(),
            turned_away: tally
                .turned_away
                .into_iter()
                .map(|(cause, frames)| TurnedAway { cause, frames })
                .collect(),
            models: tally.models,
            duration_s: Some(tally.open_ms / 1000),
            clock_synchronised: tally.clock_synchronised,
            notes: tally.notes,
            recent: tally.course.recent(),
            course,
            // What a person decided is not the slide's to know.
            reviewed: None,
        }
    }
}

/// While cells are missing, that is what there is to say: more of them may yet lift the rate above the limit.
fn state(cells: u64, needed: u64, is_below: bool) -> SlideState {
    match (cells < needed, is_below) {
        (true, _) => SlideState::Insufficient,
        (false, true) => SlideState::BelowDetectionLimit,
        (false, false) => SlideState::Sufficient,
    }
}

/// Of the corrected rate, else of the raw one: unless that could be the model's errors alone.
fn by_volume(
    raw: Option<Parasitemia>,
    corrected: Option<Parasitemia>,
    is_below: bool,
    red_cells_per_ul: u64,
) -> Option<ParasitesPerUl> {
    match corrected {
        Some(rate) => Some(ParasitesPerUl::of(&rate, red_cells_per_ul, true)),
        None => raw
            .filter(|_| !is_below)
            .map(|rate| ParasitesPerUl::of(&rate, red_cells_per_ul, false)),
    }
}

/// What is counted under a word; `None` where there are too many words already.
fn entry<'m, T: Default>(map: &'m mut BTreeMap<String, T>, word: &str) -> Option<&'m mut T> {
    if !map.contains_key(word) {
        if map.len() >= MOST_KINDS {
            return None;
        }
        map.insert(word.to_owned(), T::default());
    }
    map.get_mut(word)
}

#[cfg(test)]
pub(crate) mod tests;
