//! Where a data set lies: a folder, or a zip.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rayon::prelude::*;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::bad_input;
use crate::files;
use crate::manifest::{self, Row};

/// The largest file that is taken for a crop, in bytes after unpacking: what a zip says of its
/// sizes is not believed.
pub const MAX_CROP_BYTES: u64 = 64 << 20;

/// A folder or a zip.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder.
    Folder(PathBuf),
    /// A zip.
    Zip(PathBuf),
}

impl Source {
    /// What lies at a path: whatever is no folder is taken for a zip.
    pub fn of(path: &Path) -> Self {
        match path.is_dir() {
            true => Self::Folder(path.to_owned()),
            false => Self::Zip(path.to_owned()),
        }
    }

    /// The names of its files with `/`, and those that are no UTF-8 as far as they can be shown.
    ///
    /// # Errors
    /// It can't be listed, or a zip holds names that lead out of it or can't be told apart.
    pub fn names(&self) -> Result<(Vec<String>, Vec<String>)> {
        match self {
            Self::Folder(root) => folder_names(root),
            Self::Zip(path) => Ok((zip_names(path)?, Vec::new())),
        }
    }

    /// Calls `work` with the number and bytes of each of these files, in parallel; the results come in their order. A file that
    /// can't be read is an `Err` of its own.
    ///
    /// # Errors
    /// The zip itself can't be opened any more.
    pub fn map<T: Send>(
        &self,
        files: &[(usize, &str)],
        work: &(impl Fn(usize, Result<Vec<u8>>) -> T + Sync),
    ) -> Result<Vec<T>> {
        match self {
            Self::Folder(root) => Ok(files
                .par_iter()
                .map(|&(i, name)| work(i, read_limited(&root.join(name))))
                .collect()),
            Self::Zip(path) => {
                // Reading a zip moves its file position, so each part of the work opens it anew.
                let part = files
                    .len()
                    .div_ceil(4 * rayon::current_num_threads())
                    .max(1);
                let parts = files
                    .par_chunks(part)
                    .map(|files| {
                        let mut zip = open_zip(path)?;
                        Ok(files
                            .iter()
                            .map(|&(i, name)| work(i, read_entry(&mut zip, name)))
                            .collect::<Vec<_>>())
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(parts.into_iter().flatten().collect())
            }
        }
    }

    /// The rows of the manifest by their files, where there is one.
    ///
    /// # Errors
    /// It can't be read, or is damaged.
    pub fn manifest(&self) -> Result<Option<BTreeMap<String, Row>>> {
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
