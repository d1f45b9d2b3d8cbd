//! Samples → pixels on the device, decoded once and in parallel.

use anyhow::Result;
use rayon::prelude::*;
use smearscope_common::crop;
use smearscope_common::image;
use smearscope_common::model_card::InputSpec;
use tch::{Device, Kind, Tensor};

use crate::dataset::Dataset;
use crate::error::bad_input;

/// Decoded samples of one subset.
///
/// Invariant: the three have the same length, which is at least 1.
pub struct Crops {
    /// u8 `[N, 3, S, S]` on the device, made by the board's own [`crop::letterbox`].
    pub pixels: Tensor,
    /// i64 `[N]`, class of each.
    pub labels: Tensor,
    /// Index of each in the data set.
    pub samples: Vec<usize>,
}

impl Crops {
    /// Decodes the given samples to squares of `size` pixels. A file that is no sound image is
    /// named in the log, counted and left out.
    ///
    /// # Errors
    /// Not one sample is readable.
    pub fn load(dataset: &Dataset, indices: &[usize], size: u32, device: Device) -> Result<Self> {
        let decoded = dataset.map_bytes(indices, |i, bytes| {
            let square = bytes.and_then(|b| Ok(crop::letterbox(&image::decode(&b)?, size)));
            (i, square.map(|square| planes(&square)))
        })?;
        let mut samples = Vec::with_capacity(indices.len());
        let mut pixels = Vec::with_capacity(indices.len());
        for (i, planes) in decoded {
            match planes {
                Ok(planes) => {
                    samples.push(i);
                    pixels.push(planes);
                }
                Err(e) => tracing::warn!("skipped {}: {e:#}", dataset.samples[i].file),
            }
        }
        let skipped = indices.len() - samples.len();
        if skipped > 0 {
            tracing::warn!(
                "{skipped} of {} files could not be read and were skipped",
                indices.len()
            );
        }
        if samples.is_empty() {
            return Err(bad_input!(
                "none of the {} images could be read",
                indices.len()
            ));
        }
        let (n, side) = (samples.len() as i64, i64::from(size));
        let labels: Vec<i64> = samples
            .iter()
            .map(|&i| dataset.samples[i].class as i64)
            .collect();
        let pixels = pixels.into_par_iter().flatten_iter().collect::<Vec<u8>>();
        Ok(Self {
            pixels: Tensor::from_slice(&pixels)
                .view([n, 3, side, side])
                .to_device(device),
            labels: Tensor::from_slice(&labels).to_device(device),
            samples,
        })
    }

    /// How many there are; never 0.
    pub fn len(&self) -> i64 {
        self.samples.len() as i64
    }
}

/// Interleaved RGB → three planes.
fn planes(square: &image::RgbImage) -> Vec<u8> {
    (0..3)
        .flat_map(|c| square.pixels().map(move |p| p[c]))
        .collect()
}

/// u8 pixels → f32 in 0 to 1.
pub fn to_unit(pixels: &Tensor) -> Tensor {
    pixels.to_kind(Kind::Float) / 255.0
}

/// f32 in 0 to 1 → what the network sees, as [`crop::prepare`] does on the board.
pub fn normalise(unit: &Tensor, input: &InputSpec) -> Tensor {
    let plane = |values: &[f32; 3]| {
        Tensor::from_slice(values)
            .view([1, 3, 1, 1])
            .to_device(unit.device())
    };
    (unit - plane(&input.mean)) / plane(&input.std)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use regex::Regex;
    use smearscope_common::image::{Rgb, RgbImage, encode_png};
    use std::fs;

    #[test]
    fn the_trainer_and_the_board_see_the_same_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let class = dir.path().join("Parasitized");
        fs::create_dir(&class).unwrap();
        let crop = RgbImage::from_fn(97, 61, |x, y| {
            Rgb([(x * 2) as u8, (y * 3) as u8, (x * y) as u8])
        });
        fs::write(class.join("C1_cell_1.png"), encode_png(&crop).unwrap()).unwrap();
        fs::write(class.join("C1_cell_2.png"), b"broken").unwrap();
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let input = InputSpec {
            size: 48,
            colour_order: "rgb".into(),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        };
        let crops = Crops::load(&data, &[0, 1], input.size, Device::Cpu).unwrap();
        assert_eq!(crops.samples, [0], "the broken one is left out");
        let trainer: Vec<f32> = normalise(&to_unit(&crops.pixels), &input)
            .view(-1)
            .try_into()
            .unwrap();
        let board = crop::prepare(&crop, &input);
        // The same bytes before normalisation; then the same arithmetic in f32.
        let letterboxed: Vec<u8> = crops.pixels.view(-1).try_into().unwrap();
        assert_eq!(letterboxed, planes(&crop::letterbox(&crop, input.size)));
        assert_eq!(trainer, board);
        assert!(Crops::load(&data, &[1], 48, Device::Cpu).is_err());
    }
}
