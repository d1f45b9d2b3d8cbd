//! `crossval`: every cell judged by a model that never saw its subject.
//!
//! The folder holds a run folder for each fold, `fold-0`, `fold-1`, …; each can be trained by a
//! process of its own, on whatever machine sees the folder. When all are there they are summed up
//! in `predictions.csv` and `crossval.json`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::checkpoint::{self, Run, write_whole};
use crate::cli::Data;
use crate::commands::open;
use crate::dataset::Dataset;
use crate::error::bad_input;
use crate::metrics::{Judged, Metrics};
use crate::predictions::{self, PREDICTIONS, Prediction};
use crate::recipe::Options;
use crate::say::say;
use crate::split::{Split, SplitBy};
use crate::suspects;
use crate::train_command;

/// Arguments of `crossval`.
#[derive(Debug, Args)]
pub struct CrossvalArgs {
    /// The data set.
    #[command(flatten)]
    pub data: Data,
    /// The folder for all folds.
    #[arg(long, default_value = "crossval")]
    pub out: PathBuf,
    /// How many parts the subjects are dealt to.
    #[arg(long, default_value_t = 5, value_parser = at_least_two)]
    pub folds: usize,
    /// Train this fold only, counted from 0; one that was begun goes on.
    #[arg(long)]
    pub fold: Option<usize>,
    /// Train nothing; sum up the folds that are there, which must be all.
    #[arg(long, conflicts_with = "fold")]
    pub collect: bool,
    /// Share of the other folds' cells to validate on.
    #[arg(long, default_value_t = 0.1)]
    pub val: f64,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A cell is suspected to carry the wrong label when the model that never saw its subject is
    /// this sure of another one.
    #[arg(long, default_value_t = 0.95, value_parser = suspects::confidence)]
    pub suspect_confidence: f64,
    /// How to train.
    #[command(flatten)]
    pub options: Options,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `crossval.json`: all folds together.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// How many folds.
    pub folds: usize,
    /// The labels as they are in the data set.
    pub as_published: Metrics,
    /// Without the suspects. It flatters: a model is not asked about cells on which it is surely
    /// at odds with the label, rightly or wrongly.
    pub without_suspects: Metrics,
    /// Cells whose label is suspected to be wrong.
    pub suspects: u64,
    /// The figures of each fold, as published.
    pub each: Vec<Metrics>,
}

fn at_least_two(s: &str) -> Result<usize, String> {
    let folds = s.parse().map_err(|e| format!("{e}"))?;
    if folds < 2 {
        return Err("at least 2 folds are needed".into());
    }
    Ok(folds)
}

/// Trains folds, sums up, or both.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &CrossvalArgs) -> Result<Option<Summary>> {
    let dataset = open(&args.data)?;
    dataset.parasitized()?;
    if args.fold.is_some_and(|fold| fold >= args.folds) {
        return Err(bad_input!(
            "--fold {} of {} folds: they are counted from 0",
            args.fold.unwrap_or_default(),
            args.folds
        ));
    }
    if !(args.val > 0.0 && args.val < 1.0) {
        return Err(bad_input!("--val {} must be between 0 and 1", args.val));
    }
    let folds = Split::folds(&dataset, args.folds, args.seed)?;
    let wanted = match args.fold {
        _ if args.collect => 0..0,
        Some(fold) => fold..fold + 1,
        None => 0..args.folds,
    };
    for fold in wanted {
        tracing::info!("fold {fold} of {}", args.folds);
        train_fold(args, &dataset, &folds, fold)?;
    }
    if args.fold.is_some() {
        return Ok(None);
    }
    let summary = collect(args, &dataset, &folds)?;
    write_whole(
        &args.out.join("crossval.json"),
        &serde_json::to_vec_pretty(&summary)?,
    )?;
    Ok(Some(summary))
}

fn folder(out: &Path, fold: usize) -> PathBuf {
    out.join(format!("fold-{fold}"))
}

fn train_fold(args: &CrossvalArgs, dataset: &Dataset, folds: &[usize], fold: usize) -> Result<()> {
    let out = folder(&args.out, fold);
    let (options, by) = (&args.options, SplitBy::Subject);
    let split = Split::of_fold(dataset, folds, fold, args.val, args.seed);
    if out.join(checkpoint::METRICS).exists() {
        let run = Run::read(&out)?;
        let (wanted, _) = train_command::plan(&args.data, dataset, &split, by, options, args.seed)?;
        if !run.is_alike(&wanted) || run.split_sha256 != wanted.split_sha256 {
            return Err(bad_input!(
                "{}: was begun with other options, data or another machine's arithmetic; give those \
                 again, or another --out",
                out.display()
            ));
        }
        if out.join(PREDICTIONS).exists() {
            tracing::info!("{} is done", out.display());
        } else {
            train_command::resume(&out, dataset, options)?;
        }
        return Ok(());
    }
    train_command::start(
        &out, &args.data, dataset, &split, by, options, None, args.seed,
    )?;
    Ok(())
}

