//! The command line of `smearscope-train`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use regex::Regex;

use crate::bench::BenchArgs;
use crate::calibrate_command::CalibrateArgs;
use crate::compare::CompareArgs;
use crate::crossval::CrossvalArgs;
use crate::dataset::NIH_SUBJECT;
use crate::error::bad_input;
use crate::evaluate_command::EvaluateArgs;
use crate::fetch::Fetch;
use crate::ingest::IngestArgs;
use crate::ingest::label_studio::ExportLabelsArgs;
use crate::inspect_command::InspectArgs;
use crate::keygen::KeygenArgs;
use crate::onnx_graph::Precision;
use crate::predict_command::PredictArgs;
use crate::publish::PublishArgs;
use crate::split::{SHARES, SplitBy};
use crate::train_command::TrainArgs;
use crate::validate::ValidateArgs;

/// Teaches a DenseNet to tell parasitized from uninfected red cells, and exports it for boards.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Example: smearscope-train train cell_images.zip --out run"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A data set on the command line.
#[derive(Clone, Debug, Args)]
pub struct Data {
    /// A folder or zip with one folder per class.
    pub data: PathBuf,
    /// Regular expression on the file name whose first group (or else the whole match) tells whom
    /// a cell came from.
    #[arg(long, default_value = NIH_SUBJECT)]
    pub subject_pattern: Regex,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Gets pretrained weights or the NIH data from their public addresses.
    #[command(
        subcommand,
        after_help = "Examples:\n  smearscope-train fetch weights densenet121\n  \
            smearscope-train fetch data --out cell_images.zip"
    )]
    Fetch(Fetch),
    /// Says what is in a data set: classes, subjects, sizes, duplicates, files that can't be read,
    /// and labels that are probably wrong.
    #[command(after_help = "Examples:\n  \
        smearscope-train inspect cell_images.zip --montage cells.png --manifest cells.csv\n  \
        smearscope-train inspect cell_images.zip --suspects crossval --suspects-out suspects")]
    Inspect(InspectArgs),
    /// Deals the subjects to train, val and test, evenly by class, and writes who is where.
    #[command(
        after_help = "Example: smearscope-train split cell_images.zip --out split.csv --seed 7"
    )]
    Split {
        /// The data set.
        #[command(flatten)]
        data: Data,
        /// The CSV to write: file, class, subject, subset.
        #[arg(long)]
        out: PathBuf,
        /// How much goes where.
        #[command(flatten)]
        shares: Shares,
        /// What is dealt to the subsets.
        #[arg(long, value_enum, default_value = "subject")]
        by: SplitBy,
        /// One line of JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Trains and leaves a run folder with the best weights and all figures.
    #[command(after_help = "Examples:\n  \
        smearscope-train train cell_images.zip --out run\n  \
        smearscope-train train cell_images.zip --out run --resume\n  \
        smearscope-train train cell_images.zip --out tutorial --recipe tutorial --weights densenet121-a639ec97.pth")]
    Train(Box<TrainArgs>),
    /// Takes in cells that were looked at a second time: from a board, its card, a folder or Label Studio.
    #[command(after_help = "Examples:\n  \
        smearscope-train ingest https://scope-1.clinic:8787 --token-file token --site clinic --out clinic-cells\n  \
        smearscope-train ingest /media/card/var/lib/smearscope --device scope-1 --site clinic --out clinic-cells\n  \
        smearscope-train ingest labels.json --cells tasks --site clinic --out clinic-cells")]
    Ingest(IngestArgs),
    /// Writes cells that wait for a decision as tasks for Label Studio, with what the model says of them.
    #[command(
        after_help = "Example: smearscope-train export-labels https://scope-1.clinic:8787 --token-file token --out tasks"
    )]
    ExportLabels(ExportLabelsArgs),
    /// Judges every cell by a model that never saw its subject: trains a model for each fold.
    #[command(after_help = "Examples:\n  \
        smearscope-train crossval cell_images.zip --folds 5 --out cv\n  \
        smearscope-train crossval cell_images.zip --folds 5 --out cv --fold 2\n  \
        smearscope-train crossval cell_images.zip --folds 5 --out cv --collect --json")]
    Crossval(Box<CrossvalArgs>),
    /// Judges held-out cells: a run folder on its own test subset, an ONNX on all of DATA unless
    /// a split says otherwise.
    #[command(after_help = "Examples:\n  smearscope-train evaluate run\n  \
        smearscope-train evaluate run --report report.html\n  \
        smearscope-train evaluate model.onnx cell_images.zip --split split.csv --subset test --json")]
    Evaluate(EvaluateArgs),
    /// Compares two exported models on the same cells, and says whether the new one was shown to be better.
    #[command(after_help = "Examples:\n  \
        smearscope-train compare old.onnx new.onnx clinic-cells --split run/split.csv\n  \
        smearscope-train compare old.onnx new.onnx clinic-cells cell_images.zip --split run/split.csv --split old.split.csv")]
    Compare(CompareArgs),
    /// Measures an exported model on cells that it never saw, and writes its rates and what such cells look like into its card.
    #[command(
        after_help = "Example: smearscope-train validate model.onnx clinic-cells --model-version 1-clinic --out clinic.onnx"
    )]
    Validate(ValidateArgs),
    /// Fits a run's temperature and decision threshold anew on its validation subset, for another
    /// target, without training again.
    #[command(after_help = "Examples:\n  smearscope-train calibrate run\n  \
        smearscope-train calibrate run --target sensitivity:0.98 --json")]
    Calibrate(CalibrateArgs),
    /// Classifies single cell images with an exported model or a run, and draws what it says.
    #[command(after_help = "Examples:\n  \
        smearscope-train predict model.onnx cells/*.png --json\n  \
        smearscope-train predict run cell_images --out pictures --montage page.png")]
    Predict(PredictArgs),
    /// Writes the best weights of a run as a self-describing .onnx and checks it in the engine.
    #[command(after_help = "Example: smearscope-train export run --out model.onnx")]
    Export {
        /// The run folder.
        run: PathBuf,
        /// The .onnx file to write.
        #[arg(long)]
        out: PathBuf,
        /// How weights are stored.
        #[arg(long, value_enum, default_value = "f16")]
        precision: Precision,
        /// The model's name in its card; the run folder's name if not given.
        #[arg(long)]
        name: Option<String>,
        /// The model's version in its card (not --version, which is the program's).
        #[arg(long, default_value = "1")]
        model_version: String,
        /// One line of JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Makes the key pair by which models are signed: a minisign key, whose public half boards are told.
    #[command(
        after_help = "Examples:\n  smearscope-train keygen --out clinic.key\n  \
        smearscope-train keygen --out clinic.key --password-file password.txt --json\n\n\
        The minisign tool can use such a key, and `publish` can use one that `minisign -G` has made."
    )]
    Keygen(KeygenArgs),
    /// Signs a model and hands it to boards over their broker, one board after the other; stops at the first one that
    /// does not take it or takes it back.
    #[command(after_help = "Examples:\n  \
        smearscope-train publish model.onnx --key clinic.key --broker mqtts://broker.lab --username publisher \\\n    \
        --password-file password.txt --device scope-1 scope-2\n  \
        smearscope-train publish model.onnx --key clinic.key --broker mqtt://broker.lab --all --dry-run\n\n\
        Repeating it is harmless: what a board has, it does not fetch again.")]
    Publish(Box<PublishArgs>),
    /// Measures what this machine does in a second: images decoded, augmented, learned from, judged.
    #[command(after_help = "Examples:\n  smearscope-train bench\n  \
        smearscope-train bench cell_images.zip --device cuda --steps 50 --json")]
    Bench(Box<BenchArgs>),
}

/// How much goes where.
#[derive(Debug, Args)]
pub struct Shares {
    /// Share of the cells to validate on.
    #[arg(long, default_value_t = SHARES[1])]
    pub val: f64,
    /// Share of the cells to test on.
    #[arg(long, default_value_t = SHARES[2])]
    pub test: f64,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Shares {
    /// Of train, val and test.
    ///
    /// # Errors
    /// They leave nothing to train on.
    pub fn all(&self) -> anyhow::Result<[f64; 3]> {
        let train = 1.0 - self.val - self.test;
        let all = [train, self.val, self.test];
        if !all.iter().all(|s| (0.0..=1.0).contains(s)) || train <= 0.0 {
            return Err(bad_input!(
                "--val {} and --test {} must be shares of the cells, together below 1",
                self.val,
                self.test
            ));
        }
        Ok(all)
    }
}
