//! Which sample is for what: by subject, so that nobody's cells are on both sides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::{Dataset, Sample};
use crate::error::bad_input;

/// The usual shares of train, val and test.
pub const SHARES: [f64; 3] = [0.7, 0.1, 0.2];

/// What a sample is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// The weights learn from it.
    Train,
    /// Choices (best epoch) are made on it.
    Val,
    /// Nothing is decided on it; figures are stated on it.
    Test,
}

impl Subset {
    /// All three, in the order of the shares.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

impl FromStr for Subset {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|subset| subset.to_string() == s)
            .ok_or_else(|| format!("unknown subset {s:?}; known are train, val and test"))
    }
}

/// What is dealt to the subsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Whole subjects: nobody's cells are on both sides.
    Subject,
    /// Single cells, as the tutorial does: one person's cells are on both sides, and figures
    /// flatter.
    Cell,
}

/// How many deals are tried for one split.
const DEALS: usize = 200;

/// One line of the split CSV.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    file: String,
    class: String,
    subject: String,
    subset: Subset,
}

/// The files that a split CSV names.
///
/// # Errors
/// It can't be read.
pub fn files(path: &Path) -> Result<Vec<String>> {
    Ok(rows(path)?.into_iter().map(|row| row.file).collect())
}

fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_path(path)
        .map_err(|e| bad_input!("{}: cannot read the split: {e}", path.display()))?;
    let rows = reader.deserialize::<Row>();
    rows.map(|row| row.map_err(|e| bad_input!("{}: not a split CSV: {e}", path.display())))
        .collect()
}

/// The subset of each sample of a data set, in its order.
///
/// Invariant: unless it was dealt by cell, all samples of one subject are in the same subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    subsets: Vec<Subset>,
}

impl Split {
    /// Deals subjects to the subsets so that every class comes near its shares.
    ///
    /// The subjects are shuffled by `seed` and dealt one by one to the subset that most lacks
    /// their classes; of many such deals the one with the least distance from the shares is kept.
    pub fn by_subject(dataset: &Dataset, shares: [f64; 3], seed: u64) -> Self {
        let (_, chosen) = best_deal(dataset, &shares, seed);
        let samples = dataset.samples.iter();
        Self {
            subsets: samples
                .map(|s| Subset::ALL[chosen[s.subject.as_str()]])
                .collect(),
        }
    }

