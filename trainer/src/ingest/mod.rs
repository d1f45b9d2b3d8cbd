//! `ingest`: cells that were looked at a second time → a data set in class folders, with a manifest.
//!
//! They come from a board (by HTTP, or the card of one), from a folder of exported cells, or with a Label Studio export. Each
//! is checked against its hashes, cut as the model saw it, and written once: what is there already, in this run or from an
//! earlier one, is not written again, but a decision that was changed since is followed.

mod board;
mod card;
mod folder;
pub mod label_studio;
mod similar;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};
use smearscope_common::exported::{ExportedCell, KEY_FILE, Pseudonyms};
use smearscope_common::image::{RgbImage, encode_png};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

use crate::checkpoint::write_whole;
use crate::error::bad_input;
use crate::manifest::{self, Manifest, Row};
use crate::say::say;
use crate::secret::Secret;
use similar::Similar;
pub use source::Source;

/// Where cells come from.
#[derive(Debug, Args)]
pub struct From {
    /// A board's address (http or https), a folder of exported cells, a folder from a board's card (with cells.sqlite in it), or
    /// a JSON export of Label Studio.
    #[arg(value_name = "SRC")]
    pub source: String,
    /// A file whose first line is the token of the board's HTTP side (`[http] token_file` there).
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificates (PEM) of the only CAs to trust; without it, the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The folder of exported cells that the tasks of a Label Studio export were made of.
    #[arg(long, value_name = "DIR")]
    pub cells: Option<PathBuf>,
    /// The board whose card it is, by its name in `[device]`: on that board the site's rates will correct a count.
    #[arg(long, value_name = "ID")]
    pub device: Option<DeviceId>,
    /// A file whose first line is the key of the pseudonyms of a card's slides; without it, the board's own key on that card.
    #[arg(long, value_name = "FILE")]
    pub pseudonym_key_file: Option<PathBuf>,
}

impl From {
    /// Opens it.
    ///
    /// # Errors
    /// It is nothing of that kind, or a file that goes with it can't be read.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        let path = Path::new(&self.source);
        if self.source.starts_with("http://") || self.source.starts_with("https://") {
            let token = self.token_file.as_deref();
            let token = token.map(|file| Secret::from_file(file, "the token"));
            let ca = self.ca_file.as_deref();
            return Ok(Box::new(board::Board::new(
                &self.source,
                token.transpose()?,
                ca,
            )?));
        }
        if path.is_dir() {
            if let Some(database) = card::database_in(path)? {
                let device = self.device.clone().ok_or_else(|| {
                    bad_input!(
                        "{}: is a board's card, and doesn't say which: give the board's name with --device",
                        path.display()
                    )
                })?;
                let key = self.pseudonym_key_file.as_deref();
                let key = key.map(|file| Secret::from_file(file, "the key of the pseudonyms"));
                let key = key.transpose()?;
                let pseudonyms = key.map(|key| Pseudonyms::new(key.expose().trim()));
                return Ok(Box::new(card::Card::open(&database, device, pseudonyms)?));
            }
            return Ok(Box::new(folder::Folder::open(path)?));
        }
        if path.is_file() {
            let cells = self.cells.as_deref().ok_or_else(|| {
                bad_input!(
                    "{}: holds labels and no pictures; give the folder that `export-labels` has made with --cells",
                    path.display()
                )
            })?;
            return Ok(Box::new(label_studio::Labelled::open(path, cells)?));
        }
        Err(bad_input!(
            "{}: is neither an address (http://…), nor a folder, nor a file",
            self.source
        ))
    }
}

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Where the cells come from.
    #[command(flatten)]
    pub from: From,
    /// The data set to make, or to add to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What the laboratory is called: its name goes into the model card, and figures are told for each site. Without it, each
    /// board is a site of its own.
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Ingested {
    /// Cells that the source had.
    pub seen: u64,
    /// Cells of them that are new in the data set.
    pub added: u64,
    /// Cells whose decision has changed since they were taken in.
    pub changed: u64,
    /// Cells that were taken in before, and are as they were.
    pub known: u64,
    /// Cells that nobody has decided on: they wait on the board, or for `export-labels`.
    pub undecided: u64,
    /// Cells that show the very pixels of another one.
    pub duplicates: u64,
    /// Cells that show nearly those of another one of the same slide, as in two fields that overlap.
    pub near_duplicates: u64,
    /// Duplicates whose decision is another one's opposite: both are left out, for one of them is wrong.
    pub conflicts: u64,
    /// Cells that are damaged, each named in the log.
    pub damaged: u64,
    /// Cells of each class in the data set now.
    pub classes: BTreeMap<String, u64>,
    /// Groups (slides) in it now.
    pub groups: u64,
}

