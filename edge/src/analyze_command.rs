//! `analyze`: image files in, one line for each out.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use smearscope_common::image::{RgbImage, encode_png};
use smearscope_common::message::FieldAnalysis;
use smearscope_common::parasitemia::Counts;
use smearscope_common::score::Summary;
use tracing::warn;

use crate::analyze::{Analyzer, all_cores};
use crate::camera::{images_of, read_image};
use crate::cli::AnalyzeArgs;
use crate::drift::Slides;
use crate::exit::bad_input;
use crate::export::Export;
use crate::truth::Truth;
use crate::{model, overlay, words};

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    image: &'a str,
    #[serde(flatten)]
    analysis: &'a FieldAnalysis,
}

/// The last line of `--json` with `--truth`.
#[derive(Serialize)]
struct LastLine {
    summary: Summary,
}

/// Analyses the images; one that can't be read is named, counted and skipped.
///
/// # Errors
/// Bad input, when a path, the model or the labels can't be used, or no image can be read.
pub fn run(args: &AnalyzeArgs) -> anyhow::Result<()> {
    let images = images(&args.paths)?;
    let truth = args.truth.as_deref();
    let mut truth = truth
        .map(|folder| Truth::open(folder, &images))
        .transpose()?;
    let export = Export::open(args)?;
    let mut overlays = args.overlay.as_deref().map(Overlays::open).transpose()?;
    let model = model::load(args.model.as_deref())?;
    let mut analyzer = Analyzer::new(&model, args.workers.unwrap_or_else(all_cores))?;

    // It says in the log when the images look different from what the model knows.
    let mut slides = model.card().reference.clone().map(Slides::new);
    let mut out = std::io::stdout().lock();
    let mut total = Counts::default();
    let mut skipped = 0;
    for path in &images {
        let mut image = match read_image(path) {
            Ok(image) => image,
            // The only one: that is what is wrong with this call.
            Err(error) if images.len() == 1 => return Err(bad_input(format!("{error:#}"))),
            Err(error) => {
                skipped += 1;
                warn!("skipped: {error:#}");
                continue;
            }
        };
        let name = path.display().to_string();
        let analysed = analyzer
            .analyze(&image, || {})
            .with_context(|| format!("cannot analyse {name}"))?;
        let analysis = &analysed.analysis;
        total += analysis.counts;
        let scored = match &mut truth {
            Some(truth) => Some(truth.score(path, analysis)?),
            None => None,
        };
        if let Some((slides, looks)) = slides.as_mut().zip(analysed.looks.clone()) {
            slides.add(looks);
        }
        if let Some(export) = &export {
            let labels = scored.as_ref().map(|(_, labels)| labels.as_slice());
            export.write(path, &image, &model, &analysed, labels)?;
        }
        if let Some(overlays) = &mut overlays {
            overlay::draw(&mut image, analysis);
            if let Some((errors, _)) = &scored {
                overlay::draw_errors(&mut image, errors);
            }
            overlays.write(path, &image)?;
        }
        if args.json {
            print_json(
                &mut out,
                &Line {
                    image: &name,
                    analysis,
                },
            )?;
        } else {
            writeln!(out, "{name}: {}", words::counted(analysis.counts))?;
            for doubt in words::doubts(&analysis.quality) {
                writeln!(out, "  {doubt}")?;
            }
        }
    }
    if skipped == images.len() {
        return Err(bad_input(format!(
            "none of the {skipped} images can be read"
        )));
    }
    if skipped > 0 {
        warn!("{skipped} of {} images were skipped", images.len());
    }
    let summary = truth.map(|truth| truth.summary());
    match (args.json, summary) {
        (true, Some(summary)) => print_json(&mut out, &LastLine { summary })?,
        (true, None) => {}
        (false, summary) => {
            if images.len() > 1 {
                let read = images.len() - skipped;
                writeln!(out, "{read} images: {}", words::counted(total))?;
            }
            if let Some(Summary { rest, crowded }) = summary {
                let mut lines = words::scored("against the labels", &rest);
                lines.extend(words::scored("crowded fields", &crowded));
                for line in lines {
                    writeln!(out, "{line}")?;
                }
            }
        }
    }
    Ok(out.flush()?)
}

/// The images to analyse: files as given, folders by the names in them.
fn images(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        if path.is_dir() {
            images.extend(images_of(path)?);
        } else if path.exists() {
            images.push(path.clone());
        } else {
            return Err(bad_input(format!("there is no {}", path.display())));
        }
    }
    Ok(images)
}

fn print_json(out: &mut impl Write, line: &impl Serialize) -> anyhow::Result<()> {
    // Through a string: an error of the pipe must stay an io::Error.
    Ok(writeln!(out, "{}", serde_json::to_string(line)?)?)
}

/// A folder of pictures with boxes.
struct Overlays {
    folder: PathBuf,
    /// How often a name was used: images of two folders may share one.
    names: HashMap<String, u32>,
}

impl Overlays {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|e| bad_input(format!("cannot make the folder {}: {e}", folder.display())))?;
        Ok(Self {
            folder: folder.to_owned(),
            names: HashMap::new(),
        })
    }

    fn write(&mut self, image: &Path, picture: &RgbImage) -> anyhow::Result<()> {
        let stem = image.file_stem().unwrap_or_default().to_string_lossy();
        let used = self.names.entry(stem.to_string()).or_default();
        *used += 1;
        let name = match *used {
            1 => format!("{stem}.png"),
            n => format!("{stem}-{n}.png"),
        };
        let path = self.folder.join(name);
        std::fs::write(&path, encode_png(picture)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
