//! Y'CbCr with shared chroma. Pixels that share Cb and Cr get the same ones, as the reference decoders do.

use super::Rows;
use super::colour::{Colour, Conversion};

/// Y0 Cb Y1 Cr.
pub(super) fn yuyv(rows: Rows<'_>, pixels: &mut [u8], width: usize, colour: Colour) {
    packed(rows, pixels, width, colour, |[y0, cb, y1, cr]| {
        ([y0, y1], cb, cr)
    });
}

/// Cb Y0 Cr Y1.
pub(super) fn uyvy(rows: Rows<'_>, pixels: &mut [u8], width: usize, colour: Colour) {
    packed(rows, pixels, width, colour, |[cb, y0, cr, y1]| {
        ([y0, y1], cb, cr)
    });
}

fn packed(
    rows: Rows<'_>,
    pixels: &mut [u8],
    width: usize,
    colour: Colour,
    parts: impl Fn([u8; 4]) -> ([u8; 2], u8, u8),
) {
    let conversion = Conversion::new(colour);
    for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let (quads, _) = rows.row(y).as_chunks::<4>();
        pairs(out, quads, |quad| {
            let (y, cb, cr) = parts(*quad);
            let chroma = conversion.chroma(cb, cr);
            y.map(|y| conversion.rgb(y, chroma))
        });
    }
}

/// A plane of Y', then a plane of Cb and Cr for squares of 2 × 2 pixels.
pub(super) fn nv12(rows: Rows<'_>, pixels: &mut [u8], width: usize, colour: Colour) {
    let conversion = Conversion::new(colour);
    let height = pixels.len() / (3 * width);
    for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let (lumas, _) = rows.row(y).as_chunks::<2>();
        let (chromas, _) = rows.row(height + y / 2).as_chunks::<2>();
        pairs(out, lumas.iter().zip(chromas), |(luma, &[cb, cr])| {
            let chroma = conversion.chroma(cb, cr);
            luma.map(|y| conversion.rgb(y, chroma))
        });
    }
}

/// Fills a row of pixels two by two; of the last pair of an odd row, one is left over.
fn pairs<T>(
    row: &mut [u8],
    sources: impl IntoIterator<Item = T>,
    convert: impl Fn(T) -> [[u8; 3]; 2],
) {
    let mut sources = sources.into_iter();
    let (whole, rest) = row.as_chunks_mut::<6>();
    for (out, source) in whole.iter_mut().zip(&mut sources) {
        let [[a, b, c], [d, e, f]] = convert(source);
        *out = [a, b, c, d, e, f];
    }
    if let (false, Some(source)) = (rest.is_empty(), sources.next()) {
        rest.copy_from_slice(&convert(source)[0]);
    }
}
