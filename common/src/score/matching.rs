//! Which prediction is which truth box.

use super::yolo::TruthBox;
use crate::message::CellResult;

/// The least overlap of a match.
pub const MIN_IOU: f64 = 0.5;

/// Pairs of places in `truth` and `predictions`, each place at most once: the pair that overlaps most
/// first, then the next of what is left, down to [`MIN_IOU`]. Equal overlaps are ordered by what the boxes
/// are, not by their places, so that the order of the lists doesn't matter.
pub(super) fn match_boxes(truth: &[TruthBox], predictions: &[CellResult]) -> Vec<(usize, usize)> {
    let mut by_column: Vec<usize> = (0..predictions.len()).collect();
    by_column.sort_by_key(|&p| predictions[p].bbox.x);
    let widest = predictions
        .iter()
        .map(|p| u64::from(p.bbox.w))
        .max()
        .unwrap_or(0);
    let mut pairs = Vec::new();
    for (t, labelled) in truth.iter().enumerate() {
        let from = by_column.partition_point(|&p| {
            u64::from(predictions[p].bbox.x) + widest < u64::from(labelled.bbox.x)
        });
        for &p in by_column[from..]
            .iter()
            .take_while(|&&p| u64::from(predictions[p].bbox.x) < labelled.bbox.right())
        {
            let iou = labelled.bbox.iou(&predictions[p].bbox);
            if iou >= MIN_IOU {
                pairs.push((iou, t, p));
            }
        }
    }
    let what = |&(_, t, p): &(f64, usize, usize)| {
        let (labelled, cell) = (&truth[t], &predictions[p]);
        let place: [[u32; 4]; 2] = [labelled.bbox.into(), cell.bbox.into()];
        (
            place,
            labelled.class,
            cell.p_parasitized.to_bits(),
            cell.label as u8,
        )
    };
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| what(a).cmp(&what(b))));
    let mut free_truth = vec![true; truth.len()];
    let mut free_predictions = vec![true; predictions.len()];
    pairs.retain(|&(_, t, p)| {
        let free = free_truth[t] && free_predictions[p];
        if free {
            free_truth[t] = false;
            free_predictions[p] = false;
        }
        free
    });
    pairs.into_iter().map(|(_, t, p)| (t, p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;
    use crate::message::Label;

    fn cell(x: u32) -> CellResult {
        CellResult {
            bbox: Rect::from([x, 10, 20, 20]),
            label: Label::Uninfected,
            p_parasitized: 0.1,
        }
    }

    #[test]
    fn the_best_overlap_wins_and_nobody_matches_twice() {
        let truth: Vec<TruthBox> = [10, 16]
            .map(|x| TruthBox {
                class: 0,
                bbox: Rect::from([x, 10, 20, 20]),
            })
            .to_vec();
        assert_eq!(match_boxes(&truth, &[cell(15)]), [(1, 0)]);
        assert_eq!(match_boxes(&truth, &[cell(15), cell(11)]), [(0, 1), (1, 0)]);
        assert_eq!(match_boxes(&truth, &[cell(40)]), []);
    }
}
