//! A kept cell on its way from a board to the workstation that retrains its model.
//!
//! An export is three files for each cell, in a folder or in a tar archive: `<id>.json` ([`ExportedCell`]), `<id>.png` (the
//! cell with a margin, pixel for pixel) and `<id>.mask.png` (white where the cell is). The first comes first, and holds the
//! hashes of the others.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::crop;
use crate::image::{ImageError, RgbImage, decode};
use crate::message::{KeptCell, Label, Reviewer, SlideId};
use crate::topic::DeviceId;

/// The only schema that this version reads and writes.
pub const SCHEMA: &str = "smearscope.cell/1";

/// The key of a board's pseudonyms, in the folder of its kept cells.
pub const KEY_FILE: &str = "pseudonyms.key";
/// The database of a board's kept cells.
pub const CELLS_FILE: &str = "cells.sqlite";

/// No field has more cells.
const MOST_CELLS: u32 = 100_000;

/// What a pseudonym begins with.
const PSEUDONYM: &str = "anon-";
/// Hex digits of a pseudonym: among a million slides two have the same one with a chance of one in 10⁸.
const DIGITS: usize = 16;

/// `<id>.json`: a kept cell, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedCell {
    /// [`SCHEMA`].
    pub schema: String,
    /// The board that kept it.
    pub device: DeviceId,
    /// The cell. Its slide and its reviewer go by pseudonyms.
    #[serde(flatten)]
    pub cell: KeptCell,
    /// What kind of parasite it is by a label, such as `ring`; `null` where nobody said.
    #[serde(default)]
    pub stage: Option<String>,
    /// SHA-256 of `<id>.png` in hex.
    pub picture_sha256: String,
    /// SHA-256 of `<id>.mask.png` in hex.
    pub mask_sha256: String,
}

