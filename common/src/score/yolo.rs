//! Truth as text: one `class xc yc w h` a line.

use super::{ScoreError, read_lines};
use crate::geometry::Rect;

/// The highest class: a cell that experts could not tell.
pub const DIFFICULT: u8 = 5;

/// How far outside 0 to 1 a normalised edge may be: labelling tools round.
const TOLERANCE: f64 = 0.01;

/// A labelled cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TruthBox {
    /// 0 an uninfected red cell, 1 ring, 2 trophozoite, 3 schizont, 4 gametocyte, 5 difficult.
    pub class: u8,
    /// Where it is, in pixels.
    pub bbox: Rect,
}

impl TruthBox {
    /// Whether the cell carries a parasite, of any form.
    pub fn is_parasitized(&self) -> bool {
        (1..DIFFICULT).contains(&self.class)
    }
}

/// Reads YOLO labels of a field of `width` × `height` pixels: lines of a class (0 to 5), the centre and the
/// size of the box, as parts of the field's width and height. Edges are rounded to whole pixels and cut
/// at the frame. Empty lines are skipped.
///
/// # Errors
/// [`ScoreError`] names the first line that is no label, with what is wrong.
pub fn parse_yolo(text: &str, width: u32, height: u32) -> Result<Vec<TruthBox>, ScoreError> {
    read_lines(text, |line| parse_line(line, width, height))
}

fn parse_line(line: &str, width: u32, height: u32) -> Result<TruthBox, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [class, numbers @ ..] = words.as_slice() else {
        return Err("it is empty".into());
    };
    if numbers.len() != 4 {
        return Err(format!(
            "expected `class xc yc w h`, found {} values",
            words.len()
        ));
    }
    let class = class
        .parse::<u8>()
        .ok()
        .filter(|&class| class <= DIFFICULT)
        .ok_or_else(|| format!("`{class}` is no class from 0 to {DIFFICULT}"))?;
    let mut values = [0.0; 4];
    for (value, word) in values.iter_mut().zip(numbers) {
        *value = word
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("`{word}` is no number"))?;
    }
    let [xc, yc, w, h] = values;
    let (x, right) = edges(xc, w, width)?;
    let (y, bottom) = edges(yc, h, height)?;
    let bbox = Rect {
        x,
        y,
        w: right - x,
        h: bottom - y,
    };
    Ok(TruthBox { class, bbox })
}

/// First pixel and one past the last.
fn edges(centre: f64, size: f64, pixels: u32) -> Result<(u32, u32), String> {
    let (low, high) = (centre - size / 2.0, centre + size / 2.0);
    if size < 0.0 || low < -TOLERANCE || high > 1.0 + TOLERANCE {
        return Err(format!(
            "centre {centre} and size {size} do not lie within the field"
        ));
    }
    let pixel = |part: f64| (part.clamp(0.0, 1.0) * f64::from(pixels)).round() as u32;
    Ok((pixel(low), pixel(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_become_pixels() {
        let found = parse_yolo("0 0.5 0.5 0.5 0.25\n\n 4 0.05 0.1 0.1 0.2 \n", 200, 100).unwrap();
        assert_eq!(
            found,
            [
                TruthBox {
                    class: 0,
                    bbox: Rect::from([50, 38, 100, 25])
                },
                TruthBox {
                    class: 4,
                    bbox: Rect::from([0, 0, 20, 20])
                },
            ]
        );
        assert!(!found[0].is_parasitized());
        assert!(found[1].is_parasitized());
    }

    #[test]
    fn the_bad_line_is_named() {
        for bad in [
            "0 0.5 0.5 0.1",
            "6 0.5 0.5 0.1 0.1",
            "-1 0.5 0.5 0.1 0.1",
            "ring 0.5 0.5 0.1 0.1",
            "0 0.5 0.5 NaN 0.1",
            "0 0.5 0.5 -0.1 0.1",
            "0 0.5 0.99 0.1 0.1",
            "0 0.5 0.5 0.1 0.1 0.9",
        ] {
            let error = parse_yolo(&format!("0 0.5 0.5 0.1 0.1\n\n{bad}\n"), 64, 64).unwrap_err();
            assert_eq!(error.line, 3, "{bad}");
            assert!(error.to_string().contains("line 3"), "{error}");
        }
    }
}
