//! A whole dense block, with the transition after it, as one operator of tract.
//!
//! All channels of the block lie in one buffer, `[channels, pixels]`, to which each layer appends
//! its own: nothing is concatenated. Where the plane has an even height and width and enough
//! pixels, they are in the order of *phases*: first the pixels of even rows and even columns, then
//! even rows and odd columns, odd and even, odd and odd. Only the 3 × 3 convolution and the average
//! of the transition care, and for both it is the better order.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::direct::{self, Direct, Geometry};
use super::graph::Activation;
use super::kernel::{Chooser, Shape};
use super::operator::Computation;
use super::pattern::Found;
use super::pixels::{Plane, SLACK, pack_activated};
use super::product::{Panels, Product, Scratch};
use super::winograd::{self, Winograd};

/// Fewer tiles of 2 × 2 pixels than this, and the convolution is direct: 16 products of so few
/// pixels each would leave a kernel's tile half empty.
const LEAST_TILES: usize = 16;

/// A dense block and the transition after it, if there is one.
pub struct DenseBlock {
    /// Of the input.
    channels: usize,
    height: usize,
    width: usize,
    layers: Vec<Layer>,
    transition: Option<Transition>,
}

struct Layer {
    activation: Activation,
    bottleneck: Product,
    growth: Growth,
}

/// The 3 × 3 convolution.
enum Growth {
    Direct(Box<Direct>),
    Winograd(Winograd),
}

struct Transition {
    activation: Activation,
    /// Averages are never negative: packed as they are.
    as_it_is: Activation,
    product: Product,
}

impl DenseBlock {
    /// Packs the weights of a block for this machine's kernels.
    ///
    /// # Errors
    /// When tract can't pack them.
    pub fn new(kernels: &Chooser, found: &Found) -> TractResult<Self> {
        let [channels, height, width] = found.shape;
        let pixels = height * width;
        let even = height % 2 == 0 && width % 2 == 0;
        let tiles = (even && pixels / 4 >= LEAST_TILES).then_some((height / 2, width / 2));
        // One kernel for all layers, since they share their panels.
        let lengths = found
            .layers
            .iter()
            .map(|layer| layer.activation.scale.len());
        let lengths: Vec<_> = lengths.collect();
        let layers = found
            .layers
            .iter()
            .map(|layer| {
                let between = layer.bottleneck.bias.len();
                let choice = kernels.choose(Shape::new(pixels, &lengths, between))?;
                let geometry = Geometry {
                    input: [between, height, width],
                    side: 3,
                    stride: 1,
                    border: 1,
                };
                let weights = &layer.growth;
                let growth = match tiles {
                    Some(tiles) => {
                        Growth::Winograd(Winograd::new(kernels, weights, between, tiles)?)
                    }
                    None => {
                        Growth::Direct(Box::new(Direct::new(kernels, weights, geometry, false)?))
                    }
                };
                let bottleneck = &layer.bottleneck;
                let (matrix, bias) = (bottleneck.matrix()?, &bottleneck.bias);
                Ok(Layer {
                    activation: layer.activation.clone(),
                    bottleneck: Product::new(&choice, &matrix, bias, between, true)?,
                    growth,
                })
            })
            .collect::<TractResult<_>>()?;
        let transition = found.transition.as_ref().map(|transition| {
            let (matrix, bias) = (transition.weights.matrix()?, &transition.weights.bias);
            let length = transition.activation.scale.len();
            let choice = kernels.choose(Shape::new(pixels / 4, &[length], bias.len()))?;
            TractResult::Ok(Transition {
                activation: transition.activation.clone(),
                as_it_is: Activation {
                    scale: vec![1.0; length],
                    shift: vec![0.0; length],
                },
                product: Product::new(&choice, &matrix, bias, bias.len(), false)?,
            })
        });
        Ok(Self {
            channels,
            height,
            width,
            layers,
            transition: transition.transpose()?,
        })
    }

    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether pixels are in the order of phases.
    fn in_phases(&self) -> bool {
        matches!(self.layers[0].growth, Growth::Winograd(_))
    }

    fn all_channels(&self) -> usize {
        let made = self.layers.iter().map(|layer| layer.growth.channels());
        self.channels + made.sum::<usize>()
    }

