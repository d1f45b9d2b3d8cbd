//! `train`: from a data set to a run folder with weights, figures and a report.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use smearscope_common::engine;
use smearscope_common::model_card::ModelCard;
use tch::nn::VarStore;

use crate::calibrate::{self, Calibration};
use crate::checkpoint::{self, Run};
use crate::cli::{Data, Shares};
use crate::commands::{deal, open};
use crate::dataset::Dataset;
use crate::densenet::DenseNet;
use crate::error::bad_input;
use crate::memory;
use crate::metrics::Metrics;
use crate::plot;
use crate::recipe::Options;
use crate::replay::{self, Replay, ReplayArgs};
use crate::report;
use crate::split::{self, Split, SplitBy, Subset};
use crate::tensorboard;
use crate::train::{self, Machine};
use crate::typical_cell::typical_cell;
use crate::weights;

/// Held by the process that trains in a run folder.
const LOCK: &str = ".lock";

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
    /// The split of an earlier run on fewer cells of these: whose cells were tested on then stays so, and only who is new is
    /// dealt.
    #[arg(long, value_name = "CSV", conflicts_with = "split")]
    pub keep_split: Option<PathBuf>,
    /// How much goes where, where no split is given.
    #[command(flatten)]
    pub shares: Shares,
    /// What is learnt from beside the data.
    #[command(flatten)]
    pub replay: ReplayArgs,
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
        let run = Run::read(&args.out)?;
        let dataset = replay::reopen(&run, &args.out, dataset)?;
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
        (None, by) => match &args.keep_split {
            Some(old) => Split::kept(old, &dataset, args.shares.all()?, args.shares.seed)?,
            None => deal(&dataset, &args.shares, by)?,
        },
    };
    if by == SplitBy::Cell {
        tracing::warn!(
            "this split deals single cells: cells of one person are on both sides, and the figures \
             will flatter"
        );
    }
    let (dataset, split) = args.replay.add(dataset, split, args.shares.seed)?;
    let options = match args.replay.replay {
        Some(_) => args.options.adapting(),
        None => args.options.clone(),
    };
    start(
        &args.out,
        &args.data,
        &dataset,
        &split,
        by,
        &options,
        args.replay.record()?,
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
    replay: Option<Replay>,
    seed: u64,
) -> Result<Option<Metrics>> {
    split.refuse_untrainable()?;
    let (run, machine) = plan(data, dataset, split, split_by, options, seed)?;
    train::seed(seed, machine.device);
    let store = VarStore::new(machine.device);
    let classes = dataset.classes.len() as i64;
    let net = DenseNet::new(&store.root(), run.architecture, run.head, classes);
    let (mut of_base, mut lineage) = (None, Vec::new());
    let parent = match (&options.weights, &options.base) {
        (Some(weights), _) => Some(begin_with(weights, &store, false)?),
        (None, Some(base)) => {
            let card = card_of_base(base, dataset)?;
            let sha256 = begin_with(base, &store, true)?;
            of_base = Some(card.crop.stain_reference());
            lineage = card.chain(&sha256);
            Some(sha256)
        }
        (None, None) => None,
    };
    let run = Run {
        parent,
        lineage,
        replay,
        // What the base was taught to see cells by stays: else its weights would be shown other colours than they know.
        typical_cell: match of_base {
            Some(reference) => reference,
            None => typical_cell(dataset, &split.indices(Subset::Train))?,
        },
        ..run
    };
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the run folder {}", out.display()))?;
    // Before anything is written: somebody else may be in their first epoch there.
    let _lock = lock(out)?;
    checkpoint::write_whole(&out.join(checkpoint::SPLIT), &split.to_csv(dataset)?)?;
    if run.settings.blend < 1.0 {
        checkpoint::save_weights(&store, &out.join(checkpoint::BASE))?;
    }
    to_its_end(&run, out, dataset, split, store, net, &machine, false)
}

