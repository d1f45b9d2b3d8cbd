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
    let fail = |e: &dyn std::fmt::Display| ImageError::Decode(e.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| fail(&e))?;
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

    #[test]
    fn sixteen_bit_and_grayscale_become_rgb8() {
        let gray = DynamicImage::ImageLuma16(::image::ImageBuffer::from_pixel(
            3,
            2,
            ::image::Luma([0x8080u16]),
        ));
        let mut bytes = Cursor::new(Vec::new());
        gray.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let image = decode(&bytes.into_inner()).unwrap();
        assert_eq!(image.get_pixel(1, 1), &Rgb([0x80, 0x80, 0x80]));
    }

    #[test]
    fn garbage_and_truncation_are_errors() {
        assert!(decode(b"").is_err());
        assert!(decode(b"Thumbs.db is no image").is_err());
        let png = encode_png(&RgbImage::new(64, 64)).unwrap();
        assert!(decode(&png[..png.len() / 2]).is_err());
    }

    #[test]
    fn extensions() {
        assert!(has_image_extension("a/b.PNG"));
        assert!(!has_image_extension("Thumbs.db"));
        assert!(!has_image_extension("png"));
    }
}
