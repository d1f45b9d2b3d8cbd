//! Cells that overlap so far that no neck is between them, and cells that the necks cut though they are one.

use super::circles::Disc;
use super::grid::Grid;
use super::nucleus::Stained;
use super::regions::{Corners, Forest, Labelled, Region, connected, settle};
use super::watershed::Split;

/// What is smaller than this many typical cells is one cell, or none.
const MIN_CLUMP: f32 = 1.2;
/// The part of a clump that its discs, each a little enlarged, must explain …
const COVERED: f32 = 0.6;
/// … where they reach this far, in radii.
const COVERS: f32 = 1.1;
/// How far a cell reaches beyond its disc, in radii.
const REACH: f32 = 1.2;
/// Parts between these sizes, in typical cells, may be cells.
const CELLS: [f32; 2] = [0.5, 1.4];
/// In what holds more of a nucleus than this, in typical cells, rims are those of chromatin.
const MAX_NUCLEUS: f32 = 0.3;

/// Parts clumps anew, each pixel to the disc in which it lies deepest, where the parts look more like cells than those
/// that the necks made. `radius` is that of a typical cell.
///
/// Each disc is looked at alone, and each pixel a fixed number of times, so the work is in proportion to the pixels.
pub(super) fn deal(split: Split, discs: &[Disc], stained: &Stained, radius: f32) -> Split {
    if discs.is_empty() {
        return split;
    }
    let typical = std::f32::consts::PI * radius * radius;
    let clumps = Clumps::of(&split, discs);
    let mut dealt = clumps.larger_than(MIN_CLUMP * typical);
    let deepest = clumps.deepest(discs, &dealt);
    clumps.keep_explained(&mut dealt, discs, &deepest, stained, MAX_NUCLEUS * typical);
    if !dealt.contains(&true) {
        return split;
    }
    let parted = clumps.parted(&split, &dealt, &deepest, discs.len());
    drop(deepest);
    let before = clumps.likeness(&split.cells.regions, typical);
    let after = clumps.likeness(&parted.regions, typical);
    for (dealt, (before, after)) in dealt.iter_mut().zip(before.iter().zip(after)) {
        *dealt &= after > *before;
    }
    if !dealt.contains(&true) {
        return split;
    }
    clumps.exchanged(split, parted, &dealt)
}

/// Regions that touch each other, as one.
struct Clumps {
    clumps: Labelled,
    /// The places in the list of discs of those in each.
    discs: Vec<Vec<u32>>,
}

impl Clumps {
    fn of(split: &Split, discs: &[Disc]) -> Self {
        let mask = split.cells.labels.map(|label| label != 0);
        let clumps = connected(&mask, true, Corners::Joined);
        let mut clumps = Self {
            discs: vec![Vec::new(); clumps.regions.len()],
            clumps,
        };
        for (disc, i) in discs.iter().zip(0..) {
            if let Some(clump) = disc
                .middle(clumps.size())
                .and_then(|place| clumps.at(place))
            {
                clumps.discs[clump].push(i);
            }
        }
        clumps
    }

    /// Width and height of the plane.
    fn size(&self) -> [usize; 2] {
        [self.clumps.labels.width, self.clumps.labels.height]
    }

    /// The clump at a place.
    fn at(&self, place: usize) -> Option<usize> {
        (self.clumps.labels.data[place] as usize).checked_sub(1)
    }

    /// Which have a disc and more pixels than that.
    fn larger_than(&self, area: f32) -> Vec<bool> {
        let clumps = self.clumps.regions.iter().zip(&self.discs);
        clumps
            .map(|(region, discs)| !discs.is_empty() && region.area as f32 >= area)
            .collect()
    }

