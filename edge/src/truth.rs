//! Labels beside images, for `analyze --truth`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use smearscope_common::message::FieldAnalysis;
use smearscope_common::score::{ScoredField, Scorer, Summary, parse_yolo};

use crate::exit::{OrBadInput, bad_input};

/// The file beside the labels' folder that names the crowded fields, one stem or file name a line.
const CROWDED: &str = "crowded.txt";

/// A folder of YOLO labels, one `.txt` of the image's name for each image.
pub struct Truth {
    folder: PathBuf,
    crowded: BTreeSet<String>,
    scorer: Scorer,
}

impl Truth {
    /// Opens a folder of labels.
    ///
    /// # Errors
    /// Bad input, when it is no folder or its list of crowded fields can't be read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        if !folder.is_dir() {
            return Err(bad_input(format!(
                "{} is no folder of labels",
                folder.display()
            )));
        }
        let parent = folder
            .canonicalize()
            .with_context(|| folder.display().to_string())?;
        let list = parent.parent().unwrap_or(&parent).join(CROWDED);
        let crowded = if list.exists() {
            std::fs::read_to_string(&list)
                .with_context(|| format!("cannot read {}", list.display()))
                .or_bad_input()?
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| stem(Path::new(line)))
                .collect()
        } else {
            BTreeSet::new()
        };
        Ok(Self {
            folder: folder.to_owned(),
            crowded,
            scorer: Scorer::default(),
        })
    }

    /// Where the labels of an image are.
    fn labels_of(&self, image: &Path) -> PathBuf {
        self.folder.join(format!("{}.txt", stem(image)))
    }

    /// Whether every image has labels: told before any work is done.
    ///
    /// # Errors
    /// Bad input that names the first image without.
    pub fn check(&self, images: &[PathBuf]) -> anyhow::Result<()> {
        for image in images {
            let labels = self.labels_of(image);
            if !labels.is_file() {
                return Err(bad_input(format!(
                    "{} has no labels: there is no {}",
                    image.display(),
                    labels.display()
                )));
            }
        }
        Ok(())
    }

    /// Scores one field.
    ///
    /// # Errors
    /// Bad input that names the file and the line of the first label that is none.
    pub fn score(&mut self, image: &Path, analysis: &FieldAnalysis) -> anyhow::Result<()> {
        let labels = self.labels_of(image);
        let (width, height) = (analysis.width, analysis.height);
        let text = std::fs::read_to_string(&labels)
            .with_context(|| format!("cannot read {}", labels.display()))
            .or_bad_input()?;
        let truth = parse_yolo(&text, width, height)
            .with_context(|| labels.display().to_string())
            .or_bad_input()?;
        self.scorer.add(&ScoredField {
            width,
            height,
            truth: &truth,
            predictions: &analysis.cells,
            crowded: self.crowded.contains(&stem(image)),
        });
        Ok(())
    }

    /// The figures of all fields so far.
    pub fn summary(&self) -> Summary {
        self.scorer.summary()
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
