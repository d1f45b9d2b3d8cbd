//! Which pixels are as densely stained as a nucleus is.

use super::grid::Grid;
use super::regions::{Labelled, Region};

/// A region of which this part is as dark as a nucleus is (a lobe of) a nucleus: the chromatin of a parasite
/// lies in a red cell.
const MOSTLY: f32 = 0.45;

/// How much stain a pixel holds: its optical density (natural logarithm) in red and green light together, in
/// units of 1/64. Where things overlap it adds up; darkness doesn't.
struct Density {
    of_darkness: [u16; 256],
}

impl Density {
    /// Of what lets less than a hundredth of the light through it can't be told how much less.
    const FAINTEST: f32 = 0.01;

    fn new() -> Self {
        let mut of_darkness = [0; 256];
        for (darkness, density) in (0..=u8::MAX).zip(&mut of_darkness) {
            let light = (1.0 - f32::from(darkness) / 255.0).max(Self::FAINTEST);
            *density = (-64.0 * light.ln()).round() as u16;
        }
        Self { of_darkness }
    }

    fn of(&self, green: u8, red: u8) -> usize {
        usize::from(self.of_darkness[usize::from(green)] + self.of_darkness[usize::from(red)])
    }
}

/// Beyond which pixels are as dark as a nucleus.
struct Limits {
    red: usize,
    density: usize,
}

impl Limits {
    /// Twice as dark in red light as the typical pixel of the mask and by at least 40/255 of the light; or
    /// more than twice as dense: where two red cells overlap it is twice. Which of the two says more depends
    /// on the stain.
    fn of(mask: &Grid<bool>, green: &Grid<u8>, red: &Grid<u8>, density: &Density) -> Self {
        let mut reds = vec![0u32; 256];
        let mut densities = vec![0u32; 1024];
        for ((&inside, &green), &red) in mask.data.iter().zip(&green.data).zip(&red.data) {
            if inside {
                reds[usize::from(red)] += 1;
                densities[density.of(green, red)] += 1;
            }
        }
        let (red, density) = (median(&reds), median(&densities));
        Self {
            red: (red * 2).max(red + 40),
            density: (density * 11 / 5).max(density + 24),
        }
    }
}

fn median(histogram: &[u32]) -> usize {
    let total: u64 = histogram.iter().map(|&n| u64::from(n)).sum();
    let mut seen = 0;
    histogram
        .iter()
        .position(|&n| {
            seen += u64::from(n);
            seen * 2 >= total
        })
        .unwrap_or(0)
}

/// Which pixels are as dark as a nucleus.
pub(super) struct Stained {
    /// Dense or dark in red light.
    pub dense: Grid<bool>,
    /// Dark in red light.
    pub red: Grid<bool>,
}

impl Stained {
    /// Those of a mask; `green` and `red` are the darkness in that light.
    pub fn of(mask: &Grid<bool>, green: &Grid<u8>, red: &Grid<u8>) -> Self {
        let density = Density::new();
        let limits = Limits::of(mask, green, red, &density);
        let mut stained = Self {
            dense: mask.clone(),
            red: mask.clone(),
        };
        let planes = stained.dense.data.iter_mut().zip(&mut stained.red.data);
        let darkness = green.data.iter().zip(&red.data);
        for ((dense, in_red), (&green, &red)) in planes.zip(darkness) {
            *in_red &= usize::from(red) > limits.red;
            *dense &= *in_red || density.of(green, red) > limits.density;
        }
        stained
    }
}

/// How many pixels of each region are as dark as a nucleus.
pub(super) fn nuclei(cells: &Labelled, stained: &Stained) -> Vec<u32> {
    let mut nuclei = vec![0; cells.regions.len()];
    for (&label, &dense) in cells.labels.data.iter().zip(&stained.dense.data) {
        if label != 0 {
            nuclei[label as usize - 1] += u32::from(dense);
        }
    }
    nuclei
}

/// Whether a region with a nucleus of so many pixels is a nucleus, or a lobe of one.
pub(super) fn is_nucleus(region: &Region, nucleus: u32) -> bool {
    nucleus as f32 >= MOSTLY * region.area as f32
}

#[cfg(test)]
mod tests {
    use super::super::regions::{Corners, connected};
    use super::*;

    #[test]
    fn a_nucleus_is_dense_and_two_cells_that_overlap_are_not() {
        let disc = |x: f32, y: f32, at: [f32; 3]| (x - at[0]).hypot(y - at[1]) <= at[2];
        let nucleus = |x, y| disc(x, y, [150.0, 40.0, 12.0]);
        // Of the light that is left each cell takes the same part away.
        let darkness = |x, y, taken: f32| {
            let cells = [
                [40.0, 40.0, 20.0],
                [60.0, 40.0, 20.0],
                [150.0, 40.0, 20.0],
                [100.0, 40.0, 17.0],
            ];
            let over = cells.iter().filter(|&&at| disc(x, y, at)).count();
            (255.0 * (1.0 - (1.0 - taken).powi(over as i32))) as u8
        };
        let green = Grid::drawn([180, 80], |x, y| {
            if nucleus(x, y) {
                215
            } else {
                darkness(x, y, 0.4)
            }
        });
        let red = Grid::drawn([180, 80], |x, y| {
            if nucleus(x, y) {
                170
            } else {
                darkness(x, y, 0.15)
            }
        });
        let mask = green.map(|d| d > 40);
        let stained = Stained::of(&mask, &green, &red);
        let cells = connected(&mask, true, Corners::Joined);
        let found = nuclei(&cells, &stained);
        let at = |x: usize| cells.labels.data[40 * 180 + x] as usize - 1;
        let [pair, infected] = [found[at(40)], found[at(150)]];
        assert_eq!(pair, 0);
        assert!((430..470).contains(&infected), "{infected}");
        let whole = Region {
            area: 460,
            ..cells.regions[at(150)]
        };
        assert!(is_nucleus(&whole, infected));
        assert!(!is_nucleus(&cells.regions[at(150)], infected));
    }
}
