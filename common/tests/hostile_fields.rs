//! Pictures that no clinic should send and some clinic will: the answer is sensible and its size bounded.

use smearscope_common::image::{Rgb, RgbImage};
use smearscope_common::segment::{MAX_OTHERS, OtherKind, Segmentation, segment};
use smearscope_common::synth::{SmearSpec, smear};

// Only what holds of any segmentation is needed here.
#[allow(dead_code)]
#[path = "../../fuzz/src/lib.rs"]
mod checks;
mod pictures;

const GLASS: [u8; 3] = [225, 210, 220];
const CELL: [u8; 3] = [175, 110, 130];
const NUCLEUS: [u8; 3] = [80, 40, 120];

/// The segmentation, of which everything holds that it promises of any picture.
fn segmented(image: &RgbImage) -> Segmentation {
    let found = segment(image);
    checks::segment::holds(image, &found);
    found
}

/// A chain of numbers that look like chance (Marsaglia's xorshift).
struct Chance(u32);

impl Chance {
    /// 0 to `below` − 1.
    fn below(&mut self, below: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        ((u64::from(self.0) * u64::from(below)) >> 32) as u32
    }
}

/// A camera's grain of so many levels up and down.
fn with_grain(levels: u8, mut image: RgbImage) -> RgbImage {
    let mut chance = Chance(1);
    let levels = i32::from(levels);
    for value in image.iter_mut() {
        let noise = chance.below(2 * levels as u32 + 1) as i32 - levels;
        *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
    }
    image
}

/// Cells of `radius` on a square lattice of glass.
fn lattice(size: [u32; 2], pitch: u32, radius: f32) -> RgbImage {
    pictures::lattice(size, pitch, radius, [CELL, GLASS])
}

#[test]
fn glass_with_grain_has_no_cells() {
    for (seed, noise) in [2.0, 4.0, 8.0, 16.0].into_iter().enumerate() {
        let spec = SmearSpec {
            width: 640,
            height: 480,
            cells: 0,
            platelets: 0,
            noise,
            ..SmearSpec::default()
        };
        let found = segmented(&smear(&spec, seed as u64).image);
        assert!(found.cells.is_empty(), "grain {noise}");
    }
    for gray in [0, 7, 25, 60, 128, 248, 255] {
        let plain = RgbImage::from_pixel(640, 480, Rgb([gray; 3]));
        let found = segmented(&with_grain(6, plain));
        assert!(found.cells.is_empty(), "gray {gray}");
        // Darker ones show as much grain as pale cells have contrast.
        assert!(found.others.is_empty() || gray < 128, "gray {gray}");
    }
}

#[test]
fn a_covered_lens_shows_nothing() {
    for gray in [0, 3, 12] {
        let found = segmented(&with_grain(
            6,
            RgbImage::from_pixel(640, 480, Rgb([gray; 3])),
        ));
        assert!(found.cells.is_empty() && found.others.is_empty(), "{gray}");
    }
}

#[test]
fn a_blob_as_large_as_the_frame_is_no_cell() {
    for radius in [200.0, 230.0, 300.0, 500.0] {
        let blob = RgbImage::from_fn(640, 480, |x, y| {
            let inside = (x as f32 - 320.0).hypot(y as f32 - 240.0) <= radius;
            Rgb(if inside { CELL } else { GLASS })
        });
        let found = segmented(&with_grain(6, blob));
        assert!(found.cells.is_empty(), "{radius}");
        assert!(found.others.len() <= 4, "{radius}: {}", found.others.len());
    }
}

/// Puts 10,000 specks of a few pixels anywhere.
fn specked(mut image: RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut chance = Chance(77);
    for _ in 0..10_000 {
        let (x, y) = (chance.below(width - 4), chance.below(height - 4));
        let side = 2 + chance.below(3);
        for (dx, dy) in (0..side).flat_map(|dx| (0..side).map(move |dy| (dx, dy))) {
            image.put_pixel(x + dx, y + dy, Rgb(NUCLEUS));
        }
    }
    image
}

