//! The figures of two models on the same cells, with intervals, and McNemar's test.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::pairs::Pair;
use super::{Group, Verdict};
use crate::metrics::percentiles;

/// Draws of the bootstrap.
const DRAWS: usize = 1000;
/// Its seed: the same cells always give the same intervals.
const SEED: u64 = 95;
/// With fewer slides or people than this no interval is stated: drawing among so few says little of others.
const FEWEST: usize = 5;

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Percentiles 2.5 and 97.5 over draws of slides or people; `null` where there are too few of these.
    pub interval: Option<[f64; 2]>,
}

impl Interval {
    /// In words.
    pub fn words(of: Option<Self>) -> String {
        match of {
            None => "-".into(),
            Some(Self {
                value,
                interval: None,
            }) => format!("{value:.3}"),
            Some(Self {
                value,
                interval: Some([low, high]),
            }) => format!("{value:.3} ({low:.3} to {high:.3})"),
        }
    }
}

/// The figures of a model; `null` where nothing is to be divided by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Parasitized cells called so, at the model's threshold.
    pub sensitivity: Option<Interval>,
    /// Uninfected cells called so, at the model's threshold.
    pub specificity: Option<Interval>,
    /// The mean of both: what the verdict goes by.
    pub balanced_accuracy: Option<Interval>,
    /// Area under the ROC curve.
    pub auc: Option<Interval>,
    /// Sensitivity at the lowest threshold that calls at least 98 % of the uninfected cells so.
    pub sensitivity_at_specificity_0_98: Option<Interval>,
    /// The same at 99 %.
    pub sensitivity_at_specificity_0_99: Option<Interval>,
}

/// How many figures there are.
const FIGURES: usize = 6;

impl Figures {
    /// Their names.
    pub const NAMES: [&str; FIGURES] = [
        "sensitivity",
        "specificity",
        "balanced accuracy",
        "ROC-AUC",
        "sensitivity at 0.98",
        "sensitivity at 0.99",
    ];

    /// In the order of [`Figures::NAMES`].
    pub fn each(&self) -> [Option<Interval>; FIGURES] {
        [
            self.sensitivity,
            self.specificity,
            self.balanced_accuracy,
            self.auc,
            self.sensitivity_at_specificity_0_98,
            self.sensitivity_at_specificity_0_99,
        ]
    }

    fn of(
        [
            sensitivity,
            specificity,
            balanced_accuracy,
            auc,
            at_98,
            at_99,
        ]: [Option<Interval>; FIGURES],
    ) -> Self {
        Self {
            sensitivity,
            specificity,
            balanced_accuracy,
            auc,
            sensitivity_at_specificity_0_98: at_98,
            sensitivity_at_specificity_0_99: at_99,
        }
    }
}

/// Cells in falling order of one model's probability: sorted once, walked once for each draw.
struct Ranked {
    cells: Vec<(f64, bool, f64, usize)>,
    threshold: f64,
}

impl Ranked {
    fn new(pairs: &[Pair], subject: &[usize], model: usize, threshold: f64) -> Self {
        let mut cells: Vec<_> = pairs
            .iter()
            .zip(subject)
            .map(|(pair, &subject)| (pair.p[model], pair.truth, pair.weight, subject))
            .collect();
        cells.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self { cells, threshold }
    }

    /// The figures when each subject's cells count so often.
    fn figures(&self, times: &[f64]) -> [Option<f64>; FIGURES] {
        let weight = |&(_, _, weight, subject): &(f64, bool, f64, usize)| weight * times[subject];
        let (mut positive, mut negative) = (0.0, 0.0);
        for cell in &self.cells {
            *(if cell.1 { &mut positive } else { &mut negative }) += weight(cell);
        }
        let (mut tp, mut fp, mut wins) = (0.0, 0.0, 0.0);
        let (mut called, mut at_98, mut at_99) = ((0.0, 0.0), 0.0, 0.0);
        for tie in self.cells.chunk_by(|a, b| a.0 == b.0) {
            let (mut up, mut down) = (0.0, 0.0);
            for cell in tie {
                *(if cell.1 { &mut up } else { &mut down }) += weight(cell);
            }
            wins += down * (tp + 0.5 * up);
            tp += up;
            fp += down;
            if tie[0].0 >= self.threshold {
                called = (tp, fp);
            }
            // A rounding error of sums of weights must not cost a step.
            for (most, at) in [(0.02, &mut at_98), (0.01, &mut at_99)] {
                if fp <= most * negative * (1.0 + 1e-9) {
                    *at = tp;
                }
            }
        }
        let part = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let (sensitivity, specificity) = (
            part(called.0, positive),
            part(negative - called.1, negative),
        );
        let both = (positive > 0.0 && negative > 0.0).then_some(());
        [
            sensitivity,
            specificity,
            sensitivity.zip(specificity).map(|(a, b)| (a + b) / 2.0),
            both.map(|()| wins / (positive * negative)),
            both.map(|()| at_98 / positive),
            both.map(|()| at_99 / positive),
        ]
    }
}

