//! What a model knew before stays known: cells of the old data are learnt from beside those of the new site.
//!
//! Some of the old training cells are enough, drawn once; none of them is tested on, so that the figures of a run speak for the
//! site alone. What has become of the old site, `compare` tells.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Run, SPLIT};
use crate::dataset::{Dataset, NIH_SUBJECT};
use crate::error::bad_input;
use crate::split::{self, SHARES, Split, SplitBy, Subset};

/// One replayed cell in so many is for validation.
const VALIDATE: usize = 10;

/// What is replayed.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Also learn from some cells of this data set, the one that --base was taught with, so that it isn't forgotten.
    #[arg(long, value_name = "DATA", requires = "base")]
    pub replay: Option<PathBuf>,
    /// As --subject-pattern, for --replay.
    #[arg(long, value_name = "PATTERN", default_value = NIH_SUBJECT)]
    pub replay_subject_pattern: Regex,
    /// The split of --replay that --base was trained on: of its test subjects nothing may be learnt. Without it, one is dealt.
    #[arg(long, value_name = "CSV", requires = "replay")]
    pub replay_split: Option<PathBuf>,
    /// How many cells of --replay, at most.
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "replay")]
    pub replay_cells: usize,
}

/// Where a run's replayed cells are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The data set's path, made absolute.
    pub data: PathBuf,
    /// Its subject pattern.
    pub subject_pattern: String,
}

impl ReplayArgs {
    /// Where the replayed cells are, for the run's own record.
    ///
    /// # Errors
    /// The path can't be followed.
    pub fn record(&self) -> Result<Option<Replay>> {
        let Some(data) = &self.replay else {
            return Ok(None);
        };
        let subject_pattern = self.replay_subject_pattern.to_string();
        let data = std::fs::canonicalize(data)
            .map_err(|e| bad_input!("{}: cannot be read: {e}", data.display()))?;
        Ok(Some(Replay {
            data,
            subject_pattern,
        }))
    }

    /// A site's data with the replayed cells, and the split of both.
    ///
    /// # Errors
    /// The data can't be read, has other classes, or its split doesn't fit.
    pub fn add(&self, site: Dataset, split: Split, seed: u64) -> Result<(Dataset, Split)> {
        let Some(path) = &self.replay else {
            return Ok((site, split));
        };
        let old = Dataset::open(path, &self.replay_subject_pattern)?;
        let of_old = match &self.replay_split {
            Some(csv) => Split::read(csv, &old, SplitBy::Subject)?,
            None => {
                tracing::warn!(
                    "without --replay-split nobody knows whom --base was tested on: what `compare` says of {} may flatter",
                    path.display()
                );
                Split::by_subject(&old, SHARES, seed)
            }
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = |subset, n: usize| {
            let mut indices = of_old.indices(subset);
            indices.shuffle(&mut rng);
            indices.truncate(n);
            indices
        };
        let val = drawn(Subset::Val, self.replay_cells / VALIDATE);
        let train = drawn(Subset::Train, self.replay_cells - val.len());
        let mut chosen: Vec<(usize, Subset)> = (train.into_iter().map(|i| (i, Subset::Train)))
            .chain(val.into_iter().map(|i| (i, Subset::Val)))
            .collect();
        chosen.sort_unstable_by_key(|(i, _)| *i);
        let indices: Vec<usize> = chosen.iter().map(|(i, _)| *i).collect();
        tracing::info!("{} cells of {} are replayed", indices.len(), path.display());
        let both = site.with_replay(old.only(&indices))?;
        let split = split.followed_by(chosen.into_iter().map(|(_, subset)| subset));
        Ok((both, split))
    }
}

/// The site's data of a run with its replayed cells: those that its split names.
///
/// # Errors
/// The replayed data can't be read any more.
pub fn reopen(run: &Run, folder: &Path, site: Dataset) -> Result<Dataset> {
    let Some(replay) = &run.replay else {
        return Ok(site);
    };
    let pattern = Regex::new(&replay.subject_pattern)
        .map_err(|e| bad_input!("{}: its subject pattern is broken: {e}", folder.display()))?;
    let named: HashSet<String> = split::files(&folder.join(SPLIT))?.into_iter().collect();
    let both = site.with_replay(Dataset::open(&replay.data, &pattern)?)?;
    let kept: Vec<usize> = (0..both.samples.len())
        .filter(|&i| !both.samples[i].is_replay() || named.contains(&both.samples[i].file))
        .collect();
    Ok(both.only(&kept))
}
