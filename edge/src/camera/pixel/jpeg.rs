//! Motion JPEG: each frame is one JPEG, often without the Huffman tables that every decoder is to know.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::DecodeError;

const START: [u8; 2] = [0xFF, 0xD8];
const TABLES: [u8; 2] = [0xFF, 0xC4];
const SCAN: [u8; 2] = [0xFF, 0xDA];
const END: [u8; 2] = [0xFF, 0xD9];

/// The bytes between the beginning and the end of a JPEG, without the mark of the end. Cameras pad behind it.
pub(super) fn body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let scan = bytes.windows(2).position(|pair| pair == SCAN);
    let end = bytes.windows(2).rposition(|pair| pair == END);
    match (scan, end) {
        (Some(scan), Some(end)) if bytes.starts_with(&START) && scan < end => Ok(&bytes[..end]),
        _ => Err(DecodeError::BreaksOff(bytes.len())),
    }
}

/// Decodes into `pixels`, which has the room that `wanted` asks for. A JPEG is always full range and BT.601 (JFIF).
pub(super) fn decode(
    bytes: &[u8],
    wanted: (u32, u32),
    pixels: &mut [u8],
) -> Result<(), DecodeError> {
    let damaged = |reason: &dyn std::fmt::Display| {
        let said = reason.to_string();
        DecodeError::Damaged(said.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    // Where a mark of the end comes too early, the decoder fills the rest with gray; where bytes run out, it says so.
    let bytes = body(bytes)?;
    // Strict: what doesn't add up is dropped. The next frame is there in a moment; half a cell is worse.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(wanted.0 as usize)
        .set_max_height(wanted.1 as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let completed;
    let bytes = if has_tables(bytes) {
        bytes
    } else {
        completed = marked_as_motion(bytes);
        &completed
    };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let found = decoder.info().map_or((0, 0), |info| {
        (usize::from(info.width), usize::from(info.height))
    });
    if found != (wanted.0 as usize, wanted.1 as usize) {
        return Err(DecodeError::Size { found, wanted });
    }
    if decoder.info().is_none_or(|info| info.components < 3) {
        return Err(DecodeError::Gray);
    }
    decoder.decode_into(pixels).map_err(|e| damaged(&e))
}

/// Whether a Huffman table stands before the first scan.
fn has_tables(bytes: &[u8]) -> bool {
    let scan = bytes.windows(2).position(|pair| pair == SCAN);
    let header = &bytes[..scan.unwrap_or(bytes.len())];
    header.windows(2).any(|pair| pair == TABLES)
}

/// The JPEG with the mark of Motion JPEG in AVI files behind its beginning: it means the tables of ITU-T T.81, K.3.
fn marked_as_motion(bytes: &[u8]) -> Vec<u8> {
    let (start, rest) = bytes.split_at(START.len());
    [start, b"\xFF\xE0\0\x07AVI1\0", rest].concat()
}
