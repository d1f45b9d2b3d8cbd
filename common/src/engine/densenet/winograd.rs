//! A 3 × 3 convolution by Winograd's minimal filtering F(2 × 2, 3 × 3): for planes of many pixels.
//!
//! A tile of 2 × 2 results depends on 4 × 4 values. Both the values and the weights are transformed
//! by sums and differences, so that 16 products make the four results instead of 36. Each of the 16
//! is a matrix product over the channels, for all tiles at once.
//!
//! Pixels are in the order of [`super::block`]: the four pixels of a tile lie in four *phases*,
//! each of which holds one pixel of all tiles, so that all sums run along whole rows of tiles.

use tract_onnx::prelude::*;

use super::graph::Weights;
use super::kernel::{Chooser, Shape};
use super::pixels::{Border, SLACK, Step, copy_into_border, lanes, steps, with_wide_vectors};
use super::product::{Panels, Product, Scratch};

/// Results that are transformed at once.
const LANES: usize = 8;

/// Products for each tile and pair of channels.
const PLACES: usize = 16;

/// The transformed weights.
pub struct Winograd {
    products: Vec<Product>,
    /// Rows and columns of tiles.
    tiles: (usize, usize),
    between: usize,
    bias: Vec<f32>,
}

/// What [`Winograd`] works in.
pub struct Buffers {
    bordered: Vec<f32>,
    panels: Vec<Panels>,
    made: Tensor,
    /// Tiles that are transformed and packed at a time.
    at_a_time: usize,
    steps: Vec<Step>,
}

impl Winograd {
    /// Transforms and packs the weights of a convolution of `between` channels.
    pub fn new(
        kernels: &Chooser,
        weights: &Weights,
        between: usize,
        tiles: (usize, usize),
    ) -> TractResult<Self> {
        let made = weights.bias.len();
        let choice = kernels.choose(Shape::new(tiles.0 * tiles.1, &[between], made))?;
        let mut transformed = vec![vec![0.0; made * between]; PLACES];
        for (pair, kernel) in weights.matrix()?.chunks_exact(9).enumerate() {
            for (place, value) in transform_weights(kernel).into_iter().enumerate() {
                transformed[place][pair] = value;
            }
        }
        let products = transformed
            .iter()
            .map(|matrix| Product::new(&choice, matrix, &vec![0.0; made], made, false))
            .collect::<TractResult<_>>()?;
        Ok(Self {
            products,
            tiles,
            between,
            bias: weights.bias.clone(),
        })
    }

    /// Channels that are made.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Buffers for this and all other convolutions of its shape.
    pub fn buffers(&self) -> TractResult<Buffers> {
        let count = self.tiles.0 * self.tiles.1;
        let at_a_time = self.at_a_time(&self.products[0].panels(self.between, count)?);
        let panels = self
            .products
            .iter()
            .map(|product| product.panels(self.between, at_a_time))
            .collect::<TractResult<Vec<_>>>()?;
        Ok(Buffers {
            bordered: vec![0.0; self.between * 4 * self.border().size + SLACK],
            // A row more: whole vectors are read.
            made: Tensor::zero::<f32>(&[PLACES * self.bias.len() + LANES, at_a_time])?,
            panels,
            at_a_time,
            steps: Vec::new(),
        })
    }

    /// Tiles that are transformed at a time: all 16 places are kept packed at once.
    fn at_a_time(&self, whole: &Panels) -> usize {
        let width = whole.width();
        (whole.pixels_at_a_time(self.between) / PLACES).max(width) / width * width
    }

    /// Pixels of odd rows are also read from the row before the first tile, those of even rows from
    /// the row after the last; columns likewise.
    fn border(&self) -> Border {
        let pitch = self.tiles.1 + 1;
        Border {
            size: (self.tiles.0 + 1) * pitch,
            pitch,
            first: [0, 1, pitch, pitch + 1],
        }
    }

