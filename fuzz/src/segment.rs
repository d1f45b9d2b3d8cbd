//! A picture through `segment`, `quality` and the crop path.

use smearscope_common::crop;
use smearscope_common::geometry::Rect;
use smearscope_common::image::RgbImage;
use smearscope_common::model_card::InputSpec;
use smearscope_common::segment::{self, Segmentation};

use super::picture::picture;

/// The most cells whose crops are made for the network: each is the same work.
const MAX_CROPS: usize = 32;

/// Finds cells in the picture that the bytes describe.
pub fn check(bytes: &[u8]) {
    let image = picture(bytes);
    let found = segment::segment(&image);
    holds(&image, &found);
    assert!(
        same(&found, &segment::segment(&image)),
        "the same picture has other cells the second time"
    );
    let quality = segment::quality(&image, &found, 32.0);
    assert!(
        quality.focus.is_finite() && quality.focus >= 0.0,
        "{quality:?}"
    );
    assert!((0.0..=1.0).contains(&quality.exposure), "{quality:?}");
    let input = InputSpec {
        size: 32,
        colour_order: "rgb".into(),
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    for cell in found.cells.iter().take(MAX_CROPS) {
        let cut = crop::cut(&image, cell);
        assert_eq!(cut.dimensions(), (cell.bbox.w, cell.bbox.h));
        let values = crop::prepare(&cut, &input);
        assert_eq!(values.len(), 3 * 32 * 32);
        assert!(values.iter().all(|value| value.is_finite()));
    }
}

/// What the segmentation promises of any picture.
///
/// # Panics
/// When it doesn't hold.
pub fn holds(image: &RgbImage, found: &Segmentation) {
    let (width, height) = image.dimensions();
    let inside = |bbox: &Rect| {
        bbox.w > 0
            && bbox.h > 0
            && bbox.right() <= u64::from(width)
            && bbox.bottom() <= u64::from(height)
    };
    let mut owned = vec![false; width as usize * height as usize];
    for cell in &found.cells {
        let Rect { x, y, w, h } = cell.bbox;
        assert!(inside(&cell.bbox), "a cell outside: {:?}", cell.bbox);
        assert!(
            !cell.bbox.touches_edge(width, height),
            "a cell that the frame cuts: {:?}",
            cell.bbox
        );
        assert_eq!((cell.mask.width(), cell.mask.height()), (w, h));
        assert!(cell.area > 0 && cell.area == cell.mask.area());
        assert!(
            cell.roundness > 0.0 && cell.roundness <= 1.0,
            "roundness {}",
            cell.roundness
        );
        let column = |x| (0..h).any(|y| cell.mask.get(x, y));
        let row = |y| (0..w).any(|x| cell.mask.get(x, y));
        assert!(
            column(0) && column(w - 1) && row(0) && row(h - 1),
            "a box that isn't tight: {:?}",
            cell.bbox
        );
        for dy in 0..h {
            for dx in (0..w).filter(|&dx| cell.mask.get(dx, dy)) {
                let pixel = &mut owned[(y + dy) as usize * width as usize + (x + dx) as usize];
                assert!(!*pixel, "two cells share a pixel in {:?}", cell.bbox);
                *pixel = true;
            }
        }
    }
    for other in &found.others {
        assert!(inside(&other.bbox), "a thing outside: {:?}", other.bbox);
    }
    assert!(found.others.len() <= segment::MAX_OTHERS);
    let place = |bbox: &Rect| (bbox.y, bbox.x);
    assert!(found.cells.is_sorted_by_key(|cell| place(&cell.bbox)));
    assert!(found.others.is_sorted_by_key(|other| place(&other.bbox)));
    assert_eq!(found.cell_diameter.is_some(), !found.cells.is_empty());
    assert!(found.cell_diameter.is_none_or(|d| d.is_finite() && d > 0.0));
    assert!(!(found.crowded && found.cells.is_empty()));
}

/// Whether two answers are the same to the bit.
fn same(a: &Segmentation, b: &Segmentation) -> bool {
    let cells = a.cells.len() == b.cells.len()
        && a.cells.iter().zip(&b.cells).all(|(a, b)| {
            (a.bbox, &a.mask, a.area, a.split) == (b.bbox, &b.mask, b.area, b.split)
                && a.roundness.to_bits() == b.roundness.to_bits()
        });
    cells && a.others == b.others && a.cell_diameter == b.cell_diameter && a.crowded == b.crowded
}