    /// Deals single cells to the subsets, each class by its shares, in an order drawn by `seed`.
    pub fn by_cell(dataset: &Dataset, shares: [f64; 3], seed: u64) -> Self {
        let mut order: Vec<usize> = (0..dataset.samples.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let totals = dataset.class_counts();
        let mut dealt = vec![0usize; totals.len()];
        let mut subsets = vec![Subset::Train; order.len()];
        for i in order {
            let class = dataset.samples[i].class;
            let place = (dealt[class] as f64 + 0.5) / totals[class] as f64;
            dealt[class] += 1;
            subsets[i] = if place < shares[0] {
                Subset::Train
            } else if place < shares[0] + shares[1] {
                Subset::Val
            } else {
                Subset::Test
            };
        }
        Self { subsets }
    }

    /// Deals whole subjects to `folds` parts of nearly equal size and the same classes; the fold of
    /// each sample, counted from 0. Works as [`Split::by_subject`].
    ///
    /// # Errors
    /// There are fewer subjects than folds.
    pub fn folds(dataset: &Dataset, folds: usize, seed: u64) -> Result<Vec<usize>> {
        let (subjects, chosen) = best_deal(dataset, &vec![1.0 / folds as f64; folds], seed);
        if subjects < folds {
            return Err(bad_input!(
                "{subjects} subjects cannot be dealt to {folds} folds; use fewer --folds"
            ));
        }
        let samples = dataset.samples.iter();
        Ok(samples.map(|s| chosen[s.subject.as_str()]).collect())
    }

    /// The split of fold `fold`: its cells to test on, a share `val` of the other subjects' cells to
    /// validate on, the rest to train on.
    pub fn of_fold(dataset: &Dataset, folds: &[usize], fold: usize, val: f64, seed: u64) -> Self {
        let rest: Vec<_> = (0..folds.len()).filter(|&i| folds[i] != fold).collect();
        let inner = Self::by_subject(&dataset.only(&rest), [1.0 - val, val, 0.0], seed);
        let mut subsets = vec![Subset::Test; folds.len()];
        for (i, subset) in rest.into_iter().zip(inner.subsets) {
            subsets[i] = subset;
        }
        Self { subsets }
    }

    /// Reads a split CSV and matches it with the data set by file name.
    ///
    /// # Errors
    /// Not readable, a file of the data set is missing in it, or one subject is in two subsets
    /// although `by` says that whole subjects were dealt.
    pub fn read(path: &Path, dataset: &Dataset, by: SplitBy) -> Result<Self> {
        let mut reader = csv::Reader::from_path(path)
            .map_err(|e| bad_input!("{}: cannot read the split: {e}", path.display()))?;
        let mut subsets = HashMap::new();
        for row in reader.deserialize() {
            let row: Row =
                row.map_err(|e| bad_input!("{}: not a split CSV: {e}", path.display()))?;
            subsets.insert(row.file, row.subset);
        }
        let mut of_subject: HashMap<&str, Subset> = HashMap::new();
        let mut split = Vec::with_capacity(dataset.samples.len());
        for Sample { file, subject, .. } in &dataset.samples {
            let subset = *subsets.get(file).ok_or_else(|| {
                bad_input!(
                    "{}: has no line for {file:?} of the data set",
                    path.display()
                )
            })?;
            if *of_subject.entry(subject).or_insert(subset) != subset && by == SplitBy::Subject {
                return Err(bad_input!(
                    "{}: subject {subject} is in two subsets, so the figures would flatter; \
                     make a split with `smearscope-train split`",
                    path.display()
                ));
            }
            split.push(subset);
        }
        Ok(Self { subsets: split })
    }

    /// Keeps each subject where an earlier split has it, and deals the others by their shares as [`Split::by_subject`] does.
    ///
    /// # Errors
    /// The earlier split can't be read, or has a subject in two subsets.
    pub fn kept(path: &Path, dataset: &Dataset, shares: [f64; 3], seed: u64) -> Result<Self> {
        let mut of_subject: HashMap<String, Subset> = HashMap::new();
        for row in rows(path)? {
            let subset = *of_subject.entry(row.subject.clone()).or_insert(row.subset);
            if subset != row.subset {
                return Err(bad_input!(
                    "{}: subject {} is in two subsets",
                    path.display(),
                    row.subject
                ));
            }
        }
        let known = |i: &usize| of_subject.contains_key(&dataset.samples[*i].subject);
        let (_, new): (Vec<usize>, Vec<usize>) = (0..dataset.samples.len()).partition(known);
        let dealt = Self::by_subject(&dataset.only(&new), shares, seed);
        let mut dealt = dealt.subsets.into_iter();
        let subsets = dataset.samples.iter().map(|sample| {
            let old = of_subject.get(&sample.subject).copied();
            old.or_else(|| dealt.next()).unwrap_or(Subset::Train)
        });
        Ok(Self {
            subsets: subsets.collect(),
        })
    }

    /// The same split with the subsets of samples that come behind those of the data set.
    pub fn followed_by(mut self, more: impl IntoIterator<Item = Subset>) -> Self {
        self.subsets.extend(more);
        self
    }

    /// The CSV: `file,class,subject,subset`, one line per sample.
    ///
    /// # Errors
    /// Never in practice: it is written to memory.
    pub fn to_csv(&self, dataset: &Dataset) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for (sample, &subset) in dataset.samples.iter().zip(&self.subsets) {
            writer.serialize(Row {
                file: sample.file.clone(),
                class: dataset.classes[sample.class].clone(),
                subject: sample.subject.clone(),
                subset,
            })?;
        }
        writer.into_inner().context("cannot finish the split CSV")
    }

    /// Refuses a split in which a subset that was given a share has no sample: with so few subjects
    /// nothing can be chosen or stated.
    ///
    /// # Errors
    /// Names the subset and the number of subjects.
    pub fn refuse_empty(&self, dataset: &Dataset, shares: [f64; 3]) -> Result<()> {
        let mut all = Subset::ALL.into_iter().zip(shares);
        let Some((empty, _)) =
            all.find(|(subset, share)| *share > 0.0 && self.indices(*subset).is_empty())
        else {
            return Ok(());
        };
        let subjects: BTreeSet<_> = dataset.samples.iter().map(|s| &s.subject).collect();
        Err(bad_input!(
            "the {empty} subset would be empty: the cells of {} subject(s) can't be dealt by these \
             shares; give --val and --test larger shares, or 0 for none, or collect more subjects",
            subjects.len()
        ))
    }

