//! DenseNet (Huang et al., CVPR 2017, arXiv:1608.06993) as torchvision builds and names it.
//!
//! tch's own `vision::densenet` divides its pooling wrongly, so this is written anew. All variable
//! names equal torchvision's `state_dict`, but for `num_batches_tracked`, which nothing reads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::nn::init::{FanInOut, NonLinearity, NormalOrUniform};
use tch::nn::{self, Init, Module, ModuleT};
use tch::{Kind, Tensor};

/// The four published sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 8 M parameters.
    DenseNet121,
    /// 29 M parameters.
    DenseNet161,
    /// 14 M parameters.
    DenseNet169,
    /// 20 M parameters.
    DenseNet201,
}

/// Every architecture with its name.
const NAMES: [(Architecture, &str); 4] = [
    (Architecture::DenseNet121, "densenet121"),
    (Architecture::DenseNet161, "densenet161"),
    (Architecture::DenseNet169, "densenet169"),
    (Architecture::DenseNet201, "densenet201"),
];

/// Dense blocks of every architecture.
pub const BLOCKS: usize = 4;

/// Width of a bottleneck in growth rates.
pub const BOTTLENECK: i64 = 4;

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 4] = [
        Self::DenseNet121,
        Self::DenseNet161,
        Self::DenseNet169,
        Self::DenseNet201,
    ];

    /// Feature maps that each layer adds.
    pub fn growth(self) -> i64 {
        match self {
            Self::DenseNet161 => 48,
            _ => 32,
        }
    }

    /// Layers in each of the four dense blocks.
    pub fn blocks(self) -> [i64; BLOCKS] {
        match self {
            Self::DenseNet121 => [6, 12, 24, 16],
            Self::DenseNet161 => [6, 12, 36, 24],
            Self::DenseNet169 => [6, 12, 32, 32],
            Self::DenseNet201 => [6, 12, 48, 32],
        }
    }

    /// Feature maps of the first convolution.
    pub fn stem(self) -> i64 {
        2 * self.growth()
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES
            .iter()
            .find(|(a, _)| a == self)
            .map_or("densenet", |(_, n)| n);
        f.write_str(name)
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        NAMES
            .iter()
            .find(|(_, name)| *name == s)
            .map(|(a, _)| *a)
            .ok_or_else(|| {
                let known: Vec<_> = NAMES.iter().map(|(_, n)| *n).collect();
                format!("unknown architecture {s:?}; known are {}", known.join(", "))
            })
    }
}

/// What turns features into logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// One linear layer, `classifier`, as torchvision's.
    Linear,
    /// The tutorial's: linear to 460, ReLU, dropout, linear (`classifier.fc1`, `classifier.fc2`).
    Tutorial,
}

/// Hidden units of [`Head::Tutorial`].
pub const TUTORIAL_HIDDEN: i64 = 460;

/// Dropout of [`Head::Tutorial`].
const TUTORIAL_DROPOUT: f64 = 0.3;

/// In which numbers convolutions are computed. Weights, statistics and losses stay f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Single precision throughout.
    F32,
    /// Activations and the convolutions' copies of their weights in bfloat16.
    Bf16,
}

impl Arithmetic {
    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

#[derive(Debug)]
struct Layer {
    norm1: nn::BatchNorm,
    conv1: Conv,
    norm2: nn::BatchNorm,
    conv2: Conv,
}

#[derive(Debug)]
struct Transition {
    norm: nn::BatchNorm,
    conv: Conv,
}

#[derive(Debug)]
enum Classifier {
    Linear(nn::Linear),
    Tutorial(nn::Linear, nn::Linear),
}

/// The network: `[N, 3, H, W]` normalised pixels → `[N, classes]` logits. H and W at least 32.
#[derive(Debug)]
pub struct DenseNet {
    stem: Conv,
    stem_norm: nn::BatchNorm,
    blocks: Vec<(Vec<Layer>, Option<Transition>)>,
    last_norm: nn::BatchNorm,
    classifier: Classifier,
    arithmetic: Arithmetic,
}

/// A convolution without bias, padded by half its kernel.
#[derive(Debug)]
struct Conv {
    weight: Tensor,
    stride: i64,
}

impl Conv {
    /// In the numbers of its input: f32 weights are rounded for the occasion, and their gradient
    /// comes back as f32.
    fn forward(&self, x: &Tensor) -> Tensor {
        let weight = self.weight.to_kind(x.kind());
        let padding = self.weight.size()[2] / 2;
        x.conv2d(
            &weight,
            None::<Tensor>,
            [self.stride; 2],
            [padding; 2],
            [1; 2],
            1,
        )
    }
}

fn conv(path: nn::Path<'_>, from: i64, to: i64, kernel: i64, stride: i64) -> Conv {
    let init = Init::Kaiming {
        dist: NormalOrUniform::Normal,
        fan: FanInOut::FanIn,
        non_linearity: NonLinearity::ReLU,
    };
    Conv {
        weight: path.var("weight", &[to, from, kernel, kernel], init),
        stride,
    }
}

fn norm(path: nn::Path<'_>, width: i64) -> nn::BatchNorm {
    // tch would draw the weights from a uniform distribution.
    let config = nn::BatchNormConfig {
        ws_init: Init::Const(1.0),
        ..Default::default()
    };
    nn::batch_norm2d(path, width, config)
}

fn linear(path: nn::Path<'_>, from: i64, to: i64) -> nn::Linear {
    nn::linear(path, from, to, nn::LinearConfig::default())
}

impl DenseNet {
    /// Makes the network's variables under `root`, freshly initialised.
    pub fn new(root: &nn::Path<'_>, architecture: Architecture, head: Head, classes: i64) -> Self {
        let features = root / "features";
        let growth = architecture.growth();
        let mut width = architecture.stem();
        let stem = conv(&features / "conv0", 3, width, 7, 2);
        let stem_norm = norm(&features / "norm0", width);
        let depths = architecture.blocks();
        let mut blocks = Vec::new();
        for (b, depth) in depths.into_iter().enumerate() {
            let path = &features / format!("denseblock{}", b + 1);
            let layers = (0..depth)
                .map(|l| {
                    let path = &path / format!("denselayer{}", l + 1);
                    let inner = BOTTLENECK * growth;
                    let layer = Layer {
                        norm1: norm(&path / "norm1", width),
                        conv1: conv(&path / "conv1", width, inner, 1, 1),
                        norm2: norm(&path / "norm2", inner),
                        conv2: conv(&path / "conv2", inner, growth, 3, 1),
                    };
                    width += growth;
                    layer
                })
                .collect();
            let transition = (b + 1 < depths.len()).then(|| {
                let path = &features / format!("transition{}", b + 1);
                let transition = Transition {
                    norm: norm(&path / "norm", width),
                    conv: conv(&path / "conv", width, width / 2, 1, 1),
                };
                width /= 2;
                transition
            });
            blocks.push((layers, transition));
        }
        let last_norm = norm(&features / "norm5", width);
        let path = root / "classifier";
        let classifier = match head {
            Head::Linear => Classifier::Linear(linear(path, width, classes)),
            Head::Tutorial => Classifier::Tutorial(
                linear(&path / "fc1", width, TUTORIAL_HIDDEN),
                linear(&path / "fc2", TUTORIAL_HIDDEN, classes),
            ),
        };
        Self {
            stem,
            stem_norm,
            blocks,
            last_norm,
            classifier,
            arithmetic: Arithmetic::F32,
        }
    }

