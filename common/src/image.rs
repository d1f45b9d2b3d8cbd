//! Bytes of an image file to RGB8 pixels and back, the same way on the workstation and the board.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
pub use ::image::{Rgb, RgbImage};

/// The longest side of an image that is decoded, in pixels.
pub const MAX_SIDE: u32 = 16_384;

/// The most memory that decoding one image may take, in bytes.
const MAX_ALLOC: u64 = 1 << 30;

/// Why an image file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The bytes are not an image in a format that smearscope reads, are damaged, or too large.
    #[error(
        "not a readable image (PNG, JPEG, WebP, TIFF or BMP, at most {MAX_SIDE} pixels a side): {0}"
    )]
    Decode(String),
    /// There is not one byte, as after a copy that broke off.
    #[error("the file is empty (0 bytes)")]
    NoBytes,
    /// The picture has no pixels.
    #[error("the image has no pixels")]
    Empty,
}

/// Decodes an image file to RGB8: the format is told by the content, 16-bit, palette and grayscale
/// pictures are converted, the EXIF orientation is applied, transparency is ignored.
///
/// # Errors
/// [`ImageError`] when the bytes are no image, are truncated, or exceed the limits of size.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    // What a decoder says may have line ends in it.
    let fail = |e: &dyn std::fmt::Display| {
        let said = e.to_string();
        ImageError::Decode(said.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    if bytes.is_empty() {
        return Err(ImageError::NoBytes);
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| fail(&e))?;
    if reader.format() == Some(ImageFormat::Jpeg) && jpeg_breaks_off(bytes) {
        return Err(fail(&"the JPEG breaks off before its end"));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| fail(&e))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| fail(&e))?;
    image.apply_orientation(orientation);
    if image.width() == 0 || image.height() == 0 {
        return Err(ImageError::Empty);
    }
    Ok(image.into_rgb8())
}

/// Whether a JPEG's last scan (after FF DA) has no end (FF D9). The decoder fills what is missing
/// with gray and says nothing, and half a cell must not be taken for a whole one. Inside a scan
/// neither mark occurs: there every FF is followed by 00 or a restart mark.
fn jpeg_breaks_off(bytes: &[u8]) -> bool {
    let last = |mark: [u8; 2]| bytes.windows(2).rposition(|pair| pair == mark);
    last([0xFF, 0xD9]) < last([0xFF, 0xDA])
}

/// Whether a file name ends like an image that [`decode`] reads.
pub fn has_image_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Encodes to JPEG of the given quality (1–100).
///
/// # Errors
/// [`ImageError::Empty`] when the picture has no pixels, [`ImageError::Decode`] never.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    ::image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .encode_image(image)
        .map_err(|_| ImageError::Empty)?;
    Ok(bytes)
}

