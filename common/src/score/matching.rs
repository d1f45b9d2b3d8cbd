//! Which found thing is which labelled one: one to one, the best pair first.

use super::centres::Centre;
use crate::geometry::Rect;

/// The least overlap of a match of two boxes.
pub const MIN_IOU: f64 = 0.5;

/// Pairs of places in `truth` and `found`, each place at most once: the pair that overlaps most first, then the
/// next of what is left, down to [`MIN_IOU`]. Equal overlaps are ordered by what the boxes are and by what comes
/// with them, not by their places, so that the order of the lists doesn't matter.
pub(super) fn match_boxes<T: Ord, F: Ord>(
    truth: &[(Rect, T)],
    found: &[(Rect, F)],
) -> Vec<(usize, usize)> {
    let columns = ByColumn::new(found.iter().map(|(bbox, _)| *bbox).collect());
    let mut pairs = Vec::new();
    for (t, (labelled, _)) in truth.iter().enumerate() {
        for f in columns.near(labelled.x, labelled.right()) {
            let iou = labelled.iou(&found[f].0);
            if iou >= MIN_IOU {
                pairs.push((iou, t, f));
            }
        }
    }
    let what = |&(_, t, f): &(f64, usize, usize)| {
        let ((labelled, of_truth), (bbox, of_found)) = (&truth[t], &found[f]);
        let place: [[u32; 4]; 2] = [(*labelled).into(), (*bbox).into()];
        (place, of_truth, of_found)
    };
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| what(a).cmp(&what(b))));
    let pairs = pairs.into_iter().map(|(_, t, f)| (t, f));
    one_to_one(pairs, truth.len(), found.len())
}

/// Pairs of places in `points` and `boxes`, each place at most once: of the points within boxes the one that is
/// nearest to its box's middle first, then the next of what is left.
pub(super) fn match_points(points: &[Centre], boxes: &[Rect]) -> Vec<(usize, usize)> {
    let columns = ByColumn::new(boxes.to_vec());
    let mut pairs = Vec::new();
    for (p, &Centre { x, y }) in points.iter().enumerate() {
        for b in columns.near(x, u64::from(x) + 1) {
            let bbox = boxes[b];
            if bbox.contains(x, y) {
                // In half pixels, so that the middle of a box is a whole number.
                let off = |first: u32, past: u64, at: u32| {
                    (u64::from(first) + past).abs_diff(2 * u64::from(at) + 1)
                };
                let (dx, dy) = (off(bbox.x, bbox.right(), x), off(bbox.y, bbox.bottom(), y));
                pairs.push((u128::from(dx).pow(2) + u128::from(dy).pow(2), p, b));
            }
        }
    }
    pairs.sort_by_key(|&(distance, p, b)| (distance, points[p], <[u32; 4]>::from(boxes[b])));
    let pairs = pairs.into_iter().map(|(_, p, b)| (p, b));
    one_to_one(pairs, points.len(), boxes.len())
}

/// Of the pairs, best first, those whose two places no better pair has.
fn one_to_one(
    pairs: impl Iterator<Item = (usize, usize)>,
    left: usize,
    right: usize,
) -> Vec<(usize, usize)> {
    let (mut free_left, mut free_right) = (vec![true; left], vec![true; right]);
    pairs
        .filter(|&(l, r)| {
            let free = free_left[l] && free_right[r];
            if free {
                free_left[l] = false;
                free_right[r] = false;
            }
            free
        })
        .collect()
}

/// Boxes by their left edges: those near a column are found without a look at all.
struct ByColumn {
    boxes: Vec<Rect>,
    /// Places in `boxes`, by their left edges.
    order: Vec<usize>,
    widest: u64,
}

impl ByColumn {
    fn new(boxes: Vec<Rect>) -> Self {
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        order.sort_by_key(|&i| boxes[i].x);
        let widest = boxes.iter().map(|b| u64::from(b.w)).max().unwrap_or(0);
        Self {
            boxes,
            order,
            widest,
        }
    }

    /// The places of all boxes that may reach into the columns from `left` to before `right`.
    fn near(&self, left: u32, right: u64) -> impl Iterator<Item = usize> {
        let starts = |i: usize| u64::from(self.boxes[i].x);
        let from = self
            .order
            .partition_point(|&i| starts(i) + self.widest < u64::from(left));
        let order = self.order[from..].iter().copied();
        order.take_while(move |&i| starts(i) < right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: u32) -> (Rect, ()) {
        (Rect::from([x, 10, 20, 20]), ())
    }

    #[test]
    fn the_best_overlap_wins_and_nobody_matches_twice() {
        let truth = [at(10), at(16)];
        assert_eq!(match_boxes(&truth, &[at(15)]), [(1, 0)]);
        assert_eq!(match_boxes(&truth, &[at(15), at(11)]), [(0, 1), (1, 0)]);
        assert_eq!(match_boxes(&truth, &[at(40)]), []);
    }

    #[test]
    fn the_point_nearest_to_the_middle_wins_and_nobody_matches_twice() {
        let points = [12, 19, 35].map(|x| Centre { x, y: 19 });
        let boxes = [Rect::from([10, 10, 20, 20]), Rect::from([11, 10, 30, 20])];
        assert_eq!(match_points(&points, &boxes[..1]), [(1, 0)]);
        // The first lies in the second box as well, but further from its middle than the third.
        assert_eq!(match_points(&points, &boxes), [(1, 0), (2, 1)]);
        // The last column and row of a box are inside, those after are not.
        for (x, y, inside) in [(29, 29, true), (30, 29, false), (29, 30, false)] {
            assert_eq!(
                match_points(&[Centre { x, y }], &boxes[..1]).len() == 1,
                inside
            );
        }
    }
}
