//! What each region is: a countable red cell, or something else.

use super::OtherKind;
use super::grid::Grid;
use super::holes::weighted_median;
use super::nucleus::{Stained, is_nucleus, nuclei};
use super::regions::{Labelled, Region};
use super::watershed::Split;

/// Below this part of a typical cell's area a thing is no cell. Microcytes and schistocytes have more.
const MIN_CELL: f32 = 0.3;
/// Below this part one that was cut from a clump is what the cells beside it left over.
const MIN_PART: f32 = 0.5;
/// Above this part it is a clump that could not be resolved. An infected cell may be twice as large.
const MAX_CELL: f32 = 2.5;
/// Below this part it is grain, and not reported at all.
const MIN_THING: f32 = 0.02;
/// The least area of a thing in pixels.
const MIN_PIXELS: u32 = 6;
/// A thing that is less round is a fibre or a scale bar. The longest gametocytes have 0.4.
const MIN_ROUNDNESS: f32 = 0.3;
/// The largest diameter of a cell, as a part of the frame's shorter side.
const MAX_OF_FRAME: f32 = 0.6;
/// What is nearly all nucleus and less round has lobes: it is no red cell, though too small for a white one.
const LOBED_ROUNDNESS: f32 = 0.7;

/// A cell of which ink and its outline hide more than this part can't be judged.
const MAX_COVERED: f32 = 0.25;

/// How far the median area of the things may be from that of a disc of the radius that is known, as a part of it.
const FROM_DISC: f32 = 0.3;

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A countable red cell.
    Cell,
    /// Reported, not counted.
    Other(OtherKind),
    /// Not reported.
    Grain,
}

/// The kinds of all regions.
pub(super) struct Classified {
    /// One for each region.
    pub kinds: Vec<Kind>,
    /// The area of a typical cell in pixels; `None` where there is no whole thing as large as a cell.
    pub area: Option<f32>,
}

/// Sorts the regions. `is_white` says which are white cells; empty if none is. `radius` is that of a typical cell, as far
/// as was known before the clumps were split.
pub(super) fn classify(
    split: &Split,
    stained: &Stained,
    is_white: &[bool],
    radius: f32,
) -> Classified {
    let regions = &split.cells.regions;
    let (width, height) = (split.cells.labels.width, split.cells.labels.height);
    let disc = std::f32::consts::PI * radius * radius;
    let whole = |region: &Region| !region.touches_frame(width, height);
    let mut areas: Vec<(u32, u32)> = regions
        .iter()
        .filter(|region| whole(region) && region.area as f32 >= MIN_CELL * disc)
        .map(|region| (region.area, 1))
        .collect();
    let area = weighted_median(&mut areas).map(|area| area as f32);
    // Where cells can't be told from clumps, their rims know better.
    let typical = area
        .filter(|area| (area / disc - 1.0).abs() < FROM_DISC)
        .unwrap_or(disc);
    let nuclei = nuclei(&split.cells, stained);
    let frame = MAX_OF_FRAME * width.min(height) as f32;
    let kinds = regions
        .iter()
        .zip(&nuclei)
        .zip(&split.touching)
        .enumerate()
        .map(|(i, ((region, &nucleus), &touching))| {
            let size = region.area as f32;
            let is_lobed = is_nucleus(region, nucleus) && region.roundness() < LOBED_ROUNDNESS;
            if size < MIN_THING * typical || region.area < MIN_PIXELS {
                Kind::Grain
            } else if !whole(region) {
                Kind::Other(OtherKind::Edge)
            } else if is_white.get(i) == Some(&true) {
                Kind::Other(OtherKind::WhiteCell)
            } else if size < MIN_CELL * typical {
                Kind::Other(if nucleus * 2 >= region.area || region.roundness() > 0.6 {
                    OtherKind::Platelet
                } else {
                    OtherKind::Debris
                })
            } else if (touching && size < MIN_PART * typical)
                || size > MAX_CELL * typical
                || region.roundness() < MIN_ROUNDNESS
                || is_lobed
                || (region.right - region.left).max(region.bottom - region.top) as f32 > frame
            {
                Kind::Other(OtherKind::Debris)
            } else {
                Kind::Cell
            }
        })
        .collect();
    Classified {
        kinds,
        area: area.map(|_| typical),
    }
}

/// Makes debris of the cells that are hidden by what was drawn into the picture: nobody can say what is in them.
pub(super) fn set_covered_apart(cells: &Labelled, ink: &Grid<bool>, classified: &mut Classified) {
    let mut covered = vec![0u32; cells.regions.len()];
    for (&label, _) in cells
        .labels
        .data
        .iter()
        .zip(&ink.data)
        .filter(|&(&label, &ink)| ink && label != 0)
    {
        covered[label as usize - 1] += 1;
    }
    for ((kind, region), covered) in classified.kinds.iter_mut().zip(&cells.regions).zip(covered) {
        if *kind == Kind::Cell && covered as f32 > MAX_COVERED * region.area as f32 {
            *kind = Kind::Other(OtherKind::Debris);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance::distances;
    use super::super::watershed::split;
    use super::*;

    /// Round things in a row, unstained: the middle and the radius of each.
    fn things(discs: &[[f32; 2]]) -> (Split, Stained) {
        let mask = Grid::drawn([400, 100], |x, y| {
            discs.iter().any(|&[cx, r]| (x - cx).hypot(y - 50.0) <= r)
        });
        let none = mask.map(|_| false);
        let stained = Stained {
            dense: none.clone(),
            red: none,
        };
        (split(&distances(&mask), 20.0), stained)
    }

    fn kind_at(split: &Split, classified: &Classified, x: usize) -> Kind {
        classified.kinds[split.cells.labels.data[50 * 400 + x] as usize - 1]
    }

    #[test]
    fn a_small_cell_is_one_and_a_small_part_of_a_clump_is_not() {
        // Four tenths of a cell.
        let (mut split, stained) = things(&[[40.0, 20.0], [100.0, 12.7], [160.0, 20.0]]);
        let alone = classify(&split, &stained, &[], 20.0);
        assert_eq!(kind_at(&split, &alone, 100), Kind::Cell);
        split.touching.fill(true);
        let parts = classify(&split, &stained, &[], 20.0);
        assert_eq!(kind_at(&split, &parts, 100), Kind::Other(OtherKind::Debris));
        assert_eq!(kind_at(&split, &parts, 40), Kind::Cell);
    }

    #[test]
    fn the_typical_cell_is_the_median_unless_that_is_a_clump() {
        let area = |radius: f32| {
            let (split, stained) = things(&[[50.0, radius], [150.0, radius], [250.0, radius]]);
            classify(&split, &stained, &[], 20.0).area.unwrap()
        };
        let disc = |radius: f32| std::f32::consts::PI * radius * radius;
        assert!((area(18.0) / disc(18.0) - 1.0).abs() < 0.03);
        // Twice a cell: three pairs.
        assert!((area(28.3) / disc(20.0) - 1.0).abs() < 0.03);
    }

    #[test]
    fn a_white_cell_is_told_by_its_nucleus_and_the_frame_comes_first() {
        let (split, stained) = things(&[[10.0, 24.0], [100.0, 24.0], [200.0, 20.0]]);
        let classified = classify(&split, &stained, &[true, true, false], 20.0);
        let kinds = [10, 100, 200].map(|x| kind_at(&split, &classified, x));
        let other = |kind| Kind::Other(kind);
        assert_eq!(
            kinds,
            [
                other(OtherKind::Edge),
                other(OtherKind::WhiteCell),
                Kind::Cell
            ]
        );
    }
}
