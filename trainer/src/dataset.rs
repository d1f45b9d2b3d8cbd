//! Labelled crops in class folders, on disk or inside a zip, and whom each came from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rayon::prelude::*;
use regex::Regex;
use sha2::{Digest, Sha256};
use smearscope_common::image::has_image_extension;
use zip::ZipArchive;

use crate::error::bad_input;

/// Subject of an NIH crop: the `C` number at the start of its file name. The `P` number that
/// infected ones carry too is another numbering of the same people.
pub const NIH_SUBJECT: &str = r"^C(\d+)";

/// The largest file that is taken for a crop, in bytes.
const MAX_CROP_BYTES: u64 = 64 << 20;

/// One labelled crop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Path below the data set, with `/`; unique.
    pub file: String,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Whom it came from. No subject may be in two subsets.
    pub subject: String,
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
    /// Files that are no images by their name, such as `Thumbs.db`.
    pub ignored: Vec<String>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Folder(PathBuf),
    Zip(PathBuf),
}

impl Dataset {
    /// Lists a data set. `subject` is a regular expression on the file name (without folders);
    /// its first group, or else the whole match, is the subject.
    ///
    /// # Errors
    /// No such file, no zip, no images, images outside class folders, names that climb out of the
    /// archive, or a file whose name has no subject.
    pub fn open(path: &Path, subject: &Regex) -> Result<Self> {
        let (source, names) = if path.is_dir() {
            (Source::Folder(path.to_owned()), folder_names(path)?)
        } else {
            (Source::Zip(path.to_owned()), zip_names(path)?)
        };
        let (images, ignored): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| has_image_extension(name));
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
        for (i, position) in index.values_mut().enumerate() {
            *position = i;
        }
        let mut samples = images
            .into_iter()
            .map(|file| {
                let class = index[&class_of(&file)?];
                let subject = subject_of(&file, subject, path)?;
                Ok(Sample {
                    file,
                    class,
                    subject,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        samples.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self {
            classes: index.into_keys().collect(),
            samples,
            ignored,
            source,
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
        match &self.source {
            Source::Folder(root) => Ok(indices
                .par_iter()
                .map(|&i| {
                    let path = root.join(&self.samples[i].file);
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
                            .map(|&i| work(i, read_entry(&mut zip, &self.samples[i].file)))
                            .collect::<Vec<_>>())
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(parts.into_iter().flatten().collect())
            }
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
            source: self.source.clone(),
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

fn folder_names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in walkdir::WalkDir::new(root)
        .follow_links(true)
        .sort_by_file_name()
    {
        let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
        if entry.file_type().is_file() {
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            names.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(names)
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_CROP_BYTES).read_to_end(&mut bytes)?;
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
    let mut bytes = Vec::new();
    zip.by_name(name)?
        .take(MAX_CROP_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn nih() -> Regex {
        Regex::new(NIH_SUBJECT).unwrap()
    }

    fn write_zip(path: &Path, names: &[&str]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    fn write_folder(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name.as_bytes()).unwrap();
        }
    }

    const NAMES: [&str; 4] = [
        "cell_images/Parasitized/C12P3ThinF_cell_1.png",
        "cell_images/Parasitized/Thumbs.db",
        "cell_images/Uninfected/C12ThinF_cell_2.png",
        "cell_images/Uninfected/C7ThinF_cell_3.png",
    ];

    #[test]
    fn a_zip_and_its_folder_are_the_same_data_set() {
        let dir = tempfile::tempdir().unwrap();
        write_folder(&dir.path().join("f"), &NAMES);
        write_zip(&dir.path().join("d.zip"), &NAMES);
        let folder = Dataset::open(&dir.path().join("f"), &nih()).unwrap();
        let zip = Dataset::open(&dir.path().join("d.zip"), &nih()).unwrap();
        assert_eq!(folder.samples, zip.samples);
        assert_eq!(folder.classes, ["Parasitized", "Uninfected"]);
        assert_eq!(folder.ignored, ["cell_images/Parasitized/Thumbs.db"]);
        let subjects: Vec<_> = folder.samples.iter().map(|s| s.subject.as_str()).collect();
        assert_eq!(subjects, ["12", "12", "7"]);
        assert_eq!(folder.class_counts(), [1, 2]);
        assert_eq!(folder.sha256().unwrap(), zip.sha256().unwrap());
        let read = zip
            .map_bytes(&[2, 0], |i, bytes| (i, bytes.unwrap()))
            .unwrap();
        assert_eq!(read[0], (2, NAMES[3].as_bytes().to_vec()));
        assert_eq!(read[1], (0, NAMES[0].as_bytes().to_vec()));
    }

    #[test]
    fn what_cannot_be_used_is_said_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |names: &[&str]| {
            let path = dir.path().join("bad.zip");
            write_zip(&path, names);
            Dataset::open(&path, &nih()).unwrap_err().to_string()
        };
        assert!(refuse(&["a/../../etc/C1.png"]).contains("points outside"));
        assert!(refuse(&["/a/C1.png"]).contains("points outside"));
        assert!(refuse(&["C1.png"]).contains("class folder"));
        assert!(refuse(&["a/cell.png"]).contains("--subject-pattern"));
        assert!(refuse(&["a/Thumbs.db"]).contains("no images"));
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(
            Dataset::open(&empty, &nih())
                .unwrap_err()
                .to_string()
                .contains("no images")
        );
        let text = dir.path().join("text.zip");
        fs::write(&text, "no zip").unwrap();
        assert!(
            Dataset::open(&text, &nih())
                .unwrap_err()
                .to_string()
                .contains("zip")
        );
        assert!(Dataset::open(&dir.path().join("absent"), &nih()).is_err());
    }
}
