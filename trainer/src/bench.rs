//! `bench`: what the machine at hand does in a second, in the trainer's own code.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use serde::Serialize;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use smearscope_common::model_card::CropSpec;
use tch::nn::{ModuleT, VarStore};
use tch::{Cuda, Device};

use crate::dataset::Dataset;
use crate::densenet::{Architecture, Arithmetic, DenseNet};
use crate::error::bad_input;
use crate::evaluate::logits_of_crops;
use crate::loader::Crops;
use crate::memory;
use crate::recipe::Options;
use crate::say::say;
use crate::train::{Freeze, Material, learn, one_epoch, optimizer, views};

/// Each thing is timed this often; the median counts. One round more, before, only warms up.
const ROUNDS: usize = 5;

const SEED: u64 = 1;

/// The subject is the whole file name.
const EACH_ITS_OWN: &str = ".+";

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A folder or zip with one folder per class; without it, crops are drawn for the occasion.
    pub data: Option<PathBuf>,
    /// Steps of each of the five timed rounds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub steps: u64,
    /// As for `train`; measured is a fresh network that learns as a whole, whatever the recipe.
    #[command(flatten)]
    pub options: Options,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What was measured, in images per second.
#[derive(Debug, Serialize)]
struct Rates {
    device: String,
    arithmetic: Arithmetic,
    /// Of libtorch, on the CPU.
    threads: i32,
    /// That decode.
    decode_threads: usize,
    arch: Architecture,
    size: u32,
    batch: i64,
    /// Files → u8 squares on the device; happens once in a run.
    decode_per_s: f64,
    /// u8 squares → random views.
    augment_per_s: f64,
    /// Views → updated weights.
    train_step_per_s: f64,
    /// u8 squares → logits.
    evaluate_per_s: f64,
    /// u8 squares → updated weights, in the loop of `train`.
    epoch_images_per_s: f64,
}

/// Measures and prints.
///
/// # Errors
/// In one sentence: what, where, what to do.
pub fn run(args: &BenchArgs) -> Result<()> {
    let batch = args.options.batch();
    let drawn = tempfile::tempdir().context("cannot make a temporary folder")?;
    let data = match &args.data {
        Some(data) => data,
        None => {
            draw(drawn.path())?;
            drawn.path()
        }
    };
    // Whom the cells came from doesn't matter here: each is a subject of its own.
    let dataset = Dataset::open(data, &Regex::new(EACH_ITS_OWN)?)?;
    let rates = memory::guarded(&memory::smaller_batch(batch), || measure(args, &dataset))??;
    if args.json {
        say!("{}", serde_json::to_string(&rates)?)?;
    } else {
        print(&rates)?;
    }
    Ok(())
}

