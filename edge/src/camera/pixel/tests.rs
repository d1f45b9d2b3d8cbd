//! Reference values are computed from the definitions in floating point, or known beforehand.

use proptest::prelude::*;
use smearscope_common::image::{Rgb, RgbImage, encode_jpeg};

use super::colour::Matrix;
use super::*;

const FULL_601: Colour = Colour {
    matrix: Matrix::Bt601,
    range: Range::Full,
};
const LIMITED_601: Colour = Colour {
    matrix: Matrix::Bt601,
    range: Range::Limited,
};

fn layout(format: PixelFormat, size: (u32, u32), stride: u32, colour: Colour) -> Layout {
    Layout::new(format, size, stride, colour).unwrap()
}

/// R'G'B' of Y'CbCr by the definition: Y' = Kr R' + Kg G' + Kb B', Cb = (B' − Y') / 2(1 − Kb), Cr likewise.
fn by_definition([y, cb, cr]: [u8; 3], colour: Colour) -> [f64; 3] {
    let (kr, kb) = match colour.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
        Matrix::Smpte240m => (0.212, 0.087),
    };
    let [y, cb, cr] = [y, cb, cr].map(f64::from);
    let (y, cb, cr) = match colour.range {
        Range::Full => (y / 255.0, (cb - 128.0) / 255.0, (cr - 128.0) / 255.0),
        Range::Limited => (
            (y - 16.0) / 219.0,
            (cb - 128.0) / 224.0,
            (cr - 128.0) / 224.0,
        ),
    };
    let r = y + 2.0 * (1.0 - kr) * cr;
    let b = y + 2.0 * (1.0 - kb) * cb;
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b].map(|v| (v * 255.0).clamp(0.0, 255.0))
}

#[test]
fn every_luma_and_many_chromas_are_those_of_the_definition_in_each_matrix_and_range() {
    for matrix in [
        Matrix::Bt601,
        Matrix::Bt709,
        Matrix::Bt2020,
        Matrix::Smpte240m,
    ] {
        for range in [Range::Full, Range::Limited] {
            let colour = Colour { matrix, range };
            let layout = layout(PixelFormat::Yuyv, (2, 2), 4, colour);
            for cb in (0..=255).step_by(15) {
                for cr in (0..=255).step_by(15) {
                    for y in 0..=255 {
                        let image = layout.decode(&[y, cb, y, cr, y, cb, y, cr]).unwrap();
                        let wanted = by_definition([y, cb, cr], colour);
                        for (got, wanted) in image.get_pixel(1, 1).0.iter().zip(wanted) {
                            let off = (f64::from(*got) - wanted).abs();
                            assert!(off < 0.51, "{colour:?} {y} {cb} {cr}: {got} for {wanted}");
                        }
                    }
                }
            }
        }
    }
}

/// ITU-R BT.601-7 and BT.709-6 give these for bars of full amplitude in 8 bits, limited range.
#[test]
fn colour_bars_of_the_standards_are_pure_colours() {
    let bars_601 = [
        ([235, 128, 128], [255, 255, 255]),
        ([210, 16, 146], [255, 255, 0]),
        ([170, 166, 16], [0, 255, 255]),
        ([145, 54, 34], [0, 255, 0]),
        ([106, 202, 222], [255, 0, 255]),
        ([81, 90, 240], [255, 0, 0]),
        ([41, 240, 110], [0, 0, 255]),
        ([16, 128, 128], [0, 0, 0]),
    ];
    let bars_709 = [
        ([219, 16, 138], [255, 255, 0]),
        ([188, 154, 16], [0, 255, 255]),
        ([173, 42, 26], [0, 255, 0]),
        ([78, 214, 230], [255, 0, 255]),
        ([63, 102, 240], [255, 0, 0]),
        ([32, 240, 118], [0, 0, 255]),
    ];
    let limited = |matrix| Colour {
        matrix,
        range: Range::Limited,
    };
    for (matrix, bars) in [
        (Matrix::Bt601, &bars_601[..]),
        (Matrix::Bt709, &bars_709[..]),
    ] {
        for (ycc, rgb) in bars {
            let [y, cb, cr] = *ycc;
            let frame = [cb, y, cr, y, cb, y, cr, y];
            let image = layout(PixelFormat::Uyvy, (2, 2), 4, limited(matrix))
                .decode(&frame)
                .unwrap();
            for (got, wanted) in image.get_pixel(0, 0).0.iter().zip(rgb) {
                assert!(got.abs_diff(*wanted) <= 2, "{matrix:?} {ycc:?}: {image:?}");
            }
        }
    }
}

