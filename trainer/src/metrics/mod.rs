//! How well cells were classified.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod bootstrap;
pub mod curves;

use bootstrap::Ranking;
pub use bootstrap::{Intervals, percentiles};

/// One judged cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Its file in the data set.
    pub file: String,
    /// Whether it is parasitized, by its folder.
    pub truth: bool,
    /// The model's calibrated probability that it is, 0 to 1.
    pub p: f64,
    /// Whom it came from.
    pub subject: String,
}

/// Counts at a threshold; parasitized is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Parasitized and called so.
    pub tp: u64,
    /// Uninfected but called parasitized.
    pub fp: u64,
    /// Uninfected and called so.
    pub tn: u64,
    /// Parasitized but called uninfected.
    #[serde(rename = "fn")]
    pub missed: u64,
}

/// Figures that depend on the threshold; `null` where nothing is to be divided by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// A cell is called parasitized from this probability on.
    pub threshold: f64,
    /// Right answers / all.
    pub accuracy: Option<f64>,
    /// Parasitized cells found.
    pub sensitivity: Option<f64>,
    /// Uninfected cells called so.
    pub specificity: Option<f64>,
    /// Cells called parasitized that are.
    pub precision: Option<f64>,
    /// Harmonic mean of sensitivity and precision.
    pub f1: Option<f64>,
    /// Matthews' correlation of truth and answer, −1 to 1.
    pub mcc: Option<f64>,
    /// The counts behind them.
    pub confusion: Confusion,
}

/// All figures of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Cells judged.
    pub n: u64,
    /// Mean negative log-likelihood (natural logarithm).
    pub loss: f64,
    /// Area under the ROC curve; `null` with one class only.
    pub auc: Option<f64>,
    /// Area under the precision-recall curve (average precision); `null` with one class only.
    pub pr_auc: Option<f64>,
    /// Expected calibration error over 15 bins of equal width.
    pub ece: f64,
    /// At the model's own threshold.
    #[serde(flatten)]
    pub at_threshold: AtThreshold,
    /// At 0.5.
    pub at_0_5: AtThreshold,
    /// 95 % intervals: percentiles of 1,000 draws of subjects with replacement.
    pub interval_95: Intervals,
    /// Figures of each subject, by name.
    pub subjects: BTreeMap<String, SubjectMetrics>,
}

/// One subject's cells at the model's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectMetrics {
    /// Cells.
    pub n: u64,
    /// Cells of them that are parasitized.
    pub parasitized: u64,
    /// Right answers / all.
    pub accuracy: f64,
    /// Parasitized cells found; `null` for who has none.
    pub sensitivity: Option<f64>,
    /// Uninfected cells called so; `null` for who has none.
    pub specificity: Option<f64>,
}

fn ratio(hits: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| hits as f64 / n as f64)
}

impl Confusion {
    /// Counts the cells at a threshold.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Judged>, threshold: f64) -> Self {
        let mut c = Self::default();
        for cell in cells {
            match (cell.truth, cell.p >= threshold) {
                (true, true) => c.tp += 1,
                (true, false) => c.missed += 1,
                (false, true) => c.fp += 1,
                (false, false) => c.tn += 1,
            }
        }
        c
    }

    /// Right answers / all; `None` where nothing is to be divided by.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.tp + self.tn, self.tp + self.tn + self.fp + self.missed)
    }

    /// Parasitized cells found; `None` where nothing is to be divided by.
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.missed)
    }

    /// Uninfected cells called so; `None` where nothing is to be divided by.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.tn, self.tn + self.fp)
    }

    /// Cells called parasitized that are; `None` where nothing is to be divided by.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp)
    }

    /// Harmonic mean of sensitivity and precision; `None` where nothing is to be divided by.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.missed)
    }

    /// Matthews' correlation; `None` where nothing is to be divided by.
    pub fn mcc(&self) -> Option<f64> {
        let [tp, fp, tn, missed] = [self.tp, self.fp, self.tn, self.missed].map(|v| v as f64);
        let below = (tp + fp) * (tp + missed) * (tn + fp) * (tn + missed);
        (below > 0.0).then(|| (tp * tn - fp * missed) / below.sqrt())
    }

    fn at(self, threshold: f64) -> AtThreshold {
        AtThreshold {
            threshold,
            accuracy: self.accuracy(),
            sensitivity: self.sensitivity(),
            specificity: self.specificity(),
            precision: self.precision(),
            f1: self.f1(),
            mcc: self.mcc(),
            confusion: self,
        }
    }
}

/// Area under the ROC curve; `None` with one class only.
pub fn auc(cells: &[Judged]) -> Option<f64> {
    Ranking::new(&[cells.iter().collect()]).areas(&[1]).roc
}

/// Mean negative log-likelihood of the truth. A probability of exactly 0 counts as 1e-12.
pub fn loss(cells: &[Judged]) -> f64 {
    let sum: f64 = cells
        .iter()
        .map(|c| {
            let p = if c.truth { c.p } else { 1.0 - c.p };
            // Not `max`, which would make a probability of something out of one that is no number.
            -(if p < 1e-12 { 1e-12 } else { p }).ln()
        })
        .sum();
    sum / cells.len().max(1) as f64
}

