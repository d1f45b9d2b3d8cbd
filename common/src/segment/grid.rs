//! A plane of values, and the reduced picture that the segmentation works on.

use crate::image::RgbImage;

/// A plane of values, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid<T> {
    pub width: usize,
    pub height: usize,
    /// `width * height` values.
    pub data: Vec<T>,
}

impl<T: Copy> Grid<T> {
    /// A plane with the same value everywhere.
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self {
            width,
            height,
            data: vec![value; width * height],
        }
    }

    /// A plane with the value of `f` at each place `(x, y)`.
    #[cfg(test)]
    pub fn drawn([width, height]: [usize; 2], f: impl Fn(f32, f32) -> T) -> Self {
        let data = (0..width * height)
            .map(|i| f((i % width) as f32, (i / width) as f32))
            .collect();
        Self {
            width,
            height,
            data,
        }
    }

    /// A plane of the same size.
    pub fn map<U>(&self, f: impl Fn(T) -> U) -> Grid<U> {
        Grid {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(|&v| f(v)).collect(),
        }
    }

    /// The values of one row.
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
}

/// The picture at the scale at which cells are looked for.
pub(super) struct Reduced {
    /// How many pixels of the picture make one here, along each axis.
    pub factor: usize,
    /// Hemoglobin and Giemsa's eosin absorb green: every cell is dark here.
    pub green: Grid<u8>,
    /// Hemoglobin lets red through, nuclear stain doesn't: nuclei, parasites and platelets are dark here.
    pub red: Grid<u8>,
}

/// Averages blocks of `factor` × `factor` pixels; those at the right and lower edge may be cut.
pub(super) fn reduce(image: &RgbImage, factor: usize) -> Reduced {
    let (full_width, full_height) = (image.width() as usize, image.height() as usize);
    let width = full_width.div_ceil(factor);
    let height = full_height.div_ceil(factor);
    let mut red = Grid::filled(width, height, 0u8);
    let mut green = red.clone();
    let pixels = image.as_raw();
    // Sums over the rows of a block first, a whole line at a time, which vectorises. They are u32: a block of
    // 2^12 × 2^12 pixels of 255 still fits.
    let mut sums = vec![0u32; full_width * 3];
    for y in 0..height {
        let rows = (y * factor)..((y + 1) * factor).min(full_height);
        sums.fill(0);
        for row in rows.clone() {
            let line = &pixels[row * full_width * 3..(row + 1) * full_width * 3];
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += u32::from(value);
            }
        }
        let average = |block: &[u32], mean: Mean| {
            let mut sum = [0; 2];
            for pixel in block.chunks_exact(3) {
                sum[0] += pixel[0];
                sum[1] += pixel[1];
            }
            sum.map(|sum| mean.of(sum))
        };
        let mean = Mean::over(factor * rows.len());
        let out = y * width..(y + 1) * width;
        let (red, green) = (&mut red.data[out.clone()], &mut green.data[out]);
        let blocks = sums.chunks_exact(factor * 3);
        let cut = blocks.remainder();
        for ((red, green), block) in red.iter_mut().zip(green.iter_mut()).zip(blocks) {
            [*red, *green] = average(block, mean);
        }
        if !cut.is_empty() {
            let mean = Mean::over(cut.len() / 3 * rows.len());
            [red[width - 1], green[width - 1]] = average(cut, mean);
        }
    }
    Reduced { factor, green, red }
}

/// Divides many sums by the same number, halves rounded up, by multiplying with its reciprocal.
#[derive(Clone, Copy)]
struct Mean {
    half: u64,
    reciprocal: u64,
}

impl Mean {
    /// So many bits that the quotient is exact up to 2^23 values, and no product of a mean of 8 bits overflows.
    const BITS: u32 = 55;

    fn over(n: usize) -> Self {
        let n = n as u64;
        Self {
            half: n / 2,
            reciprocal: (1 << Self::BITS) / n + 1,
        }
    }

    fn of(self, sum: u32) -> u8 {
        (((u64::from(sum) + self.half) * self.reciprocal) >> Self::BITS) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb;

    #[test]
    fn blocks_are_averaged_and_the_last_ones_may_be_cut() {
        let image = RgbImage::from_fn(5, 3, |x, y| Rgb([10 * x as u8, 10 * y as u8, 0]));
        let reduced = reduce(&image, 2);
        assert_eq!((reduced.red.width, reduced.red.height), (3, 2));
        assert_eq!(reduced.red.data, [5, 25, 40, 5, 25, 40]);
        assert_eq!(reduced.green.data, [5, 5, 5, 20, 20, 20]);
    }

    #[test]
    fn means_are_exact() {
        for n in [1u64, 2, 3, 4, 9, 25, 361, 65_537, 2048 * 2048] {
            let mean = Mean::over(n as usize);
            for quotient in [0, 1, 2, 127, 128, 254, 255] {
                // The first and the last sum that rounds to the quotient.
                let first = (quotient * n).saturating_sub(n / 2);
                let last = quotient * n + (n - 1) / 2;
                assert_eq!(
                    [first, last].map(|sum| mean.of(sum as u32)),
                    [quotient as u8; 2],
                    "{n}"
                );
            }
        }
    }
}
