//! Pale centres: bright pixels inside a cell that belong to it.

use super::distance::{UNIT, distances};
use super::gap;
use super::grid::Grid;
use super::regions::{Corners, Labelled, Region, connected};

/// The largest pale centre, as a part of a cell's disc.
const MAX_PART: f32 = 0.9;

/// A hole of this many pixels is filled whatever is around it.
const SPECK: u32 = 4;

/// A pale centre fills nearly all of its octagonal hull. The background that touching cells enclose is hollow
/// between its corners: it fills about half, a little more where a blur has cut the corners off.
const MIN_SOLIDITY: f32 = 0.75;

/// How often each pixel may be looked at, on average, to tell gaps from pale centres. A look takes in as much as five
/// cells, and in a field without any room left there are eight for each cell: a pale centre, gaps, vacuoles. Where more
/// would be needed the picture is a net and no field, and time must stay linear in pixels.
const MAX_LOOKS: usize = 40;

/// A hole of this many pixels is grain.
const GRAIN: u32 = 12;

/// With its holes filled, a single cell is no larger than this many discs.
const MAX_SINGLE: f32 = 1.5;

/// How round a thing must be to be taken for a single cell. Two discs that touch have 0.5.
const SINGLE_ROUNDNESS: f32 = 0.8;

/// The least part of all dark pixels that single cells must make up to tell the size of the cells.
const MIN_SINGLES: f32 = 0.03;

/// By how much the voted radius must differ from that of the single cells to be taken instead, as a part of it: it
/// is known in steps only, but not misled by clumps.
const MIN_DIFFERENCE: f32 = 0.1;

/// Round things with less than this part of the inner radius of most are specks.
const MIN_OF_INNER: f32 = 0.35;

/// What follows from a mask without pale centres.
pub(super) struct Filled {
    /// Distances to the background.
    pub distance: Grid<u16>,
    /// The radius of a typical cell in pixels; `None` where the mask is empty.
    pub radius: Option<f32>,
}

/// Fills the pale centres of `mask`.
///
/// How large a pale centre may be depends on the size of the cells, and that can only be seen when the
/// pale centres are filled. So first everything is filled that may be one by its shape; the round things
/// then tell the size, unless the rims have `voted` for another radius; what is too large, or lies between cells, is
/// opened again.
pub(super) fn fill(mask: &mut Grid<bool>, voted: Option<f32>) -> Filled {
    let labelled = connected(mask, false, Corners::Apart);
    let holes = holes(mask, &labelled);
    let open = distances(mask);
    let first: Vec<bool> = holes
        .iter()
        .map(|hole| hole.is_some_and(|h| h.may_be_pale))
        .collect();
    apply(mask, &labelled, &first);
    let whole = connected(mask, true, Corners::Joined);
    let distance = distances(mask);
    let Some(radius) = typical_radius(&whole, &distance) else {
        return Filled {
            distance,
            radius: None,
        };
    };
    let radius = voted
        .filter(|voted| (voted / radius - 1.0).abs() > MIN_DIFFERENCE)
        .unwrap_or(radius);
    let disc = std::f32::consts::PI * radius * radius;
    let is_single = |hole: &Hole| {
        let around = whole.labels.data[hole.beside] as usize;
        whole.regions[around - 1].area as f32 <= MAX_SINGLE * disc
    };
    let mut left = MAX_LOOKS * mask.data.len();
    let second: Vec<bool> = (1..)
        .zip(&holes)
        .map(|(label, hole)| {
            hole.as_ref().is_some_and(|hole| {
                let region = &labelled.regions[label as usize - 1];
                if hole.area as f32 > MAX_PART * disc {
                    return false;
                }
                if is_single(hole) || region.area <= SPECK {
                    return true;
                }
                let cost = gap::looked_at(region, radius);
                if cost > left {
                    return hole.may_be_pale;
                }
                left -= cost;
                !gap::between_cells(label, region, &labelled.labels, &open, radius)
            })
        })
        .collect();
    apply(mask, &labelled, &second);
    if second == first {
        return Filled {
            distance,
            radius: Some(radius),
        };
    }
    drop((whole, distance, open, labelled));
    Filled {
        distance: distances(mask),
        radius: Some(radius),
    }
}

/// An enclosed region of bright pixels.
#[derive(Clone, Copy)]
struct Hole {
    /// Its pixels with those of the dark islands in it: a target cell has one in its pale centre, and a parasite
    /// may be one.
    area: u32,
    /// The place of a dark pixel of what encloses it.
    beside: usize,
    /// Whether it may be a pale centre, as far as can be said without knowing the size of the cells.
    may_be_pale: bool,
}