    /// Where in a plane of the buffer a pixel lies.
    fn place(&self, y: usize, x: usize) -> usize {
        if self.in_phases() {
            let (rows, columns) = (self.height / 2, self.width / 2);
            (y % 2 * 2 + x % 2) * rows * columns + y / 2 * columns + x / 2
        } else {
            y * self.width + x
        }
    }
}

/// What one thread works in.
pub struct Buffers {
    scratch: Scratch,
    /// `[all channels, pixels]`, and some rows that are only read by accident.
    block: Tensor,
    /// What the 1 × 1 convolution of a layer makes.
    between: Tensor,
    bottleneck: Panels,
    growth: GrowthBuffers,
    transition: Option<(Vec<f32>, Panels)>,
    /// Where each pixel of a plane lies in the buffer.
    places: Vec<usize>,
}

enum GrowthBuffers {
    Direct(direct::Buffers),
    Winograd(winograd::Buffers),
}

impl Buffers {
    fn new(block: &DenseBlock) -> TractResult<Self> {
        let pixels = block.pixels();
        let all = block.all_channels();
        let first = &block.layers[0];
        let between = first.bottleneck.channels();
        let more = SLACK.div_ceil(pixels);
        let longest = block
            .layers
            .iter()
            .map(|layer| layer.bottleneck.length())
            .max();
        let transition = block.transition.as_ref().map(|transition| {
            let product = &transition.product;
            let pooled = vec![0.0; product.length() * pixels / 4 + SLACK];
            let panels = product.panels(product.length(), pixels / 4)?;
            TractResult::Ok((pooled, panels))
        });
        Ok(Self {
            scratch: first.bottleneck.scratch(),
            block: Tensor::zero::<f32>(&[all + more, pixels])?,
            between: Tensor::zero::<f32>(&[between + more, pixels])?,
            bottleneck: first
                .bottleneck
                .panels(longest.unwrap_or_default(), pixels)?,
            growth: match &first.growth {
                Growth::Direct(direct) => GrowthBuffers::Direct(direct.buffers()?),
                Growth::Winograd(winograd) => GrowthBuffers::Winograd(winograd.buffers()?),
            },
            transition: transition.transpose()?,
            places: (0..pixels)
                .map(|pixel| block.place(pixel / block.width, pixel % block.width))
                .collect(),
        })
    }

    fn run(&mut self, block: &DenseBlock, input: &[f32], output: &mut Tensor) -> TractResult<()> {
        let pixels = block.pixels();
        ensure!(
            input.len() == block.channels * pixels,
            "a block's input has another shape"
        );
        let mut values = self.block.try_as_plain_ram_mut()?;
        let planes = values.as_slice_mut::<f32>()?.chunks_exact_mut(pixels);
        for (to, from) in planes.zip(input.chunks_exact(pixels)) {
            if block.in_phases() {
                for (&place, &value) in self.places.iter().zip(from) {
                    to[place] = value;
                }
            } else {
                to.copy_from_slice(from);
            }
        }
        let mut row = block.channels;
        for layer in &block.layers {
            self.run_layer(layer, pixels, row)?;
            row += layer.growth.channels();
        }
        match &block.transition {
            Some(transition) => self.run_transition(block, transition, output),
            None => {
                let values = self.block.try_as_plain_ram()?;
                let planes = values.as_slice::<f32>()?.chunks_exact(pixels);
                let mut output = output.try_as_plain_ram_mut()?;
                let output = output.as_slice_mut::<f32>()?.chunks_exact_mut(pixels);
                for (to, from) in output.zip(planes) {
                    for (to, &place) in to.iter_mut().zip(&self.places) {
                        *to = from[place];
                    }
                }
                Ok(())
            }
        }
    }

