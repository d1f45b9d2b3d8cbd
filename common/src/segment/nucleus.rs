//! White cells, by their nuclei.

use super::grid::Grid;
use super::regions::{Forest, Labelled, Region, settle};
use super::watershed::Split;

/// A region of which this part is as dark as a nucleus is (a lobe of) a nucleus: the chromatin of a parasite
/// lies in a red cell.
const MOSTLY: f32 = 0.45;
/// The least part of a typical cell's area of a lobe.
const MIN_LOBE: f32 = 0.06;
/// How far apart two lobes of a nucleus may be, as a part of a typical cell's radius.
const MAX_GAP: f32 = 0.5;

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

/// What of a region is as dark as a nucleus, in pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nucleus {
    /// Dense or dark in red light.
    pub area: u32,
    /// Dark in red light.
    pub red: u32,
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

/// The nucleus of each region.
pub(super) fn nuclei(cells: &Labelled, stained: &Stained) -> Vec<Nucleus> {
    let mut nuclei = vec![Nucleus::default(); cells.regions.len()];
    let planes = stained.dense.data.iter().zip(&stained.red.data);
    for (&label, (&dense, &red)) in cells.labels.data.iter().zip(planes) {
        if label != 0 && dense {
            let nucleus = &mut nuclei[label as usize - 1];
            nucleus.area += 1;
            nucleus.red += u32::from(red);
        }
    }
    nuclei
}

/// Whether a region is a nucleus, or a lobe of one.
pub(super) fn is_nucleus(region: &Region, nucleus: Nucleus) -> bool {
    nucleus.area as f32 >= MOSTLY * region.area as f32
}

#[cfg(test)]
mod tests {
    use super::super::distance::distances;
    use super::super::watershed::split;
    use super::*;

    #[test]
    fn lobes_become_one_and_red_cells_beside_them_do_not() {
        let [w, h] = [160, 80];
        let lobe = |x: f32, y: f32| {
            (x - 40.0).hypot(y - 30.0) <= 10.0 || (x - 56.0).hypot(y - 44.0) <= 10.0
        };
        let cell = |x: f32, y: f32| {
            (x - 92.0).hypot(y - 40.0) <= 20.0 || (x - 136.0).hypot(y - 40.0) <= 20.0
        };
        let mask = Grid::drawn([w, h], |x, y| lobe(x, y) || cell(x, y));
        let dark = |light: u8| {
            Grid::drawn([w, h], move |x, y| {
                if lobe(x, y) {
                    200
                } else if cell(x, y) {
                    light
                } else {
                    0
                }
            })
        };
        let (green, red) = (dark(90), dark(40));
        let found = split(&distances(&mask), 20.0);
        assert_eq!(found.cells.regions.len(), 4);
        let areas = nuclei(&found.cells, &green, &red);
        let (joined, areas) = join_lobes(found, areas, 1256.0);
        assert_eq!(joined.cells.regions.len(), 3);
        assert_eq!(areas.iter().filter(|nucleus| nucleus.area > 600).count(), 1);
        assert_eq!(areas.iter().filter(|nucleus| nucleus.area == 0).count(), 2);
    }
}
