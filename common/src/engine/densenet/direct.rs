//! A 3 × 3 convolution as one matrix product: for planes of few pixels.

use tract_onnx::prelude::*;

use super::kernel;
use super::pattern::Weights;
use super::pixels::{Border, SLACK, Step, copy_into_border, lanes, steps};
use super::product::{Panels, Product, Scratch};

/// The weights of all nine places of the kernel, side by side.
pub struct Direct {
    product: Product,
    height: usize,
    width: usize,
    between: usize,
}

/// What [`Direct`] works in.
pub struct Buffers {
    bordered: Vec<f32>,
    panels: Panels,
    steps: Vec<Step>,
}

impl Direct {
    /// Packs the weights of a convolution of `between` channels.
    pub fn new(
        weights: &Weights,
        between: usize,
        (height, width): (usize, usize),
    ) -> TractResult<Self> {
        let made = weights.bias.len();
        let choice = kernel::choose(height * width, between * 9, made)?;
        Ok(Self {
            product: Product::new(&choice, &weights.matrix, &weights.bias, made, false)?,
            height,
            width,
            between,
        })
    }

    /// Channels that are made.
    pub fn channels(&self) -> usize {
        self.product.channels()
    }

    /// Buffers for this and all other convolutions of its shape.
    pub fn buffers(&self) -> TractResult<Buffers> {
        let pixels = self.height * self.width;
        Ok(Buffers {
            bordered: vec![0.0; self.between * self.border().size + SLACK],
            panels: self.product.panels(self.product.length(), pixels)?,
            steps: Vec::new(),
        })
    }

    fn border(&self) -> Border {
        let pitch = self.width + 2;
        Border {
            size: (self.height + 2) * pitch,
            pitch,
            first: [pitch + 1; 4],
        }
    }

    /// Convolves `[between, height × width]` values into rows of `out`, from `row` on.
    pub fn run(
        &self,
        values: &[f32],
        buffers: &mut Buffers,
        scratch: &mut Scratch,
        out: &mut Tensor,
        row: usize,
    ) -> TractResult<()> {
        let border = self.border();
        let bordered = &mut buffers.bordered;
        let size = (self.height, self.width);
        copy_into_border(values, size, self.between, bordered, &border);
        let pixels = self.height * self.width;
        let length = self.product.length();
        let at_a_time = buffers.panels.pixels_at_a_time(length);
        let panel = buffers.panels.width();
        let mut first = 0;
        while first < pixels {
            let count = at_a_time.min(pixels - first);
            let (packed, distance) = buffers.panels.begin(count, length)?;
            for (index, begin) in (first..first + count).step_by(panel).enumerate() {
                let end = (begin + panel).min(first + count);
                steps(begin, end, self.width, border.pitch, &mut buffers.steps);
                let packed = &mut packed[index * distance..];
                let source = (bordered.as_slice(), self.between);
                if lanes(self.width) == 8 {
                    pack_panel::<8>(source, &border, &buffers.steps, packed, panel);
                } else {
                    pack_panel::<4>(source, &border, &buffers.steps, packed, panel);
                }
            }
            self.product
                .run(&buffers.panels, scratch, out, (row, first))?;
            first += count;
        }
        Ok(())
    }
}

/// Packs one panel: for each channel, nine rows, one for each place of the kernel.
fn pack_panel<const LANES: usize>(
    source: (&[f32], usize),
    border: &Border,
    steps: &[Step],
    packed: &mut [f32],
    panel: usize,
) {
    let (bordered, channels) = source;
    let farthest = |of: fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
    let read = channels * border.size + 2 * border.pitch + 2 + farthest(|step| step.from) + LANES;
    let written = (channels * 9 - 1) * panel + farthest(|step| step.to) + LANES;
    assert!(read <= bordered.len() + border.size && written <= packed.len());
    let mut row = 0;
    for channel in 0..channels {
        for place in 0..9 {
            let first = channel * border.size + place / 3 * border.pitch + place % 3;
            for step in steps {
                // SAFETY: neither reaches farther than what was asserted to be there.
                #[allow(unsafe_code)]
                unsafe {
                    let from = bordered.as_ptr().add(first + step.from);
                    let to = packed.as_mut_ptr().add(row + step.to);
                    to.cast::<[f32; LANES]>()
                        .write_unaligned(from.cast::<[f32; LANES]>().read_unaligned());
                }
            }
            row += panel;
        }
    }
}
