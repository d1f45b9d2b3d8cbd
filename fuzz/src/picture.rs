//! Bytes → a picture: a ground with strokes on it, so that few bytes make something with cells.
//!
//! Width and height as [`Bytes::length`], the ground's colour, then strokes until the bytes end: a byte for the
//! kind, then what [`stroke`] reads for it.

use smearscope_common::image::{Rgb, RgbImage};

use super::bytes::Bytes;

/// The most pixels of a picture: enough for one that is reduced before cells are looked for in it.
const MAX_PIXELS: u32 = 540_000;

/// The most strokes, as each may cover the whole picture.
const MAX_STROKES: usize = 16;

/// The picture that the bytes describe; it may have no pixels.
pub fn picture(bytes: &[u8]) -> RgbImage {
    let mut bytes = Bytes(bytes);
    let width = bytes.length();
    let height = bytes.length().min(MAX_PIXELS / width.max(1));
    let ground = bytes.colour();
    let mut image = RgbImage::from_pixel(width, height, Rgb(ground));
    for _ in 0..MAX_STROKES {
        if bytes.is_empty() {
            break;
        }
        stroke(&mut image, ground, &mut bytes);
    }
    image
}

fn stroke(image: &mut RgbImage, ground: [u8; 3], bytes: &mut Bytes) {
    let (w, h) = (image.width() as f32, image.height() as f32);
    match bytes.byte() % 8 {
        // A disc: place, radius, colour.
        0 => {
            let (cx, cy) = (bytes.part() * w, bytes.part() * h);
            let radius = bytes.length() as f32;
            let colour = bytes.colour();
            paint(image, |x, y| {
                ((x - cx).hypot(y - cy) <= radius).then_some(colour)
            });
        }
        // A cell with a pale centre: place, radius, colour.
        1 => {
            let (cx, cy) = (bytes.part() * w, bytes.part() * h);
            let radius = bytes.length() as f32;
            let colour = bytes.colour();
            let pale = [0, 1, 2].map(|i| colour[i].midpoint(ground[i]));
            paint(image, |x, y| {
                let from_centre = (x - cx).hypot(y - cy);
                let colour = if from_centre < radius / 3.0 {
                    pale
                } else {
                    colour
                };
                (from_centre <= radius).then_some(colour)
            });
        }
        // A rectangle: two corners, colour.
        2 => {
            let [x0, y0] = [bytes.part() * w, bytes.part() * h];
            let [x1, y1] = [bytes.part() * w, bytes.part() * h];
            let colour = bytes.colour();
            paint(image, |x, y| {
                ((x0..=x1).contains(&x) && (y0..=y1).contains(&y)).then_some(colour)
            });
        }
        // Discs all over, in rows that are shifted against each other: pitch, radius as a part of it, colour.
        3 => {
            let pitch = bytes.length().max(2) as f32;
            let radius = bytes.part() * pitch;
            let shift = bytes.part();
            let colour = bytes.colour();
            paint(image, |x, y| {
                let row = (y / pitch).floor();
                let dx = (x / pitch + row * shift).fract() - 0.5;
                let dy = (y / pitch).fract() - 0.5;
                (dx.hypot(dy) * pitch <= radius).then_some(colour)
            });
        }
        // A checkerboard: period across, period down, colour. A period of 0 makes stripes.
        4 => {
            let [across, down] = [bytes.length() as f32, bytes.length() as f32];
            let colour = bytes.colour();
            let square = |at: f32, period: f32| {
                if period > 0.0 {
                    (at / period) as u32
                } else {
                    0
                }
            };
            paint(image, |x, y| {
                ((square(x, across) + square(y, down)) % 2 == 1).then_some(colour)
            });
        }
        // A camera's grain: how strong, and which.
        5 => {
            let strength = i32::from(bytes.byte());
            let mut state = u32::from(bytes.byte()) + 1;
            for value in image.iter_mut() {
                // Xorshift (Marsaglia, J. Stat. Soft. 8:14, 2003).
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let noise = ((state >> 24) as i32 - 128) * strength / 128;
                *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
        // The light falls off: the brightest place, how much is left one picture's width away.
        6 => {
            let [cx, cy] = [bytes.part(), bytes.part()];
            let lost = 1.0 - bytes.part();
            for (x, y, pixel) in image.enumerate_pixels_mut() {
                let from_centre = (x as f32 / w - cx).hypot(y as f32 / h - cy);
                let light = 1.0 - lost * from_centre.min(1.0);
                pixel.0 = pixel.0.map(|value| (f32::from(value) * light) as u8);
            }
        }
        // Pixel after pixel from the next bytes, over and over: how many, then those.
        _ => {
            let count = usize::from(bytes.byte()) + 1;
            let grays: Vec<u8> = (0..count).map(|_| bytes.byte()).collect();
            for (pixel, gray) in image.pixels_mut().zip(grays.iter().cycle()) {
                pixel.0 = [*gray; 3];
            }
        }
    }
}

/// Gives the pixels the colour that is said for them.
fn paint(image: &mut RgbImage, colour: impl Fn(f32, f32) -> Option<[u8; 3]>) {
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        if let Some(colour) = colour(x as f32, y as f32) {
            pixel.0 = colour;
        }
    }
}
