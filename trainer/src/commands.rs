//! What each subcommand does, from arguments to output.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::json;
use sha2::{Digest, Sha256};
use smearscope_common::model_card::InputSpec;
use tch::nn::VarStore;

use crate::augment::Augment;
use crate::checkpoint::{self, Run};
use crate::cli::{Command, Data, Shares, TrainArgs, Views};
use crate::dataset::Dataset;
use crate::densenet::DenseNet;
use crate::device::Wish;
use crate::error::bad_input;
use crate::export::{self, Naming};
use crate::metrics::Metrics;
use crate::split::{self, Split, Subset};
use crate::train::{self, Settings};
use crate::{evaluate, inspect_command, predict_command};

/// ImageNet's colour statistics, which torchvision's weights expect; they do no harm elsewhere.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Carries out one subcommand.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Inspect(args) => inspect_command::run(&args),
        Command::Split {
            data,
            out,
            shares,
            json,
        } => split_command(&data, &out, &shares, json),
        Command::Train(args) => train_command(&args),
        Command::Evaluate {
            model,
            data,
            subject_pattern,
            split,
            subset,
            device,
            json,
        } => {
            let metrics = if model.is_dir() {
                evaluate_run(&model, data, split.as_deref(), subset, device)?
            } else {
                evaluate_onnx(&model, data, &subject_pattern, split.as_deref(), subset)?
            };
            print_metrics(&metrics, json)
        }
        Command::Predict(args) => predict_command::run(&args),
        Command::Export {
            run,
            out,
            precision,
            name,
            model_version,
            json,
        } => {
            let folder = run
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let naming = Naming {
                name: name.as_deref().unwrap_or(&folder),
                version: &model_version,
            };
            let (card, delta) = export::export(&run, &out, &naming, precision)?;
            let bytes = fs::metadata(&out)?.len();
            if json {
                let line = json!({
                    "onnx": out, "bytes": bytes, "self_test_delta": delta, "card": card,
                });
                println!("{line}");
            } else {
                println!(
                    "{}: {} {}, {:.1} MB, self-test within {delta:.1e}",
                    out.display(),
                    card.name,
                    card.version,
                    bytes as f64 / 1e6
                );
            }
            Ok(())
        }
    }
}

fn open(data: &Data) -> Result<Dataset> {
    Dataset::open(&data.data, &data.subject_pattern)
}

fn deal(dataset: &Dataset, shares: &Shares) -> Result<Split> {
    let train = 1.0 - shares.val - shares.test;
    let sound = [shares.val, shares.test, train]
        .iter()
        .all(|s| (0.0..=1.0).contains(s));
    if !sound || train <= 0.0 {
        return Err(bad_input!(
            "--val {} and --test {} must be shares of the cells, together below 1",
            shares.val,
            shares.test
        ));
    }
    let wanted = [train, shares.val, shares.test];
    let split = Split::by_subject(dataset, wanted, shares.seed);
    split.refuse_empty(dataset, wanted)?;
    for warning in dataset.warnings().iter().chain(&split.warnings(dataset)) {
        tracing::warn!("{warning}");
    }
    Ok(split)
}

fn split_command(data: &Data, out: &Path, shares: &Shares, json: bool) -> Result<()> {
    let dataset = open(data)?;
    let split = deal(&dataset, shares)?;
    let csv = split.to_csv(&dataset)?;
    checkpoint::write_whole(out, &csv)?;
    let count = |subset| {
        let mut counts = vec![0; dataset.classes.len()];
        let mut subjects = std::collections::BTreeSet::new();
        for i in split.indices(subset) {
            counts[dataset.samples[i].class] += 1;
            subjects.insert(&dataset.samples[i].subject);
        }
        let classes: serde_json::Map<_, _> = dataset
            .classes
            .iter()
            .cloned()
            .zip(counts.into_iter().map(Into::into))
            .collect();
        (subjects.len(), classes)
    };
    let parts = Subset::ALL.map(|subset| (subset, count(subset)));
    if json {
        let parts: serde_json::Map<_, _> = parts
            .into_iter()
            .map(|(subset, (n, classes))| {
                (
                    subset.to_string(),
                    json!({"subjects": n, "classes": classes}),
                )
            })
            .collect();
        println!(
            "{}",
            json!({"split": out, "sha256": split::sha256(&csv), "subsets": parts})
        );
    } else {
        for (subset, (n, classes)) in parts {
            let classes: Vec<_> = classes.iter().map(|(c, n)| format!("{n} {c}")).collect();
            println!("{subset}: {n} subjects, {}", classes.join(", "));
        }
    }
    Ok(())
}

