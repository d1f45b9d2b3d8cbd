//! Labelled crops in class folders, on disk or inside a zip, and whom each came from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rayon::prelude::*;
use regex::Regex;
use sha2::{Digest, Sha256};
use smearscope_common::crop;
use smearscope_common::image::{self, RgbImage, has_image_extension};
use smearscope_common::model_card::CropSpec;
use smearscope_common::stain::Colour;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::bad_input;
use crate::files;
use crate::manifest::{self, Row};

/// Subject of an NIH crop: the `C` number at the start of its file name. The `P` number that
/// infected ones carry too is another numbering of the same people.
pub const NIH_SUBJECT: &str = r"^C(\d+)";

/// The largest file that is taken for a crop, in bytes after unpacking: what a zip says of its
/// sizes is not believed.
pub(crate) const MAX_CROP_BYTES: u64 = 64 << 20;

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

#[derive(Clone, Debug)]
enum Source {
    Folder(PathBuf),
    Zip(PathBuf),
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
        let (source, names, nameless) = if path.is_dir() {
            let (names, nameless) = folder_names(path)?;
            (Source::Folder(path.to_owned()), names, nameless)
        } else {
            (Source::Zip(path.to_owned()), zip_names(path)?, Vec::new())
        };
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
            let of_source: Vec<usize> = places.iter().map(|&place| indices[place]).collect();
            let results = self.map_source(source, &of_source, &work)?;
            for (place, result) in places.into_iter().zip(results) {
                done[place] = Some(result);
            }
        }
        // Each sample is of one source.
        Ok(done.into_iter().flatten().collect())
    }

    fn map_source<T: Send>(
        &self,
        source: &Source,
        indices: &[usize],
        work: &(impl Fn(usize, Result<Vec<u8>>) -> T + Sync),
    ) -> Result<Vec<T>> {
        match source {
            Source::Folder(root) => Ok(indices
                .par_iter()
                .map(|&i| {
                    let path = root.join(self.own_name(i));
                    work(i, read_limited(&path))
                })
                .collect()),
            Source::Zip(path) => {
                // Reading a zip moves its file position, so each part of the work opens it anew.
                let part = indices
                    .len()
                    .div_ceil(4 * rayon::current_num_threads())
                    .max(1);
                let parts = indices
                    .par_chunks(part)
                    .map(|indices| {
                        let mut zip = open_zip(path)?;
                        Ok(indices
                            .iter()
                            .map(|&i| work(i, read_entry(&mut zip, self.own_name(i))))
                            .collect::<Vec<_>>())
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(parts.into_iter().flatten().collect())
            }
        }
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

impl Source {
    /// The rows of the manifest by their files, where there is one.
    fn manifest(&self) -> Result<Option<BTreeMap<String, Row>>> {
        let (path, bytes) = match self {
            Self::Folder(root) => {
                let path = root.join(manifest::FILE);
                match std::fs::read(&path) {
                    Ok(bytes) => (path, bytes),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(e) => return Err(bad_input!("{}: cannot be read: {e}", path.display())),
                }
            }
            Self::Zip(path) => {
                let mut zip = open_zip(path)?;
                if zip.index_for_name(manifest::FILE).is_none() {
                    return Ok(None);
                }
                (path.clone(), read_entry(&mut zip, manifest::FILE)?)
            }
        };
        // Other tools call their tables so, too.
        if !bytes.starts_with(b"file,class,id,") {
            return Ok(None);
        }
        let rows = manifest::read(&bytes)
            .map_err(|e| bad_input!("{}: not a manifest of `ingest`: {e}", path.display()))?;
        Ok(Some(
            rows.into_values()
                .map(|row| (row.file.clone(), row))
                .collect(),
        ))
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

/// The names below a folder with `/`, and those that are no UTF-8 as far as they can be shown.
fn folder_names(root: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let mut names = Vec::new();
    let mut nameless = Vec::new();
    for path in files::below(root)? {
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let parts: Option<Vec<_>> = relative.iter().map(|part| part.to_str()).collect();
        match parts {
            Some(parts) => names.push(parts.join("/")),
            None => {
                let shown = relative.display().to_string();
                tracing::warn!("{shown}: left out: its name is not UTF-8; rename it");
                nameless.push(shown);
            }
        }
    }
    Ok((names, nameless))
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    read_crop(File::open(path)?)
}

/// Reads to the end, but no more than a crop may have.
fn read_crop(reader: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_CROP_BYTES + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_CROP_BYTES,
        "more than {} MiB, too large for a cell's picture",
        MAX_CROP_BYTES >> 20
    );
    Ok(bytes)
}

fn open_zip(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file =
        File::open(path).map_err(|e| bad_input!("{}: cannot be opened: {e}", path.display()))?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| {
        bad_input!(
            "{}: neither a folder nor a readable zip file: {e}",
            path.display()
        )
    })
}

fn zip_names(path: &Path) -> Result<Vec<String>> {
    let zip = open_zip(path)?;
    if zip.has_duplicate_names() {
        return Err(bad_input!(
            "{}: two entries of the archive have the same name, and only one could be read; \
             pack it anew",
            path.display()
        ));
    }
    let mut names = Vec::new();
    for name in zip.file_names() {
        let name = name
            .map_err(|e| bad_input!("{}: a file name is damaged: {e}", path.display()))?
            .into_owned();
        let climbs = name.starts_with('/')
            || name.contains('\\')
            || name.split('/').any(|part| part == "..");
        if climbs {
            return Err(bad_input!(
                "{}: the archive holds the name {name:?}, which points outside it; it is refused",
                path.display()
            ));
        }
        if !name.ends_with('/') {
            names.push(name);
        }
    }
    Ok(names)
}

fn read_entry(zip: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Vec<u8>> {
    match zip.by_name(name) {
        Ok(entry) => read_crop(entry),
        Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => Err(anyhow::anyhow!(
            "encrypted; unpack the archive with its password and give the folder"
        )),
        Err(e) => Err(e.into()),
    }
}
