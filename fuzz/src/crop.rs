//! Any cell of any picture through the crop path, wherever it says that it lies.

use smearscope_common::crop::{cut, cut_all, letterbox, prepare};
use smearscope_common::geometry::{Mask, Rect};
use smearscope_common::image::Rgb;
use smearscope_common::model_card::{CropSpec, InputSpec};
use smearscope_common::segment::Cell;

use super::bytes::Bytes;
use super::picture::picture;

/// The most pixels of a cell.
const MAX_AREA: u32 = 65_536;

/// Cuts out the cell that the bytes describe: place and size of its box, the input's size, mean and
/// deviation, the mask's pixels as bits of up to 255 bytes over and over, and last the picture.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let [x, y] = [0; 2].map(|_| u32::from_be_bytes([0; 4].map(|_| bytes.byte())));
    let w = bytes.length().min(MAX_AREA);
    let h = bytes.length().min(MAX_AREA / w.max(1));
    let input = InputSpec {
        // What a model card may say.
        size: 32 + u32::from(bytes.byte()) % 97,
        colour_order: "rgb".into(),
        mean: [0; 3].map(|_| bytes.part()),
        std: [0; 3].map(|_| bytes.part() + 0.001),
    };
    let bits: Vec<u8> = (0..bytes.byte()).map(|_| bytes.byte()).collect();
    let mut mask = Mask::new(w, h);
    for i in 0..w * h {
        let byte = bits.get(i as usize / 8 % bits.len().max(1)).unwrap_or(&255);
        if byte >> (i % 8) & 1 == 1 {
            mask.set(i % w, i / w);
        }
    }
    let field = picture(bytes.0);
    let cell = Cell {
        bbox: Rect { x, y, w, h },
        area: mask.area(),
        mask,
        roundness: 1.0,
        split: false,
    };

    let crop = cut(&field, &cell);
    assert_eq!(crop.dimensions(), (w, h));
    for (dx, dy, pixel) in crop.enumerate_pixels() {
        let [at_x, at_y] = [(x, dx), (y, dy)].map(|(from, by)| u64::from(from) + u64::from(by));
        let expected = if cell.mask.get(dx, dy)
            && at_x < u64::from(field.width())
            && at_y < u64::from(field.height())
        {
            *field.get_pixel(at_x as u32, at_y as u32)
        } else {
            Rgb([0; 3])
        };
        assert_eq!(*pixel, expected, "at {dx}, {dy} of {:?}", cell.bbox);
    }
    let cells = [cell.clone(), cell];
    assert_eq!(
        cut_all(&field, &cells, &CropSpec::newest(None)).crops,
        [crop.clone(), crop.clone()]
    );
    // Whatever the colours: black stays black, and equal cells stay equal.
    let reference = CropSpec::newest(Some(input.mean.map(|part| 1.0 + 254.0 * part)));
    let stained = cut_all(&field, &cells, &reference).crops;
    assert_eq!(stained[0], stained[1]);
    for (before, after) in crop.pixels().zip(stained[0].pixels()) {
        for (before, after) in before.0.iter().zip(after.0) {
            assert!(*before > 0 || after == 0, "{before} became {after}");
        }
    }
    let square = letterbox(&crop, input.size);
    assert_eq!(square.dimensions(), (input.size, input.size));
    if crop.pixels().all(|pixel| pixel.0 == [0; 3]) {
        assert!(square.pixels().all(|pixel| pixel.0 == [0; 3]));
    }
    let values = prepare(&crop, &input);
    assert_eq!(values.len(), 3 * (input.size * input.size) as usize);
    assert!(values.iter().all(|value| value.is_finite()));
}
