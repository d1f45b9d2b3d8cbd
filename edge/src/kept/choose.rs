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
/// So many that are unlike those before them.
const NOVEL: usize = 2;
/// How far from the usual, which is 1, such a cell is.
const UNLIKE: f32 = 2.0;
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
    /// Of how many cells it was drawn by lot; 1 without a lot.
    pub stands_for: u32,
    /// How unlike the cells before it it is.
    pub novelty: Option<f32>,
}

impl Chosen {
    /// A cell of a field with what is kept of it; `None` where nothing of it lies in the field.
    ///
    /// # Errors
    /// When a picture can't be encoded.
    pub fn of(
        field: &RgbImage,
        cell: CellResult,
        mask: &Mask,
        reason: KeptReason,
    ) -> Result<Option<Self>, ImageError> {
        let Some(crop) = with_margin(field, cell.bbox) else {
            return Ok(None);
        };
        Ok(Some(Self {
            reason,
            cell,
            crop,
            picture: encode_png(&part(field, crop))?,
            mask: encode_png(&drawn(mask, cell.bbox, crop))?,
            stands_for: 1,
            novelty: None,
        }))
    }
}

/// Chooses from the cells of a field, each with its mask and its novelty, those that were counted.
///
/// # Errors
/// When a picture can't be encoded.
pub fn choose(
    field: &RgbImage,
    cells: &[CellResult],
    masks: &[Mask],
    novelties: &[Option<f32>],
    threshold: f32,
    lot: &mut impl Rng,
) -> Result<Vec<Chosen>, ImageError> {
    let counted: Vec<usize> = (0..cells.len().min(masks.len()))
        // A database knows no other numbers.
        .filter(|&i| !cells[i].counted_before && cells[i].p_parasitized.is_finite())
        .collect();
    let novelty = |i: usize| novelties.get(i).copied().flatten();
    let reasons = reasons(cells, &counted, novelty, threshold, lot);
    let by_lot = |reason: &KeptReason| *reason == KeptReason::Random;
    let others = reasons.iter().filter(|(_, reason)| !by_lot(reason)).count();
    let drawn = reasons.len() - others;
    let mut chosen = Vec::new();
    for (i, reason) in reasons {
        if let Some(found) = Chosen::of(field, cells[i], &masks[i], reason)? {
            chosen.push(Chosen {
                stands_for: match by_lot(&reason) {
                    true => ((counted.len() - others) / drawn) as u32,
                    false => 1,
                },
                novelty: novelty(i),
                ..found
            });
        }
    }
    Ok(chosen)
}

/// The places of the chosen cells, and why each is chosen; none twice.
fn reasons(
    cells: &[CellResult],
    counted: &[usize],
    novelty: impl Fn(usize) -> Option<f32>,
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
    let mut novel: Vec<(f32, usize)> = rest
        .iter()
        .filter_map(|&i| Some((novelty(i).filter(|novelty| *novelty >= UNLIKE)?, i)))
        .collect();
    novel.sort_by(|a, b| b.0.total_cmp(&a.0));
    let novel: Vec<usize> = novel.into_iter().take(NOVEL).map(|(_, i)| i).collect();
    rest.retain(|i| !novel.contains(i));
    let drawn = (0..BY_LOT.min(rest.len()))
        .map(|_| rest.swap_remove(lot.random_range(0..rest.len())))
        .collect();
    [
        (suspicious, KeptReason::Suspicious),
        (near, KeptReason::Threshold),
        (novel, KeptReason::Novel),
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
            |_| None,
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
        let kept = choose(&field, &cells, &masks, &[], THRESHOLD, &mut lot).unwrap();
        assert!(kept.len() > SUSPICIOUS);
        for kept in kept {
            let i = cells.iter().position(|c| *c == kept.cell).unwrap();
            let (picture, mask) = (decode(&kept.picture).unwrap(), decode(&kept.mask).unwrap());
            let bbox = kept.cell.bbox;
            let cut = crop::cut_again(&picture, &mask, kept.crop, bbox).unwrap();
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
        let kept = choose(&field, &cells, &masks, &[], THRESHOLD, &mut lot).unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].cell.p_parasitized, 0.95);
    }

    #[test]
    fn the_most_unlike_are_chosen_and_the_lot_speaks_for_all_the_others() {
        let field = RgbImage::new(40, 40);
        let mut cells = vec![cell(0.01); 60];
        cells[3] = cell(0.9);
        let masks = vec![Mask::new(4, 4); 60];
        let mut novelties = vec![Some(1.0); 60];
        for (i, novelty) in [(3, 9.0), (5, 2.5), (6, 7.0), (7, 3.0), (8, 1.9)] {
            novelties[i] = Some(novelty);
        }
        let mut lot = ChaCha8Rng::seed_from_u64(1);
        let kept = choose(&field, &cells, &masks, &novelties, THRESHOLD, &mut lot).unwrap();
        let seen: Vec<_> = kept
            .iter()
            .map(|kept| (kept.reason, kept.novelty, kept.stands_for))
            .collect();
        assert_eq!(
            seen[..3],
            [
                (KeptReason::Suspicious, Some(9.0), 1),
                (KeptReason::Novel, Some(7.0), 1),
                (KeptReason::Novel, Some(3.0), 1)
            ]
        );
        assert_eq!((seen[3].0, seen[3].2), (KeptReason::Random, 57));
        let all: u32 = kept.iter().map(|kept| kept.stands_for).sum();
        assert_eq!(all, 60);
    }
}
