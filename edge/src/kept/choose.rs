//! Which cells of a field are kept, and what of them.

use rand::Rng;
use smearscope_common::geometry::{Mask, Rect};
use smearscope_common::image::{ImageError, Rgb, RgbImage, encode_png};
use smearscope_common::message::{CellResult, KeptReason, Label};

use crate::slide::{part, with_margin};

/// Of a field so many of those that the model calls parasitized: all of them where parasites are rare and each false alarm
/// counts, and a part where they abound.
const SUSPICIOUS: usize = 12;
/// So many that the model could hardly decide on.
const NEAR: usize = 3;
/// So many by lot.
const BY_LOT: usize = 1;
/// How near the threshold that is, in logits: odds that are at most 4.5 times as high or low.
const MARGIN: f32 = 1.5;

/// A cell that is to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Why.
    pub reason: KeptReason,
    /// What the model says of it.
    pub cell: CellResult,
    /// The part of the field that the pictures show.
    pub crop: Rect,
    /// PNG: that part, pixel for pixel.
    pub picture: Vec<u8>,
    /// PNG: white where the cell is.
    pub mask: Vec<u8>,
}

/// Chooses from the cells of a field, of which each has its mask, those that were counted.
///
/// # Errors
/// When a picture can't be encoded.
pub fn choose(
    field: &RgbImage,
    cells: &[CellResult],
    masks: &[Mask],
    threshold: f32,
    lot: &mut impl Rng,
) -> Result<Vec<Chosen>, ImageError> {
    let counted: Vec<usize> = (0..cells.len().min(masks.len()))
        // A database knows no other numbers.
        .filter(|&i| !cells[i].counted_before && cells[i].p_parasitized.is_finite())
        .collect();
    let mut chosen = Vec::new();
    for (i, reason) in reasons(cells, &counted, threshold, lot) {
        let (cell, mask) = (cells[i], &masks[i]);
        if let Some(crop) = with_margin(field, cell.bbox) {
            chosen.push(Chosen {
                reason,
                cell,
                crop,
                picture: encode_png(&part(field, crop))?,
                mask: encode_png(&drawn(mask, cell.bbox, crop))?,
            });
        }
    }
    Ok(chosen)
}

/// The places of the chosen cells, and why each is chosen; none twice.
fn reasons(
    cells: &[CellResult],
    counted: &[usize],
    threshold: f32,
    lot: &mut impl Rng,
) -> Vec<(usize, KeptReason)> {
    let distance = |i: &usize| (logit(cells[*i].p_parasitized) - logit(threshold)).abs();
    let mut near: Vec<usize> = counted.to_vec();
    near.retain(|i| distance(i) <= MARGIN);
    near.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    near.truncate(NEAR);
    let mut suspicious: Vec<usize> = counted.to_vec();
    suspicious.retain(|i| cells[*i].label == Label::Parasitized && !near.contains(i));
    suspicious.sort_by(|a, b| cells[*b].p_parasitized.total_cmp(&cells[*a].p_parasitized));
    suspicious.truncate(SUSPICIOUS);
    let mut rest: Vec<usize> = counted.to_vec();
    rest.retain(|i| !near.contains(i) && !suspicious.contains(i));
    let drawn = (0..BY_LOT.min(rest.len()))
        .map(|_| rest.swap_remove(lot.random_range(0..rest.len())))
        .collect();
    [
        (suspicious, KeptReason::Suspicious),
        (near, KeptReason::Threshold),
        (drawn, KeptReason::Random),
    ]
    .into_iter()
    .flat_map(|(places, reason): (Vec<usize>, _)| places.into_iter().map(move |i| (i, reason)))
    .collect()
}

