//! `model verify`: would this board use this model?

use std::io::Write;

use serde::Serialize;

use crate::cli::VerifyArgs;
use crate::model;

/// `--json`.
#[derive(Serialize)]
struct Verified<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
    architecture: &'a str,
    input_size: u32,
    threshold: f32,
    self_test_delta: f32,
}

/// Loads the model as `run` would, and tells what it is.
///
/// # Errors
/// Bad input, when `run` would not use it.
pub fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let model = model::load(args.model.as_deref())?;
    let card = model.card();
    let verified = Verified {
        name: &card.name,
        version: &card.version,
        sha256: model.sha256(),
        architecture: &card.architecture,
        input_size: card.input.size,
        threshold: card.threshold,
        self_test_delta: model.self_test()?,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&verified)?)?;
        return Ok(());
    }
    writeln!(
        out,
        "{} {} ({}, {} px, threshold {}) is fit for use; its self-test differs by {:.1e}",
        verified.name,
        verified.version,
        verified.architecture,
        verified.input_size,
        verified.threshold,
        verified.self_test_delta
    )?;
    writeln!(out, "sha256 {}", verified.sha256)?;
    if let Some(v) = &card.validation {
        writeln!(out, "validated on {v}")?;
    }
    Ok(())
}
