//! A 3 × 3 convolution by Winograd's minimal filtering F(2 × 2, 3 × 3): for planes of many pixels.
//!
//! A tile of 2 × 2 results depends on 4 × 4 values. Both the values and the weights are transformed
//! by sums and differences, so that 16 products make the four results instead of 36. Each of the 16
//! is a matrix product over the channels, for all tiles at once.
//!
//! Pixels are in the order of [`super::block`]: the four pixels of a tile lie in four *phases*,
//! each of which holds one pixel of all tiles, so that all sums run along whole rows of tiles.

use tract_onnx::prelude::*;

use super::kernel;
use super::pattern::Weights;
use super::pixels::{Border, SLACK, copy_into_border, with_wide_vectors};
use super::product::{Panels, Product, Scratch};

/// Values that are transformed at once.
const LANES: usize = 4;

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
    runs: Vec<Run>,
}

/// Tiles of a panel that lie side by side.
struct Run {
    to: usize,
    from: usize,
    vectors: usize,
}

impl Winograd {
    /// Transforms and packs the weights of a convolution of `between` channels.
    pub fn new(weights: &Weights, between: usize, tiles: (usize, usize)) -> TractResult<Self> {
        let made = weights.bias.len();
        let choice = kernel::choose(tiles.0 * tiles.1, between, made)?;
        let mut transformed = vec![vec![0.0; made * between]; PLACES];
        for (pair, kernel) in weights.matrix.chunks_exact(9).enumerate() {
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
        let panels = self
            .products
            .iter()
            .map(|product| product.panels(self.between, count))
            .collect::<TractResult<Vec<_>>>()?;
        let at_a_time = self.at_a_time(&panels[0]);
        Ok(Buffers {
            bordered: vec![0.0; self.between * 4 * self.border().size + SLACK],
            made: Tensor::zero::<f32>(&[PLACES * self.bias.len(), at_a_time])?,
            panels,
            runs: Vec::new(),
        })
    }

    /// Tiles that are transformed at a time: all 16 places are kept packed at once.
    fn at_a_time(&self, panels: &Panels) -> usize {
        let width = panels.width();
        (panels.pixels_at_a_time(self.between) / PLACES).max(width) / width * width
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
        let at_a_time = self.at_a_time(&buffers.panels[0]);
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
            transform_results(made.as_slice()?, at_a_time, tiles, &self.bias, (out, count, first));
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
        let mut places = Vec::with_capacity(PLACES);
        for panels in &mut buffers.panels {
            let (packed, its) = panels.begin(tiles, self.between)?;
            distance = its;
            places.push(packed);
        }
        for (index, begin) in (first..first + tiles).step_by(width).enumerate() {
            let end = (begin + width).min(first + tiles);
            runs_of(begin, end, self.tiles.1, &mut buffers.runs);
            let mut places: Vec<&mut [f32]> = places
                .iter_mut()
                .map(|packed| &mut packed[index * distance..])
                .collect();
            transform_panel(
                &buffers.bordered,
                self.between,
                border,
                &buffers.runs,
                &mut places,
                width,
            );
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

/// The tiles from `begin` to `end`, as they lie in rows of `width` with a border.
fn runs_of(begin: usize, end: usize, width: usize, runs: &mut Vec<Run>) {
    runs.clear();
    let mut tile = begin;
    while tile < end {
        let (y, x) = (tile / width, tile % width);
        let count = (width - x).min(end - tile);
        runs.push(Run {
            to: tile - begin,
            from: y * (width + 1) + x,
            vectors: count.div_ceil(LANES),
        });
        tile += count;
    }
}

type Vector = [f32; LANES];

/// `Bᵀ d` of four values.
#[inline(always)]
fn along_values(values: &mut [Vector; 4]) {
    let [a, b, c, d] = values;
    for lane in 0..LANES {
        let (v, w, x, y) = (a[lane], b[lane], c[lane], d[lane]);
        (a[lane], b[lane], c[lane], d[lane]) = (v - x, w + x, x - w, w - y);
    }
}

/// Packs one panel of all 16 places.
fn transform_panel(
    bordered: &[f32],
    channels: usize,
    border: &Border,
    runs: &[Run],
    places: &mut [&mut [f32]],
    width: usize,
) {
    #[inline(always)]
    fn transform(
        bordered: &[f32],
        channels: usize,
        border: &Border,
        runs: &[Run],
        places: &mut [&mut [f32]],
        width: usize,
    ) {
        // The odd pixel before, the tile's own two, the even pixel after.
        let rows = [(2, 0), (0, 0), (2, border.pitch), (0, border.pitch)];
        let columns = [(1, 0), (0, 0), (1, 1), (0, 1)];
        for channel in 0..channels {
            let planes = &bordered[channel * 4 * border.size..];
            for run in runs {
                for vector in 0..run.vectors {
                    let from = run.from + vector * LANES;
                    let mut values = [[[0.0; LANES]; 4]; 4];
                    for (values, (row, down)) in values.iter_mut().zip(rows) {
                        for (value, (column, right)) in values.iter_mut().zip(columns) {
                            let phase = (row + column) * border.size;
                            load(value, &planes[phase + down + right + from..]);
                        }
                        along_values(values);
                    }
                    let to = channel * width + run.to + vector * LANES;
                    for x in 0..4 {
                        let mut column = [values[0][x], values[1][x], values[2][x], values[3][x]];
                        along_values(&mut column);
                        for (y, column) in column.iter().enumerate() {
                            places[y * 4 + x][to..][..LANES].copy_from_slice(column);
                        }
                    }
                }
            }
        }
    }
    with_wide_vectors!(transform(
        bordered: &[f32],
        channels: usize,
        border: &Border,
        runs: &[Run],
        places: &mut [&mut [f32]],
        width: usize
    ));
}

#[inline(always)]
fn load(vector: &mut Vector, values: &[f32]) {
    vector.copy_from_slice(&values[..LANES]);
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
            let from: [&[f32]; PLACES] = std::array::from_fn(|place| {
                &made[(place * channels + channel) * pitch..][..tiles]
            });
            let row = &mut out[channel * count * 4..][..count * 4];
            let (above, below) = row.split_at_mut(count * 2);
            let (a, b) = above.split_at_mut(count);
            let (c, d) = below.split_at_mut(count);
            let into = [a, b, c, d].map(|phase| &mut phase[first..][..tiles]);
            let [a, b, c, d] = into;
            for tile in 0..tiles {
                let mut upper = [0.0; 4];
                let mut lower = [0.0; 4];
                for x in 0..4 {
                    let [b, c] = [from[4 + x][tile], from[8 + x][tile]];
                    upper[x] = from[x][tile] + b + c;
                    lower[x] = b - c - from[12 + x][tile];
                }
                a[tile] = upper[0] + upper[1] + upper[2] + bias;
                b[tile] = upper[1] - upper[2] - upper[3] + bias;
                c[tile] = lower[0] + lower[1] + lower[2] + bias;
                d[tile] = lower[1] - lower[2] - lower[3] + bias;
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
