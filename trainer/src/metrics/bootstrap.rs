//! Intervals that respect that the cells of one person are alike: subjects are drawn, not cells.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::curves::{self, BINS, Bin};
use super::{Confusion, Judged};

/// Draws of the bootstrap.
const DRAWS: usize = 1000;

/// Its seed: the same cells always give the same intervals.
const SEED: u64 = 95;

/// Figures that get an interval.
const FIGURES: usize = 9;

/// Lower and upper ends; `null` where the figure is, and with one subject only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of the accuracy at the model's threshold.
    pub accuracy: Option<[f64; 2]>,
    /// Of the sensitivity at the model's threshold.
    pub sensitivity: Option<[f64; 2]>,
    /// Of the specificity at the model's threshold.
    pub specificity: Option<[f64; 2]>,
    /// Of the precision at the model's threshold.
    pub precision: Option<[f64; 2]>,
    /// Of F1 at the model's threshold.
    pub f1: Option<[f64; 2]>,
    /// Of Matthews' correlation at the model's threshold.
    pub mcc: Option<[f64; 2]>,
    /// Of the area under the ROC curve.
    pub auc: Option<[f64; 2]>,
    /// Of the area under the precision-recall curve.
    pub pr_auc: Option<[f64; 2]>,
    /// Of the calibration error. It is never below 0, so chance alone lifts both ends a little.
    pub ece: Option<[f64; 2]>,
}

/// Areas under the two curves; `None` with one class only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Areas {
    /// The chance that a parasitized cell gets a higher probability than an uninfected one, ties
    /// counted half (Mann-Whitney), which is the area under the ROC curve.
    pub roc: Option<f64>,
    /// Average precision: the precision at each threshold, weighted by the sensitivity it gains.
    pub precision_recall: Option<f64>,
}

/// Cells in falling order of probability, with the number of their subject: sorted once, walked
/// once for each draw.
pub struct Ranking(Vec<(f64, bool, usize)>);

impl Ranking {
    /// Ranks the cells of all subjects.
    pub fn new(subjects: &[Vec<&Judged>]) -> Self {
        let mut ranked: Vec<_> = subjects
            .iter()
            .enumerate()
            .flat_map(|(subject, cells)| cells.iter().map(move |c| (c.p, c.truth, subject)))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self(ranked)
    }

    /// The areas when each cell counts as often as its subject's weight says.
    pub fn areas(&self, weights: &[u64]) -> Areas {
        let (mut tp, mut fp) = (0u64, 0u64);
        let (mut wins, mut precision) = (0.0, 0.0);
        for tie in self.0.chunk_by(|a, b| a.0 == b.0) {
            let (mut up, mut down) = (0, 0);
            for &(_, truth, subject) in tie {
                *(if truth { &mut up } else { &mut down }) += weights[subject];
            }
            wins += down as f64 * (tp as f64 + 0.5 * up as f64);
            tp += up;
            fp += down;
            if up > 0 {
                precision += up as f64 * tp as f64 / (tp + fp) as f64;
            }
        }
        let both = tp > 0 && fp > 0;
        Areas {
            roc: both.then(|| wins / (tp as f64 * fp as f64)),
            precision_recall: both.then(|| precision / tp as f64),
        }
    }
}

/// What one draw needs to know of a subject.
struct Summary {
    confusion: Confusion,
    bins: [Bin; BINS],
}

