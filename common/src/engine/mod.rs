//! Runs an .onnx model in tract, one crop at a time.
//!
//! tract works best at batch size one with one state per core, so a [`Model`] is loaded and
//! optimised once and every thread takes a [`Worker`] of its own.

mod checks;
mod densenet;
mod features;

use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};
use tract_onnx::pb;
use tract_onnx::prelude::*;

use crate::crop;
use crate::image::RgbImage;
use crate::message::{Label, ModelRef};
use crate::model_card::{CardError, METADATA_KEY, ModelCard, SELF_TEST_TOLERANCE, self_test_input};

/// Why a model can't be used, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The bytes are no ONNX file, or damaged.
    #[error("not a readable ONNX file: {0}")]
    NotOnnx(String),
    /// A sound ONNX file that did not come from `smearscope-train export`.
    #[error(
        "the ONNX file has no model card (metadata {METADATA_KEY:?}); \
         export it with `smearscope-train export`"
    )]
    NoCard,
    /// Its card can't be used.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The graph does not fit its card.
    #[error("the ONNX file's {what} is {is}, but its model card asks for {card}")]
    Shape {
        /// The input or output.
        what: &'static str,
        /// What the graph has.
        is: String,
        /// What the card promises.
        card: String,
    },
    /// A weight is NaN or infinite.
    #[error("the weights {0:?} hold a value that is no finite number; train or export it again")]
    Weights(String),
    /// tract can't run the graph.
    #[error("tract cannot run this model: {0}")]
    Unsupported(String),
    /// A crop of the wrong length was handed in.
    #[error("the input has {0} values, but the model wants {1}")]
    Input(usize, usize),
    /// The network's answer is not a number.
    #[error("the model answered {0:?}, which are not all finite numbers")]
    NotFinite(Vec<f32>),
    /// The self-test came out differently than on the workstation.
    #[error(
        "self-test failed: the logits differ by {0} from those in the model card \
         (at most {SELF_TEST_TOLERANCE} is allowed)"
    )]
    SelfTest(f32),
}

/// A loaded, checked and optimised model.
///
/// Invariant: input `image` f32 `[1, 3, S, S]` and output `logits` f32 `[1, classes]`, as the
/// card says.
pub struct Model {
    card: ModelCard,
    parasitized: usize,
    sha256: String,
    plan: Arc<TypedRunnableModel>,
    replaced: densenet::Replaced,
}

/// What runs the dense blocks of a DenseNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// This project's operator, where the graph has such blocks: what [`Model::load`] takes.
    Fused,
    /// tract's operators, one by one: to compare with.
    Plain,
}

/// What the model says of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// The calibrated probability of a parasite, 0 to 1.
    pub p_parasitized: f32,
    /// The decision at the card's threshold.
    pub label: Label,
}

/// What the model says of one cell, and what it saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// What it says.
    pub opinion: Opinion,
    /// The vector in which the network pools the picture, before its head decides; empty in a network that has none.
    pub features: Vec<f32>,
}

/// Reads the model card of an .onnx file without preparing the graph.
///
/// # Errors
/// [`EngineError::NotOnnx`], [`EngineError::NoCard`] or [`EngineError::Card`].
pub fn read_card(onnx: &[u8]) -> Result<ModelCard, EngineError> {
    card_of(&parse(onnx)?)
}

fn parse(mut onnx: &[u8]) -> Result<pb::ModelProto, EngineError> {
    let proto = tract_onnx::onnx()
        .proto_model_for_read(&mut onnx)
        .map_err(|e| EngineError::NotOnnx(format!("{e:#}")))?;
    if proto.graph.is_none() {
        return Err(EngineError::NotOnnx("it holds no graph".into()));
    }
    Ok(proto)
}

fn card_of(proto: &pb::ModelProto) -> Result<ModelCard, EngineError> {
    let json = proto
        .metadata_props
        .iter()
        .find(|entry| entry.key == METADATA_KEY)
        .ok_or(EngineError::NoCard)?;
    Ok(ModelCard::from_json(&json.value)?)
}

/// Checks the graph against its card and optimises it; also what was replaced in it.
fn prepare(
    proto: pb::ModelProto,
    card: &ModelCard,
    blocks: Blocks,
) -> Result<(Arc<TypedRunnableModel>, densenet::Replaced), EngineError> {
    let mut graph = onnx()
        .with_ignore_output_shapes(true)
        .model_for_proto_model(&proto)
        .map_err(unsupported)?;
    drop(proto);
    checks::names(&graph)?;
    let size = card.input.size as usize;
    let wanted = InferenceFact::dt_shape(f32::datum_type(), [1, 3, size, size]);
    let stated = graph.input_fact(0).map_err(unsupported)?;
    if !checks::takes_crops(stated, card.input.size) {
        return Err(EngineError::Shape {
            what: "input",
            is: format!("{stated:?}"),
            card: format!("f32 [N, 3, {size}, {size}]"),
        });
    }
    graph.set_input_fact(0, wanted).map_err(unsupported)?;
    let mut typed = graph
        .into_typed()
        .and_then(|typed| typed.into_decluttered())
        .map_err(unsupported)?;
    checks::constants(&typed)?;
    let replaced = match blocks {
        Blocks::Fused => densenet::replace_blocks(&mut typed).map_err(unsupported)?,
        Blocks::Plain => densenet::Replaced::default(),
    };
    if let Some(pooled) = features::outlet(&typed) {
        let answer = typed.output_outlets().map_err(unsupported)?[0];
        typed
            .select_output_outlets(&[answer, pooled])
            .map_err(unsupported)?;
    }
    let typed = typed.into_optimized().map_err(unsupported)?;
    let output = typed.output_fact(0).map_err(unsupported)?;
    let shape = output.shape.as_concrete();
    if output.datum_type != f32::datum_type() || shape != Some(&[1, card.classes.len()][..]) {
        return Err(EngineError::Shape {
            what: "output",
            is: format!("{output:?}"),
            card: format!("f32 [N, {}]", card.classes.len()),
        });
    }
    let plan = typed.into_runnable().map_err(unsupported)?;
    Ok((plan, replaced))
}

