//! Connected regions and what can be measured of them.

use super::grid::Grid;
use crate::geometry::Rect;

/// What was measured of the pixels with one label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    /// Pixels.
    pub area: u32,
    /// The place in the plane of its first pixel.
    pub first: usize,
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Last column.
    pub right: usize,
    /// Last row.
    pub bottom: usize,
    /// The largest values of −x−y, y−x, x−y and x+y.
    pub diagonals: [isize; 4],
    /// Length of the outline, the inner ones included, in pixels.
    pub perimeter: f32,
}

impl Region {
    const EMPTY: Self = Self {
        area: 0,
        first: 0,
        left: usize::MAX,
        top: usize::MAX,
        right: 0,
        bottom: 0,
        diagonals: [isize::MIN; 4],
        perimeter: 0.0,
    };

    /// 4π·area / perimeter², at most 1.
    pub fn roundness(&self) -> f32 {
        let perimeter = self.perimeter.max(1.0);
        (4.0 * std::f32::consts::PI * self.area as f32 / (perimeter * perimeter)).min(1.0)
    }

    /// The area of the octagon around it: its box without what its diagonals cut off the corners.
    pub fn octagon(&self) -> f32 {
        let [left, top, right, bottom] =
            [self.left, self.top, self.right, self.bottom].map(|v| v as isize);
        let whole = (right - left + 1) * (bottom - top + 1);
        let corners = [-left - top, bottom - left, right - top, right + bottom];
        // A corner that a diagonal passes d pixels away from has 1 + 2 + … + d pixels less.
        let cut: isize = corners
            .iter()
            .zip(self.diagonals)
            .map(|(corner, most)| corner - most)
            .map(|d| d * (d + 1) / 2)
            .sum();
        (whole - cut) as f32
    }

    /// The box in the pixels of a picture of the given size that was reduced by `factor`.
    pub fn bounds(&self, factor: usize, [width, height]: [u32; 2]) -> Rect {
        let (x, y) = ((self.left * factor) as u32, (self.top * factor) as u32);
        Rect {
            x,
            y,
            w: (((self.right + 1) * factor) as u32).min(width) - x,
            h: (((self.bottom + 1) * factor) as u32).min(height) - y,
        }
    }

    /// Whether a pixel at the edge of the frame belongs to it.
    pub fn touches_frame(&self, width: usize, height: usize) -> bool {
        self.left == 0 || self.top == 0 || self.right + 1 == width || self.bottom + 1 == height
    }
}

/// Labels with what was measured of each.
pub(super) struct Labelled {
    /// 0 for none, else one more than the place in `regions`.
    pub labels: Grid<u32>,
    /// No region is empty.
    pub regions: Vec<Region>,
}

/// A forest of labels that can be joined.
#[derive(Default)]
pub(super) struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    /// Plants a tree.
    pub fn add(&mut self) -> u32 {
        let tree = self.parents.len() as u32;
        self.parents.push(tree);
        tree
    }

    /// The root of a tree.
    pub fn root(&mut self, mut tree: u32) -> u32 {
        while self.parents[tree as usize] != tree {
            let above = self.parents[self.parents[tree as usize] as usize];
            self.parents[tree as usize] = above;
            tree = above;
        }
        tree
    }

    /// Hangs one root below another.
    pub fn hang(&mut self, root: u32, below: u32) {
        self.parents[root as usize] = below;
    }

    /// Joins two trees under the older root.
    pub fn join(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.root(a), self.root(b));
        self.hang(a.max(b), a.min(b));
        a.min(b)
    }

    /// How many trees were planted.
    pub fn len(&self) -> usize {
        self.parents.len()
    }
}

/// Whether pixels that meet at a corner only are neighbours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Corners {
    /// They are: for what is dark.
    Joined,
    /// They aren't: for what is bright between the dark.
    Apart,
}

/// Labels the connected regions of the pixels that are `value`.
pub(super) fn connected(mask: &Grid<bool>, value: bool, corners: Corners) -> Labelled {
    let (w, h) = (mask.width, mask.height);
    let mut forest = Forest::default();
    let mut labels = Grid::filled(w, h, 0u32);
    for y in 0..h {
        let (above, row) = labels.data.split_at_mut(y * w);
        let above = above.get(above.len().wrapping_sub(w)..).unwrap_or(&[]);
        let mut left = 0;
        for (x, &inside) in mask.row(y).iter().enumerate() {
            if inside != value {
                left = 0;
                continue;
            }
            let up = |x: usize| above.get(x).copied().unwrap_or(0);
            let mut label = left;
            let mut meet = |other: u32| {
                if other != 0 && other != label {
                    label = if label == 0 {
                        other
                    } else {
                        forest.join(label - 1, other - 1) + 1
                    };
                }
            };
            meet(up(x));
            // With the pixel above inside, those beside it are joined to it already.
            if corners == Corners::Joined && up(x) == 0 {
                if x > 0 {
                    meet(up(x - 1));
                }
                meet(up(x + 1));
            }
            if label == 0 {
                label = forest.add() + 1;
            }
            row[x] = label;
            left = label;
        }
    }
    settle(labels, &mut forest)
}