/// The logit of a probability; finite at 0 and 1, too.
fn logit(p: f32) -> f32 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// A cell's mask in the part of the field around it.
fn drawn(mask: &Mask, bbox: Rect, crop: Rect) -> RgbImage {
    RgbImage::from_fn(crop.w, crop.h, |x, y| {
        // A part of the field begins at most as far right and down as the box within it.
        let inside = (crop.x + x)
            .checked_sub(bbox.x)
            .zip((crop.y + y).checked_sub(bbox.y));
        let is_cell = inside.is_some_and(|(x, y)| mask.get(x, y));
        Rgb([if is_cell { 255 } else { 0 }; 3])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use smearscope_common::crop;
    use smearscope_common::image::decode;
    use smearscope_common::segment::segment;
    use smearscope_common::synth::{SmearSpec, smear};

    const THRESHOLD: f32 = 0.4;

    fn cell(p_parasitized: f32) -> CellResult {
        CellResult {
            bbox: Rect::from([0, 0, 4, 4]),
            label: match p_parasitized >= THRESHOLD {
                true => Label::Parasitized,
                false => Label::Uninfected,
            },
            p_parasitized,
            counted_before: false,
        }
    }

    fn chosen(cells: &[CellResult], seed: u64) -> Vec<(usize, KeptReason)> {
        let counted: Vec<usize> = (0..cells.len()).collect();
        reasons(
            cells,
            &counted,
            THRESHOLD,
            &mut ChaCha8Rng::seed_from_u64(seed),
        )
    }

    #[test]
    fn all_that_is_suspicious_and_near_is_chosen_where_that_is_little_and_one_by_lot() {
        let mut cells = vec![cell(0.001); 100];
        cells[7] = cell(0.99);
        cells[9] = cell(0.35);
        cells[11] = cell(0.45);
        cells[13] = cell(0.9);
        let found = chosen(&cells, 1);
        assert_eq!(
            found[..4],
            [
                (7, KeptReason::Suspicious),
                (13, KeptReason::Suspicious),
                (11, KeptReason::Threshold),
                (9, KeptReason::Threshold)
            ]
        );
        assert_eq!((found.len(), found[4].1), (5, KeptReason::Random));
        // Each cell has its chance.
        let mut drawn: Vec<usize> = (0..2000).map(|seed| chosen(&cells, seed)[4].0).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 96);
    }

    #[test]
    fn of_many_the_most_suspicious_and_the_nearest_are_chosen_and_none_twice() {
        let cells: Vec<_> = (0..200).map(|i| cell(i as f32 / 199.0)).collect();
        let found = chosen(&cells, 3);
        assert_eq!(found.len(), SUSPICIOUS + NEAR + BY_LOT);
        assert_eq!(found[0].0, 199);
        let mut places: Vec<_> = found.iter().map(|(i, _)| *i).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), found.len());
        let near = found.iter().filter(|(_, r)| *r == KeptReason::Threshold);
        assert!(
            near.clone().all(|(i, _)| (78..=82).contains(i)),
            "{found:?}"
        );
        assert_eq!(chosen(&[], 1), []);
    }

    #[test]
    fn picture_and_mask_make_the_very_crop_that_the_model_saw() {
        let field = smear(&SmearSpec::default(), 5).image;
        let found = segment(&field).cells;
        let cells: Vec<CellResult> = found
            .iter()
            .map(|found| CellResult {
                bbox: found.bbox,
                ..cell(0.9)
            })
            .collect();
        let masks: Vec<Mask> = found.iter().map(|found| found.mask.clone()).collect();
        let mut lot = ChaCha8Rng::seed_from_u64(1);
        let kept = choose(&field, &cells, &masks, THRESHOLD, &mut lot).unwrap();
        assert!(kept.len() > SUSPICIOUS);
        for kept in kept {
            let i = cells.iter().position(|c| *c == kept.cell).unwrap();
            let (picture, mask) = (decode(&kept.picture).unwrap(), decode(&kept.mask).unwrap());
            assert_eq!(picture.dimensions(), (kept.crop.w, kept.crop.h));
            assert_eq!(picture.dimensions(), mask.dimensions());
            let bbox = kept.cell.bbox;
            let cut = RgbImage::from_fn(bbox.w, bbox.h, |x, y| {
                let (x, y) = (bbox.x - kept.crop.x + x, bbox.y - kept.crop.y + y);
                match mask.get_pixel(x, y)[0] {
                    0 => Rgb([0; 3]),
                    _ => *picture.get_pixel(x, y),
                }
            });
            assert_eq!(cut, crop::cut(&field, &found[i]));
            assert!(kept.crop.w > bbox.w && kept.crop.h > bbox.h);
        }
    }

    #[test]
    fn what_was_counted_before_or_has_no_probability_is_not_kept() {
        let field = RgbImage::new(40, 40);
        let mut cells = [cell(0.9), cell(0.95), cell(f32::NAN)];
        cells[0].counted_before = true;
        let masks = vec![Mask::new(4, 4); 3];
        let mut lot = ChaCha8Rng::seed_from_u64(1);
        let kept = choose(&field, &cells, &masks, THRESHOLD, &mut lot).unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].cell.p_parasitized, 0.95);
    }
}
