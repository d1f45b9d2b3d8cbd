//! A run → one self-describing .onnx file, checked on the spot in the board's own engine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use prost::Message;
use smearscope_common::engine::Model;
use smearscope_common::model_card::{
    CropSpec, METADATA_KEY, ModelCard, Rate, SCHEMA, SelfTest, Validation, self_test_input,
};
use tch::Device;
use tract_onnx::pb::StringStringEntryProto;

use crate::calibrate::{Calibration, Decision};
use crate::checkpoint::{self, Run};
use crate::error::bad_input;
use crate::evaluate::logits_of;
use crate::metrics::Metrics;
use crate::onnx_graph::{self, Precision};
use crate::split::SplitBy;

/// Seed of the card's self-test.
const SELF_TEST_SEED: u64 = 20_260_101;

/// What the card says of a model beside what its run folder knows.
pub struct Naming<'a> {
    /// A name for people.
    pub name: &'a str,
    /// The model's own version.
    pub version: &'a str,
}

/// Exports the best weights of a run folder and returns the card and the largest difference of a
/// self-test logit between tch and the engine.
///
/// # Errors
/// The folder is no run, or what was written is not what the engine reads.
pub fn export(
    folder: &Path,
    out: &Path,
    naming: &Naming<'_>,
    precision: Precision,
) -> Result<(ModelCard, f32)> {
    let run = Run::read(folder)?;
    let (store, net) = run.load(folder, Device::Cpu)?;
    let variables = store.variables();
    if precision == Precision::F16 {
        onnx_graph::round_to_half(&variables);
    }
    let size = run.input.size;
    let decision = Calibration::read(folder)?
        .map_or_else(Decision::default, |calibration| calibration.decision());
    let card = ModelCard {
        schema: SCHEMA.into(),
        name: naming.name.into(),
        version: naming.version.into(),
        architecture: run.architecture.to_string(),
        classes: run.classes.clone(),
        input: run.input.clone(),
        crop: CropSpec::newest(run.typical_cell),
        threshold: decision.threshold as f32,
        temperature: decision.temperature as f32,
        validation: validation(folder, &run, decision)?,
        data_sha256: run.data_sha256.clone(),
        split_sha256: run.split_sha256.clone(),
        parent: run.parent.clone(),
        trainer_version: env!("CARGO_PKG_VERSION").into(),
        created: Timestamp::now(),
        self_test: SelfTest {
            seed: SELF_TEST_SEED,
            logits: logits_of(&net, &self_test_input(SELF_TEST_SEED, size), size)?,
        },
    };
    let mut proto = onnx_graph::build(
        &variables,
        run.architecture,
        run.head,
        size,
        run.classes.len(),
        precision,
    )?;
    proto.metadata_props.push(StringStringEntryProto {
        key: METADATA_KEY.into(),
        value: card
            .to_json()
            .map_err(|e| bad_input!("{}: {e}", folder.display()))?,
    });
    let onnx = proto.encode_to_vec();
    let model = Model::load(&onnx).context("the export does not load in the engine")?;
    ensure!(
        *model.card() == card,
        "the card reads back differently than it was written"
    );
    let delta = model
        .self_test()
        .context("the export fails its own self-test")?;
    checkpoint::write_whole(out, &onnx)?;
    Ok((card, delta))
}

/// Rates on the test subset, as the training or the last calibration left them; `None` when they
/// did not get that far.
fn validation(folder: &Path, run: &Run, decision: Decision) -> Result<Option<Validation>> {
    let Ok(json) = fs::read_to_string(folder.join(checkpoint::TEST)) else {
        return Ok(None);
    };
    let metrics: Metrics = serde_json::from_str(&json).map_err(|e| {
        bad_input!(
            "{}: {} is not readable: {e}",
            folder.display(),
            checkpoint::TEST
        )
    })?;
    if run.split_by == SplitBy::Cell {
        tracing::warn!(
            "{}: its split deals single cells, so its rates flatter and the card states none",
            folder.display()
        );
        return Ok(None);
    }
    let measured_at = metrics.at_threshold.threshold;
    if measured_at as f32 != decision.threshold as f32 {
        tracing::warn!(
            "{}: {} was measured at threshold {measured_at} and not at {}, so the card states no \
             rates; `smearscope-train calibrate {}` measures them anew",
            folder.display(),
            checkpoint::TEST,
            decision.threshold,
            folder.display()
        );
        return Ok(None);
    }
    let c = metrics.at_threshold.confusion;
    let rates = Rate::new(c.tp, c.tp + c.missed).zip(Rate::new(c.tn, c.tn + c.fp));
    let dataset = run.data.file_name().unwrap_or_default().to_string_lossy();
    Ok(rates.map(|(sensitivity, specificity)| Validation {
        dataset: format!("{dataset}, test subset"),
        subjects: metrics.subjects.len() as u64,
        sensitivity,
        specificity,
    }))
}