/// The bright regions; `None` where one reaches the frame.
fn holes(mask: &Grid<bool>, bright: &Labelled) -> Vec<Option<Hole>> {
    let (width, height) = (mask.width, mask.height);
    let dark = connected(mask, true, Corners::Joined);
    let mut areas: Vec<u32> = bright.regions.iter().map(|region| region.area).collect();
    for thing in &dark.regions {
        // What lies before the first pixel of a region lies around the region; at the start of a row that is
        // the frame.
        if thing.first % width > 0 {
            areas[bright.labels.data[thing.first - 1] as usize - 1] += thing.area;
        }
    }
    let hole = |(i, region): (usize, &Region)| {
        if region.touches_frame(width, height) {
            return None;
        }
        let (area, beside) = (areas[i], region.first - 1);
        let solidity = area as f32 / region.octagon().max(1.0);
        Some(Hole {
            area,
            beside,
            may_be_pale: solidity >= MIN_SOLIDITY || area <= GRAIN,
        })
    };
    bright.regions.iter().enumerate().map(hole).collect()
}

/// Makes the chosen holes part of the mask, and the others not.
fn apply(mask: &mut Grid<bool>, holes: &Labelled, chosen: &[bool]) {
    for (pixel, &label) in mask.data.iter_mut().zip(&holes.labels.data) {
        if label != 0 {
            *pixel = chosen[label as usize - 1];
        }
    }
}

/// The radius of a typical cell: the median of the single cells' radii, weighted by their area so that the
/// small have little say. Where there are hardly any single cells, [`inner_radius`].
fn typical_radius(whole: &Labelled, distance: &Grid<u16>) -> Option<f32> {
    let inner = inner_radius(distance)?;
    let least = std::f32::consts::PI * (MIN_OF_INNER * inner).powi(2);
    let mut singles: Vec<(u32, u32)> = whole
        .regions
        .iter()
        .filter(|region| !region.touches_frame(distance.width, distance.height))
        .filter(|region| region.roundness() >= SINGLE_ROUNDNESS && region.area as f32 >= least)
        .map(|region| (region.area, region.area))
        .collect();
    let sum = |areas: &mut dyn Iterator<Item = u32>| areas.map(u64::from).sum::<u64>() as f32;
    let all = sum(&mut whole.regions.iter().map(|region| region.area));
    if sum(&mut singles.iter().map(|&(area, _)| area)) < MIN_SINGLES * all {
        return Some(inner);
    }
    weighted_median(&mut singles).map(|area| (area as f32 / std::f32::consts::PI).sqrt())
}

/// The radius of the discs that fit into the things: the median of the distance at its local maxima, each
/// weighted by the distance itself, so that crooked edges have little say.
fn inner_radius(distance: &Grid<u16>) -> Option<f32> {
    let mut peaks = Vec::new();
    for y in 0..distance.height {
        let [above, row, below] =
            [y.saturating_sub(1), y, (y + 1).min(distance.height - 1)].map(|y| distance.row(y));
        for (x, &own) in row.iter().enumerate().filter(|&(_, &own)| own > 0) {
            // Most pixels have an inner neighbour in their own row.
            let (start, end) = (x.saturating_sub(1), (x + 2).min(row.len()));
            if row[start] > own || row[end - 1] > own {
                continue;
            }
            let is_peak = |line: &[u16]| line[start..end].iter().all(|&other| other <= own);
            if is_peak(above) && is_peak(below) {
                let radius = u32::from(own) / u32::from(UNIT);
                peaks.push((own, radius));
            }
        }
    }
    weighted_median(&mut peaks).map(|radius| f32::from(radius) / f32::from(UNIT))
}

/// The median of values with weights; `None` of none.
pub(super) fn weighted_median<T: Copy + Ord>(values: &mut [(T, u32)]) -> Option<T> {
    values.sort_unstable();
    let total: u64 = values.iter().map(|&(_, weight)| u64::from(weight)).sum();
    let mut seen = 0;
    values
        .iter()
        .find(|&&(_, weight)| {
            seen += u64::from(weight);
            seen * 2 >= total
        })
        .map(|&(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pale_centre_is_filled() {
        let mut mask = Grid::drawn([60, 60], |x, y| {
            (10.0..20.0).contains(&(x - 30.0).hypot(y - 30.0))
        });
        let filled = fill(&mut mask, None);
        assert!(mask.data[30 * 60 + 30]);
        assert!((filled.radius.unwrap() - 20.0).abs() < 1.5);
    }

    #[test]
    fn background_within_a_ring_of_cells_stays_background() {
        let at = |i: u32| (f32::from(i as u8) * std::f32::consts::TAU / 6.0).sin_cos();
        let mut mask = Grid::drawn([160, 160], |x, y| {
            (0..6)
                .map(at)
                .any(|(s, c)| (x - 80.0 - 39.0 * c).hypot(y - 80.0 - 39.0 * s) <= 20.0)
        });
        fill(&mut mask, None);
        assert!(!mask.data[80 * 160 + 80]);
    }

    #[test]
    fn a_vote_counts_where_it_differs() {
        let disc = || Grid::drawn([60, 60], |x, y| (x - 30.0).hypot(y - 30.0) < 20.0);
        let radius = |voted| fill(&mut disc(), Some(voted)).radius.unwrap();
        assert!((radius(20.5) - 20.0).abs() < 0.3);
        assert_eq!(radius(14.0), 14.0);
    }

    #[test]
    fn an_empty_mask_has_no_radius() {
        assert_eq!(fill(&mut Grid::filled(5, 5, false), None).radius, None);
        assert!(fill(&mut Grid::filled(1, 1, true), None).radius.is_some());
    }
}
