//! Pale centres: bright pixels inside a cell that belong to it.

use super::distance::{UNIT, distances};
use super::grid::Grid;
use super::regions::{Corners, Labelled, Region, connected};

/// The largest pale centre, as a part of a cell's disc.
const MAX_PART: f32 = 0.9;

/// A hole of any shape that is no more than this part of a cell's disc is filled: a slit, a vacuole, or so
/// little background that it doesn't matter.
const SMALL_PART: f32 = 0.05;

/// A pale centre fills nearly all of its octagonal hull. The background that touching cells enclose is hollow
/// between its corners: it fills about half, a little more where a blur has cut the corners off.
const MIN_SOLIDITY: f32 = 0.75;

/// One that a smear of hemoglobin or a parasite juts into fills less of its hull; then it must be at the
/// middle of something as wide as a cell: between these parts of a cell's radius away from the background.
const MIN_LOOSE_SOLIDITY: f32 = 0.55;
const MIDDLE: std::ops::Range<f32> = 0.75..1.25;

/// With its holes filled, a single cell is no larger than this many discs.
const MAX_SINGLE: f32 = 1.5;

/// How round a thing must be to be taken for a single cell. Two discs that touch have 0.5.
const SINGLE_ROUNDNESS: f32 = 0.8;

/// The least part of all dark pixels that single cells must make up to tell the size of the cells.
const MIN_SINGLES: f32 = 0.1;

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
/// pale centres are filled. So first everything is filled that is enclosed; the round things tell the size;
/// then what is too large, or has the shape of background, is opened again.
pub(super) fn fill(mask: &mut Grid<bool>) -> Filled {
    let (width, height) = (mask.width, mask.height);
    let holes = connected(mask, false, Corners::Apart);
    let areas = areas_with_islands(mask, &holes);
    let enclosed: Vec<bool> = holes
        .regions
        .iter()
        .map(|hole| !hole.touches_frame(width, height))
        .collect();
    apply(mask, &holes, &enclosed);
    let whole = connected(mask, true, Corners::Joined);
    let distance = distances(mask);
    let Some(radius) = typical_radius(&whole, &distance) else {
        return Filled {
            distance,
            radius: None,
        };
    };
    let disc = std::f32::consts::PI * radius * radius;
    let mut hulls = vec![Hull::default(); holes.regions.len()];
    for y in 0..height {
        let things = whole.labels.row(y);
        for (x, (&hole, &thing)) in holes.labels.row(y).iter().zip(things).enumerate() {
            if hole != 0 {
                hulls[hole as usize - 1].add(x, y, thing);
            }
        }
    }
    let pale: Vec<bool> = (0..areas.len())
        .map(|i| {
            let (hull, area) = (&hulls[i], areas[i] as f32);
            let part = area / disc;
            let single = || whole.regions[hull.thing as usize - 1].area as f32 <= MAX_SINGLE * disc;
            let fits = || {
                let region = &holes.regions[i];
                let solidity = area / hull.area(region).max(1.0);
                let (x, y) = (
                    (region.left + region.right) / 2,
                    (region.top + region.bottom) / 2,
                );
                let depth = f32::from(distance.data[y * width + x]) / f32::from(UNIT) / radius;
                solidity >= MIN_SOLIDITY
                    || solidity >= MIN_LOOSE_SOLIDITY && MIDDLE.contains(&depth)
            };
            enclosed[i] && (part <= SMALL_PART || part <= MAX_PART && (single() || fits()))
        })
        .collect();
    if pale == enclosed {
        return Filled {
            distance,
            radius: Some(radius),
        };
    }
    apply(mask, &holes, &pale);
    Filled {
        distance: distances(mask),
        radius: Some(radius),
    }
}

/// The area of each hole with the dark islands in it: a target cell has one in its pale centre, and a parasite
/// may be one.
fn areas_with_islands(mask: &Grid<bool>, holes: &Labelled) -> Vec<u32> {
    let mut areas: Vec<u32> = holes.regions.iter().map(|hole| hole.area).collect();
    for thing in connected(mask, true, Corners::Joined).regions {
        // What lies before a thing's first pixel lies around the thing, except at the start of a row, where
        // the frame is.
        if thing.first % mask.width > 0 {
            let around = holes.labels.data[thing.first - 1];
            areas[around as usize - 1] += thing.area;
        }
    }
    areas
}

/// How far a hole reaches along the diagonals, and what it is in.
#[derive(Clone, Copy, Default)]
struct Hull {
    /// The largest values of −x−y, y−x, x−y and x+y.
    corners: Option<[isize; 4]>,
    /// The label of the thing around it.
    thing: u32,
}

