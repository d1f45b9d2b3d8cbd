//! The worst errors as pictures, each with the heat of Grad-CAM beside it.

use std::collections::HashMap;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use smearscope_common::crop;
use smearscope_common::image::{RgbImage, encode_png};
use smearscope_common::model_card::{CropSpec, InputSpec};
use tch::{Device, Tensor};

use crate::dataset::Dataset;
use crate::densenet::DenseNet;
use crate::grad_cam;
use crate::loader::{CROP_MEMORY, Crops, normalise, to_unit};
use crate::metrics::Judged;

/// Errors of each kind that are shown.
pub const SHOWN: usize = 24;

/// Side of a picture in pixels.
const SIDE: u32 = 96;

/// Crops per backward pass.
const BATCH: i64 = 16;

/// One error.
pub struct Picture {
    /// Its file in the data set.
    pub file: String,
    /// Whom it came from.
    pub subject: String,
    /// The probability of a parasite.
    pub p: String,
    /// The crop, as a `data:` address.
    pub crop: String,
    /// The crop with its heat; `None` where there is no Grad-CAM.
    pub overlay: Option<String>,
}

/// The network of a run, to ask it where it looked.
pub struct Witness<'a> {
    /// The network.
    pub net: &'a DenseNet,
    /// What it is fed.
    pub input: &'a InputSpec,
    /// How cells become its pictures.
    pub spec: &'a CropSpec,
    /// Where it computes.
    pub device: Device,
}

/// The errors of one class, the most confident first; ties by file name.
pub fn worst(cells: &[Judged], threshold: f64, truth: bool) -> Vec<&Judged> {
    let mut errors: Vec<_> = cells
        .iter()
        .filter(|cell| cell.truth == truth && (cell.p >= threshold) != truth)
        .collect();
    errors.sort_by(|a, b| {
        let confidence = if truth {
            a.p.total_cmp(&b.p)
        } else {
            b.p.total_cmp(&a.p)
        };
        confidence.then_with(|| a.file.cmp(&b.file))
    });
    errors
}

/// Draws errors, in their order. All heats share one scale; see [`scale`].
///
/// # Errors
/// The data can't be opened any more, or libtorch lacks memory.
pub fn draw(
    cells: &[&Judged],
    dataset: &Dataset,
    witness: Option<&Witness<'_>>,
) -> Result<Vec<Picture>> {
    let samples = dataset.samples.iter().enumerate();
    let by_file: HashMap<&str, usize> = samples.map(|(i, s)| (s.file.as_str(), i)).collect();
    let indices: Vec<usize> = cells
        .iter()
        .map(|cell| by_file[cell.file.as_str()])
        .collect();
    let raw = CropSpec::newest(None);
    let spec = witness.map_or(&raw, |witness| witness.spec);
    let crops = dataset.map_bytes(&indices, |i, bytes| {
        Ok(crop::letterbox(&dataset.decode(i, &bytes?, spec)?, SIDE))
    })?;
    let heats = match witness {
        Some(witness) if !indices.is_empty() => heats(witness, dataset, &indices)?,
        _ => HashMap::new(),
    };
    let highest = scale(cells.iter().zip(&indices).filter_map(|(cell, sample)| {
        let heat = heats.get(sample)?;
        Some((cell.truth, heat.iter().copied().fold(0.0, f32::max)))
    }));
    let draw = |((cell, crop), sample): ((&&Judged, Result<RgbImage>), &usize)| {
        let crop = crop?;
        let overlay = heats.get(sample).map(|heat| {
            let relative: Vec<f32> = heat.iter().map(|h| h / highest).collect();
            grad_cam::overlay(&crop, &relative)
        });
        Ok(Picture {
            file: cell.file.clone(),
            subject: cell.subject.clone(),
            p: format!("{:.4}", cell.p),
            overlay: overlay.as_ref().map(data_address).transpose()?,
            crop: data_address(&crop)?,
        })
    };
    cells.iter().zip(crops).zip(&indices).map(draw).collect()
}

/// The heat that is drawn brightest, of pairs (parasitized, highest heat): the median of the false
/// positives, in which the network did see something. Scaled to itself, a miss in which it saw
/// nothing would glow as brightly, and mislead. Without false positives, that of the misses.
fn scale(errors: impl Iterator<Item = (bool, f32)>) -> f32 {
    let (misses, false_positives): (Vec<_>, Vec<_>) = errors.partition(|(truth, _)| *truth);
    let of = if false_positives.is_empty() {
        misses
    } else {
        false_positives
    };
    let mut highest: Vec<f32> = of.into_iter().map(|(_, heat)| heat).collect();
    highest.sort_by(f32::total_cmp);
    // Never 0: where nothing was seen at all, nothing must glow.
    let median = highest.get(highest.len() / 2).copied();
    median.unwrap_or(1.0).max(1e-12)
}

/// The heat of each sample at [`SIDE`].
fn heats(
    witness: &Witness<'_>,
    dataset: &Dataset,
    indices: &[usize],
) -> Result<HashMap<usize, Vec<f32>>> {
    let positive = dataset.parasitized()?;
    let crops = Crops::load(
        dataset,
        indices,
        witness.input.size,
        witness.spec,
        witness.device,
        CROP_MEMORY,
    )?;
    let mut heats = HashMap::new();
    for start in (0..crops.len()).step_by(BATCH as usize) {
        let n = BATCH.min(crops.len() - start);
        let pixels = normalise(
            &to_unit(&crops.pixels(&(start..start + n).collect::<Vec<_>>())),
            witness.input,
        );
        let heat: Tensor = grad_cam::heat(witness.net, &pixels, positive, SIDE.into())?;
        for i in 0..n {
            let one = Vec::<f32>::try_from(heat.get(i).contiguous().view(-1))?;
            heats.insert(crops.samples[(start + i) as usize], one);
        }
    }
    Ok(heats)
}

fn data_address(picture: &RgbImage) -> Result<String> {
    let png = BASE64_STANDARD.encode(encode_png(picture)?);
    Ok(format!("data:image/png;base64,{png}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confident_errors_come_first() {
        let cell = |file: &str, truth: bool, p: f64| Judged {
            file: file.into(),
            truth,
            p,
            subject: "1".into(),
        };
        let cells = [
            cell("a", false, 0.95),
            cell("b", false, 0.99),
            cell("c", false, 0.2),
            cell("d", true, 0.5),
            cell("e", true, 0.01),
            cell("g", true, 0.95),
            cell("f", true, 0.01),
        ];
        let files = |truth: bool| -> Vec<&str> {
            worst(&cells, 0.9, truth)
                .iter()
                .map(|c| c.file.as_str())
                .collect()
        };
        assert_eq!(files(false), ["b", "a"]);
        assert_eq!(files(true), ["e", "f", "d"]);
    }
    #[test]
    fn one_scale_for_all_and_it_is_that_of_what_was_seen() {
        let errors = [
            (true, 0.01),
            (false, 3.0),
            (false, 1.0),
            (false, 2.0),
            (true, 9.0),
        ];
        assert_eq!(scale(errors.into_iter()), 2.0);
        assert_eq!(scale([(true, 0.5)].into_iter()), 0.5);
        assert!(scale([(true, 0.0)].into_iter()) > 0.0 && scale([].into_iter()) > 0.0);
    }
}
