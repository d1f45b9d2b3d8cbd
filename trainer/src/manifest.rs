//! `manifest.csv` of a data set that `ingest` has made: what is known of each cell beyond its class.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smearscope_common::exported::ExportedCell;
use smearscope_common::message::{KeptReason, Label};
use smearscope_common::stain::Colour;
use uuid::Uuid;

/// Its name in the folder.
pub const FILE: &str = "manifest.csv";

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its picture below the folder, `<class>/<id>.png`.
    pub file: String,
    /// Its class.
    pub class: String,
    /// Its id on the board.
    pub id: Uuid,
    /// SHA-256 of the picture's bytes, in hex.
    pub sha256: String,
    /// The laboratory, as `ingest --site` named it.
    pub site: String,
    /// The board that kept it.
    pub device: String,
    /// The pseudonym of its slide; empty where none was open.
    pub slide: String,
    /// Whose cells must stay together in a split: site and slide, or where there is no slide, site, board and day.
    pub group: String,
    /// The field that it was seen in.
    pub field: Uuid,
    /// When the camera took that.
    pub captured_at: Timestamp,
    /// Why it was kept: suspicious, threshold, random or novel.
    pub reason: String,
    /// Of how many cells of its field it was drawn by lot; 1 without a lot.
    pub stands_for: u32,
    /// How many cells of its field were counted.
    pub field_cells: u32,
    /// Whether the rows of its field stand for all of these: only then the weights say something.
    pub complete: bool,
    /// What the model at work said.
    pub p_parasitized: f32,
    /// SHA-256 of that model.
    pub model_sha256: String,
    /// How unlike the cells before it it was.
    pub novelty: Option<f32>,
    /// Where the decision was made: `board` or `label_studio`.
    pub decided_on: String,
    /// The pseudonym of who decided; empty where nobody said.
    pub reviewer: String,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// What kind of parasite it is, such as `ring`; empty where nobody said.
    pub stage: String,
    /// Red of its field's typical cell, 0 to 255; empty where that is not known.
    pub field_red: Option<f32>,
    /// Green of it.
    pub field_green: Option<f32>,
    /// Blue of it.
    pub field_blue: Option<f32>,
}

impl Row {
    /// The row of a cell that was decided on; `None` of another one. `sha256` is that of its picture's bytes.
    pub fn of(record: &ExportedCell, site: &str, decided_on: &str, sha256: String) -> Option<Self> {
        let cell = &record.cell;
        let decision = cell.decision.as_ref()?;
        let class = class_of(decision.verdict);
        let slide = cell
            .slide
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let group = match slide.as_str() {
            "" => {
                let day = cell.captured_at.strftime("%Y-%m-%d");
                format!("{site}/{}/{day}", record.device)
            }
            slide => format!("{site}/{slide}"),
        };
        let [field_red, field_green, field_blue] = match cell.field_colour {
            Some(colour) => colour.map(Some),
            None => [None; 3],
        };
        Some(Self {
            file: format!("{class}/{}.png", cell.id),
            class: class.to_owned(),
            id: cell.id,
            sha256,
            site: site.to_owned(),
            device: record.device.to_string(),
            slide,
            group,
            field: cell.field_id,
            captured_at: cell.captured_at,
            reason: reason(cell.reason).to_owned(),
            stands_for: cell.stands_for,
            field_cells: cell.field_cells,
            complete: false,
            p_parasitized: cell.p_parasitized,
            model_sha256: cell.model.sha256.clone(),
            novelty: cell.novelty,
            decided_on: decided_on.to_owned(),
            reviewer: decision.by.clone().map(String::from).unwrap_or_default(),
            decided_at: decision.at,
            stage: record.stage.clone().unwrap_or_default(),
            field_red,
            field_green,
            field_blue,
        })
    }

    /// The colour of its field's typical cell.
    pub fn colour(&self) -> Option<Colour> {
        Some([self.field_red?, self.field_green?, self.field_blue?])
    }
}

/// The folder of a class.
pub fn class_of(verdict: Label) -> &'static str {
    match verdict {
        Label::Parasitized => "Parasitized",
        Label::Uninfected => "Uninfected",
    }
}

