//! Cells that are far paler than those around them: a gametocyte's hemozoin-strewn inside among deeply stained red
//! cells, a white cell's cytoplasm.

use super::distance;
use super::grid::Grid;

/// How dark a pale cell is at least, as a part of the threshold for the others …
const PALE: f32 = 0.6;

/// … and in 1/255 of the light: what is brighter may be haze or grain.
const LEAST: f32 = 13.0;

/// Half the least width of a pale part, in reduced pixels, where a cell is 16 to 60 wide. The blurred rims
/// of cells are as pale, but thinner.
const THINNEST: f32 = 3.0;

/// Adds to `mask` what is darker than the background, though not as dark as other cells, and as wide as no rim.
pub(super) fn add(mask: &mut Grid<bool>, dark: &Grid<u8>, threshold: u8) {
    let limit = (PALE * f32::from(threshold)).max(LEAST) as u8;
    let mut pale = mask.clone();
    for (pale, &dark) in pale.data.iter_mut().zip(&dark.data) {
        *pale = !*pale && dark > limit;
    }
    let mut distance = distance::distances(&pale);
    distance::open(&mut distance, THINNEST);
    for (mask, &distance) in mask.data.iter_mut().zip(&distance.data) {
        *mask |= distance > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: u8 = 100;

    /// What is added to the darkness drawn in a plane of 80 × 60, and how dark it is.
    fn added(draw: impl Fn(f32, f32) -> u8) -> Vec<u8> {
        let dark = Grid::drawn([80, 60], draw);
        let base = dark.map(|d| d > THRESHOLD);
        let mut mask = base.clone();
        add(&mut mask, &dark, THRESHOLD);
        let new = mask.data.iter().zip(&base.data).zip(&dark.data);
        new.filter(|((now, before), _)| **now && !**before)
            .map(|(_, &dark)| dark)
            .collect()
    }

    #[test]
    fn a_pale_cell_with_a_dark_rim_is_whole() {
        let inside = added(|x, y| match (x - 40.0).hypot(y - 30.0) {
            r if r <= 14.0 => 70,
            r if r <= 18.0 && x < 40.0 => 190,
            r if r <= 18.0 => 70,
            _ => 4,
        });
        assert!(inside.len() > 700, "{}", inside.len());
        assert!(inside.iter().all(|&d| d == 70));
    }

    #[test]
    fn blurred_rims_and_haze_are_no_cells() {
        // A rim that fades over four pixels, as wide as a bad focus makes it.
        let rim = |x: f32, y: f32| {
            let r = (x - 40.0).hypot(y - 30.0);
            (200.0 - (r - 16.0).clamp(0.0, 4.0) * 49.0) as u8
        };
        assert!(added(rim).is_empty());
        assert!(added(|x, _| if x < 40.0 { 50 } else { 5 }).is_empty());
    }

    #[test]
    fn where_cells_are_pale_grain_is_not_added() {
        let mut mask = Grid::filled(40, 40, false);
        add(&mut mask, &Grid::filled(40, 40, 12), 20);
        assert!(mask.data.iter().all(|&is_cell| !is_cell));
    }
}
