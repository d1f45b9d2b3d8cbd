//! White cells, taken out before the red ones are parted: their lobes would be cut like clumps, and have rims like
//! cells.

use super::distance::{UNIT, distances};
use super::grid::Grid;
use super::nucleus::Stained;
use super::regions::{Corners, Forest, Labelled, Region, connected, settle};
use super::watershed::Split;

/// A white cell's nucleus has at least this part of a typical red cell's area; in a schizont less is as dense …
const NUCLEUS: f32 = 0.75;
/// … or this part, if it takes as much red light away as hemoglobin and a parasite don't.
const RED: f32 = 0.5;
/// The least part of a typical cell's area of a lobe.
const MIN_LOBE: f32 = 0.06;
/// How far apart the boxes of two lobes of a nucleus may be, as a part of a typical cell's radius.
const MAX_GAP: f32 = 0.35;
/// How far the body reaches beyond the nucleus, as a part of a typical cell's radius.
const BODY: f32 = 0.6;
/// What is smaller than this part of a typical cell and touches the body is its fringe.
const FRINGE: f32 = 0.3;

/// The white cells of a plane.
pub(super) struct White {
    bodies: Labelled,
}

impl White {
    /// Takes white cells out of a mask: their nuclei and what lies close around them. `radius` is that of a
    /// typical red cell. `None` where there are none.
    pub fn take_out(mask: &mut Grid<bool>, stained: &Stained, radius: f32) -> Option<Self> {
        let nuclei = nuclei(stained, std::f32::consts::PI * radius * radius)?;
        let reach = (BODY * radius * f32::from(UNIT)) as u16;
        let mut near = mask.clone();
        let from_nuclei = distances(&nuclei.map(|nucleus| nucleus == 0));
        for (near, distance) in near.data.iter_mut().zip(from_nuclei.data) {
            *near &= distance <= reach;
        }
        // What holds a lobe is part of the body, and all that holds lobes of one nucleus is one body.
        let parts = connected(&near, true, Corners::Joined);
        let count = parts.regions.len();
        let most = nuclei.data.iter().copied().max().unwrap_or(0) as usize;
        let mut forest = Forest::of(count + most);
        let mut holds_lobe = vec![false; count];
        for (&part, &nucleus) in parts.labels.data.iter().zip(&nuclei.data) {
            if part != 0 && nucleus != 0 {
                holds_lobe[part as usize - 1] = true;
                forest.join(part - 1, count as u32 + nucleus - 1);
            }
        }
        let labels = parts.labels.map(|part| match part {
            0 => 0,
            part if holds_lobe[part as usize - 1] => part,
            _ => 0,
        });
        let mut white = Self {
            bodies: settle(labels, &mut forest),
        };
        white.clear(mask);
        white.add_fringes(mask, FRINGE * std::f32::consts::PI * radius * radius);
        white.clear(mask);
        Some(white)
    }

    /// Adds what is left beside a body and smaller than `most` pixels.
    fn add_fringes(&mut self, mask: &Grid<bool>, most: f32) {
        let rest = connected(mask, true, Corners::Joined);
        let labels = &mut self.bodies.labels;
        // The body that each of the rest touches, 0 for none.
        let mut touched = vec![0; rest.regions.len()];
        for (place, &body) in labels
            .data
            .iter()
            .enumerate()
            .filter(|&(_, &body)| body != 0)
        {
            for beside in around(place, labels.width, labels.height) {
                if let Some(rest) = (rest.labels.data[beside] as usize).checked_sub(1) {
                    touched[rest] = body;
                }
            }
        }
        for (label, &rest_label) in labels.data.iter_mut().zip(&rest.labels.data) {
            if let Some(rest_label) = (rest_label as usize).checked_sub(1)
                && (rest.regions[rest_label].area as f32) < most
            {
                *label = touched[rest_label];
            }
        }
    }

    /// Takes them out of a mask.
    pub fn clear(&self, mask: &mut Grid<bool>) {
        for (pixel, &body) in mask.data.iter_mut().zip(&self.bodies.labels.data) {
            *pixel &= body == 0;
        }
    }

