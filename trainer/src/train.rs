//! The training loop.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use smearscope_common::model_card::InputSpec;
use tch::nn::{ModuleT, VarStore};
use tch::{Device, Kind, Reduction, Tensor};

use crate::augment::Augment;
use crate::checkpoint::{self, Progress, Run};
use crate::dataset::Dataset;
use crate::densenet::{Arithmetic, DenseNet, channels_last};
use crate::error::bad_input;
use crate::evaluate::{judge, logits_of_crops};
use crate::frozen::{self, Features};
use crate::loader::{CROP_MEMORY, Crops, normalise, to_unit};
use crate::metrics;
use crate::optimizer::{Optimizer, Rule};
use crate::progress;
use crate::schedule::Schedule;
use crate::split::{Split, Subset};
use crate::tensorboard::Events;

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// Everything learns.
    None,
    /// Only the head learns; the backbone's weights and statistics stay, and what it says of each
    /// crop is computed once.
    Backbone,
}

/// Which epoch's weights a run keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the lowest validation loss.
    #[default]
    Best,
    /// Those of the last epoch: where there are few validation cells, their loss says more of chance than of the weights.
    Last,
}

/// How a run is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Passes over the training subset, at most.
    pub epochs: u64,
    /// Crops per step.
    pub batch: i64,
    /// Highest learning rate.
    pub rate: f64,
    /// The backbone's rate is this part of it.
    pub backbone_factor: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// The optimizer.
    pub optimizer: Rule,
    /// How the rate moves.
    pub schedule: Schedule,
    /// Longest gradient; 0 for any length.
    pub clip: f64,
    /// Part of the truth that is spread over all classes, 0 to 1.
    pub label_smoothing: f64,
    /// How much a crop of each class counts; empty when all count alike.
    pub class_weights: Vec<f64>,
    /// What learns.
    pub freeze: Freeze,
    /// How many random views of each crop a frozen backbone is shown; 0 for the crop as it is.
    pub cached_views: u64,
    /// In which numbers convolutions are computed.
    pub arithmetic: Arithmetic,
    /// Stop after this many epochs without a lower validation loss.
    pub patience: u64,
    /// Which epoch's weights stay.
    #[serde(default)]
    pub keep: Keep,
    /// The weights that stay are so much of what was learnt, and for the rest those that the run began with; 1 for all that was
    /// learnt. Averages of both keep what the first knew of other data and hardly lose what was learnt (M. Wortsman et al.,
    /// CVPR 2022).
    #[serde(default = "all")]
    pub blend: f64,
    /// Seeds the weights, the order and the views.
    pub seed: u64,
    /// The random views.
    pub augment: Augment,
}

fn all() -> f64 {
    1.0
}

/// One line of `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean loss over the training batches as they were seen, augmented.
    pub train_loss: f64,
    /// Mean negative log-likelihood of the validation subset.
    pub val_loss: f64,
    /// Accuracy on the validation subset at 0.5.
    pub val_accuracy: f64,
    /// AUC on the validation subset; none with one class only.
    pub val_auc: Option<f64>,
    /// Learning rate of its last step.
    pub rate: f64,
    /// Training crops per second, validation left out.
    pub images_per_s: f64,
    /// Seconds for the epoch, validation included.
    pub seconds: f64,
    /// Whether its weights became the best so far.
    pub best: bool,
}

/// Where and with how much a run is computed; no part of its result.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where the weights are.
    pub device: Device,
    /// Every device that may help to compute frozen features; holds at least `device`.
    pub helpers: Vec<Device>,
    /// Bytes of decoded crops that may live on the device.
    pub crop_memory: u64,
}

impl Machine {
    /// One device and the usual memory.
    pub fn of(device: Device) -> Self {
        Self {
            device,
            helpers: vec![device],
            crop_memory: CROP_MEMORY,
        }
    }

    /// Decodes samples as a run's network is shown them, to where they fit.
    ///
    /// # Errors
    /// As [`Crops::load`].
    pub fn crops(&self, dataset: &Dataset, indices: &[usize], run: &Run) -> Result<Crops> {
        let (size, spec) = (run.input.size, run.crop_spec());
        Crops::load(dataset, indices, size, &spec, self.device, self.crop_memory)
    }
}

/// What the network learns from.
pub(crate) enum Material {
    /// Pixels, of which every batch is a new random view.
    Crops(Crops),
    /// What a frozen backbone says of them.
    Features(Features),
}

impl Material {
    fn len(&self) -> i64 {
        match self {
            Self::Crops(crops) => crops.len(),
            Self::Features(features) => features.crops.len(),
        }
    }
}

