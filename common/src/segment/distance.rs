//! How far each pixel of a cell is from the background.

use super::grid::Grid;

/// One pixel's width in the unit of [`distances`].
pub(super) const UNIT: u16 = 5;
const DIAGONAL: u16 = 7;
const KNIGHT: u16 = 11;

/// The 5-7-11 chamfer distance (Borgefors, CVGIP 34, 1986, 344–371; within 2 % of the Euclidean one) to the
/// nearest `false`, in fifths of a pixel, in two passes. What lies beyond the frame is unknown and doesn't
/// count as background: a cell that the edge cuts keeps its radius. Without any `false`, `u16::MAX`.
pub(super) fn distances(mask: &Grid<bool>) -> Grid<u16> {
    let (w, h) = (mask.width, mask.height);
    // A border of two pixels spares the passes the question whether a neighbour exists.
    let stride = w + 4;
    let mut padded = vec![u16::MAX; stride * (h + 4)];
    let at = |x: usize, y: usize| (y + 2) * stride + x + 2;
    let steps = |sign: isize| {
        let s = stride as isize;
        [
            (-1, UNIT),
            (-s, UNIT),
            (-s - 1, DIAGONAL),
            (-s + 1, DIAGONAL),
            (-s - 2, KNIGHT),
            (-s + 2, KNIGHT),
            (-2 * s - 1, KNIGHT),
            (-2 * s + 1, KNIGHT),
        ]
        .map(|(offset, cost)| (offset * sign, cost))
    };
    let nearest = |padded: &[u16], i: usize, steps: &[(isize, u16); 8], own: u16| {
        steps.iter().fold(own, |least, &(offset, cost)| {
            least.min(padded[i.wrapping_add_signed(offset)].saturating_add(cost))
        })
    };
    let forward = steps(1);
    for y in 0..h {
        for (x, &inside) in mask.row(y).iter().enumerate() {
            let i = at(x, y);
            padded[i] = if inside {
                nearest(&padded, i, &forward, u16::MAX)
            } else {
                0
            };
        }
    }
    let backward = steps(-1);
    let mut result = Grid::filled(w, h, 0u16);
    for y in (0..h).rev() {
        for x in (0..w).rev() {
            let i = at(x, y);
            if padded[i] > 0 {
                padded[i] = nearest(&padded, i, &backward, padded[i]);
                result.data[y * w + x] = padded[i];
            }
        }
    }
    result
}

/// Takes away what is thinner than twice `radius` pixels, and leaves the rest as it is (an opening): scale bars
/// and fibres across cells, tails, the fringes of haze. Places that are taken away get the distance 0.
pub(super) fn open(distance: &mut Grid<u16>, radius: f32) {
    let limit = (radius * f32::from(UNIT)) as u16;
    let deep = distance.map(|d| d <= limit);
    for (distance, from_deep) in distance.data.iter_mut().zip(distances(&deep).data) {
        if from_deep > limit {
            *distance = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_euclid() {
        let mut mask = Grid::filled(41, 31, true);
        mask.data[15 * 41 + 20] = false;
        let found = distances(&mask);
        for y in 0..31i32 {
            for x in 0..41i32 {
                let exact = f64::from((x - 20).pow(2) + (y - 15).pow(2)).sqrt();
                let distance = f64::from(found.data[(y * 41 + x) as usize]) / f64::from(UNIT);
                assert!(
                    (distance - exact).abs() <= 0.03 * exact + 0.1,
                    "{distance} {exact}"
                );
            }
        }
    }

    #[test]
    fn a_bar_across_a_disc_is_taken_away() {
        let (w, h) = (80, 60);
        let disc = |x: f32, y: f32| (x - 30.0).hypot(y - 30.0) <= 18.0;
        let mut distance = distances(&Grid::drawn([w, h], |x, y| {
            disc(x, y) || (y - 30.0).abs() < 2.0
        }));
        open(&mut distance, 3.0);
        assert_eq!(distance.data[30 * w + 70], 0);
        let left = distance.data.iter().filter(|&&d| d > 0).count();
        assert!((left as f32 / 1018.0 - 1.0).abs() < 0.05, "{left}");
    }

    #[test]
    fn nothing_but_cell_is_infinitely_far() {
        assert_eq!(distances(&Grid::filled(3, 1, true)).data, [u16::MAX; 3]);
        assert_eq!(distances(&Grid::filled(1, 1, false)).data, [0]);
    }
}
