//! What of a field joins the slide's count: no cell twice, and nothing of a field that can't be counted.

use smearscope_common::geometry::Rect;
use smearscope_common::message::{CellResult, FieldAnalysis, FieldOverlap, Label, SlideId};
use smearscope_common::parasitemia::Counts;

use crate::camera::Frame;
use crate::field::{Confidence, CountedCells};
use crate::slide::NotCounted;

/// What the last fields of the slide had counted.
pub struct Counting {
    cells: CountedCells,
    slide: Option<SlideId>,
}

/// What of a field joins the slide that is open.
pub struct Joining {
    /// The cells that do.
    pub cells: Vec<CellResult>,
    /// How many these are.
    pub counted: Counts,
    /// What doesn't, and why.
    pub not_counted: Option<NotCounted>,
    /// How the field lies to those before it.
    pub overlap: Option<FieldOverlap>,
}

impl Counting {
    /// Nothing was counted yet; the cells of the last `remembered` fields will be known.
    pub fn new(remembered: usize) -> Self {
        Self {
            cells: CountedCells::new(remembered),
            slide: None,
        }
    }

    /// Marks the cells of a field that were counted before in the slide that is open, and says what joins it.
    pub fn count(
        &mut self,
        frame: &Frame,
        analysis: &mut FieldAnalysis,
        slide: Option<SlideId>,
    ) -> Joining {
        if slide != self.slide {
            self.slide = slide;
            self.cells.clear();
        }
        let boxes: Vec<Rect> = analysis.cells.iter().map(|cell| cell.bbox).collect();
        let fresh = self.cells.fresh(&frame.overlaps, &boxes);
        for (cell, is_fresh) in analysis.cells.iter_mut().zip(fresh) {
            cell.counted_before = !is_fresh;
        }
        let (before, cells): (Vec<CellResult>, Vec<CellResult>) =
            analysis.cells.iter().partition(|cell| cell.counted_before);
        let repeats = before.len() as u64;
        let overlap = (!frame.overlaps.is_empty()).then(|| FieldOverlap {
            share: frame.overlaps.iter().map(|o| o.share).fold(0.0, f32::max),
            repeats,
            is_uncertain: frame
                .overlaps
                .iter()
                .any(|overlap| overlap.confidence == Confidence::Weak),
        });
        // So many of its cells were not found, or two taken for one, that its share of parasites says little.
        if frame.is_gated && analysis.quality.crowded {
            return Joining {
                cells: Vec::new(),
                counted: Counts::default(),
                not_counted: Some(NotCounted {
                    cause: "crowded",
                    cells: analysis.counts.cells,
                }),
                overlap,
            };
        }
        // Those that were counted before, too: the next field may overlap this one only.
        self.cells.remember(frame.id, boxes);
        let parasitized = |cell: &&CellResult| cell.label == Label::Parasitized;
        Joining {
            counted: Counts {
                cells: cells.len() as u64,
                parasitized: cells.iter().filter(parasitized).count() as u64,
            },
            cells,
            not_counted: (repeats > 0).then_some(NotCounted {
                cause: "overlap",
                cells: repeats,
            }),
            overlap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Overlap;
    use jiff::Timestamp;
    use smearscope_common::image::RgbImage;
    use smearscope_common::message::{Quality, TimingMs};
    use uuid::Uuid;

    fn frame(id: u128, overlaps: Vec<Overlap>) -> Frame {
        Frame {
            id: Uuid::from_u128(id),
            image: RgbImage::new(1, 1),
            captured_at: Timestamp::UNIX_EPOCH,
            source: "v4l2:test".into(),
            overlaps,
            is_gated: true,
        }
    }

    /// A hundred pixels to the left of where they were in `field`.
    fn moved(field: u128, confidence: Confidence) -> Overlap {
        Overlap {
            field: Uuid::from_u128(field),
            dx: -100.0,
            dy: 0.0,
            share: 0.5,
            confidence,
        }
    }

    /// Cells of 40 pixels at these places; the first is parasitized.
    fn analysis(lefts: &[u32], crowded: bool) -> FieldAnalysis {
        let cells: Vec<CellResult> = lefts
            .iter()
            .enumerate()
            .map(|(i, left)| CellResult {
                bbox: Rect::from([*left, 50, 40, 40]),
                label: match i {
                    0 => Label::Parasitized,
                    _ => Label::Uninfected,
                },
                p_parasitized: 0.5,
                counted_before: false,
            })
            .collect();
        FieldAnalysis {
            width: 200,
            height: 100,
            quality: Quality {
                focus: 40.0,
                exposure: 0.9,
                crowded,
                cell_diameter: Some(40.0),
                objective_too_low: false,
            },
            counts: Counts {
                cells: cells.len() as u64,
                parasitized: u64::from(!cells.is_empty()),
            },
            cells,
            others: Vec::new(),
            timing_ms: TimingMs::default(),
        }
    }

    fn slide(id: u128) -> Option<SlideId> {
        Some(Uuid::from_u128(id).into())
    }

    fn counts(cells: u64, parasitized: u64) -> Counts {
        Counts { cells, parasitized }
    }

    #[test]
    fn a_cell_of_an_overlap_is_counted_once_also_where_a_third_field_has_it() {
        let mut counting = Counting::new(4);
        let first = counting.count(
            &frame(1, vec![]),
            &mut analysis(&[110, 150], false),
            slide(1),
        );
        assert_eq!((first.counted, first.overlap), (counts(2, 1), None));
        let mut second = analysis(&[10, 50, 150], false);
        let seen = counting.count(
            &frame(2, vec![moved(1, Confidence::Sure)]),
            &mut second,
            slide(1),
        );
        assert_eq!(seen.counted, counts(1, 0));
        let marks: Vec<bool> = second.cells.iter().map(|c| c.counted_before).collect();
        assert_eq!(marks, [true, true, false]);
        let overlap = seen.overlap.unwrap();
        assert_eq!((overlap.repeats, overlap.is_uncertain), (2, false));
        let not_counted = seen.not_counted.unwrap();
        assert_eq!((not_counted.cause, not_counted.cells), ("overlap", 2));
        // It overlaps the second only, in which one of these was counted, and the other had been before.
        let third = counting.count(
            &frame(3, vec![moved(2, Confidence::Sure)]),
            &mut analysis(&[50, 120], false),
            slide(1),
        );
        assert_eq!(third.counted, counts(1, 0));
    }

    #[test]
    fn an_uncertain_overlap_is_told_and_takes_nothing_off() {
        let mut counting = Counting::new(4);
        counting.count(&frame(1, vec![]), &mut analysis(&[110], false), slide(1));
        let seen = counting.count(
            &frame(2, vec![moved(1, Confidence::Weak)]),
            &mut analysis(&[10], false),
            slide(1),
        );
        assert_eq!((seen.counted, seen.not_counted), (counts(1, 1), None));
        assert!(seen.overlap.unwrap().is_uncertain);
    }

    #[test]
    fn another_slide_takes_nothing_off_for_the_one_before() {
        let mut counting = Counting::new(4);
        counting.count(&frame(1, vec![]), &mut analysis(&[110], false), slide(1));
        let seen = counting.count(
            &frame(2, vec![moved(1, Confidence::Sure)]),
            &mut analysis(&[10], false),
            slide(2),
        );
        assert_eq!(seen.counted, counts(1, 1));
    }

    #[test]
    fn a_crowded_field_joins_nothing_and_its_cells_can_be_counted_in_the_next() {
        let mut counting = Counting::new(4);
        let crowded = counting.count(&frame(1, vec![]), &mut analysis(&[110], true), slide(1));
        assert_eq!(crowded.counted, counts(0, 0));
        let cause = crowded.not_counted.unwrap();
        assert_eq!((cause.cause, cause.cells), ("crowded", 1));
        assert!(crowded.cells.is_empty());
        let next = counting.count(
            &frame(2, vec![moved(1, Confidence::Sure)]),
            &mut analysis(&[10], false),
            slide(1),
        );
        assert_eq!(next.counted, counts(1, 1));
    }
}
