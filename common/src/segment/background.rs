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
        let samples = Samples::of(plane);
        // The first guess: the brighter class of the whole field, at its mean.
        let mut surface = Self {
            terms: [255.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        };
        let mut dark = samples.values.clone();
        for round in 0..ROUNDS {
            surface.darken(&samples, &mut dark);
            let mut histogram: Histogram = [0; 256];
            for &value in &dark.data {
                histogram[usize::from(value)] += 1;
            }
            let limit =
                cell_threshold(&histogram).map_or_else(|| otsu(&histogram), |found| found.limit);
            // A gradient may have put half of the background on the dark side in the first round: a
            // stiff surface first, that brings it back.
            let stiffness = if round == 0 { 1e-1 } else { 1e-3 };
            surface = Self::fit(&samples, &dark, limit, stiffness);
        }
        surface
    }

    /// Least squares through the samples that are no darker than `limit`. `stiffness` pulls towards an even light,
    /// so that few or badly placed samples can't make the surface fly off.
    fn fit(samples: &Samples, dark: &Grid<u8>, limit: u8, stiffness: f64) -> Self {
        // The sums of all x^i·y^j, and of the values times those, that a quadratic needs.
        let mut places = [[0.0; 5]; 5];
        let mut values = [[0.0; 3]; 3];
        for (y, &v) in samples.rows.iter().enumerate() {
            let mut row_places = [0.0; 5];
            let mut row_values = [0.0; 3];
            let row = samples.values.row(y).iter().zip(dark.row(y));
            for ((&value, &dark), &u) in row.zip(&samples.columns) {
                if dark <= limit {
                    let powers = [1.0, u, u * u, u * u * u, u * u * u * u];
                    for (sum, power) in row_places.iter_mut().zip(powers) {
                        *sum += power;
                    }
                    for (sum, power) in row_values.iter_mut().zip(powers) {
                        *sum += power * f64::from(value);
                    }
                }
            }
            let powers = [1.0, v, v * v, v * v * v, v * v * v * v];
            for (sums, row) in places.iter_mut().zip(row_places) {
                for (sum, power) in sums.iter_mut().zip(powers) {
                    *sum += row * power;
                }
            }
            for (sums, row) in values.iter_mut().zip(row_values) {
                for (sum, power) in sums.iter_mut().zip(powers) {
                    *sum += row * power;
                }
            }
        }
        let mut matrix = [[0.0; 7]; 6];
        for (row, [x, y]) in matrix.iter_mut().zip(EXPONENTS) {
            for (cell, [other_x, other_y]) in row.iter_mut().zip(EXPONENTS) {
                *cell = places[x + other_x][y + other_y];
            }
            row[6] = values[x][y];
        }
        let count = places[0][0];
        matrix[0][0] += f64::MIN_POSITIVE;
        for (i, row) in matrix.iter_mut().enumerate().skip(1) {
            row[i] += stiffness * count + f64::MIN_POSITIVE;
        }
        Self {
            terms: solve(matrix),
        }
    }

    /// The light along the row at height `v`: the factors of 1, x, x².
    fn along(&self, v: f64) -> [f64; 3] {
        let [one, x, y, xx, xy, yy] = self.terms;
        [one + y * v + yy * v * v, x + xy * v, xx]
    }

    /// [`Self::darkness`] of the samples.
    fn darken(&self, samples: &Samples, dark: &mut Grid<u8>) {
        for (y, &v) in samples.rows.iter().enumerate() {
            let [constant, linear, square] = self.along(v);
            let out = &mut dark.data[y * dark.width..(y + 1) * dark.width];
            let row = samples.values.row(y).iter().zip(&samples.columns);
            for (out, (&value, &u)) in out.iter_mut().zip(row) {
                let light = (constant + (linear + square * u) * u).max(1.0);
                *out = whole_f64((255.5 - 255.0 * f64::from(value) / light).max(0.0));
            }
        }
    }

    fn darkness(&self, plane: &Grid<u8>) -> Grid<u8> {
        let columns: Vec<f32> = (0..plane.width)
            .map(|x| scaled(x, plane.width) as f32)
            .collect();
        let mut dark = Grid::filled(plane.width, plane.height, 0u8);
        for y in 0..plane.height {
            let [constant, linear, square] =
                self.along(scaled(y, plane.height)).map(|term| term as f32);
            let out = &mut dark.data[y * plane.width..(y + 1) * plane.width];
            for ((out, &value), &u) in out.iter_mut().zip(plane.row(y)).zip(&columns) {
                let light = (constant + (linear + square * u) * u).max(1.0);
                *out = whole_f32((255.5 - 255.0 * f32::from(value) / light).max(0.0));
            }
        }
        dark
    }
}

/// The exponents of x and y in each term of a [`Surface`].
const EXPONENTS: [[usize; 2]; 6] = [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]];

/// Some of a plane's pixels, evenly spread.
struct Samples {
    /// The x of each column, from -1 to 1.
    columns: Vec<f64>,
    /// The y of each row, from -1 to 1.
    rows: Vec<f64>,
    values: Grid<u8>,
}

impl Samples {
    fn of(plane: &Grid<u8>) -> Self {
        let along = |n: usize| -> Vec<usize> {
            (STEP / 2..n.max(STEP / 2 + 1))
                .step_by(STEP)
                .map(|i| i.min(n - 1))
                .collect()
        };
        let (columns, rows) = (along(plane.width), along(plane.height));
        let pixels = rows.iter().flat_map(|&y| {
            let row = plane.row(y);
            columns.iter().map(|&x| row[x])
        });
        Self {
            values: Grid {
                width: columns.len(),
                height: rows.len(),
                data: pixels.collect(),
            },
            columns: columns.iter().map(|&x| scaled(x, plane.width)).collect(),
            rows: rows.iter().map(|&y| scaled(y, plane.height)).collect(),
        }
    }
}

/// A coordinate from -1 to 1.
fn scaled(i: usize, n: usize) -> f64 {
    (2.0 * i as f64 + 1.0) / n as f64 - 1.0
}

/// `value as u8` for a value from 0 to 255.5, in steps that vectorise: added to 2^23, it is rounded to a
/// whole number that stands in the lowest bits; one less where that was up.
fn whole_f32(value: f32) -> u8 {
    const SHIFT: f32 = 8_388_608.0;
    let nearest = value + SHIFT;
    (nearest.to_bits() as u8).wrapping_sub(u8::from(nearest - SHIFT > value))
}

/// The same with 2^52.
fn whole_f64(value: f64) -> u8 {
    const SHIFT: f64 = 4_503_599_627_370_496.0;
    let nearest = value + SHIFT;
    (nearest.to_bits() as u8).wrapping_sub(u8::from(nearest - SHIFT > value))
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
    fn whole_parts_are_those_of_a_cast() {
        for eighths in 0..=2044u16 {
            let value = f32::from(eighths) / 8.0;
            for value in [value, value.next_up(), value.next_down().max(0.0)] {
                assert_eq!(whole_f32(value), value as u8, "{value}");
                assert_eq!(whole_f64(value.into()), value as u8, "{value}");
            }
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
