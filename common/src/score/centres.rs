//! Truth as points: one `x y type` a line, and which found cell each is.

use serde::{Deserialize, Serialize};

use super::matching::match_points;
use super::{Errors, ScoreError, ScoredField, ratio, read_lines};
use crate::geometry::Rect;
use crate::segment::OtherKind;

/// The labelled middle of a red cell, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centre {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
}

/// Reads the centres of a field of `width` × `height` pixels: lines of `x y type`, in pixels from the upper
/// left corner. The type is any word: each is a red cell, whatever its shape. Empty lines are skipped.
///
/// # Errors
/// [`ScoreError`] names the first line that is no centre within the field, with what is wrong.
pub fn parse_centres(text: &str, width: u32, height: u32) -> Result<Vec<Centre>, ScoreError> {
    read_lines(text, |line| parse_line(line, width, height))
}

fn parse_line(line: &str, width: u32, height: u32) -> Result<Centre, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[x, y, _type] = words.as_slice() else {
        return Err(format!("expected `x y type`, found {} values", words.len()));
    };
    Ok(Centre {
        x: pixel(x, width)?,
        y: pixel(y, height)?,
    })
}

/// The pixel that a number lies in; one past the last is taken for the last, as where labels count from 1.
fn pixel(word: &str, pixels: u32) -> Result<u32, String> {
    let value: f64 = word.parse().map_err(|_| format!("`{word}` is no number"))?;
    if !(0.0..=f64::from(pixels)).contains(&value) {
        return Err(format!(
            "{word} does not lie within the field's {pixels} pixels"
        ));
    }
    Ok((value as u32).min(pixels.saturating_sub(1)))
}

/// How many labelled centres were found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CentresScore {
    /// Centres that count: without `at_edge`.
    pub n: u64,
    /// Those within the box of a counted cell, one to one.
    pub found: u64,
    /// `found` / `n`.
    pub recall: Option<f64>,
    /// Centres that count neither way: within the box of a cell that the frame cuts, one to one, and in no
    /// counted cell.
    pub at_edge: u64,
    /// Counted cells that are no labelled centre. Where not every cell is labelled these need be no errors, but
    /// cells cut in two would show here.
    pub unlabelled: u64,
}

/// The counts behind a [`CentresScore`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CentresTally {
    found: u64,
    missed: u64,
    at_edge: u64,
    unlabelled: u64,
}

impl CentresTally {
    /// Scores a field. A labelled cell that the frame cuts isn't to be counted, and a point doesn't tell which
    /// those are: one that was found to be cut excuses one centre in its box, so a clump at the edge excuses
    /// no whole cells beside the cut one.
    pub fn add(&mut self, centres: &[Centre], field: &ScoredField) -> Errors {
        let cells: Vec<Rect> = field.predictions.iter().map(|cell| cell.bbox).collect();
        let mut spurious = vec![true; cells.len()];
        let mut is_free = vec![true; centres.len()];
        for (c, cell) in match_points(centres, &cells) {
            is_free[c] = false;
            spurious[cell] = false;
        }
        let mut free: Vec<Centre> = kept(centres, &is_free);
        self.found += (centres.len() - free.len()) as u64;
        let cut: Vec<Rect> = field
            .others
            .iter()
            .filter(|other| other.kind == OtherKind::Edge)
            .map(|other| other.bbox)
            .collect();
        let mut is_missed = vec![true; free.len()];
        for (c, _) in match_points(&free, &cut) {
            is_missed[c] = false;
            self.at_edge += 1;
        }
        free = kept(&free, &is_missed);
        self.missed += free.len() as u64;
        let spurious = kept(&cells, &spurious);
        self.unlabelled += spurious.len() as u64;
        Errors {
            missed: free
                .iter()
                .map(|&Centre { x, y }| Rect { x, y, w: 1, h: 1 })
                .collect(),
            spurious,
        }
    }

    pub fn score(&self) -> CentresScore {
        let n = self.found + self.missed;
        CentresScore {
            n,
            found: self.found,
            recall: ratio(self.found, n),
            at_edge: self.at_edge,
            unlabelled: self.unlabelled,
        }
    }
}

fn kept<T: Copy>(all: &[T], keep: &[bool]) -> Vec<T> {
    let kept = all.iter().zip(keep).filter(|&(_, &keep)| keep);
    kept.map(|(&item, _)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_pixels() {
        let found = parse_centres("140 239 8\n\n 3.9 0 round\n640 480 0\n", 640, 480).unwrap();
        let expected = [(140, 239), (3, 0), (639, 479)].map(|(x, y)| Centre { x, y });
        assert_eq!(found, expected);
        assert_eq!(parse_centres("", 640, 480).unwrap(), []);
    }

    #[test]
    fn the_bad_line_is_named() {
        for bad in [
            "12 30",
            "12 30 0 0",
            "0 0.5 0.5 0.1 0.1",
            "x 30 0",
            "12 nan 0",
            "12 inf 0",
            "-1 30 0",
            "65 30 0",
            "12 49 0",
        ] {
            let error = parse_centres(&format!("1 2 0\n\n{bad}\n"), 64, 48).unwrap_err();
            assert_eq!(error.line, 3, "{bad}");
            assert!(error.to_string().contains("line 3"), "{error}");
        }
    }
}
