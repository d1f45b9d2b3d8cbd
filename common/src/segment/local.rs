//! The threshold follows the neighbourhood: haze between crowded cells, pale cells, uneven focus.

use super::grid::Grid;
use super::threshold::CellThreshold;

/// The side of a block in pixels; a cell is about two blocks wide.
const BLOCK: usize = 16;

/// How many blocks on each side have a say in a block's threshold.
const REACH: usize = 2;

/// What the whole field says weighs as much as this many pixels of the neighbourhood.
const PRIOR: f32 = 400.0;

/// Values and how many they are.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f32,
    n: f32,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.n += other.n;
    }

    fn mean(self) -> f32 {
        if self.n > 0.0 { self.sum / self.n } else { 0.0 }
    }
}

/// The pixels that belong to cells. Where between the background and the cells around it a pixel's
/// threshold lies, is what the threshold of the whole field says of the whole field.
pub(super) fn darker_than_around(dark: &Grid<u8>, threshold: CellThreshold) -> Grid<bool> {
    let CellThreshold { limit, typical } = threshold;
    let columns = dark.width.div_ceil(BLOCK);
    let rows = dark.height.div_ceil(BLOCK);
    // Background and cells of each block.
    let mut blocks = Grid::filled(columns, rows, [Sum::default(); 2]);
    for y in 0..dark.height {
        let line = &mut blocks.data[y / BLOCK * columns..][..columns];
        for (block, values) in line.iter_mut().zip(dark.row(y).chunks(BLOCK)) {
            let mut sums = [0u32; 2];
            let mut counts = [0u32; 2];
            for &value in values {
                let class = usize::from(value > limit);
                sums[class] += u32::from(value.min(typical));
                counts[class] += 1;
            }
            for class in 0..2 {
                block[class].sum += sums[class] as f32;
                block[class].n += counts[class] as f32;
            }
        }
    }
    let mut field = [Sum::default(); 2];
    for block in &blocks.data {
        field[0].add(block[0]);
        field[1].add(block[1]);
    }
    let [bright, cells] = field.map(Sum::mean);
    let part = (f32::from(limit) - bright) / (cells - bright).max(1.0);
    let prior = field.map(|class| Sum {
        sum: class.mean() * PRIOR,
        n: PRIOR,
    });
    let around = box_sums(&box_sums(&blocks));
    let limits = around.map(|[mut bright, mut dark]| {
        bright.add(prior[0]);
        dark.add(prior[1]);
        bright.mean() + (dark.mean() - bright.mean()) * part
    });
    compare(dark, &limits)
}

/// Sums over [`REACH`] blocks on both sides of each along a row, transposed: twice is a square, and upright
/// again.
fn box_sums(blocks: &Grid<[Sum; 2]>) -> Grid<[Sum; 2]> {
    let (w, h) = (blocks.width, blocks.height);
    let mut sums = Grid::filled(h, w, [Sum::default(); 2]);
    for y in 0..h {
        let row = blocks.row(y);
        for x in 0..w {
            for near in &row[x.saturating_sub(REACH)..(x + REACH + 1).min(w)] {
                let sum = &mut sums.data[x * h + y];
                sum[0].add(near[0]);
                sum[1].add(near[1]);
            }
        }
    }
    sums
}

/// Compares each pixel with the limit interpolated between the middles of the blocks.
fn compare(dark: &Grid<u8>, limits: &Grid<f32>) -> Grid<bool> {
    let between = |pixel: usize, count: usize| {
        let place = (pixel as f32 + 0.5) / BLOCK as f32 - 0.5;
        let place = place.clamp(0.0, (count - 1) as f32);
        let first = place as usize;
        (first, (first + 1).min(count - 1), place - first as f32)
    };
    let columns: Vec<_> = (0..dark.width).map(|x| between(x, limits.width)).collect();
    let mut mask = Grid::filled(dark.width, dark.height, false);
    let mut line = vec![0.0; limits.width];
    for y in 0..dark.height {
        let (upper, lower, part) = between(y, limits.height);
        for ((value, a), b) in line
            .iter_mut()
            .zip(limits.row(upper))
            .zip(limits.row(lower))
        {
            *value = a + (b - a) * part;
        }
        let out = &mut mask.data[y * dark.width..(y + 1) * dark.width];
        for ((out, &value), &(left, right, part)) in out.iter_mut().zip(dark.row(y)).zip(&columns) {
            *out = f32::from(value) > line[left] + (line[right] - line[left]) * part;
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haze_on_one_side_does_not_become_cell() {
        let (w, h) = (320, 160);
        let cell = |x: usize, y: usize| (x % 40).abs_diff(20) < 12 && (y % 40).abs_diff(20) < 12;
        let mut dark = Grid::filled(w, h, 0u8);
        for i in 0..w * h {
            let haze = if i % w < 160 { 0 } else { 25 };
            dark.data[i] = haze + if cell(i % w, i / w) { 60 } else { 0 };
        }
        let mask = darker_than_around(
            &dark,
            CellThreshold {
                limit: 38,
                typical: 100,
            },
        );
        let wrong = (0..w * h)
            .filter(|&i| mask.data[i] != cell(i % w, i / w))
            .count();
        assert!(wrong < w * h / 50, "{wrong}");
    }

    #[test]
    fn a_pixel_alone() {
        assert_eq!(
            darker_than_around(
                &Grid::filled(1, 1, 9),
                CellThreshold {
                    limit: 9,
                    typical: 9
                }
            )
            .data,
            [false]
        );
    }
}