/// What a run would be, before its weights and before a look at its cells.
///
/// # Errors
/// A number is out of its range, or the device is not there.
pub fn plan(
    data: &Data,
    dataset: &Dataset,
    split: &Split,
    split_by: SplitBy,
    options: &Options,
    seed: u64,
) -> Result<(Run, Machine)> {
    let machine = options.machine()?;
    // Nothing is taken from the cells to validate and test on, not even their number.
    let learnt = dataset.only(&split.indices(Subset::Train));
    let run = Run {
        architecture: options.arch,
        head: options.head(),
        classes: dataset.classes.clone(),
        input: options.input(),
        typical_cell: None,
        data: fs::canonicalize(&data.data)?,
        subject_pattern: data.subject_pattern.to_string(),
        replay: None,
        data_sha256: dataset.sha256()?,
        split_sha256: split::sha256(&split.to_csv(dataset)?),
        split_by,
        target: options.target,
        parent: None,
        lineage: Vec::new(),
        settings: options.settings(&learnt.class_counts(), &machine, seed)?,
    };
    Ok((run, machine))
}

fn begin_with(path: &Path, store: &VarStore, head: bool) -> Result<String> {
    let weights = weights::read(path)?;
    weights.load_into(store, head)?;
    Ok(weights.sha256)
}

/// The card of a model to start from. A head whose answers mean other classes would begin with the wrong ones.
fn card_of_base(base: &Path, dataset: &Dataset) -> Result<ModelCard> {
    let classes = &dataset.classes;
    let bytes = fs::read(base)
        .map_err(|e| bad_input!("{}: the model cannot be read: {e}", base.display()))?;
    let card = engine::read_card(&bytes).with_context(|| base.display().to_string())?;
    let same = card.classes.len() == classes.len()
        && (card.classes.iter().zip(classes)).all(|(a, b)| a.eq_ignore_ascii_case(b));
    if same {
        return Ok(card);
    }
    Err(bad_input!(
        "{}: tells {} apart, but the data has {}; with --weights instead of --base its head starts \
         fresh",
        base.display(),
        card.classes.join(", "),
        classes.join(", ")
    ))
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
    let _lock = lock(out)?;
    let split = run.split(out, dataset)?;
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
    to_its_end(&run, out, dataset, &split, store, net, &machine, true)
}

fn to_its_end(
    run: &Run,
    out: &Path,
    dataset: &Dataset,
    split: &Split,
    store: VarStore,
    mut net: DenseNet,
    machine: &Machine,
    resume: bool,
) -> Result<Option<Metrics>> {
    memory::guarded(&memory::smaller_batch(run.settings.batch), || {
        train::train(run, dataset, split, &store, &mut net, out, machine, resume)?;
        if run.settings.blend < 1.0 {
            checkpoint::blend(&store, out, run.settings.blend)?;
        }
        plot::write_training(out)?;
        // A target that was changed by `calibrate` since stays.
        let target = Calibration::read(out)?.map_or(run.target, |chosen| chosen.target);
        let calibration = calibrate::calibrate_run(run, out, dataset, target, machine)?;
        for note in &calibration.notes {
            tracing::warn!("{note}");
        }
        if split.indices(Subset::Test).is_empty() {
            tracing::warn!("the split has no test subset, so nothing is known of unseen subjects");
            return Ok(None);
        }
        Ok(Some(report::judge_run(run, out, dataset, machine)?.metrics))
    })?
}

/// Two processes that train in one folder would write over each other's files. The lock ends with
/// the process, however that ends.
fn lock(out: &Path) -> Result<File> {
    let path = out.join(LOCK);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(bad_input!(
            "{}: another process is training there",
            out.display()
        )),
        Err(TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// A folder that holds anything is left alone, except for what a run leaves that ended before its
/// first epoch was done.
fn refuse_occupied(out: &Path) -> Result<()> {
    if out.join(checkpoint::METRICS).exists() {
        return Err(bad_input!(
            "{}: is not empty, it holds a run; go on with it by --resume, or give another --out",
            out.display()
        ));
    }
    let Ok(entries) = fs::read_dir(out) else {
        return Ok(());
    };
    let begun = [
        checkpoint::SPLIT,
        checkpoint::RUN,
        checkpoint::LAST,
        checkpoint::BEST,
        checkpoint::BASE,
        LOCK,
    ];
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let is_ours = begun.contains(&name.trim_end_matches(".part"))
            || name.starts_with(tensorboard::PREFIX);
        if !is_ours {
            return Err(bad_input!(
                "{}: is not empty; give --out a new folder so that nothing is lost",
                out.display()
            ));
        }
    }
    Ok(())
}
