//! Counts → parasitemia with its uncertainty.
//!
//! What is done and why, with sources, stands in `docs/parasitemia.md`. In short: the raw rate is infected cells over
//! counted cells; its interval allows for cells of one field being alike ([`FieldSums`]); what the model's own errors do
//! to it is told by a limit of detection ([`detection_limit`]) and, where its error rates were measured on the spot, by a
//! corrected rate ([`corrected`]).

mod correction;
mod detection;
mod fields;
mod interval;
#[cfg(test)]
mod simulation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use correction::corrected;
pub use detection::{DetectionLimit, FalsePositives, detection_limit};
pub use fields::{FieldSums, FieldsEstimate, IntervalMethod, LEAST_FIELDS};
pub use interval::wilson;

/// How many red cells were looked at, and how many of them carry a parasite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Countable red cells.
    pub cells: u64,
    /// Those that the model calls parasitized; never more than `cells`.
    pub parasitized: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.parasitized += other.parasitized;
    }
}

/// Infected red cells per hundred red cells, with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parasitemia {
    /// The estimate in percent.
    pub percent: f64,
    /// The lower end of the 95 % interval in percent.
    pub low: f64,
    /// The upper end of the 95 % interval in percent.
    pub high: f64,
}

impl Parasitemia {
    /// Of proportions, 0 to 1.
    pub fn of(rate: f64, (low, high): (f64, f64)) -> Self {
        Self {
            percent: 100.0 * rate,
            low: 100.0 * low,
            high: 100.0 * high,
        }
    }
}

impl Counts {
    /// The raw parasitemia, with an interval for cells that are independent of each other; `None` when no cell was
    /// counted. That of several fields is [`FieldSums::estimate`].
    pub fn parasitemia(&self) -> Option<Parasitemia> {
        let interval = wilson(self.parasitized, self.cells)?;
        let rate = self.parasitized as f64 / self.cells as f64;
        Some(Parasitemia::of(rate, interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn interval_holds_the_estimate(n in 1u64..1_000_000, share in 0.0f64..=1.0) {
            let counts = Counts { cells: n, parasitized: (n as f64 * share) as u64 };
            let p = counts.parasitemia().unwrap();
            prop_assert!(0.0 <= p.low && p.low <= p.percent + 1e-9);
            prop_assert!(p.percent <= p.high + 1e-9 && p.high <= 100.0);
        }
    }
}
