//! How large the cells are, by what their rims vote for: also where hardly any cell lies alone.

use std::f32::consts::{PI, TAU};

use super::grid::Grid;
use super::rims::{Rim, rims};

/// The radii that are tried on one plane, in its pixels; the plane is halved for larger ones.
const RADII: [f32; 2] = [7.0, 14.0];
/// Each is larger than the one before by this factor.
const STEP: f32 = 1.08;
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
    let mut level = (dark.clone(), mask.clone());
    let area = mask.data.iter().filter(|&&m| m).count() as f32;
    for halved in 0..=MAX_HALVED {
        let scale = (1 << halved) as f32;
        let found;
        let rims = if halved == 0 {
            own
        } else {
            level = (halve(&level.0), halve_mask(&level.1));
            found = rims(&level.0, &level.1);
            &found
        };
        let (w, h) = (level.0.width, level.0.height);
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
    let side = SQUARE * radius;
    let [columns, rows] = [w, h].map(|n| (n as f32 / side) as usize + 1);
    let mut votes = Grid::filled(columns, rows, 0u16);
    for rim in rims {
        let [x, y] = [0, 1].map(|i| (rim.at[i] + radius * rim.inwards[i] + 0.5) / side);
        if x >= 0.0 && y >= 0.0 && (x as usize) < columns && (y as usize) < rows {
            votes.data[y as usize * columns + x as usize] += 1;
        }
    }
    let chance = 2.0 * rims.len() as f32 / votes.data.len() as f32;
    let parts = || {
        votes
            .data
            .iter()
            .map(|&v| ((f32::from(v) - chance).max(0.0) / (TAU * radius)).powi(3))
    };
    let sum: f32 = parts().sum::<f32>() - parts().fold(0.0, f32::max);
    sum * PI * radius * radius
}

fn halve(plane: &Grid<u8>) -> Grid<u8> {
    let (w, h) = (plane.width / 2, plane.height / 2);
    let mut out = Grid::filled(w, h, 0u8);
    for y in 0..h {
        let (a, b) = (plane.row(2 * y), plane.row(2 * y + 1));
        for x in 0..w {
            let sum = [a[2 * x], a[2 * x + 1], b[2 * x], b[2 * x + 1]]
                .map(u16::from)
                .iter()
                .sum::<u16>();
            out.data[y * w + x] = (sum / 4) as u8;
        }
    }
    out
}

fn halve_mask(mask: &Grid<bool>) -> Grid<bool> {
    let (w, h) = (mask.width / 2, mask.height / 2);
    let mut out = Grid::filled(w, h, false);
    for y in 0..h {
        for x in 0..w {
            out.data[y * w + x] = mask.data[2 * y * mask.width + 2 * x];
        }
    }
    out
}
