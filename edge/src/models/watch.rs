//! The watch over a new model: on the first cells that it judges, the model before it judges, too.
//!
//! Both see the same cells, so that another slide, or another stain, is not taken for another model. What can be told
//! without the truth is told: answers that are no numbers, slowness, a share of parasitized cells that is far from the
//! other's, and blindness: of the cells that the model before calls parasitized, it must call some so, too. Which of two
//! models is right where they differ a little, a watch can't tell: that is for the validation.

use smearscope_common::message::ModelWatch;

/// Less than this says nothing of shares and speed.
const LEAST_CELLS: u64 = 100;
/// Fewer parasitized cells than this say nothing of blindness: they may be the other model's mistakes.
const LEAST_PARASITIZED: u64 = 10;

/// What a model must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// As many cells end the watch.
    pub cells: u64,
    /// The most that the share of parasitized cells may differ from the other model's, 0 to 1.
    pub max_share_shift: f64,
    /// The least part of what the other model calls parasitized that it must call so, too, 0 to 1.
    pub min_agreement: f64,
    /// The most milliseconds of one core for a cell.
    pub max_ms_per_crop: f64,
}

/// A field that both models have judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Its cells.
    pub cells: u64,
    /// Those that the new model calls parasitized.
    pub parasitized: u64,
    /// What the model before says of them; `None` where it can't judge any more.
    pub before: Option<Before>,
    /// Milliseconds of one core that the new model took for all of them.
    pub ms: f64,
}

/// What the model before says of the same cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before {
    /// Those that it calls parasitized.
    pub parasitized: u64,
    /// Those of them that the new one calls so, too.
    pub agreed: u64,
}

/// What a watch comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing yet.
    GoesOn,
    /// The model is good enough.
    Stood,
    /// It is not; says why.
    Failed(String),
}

/// What was seen so far.
#[derive(Clone, Debug)]
pub struct Watch {
    rules: Rules,
    cells: u64,
    parasitized: u64,
    /// Cells that both have judged, and what each called parasitized of these.
    both: u64,
    shared: u64,
    shared_before: u64,
    agreed: u64,
    ms: f64,
}

