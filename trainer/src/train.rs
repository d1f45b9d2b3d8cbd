//! The training loop.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::nn::{self, ModuleT, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

use crate::augment::Augment;
use crate::checkpoint::{self, Run};
use crate::dataset::Dataset;
use crate::densenet::{DenseNet, channels_last, nll};
use crate::error::bad_input;
use crate::evaluate::{judge, logits_of_crops};
use crate::loader::{Crops, normalise, to_unit};
use crate::metrics;
use crate::schedule::OneCycle;
use crate::split::{Split, Subset};

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam, as the tutorial.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// How the rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Up and down once; see [`OneCycle`].
    OneCycle,
    /// The same rate throughout.
    Constant,
}

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// Everything learns.
    None,
    /// Only the head learns; the backbone's weights and statistics stay.
    Backbone,
}

/// How a run is trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Passes over the training subset, at most.
    pub epochs: u64,
    /// Crops per step.
    pub batch: i64,
    /// Highest learning rate.
    pub rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// How the rate moves.
    pub schedule: Schedule,
    /// What learns.
    pub freeze: Freeze,
    /// Stop after this many epochs without a lower validation loss.
    pub patience: u64,
    /// Seeds the weights, the order and the views.
    pub seed: u64,
    /// The random views.
    pub augment: Augment,
}

/// One line of `metrics.csv`.
#[derive(Clone, Debug, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean loss over the training batches as they were seen, augmented.
    pub train_loss: f64,
    /// Loss on the validation subset.
    pub val_loss: f64,
    /// Accuracy on the validation subset at 0.5.
    pub val_accuracy: f64,
    /// AUC on the validation subset.
    pub val_auc: f64,
    /// Seconds for the epoch, validation included.
    pub seconds: f64,
    /// Whether its weights became the best so far.
    pub best: bool,
}