#[test]
fn what_a_driver_calls_default_follows_the_rules_of_the_kernel() {
    let colour = |is_rgb, colorspace, enc, quantization| {
        let c = Colour::of_driver(is_rgb, colorspace, enc, quantization);
        (c.matrix, c.range)
    };
    use {Matrix::*, Range::*};
    // Nothing said; sRGB (8), as most webcams say; JPEG (7).
    assert_eq!(colour(false, 0, 0, 0), (Bt601, Limited));
    assert_eq!(colour(false, 8, 0, 0), (Bt601, Limited));
    assert_eq!(colour(false, 7, 0, 0), (Bt601, Full));
    assert_eq!(colour(true, 8, 0, 0).1, Full);
    // Rec. 709 (3), BT.2020 (10), SMPTE 240M (2), DCI-P3 (12).
    assert_eq!(colour(false, 3, 0, 0), (Bt709, Limited));
    assert_eq!(colour(false, 10, 0, 0), (Bt2020, Limited));
    assert_eq!(colour(false, 2, 0, 0), (Smpte240m, Limited));
    assert_eq!(colour(false, 12, 0, 0), (Bt709, Limited));
    // What is said goes before what is usual.
    assert_eq!(colour(false, 8, 2, 1), (Bt709, Full));
    assert_eq!(colour(false, 3, 1, 1), (Bt601, Full));
    assert_eq!(colour(false, 7, 0, 2), (Bt601, Limited));
    assert_eq!(colour(true, 8, 0, 2).1, Limited);
    // None of V4L2's.
    assert_eq!(colour(false, 99, 99, 99), (Bt601, Limited));
}

/// A frame of rows with padding of 0xEE, so that a wrong stride shows.
fn padded(rows: &[&[u8]], stride: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        bytes.extend_from_slice(row);
        // The last row of a real buffer may lack its padding.
        if n + 1 < rows.len() {
            bytes.resize((n + 1) * stride, 0xEE);
        }
    }
    bytes
}

#[test]
fn rgb_and_bgr_are_read_row_by_row_at_their_stride() {
    let frame = padded(&[&[1, 2, 3, 4, 5, 6], &[7, 8, 9, 10, 11, 12]], 8);
    let rgb = layout(PixelFormat::Rgb24, (2, 2), 8, FULL_601);
    let image = rgb.decode(&frame).unwrap();
    assert_eq!(image.as_raw(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let bgr = layout(PixelFormat::Bgr24, (2, 2), 8, FULL_601);
    let image = bgr.decode(&frame).unwrap();
    assert_eq!(image.as_raw(), &[3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10]);
}

#[test]
fn rgb_of_limited_range_is_widened() {
    let limited = layout(PixelFormat::Rgb24, (2, 2), 0, LIMITED_601);
    let image = limited
        .decode(&[16, 235, 126, 0, 255, 16, 16, 16, 16, 235, 235, 235])
        .unwrap();
    assert_eq!(
        image.as_raw(),
        &[0, 255, 128, 0, 255, 0, 0, 0, 0, 255, 255, 255]
    );
}

#[test]
fn nv12_takes_its_chroma_from_the_second_plane_also_at_odd_sizes() {
    // 3 × 3: luma rows of 3 (4 with the rest of the pair), two rows of two chroma pairs.
    let frame = padded(
        &[
            &[10, 20, 30, 0xEE],
            &[40, 50, 60, 0xEE],
            &[70, 80, 90, 0xEE],
            &[100, 110, 120, 130],
            &[140, 150, 160, 170],
        ],
        6,
    );
    let image = layout(PixelFormat::Nv12, (3, 3), 6, FULL_601)
        .decode(&frame)
        .unwrap();
    for (x, y, ycc) in [
        (0, 0, [10, 100, 110]),
        (1, 1, [50, 100, 110]),
        (2, 1, [60, 120, 130]),
        (0, 2, [70, 140, 150]),
        (2, 2, [90, 160, 170]),
    ] {
        let wanted = by_definition(ycc, FULL_601);
        for (got, wanted) in image.get_pixel(x, y).0.iter().zip(wanted) {
            assert!((f64::from(*got) - wanted).abs() < 0.51, "{x} {y}");
        }
    }
}

#[test]
fn an_odd_row_of_yuyv_ends_with_half_a_pair() {
    let row = [50, 90, 60, 170, 70, 100, 0, 150];
    let image = layout(PixelFormat::Yuyv, (3, 2), 8, FULL_601)
        .decode(&[row, row].concat())
        .unwrap();
    let wanted = by_definition([70, 100, 150], FULL_601);
    for (got, wanted) in image.get_pixel(2, 1).0.iter().zip(wanted) {
        assert!((f64::from(*got) - wanted).abs() < 0.51, "{image:?}");
    }
}

#[test]
fn bayer_keeps_a_flat_colour_and_places_each_filter_in_its_order() {
    let [r, g, b] = [200, 120, 40];
    for (order, square) in [
        (Order::Rggb, [[r, g], [g, b]]),
        (Order::Grbg, [[g, r], [b, g]]),
        (Order::Gbrg, [[g, b], [r, g]]),
        (Order::Bggr, [[b, g], [g, r]]),
    ] {
        let (width, height) = (7, 5);
        let frame: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| square[y % 2][x % 2]))
            .collect();
        let image = layout(PixelFormat::Bayer(order), (7, 5), 0, FULL_601)
            .decode(&frame)
            .unwrap();
        for pixel in image.pixels() {
            assert_eq!(pixel.0, [r, g, b], "{order:?}");
        }
    }
}