    /// The discs of the chosen clumps.
    fn discs_of<'a>(&'a self, chosen: &'a [bool]) -> impl Iterator<Item = (usize, &'a [u32])> {
        let all = self.discs.iter().map(Vec::as_slice).enumerate();
        all.filter(|&(clump, _)| chosen[clump])
    }

    /// In which disc of its clump each pixel lies deepest, counted from 1.
    fn deepest(&self, discs: &[Disc], chosen: &[bool]) -> Grid<u32> {
        let size = self.size();
        let mut deepest = Grid::filled(size[0], size[1], 0u32);
        for (clump, own) in self.discs_of(chosen) {
            for &i in own {
                let disc = &discs[i as usize];
                for at in disc.pixels(REACH, size) {
                    let place = at[1] * size[0] + at[0];
                    let at = at.map(|v| v as f32);
                    let other = (deepest.data[place] as usize).checked_sub(1);
                    let is_deeper = |other: usize| disc.radii_to(at) < discs[other].radii_to(at);
                    if self.at(place) == Some(clump) && other.is_none_or(is_deeper) {
                        deepest.data[place] = i + 1;
                    }
                }
            }
        }
        deepest
    }

    /// Keeps those that their discs explain, and that hold no more of a nucleus than `most` pixels.
    fn keep_explained(
        &self,
        chosen: &mut [bool],
        discs: &[Disc],
        deepest: &Grid<u32>,
        stained: &Stained,
        most: f32,
    ) {
        let size = self.size();
        for (clump, chosen) in chosen.iter_mut().enumerate().filter(|(_, chosen)| **chosen) {
            let (mut covered, mut nucleus) = (0u32, 0u32);
            for &i in &self.discs[clump] {
                let reach = discs[i as usize].pixels(COVERS, size);
                let places = reach.map(|[x, y]| y * size[0] + x);
                for place in places.filter(|&place| deepest.data[place] == i + 1) {
                    covered += 1;
                    nucleus += u32::from(stained.dense.data[place]);
                }
            }
            let area = self.clumps.regions[clump].area as f32;
            *chosen = covered as f32 >= COVERED * area && nucleus as f32 <= most;
        }
    }

    /// The chosen clumps alone, dealt to their discs. What no disc reaches stays as it was parted.
    fn parted(
        &self,
        split: &Split,
        chosen: &[bool],
        deepest: &Grid<u32>,
        discs: usize,
    ) -> Labelled {
        let first = split.cells.regions.len();
        let mut labels = split.cells.labels.clone();
        for (place, label) in labels.data.iter_mut().enumerate() {
            *label = match (self.at(place), deepest.data[place]) {
                (Some(clump), 0) if chosen[clump] => *label,
                (Some(clump), disc) if chosen[clump] => first as u32 + disc,
                _ => 0,
            };
        }
        settle(labels, &mut Forest::of(first + discs))
    }

    /// How much of each clump looks like cells, if these are its parts.
    fn likeness(&self, parts: &[Region], typical: f32) -> Vec<f32> {
        let [width, height] = self.size();
        let mut likeness = vec![0.0; self.discs.len()];
        for part in parts {
            if let Some(clump) = self.at(part.first) {
                likeness[clump] += cell_likeness(part, typical, part.touches_frame(width, height));
            }
        }
        likeness
    }

    /// Takes the parts of the chosen clumps from `parted`.
    fn exchanged(&self, split: Split, parted: Labelled, chosen: &[bool]) -> Split {
        let is_chosen = |place: usize| self.at(place).is_some_and(|clump| chosen[clump]);
        let Split { cells, touching } = split;
        let first = cells.regions.len() as u32;
        let mut labels = cells.labels;
        for (place, label) in labels.data.iter_mut().enumerate() {
            if is_chosen(place) {
                *label = first + parted.labels.data[place];
            }
        }
        let mut forest = Forest::of(cells.regions.len() + parted.regions.len());
        drop(parted);
        let all = settle(labels, &mut forest);
        // A clump that is dealt has parts that touch each other, or is one cell now; all else is as it was.
        let mut parts = vec![0; chosen.len()];
        for clump in all
            .regions
            .iter()
            .filter_map(|region| self.at(region.first))
        {
            parts[clump] += 1;
        }
        let several = |region: &Region| self.at(region.first).is_some_and(|clump| parts[clump] > 1);
        let mut now_touching: Vec<bool> = all.regions.iter().map(several).collect();
        for (region, touching) in cells.regions.iter().zip(touching) {
            if !is_chosen(region.first) {
                now_touching[all.labels.data[region.first] as usize - 1] = touching;
            }
        }
        Split {
            cells: all,
            touching: now_touching,
        }
    }
}

/// How much a part of a clump looks like a cell: its area, less where it isn't round, too large, or too small though the
/// frame doesn't cut it.
fn cell_likeness(part: &Region, typical: f32, is_cut: bool) -> f32 {
    let cells = part.area as f32 / typical;
    let [least, most] = CELLS;
    let fit = if cells > most {
        (most / cells).powi(2)
    } else if is_cut {
        1.0
    } else {
        (cells / least).min(1.0)
    };
    part.area as f32 * part.roundness() * fit
}

