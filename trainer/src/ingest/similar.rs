//! The same cell twice: fields overlap, and a cell in two of them is one cell.
//!
//! Exact copies are told by their pixels, wherever they are from. Nearly equal ones are looked for within a group (a slide)
//! only: there a stage that was moved shows the same cell once more, in the same light and the same turn, while among a
//! thousand slides two healthy cells may look alike by chance.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use smearscope_common::crop::letterbox;
use smearscope_common::image::RgbImage;
use uuid::Uuid;

/// Side to which crops are brought to be compared.
const SIDE: u32 = 24;
/// Width and height may differ by so many pixels: a cell's outline stirs by one between two fields.
const SIZES: u32 = 3;
/// The mean difference of a colour's value, 0 to 255, within the cell up to which two crops show the same cell: what hardly any
/// two different ones have (docs/loop.md has the figures; an outline that stirs makes more of a difference than that).
const ALIKE: f32 = 5.5;

/// What is known of the cells so far.
#[derive(Default)]
pub struct Similar {
    exact: HashMap<[u8; 32], Uuid>,
    groups: BTreeMap<String, Vec<Seen>>,
}

struct Seen {
    id: Uuid,
    field: Uuid,
    size: (u32, u32),
    small: RgbImage,
}

impl Similar {
    /// Remembers a cell.
    pub fn add(&mut self, id: Uuid, group: &str, field: Uuid, crop: &RgbImage) {
        self.exact.insert(pixels(crop), id);
        self.groups.entry(group.to_owned()).or_default().push(Seen {
            id,
            field,
            size: crop.dimensions(),
            small: letterbox(crop, SIDE),
        });
    }

    /// A cell that was there before and shows the same, and whether it does so pixel for pixel.
    pub fn find(&self, group: &str, field: Uuid, crop: &RgbImage) -> Option<(Uuid, bool)> {
        if let Some(id) = self.exact.get(&pixels(crop)) {
            return Some((*id, true));
        }
        let small = letterbox(crop, SIDE);
        let (w, h) = crop.dimensions();
        let near = |seen: &&Seen| {
            // Two cells of one field are two cells.
            seen.field != field
                && seen.size.0.abs_diff(w) <= SIZES
                && seen.size.1.abs_diff(h) <= SIZES
                && difference(&seen.small, &small) <= ALIKE
        };
        let found = self.groups.get(group)?.iter().find(near)?;
        Some((found.id, false))
    }
}

fn pixels(crop: &RgbImage) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(crop.width().to_le_bytes());
    hash.update(crop.as_raw());
    hash.finalize().into()
}

/// The mean difference of two crops' values where either shows a cell.
fn difference(a: &RgbImage, b: &RgbImage) -> f32 {
    let (mut sum, mut n) = (0u64, 0u64);
    for (a, b) in a.pixels().zip(b.pixels()) {
        if a.0 != [0; 3] || b.0 != [0; 3] {
            n += 3;
            let pairs = a.0.iter().zip(&b.0);
            sum += pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        }
    }
    sum as f32 / n.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use smearscope_common::image::Rgb;

    /// A round cell with a dot at a place, under some light.
    fn cell(dot: (i32, i32), light: i32) -> RgbImage {
        RgbImage::from_fn(60, 62, |x, y| {
            let (dx, dy) = (x as i32 - 30, y as i32 - 31);
            if dx * dx + dy * dy > 29 * 29 {
                return Rgb([0; 3]);
            }
            let (ex, ey) = (dx - dot.0, dy - dot.1);
            let dark = if ex * ex + ey * ey < 80 { 60 } else { 0 };
            Rgb([170 - dark + light, 130 - dark + light, 140 - dark + light].map(|v| v as u8))
        })
    }

    #[test]
    fn the_same_cell_is_found_and_another_one_is_not() {
        let mut similar = Similar::default();
        let id = Uuid::from_u128(1);
        let [here, there] = [10, 11].map(Uuid::from_u128);
        similar.add(id, "a/1", here, &cell((8, 3), 0));
        assert_eq!(
            similar.find("a/1", there, &cell((8, 3), 0)),
            Some((id, true))
        );
        // The very pixels, whatever the group.
        assert_eq!(
            similar.find("b/1", there, &cell((8, 3), 0)),
            Some((id, true))
        );
        assert_eq!(
            similar.find("a/1", there, &cell((8, 3), 3)),
            Some((id, false))
        );
        assert_eq!(
            similar.find("a/1", here, &cell((8, 3), 3)),
            None,
            "two of one field"
        );
        assert_eq!(similar.find("b/1", there, &cell((8, 3), 3)), None);
        assert_eq!(similar.find("a/1", there, &cell((-8, 3), 0)), None);
        assert_eq!(similar.find("a/1", there, &RgbImage::new(60, 62)), None);
    }
}
