//! The rate over several fields, whose cells are alike within a field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::{Z_95, score_interval, student_95};
use super::{Counts, Parasitemia};

/// From so many fields with cells on, the interval allows for clustering; the scatter of fewer says too little.
pub const LEAST_FIELDS: u64 = 5;

/// What has to be kept of the fields of a slide, however many they are.
///
/// Invariant: made by [`FieldSums::add`] only, or checked by [`FieldSums::is_possible`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSums {
    /// Fields with at least one cell.
    pub fields: u64,
    /// Their cells n and those of them that are parasitized, x.
    #[serde(flatten)]
    pub counts: Counts,
    /// Σ n² over the fields.
    pub cells_squared: u64,
    /// Σ n·x over the fields.
    pub cells_by_parasitized: u64,
    /// Σ x² over the fields.
    pub parasitized_squared: u64,
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Wilson's, for cells that are independent of each other.
    Wilson,
    /// Wilson's for the number of independent cells that say as much as the counted ones do.
    WilsonClustered,
}

impl IntervalMethod {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wilson => "wilson",
            Self::WilsonClustered => "wilson_clustered",
        }
    }
}

/// What the counted fields say of the raw rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldsEstimate {
    /// Parasitized cells over cells, 0 to 1.
    pub rate: f64,
    /// The 95 % interval of the rate, 0 to 1.
    pub interval: (f64, f64),
    /// How the interval was made.
    pub method: IntervalMethod,
    /// By how much the fields scatter more than independent cells would, as a ratio of variances, at least 1; 1 where
    /// that is not asked.
    pub design_effect: f64,
    /// The cells over the design effect.
    pub effective_cells: f64,
    /// The quantile that the interval was made with: of the normal distribution, or of Student's t where the design
    /// effect was estimated from the fields.
    pub quantile: f64,
}

impl FieldsEstimate {
    /// The rate in percent.
    pub fn parasitemia(&self) -> Parasitemia {
        Parasitemia::of(self.rate, self.interval)
    }
}

