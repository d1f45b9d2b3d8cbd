//! What labelled boxes of several kinds were taken for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matching::match_boxes;
use super::voc::NamedBox;
use super::{Errors, ScoredField, ratio};
use crate::geometry::Rect;
use crate::segment::OtherKind;

/// What was found at the place of a labelled box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Cell,
    WhiteCell,
    Platelet,
    Edge,
    Debris,
    Pieces,
    Nothing,
}

impl From<OtherKind> for Seen {
    fn from(kind: OtherKind) -> Self {
        match kind {
            OtherKind::Platelet => Self::Platelet,
            OtherKind::WhiteCell => Self::WhiteCell,
            OtherKind::Edge => Self::Edge,
            OtherKind::Debris => Self::Debris,
        }
    }
}

/// What a thing of that name should be seen as; `None` for a name that nobody told us.
fn meant(name: &str) -> Option<Seen> {
    match name.to_lowercase().as_str() {
        "rbc" | "red blood cell" => Some(Seen::Cell),
        "wbc" | "white blood cell" => Some(Seen::WhiteCell),
        "platelet" | "platelets" => Some(Seen::Platelet),
        _ => None,
    }
}

/// How often the things of one name were seen as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAs {
    /// A countable red cell.
    pub cell: u64,
    /// A white cell.
    pub white_cell: u64,
    /// A platelet.
    pub platelet: u64,
    /// A cell cut by the frame.
    pub edge: u64,
    /// Debris, or a clump that could not be resolved.
    pub debris: u64,
    /// Nothing overlaps enough, but the middle of a counted cell that is nothing labelled lies within: it was cut
    /// to pieces, and these were counted as red cells.
    pub pieces: u64,
    /// There is nothing that overlaps enough.
    pub nothing: u64,
}

impl SeenAs {
    fn of(&mut self, seen: Seen) -> &mut u64 {
        match seen {
            Seen::Cell => &mut self.cell,
            Seen::WhiteCell => &mut self.white_cell,
            Seen::Platelet => &mut self.platelet,
            Seen::Edge => &mut self.edge,
            Seen::Debris => &mut self.debris,
            Seen::Pieces => &mut self.pieces,
            Seen::Nothing => &mut self.nothing,
        }
    }
}

/// The figures of all things of one name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedScore {
    /// Labelled boxes that count: not at the frame's edge, not difficult.
    pub n: u64,
    /// Those seen as what they are / `n`; `None` for other names than those of red cells, white cells and
    /// platelets too.
    pub recall: Option<f64>,
    /// Those counted as red cells, whole or in pieces / `n`: an error, but of red cells.
    pub called_red_cell: Option<f64>,
    /// What they were seen as; the sum is `n`.
    #[serde(rename = "as")]
    pub seen_as: SeenAs,
}

/// The counts behind the [`NamedScore`]s.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedTally {
    by_name: BTreeMap<String, SeenAs>,
}

impl NamedTally {
    /// Scores a field: boxes are matched with all that was found, counted or not, as in YOLO data sets.
    pub fn add(&mut self, boxes: &[NamedBox], field: &ScoredField) -> Errors {
        let cells = field.predictions.iter().map(|cell| (cell.bbox, Seen::Cell));
        let others = field
            .others
            .iter()
            .map(|other| (other.bbox, other.kind.into()));
        let things: Vec<(Rect, Seen)> = cells.chain(others).collect();
        let labelled: Vec<(Rect, (&str, bool))> = boxes
            .iter()
            .map(|b| (b.bbox, (b.name.as_str(), b.difficult)))
            .collect();
        let mut seen = vec![Seen::Nothing; boxes.len()];
        let mut unmatched = vec![true; things.len()];
        for (b, thing) in match_boxes(&labelled, &things) {
            seen[b] = things[thing].1;
            unmatched[thing] = false;
        }
        let (w, h) = (field.width, field.height);
        let spurious: Vec<Rect> = things
            .iter()
            .zip(unmatched)
            .filter(|((_, seen), unmatched)| *unmatched && *seen == Seen::Cell)
            .map(|(&(bbox, _), _)| bbox)
            .filter(|bbox| !bbox.touches_edge(w, h))
            .collect();
        let mut missed = Vec::new();
        for (named, mut seen) in boxes.iter().zip(seen) {
            let counts = self.by_name.entry(named.name.clone()).or_default();
            if named.difficult || named.touches_edge(w, h) {
                continue;
            }
            let holds = |r: &Rect| named.bbox.contains(r.x + r.w / 2, r.y + r.h / 2);
            if seen == Seen::Nothing && spurious.iter().any(holds) {
                seen = Seen::Pieces;
            }
            *counts.of(seen) += 1;
            let is_right = match meant(&named.name) {
                Some(meant) => seen == meant,
                None => !matches!(seen, Seen::Nothing | Seen::Pieces),
            };
            if !is_right {
                missed.push(named.bbox);
            }
        }
        Errors { missed, spurious }
    }

    pub fn score(&self) -> BTreeMap<String, NamedScore> {
        let score = |(name, &seen_as): (&String, &SeenAs)| {
            let SeenAs {
                cell,
                white_cell,
                platelet,
                edge,
                debris,
                pieces,
                nothing,
            } = seen_as;
            let n = cell + white_cell + platelet + edge + debris + pieces + nothing;
            let mut counts = seen_as;
            let score = NamedScore {
                n,
                recall: meant(name).and_then(|meant| ratio(*counts.of(meant), n)),
                called_red_cell: ratio(cell + pieces, n),
                seen_as,
            };
            (name.clone(), score)
        };
        self.by_name.iter().map(score).collect()
    }
}