    /// Computes in other numbers from now on; f32 until then.
    pub fn set_arithmetic(&mut self, arithmetic: Arithmetic) {
        self.arithmetic = arithmetic;
    }

    /// `[N, 3, H, W]` → `[N, features]` f32. With `train`, batch statistics are used and the running
    /// ones move.
    pub fn features(&self, pixels: &Tensor, train: bool) -> Tensor {
        self.pooled(self.maps(pixels, BLOCKS, train), BLOCKS, train)
    }

    /// `[N, 3, H, W]` → the feature maps `[N, C, h, w]` that the first `blocks` dense blocks leave;
    /// `blocks` is at most [`BLOCKS`].
    pub fn maps(&self, pixels: &Tensor, blocks: usize, train: bool) -> Tensor {
        let pixels = pixels.to_kind(self.arithmetic.kind());
        let stem = self
            .stem_norm
            .forward_t(&self.stem.forward(&pixels), train)
            .relu_()
            .max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        (0..blocks).fold(stem, |x, block| self.block(block, x, train))
    }

    /// The rest of [`DenseNet::features`] after [`DenseNet::maps`] with the same `blocks`.
    pub fn pooled(&self, maps: Tensor, blocks: usize, train: bool) -> Tensor {
        let maps = (blocks..BLOCKS).fold(maps, |x, block| self.block(block, x, train));
        self.last_norm
            .forward_t(&maps, train)
            .relu_()
            .adaptive_avg_pool2d([1, 1])
            .flatten(1, -1)
            .to_kind(Kind::Float)
    }

    /// The transition from the block before, if there is one, and all layers of a dense block.
    fn block(&self, block: usize, maps: Tensor, train: bool) -> Tensor {
        let before = block.checked_sub(1).and_then(|b| self.blocks[b].1.as_ref());
        let mut x = match before {
            Some(Transition { norm, conv }) => conv
                .forward(&norm.forward_t(&maps, train).relu_())
                .avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>),
            None => maps,
        };
        for layer in &self.blocks[block].0 {
            let inner = layer
                .conv1
                .forward(&layer.norm1.forward_t(&x, train).relu_());
            let new = layer
                .conv2
                .forward(&layer.norm2.forward_t(&inner, train).relu_());
            x = Tensor::cat(&[x, new], 1);
        }
        x
    }

    /// `[N, features]` → `[N, classes]` logits. With `train`, dropout is on.
    pub fn head(&self, features: &Tensor, train: bool) -> Tensor {
        match &self.classifier {
            Classifier::Linear(linear) => linear.forward(features),
            Classifier::Tutorial(fc1, fc2) => {
                let hidden = fc1
                    .forward(features)
                    .relu()
                    .dropout(TUTORIAL_DROPOUT, train);
                fc2.forward(&hidden)
            }
        }
    }
}

impl ModuleT for DenseNet {
    fn forward_t(&self, pixels: &Tensor, train: bool) -> Tensor {
        self.head(&self.features(pixels, train), train)
    }
}

/// The same values laid out with the channels last, which convolutions on a CPU like better.
pub fn channels_last(pixels: &Tensor) -> Tensor {
    pixels
        .permute([0, 2, 3, 1])
        .contiguous()
        .permute([0, 3, 1, 2])
}