/// Why an exported cell can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ExportedError {
    /// It is not the JSON of a cell.
    #[error("its record is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written for another version of smearscope.
    #[error("its record has schema {0:?}, but this version reads {SCHEMA:?}")]
    Schema(String),
    /// Bytes are not those that were exported.
    #[error("its {0} is damaged: the SHA-256 is not that of its record")]
    Hash(&'static str),
    /// A picture can't be decoded.
    #[error("its {0} is no picture: {1}")]
    Picture(&'static str, ImageError),
    /// Sizes and places contradict each other.
    #[error("its picture, its mask and its record don't belong together")]
    Apart,
    /// There is nothing within its mask.
    #[error("its mask is empty")]
    Empty,
    /// A number in its record can't be.
    #[error("its record says {0}, which can't be")]
    Number(String),
    /// It was kept by a version that did not note what the stain step goes by.
    #[error("it was kept by an older version, without the colour of its field")]
    Colourless,
}

impl ExportedCell {
    /// The record of a cell with these pictures.
    pub fn of(device: DeviceId, cell: KeptCell, picture: &[u8], mask: &[u8]) -> Self {
        Self {
            schema: SCHEMA.into(),
            device,
            cell,
            stage: None,
            picture_sha256: sha256(picture),
            mask_sha256: sha256(mask),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`ExportedError::Json`] or [`ExportedError::Schema`].
    pub fn from_json(json: &[u8]) -> Result<Self, ExportedError> {
        #[derive(Deserialize)]
        struct Header {
            schema: String,
        }
        let header: Header = serde_json::from_slice(json)?;
        if header.schema != SCHEMA {
            return Err(ExportedError::Schema(header.schema));
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The crop that the model saw, before any stain step: as [`crop::cut`] made it.
    ///
    /// # Errors
    /// The pictures are not those that were exported, or contradict the record.
    pub fn crop(&self, picture: &[u8], mask: &[u8]) -> Result<RgbImage, ExportedError> {
        let cell = &self.cell;
        if !(1..=MOST_CELLS).contains(&cell.stands_for) || cell.field_cells > MOST_CELLS {
            let said = format!("{} of {} cells", cell.stands_for, cell.field_cells);
            return Err(ExportedError::Number(said));
        }
        if !(0.0..=1.0).contains(&cell.p_parasitized) {
            return Err(ExportedError::Number(format!(
                "a probability of {}",
                cell.p_parasitized
            )));
        }
        let colour = cell.field_colour.ok_or(ExportedError::Colourless)?;
        if !colour.iter().all(|value| (0.0..=255.0).contains(value)) {
            return Err(ExportedError::Number(format!(
                "a field of the colour {colour:?}"
            )));
        }
        for (bytes, hash, what) in [
            (picture, &self.picture_sha256, "picture"),
            (mask, &self.mask_sha256, "mask"),
        ] {
            if sha256(bytes) != *hash {
                return Err(ExportedError::Hash(what));
            }
        }
        let picture = decode(picture).map_err(|e| ExportedError::Picture("picture", e))?;
        let mask = decode(mask).map_err(|e| ExportedError::Picture("mask", e))?;
        let crop = crop::cut_again(&picture, &mask, self.cell.crop, self.cell.bbox)
            .ok_or(ExportedError::Apart)?;
        match crop.pixels().any(|pixel| pixel.0 != [0; 3]) {
            true => Ok(crop),
            false => Err(ExportedError::Empty),
        }
    }

    /// The names and bytes of a cell's three files, in the order in which they go into a folder: the record last, so that where
    /// it is the others are whole.
    ///
    /// # Errors
    /// The record has a number that JSON has no word for.
    pub fn files(
        &self,
        picture: &[u8],
        mask: &[u8],
    ) -> Result<[(String, Vec<u8>); 3], serde_json::Error> {
        let name = |part: Part| part.name(self.cell.id);
        Ok([
            (name(Part::Picture), picture.to_vec()),
            (name(Part::Mask), mask.to_vec()),
            (name(Part::Record), serde_json::to_vec(self)?),
        ])
    }

    /// What a person decided that it is.
    pub fn verdict(&self) -> Option<Label> {
        self.cell.decision.as_ref().map(|decision| decision.verdict)
    }
}

/// The files of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record.
    Record,
    /// The picture.
    Picture,
    /// The mask.
    Mask,
}

impl Part {
    /// The name of a cell's file.
    pub fn name(self, id: Uuid) -> String {
        match self {
            Self::Record => format!("{id}.json"),
            Self::Picture => format!("{id}.png"),
            Self::Mask => format!("{id}.mask.png"),
        }
    }

    /// What a name says; `None` where it is none of an export.
    pub fn of(name: &str) -> Option<(Uuid, Self)> {
        let (stem, part) = if let Some(stem) = name.strip_suffix(".mask.png") {
            (stem, Self::Mask)
        } else if let Some(stem) = name.strip_suffix(".png") {
            (stem, Self::Picture)
        } else {
            (name.strip_suffix(".json")?, Self::Record)
        };
        Some((Uuid::parse_str(stem).ok()?, part))
    }
}

/// Names that don't lead back to a person for whoever lacks the key, and are the same for the same name: HMAC-SHA256.
#[derive(Clone)]
pub struct Pseudonyms {
    key: Vec<u8>,
}

impl Pseudonyms {
    /// With a secret key.
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into() }
    }

    /// That of a slide. One that is a pseudonym already stays.
    pub fn slide(&self, slide: &SlideId) -> SlideId {
        match is_pseudonym(slide.as_str()) {
            true => slide.clone(),
            false => self
                .of("slide", slide.as_str())
                .parse()
                .expect("a pseudonym has only letters, digits and a dash"),
        }
    }

    /// That of a reviewer. One that is a pseudonym already stays.
    pub fn reviewer(&self, name: &str) -> Reviewer {
        let pseudonym = match is_pseudonym(name) {
            true => name.to_owned(),
            false => self.of("reviewer", name),
        };
        Reviewer::try_from(pseudonym).expect("a pseudonym is short and has no control character")
    }

    /// Everything of a kept cell that names somebody goes by a pseudonym.
    pub fn cell(&self, cell: KeptCell) -> KeptCell {
        KeptCell {
            slide: cell.slide.map(|slide| self.slide(&slide)),
            decision: cell.decision.map(|mut decision| {
                decision.by = decision.by.map(|by| self.reviewer(&String::from(by)));
                decision
            }),
            ..cell
        }
    }

    /// Whether a slide's id can't name a patient: it is a pseudonym, or was made by a board.
    pub fn is_nobodys(slide: &SlideId) -> bool {
        is_pseudonym(slide.as_str()) || Uuid::parse_str(slide.as_str()).is_ok()
    }

    fn of(&self, kind: &str, name: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        // So that a reviewer who is a patient, too, has two.
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(name.as_bytes());
        let digits = hex::encode(mac.finalize().into_bytes());
        format!("{PSEUDONYM}{}", &digits[..DIGITS])
    }
}

fn is_pseudonym(name: &str) -> bool {
    name.strip_prefix(PSEUDONYM).is_some_and(|digits| {
        digits.len() == DIGITS
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::geometry::Rect;
    use crate::image::{Rgb, encode_png};
    use crate::message::{Decision, KeptReason, ModelRef};
    use jiff::Timestamp;

    fn cell() -> KeptCell {
        KeptCell {
            id: Uuid::from_u128(7),
            field_id: Uuid::from_u128(1),
            series: Uuid::from_u128(2),
            seq: 3,
            slide: Some("Ada-Lovelace".parse().unwrap()),
            captured_at: Timestamp::UNIX_EPOCH,
            clock_synchronised: None,
            reason: KeptReason::Random,
            bbox: Rect::from([12, 23, 4, 3]),
            crop: Rect::from([10, 20, 9, 8]),
            label: Label::Uninfected,
            p_parasitized: 0.25,
            model: ModelRef {
                name: "m".into(),
                version: "1".into(),
                sha256: "00".into(),
            },
            decision: Some(Decision {
                verdict: Label::Parasitized,
                at: Timestamp::UNIX_EPOCH,
                by: Some(Reviewer::try_from("Charles".to_owned()).unwrap()),
            }),
            field_colour: Some([150.0, 120.0, 130.0]),
            stands_for: 80,
            field_cells: 85,
            novelty: Some(1.5),
        }
    }

    fn pictures() -> (Vec<u8>, Vec<u8>) {
        let picture = RgbImage::from_fn(9, 8, |x, y| Rgb([100 + x as u8, 100 + y as u8, 90]));
        // In the box: its upper row.
        let mask = RgbImage::from_fn(9, 8, |_, y| Rgb([if y == 3 { 255 } else { 0 }; 3]));
        (encode_png(&picture).unwrap(), encode_png(&mask).unwrap())
    }

    #[test]
    fn a_cell_reads_back_and_is_cut_again() {
        let (picture, mask) = pictures();
        let record = ExportedCell::of("scope-1".parse().unwrap(), cell(), &picture, &mask);
        let json = serde_json::to_vec(&record).unwrap();
        let read = ExportedCell::from_json(&json).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.verdict(), Some(Label::Parasitized));
        let crop = read.crop(&picture, &mask).unwrap();
        assert_eq!(crop.dimensions(), (4, 3));
        assert_eq!(*crop.get_pixel(1, 0), Rgb([103, 103, 90]));
        assert_eq!(*crop.get_pixel(1, 1), Rgb([0; 3]));
    }

    #[test]
    fn damage_and_contradictions_are_named() {
        let (picture, mask) = pictures();
        let device: DeviceId = "scope-1".parse().unwrap();
        let record = ExportedCell::of(device.clone(), cell(), &picture, &mask);
        let said = |record: &ExportedCell, picture: &[u8], mask: &[u8]| {
            record.crop(picture, mask).unwrap_err().to_string()
        };
        let mut other = picture.clone();
        other[60] ^= 1;
        assert!(said(&record, &other, &mask).contains("its picture is damaged"));
        assert!(said(&record, &picture, &picture).contains("its mask is damaged"));
        let no_picture = ExportedCell::of(device.clone(), cell(), b"x", &mask);
        assert!(said(&no_picture, b"x", &mask).contains("is no picture"));
        let far = KeptCell {
            bbox: Rect::from([u32::MAX - 1, 23, 4, 3]),
            ..cell()
        };
        let far = ExportedCell::of(device.clone(), far, &picture, &mask);
        assert!(said(&far, &picture, &mask).contains("belong together"));
        let below = KeptCell {
            bbox: Rect::from([12, 24, 4, 3]),
            ..cell()
        };
        let below = ExportedCell::of(device, below, &picture, &mask);
        assert!(said(&below, &picture, &mask).contains("empty"));
        let mut json = serde_json::to_value(&record).unwrap();
        json["schema"] = "smearscope.cell/2".into();
        let error = ExportedCell::from_json(&serde_json::to_vec(&json).unwrap()).unwrap_err();
        assert!(error.to_string().contains("smearscope.cell/2"), "{error}");
        assert!(ExportedCell::from_json(b"[]").is_err());
    }

    #[test]
    fn nothing_that_names_somebody_is_left_and_the_same_name_gives_the_same_pseudonym() {
        let ours = Pseudonyms::new(*b"a key");
        let anonymous = ours.cell(cell());
        let text = serde_json::to_string(&anonymous).unwrap();
        assert!(!text.contains("Ada") && !text.contains("Charles"), "{text}");
        let slide = anonymous.slide.clone().unwrap();
        assert!(is_pseudonym(slide.as_str()), "{slide}");
        assert_eq!(ours.slide(&"Ada-Lovelace".parse().unwrap()), slide);
        assert_ne!(ours.slide(&"Ada-Lovelacf".parse().unwrap()), slide);
        let theirs = Pseudonyms::new(*b"another key");
        assert_ne!(theirs.slide(&"Ada-Lovelace".parse().unwrap()), slide);
        assert!(Pseudonyms::is_nobodys(&slide) && Pseudonyms::is_nobodys(&SlideId::new_unique()));
        assert!(!Pseudonyms::is_nobodys(&"Ada-Lovelace".parse().unwrap()));
        // Twice is once.
        assert_eq!(theirs.cell(anonymous.clone()), anonymous);
        assert_ne!(ours.of("slide", "x"), ours.of("reviewer", "x"));
    }

    #[test]
    fn names_of_files_say_which_part_they_are() {
        let id = Uuid::from_u128(9);
        for part in [Part::Record, Part::Picture, Part::Mask] {
            assert_eq!(Part::of(&part.name(id)), Some((id, part)));
        }
        for name in ["tasks.json", "x.png", "", ".json"] {
            assert_eq!(Part::of(name), None, "{name}");
        }
    }
}
