//! Labelled crops in class folders, on disk or inside a zip, and whom each came from.

mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use regex::Regex;
use sha2::{Digest, Sha256};
use smearscope_common::crop;
use smearscope_common::image::{self, RgbImage, has_image_extension};
use smearscope_common::model_card::CropSpec;
use smearscope_common::stain::Colour;

use crate::error::bad_input;
use crate::manifest::{self, Row};
use source::Source;

/// Subject of an NIH crop: the `C` number at the start of its file name. The `P` number that
/// infected ones carry too is another numbering of the same people.
pub const NIH_SUBJECT: &str = r"^C(\d+)";

/// What the files of a data set that is learnt from beside another one are called by: `replay/…`.
pub const REPLAY: &str = "replay";

/// One labelled crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Path below the data set, with `/`; unique.
    pub file: String,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Whom it came from. No subject may be in two subsets.
    pub subject: String,
    /// What is known of it beyond that, if it came from a board.
    pub kept: Option<Kept>,
    /// Index of the folder or zip that it is in.
    source: usize,
}

/// What a manifest says of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The laboratory.
    pub site: String,
    /// The board.
    pub device: String,
    /// What kind of parasite it is; empty where nobody said.
    pub stage: String,
    /// The colour of its field's typical cell, for the stain step.
    pub colour: Option<Colour>,
    /// How many cells of its field it speaks for; `None` where not all that was kept of the field was decided on.
    pub weight: Option<u32>,
}

impl Sample {
    /// Whether it is learnt from so that what was known before is not forgotten.
    pub fn is_replay(&self) -> bool {
        self.source > 0
    }
}

/// A folder or zip of class folders. Samples are ordered by file name.
///
/// Invariant: at least one sample; every `class` is in range.
#[derive(Debug)]
pub struct Dataset {
    /// Class names (folder names), in alphabetical order.
    pub classes: Vec<String>,
    /// All samples.
    pub samples: Vec<Sample>,
    /// Files that are no images by their name, such as `Thumbs.db`, and files whose name is no
    /// UTF-8 and could stand in no CSV.
    pub ignored: Vec<String>,
    /// The first is its own, others are joined to it.
    sources: Vec<Source>,
}

impl Dataset {
    /// Lists a data set. `subject` is a regular expression on the file name (without folders);
    /// its first group, or else the whole match, is the subject. Where a manifest of `ingest` lies beside the class folders, that
    /// says whom each cell is from, and what is not in it is left out.
    ///
    /// # Errors
    /// No such file, no zip, no images, images outside class folders, names that climb out of the
    /// archive, two class names or entries that can't be told apart, or a file whose name has no
    /// subject.
    pub fn open(path: &Path, subject: &Regex) -> Result<Self> {
        let source = Source::of(path);
        let (names, nameless) = source.names()?;
        let (images, mut ignored): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| has_image_extension(name));
        ignored.extend(nameless);
        let mut rows = source.manifest()?;
        if images.is_empty() {
            return Err(bad_input!(
                "{}: no images found; expected class folders such as Parasitized/ and Uninfected/",
                path.display()
            ));
        }
        let class_of = |name: &str| -> Result<String> {
            let folders: Vec<_> = name.split('/').collect();
            match folders.as_slice() {
                [.., class, _] => Ok((*class).to_owned()),
                _ => Err(bad_input!(
                    "{}: image {name:?} is not in a class folder",
                    path.display()
                )),
            }
        };
        let mut index = BTreeMap::new();
        for name in &images {
            index.insert(class_of(name)?, 0);
        }
        refuse_twins(&index, path)?;
        for (i, position) in index.values_mut().enumerate() {
            *position = i;
        }
        let mut samples = images
            .into_iter()
            .map(|file| {
                let class = index[&class_of(&file)?];
                let (subject, kept) = match rows.as_mut().map(|rows| rows.remove(&file)) {
                    // Whatever else lies there, such as a picture whose decision was taken back.
                    Some(None) => return Ok(None),
                    Some(Some(row)) => (row.group.clone(), Some(Kept::of(&row))),
                    None => (subject_of(&file, subject, path)?, None),
                };
                Ok(Some(Sample {
                    file,
                    class,
                    subject,
                    kept,
                    source: 0,
                }))
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>>>()?;
        if let Some(lost) = rows.iter().flat_map(BTreeMap::keys).next() {
            return Err(bad_input!(
                "{}: {lost:?} stands in its {} and is not there; run `ingest` into this folder once more",
                path.display(),
                manifest::FILE
            ));
        }
        samples.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self {
            classes: index.into_keys().collect(),
            samples,
            ignored,
            sources: vec![source],
        })
    }

    /// Calls `work` with the index and bytes of each of the given samples, in parallel; the
    /// results come in the order of `indices`. A file that can't be read is an `Err` of its own.
    ///
    /// # Errors
    /// The zip itself can't be opened any more.
    pub fn map_bytes<T: Send>(
        &self,
        indices: &[usize],
        work: impl Fn(usize, Result<Vec<u8>>) -> T + Sync,
    ) -> Result<Vec<T>> {
        let mut done: Vec<Option<T>> = indices.iter().map(|_| None).collect();
        for (at, source) in self.sources.iter().enumerate() {
            let places: Vec<usize> = (0..indices.len())
                .filter(|&place| self.samples[indices[place]].source == at)
                .collect();
            let files: Vec<(usize, &str)> = places
                .iter()
                .map(|&place| (indices[place], self.own_name(indices[place])))
                .collect();
            let results = source.map(&files, &work)?;
            for (place, result) in places.into_iter().zip(results) {
                done[place] = Some(result);
            }
        }
        // Each sample is of one source.
        Ok(done.into_iter().flatten().collect())
    }

