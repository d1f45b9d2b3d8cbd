//! How well parasitized cells are told from healthy ones, whatever the threshold.

use serde::{Deserialize, Serialize};

use super::ratio;

/// One class of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Labelled cells that count.
    pub n: u64,
    /// Those that were found.
    pub found: u64,
    /// Those that were found and called parasitized.
    pub called_parasitized: u64,
    /// Those that would be called so at the lowest threshold that calls at least 98 % of the
    /// uninfected cells found uninfected.
    #[serde(default)]
    pub called_at_specificity_0_98: u64,
}

/// The probabilities of the cells that were found, by class from 0 (uninfected) to 4.
#[derive(Clone, Debug, Default)]
pub(super) struct Probabilities([Vec<f32>; 5]);

impl Probabilities {
    /// Takes in a cell that was found; a class above 4 has no part in this.
    pub fn add(&mut self, class: u8, p_parasitized: f32) {
        if let Some(class) = self.0.get_mut(usize::from(class)) {
            class.push(p_parasitized);
        }
    }

    /// The number of cells of each class above the lowest threshold with a specificity of 98 %; 0 where
    /// no uninfected cell was found.
    pub fn called_at_specificity_0_98(&self) -> [u64; 5] {
        let mut falling = self.0[0].clone();
        falling.sort_unstable_by(|a, b| b.total_cmp(a));
        // Two in a hundred may be called parasitized, rounded down.
        let Some(limit) = falling.get(falling.len() / 50) else {
            return [0; 5];
        };
        let above = |class: &Vec<f32>| class.iter().filter(|p| p.total_cmp(limit).is_gt()).count();
        std::array::from_fn(|class| above(&self.0[class]) as u64)
    }

    /// The probability that a parasitized cell has a higher value than an uninfected one, equal values
    /// counting half (the area under the ROC curve; Hanley and McNeil, Radiology 143, 1982, 29–36).
    pub fn auc(&self) -> Option<f64> {
        let [healthy, sick @ ..] = &self.0;
        let mut all: Vec<(f32, bool)> = healthy.iter().map(|&p| (p, false)).collect();
        all.extend(sick.iter().flatten().map(|&p| (p, true)));
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0;
        // In halves, so that ties stay whole numbers.
        let mut halves: u64 = 0;
        for equal in all.chunk_by(|a, b| a.0 == b.0) {
            let sick = equal.iter().filter(|(_, sick)| *sick).count() as u64;
            let healthy = equal.len() as u64 - sick;
            halves += sick * (2 * below + healthy);
            below += healthy;
        }
        let sick = all.len() as u64 - below;
        ratio(halves, 2 * sick * below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(healthy: &[f32], sick: &[f32]) -> Probabilities {
        let mut all = Probabilities::default();
        healthy.iter().for_each(|&p| all.add(0, p));
        sick.iter().for_each(|&p| all.add(3, p));
        all
    }

    #[test]
    fn auc_counts_pairs_and_half_of_the_ties() {
        assert_eq!(of(&[], &[0.5]).auc(), None);
        assert_eq!(of(&[0.5], &[]).auc(), None);
        assert_eq!(of(&[0.1, 0.2], &[0.3]).auc(), Some(1.0));
        assert_eq!(of(&[0.5, 0.9], &[0.5]).auc(), Some(0.25));
        // Classes without a place don't count.
        let mut all = of(&[0.1], &[0.2]);
        all.add(5, 0.0);
        assert_eq!(all.auc(), Some(1.0));
    }

    #[test]
    fn two_in_a_hundred_healthy_cells_may_be_called() {
        let healthy: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        let all = of(&healthy, &[0.96, 0.975, 0.985, 1.0]);
        // 0.99 and 0.98 are called: two.
        assert_eq!(all.called_at_specificity_0_98(), [2, 0, 0, 3, 0]);
        assert_eq!(of(&[], &[1.0]).called_at_specificity_0_98(), [0; 5]);
    }

    proptest! {
        #[test]
        fn auc_is_what_counting_all_pairs_gives(
            healthy in prop::collection::vec(0u8..9, 1..30),
            sick in prop::collection::vec(0u8..9, 1..30),
        ) {
            let [healthy, sick] = [healthy, sick].map(|v| v.into_iter().map(f32::from).collect::<Vec<_>>());
            let pairs: f64 = sick.iter().flat_map(|s| healthy.iter().map(move |h| {
                if s > h { 1.0 } else if s == h { 0.5 } else { 0.0 }
            })).sum();
            let auc = of(&healthy, &sick).auc().unwrap();
            prop_assert!((auc - pairs / (healthy.len() * sick.len()) as f64).abs() < 1e-12);
        }
    }
}