    /// Convolves `[between, pixels]` values into rows of `out`, from `row` on.
    pub fn run(
        &self,
        values: &[f32],
        buffers: &mut Buffers,
        scratch: &mut Scratch,
        out: &mut Tensor,
        row: usize,
    ) -> TractResult<()> {
        let border = self.border();
        copy_into_border(
            values,
            self.tiles,
            self.between * 4,
            &mut buffers.bordered,
            &border,
        );
        let count = self.tiles.0 * self.tiles.1;
        let at_a_time = buffers.at_a_time;
        let mut first = 0;
        while first < count {
            let tiles = at_a_time.min(count - first);
            self.pack(buffers, &border, first, tiles)?;
            for (place, product) in self.products.iter().enumerate() {
                let to = (place * self.bias.len(), 0);
                product.run(&buffers.panels[place], scratch, &mut buffers.made, to)?;
            }
            let made = buffers.made.try_as_plain_ram()?;
            let mut out = out.try_as_plain_ram_mut()?;
            let out = &mut out.as_slice_mut::<f32>()?[row * count * 4..];
            transform_results(
                made.as_slice()?,
                at_a_time,
                tiles,
                &self.bias,
                (out, count, first),
            );
            first += tiles;
        }
        Ok(())
    }

    /// Transforms and packs `tiles` tiles.
    fn pack(
        &self,
        buffers: &mut Buffers,
        border: &Border,
        first: usize,
        tiles: usize,
    ) -> TractResult<()> {
        let width = buffers.panels[0].width();
        let mut distance = 0;
        let mut packed: [&mut [f32]; PLACES] = Default::default();
        for (packed, panels) in packed.iter_mut().zip(&mut buffers.panels) {
            (*packed, distance) = panels.begin(tiles, self.between)?;
        }
        for (index, begin) in (first..first + tiles).step_by(width).enumerate() {
            let end = (begin + width).min(first + tiles);
            steps(begin, end, self.tiles.1, border.pitch, &mut buffers.steps);
            let mut places = packed
                .each_mut()
                .map(|packed| &mut packed[index * distance..]);
            let source = (buffers.bordered.as_slice(), self.between);
            if lanes(self.tiles.1) == 8 {
                transform_panel::<8>(source, border, &buffers.steps, &mut places, width);
            } else {
                transform_panel::<4>(source, border, &buffers.steps, &mut places, width);
            }
        }
        Ok(())
    }
}

/// `G g Gᵀ` of a 3 × 3 kernel.
fn transform_weights(kernel: &[f32]) -> [f32; PLACES] {
    let along = |[a, b, c]: [f32; 3]| {
        let (ends, middle) = ((a + c) * 0.5, b * 0.5);
        [a, ends + middle, ends - middle, c]
    };
    let row = |y: usize| along([kernel[y * 3], kernel[y * 3 + 1], kernel[y * 3 + 2]]);
    let rows = [row(0), row(1), row(2)];
    let mut made = [0.0; PLACES];
    for x in 0..4 {
        let column = along([rows[0][x], rows[1][x], rows[2][x]]);
        for y in 0..4 {
            made[y * 4 + x] = column[y];
        }
    }
    made
}

/// `Bᵀ d` of four vectors.
#[inline(always)]
fn along_values<const LANES: usize>(values: &mut [[f32; LANES]; 4]) {
    let [a, b, c, d] = values;
    for lane in 0..LANES {
        let (v, w, x, y) = (a[lane], b[lane], c[lane], d[lane]);
        (a[lane], b[lane], c[lane], d[lane]) = (v - x, w + x, x - w, w - y);
    }
}

