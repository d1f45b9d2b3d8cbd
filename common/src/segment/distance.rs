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
    let w = mask.width.max(1);
    let mut result = Grid::filled(mask.width, mask.height, 0u16);
    let mut passed = Passed::new(w);
    for (row, inside) in result
        .data
        .chunks_exact_mut(w)
        .zip(mask.data.chunks_exact(w))
    {
        for (distance, &inside) in row.iter_mut().zip(inside) {
            *distance = if inside { u16::MAX } else { 0 };
        }
        passed.lower(row);
        let mut beside = u32::from(u16::MAX);
        for distance in row.iter_mut() {
            beside = u32::from(*distance).min(beside + u32::from(UNIT));
            *distance = beside as u16;
        }
        passed.push(row);
    }
    let mut passed = Passed::new(w);
    for row in result.data.chunks_exact_mut(w).rev() {
        passed.lower(row);
        let mut beside = u32::from(u16::MAX);
        for distance in row.iter_mut().rev() {
            beside = u32::from(*distance).min(beside + u32::from(UNIT));
            *distance = beside as u16;
        }
        passed.push(row);
    }
    result
}

/// The two rows that a pass has just left behind. A border of two pixels spares it the question whether a
/// neighbour exists.
struct Passed {
    near: Vec<u16>,
    far: Vec<u16>,
}

impl Passed {
    fn new(width: usize) -> Self {
        let beyond = vec![u16::MAX; width + 4];
        Self {
            near: beyond.clone(),
            far: beyond,
        }
    }

    /// Lowers each distance of the next row to what these rows allow: all pixels of a row at a time, which a
    /// processor does eight by eight. Its neighbours in the row itself come one by one afterwards.
    fn lower(&self, row: &mut [u16]) {
        let w = row.len();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| &self.near[i..i + w]);
        let [f, g] = [1, 3].map(|i| &self.far[i..i + w]);
        for (i, distance) in row.iter_mut().enumerate() {
            let knight = a[i].min(e[i]).min(f[i].min(g[i]));
            let diagonal = b[i].min(d[i]);
            *distance = (*distance)
                .min(c[i].saturating_add(UNIT))
                .min(diagonal.saturating_add(DIAGONAL))
                .min(knight.saturating_add(KNIGHT));
        }
    }

    fn push(&mut self, row: &[u16]) {
        std::mem::swap(&mut self.near, &mut self.far);
        self.near[2..row.len() + 2].copy_from_slice(row);
    }
}

/// Takes away what is thinner than twice `radius` pixels, and leaves the rest as it is (an opening): scale bars
/// and fibres across cells, tails, the fringes of haze. Places that are taken away get the distance 0.
pub(super) fn open(distance: &mut Grid<u16>, radius: f32) {
    let limit = (radius * f32::from(UNIT)) as u16;
    if distance.data.iter().all(|&d| d <= limit) {
        distance.data.fill(0);
        return;
    }
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