/// Encodes to PNG.
///
/// # Errors
/// [`ImageError::Empty`] when the picture has no pixels.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|_| ImageError::Empty)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_keeps_every_pixel() {
        let image = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 200]));
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap(), image);
    }

    fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_kind_of_png_becomes_rgb8() {
        use ::image::{ImageBuffer, Luma, LumaA, Rgba};
        let gray = Rgb([0x80; 3]);
        let pink = Rgb([220, 150, 160]);
        let of = |bytes: Vec<u8>| *decode(&bytes).unwrap().get_pixel(2, 1);
        let size = (3, 2);
        let luma8 = ImageBuffer::from_pixel(size.0, size.1, Luma([0x80u8]));
        assert_eq!(of(png(luma8)), gray);
        let luma16 = ImageBuffer::from_pixel(size.0, size.1, Luma([0x8080u16]));
        assert_eq!(of(png(luma16)), gray);
        let luma_alpha = ImageBuffer::from_pixel(size.0, size.1, LumaA([0x80u8, 10]));
        assert_eq!(of(png(luma_alpha)), gray, "transparency is ignored");
        let rgb16 =
            ImageBuffer::from_pixel(size.0, size.1, Rgb([220 * 257u16, 150 * 257, 160 * 257]));
        assert_eq!(of(png(rgb16)), pink);
        let rgba = ImageBuffer::from_pixel(size.0, size.1, Rgba([220u8, 150, 160, 0]));
        assert_eq!(of(png(rgba)), pink, "transparency is ignored");
        let rgba16 = ImageBuffer::from_pixel(
            size.0,
            size.1,
            Rgba([220 * 257u16, 150 * 257, 160 * 257, 9]),
        );
        assert_eq!(of(png(rgba16)), pink);
    }

    /// Made by `tools/picture_fixtures.py`, as this crate's encoder writes none of these kinds: left half
    /// pink, right half violet, 16 × 8 pixels.
    #[test]
    fn palettes_progressive_and_cmyk_become_rgb8() {
        let near = |seen: &Rgb<u8>, meant: [u8; 3]| {
            seen.0.iter().zip(meant).all(|(s, m)| s.abs_diff(m) <= 6)
        };
        for (name, bytes) in [
            (
                "palette.png",
                &include_bytes!("../fixtures/palette.png")[..],
            ),
            (
                "progressive.jpg",
                include_bytes!("../fixtures/progressive.jpg"),
            ),
            ("gray.jpg", include_bytes!("../fixtures/gray.jpg")),
            ("cmyk.jpg", include_bytes!("../fixtures/cmyk.jpg")),
        ] {
            let image = decode(bytes).unwrap();
            assert_eq!(image.dimensions(), (16, 8), "{name}");
            let [left, right] = if name == "gray.jpg" {
                [[172; 3], [58; 3]]
            } else {
                [[220, 150, 160], [90, 30, 120]]
            };
            let (l, r) = (image.get_pixel(2, 4), image.get_pixel(13, 4));
            assert!(near(l, left) && near(r, right), "{name}: {l:?} {r:?}");
        }
    }

    /// A JPEG with an EXIF block that holds nothing but the orientation.
    fn jpeg_with_orientation(image: &RgbImage, orientation: u8) -> Vec<u8> {
        let jpeg = encode_jpeg(image, 100).unwrap();
        let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01".to_vec();
        // Tag 0x0112, type SHORT, one value, left-aligned in its four bytes; no further directory.
        exif.extend([
            0x01,
            0x12,
            0,
            3,
            0,
            0,
            0,
            1,
            0,
            orientation,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn a_turned_photograph_is_turned_back() {
        // Bright on the left as stored.
        let stored = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 250 } else { 5 }; 3]));
        let bright = |orientation, x, y| {
            let image = decode(&jpeg_with_orientation(&stored, orientation)).unwrap();
            let turned = (5..=8).contains(&orientation);
            let wanted = if turned { (16, 32) } else { (32, 16) };
            assert_eq!(image.dimensions(), wanted, "orientation {orientation}");
            image.get_pixel(x, y)[0] > 200
        };
        assert!(bright(1, 2, 8) && !bright(1, 29, 8));
        assert!(bright(3, 29, 8) && !bright(3, 2, 8), "half a turn");
        assert!(bright(6, 8, 2) && !bright(6, 8, 29), "a quarter clockwise");
        assert!(bright(8, 8, 29) && !bright(8, 8, 2), "a quarter back");
        assert!(bright(77, 2, 8), "a value that means nothing is ignored");
    }

    #[test]
    fn garbage_and_truncation_are_errors() {
        assert!(matches!(decode(b""), Err(ImageError::NoBytes)));
        assert!(decode(b"Thumbs.db is no image").is_err());
        let png = encode_png(&RgbImage::new(64, 64)).unwrap();
        assert!(decode(&png[..png.len() / 2]).is_err());
        let noise = RgbImage::from_fn(64, 64, |x, y| {
            Rgb([(x * y * 37) as u8, (x * 91) as u8, y as u8])
        });
        let jpeg = encode_jpeg(&noise, 90).unwrap();
        for part in [jpeg.len() / 2, jpeg.len() - 2] {
            let said = decode(&jpeg[..part]).unwrap_err().to_string();
            assert!(said.contains("breaks off"), "{said}");
        }
        let padded = [&jpeg[..], &[0; 100]].concat();
        assert_eq!(decode(&padded).unwrap().dimensions(), (64, 64));
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let jpeg = encode_jpeg(&RgbImage::new(9, 5), 50).unwrap();
        // A table of 30 bytes in the place of the scan's head, and the file ends.
        let scan = jpeg
            .windows(2)
            .rposition(|pair| pair == [0xFF, 0xDA])
            .unwrap();
        let broken = [&jpeg[..scan], &[0xFF, 0xC4, 0, 30, 1, 0xFF, 0xD9]].concat();
        let said = decode(&broken).unwrap_err().to_string();
        assert!(!said.contains('\n') && said.contains("JPEG"), "{said:?}");
    }

    #[test]
    fn extensions() {
        assert!(has_image_extension("a/b.PNG"));
        assert!(!has_image_extension("Thumbs.db"));
        assert!(!has_image_extension("png"));
    }
}
