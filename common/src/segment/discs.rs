//! Cells as discs, found by what their rims vote for: overlapping cells have no neck between them, but each has
//! most of its rim; and of a pale cell there may be nothing else.

use std::collections::BinaryHeap;
use std::f32::consts::TAU;

use super::circles::{Disc, Fit, RADII, Rims, distance};
use super::grid::Grid;
use super::rims::{Rim, vote};

/// The distances at which a rim votes, as a part of the typical radius.
const VOTES_AT: [f32; 2] = [0.75, 1.2];
/// The side of the squares in which votes count together, as a part of the typical radius. Each square has a say in
/// those around it, too.
const SQUARE: f32 = 0.16;
/// A place with less than this part of the votes of a whole circle is no candidate.
const MIN_VOTES: f32 = 0.3;
/// A candidate has at least this part of the votes of each square around it.
const NEARLY_BEST: f32 = 0.9;
/// Smaller circles can't be told from grain, in pixels …
const MIN_RADIUS: f32 = 4.0;
/// … and a plane is reduced until cells are smaller than this: what seems to be larger is no cell.
const MAX_RADIUS: f32 = 70.0;
/// Centres that are closer than this, as a part of the smaller radius, are one cell's.
const MIN_APART: f32 = 1.2;

/// The discs of a plane that its rims agree about, the best first; `typical` is the radius of a typical cell.
///
/// Each rim votes for the places at about that distance on its darker side (Kimme, Ballard and Sklansky, CACM 18,
/// 1975, 120–122). Circles are fitted where many votes fall together; the one with the most rim around it
/// takes its rims away from the others, then the next.
pub(super) fn discs(rims: &[Rim], size: [usize; 2], typical: f32) -> Vec<Disc> {
    if !(MIN_RADIUS..=MAX_RADIUS).contains(&typical) {
        return Vec::new();
    }
    let mut rims = Rims::new(rims, size, typical);
    let mut fits: BinaryHeap<Fit> = candidates(rims.all(), size, typical)
        .into_iter()
        .filter_map(|place| rims.fit(place))
        .collect();
    let mut found = Apart::new(size, typical);
    while let Some(fit) = fits.pop() {
        if !found.is_another(&fit.disc) {
            continue;
        }
        if rims.take(&fit) {
            found.add(fit.disc);
        } else {
            // Others have taken rims from it since: it may no longer be the best.
            fits.extend(rims.fit(fit.disc.centre));
        }
    }
    found.discs
}

/// The places for which many rims vote.
fn candidates(rims: &[Rim], size: [usize; 2], typical: f32) -> Vec<[f32; 2]> {
    let side = SQUARE * typical;
    let [columns, rows] = size.map(|n| (n as f32 / side) as usize + 1);
    let mut votes = Grid::filled(columns, rows, 0u16);
    let steps = ((VOTES_AT[1] - VOTES_AT[0]) / SQUARE).ceil() as u8;
    let step = (VOTES_AT[1] - VOTES_AT[0]) / f32::from(steps);
    for r in (0..=steps).map(|n| typical * (VOTES_AT[0] + step * f32::from(n))) {
        vote(&mut votes, rims.iter(), r, 1.0 / side);
    }
    // A circle's rims vote three times for the squares around its centre.
    let least = (3.0 * MIN_VOTES * TAU * typical) as u32;
    let around = |x: usize, y: usize| {
        let columns = x.saturating_sub(1)..(x + 2).min(columns);
        let rows = y.saturating_sub(1)..(y + 2).min(rows);
        rows.flat_map(move |y| columns.clone().map(move |x| [x, y]))
    };
    let mut sums = votes.map(u32::from);
    for (at, sum) in sums.data.iter_mut().enumerate() {
        let near = around(at % columns, at / columns);
        *sum = near
            .map(|[x, y]| u32::from(votes.data[y * columns + x]))
            .sum();
    }
    let is_candidate = |&[x, y]: &[usize; 2]| {
        let own = sums.data[y * columns + x];
        let beats = |other: u32| own as f32 >= NEARLY_BEST * other as f32;
        own > least && around(x, y).all(|[x, y]| beats(sums.data[y * columns + x]))
    };
    (0..rows)
        .flat_map(|y| (0..columns).map(move |x| [x, y]))
        .filter(is_candidate)
        .map(|at| at.map(|v| (v as f32 + 0.5) * side - 0.5))
        .collect()
}

