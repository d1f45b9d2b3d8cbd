//! Whether a rate can be told from the model's false positives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FieldsEstimate;
use super::interval::{score_interval, wilson};
use crate::model_card::Validation;

/// Steps of halving an interval of proportions: beyond them nothing of a double changes.
const HALVINGS: usize = 60;

/// What of the raw rate the model makes by itself: healthy cells that it calls parasitized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FalsePositives {
    /// False positives per hundred healthy cells.
    pub percent: f64,
    /// The lower end of the 95 % interval in percent.
    pub low: f64,
    /// The upper end of the 95 % interval in percent.
    pub high: f64,
    /// How many healthy cells that was measured on.
    pub cells: u64,
    /// Where those cells came from. Elsewhere there may be more false positives, or fewer.
    pub dataset: String,
}

/// The lowest raw rate that can be told from the model's false positives, with as many cells as were counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionLimit {
    /// The limit in percent. It falls as more cells are counted, down to about the upper end of the false positives.
    pub percent: f64,
    /// Whether the raw rate lies above it.
    pub is_above: bool,
    /// What is to be told from.
    pub false_positives: FalsePositives,
}

/// The limit of detection of a model with these rates, for what was counted; `None` where its rates are none.
///
/// A rate lies above it where the lower end of the 95 % interval of the difference, raw rate − false-positive rate, is
/// above 0: a clean slide is taken for more than that once in 40 times. The interval is R. G. Newcombe's hybrid of
/// two score intervals (Statist. Med. 17 (1998) 873–890, method 10), here with that of clustered fields as one of the
/// two.
pub fn detection_limit(raw: &FieldsEstimate, validation: &Validation) -> Option<DetectionLimit> {
    let specificity = validation.specificity;
    let wrong = specificity.n.checked_sub(specificity.hits)?;
    let (low, high) = wilson(wrong, specificity.n)?;
    let floor = wrong as f64 / specificity.n as f64;
    let is_above = |rate: f64| {
        let (least, _) = score_interval(rate, raw.effective_cells, raw.quantile);
        rate - floor > (rate - least).hypot(high - floor)
    };
    let (mut below, mut above) = (floor, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(below, above);
        if is_above(middle) {
            above = middle;
        } else {
            below = middle;
        }
    }
    Some(DetectionLimit {
        percent: 100.0 * above,
        is_above: is_above(raw.rate),
        false_positives: FalsePositives {
            percent: 100.0 * floor,
            low: 100.0 * low,
            high: 100.0 * high,
            cells: specificity.n,
            dataset: validation.dataset.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_card::Rate;
    use crate::parasitemia::{Counts, FieldSums};
    use proptest::prelude::*;

    fn raw(cells: u64, parasitized: u64) -> FieldsEstimate {
        let mut sums = FieldSums::default();
        sums.add(Counts { cells, parasitized });
        sums.estimate().unwrap()
    }

    fn specific(hits: u64, n: u64) -> Validation {
        Validation {
            dataset: "a lab".into(),
            subjects: 30,
            sensitivity: Rate::new(90, 100).unwrap(),
            specificity: Rate::new(hits, n).unwrap(),
            devices: Vec::new(),
        }
    }

    #[test]
    fn what_a_model_makes_by_itself_is_below_its_limit() {
        let model = specific(1930, 2000);
        let clean = detection_limit(&raw(5000, 175), &model).unwrap();
        assert!(
            !clean.is_above && clean.percent > 4.3 && clean.percent < 5.0,
            "{clean:?}"
        );
        assert!((clean.false_positives.percent - 3.5).abs() < 1e-9);
        assert_eq!(clean.false_positives.dataset, "a lab");
        assert!(detection_limit(&raw(5000, 300), &model).unwrap().is_above);
        assert!(!detection_limit(&raw(5000, 0), &model).unwrap().is_above);
        // More cells, lower limit; no more than what is known of the model allows.
        let more = detection_limit(&raw(500_000, 17_500), &model).unwrap();
        assert!(more.percent < clean.percent && more.percent > clean.false_positives.high - 1e-9);
    }

    #[test]
    fn a_model_that_was_never_wrong_has_a_limit_all_the_same() {
        let limit = detection_limit(&raw(5000, 0), &specific(300, 300)).unwrap();
        assert!(limit.percent > 1.2 && !limit.is_above, "{limit:?}");
        assert!(
            detection_limit(&raw(5000, 150), &specific(300, 300))
                .unwrap()
                .is_above
        );
    }

    #[test]
    fn rates_that_are_none_give_no_limit() {
        let mut model = specific(1, 1);
        model.specificity.hits = 2;
        assert_eq!(detection_limit(&raw(100, 1), &model), None);
        model.specificity = Rate {
            value: 0.9,
            hits: 0,
            n: 0,
        };
        assert_eq!(detection_limit(&raw(100, 1), &model), None);
    }

    proptest! {
        #[test]
        fn the_limit_is_where_being_above_begins(
            (cells, share) in (1u64..200_000, 0.0f64..=1.0),
            (n, specificity) in (1u64..10_000, 0.5f64..=1.0),
        ) {
            let model = specific((n as f64 * specificity) as u64, n);
            let raw = raw(cells, (cells as f64 * share) as u64);
            let limit = detection_limit(&raw, &model).unwrap();
            prop_assert!(limit.percent >= limit.false_positives.percent && limit.percent <= 100.0);
            if limit.percent < 100.0 && (100.0 * raw.rate - limit.percent).abs() > 1e-6 {
                prop_assert_eq!(limit.is_above, 100.0 * raw.rate > limit.percent, "{:?}", limit);
            }
        }
    }
}
