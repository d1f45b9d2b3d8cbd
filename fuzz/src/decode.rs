//! Any bytes as an image file.

use smearscope_common::image::{MAX_SIDE, decode, encode_png};

/// Pictures with more pixels aren't encoded again: that takes too long.
const MAX_AGAIN: usize = 1 << 20;

/// Decodes the bytes: a picture within the limits, the same each time, or a sentence.
pub fn check(bytes: &[u8]) {
    match decode(bytes) {
        Ok(image) => {
            let (width, height) = image.dimensions();
            assert!((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height));
            if image.len() <= MAX_AGAIN {
                assert!(decode(bytes).is_ok_and(|again| again == image));
                let png = encode_png(&image).expect("a picture with pixels");
                assert!(decode(&png).is_ok_and(|again| again == image));
            }
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
        }
    }
}
