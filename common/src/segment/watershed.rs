//! Touching cells are split where the clump is narrow.

use std::collections::BTreeMap;

use super::distance::UNIT;
use super::grid::Grid;
use super::regions::{Forest, Labelled, settle};

/// How much narrower than the smaller of two cells the neck between them must be, as a part of a typical
/// cell's radius. Two discs whose centres are a radius apart have 0.13; the dent of a cell that
/// isn't quite convex has as little as this, so some cells are cut here that are joined again below.
const MIN_DEPTH: f32 = 0.02;

/// Two neighbours were one if together they are no larger than so many typical cells and the neck between them is
/// narrower by no more than this part of a typical cell's radius. What would be larger together than the last of
/// these, which a cell with a parasite may be, stays apart however wide the neck is.
const WHOLE: [(f32, f32); 3] = [(1.1, f32::INFINITY), (1.5, 0.13), (1.9, 0.05)];

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
    // A border of one pixel, shared by the end of a row and the beginning of the next, spares each visit the
    // question whether a neighbour exists.
    let stride = w + 1;
    let inner = |y: usize| (y + 1) * stride + 1..(y + 2) * stride;
    let mut depths = vec![0u16; stride * (h + 2) + 1];
    for y in 0..h {
        depths[inner(y)].copy_from_slice(distance.row(y));
    }
    let mut labels = vec![0u32; depths.len()];
    let mut forest = Forest::default();
    let mut peaks: Vec<u16> = Vec::new();
    for place in inside_out(&depths) {
        let place = place as usize;
        let own = depths[place];
        let upper = place - stride - 1;
        let lower = place + stride - 1;
        let places = [
            upper,
            upper + 1,
            upper + 2,
            place - 1,
            place + 1,
            lower,
            lower + 1,
            lower + 2,
        ];
        let around = places.map(|neighbour| labels[neighbour]);
        // Nearly all pixels have neighbours of one basin only.
        let any = around.iter().fold(0, |any, label| any | label);
        if any == 0 {
            peaks.push(own);
            labels[place] = forest.add() + 1;
            continue;
        }
        let others = |&label: &u32| (label != 0) & (label != any);
        if !around
            .iter()
            .fold(false, |found, label| found | others(label))
        {
            labels[place] = any;
            continue;
        }
        let mut near = [0u32; 8];
        let mut count = 0;
        let mut innermost = (0, 0);
        for (label, neighbour) in around.into_iter().zip(places) {
            if label == 0 {
                continue;
            }
            innermost = innermost.max((depths[neighbour], label));
            if !near[..count].contains(&label) {
                near[count] = label;
                count += 1;
            }
        }
        labels[place] = innermost.1;
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
    drop(depths);
    for y in 0..h {
        labels.copy_within(inner(y), y * w);
    }
    labels.truncate(w * h);
    let labels = Grid {
        width: w,
        height: h,
        data: labels,
    };
    let basins = settle(labels, &mut forest);
    join_fragments(basins, distance, radius)
}

/// The pixels of the mask, the innermost first, by counting how many there are at each distance.
fn inside_out(distances: &[u16]) -> Vec<u32> {
    let most = distances.iter().copied().max().unwrap_or(0);
    let mut starts = vec![0u32; usize::from(most) + 2];
    for &d in distances.iter().filter(|&&d| d > 0) {
        starts[usize::from(most - d) + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut order = vec![0; starts[starts.len() - 1] as usize];
    for (index, &d) in distances.iter().enumerate().filter(|&(_, &d)| d > 0) {
        let next = &mut starts[usize::from(most - d)];
        order[*next as usize] = index as u32;
        *next += 1;
    }
    order
}

/// Joins neighbours that are together one cell, those with the widest neck first.
fn join_fragments(basins: Labelled, distance: &Grid<u16>, radius: f32) -> Split {
    let disc = std::f32::consts::PI * radius * radius;
    let mut necks: Vec<_> = necks(&basins.labels, distance).into_iter().collect();
    necks.sort_unstable_by_key(|&(pair, neck)| (std::cmp::Reverse(neck), pair));
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
    let mut forest = Forest::of(areas.len());
    for &((a, b), neck) in &necks {
        let (a, b) = (forest.root(a - 1) as usize, forest.root(b - 1) as usize);
        let together = areas[a] + areas[b];
        let depth = peaks[a].min(peaks[b]).saturating_sub(neck);
        let part = f32::from(depth) / (radius * f32::from(UNIT));
        let one = WHOLE
            .iter()
            .any(|&(most, deepest)| together <= most * disc && part <= deepest);
        if a != b && one {
            let peak = peaks[a].max(peaks[b]);
            let root = forest.join(a as u32, b as u32) as usize;
            (areas[root], peaks[root]) = (together, peak);
        }
    }
    let cells = settle(basins.labels, &mut forest);
    // Basins that meet and weren't joined are cells that touch.
    let mut touching = vec![false; cells.regions.len()];
    let cell =
        |basin: u32| cells.labels.data[basins.regions[basin as usize - 1].first] as usize - 1;
    for &((a, b), _) in &necks {
        let (a, b) = (cell(a), cell(b));
        if a != b {
            touching[a] = true;
            touching[b] = true;
        }
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
    // Few pixels are on a border: a look at sixteen at a time, which vectorises, passes most over.
    let is_border = |(&a, &b): (&u32, &u32)| (a != b) & (a != 0) & (b != 0);
    let mut compare = |first: usize, second: usize, count: usize| {
        for start in (0..count).step_by(16) {
            let n = (count - start).min(16);
            let (i, j) = (first + start, second + start);
            let pairs = labels.data[i..i + n].iter().zip(&labels.data[j..j + n]);
            if pairs.fold(false, |any, pair| any | is_border(pair)) {
                (0..n).for_each(|k| meet(i + k, j + k));
            }
        }
    };
    let w = labels.width;
    for y in 0..labels.height {
        let row = y * w;
        compare(row, row + 1, w - 1);
        if y > 0 {
            compare(row - w, row, w);
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