impl Model {
    /// Reads an .onnx file, checks its card and shapes, and optimises it for batch size one.
    ///
    /// # Errors
    /// Every variant of [`EngineError`] that names something wrong with the file.
    pub fn load(onnx: &[u8]) -> Result<Self, EngineError> {
        Self::load_with(onnx, Blocks::Fused)
    }

    /// [`Model::load`] with a choice of what runs dense blocks.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(onnx: &[u8], blocks: Blocks) -> Result<Self, EngineError> {
        let proto = parse(onnx)?;
        let card = card_of(&proto)?;
        checks::weights(&proto)?;
        let (plan, replaced) = caught(|| prepare(proto, &card, blocks))?;
        let parasitized = card.parasitized_index().ok_or(EngineError::NoCard)?;
        let sha256 = hex::encode(Sha256::digest(onnx));
        Ok(Self {
            card,
            parasitized,
            sha256,
            plan,
            replaced,
        })
    }

    /// The model's card.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// How many dense blocks run in this project's operator; 0 for a network of another kind.
    pub fn fused_blocks(&self) -> usize {
        self.replaced.blocks
    }

    /// Whether the beginning of a DenseNet runs in this project's operator.
    pub fn fused_stem(&self) -> bool {
        self.replaced.stem
    }

    /// SHA-256 of the .onnx file in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The model's name on the wire.
    pub fn reference(&self) -> ModelRef {
        ModelRef {
            name: self.card.name.clone(),
            version: self.card.version.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// Runs the card's self-test and returns the largest difference of a logit.
    ///
    /// # Errors
    /// [`EngineError::SelfTest`] when it exceeds [`SELF_TEST_TOLERANCE`].
    pub fn self_test(&self) -> Result<f32, EngineError> {
        let test = &self.card.self_test;
        let logits = self
            .worker()?
            .logits(&self_test_input(test.seed, self.card.input.size))?;
        let delta = logits
            .iter()
            .zip(&test.logits)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        if delta > SELF_TEST_TOLERANCE {
            return Err(EngineError::SelfTest(delta));
        }
        Ok(delta)
    }

    /// A state of its own for one thread.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] when tract can't make one.
    pub fn worker(&self) -> Result<Worker<'_>, EngineError> {
        let state = Some(self.state()?);
        Ok(Worker { model: self, state })
    }

    fn state(&self) -> Result<TypedSimpleState, EngineError> {
        caught(|| self.plan.spawn().map_err(unsupported))
    }
}

fn unsupported(error: TractError) -> EngineError {
    EngineError::Unsupported(format!("{error:#}"))
}

/// Makes an error of a panic: tract has some for files that are no sound graphs, and such a file
/// must not end a daemon. What aborts the process, as a stack or a memory that is full, can't be
/// caught.
fn caught<T>(run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // Unwinding is safe: whatever a call of this has changed is dropped by the unwinding itself or
    // never used again, but for the kernels' list, whose lock is taken over as it was left.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("without a reason");
        Err(EngineError::Unsupported(format!("it panicked: {text}")))
    })
}

/// One thread's state of a [`Model`].
pub struct Worker<'m> {
    model: &'m Model,
    /// `None` after a run that failed: nobody knows what it left behind.
    state: Option<TypedSimpleState>,
}

