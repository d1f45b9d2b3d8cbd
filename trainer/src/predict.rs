//! Says what single pictures of cells show, with an exported model or with a run's best weights.

use std::path::Path;

use anyhow::{Result, anyhow};
use rayon::prelude::*;
use smearscope_common::crop;
use smearscope_common::engine::Model;
use smearscope_common::image::RgbImage;
use smearscope_common::message::Label;
use smearscope_common::model_card::InputSpec;
use tch::nn::{ModuleT, VarStore};
use tch::{Device, Kind, Tensor};

use crate::calibrate::{Calibration, Decision};
use crate::checkpoint::Run;
use crate::densenet::{DenseNet, channels_last};
use crate::device::Wish;
use crate::error::bad_input;
use crate::evaluate::{self, WorkerPool};

/// Crops per forward pass of a run's network.
const BATCH: usize = 64;

/// What a model says of one crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Of each class, in the classifier's order; together 1.
    pub probabilities: Vec<f32>,
    /// That of the class that counts as parasitized.
    pub p_parasitized: f32,
    /// The decision at the model's threshold.
    pub label: Label,
}

/// An exported model in the board's engine, or a run folder in libtorch.
pub struct Classifier {
    /// In the order of the probabilities.
    pub classes: Vec<String>,
    /// Index of the class that counts as parasitized.
    pub positive: usize,
    threshold: f32,
    engine: Engine,
}

enum Engine {
    Board(Box<Model>),
    Network(Box<Network>),
}

struct Network {
    net: DenseNet,
    /// Holds the weights of `net`.
    store: VarStore,
    input: InputSpec,
    temperature: f64,
}

impl Classifier {
    /// Opens an .onnx file or a run folder; `device` is for the latter.
    ///
    /// # Errors
    /// Neither, without weights, of another version, or the device is not there.
    pub fn open(path: &Path, device: Wish) -> Result<Self> {
        let no_parasitized = || {
            bad_input!(
                "{}: none of its classes is named Parasitized",
                path.display()
            )
        };
        let positive = |classes: &[String]| {
            let mut names = classes.iter();
            names
                .position(|c| c.eq_ignore_ascii_case("parasitized"))
                .ok_or_else(no_parasitized)
        };
        if path.is_dir() {
            let run = Run::read(path)?;
            let decision =
                Calibration::read(path)?.map_or_else(Decision::default, |c| c.decision());
            let (store, net) = run.load(path, device.device()?)?;
            return Ok(Self {
                positive: positive(&run.classes)?,
                classes: run.classes,
                threshold: decision.threshold as f32,
                engine: Engine::Network(Box::new(Network {
                    net,
                    store,
                    input: run.input,
                    temperature: decision.temperature,
                })),
            });
        }
        let model = evaluate::load_model(path)?;
        let card = model.card();
        Ok(Self {
            positive: positive(&card.classes)?,
            classes: card.classes.clone(),
            threshold: card.threshold,
            engine: Engine::Board(Box::new(model)),
        })
    }

    /// Classifies crops; each answer or error in their order.
    ///
    /// # Errors
    /// libtorch's own, such as memory that does not suffice.
    pub fn classify(&self, crops: &[&RgbImage]) -> Result<Vec<Result<Answer>>> {
        let probabilities = match &self.engine {
            Engine::Board(model) => {
                let workers = WorkerPool::new(model);
                crops
                    .par_iter()
                    .map(|crop| workers.with(|worker| Ok(worker.probabilities(crop)?)))
                    .collect()
            }
            Engine::Network(network) => {
                let mut all = Vec::with_capacity(crops.len());
                for crops in crops.chunks(BATCH) {
                    all.extend(network.probabilities(crops)?);
                }
                all
            }
        };
        Ok(probabilities
            .into_iter()
            .map(|p| p.map(|p| self.answer(p)))
            .collect())
    }

    fn answer(&self, probabilities: Vec<f32>) -> Answer {
        let p_parasitized = probabilities[self.positive];
        Answer {
            label: if p_parasitized >= self.threshold {
                Label::Parasitized
            } else {
                Label::Uninfected
            },
            p_parasitized,
            probabilities,
        }
    }
}

impl Network {
    /// Of each crop; one whose answer is no number is an error.
    fn probabilities(&self, crops: &[&RgbImage]) -> Result<Vec<Result<Vec<f32>>>> {
        let side = i64::from(self.input.size);
        // Apart from `self`, whose tensors must not be shared between threads.
        let input = &self.input;
        let pixels: Vec<f32> = crops
            .par_iter()
            .flat_map_iter(|crop| crop::prepare(crop, input))
            .collect();
        let pixels = Tensor::from_slice(&pixels)
            .f_view([crops.len() as i64, 3, side, side])?
            .f_to_device(self.store.device())?;
        let logits = tch::no_grad(|| self.net.forward_t(&channels_last(&pixels), false));
        let softmax = (logits / self.temperature)
            .f_softmax(-1, Kind::Float)?
            .f_to_device(Device::Cpu)?;
        let rows = Vec::<Vec<f32>>::try_from(softmax)?;
        Ok(rows
            .into_iter()
            .map(|row| {
                if row.iter().all(|p| p.is_finite()) {
                    Ok(row)
                } else {
                    Err(anyhow!("the network's answer is no number"))
                }
            })
            .collect())
    }
}
