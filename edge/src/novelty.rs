//! How unlike a cell is the cells that this board has seen before, in what the network sees of them.
//!
//! The distance is that of P. C. Mahalanobis with the variance of each feature for itself: a thousand features of some
//! thousand cells allow no more. Divided by the number of features it is 1 for a usual cell, whatever the network.

/// With fewer cells than this nothing is called new.
const ENOUGH: f64 = 200.0;
/// So many cells are remembered, the older ones ever less: about a slide.
const MEMORY: f64 = 5000.0;
/// A feature that hardly ever stirs would make each stir an event: its variance counts as at least this part of the mean one.
const LEAST_VARIANCE: f32 = 0.01;

/// The mean and the variance of each feature of the cells that were seen.
#[derive(Debug, Default)]
pub struct Familiar {
    cells: f64,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Familiar {
    /// How novel the cells of a field are, by their features, before they become familiar themselves: 1 is usual. `None` of a
    /// cell without features, and of all before there are enough to compare with.
    pub fn look(&mut self, field: &[Vec<f32>]) -> Vec<Option<f32>> {
        let novelties = field.iter().map(|cell| self.novelty(cell)).collect();
        for cell in field {
            self.remember(cell);
        }
        novelties
    }

    fn novelty(&self, cell: &[f32]) -> Option<f32> {
        if self.cells < ENOUGH || cell.len() != self.mean.len() {
            return None;
        }
        let n = cell.len() as f32;
        let least = LEAST_VARIANCE * self.variance.iter().sum::<f32>() / n;
        let terms = cell.iter().zip(&self.mean).zip(&self.variance);
        let sum: f32 = terms
            .map(|((value, mean), variance)| (value - mean).powi(2) / variance.max(least))
            .sum();
        // Cells that are all alike say nothing of another one.
        let novelty = sum / n;
        novelty.is_finite().then_some(novelty)
    }

    fn remember(&mut self, cell: &[f32]) {
        if cell.is_empty() || !cell.iter().all(|value| value.is_finite()) {
            return;
        }
        if self.mean.len() != cell.len() {
            *self = Self {
                cells: 0.0,
                mean: vec![0.0; cell.len()],
                variance: vec![0.0; cell.len()],
            };
        }
        self.cells = (self.cells + 1.0).min(MEMORY);
        // B. P. Welford's step (Technometrics 4 (1962) 419-420), with a share that stops shrinking: so old cells fade.
        let share = (1.0 / self.cells) as f32;
        for ((value, mean), variance) in cell.iter().zip(&mut self.mean).zip(&mut self.variance) {
            let before = value - *mean;
            *mean += share * before;
            *variance += share * (before * (value - *mean) - *variance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn cells(count: usize, centre: f32, rng: &mut ChaCha8Rng) -> Vec<Vec<f32>> {
        (0..count)
            .map(|_| {
                (0..64)
                    .map(|i| centre + i as f32 + rng.random_range(-1.0..1.0))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn the_usual_is_one_and_what_differs_is_more() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut familiar = Familiar::default();
        assert_eq!(familiar.look(&cells(199, 0.0, &mut rng)), [None; 199]);
        // One short of enough, when this field is looked at.
        assert_eq!(familiar.look(&cells(1, 0.0, &mut rng)), [None]);
        let usual: Vec<f32> = familiar
            .look(&cells(300, 0.0, &mut rng))
            .into_iter()
            .flatten()
            .collect();
        let mean = usual.iter().sum::<f32>() / 300.0;
        assert!((0.9..1.1).contains(&mean), "{mean}");
        let strange = familiar.look(&cells(1, 3.0, &mut rng))[0].unwrap();
        assert!(
            strange > 2.0 * usual.iter().copied().fold(0.0, f32::max),
            "{strange}"
        );
        // What comes often is new no more.
        familiar.look(&cells(20_000, 3.0, &mut rng));
        let used_to = familiar.look(&cells(1, 3.0, &mut rng))[0].unwrap();
        assert!((0.5..1.5).contains(&used_to), "{used_to}");
    }

    #[test]
    fn features_of_another_length_or_no_numbers_do_no_harm() {
        let mut familiar = Familiar::default();
        assert_eq!(
            familiar.look(&[Vec::new(), vec![f32::NAN], vec![1.0]]),
            [None; 3]
        );
        assert_eq!(familiar.cells, 1.0);
        familiar.look(&vec![vec![1.0]; 300]);
        assert_eq!(familiar.look(&[vec![1.0]]), [None], "all were alike");
        assert_eq!(familiar.look(&[vec![1.0, 2.0]]), [None]);
        assert_eq!(familiar.mean.len(), 2);
    }
}
