//! White cells, taken out before the red ones are parted: their lobes would be cut like clumps, and have rims like
//! cells.

use super::distance::{UNIT, distances};
use super::grid::Grid;
use super::nucleus::Stained;
use super::regions::{Corners, Forest, Labelled, connected, settle};
use super::watershed::Split;

/// A white cell's nucleus has at least this part of a typical red cell's area; in a schizont less is as dense …
const NUCLEUS: f32 = 0.75;
/// … or this part, if it takes as much red light away as hemoglobin and a parasite don't.
const RED: f32 = 0.5;
/// The least part of a typical cell's area of a lobe.
const MIN_LOBE: f32 = 0.06;
/// How far apart two lobes of a nucleus may be, as a part of a typical cell's radius.
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
        let mut bodies = mask.clone();
        let from_nuclei = distances(&nuclei.map(|nucleus| !nucleus));
        for (body, distance) in bodies.data.iter_mut().zip(from_nuclei.data) {
            *body &= distance <= reach;
        }
        let mut white = Self {
            bodies: connected(&bodies, true, Corners::Joined),
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
        for step in [1, labels.width] {
            for i in 0..labels.data.len().saturating_sub(step) {
                for (body, rest) in [(i, i + step), (i + step, i)]
                    .map(|(a, b)| (labels.data[a], rest.labels.data[b] as usize))
                {
                    if body != 0 && rest != 0 {
                        touched[rest - 1] = body;
                    }
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

    /// Makes each of them a region beside the others.
    pub fn put_back(&self, split: Split) -> Split {
        let Split { cells, touching } = split;
        let first = cells.regions.len() as u32;
        let mut labels = cells.labels;
        for (label, &body) in labels.data.iter_mut().zip(&self.bodies.labels.data) {
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
        Split {
            cells: all,
            touching: now_touching,
        }
    }
}

/// The pixels of the nuclei of white cells; `None` where there are none. `typical` is the area of a red cell.
fn nuclei(stained: &Stained, typical: f32) -> Option<Grid<bool>> {
    let enough =
        |area: u32, red: u32| area as f32 >= NUCLEUS * typical || red as f32 >= RED * typical;
    let all = |plane: &Grid<bool>| plane.data.iter().filter(|&&is| is).count() as u32;
    if !enough(all(&stained.dense), all(&stained.red)) {
        return None;
    }
    let lobes = connected(&stained.dense, true, Corners::Joined);
    let regions = &lobes.regions;
    let mut large: Vec<usize> = (0..regions.len())
        .filter(|&i| regions[i].area as f32 >= MIN_LOBE * typical)
        .collect();
    large.sort_by_key(|&i| regions[i].left);
    let gap = MAX_GAP * (typical / std::f32::consts::PI).sqrt();
    let apart = |a: usize, b: usize| b as f32 - a as f32 > gap;
    let mut forest = Forest::of(regions.len());
    for (n, &i) in large.iter().enumerate() {
        let near = large[n + 1..]
            .iter()
            .take_while(|&&j| !apart(regions[i].right, regions[j].left));
        for &j in near {
            let (a, b) = (&regions[i], &regions[j]);
            if !apart(a.bottom, b.top) && !apart(b.bottom, a.top) {
                forest.join(i as u32, j as u32);
            }
        }
    }
    let roots: Vec<Option<usize>> = (0..regions.len())
        .map(|i| {
            let is_lobe = regions[i].area as f32 >= MIN_LOBE * typical;
            is_lobe.then(|| forest.root(i as u32) as usize)
        })
        .collect();
    let root = |label: u32| roots[(label as usize).checked_sub(1)?];
    let mut areas = vec![[0u32; 2]; regions.len()];
    for (&label, &red) in lobes.labels.data.iter().zip(&stained.red.data) {
        if let Some(root) = root(label) {
            areas[root][0] += 1;
            areas[root][1] += u32::from(red);
        }
    }
    let white: Vec<bool> = areas.iter().map(|&[area, red]| enough(area, red)).collect();
    white.contains(&true).then(|| {
        lobes
            .labels
            .map(|label| root(label).is_some_and(|root| white[root]))
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
        let all = white.put_back(red);
        assert_eq!(all.cells.regions.len(), 3);
        assert_eq!(all.touching, [false; 3]);
        let labels = [45, 90, 160].map(|x| all.cells.labels.data[45 * 200 + x]);
        assert!(labels.iter().all(|&label| label != 0));
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