/// Discs that are not too close to each other, to be looked up by place.
struct Apart {
    discs: Vec<Disc>,
    /// The places in `discs` of those in each square.
    squares: Grid<Vec<u32>>,
    /// Of a square, in pixels: no two discs that are too close are further apart.
    side: f32,
}

impl Apart {
    fn new(size: [usize; 2], typical: f32) -> Self {
        let side = MIN_APART * RADII[1] * typical;
        let [width, height] = size.map(|n| (n as f32 / side) as usize + 1);
        Self {
            discs: Vec::new(),
            squares: Grid {
                width,
                height,
                data: vec![Vec::new(); width * height],
            },
            side,
        }
    }

    /// The square of a disc's centre: column and row.
    fn square(&self, disc: &Disc) -> [usize; 2] {
        let [x, y] = disc.centre.map(|v| (v / self.side).max(0.0) as usize);
        [
            x.min(self.squares.width - 1),
            y.min(self.squares.height - 1),
        ]
    }

    /// Whether a disc is none of those that are there.
    fn is_another(&self, disc: &Disc) -> bool {
        let [w, h] = [self.squares.width, self.squares.height];
        let [x, y] = self.square(disc);
        let is_apart = |&other: &u32| {
            let other = &self.discs[other as usize];
            distance(other.centre, disc.centre) >= MIN_APART * other.radius.min(disc.radius)
        };
        let near = x.saturating_sub(1)..(x + 2).min(w);
        let mut rows = y.saturating_sub(1)..(y + 2).min(h);
        rows.all(|row| {
            let squares = &self.squares.data[row * w + near.start..row * w + near.end];
            squares.iter().flatten().all(is_apart)
        })
    }

    fn add(&mut self, disc: Disc) {
        let [x, y] = self.square(&disc);
        self.squares.data[y * self.squares.width + x].push(self.discs.len() as u32);
        self.discs.push(disc);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rims::rims;
    use super::*;

    fn found(dark: &Grid<u8>, mask: &Grid<bool>) -> Vec<Disc> {
        discs(&rims(dark, mask), [dark.width, dark.height], 20.0)
    }

    /// Discs whose darkness adds up where they overlap.
    fn drawn(size: [usize; 2], discs: &[[f32; 3]]) -> (Grid<u8>, Grid<bool>) {
        let dark = Grid::drawn(size, |x, y| {
            let over: f32 = discs
                .iter()
                .map(|&[cx, cy, r]| (r + 0.5 - (x - cx).hypot(y - cy)).clamp(0.0, 1.0))
                .sum();
            (60.0 * over) as u8
        });
        let mask = dark.map(|d| d > 30);
        (dark, mask)
    }

    #[test]
    fn overlapping_discs_without_a_neck_are_found() {
        let truth = [[50.0, 50.0, 20.0], [76.0, 50.0, 20.0], [62.0, 72.0, 19.0]];
        let (dark, mask) = drawn([130, 120], &truth);
        let found = found(&dark, &mask);
        assert_eq!(found.len(), 3, "{found:?}");
        for [x, y, r] in truth {
            let is_it = |d: &Disc| distance(d.centre, [x, y]) < 3.0 && (d.radius - r).abs() < 3.0;
            assert!(found.iter().any(is_it), "{x} {y} {found:?}");
        }
    }

    #[test]
    fn a_single_cell_is_one_disc_and_a_bar_none() {
        let (dark, mask) = drawn([80, 80], &[[40.0, 40.0, 22.0]]);
        assert_eq!(found(&dark, &mask).len(), 1);
        let bar = Grid::drawn(
            [120, 40],
            |_, y| if (y - 20.0).abs() < 5.0 { 90 } else { 0 },
        );
        assert!(found(&bar, &bar.map(|d| d > 45)).is_empty());
    }
}