#[test]
fn ten_thousand_specks_are_no_cells_and_make_no_endless_message() {
    let found = segmented(&specked(with_grain(
        2,
        RgbImage::from_pixel(1280, 960, Rgb(GLASS)),
    )));
    assert!(found.cells.is_empty(), "{}", found.cells.len());
    let message = serde_json::to_string(&found.others).unwrap();
    assert!(message.len() < 64 << 10, "{} bytes", message.len());
}

#[test]
fn of_more_things_than_are_reported_the_largest_are() {
    // 64 × 48 specks, every seventh of them larger.
    let image = RgbImage::from_fn(1280, 960, |x, y| {
        let side = if (x / 20 + y / 20 * 64) % 7 == 0 {
            6
        } else {
            4
        };
        let inside = (8..8 + side).contains(&(x % 20)) && (8..8 + side).contains(&(y % 20));
        Rgb(if inside { NUCLEUS } else { GLASS })
    });
    let found = segmented(&image);
    assert_eq!(found.others.len(), MAX_OTHERS);
    let large = found.others.iter().filter(|other| other.bbox.w > 5);
    assert_eq!(large.count(), (64 * 48_usize).div_ceil(7));
}

#[test]
fn cells_are_found_among_specks() {
    let spec = SmearSpec {
        cells: 60,
        overlap: 0.0,
        ..SmearSpec::default()
    };
    let clean = smear(&spec, 3).image;
    let without = segmented(&clean).cells.len();
    let with = segmented(&specked(clean)).cells.len();
    assert!(
        without > 30 && with.abs_diff(without) * 10 <= without,
        "{with} of {without}"
    );
}

#[test]
fn a_cell_alone_is_found_and_nothing_else() {
    for (radius, grain) in [(16.0, 0), (16.0, 2), (40.0, 2), (40.0, 6), (120.0, 6)] {
        let image = RgbImage::from_fn(640, 480, |x, y| {
            let inside = (x as f32 - 200.0).hypot(y as f32 - 240.0) <= radius;
            Rgb(if inside { CELL } else { GLASS })
        });
        let found = segmented(&with_grain(grain, image));
        assert_eq!(
            (found.cells.len(), found.others.len()),
            (1, 0),
            "{radius} in grain {grain}"
        );
        let diameter = found.cell_diameter.unwrap();
        assert!((diameter / (2.0 * radius) - 1.0).abs() < 0.05, "{diameter}");
    }
}

#[test]
fn a_lattice_of_touching_cells_is_counted_and_called_crowded() {
    let found = segmented(&lattice([800, 600], 40, 20.0));
    let edge = found.others.iter().filter(|o| o.kind == OtherKind::Edge);
    // 20 × 15, of which the outermost touch the frame.
    assert_eq!((found.cells.len(), edge.count()), (18 * 13, 66));
    assert!(found.crowded);
}

#[test]
fn rows_columns_and_checkerboards_are_answered() {
    let checkerboard = |w, h, period: u32| {
        segmented(&RgbImage::from_fn(w, h, |x, y| {
            let dark = (x / period + y / period).is_multiple_of(2);
            Rgb([if dark { 0 } else { 255 }; 3])
        }))
    };
    for (w, h) in [(1, 1), (1, 100_000), (100_000, 1), (2, 60_000), (50_000, 7)] {
        for period in [1, 9, 500] {
            let found = checkerboard(w, h, period);
            assert!(found.cells.is_empty(), "{w}x{h} {period}");
        }
    }
    // Squares of the size of cells may be taken for cells. With periods of 3 to 9 there are thousands of holes in one
    // thing; whatever is done for each of them must not take as long as that thing is large.
    for period in [1, 2, 3, 8, 40, 150] {
        checkerboard(640, 480, period);
    }
}

#[test]
fn a_picture_of_108_million_pixels_is_answered() {
    let found = segmented(&lattice([12_000, 9_000], 600, 240.0));
    assert_eq!(found.cells.len(), 20 * 15);
    let diameter = found.cell_diameter.unwrap();
    assert!((diameter - 480.0).abs() < 10.0, "{diameter}");
}
