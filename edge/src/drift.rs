//! Whether this board's slides still look like those that its model knows.

use std::collections::VecDeque;

use smearscope_common::drift::{Looks, Measure, Reference, look};
use smearscope_common::image::RgbImage;
use smearscope_common::message::{DriftHealth, DriftState, Label};
use smearscope_common::segment::Cell;
use smearscope_common::{crop, engine::Opinion};
use tracing::{info, warn};

/// Of a field at most so many cells are measured: their median is known well enough, and it takes its time.
const MEASURED: usize = 30;
/// A field with fewer cells says little.
const FEWEST_OF_FIELD: u64 = 5;
/// So many fields are compared, the last ones.
const REMEMBERED: usize = 20;
/// With fewer fields nothing is said.
const FEWEST_FIELDS: usize = 5;
/// With fewer cells nothing is said.
const FEWEST_CELLS: u64 = 200;

/// What the uninfected cells of a field look like, by the opinions of a model on each.
pub fn looks(field: &RgbImage, cells: &[Cell], opinions: &[Opinion]) -> Looks {
    let healthy: Vec<(&Cell, &Opinion)> = cells
        .iter()
        .zip(opinions)
        .filter(|(_, opinion)| opinion.label == Label::Uninfected)
        .collect();
    let step = healthy.len().div_ceil(MEASURED).max(1);
    let mut looks = Looks::default();
    for (i, (cell, opinion)) in healthy.into_iter().enumerate() {
        let is_measured = i % step == 0;
        let found = is_measured.then(|| look(&crop::cut(field, cell))).flatten();
        looks.add(found, opinion.p_parasitized, 1.0);
    }
    looks
}

/// The last fields, held against what a model knows.
pub struct Slides {
    reference: Reference,
    fields: VecDeque<Looks>,
    state: DriftState,
}

impl Slides {
    /// With a model that says what its slides look like.
    pub fn new(reference: Reference) -> Self {
        Self {
            reference,
            fields: VecDeque::new(),
            state: DriftState::TooFew,
        }
    }

    /// Takes in a field and says how things are. A change is told in the log.
    pub fn add(&mut self, field: Looks) -> DriftHealth {
        if field.cells() >= FEWEST_OF_FIELD {
            self.fields.push_back(field);
            if self.fields.len() > REMEMBERED {
                self.fields.pop_front();
            }
        }
        let fields = self.fields.make_contiguous();
        let cells = fields.iter().map(Looks::cells).sum();
        let is_enough = fields.len() >= FEWEST_FIELDS && cells >= FEWEST_CELLS;
        let measures = match is_enough {
            true => self.reference.compare(fields),
            false => Vec::new(),
        };
        let is_out = measures.iter().any(|measured| measured.is_out);
        let state = match (is_enough, is_out) {
            (false, _) => DriftState::TooFew,
            (true, true) => DriftState::Drifted,
            (true, false) => DriftState::Fits,
        };
        let before = std::mem::replace(&mut self.state, state);
        if state == DriftState::Drifted && before != state {
            let out = measures.iter().filter(|measured| measured.is_out);
            let words: Vec<String> = out
                .map(|m| {
                    format!(
                        "{} {:.3}, usually {:.3} to {:.3}",
                        name(m.measure),
                        m.value,
                        m.low,
                        m.high
                    )
                })
                .collect();
            warn!(
                "the slides look different from those that the model knows ({}), so its figures may mislead: {}",
                self.reference.dataset,
                words.join("; ")
            );
        }
        if state == DriftState::Fits && before == DriftState::Drifted {
            info!("the slides look again like those that the model knows");
        }
        DriftHealth {
            state,
            fields: self.fields.len() as u64,
            cells,
            measures,
        }
    }
}

/// A measure as people call it.
pub fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::StainRed => "red of the stain",
        Measure::StainGreen => "green of the stain",
        Measure::StainBlue => "blue of the stain",
        Measure::CellDiameter => "cell diameter",
        Measure::Sharpness => "sharpness",
        Measure::Contrast => "contrast",
        Measure::Probability => "distance of the probabilities",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smearscope_common::drift::CellLook;

    fn field(look: CellLook, cells: usize) -> Looks {
        let mut looks = Looks::default();
        for i in 0..cells {
            looks.add((i < 20).then_some(look), 0.02, 1.0);
        }
        looks
    }

    const USUAL: CellLook = [190.0, 160.0, 160.0, 80.0, 0.01, 0.02];

    fn slides() -> Slides {
        let groups: Vec<Looks> = (0..9)
            .map(|i| {
                let stir = 1.0 + (i as f32 - 4.0) / 100.0;
                field(USUAL.map(|v| v * stir), 60)
            })
            .collect();
        Slides::new(Reference::of("lab", &groups).unwrap())
    }

    #[test]
    fn nothing_is_said_before_there_is_enough_and_then_what_changes() {
        let mut slides = slides();
        for n in 1..5 {
            let said = slides.add(field(USUAL, 60));
            assert_eq!(
                (said.state, said.fields, said.measures.len()),
                (DriftState::TooFew, n, 0)
            );
        }
        assert_eq!(
            slides.add(field(USUAL, 4)).fields,
            4,
            "too few cells to count"
        );
        let said = slides.add(field(USUAL, 60));
        assert_eq!((said.state, said.cells), (DriftState::Fits, 300));
        assert_eq!(said.measures.len(), 7);
        // Another objective: after half of the window the median is beyond.
        let small = [190.0, 160.0, 160.0, 50.0, 0.01, 0.02];
        let states: Vec<DriftState> = (0..20)
            .map(|_| slides.add(field(small, 60)).state)
            .collect();
        assert_eq!(states[0], DriftState::Fits);
        assert_eq!(states[19], DriftState::Drifted);
        let said = slides.add(field(small, 60));
        let out: Vec<Measure> = said
            .measures
            .iter()
            .filter(|m| m.is_out)
            .map(|m| m.measure)
            .collect();
        assert_eq!(out, [Measure::CellDiameter]);
        assert_eq!(said.fields, 20);
        let back = (0..20).map(|_| slides.add(field(USUAL, 60)).state).last();
        assert_eq!(back, Some(DriftState::Fits));
    }
}