/// Packs one panel of all 16 places: a row for each channel.
fn transform_panel<const LANES: usize>(
    source: (&[f32], usize),
    border: &Border,
    steps: &[Step],
    places: &mut [&mut [f32]],
    width: usize,
) {
    #[inline(always)]
    fn transform<const LANES: usize>(
        source: (&[f32], usize),
        border: &Border,
        steps: &[Step],
        places: &mut [&mut [f32]],
        width: usize,
    ) {
        let (bordered, channels) = source;
        // The odd pixel before, the tile's own two, the even pixel after.
        let rows = [(2, 0), (0, 0), (2, border.pitch), (0, border.pitch)];
        let columns = [(1, 0), (0, 0), (1, 1), (0, 1)];
        let offset = |y: usize, x: usize| {
            (rows[y].0 + columns[x].0) * border.size + rows[y].1 + columns[x].1
        };
        let offsets: [usize; PLACES] = std::array::from_fn(|place| offset(place / 4, place % 4));
        let farthest = |of: fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
        let read = channels * 4 * border.size + border.pitch + 1 + farthest(|step| step.from);
        let written = (channels - 1) * width + farthest(|step| step.to) + LANES;
        assert!(read + LANES <= bordered.len() + border.size);
        assert!(places.len() == PLACES && places.iter().all(|place| written <= place.len()));
        let to: [*mut f32; PLACES] = std::array::from_fn(|place| places[place].as_mut_ptr());
        for channel in 0..channels {
            let first = channel * 4 * border.size;
            for step in steps {
                let mut values = [[[0.0; LANES]; 4]; 4];
                for y in 0..4 {
                    for x in 0..4 {
                        let from = first + offsets[y * 4 + x] + step.from;
                        // SAFETY: no farther than what was asserted to be there.
                        #[allow(unsafe_code)]
                        unsafe {
                            let from = bordered.as_ptr().add(from).cast::<[f32; LANES]>();
                            values[y][x] = from.read_unaligned();
                        }
                    }
                    along_values(&mut values[y]);
                }
                for x in 0..4 {
                    let mut column = [values[0][x], values[1][x], values[2][x], values[3][x]];
                    along_values(&mut column);
                    for y in 0..4 {
                        // SAFETY: no farther than what was asserted to be there.
                        #[allow(unsafe_code)]
                        unsafe {
                            let to = to[y * 4 + x].add(channel * width + step.to);
                            to.cast::<[f32; LANES]>().write_unaligned(column[y]);
                        }
                    }
                }
            }
        }
    }
    with_wide_vectors!(transform::<LANES>(
        source: (&[f32], usize),
        border: &Border,
        steps: &[Step],
        places: &mut [&mut [f32]],
        width: usize
    ));
}

/// `Aᵀ m A` of the 16 products of each tile, and the bias: into the four phases of each row of
/// `out`, whose length is `4 × count`, from tile `first` on.
fn transform_results(
    made: &[f32],
    pitch: usize,
    tiles: usize,
    bias: &[f32],
    out: (&mut [f32], usize, usize),
) {
    #[inline(always)]
    fn transform(
        made: &[f32],
        pitch: usize,
        tiles: usize,
        bias: &[f32],
        out: (&mut [f32], usize, usize),
    ) {
        let (out, count, first) = out;
        let channels = bias.len();
        for (channel, &bias) in bias.iter().enumerate() {
            let row = &mut out[channel * count * 4..][..count * 4];
            let (above, below) = row.split_at_mut(count * 2);
            let (a, b) = above.split_at_mut(count);
            let (c, d) = below.split_at_mut(count);
            let a = &mut a[first..][..tiles];
            let b = &mut b[first..][..tiles];
            let c = &mut c[first..][..tiles];
            let d = &mut d[first..][..tiles];
            for begin in (0..tiles).step_by(LANES) {
                let count = LANES.min(tiles - begin);
                let mut upper = [[0.0; LANES]; 4];
                let mut lower = [[0.0; LANES]; 4];
                for x in 0..4 {
                    let at = |y: usize| {
                        let first = ((y * 4 + x) * channels + channel) * pitch + begin;
                        &made[first..][..LANES]
                    };
                    let [v, w, y, z] = [at(0), at(1), at(2), at(3)];
                    for lane in 0..LANES {
                        upper[x][lane] = v[lane] + w[lane] + y[lane];
                        lower[x][lane] = w[lane] - y[lane] - z[lane];
                    }
                }
                for (sums, left, right) in [(upper, &mut *a, &mut *b), (lower, &mut *c, &mut *d)] {
                    let mut even = [0.0; LANES];
                    let mut odd = [0.0; LANES];
                    for lane in 0..LANES {
                        even[lane] = sums[0][lane] + sums[1][lane] + sums[2][lane] + bias;
                        odd[lane] = sums[1][lane] - sums[2][lane] - sums[3][lane] + bias;
                    }
                    if count == LANES {
                        left[begin..][..LANES].copy_from_slice(&even);
                        right[begin..][..LANES].copy_from_slice(&odd);
                    } else {
                        left[begin..].copy_from_slice(&even[..count]);
                        right[begin..].copy_from_slice(&odd[..count]);
                    }
                }
            }
        }
    }
    with_wide_vectors!(transform(
        made: &[f32],
        pitch: usize,
        tiles: usize,
        bias: &[f32],
        out: (&mut [f32], usize, usize)
    ));
}
