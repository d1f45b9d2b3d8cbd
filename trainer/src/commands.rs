//! What each subcommand does, from arguments to output.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::checkpoint;
use crate::cli::{Command, Data, Shares};
use crate::dataset::Dataset;
use crate::export::{self, Naming};
use crate::say::say;
use crate::split::{self, Split, SplitBy, Subset};
use crate::{
    bench, calibrate_command, compare, crossval, evaluate_command, fetch, ingest, inspect_command,
    keygen, memory, predict_command, publish, train_command, validate,
};

/// Carries out one subcommand.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Fetch(what) => fetch::run(&what),
        Command::Inspect(args) => inspect_command::run(&args),
        Command::Split {
            data,
            out,
            shares,
            by,
            json,
        } => split_command(&data, &out, &shares, by, json),
        Command::Train(args) => match train_command::run(&args)? {
            Some(metrics) => evaluate_command::print(&metrics, args.json),
            None => {
                if args.json {
                    say!("{}", json!({"run": args.out, "test": null}))?;
                }
                Ok(())
            }
        },
        Command::Ingest(args) => ingest::run(&args),
        Command::ExportLabels(args) => ingest::label_studio::run(&args),
        Command::Crossval(args) => {
            match crossval::run(&args)? {
                Some(summary) if args.json => say!("{}", serde_json::to_string(&summary)?)?,
                Some(summary) => crossval::print(&summary)?,
                None if args.json => say!("{}", json!({"fold": args.fold, "out": args.out}))?,
                None => {}
            }
            Ok(())
        }
        Command::Evaluate(args) => on_device(|| evaluate_command::run(&args)),
        Command::Compare(args) => compare::run(&args),
        Command::Validate(args) => on_device(|| validate::run(&args)),
        Command::Calibrate(args) => on_device(|| calibrate_command::run(&args)),
        Command::Bench(args) => bench::run(&args),
        Command::Predict(args) => on_device(|| predict_command::run(&args)),
        Command::Keygen(args) => keygen::run(&args),
        Command::Publish(args) => publish::run(&args),
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
                say!("{line}")?;
            } else {
                say!(
                    "{}: {} {}, {:.1} MB, self-test within {delta:.1e}",
                    out.display(),
                    card.name,
                    card.version,
                    bytes as f64 / 1e6
                )?;
            }
            Ok(())
        }
    }
}

/// Runs what may find too little memory where the user chose no batch size.
fn on_device(work: impl FnOnce() -> Result<()>) -> Result<()> {
    memory::guarded(memory::ANOTHER_DEVICE, work)?
}

/// Opens the data set of a command line.
///
/// # Errors
/// As [`Dataset::open`].
pub fn open(data: &Data) -> Result<Dataset> {
    Dataset::open(&data.data, &data.subject_pattern)
}

/// Deals a data set to the subsets.
///
/// # Errors
/// The shares leave nothing to train on.
pub fn deal(dataset: &Dataset, shares: &Shares, by: SplitBy) -> Result<Split> {
    let all = shares.all()?;
    let split = match by {
        SplitBy::Subject => Split::by_subject(dataset, all, shares.seed),
        SplitBy::Cell => Split::by_cell(dataset, all, shares.seed),
    };
    split.refuse_empty(dataset, all)?;
    for warning in dataset.warnings().iter().chain(&split.warnings(dataset)) {
        tracing::warn!("{warning}");
    }
    Ok(split)
}

fn split_command(data: &Data, out: &Path, shares: &Shares, by: SplitBy, json: bool) -> Result<()> {
    let dataset = open(data)?;
    let split = deal(&dataset, shares, by)?;
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
        say!(
            "{}",
            json!({"split": out, "sha256": split::sha256(&csv), "subsets": parts})
        )?;
    } else {
        for (subset, (n, classes)) in parts {
            let classes: Vec<_> = classes.iter().map(|(c, n)| format!("{n} {c}")).collect();
            say!("{subset}: {n} subjects, {}", classes.join(", "))?;
        }
    }
    Ok(())
}
