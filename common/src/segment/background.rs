//! The light behind the cells, and how much of it each pixel takes away.
//!
//! A microscope's illumination is smooth, so it is modelled as a quadratic surface through the pixels
//! that no cell covers. Six numbers can't follow a cell, however crowded the field is, as a local
//! average would.

use super::grid::Grid;
use super::threshold::{Histogram, cell_threshold, otsu};

/// One sample in `STEP` × `STEP` pixels is enough for six unknowns.
const STEP: usize = 4;

/// How often background and surface are told apart anew.
const ROUNDS: usize = 3;

/// The light in a field: a quadratic in coordinates that run from -1 to 1.
struct Surface {
    /// The factors of 1, x, y, x², xy, y².
    terms: [f64; 6],
}

/// How dark each pixel is against the light behind it: 0 as bright or brighter, 255 black.
pub(super) fn darkness(plane: &Grid<u8>) -> Grid<u8> {
    Surface::through_background(plane).darkness(plane)
}

impl Surface {
    /// Finds the background and the surface through it, in turns.
    fn through_background(plane: &Grid<u8>) -> Self {
        let mut samples = Vec::new();
        for y in (STEP / 2..plane.height.max(STEP / 2 + 1)).step_by(STEP) {
            let y = y.min(plane.height - 1);
            for x in (STEP / 2..plane.width.max(STEP / 2 + 1)).step_by(STEP) {
                let x = x.min(plane.width - 1);
                samples.push((
                    [scaled(x, plane.width), scaled(y, plane.height)],
                    f64::from(plane.data[y * plane.width + x]),
                ));
            }
        }
        // The first guess: the brighter class of the whole field, at its mean.
        let mut surface = Self {
            terms: [255.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        };
        for round in 0..ROUNDS {
            let dark = |&(at, value): &([f64; 2], f64)| darkness_of(value, surface.at(at));
            let mut histogram: Histogram = [0; 256];
            for sample in &samples {
                histogram[usize::from(dark(sample))] += 1;
            }
            let limit =
                cell_threshold(&histogram).map_or_else(|| otsu(&histogram), |found| found.limit);
            let background: Vec<_> = samples
                .iter()
                .filter(|s| dark(s) <= limit)
                .copied()
                .collect();
            // A gradient may have put half of the background on the dark side in the first round: a
            // stiff surface first, that brings it back.
            surface = Self::fit(&background, if round == 0 { 1e-1 } else { 1e-3 });
        }
        surface
    }

    /// Least squares. `stiffness` pulls towards an even light, so that few or badly placed samples can't
    /// make the surface fly off.
    fn fit(samples: &[([f64; 2], f64)], stiffness: f64) -> Self {
        let mut matrix = [[0.0; 7]; 6];
        for &(at, value) in samples {
            let basis = basis(at);
            for (row, a) in matrix.iter_mut().zip(basis) {
                for (cell, b) in row.iter_mut().zip(basis) {
                    *cell += a * b;
                }
                row[6] += a * value;
            }
        }
        matrix[0][0] += f64::MIN_POSITIVE;
        for (i, row) in matrix.iter_mut().enumerate().skip(1) {
            row[i] += stiffness * samples.len() as f64 + f64::MIN_POSITIVE;
        }
        Self {
            terms: solve(matrix),
        }
    }

    fn at(&self, at: [f64; 2]) -> f64 {
        self.terms.iter().zip(basis(at)).map(|(t, b)| t * b).sum()
    }

    fn darkness(&self, plane: &Grid<u8>) -> Grid<u8> {
        let columns: Vec<f32> = (0..plane.width)
            .map(|x| scaled(x, plane.width) as f32)
            .collect();
        let mut dark = Grid::filled(plane.width, plane.height, 0u8);
        for y in 0..plane.height {
            let v = scaled(y, plane.height);
            let [one, x, yy, xx, xy, yyyy] = self.terms;
            let constant = (one + yy * v + yyyy * v * v) as f32;
            let (linear, square) = ((x + xy * v) as f32, xx as f32);
            let out = &mut dark.data[y * plane.width..(y + 1) * plane.width];
            for ((out, &value), &u) in out.iter_mut().zip(plane.row(y)).zip(&columns) {
                let light = (constant + (linear + square * u) * u).max(1.0);
                *out = (255.5 - 255.0 * f32::from(value) / light).max(0.0) as u8;
            }
        }
        dark
    }
}

/// A coordinate from -1 to 1.
fn scaled(i: usize, n: usize) -> f64 {
    (2.0 * i as f64 + 1.0) / n as f64 - 1.0
}

fn basis([x, y]: [f64; 2]) -> [f64; 6] {
    [1.0, x, y, x * x, x * y, y * y]
}

fn darkness_of(value: f64, light: f64) -> u8 {
    (255.5 - 255.0 * value / light.max(1.0)).max(0.0) as u8
}

/// Gauss elimination; the matrix is symmetric and positive definite, so it needs no pivots.
fn solve(mut m: [[f64; 7]; 6]) -> [f64; 6] {
    for i in 0..6 {
        let pivot = m[i];
        for row in m.iter_mut().skip(i + 1) {
            let factor = row[i] / pivot[i];
            for (cell, p) in row.iter_mut().zip(pivot) {
                *cell -= factor * p;
            }
        }
    }
    let mut terms = [0.0; 6];
    for i in (0..6).rev() {
        let known: f64 = (i + 1..6).map(|j| m[i][j] * terms[j]).sum();
        let term = (m[i][6] - known) / m[i][i];
        terms[i] = if term.is_finite() { term } else { 0.0 };
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_and_a_vignette_are_taken_out() {
        let (w, h) = (200, 160);
        let mut plane = Grid::filled(w, h, 0u8);
        for y in 0..h {
            for x in 0..w {
                let (u, v) = (scaled(x, w), scaled(y, h));
                let mut value = 200.0 + 30.0 * u - 15.0 * (u * u + v * v);
                let (dx, dy) = (x % 50, y % 40);
                if (10..30).contains(&dx) && (10..30).contains(&dy) {
                    value *= 0.6;
                }
                plane.data[y * w + x] = value as u8;
            }
        }
        let dark = darkness(&plane);
        for (i, &d) in dark.data.iter().enumerate() {
            let (dx, dy) = (i % w % 50, i / w % 40);
            let expected = if (10..30).contains(&dx) && (10..30).contains(&dy) {
                102
            } else {
                0
            };
            assert!(i32::from(d).abs_diff(expected) < 12, "{d} at {i}");
        }
    }

    #[test]
    fn an_even_plane_has_no_darkness_at_any_size() {
        for (w, h, value) in [
            (1, 1, 0),
            (1, 1, 255),
            (3, 1, 90),
            (1, 40, 255),
            (64, 64, 128),
        ] {
            let dark = darkness(&Grid::filled(w, h, value as u8));
            assert!(
                dark.data.iter().all(|&d| d <= 1 || value == 0),
                "{w}x{h} {value}"
            );
        }
    }
}
