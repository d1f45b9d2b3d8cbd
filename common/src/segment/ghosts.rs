//! Cells of which only the rim is darker than the background: ghosts and thin target cells.

use super::circles::Disc;
use super::grid::Grid;

/// A disc of which less than this part is in the mask is filled. Of a cell that is found well nearly all is; of a
/// ghost it is the rim, which is about a quarter, and what lies over it.
const MOSTLY_INSIDE: f32 = 0.7;

/// Fills the discs whose inside is too pale for the mask. Says whether there were any.
pub(super) fn fill(mask: &mut Grid<bool>, discs: &[Disc]) -> bool {
    let size = [mask.width, mask.height];
    let mut any = false;
    for disc in discs {
        let (mut all, mut inside) = (0u32, 0u32);
        // One of four tells as much.
        for [x, y] in disc.pixels(1.0, size).filter(|[x, y]| (x | y) & 1 == 0) {
            all += 1;
            inside += u32::from(mask.data[y * size[0] + x]);
        }
        if (inside as f32) < MOSTLY_INSIDE * all as f32 {
            any = true;
            for [x, y] in disc.pixels(1.0, size) {
                mask.data[y * size[0] + x] = true;
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(draw: impl Fn(f32) -> bool) -> (bool, usize) {
        let mut mask = Grid::drawn([80, 60], |x, y| draw((x - 40.0).hypot(y - 30.0)));
        let disc = Disc {
            centre: [40.0, 30.0],
            radius: 20.0,
        };
        let any = fill(&mut mask, &[disc]);
        (any, mask.data.iter().filter(|&&inside| inside).count())
    }

    #[test]
    fn an_open_rim_is_filled_and_a_cell_stays_as_it_is() {
        let (any, area) = filled(|r| (17.0..=20.0).contains(&r));
        assert!(any && (1200..1300).contains(&area), "{area}");
        let (any, area) = filled(|r| (5.0..=20.0).contains(&r));
        assert!(!any && area < 1200, "{area}");
    }
}