    /// Whether a place in the plane belongs to one.
    pub fn holds(&self, place: usize) -> bool {
        self.bodies.labels.data[place] != 0
    }

    /// Makes each of them a region beside the others. The second value says which regions they are.
    pub fn put_back(&self, split: Split) -> (Split, Vec<bool>) {
        let Split { cells, touching } = split;
        let first = cells.regions.len() as u32;
        let mut labels = cells.labels;
        let bodies = &self.bodies.labels.data;
        for (label, &body) in labels.data.iter_mut().zip(bodies) {
            if body != 0 {
                *label = first + body;
            }
        }
        let count = cells.regions.len() + self.bodies.regions.len();
        let all = settle(labels, &mut Forest::of(count));
        let mut now_touching = vec![false; all.regions.len()];
        for (region, touching) in cells.regions.iter().zip(touching) {
            now_touching[all.labels.data[region.first] as usize - 1] = touching;
        }
        let is_white: Vec<bool> = all
            .regions
            .iter()
            .map(|region| bodies[region.first] != 0)
            .collect();
        // What a body was cut from touches it.
        for place in (0..bodies.len()).filter(|&place| bodies[place] != 0) {
            for beside in around(place, all.labels.width, all.labels.height) {
                if let Some(region) = (all.labels.data[beside] as usize).checked_sub(1)
                    && !is_white[region]
                {
                    now_touching[region] = true;
                    now_touching[all.labels.data[place] as usize - 1] = true;
                }
            }
        }
        let split = Split {
            cells: all,
            touching: now_touching,
        };
        (split, is_white)
    }
}

/// The places that meet a place of a plane at a side or a corner.
fn around(place: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (place % width, place / width);
    let columns = x.saturating_sub(1)..(x + 2).min(width);
    let rows = y.saturating_sub(1)..(y + 2).min(height);
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
        .filter(move |&other| other != place)
}

