//! Pictures that more than one test needs.

use smearscope_common::image::{Rgb, RgbImage};

/// Discs of `radius` on a square lattice; where `radius` is half the pitch they touch.
pub fn lattice(
    [width, height]: [u32; 2],
    pitch: u32,
    radius: f32,
    [disc, ground]: [[u8; 3]; 2],
) -> RgbImage {
    let middle = (pitch as f32 - 1.0) / 2.0;
    let tile: Vec<bool> = (0..pitch * pitch)
        .map(|i| ((i % pitch) as f32 - middle).hypot((i / pitch) as f32 - middle) <= radius)
        .collect();
    RgbImage::from_fn(width, height, |x, y| {
        let inside = tile[(y % pitch * pitch + x % pitch) as usize];
        Rgb(if inside { disc } else { ground })
    })
}
