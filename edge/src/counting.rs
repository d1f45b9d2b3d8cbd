//! What of a field joins the slide's count: no cell twice, and nothing of a field that can't be counted.

use smearscope_common::geometry::Rect;
use smearscope_common::message::{FieldAnalysis, FieldOverlap, Label};
use smearscope_common::parasitemia::Counts;

use crate::camera::Frame;
use crate::field::{Confidence, CountedCells};
use crate::slide::SlideId;

/// What the last fields of the slide had counted.
pub struct Counting {
    cells: CountedCells,
    slide: Option<SlideId>,
}

impl Counting {
    /// Nothing was counted; cells of the last `remembered` fields will be known.
    pub fn new(remembered: usize) -> Self {
        Self {
            cells: CountedCells::new(remembered),
            slide: None,
        }
    }

    /// Marks the cells of a field that were counted before in the slide that is open, and gives what of the field may join
    /// that slide, and how it lies to the fields before it.
    pub fn count(
        &mut self,
        frame: &Frame,
        analysis: &mut FieldAnalysis,
        slide: Option<SlideId>,
    ) -> (Counts, Option<FieldOverlap>) {
        if slide != self.slide {
            self.slide = slide;
            self.cells.clear();
        }
        let boxes: Vec<Rect> = analysis.cells.iter().map(|cell| cell.bbox).collect();
        let fresh = self.cells.fresh(&frame.overlaps, &boxes);
        for (cell, is_fresh) in analysis.cells.iter_mut().zip(&fresh) {
            cell.counted_before = !is_fresh;
        }
        let overlap = (!frame.overlaps.is_empty()).then(|| FieldOverlap {
            share: frame.overlaps.iter().map(|o| o.share).fold(0.0, f32::max),
            repeats: fresh.iter().filter(|is_fresh| !**is_fresh).count() as u64,
            is_uncertain: frame.overlaps.iter().any(|o| o.confidence == Confidence::Weak),
        });
        // So many of its cells were not found, or two for one, that its share of parasites says little.
        if frame.is_gated && analysis.quality.crowded {
            return (Counts::default(), overlap);
        }
        // Those that were counted before, too: the next field may overlap this one only.
        self.cells.remember(frame.id, boxes);
        let counted = analysis.cells.iter().filter(|cell| !cell.counted_before);
        let counts = counted.fold(Counts::default(), |sum, cell| Counts {
            cells: sum.cells + 1,
            parasitized: sum.parasitized + u64::from(cell.label == Label::Parasitized),
        });
        (counts, overlap)
    }
}
