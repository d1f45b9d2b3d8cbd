//! Any text as labels of a field.

use smearscope_common::geometry::Rect;
use smearscope_common::score::{DIFFICULT, parse_yolo};

use super::bytes::Bytes;

/// Reads the labels: width and height of the field, then the text.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (width, height) = (bytes.length(), bytes.length());
    let text = String::from_utf8_lossy(bytes.0);
    match parse_yolo(&text, width, height) {
        Ok(boxes) => {
            assert!(boxes.len() <= text.lines().count());
            for labelled in boxes {
                assert!(labelled.class <= DIFFICULT);
                inside(&labelled.bbox, width, height);
            }
        }
        Err(error) => {
            assert!((1..=text.lines().count()).contains(&error.line));
            assert!(!error.reason.is_empty());
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
