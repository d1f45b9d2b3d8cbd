//! `inspect`: what is in a data set, on the terminal, as JSON, and as files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use smearscope_common::image;

use crate::checkpoint;
use crate::cli::Data;
use crate::dataset::Dataset;
use crate::error::bad_input;
use crate::inspect::{self, Inspection};
use crate::montage::{self, Section, Tile};
use crate::predictions::{self, PREDICTIONS};
use crate::say::say;
use crate::suspects::{self, Suspects};
use crate::{progress, suspects_page};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The data set.
    #[command(flatten)]
    pub data: Data,
    /// Draws a random sample of each class into this PNG.
    #[arg(long, value_name = "FILE")]
    pub montage: Option<PathBuf>,
    /// Pictures per class in the montage.
    #[arg(long, default_value_t = 36, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub montage_cells: u32,
    /// Seed of the montage's sample.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes one line per file into this CSV: file, class, subject, sha256, width, height.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// A folder of `crossval` (or a run folder) with predictions.csv: shows the cells whose label
    /// its models contradict.
    #[arg(long, value_name = "RUN")]
    pub suspects: Option<PathBuf>,
    /// How sure a model must be that a label is wrong, 0.5 to 1.
    #[arg(long, default_value_t = 0.95, value_name = "P", value_parser = suspects::confidence)]
    pub suspect_confidence: f64,
    /// Where the suspects' table, page and pictures go; the folder suspects in RUN if not given.
    #[arg(long, value_name = "DIR", requires = "suspects")]
    pub suspects_out: Option<PathBuf>,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// The line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspects: Option<&'a Suspects>,
}

/// Inspects, writes the files that were asked for, and prints.
///
/// # Errors
/// The data or the predictions can't be read, or a file can't be written.
pub fn run(args: &InspectArgs) -> Result<()> {
    let dataset = Dataset::open(&args.data.data, &args.data.subject_pattern)?;
    // Cheap, and a mistake here should show before minutes of decoding.
    let suspects = match &args.suspects {
        Some(folder) => Some((folder, find_suspects(args, &dataset, folder)?)),
        None => None,
    };
    let bar = progress::bar("inspecting", "images", dataset.samples.len());
    let inspection = inspect::inspect(&dataset, &bar)?;
    bar.finish_and_clear();
    if let Some(path) = &args.manifest {
        checkpoint::write_whole(path, &manifest(&dataset, &inspection)?)?;
    }
    if let Some(path) = &args.montage {
        let page = montage(
            &dataset,
            &inspection,
            args.montage_cells as usize,
            args.seed,
        )?;
        checkpoint::write_whole(path, &image::encode_png(&page)?)?;
    }
    if args.json {
        let line = Line {
            inspection: &inspection,
            suspects: suspects.as_ref().map(|(_, found)| found),
        };
        say!("{}", serde_json::to_string(&line)?)?;
    } else {
        say!("{inspection}")?;
    }
    if let Some((folder, found)) = &suspects {
        let folder = match &args.suspects_out {
            Some(folder) => folder.clone(),
            None => folder.join("suspects"),
        };
        let bar = progress::bar("drawing", "suspects", found.suspects);
        suspects_page::write(&folder, &dataset, found, &bar)?;
        bar.finish_and_clear();
        if !args.json {
            print_suspects(found, &folder)?;
        }
    }
    Ok(())
}

fn find_suspects(args: &InspectArgs, dataset: &Dataset, folder: &Path) -> Result<Suspects> {
    let path = folder.join(PREDICTIONS);
    if !path.is_file() {
        return Err(bad_input!(
            "{}: has no {PREDICTIONS}; give a folder of `crossval`, or of `train` with a test subset",
            folder.display()
        ));
    }
    let predictions = predictions::read(&path)?;
    let found = suspects::find(dataset, &predictions, args.suspect_confidence)
        .with_context(|| path.display().to_string())?;
    if found.gone > 0 {
        tracing::warn!(
            "{}: {} of its {} predictions are about files that this data set has no more",
            path.display(),
            found.gone,
            predictions.len()
        );
    }
    Ok(found)
}

fn print_suspects(found: &Suspects, folder: &Path) -> Result<()> {
    say!(
        "{} of {} predicted cells ({:.1} %) are probably labelled wrong (confidence {} or more)",
        found.suspects,
        found.predicted,
        100.0 * found.share,
        found.least_confidence
    )?;
    for (class, count) in &found.by_class {
        say!(
            "  labelled {class}: {} of {}",
            count.suspects,
            count.predicted
        )?;
    }
    let mut subjects: Vec<_> = found.by_subject.iter().collect();
    subjects.sort_by_key(|(_, count)| std::cmp::Reverse(count.suspects));
    for (subject, count) in subjects.iter().take(5) {
        say!(
            "  subject {subject}: {} of {}",
            count.suspects,
            count.predicted
        )?;
    }
    if let Some(rest) = subjects.len().checked_sub(6) {
        say!("  and {} more subjects", rest + 1)?;
    }
    say!("pictures: {}", folder.join(suspects_page::PAGE).display())?;
    Ok(())
}

/// One line per file; an unreadable one has no size, and one without bytes no hash.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    class: &'a str,
    subject: &'a str,
    sha256: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
}

fn manifest(dataset: &Dataset, inspection: &Inspection) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (sample, file) in dataset.samples.iter().zip(&inspection.files) {
        writer.serialize(Row {
            file: &sample.file,
            class: &dataset.classes[sample.class],
            subject: &sample.subject,
            sha256: file.sha256.map(hex::encode),
            width: file.size.map(|(w, _)| w),
            height: file.size.map(|(_, h)| h),
        })?;
    }
    writer.into_inner().context("cannot finish the manifest")
}

/// Side of a picture in the montage, in pixels, and pictures per row.
const SIDE: u32 = 96;
const COLUMNS: u32 = 12;

/// A page with up to `most` random cells of each class, each with the subject and the file's name.
fn montage(
    dataset: &Dataset,
    inspection: &Inspection,
    most: usize,
    seed: u64,
) -> Result<image::RgbImage> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sections = Vec::new();
    for (class, name) in dataset.classes.iter().enumerate() {
        let of_class: Vec<usize> = (0..dataset.samples.len())
            .filter(|&i| dataset.samples[i].class == class && inspection.files[i].size.is_some())
            .collect();
        let n = most.min(of_class.len());
        let mut chosen: Vec<usize> = index::sample(&mut rng, of_class.len(), n)
            .into_iter()
            .map(|i| of_class[i])
            .collect();
        chosen.sort_unstable();
        let tiles = dataset.map_bytes(&chosen, |i, bytes| {
            let sample = &dataset.samples[i];
            bytes.and_then(|b| {
                Ok(Tile {
                    picture: image::decode(&b)?,
                    lines: vec![
                        format!("subject {}", sample.subject),
                        montage::stem(&sample.file),
                    ],
                    colour: montage::PLAIN,
                })
            })
        })?;
        sections.push(Section {
            heading: format!("{name}: {n} of {} images", of_class.len()),
            tiles: tiles.into_iter().collect::<Result<_>>()?,
        });
    }
    Ok(montage::page(&sections, SIDE, COLUMNS))
}