impl Worker<'_> {
    /// Classifies a crop as [`crop::cut`] makes it.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] when the model's answer is no number.
    pub fn classify(&mut self, crop: &RgbImage) -> Result<Opinion, EngineError> {
        Ok(self.examine(crop)?.opinion)
    }

    /// [`Worker::classify`], with what the network saw in the crop.
    ///
    /// # Errors
    /// As [`Worker::classify`].
    pub fn examine(&mut self, crop: &RgbImage) -> Result<Examined, EngineError> {
        let card = &self.model.card;
        let (logits, features) = self.run(&crop::prepare(crop, &card.input))?;
        let p_parasitized = softmax(&logits, card.temperature, self.model.parasitized);
        let label = if p_parasitized >= card.threshold {
            Label::Parasitized
        } else {
            Label::Uninfected
        };
        Ok(Examined {
            opinion: Opinion {
                p_parasitized,
                label,
            },
            features,
        })
    }

    /// The calibrated probability of each class, in the card's order, for a crop as [`crop::cut`]
    /// makes it.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] when the model's answer is no number.
    pub fn probabilities(&mut self, crop: &RgbImage) -> Result<Vec<f32>, EngineError> {
        let card = &self.model.card;
        let logits = self.logits(&crop::prepare(crop, &card.input))?;
        Ok((0..logits.len())
            .map(|class| softmax(&logits, card.temperature, class))
            .collect())
    }

    /// Runs the network on `3·S·S` values as [`crop::prepare`] makes them; one logit per class.
    ///
    /// # Errors
    /// [`EngineError::Input`] on a wrong length, [`EngineError::NotFinite`] on NaN or infinity,
    /// [`EngineError::Unsupported`] when tract fails; the next call begins anew.
    pub fn logits(&mut self, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        Ok(self.run(input)?.0)
    }

    /// The logits, and the pooled features if there are any.
    fn run(&mut self, input: &[f32]) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let size = self.model.card.input.size as usize;
        if input.len() != 3 * size * size {
            return Err(EngineError::Input(input.len(), 3 * size * size));
        }
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.model.state()?,
        };
        let run = |state: &mut TypedSimpleState| -> TractResult<(Vec<f32>, Vec<f32>)> {
            let tensor = Tensor::from_shape(&[1, 3, size, size], input)?;
            let outputs = state.run(tvec!(tensor.into()))?;
            let values = |output: &TValue| -> TractResult<Vec<f32>> {
                Ok(output.view().as_slice::<f32>()?.to_vec())
            };
            let features = outputs.get(1).map(values).transpose()?;
            Ok((values(&outputs[0])?, features.unwrap_or_default()))
        };
        let (logits, features) = caught(|| run(&mut state).map_err(unsupported))?;
        self.state = Some(state);
        if logits.iter().all(|l| l.is_finite()) {
            Ok((logits, features))
        } else {
            Err(EngineError::NotFinite(logits))
        }
    }
}

/// The softmax of `logits / temperature` at `class`, computed without overflow.
fn softmax(logits: &[f32], temperature: f32, class: usize) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |l: f32| ((l - highest) / temperature).exp();
    weight(logits[class]) / logits.iter().map(|&l| weight(l)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::internal::*;

    use super::*;

    /// Answers zeros, and panics at a negative first value.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Moody;

    impl Op for Moody {
        fn name(&self) -> StaticName {
            "Moody".into()
        }

        op_as_typed_op!();
    }

    impl EvalOp for Moody {
        not_out_of_plan!();

        fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
            let input = inputs[0].try_as_plain_ram()?;
            assert!(input.as_slice::<f32>()?[0] >= 0.0, "a bad mood");
            Ok(tvec!(Tensor::zero::<f32>(&[1, 2])?.into_tvalue()))
        }
    }

    impl TypedOp for Moody {
        fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
            Ok(tvec!(f32::datum_type().fact([1, 2])))
        }

        as_op!();
    }

    #[test]
    fn a_panic_is_an_error_and_the_worker_goes_on() {
        let card = crate::model_card::tests::card();
        let size = card.input.size as usize;
        let mut graph = TypedModel::default();
        let fact = f32::datum_type().fact([1, 3, size, size]);
        let source = graph.add_source("image", fact).unwrap();
        let made = graph.wire_node("moody", Moody, &[source]).unwrap();
        graph.select_output_outlets(&made).unwrap();
        let model = Model {
            card,
            parasitized: 0,
            sha256: String::new(),
            plan: graph.into_runnable().unwrap(),
            replaced: densenet::Replaced::default(),
        };
        let mut worker = model.worker().unwrap();
        let input = |value: f32| vec![value; 3 * size * size];
        for _ in 0..2 {
            assert_eq!(worker.logits(&input(1.0)).unwrap(), [0.0; 2]);
            let failed = worker.logits(&input(-1.0)).unwrap_err().to_string();
            assert!(failed.contains("it panicked: a bad mood"), "{failed}");
        }
    }

    #[test]
    fn softmax_is_calibrated_and_does_not_overflow() {
        assert!((softmax(&[0.0, 0.0], 1.0, 0) - 0.5).abs() < 1e-7);
        assert!((softmax(&[2.0, 0.0], 2.0, 0) - 0.731_058_6).abs() < 1e-6);
        assert_eq!(softmax(&[1e30, -1e30], 1.0, 1), 0.0);
        assert_eq!(softmax(&[1e30, -1e30], 1.0, 0), 1.0);
    }

    #[test]
    fn a_worker_may_move_to_a_thread() {
        fn send<T: Send>() {}
        fn sync<T: Sync>() {}
        send::<Worker<'_>>();
        sync::<Model>();
    }

    #[test]
    fn garbage_is_no_model() {
        assert!(matches!(
            Model::load(b"not a model"),
            Err(EngineError::NotOnnx(_))
        ));
        assert!(matches!(Model::load(b""), Err(EngineError::NotOnnx(_))));
    }
}
