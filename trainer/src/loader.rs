//! Samples → pixels, decoded once and in parallel; then on the device, or where they don't fit, in
//! a memory-mapped file from which each batch is sent there.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result};
use memmap2::Mmap;
use smearscope_common::crop;
use smearscope_common::image;
use smearscope_common::model_card::{CropSpec, InputSpec};
use tch::{Device, Kind, Tensor};

use crate::dataset::Dataset;
use crate::error::bad_input;

/// Samples that are decoded before they are handed on, so that no more than this is held twice.
const CHUNK: usize = 2048;

/// Bytes of decoded crops that may live on the device, where nothing else is said.
pub const CROP_MEMORY: u64 = 8_000_000_000;

/// Where decoded pixels are.
enum Pixels {
    /// u8 `[N, 3, S, S]` on the training device.
    Device(Tensor),
    /// The same, in a file without a name that vanishes with us.
    Disk(Mmap),
}

/// Decoded samples of one subset.
///
/// Invariant: pixels, labels and samples have the same length, which is at least 1.
pub struct Crops {
    pixels: Pixels,
    /// Side S in pixels.
    size: u32,
    /// i64 `[N]` on the device, class of each.
    pub labels: Tensor,
    /// Index of each in the data set.
    pub samples: Vec<usize>,
}

impl Crops {
    /// Decodes the given samples to squares of `size` pixels as a model of that crop path is shown them, by the board's own
    /// [`crop::letterbox`]. They live on the device if they take at most `memory` bytes there,
    /// else in a file in the system's folder for temporary files. A file that is no sound image is
    /// named in the log, counted and left out.
    ///
    /// # Errors
    /// Not one sample is readable, or the disk is full.
    pub fn load(
        dataset: &Dataset,
        indices: &[usize],
        size: u32,
        spec: &CropSpec,
        device: Device,
        memory: u64,
    ) -> Result<Self> {
        let bytes = indices.len() as u64 * 3 * u64::from(size) * u64::from(size);
        let mut store = if bytes <= memory {
            Store::Memory(Vec::new())
        } else {
            let file = tempfile::tempfile().context(
                "cannot make a temporary file for the decoded crops (TMPDIR says where)",
            )?;
            tracing::info!(
                "{:.1} GB of decoded crops don't fit into --crop-memory and go to disk",
                bytes as f64 / 1e9
            );
            Store::Disk(file)
        };
        let mut samples = Vec::with_capacity(indices.len());
        for chunk in indices.chunks(CHUNK) {
            let decoded = dataset.map_bytes(chunk, |i, bytes| {
                let square =
                    bytes.and_then(|b| Ok(crop::letterbox(&dataset.decode(i, &b, spec)?, size)));
                (i, square.map(|square| planes(&square)))
            })?;
            for (i, planes) in decoded {
                match planes {
                    Ok(planes) => {
                        samples.push(i);
                        store.push(&planes)?;
                    }
                    Err(e) => tracing::warn!("skipped {}: {e:#}", dataset.samples[i].file),
                }
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
        let labels: Vec<i64> = samples
            .iter()
            .map(|&i| dataset.samples[i].class as i64)
            .collect();
        Ok(Self {
            pixels: store.finish(samples.len() as i64, size, device)?,
            size,
            labels: Tensor::from_slice(&labels).to_device(device),
            samples,
        })
    }

    /// How many there are; never 0.
    pub fn len(&self) -> i64 {
        self.samples.len() as i64
    }

    /// Never: see [`Crops::len`].
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Bytes of pixels on the device.
    pub fn device_bytes(&self) -> u64 {
        match &self.pixels {
            Pixels::Device(all) => all.numel() as u64,
            Pixels::Disk(_) => 0,
        }
    }

    /// i64 `[n]`, the classes of the crops at the given places, on the device.
    pub fn labels_of(&self, places: &[i64]) -> Tensor {
        let places = Tensor::from_slice(places).to_device(self.labels.device());
        self.labels.index_select(0, &places)
    }

    /// u8 `[n, 3, S, S]` of the crops at the given places, on the device.
    pub fn pixels(&self, places: &[i64]) -> Tensor {
        match &self.pixels {
            Pixels::Device(all) => {
                all.index_select(0, &Tensor::from_slice(places).to_device(all.device()))
            }
            Pixels::Disk(file) => {
                let one = 3 * self.size as usize * self.size as usize;
                let chosen: Vec<u8> = places
                    .iter()
                    .flat_map(|&place| &file[place as usize * one..][..one])
                    .copied()
                    .collect();
                Tensor::from_slice(&chosen)
                    .view([places.len() as i64, 3, self.size.into(), self.size.into()])
                    .to_device(self.labels.device())
            }
        }
    }
}

/// Pixels as they come in.
enum Store {
    Memory(Vec<u8>),
    Disk(File),
}

impl Store {
    fn push(&mut self, planes: &[u8]) -> Result<()> {
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(planes),
            Self::Disk(file) => file.write_all(planes).context(
                "cannot write the decoded crops to a temporary file (TMPDIR says where)",
            )?,
        }
        Ok(())
    }

    #[allow(unsafe_code)]
    fn finish(self, n: i64, size: u32, device: Device) -> Result<Pixels> {
        Ok(match self {
            Self::Memory(bytes) => Pixels::Device(
                Tensor::from_slice(&bytes)
                    .view([n, 3, size.into(), size.into()])
                    .to_device(device),
            ),
            // SAFETY: the file has no name, so nobody else can change or shorten it, and we don't.
            Self::Disk(file) => Pixels::Disk(
                unsafe { Mmap::map(&file) }.context("cannot map the decoded crops into memory")?,
            ),
        })
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

    fn raw() -> CropSpec {
        CropSpec::newest(None)
    }

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
        let crops = Crops::load(&data, &[0, 1], input.size, &raw(), Device::Cpu, 1 << 20).unwrap();
        assert_eq!(crops.samples, [0], "the broken one is left out");
        let pixels = crops.pixels(&[0]);
        let trainer: Vec<f32> = normalise(&to_unit(&pixels), &input)
            .view(-1)
            .try_into()
            .unwrap();
        let board = crop::prepare(&crop, &input);
        // The same bytes before normalisation; then the same arithmetic in f32.
        let letterboxed: Vec<u8> = pixels.view(-1).try_into().unwrap();
        assert_eq!(letterboxed, planes(&crop::letterbox(&crop, input.size)));
        assert_eq!(trainer, board);
        assert!(Crops::load(&data, &[1], 48, &raw(), Device::Cpu, 1 << 20).is_err());
    }

    #[test]
    fn what_does_not_fit_is_read_from_disk_and_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let class = dir.path().join("Parasitized");
        fs::create_dir(&class).unwrap();
        for i in 0..5u8 {
            let crop = RgbImage::from_fn(40, 40, |x, y| Rgb([x as u8 + i, y as u8, 7 * i]));
            let name = format!("C1_cell_{i}.png");
            fs::write(class.join(name), encode_png(&crop).unwrap()).unwrap();
        }
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let load =
            |memory| Crops::load(&data, &[0, 1, 2, 3, 4], 32, &raw(), Device::Cpu, memory).unwrap();
        let (memory, disk) = (load(5 * 3 * 32 * 32), load(5 * 3 * 32 * 32 - 1));
        assert!(matches!(memory.pixels, Pixels::Device(_)));
        assert!(matches!(disk.pixels, Pixels::Disk(_)));
        assert_eq!(memory.pixels(&[3, 0]), disk.pixels(&[3, 0]));
        assert_ne!(memory.pixels(&[3]), memory.pixels(&[0]));
    }
}