    /// Refuses a split that nothing can be learnt or chosen from.
    ///
    /// # Errors
    /// Fewer than two samples to train on, or none to validate.
    pub fn refuse_untrainable(&self) -> Result<()> {
        if self.indices(Subset::Train).len() < 2 {
            return Err(bad_input!("the split has fewer than two cells to train on"));
        }
        if self.indices(Subset::Val).is_empty() {
            return Err(bad_input!(
                "the split has no cell to validate on, by which the best epoch and the threshold are \
                 chosen; give --val a share above 0, or a split of your own"
            ));
        }
        Ok(())
    }

    /// Classes that a subset lacks, in a sentence each: it can say nothing about them.
    pub fn warnings(&self, dataset: &Dataset) -> Vec<String> {
        let mut warnings = Vec::new();
        for subset in Subset::ALL {
            let indices = self.indices(subset);
            let there: BTreeSet<usize> =
                indices.iter().map(|&i| dataset.samples[i].class).collect();
            if there.is_empty() {
                continue;
            }
            for (class, name) in dataset.classes.iter().enumerate() {
                if !there.contains(&class) {
                    warnings.push(format!(
                        "the {subset} subset has no cell of the class {name}"
                    ));
                }
            }
        }
        warnings
    }

    /// The indices of the samples in a subset.
    pub fn indices(&self, subset: Subset) -> Vec<usize> {
        (0..self.subsets.len())
            .filter(|&i| self.subsets[i] == subset)
            .collect()
    }
}

/// The number of subjects, and the part that each is dealt to: the best of many deals.
fn best_deal<'a>(
    dataset: &'a Dataset,
    shares: &[f64],
    seed: u64,
) -> (usize, HashMap<&'a str, usize>) {
    let totals = dataset.class_counts();
    let mut subjects: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for Sample { subject, class, .. } in &dataset.samples {
        subjects
            .entry(subject)
            .or_insert_with(|| vec![0.0; totals.len()])[*class] += 1.0 / totals[*class] as f64;
    }
    let mut order: Vec<_> = subjects.into_iter().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut best: Option<(f64, HashMap<&str, usize>)> = None;
    for _ in 0..DEALS {
        order.shuffle(&mut rng);
        let (distance, chosen) = deal(&order, shares);
        if best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, chosen));
        }
    }
    let chosen = best.map(|(_, chosen)| chosen).unwrap_or_default();
    (order.len(), chosen)
}

/// Deals subjects, each with its part of every class's cells, in the given order, one part for each
/// share. Returns the sum over parts and classes of the squared distance from the shares, in units
/// of the share.
fn deal<'a>(order: &[(&'a str, Vec<f64>)], shares: &[f64]) -> (f64, HashMap<&'a str, usize>) {
    let classes = order.first().map_or(0, |(_, parts)| parts.len());
    let mut lack: Vec<_> = shares.iter().map(|&share| vec![share; classes]).collect();
    let mut chosen = HashMap::new();
    for (subject, parts) in order {
        let gain = |part: usize| -> f64 {
            let squares = lack[part].iter().zip(parts).map(|(lack, cells)| {
                let rest = lack - cells;
                (lack * lack - rest * rest) / shares[part]
            });
            squares.sum()
        };
        let best = (0..shares.len())
            .filter(|&s| shares[s] > 0.0)
            .max_by(|&a, &b| gain(a).total_cmp(&gain(b)))
            .unwrap_or(0);
        for (lack, part) in lack[best].iter_mut().zip(parts) {
            *lack -= part;
        }
        chosen.insert(*subject, best);
    }
    let distance = lack
        .iter()
        .zip(shares)
        .filter(|(_, share)| **share > 0.0)
        .flat_map(|(lack, share)| lack.iter().map(move |l| l * l / share))
        .sum();
    (distance, chosen)
}

/// SHA-256 of a split CSV in hex.
pub fn sha256(csv: &[u8]) -> String {
    hex::encode(Sha256::digest(csv))
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
