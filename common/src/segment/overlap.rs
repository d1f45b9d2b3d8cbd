//! Cells that overlap so far that no neck is between them.

use super::discs::{Disc, discs};
use super::grid::Grid;
use super::nucleus::Nucleus;
use super::regions::{Forest, Region, settle};
use super::watershed::Split;

/// What the necks left whole though it is larger than this many typical cells may be several.
const MAX_WHOLE: f32 = 1.6;
/// Larger than this many typical cells, nothing is looked at: the work grows with the square of the cells in one
/// thing, and of so many without a neck between them nobody can say where each ends.
const MAX_CELLS: f32 = 12.0;
/// A thing with more of a nucleus than this, in typical cells, is a white cell.
const MAX_NUCLEUS: f32 = 0.3;
/// How far a cell reaches beyond its circle, in radii.
const REACH: f32 = 1.3;
/// How many pixels around a thing are looked at, too.
const MARGIN: usize = 2;

/// Parts the things in which the rims tell several cells; `None` where there are none. `typical` is the area of
/// a typical cell.
///
/// Only what is too large for a cell is looked at, each in a window of its own, so the work is no more than in
/// proportion to the pixels.
pub(super) fn part(
    split: &Split,
    nuclei: &[Nucleus],
    green: &Grid<u8>,
    typical: f32,
) -> Option<Split> {
    let radius = (typical / std::f32::consts::PI).sqrt();
    let regions = &split.cells.regions;
    let mut labels: Option<Grid<u32>> = None;
    let mut forest = Forest::default();
    for _ in regions {
        forest.add();
    }
    let mut parted = vec![false; regions.len()];
    for (i, (region, nucleus)) in regions.iter().zip(nuclei).enumerate() {
        let cells = region.area as f32 / typical;
        if !(MAX_WHOLE..=MAX_CELLS).contains(&cells) || nucleus.area as f32 > MAX_NUCLEUS * typical
        {
            continue;
        }
        let window = Window::around(region, green.width, green.height);
        let label = i as u32 + 1;
        let mask = window.cut(&split.cells.labels).map(|own| own == label);
        let found = discs(&window.cut(green), &mask, radius);
        if found.len() < 2 {
            continue;
        }
        let labels = labels.get_or_insert_with(|| split.cells.labels.clone());
        parted[i] = true;
        let first = forest.len() as u32 + 1;
        for _ in &found {
            forest.add();
        }
        for (at, _) in mask.data.iter().enumerate().filter(|&(_, &inside)| inside) {
            let (x, y) = (at % mask.width, at / mask.width);
            if let Some(nearest) = nearest(&found, [x as f32, y as f32]) {
                let place = (window.top + y) * green.width + window.left + x;
                labels.data[place] = first + nearest as u32;
            }
        }
    }
    let cells = settle(labels?, &mut forest);
    // Parts touch each other; all else is as it was.
    let mut touching = vec![true; cells.regions.len()];
    for ((region, &was_touching), parted) in regions.iter().zip(&split.touching).zip(parted) {
        if !parted {
            touching[cells.labels.data[region.first] as usize - 1] = was_touching;
        }
    }
    Some(Split { cells, touching })
}

/// The disc that a pixel belongs to.
fn nearest(discs: &[Disc], pixel: [f32; 2]) -> Option<usize> {
    let radii = discs.iter().map(|disc| disc.radii_to(pixel)).enumerate();
    let (nearest, radii) = radii.min_by(|a, b| a.1.total_cmp(&b.1))?;
    (radii <= REACH).then_some(nearest)
}

/// A part of a plane.
struct Window {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Window {
    fn around(region: &Region, width: usize, height: usize) -> Self {
        let (left, top) = (
            region.left.saturating_sub(MARGIN),
            region.top.saturating_sub(MARGIN),
        );
        Self {
            left,
            top,
            width: (region.right + MARGIN + 1).min(width) - left,
            height: (region.bottom + MARGIN + 1).min(height) - top,
        }
    }

    fn cut<T: Copy>(&self, plane: &Grid<T>) -> Grid<T> {
        let rows = self.top..self.top + self.height;
        Grid {
            width: self.width,
            height: self.height,
            data: rows
                .flat_map(|y| &plane.row(y)[self.left..self.left + self.width])
                .copied()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance::distances;
    use super::super::watershed::split;
    use super::*;

    /// Two cells that overlap so far that they are one region, and one alone.
    fn field() -> (Grid<u8>, Split) {
        let dark = Grid::drawn([160, 70], |x, y| {
            let disc = |cx: f32| (20.5 - (x - cx).hypot(y - 35.0)).clamp(0.0, 1.0);
            (60.0 * (disc(30.0) + disc(56.0) + disc(130.0))) as u8
        });
        let found = split(&distances(&dark.map(|d| d > 30)), 20.0);
        // As if their neck had told nothing.
        let mut forest = Forest::default();
        for _ in &found.cells.regions {
            forest.add();
        }
        let [a, b] = [30, 56].map(|x| found.cells.labels.data[35 * 160 + x] - 1);
        forest.join(a, b);
        let cells = settle(found.cells.labels, &mut forest);
        assert_eq!(cells.regions.len(), 2);
        let touching = vec![false; 2];
        (dark, Split { cells, touching })
    }

    #[test]
    fn a_pair_without_a_neck_is_parted_and_a_cell_is_not() {
        let (dark, split) = field();
        let parted = part(&split, &[Nucleus::default(); 2], &dark, 1256.0).unwrap();
        assert_eq!(parted.cells.regions.len(), 3);
        let at = |x: usize| parted.cells.labels.data[35 * 160 + x] as usize - 1;
        assert!(at(20) != at(66) && at(20) != at(130));
        assert!(parted.touching[at(20)] && parted.touching[at(66)] && !parted.touching[at(130)]);
    }

    #[test]
    fn what_holds_a_nucleus_is_left_whole() {
        let (dark, split) = field();
        let nucleus = Nucleus {
            area: 700,
            ..Nucleus::default()
        };
        assert!(part(&split, &[nucleus; 2], &dark, 1256.0).is_none());
    }
}
