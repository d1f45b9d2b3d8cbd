//! How a run is trained, from what the user says and what a recipe says where the user is silent.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use smearscope_common::model_card::InputSpec;

use crate::augment::Augment;
use crate::calibrate::Target;
use crate::densenet::{Architecture, Arithmetic, Head};
use crate::device::Wish;
use crate::error::bad_input;
use crate::loader::CROP_MEMORY;
use crate::optimizer::Rule;
use crate::schedule::Schedule;
use crate::split::SplitBy;
use crate::train::{Freeze, Keep, Machine, Settings};

/// ImageNet's colour statistics, which torchvision's weights expect; they do no harm elsewhere.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A set of defaults. Every one of them can be overruled by its own option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// What measured best: all of the network learns, at 64 pixels, with strong views and a split
    /// by subject (docs/train.md has the evidence).
    Best,
    /// The public tutorial: frozen ImageNet features, head of 460 units, Adam at 0.003, batch 32,
    /// 224 pixels, 10 epochs, and its random split, which leaks subjects.
    Tutorial,
}

/// Which random views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Views {
    /// Rotation, flips, scale, and strong jitter of stain, blur and noise.
    Strong,
    /// Rotation, flips, scale, brightness.
    Mild,
    /// Rotation by up to 30 degrees, flips, and a random part of the picture.
    Tutorial,
    /// None: every crop as it is.
    None,
}

/// How much a crop of each class counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClassWeights {
    /// All crops alike.
    None,
    /// All classes alike: a crop of a rare class counts more.
    Balanced,
}

/// In which numbers to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArithmeticWish {
    /// bfloat16 on CUDA and on processors that compute in it, else single precision.
    Auto,
    /// Single precision.
    F32,
    /// bfloat16; weights and statistics stay in single precision.
    Bf16,
}

/// How to train. Options that are not given come from the recipe.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The set of defaults.
    #[arg(long, value_enum, default_value = "best")]
    pub recipe: Recipe,
    /// densenet121, densenet161, densenet169 or densenet201.
    #[arg(long, default_value = "densenet121")]
    pub arch: Architecture,
    /// What turns features into logits [best: linear, tutorial: tutorial].
    #[arg(long, value_enum)]
    pub head: Option<Head>,
    /// Start from these weights: .safetensors, torchvision's .pth, or our own .onnx; the head starts
    /// fresh.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Start from this exported model (.onnx), head included; its classes must be those of the data.
    #[arg(long, conflicts_with = "weights")]
    pub base: Option<PathBuf>,
    /// What does not learn [best: none, tutorial: backbone].
    #[arg(long, value_enum)]
    pub freeze: Option<Freeze>,
    /// Side of the input in pixels [best: 64, tutorial: 224].
    #[arg(long, value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub size: Option<u32>,
    /// Passes over the training cells, at most [best: 12, tutorial: 10, with --replay: 4].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub epochs: Option<u64>,
    /// Cells per step [best: 64, tutorial: 32].
    #[arg(long, value_parser = clap::value_parser!(i64).range(2..=65_536))]
    pub batch: Option<i64>,
    /// Highest learning rate [best: 0.002, tutorial: 0.003, with --replay: 0.001].
    #[arg(long)]
    pub rate: Option<f64>,
    /// The backbone's rate is this part of --rate [1 from scratch or with --replay, 0.1 from --weights or
    /// --base].
    #[arg(long)]
    pub backbone_factor: Option<f64>,
    /// Weight decay [best: 0.01, tutorial: 0].
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// The optimizer [best: adam-w, tutorial: adam].
    #[arg(long, value_enum)]
    pub optimizer: Option<Rule>,
    /// How the learning rate moves [best: one-cycle, tutorial: constant].
    #[arg(long, value_enum)]
    pub schedule: Option<Schedule>,
    /// Longest gradient; 0 for any length.
    #[arg(long, default_value_t = 0.0)]
    pub clip: f64,
    /// Part of the truth that is spread over all classes.
    #[arg(long, default_value_t = 0.0)]
    pub label_smoothing: f64,
    /// How much a crop of each class counts.
    #[arg(long, value_enum, default_value = "none")]
    pub class_weights: ClassWeights,
    /// Stop after this many epochs without a lower validation loss.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: u64,
    /// Which epoch's weights stay [best; with --replay: last].
    #[arg(long, value_enum)]
    pub keep: Option<Keep>,
    /// How much of what was learnt goes into the weights that stay, the rest being --base; wants --keep last [1; with --replay:
    /// 0.5].
    #[arg(long, value_name = "SHARE")]
    pub blend: Option<f64>,
    /// The random views [best: strong, tutorial: tutorial].
    #[arg(long, value_enum)]
    pub views: Option<Views>,
    /// How many views of each crop a frozen backbone is shown; each epoch of the head sees one.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub cached_views: u64,
    /// What the decision threshold must reach on the validation subset: specificity:0.99 for
    /// counting, sensitivity:0.95 or so for screening, or fixed:0.5.
    #[arg(long, default_value_t = Target::default())]
    pub target: Target,
    /// In which numbers to compute.
    #[arg(long, value_enum, default_value = "auto")]
    pub arithmetic: ArithmeticWish,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    pub device: Wish,
    /// Decoded crops that take more than this many GB live in a temporary file instead.
    #[arg(long, default_value_t = CROP_MEMORY as f64 / 1e9, value_name = "GB")]
    pub crop_memory: f64,
}

