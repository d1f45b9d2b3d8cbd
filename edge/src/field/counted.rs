//! Which cells of a field were counted in an earlier one.

use std::collections::VecDeque;

use smearscope_common::geometry::Rect;
use uuid::Uuid;

use super::{Confidence, Overlap};

/// How far a cell may lie from where it was seen before, in diameters: less than two cells that overlap.
const NEAR: f32 = 0.5;

/// The cells of the last fields.
pub struct CountedCells {
    keep: usize,
    fields: VecDeque<(Uuid, Vec<Rect>)>,
}

impl CountedCells {
    /// Remembers that many fields: as many as the gate does, `remembered` of its options.
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            fields: VecDeque::new(),
        }
    }

    /// Notes the countable cells of a field, in pixels of the frame: all of them, those that were not fresh, too. A cell
    /// that lies in three fields is told by the second in the third, even where the first is forgotten.
    pub fn remember(&mut self, field: Uuid, cells: Vec<Rect>) {
        self.fields.push_back((field, cells));
        while self.fields.len() > self.keep {
            self.fields.pop_front();
        }
    }

    /// For each cell of a new field whether it is to be counted: whether no field that surely overlaps had it. A cell that
    /// an earlier frame's edge cut was none of its countable cells, so it is fresh. Weak overlaps take nothing away.
    pub fn fresh(&self, overlaps: &[Overlap], cells: &[Rect]) -> Vec<bool> {
        let mut fresh = vec![true; cells.len()];
        for overlap in overlaps {
            if overlap.confidence != Confidence::Sure {
                continue;
            }
            let counted = self.fields.iter().find(|(id, _)| *id == overlap.field);
            if let Some((_, counted)) = counted {
                for i in matched(overlap, counted, cells) {
                    fresh[i] = false;
                }
            }
        }
        fresh
    }

    /// Forgets everything: another slide.
    pub fn clear(&mut self) {
        self.fields.clear();
    }
}

/// Which of the cells lie where one of the counted ones must be, each taking one, the nearest first.
fn matched(overlap: &Overlap, counted: &[Rect], cells: &[Rect]) -> Vec<usize> {
    let centre = |r: &Rect| [r.x as f32 + r.w as f32 / 2.0, r.y as f32 + r.h as f32 / 2.0];
    let mut pairs = Vec::new();
    for (was, earlier) in counted.iter().enumerate() {
        let [x, y] = centre(earlier);
        let [x, y] = [x + overlap.dx, y + overlap.dy];
        for (is, cell) in cells.iter().enumerate() {
            let [cx, cy] = centre(cell);
            let apart = (cx - x).hypot(cy - y);
            let diameter = (earlier.w + earlier.h + cell.w + cell.h) as f32 / 4.0;
            if apart <= NEAR * diameter {
                pairs.push((apart, was, is));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut taken, mut found) = (vec![false; counted.len()], vec![false; cells.len()]);
    for (_, was, is) in pairs {
        if !taken[was] && !found[is] {
            (taken[was], found[is]) = (true, true);
        }
    }
    (0..cells.len()).filter(|&i| found[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(field: Uuid, confidence: Confidence) -> Overlap {
        Overlap {
            field,
            dx: -100.0,
            dy: 20.0,
            share: 0.5,
            confidence,
        }
    }

    fn cell(x: u32, y: u32) -> Rect {
        Rect::from([x, y, 40, 40])
    }

    #[test]
    fn a_cell_is_counted_once_and_one_that_an_edge_had_cut_is_counted_now() {
        let mut counted = CountedCells::new(2);
        let id = Uuid::from_u128(1);
        counted.remember(id, vec![cell(150, 100), cell(300, 0)]);
        // The first two were there, moved by the shift and a little; the third was not.
        let cells = [cell(53, 118), cell(199, 22), cell(400, 300)];
        let sure = [overlap(id, Confidence::Sure)];
        assert_eq!(counted.fresh(&sure, &cells), [false, false, true]);
        let weak = [overlap(id, Confidence::Weak)];
        assert_eq!(counted.fresh(&weak, &cells), [true; 3]);
        assert_eq!(counted.fresh(&[], &cells), [true; 3]);
    }

    #[test]
    fn two_cells_where_one_was_are_one_more() {
        let mut counted = CountedCells::new(2);
        let id = Uuid::from_u128(1);
        counted.remember(id, vec![cell(150, 100)]);
        let cells = [cell(60, 120), cell(48, 120)];
        let sure = [overlap(id, Confidence::Sure)];
        assert_eq!(counted.fresh(&sure, &cells), [true, false]);
    }

    #[test]
    fn forgotten_and_unknown_fields_take_nothing_away() {
        let mut counted = CountedCells::new(1);
        let [first, second] = [1, 2].map(Uuid::from_u128);
        counted.remember(first, vec![cell(150, 100)]);
        counted.remember(second, vec![]);
        let cells = [cell(50, 120)];
        for id in [first, second, Uuid::from_u128(3)] {
            assert_eq!(
                counted.fresh(&[overlap(id, Confidence::Sure)], &cells),
                [true]
            );
        }
        counted.remember(first, vec![cell(150, 100)]);
        counted.clear();
        assert_eq!(
            counted.fresh(&[overlap(first, Confidence::Sure)], &cells),
            [true]
        );
    }
}
