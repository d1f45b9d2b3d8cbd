//! Labels beside images, for `analyze --truth`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use smearscope_common::message::FieldAnalysis;
use smearscope_common::score::{
    Errors, Format, ScoredField, Scorer, Summary, labels_of as labels_of_cells,
};

use crate::exit::{OrBadInput, bad_input};

/// The file beside the labels' folder that names the crowded fields, one stem or file name a line.
const CROWDED: &str = "crowded.txt";

/// The largest label file that is read, in bytes: over ten thousand objects of the wordiest format.
const MAX_BYTES: u64 = 4 << 20;

/// A folder of labels of one format, one file of the image's name for each image.
pub struct Truth {
    folder: PathBuf,
    /// The ending of its files: `txt` or `xml`.
    ending: &'static str,
    format: Format,
    crowded: BTreeSet<String>,
    scorer: Scorer,
}

impl Truth {
    /// Opens a folder of labels of these images, and finds their format: lines of boxes or of centres in `.txt`
    /// files, or Pascal VOC in `.xml` files. All is checked that can be before any work is done.
    ///
    /// # Errors
    /// Bad input: it is no folder, an image has no labels in it, or its list of crowded fields can't be read.
    pub fn open(folder: &Path, images: &[PathBuf]) -> anyhow::Result<Self> {
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
            read(&list)?
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| stem(Path::new(line)))
                .collect()
        } else {
            BTreeSet::new()
        };
        let has_any = |ending: &&str| {
            let mut labels = images.iter().map(|image| labels_of(folder, image, ending));
            labels.any(|labels| labels.is_file())
        };
        let ending = ["txt", "xml"].into_iter().find(has_any);
        let ending = ending.ok_or_else(|| {
            let example = images.first().map(|image| stem(image)).unwrap_or_default();
            bad_input(format!(
                "{} holds no labels of these images: there is neither {example}.txt nor {example}.xml",
                folder.display()
            ))
        })?;
        for image in images {
            let labels = labels_of(folder, image, ending);
            if !labels.is_file() {
                return Err(bad_input(format!(
                    "{} has no labels: there is no {}",
                    image.display(),
                    labels.display()
                )));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            ending,
            format: format(folder, images, ending)?,
            crowded,
            scorer: Scorer::default(),
        })
    }

    /// Scores one field, and says what went wrong in it and what each of its cells is.
    ///
    /// # Errors
    /// Bad input that names the file and the line of the first label that is none.
    pub fn score(
        &mut self,
        image: &Path,
        analysis: &FieldAnalysis,
    ) -> anyhow::Result<(Errors, Vec<Option<u8>>)> {
        let labels = labels_of(&self.folder, image, self.ending);
        let (width, height) = (analysis.width, analysis.height);
        let truth = self
            .format
            .parse(&read(&labels)?, width, height)
            .with_context(|| labels.display().to_string())
            .or_bad_input()?;
        let field = ScoredField {
            width,
            height,
            truth: &truth,
            predictions: &analysis.cells,
            others: &analysis.others,
            crowded: self.crowded.contains(&stem(image)),
        };
        Ok((self.scorer.add(&field), labels_of_cells(&field)))
    }

    /// The figures of all fields so far.
    pub fn summary(&self) -> Summary {
        self.scorer.summary()
    }
}

/// The one format of a folder, so that a broken line is told and not taken for another format: what the first
/// file says that isn't empty.
fn format(folder: &Path, images: &[PathBuf], ending: &str) -> anyhow::Result<Format> {
    if ending == "xml" {
        return Ok(Format::Voc);
    }
    for image in images {
        if let Some(format) = Format::of_lines(&read(&labels_of(folder, image, ending))?) {
            return Ok(format);
        }
    }
    Ok(Format::Yolo)
}

/// Where the labels of an image are.
fn labels_of(folder: &Path, image: &Path, ending: &str) -> PathBuf {
    folder.join(format!("{}.{ending}", stem(image)))
}

/// Reads a text of at most [`MAX_BYTES`].
fn read(path: &Path) -> anyhow::Result<String> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .with_context(cannot_read)
        .or_bad_input()?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad_input(format!(
            "{} is no label file: it has over {} MiB",
            path.display(),
            MAX_BYTES >> 20
        )));
    }
    let text = String::from_utf8(bytes)
        .with_context(cannot_read)
        .or_bad_input()?;
    // Windows tools begin a text with a mark that is no letter.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn opened(files: &[(&str, &str)]) -> anyhow::Result<Truth> {
        let images = ["a.png", "b.png"].map(PathBuf::from);
        Truth::open(folder(files).path(), &images)
    }

    #[test]
    fn the_format_is_that_of_the_first_file_with_labels() {
        let format = |files: &[(&str, &str)]| opened(files).unwrap().format;
        let boxes = "0 0.5 0.5 0.1 0.1\n";
        assert_eq!(
            format(&[("a.txt", ""), ("b.txt", "3 4 0")]),
            Format::Centres
        );
        assert_eq!(
            format(&[("a.txt", boxes), ("b.txt", "3 4 0")]),
            Format::Yolo
        );
        assert_eq!(
            format(&[("a.txt", "\u{feff}3 4 0"), ("b.txt", "")]),
            Format::Centres
        );
        assert_eq!(format(&[("a.txt", ""), ("b.txt", "")]), Format::Yolo);
        assert_eq!(format(&[("a.xml", ""), ("b.xml", "")]), Format::Voc);
        // A text is no XML, even where one lies beside it.
        assert_eq!(
            format(&[("a.txt", ""), ("b.txt", ""), ("b.xml", "")]),
            Format::Yolo
        );
    }

    #[test]
    fn missing_and_endless_labels_are_told_before_any_work() {
        let error = |files: &[(&str, &str)]| format!("{:#}", opened(files).err().unwrap());
        assert!(error(&[]).contains("neither a.txt nor a.xml"));
        assert!(error(&[("a.xml", "")]).contains("b.xml"));
        assert!(error(&[("b.txt", "")]).contains("a.txt"));
        let endless = "0".repeat(MAX_BYTES as usize + 1);
        let error = error(&[("a.txt", &endless), ("b.txt", "")]);
        assert!(
            error.contains("a.txt") && error.contains("4 MiB"),
            "{error}"
        );
        assert!(Truth::open(Path::new("no/such/folder"), &[]).is_err());
    }
}