impl Options {
    /// What measured best where a model learns a site's cells beside some of its old ones, wherever the user is silent
    /// (docs/loop.md has the evidence).
    pub fn adapting(&self) -> Self {
        Self {
            epochs: self.epochs.or(Some(4)),
            rate: self.rate.or(Some(1e-3)),
            backbone_factor: self.backbone_factor.or(Some(1.0)),
            keep: self.keep.or(Some(Keep::Last)),
            blend: self.blend.or(Some(0.5)),
            ..self.clone()
        }
    }

    /// What is dealt to the subsets, where no split is given.
    pub fn split_by(&self) -> SplitBy {
        match self.recipe {
            Recipe::Best => SplitBy::Subject,
            Recipe::Tutorial => SplitBy::Cell,
        }
    }

    /// The head.
    pub fn head(&self) -> Head {
        self.head.unwrap_or(self.of(Head::Linear, Head::Tutorial))
    }

    /// What the network is fed.
    pub fn input(&self) -> InputSpec {
        InputSpec {
            size: self.size.unwrap_or(self.of(64, 224)),
            colour_order: "rgb".into(),
            mean: MEAN,
            std: STD,
        }
    }

    /// Crops per step.
    pub fn batch(&self) -> i64 {
        self.batch.unwrap_or(self.of(64, 32))
    }

    /// Where to compute.
    ///
    /// # Errors
    /// CUDA was asked for by name and isn't there.
    pub fn machine(&self) -> anyhow::Result<Machine> {
        Ok(Machine {
            device: self.device.device()?,
            helpers: self.device.all()?,
            crop_memory: (self.crop_memory.max(0.0) * 1e9) as u64,
        })
    }

