//! Touching cells are split where the clump is narrow.

use std::collections::BTreeMap;

use super::distance::UNIT;
use super::grid::Grid;
use super::regions::{Forest, Labelled, settle};

/// How much narrower than the smaller of two cells the neck between them must be, as a part of a typical
/// cell's radius. Two discs whose centres are a radius apart have 0.13; the dent of a cell that
/// isn't quite convex has as little as this, so some cells are cut here that are joined again below.
const MIN_DEPTH: f32 = 0.04;

/// Two neighbours that are together no larger than this many typical cells were one.
const MAX_WHOLE: f32 = 1.1;

/// Two neighbours that are together no larger than this many were one …
const MAX_LARGE: f32 = 1.5;

/// … if the neck between them isn't narrower by this part of a typical cell's radius.
const MIN_LARGE_DEPTH: f32 = 0.13;

/// The cells of a mask.
pub(super) struct Split {
    /// Each cell with its own label.
    pub cells: Labelled,
    /// Whether the cell touches another.
    pub touching: Vec<bool>,
}

/// Splits the mask whose distances to the background are given; `radius` is that of a typical cell.
///
/// The pixels are visited from the inside outwards. One without a visited neighbour founds a basin, others
/// join the basin of their innermost neighbour. Where two basins meet, the shallower one was a cell of its
/// own if its innermost pixel lies deep enough below the meeting point (its dynamics, or: it would be an
/// h-maximum); else the two become one. That is a watershed with h-maxima as markers in one pass over
/// the sorted pixels.
pub(super) fn split(distance: &Grid<u16>, radius: f32) -> Split {
    let depth = (MIN_DEPTH * radius * f32::from(UNIT)).max(1.0) as u16;
    let (w, h) = (distance.width, distance.height);
    let mut labels = Grid::filled(w, h, 0u32);
    let mut forest = Forest::default();
    let mut peaks: Vec<u16> = Vec::new();
    for index in inside_out(distance) {
        let index = index as usize;
        let (x, y) = (index % w, index / w);
        let own = distance.data[index];
        let mut near = [0u32; 8];
        let mut count = 0;
        let mut innermost = (0, 0);
        for ny in y.saturating_sub(1)..=(y + 1).min(h - 1) {
            for nx in x.saturating_sub(1)..=(x + 1).min(w - 1) {
                let neighbour = ny * w + nx;
                let label = labels.data[neighbour];
                if label == 0 {
                    continue;
                }
                innermost = innermost.max((distance.data[neighbour], label));
                if !near[..count].contains(&label) {
                    near[count] = label;
                    count += 1;
                }
            }
        }
        if count == 0 {
            peaks.push(own);
            labels.data[index] = forest.add() + 1;
            continue;
        }
        labels.data[index] = innermost.1;
        if count == 1 {
            continue;
        }
        let mut basin = forest.root(innermost.1 - 1);
        for &label in &near[..count] {
            let other = forest.root(label - 1);
            let (low, high) = if peaks[other as usize] < peaks[basin as usize] {
                (other, basin)
            } else {
                (basin, other)
            };
            if low != high && peaks[low as usize] - own < depth {
                forest.hang(low, high);
                basin = high;
            }
        }
    }
    let basins = settle(labels, &mut forest);
    join_fragments(basins, distance, radius)
}

