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