    /// A sample's picture as a model of that crop path is shown it: as it is, or where its field's colour is known, brought to the
    /// model's.
    ///
    /// # Errors
    /// The bytes are no picture.
    pub fn decode(&self, sample: usize, bytes: &[u8], spec: &CropSpec) -> Result<RgbImage> {
        let mut crop = image::decode(bytes)?;
        let kept = self.samples[sample].kept.as_ref();
        crop::stain(&mut crop, kept.and_then(|kept| kept.colour), spec);
        Ok(crop)
    }

    /// This data set and another one that is learnt from so that it isn't forgotten. Its files are called `replay/…`, and its
    /// subjects too.
    ///
    /// # Errors
    /// The other one has other classes.
    pub fn with_replay(mut self, other: Self) -> Result<Self> {
        let place = |class: &String| {
            let mut ours = self.classes.iter();
            ours.position(|c| c.eq_ignore_ascii_case(class))
        };
        let places: Option<Vec<usize>> = other.classes.iter().map(place).collect();
        let Some(places) = places.filter(|places| places.len() == self.classes.len()) else {
            return Err(bad_input!(
                "the data to replay has the classes {}, but the site's has {}; both need the same",
                other.classes.join(", "),
                self.classes.join(", ")
            ));
        };
        let first = self.sources.len();
        self.sources.extend(other.sources);
        self.samples
            .extend(other.samples.into_iter().map(|sample| Sample {
                file: format!("{REPLAY}/{}", sample.file),
                class: places[sample.class],
                subject: format!("{REPLAY}/{}", sample.subject),
                source: first + sample.source,
                ..sample
            }));
        self.ignored.extend(other.ignored);
        Ok(self)
    }

    /// A sample's name in its own folder or zip.
    fn own_name(&self, sample: usize) -> &str {
        let Sample { file, source, .. } = &self.samples[sample];
        match source {
            0 => file,
            _ => file
                .strip_prefix(REPLAY)
                .and_then(|file| file.strip_prefix('/'))
                .unwrap_or(file),
        }
    }

    /// SHA-256 over the lines `<file> <sha256 of its bytes>` of all samples in order, in hex:
    /// equal for a folder and a zip with the same content.
    ///
    /// # Errors
    /// The zip can't be opened any more. A file that can't be read counts as empty.
    pub fn sha256(&self) -> Result<String> {
        let all: Vec<usize> = (0..self.samples.len()).collect();
        let hashes = self.map_bytes(&all, |i, bytes| {
            let digest = Sha256::digest(bytes.unwrap_or_default());
            format!("{} {}\n", self.relative_name(i), hex::encode(digest))
        })?;
        let mut total = Sha256::new();
        for line in hashes {
            total.update(line);
        }
        Ok(hex::encode(total.finalize()))
    }

    /// `class/file` without the folders above, so that a zip and its extracted folder agree.
    fn relative_name(&self, sample: usize) -> String {
        let Sample { file, class, .. } = &self.samples[sample];
        format!("{}/{}", self.classes[*class], file_name(file))
    }

    /// The same data set with only some of its samples, in the order of `indices`.
    pub fn only(&self, indices: &[usize]) -> Self {
        Self {
            classes: self.classes.clone(),
            samples: indices.iter().map(|&i| self.samples[i].clone()).collect(),
            ignored: self.ignored.clone(),
            sources: self.sources.clone(),
        }
    }

    /// Number of samples per class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for sample in &self.samples {
            counts[sample.class] += 1;
        }
        counts
    }

    /// What is legal, but bad for learning, in a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.classes
            .iter()
            .zip(self.class_counts())
            .filter(|(_, images)| *images == 1)
            .map(|(class, _)| {
                format!("the class {class} has only one image, from which nothing can be learnt")
            })
            .collect()
    }

    /// Index of the class that counts as positive: `parasitized` in any case.
    ///
    /// # Errors
    /// There are fewer than two classes, or none of that name.
    pub fn parasitized(&self) -> Result<usize> {
        if self.classes.len() < 2 {
            return Err(bad_input!(
                "only one class folder ({}) was found; at least two are needed",
                self.classes.join(", ")
            ));
        }
        self.classes
            .iter()
            .position(|c| c.eq_ignore_ascii_case("parasitized"))
            .ok_or_else(|| {
                bad_input!(
                    "no class folder is named Parasitized; found {}",
                    self.classes.join(", ")
                )
            })
    }
}

impl Kept {
    fn of(row: &Row) -> Self {
        Self {
            site: row.site.clone(),
            device: row.device.clone(),
            stage: row.stage.clone(),
            colour: row.colour(),
            weight: row.complete.then_some(row.stands_for),
        }
    }
}

fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn subject_of(file: &str, pattern: &Regex, data: &Path) -> Result<String> {
    let name = file_name(file);
    let found = pattern.captures(name).ok_or_else(|| {
        bad_input!(
            "{}: the name of {file:?} does not match --subject-pattern {:?}, so nobody knows whom \
             the cell came from; give a pattern that fits (\".*\" makes each file its own subject)",
            data.display(),
            pattern.as_str()
        )
    })?;
    let group = found.get(1).or_else(|| found.get(0));
    Ok(group.map_or_else(String::new, |m| m.as_str().to_owned()))
}

/// `Parasitized` and `parasitized` are two folders and one class: were both kept, one of them would
/// silently count as healthy.
fn refuse_twins(classes: &BTreeMap<String, usize>, data: &Path) -> Result<()> {
    let mut seen = BTreeMap::new();
    for class in classes.keys() {
        if let Some(twin) = seen.insert(class.to_lowercase(), class) {
            return Err(bad_input!(
                "{}: the class folders {twin:?} and {class:?} differ only by case; \
                 give both the same name",
                data.display()
            ));
        }
    }
    Ok(())
}