/// The pixels of the mask, the innermost first, by counting how many there are at each distance.
fn inside_out(distance: &Grid<u16>) -> Vec<u32> {
    let most = distance.data.iter().copied().max().unwrap_or(0);
    let mut starts = vec![0u32; usize::from(most) + 2];
    for &d in distance.data.iter().filter(|&&d| d > 0) {
        starts[usize::from(most - d) + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut order = vec![0; starts[starts.len() - 1] as usize];
    for (index, &d) in distance.data.iter().enumerate().filter(|&(_, &d)| d > 0) {
        let next = &mut starts[usize::from(most - d)];
        order[*next as usize] = index as u32;
        *next += 1;
    }
    order
}

/// Joins neighbours that are together one cell, those with the widest neck first.
fn join_fragments(basins: Labelled, distance: &Grid<u16>, radius: f32) -> Split {
    let disc = std::f32::consts::PI * radius * radius;
    let shallow = MIN_LARGE_DEPTH * radius * f32::from(UNIT);
    let mut necks: Vec<_> = necks(&basins.labels, distance).into_iter().collect();
    necks.sort_by_key(|&(pair, neck)| (std::cmp::Reverse(neck), pair));
    let mut peaks = vec![0u16; basins.regions.len()];
    for (&label, &distance) in basins.labels.data.iter().zip(&distance.data) {
        if label != 0 {
            let peak = &mut peaks[label as usize - 1];
            *peak = distance.max(*peak);
        }
    }
    let mut areas: Vec<f32> = basins
        .regions
        .iter()
        .map(|region| region.area as f32)
        .collect();
    let mut forest = Forest::default();
    for _ in &areas {
        forest.add();
    }
    for ((a, b), neck) in necks {
        let (a, b) = (forest.root(a - 1) as usize, forest.root(b - 1) as usize);
        let together = areas[a] + areas[b];
        let depth = peaks[a].min(peaks[b]).saturating_sub(neck);
        let one = together <= MAX_WHOLE * disc
            || together <= MAX_LARGE * disc && f32::from(depth) <= shallow;
        if a != b && one {
            let peak = peaks[a].max(peaks[b]);
            let root = forest.join(a as u32, b as u32) as usize;
            (areas[root], peaks[root]) = (together, peak);
        }
    }
    let cells = settle(basins.labels, &mut forest);
    let mut touching = vec![false; cells.regions.len()];
    for &(a, b) in self::necks(&cells.labels, distance).keys() {
        touching[a as usize - 1] = true;
        touching[b as usize - 1] = true;
    }
    Split { cells, touching }
}

/// Which labels are neighbours, the smaller one first, and the largest distance to the background on their
/// border: half the width of the neck.
fn necks(labels: &Grid<u32>, distance: &Grid<u16>) -> BTreeMap<(u32, u32), u16> {
    let mut necks = BTreeMap::new();
    let mut meet = |i: usize, j: usize| {
        let (a, b) = (labels.data[i], labels.data[j]);
        if a != b && a != 0 && b != 0 {
            let neck = necks.entry((a.min(b), a.max(b))).or_insert(0);
            *neck = distance.data[i].min(distance.data[j]).max(*neck);
        }
    };
    for i in 0..labels.data.len() {
        if i % labels.width > 0 {
            meet(i - 1, i);
        }
        if i >= labels.width {
            meet(i - labels.width, i);
        }
    }
    necks
}

#[cfg(test)]
mod tests {
    use super::super::distance::distances;
    use super::*;

    fn discs(width: usize, height: usize, discs: &[(f32, f32, f32)]) -> Grid<u16> {
        distances(&Grid::drawn([width, height], |x, y| {
            discs.iter().any(|&(cx, cy, r)| (x - cx).hypot(y - cy) <= r)
        }))
    }

    #[test]
    fn touching_discs_are_split() {
        for apart in [24.0, 30.0, 38.0] {
            let found = split(
                &discs(120, 60, &[(40.0, 30.0, 20.0), (40.0 + apart, 30.0, 20.0)]),
                20.0,
            );
            assert_eq!(found.cells.regions.len(), 2, "{apart}");
            assert_eq!(found.touching, [true, true]);
            let areas: Vec<_> = found.cells.regions.iter().map(|r| r.area).collect();
            assert!(areas[0].abs_diff(areas[1]) < 120, "{areas:?}");
        }
    }

    #[test]
    fn one_disc_stays_whole() {
        let found = split(&discs(60, 60, &[(30.0, 30.0, 20.0)]), 20.0);
        assert_eq!(
            (found.cells.regions.len(), found.touching),
            (1, vec![false])
        );
    }

    #[test]
    fn nothing_and_everything() {
        assert!(split(&Grid::filled(4, 4, 0), 20.0).cells.regions.is_empty());
        assert_eq!(
            split(&Grid::filled(4, 4, u16::MAX), 20.0)
                .cells
                .regions
                .len(),
            1
        );
    }
}