#[cfg(test)]
mod tests {
    use super::super::discs::discs;
    use super::super::distance::distances;
    use super::super::rims::rims;
    use super::super::watershed::split;
    use super::*;

    /// Cells of radius 20 in one line, as they are split by their necks, dealt to their discs, and with no pixel
    /// or all pixels as dense as a nucleus.
    fn parts(middles: &[f32], joined: bool, dense: bool) -> (Split, Vec<Disc>) {
        let dark = Grid::drawn([200, 70], |x, y| {
            let disc = |cx: f32| (20.5 - (x - cx).hypot(y - 35.0)).clamp(0.0, 1.0);
            (60.0 * middles.iter().map(|&cx| disc(cx)).sum::<f32>()) as u8
        });
        let mask = dark.map(|d| d > 30);
        let found = discs(&rims(&dark, &mask), [200, 70], 20.0);
        let mut cells = split(&distances(&mask), 20.0);
        if joined {
            // As if their neck had told nothing.
            let mut forest = Forest::of(cells.cells.regions.len());
            let [a, b] =
                [middles[0], middles[1]].map(|x| cells.cells.labels.data[35 * 200 + x as usize]);
            forest.join(a - 1, b - 1);
            cells.cells = settle(cells.cells.labels, &mut forest);
            cells.touching = vec![false; cells.cells.regions.len()];
        }
        let stained = Stained {
            dense: mask.map(|m| m && dense),
            red: mask.map(|_| false),
        };
        (deal(cells, &found, &stained, 20.0), found)
    }

    fn label_at(split: &Split, x: usize) -> usize {
        split.cells.labels.data[35 * 200 + x] as usize
    }

    #[test]
    fn a_pair_without_a_neck_is_parted_and_a_cell_is_not() {
        let (parted, found) = parts(&[30.0, 56.0, 150.0], true, false);
        assert_eq!(found.len(), 3);
        assert_eq!(parted.cells.regions.len(), 3);
        let [a, b, alone] = [20, 66, 150].map(|x| label_at(&parted, x));
        assert!(a != b && a != alone);
        assert_eq!(
            [a, b, alone].map(|label| parted.touching[label - 1]),
            [true, true, false]
        );
    }

    #[test]
    fn a_cell_over_one_that_the_frame_cuts_is_whole() {
        let (parted, _) = parts(&[4.0, 32.0], true, false);
        let [cut, whole] = [2, 40].map(|x| label_at(&parted, x));
        assert!(cut != whole);
        assert!(!parted.cells.regions[whole - 1].touches_frame(200, 70));
    }

    #[test]
    fn what_holds_a_nucleus_is_left_as_it_was() {
        let (left, _) = parts(&[30.0, 56.0, 150.0], true, true);
        assert_eq!(left.cells.regions.len(), 2);
        assert_eq!(label_at(&left, 20), label_at(&left, 66));
    }

    #[test]
    fn cells_that_their_necks_tell_apart_keep_their_pixels() {
        let mask = Grid::drawn([120, 70], |x, y| {
            let disc = |cx: f32, r: f32| (x - cx).hypot(y - 35.0) <= r;
            disc(30.0, 20.0) || disc(69.0, 20.0)
        });
        let cells = split(&distances(&mask), 20.0);
        let before = cells.cells.labels.clone();
        // A circle that says less than the necks.
        let wrong = Disc {
            centre: [49.0, 35.0],
            radius: 18.0,
        };
        let none = mask.map(|_| false);
        let stained = Stained {
            dense: none.clone(),
            red: none,
        };
        let after = deal(cells, &[wrong], &stained, 20.0);
        assert_eq!(after.cells.labels, before);
        assert_eq!(after.touching, [true, true]);
    }

    #[test]
    fn a_part_looks_most_like_a_cell_if_it_is_round_and_as_large() {
        let likeness = |radius: f32, is_cut: bool| {
            let disc = Grid::drawn([90, 90], |x, y| (x - 45.0).hypot(y - 45.0) <= radius);
            let region = connected(&disc, true, Corners::Joined).regions[0];
            cell_likeness(&region, 1256.0, is_cut) / region.area as f32
        };
        assert!(likeness(20.0, false) > 0.95);
        assert!(likeness(10.0, false) < 0.6);
        assert!(likeness(10.0, true) > 0.9);
        assert!(likeness(32.0, true) < 0.4);
    }
}
