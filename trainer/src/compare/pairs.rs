//! Cells with what two models say of each.

use std::collections::{BTreeMap, HashMap};

use crate::dataset::Dataset;
use crate::metrics::Judged;

/// A cell that both models have judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Whether it is parasitized.
    pub truth: bool,
    /// The probabilities that the old and the new model give it.
    pub p: [f64; 2],
    /// How many cells it speaks for.
    pub weight: f64,
    /// Whose it is.
    pub subject: String,
    /// The laboratory that it is from.
    pub site: String,
    /// What kind of parasite it is; empty where nobody said.
    pub stage: String,
}

/// All of them.
#[derive(Default)]
pub struct Pairs {
    all: Vec<Pair>,
    /// Whether there are cells that a model chose without weights that make up for it.
    pub has_unweighted_choice: bool,
}

impl Pairs {
    /// Takes in the cells that both could judge. `place` is the site of cells that don't say theirs.
    pub fn add(&mut self, dataset: &Dataset, place: &str, old: &[Judged], new: &[Judged]) {
        let samples = dataset.samples.iter();
        let by_file: HashMap<&str, _> = samples.map(|s| (s.file.as_str(), s)).collect();
        let of_new: HashMap<&str, f64> = new.iter().map(|c| (c.file.as_str(), c.p)).collect();
        for cell in old {
            let Some(&p) = of_new.get(cell.file.as_str()) else {
                continue;
            };
            let kept = by_file[cell.file.as_str()].kept.as_ref();
            let weight = kept.map(|kept| kept.weight);
            self.has_unweighted_choice |= weight == Some(None);
            self.all.push(Pair {
                truth: cell.truth,
                p: [cell.p, p],
                weight: weight.flatten().unwrap_or(1).into(),
                subject: cell.subject.clone(),
                site: kept.map_or_else(|| place.to_owned(), |kept| kept.site.clone()),
                stage: kept.map(|kept| kept.stage.clone()).unwrap_or_default(),
            });
        }
    }

    /// The cells of each site.
    pub fn by_site(&self) -> BTreeMap<String, Vec<Pair>> {
        self.by(|pair| pair.site.clone())
    }

    /// The parasites of each kind that somebody has named.
    pub fn by_stage(&self) -> BTreeMap<String, Vec<Pair>> {
        let mut by_stage = self.by(|pair| match pair.truth {
            true => pair.stage.clone(),
            false => String::new(),
        });
        by_stage.remove("");
        by_stage
    }

    fn by(&self, key: impl Fn(&Pair) -> String) -> BTreeMap<String, Vec<Pair>> {
        let mut groups: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
        for pair in &self.all {
            groups.entry(key(pair)).or_default().push(pair.clone());
        }
        groups
    }
}