/// `ingest`.
///
/// # Errors
/// In one sentence: what, where, what to do. What was taken in before that stays.
pub fn run(args: &IngestArgs) -> Result<()> {
    if let Some(site) = &args.site {
        let is_name = !site.is_empty()
            && site
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.".contains(c));
        if !is_name {
            return Err(bad_input!(
                "--site {site:?} must be a name of letters, digits, '-', '_' and '.'"
            ));
        }
    }
    let mut source = args.from.open()?;
    let done = ingest(source.as_mut(), &args.out, args.site.as_deref())?;
    if args.json {
        say!("{}", serde_json::to_string(&done)?)?;
    } else {
        print(&done, &args.out)?;
    }
    if done.classes.is_empty() {
        return Err(bad_input!(
            "{}: of {} cells none was decided on and could be taken in: look at them on the board's page (Review), or hand \
             them to Label Studio (`smearscope-train export-labels`)",
            args.from.source,
            done.seen
        ));
    }
    Ok(())
}

fn print(done: &Ingested, out: &Path) -> Result<()> {
    let classes: Vec<_> = done
        .classes
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    say!(
        "{}: {} cells of {} slides ({})",
        out.display(),
        done.classes.values().sum::<u64>(),
        done.groups,
        classes.join(", ")
    )?;
    say!(
        "  {} seen: {} new, {} decided otherwise since, {} known",
        done.seen,
        done.added,
        done.changed,
        done.known
    )?;
    for (n, what) in [
        (done.undecided, "wait for a decision"),
        (done.duplicates, "the same pixels as another one"),
        (
            done.near_duplicates,
            "the same cell once more, from an overlapping field",
        ),
        (done.conflicts, "decided in two ways, and left out"),
        (done.damaged, "damaged (named above)"),
    ] {
        if n > 0 {
            say!("  {n} {what}")?;
        }
    }
    Ok(())
}

/// Takes in what a source has.
///
/// # Errors
/// The source fails, or the folder can't be written. What was written before that is noted in the manifest.
pub fn ingest(source: &mut dyn Source, out: &Path, site: Option<&str>) -> Result<Ingested> {
    let mut set = DataSet::open(out)?;
    let decided_on = source.decided_on();
    let outcome = source.each(&mut |cell| set.take(cell, site, decided_on));
    let mut done = set.finish()?;
    done.damaged += source.damaged();
    outcome.map(|()| done)
}

/// What a source hands over.
pub struct Cell {
    /// Its record.
    pub record: ExportedCell,
    /// PNG.
    pub picture: Vec<u8>,
    /// PNG.
    pub mask: Vec<u8>,
}

/// A data set that is being added to.
struct DataSet {
    folder: PathBuf,
    manifest: Manifest,
    similar: Similar,
    /// Names that came without one get a pseudonym by this data set's own key.
    pseudonyms: Pseudonyms,
    /// Pictures that go when the manifest without them is written.
    leaving: Vec<String>,
    /// The fields of this source, each with how many cells its copies stand for that were left out: what they show is there.
    copies: BTreeMap<Uuid, u32>,
    done: Ingested,
}

