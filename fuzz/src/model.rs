//! Any bytes as a model: an error, or a network that answers as plain tract does.

use prost::Message;
use smearscope_common::engine::{Blocks, EngineError, Model};
use smearscope_common::model_card::self_test_input;
use tract_onnx::pb;

/// How far a logit may be from plain tract's, in parts of the largest, and at least of 1.
const TOLERANCE: f32 = 1e-3;

/// Larger weights, or variances closer to zero, make differences of rounding as large as one likes.
const MODEST: f32 = 100.0;

/// Loads the bytes as a model, fused and plain, and runs both once.
pub fn check(bytes: &[u8]) {
    let (ours, plain) = (answer(bytes, Blocks::Fused), answer(bytes, Blocks::Plain));
    match (ours, plain) {
        (Ok(ours), Ok(plain)) => {
            assert_eq!(ours.len(), plain.len());
            let apart = ours.iter().zip(&plain).map(|(a, b)| (a - b).abs());
            let largest = plain
                .iter()
                .fold(1.0, |most: f32, logit| most.max(logit.abs()));
            assert!(
                !modest(bytes) || apart.fold(0.0, f32::max) < TOLERANCE * largest,
                "{ours:?} {plain:?}"
            );
        }
        // Also an average of no pixels.
        (Err(EngineError::NotFinite(_)), Err(EngineError::NotFinite(_))) => {}
        (Err(EngineError::NotFinite(_)), _) | (_, Err(EngineError::NotFinite(_))) => {
            assert!(!modest(bytes));
        }
        (Err(ours), Err(plain)) => {
            assert!(!ours.to_string().is_empty() && !plain.to_string().is_empty());
        }
        (Ok(_), Err(error)) => panic!("only plain tract refuses it: {error}"),
        (Err(error), Ok(_)) => panic!("only plain tract takes it: {error}"),
    }
}

/// The logits of the self-test's input.
fn answer(bytes: &[u8], blocks: Blocks) -> Result<Vec<f32>, EngineError> {
    let model = Model::load_with(bytes, blocks)?;
    let size = model.card().input.size;
    let logits = model.worker()?.logits(&self_test_input(1, size))?;
    assert_eq!(logits.len(), model.card().classes.len());
    assert!(logits.iter().all(|logit| logit.is_finite()));
    Ok(logits)
}

/// Whether all weights are of a usual size.
fn modest(bytes: &[u8]) -> bool {
    let graph = pb::ModelProto::decode(bytes).ok().and_then(|m| m.graph);
    let weights = graph.iter().flat_map(|graph| &graph.initializer);
    weights.into_iter().all(|weight| {
        let raw = weight.raw_data.as_chunks::<4>().0.iter();
        let mut values = raw.map(|&value| f32::from_le_bytes(value));
        let variance = weight.name.ends_with("var");
        values.all(|v| v.abs() < MODEST && (!variance || v > 1.0 / MODEST))
    })
}
