//! The curves behind the figures: what each possible threshold would do, and how far probabilities
//! can be believed.

use super::Judged;

/// Bins of the calibration error and of the reliability diagram.
pub const BINS: usize = 15;

/// What one threshold does: every cell of probability `p` or more is called parasitized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The threshold, which is the probability of at least one cell.
    pub p: f64,
    /// Parasitized cells called so.
    pub tp: u64,
    /// Uninfected cells called parasitized.
    pub fp: u64,
}

/// Every threshold that makes a difference, from the highest down. The last one calls every cell
/// parasitized, so it holds the counts of both classes.
pub fn steps(cells: &[Judged]) -> Vec<Step> {
    let mut sorted: Vec<&Judged> = cells.iter().collect();
    sorted.sort_by(|a, b| b.p.total_cmp(&a.p));
    let (mut tp, mut fp) = (0, 0);
    let ties = sorted.chunk_by(|a, b| a.p == b.p);
    ties.map(|tie| {
        let up = tie.iter().filter(|cell| cell.truth).count() as u64;
        tp += up;
        fp += tie.len() as u64 - up;
        Step {
            p: tie[0].p,
            tp,
            fp,
        }
    })
    .collect()
}

/// Points (1 − specificity, sensitivity) from (0, 0) to (1, 1); empty with one class only.
pub fn roc(steps: &[Step]) -> Vec<(f64, f64)> {
    let Some((positive, negative)) = both_classes(steps) else {
        return Vec::new();
    };
    let points = steps
        .iter()
        .map(|step| (step.fp as f64 / negative, step.tp as f64 / positive));
    std::iter::once((0.0, 0.0)).chain(points).collect()
}

/// Points (sensitivity, precision) by falling threshold; empty with one class only.
pub fn precision_recall(steps: &[Step]) -> Vec<(f64, f64)> {
    let Some((positive, _)) = both_classes(steps) else {
        return Vec::new();
    };
    let point = |step: &Step| {
        let precision = step.tp as f64 / (step.tp + step.fp) as f64;
        (step.tp as f64 / positive, precision)
    };
    steps.iter().map(point).collect()
}

fn both_classes(steps: &[Step]) -> Option<(f64, f64)> {
    let last = steps.last()?;
    (last.tp > 0 && last.fp > 0).then_some((last.tp as f64, last.fp as f64))
}

/// Cells whose probabilities fall into one of [`BINS`] equal parts of 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Cells.
    pub n: u64,
    /// Cells of them that are parasitized.
    pub parasitized: u64,
    /// Sum of their probabilities.
    pub sum: f64,
}

impl Bin {
    /// The bin of a probability.
    pub fn index(p: f64) -> usize {
        ((p * BINS as f64) as usize).min(BINS - 1)
    }

    /// Mean probability and share of parasitized cells; `None` when the bin is empty.
    pub fn point(&self) -> Option<(f64, f64)> {
        let n = self.n as f64;
        (self.n > 0).then(|| (self.sum / n, self.parasitized as f64 / n))
    }
}

/// The cells by their probability.
pub fn reliability<'a>(cells: impl IntoIterator<Item = &'a Judged>) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for cell in cells {
        let bin = &mut bins[Bin::index(cell.p)];
        bin.n += 1;
        bin.parasitized += u64::from(cell.truth);
        bin.sum += cell.p;
    }
    bins
}

/// Expected calibration error (Guo et al., ICML 2017) of the probability of a parasite.
pub fn ece(bins: &[Bin; BINS]) -> f64 {
    let gaps = bins
        .iter()
        .map(|bin| (bin.sum - bin.parasitized as f64).abs());
    let n: u64 = bins.iter().map(|bin| bin.n).sum();
    gaps.sum::<f64>() / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::tests::cells;
    use super::*;

    #[test]
    fn each_threshold_once_and_ties_together() {
        let steps = steps(&cells(&[
            (true, 0.9),
            (false, 0.5),
            (true, 0.5),
            (false, 0.1),
        ]));
        let counts: Vec<_> = steps.iter().map(|s| (s.p, s.tp, s.fp)).collect();
        assert_eq!(counts, [(0.9, 1, 0), (0.5, 2, 1), (0.1, 2, 2)]);
        assert_eq!(
            roc(&steps),
            [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
        assert_eq!(
            precision_recall(&steps),
            [(0.5, 1.0), (1.0, 2.0 / 3.0), (1.0, 0.5)]
        );
    }

    #[test]
    fn one_class_has_no_curves() {
        let steps = steps(&cells(&[(true, 0.9), (true, 0.5)]));
        assert!(roc(&steps).is_empty() && precision_recall(&steps).is_empty());
        assert!(roc(&[]).is_empty());
    }

    #[test]
    fn calibration_error_is_the_gap() {
        let sure: Vec<_> = (0..10).map(|i| (i < 7, 0.9)).collect();
        let bins = reliability(&cells(&sure));
        assert!((ece(&bins) - 0.2).abs() < 1e-12);
        let point = bins[Bin::index(0.9)].point().unwrap();
        assert!((point.0 - 0.9).abs() < 1e-12 && point.1 == 0.7);
        assert_eq!(bins[0].point(), None);
        assert_eq!(Bin::index(1.0), BINS - 1);
    }
}