impl DataSet {
    fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)
            .map_err(|e| bad_input!("{}: cannot be made: {e}", folder.display()))?;
        let path = folder.join(manifest::FILE);
        let manifest = match fs::read(&path) {
            Ok(csv) => manifest::read(&csv)
                .map_err(|e| bad_input!("{}: not a manifest of `ingest`: {e}", path.display()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if fs::read_dir(folder)?.next().is_some() {
                    return Err(bad_input!(
                        "{}: is not empty and no data set of `ingest`; give --out a folder of its own",
                        folder.display()
                    ));
                }
                // So that a folder in which this ends half way is known for what it is.
                write_whole(&path, &manifest::to_csv(&Manifest::new())?)?;
                Manifest::new()
            }
            Err(e) => return Err(bad_input!("{}: cannot be read: {e}", path.display())),
        };
        let mut set = Self {
            folder: folder.to_owned(),
            manifest,
            similar: Similar::default(),
            pseudonyms: own_key(folder)?,
            leaving: Vec::new(),
            copies: BTreeMap::new(),
            done: Ingested::default(),
        };
        set.remember()?;
        Ok(set)
    }

    /// Looks at the cells that are there. One whose picture is gone is forgotten: it may come once more.
    fn remember(&mut self) -> Result<()> {
        let mut gone = Vec::new();
        for row in self.manifest.values() {
            let path = self.folder.join(&row.file);
            let crop = fs::read(&path)
                .map_err(anyhow::Error::from)
                .and_then(|bytes| Ok(smearscope_common::image::decode(&bytes)?));
            match crop {
                Ok(crop) => self.similar.add(row.id, &row.group, row.field, &crop),
                Err(e) => {
                    tracing::warn!("{}: left out: {e:#}", path.display());
                    gone.push(row.id);
                }
            }
        }
        self.manifest.retain(|id, _| !gone.contains(id));
        Ok(())
    }

    fn take(&mut self, cell: Cell, site: Option<&str>, decided_on: &'static str) -> Result<()> {
        let Cell {
            mut record,
            picture,
            mask,
        } = cell;
        self.done.seen += 1;
        record.cell = self.pseudonyms.cell(record.cell);
        let id = record.cell.id;
        let crop = match record.crop(&picture, &mask) {
            Ok(crop) => crop,
            Err(e) => {
                tracing::warn!("cell {id}: left out: {e}");
                self.done.damaged += 1;
                return Ok(());
            }
        };
        let device = record.device.to_string();
        self.copies.entry(record.cell.field_id).or_default();
        let png = encode_png(&crop)?;
        let site = site.unwrap_or(&device);
        let Some(row) = Row::of(&record, site, decided_on, sha256(&png)) else {
            self.done.undecided += 1;
            // A decision can be taken back only where it was made.
            let is_taken_back = |old: &&Row| old.decided_on == decided_on;
            if let Some(old) = self.manifest.get(&id).filter(is_taken_back) {
                self.done.changed += 1;
                self.leaving.push(old.file.clone());
                self.manifest.remove(&id);
            }
            return Ok(());
        };
        match self.manifest.get(&id).cloned() {
            None => self.add(row, &crop, &png),
            Some(old) if old.decided_at > row.decided_at => {
                self.done.known += 1;
                Ok(())
            }
            Some(old) if old.class == row.class => {
                self.done.known += 1;
                // What kind of parasite it is may be known from elsewhere.
                let stage = match row.stage.as_str() {
                    "" => old.stage,
                    _ => row.stage.clone(),
                };
                self.manifest.insert(id, Row { stage, ..row });
                Ok(())
            }
            Some(old) => {
                self.done.changed += 1;
                self.leaving.push(old.file);
                self.put(row, &png)
            }
        }
    }

    /// A cell that is not there yet.
    fn add(&mut self, row: Row, crop: &RgbImage, png: &[u8]) -> Result<()> {
        let twin = self.similar.find(&row.group, row.field, crop);
        if let Some((twin, is_exact)) = twin {
            let conflict = self
                .manifest
                .get(&twin)
                .filter(|twin| twin.class != row.class);
            match conflict.map(|twin| twin.file.clone()) {
                Some(file) => {
                    tracing::warn!(
                        "cells {} and {twin} show the same and were decided in two ways",
                        row.id
                    );
                    self.done.conflicts += 1;
                    self.manifest.remove(&twin);
                    self.leaving.push(file);
                }
                None => {
                    let copies = self.copies.entry(row.field).or_default();
                    *copies = copies.saturating_add(row.stands_for);
                    match is_exact {
                        true => self.done.duplicates += 1,
                        false => self.done.near_duplicates += 1,
                    }
                }
            }
            return Ok(());
        }
        self.similar.add(row.id, &row.group, row.field, crop);
        self.done.added += 1;
        self.put(row, png)
    }

    fn put(&mut self, row: Row, png: &[u8]) -> Result<()> {
        let path = self.folder.join(&row.file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, png).with_context(|| format!("cannot write {}", path.display()))?;
        self.manifest.insert(row.id, row);
        Ok(())
    }

    /// Writes the manifest, and then removes what is not in it any more: whenever this ends, each row has its picture.
    fn finish(mut self) -> Result<Ingested> {
        let mut spoken_for = self.copies.clone();
        for row in self.manifest.values() {
            let sum = spoken_for.entry(row.field).or_default();
            *sum = sum.saturating_add(row.stands_for);
        }
        for row in self.manifest.values_mut() {
            // Of fields that this source did not have nothing new is known.
            if self.copies.contains_key(&row.field) {
                row.complete = row.field_cells > 0 && spoken_for[&row.field] == row.field_cells;
            }
        }
        let mut groups = BTreeSet::new();
        for row in self.manifest.values() {
            *self.done.classes.entry(row.class.clone()).or_default() += 1;
            groups.insert(&row.group);
        }
        self.done.groups = groups.len() as u64;
        write_whole(
            &self.folder.join(manifest::FILE),
            &manifest::to_csv(&self.manifest)?,
        )?;
        let there: BTreeSet<&str> = self
            .manifest
            .values()
            .map(|row| row.file.as_str())
            .collect();
        for file in self
            .leaving
            .iter()
            .filter(|file| !there.contains(file.as_str()))
        {
            let path = self.folder.join(file);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(self.done)
    }
}

/// The key of a data set's own pseudonyms: for names of slides and people that came without one, as from images that somebody
/// has named. It is made when it is first needed.
fn own_key(folder: &Path) -> Result<Pseudonyms> {
    let path = folder.join(KEY_FILE);
    if let Ok(key) = fs::read(&path) {
        return Ok(Pseudonyms::new(key));
    }
    let key = hex::encode(rand::random::<[u8; 32]>());
    write_whole(&path, key.as_bytes())?;
    Ok(Pseudonyms::new(key))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
