//! How large the cells are, by what their rims vote for: also where hardly any cell lies alone.

use std::f32::consts::{PI, TAU};

use super::grid::Grid;
use super::rims::{Rim, rims, vote};

/// The radii that are tried on one plane, in its pixels; the plane is halved for larger ones.
const RADII: [f32; 2] = [7.0, 14.0];
/// Each is larger than the one before by this factor.
const STEP: f32 = 1.12;
/// How often the plane is halved at most.
const MAX_HALVED: usize = 3;
/// The side of the squares in which votes count together, as a part of the radius.
const SQUARE: f32 = 0.25;
/// The least agreement of the rims: the cells must make up that much of what is dark.
const MIN_AGREEMENT: f32 = 0.003;

/// The radius that the rims of `dark` agree about, in its pixels; `None` where they don't. `area` is how many
/// pixels are dark.
pub(super) fn voted_radius(dark: &Grid<u8>, mask: &Grid<bool>, own: &[Rim]) -> Option<f32> {
    let mut best = (MIN_AGREEMENT, None);
    let mut level = None;
    let area = mask.data.iter().filter(|&&m| m).count() as f32;
    for halved in 0..=MAX_HALVED {
        let scale = (1 << halved) as f32;
        let found;
        let rims = if halved == 0 {
            own
        } else {
            let (dark, mask) = level.as_ref().map_or((dark, mask), |(d, m)| (d, m));
            let halved = (halve(dark), halve_mask(mask));
            found = rims(&halved.0, &halved.1);
            level = Some(halved);
            &found
        };
        let [w, h] = [dark.width, dark.height].map(|n| n >> halved);
        let mut radius = RADII[0];
        while radius < RADII[1] {
            let agreed = agreement(rims, [w, h], radius) * scale * scale / area.max(1.0);
            if agreed > best.0 {
                best = (agreed, Some(radius * scale));
            }
            radius *= STEP;
        }
    }
    best.1
}

/// The area of the cells of a radius, each counted by the cube of the part of its rim that there is.
fn agreement(rims: &[Rim], [w, h]: [usize; 2], radius: f32) -> f32 {
    let scale = 1.0 / (SQUARE * radius);
    let [columns, rows] = [w, h].map(|n| (n as f32 * scale) as usize + 1);
    let mut votes = Grid::filled(columns, rows, 0u16);
    vote(&mut votes, rims, radius, scale);
    let chance = 2.0 * rims.len() as f32 / votes.data.len() as f32;
    let whole = TAU * radius;
    let (mut sum, mut most) = (0.0, 0.0f32);
    for &votes in votes.data.iter().filter(|&&v| f32::from(v) > chance) {
        let part = ((f32::from(votes) - chance) / whole).powi(3);
        sum += part;
        most = most.max(part);
    }
    // One thing alone, a white cell, says nothing of the others.
    (sum - most) * PI * radius * radius
}

/// The means of two by two pixels.
fn halve(plane: &Grid<u8>) -> Grid<u8> {
    let (width, height) = (plane.width / 2, plane.height / 2);
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let pairs = |y| plane.row(y).chunks_exact(2);
        let means = pairs(2 * y).zip(pairs(2 * y + 1)).map(|(upper, lower)| {
            let sum: u16 = upper.iter().chain(lower).map(|&v| u16::from(v)).sum();
            (sum / 4) as u8
        });
        data.extend(means);
    }
    Grid {
        width,
        height,
        data,
    }
}

/// One of two by two pixels.
fn halve_mask(mask: &Grid<bool>) -> Grid<bool> {
    let (width, height) = (mask.width / 2, mask.height / 2);
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        data.extend(mask.row(2 * y).chunks_exact(2).map(|pair| pair[0]));
    }
    Grid {
        width,
        height,
        data,
    }
}