impl Hull {
    fn add(&mut self, x: usize, y: usize, thing: u32) {
        let (x, y) = (x as isize, y as isize);
        let own = [-x - y, y - x, x - y, x + y];
        let corners = self.corners.get_or_insert(own);
        for (corner, own) in corners.iter_mut().zip(own) {
            *corner = own.max(*corner);
        }
        self.thing = thing;
    }

    /// The area of the octagon around it, as far as its box and its diagonals tell.
    fn area(&self, hole: &Region) -> f32 {
        let [left, top, right, bottom] =
            [hole.left, hole.top, hole.right, hole.bottom].map(|v| v as isize);
        let whole = ((right - left + 1) * (bottom - top + 1)) as f32;
        let most = [-left - top, bottom - left, right - top, right + bottom];
        let cut: f32 = self
            .corners
            .iter()
            .flat_map(|corners| most.iter().zip(corners))
            .map(|(most, corner)| (most - corner) as f32)
            // A corner that the hull leaves d pixels short of holds 1 + 2 + … + d of them less.
            .map(|d| d * (d + 1.0) / 2.0)
            .sum();
        whole - cut
    }
}

/// Makes the chosen holes part of the mask, and the others not.
fn apply(mask: &mut Grid<bool>, holes: &Labelled, chosen: &[bool]) {
    for (pixel, &label) in mask.data.iter_mut().zip(&holes.labels.data) {
        if label != 0 {
            *pixel = chosen[label as usize - 1];
        }
    }
}

/// The radius of a typical cell: the median of the single cells' radii, weighted by their area so that
/// specks have no say. Where there are hardly any single cells, the same of the widest discs that fit into
/// the things: a clump has its largest cell's. Things at the edge of the frame are asked only where there are no
/// others.
fn typical_radius(whole: &Labelled, distance: &Grid<u16>) -> Option<f32> {
    let all: u64 = whole
        .regions
        .iter()
        .map(|region| u64::from(region.area))
        .sum();
    let inside = |region: &Region| !region.touches_frame(distance.width, distance.height);
    let mut singles: Vec<(u32, u32)> = whole
        .regions
        .iter()
        .filter(|region| inside(region) && region.roundness() >= SINGLE_ROUNDNESS)
        .map(|region| (region.area, region.area))
        .collect();
    let singles_area: u64 = singles.iter().map(|&(area, _)| u64::from(area)).sum();
    if singles_area as f32 >= MIN_SINGLES * all as f32
        && let Some(area) = weighted_median(&mut singles)
    {
        return Some((area as f32 / std::f32::consts::PI).sqrt());
    }
    let mut inner = vec![0u16; whole.regions.len()];
    for (&label, &distance) in whole.labels.data.iter().zip(&distance.data) {
        if label != 0 {
            let inner = &mut inner[label as usize - 1];
            *inner = distance.max(*inner);
        }
    }
    let median = |edge: bool| {
        let mut radii: Vec<(u16, u32)> = whole
            .regions
            .iter()
            .zip(&inner)
            .filter(|(region, _)| edge || inside(region))
            .map(|(region, &radius)| (radius, region.area))
            .collect();
        weighted_median(&mut radii)
    };
    median(false)
        .or_else(|| median(true))
        .map(|radius| f32::from(radius) / f32::from(UNIT))
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

    /// A plane on which the points are dark for which `inside` says so.
    fn draw(size: usize, inside: impl Fn(f32, f32) -> bool) -> Grid<bool> {
        let data = (0..size * size)
            .map(|i| inside((i % size) as f32, (i / size) as f32))
            .collect();
        Grid {
            width: size,
            height: size,
            data,
        }
    }

    #[test]
    fn a_pale_centre_is_filled() {
        let mut mask = draw(60, |x, y| {
            (10.0..20.0).contains(&(x - 30.0).hypot(y - 30.0))
        });
        let filled = fill(&mut mask);
        assert!(mask.data[30 * 60 + 30]);
        assert!((filled.radius.unwrap() - 20.0).abs() < 1.5);
    }

    #[test]
    fn background_within_a_ring_of_cells_stays_background() {
        let at = |i: u32| (f32::from(i as u8) * std::f32::consts::TAU / 6.0).sin_cos();
        let mut mask = draw(160, |x, y| {
            (0..6)
                .map(at)
                .any(|(s, c)| (x - 80.0 - 39.0 * c).hypot(y - 80.0 - 39.0 * s) <= 20.0)
        });
        fill(&mut mask);
        assert!(!mask.data[80 * 160 + 80]);
    }

    #[test]
    fn an_empty_mask_has_no_radius() {
        assert_eq!(fill(&mut Grid::filled(5, 5, false)).radius, None);
        assert!(fill(&mut Grid::filled(1, 1, true)).radius.is_some());
    }
}
