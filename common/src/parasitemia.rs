//! Counts → parasitemia with its uncertainty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
///
/// It is uncorrected: the model's own false positives are in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parasitemia {
    /// The estimate in percent.
    pub percent: f64,
    /// The lower end of the 95 % interval in percent.
    pub low: f64,
    /// The upper end of the 95 % interval in percent.
    pub high: f64,
}

/// The 97.5 % quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

impl Counts {
    /// The parasitemia; `None` when no cell was counted.
    pub fn parasitemia(&self) -> Option<Parasitemia> {
        let (low, high) = wilson(self.parasitized, self.cells)?;
        Some(Parasitemia {
            percent: 100.0 * self.parasitized as f64 / self.cells as f64,
            low: 100.0 * low,
            high: 100.0 * high,
        })
    }
}

/// Wilson's 95 % score interval of `hits / n` as proportions; `None` when `n` is 0 or `hits > n`.
///
/// Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209–212. It takes the cells to be
/// independent of each other.
pub fn wilson(hits: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || hits > n {
        return None;
    }
    let n = n as f64;
    let p = hits as f64 / n;
    let z2 = Z_95 * Z_95;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At 0 and n hits the exact ends are 0 and 1; rounding must not move them past p.
    Some(((centre - half).clamp(0.0, p), (centre + half).clamp(p, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wilson_matches_published_values() {
        // Newcombe, Statist. Med. 17 (1998) 857-872, table I: 81/263, 15/148, 0/20, 1/29.
        for (hits, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson(hits, n).unwrap();
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{hits}/{n}: {l} {h}"
            );
        }
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
    }

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