fn train_command(args: &TrainArgs) -> Result<()> {
    let occupied = fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(bad_input!(
            "{}: is not empty; give --out a new folder so that no run is lost",
            args.out.display()
        ));
    }
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(bad_input!("--rate {} must be a positive number", args.rate));
    }
    let device = args.device.device()?;
    let dataset = open(&args.data)?;
    dataset.parasitized()?;
    let split = match &args.split {
        Some(path) => Split::read(path, &dataset)?,
        None => deal(&dataset, &args.shares)?,
    };
    let csv = split.to_csv(&dataset)?;
    train::seed(args.shares.seed, device);
    let store = VarStore::new(device);
    let classes = dataset.classes.len() as i64;
    let net = DenseNet::new(&store.root(), args.arch, args.head, classes);
    let parent = match &args.weights {
        Some(path) => {
            let bytes = fs::read(path)
                .map_err(|e| bad_input!("{}: the weights cannot be read: {e}", path.display()))?;
            checkpoint::load_weights(&store, path, false)?;
            Some(hex::encode(Sha256::digest(&bytes)))
        }
        None => None,
    };
    let run = Run {
        architecture: args.arch,
        head: args.head,
        classes: dataset.classes.clone(),
        input: InputSpec {
            size: args.size,
            colour_order: "rgb".into(),
            mean: MEAN,
            std: STD,
        },
        data: fs::canonicalize(&args.data.data)?,
        subject_pattern: args.data.subject_pattern.to_string(),
        data_sha256: dataset.sha256()?,
        split_sha256: split::sha256(&csv),
        parent,
        settings: settings(args),
    };
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the run folder {}", args.out.display()))?;
    let file = |name: &str| args.out.join(name);
    checkpoint::write_whole(&file(checkpoint::RUN), &serde_json::to_vec_pretty(&run)?)?;
    checkpoint::write_whole(&file(checkpoint::SPLIT), &csv)?;
    train::train(&run, &dataset, &split, &store, &net, &args.out)?;
    if split.indices(Subset::Test).is_empty() {
        tracing::warn!("the split has no test subset, so nothing is known of unseen subjects");
        return Ok(());
    }
    let metrics = evaluate::evaluate_run(&run, &args.out, &dataset, Subset::Test, device)?;
    checkpoint::write_whole(
        &file(checkpoint::TEST),
        &serde_json::to_vec_pretty(&metrics)?,
    )?;
    print_metrics(&metrics, args.json)
}

fn settings(args: &TrainArgs) -> Settings {
    Settings {
        epochs: args.epochs,
        batch: args.batch,
        rate: args.rate,
        weight_decay: args.weight_decay,
        optimizer: args.optimizer,
        schedule: args.schedule,
        freeze: args.freeze,
        patience: args.patience,
        seed: args.shares.seed,
        augment: match args.views {
            Views::Strong => Augment::strong(),
            Views::Mild => Augment::mild(),
        },
    }
}

fn evaluate_run(
    folder: &Path,
    data: Option<PathBuf>,
    split: Option<&Path>,
    subset: Subset,
    device: Wish,
) -> Result<Metrics> {
    if split.is_some() {
        return Err(bad_input!(
            "a run folder is evaluated on its own split; export it to evaluate it on another"
        ));
    }
    let run = Run::read(folder)?;
    let pattern = Regex::new(&run.subject_pattern)
        .map_err(|e| bad_input!("{}: its subject pattern is broken: {e}", folder.display()))?;
    let dataset = Dataset::open(data.as_deref().unwrap_or(&run.data), &pattern)?;
    evaluate::evaluate_run(&run, folder, &dataset, subset, device.device()?)
}

fn evaluate_onnx(
    path: &Path,
    data: Option<PathBuf>,
    pattern: &Regex,
    split: Option<&Path>,
    subset: Subset,
) -> Result<Metrics> {
    let data = data.ok_or_else(|| {
        bad_input!(
            "an .onnx file does not know its data: evaluate {} DATA",
            path.display()
        )
    })?;
    let model = evaluate::load_model(path)?;
    let dataset = Dataset::open(&data, pattern)?;
    let indices = match split {
        Some(split) => Split::read(split, &dataset)?.indices(subset),
        None => (0..dataset.samples.len()).collect(),
    };
    evaluate::evaluate_model(&model, &dataset, &indices)
}

fn print_metrics(metrics: &Metrics, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(metrics)?);
        return Ok(());
    }
    let at = &metrics.at_threshold;
    println!("{} cells of {} subjects", metrics.n, metrics.subjects.len());
    let i = &metrics.interval_95;
    let figures = [
        ("accuracy", at.accuracy, i.accuracy),
        ("AUC", metrics.auc, i.auc),
        ("sensitivity", at.sensitivity, i.sensitivity),
        ("specificity", at.specificity, i.specificity),
        ("precision", at.precision, None),
        ("F1", at.f1, None),
        ("MCC", at.mcc, None),
    ];
    for (name, figure, interval) in figures {
        let figure = figure.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
        let interval = interval.map_or_else(String::new, |[low, high]| {
            format!("  ({low:.4} to {high:.4} by subject)")
        });
        println!("  {name:<12} {figure}{interval}");
    }
    println!(
        "  loss {:.4}, calibration error {:.4}",
        metrics.loss, metrics.ece
    );
    let c = at.confusion;
    println!(
        "  at {}: {} parasitized found, {} missed, {} uninfected right, {} called parasitized",
        at.threshold, c.tp, c.missed, c.tn, c.fp
    );
    Ok(())
}