impl Watch {
    /// A watch that begins.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            cells: 0,
            parasitized: 0,
            both: 0,
            shared: 0,
            shared_before: 0,
            agreed: 0,
            ms: 0.0,
        }
    }

    /// Adds a field.
    pub fn add(&mut self, judged: &Judged) -> Verdict {
        self.cells += judged.cells;
        self.parasitized += judged.parasitized;
        self.ms += judged.ms;
        if let Some(before) = judged.before {
            self.both += judged.cells;
            self.shared += judged.parasitized;
            self.shared_before += before.parasitized;
            self.agreed += before.agreed;
        }
        let is_over = self.cells >= self.rules.cells;
        if self.cells >= LEAST_CELLS || is_over && self.cells > 0 {
            let ms = self.ms / self.cells as f64;
            if ms > self.rules.max_ms_per_crop {
                return Verdict::Failed(format!(
                    "it takes {ms:.0} ms for a cell, more than {:.0}",
                    self.rules.max_ms_per_crop
                ));
            }
        }
        if (self.both >= LEAST_CELLS || is_over)
            && let Some((now, before)) = self.shares()
            && (now - before).abs() > self.rules.max_share_shift
        {
            return Verdict::Failed(format!(
                "it calls {} of {} cells parasitized, the model before it {}: more than {} percentage points apart",
                self.shared,
                self.both,
                self.shared_before,
                self.rules.max_share_shift * 100.0
            ));
        }
        let least = self.rules.min_agreement * self.shared_before as f64;
        if self.shared_before >= LEAST_PARASITIZED && (self.agreed as f64) < least {
            return Verdict::Failed(format!(
                "of {} cells that the model before it calls parasitized it calls {} so, fewer than {} %",
                self.shared_before,
                self.agreed,
                self.rules.min_agreement * 100.0
            ));
        }
        if is_over {
            Verdict::Stood
        } else {
            Verdict::GoesOn
        }
    }

    /// How far it is.
    pub fn progress(&self) -> ModelWatch {
        ModelWatch {
            cells: self.cells,
            cells_needed: self.rules.cells,
            share: (self.cells > 0).then(|| self.parasitized as f64 / self.cells as f64),
            share_before: self.shares().map(|(_, before)| before),
        }
    }

    /// The shares of the cells that both have judged: the new model's and the other's.
    fn shares(&self) -> Option<(f64, f64)> {
        let share = |count: u64| count as f64 / self.both as f64;
        (self.both > 0).then(|| (share(self.shared), share(self.shared_before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        cells: 300,
        max_share_shift: 0.1,
        min_agreement: 0.2,
        max_ms_per_crop: 50.0,
    };

    fn judged(parasitized: u64, before: u64) -> Judged {
        Judged {
            cells: 60,
            parasitized,
            before: Some(Before {
                parasitized: before,
                agreed: parasitized.min(before),
            }),
            ms: 60.0 * 20.0,
        }
    }

    #[test]
    fn a_model_like_the_one_before_stands_its_watch() {
        let mut watch = Watch::new(RULES);
        for _ in 0..4 {
            assert_eq!(watch.add(&judged(3, 2)), Verdict::GoesOn);
        }
        let progress = watch.progress();
        assert_eq!((progress.cells, progress.cells_needed), (240, 300));
        assert_eq!(progress.share, Some(0.05));
        assert_eq!(watch.add(&judged(3, 2)), Verdict::Stood);
    }

    #[test]
    fn one_that_calls_everything_or_nothing_parasitized_fails_soon() {
        for (now, before) in [(60, 2), (0, 8)] {
            let mut watch = Watch::new(RULES);
            assert_eq!(watch.add(&judged(now, before)), Verdict::GoesOn);
            let Verdict::Failed(why) = watch.add(&judged(now, before)) else {
                panic!("it must fail")
            };
            assert!(why.contains("percentage points"), "{why}");
        }
    }

    #[test]
    fn a_blind_one_fails_as_soon_as_there_was_something_to_see() {
        let mut watch = Watch::new(RULES);
        for _ in 0..3 {
            assert_eq!(watch.add(&judged(0, 3)), Verdict::GoesOn);
        }
        let Verdict::Failed(why) = watch.add(&judged(0, 3)) else {
            panic!("it must fail")
        };
        assert!(why.contains("of 12 cells"), "{why}");
        // What the model before called so by mistake, a better one may leave out.
        let mut watch = Watch::new(RULES);
        for _ in 0..4 {
            assert_eq!(watch.add(&judged(1, 3)), Verdict::GoesOn);
        }
        assert_eq!(watch.add(&judged(1, 3)), Verdict::Stood);
    }

    #[test]
    fn the_same_change_of_both_is_the_slides() {
        let mut watch = Watch::new(RULES);
        assert_eq!(watch.add(&judged(0, 0)), Verdict::GoesOn);
        for _ in 0..3 {
            assert_eq!(watch.add(&judged(50, 49)), Verdict::GoesOn);
        }
        assert_eq!(watch.add(&judged(0, 1)), Verdict::Stood);
    }

    #[test]
    fn a_slow_one_fails_and_fields_without_cells_say_nothing() {
        let mut watch = Watch::new(RULES);
        let empty = Judged {
            cells: 0,
            parasitized: 0,
            before: Some(Before {
                parasitized: 0,
                agreed: 0,
            }),
            ms: 0.0,
        };
        for _ in 0..1000 {
            assert_eq!(watch.add(&empty), Verdict::GoesOn);
        }
        assert_eq!(watch.progress().share, None);
        let slow = Judged {
            ms: 60.0 * 51.0,
            ..judged(1, 1)
        };
        assert_eq!(watch.add(&slow), Verdict::GoesOn);
        let Verdict::Failed(why) = watch.add(&slow) else {
            panic!("it must fail")
        };
        assert!(why.contains("51 ms"), "{why}");
    }

    #[test]
    fn without_the_model_before_only_speed_is_watched() {
        let mut watch = Watch::new(RULES);
        let alone = Judged {
            before: None,
            ..judged(60, 0)
        };
        for _ in 0..4 {
            assert_eq!(watch.add(&alone), Verdict::GoesOn);
        }
        assert_eq!(watch.add(&alone), Verdict::Stood);
    }
}
