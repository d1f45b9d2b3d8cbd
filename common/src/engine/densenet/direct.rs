//! A 3 × 3 convolution as one matrix product: for planes of few pixels.

use tract_onnx::prelude::*;

use super::kernel;
use super::pattern::Weights;
use super::pixels::{Border, SLACK, copy_into_border, with_wide_vectors};
use super::product::{Panels, Product, Scratch};

/// Values that are copied at once.
const LANES: usize = 8;

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
    runs: Vec<Run>,
}

/// Pixels of a panel that lie side by side in the plane.
struct Run {
    to: usize,
    from: usize,
    vectors: usize,
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
            runs: Vec::new(),
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
                runs_of(begin, end, self.width, &mut buffers.runs);
                let packed = &mut packed[index * distance..];
                pack_panel(bordered, self.between, &border, &buffers.runs, packed, panel);
            }
            self.product
                .run(&buffers.panels, scratch, out, (row, first))?;
            first += count;
        }
        Ok(())
    }
}

/// The pixels from `begin` to `end`, as they lie in rows of `width` with a border.
fn runs_of(begin: usize, end: usize, width: usize, runs: &mut Vec<Run>) {
    runs.clear();
    let mut pixel = begin;
    while pixel < end {
        let (y, x) = (pixel / width, pixel % width);
        let count = (width - x).min(end - pixel);
        runs.push(Run {
            to: pixel - begin,
            from: y * (width + 2) + x,
            vectors: count.div_ceil(LANES),
        });
        pixel += count;
    }
}

/// Packs one panel: for each channel, nine rows, one for each place of the kernel. Each run is
/// copied in whole vectors; what is too much is overwritten by the next run or row.
fn pack_panel(
    bordered: &[f32],
    channels: usize,
    border: &Border,
    runs: &[Run],
    packed: &mut [f32],
    panel: usize,
) {
    #[inline(always)]
    fn pack(
        bordered: &[f32],
        channels: usize,
        border: &Border,
        runs: &[Run],
        packed: &mut [f32],
        panel: usize,
    ) {
        for channel in 0..channels {
            let plane = &bordered[channel * border.size..];
            for place in 0..9 {
                let from = &plane[place / 3 * border.pitch + place % 3..];
                let to = &mut packed[(channel * 9 + place) * panel..];
                for run in runs {
                    let from = &from[run.from..][..run.vectors * LANES];
                    let to = &mut to[run.to..][..run.vectors * LANES];
                    let vectors = from.as_chunks::<LANES>().0;
                    for (to, from) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(vectors) {
                        *to = *from;
                    }
                }
            }
        }
    }
    with_wide_vectors!(pack(
        bordered: &[f32],
        channels: usize,
        border: &Border,
        runs: &[Run],
        packed: &mut [f32],
        panel: usize
    ));
}
