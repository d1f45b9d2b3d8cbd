//! How large the cells are, by what their rims vote for: also where hardly any cell lies alone.

use std::f32::consts::{PI, TAU};

use super::grid::Grid;
use super::rims::{Rim, vote};

/// The radii that are tried, in pixels.
const RADII: [f32; 2] = [7.0, 64.0];
/// Each is larger than the one before by this factor.
const STEP: f32 = 1.08;
/// So many rims that there may be around a cell are enough: of larger ones not all are asked.
const ENOUGH: f32 = 88.0;
/// The side of the squares in which votes count together, as a part of the radius.
const SQUARE: f32 = 0.3;
/// The least agreement of the rims: the cells must make up that much of what is dark.
const MIN_AGREEMENT: f32 = 0.003;

/// The radius that the rims of a mask agree about, in pixels; `None` where they don't.
pub(super) fn voted_radius(rims: &[Rim], mask: &Grid<bool>) -> Option<f32> {
    let area = mask.data.iter().filter(|&&inside| inside).count();
    let mut best = (MIN_AGREEMENT * area as f32, None);
    let mut radius = RADII[0];
    while radius < RADII[1] {
        let agreed = agreement(rims, [mask.width, mask.height], radius);
        if agreed > best.0 {
            best = (agreed, Some(radius));
        }
        radius *= STEP;
    }
    // Most at the first radius is no peak: the cells may be smaller still.
    best.1.filter(|&radius| radius > RADII[0])
}

/// The area of the cells of a radius, each counted by the cube of the part of its rim that there is: a whole rim says
/// far more than two halves.
fn agreement(rims: &[Rim], size: [usize; 2], radius: f32) -> f32 {
    let every = (TAU * radius / ENOUGH).max(1.0) as usize;
    let scale = 1.0 / (SQUARE * radius);
    let [columns, rows] = size.map(|n| (n as f32 * scale) as usize + 1);
    let mut votes = Grid::filled(columns, rows, 0u16);
    vote(&mut votes, rims.iter().step_by(every), radius, scale);
    let cast = rims.len() / every;
    let chance = 2.0 * cast as f32 / votes.data.len() as f32;
    let whole = TAU * radius / every as f32;
    let (mut sum, mut most) = (0.0, 0.0f32);
    for &votes in votes.data.iter().filter(|&&v| f32::from(v) > chance) {
        let part = ((f32::from(votes) - chance) / whole).powi(3);
        sum += part;
        most = most.max(part);
    }
    // One thing alone, a white cell, says nothing of the others.
    (sum - most) * PI * radius * radius
}

#[cfg(test)]
mod tests {
    use super::super::rims::rims;
    use super::*;

    /// What is voted of discs in rows, each overlapping the next by a quarter of a radius.
    fn voted(radius: f32, draw: impl Fn(f32, f32) -> bool) -> Option<f32> {
        let dark = Grid::drawn([400, 300], |x, y| {
            let (dx, dy) = (x % (1.75 * radius), y % (3.0 * radius));
            let inside = (dx - 0.875 * radius).hypot(dy - 1.5 * radius) <= radius;
            if inside || draw(x, y) { 90u8 } else { 5 }
        });
        let mask = dark.map(|d| d > 45);
        voted_radius(&rims(&dark, &mask), &mask)
    }

    #[test]
    fn the_size_of_cells_in_chains_is_seen() {
        for radius in [9.0, 14.0, 20.0, 33.0, 50.0] {
            let voted = voted(radius, |_, _| false).unwrap();
            assert!((voted / radius - 1.0).abs() < 0.12, "{radius} {voted}");
        }
    }

    #[test]
    fn one_large_thing_says_nothing() {
        let voted = voted(16.0, |x, y| (x - 200.0).hypot(y - 150.0) <= 45.0).unwrap();
        assert!((voted / 16.0 - 1.0).abs() < 0.12, "{voted}");
    }

    #[test]
    fn without_rims_there_is_no_size() {
        let mask = Grid::filled(60, 40, true);
        assert_eq!(voted_radius(&[], &mask), None);
    }
}
