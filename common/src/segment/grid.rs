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
    // Blocks are summed in u32: a block of 2^12 × 2^12 pixels of 255 still fits.
    let mut sums = vec![[0u32; 2]; width];
    for y in 0..height {
        sums.fill([0; 2]);
        let rows = (y * factor)..((y + 1) * factor).min(full_height);
        for row in rows.clone() {
            let line = &pixels[row * full_width * 3..(row + 1) * full_width * 3];
            for (sum, block) in sums.iter_mut().zip(line.chunks(factor * 3)) {
                for pixel in block.chunks_exact(3) {
                    sum[0] += u32::from(pixel[0]);
                    sum[1] += u32::from(pixel[1]);
                }
            }
        }
        for (x, sum) in sums.iter().enumerate() {
            let columns = ((x + 1) * factor).min(full_width) - x * factor;
            let n = (columns * rows.len()) as u32;
            red.data[y * width + x] = ((sum[0] + n / 2) / n) as u8;
            green.data[y * width + x] = ((sum[1] + n / 2) / n) as u8;
        }
    }
    Reduced { factor, green, red }
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
}
