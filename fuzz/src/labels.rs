//! Any text as labels of a field, in each of the forms that are read.

use smearscope_common::geometry::Rect;
use smearscope_common::score::{DIFFICULT, ScoreError, parse_centres, parse_voc, parse_yolo};

use super::bytes::Bytes;

/// Reads the labels: width and height of the field, then the text.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (width, height) = (bytes.length(), bytes.length());
    let text = String::from_utf8_lossy(bytes.0);
    let lines = text.lines().count();
    if let Some(boxes) = read(lines, parse_yolo(&text, width, height)) {
        assert!(boxes.len() <= lines);
        for labelled in boxes {
            assert!(labelled.class <= DIFFICULT);
            inside(&labelled.bbox, width, height);
        }
    }
    if let Some(centres) = read(lines, parse_centres(&text, width, height)) {
        assert!(centres.len() <= lines);
        for centre in centres {
            assert!(centre.x < width && centre.y < height, "{centre:?}");
        }
    }
    if let Some(boxes) = read(lines, parse_voc(&text, width, height)) {
        for named in boxes {
            assert!(!named.name.is_empty());
            inside(&named.bbox, width, height);
            named.touches_edge(width, height);
        }
    }
}

/// What was read; an error must name a line that there is, or the one after the last, where something is missing.
fn read<T>(lines: usize, labels: Result<T, ScoreError>) -> Option<T> {
    match labels {
        Ok(labels) => Some(labels),
        Err(error) => {
            assert!((1..=lines + 1).contains(&error.line), "{error}");
            assert!(!error.reason.is_empty());
            None
        }
    }
}

/// A labelled box is cut at the frame.
fn inside(bbox: &Rect, width: u32, height: u32) {
    assert!(
        bbox.right() <= u64::from(width) && bbox.bottom() <= u64::from(height),
        "{bbox:?} of {width}x{height}"
    );
}