fn measure(args: &BenchArgs, dataset: &Dataset) -> Result<Rates> {
    if args.options.freeze == Some(Freeze::Backbone) {
        return Err(bad_input!(
            "bench measures a network that learns as a whole: leave --freeze backbone out"
        ));
    }
    let options = Options {
        freeze: Some(Freeze::None),
        ..args.options.clone()
    };
    let machine = options.machine()?;
    let settings = options.settings(&dataset.class_counts(), &machine, SEED)?;
    let device = machine.device;
    let (input, batch) = (options.input(), settings.batch as usize);
    tch::manual_seed(SEED as i64);
    let store = VarStore::new(device);
    let classes = dataset.classes.len() as i64;
    let architecture = options.arch;
    let mut net = DenseNet::new(&store.root(), architecture, options.head(), classes);
    net.set_arithmetic(settings.arithmetic);
    let mut optimizer = optimizer(&settings, &store);

    // As many crops as a round needs, some of them again and again where the data set is small.
    let mut order: Vec<usize> = (0..dataset.samples.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let wanted = args.steps as usize * batch;
    let chosen: Vec<usize> = order.into_iter().cycle().take(wanted).collect();
    let spec = CropSpec::newest(None);
    let load = || {
        Crops::load(
            dataset,
            &chosen,
            input.size,
            &spec,
            device,
            machine.crop_memory,
        )
    };
    let crops = Material::Crops(load()?);
    let Material::Crops(loaded) = &crops else {
        unreachable!("made in the line above")
    };
    let n = loaded.len() as usize;
    let places: Vec<i64> = (0..loaded.len()).collect();
    let view =
        |batch: &[i64]| tch::no_grad(|| views(&loaded.pixels(batch), &settings.augment, &input));

    let mut rates: [Vec<f64>; 5] = Default::default();
    // All things in turn, so that a machine that slows down in between slows all of them.
    for round in 0..=ROUNDS {
        let decode = per_second(device, n, || load().map(drop))?;
        let augment = per_second(device, n, || {
            places.chunks(batch).for_each(|batch| drop(view(batch)));
            Ok(())
        })?;
        let ready = places.chunks(batch).next().unwrap_or(&places);
        let (pixels, labels) = (view(ready), loaded.labels_of(ready));
        let step = per_second(device, args.steps as usize * ready.len(), || {
            for _ in 0..args.steps {
                let logits = net.forward_t(&pixels, true);
                let _ = learn(&settings, &mut optimizer, &logits, &labels, settings.rate);
            }
            Ok(())
        })?;
        let evaluate = per_second(device, n, || {
            logits_of_crops(&net, &input, loaded).map(drop)
        })?;
        let epoch = per_second(device, n, || {
            one_epoch(&settings, &input, 1, &net, &mut optimizer, &crops).map(drop)
        })?;
        if round > 0 {
            for (all, rate) in rates
                .iter_mut()
                .zip([decode, augment, step, evaluate, epoch])
            {
                all.push(rate);
            }
        }
    }
    let [decode, augment, step, evaluate, epoch] = rates.map(median);
    Ok(Rates {
        device: match device {
            Device::Cuda(n) => format!("cuda:{n}"),
            _ => "cpu".into(),
        },
        arithmetic: settings.arithmetic,
        threads: tch::get_num_threads(),
        decode_threads: rayon::current_num_threads(),
        arch: architecture,
        size: input.size,
        batch: settings.batch,
        decode_per_s: decode,
        augment_per_s: augment,
        train_step_per_s: step,
        evaluate_per_s: evaluate,
        epoch_images_per_s: epoch,
    })
}

/// How many of `n` images one second of `work` does.
fn per_second(device: Device, n: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    wait(device);
    let start = Instant::now();
    work()?;
    wait(device);
    Ok(n as f64 / start.elapsed().as_secs_f64())
}

/// Until the device has done all that it was told; the CPU always has.
fn wait(device: Device) {
    if let Device::Cuda(n) = device {
        Cuda::synchronize(n as i64);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Two classes of noisy discs of a cell's usual size, the same each time.
fn draw(folder: &Path) -> Result<()> {
    const EACH: usize = 64;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    for class in ["Parasitized", "Uninfected"] {
        let class = folder.join(class);
        let made = fs::create_dir(&class);
        made.with_context(|| format!("cannot make the folder {}", class.display()))?;
        for i in 0..EACH {
            let side: u32 = rng.random_range(110..=170);
            let middle = f64::from(side) / 2.0;
            let crop = RgbImage::from_fn(side, side, |x, y| {
                let distance = (f64::from(x) - middle).hypot(f64::from(y) - middle);
                let light: u8 = rng.random_range(150..200);
                if distance < 0.9 * middle {
                    Rgb([light, light - 60, light - 40])
                } else {
                    Rgb([0; 3])
                }
            });
            let file = class.join(format!("{i}.png"));
            fs::write(&file, encode_png(&crop)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

fn print(rates: &Rates) -> Result<()> {
    let Rates {
        device,
        arithmetic,
        threads,
        decode_threads,
        arch,
        size,
        batch,
        ..
    } = rates;
    say!(
        "{arch} at {size} px, batch {batch}, on {device} in {arithmetic:?}, {threads} threads \
         ({decode_threads} to decode); images/s:"
    )?;
    for (what, rate) in [
        ("decode (once in a run)", rates.decode_per_s),
        ("augment", rates.augment_per_s),
        ("train step", rates.train_step_per_s),
        ("evaluate", rates.evaluate_per_s),
        ("epoch: augment and train", rates.epoch_images_per_s),
    ] {
        say!("{what:<26} {rate:>10.1}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_a_data_set_and_the_same_each_time() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [a, b] = folders.each_ref().map(|folder| {
            draw(folder.path()).unwrap();
            Dataset::open(folder.path(), &Regex::new(EACH_ITS_OWN).unwrap()).unwrap()
        });
        assert_eq!(a.class_counts(), [64, 64]);
        assert_eq!(a.sha256().unwrap(), b.sha256().unwrap());
    }

    #[test]
    fn the_median_is_not_moved_by_one_slow_round() {
        assert_eq!(median(vec![5.0, 0.1, 4.0, 6.0, 5.5]), 5.0);
    }
}