impl Metrics {
    /// The figures at the model's own threshold, and those at 0.5 where that is another.
    pub fn thresholds(&self) -> impl Iterator<Item = &AtThreshold> {
        let half = &self.at_0_5;
        let differs = half.threshold != self.at_threshold.threshold;
        std::iter::once(&self.at_threshold).chain(differs.then_some(half))
    }

    /// Judges the cells at the model's threshold. The bootstrap is seeded: the same cells give
    /// the same intervals.
    pub fn of(cells: &[Judged], threshold: f64) -> Self {
        let mut by_subject: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
        for cell in cells {
            by_subject.entry(&cell.subject).or_default().push(cell);
        }
        let subjects = by_subject
            .iter()
            .map(|(name, cells)| {
                let c = Confusion::of(cells.iter().copied(), threshold);
                let metrics = SubjectMetrics {
                    n: cells.len() as u64,
                    parasitized: c.tp + c.missed,
                    accuracy: c.accuracy().unwrap_or(0.0),
                    sensitivity: c.sensitivity(),
                    specificity: c.specificity(),
                };
                ((*name).to_owned(), metrics)
            })
            .collect();
        let by_subject: Vec<_> = by_subject.into_values().collect();
        let ranking = Ranking::new(&by_subject);
        let areas = ranking.areas(&vec![1; by_subject.len()]);
        Self {
            n: cells.len() as u64,
            loss: loss(cells),
            auc: areas.roc,
            pr_auc: areas.precision_recall,
            ece: curves::ece(&curves::reliability(cells)),
            at_threshold: Confusion::of(cells, threshold).at(threshold),
            at_0_5: Confusion::of(cells, 0.5).at(0.5),
            interval_95: bootstrap::intervals(&by_subject, &ranking, threshold),
            subjects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    pub(super) fn cells(of: &[(bool, f64)]) -> Vec<Judged> {
        let subject = |i: usize| format!("s{}", i % 3);
        of.iter()
            .enumerate()
            .map(|(i, &(truth, p))| Judged {
                file: format!("{i}.png"),
                truth,
                p,
                subject: subject(i),
            })
            .collect()
    }

    #[test]
    fn figures_match_a_hand_count() {
        let m = Metrics::of(
            &cells(&[
                (true, 0.9),
                (true, 0.4),
                (false, 0.6),
                (false, 0.2),
                (false, 0.1),
            ]),
            0.5,
        );
        let c = m.at_threshold.confusion;
        assert_eq!((c.tp, c.missed, c.fp, c.tn), (1, 1, 1, 2));
        assert_eq!(m.at_threshold.accuracy, Some(0.6));
        assert_eq!(m.at_threshold.sensitivity, Some(0.5));
        assert_eq!(m.at_threshold.specificity, Some(2.0 / 3.0));
        assert_eq!(m.at_threshold.precision, Some(0.5));
        assert_eq!(m.at_threshold.f1, Some(0.5));
        assert!((m.at_threshold.mcc.unwrap() - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(m.auc, Some(5.0 / 6.0));
        let loss = -(0.9f64.ln() + 0.4f64.ln() + 0.4f64.ln() + 0.8f64.ln() + 0.9f64.ln()) / 5.0;
        assert!((m.loss - loss).abs() < 1e-12);
        assert!(super::loss(&cells(&[(true, f64::NAN), (true, 0.9)])).is_nan());
        assert_eq!(
            m.subjects["s0"],
            SubjectMetrics {
                n: 2,
                parasitized: 1,
                accuracy: 1.0,
                sensitivity: Some(1.0),
                specificity: Some(1.0),
            }
        );
        let [low, high] = m.interval_95.accuracy.unwrap();
        assert!(low <= 0.6 && 0.6 <= high);
    }

    #[test]
    fn ties_count_half_and_one_class_has_no_auc() {
        assert_eq!(auc(&cells(&[(true, 0.5), (false, 0.5)])), Some(0.5));
        assert_eq!(auc(&cells(&[(true, 0.5)])), None);
        let m = Metrics::of(&cells(&[(true, 0.9)]), 0.5);
        assert_eq!(
            (m.at_threshold.specificity, m.at_threshold.mcc),
            (None, None)
        );
    }

    #[test]
    fn the_json_has_the_promised_keys() {
        let m = Metrics::of(&cells(&[(true, 0.9), (false, 0.1)]), 0.3);
        let mut json = serde_json::to_value(&m).unwrap();
        for key in [
            "n",
            "loss",
            "accuracy",
            "sensitivity",
            "specificity",
            "precision",
            "f1",
            "mcc",
            "auc",
            "pr_auc",
            "ece",
            "confusion",
            "threshold",
            "at_0_5",
            "subjects",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["confusion"]["fn"], 0);
        assert_eq!(json["subjects"]["s0"]["specificity"], Value::Null);
        // What an earlier version left in a run folder is still readable.
        let subject = json["subjects"]["s0"].as_object_mut().unwrap();
        subject.retain(|key, _| ["n", "parasitized", "accuracy"].contains(&key.as_str()));
        json.as_object_mut().unwrap().remove("pr_auc");
        let old: Metrics = serde_json::from_value(json).unwrap();
        assert_eq!((old.n, old.pr_auc), (2, None));
    }
}
