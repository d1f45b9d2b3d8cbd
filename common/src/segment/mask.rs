//! A cell's outline in the pixels of the picture.

use super::grid::Grid;
use super::regions::Region;
use crate::geometry::{Mask, Rect};

/// Draws a label of the reduced picture at full size.
///
/// A pixel belongs to the cell when the label's share at its place, interpolated between the four nearest
/// reduced pixels, is at least one half; that rounds the steps that a mere enlargement would have. `None`
/// when no pixel of a `width` × `height` picture is left.
pub(super) fn enlarge(
    labels: &Grid<u32>,
    label: u32,
    region: &Region,
    factor: usize,
    [width, height]: [u32; 2],
) -> Option<(Rect, Mask)> {
    let left = region.left * factor;
    let top = region.top * factor;
    let right = ((region.right + 1) * factor).min(width as usize);
    let bottom = ((region.bottom + 1) * factor).min(height as usize);
    let columns = Taps::along(left..right, factor, labels.width);
    let rows = Taps::along(top..bottom, factor, labels.height);
    let half = 2 * factor * factor;
    // The reduced columns that have a say, from the first one.
    let from = columns.first()?.first;
    let to = columns.last()?.second + 1;
    let mut shares = vec![0; to - from];
    let mut inside = vec![false; columns.len() * rows.len()];
    let (mut x0, mut x1, mut y0, mut y1) = (usize::MAX, 0, usize::MAX, 0);
    for (y, (row, line)) in rows
        .iter()
        .zip(inside.chunks_exact_mut(columns.len()))
        .enumerate()
    {
        let [upper, lower] = [row.first, row.second].map(|y| &labels.row(y)[from..to]);
        for ((share, &upper), &lower) in shares.iter_mut().zip(upper).zip(lower) {
            *share = row.near * usize::from(upper == label) + row.far * usize::from(lower == label);
        }
        for (pixel, column) in line.iter_mut().zip(&columns) {
            let [first, second] = [column.first, column.second].map(|x| shares[x - from]);
            *pixel = column.near * first + column.far * second >= half;
        }
        if let Some(first) = line.iter().position(|&pixel| pixel) {
            let last = line.iter().rposition(|&pixel| pixel).unwrap_or(first);
            (x0, x1) = (x0.min(first), x1.max(last));
            (y0, y1) = (y0.min(y), y);
        }
    }
    if x0 > x1 {
        return None;
    }
    let bbox = Rect {
        x: (left + x0) as u32,
        y: (top + y0) as u32,
        w: (x1 - x0 + 1) as u32,
        h: (y1 - y0 + 1) as u32,
    };
    let mut bits = Vec::with_capacity(bbox.w as usize * bbox.h as usize);
    for line in inside.chunks_exact(columns.len()).take(y1 + 1).skip(y0) {
        bits.extend_from_slice(&line[x0..=x1]);
    }
    Some((bbox, Mask::from_bits(bbox.w, bits)))
}

/// The two reduced pixels next to a pixel along one axis, with their weights, which add up to twice the
/// factor.
struct Taps {
    first: usize,
    second: usize,
    near: usize,
    far: usize,
}

impl Taps {
    /// Those of each pixel in a range, of a picture that was reduced to `count` along this axis.
    fn along(pixels: std::ops::Range<usize>, factor: usize, count: usize) -> Vec<Self> {
        pixels
            .map(|pixel| {
                // The middle of the pixel, in halves of a pixel, from the middle of the reduced one before the first.
                let place = 2 * pixel + 1 + factor;
                let (second, far) = (place / (2 * factor), place % (2 * factor));
                Self {
                    first: second.saturating_sub(1),
                    second: second.min(count - 1),
                    near: 2 * factor - far,
                    far,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::regions::{Corners, connected};
    use super::*;

    fn disc(size: usize, radius: f32) -> Grid<bool> {
        let middle = (size as f32 - 1.0) / 2.0;
        Grid::drawn([size, size], |x, y| {
            (x - middle).hypot(y - middle) <= radius
        })
    }

    #[test]
    fn at_factor_one_the_mask_is_the_label() {
        let mask = disc(31, 12.0);
        let found = connected(&mask, true, Corners::Joined);
        let (bbox, drawn) = enlarge(&found.labels, 1, &found.regions[0], 1, [31, 31]).unwrap();
        assert_eq!(bbox, Rect::from([3, 3, 25, 25]));
        assert_eq!(drawn.area(), found.regions[0].area);
        assert_eq!((drawn.width(), drawn.height()), (25, 25));
    }

    #[test]
    fn an_enlarged_disc_stays_a_disc() {
        let found = connected(&disc(31, 12.3), true, Corners::Joined);
        for factor in [2, 3, 7] {
            let size = 31 * factor as u32;
            let (bbox, drawn) =
                enlarge(&found.labels, 1, &found.regions[0], factor, [size, size]).unwrap();
            let area = f64::from(found.regions[0].area) * (factor * factor) as f64;
            assert!((f64::from(drawn.area()) / area - 1.0).abs() < 0.03);
            assert!(bbox.w.abs_diff(25 * factor as u32) <= factor as u32);
        }
    }
}
