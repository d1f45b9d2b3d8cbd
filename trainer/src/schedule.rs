//! The learning rate over a run.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// From `peak / 25` up to `peak` over the first 30 % of the steps, down to `peak / 250,000` at
    /// the last, both along a cosine (Smith and Topin, arXiv:1708.07120; the constants are those of
    /// PyTorch's `OneCycleLR`).
    OneCycle,
    /// In a straight line from 0 to `peak` over the first 5 % of the steps, then along a cosine
    /// down to 0 (Loshchilov and Hutter, arXiv:1608.03983, without restarts).
    Cosine,
    /// The same rate throughout.
    Constant,
}

const CYCLE_RISE: f64 = 0.3;
const CYCLE_START: f64 = 25.0;
const CYCLE_END: f64 = 1e4;
const WARM_UP: f64 = 0.05;

impl Schedule {
    /// The rate of step `step`, counted from 0, of a run of `steps` whose highest rate is `peak`.
    pub fn rate(self, peak: f64, step: u64, steps: u64) -> f64 {
        let last = steps.saturating_sub(1).max(1) as f64;
        let at = (step as f64).min(last);
        match self {
            Self::OneCycle => {
                let top = (CYCLE_RISE * steps as f64 - 1.0).max(0.0);
                let low = peak / CYCLE_START;
                if at <= top && top > 0.0 {
                    ease(low, peak, at / top)
                } else {
                    ease(peak, low / CYCLE_END, (at - top) / (last - top).max(1.0))
                }
            }
            Self::Cosine => {
                let top = (WARM_UP * steps as f64).floor();
                if at < top {
                    peak * (at + 1.0) / (top + 1.0)
                } else {
                    ease(peak, 0.0, (at - top) / (last - top).max(1.0))
                }
            }
            Self::Constant => peak,
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
    fn one_cycle_rises_peaks_and_falls_to_almost_nothing() {
        let rate = |step| Schedule::OneCycle.rate(0.1, step, 100);
        assert!((rate(0) - 0.004).abs() < 1e-12);
        assert!((rate(29) - 0.1).abs() < 1e-12);
        assert!((rate(99) - 4e-7).abs() < 1e-12);
        assert!((0..29).all(|s| rate(s) < rate(s + 1)));
        assert!((29..99).all(|s| rate(s) > rate(s + 1)));
        assert_eq!(rate(1000), rate(99));
    }

    #[test]
    fn cosine_warms_up_and_falls_to_nothing() {
        let rate = |step| Schedule::Cosine.rate(0.1, step, 100);
        assert!(rate(0) > 0.0 && rate(0) < 0.02);
        assert!((rate(5) - 0.1).abs() < 1e-12);
        assert!((0..5).all(|s| rate(s) < rate(s + 1)));
        assert!((5..99).all(|s| rate(s) > rate(s + 1)));
        assert!(rate(99).abs() < 1e-12);
    }

    #[test]
    fn one_step_is_enough() {
        for schedule in [Schedule::OneCycle, Schedule::Cosine, Schedule::Constant] {
            let rate = schedule.rate(0.1, 0, 1);
            assert!(rate.is_finite() && rate > 0.0, "{schedule:?} {rate}");
        }
    }
}