fn reason(reason: KeptReason) -> &'static str {
    match reason {
        KeptReason::Suspicious => "suspicious",
        KeptReason::Threshold => "threshold",
        KeptReason::Random => "random",
        KeptReason::Novel => "novel",
    }
}

/// All rows, by the id of the cell.
pub type Manifest = BTreeMap<Uuid, Row>;

/// Reads a manifest.
///
/// # Errors
/// What is wrong with which line.
pub fn read(csv: &[u8]) -> Result<Manifest> {
    let mut reader = csv::Reader::from_reader(csv);
    let rows = reader.deserialize::<Row>();
    Ok(rows
        .map(|row| row.map(|row| (row.id, row)))
        .collect::<Result<_, _>>()?)
}

/// A manifest as CSV, ordered by the time at which the cells were taken.
///
/// # Errors
/// Never in practice: it is written to memory.
pub fn to_csv(manifest: &Manifest) -> Result<Vec<u8>> {
    let mut rows: Vec<&Row> = manifest.values().collect();
    rows.sort_by_key(|row| (row.captured_at, row.id));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use smearscope_common::image::{Rgb, RgbImage, encode_png};
    use std::fs;
    use std::path::Path;

    /// A row of the board scope-1 at the clinic.
    pub fn row(n: u128, slide: &str, is_parasitized: bool, stands_for: u32, complete: bool) -> Row {
        let id = Uuid::from_u128(n);
        let class = class_of(match is_parasitized {
            true => Label::Parasitized,
            false => Label::Uninfected,
        });
        Row {
            file: format!("{class}/{id}.png"),
            class: class.into(),
            id,
            sha256: String::new(),
            site: "clinic".into(),
            device: "scope-1".into(),
            slide: slide.into(),
            group: format!("clinic/{slide}"),
            field: Uuid::from_u128(1000 + n),
            captured_at: Timestamp::UNIX_EPOCH,
            reason: "random".into(),
            stands_for,
            field_cells: 0,
            complete,
            p_parasitized: 0.5,
            model_sha256: "00".into(),
            novelty: None,
            decided_on: "board".into(),
            reviewer: String::new(),
            decided_at: Timestamp::UNIX_EPOCH,
            stage: String::new(),
            field_red: Some(150.0),
            field_green: Some(120.0),
            field_blue: Some(130.0),
        }
    }

    /// A data set as `ingest` leaves it: so many slides with these cells each, (parasitized, stands for so many).
    pub fn ingested(folder: &Path, slides: usize, cells: &[(bool, u32)], complete: bool) {
        let mut manifest = Manifest::new();
        for slide in 0..slides {
            for &(is_parasitized, stands_for) in cells {
                let n = manifest.len() as u128;
                let row = row(
                    n,
                    &format!("s{slide}"),
                    is_parasitized,
                    stands_for,
                    complete,
                );
                let crop = RgbImage::from_fn(48, 48, |x, y| {
                    let (dx, dy) = (x as i32 - 24, y as i32 - 24);
                    let spot = is_parasitized && (dx - 8).pow(2) + dy.pow(2) < 30;
                    match dx * dx + dy * dy {
                        ..529 if spot => Rgb([70, 40, 90]),
                        ..529 => Rgb([150 + n as u8 % 9, 120, 130]),
                        _ => Rgb([0; 3]),
                    }
                });
                let path = folder.join(&row.file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, encode_png(&crop).unwrap()).unwrap();
                manifest.insert(row.id, row);
            }
        }
        fs::write(folder.join(FILE), to_csv(&manifest).unwrap()).unwrap();
    }

    #[test]
    fn a_manifest_reads_back() {
        let mut manifest = Manifest::new();
        for (n, slide) in [(2, "a"), (1, ""), (3, "comma, \"quote\"")] {
            let row = row(n, slide, n == 2, 7, true);
            manifest.insert(row.id, row);
        }
        assert_eq!(read(&to_csv(&manifest).unwrap()).unwrap(), manifest);
        assert!(read(b"file,class,id\na,b,no-id\n").is_err());
        let colourless = Row {
            field_blue: None,
            ..row(1, "a", true, 1, true)
        };
        assert_eq!(colourless.colour(), None);
    }
}
