//! `analyze --export`: cells of image files as a board exports those that it keeps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use smearscope_common::engine::Model;
use smearscope_common::exported::ExportedCell;
use smearscope_common::image::RgbImage;
use smearscope_common::message::{Decision, KeptCell, KeptReason, Label, Reviewer, SlideId};
use smearscope_common::score::{DIFFICULT, stage};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

use crate::analyze::AnalysedField;
use crate::cli::AnalyzeArgs;
use crate::exit::bad_input;
use crate::kept::{Chosen, choose};

/// Who has decided, where the labels have.
const LABELS: &str = "labels";

/// A folder of exported cells.
pub struct Export {
    folder: PathBuf,
    choose: bool,
    slide: Option<SlideId>,
    device: DeviceId,
}

impl Export {
    /// The folder that is asked for, if one is.
    ///
    /// # Errors
    /// Bad input: it can't be made.
    pub fn open(args: &AnalyzeArgs) -> anyhow::Result<Option<Self>> {
        let Some(folder) = &args.export else {
            return Ok(None);
        };
        fs::create_dir_all(folder).map_err(|error| {
            bad_input(format!(
                "cannot make the folder {}: {error}",
                folder.display()
            ))
        })?;
        Ok(Some(Self {
            folder: folder.clone(),
            choose: args.choose,
            slide: args.slide.clone(),
            device: args.device.clone(),
        }))
    }

    /// Writes the cells of an image. `labels` are those of its cells, as [`smearscope_common::score::labels_of`] has them. The
    /// same image gives the same cells again.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn write(
        &self,
        path: &Path,
        image: &RgbImage,
        model: &Model,
        analysed: &AnalysedField,
        labels: Option<&[Option<u8>]>,
    ) -> anyhow::Result<()> {
        let cells = &analysed.analysis.cells;
        let field_id = id(&[image.as_raw()]);
        let chosen = if self.choose {
            let threshold = model.card().threshold;
            let mut lot = StdRng::from_seed(Sha256::digest(field_id).into());
            let (masks, novelties) = (&analysed.masks, &analysed.novelties);
            choose(image, cells, masks, novelties, threshold, &mut lot)?
        } else {
            let each = cells.iter().zip(&analysed.masks).zip(&analysed.novelties);
            let mut all = Vec::new();
            for (i, ((cell, mask), &novelty)) in each.enumerate() {
                // What the labels don't say nobody will: cells cut by the frame, and those without a label.
                if labels.is_some_and(|labels| labels[i].and_then(decided).is_none()) {
                    continue;
                }
                let found = Chosen::of(image, *cell, mask, KeptReason::Random)?;
                all.extend(found.map(|found| Chosen { novelty, ..found }));
            }
            all
        };
        let field_cells: u32 = chosen.iter().map(|chosen| chosen.stands_for).sum();
        let slide = self.slide.clone().or_else(|| slide_of(path));
        for chosen in chosen {
            let place: [u32; 4] = chosen.cell.bbox.into();
            let place = place.map(u32::to_be_bytes).concat();
            let label = labels.and_then(|labels| {
                let at = cells.iter().position(|cell| *cell == chosen.cell)?;
                labels.get(at).copied().flatten()
            });
            let cell = KeptCell {
                id: id(&[field_id.as_bytes(), &place]),
                field_id,
                series: Uuid::nil(),
                seq: 0,
                slide: slide.clone(),
                captured_at: taken(path),
                clock_synchronised: None,
                reason: chosen.reason,
                bbox: chosen.cell.bbox,
                crop: chosen.crop,
                label: chosen.cell.label,
                p_parasitized: chosen.cell.p_parasitized,
                model: model.reference(),
                decision: label.and_then(decided),
                field_colour: analysed.colour,
                stands_for: chosen.stands_for,
                field_cells,
                novelty: chosen.novelty,
            };
            let device = self.device.clone();
            let record = ExportedCell {
                stage: label.and_then(stage).map(str::to_owned),
                ..ExportedCell::of(device, cell, &chosen.picture, &chosen.mask)
            };
            for (name, bytes) in record.files(&chosen.picture, &chosen.mask)? {
                let path = self.folder.join(name);
                fs::write(&path, bytes)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// What a label decides; `None` where experts could not tell.
fn decided(class: u8) -> Option<Decision> {
    let verdict = match class {
        0 => Label::Uninfected,
        1..DIFFICULT => Label::Parasitized,
        _ => return None,
    };
    Some(Decision {
        verdict,
        // Labels that were corrected since are newer.
        at: Timestamp::now(),
        by: Some(Reviewer::try_from(LABELS.to_owned()).expect("it is a short word")),
    })
}

/// An id that the same bytes always give.
fn id(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(first).into_uuid()
}

/// A slide id of an image's name: what is forbidden in one becomes a dash.
fn slide_of(path: &Path) -> Option<SlideId> {
    let stem = path.file_stem()?.to_string_lossy();
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = stem.chars().map(allowed).take(64).collect();
    name.parse().ok()
}

/// When an image file was last changed, as near as can be told to when it was taken.
fn taken(path: &Path) -> Timestamp {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|at| Timestamp::try_from(at).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
