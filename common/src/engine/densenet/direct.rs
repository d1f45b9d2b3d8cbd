//! A square convolution as one matrix product: the 3 × 3 for planes of few pixels, and the stem.

use tract_onnx::prelude::*;

use super::graph::Weights;
use super::kernel::{Chooser, Shape};
use super::pixels::{Border, SLACK, Step, copy_into_border, lanes, steps};
use super::product::{Panels, Product, Scratch};

/// What a convolution reads and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Channels, height and width of what is read.
    pub input: [usize; 3],
    /// Of the kernel.
    pub side: usize,
    /// From a result to the next: 1 or 2 pixels.
    pub stride: usize,
    /// Zeros around the plane, on each side.
    pub border: usize,
}

impl Geometry {
    /// Height and width of what is made.
    pub fn made(&self) -> (usize, usize) {
        let [_, height, width] = self.input;
        let along = |length: usize| (length + 2 * self.border - self.side) / self.stride + 1;
        (along(height), along(width))
    }

    /// Of one phase of a plane: at stride 2, even and odd columns lie apart, so that neighbours in
    /// the result are neighbours in what is read.
    fn phase(&self) -> (usize, usize) {
        let [_, height, width] = self.input;
        let pitch = (width + 2 * self.border).div_ceil(self.stride);
        ((height + 2 * self.border) * pitch, pitch)
    }

    /// Where the values for each place of the kernel begin in a channel.
    fn places(&self) -> Vec<usize> {
        let (size, pitch) = self.phase();
        let place = |y: usize, x: usize| x % self.stride * size + y * pitch + x / self.stride;
        let rows = 0..self.side;
        rows.flat_map(|y| (0..self.side).map(move |x| place(y, x)))
            .collect()
    }
}

/// The weights of all places of the kernel, side by side.
pub struct Direct {
    product: Product,
    geometry: Geometry,
}

/// What [`Direct`] works in.
pub struct Buffers {
    bordered: Vec<f32>,
    panels: Panels,
    places: Vec<usize>,
    steps: Vec<Step>,
}

impl Direct {
    /// Packs the weights of a convolution; with `relu`, what it makes is cut off below zero.
    pub fn new(
        kernels: &Chooser,
        weights: &Weights,
        geometry: Geometry,
        relu: bool,
    ) -> TractResult<Self> {
        let made = weights.bias.len();
        let (height, width) = geometry.made();
        let choice = kernels.choose(Shape::new(height * width, &[weights.length()], made))?;
        Ok(Self {
            product: Product::new(&choice, &weights.matrix()?, &weights.bias, made, relu)?,
            geometry,
        })
    }

    /// Channels that are made.
    pub fn channels(&self) -> usize {
        self.product.channels()
    }

    /// What a thread keeps between calls of a kernel.
    pub fn scratch(&self) -> Scratch {
        self.product.scratch()
    }

    /// Buffers for this and all other convolutions of its shape.
    pub fn buffers(&self) -> TractResult<Buffers> {
        let (height, width) = self.geometry.made();
        let channel = self.geometry.phase().0 * self.geometry.stride;
        Ok(Buffers {
            bordered: vec![0.0; self.geometry.input[0] * channel + SLACK],
            panels: self.product.panels(self.product.length(), height * width)?,
            places: self.geometry.places(),
            steps: Vec::new(),
        })
    }

    /// Convolves the values of all channels into rows of `out`, from `row` on.
    pub fn run(
        &self,
        values: &[f32],
        buffers: &mut Buffers,
        scratch: &mut Scratch,
        out: &mut Tensor,
        row: usize,
    ) -> TractResult<()> {
        self.surround(values, &mut buffers.bordered);
        let (height, width) = self.geometry.made();
        let (size, pitch) = self.geometry.phase();
        let length = self.product.length();
        let at_a_time = buffers.panels.pixels_at_a_time(length);
        let panel = buffers.panels.width();
        for first in (0..height * width).step_by(at_a_time) {
            let end = (first + at_a_time).min(height * width);
            let (packed, distance) = buffers.panels.begin(end - first, length)?;
            for (index, begin) in (first..end).step_by(panel).enumerate() {
                let last = (begin + panel).min(end);
                let apart = pitch * self.geometry.stride;
                steps(begin, last, width, apart, &mut buffers.steps);
                let source = Source {
                    values: &buffers.bordered,
                    channels: self.geometry.input[0],
                    channel: size * self.geometry.stride,
                    places: &buffers.places,
                };
                let packed = &mut packed[index * distance..];
                if lanes(width) == 8 {
                    pack_panel::<8>(source, &buffers.steps, packed, panel);
                } else {
                    pack_panel::<4>(source, &buffers.steps, packed, panel);
                }
            }
            self.product
                .run(&buffers.panels, scratch, out, (row, first))?;
        }
        Ok(())
    }