/// Replaces each label by its root's, numbered from 1 in the order of first appearance, and measures.
/// `labels` holds one more than the tree's number, 0 for none.
pub(super) fn settle(mut labels: Grid<u32>, forest: &mut Forest) -> Labelled {
    let roots: Vec<u32> = (0..forest.len() as u32)
        .map(|tree| forest.root(tree))
        .collect();
    let mut numbers = vec![0u32; roots.len()];
    let mut count = 0;
    for label in labels.data.iter_mut().filter(|label| **label != 0) {
        let number = &mut numbers[roots[*label as usize - 1] as usize];
        if *number == 0 {
            count += 1;
            *number = count;
        }
        *label = *number;
    }
    let regions = measure(&labels, count as usize);
    Labelled { labels, regions }
}

/// Measures `count` labelled regions.
fn measure(labels: &Grid<u32>, count: usize) -> Vec<Region> {
    let mut regions = vec![Region::EMPTY; count];
    let w = labels.width;
    for y in 0..labels.height {
        let row = labels.row(y);
        let mut x = 0;
        // Run by run: what a run adds is told by its ends.
        while x < w {
            let label = row[x];
            let start = x;
            while x < w && row[x] == label {
                x += 1;
            }
            if label == 0 {
                continue;
            }
            let end = x - 1;
            let region = &mut regions[label as usize - 1];
            if region.area == 0 {
                region.first = y * w + start;
            }
            region.area += (x - start) as u32;
            region.left = region.left.min(start);
            region.right = region.right.max(end);
            region.top = region.top.min(y);
            region.bottom = y;
            let [start, end, y] = [start, end, y].map(|v| v as isize);
            let reach = [-start - y, y - start, end - y, end + y];
            for (most, own) in region.diagonals.iter_mut().zip(reach) {
                *most = own.max(*most);
            }
        }
    }
    // Windows of four pixels, those that reach over the frame included.
    let outside = vec![0; w];
    for y in 0..=labels.height {
        let upper = if y == 0 {
            &outside[..]
        } else {
            labels.row(y - 1)
        };
        let lower = if y == labels.height {
            &outside[..]
        } else {
            labels.row(y)
        };
        let (mut a, mut c) = (0, 0);
        for x in 0..=w {
            let b = upper.get(x).copied().unwrap_or(0);
            let d = lower.get(x).copied().unwrap_or(0);
            if a != b || c != d || a != c {
                add_outline([a, b, c, d], &mut regions);
            }
            (a, c) = (b, d);
        }
    }
    regions
}

/// What the outline in a window of four pixels adds to each label's perimeter: it joins the middles of the
/// window's sides, so it is a diagonal around one pixel or three, a straight line between two, two
/// diagonals between two that meet at a corner. Over all directions such an outline is
/// 4/π·(√2/2 + (√2 − 1)·(1 − √2/2)) = 1.0548 times too long.
fn add_outline(window: [u32; 4], regions: &mut [Region]) {
    const TOO_LONG: f32 = 1.0548;
    const HALF_DIAGONAL: f32 = std::f32::consts::FRAC_1_SQRT_2;
    for (i, &label) in window.iter().enumerate() {
        if label == 0 || window[..i].contains(&label) {
            continue;
        }
        let is = window.map(|other| other == label);
        let length = match is.iter().filter(|&&is| is).count() {
            1 | 3 => HALF_DIAGONAL,
            2 if is[0] == is[3] => 2.0 * HALF_DIAGONAL,
            2 => 1.0,
            _ => 0.0,
        };
        regions[label as usize - 1].perimeter += length / TOO_LONG;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Grid<bool> {
        Grid {
            width: rows[0].len(),
            height: rows.len(),
            data: rows
                .iter()
                .flat_map(|row| row.bytes().map(|b| b == b'#'))
                .collect(),
        }
    }

    #[test]
    fn corners_join_the_dark_and_not_the_bright() {
        let ring = mask(&[".##.", "#..#", ".##."]);
        assert_eq!(connected(&ring, true, Corners::Joined).regions.len(), 1);
        assert_eq!(connected(&ring, true, Corners::Apart).regions.len(), 4);
        assert_eq!(connected(&ring, false, Corners::Apart).regions.len(), 5);
    }

    #[test]
    fn a_spiral_is_one_region() {
        let spiral = mask(&["#####", "....#", "###.#", "#...#", "#####"]);
        let found = connected(&spiral, true, Corners::Apart);
        assert_eq!(found.regions.len(), 1);
        let region = found.regions[0];
        assert_eq!(
            (region.area, region.left, region.right, region.bottom),
            (17, 0, 4, 4)
        );
        assert!(region.touches_frame(5, 5));
    }

    #[test]
    fn a_disc_is_round_and_a_bar_is_not() {
        let disc = Grid::drawn([50, 50], |x, y| (x - 25.0).hypot(y - 25.0) <= 20.0);
        let roundness = connected(&disc, true, Corners::Joined).regions[0].roundness();
        assert!((0.95..=1.0).contains(&roundness), "{roundness}");
        let bar = mask(&[
            "....................",
            ".##################.",
            "....................",
        ]);
        assert!(connected(&bar, true, Corners::Joined).regions[0].roundness() < 0.2);
    }
}
