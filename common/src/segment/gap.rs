//! The background between touching cells, told from a pale centre.

use super::distance::{UNIT, distances};
use super::grid::Grid;
use super::regions::Region;

/// A disc of this part of a cell's radius that touches a hole lies in a cell beside it …
const MIN_BESIDE: f32 = 0.65;
/// … and one of this part is a cell whole.
const MAX_BESIDE: f32 = 1.3;

/// How far two discs may reach into each other and still count as two, as a part of the sum of their radii.
const MAX_SHARED: f32 = 0.1;

/// How far from the hole a disc that touches it may be, in pixels: the planes are coarse.
const SLACK: f32 = 1.0;

/// Whether a hole is background that cells enclose, and not the pale centre of one cell.
///
/// `open` holds the distances to the background with no hole filled. Around a pale centre there is one cell, and two
/// discs of more than half its radius don't fit into it side by side. Around a gap there are several cells, and
/// each has room for such a disc that touches the gap.
pub(super) fn between_cells(
    label: u32,
    hole: &Region,
    labels: &Grid<u32>,
    open: &Grid<u16>,
    radius: f32,
) -> bool {
    let unit = f32::from(UNIT);
    let reach = reach(radius);
    let (left, top) = (
        hole.left.saturating_sub(reach),
        hole.top.saturating_sub(reach),
    );
    let right = (hole.right + reach + 1).min(labels.width);
    let bottom = (hole.bottom + reach + 1).min(labels.height);
    let mut outside = Grid::filled(right - left, bottom - top, true);
    for y in top..bottom {
        let row = &mut outside.data[(y - top) * (right - left)..(y - top + 1) * (right - left)];
        for (outside, &other) in row.iter_mut().zip(&labels.row(y)[left..right]) {
            *outside = other != label;
        }
    }
    let from_hole = distances(&outside);
    let (least, most) = (MIN_BESIDE * radius * unit, MAX_BESIDE * radius * unit);
    // The middles of the discs that touch the hole: column, row, radius.
    let mut discs: Vec<[f32; 3]> = Vec::new();
    for y in top..bottom {
        for (x, &from_hole) in (left..).zip(from_hole.row(y - top)) {
            let own = f32::from(open.data[y * open.width + x]);
            if own >= least && own <= most && f32::from(from_hole) <= own + SLACK * unit {
                discs.push([x as f32, y as f32, own / unit]);
            }
        }
    }
    let Some(&largest) = discs.iter().max_by(|a, b| a[2].total_cmp(&b[2])) else {
        return false;
    };
    discs.iter().any(|disc| {
        let apart = (disc[0] - largest[0]).hypot(disc[1] - largest[1]);
        apart >= (1.0 - MAX_SHARED) * (disc[2] + largest[2])
    })
}

/// How many pixels [`between_cells`] looks at.
pub(super) fn looked_at(hole: &Region, radius: f32) -> usize {
    let [width, height] = [hole.right - hole.left, hole.bottom - hole.top];
    (width + 1 + 2 * reach(radius)) * (height + 1 + 2 * reach(radius))
}

/// How far around a hole there may be the middle of a disc that touches it.
fn reach(radius: f32) -> usize {
    (MAX_BESIDE * radius + SLACK).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::super::regions::{Corners, connected};
    use super::*;

    /// What is said of the hole at the middle of a plane where `dark` is dark.
    fn middle_is_gap(dark: impl Fn(f32, f32) -> bool) -> bool {
        let mask = Grid::drawn([201, 201], |x, y| dark(x - 100.0, y - 100.0));
        let holes = connected(&mask, false, Corners::Apart);
        let label = holes.labels.data[100 * 201 + 100];
        let region = holes.regions[label as usize - 1];
        between_cells(label, &region, &holes.labels, &distances(&mask), 20.0)
    }

    fn on_ring(count: usize, radius: f32) -> impl Iterator<Item = [f32; 2]> {
        (0..count).map(move |i| {
            let (s, c) = (i as f32 * std::f32::consts::TAU / count as f32).sin_cos();
            [radius * c, radius * s]
        })
    }

    #[test]
    fn what_three_to_five_cells_enclose_is_a_gap() {
        for (count, radius) in [(3, 22.5), (4, 25.0), (4, 28.0), (5, 32.0)] {
            let cells: Vec<_> = on_ring(count, radius).collect();
            let gap =
                middle_is_gap(|x, y| cells.iter().any(|c| (x - c[0]).hypot(y - c[1]) <= 20.0));
            assert!(gap, "{count} cells at {radius}");
        }
    }

    #[test]
    fn a_pale_centre_between_touching_neighbours_is_no_gap() {
        for pale in [4.0, 9.0, 14.0] {
            for count in [0, 2, 6] {
                let cells: Vec<_> = on_ring(count, 37.0).collect();
                let gap = middle_is_gap(|x, y| {
                    let from_middle = x.hypot(y);
                    let beside = cells.iter().any(|c| (x - c[0]).hypot(y - c[1]) <= 20.0);
                    from_middle > pale && (from_middle <= 20.0 || beside)
                });
                assert!(!gap, "{pale} of 20 within {count} neighbours");
            }
        }
    }
}
