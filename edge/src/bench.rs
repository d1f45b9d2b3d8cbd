//! `bench`: how fast this machine finds and judges cells.

mod decode;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;
use smearscope_common::crop;
use smearscope_common::engine::{Blocks, EngineError, Model, Worker};
use smearscope_common::image::RgbImage;
use smearscope_common::segment::segment;
use smearscope_common::synth::{SmearSpec, smear};

use crate::cli::BenchArgs;
use crate::exit::{OrBadInput, bad_input};
use crate::model;

/// How often each thread judges a crop.
const CROPS: usize = 100;
/// How often the cells of a field are looked for.
const FIELDS: usize = 50;
/// How often a crop is judged by turns with plain tract.
const TURNS: usize = 60;
/// Judged before the clock starts.
const WARM_UP: usize = 5;

/// `--json`.
#[derive(Serialize)]
struct Figures {
    model: String,
    input_size: u32,
    threads: usize,
    median_ms_per_crop: f64,
    crops_per_s: f64,
    segment_ms_per_field: f64,
    /// By turns with plain tract, on one thread.
    fused_blocks: usize,
    fused_stem: bool,
    alone_median_ms_per_crop: f64,
    plain_median_ms_per_crop: f64,
    /// Of a camera's frame of 1280 × 720, by V4L2's code of its pixel format.
    decode_ms_per_frame: BTreeMap<String, f64>,
}

/// One answer of `--turns`.
#[derive(Serialize)]
struct Turn {
    ms: f64,
    logits: Vec<f32>,
}

/// Measures on a synthetic field of 1280 × 960 pixels.
///
/// # Errors
/// When the model can't be used or fails.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if let Some(input) = &args.turns {
        return take_turns(args.model.as_deref(), input);
    }
    let model = model::load(args.model.as_deref())?;
    let field = smear(&SmearSpec::default(), 1).image;
    let segmentation = segment(&field);
    let crops = crop::cut_all(&field, &segmentation.cells, &model.card().crop).crops;
    anyhow::ensure!(
        !crops.is_empty(),
        "no cell was found in the synthetic field"
    );

    let (median_ms_per_crop, crops_per_s) = judge(&model, &crops, args.threads)?;
    let plain = model::load_untested(args.model.as_deref(), Blocks::Plain)?;
    let (alone_median_ms_per_crop, plain_median_ms_per_crop) = compare(&model, &plain, &crops)?;
    drop(plain);
    let segment_ms = (0..FIELDS).map(|_| {
        let begun = Instant::now();
        std::hint::black_box(segment(&field));
        begun.elapsed().as_secs_f64() * 1e3
    });
    let reference = model.reference();
    let figures = Figures {
        model: format!("{} {}", reference.name, reference.version),
        input_size: model.card().input.size,
        threads: args.threads.get(),
        median_ms_per_crop,
        crops_per_s,
        segment_ms_per_field: median(segment_ms.collect()),
        fused_blocks: model.fused_blocks(),
        fused_stem: model.fused_stem(),
        alone_median_ms_per_crop,
        plain_median_ms_per_crop,
        decode_ms_per_frame: decode::ms_per_frame()?,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&figures)?)?;
    } else {
        writeln!(
            out,
            "{}, {} px: {:.2} ms per crop (median), {:.1} crops per second on {} thread(s); \
             {:.1} ms to find the cells of a field of 1280 × 960; by turns on one thread: {:.2} ms \
             per crop, {:.2} in plain tract",
            figures.model,
            figures.input_size,
            figures.median_ms_per_crop,
            figures.crops_per_s,
            figures.threads,
            figures.segment_ms_per_field,
            figures.alone_median_ms_per_crop,
            figures.plain_median_ms_per_crop
        )?;
        let (width, height) = decode::SIZE;
        let costs: Vec<String> = figures
            .decode_ms_per_frame
            .iter()
            .map(|(format, ms)| format!("{format} {ms:.1}"))
            .collect();
        writeln!(
            out,
            "ms to decode a camera's frame of {width} × {height}: {}",
            costs.join(", ")
        )?;
    }
    Ok(())
}

/// The median time of a crop in ms, and how many all threads together judge in a second.
fn judge(
    model: &Model,
    crops: &[RgbImage],
    threads: NonZeroUsize,
) -> Result<(f64, f64), EngineError> {
    let one_thread = || -> Result<(Vec<f64>, f64), EngineError> {
        let mut worker = model.worker()?;
        for crop in crops.iter().cycle().take(WARM_UP) {
            worker.classify(crop)?;
        }
        let begun = Instant::now();
        let mut times = Vec::with_capacity(CROPS);
        for crop in crops.iter().cycle().take(CROPS) {
            let begun = Instant::now();
            std::hint::black_box(worker.classify(crop)?);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok((times, CROPS as f64 / begun.elapsed().as_secs_f64()))
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.get())
            .map(|_| scope.spawn(one_thread))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
            .collect()
    });
    let (mut times, mut rate) = (Vec::new(), 0.0);
    for result in results {
        let (more, crops_per_s) = result?;
        times.extend(more);
        rate += crops_per_s;
    }
    Ok((median(times), rate))
}

/// The median times of a crop in ms by turns: in the model as it is used, and in plain tract.
fn compare(model: &Model, plain: &Model, crops: &[RgbImage]) -> Result<(f64, f64), EngineError> {
    let mut workers = [model.worker()?, plain.worker()?];
    let mut times = [Vec::new(), Vec::new()];
    for (turn, crop) in crops.iter().cycle().take(WARM_UP + TURNS).enumerate() {
        for (worker, times) in workers.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            std::hint::black_box(worker.classify(crop)?);
            if turn >= WARM_UP {
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let [ours, plains] = times;
    Ok((median(ours), median(plains)))
}

/// Runs the network once for each line on standard input.
fn take_turns(path: Option<&Path>, input: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(input)
        .with_context(|| format!("cannot read {}", input.display()))
        .or_bad_input()?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        let file = input.display();
        return Err(bad_input(format!(
            "{file} is no file of f32 values: write 4 bytes each"
        )));
    }
    let values: Vec<f32> = values.iter().map(|&v| f32::from_le_bytes(v)).collect();
    let model = model::load_untested(path, Blocks::Fused)?;
    let plain = model::load_untested(path, Blocks::Plain)?;
    let wanted = 3 * (model.card().input.size as usize).pow(2);
    if values.len() != wanted {
        let (file, found) = (input.display(), values.len());
        let message = format!("{file} has {found} values, but the model wants {wanted}");
        return Err(bad_input(message));
    }
    let (mut ours, mut plains) = (model.worker()?, plain.worker()?);
    let run = |worker: &mut Worker<'_>| -> Result<Turn, EngineError> {
        let begun = Instant::now();
        let logits = worker.logits(&values)?;
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Turn { ms, logits })
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let turn = match line?.trim() {
            "ours" => run(&mut ours)?,
            "plain" => run(&mut plains)?,
            other => {
                let message = format!("{other:?} has no turn: write `ours` or `plain`");
                return Err(bad_input(message));
            }
        };
        writeln!(out, "{}", serde_json::to_string(&turn)?)?;
        out.flush()?;
    }
    Ok(())
}

/// The median; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(a), Some(b)) => (a + b) / 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }
}
