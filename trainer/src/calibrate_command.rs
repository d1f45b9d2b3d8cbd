//! The command `calibrate`: another target for a run, without training again.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::calibrate::{self, Calibration, Target};
use crate::checkpoint::Run;
use crate::device::Wish;
use crate::evaluate_command::dataset_of;
use crate::report;
use crate::say::say;
use crate::split::Subset;
use crate::train::Machine;

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The run folder.
    pub run: PathBuf,
    /// What the threshold must reach on the validation subset: specificity:0.99 for counting,
    /// sensitivity:0.95 for screening, or fixed:0.5.
    #[arg(long, default_value_t)]
    pub target: Target,
    /// The data, if it is no longer where the run was trained on it.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: Wish,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Calibrates a run, and measures the test subset anew at what came out.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &CalibrateArgs) -> Result<()> {
    let run = Run::read(&args.run)?;
    let dataset = dataset_of(&run, &args.run, args.data.as_deref())?;
    let machine = Machine::of(args.device.device()?);
    let calibration = calibrate::calibrate_run(&run, &args.run, &dataset, args.target, &machine)?;
    let split = run.split(&args.run, &dataset)?;
    if !split.indices(Subset::Test).is_empty() {
        report::judge_run(&run, &args.run, &dataset, &machine)?;
    }
    if args.json {
        say!("{}", serde_json::to_string(&calibration)?)?;
    } else {
        print(&calibration)?;
    }
    Ok(())
}

/// Says what was chosen, and what it reached on which cells.
pub fn print(calibration: &Calibration) -> Result<()> {
    let Calibration {
        temperature,
        threshold,
        target,
        confusion: c,
        ..
    } = calibration;
    let rate = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
    say!(
        "on the validation subset, {target}{}:",
        if calibration.reached {
            ""
        } else {
            " (not reached)"
        }
    )?;
    say!(
        "  temperature  {temperature}  (loss {:.4}, before {:.4})",
        calibration.loss_after,
        calibration.loss_before
    )?;
    say!("  threshold    {threshold}")?;
    say!(
        "  sensitivity  {} ({} of {})",
        rate(calibration.sensitivity),
        c.tp,
        c.tp + c.missed
    )?;
    say!(
        "  specificity  {} ({} of {})",
        rate(calibration.specificity),
        c.tn,
        c.tn + c.fp
    )?;
    for note in &calibration.notes {
        say!("  {note}")?;
    }
    Ok(())
}