    /// Everything that the result depends on, beside the data. `class_counts` are those of the cells
    /// to train on.
    ///
    /// # Errors
    /// A number is out of its range.
    pub fn settings(
        &self,
        class_counts: &[usize],
        machine: &Machine,
        seed: u64,
    ) -> anyhow::Result<Settings> {
        let is_fresh = self.weights.is_none() && self.base.is_none();
        let freeze = self
            .freeze
            .unwrap_or(self.of(Freeze::None, Freeze::Backbone));
        if freeze == Freeze::Backbone && is_fresh {
            return Err(bad_input!(
                "a frozen backbone needs weights that know something: give --weights (see \
                 `smearscope-train fetch weights`) or --base"
            ));
        }
        let views = self
            .views
            .unwrap_or(self.of(Views::Strong, Views::Tutorial));
        let settings = Settings {
            epochs: self.epochs.unwrap_or(self.of(12, 10)),
            batch: self.batch(),
            rate: self.rate.unwrap_or(self.of(2e-3, 3e-3)),
            backbone_factor: self
                .backbone_factor
                .unwrap_or(if is_fresh { 1.0 } else { 0.1 }),
            weight_decay: self.weight_decay.unwrap_or(self.of(0.01, 0.0)),
            optimizer: self.optimizer.unwrap_or(self.of(Rule::AdamW, Rule::Adam)),
            schedule: self
                .schedule
                .unwrap_or(self.of(Schedule::OneCycle, Schedule::Constant)),
            clip: self.clip,
            label_smoothing: self.label_smoothing,
            class_weights: match self.class_weights {
                ClassWeights::None => Vec::new(),
                ClassWeights::Balanced => balanced(class_counts),
            },
            freeze,
            cached_views: if views == Views::None {
                0
            } else {
                self.cached_views
            },
            arithmetic: match self.arithmetic {
                ArithmeticWish::F32 => Arithmetic::F32,
                ArithmeticWish::Bf16 => Arithmetic::Bf16,
                ArithmeticWish::Auto if computes_in_bf16(machine.device) => Arithmetic::Bf16,
                ArithmeticWish::Auto => Arithmetic::F32,
            },
            patience: self.patience,
            keep: self.keep.unwrap_or_default(),
            blend: self.blend.unwrap_or(1.0),
            seed,
            augment: match views {
                Views::Strong => Augment::strong(),
                Views::Mild => Augment::mild(),
                Views::Tutorial => Augment::tutorial(),
                Views::None => Augment::none(),
            },
        };
        for (name, value, most) in [
            ("--rate", settings.rate, f64::MAX),
            ("--backbone-factor", settings.backbone_factor, f64::MAX),
            ("--weight-decay", settings.weight_decay, f64::MAX),
            ("--clip", settings.clip, f64::MAX),
            ("--label-smoothing", settings.label_smoothing, 0.999),
            ("--blend", settings.blend, 1.0),
        ] {
            if !(0.0..=most).contains(&value) || (name == "--rate" && value == 0.0) {
                return Err(bad_input!(
                    "{name} {value} must be a positive number{}",
                    match most {
                        1.0 => ", at most 1",
                        ..1.0 => " below 1",
                        _ => "",
                    }
                ));
            }
        }
        if settings.blend < 1.0 && (self.base.is_none() || settings.keep != Keep::Last) {
            return Err(bad_input!(
                "--blend mixes what was learnt last with --base: give --base and --keep last, or leave it out"
            ));
        }
        Ok(settings)
    }

    fn of<T>(&self, best: T, tutorial: T) -> T {
        match self.recipe {
            Recipe::Best => best,
            Recipe::Tutorial => tutorial,
        }
    }
}

/// Weights with which every class counts alike, 1 on average over the crops.
fn balanced(counts: &[usize]) -> Vec<f64> {
    let n: usize = counts.iter().sum();
    let share = |&count: &usize| n as f64 / (counts.len() * count.max(1)) as f64;
    counts.iter().map(share).collect()
}

/// Whether bfloat16 is the faster choice: every CUDA device that libtorch 2.11 supports has it in
/// hardware or, before Ampere, emulates it well enough to train; of processors those with AVX-512
/// BF16 do.
fn computes_in_bf16(device: tch::Device) -> bool {
    match device {
        tch::Device::Cuda(_) => true,
        #[cfg(target_arch = "x86_64")]
        _ => std::arch::is_x86_feature_detected!("avx512bf16"),
        #[cfg(not(target_arch = "x86_64"))]
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_weigh_more_and_the_mean_is_one() {
        let weights = balanced(&[30, 10]);
        assert!((weights[0] * 30.0 + weights[1] * 10.0 - 40.0).abs() < 1e-12);
        assert_eq!(weights[1] / weights[0], 3.0);
    }
}
