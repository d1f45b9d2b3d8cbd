//! `predict`: what cells show, as lines, as pictures with their label, and as one page.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use smearscope_common::crop::letterbox;
use smearscope_common::image::{self, RgbImage, has_image_extension};
use smearscope_common::message::Label;

use crate::checkpoint;
use crate::device::Wish;
use crate::error::bad_input;
use crate::montage::{self, Section, Tile};
use crate::predict::{Answer, Classifier};
use crate::say::say;
use crate::{files, progress};

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// An .onnx file or a run folder.
    pub model: PathBuf,
    /// Cell images, or folders of them.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Draws each picture, enlarged and with its label, into this new folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Draws the pictures with their labels on one page, a PNG.
    #[arg(long, value_name = "FILE")]
    pub montage: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N; for a run folder only.
    #[arg(long, default_value = "auto")]
    pub device: Wish,
    /// One line of JSON per image on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Pictures that are held in memory at a time.
const CHUNK: usize = 256;
/// Side of a picture in `--out`, in pixels.
const CARD_SIDE: u32 = 384;
/// Side of a picture on the page, how many side by side, and how many at most.
const TILE_SIDE: u32 = 128;
const COLUMNS: u32 = 8;
const MOST_TILES: usize = 400;

/// A picture to look at.
struct Picture {
    path: PathBuf,
    /// Its place below `--out`.
    name: PathBuf,
    /// Index of the class whose name its folder has.
    truth: Option<usize>,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    image: &'a str,
    label: Label,
    p_parasitized: f32,
    probabilities: BTreeMap<&'a str, f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<bool>,
}

/// Classifies, prints and draws. A picture that can't be read is named and skipped.
///
/// # Errors
/// The model or a folder can't be used, no picture can be read, or a drawing can't be written.
pub fn run(args: &PredictArgs) -> Result<()> {
    if let Some(out) = &args.out
        && fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(bad_input!(
            "{}: is not empty; give --out a new folder so that no picture is overwritten",
            out.display()
        ));
    }
    let classifier = Classifier::open(&args.model, args.device)?;
    let pictures = pictures(&args.images, &classifier.classes)?;
    if let Some(page) = &args.montage
        && let Ok(page) = fs::canonicalize(page)
        && pictures
            .iter()
            .any(|p| fs::canonicalize(&p.path).is_ok_and(|p| p == page))
    {
        return Err(bad_input!(
            "{}: is one of the pictures; give --montage another name",
            page.display()
        ));
    }
    let mut report = Report {
        args,
        classes: &classifier.classes,
        positive: classifier.positive,
        tiles: Vec::new(),
        failed: 0,
        right: 0,
        wrong: 0,
    };
    let bar = progress::bar("predicting", "pictures", pictures.len());
    for chunk in pictures.chunks(CHUNK) {
        let crops: Vec<Result<RgbImage>> = chunk
            .par_iter()
            .map(|picture| Ok(image::decode(&fs::read(&picture.path)?)?))
            .collect();
        let readable: Vec<&RgbImage> = crops.iter().flatten().collect();
        let mut answers = classifier.classify(&readable)?.into_iter();
        let mut answered = Vec::with_capacity(chunk.len());
        for (picture, crop) in chunk.iter().zip(crops) {
            // As many answers as readable crops, in their order.
            let answer = crop.and_then(|crop| match answers.next() {
                Some(answer) => Ok((crop, answer?)),
                None => Err(anyhow::anyhow!("the model gave no answer")),
            });
            match answer {
                Ok((crop, answer)) => answered.push((picture, crop, answer)),
                Err(e) => {
                    report.failed += 1;
                    bar.suspend(|| eprintln!("error: {}: {e:#}", picture.path.display()));
                }
            }
        }
        bar.suspend(|| answered.iter().try_for_each(|(p, _, a)| report.print(p, a)))?;
        report.draw(&answered)?;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    report.finish(pictures.len())
}

/// What has been said so far.
struct Report<'a> {
    args: &'a PredictArgs,
    classes: &'a [String],
    /// Index of the class that counts as parasitized.
    positive: usize,
    /// For the page.
    tiles: Vec<Tile>,
    failed: usize,
    right: usize,
    wrong: usize,
}

impl<'a> Report<'a> {
    /// Whether the label fits the folder's name, where that says anything.
    fn right(&self, picture: &Picture, answer: &Answer) -> Option<bool> {
        let said = answer.label == Label::Parasitized;
        picture.truth.map(|truth| said == (truth == self.positive))
    }