/// Trains `run` on `dataset` and leaves a complete run folder in `out`.
///
/// # Errors
/// A subset is empty, the loss becomes NaN, or the folder can't be written.
pub fn train(
    run: &Run,
    dataset: &Dataset,
    split: &Split,
    store: &VarStore,
    net: &DenseNet,
    out: &Path,
) -> Result<Vec<Epoch>> {
    let settings = &run.settings;
    let device = store.device();
    let load = |subset: Subset| {
        let indices = split.indices(subset);
        if indices.is_empty() {
            return Err(bad_input!("the split has no sample for {subset}"));
        }
        Crops::load(dataset, &indices, run.input.size, device)
    };
    let (training, validation) = (load(Subset::Train)?, load(Subset::Val)?);
    let positive = dataset.parasitized()?;
    tracing::info!(
        "{} crops to train on, {} to validate, on {device:?}",
        training.len(),
        validation.len()
    );

    let steps = (training.len() + settings.batch - 1) / settings.batch;
    let cycle = OneCycle {
        peak: settings.rate,
        steps: steps as u64 * settings.epochs,
    };
    let mut optimizer = optimizer(settings, store)?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut log = MetricsLog::create(out)?;
    let mut epochs: Vec<Epoch> = Vec::new();
    let (mut lowest, mut since_best) = (f64::INFINITY, 0);
    for epoch in 1..=settings.epochs {
        let start = Instant::now();
        let bar = progress(epoch, settings.epochs, training.len() as u64);
        let mut order: Vec<i64> = (0..training.len()).collect();
        order.shuffle(&mut rng);
        let mut total = Tensor::zeros([], (Kind::Double, device));
        for (step, batch) in order.chunks(settings.batch as usize).enumerate() {
            if settings.schedule == Schedule::OneCycle {
                optimizer.set_lr(cycle.rate((epoch - 1) * steps as u64 + step as u64));
            }
            let index = Tensor::from_slice(batch).to_device(device);
            let views = tch::no_grad(|| {
                let crops = to_unit(&training.pixels.index_select(0, &index));
                channels_last(&normalise(&settings.augment.apply(&crops), &run.input))
            });
            let labels = training.labels.index_select(0, &index);
            let loss = nll(&forward(net, &views, settings.freeze), &labels);
            optimizer.backward_step(&loss);
            total += loss.detach() * batch.len() as f64;
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        let train_loss = f64::try_from(total)? / training.len() as f64;
        let logits = logits_of_crops(net, &run.input, &validation)?;
        let judged = judge(&logits, 1.0, &validation, dataset, positive)?;
        let val_loss = metrics::loss(&judged);
        if !train_loss.is_finite() || !val_loss.is_finite() {
            return Err(bad_input!(
                "the loss is no longer a number in epoch {epoch}; try a lower --rate than {} \
                 (the best weights so far are kept in {})",
                settings.rate,
                out.display()
            ));
        }
        let best = val_loss < lowest;
        if best {
            checkpoint::save_weights(store, &out.join(checkpoint::BEST))?;
            (lowest, since_best) = (val_loss, 0);
        } else {
            since_best += 1;
        }
        let right = judged.iter().filter(|j| j.truth == (j.p >= 0.5)).count();
        let line = Epoch {
            epoch,
            train_loss,
            val_loss,
            val_accuracy: right as f64 / judged.len() as f64,
            val_auc: metrics::auc(&judged).unwrap_or(f64::NAN),
            seconds: start.elapsed().as_secs_f64(),
            best,
        };
        tracing::info!(
            "epoch {epoch}/{}: train loss {:.4}, validation loss {:.4}, accuracy {:.4}, AUC {:.4}, \
             {:.0} s{}",
            settings.epochs,
            line.train_loss,
            line.val_loss,
            line.val_accuracy,
            line.val_auc,
            line.seconds,
            if best { ", best so far" } else { "" }
        );
        log.write(&line)?;
        epochs.push(line);
        if since_best >= settings.patience {
            tracing::info!("stopped: no better validation loss for {since_best} epochs");
            break;
        }
    }
    Ok(epochs)
}

/// With a frozen backbone its statistics must not move either, so it runs as in evaluation.
fn forward(net: &DenseNet, views: &Tensor, freeze: Freeze) -> Tensor {
    match freeze {
        Freeze::None => net.forward_t(views, true),
        Freeze::Backbone => {
            let features = tch::no_grad(|| net.features(views, false));
            net.head(&features, true)
        }
    }
}

fn optimizer(settings: &Settings, store: &VarStore) -> Result<nn::Optimizer> {
    if settings.freeze == Freeze::Backbone {
        for (name, variable) in store.variables() {
            if !name.starts_with("classifier") {
                let _ = variable.set_requires_grad(false);
            }
        }
    }
    let decay = settings.weight_decay;
    Ok(match settings.optimizer {
        Optimizer::Adam => nn::adam(0.9, 0.999, decay).build(store, settings.rate)?,
        Optimizer::AdamW => nn::adamw(0.9, 0.999, decay).build(store, settings.rate)?,
    })
}

/// A bar on a terminal; nothing elsewhere.
fn progress(epoch: u64, epochs: u64, crops: u64) -> ProgressBar {
    let bar = ProgressBar::new(crops);
    let template = "{prefix} {wide_bar} {pos}/{len} cells, {per_sec}, {eta} left";
    // The template is a constant and valid; a wrong one only costs looks.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(format!("epoch {epoch}/{epochs}"));
    bar
}

/// `metrics.csv`, flushed after each line so that a killed run keeps what it had.
struct MetricsLog(csv::Writer<std::fs::File>);

impl MetricsLog {
    fn create(out: &Path) -> Result<Self> {
        let path = out.join(checkpoint::METRICS);
        let writer = csv::Writer::from_path(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(writer))
    }

    fn write(&mut self, epoch: &Epoch) -> Result<()> {
        self.0.serialize(epoch)?;
        self.0.flush()?;
        Ok(())
    }
}

/// Makes torch's own random numbers repeatable and tells which device it is.
pub fn seed(seed: u64, device: Device) {
    tch::manual_seed(seed as i64);
    if matches!(device, Device::Cuda(_)) {
        tracing::info!("on CUDA the same seed gives nearly, not exactly, the same result");
    }
}
