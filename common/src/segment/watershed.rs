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

/// So were two that are together up to this many …
const MAX_LARGE: f32 = 1.5;

/// … and whose border is at least this part of the smaller one's diameter: two cells touch along less.
const MIN_NECK: f32 = 0.78;

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
    join_fragments(basins, std::f32::consts::PI * radius * radius)
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

/// Joins neighbours that are together one cell, by their size and by their border; the longest border first.
fn join_fragments(basins: Labelled, disc: f32) -> Split {
    let mut borders: Vec<_> = borders(&basins.labels).into_iter().collect();
    borders.sort_by_key(|&(pair, [across, along])| {
        (std::cmp::Reverse(across * across + along * along), pair)
    });
    let mut forest = Forest::default();
    let mut wholes = basins.regions.clone();
    for _ in &wholes {
        forest.add();
    }
    for &((a, b), [across, along]) in &borders {
        let (a, b) = (forest.root(a - 1), forest.root(b - 1));
        let together = wholes[a as usize].with(&wholes[b as usize]);
        let size = together.area as f32 / disc;
        let border = (across as f32).hypot(along as f32);
        let smaller = wholes[a as usize].area.min(wholes[b as usize].area) as f32;
        let neck = border / (2.0 * (smaller / std::f32::consts::PI).sqrt());
        if a != b && (size <= MAX_WHOLE || size <= MAX_LARGE && neck >= MIN_NECK) {
            let root = forest.join(a, b);
            wholes[root as usize] = together;
        }
    }
    let cells = settle(basins.labels, &mut forest);
    let mut touching = vec![false; cells.regions.len()];
    for &(a, b) in self::borders(&cells.labels).keys() {
        touching[a as usize - 1] = true;
        touching[b as usize - 1] = true;
    }
    Split { cells, touching }
}

/// Which labels are neighbours, the smaller one first, and along how many pixels upright and level.
fn borders(labels: &Grid<u32>) -> BTreeMap<(u32, u32), [u32; 2]> {
    let mut borders = BTreeMap::new();
    let mut meet = |a: u32, b: u32, way: usize| {
        if a != b && a != 0 && b != 0 {
            borders.entry((a.min(b), a.max(b))).or_insert([0; 2])[way] += 1;
        }
    };
    for y in 0..labels.height {
        let row = labels.row(y);
        for pair in row.windows(2) {
            meet(pair[0], pair[1], 0);
        }
        if y > 0 {
            for (&a, &b) in labels.row(y - 1).iter().zip(row) {
                meet(a, b, 1);
            }
        }
    }
    borders
}

#[cfg(test)]
mod tests {
    use super::super::distance::distances;
    use super::*;

    fn discs(width: usize, height: usize, discs: &[(f32, f32, f32)]) -> Grid<u16> {
        let data = (0..width * height)
            .map(|i| {
                let (x, y) = ((i % width) as f32, (i / width) as f32);
                discs.iter().any(|&(cx, cy, r)| (x - cx).hypot(y - cy) <= r)
            })
            .collect();
        distances(&Grid {
            width,
            height,
            data,
        })
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
