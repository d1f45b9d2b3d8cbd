//! `train`: from a data set to a run folder with weights, figures and a report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tch::nn::VarStore;

use crate::calibrate::{self, Target};
use crate::checkpoint::{self, Run};
use crate::cli::{Data, Shares};
use crate::commands::{deal, open};
use crate::dataset::Dataset;
use crate::densenet::DenseNet;
use crate::error::bad_input;
use crate::metrics::Metrics;
use crate::plot;
use crate::recipe::Options;
use crate::report;
use crate::split::{self, Split, SplitBy, Subset};
use crate::train::{self, Machine};
use crate::weights;

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The data set.
    #[command(flatten)]
    pub data: Data,
    /// The run folder to make; it must not exist, or be empty.
    #[arg(long)]
    pub out: PathBuf,
    /// Go on with the run in that folder after its last finished epoch, with its own settings.
    #[arg(long)]
    pub resume: bool,
    /// A split CSV of `split`; without it one is made.
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// How much goes where, where no split is given.
    #[command(flatten)]
    pub shares: Shares,
    /// How to train.
    #[command(flatten)]
    pub options: Options,
    /// One line of JSON with the test figures on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Trains or goes on training; the figures on the test subset, if there is one.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &TrainArgs) -> Result<Option<Metrics>> {
    let dataset = open(&args.data)?;
    if args.resume {
        return resume(&args.out, &dataset, &args.options);
    }
    refuse_occupied(&args.out)?;
    dataset.parasitized()?;
    let by = match args.split {
        Some(_) => SplitBy::Subject,
        None => args.options.split_by(),
    };
    let split = match (&args.split, by) {
        (Some(path), _) => Split::read(path, &dataset, by)?,
        (None, by) => deal(&dataset, &args.shares, by)?,
    };
    if by == SplitBy::Cell {
        tracing::warn!(
            "this split deals single cells: cells of one person are on both sides, and the figures \
             will flatter"
        );
    }
    start(
        &args.out,
        &args.data,
        &dataset,
        &split,
        by,
        &args.options,
        args.shares.seed,
    )
}

/// Begins a new run in a folder and trains it to its end.
///
/// # Errors
/// As [`run`].
pub fn start(
    out: &Path,
    data: &Data,
    dataset: &Dataset,
    split: &Split,
    split_by: SplitBy,
    options: &Options,
    seed: u64,
) -> Result<Option<Metrics>> {
    let machine = options.machine()?;
    let settings = options.settings(dataset, &machine, seed)?;
    let csv = split.to_csv(dataset)?;
    train::seed(seed, machine.device);
    let store = VarStore::new(machine.device);
    let classes = dataset.classes.len() as i64;
    let net = DenseNet::new(&store.root(), options.arch, options.head(), classes);
    let begin_with = |path: &Path, head: bool| -> Result<Option<String>> {
        let weights = weights::read(path)?;
        weights.load_into(&store, head)?;
        Ok(Some(weights.sha256))
    };
    let parent = match (&options.weights, &options.base) {
        (Some(weights), _) => begin_with(weights, false)?,
        (None, Some(base)) => begin_with(base, true)?,
        (None, None) => None,
    };
    let run = Run {
        architecture: options.arch,
        head: options.head(),
        classes: dataset.classes.clone(),
        input: options.input(),
        data: fs::canonicalize(&data.data)?,
        subject_pattern: data.subject_pattern.to_string(),
        data_sha256: dataset.sha256()?,
        split_sha256: split::sha256(&csv),
        split_by,
        parent,
        settings,
    };
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the run folder {}", out.display()))?;
    checkpoint::write_whole(&out.join(checkpoint::SPLIT), &csv)?;
    to_its_end(
        &run,
        out,
        dataset,
        split,
        store,
        net,
        &machine,
        options.target,
        false,
    )
}

/// Goes on with a run, in its own settings.
///
/// # Errors
/// There is no run in that folder, or its data or split have changed.
pub fn resume(out: &Path, dataset: &Dataset, options: &Options) -> Result<Option<Metrics>> {
    let run = Run::read(out)?;
    if dataset.sha256()? != run.data_sha256 {
        return Err(bad_input!(
            "{}: was begun on other data; what it learnt and what it would learn now don't belong \
             together",
            out.display()
        ));
    }
    let split = Split::read(&out.join(checkpoint::SPLIT), dataset, run.split_by)?;
    if split::sha256(&split.to_csv(dataset)?) != run.split_sha256 {
        return Err(bad_input!(
            "{}: its {} has changed since it was begun",
            out.display(),
            checkpoint::SPLIT
        ));
    }
    tracing::info!(
        "going on with {}, in the settings of its {}",
        out.display(),
        checkpoint::RUN
    );
    let machine = options.machine()?;
    let store = VarStore::new(machine.device);
    let net = DenseNet::new(
        &store.root(),
        run.architecture,
        run.head,
        run.classes.len() as i64,
    );
    to_its_end(
        &run,
        out,
        dataset,
        &split,
        store,
        net,
        &machine,
        options.target,
        true,
    )
}

#[expect(clippy::too_many_arguments, reason = "what `start` and `resume` share")]
fn to_its_end(
    run: &Run,
    out: &Path,
    dataset: &Dataset,
    split: &Split,
    store: VarStore,
    mut net: DenseNet,
    machine: &Machine,
    target: Target,
    resume: bool,
) -> Result<Option<Metrics>> {
    train::train(run, dataset, split, &store, &mut net, out, machine, resume)?;
    plot::write_training(out)?;
    let calibration = calibrate::calibrate_run(run, out, dataset, target, machine.device)?;
    for note in &calibration.notes {
        tracing::warn!("{note}");
    }
    if split.indices(Subset::Test).is_empty() {
        tracing::warn!("the split has no test subset, so nothing is known of unseen subjects");
        return Ok(None);
    }
    Ok(Some(
        report::judge_run(run, out, dataset, machine.device)?.metrics,
    ))
}

/// A folder that holds anything is left alone, except for what a run leaves that was killed before
/// it had begun.
fn refuse_occupied(out: &Path) -> Result<()> {
    if out.join(checkpoint::RUN).exists() {
        return Err(bad_input!(
            "{}: is not empty, it holds a run; go on with it by --resume, or give another --out",
            out.display()
        ));
    }
    let Ok(entries) = fs::read_dir(out) else {
        return Ok(());
    };
    let begun = [checkpoint::SPLIT, checkpoint::LAST];
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !begun.contains(&name.trim_end_matches(".part")) {
            return Err(bad_input!(
                "{}: is not empty; give --out a new folder so that nothing is lost",
                out.display()
            ));
        }
    }
    Ok(())
}