    fn truth(&self, picture: &Picture) -> Option<&'a str> {
        picture.truth.map(|i| self.classes[i].as_str())
    }

    fn print(&mut self, picture: &Picture, answer: &Answer) -> Result<()> {
        let (truth, right) = (self.truth(picture), self.right(picture, answer));
        match right {
            Some(true) => self.right += 1,
            Some(false) => self.wrong += 1,
            None => {}
        }
        let shown = picture.path.display().to_string();
        let classes = self.classes.iter().zip(&answer.probabilities);
        if self.args.json {
            let line = Line {
                image: &shown,
                label: answer.label,
                p_parasitized: answer.p_parasitized,
                probabilities: classes.map(|(c, &p)| (c.as_str(), p)).collect(),
                truth,
                right,
            };
            say!("{}", serde_json::to_string(&line)?)?;
            return Ok(());
        }
        let mut line = format!(
            "{shown}: {} (p = {:.3}",
            word(answer.label),
            answer.p_parasitized
        );
        if self.classes.len() > 2 {
            for (class, p) in classes {
                line.push_str(&format!("; {class} {p:.3}"));
            }
        }
        line.push(')');
        match (right, truth) {
            (Some(true), _) => line.push_str(", right"),
            (Some(false), Some(truth)) => line.push_str(&format!(", wrong: labelled {truth}")),
            _ => {}
        }
        say!("{line}")?;
        Ok(())
    }

    fn draw(&mut self, answered: &[(&Picture, RgbImage, Answer)]) -> Result<()> {
        if let Some(out) = &self.args.out {
            answered
                .par_iter()
                .try_for_each(|(picture, crop, answer)| {
                    let card = montage::card(&self.tile(picture, crop.clone(), answer), CARD_SIDE);
                    let path = out.join(&picture.name);
                    if let Some(folder) = path.parent() {
                        fs::create_dir_all(folder).with_context(|| {
                            format!("cannot make the folder {}", folder.display())
                        })?;
                    }
                    checkpoint::write_whole(&path, &image::encode_png(&card)?)
                })?;
        }
        if self.args.montage.is_some() {
            let room = MOST_TILES - self.tiles.len();
            let more: Vec<Tile> = answered
                .iter()
                .take(room)
                .map(|(p, crop, answer)| self.tile(p, letterbox(crop, TILE_SIDE), answer))
                .collect();
            self.tiles.extend(more);
        }
        Ok(())
    }

    fn tile(&self, picture: &Picture, crop: RgbImage, answer: &Answer) -> Tile {
        // The probability of what is said, as the tutorial shows it.
        let p = match answer.label {
            Label::Parasitized => answer.p_parasitized,
            Label::Uninfected => 1.0 - answer.p_parasitized,
        };
        let (colour, verdict) = match (self.right(picture, answer), self.truth(picture)) {
            (Some(true), _) => (montage::RIGHT, "right".to_owned()),
            (Some(false), Some(truth)) => (montage::WRONG, format!("wrong: {truth}")),
            _ => (montage::PLAIN, String::new()),
        };
        let mut lines = vec![format!("{} {:.1} %", word(answer.label), 100.0 * p)];
        if !verdict.is_empty() {
            lines.push(verdict);
        }
        lines.push(montage::stem(&picture.path.to_string_lossy()));
        Tile {
            picture: crop,
            lines,
            colour,
        }
    }

    fn finish(self, pictures: usize) -> Result<()> {
        if self.failed == pictures {
            return Err(bad_input!("none of the {pictures} images could be read"));
        }
        if self.failed > 0 {
            tracing::warn!(
                "{} of {pictures} images could not be read and were skipped",
                self.failed
            );
        }
        let judged = self.right + self.wrong;
        let verdict = format!("{} of {judged} right", self.right);
        if let Some(path) = &self.args.montage {
            let answered = pictures - self.failed;
            let shown = self.tiles.len();
            let mut heading = format!("{shown} cells");
            if shown < answered {
                tracing::warn!(
                    "{}: shows the first {shown} of {answered} pictures; --out draws all",
                    path.display()
                );
                heading = format!("The first {shown} of {answered} cells");
            }
            if judged > 0 {
                heading = format!("{heading}, {verdict}");
            }
            let section = Section {
                heading,
                tiles: self.tiles,
            };
            let page = montage::page(&[section], TILE_SIDE, COLUMNS);
            checkpoint::write_whole(path, &image::encode_png(&page)?)?;
        }
        if judged > 1 && !self.args.json {
            say!("{verdict}, judged by the names of their folders")?;
        }
        Ok(())
    }
}

fn word(label: Label) -> &'static str {
    match label {
        Label::Parasitized => "parasitized",
        Label::Uninfected => "uninfected",
    }
}

/// The pictures that files and folders on the command line mean, in their order.
fn pictures(given: &[PathBuf], classes: &[String]) -> Result<Vec<Picture>> {
    let mut names = HashSet::new();
    let mut pictures = Vec::new();
    for path in given {
        if !path.is_dir() {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            pictures.push(picture(path.clone(), &name, &mut names, classes));
            continue;
        }
        let before = pictures.len();
        for file in files::below(path)? {
            if has_image_extension(&file.to_string_lossy()) {
                let name = file.strip_prefix(path).unwrap_or(&file).to_owned();
                pictures.push(picture(file, &name, &mut names, classes));
            }
        }
        if pictures.len() == before {
            return Err(bad_input!("{}: no images found", path.display()));
        }
    }
    Ok(pictures)
}

/// `name` is the picture's place below what was given; its drawing gets one that none has yet.
fn picture(
    path: PathBuf,
    name: &Path,
    taken: &mut HashSet<PathBuf>,
    classes: &[String],
) -> Picture {
    let mut drawing = name.with_extension("png");
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let mut copy = 2;
    while !taken.insert(drawing.clone()) {
        drawing = name.with_file_name(format!("{stem}-{copy}.png"));
        copy += 1;
    }
    let folder = path.parent().and_then(Path::file_name);
    let truth = folder.and_then(|folder| {
        let folder = folder.to_string_lossy();
        let mut classes = classes.iter();
        classes.position(|class| class.eq_ignore_ascii_case(&folder))
    });
    Picture {
        path,
        name: drawing,
        truth,
    }
}