/// 95 % intervals at a threshold: percentiles of [`DRAWS`] draws of as many subjects as there are,
/// with replacement. A figure that a draw leaves undefined is left out of its percentiles.
pub fn intervals(subjects: &[Vec<&Judged>], ranking: &Ranking, threshold: f64) -> Intervals {
    if subjects.len() < 2 {
        return Intervals::default();
    }
    let summaries: Vec<_> = subjects
        .iter()
        .map(|cells| Summary {
            confusion: Confusion::of(cells.iter().copied(), threshold),
            bins: curves::reliability(cells.iter().copied()),
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut draws: [Vec<f64>; FIGURES] = Default::default();
    let mut weights = vec![0u64; subjects.len()];
    for _ in 0..DRAWS {
        weights.fill(0);
        for _ in 0..subjects.len() {
            weights[rng.random_range(0..subjects.len())] += 1;
        }
        for (draw, figure) in draws.iter_mut().zip(figures(&summaries, ranking, &weights)) {
            draw.extend(figure);
        }
    }
    let [
        accuracy,
        sensitivity,
        specificity,
        precision,
        f1,
        mcc,
        auc,
        pr_auc,
        ece,
    ] = draws.map(percentiles);
    Intervals {
        accuracy,
        sensitivity,
        specificity,
        precision,
        f1,
        mcc,
        auc,
        pr_auc,
        ece,
    }
}

/// The figures of one draw, in the order of [`Intervals`].
fn figures(summaries: &[Summary], ranking: &Ranking, weights: &[u64]) -> [Option<f64>; FIGURES] {
    let mut c = Confusion::default();
    let mut bins = [Bin::default(); BINS];
    for (one, &w) in summaries.iter().zip(weights) {
        c.tp += w * one.confusion.tp;
        c.fp += w * one.confusion.fp;
        c.tn += w * one.confusion.tn;
        c.missed += w * one.confusion.missed;
        for (bin, of_one) in bins.iter_mut().zip(&one.bins) {
            bin.n += w * of_one.n;
            bin.parasitized += w * of_one.parasitized;
            bin.sum += w as f64 * of_one.sum;
        }
    }
    let areas = ranking.areas(weights);
    [
        c.accuracy(),
        c.sensitivity(),
        c.specificity(),
        c.precision(),
        c.f1(),
        c.mcc(),
        areas.roc,
        areas.precision_recall,
        Some(curves::ece(&bins)),
    ]
}

/// Percentiles 2.5 and 97.5 of what was drawn; `None` of nothing.
pub fn percentiles(mut draws: Vec<f64>) -> Option<[f64; 2]> {
    draws.sort_by(f64::total_cmp);
    let last = draws.len().checked_sub(1)?;
    let at = |q: f64| draws[(last as f64 * q).round() as usize];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::cells;
    use super::*;

    fn areas(of: &[(bool, f64)]) -> Areas {
        let cells = cells(of);
        Ranking::new(&[cells.iter().collect()]).areas(&[1])
    }

    #[test]
    fn areas_match_a_hand_count() {
        let a = areas(&[(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.1)]);
        assert_eq!(a.roc, Some(0.75));
        // 1/1 for the first half of the sensitivity, 2/3 for the second.
        assert!((a.precision_recall.unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        let tie = areas(&[(true, 0.5), (false, 0.5), (false, 0.5), (false, 0.5)]);
        assert_eq!((tie.roc, tie.precision_recall), (Some(0.5), Some(0.25)));
        assert_eq!(areas(&[(true, 0.5)]).precision_recall, None);
    }

    #[test]
    fn weights_are_copies_of_cells() {
        let cells = cells(&[
            (true, 0.9),
            (false, 0.6),
            (true, 0.6),
            (false, 0.2),
            (true, 0.1),
        ]);
        let alone = |i: usize| vec![&cells[i]];
        let weighted = Ranking::new(&(0..5).map(alone).collect::<Vec<_>>());
        let copies = [0, 1, 1, 2, 2, 2, 3, 4].map(alone);
        let copied = Ranking::new(&copies);
        assert_eq!(weighted.areas(&[1, 2, 3, 1, 1]), copied.areas(&[1; 8]));
        assert_ne!(weighted.areas(&[1; 5]), copied.areas(&[1; 8]));
    }

    #[test]
    fn subjects_are_drawn_and_not_cells() {
        // Two people: one is always right, the other always wrong. 500 independent cells would
        // give 0.46 to 0.54; two people say nothing.
        let of = |subject: &'static str, right: bool| {
            let cells = cells(&[(true, f64::from(u8::from(right))); 250]);
            cells.into_iter().map(move |c| Judged {
                subject: subject.to_owned(),
                ..c
            })
        };
        let cells: Vec<_> = of("a", true).chain(of("b", false)).collect();
        let metrics = Metrics::of(&cells, 0.5);
        assert_eq!(metrics.at_threshold.accuracy, Some(0.5));
        assert_eq!(metrics.interval_95.accuracy, Some([0.0, 1.0]));
        assert_eq!(metrics.interval_95.specificity, None);
        assert_eq!(metrics, Metrics::of(&cells, 0.5), "drawn by a fixed seed");
        let one = Metrics::of(&cells[..250], 0.5);
        assert_eq!(one.interval_95, Intervals::default());
    }
}