fn collect(args: &CrossvalArgs, dataset: &Dataset, folds: &[usize]) -> Result<Summary> {
    let mut rows: Vec<Prediction> = Vec::with_capacity(dataset.samples.len());
    let data_sha256 = dataset.sha256()?;
    let mut first: Option<Run> = None;
    for fold in 0..args.folds {
        let out = folder(&args.out, fold);
        if !out.join(PREDICTIONS).exists() {
            return Err(bad_input!(
                "{}: is not done; train it with --fold {fold}, then --collect again",
                out.display()
            ));
        }
        let run = Run::read(&out)?;
        if run.data_sha256 != data_sha256 {
            return Err(bad_input!("{}: was trained on other data", out.display()));
        }
        let first = first.get_or_insert_with(|| run.clone());
        if !run.is_alike(first) {
            return Err(bad_input!(
                "{}: was trained otherwise than fold 0, so their figures don't belong together",
                out.display()
            ));
        }
        let of_fold = predictions::read(&out.join(PREDICTIONS))?;
        rows.extend(of_fold.into_iter().map(|row| Prediction {
            fold: Some(fold),
            ..row
        }));
    }
    let known: BTreeMap<&str, usize> = dataset
        .samples
        .iter()
        .zip(folds)
        .map(|(s, &f)| (s.file.as_str(), f))
        .collect();
    for row in &rows {
        if known.get(row.file.as_str()).copied() != row.fold {
            return Err(bad_input!(
                "{}: {} is not in that fold; were the folds trained with another --folds or --seed?",
                folder(&args.out, row.fold.unwrap_or_default()).display(),
                row.file
            ));
        }
    }
    predictions::write(&args.out.join(PREDICTIONS), &rows)?;
    let positive = &dataset.classes[dataset.parasitized()?];
    let judged = |row: &Prediction| Judged {
        file: row.file.clone(),
        truth: row.class == *positive,
        p: row.p_parasitized,
        subject: row.subject.clone(),
    };
    let of = |rows: &mut dyn Iterator<Item = &Prediction>| {
        Metrics::of(&rows.map(judged).collect::<Vec<_>>(), 0.5)
    };
    let suspects = suspects::find(dataset, &rows, args.suspect_confidence)?;
    let suspected: HashSet<&str> = suspects.cells.iter().map(|c| c.file.as_str()).collect();
    let is_trusted = |row: &&Prediction| !suspected.contains(row.file.as_str());
    Ok(Summary {
        folds: args.folds,
        as_published: of(&mut rows.iter()),
        without_suspects: of(&mut rows.iter().filter(is_trusted)),
        suspects: suspected.len() as u64,
        each: (0..args.folds)
            .map(|fold| of(&mut rows.iter().filter(|row| row.fold == Some(fold))))
            .collect(),
    })
}

/// Prints a summary for people.
pub fn print(summary: &Summary) -> Result<()> {
    let figure = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4}"));
    let interval = |value: Option<[f64; 2]>| {
        value.map_or(String::new(), |[low, high]| {
            format!(" ({low:.4} to {high:.4})")
        })
    };
    for (name, m) in [
        ("labels as published", &summary.as_published),
        ("without the suspects", &summary.without_suspects),
    ] {
        say!(
            "{name}: {} cells of {} subjects, accuracy {}{}, AUC {}{}, sensitivity {}, specificity {}",
            m.n,
            m.subjects.len(),
            figure(m.at_0_5.accuracy),
            interval(m.interval_95.accuracy),
            figure(m.auc),
            interval(m.interval_95.auc),
            figure(m.at_0_5.sensitivity),
            figure(m.at_0_5.specificity)
        )?;
    }
    say!("{} labels are suspected to be wrong", summary.suspects)?;
    for (fold, m) in summary.each.iter().enumerate() {
        say!(
            "  fold {fold}: {} cells, accuracy {}, AUC {}",
            m.n,
            figure(m.at_0_5.accuracy),
            figure(m.auc)
        )?;
    }
    Ok(())
}
