//! What it costs to decode a camera's frame, for each pixel format.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context;
use smearscope_common::image::{RgbImage, encode_jpeg};
use smearscope_common::synth::{SmearSpec, smear};

use super::median;
use crate::camera::{Colour, FourCc, Layout, PixelFormat};

/// How often each is decoded.
const FRAMES: usize = 20;
/// What most cameras of microscopes give.
pub(super) const SIZE: (u32, u32) = (1280, 720);
/// The formats by V4L2's codes, each with its bytes for a pixel; 0 for a JPEG.
const FORMATS: [(&[u8; 4], f32); 7] = [
    (b"YUYV", 2.0),
    (b"UYVY", 2.0),
    (b"NV12", 1.5),
    (b"RGB3", 3.0),
    (b"BGR3", 3.0),
    (b"RGGB", 1.0),
    (b"MJPG", 0.0),
];

/// The median time in milliseconds to decode a frame of [`SIZE`], by V4L2's code of the format.
pub(super) fn ms_per_frame() -> anyhow::Result<BTreeMap<String, f64>> {
    let (width, height) = SIZE;
    let field = smear(
        &SmearSpec {
            width,
            height,
            ..SmearSpec::default()
        },
        1,
    )
    .image;
    FORMATS
        .iter()
        .map(|(code, bytes)| {
            let bytes = match bytes {
                0.0 => encode_jpeg(&field, 90).context("cannot make a JPEG")?,
                bytes => as_many(&field, (bytes * (width * height) as f32) as usize),
            };
            let name = String::from_utf8_lossy(&code[..]).into_owned();
            let code = FourCc::from_u32(u32::from_le_bytes(**code));
            let format = PixelFormat::of(code).with_context(|| format!("no format {name}"))?;
            // As of a driver that says nothing of its colours.
            let colour = Colour::of_driver(format.is_rgb(), 0, 0, 0);
            let layout = Layout::new(format, SIZE, 0, colour)
                .with_context(|| format!("no frame of {name}"))?;
            let mut times = Vec::with_capacity(FRAMES);
            for _ in 0..FRAMES {
                let begun = Instant::now();
                std::hint::black_box(layout.decode(&bytes)?);
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            Ok((name, median(times)))
        })
        .collect()
}

/// So many bytes of a picture: what they show costs nothing but in a JPEG.
fn as_many(field: &RgbImage, bytes: usize) -> Vec<u8> {
    field.as_raw()[..bytes].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_decoded() {
        let costs = ms_per_frame().unwrap();
        assert_eq!(costs.len(), FORMATS.len());
        assert!(costs.values().all(|ms| *ms > 0.0));
    }
}