    /// Copies the planes to where they have zeros around.
    fn surround(&self, values: &[f32], bordered: &mut [f32]) {
        let [channels, height, width] = self.geometry.input;
        let (size, pitch) = self.geometry.phase();
        let border = self.geometry.border;
        if self.geometry.stride == 1 {
            let border = Border {
                size,
                pitch,
                first: [border * pitch + border; 4],
            };
            copy_into_border(values, (height, width), channels, bordered, &border);
            return;
        }
        for (row, from) in values
            .chunks_exact(width)
            .take(channels * height)
            .enumerate()
        {
            let (channel, y) = (row / height, row % height + border);
            for phase in 0..2 {
                // The first pixel of this phase, and its place among the columns of the phase.
                let x = (phase + border) % 2;
                let to = (channel * 2 + phase) * size + y * pitch + (x + border) / 2;
                let from = from.get(x..).unwrap_or_default().iter().step_by(2);
                for (to, from) in bordered[to..].iter_mut().zip(from) {
                    *to = *from;
                }
            }
        }
    }
}

/// Planes with a border.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// With [`SLACK`] more than the channels have.
    values: &'a [f32],
    channels: usize,
    /// Values of a channel.
    channel: usize,
    places: &'a [usize],
}

/// Packs one panel: for each channel a row for each place of the kernel.
fn pack_panel<const LANES: usize>(
    source: Source<'_>,
    steps: &[Step],
    packed: &mut [f32],
    panel: usize,
) {
    let farthest = |of: fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
    let last_place = source.places.iter().max().unwrap_or(&0);
    let last_channel = (source.channels - 1) * source.channel;
    let read = last_channel + last_place + farthest(|step| step.from) + LANES;
    let rows = source.channels * source.places.len();
    let written = (rows - 1) * panel + farthest(|step| step.to) + LANES;
    assert!(read <= source.values.len() && written <= packed.len());
    let mut row = 0;
    for channel in 0..source.channels {
        for place in source.places {
            let first = channel * source.channel + place;
            for step in steps {
                // SAFETY: neither reaches farther than what was asserted to be there.
                #[allow(unsafe_code)]
                unsafe {
                    let from = source.values.as_ptr().add(first + step.from);
                    let to = packed.as_mut_ptr().add(row + step.to);
                    to.cast::<[f32; LANES]>()
                        .write_unaligned(from.cast::<[f32; LANES]>().read_unaligned());
                }
            }
            row += panel;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panels of every width that a kernel may have, over rows that fill no vector.
    #[test]
    fn panels_of_every_width_hold_what_the_kernel_lies_on() {
        for (height, width) in [(1, 1), (2, 3), (4, 4), (5, 7), (3, 9)] {
            let geometry = Geometry {
                input: [2, height, width],
                side: 3,
                stride: 1,
                border: 1,
            };
            let (size, pitch) = geometry.phase();
            let values: Vec<f32> = (0..2 * size + SLACK).map(|value| value as f32).collect();
            let places = geometry.places();
            let source = Source {
                values: &values,
                channels: 2,
                channel: size,
                places: &places,
            };
            for panel in 1..=64 {
                for begin in (0..height * width).step_by(panel) {
                    let end = (begin + panel).min(height * width);
                    let mut found = Vec::new();
                    steps(begin, end, width, pitch, &mut found);
                    let mut packed = vec![-1.0; 18 * panel + SLACK];
                    if lanes(width) == 8 {
                        pack_panel::<8>(source, &found, &mut packed, panel);
                    } else {
                        pack_panel::<4>(source, &found, &mut packed, panel);
                    }
                    for (row, packed) in packed.chunks_exact(panel).take(18).enumerate() {
                        for (pixel, value) in (begin..end).zip(packed) {
                            let at = row / 9 * size + places[row % 9];
                            let wanted = at + pixel / width * pitch + pixel % width;
                            assert_eq!(*value, wanted as f32, "{panel} {row} {pixel}");
                        }
                    }
                }
            }
        }
    }
}
