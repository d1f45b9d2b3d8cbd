//! The command `evaluate`: figures of held-out cells, and the report for a reviewer.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use regex::Regex;

use crate::checkpoint::{self, Run};
use crate::dataset::{Dataset, NIH_SUBJECT};
use crate::device::Wish;
use crate::error::bad_input;
use crate::evaluate;
use crate::metrics::{Judged, Metrics};
use crate::predictions;
use crate::replay;
use crate::report;
use crate::say::say;
use crate::split::{Split, SplitBy, Subset};
use crate::train::Machine;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run folder or an .onnx file.
    pub model: PathBuf,
    /// The data; a run folder knows its own.
    pub data: Option<PathBuf>,
    /// As for the other commands; a run folder knows its own.
    #[arg(long, default_value = NIH_SUBJECT)]
    pub subject_pattern: Regex,
    /// A split CSV.
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Which part of the split: train, val or test.
    #[arg(long, default_value = "test")]
    pub subset: Subset,
    /// auto, cpu, cuda or cuda:N; for a run folder only.
    #[arg(long, default_value = "auto")]
    pub device: Wish,
    /// Also write a report for a reviewer here: one .html file that needs no network.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Also write what is said of each cell here, as CSV.
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Evaluates a run folder or an exported model.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let metrics = if args.model.is_dir() {
        run_folder(&args.model, args)?
    } else {
        onnx(&args.model, args)?
    };
    print(&metrics, args.json)
}

fn run_folder(folder: &Path, args: &EvaluateArgs) -> Result<Metrics> {
    if args.split.is_some() {
        return Err(bad_input!(
            "a run folder is evaluated on its own split; export it to evaluate it on another"
        ));
    }
    let run = Run::read(folder)?;
    let dataset = dataset_of(&run, folder, args.data.as_deref())?;
    let machine = Machine::of(args.device.device()?);
    let evaluation = evaluate::evaluate_run(&run, folder, &dataset, args.subset, &machine)?;
    if let Some(path) = &args.report {
        let html = report::of_run(
            &run,
            folder,
            &dataset,
            &evaluation,
            args.subset,
            machine.device,
        )?;
        checkpoint::write_whole(path, html.as_bytes())?;
    }
    write_predictions(args, &dataset, &evaluation.cells)?;
    Ok(evaluation.metrics)
}

fn write_predictions(args: &EvaluateArgs, dataset: &Dataset, cells: &[Judged]) -> Result<()> {
    match &args.predictions {
        Some(path) => predictions::write(path, &predictions::of_run(dataset, cells)),
        None => Ok(()),
    }
}

/// The data of a run: where it was trained on, unless `data` says where it is now.
///
/// # Errors
/// It can't be read, is no data set, or `data` is not what the run was trained on.
pub fn dataset_of(run: &Run, folder: &Path, data: Option<&Path>) -> Result<Dataset> {
    let pattern = Regex::new(&run.subject_pattern)
        .map_err(|e| bad_input!("{}: its subject pattern is broken: {e}", folder.display()))?;
    let Some(data) = data else {
        return replay::reopen(run, folder, Dataset::open(&run.data, &pattern)?);
    };
    let dataset = replay::reopen(run, folder, Dataset::open(data, &pattern)?)?;
    if dataset.sha256()? != run.data_sha256 {
        return Err(bad_input!(
            "{}: is not the data that {} was trained on; export the run to judge it by other data",
            data.display(),
            folder.display()
        ));
    }
    Ok(dataset)
}

fn onnx(path: &Path, args: &EvaluateArgs) -> Result<Metrics> {
    let data = args.data.as_ref().ok_or_else(|| {
        bad_input!(
            "an .onnx file does not know its data: evaluate {} DATA",
            path.display()
        )
    })?;
    let model = evaluate::load_model(path)?;
    let dataset = Dataset::open(data, &args.subject_pattern)?;
    let indices = match &args.split {
        Some(split) => Split::read(split, &dataset, SplitBy::Cell)?.indices(args.subset),
        None => (0..dataset.samples.len()).collect(),
    };
    if indices.is_empty() {
        return Err(bad_input!("the split has no sample for {}", args.subset));
    }
    let evaluation = evaluate::evaluate_model(&model, &dataset, &indices)?;
    if let Some(path) = &args.report {
        let subset = args.split.is_some().then_some(args.subset);
        let html = report::of_model(&model, &dataset, data, &evaluation, subset)?;
        checkpoint::write_whole(path, html.as_bytes())?;
    }
    write_predictions(args, &dataset, &evaluation.cells)?;
    Ok(evaluation.metrics)
}

/// Prints the figures: for people, or as one line of JSON.
///
/// # Errors
/// Never in practice: figures are always JSON.
pub fn print(metrics: &Metrics, json: bool) -> Result<()> {
    if json {
        say!("{}", serde_json::to_string(metrics)?)?;
        return Ok(());
    }
    let at = &metrics.at_threshold;
    say!("{} cells of {} subjects", metrics.n, metrics.subjects.len())?;
    let i = &metrics.interval_95;
    let figures = [
        ("accuracy", at.accuracy, i.accuracy),
        ("sensitivity", at.sensitivity, i.sensitivity),
        ("specificity", at.specificity, i.specificity),
        ("precision", at.precision, i.precision),
        ("F1", at.f1, i.f1),
        ("MCC", at.mcc, i.mcc),
        ("ROC-AUC", metrics.auc, i.auc),
        ("PR-AUC", metrics.pr_auc, i.pr_auc),
        ("ECE", Some(metrics.ece), i.ece),
    ];
    for (name, figure, interval) in figures {
        let figure = figure.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
        let interval = interval.map_or_else(String::new, |[low, high]| {
            format!("  ({low:.4} to {high:.4} by subject)")
        });
        say!("  {name:<12} {figure}{interval}")?;
    }
    say!("  {:<12} {:.4}", "loss", metrics.loss)?;
    for at in metrics.thresholds() {
        let c = at.confusion;
        say!(
            "  at {}: {} parasitized found, {} missed, {} uninfected right, {} called parasitized",
            at.threshold as f32,
            c.tp,
            c.missed,
            c.tn,
            c.fp
        )?;
    }
    Ok(())
}
