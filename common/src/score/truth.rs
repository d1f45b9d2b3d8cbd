//! What is known of a labelled field, and the formats in which it is written down.

use super::ScoreError;
use super::centres::{Centre, parse_centres};
use super::voc::{NamedBox, parse_voc};
use super::yolo::{TruthBox, parse_yolo};

/// What is known of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// A box and a class for each red cell.
    Boxes(Vec<TruthBox>),
    /// A point in the middle of each red cell.
    Centres(Vec<Centre>),
    /// Boxes of several kinds of things, each with its name.
    Named(Vec<NamedBox>),
}

/// How the truth of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with one `class xc yc w h` a line, see [`parse_yolo`].
    Yolo,
    /// Text with one `x y type` a line, see [`parse_centres`].
    Centres,
    /// An XML file of Pascal VOC, see [`parse_voc`].
    Voc,
}

impl Format {
    /// The format of a text of lines, by the number of words in its first line that isn't empty: three for
    /// centres, else boxes. `None` where there is no such line: both say so of a field without cells.
    pub fn of_lines(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        Some(match line.split_whitespace().count() {
            3 => Self::Centres,
            _ => Self::Yolo,
        })
    }

    /// Reads the truth of a field of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`ScoreError`] names the first line that can't be read, with what is wrong.
    pub fn parse(self, text: &str, width: u32, height: u32) -> Result<Truth, ScoreError> {
        match self {
            Self::Yolo => parse_yolo(text, width, height).map(Truth::Boxes),
            Self::Centres => parse_centres(text, width, height).map(Truth::Centres),
            Self::Voc => parse_voc(text, width, height).map(Truth::Named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_tell_the_format() {
        assert_eq!(
            Format::of_lines("\n 12 30 0\n0 0.5 0.5 0.1 0.1"),
            Some(Format::Centres)
        );
        assert_eq!(Format::of_lines("0 0.5 0.5 0.1 0.1\n"), Some(Format::Yolo));
        assert_eq!(Format::of_lines("nonsense"), Some(Format::Yolo));
        assert_eq!(Format::of_lines(" \n\n"), None);
        for (format, text) in [
            (Format::Yolo, ""),
            (Format::Centres, ""),
            (Format::Voc, "<annotation/>"),
        ] {
            let truth = format.parse(text, 64, 48).unwrap();
            assert!(match truth {
                Truth::Boxes(boxes) => boxes.is_empty(),
                Truth::Centres(centres) => centres.is_empty(),
                Truth::Named(boxes) => boxes.is_empty(),
            });
        }
    }
}