#[test]
fn bayer_takes_the_mean_of_the_nearest_neighbours() {
    // R G R / G B G / R G R
    let frame = [10, 20, 30, 40, 50, 60, 70, 80, 90];
    let image = layout(PixelFormat::Bayer(Order::Rggb), (3, 3), 0, FULL_601)
        .decode(&frame)
        .unwrap();
    let at = |x, y| image.get_pixel(x, y).0;
    assert_eq!(at(1, 1), [50, 50, 50], "blue: corners red, cross green");
    assert_eq!(at(1, 0), [20, 20, 50], "green in a red row: below is blue");
    assert_eq!(at(0, 1), [40, 40, 50], "green in a blue row");
    assert_eq!(at(2, 2), [90, 70, 50], "a corner mirrors its neighbours");
}

/// A smooth picture that JPEG hardly changes.
fn smooth(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([
            200 - (x * 60 / width) as u8,
            120 + (y * 60 / height) as u8,
            170,
        ])
    })
}

fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    while let Some(at) = bytes.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        bytes.drain(at..at + 2 + length);
    }
    bytes
}

#[test]
fn a_jpeg_is_its_picture_also_without_tables_and_with_padding() {
    let picture = smooth(67, 35);
    let jpeg = encode_jpeg(&picture, 98).unwrap();
    let layout = layout(PixelFormat::Jpeg, (67, 35), 0, LIMITED_601);
    let decoded = layout.decode(&jpeg).unwrap();
    for (a, b) in decoded.as_raw().iter().zip(picture.as_raw()) {
        assert!(a.abs_diff(*b) <= 4, "{a} for {b}");
    }
    let bare = without_tables(&jpeg);
    assert!(bare.len() + 400 < jpeg.len(), "four tables are gone");
    assert_eq!(layout.decode(&bare).unwrap(), decoded);
    let padded = [&jpeg[..], &[0; 64]].concat();
    assert_eq!(layout.decode(&padded).unwrap(), decoded);
}

#[test]
fn a_jpeg_that_is_cut_or_of_another_size_or_gray_is_refused() {
    let jpeg = encode_jpeg(&smooth(64, 48), 90).unwrap();
    let layout = layout(PixelFormat::Jpeg, (64, 48), 0, FULL_601);
    for cut in [0, 1, 2, 20, jpeg.len() / 2, jpeg.len() - 2] {
        assert_eq!(
            layout.decode(&jpeg[..cut]),
            Err(DecodeError::BreaksOff(cut))
        );
    }
    let other = encode_jpeg(&smooth(48, 64), 90).unwrap();
    assert!(layout.decode(&other).is_err());
    let gray = include_bytes!("../../../../common/fixtures/gray.jpg");
    let small = self::layout(PixelFormat::Jpeg, (16, 8), 0, FULL_601);
    assert_eq!(small.decode(gray), Err(DecodeError::Gray));
}

