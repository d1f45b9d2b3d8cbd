//! A run → one self-describing .onnx file, checked on the spot in the board's own engine.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use prost::Message;
use smearscope_common::engine::Model;
use smearscope_common::model_card::{METADATA_KEY, ModelCard, SCHEMA, SelfTest, self_test_input};
use tch::Device;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use crate::calibrate::{Calibration, Decision};
use crate::checkpoint::{self, Run};
use crate::error::bad_input;
use crate::evaluate::logits_of;
use crate::onnx_graph::{self, Precision};
use crate::site::Site;
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
    let site = site(folder, &run, decision)?;
    let card = ModelCard {
        schema: SCHEMA.into(),
        name: naming.name.into(),
        version: naming.version.into(),
        architecture: run.architecture.to_string(),
        classes: run.classes.clone(),
        input: run.input.clone(),
        crop: run.crop_spec(),
        threshold: decision.threshold as f32,
        temperature: decision.temperature as f32,
        validation: site.validation,
        reference: site.reference,
        lineage: run.lineage.clone(),
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
    let delta = write_with(&card, &mut proto, out)?;
    Ok((card, delta))
}

/// Writes a graph with its card, if the engine then reads it; the largest difference of a self-test logit.
///
/// # Errors
/// The card breaks its invariant, the engine does not read what was written, or the file can't be written.
pub fn write_with(card: &ModelCard, graph: &mut ModelProto, out: &Path) -> Result<f32> {
    let value = card
        .to_json()
        .map_err(|e| bad_input!("{}: {e}", out.display()))?;
    graph
        .metadata_props
        .retain(|entry| entry.key != METADATA_KEY);
    graph.metadata_props.push(StringStringEntryProto {
        key: METADATA_KEY.into(),
        value,
    });
    let onnx = graph.encode_to_vec();
    let model = Model::load(&onnx).context("the export does not load in the engine")?;
    ensure!(
        model.card() == card,
        "the card reads back differently than it was written"
    );
    let delta = model
        .self_test()
        .context("the export fails its own self-test")?;
    checkpoint::write_whole(out, &onnx)?;
    Ok(delta)
}

/// What the test subset says, as the training or the last calibration left it; nothing when they did not get that far.
fn site(folder: &Path, run: &Run, decision: Decision) -> Result<Site> {
    let found = Site::read(folder, decision.threshold)?;
    let Some(mut site) = found else {
        if folder.join(checkpoint::TEST).exists() {
            tracing::warn!(
                "{}: its figures were not measured by this version at the threshold {}, so the card states none; \
                 `smearscope-train calibrate {}` measures them anew",
                folder.display(),
                decision.threshold,
                folder.display()
            );
        }
        return Ok(Site::default());
    };
    if run.split_by == SplitBy::Cell && site.validation.take().is_some() {
        tracing::warn!(
            "{}: its split deals single cells, so its rates flatter and the card states none",
            folder.display()
        );
    }
    Ok(site)
}
