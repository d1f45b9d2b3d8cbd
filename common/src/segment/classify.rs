//! What each region is: a countable red cell, or something else.

use super::grid::Grid;
use super::holes::weighted_median;
use super::regions::{Labelled, Region};
use super::{OtherKind, watershed::Split};

/// Below this part of a typical cell's area a thing is no cell. Microcytes and schistocytes have more.
const MIN_CELL: f32 = 0.3;
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
/// The nucleus of a white cell is at least this part of a typical red cell's area; the chromatin of a parasite
/// is less.
const WHITE_NUCLEUS: f32 = 0.5;

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
    /// The area of a typical cell in pixels; `None` where there is none.
    pub area: Option<f32>,
}

/// Sorts the regions. `red` is the darkness in red light; `radius` is that of a typical cell, as far
/// as was known before the clumps were split.
pub(super) fn classify(split: &Split, red: &Grid<u8>, radius: f32) -> Classified {
    let regions = &split.cells.regions;
    let (width, height) = (red.width, red.height);
    let disc = std::f32::consts::PI * radius * radius;
    let whole = |region: &Region| !region.touches_frame(width, height);
    let mut areas: Vec<(u32, u32)> = regions
        .iter()
        .filter(|region| whole(region) && region.area as f32 >= MIN_CELL * disc)
        .map(|region| (region.area, 1))
        .collect();
    let area = weighted_median(&mut areas).map(|area| area as f32);
    let typical = area.unwrap_or(disc);
    let nuclei = nuclear_areas(&split.cells, red);
    let frame = MAX_OF_FRAME * width.min(height) as f32;
    let kinds = regions
        .iter()
        .zip(&nuclei)
        .map(|(region, &nucleus)| {
            let size = region.area as f32;
            let nuclear = nucleus as f32 / typical;
            if size < MIN_THING * typical || region.area < MIN_PIXELS {
                Kind::Grain
            } else if !whole(region) {
                Kind::Other(OtherKind::Edge)
            } else if nuclear >= WHITE_NUCLEUS {
                Kind::Other(OtherKind::WhiteCell)
            } else if size < MIN_CELL * typical {
                Kind::Other(if nucleus * 2 >= region.area || region.roundness() > 0.6 {
                    OtherKind::Platelet
                } else {
                    OtherKind::Debris
                })
            } else if size > MAX_CELL * typical
                || region.roundness() < MIN_ROUNDNESS
                || (region.right - region.left).max(region.bottom - region.top) as f32 > frame
            {
                Kind::Other(OtherKind::Debris)
            } else {
                Kind::Cell
            }
        })
        .collect();
    Classified { kinds, area }
}

/// How many pixels of each region are as dark in red light as a nucleus: twice as dark as the typical
/// pixel of all regions, and by at least 40/255 of the light.
fn nuclear_areas(cells: &Labelled, red: &Grid<u8>) -> Vec<u32> {
    let mut histogram = [0u64; 256];
    let mut total = 0;
    for (&label, &dark) in cells.labels.data.iter().zip(&red.data) {
        if label != 0 {
            histogram[usize::from(dark)] += 1;
            total += 1;
        }
    }
    let mut seen = 0;
    let typical = histogram
        .iter()
        .position(|&n| {
            seen += n;
            seen * 2 >= total
        })
        .unwrap_or(0);
    let limit = (typical * 2).max(typical + 40);
    let mut areas = vec![0; cells.regions.len()];
    for (&label, &dark) in cells.labels.data.iter().zip(&red.data) {
        if label != 0 && usize::from(dark) > limit {
            areas[label as usize - 1] += 1;
        }
    }
    areas
}