    /// Appends a layer's channels to the block's, of which there are `row`.
    fn run_layer(&mut self, layer: &Layer, pixels: usize, row: usize) -> TractResult<()> {
        let values = self.block.try_as_plain_ram()?;
        let values = values.as_slice::<f32>()?;
        let at_a_time = self.bottleneck.pixels_at_a_time(row);
        let width = self.bottleneck.width();
        for first in (0..pixels).step_by(at_a_time) {
            let plane = Plane {
                values,
                pitch: pixels,
                pixels: (first, at_a_time.min(pixels - first)),
            };
            let packed = self.bottleneck.begin(plane.pixels.1, row)?;
            pack_activated(plane, &layer.activation, packed, width);
            layer.bottleneck.run(
                &self.bottleneck,
                &mut self.scratch,
                &mut self.between,
                (0, first),
            )?;
        }
        let between = self.between.try_as_plain_ram()?;
        let between = between.as_slice::<f32>()?;
        let (scratch, block) = (&mut self.scratch, &mut self.block);
        match (&layer.growth, &mut self.growth) {
            (Growth::Direct(growth), GrowthBuffers::Direct(buffers)) => {
                growth.run(between, buffers, scratch, block, row)
            }
            (Growth::Winograd(growth), GrowthBuffers::Winograd(buffers)) => {
                growth.run(between, buffers, scratch, block, row)
            }
            _ => bail!("buffers of another block"),
        }
    }

    /// Averages before it convolves, which is the same and a quarter of the work.
    fn run_transition(
        &mut self,
        block: &DenseBlock,
        transition: &Transition,
        output: &mut Tensor,
    ) -> TractResult<()> {
        let Some((pooled, panels)) = &mut self.transition else {
            bail!("buffers of another block");
        };
        let pixels = block.pixels();
        let values = self.block.try_as_plain_ram()?;
        let planes = values.as_slice::<f32>()?.chunks_exact(pixels);
        let (rows, columns) = (block.height / 2, block.width / 2);
        let quarter = rows * columns;
        let Activation { scale, shift } = &transition.activation;
        for (channel, (from, to)) in planes.zip(pooled.chunks_exact_mut(quarter)).enumerate() {
            let Some((&scale, &shift)) = scale.get(channel).zip(shift.get(channel)) else {
                // The rows after the last channel are the block's slack.
                break;
            };
            let active = |value: f32| {
                let value = value * scale + shift;
                if value < 0.0 { 0.0 } else { value }
            };
            if block.in_phases() {
                let phases = from.split_at(quarter * 2);
                let (a, b) = phases.0.split_at(quarter);
                let (c, d) = phases.1.split_at(quarter);
                for ((((to, &a), &b), &c), &d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *to = (active(a) + active(b) + active(c) + active(d)) * 0.25;
                }
            } else {
                for (index, to) in to.iter_mut().enumerate() {
                    let (y, x) = (index / columns * 2, index % columns * 2);
                    let upper = &from[y * block.width + x..][..2];
                    let lower = &from[(y + 1) * block.width + x..][..2];
                    let sum: f32 = upper.iter().chain(lower).map(|&v| active(v)).sum();
                    *to = sum * 0.25;
                }
            }
        }
        let length = scale.len();
        let at_a_time = panels.pixels_at_a_time(length);
        let width = panels.width();
        for first in (0..quarter).step_by(at_a_time) {
            let plane = Plane {
                values: pooled,
                pitch: quarter,
                pixels: (first, at_a_time.min(quarter - first)),
            };
            let packed = panels.begin(plane.pixels.1, length)?;
            pack_activated(plane, &transition.as_it_is, packed, width);
            transition
                .product
                .run(panels, &mut self.scratch, output, (0, first))?;
        }
        Ok(())
    }
}

impl Growth {
    fn channels(&self) -> usize {
        match self {
            Self::Direct(direct) => direct.channels(),
            Self::Winograd(winograd) => winograd.channels(),
        }
    }
}

impl Computation for DenseBlock {
    type Buffers = Buffers;

    const NAME: &'static str = "DenseBlock";

    fn made(&self) -> [usize; 3] {
        match &self.transition {
            Some(transition) => [
                transition.product.channels(),
                self.height / 2,
                self.width / 2,
            ],
            None => [self.all_channels(), self.height, self.width],
        }
    }

    fn buffers(&self) -> TractResult<Buffers> {
        Buffers::new(self)
    }

    fn run(&self, buffers: &mut Buffers, input: &[f32], output: &mut Tensor) -> TractResult<()> {
        buffers.run(self, input, output)
    }
}
