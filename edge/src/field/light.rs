//! What a single frame shows: light, sharpness, and how much of it is stained.

use smearscope_common::segment::brightest_tenth;

use super::plane::{Plane, Relief};

/// The least contrast that is not only a camera's grain: the variance in levels of 255.
const LEAST_CONTRAST: f64 = 4.0;

/// Of grain that is spread as a Gaussian, a quarter of the values lie within this many standard deviations.
const QUARTER: f64 = 0.318_64;

/// Strips along the shorter side in which the light is taken to be even.
const STRIPS: usize = 12;

/// The part of a strip that is brighter than what is taken for its light.
const BRIGHTEST: f32 = 0.02;

/// What is darker than this part of the light behind it is stained: even pale cells take a sixth.
const STAINED: f32 = 0.86;

/// How far two places of one cell may be apart, in diameters, until they are as often unlike as alike: measured on fields of
/// three microscopes, where it is 0.7 to 0.9.
const ALIKE: f64 = 0.78;

/// More rows than this tell no more about sharpness; the next ones are passed over evenly.
const ROWS: usize = 540;

/// How sharp a plane is, in the unit of `quality.focus`: the variance of the Laplacian over that of the plane itself,
/// in thousandths. But for the grain: where a frame is flat, its Laplacian is grain only, and its share is taken off.
/// 0 without contrast.
pub(super) fn focus(plane: &Plane<u8>) -> f32 {
    let (width, height) = (plane.width, plane.height);
    if width < 3 || height < 3 {
        return 0.0;
    }
    let mut steepness = vec![0u32; 4 * 255 + 1];
    let (mut sum, mut squares, mut signed) = (0i64, 0i64, 0i64);
    let rows = (1..height - 1).step_by(height.div_ceil(ROWS));
    let n = ((width - 2) * rows.len()) as f64;
    for y in rows {
        let [above, row, below] = [y - 1, y, y + 1].map(|y| &plane.row(y)[..width]);
        let (mut row_sum, mut row_squares, mut row_signed) = (0i32, 0i64, 0i32);
        for x in 1..width - 1 {
            let [own, a, b, c, d] =
                [row[x], above[x], below[x], row[x - 1], row[x + 1]].map(i32::from);
            let steep = a + b + c + d - 4 * own;
            row_sum += own;
            row_squares += i64::from(own * own);
            row_signed += steep;
            steepness[steep.unsigned_abs() as usize] += 1;
        }
        sum += i64::from(row_sum);
        squares += row_squares;
        signed += i64::from(row_signed);
    }
    let variance = |sum: f64, squares: f64| squares / n - (sum / n).powi(2);
    let steep_squares: f64 = steepness
        .iter()
        .enumerate()
        .map(|(steep, &n)| (steep * steep) as f64 * f64::from(n))
        .sum();
    let grain = (smallest(&steepness, n / 4.0) / QUARTER).powi(2);
    let contrast = variance(sum as f64, squares as f64);
    // The Laplacian of independent grain has 4² + 4 times its variance.
    if contrast - grain / 20.0 < LEAST_CONTRAST {
        return 0.0;
    }
    let steep = (variance(signed as f64, steep_squares) - grain).max(0.0);
    (1000.0 * steep / (contrast - grain / 20.0)) as f32
}

/// The value below which so many lie. Whole numbers stand for what rounds to them.
fn smallest(histogram: &[u32], n: f64) -> f64 {
    let mut below = 0.0;
    for (value, &here) in histogram.iter().enumerate() {
        let here = f64::from(here);
        if below + here >= n {
            let part = (n - below) / here;
            // 0 stands for half as much as others: only what is above it.
            return if value == 0 {
                part * 0.5
            } else {
                value as f64 - 0.5 + part
            };
        }
        below += here;
    }
    histogram.len() as f64
}

/// The light between the cells, as `quality.exposure` has it: the mean of the brightest tenth, 1 the largest value.
pub(super) fn exposure(plane: &Plane<u8>) -> f32 {
    brightest_tenth(&plane.data)
}

/// The part of a plane that is stained, 0 to 1: clearly darker than the light behind it.
pub(super) fn stained(plane: &Plane<u16>) -> f32 {
    let (width, height) = (plane.width, plane.height);
    let strip = (width.min(height) / STRIPS).max(1);
    let value = |x: usize, y: usize| plane.data[y * width + x];
    let across = brightest(width, height, strip, value);
    let down = brightest(height, width, strip, |y, x| value(x, y));
    let most = |lights: &[f32]| lights.iter().copied().fold(0.0, f32::max);
    let middle = (most(&across) + most(&down)) / 2.0;
    if middle <= 0.0 {
        return 0.0;
    }
    let mut dark = 0usize;
    for (y, light) in down.iter().enumerate() {
        let limit = STAINED * light / middle;
        let values = plane.row(y).iter().zip(&across);
        dark += values
            .filter(|&(&value, &light)| f32::from(value) < limit * light)
            .count();
    }
    dark as f32 / (width * height) as f32
}

/// The light along an axis: of strips across it, which are long enough to have gaps between the cells, what their brightest
/// places have. The light of a lamp falls off along both axes alike, so that of a place is the product of its two.
fn brightest(
    length: usize,
    across: usize,
    strip: usize,
    value: impl Fn(usize, usize) -> u16,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(strip * across / 2 + strip);
    let lights: Vec<f32> = (0..length.div_ceil(strip))
        .map(|i| {
            let places = i * strip..((i + 1) * strip).min(length);
            values.clear();
            // Every second one tells as much.
            for b in (0..across).step_by(2) {
                values.extend(places.clone().map(|a| value(a, b)));
            }
            let nth = (values.len() as f32 * (1.0 - BRIGHTEST)) as usize;
            let nth = nth.min(values.len().saturating_sub(1));
            values.get(nth)?;
            Some(f32::from(*values.select_nth_unstable(nth).1))
        })
        .map(Option::unwrap_or_default)
        .collect();
    (0..length)
        .map(|at| {
            let place =
                ((at as f32 + 0.5) / strip as f32 - 0.5).clamp(0.0, (lights.len() - 1) as f32);
            let first = place as usize;
            let next = lights[(first + 1).min(lights.len() - 1)];
            lights[first] + (next - lights[first]) * (place - first as f32)
        })
        .collect()
}

/// About how wide the things in a relief are, in its pixels; `None` where there is nothing but grain. A place and its
/// neighbour are alike as long as both lie in one cell: of cells side by side the autocorrelation is 0 at about four fifths
/// of their diameter, whether they touch or not and however blurred they are.
pub(super) fn cell_width(relief: &Relief) -> Option<f32> {
    let (width, height) = (relief.width, relief.height);
    let along = |a: &[i16], b: &[i16]| {
        let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
        i64::from(products.sum::<i32>())
    };
    let alike = |lag: usize| {
        let across: i64 = (0..height)
            .map(|y| along(&relief.row(y)[lag..], relief.row(y)))
            .sum();
        let down: i64 = (lag..height)
            .map(|y| along(relief.row(y), relief.row(y - lag)))
            .sum();
        let n = (width - lag) * height + width * (height - lag);
        (across + down) as f64 / n as f64
    };
    let mut before = alike(0);
    for lag in 1..width.min(height) / 2 {
        let here = alike(lag);
        if here <= 0.0 {
            let zero = (lag - 1) as f64 + before / (before - here).max(f64::MIN_POSITIVE);
            return Some((zero / ALIKE) as f32).filter(|_| lag > 1);
        }
        before = here;
    }
    None
}