/// Compares two models, each at its own threshold, on some cells.
pub fn group(pairs: &[Pair], thresholds: [f64; 2]) -> Group {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in pairs {
        let next = numbers.len();
        numbers.entry(&pair.subject).or_insert(next);
    }
    let subject: Vec<usize> = pairs.iter().map(|p| numbers[p.subject.as_str()]).collect();
    let subjects = numbers.len();
    let models = [0, 1].map(|model| Ranked::new(pairs, &subject, model, thresholds[model]));
    let figures = |times: &[f64]| {
        let [old, new] = [&models[0], &models[1]].map(|model| model.figures(times));
        let difference: [Option<f64>; FIGURES] =
            std::array::from_fn(|i| new[i].zip(old[i]).map(|(new, old)| new - old));
        [old, new, difference]
    };
    let values = figures(&vec![1.0; subjects]);
    // Of old, new and the difference, for each figure the values of all draws.
    let mut drawn: [[Vec<f64>; FIGURES]; 3] = Default::default();
    if subjects >= FEWEST {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        for _ in 0..DRAWS {
            let mut times = vec![0.0; subjects];
            for _ in 0..subjects {
                times[rng.random_range(0..subjects)] += 1.0;
            }
            for (kind, values) in drawn.iter_mut().zip(figures(&times)) {
                for (all, value) in kind.iter_mut().zip(values) {
                    all.extend(value);
                }
            }
        }
    }
    let [old, new, difference] = std::array::from_fn(|kind: usize| {
        let of = |figure: usize| {
            values[kind][figure].map(|value| Interval {
                value,
                interval: percentiles(drawn[kind][figure].clone()),
            })
        };
        Figures::of(std::array::from_fn(of))
    });
    let right = |pair: &Pair, model: usize| (pair.p[model] >= thresholds[model]) == pair.truth;
    let test = |truth: bool| {
        let mut only = [0u64; 2];
        for pair in pairs.iter().filter(|pair| pair.truth == truth) {
            match (right(pair, 0), right(pair, 1)) {
                (true, false) => only[0] += 1,
                (false, true) => only[1] += 1,
                _ => {}
            }
        }
        let any = pairs.iter().any(|pair| pair.truth == truth);
        any.then(|| mcnemar(only))
    };
    let interval = difference.balanced_accuracy.and_then(|d| d.interval);
    Group {
        cells: pairs.len() as u64,
        parasitized: pairs.iter().filter(|pair| pair.truth).count() as u64,
        subjects: subjects as u64,
        p_sensitivity: test(true),
        p_specificity: test(false),
        verdict: match interval {
            Some([low, _]) if low > 0.0 => Verdict::Better,
            Some([_, high]) if high < 0.0 => Verdict::Worse,
            _ => Verdict::NotShown,
        },
        old,
        new,
        difference,
    }
}

/// The exact two-sided test of Q. McNemar (Psychometrika 12 (1947) 153-157): given how many cells only the one and only the
/// other model gets right, the chance that a fair coin falls so unevenly, or more so.
pub fn mcnemar([a, b]: [u64; 2]) -> f64 {
    let (n, least) = (a + b, a.min(b));
    // Binomial terms by their logarithms: 2^n may be out of reach.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=least {
        if k > 0 {
            term += ((n - k + 1) as f64 / k as f64).ln();
        }
        tail += term.exp();
    }
    (2.0 * tail).min(1.0)
}
