//! The command line of `smearscope-train`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regex::Regex;

use crate::dataset::NIH_SUBJECT;
use crate::densenet::{Architecture, Head};
use crate::device::Wish;
use crate::inspect_command::InspectArgs;
use crate::onnx_graph::Precision;
use crate::predict_command::PredictArgs;
use crate::split::Subset;
use crate::train::{Freeze, Optimizer, Schedule};

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
#[derive(Debug, Args)]
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
        #[command(flatten)]
        data: Data,
        /// The CSV to write: file, class, subject, subset.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        shares: Shares,
        /// One line of JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Trains and leaves a run folder with the best weights and all figures.
    #[command(after_help = "Examples:\n  \
        smearscope-train train cell_images.zip --out run\n  \
        smearscope-train train cell_images.zip --out run --weights densenet121.safetensors \
        --freeze backbone --head tutorial --optimizer adam --schedule constant --rate 0.003 \
        --batch 32 --size 224 --epochs 10")]
    Train(Box<TrainArgs>),
    /// Judges held-out cells: a run folder on its own test subset, an ONNX on all of DATA unless
    /// a split says otherwise.
    #[command(after_help = "Examples:\n  smearscope-train evaluate run\n  \
        smearscope-train evaluate model.onnx cell_images.zip --split split.csv --subset test --json")]
    Evaluate {
        /// A run folder or an .onnx file.
        model: PathBuf,
        /// The data; a run folder knows its own.
        data: Option<PathBuf>,
        /// As for the other commands; a run folder knows its own.
        #[arg(long, default_value = NIH_SUBJECT)]
        subject_pattern: Regex,
        /// A split CSV.
        #[arg(long)]
        split: Option<PathBuf>,
        /// Which part of the split: train, val or test.
        #[arg(long, default_value = "test")]
        subset: Subset,
        /// auto, cpu, cuda or cuda:N; for a run folder only.
        #[arg(long, default_value = "auto")]
        device: Wish,
        /// One line of JSON on standard output.
        #[arg(long)]
        json: bool,
    },
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
}

/// How much goes where.
#[derive(Debug, Args)]
pub struct Shares {
    /// Share of the cells to validate on.
    #[arg(long, default_value_t = 0.1)]
    pub val: f64,
    /// Share of the cells to test on.
    #[arg(long, default_value_t = 0.2)]
    pub test: f64,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Which random views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Views {
    /// Rotation, flips, scale, and strong jitter of stain, blur and noise.
    Strong,
    /// Rotation, flips, scale, brightness.
    Mild,
}

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: Data,
    /// The run folder to make; it must not exist, or be empty.
    #[arg(long)]
    pub out: PathBuf,
    /// A split CSV of `split`; without it one is made.
    #[arg(long)]
    pub split: Option<PathBuf>,
    #[command(flatten)]
    pub shares: Shares,
    /// densenet121, densenet161, densenet169 or densenet201.
    #[arg(long, default_value = "densenet121")]
    pub arch: Architecture,
    /// What turns features into logits.
    #[arg(long, value_enum, default_value = "linear")]
    pub head: Head,
    /// Start from these .safetensors weights; the head starts fresh.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// What does not learn.
    #[arg(long, value_enum, default_value = "none")]
    pub freeze: Freeze,
    /// Side of the input in pixels.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub size: u32,
    /// Passes over the training cells, at most.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub epochs: u64,
    /// Cells per step.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(i64).range(2..=65_536))]
    pub batch: i64,
    /// Highest learning rate.
    #[arg(long, default_value_t = 2e-3)]
    pub rate: f64,
    /// Weight decay.
    #[arg(long, default_value_t = 0.01)]
    pub weight_decay: f64,
    /// The optimizer.
    #[arg(long, value_enum, default_value = "adam-w")]
    pub optimizer: Optimizer,
    /// How the learning rate moves.
    #[arg(long, value_enum, default_value = "one-cycle")]
    pub schedule: Schedule,
    /// Stop after this many epochs without a lower validation loss.
    #[arg(long, default_value_t = 5)]
    pub patience: u64,
    /// The random views.
    #[arg(long, value_enum, default_value = "strong")]
    pub views: Views,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: Wish,
    /// One line of JSON with the test figures on standard output.
    #[arg(long)]
    pub json: bool,
}