impl FieldSums {
    /// Adds a field. One without a cell changes nothing.
    pub fn add(&mut self, field: Counts) {
        let Counts { cells, parasitized } = field;
        if cells == 0 {
            return;
        }
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.fields, 1);
        add(&mut self.counts.cells, cells);
        add(&mut self.counts.parasitized, parasitized);
        add(&mut self.cells_squared, cells.saturating_mul(cells));
        add(
            &mut self.cells_by_parasitized,
            cells.saturating_mul(parasitized),
        );
        add(
            &mut self.parasitized_squared,
            parasitized.saturating_mul(parasitized),
        );
    }

    /// Whether fields with such sums can exist: what was kept and read again may be damaged.
    pub fn is_possible(&self) -> bool {
        let Counts { cells, parasitized } = self.counts;
        parasitized <= cells
            && self.fields <= cells
            && (self.fields == 0) == (cells == 0)
            && parasitized <= self.parasitized_squared
            && self.parasitized_squared <= self.cells_by_parasitized
            && self.cells_by_parasitized <= self.cells_squared
            && cells <= self.cells_squared
            && u128::from(self.cells_squared) <= u128::from(cells).pow(2)
    }

    /// The raw rate with its interval; `None` before the first cell.
    ///
    /// The rate is a ratio estimator over clusters, x/n. From [`LEAST_FIELDS`] fields on, its variance is estimated from
    /// the scatter of the fields, k/(k−1) · Σ(xᵢ − rate·nᵢ)² / n² (W. G. Cochran, Sampling Techniques, 3rd ed. 1977,
    /// §6.3 and §9A), and compared with that of independent cells, rate·(1−rate)/n. Their ratio is the design effect
    /// (L. Kish, Survey Sampling, 1965), taken as at least 1. Wilson's interval is then made for n / design effect
    /// cells (as in N. Dean and M. Pagano, J. Surv. Stat. Methodol. 3 (2015) 484–503), where the effect is above 1 with
    /// the quantile of Student's t for k−1 degrees of freedom (E. L. Korn and B. I. Graubard, Surv. Methodol. 24 (1998)
    /// 193–201). How well it covers was measured: see `docs/parasitemia.md`.
    pub fn estimate(&self) -> Option<FieldsEstimate> {
        let Counts { cells, parasitized } = self.counts;
        if cells == 0 || parasitized > cells {
            return None;
        }
        let n = cells as f64;
        let rate = parasitized as f64 / n;
        let is_clustered = self.fields >= LEAST_FIELDS;
        let design_effect = if is_clustered {
            self.scatter(rate, n).max(1.0)
        } else {
            1.0
        };
        let quantile = if design_effect > 1.0 {
            student_95(self.fields - 1)
        } else {
            Z_95
        };
        let effective_cells = n / design_effect;
        Some(FieldsEstimate {
            rate,
            interval: score_interval(rate, effective_cells, quantile),
            method: if is_clustered {
                IntervalMethod::WilsonClustered
            } else {
                IntervalMethod::Wilson
            },
            design_effect,
            effective_cells,
            quantile,
        })
    }

    /// The variance that the fields show over that of independent cells; 1 where all cells are the same.
    fn scatter(&self, rate: f64, n: f64) -> f64 {
        let independent = rate * (1.0 - rate) * n;
        if independent <= 0.0 {
            return 1.0;
        }
        let squares = self.parasitized_squared as f64
            - 2.0 * rate * self.cells_by_parasitized as f64
            + rate * rate * self.cells_squared as f64;
        let k = self.fields as f64;
        k / (k - 1.0) * squares / independent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(fields: &[(u64, u64)]) -> FieldSums {
        let mut sums = FieldSums::default();
        for &(cells, parasitized) in fields {
            sums.add(Counts { cells, parasitized });
        }
        sums
    }

    #[test]
    fn few_fields_have_the_interval_of_independent_cells() {
        let few = sums(&[(100, 9), (100, 1), (100, 0), (100, 0)]);
        let estimate = few.estimate().unwrap();
        assert_eq!(estimate.method, IntervalMethod::Wilson);
        assert_eq!(
            estimate.parasitemia(),
            few.counts.parasitemia().unwrap(),
            "{estimate:?}"
        );
        assert_eq!(FieldSums::default().estimate(), None);
        assert_eq!(sums(&[(0, 0)]), FieldSums::default());
    }

    #[test]
    fn the_design_effect_is_the_ratio_of_the_variances() {
        // By hand: 5 fields of 100 with 10, 0, 0, 0, 0; rate 0.02; squares 64 + 4·4 = 80 → 5/4 · 80 = 100 over
        // 0.02 · 0.98 · 500 = 9.8.
        let clustered = sums(&[(100, 10), (100, 0), (100, 0), (100, 0), (100, 0)]);
        let estimate = clustered.estimate().unwrap();
        assert!((estimate.design_effect - 100.0 / 9.8).abs() < 1e-9);
        assert!((estimate.effective_cells - 49.0).abs() < 1e-9);
        assert_eq!(estimate.method, IntervalMethod::WilsonClustered);
        let independent = clustered.counts.parasitemia().unwrap();
        let wider = estimate.parasitemia();
        assert!(wider.low < independent.low && wider.high > 2.0 * independent.high);
    }

    #[test]
    fn fields_more_alike_than_chance_make_no_interval_narrower() {
        let even = sums(&[(100, 2); 50]);
        let estimate = even.estimate().unwrap();
        assert_eq!((estimate.design_effect, estimate.quantile), (1.0, Z_95));
        assert_eq!(estimate.parasitemia(), even.counts.parasitemia().unwrap());
    }

    #[test]
    fn what_no_fields_can_have_made_is_known() {
        let sound = sums(&[(100, 3), (80, 0), (1, 1)]);
        assert!(sound.is_possible() && FieldSums::default().is_possible());
        let spoilt: [fn(&mut FieldSums); 7] = [
            |s| s.counts.parasitized = 182,
            |s| s.fields = 182,
            |s| s.fields = 0,
            |s| s.parasitized_squared = 3,
            |s| s.cells_by_parasitized = 1,
            |s| s.cells_squared = 180,
            |s| s.cells_squared = 200_000,
        ];
        for spoil in spoilt {
            let mut sums = sound;
            spoil(&mut sums);
            assert!(!sums.is_possible(), "{sums:?}");
        }
    }

    proptest! {
        #[test]
        fn any_fields_give_an_interval_that_holds_the_rate(
            fields in prop::collection::vec((0u64..500, 0.0f64..=1.0), 0..80)
        ) {
            let fields: Vec<_> = fields.iter().map(|&(n, share)| (n, (n as f64 * share) as u64)).collect();
            let sums = sums(&fields);
            prop_assert!(sums.is_possible());
            match sums.estimate() {
                None => prop_assert_eq!(sums.counts.cells, 0),
                Some(estimate) => {
                    let (low, high) = estimate.interval;
                    prop_assert!(0.0 <= low && low <= estimate.rate && estimate.rate <= high && high <= 1.0);
                    let independent = sums.counts.parasitemia().unwrap();
                    prop_assert!(100.0 * low <= independent.low + 1e-9, "{estimate:?}");
                    prop_assert!(100.0 * high >= independent.high - 1e-9, "{estimate:?}");
                }
            }
        }

        #[test]
        fn no_numbers_are_too_large(n in any::<u64>(), x in any::<u64>(), times in 1usize..9) {
            let counts = Counts { cells: n, parasitized: x.min(n) };
            let mut sums = FieldSums::default();
            for _ in 0..times {
                sums.add(counts);
            }
            if let Some(estimate) = sums.estimate() {
                prop_assert!(estimate.interval.0.is_finite() && estimate.interval.1.is_finite());
            }
        }
    }
}
