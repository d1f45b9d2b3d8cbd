//! Intervals of a proportion.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The 97.5 % quantile of the normal distribution.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % score interval of `hits / n` as proportions; `None` when `n` is 0 or `hits > n`.
///
/// Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209–212. It takes the cells to be
/// independent of each other.
pub fn wilson(hits: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || hits > n {
        return None;
    }
    let n = n as f64;
    Some(score_interval(hits as f64 / n, n, Z_95))
}

/// Wilson's score interval of a rate among `n` cells, of which there may be a fraction, at a quantile.
pub(super) fn score_interval(rate: f64, n: f64, quantile: f64) -> (f64, f64) {
    let q2 = quantile * quantile;
    let centre = (rate + q2 / (2.0 * n)) / (1.0 + q2 / n);
    let half = quantile / (1.0 + q2 / n) * (rate * (1.0 - rate) / n + q2 / (4.0 * n * n)).sqrt();
    // At rates of 0 and 1 the exact ends are 0 and 1; rounding must not move them past the rate.
    (
        (centre - half).clamp(0.0, rate),
        (centre + half).clamp(rate, 1.0),
    )
}

/// The 97.5 % quantile of Student's t with so many degrees of freedom, at least 1.
pub(super) fn student_95(degrees: u64) -> f64 {
    // Beyond, the normal quantile is the same to five digits.
    if degrees > 100_000 {
        return Z_95;
    }
    StudentsT::new(0.0, 1.0, degrees.max(1) as f64)
        .expect("a scale of 1 and at least one degree of freedom make a distribution")
        .inverse_cdf(0.975)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn student_s_quantiles_match_the_printed_tables() {
        for (degrees, quantile) in [
            (1, 12.706),
            (4, 2.776),
            (9, 2.262),
            (29, 2.045),
            (60, 2.000),
        ] {
            assert!((student_95(degrees) - quantile).abs() < 6e-4, "{degrees}");
        }
        assert!((student_95(100_000) - Z_95).abs() < 5e-5);
        assert_eq!(student_95(u64::MAX), Z_95);
        assert_eq!(student_95(0), student_95(1));
    }
}
