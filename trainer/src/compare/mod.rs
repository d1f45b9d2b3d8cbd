//! `compare`: two models on the same cells, and whether one of them was shown to be better.
//!
//! Both are judged as boards use them: in the board's engine, each at its own threshold. What differs by chance from slide to
//! slide is told from what differs by the model by drawing slides (or people) with replacement, the same ones for both models.

mod figures;
mod pairs;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use regex::Regex;
use serde::{Deserialize, Serialize};
use smearscope_common::engine::Model;

use crate::checkpoint::write_whole;
use crate::dataset::{Dataset, NIH_SUBJECT};
use crate::error::bad_input;
use crate::evaluate::{evaluate_model, load_model};
use crate::say::say;
use crate::split::{self, Split, SplitBy, Subset};
pub use figures::{Figures, Interval};
use pairs::{Pair, Pairs};

/// What `compare` writes.
pub const SCHEMA: &str = "smearscope.comparison/1";
/// Beside the new model, behind its name: where `publish` looks for it.
const BESIDE: &str = ".comparison.json";

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The model that is in use (.onnx).
    pub old: PathBuf,
    /// The model that is to take its place (.onnx).
    pub new: PathBuf,
    /// Cells that neither was taught with: data sets of `ingest`, or others; each of the latter is a site of its own.
    #[arg(required = true)]
    pub data: Vec<PathBuf>,
    /// A split CSV: of a data set whose files it names only one subset is judged. May be given more than once.
    #[arg(long, value_name = "CSV")]
    pub split: Vec<PathBuf>,
    /// Which part of these splits.
    #[arg(long, default_value = "test")]
    pub subset: Subset,
    /// As for the other commands.
    #[arg(long, default_value = NIH_SUBJECT)]
    pub subject_pattern: Regex,
    /// Where the comparison goes as JSON; without it, beside the new model, where `publish` finds it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Whether the new model was shown to be better, by the mean of sensitivity and specificity at each model's own threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval of the difference lies above 0.
    Better,
    /// It lies below 0.
    Worse,
    /// It holds 0, or there are too few slides for one.
    NotShown,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotShown => "not shown to differ",
        }
    }
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Its decision threshold.
    pub threshold: f32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The model in use.
    pub old: Named,
    /// The other one.
    pub new: Named,
    /// `worse` where it is worse at any site; else `better` where it is better at any; else `not_shown`.
    pub verdict: Verdict,
    /// The cells of each site.
    pub sites: BTreeMap<String, Group>,
    /// Parasites by their kind, where that is known; sensitivity is all that is asked of these.
    pub stages: BTreeMap<String, Group>,
    /// What must be known to read the figures.
    pub notes: Vec<String>,
}

/// Some cells, judged by both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Cells.
    pub cells: u64,
    /// Parasitized cells of them.
    pub parasitized: u64,
    /// Slides, or people.
    pub subjects: u64,
    /// Figures of the model in use.
    pub old: Figures,
    /// Figures of the other one.
    pub new: Figures,
    /// New less old, with the interval of the difference.
    pub difference: Figures,
    /// McNemar's exact test on the parasitized cells: the chance of a difference so large, or larger, if both models found
    /// parasites alike. It takes cells to be independent, which those of one slide are not quite.
    pub p_sensitivity: Option<f64>,
    /// The same on the uninfected cells.
    pub p_specificity: Option<f64>,
    /// See [`Verdict`].
    pub verdict: Verdict,
}

/// `compare`.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &CompareArgs) -> Result<()> {
    let comparison = compare(args)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => beside(&args.new),
    };
    write_whole(&out, &serde_json::to_vec_pretty(&comparison)?)?;
    if args.json {
        say!("{}", serde_json::to_string(&comparison)?)?;
    } else {
        print(&comparison)?;
        say!("written to {}", out.display())?;
    }
    Ok(())
}

/// Where the comparison of a model lies, if nothing else was said.
pub fn beside(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(BESIDE);
    name.into()
}

fn compare(args: &CompareArgs) -> Result<Comparison> {
    let (old, new) = (load_model(&args.old)?, load_model(&args.new)?);
    let mut pairs = Pairs::default();
    let mut notes = Vec::new();
    for path in &args.data {
        let dataset = Dataset::open(path, &args.subject_pattern)?;
        let (indices, is_split) = chosen(&dataset, args)?;
        if !is_split {
            notes.push(format!(
                "All cells of {} were judged: no --split names its files. Where a model has learnt from some of them, that model \
                 looks better than it is.",
                path.display()
            ));
        }
        tracing::info!("{}: {} cells", path.display(), indices.len());
        let [of_old, of_new] = [&old, &new].map(|model| evaluate_model(model, &dataset, &indices));
        let place = path.file_name().unwrap_or_default().to_string_lossy();
        let (of_old, of_new) = (of_old?, of_new?);
        pairs.add(&dataset, &place, &of_old.cells, &of_new.cells);
    }
    if pairs.has_unweighted_choice {
        notes.push(
            "Some cells were kept because a model found them doubtful, and not all that was kept of their fields was decided on: \
             figures on these are worse than on all cells of a slide, most for the model that chose them."
                .to_owned(),
        );
    }
    let thresholds = [old.card().threshold, new.card().threshold].map(f64::from);
    let group = |pairs: &[Pair]| figures::group(pairs, thresholds);
    let sites: BTreeMap<String, Group> = pairs
        .by_site()
        .into_iter()
        .map(|(site, pairs)| (site, group(&pairs)))
        .collect();
    let stages = pairs
        .by_stage()
        .into_iter()
        .map(|(stage, pairs)| (stage, group(&pairs)))
        .collect();
    let any = |wanted| sites.values().any(|group| group.verdict == wanted);
    let verdict = match (any(Verdict::Worse), any(Verdict::Better)) {
        (true, _) => Verdict::Worse,
        (false, true) => Verdict::Better,
        (false, false) => Verdict::NotShown,
    };
    Ok(Comparison {
        schema: SCHEMA.into(),
        old: named(&old),
        new: named(&new),
        verdict,
        sites,
        stages,
        notes,
    })
}

