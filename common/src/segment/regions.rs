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

    /// Takes a run in the given row of a plane of that width in. Rows come from top to bottom.
    fn add(&mut self, run: &Run, y: usize, width: usize) {
        if self.area == 0 {
            self.first = y * width + run.start;
            self.top = y;
        }
        let (start, end) = (run.start, run.end - 1);
        self.area += (run.end - run.start) as u32;
        self.left = self.left.min(start);
        self.right = self.right.max(end);
        self.bottom = y;
        let [start, end, y] = [start, end, y].map(|v| v as isize);
        let reach = [-start - y, y - start, end - y, end + y];
        for (most, own) in self.diagonals.iter_mut().zip(reach) {
            *most = own.max(*most);
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
    /// So many trees that are apart.
    pub fn of(trees: usize) -> Self {
        Self {
            parents: (0..trees as u32).collect(),
        }
    }

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

/// Pixels of a row that follow each other and have the same label.
#[derive(Clone, Copy)]
struct Run {
    /// The first column.
    start: usize,
    /// The column after the last.
    end: usize,
    label: u32,
}

/// How many values at the beginning of a row are equal.
fn equal<T: Copy + PartialEq>(row: &[T]) -> usize {
    let Some(&first) = row.first() else {
        return 0;
    };
    // Sixteen at a time without a branch, which vectorises; then one by one.
    let same = |values: &&[T]| values.iter().fold(true, |same, &v| same & (v == first));
    let whole = 16 * row.chunks_exact(16).take_while(same).count();
    whole + row[whole..].iter().take_while(|&&v| v == first).count()
}

/// Labels the connected regions of the pixels that are `value`.
pub(super) fn connected(mask: &Grid<bool>, value: bool, corners: Corners) -> Labelled {
    let (w, h) = (mask.width, mask.height);
    let reach = usize::from(corners == Corners::Joined);
    let mut forest = Forest::default();
    let mut labels = Grid::filled(w, h, 0u32);
    let (mut above, mut runs) = (Vec::<Run>::new(), Vec::<Run>::new());
    for y in 0..h {
        std::mem::swap(&mut above, &mut runs);
        runs.clear();
        let row = mask.row(y);
        let mut near = 0;
        let mut start = 0;
        while start < w {
            let end = start + equal(&row[start..]);
            if row[start] == value {
                // What ends above before this run begins can't meet those that follow either.
                while near < above.len() && above[near].end + reach <= start {
                    near += 1;
                }
                let mut label = 0;
                let meets = |run: &&Run| run.start < end + reach;
                for run in above[near..].iter().take_while(meets) {
                    label = match label {
                        0 => run.label,
                        _ => forest.join(label - 1, run.label - 1) + 1,
                    };
                }
                if label == 0 {
                    label = forest.add() + 1;
                }
                labels.data[y * w + start..y * w + end].fill(label);
                runs.push(Run { start, end, label });
            }
            start = end;
        }
    }
    settle(labels, &mut forest)
}

/// Replaces each label by its root's, numbered from 1 in the order of first appearance, and measures.
/// `labels` holds one more than the tree's number, 0 for none.
pub(super) fn settle(mut labels: Grid<u32>, forest: &mut Forest) -> Labelled {
    let (w, h) = (labels.width, labels.height);
    let mut numbers = vec![0u32; forest.len()];
    let mut regions = Vec::new();
    let (mut above, mut runs) = (Vec::<Run>::new(), Vec::<Run>::new());
    for y in 0..h {
        let row = &mut labels.data[y * w..(y + 1) * w];
        let mut start = 0;
        while start < w {
            let end = start + equal(&row[start..]);
            if row[start] != 0 {
                let number = &mut numbers[forest.root(row[start] - 1) as usize];
                if *number == 0 {
                    regions.push(Region::EMPTY);
                    *number = regions.len() as u32;
                }
                row[start..end].fill(*number);
                match runs.last_mut() {
                    Some(run) if run.end == start && run.label == *number => run.end = end,
                    _ => runs.push(Run {
                        start,
                        end,
                        label: *number,
                    }),
                }
            }
            start = end;
        }
        for run in &runs {
            regions[run.label as usize - 1].add(run, y, w);
        }
        outline(&above, &runs, &mut regions);
        std::mem::swap(&mut above, &mut runs);
        runs.clear();
    }
    outline(&above, &[], &mut regions);
    Labelled { labels, regions }
}

/// Adds what is between two rows to the outlines: goes along the windows of four pixels, those that reach over
/// the frame included, and stops where a run begins or ends. In between, the windows are alike.
fn outline(upper: &[Run], lower: &[Run], regions: &mut [Region]) {
    let (mut upper, mut lower) = (Walk::along(upper), Walk::along(lower));
    let mut x = 0;
    while let Some(next) = upper.change().into_iter().chain(lower.change()).min() {
        let (a, c) = (upper.label(), lower.label());
        if a != c {
            for _ in x..next {
                add_outline([a, a, c, c], regions);
            }
        }
        upper.go(next);
        lower.go(next);
        add_outline([a, upper.label(), c, lower.label()], regions);
        x = next + 1;
    }
}

/// A walk along the runs of a row.
struct Walk<'a> {
    /// Those that are not over.
    runs: &'a [Run],
    /// Whether the first of them has begun.
    inside: bool,
}

impl<'a> Walk<'a> {
    fn along(runs: &'a [Run]) -> Self {
        Self {
            runs,
            inside: false,
        }
    }

    /// The label here.
    fn label(&self) -> u32 {
        if self.inside { self.runs[0].label } else { 0 }
    }

    /// Where the label changes next.
    fn change(&self) -> Option<usize> {
        let run = self.runs.first()?;
        Some(if self.inside { run.end } else { run.start })
    }

    /// Goes on to a place that isn't beyond the next change.
    fn go(&mut self, x: usize) {
        if self.inside && self.runs[0].end == x {
            self.runs = &self.runs[1..];
            self.inside = false;
        }
        self.inside |= self.runs.first().is_some_and(|run| run.start == x);
    }
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
