//! A frame reduced for looking at it quickly: its green channel at three scales, without the light.
//!
//! Hemoglobin and Giemsa's eosin absorb green, so every cell is dark there. What is compared between frames is the
//! ratio to the mean of the neighbourhood: a lamp or a gain that drifts changes both alike.

use smearscope_common::image::RgbImage;

/// The shorter side of the finest plane, about: the scale at which `common::segment::quality` measures sharpness where
/// it knows no cell.
const FINE_SIDE: u32 = 480;

/// The neighbourhood whose mean is taken for the light, as a part of the frame's shorter side: some cells on each
/// side.
const NEIGHBOURHOOD: f32 = 0.18;

/// One unit of a relief, as a part of the light.
const STEP: f32 = 1.0 / 512.0;

/// The largest relief, as a part of the light: ink, dirt and glare count as much as a dark cell, not more.
const LARGEST: f32 = 0.4;

/// A plane of values, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane<T> {
    pub width: usize,
    pub height: usize,
    /// `width * height` values.
    pub data: Vec<T>,
}

impl<T> Plane<T> {
    /// The values of one row.
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
}

/// How far each place is brighter (above 0) or darker than its neighbourhood, in steps of 1/512 of the light there.
pub(super) type Relief = Plane<i16>;

/// How many pixels of a frame make one of the fine plane, along each axis.
pub(super) fn fine_factor(width: u32, height: u32) -> usize {
    ((width.min(height) + FINE_SIDE / 2) / FINE_SIDE).max(1) as usize
}

/// The green channel, averaged over blocks of `factor` × `factor` pixels; what is left at the right and lower edge is
/// left out, unless it is all there is.
pub(super) fn green(image: &RgbImage, factor: usize) -> Plane<u8> {
    let (full_width, full_height) = (image.width() as usize, image.height() as usize);
    let factor = factor.min(full_width).min(full_height).max(1);
    let (width, height) = (full_width / factor, full_height / factor);
    let mut data = Vec::with_capacity(width * height);
    let mut sums = vec![0u32; width];
    // Rounds to the nearest; exact, as no mean of 8 bits is within 2^-20 of a half where it isn't one.
    let n = (factor * factor) as f32;
    for block in image
        .as_raw()
        .chunks_exact((full_width * 3 * factor).max(1))
        .take(height)
    {
        sums.fill(0);
        for line in block.chunks_exact(full_width * 3) {
            for (sum, pixels) in sums.iter_mut().zip(line.chunks_exact(3 * factor)) {
                *sum += pixels
                    .iter()
                    .skip(1)
                    .step_by(3)
                    .map(|&v| u32::from(v))
                    .sum::<u32>();
            }
        }
        data.extend(sums.iter().map(|&sum| (sum as f32 / n + 0.5) as u8));
    }
    Plane {
        width,
        height,
        data,
    }
}

/// Sums of 2 × 2 values; an odd row or column at the end is left out.
pub(super) fn halved<T: Copy, U>(plane: &Plane<T>, of: impl Fn([T; 4]) -> U) -> Plane<U> {
    let (width, height) = (plane.width / 2, plane.height / 2);
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let above = plane.row(2 * y).chunks_exact(2);
        let below = plane.row(2 * y + 1).chunks_exact(2);
        data.extend(above.zip(below).map(|(a, b)| of([a[0], a[1], b[0], b[1]])));
    }
    Plane {
        width,
        height,
        data,
    }
}

/// A frame's green channel at half the fine plane's scale, summed, and its relief.
pub(super) fn relief(fine: &Plane<u8>) -> (Plane<u16>, Relief) {
    let sums = halved(fine, |v| v.map(u16::from).iter().sum());
    let relief = above_neighbourhood(&sums);
    (sums, relief)
}

/// The relief at half the scale.
pub(super) fn coarse(relief: &Relief) -> Relief {
    halved(relief, |v| {
        ((v.map(i32::from).iter().sum::<i32>() + 2) >> 2) as i16
    })
}

/// Each value over the mean of a square around it, which is cut at the edges of the frame.
fn above_neighbourhood(plane: &Plane<u16>) -> Relief {
    let (width, height) = (plane.width, plane.height);
    let mut data = Vec::with_capacity(width * height);
    let reach = ((width.min(height) as f32 * NEIGHBOURHOOD) as usize).max(1);
    // The sums of each column's rows within reach, and of all columns up to each.
    let mut columns = vec![0u32; width];
    let mut sums = vec![0u64; width + 1];
    let add = |columns: &mut [u32], y: usize| {
        for (sum, &value) in columns.iter_mut().zip(plane.row(y)) {
            *sum += u32::from(value);
        }
    };
    for y in 0..reach.min(height) {
        add(&mut columns, y);
    }
    for y in 0..height {
        if y + reach < height {
            add(&mut columns, y + reach);
        }
        if y > reach {
            for (sum, &value) in columns.iter_mut().zip(plane.row(y - reach - 1)) {
                *sum -= u32::from(value);
            }
        }
        let rows = (y + reach + 1).min(height) - y.saturating_sub(reach);
        let mut sum = 0;
        for (total, &column) in sums[1..].iter_mut().zip(&columns) {
            sum += u64::from(column);
            *total = sum;
        }
        data.extend(plane.row(y).iter().enumerate().map(|(x, &value)| {
            let (from, to) = (x.saturating_sub(reach), (x + reach + 1).min(width));
            let light = (sums[to] - sums[from]) as f32 / ((to - from) * rows) as f32;
            let relative = f32::from(value) / light.max(1.0) - 1.0;
            (relative.clamp(-LARGEST, LARGEST) / STEP) as i16
        }));
    }
    Plane {
        width,
        height,
        data,
    }
}