/// Trains `run` on `dataset` until it is done and leaves a complete run folder in `out`. With
/// `resume`, goes on after the last epoch that was done.
///
/// # Errors
/// A subset is empty, the loss becomes NaN, memory runs out, or the folder can't be written.
pub fn train(
    run: &Run,
    dataset: &Dataset,
    split: &Split,
    store: &VarStore,
    net: &mut DenseNet,
    out: &Path,
    machine: &Machine,
    resume: bool,
) -> Result<()> {
    let settings = &run.settings;
    let mut optimizer = optimizer(settings, store);
    let last = out.join(checkpoint::LAST);
    let mut progress = Progress::default();
    if resume {
        progress = checkpoint::load_state(&last, store, &mut optimizer)?;
        // It may have been killed before these were written.
        if let Some(epoch) = progress.epochs.last() {
            if epoch.best {
                checkpoint::save_weights(store, &out.join(checkpoint::BEST))?;
            }
            checkpoint::write_whole(&out.join(checkpoint::METRICS), &progress.to_csv()?)?;
        }
        if is_over(&progress, settings) {
            return Ok(());
        }
    }
    net.set_arithmetic(settings.arithmetic);
    let (training, validation) = material(run, dataset, split, store, net, machine)?;
    let positive = dataset.parasitized()?;
    tracing::info!(
        "{} crops to train on, {} to validate, on {:?} in {:?}",
        training.len(),
        validation.len(),
        machine.device,
        settings.arithmetic
    );
    ensure!(
        training.len() > 1,
        bad_input!("one crop is not enough to train on")
    );

    if !resume {
        checkpoint::save_state(&last, store, &optimizer, &progress)?;
        checkpoint::write_whole(&out.join(checkpoint::RUN), &serde_json::to_vec_pretty(run)?)?;
    }
    let mut events = Events::open(out)?;
    while !is_over(&progress, settings) {
        let epoch = progress.epochs.len() as u64 + 1;
        let start = Instant::now();
        let (train_loss, rate) =
            one_epoch(settings, &run.input, epoch, net, &mut optimizer, &training)?;
        let trained = start.elapsed().as_secs_f64();
        let (crops, logits) = match &validation {
            Material::Crops(crops) => (crops, logits_of_crops(net, &run.input, crops)?),
            Material::Features(features) => {
                let logits = tch::no_grad(|| net.head(&features.of_view(0), false));
                let logits = logits.to_device(Device::Cpu).to_kind(Kind::Double);
                (&features.crops, logits)
            }
        };
        let judged = judge(&logits, 1.0, crops, dataset, positive)?;
        let val_loss = metrics::loss(&judged);
        if !train_loss.is_finite() || !val_loss.is_finite() {
            let kept = match progress.lowest() {
                Some(_) => format!(" (the best weights so far are kept in {})", out.display()),
                None => String::new(),
            };
            return Err(bad_input!(
                "the loss is no longer a number in epoch {epoch}; start anew with a lower --rate \
                 than {}{kept}",
                settings.rate
            ));
        }
        let best = match settings.keep {
            Keep::Best => progress.lowest().is_none_or(|lowest| val_loss < lowest),
            Keep::Last => true,
        };
        let right = judged.iter().filter(|j| j.truth == (j.p >= 0.5)).count();
        let line = Epoch {
            epoch,
            train_loss,
            val_loss,
            val_accuracy: right as f64 / judged.len() as f64,
            val_auc: metrics::auc(&judged),
            rate,
            images_per_s: training.len() as f64 / trained,
            seconds: start.elapsed().as_secs_f64(),
            best,
        };
        progress.epochs.push(line.clone());
        // First: what is in the other files can be made again from this one.
        checkpoint::save_state(&last, store, &optimizer, &progress)?;
        if best {
            checkpoint::save_weights(store, &out.join(checkpoint::BEST))?;
        }
        checkpoint::write_whole(&out.join(checkpoint::METRICS), &progress.to_csv()?)?;
        events.write(&line)?;
        say(&line, settings.epochs);
    }
    if progress.epochs.len() < settings.epochs as usize {
        tracing::info!(
            "stopped: no better validation loss for {} epochs",
            progress.since_best()
        );
    }
    Ok(())
}

fn is_over(progress: &Progress, settings: &Settings) -> bool {
    progress.epochs.len() as u64 >= settings.epochs || progress.since_best() >= settings.patience
}

/// The optimizer over what learns of `store`.
pub(crate) fn optimizer(settings: &Settings, store: &VarStore) -> Optimizer {
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut head, mut backbone) = (Vec::new(), Vec::new());
    for (name, variable) in variables {
        if name.starts_with("classifier") {
            head.push(variable);
        } else if settings.freeze == Freeze::Backbone {
            let _ = variable.set_requires_grad(false);
        } else if variable.requires_grad() {
            backbone.push(variable);
        }
    }
    let groups = [(head, 1.0), (backbone, settings.backbone_factor)];
    Optimizer::new(
        settings.optimizer,
        settings.weight_decay,
        settings.clip,
        groups,
    )
}