/// The cells of a data set to judge: a subset by the split that names its files, else all, and whether there was none.
fn chosen(dataset: &Dataset, args: &CompareArgs) -> Result<(Vec<usize>, bool)> {
    for path in &args.split {
        let named: HashSet<String> = split::files(path)?.into_iter().collect();
        if !dataset
            .samples
            .iter()
            .any(|sample| named.contains(&sample.file))
        {
            continue;
        }
        // One that names only a part of them is of an earlier time: nobody knows what became of the others since.
        let indices = Split::read(path, dataset, SplitBy::Cell)?.indices(args.subset);
        if indices.is_empty() {
            return Err(bad_input!(
                "{}: has no cell for {}",
                path.display(),
                args.subset
            ));
        }
        return Ok((indices, true));
    }
    Ok(((0..dataset.samples.len()).collect(), false))
}

fn named(model: &Model) -> Named {
    let card = model.card();
    Named {
        name: card.name.clone(),
        version: card.version.clone(),
        sha256: model.sha256().to_owned(),
        threshold: card.threshold,
    }
}

impl Comparison {
    /// Reads what `compare` wrote.
    ///
    /// # Errors
    /// It is something else, or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let json = std::fs::read(path)
            .map_err(|e| bad_input!("{}: the comparison cannot be read: {e}", path.display()))?;
        let read: Self = serde_json::from_slice(&json)
            .map_err(|e| bad_input!("{}: is no comparison: {e}", path.display()))?;
        if read.schema != SCHEMA {
            return Err(bad_input!(
                "{}: has schema {:?}, but this version reads {SCHEMA:?}",
                path.display(),
                read.schema
            ));
        }
        Ok(read)
    }
}

fn print(comparison: &Comparison) -> Result<()> {
    let Comparison {
        old,
        new,
        sites,
        stages,
        notes,
        verdict,
        ..
    } = comparison;
    say!(
        "old: {} {} (threshold {}), new: {} {} (threshold {})",
        old.name,
        old.version,
        old.threshold,
        new.name,
        new.version,
        new.threshold
    )?;
    for (site, group) in sites {
        say!(
            "{site}: {} cells of {} slides or people, {} parasitized: {}",
            group.cells,
            group.subjects,
            group.parasitized,
            group.verdict.words()
        )?;
        for (name, figure) in Figures::NAMES.iter().zip(0..) {
            let of = |figures: &Figures| figures.each()[figure];
            let (old, new, difference) = (of(&group.old), of(&group.new), of(&group.difference));
            if old.is_some() || new.is_some() {
                say!(
                    "  {name:<28} {} → {}  difference {}",
                    Interval::words(old),
                    Interval::words(new),
                    Interval::words(difference)
                )?;
            }
        }
        for (name, p) in [
            ("sensitivity", group.p_sensitivity),
            ("specificity", group.p_specificity),
        ] {
            if let Some(p) = p {
                say!("  {name}: McNemar's exact p = {p:.3}")?;
            }
        }
    }
    for (stage, group) in stages {
        say!(
            "{stage}: {} cells, sensitivity {} → {}",
            group.cells,
            Interval::words(group.old.sensitivity),
            Interval::words(group.new.sensitivity)
        )?;
    }
    for note in notes {
        say!("note: {note}")?;
    }
    say!("verdict: the new model is {}", verdict.words())?;
    Ok(())
}

/// Whether a model may be handed out, by its comparison with the one before it.
///
/// # Errors
/// It was shown to be worse, and nobody said that it shall go out all the same.
pub fn refuse_worse(
    model: &Path,
    sha256: &str,
    parent: Option<&str>,
    comparison: Option<&Path>,
    force: bool,
) -> Result<()> {
    let path = match comparison {
        Some(path) => path.to_owned(),
        None => beside(model),
    };
    if comparison.is_none() && !path.exists() {
        if parent.is_some() {
            tracing::warn!(
                "nobody has compared {} with the model that it was made from: `smearscope-train compare OLD {} DATA` tells \
                 whether it is better",
                model.display(),
                model.display()
            );
        }
        return Ok(());
    }
    let read = Comparison::read(&path).context("whether this model is better is not known")?;
    if read.new.sha256 != sha256 {
        return Err(bad_input!(
            "{}: is about another file ({} {}, {}…); compare again, or remove it",
            path.display(),
            read.new.name,
            read.new.version,
            read.new.sha256.get(..12).unwrap_or_default()
        ));
    }
    let old = &read.old;
    match read.verdict {
        Verdict::Better => tracing::info!("it is better than {} {}", old.name, old.version),
        Verdict::NotShown => tracing::warn!(
            "it was not shown to be better than {} {} ({})",
            old.name,
            old.version,
            path.display()
        ),
        Verdict::Worse => {
            let sites = read.sites.iter();
            let worse: Vec<&str> = sites
                .filter(|(_, group)| group.verdict == Verdict::Worse)
                .map(|(site, _)| site.as_str())
                .collect();
            let said = format!(
                "{}: is worse than {} {} at {} ({})",
                model.display(),
                old.name,
                old.version,
                worse.join(" and "),
                path.display()
            );
            if !force {
                return Err(bad_input!("{said}; --force publishes it all the same"));
            }
            tracing::warn!("{said}, and goes out all the same");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