#[test]
fn a_small_and_flat_jpeg_is_whole() {
    for (width, height) in [(64, 48), (100, 75), (160, 120)] {
        for gray in [0, 128, 255] {
            let picture = RgbImage::from_pixel(width, height, Rgb([gray, 200, 90]));
            let jpeg = encode_jpeg(&picture, 80).unwrap();
            let layout = layout(PixelFormat::Jpeg, (width, height), 0, FULL_601);
            assert!(layout.decode(&jpeg).is_ok(), "{width}x{height} {gray}");
        }
    }
}

#[test]
fn a_jpeg_whose_middle_was_lost_is_damaged() {
    // Noise, so that there is much to lose.
    let picture = RgbImage::from_fn(160, 120, |x, y| {
        let v = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).rotate_left(9);
        Rgb([(v >> 7) as u8, (v >> 13) as u8, (v >> 19) as u8])
    });
    let jpeg = encode_jpeg(&picture, 90).unwrap();
    let layout = layout(PixelFormat::Jpeg, (160, 120), 0, FULL_601);
    assert!(layout.decode(&jpeg).is_ok());
    let lost = [&jpeg[..jpeg.len() / 2], &jpeg[jpeg.len() * 3 / 4..]].concat();
    assert!(
        matches!(layout.decode(&lost), Err(DecodeError::Damaged(_))),
        "{:?}",
        layout.decode(&lost).map(|_| ())
    );
}

#[test]
fn names_of_formats_are_read_and_written() {
    for name in ["YUYV", "MJPG", "BA81", "Y10"] {
        assert_eq!(name.parse::<FourCc>().unwrap().to_string(), name);
    }
    assert_eq!("mjpg".parse::<FourCc>(), Ok(FourCc(*b"MJPG")));
    assert!("".parse::<FourCc>().is_err() && "YUYV2".parse::<FourCc>().is_err());
    let big_endian = FourCc::from_u32(u32::from_le_bytes(*b"Y16 ") | 1 << 31);
    assert_eq!(big_endian.to_string(), "Y16-BE");
    assert_eq!(FourCc::from_u32(big_endian.to_u32()), big_endian);
}

fn formats() -> impl Strategy<Value = PixelFormat> {
    prop::sample::select(vec![
        PixelFormat::Rgb24,
        PixelFormat::Bgr24,
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Nv12,
        PixelFormat::Bayer(Order::Bggr),
        PixelFormat::Bayer(Order::Grbg),
    ])
}

proptest! {
    #[test]
    fn what_is_whole_is_decoded_and_what_is_short_by_a_byte_is_refused(
        format in formats(),
        size in (2u32..40, 2u32..40),
        stride in 0u32..200,
        byte in any::<u8>(),
    ) {
        let layout = layout(format, size, stride, LIMITED_601);
        let needed = layout.bytes_needed();
        let image = layout.decode(&vec![byte; needed]).unwrap();
        prop_assert_eq!(image.dimensions(), size);
        prop_assert_eq!(
            layout.decode(&vec![byte; needed - 1]),
            Err(DecodeError::Short { found: needed - 1, needed })
        );
    }

    /// A camera's cable may do anything to a frame.
    #[test]
    fn a_jpeg_with_wrong_bytes_is_a_picture_or_an_error(
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        keeps_its_end in any::<bool>(),
    ) {
        let mut jpeg = encode_jpeg(&smooth(48, 32), 85).unwrap();
        for (at, byte) in wrong {
            let at = at.index(jpeg.len());
            jpeg[at] = byte;
        }
        jpeg.truncate(cut.index(jpeg.len()) + 1);
        if keeps_its_end {
            jpeg.extend([0xFF, 0xD9]);
        }
        let layout = layout(PixelFormat::Jpeg, (48, 32), 0, FULL_601);
        if let Ok(image) = layout.decode(&jpeg) {
            prop_assert_eq!(image.dimensions(), (48, 32));
        }
    }
}
