//! The learning rate over a run.

use std::f64::consts::PI;

/// One cycle: from `peak / 25` up to `peak` over the first 30 % of the steps, down to
/// `peak / 250,000` at the last, both along a cosine (Smith and Topin, arXiv:1708.07120; the
/// constants are those of PyTorch's `OneCycleLR`).
#[derive(Clone, Copy, Debug)]
pub struct OneCycle {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the whole run.
    pub steps: u64,
}

const WARM_UP: f64 = 0.3;
const START: f64 = 25.0;
const END: f64 = 1e4;

impl OneCycle {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let last = self.steps.saturating_sub(1).max(1) as f64;
        let at = (step as f64).min(last);
        let top = (WARM_UP * self.steps as f64 - 1.0).max(0.0);
        let (low, high) = (self.peak / START, self.peak);
        if at <= top && top > 0.0 {
            ease(low, high, at / top)
        } else {
            ease(high, low / END, (at - top) / (last - top).max(1.0))
        }
    }
}

/// Half a cosine from `from` (at 0) to `to` (at 1).
fn ease(from: f64, to: f64, at: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * at).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_peaks_and_falls_to_almost_nothing() {
        let cycle = OneCycle {
            peak: 0.1,
            steps: 100,
        };
        assert!((cycle.rate(0) - 0.004).abs() < 1e-12);
        assert!((cycle.rate(29) - 0.1).abs() < 1e-12);
        assert!((cycle.rate(99) - 4e-7).abs() < 1e-12);
        assert!((0..29).all(|s| cycle.rate(s) < cycle.rate(s + 1)));
        assert!((29..99).all(|s| cycle.rate(s) > cycle.rate(s + 1)));
        assert_eq!(cycle.rate(1000), cycle.rate(99));
    }

    #[test]
    fn one_step_is_enough() {
        assert!(
            OneCycle {
                peak: 0.1,
                steps: 1
            }
            .rate(0)
            .is_finite()
        );
    }
}
