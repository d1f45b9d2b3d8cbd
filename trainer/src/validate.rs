//! `validate`: measures an exported model on cells, and writes what comes of it into its card.
//!
//! For a model that is good enough as it is: with a site's reviewed cells its card gets the site's rates, by which the site's
//! boards correct their counts, and what the site's slides look like.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use prost::Message;
use serde_json::json;
use tract_onnx::pb::ModelProto;

use crate::cli::Data;
use crate::commands::open;
use crate::error::bad_input;
use crate::evaluate::{evaluate_model, load_model};
use crate::export::write_with;
use crate::say::say;
use crate::site::Site;
use crate::split::{Split, SplitBy, Subset};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The exported model.
    pub model: PathBuf,
    /// Cells that it was not taught with.
    #[command(flatten)]
    pub data: Data,
    /// A split CSV; without it, all cells are judged.
    #[arg(long, value_name = "CSV")]
    pub split: Option<PathBuf>,
    /// Which part of the split.
    #[arg(long, default_value = "test")]
    pub subset: Subset,
    /// The version that the model gets: with another card it is another file.
    #[arg(long, value_name = "VERSION")]
    pub model_version: String,
    /// The .onnx file to write.
    #[arg(long, value_name = "ONNX")]
    pub out: PathBuf,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `validate`.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &ValidateArgs) -> Result<()> {
    let model = load_model(&args.model)?;
    let dataset = open(&args.data)?;
    let indices = match &args.split {
        Some(split) => Split::read(split, &dataset, SplitBy::Cell)?.indices(args.subset),
        None => (0..dataset.samples.len()).collect(),
    };
    if indices.is_empty() {
        return Err(bad_input!("the split has no sample for {}", args.subset));
    }
    if args.split.is_none() && !model.card().lineage.is_empty() {
        tracing::warn!(
            "{} was made from another model: what it has learnt from must not be among these cells, or its rates flatter",
            args.model.display()
        );
    }
    let evaluation = evaluate_model(&model, &dataset, &indices)?;
    let name = args
        .data
        .data
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let place = match &args.split {
        Some(_) => format!("{name}, {} subset", args.subset),
        None => name.into_owned(),
    };
    let threshold = evaluation.decision.threshold;
    let site = Site::of(&dataset, &place, &evaluation.cells, threshold)?;
    let mut card = model.card().clone();
    card.lineage = card.chain(model.sha256());
    card.version.clone_from(&args.model_version);
    card.parent = Some(model.sha256().to_owned());
    card.created = jiff::Timestamp::now();
    if site.validation.is_none() && site.reference.is_none() {
        return Err(bad_input!(
            "{}: gives neither rates nor a picture of what usual slides look like, so there is nothing to write into a card",
            args.data.data.display()
        ));
    }
    card.validation = site.validation;
    card.reference = site.reference.or(card.reference);
    let bytes = std::fs::read(&args.model)
        .map_err(|e| bad_input!("{}: the model cannot be read: {e}", args.model.display()))?;
    let mut graph = ModelProto::decode(bytes.as_slice())
        .map_err(|e| bad_input!("{}: is no ONNX file: {e}", args.model.display()))?;
    write_with(&card, &mut graph, &args.out)?;
    if args.json {
        let line = json!({"onnx": args.out, "card": card, "false_alarms": site.false_alarms});
        say!("{line}")?;
        return Ok(());
    }
    say!("{}: {} {}", args.out.display(), card.name, card.version)?;
    match &card.validation {
        Some(validation) => say!("  {validation}")?,
        None => say!("  no rates (see above)")?,
    }
    if let (Some(alarms), Some(reference)) = (site.false_alarms, &card.reference) {
        say!(
            "  drift: of these {} slides or people {alarms} would be called different by a reference that the others make",
            reference.groups
        )?;
    }
    for range in card
        .reference
        .iter()
        .flat_map(|reference| &reference.ranges)
    {
        say!(
            "  {:?}: {:.4} to {:.4}",
            range.measure,
            range.low,
            range.high
        )?;
    }
    Ok(())
}