fn material(
    run: &Run,
    dataset: &Dataset,
    split: &Split,
    store: &VarStore,
    net: &DenseNet,
    machine: &Machine,
) -> Result<(Material, Material)> {
    let training = machine.crops(dataset, &split.indices(Subset::Train), run)?;
    let rest = Machine {
        crop_memory: machine.crop_memory.saturating_sub(training.device_bytes()),
        ..machine.clone()
    };
    let validation = rest.crops(dataset, &split.indices(Subset::Val), run)?;
    Ok(match run.settings.freeze {
        Freeze::None => (Material::Crops(training), Material::Crops(validation)),
        Freeze::Backbone => {
            // The same views after a resume.
            tch::manual_seed(run.settings.seed as i64);
            let views = run.settings.cached_views;
            let of = |crops, views| -> Result<Material> {
                let features = frozen::features(run, store, net, crops, views, &machine.helpers)?;
                Ok(Material::Features(features))
            };
            (of(training, views)?, of(validation, 0)?)
        }
    })
}

/// One pass over the training material: the mean loss and the rate of the last step.
///
/// Order, views and dropout are drawn anew from seed and epoch, so that a run that is resumed sees
/// what it would have seen.
pub(crate) fn one_epoch(
    settings: &Settings,
    input: &InputSpec,
    epoch: u64,
    net: &DenseNet,
    optimizer: &mut Optimizer,
    training: &Material,
) -> Result<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    rng.set_stream(epoch);
    let mut order: Vec<i64> = (0..training.len()).collect();
    order.shuffle(&mut rng);
    // A last batch of one has no variance to normalise by: that crop has its turn another time.
    if order.len() as i64 % settings.batch == 1 {
        order.pop();
    }
    tch::manual_seed(rand::Rng::random::<i64>(&mut rng));
    let batches = order.chunks(settings.batch as usize);
    let (before, all) = (
        (epoch - 1) * batches.len() as u64,
        settings.epochs * batches.len() as u64,
    );
    let bar = progress::bar(
        format!("epoch {epoch}/{}", settings.epochs),
        "cells",
        order.len(),
    );
    let mut total: Option<Tensor> = None;
    let mut rate = 0.0;
    for (step, batch) in (before..).zip(batches) {
        let (logits, labels) = match training {
            Material::Crops(crops) => {
                let views = tch::no_grad(|| views(&crops.pixels(batch), &settings.augment, input));
                (net.forward_t(&views, true), crops.labels_of(batch))
            }
            Material::Features(features) => {
                let labels = features.crops.labels_of(batch);
                (net.head(&features.of(epoch, batch), true), labels)
            }
        };
        rate = settings.schedule.rate(settings.rate, step, all);
        let loss = learn(settings, optimizer, &logits, &labels, rate);
        // Summed on the device: asking for each number would make the processor wait for it.
        let sum = loss.detach().to_kind(Kind::Double) * batch.len() as f64;
        total = Some(match total {
            Some(total) => total + sum,
            None => sum,
        });
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let total = total.map_or(Ok(f64::NAN), f64::try_from)?;
    Ok((total / order.len() as f64, rate))
}

/// Moves what learns one step towards the labels; the loss before it.
pub(crate) fn learn(
    settings: &Settings,
    optimizer: &mut Optimizer,
    logits: &Tensor,
    labels: &Tensor,
    rate: f64,
) -> Tensor {
    let weights = (!settings.class_weights.is_empty()).then(|| {
        let weights = Tensor::from_slice(&settings.class_weights).to_kind(Kind::Float);
        weights.to_device(labels.device())
    });
    let loss = logits.cross_entropy_loss(
        labels,
        weights,
        Reduction::Mean,
        -100,
        settings.label_smoothing,
    );
    optimizer.step(&loss, rate);
    loss
}

/// u8 pixels → random views, normalised, laid out as convolutions like it.
pub fn views(pixels: &Tensor, augment: &Augment, input: &InputSpec) -> Tensor {
    channels_last(&normalise(&augment.apply(&to_unit(pixels)), input))
}

fn say(line: &Epoch, epochs: u64) {
    tracing::info!(
        "epoch {}/{epochs}: train loss {:.4}, validation loss {:.4}, accuracy {:.4}, AUC {}, \
         {:.0} s, {:.0} images/s{}",
        line.epoch,
        line.train_loss,
        line.val_loss,
        line.val_accuracy,
        line.val_auc.map_or("-".into(), |auc| format!("{auc:.4}")),
        line.seconds,
        line.images_per_s,
        if line.best { ", best so far" } else { "" }
    );
}

/// Makes torch's own random numbers repeatable and tells which device it is.
pub fn seed(seed: u64, device: Device) {
    tch::manual_seed(seed as i64);
    if matches!(device, Device::Cuda(_)) {
        tracing::info!("on CUDA the same seed gives nearly, not exactly, the same result");
    }
}
