//! Rims: where the darkness changes most, across. Cells have them all around, also where they overlap, for
//! there the stain of both adds up.

use super::grid::Grid;

/// How much less steep than the typical outline a rim may be: where two cells overlap it is.
const MIN_STEEPNESS: f32 = 0.25;

/// The least change over two pixels, in sixteenths of a level: below is grain.
const MIN_STEP: u32 = 24;

/// Where more than this part of all pixels are on rims there is noise, or a net: cells of the least diameter that is
/// looked for, side by side, have less.
const MAX_RIMS: f32 = 0.2;

/// A pixel on a rim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rim {
    /// Its place.
    pub at: [f32; 2],
    /// The unit vector towards the darker side.
    pub inwards: [f32; 2],
}

/// The rims in a plane of darkness, row by row; none where there is nothing but rims. The outlines of `mask` tell how
/// steep a rim is.
pub(super) fn rims(dark: &Grid<u8>, mask: &Grid<bool>) -> Vec<Rim> {
    let (w, h) = (dark.width, dark.height);
    if w < 3 || h < 3 {
        return Vec::new();
    }
    let smooth = smoothed(dark);
    let mut steep = Grid::filled(w, h, 0u32);
    let mut outline = Vec::new();
    for y in 1..h - 1 {
        let [above, own, below] = [y - 1, y, y + 1].map(|y| smooth.row(y));
        let across = own[2..].iter().zip(own);
        let along = below[1..].iter().zip(&above[1..]);
        let row = &mut steep.data[y * w + 1..(y + 1) * w - 1];
        for ((steep, (right, left)), (below, above)) in row.iter_mut().zip(across).zip(along) {
            let [dx, dy] =
                [(right, left), (below, above)].map(|(&a, &b)| i32::from(a) - i32::from(b));
            *steep = (dx * dx + dy * dy) as u32;
        }
        let (own, below) = (mask.row(y), mask.row(y + 1));
        let edges = own
            .windows(2)
            .zip(below)
            .map(|(pair, &below)| (pair[0] != pair[1]) | (pair[0] != below));
        let row = &steep.data[y * w..(y + 1) * w];
        outline.extend(
            row.iter()
                .zip(edges)
                .skip(1)
                .filter(|&(_, is_edge)| is_edge)
                .map(|(&steep, _)| steep),
        );
    }
    if outline.is_empty() {
        return Vec::new();
    }
    let middle = outline.len() / 2;
    let typical = *outline.select_nth_unstable(middle).1 as f32;
    // Steepness is a square here.
    let limit = ((typical * MIN_STEEPNESS * MIN_STEEPNESS) as u32).max(MIN_STEP * MIN_STEP);
    let most = (MAX_RIMS * (w * h) as f32) as usize;
    let mut rims = Vec::new();
    for y in 1..h - 1 {
        if rims.len() > most {
            return Vec::new();
        }
        for x in 1..w - 1 {
            let i = y * w + x;
            let own = steep.data[i];
            if own < limit {
                continue;
            }
            let across =
                |step: usize| i32::from(smooth.data[i + step]) - i32::from(smooth.data[i - step]);
            let [dx, dy] = [across(1), across(w)];
            // The neighbour across the rim, to a multiple of 45°.
            let step = if 5 * dy.abs() < 2 * dx.abs() {
                1
            } else if 5 * dx.abs() < 2 * dy.abs() {
                w
            } else if (dx > 0) == (dy > 0) {
                w + 1
            } else {
                w - 1
            };
            if own > steep.data[i - step] && own >= steep.data[i + step] {
                let length = (own as f32).sqrt();
                rims.push(Rim {
                    at: [x as f32, y as f32],
                    inwards: [dx as f32 / length, dy as f32 / length],
                });
            }
        }
    }
    rims
}

/// Each rim votes for the square in which the place is that lies at that distance on its darker side. `scale` is how
/// many squares a pixel is wide.
pub(super) fn vote<'r>(
    votes: &mut Grid<u16>,
    rims: impl Iterator<Item = &'r Rim>,
    distance: f32,
    scale: f32,
) {
    for rim in rims {
        // One more than the column and the row: a conversion to whole numbers cuts off towards zero.
        let [x, y] = [0, 1].map(|i| {
            let at = rim.at[i] + distance * rim.inwards[i] + 0.5;
            ((at * scale + 1.0) as i32 as usize).wrapping_sub(1)
        });
        if x < votes.width && y < votes.height {
            let square = &mut votes.data[y * votes.width + x];
            *square = square.saturating_add(1);
        }
    }
}

/// Sixteen times the mean of each pixel's neighbourhood, with the weights 1 2 1 along both axes.
fn smoothed(dark: &Grid<u8>) -> Grid<u16> {
    let (w, h) = (dark.width, dark.height);
    let mut rows = Grid::filled(w, h, 0u16);
    for y in 0..h {
        let row = dark.row(y);
        for (x, out) in rows.data[y * w..(y + 1) * w].iter_mut().enumerate() {
            let [left, own, right] =
                [row[x.saturating_sub(1)], row[x], row[(x + 1).min(w - 1)]].map(u16::from);
            *out = left + 2 * own + right;
        }
    }
    let mut both = Grid::filled(w, h, 0u16);
    for y in 0..h {
        let (above, below) = (rows.row(y.saturating_sub(1)), rows.row((y + 1).min(h - 1)));
        let out = &mut both.data[y * w..(y + 1) * w];
        for (((out, a), b), c) in out.iter_mut().zip(above).zip(rows.row(y)).zip(below) {
            *out = a + 2 * b + c;
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rims_of_a_disc_point_to_its_middle() {
        let dark = Grid::drawn([60, 60], |x, y| {
            (90.0 * (20.5 - (x - 30.0).hypot(y - 30.0)).clamp(0.0, 1.0)) as u8
        });
        let found = rims(&dark, &dark.map(|d| d > 45));
        assert!(found.len() > 100, "{}", found.len());
        for rim in found {
            let to = [30.0 - rim.at[0], 30.0 - rim.at[1]];
            let distance = to[0].hypot(to[1]);
            assert!((distance - 20.0).abs() < 1.5, "{rim:?}");
            let cosine = (to[0] * rim.inwards[0] + to[1] * rim.inwards[1]) / distance;
            assert!(cosine > 0.95, "{rim:?}");
        }
    }

    #[test]
    fn grain_and_nothing_have_no_rims() {
        let grain = Grid::drawn([40, 40], |x, y| {
            3 + ((x as u32 * 7 + y as u32 * 5) % 3) as u8
        });
        assert!(rims(&grain, &Grid::drawn([40, 40], |x, _| x > 20.0)).is_empty());
        assert!(rims(&Grid::filled(2, 2, 9), &Grid::filled(2, 2, true)).is_empty());
    }
}
