//! Tests of the whole segmentation, on fields with exact truth and on pictures that are no fields.

use super::*;
use crate::image::Rgb;
use crate::synth::{ObjectKind, SmearSpec, SyntheticField, smear};

/// Whole red cells of a synthetic field that were found, whole red cells there are, cells that were reported.
fn found(field: &SyntheticField, segmentation: &Segmentation) -> [usize; 3] {
    let (w, h) = field.image.dimensions();
    let whole: Vec<Rect> = field
        .truth
        .iter()
        .filter(|object| object.kind.is_red_cell() && !object.bbox.touches_edge(w, h))
        .map(|object| object.bbox)
        .collect();
    let is_found = |bbox: &&Rect| segmentation.cells.iter().any(|c| c.bbox.iou(bbox) >= 0.5);
    [
        whole.iter().filter(is_found).count(),
        whole.len(),
        segmentation.cells.len(),
    ]
}

#[test]
fn synthetic_cells_are_counted_within_two_percent() {
    let mut sums = [0; 3];
    for seed in 0..6 {
        let field = smear(
            &SmearSpec {
                overlap: 0.05,
                ..SmearSpec::default()
            },
            seed,
        );
        let segmentation = segment(&field.image);
        assert!(!segmentation.crowded);
        let diameter = segmentation.cell_diameter.unwrap();
        assert!((diameter - 75.0).abs() < 6.0, "{diameter}");
        for (sum, n) in sums.iter_mut().zip(found(&field, &segmentation)) {
            *sum += n;
        }
    }
    let [found, whole, reported] = sums.map(|n| n as f64);
    assert!(found >= 0.98 * whole, "{sums:?}");
    assert!((reported - whole).abs() <= 0.02 * whole, "{sums:?}");
}

#[test]
fn overlapping_cells_are_counted_within_two_percent() {
    let mut sums = [0; 3];
    for seed in 20..26 {
        let spec = SmearSpec {
            overlap: 0.30,
            ..SmearSpec::default()
        };
        let field = smear(&spec, seed);
        for (sum, n) in sums.iter_mut().zip(found(&field, &segment(&field.image))) {
            *sum += n;
        }
    }
    let [_, whole, reported] = sums.map(|n| n as f64);
    assert!((reported - whole).abs() <= 0.02 * whole, "{sums:?}");
}

#[test]
fn a_scale_bar_across_cells_neither_cuts_nor_hides_them() {
    let field = smear(&SmearSpec::default(), 3);
    let mut drawn = field.image.clone();
    for y in 478..492 {
        for x in 300..560 {
            let black = (482..488).contains(&y) && (304..556).contains(&x);
            drawn.put_pixel(x, y, Rgb(if black { [0; 3] } else { [255; 3] }));
        }
    }
    let [before, with_bar] = [&field.image, &drawn].map(segment);
    assert!(with_bar.cells.len().abs_diff(before.cells.len()) <= 1);
    assert!(with_bar.others.len() > before.others.len());
}

#[test]
fn the_size_of_cells_and_of_the_field_does_not_matter() {
    for (width, height, cell_diameter) in
        [(320, 240, 38.0), (1920, 1440, 110.0), (1600, 1200, 30.0)]
    {
        let area = width as f32 * height as f32 / (cell_diameter * cell_diameter);
        let spec = SmearSpec {
            width,
            height,
            cell_diameter,
            cells: (area * 0.4) as u32,
            ..SmearSpec::default()
        };
        let field = smear(&spec, 11);
        let [found, whole, reported] = found(&field, &segment(&field.image));
        assert!(
            found * 100 >= whole * 95,
            "{width} {cell_diameter}: {found} of {whole}"
        );
        assert!(
            reported * 100 <= whole * 105,
            "{width} {cell_diameter}: {reported} of {whole}"
        );
    }
}