/// The pixels of the nuclei of white cells, each nucleus with a label; `None` where there are none. `typical` is the
/// area of a red cell.
fn nuclei(stained: &Stained, typical: f32) -> Option<Grid<u32>> {
    let enough =
        |area: u32, red: u32| area as f32 >= NUCLEUS * typical || red as f32 >= RED * typical;
    let all = |plane: &Grid<bool>| plane.data.iter().filter(|&&is| is).count() as u32;
    if !enough(all(&stained.dense), all(&stained.red)) {
        return None;
    }
    let lobes = connected(&stained.dense, true, Corners::Joined);
    let regions = &lobes.regions;
    let is_lobe = |i: usize| regions[i].area as f32 >= MIN_LOBE * typical;
    // Along the longer side of the plane fewer lie side by side.
    let wide = stained.dense.width >= stained.dense.height;
    let spans = |region: &Region| {
        let (x, y) = ([region.left, region.right], [region.top, region.bottom]);
        if wide { [x, y] } else { [y, x] }
    };
    let mut large: Vec<(usize, [[usize; 2]; 2])> = (0..regions.len())
        .filter(|&i| is_lobe(i))
        .map(|i| (i, spans(&regions[i])))
        .collect();
    large.sort_by_key(|(_, spans)| spans[0][0]);
    let gap = MAX_GAP * (typical / std::f32::consts::PI).sqrt();
    let apart = |end: usize, begin: usize| begin as f32 - end as f32 > gap;
    let mut forest = Forest::of(regions.len());
    for (n, &(i, [along, across])) in large.iter().enumerate() {
        let near = large[n + 1..]
            .iter()
            .take_while(|(_, other)| !apart(along[1], other[0][0]));
        for &(j, [_, other]) in near {
            if !apart(across[1], other[0]) && !apart(other[1], across[0]) {
                forest.join(i as u32, j as u32);
            }
        }
    }
    let roots: Vec<Option<u32>> = (0..regions.len())
        .map(|i| is_lobe(i).then(|| forest.root(i as u32)))
        .collect();
    let root = |label: u32| roots[(label as usize).checked_sub(1)?];
    let mut areas = vec![[0u32; 2]; regions.len()];
    for (&label, &red) in lobes.labels.data.iter().zip(&stained.red.data) {
        if let Some(root) = root(label) {
            areas[root as usize][0] += 1;
            areas[root as usize][1] += u32::from(red);
        }
    }
    let white: Vec<bool> = areas.iter().map(|&[area, red]| enough(area, red)).collect();
    white.contains(&true).then(|| {
        lobes.labels.map(|label| match root(label) {
            Some(root) if white[root as usize] => root + 1,
            _ => 0,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::watershed::split;
    use super::*;

    /// A white cell with two lobes that touches a red one, and a red one alone with a parasite.
    fn field() -> (Grid<bool>, Stained) {
        let size = [200, 90];
        let disc = |x: f32, y: f32, at: [f32; 3]| (x - at[0]).hypot(y - at[1]) <= at[2];
        let mask = Grid::drawn(size, |x, y| {
            let cells = [[45.0, 45.0, 24.0], [87.0, 45.0, 20.0], [160.0, 45.0, 20.0]];
            cells.iter().any(|&at| disc(x, y, at))
        });
        let dense = Grid::drawn(size, |x, y| {
            let lobes = [[37.0, 46.0, 14.0], [57.0, 46.0, 14.0], [165.0, 40.0, 8.0]];
            lobes.iter().any(|&at| disc(x, y, at))
        });
        let red = dense.map(|_| false);
        (mask, Stained { dense, red })
    }

    #[test]
    fn a_white_cell_is_one_region_and_a_parasite_none() {
        let (mut mask, stained) = field();
        let white = White::take_out(&mut mask, &stained, 20.0).unwrap();
        assert!(white.holds(45 * 200 + 45) && white.holds(45 * 200 + 30));
        assert!(!white.holds(45 * 200 + 90) && !white.holds(40 * 200 + 165));
        assert!(!mask.data[45 * 200 + 45] && mask.data[45 * 200 + 160]);
        let red = split(&distances(&mask), 20.0);
        assert_eq!(red.cells.regions.len(), 2);
        let (all, is_white) = white.put_back(red);
        assert_eq!(all.cells.regions.len(), 3);
        let at = |x: usize| all.cells.labels.data[45 * 200 + x] as usize - 1;
        assert_eq!([45, 90, 160].map(|x| is_white[at(x)]), [true, false, false]);
        // The body was cut from the red cell that it touches.
        assert_eq!(
            [45, 90, 160].map(|x| all.touching[at(x)]),
            [true, true, false]
        );
    }

    #[test]
    fn lobes_without_cytoplasm_are_one_cell_and_a_cell_beside_them_keeps_its_shape() {
        let disc = |x: f32, y: f32, at: [f32; 3]| (x - at[0]).hypot(y - at[1]) <= at[2];
        let lobes = |x, y| disc(x, y, [36.0, 40.0, 13.0]) || disc(x, y, [66.0, 40.0, 13.0]);
        let red_cell = [103.0, 40.0, 20.0];
        let mut mask = Grid::drawn([150, 80], |x, y| lobes(x, y) || disc(x, y, red_cell));
        let dense = Grid::drawn([150, 80], lobes);
        let area = |mask: &Grid<bool>| mask.data.iter().filter(|&&inside| inside).count();
        let before = area(&mask) - area(&dense);
        let red = dense.map(|_| false);
        let white = White::take_out(&mut mask, &Stained { dense, red }, 20.0).unwrap();
        assert_eq!(area(&mask), before);
        let (all, is_white) = white.put_back(split(&distances(&mask), 20.0));
        assert_eq!(all.cells.regions.len(), 2);
        assert_eq!(is_white.iter().filter(|&&white| white).count(), 1);
    }

    #[test]
    fn without_a_nucleus_nothing_is_taken_out() {
        let (mut mask, stained) = field();
        let nothing = mask.map(|_| false);
        let only_parasite = Stained {
            dense: Grid {
                data: (0..mask.data.len())
                    .map(|i| i % 200 > 140 && stained.dense.data[i])
                    .collect(),
                ..mask.clone()
            },
            red: nothing.clone(),
        };
        let before = mask.clone();
        assert!(White::take_out(&mut mask, &only_parasite, 20.0).is_none());
        assert_eq!(mask, before);
    }
}
