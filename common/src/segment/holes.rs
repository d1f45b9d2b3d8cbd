//! Pale centres: bright pixels inside a cell that belong to it.

use super::distance::{UNIT, distances};
use super::grid::Grid;
use super::regions::{Corners, Labelled, connected};

/// A pale centre is round; the background that three or more touching cells enclose has corners, where it
/// runs out between two of them.
const MIN_ROUNDNESS: f32 = 0.7;

/// The largest pale centre, as a part of a cell's disc.
const MAX_PART: f32 = 0.45;

/// A hole of any shape that is no more than this part of a cell's disc is filled: a slit, a vacuole, or so
/// little background that it doesn't matter.
const SMALL_PART: f32 = 0.05;

/// The mask without its pale centres, and what follows from it.
pub(super) struct Filled {
    /// Distances to the background.
    pub distance: Grid<u16>,
    /// The inner radius of a typical cell in pixels; `None` where the mask is empty.
    pub radius: Option<f32>,
}

/// Fills the pale centres of `mask`.
///
/// How large a pale centre may be depends on the size of the cells, and that can only be seen when the
/// pale centres are filled: so first whatever is round is filled, and then what proves too large is opened
/// again.
pub(super) fn fill(mask: &mut Grid<bool>) -> Filled {
    let holes = connected(mask, false, Corners::Apart);
    let enclosed: Vec<bool> = holes
        .regions
        .iter()
        .map(|hole| !hole.touches_frame(mask.width, mask.height))
        .collect();
    let first: Vec<bool> = holes
        .regions
        .iter()
        .zip(&enclosed)
        .map(|(hole, &enclosed)| enclosed && hole.roundness() >= MIN_ROUNDNESS)
        .collect();
    apply(mask, &holes, &first);
    let distance = distances(mask);
    let Some(radius) = typical_radius(mask, &distance) else {
        return Filled {
            distance,
            radius: None,
        };
    };
    let disc = std::f32::consts::PI * radius * radius;
    let second: Vec<bool> = holes
        .regions
        .iter()
        .zip(enclosed.iter().zip(&first))
        .map(|(hole, (&enclosed, &round))| {
            let part = hole.area as f32 / disc;
            enclosed && (part <= SMALL_PART || (round && part <= MAX_PART))
        })
        .collect();
    if second == first {
        return Filled {
            distance,
            radius: Some(radius),
        };
    }
    apply(mask, &holes, &second);
    let distance = distances(mask);
    Filled {
        distance,
        radius: Some(radius),
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

/// The inner radius of the largest disc in each region, the median over all regions weighted by their area:
/// specks have no say, and a clump has its largest cell's radius. Regions at the edge of the frame are asked
/// only where there are no others, for their largest disc may be outside.
fn typical_radius(mask: &Grid<bool>, distance: &Grid<u16>) -> Option<f32> {
    let found = connected(mask, true, Corners::Joined);
    let mut inner = vec![0u16; found.regions.len()];
    for (&label, &distance) in found.labels.data.iter().zip(&distance.data) {
        if label != 0 {
            let inner = &mut inner[label as usize - 1];
            *inner = distance.max(*inner);
        }
    }
    let radii = |edge: bool| {
        let mut radii: Vec<(u16, u32)> = found
            .regions
            .iter()
            .zip(&inner)
            .filter(|(region, _)| edge || !region.touches_frame(mask.width, mask.height))
            .map(|(region, &radius)| (radius, region.area))
            .collect();
        weighted_median(&mut radii)
    };
    radii(false)
        .or_else(|| radii(true))
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