#[test]
fn masks_boxes_and_areas_agree() {
    let field = smear(&SmearSpec::default(), 5);
    let segmentation = segment(&field.image);
    assert!(
        segmentation
            .cells
            .is_sorted_by_key(|c| (c.bbox.y, c.bbox.x))
    );
    for cell in &segmentation.cells {
        assert_eq!(
            (cell.mask.width(), cell.mask.height()),
            (cell.bbox.w, cell.bbox.h)
        );
        assert_eq!(cell.mask.area(), cell.area);
        assert!(!cell.bbox.touches_edge(1280, 960));
        assert!((0.3..=1.0).contains(&cell.roundness));
    }
}

#[test]
fn cut_cells_white_cells_and_platelets_are_not_counted() {
    let spec = SmearSpec {
        white_cells: 2,
        platelets: 8,
        cells: 90,
        ..SmearSpec::default()
    };
    let (mut white, mut all_white, mut platelets) = (0, 0, 0);
    for seed in 0..4 {
        let field = smear(&spec, seed);
        let segmentation = segment(&field.image);
        for object in &field.truth {
            let matches = |bbox: &Rect| bbox.iou(&object.bbox) >= 0.5;
            let counted = segmentation.cells.iter().any(|cell| matches(&cell.bbox));
            let other = segmentation
                .others
                .iter()
                .find(|other| matches(&other.bbox));
            match object.kind {
                ObjectKind::WhiteCell => {
                    all_white += 1;
                    white += u32::from(other.is_some_and(|o| o.kind == OtherKind::WhiteCell));
                    assert!(!counted, "seed {seed}: {:?}", object.bbox);
                }
                ObjectKind::Platelet => {
                    platelets += u32::from(other.is_some_and(|o| o.kind == OtherKind::Platelet));
                    assert!(!counted, "seed {seed}: {:?}", object.bbox);
                }
                _ if object.bbox.touches_edge(1280, 960) => {
                    assert!(!counted, "seed {seed}: {:?}", object.bbox);
                }
                _ => {}
            }
        }
    }
    assert!(white * 4 >= all_white * 3, "{white} of {all_white}");
    assert!(platelets >= 16, "{platelets}");
}

#[test]
fn pictures_that_are_no_fields_have_no_cells() {
    let plain = |w, h, v| RgbImage::from_pixel(w, h, Rgb([v; 3]));
    for image in [
        RgbImage::new(0, 0),
        RgbImage::new(0, 9),
        plain(1, 1, 0),
        plain(1, 1, 255),
        plain(1, 700, 90),
        plain(900, 2, 90),
        plain(640, 480, 0),
        plain(640, 480, 128),
        plain(640, 480, 255),
    ] {
        let found = segment(&image);
        assert!(found.cells.is_empty(), "{:?}", image.dimensions());
        assert!(!found.crowded);
        assert_eq!(found.cell_diameter, None);
    }
}

#[test]
fn strange_pictures_do_no_harm() {
    let giant = RgbImage::from_fn(1000, 800, |x, y| {
        let inside = (40..960).contains(&x) && (40..760).contains(&y);
        Rgb(if inside { [120, 60, 90] } else { [230; 3] })
    });
    assert!(segment(&giant).cells.is_empty());
    let specks = RgbImage::from_fn(1000, 1000, |x, y| {
        Rgb(if x % 10 < 3 && y % 10 < 3 {
            [60; 3]
        } else {
            [230; 3]
        })
    });
    assert!(segment(&specks).cells.is_empty());
    // Chance and stripes may look like anything.
    let hash = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
    segment(&RgbImage::from_fn(700, 500, |x, y| {
        Rgb([hash(x, y) as u8; 3])
    }));
    segment(&RgbImage::from_fn(700, 500, |x, _| {
        Rgb([if x % 2 == 0 { 0 } else { 255 }; 3])
    }));
    segment(&RgbImage::from_fn(3000, 3, |x, _| Rgb([(x / 12) as u8; 3])));
}
