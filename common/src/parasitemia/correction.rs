//! The rate without the model's own errors, as far as these are known.

use super::interval::Z_95;
use super::{FieldsEstimate, Parasitemia};
use crate::model_card::Rate;

/// The rate corrected for the model's sensitivity and specificity; `None` where these are no rates, or their sum is not
/// above 1: then the model's word says nothing.
///
/// The estimate is W. J. Rogan's and B. Gladen's (Am. J. Epidemiol. 107 (1978) 71–76),
/// (raw + specificity − 1) / (sensitivity + specificity − 1), put into 0 to 1. The interval is that of Z. Lang and
/// J. Reiczigel (Prev. Vet. Med. 113 (2014) 13–22), which carries the uncertainty of both rates by the cells that they were
/// measured on; in it stands the number of independent cells that say as much as the counted ones, and their variance
/// is widened where the design effect was estimated from the fields.
///
/// Rates from other stains, microscopes or patients mislead: only those measured on the spot may be used.
pub fn corrected(
    raw: &FieldsEstimate,
    sensitivity: Rate,
    specificity: Rate,
) -> Option<Parasitemia> {
    let (sensitivity, specificity) = (Known::of(sensitivity)?, Known::of(specificity)?);
    let rate = rogan_gladen(raw.rate, sensitivity.observed, specificity.observed)?.clamp(0.0, 1.0);

    let z2 = Z_95 * Z_95;
    let cells = raw.effective_cells + z2;
    let moved = (raw.rate * raw.effective_cells + z2 / 2.0) / cells;
    let youden = sensitivity.moved + specificity.moved - 1.0;
    let centre = rogan_gladen(moved, sensitivity.moved, specificity.moved)?;
    let of_cells = moved * (1.0 - moved) / cells * (raw.quantile / Z_95).powi(2);
    let variance = of_cells
        + centre.powi(2) * sensitivity.variance
        + (1.0 - centre).powi(2) * specificity.variance;
    let half = Z_95 * variance.sqrt() / youden;
    let shift = 2.0 * z2 * (centre * sensitivity.variance - (1.0 - centre) * specificity.variance);
    let middle = centre + shift;
    let ends = (
        (middle - half).clamp(0.0, rate),
        (middle + half).clamp(rate, 1.0),
    );
    Some(Parasitemia::of(rate, ends))
}

/// The corrected rate before it is put into 0 to 1.
pub(super) fn rogan_gladen(raw: f64, sensitivity: f64, specificity: f64) -> Option<f64> {
    let youden = sensitivity + specificity - 1.0;
    (youden > 0.0).then(|| (raw + specificity - 1.0) / youden)
}

/// A rate of the model with what is not known of it.
struct Known {
    observed: f64,
    /// With one more hit and one more miss.
    moved: f64,
    variance: f64,
}

impl Known {
    fn of(rate: Rate) -> Option<Self> {
        if rate.n == 0 || rate.hits > rate.n {
            return None;
        }
        let [hits, n] = [rate.hits, rate.n].map(|count| count as f64);
        // A weighted rate lies between two whole numbers of hits.
        let hits = match (hits..hits + 1.0).contains(&(rate.value * n)) {
            true => rate.value * n,
            false => hits,
        };
        let moved = (hits + 1.0) / (n + 2.0);
        Some(Self {
            observed: hits / n,
            moved,
            variance: moved * (1.0 - moved) / (n + 2.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parasitemia::{Counts, FieldSums};
    use proptest::prelude::*;

    fn raw(cells: u64, parasitized: u64) -> FieldsEstimate {
        let mut sums = FieldSums::default();
        sums.add(Counts { cells, parasitized });
        sums.estimate().unwrap()
    }

    fn rate(hits: u64, n: u64) -> Rate {
        Rate::new(hits, n).unwrap()
    }

    #[test]
    fn the_estimate_is_rogan_s_and_gladen_s() {
        // 23 of 150 at 0.96 and 0.89: 5.1 %, as in epiR's documentation of `epi.prev`.
        let found = corrected(&raw(150, 23), rate(96, 100), rate(89, 100)).unwrap();
        assert!((found.percent - 5.1).abs() < 0.05, "{found:?}");
        assert!(
            found.low == 0.0 && found.high > 12.0 && found.high < 18.0,
            "{found:?}"
        );
        // Fewer than the model errs: nothing is left, and not less than nothing.
        let none = corrected(&raw(1000, 20), rate(900, 1000), rate(965, 1000)).unwrap();
        assert_eq!((none.percent, none.low), (0.0, 0.0));
        assert!(none.high > 0.0 && none.high < 2.0, "{none:?}");
    }

    #[test]
    fn rates_from_few_cells_make_the_interval_wider() {
        let width = |n: u64| {
            let found = corrected(&raw(5000, 200), rate(n * 9 / 10, n), rate(n * 98 / 100, n));
            found.map(|found| found.high - found.low).unwrap()
        };
        assert!(width(100) > 1.5 * width(1000) && width(1000) > width(100_000));
        // All rates known: as wide as the raw one, over Youden's index.
        let interval = raw(5000, 200).interval;
        let expected = 100.0 * (interval.1 - interval.0) / (0.9 + 0.98 - 1.0);
        assert!((width(100_000_000) - expected).abs() < 0.01);
    }

    #[test]
    fn a_model_that_says_nothing_corrects_nothing() {
        let raw = raw(100, 10);
        assert_eq!(corrected(&raw, rate(1, 2), rate(1, 2)), None);
        let no_rate = Rate {
            value: 0.5,
            hits: 3,
            n: 2,
        };
        assert_eq!(corrected(&raw, no_rate, rate(1, 1)), None);
        assert_eq!(corrected(&raw, rate(1, 1), Rate { n: 0, ..no_rate }), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_estimate(
            (cells, share) in (1u64..1_000_000, 0.0f64..=1.0),
            (n_se, se) in (1u64..10_000, 0.0f64..=1.0),
            (n_sp, sp) in (1u64..10_000, 0.0f64..=1.0),
        ) {
            let part = |n: u64, share: f64| (n as f64 * share) as u64;
            let raw = raw(cells, part(cells, share));
            let found = corrected(&raw, rate(part(n_se, se), n_se), rate(part(n_sp, sp), n_sp));
            if let Some(p) = found {
                prop_assert!(0.0 <= p.low && p.low <= p.percent, "{p:?}");
                prop_assert!(p.percent <= p.high && p.high <= 100.0, "{p:?}");
            }
        }
    }
}
