//! Scores the segmentation alone against labelled fields: quick to build, as no engine is needed. What a user has
//! is `smearscope-edge analyze --truth`.
//!
//! ```text
//! cargo run --release -p smearscope-common --example score_segmentation -- DATA [--overlay DIR [--blank]] [--only NAME] [--each]
//! ```
//!
//! `DATA/images` holds the fields, `DATA/labels/*.txt` (YOLO boxes or centres) or `DATA/annotations/*.xml` (Pascal
//! VOC) the truth; `DATA/crowded.txt` names the crowded fields. `--overlay` writes each field as PNG: cells
//! green, split ones yellow, others by kind, what was missed red, cells that are nothing labelled magenta.
//! `--blank` draws them on gray instead of on the field, for a picture of data that may not be copied.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use smearscope_common::crop::least_diameter;
use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage, decode, encode_png};
use smearscope_common::message::{CellResult, Label};
use smearscope_common::score::{Errors, Format, ScoredField, Scorer, Truth};
use smearscope_common::segment::{Cell, OtherKind, Segmentation, quality, segment};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The input size of the default model.
const INPUT_SIZE: u32 = 64;

struct Options {
    data: PathBuf,
    overlay: Option<PathBuf>,
    blank: bool,
    only: Option<String>,
    each: bool,
}

fn main() -> Result<()> {
    let options = options()?;
    let crowded_list =
        std::fs::read_to_string(options.data.join("crowded.txt")).unwrap_or_default();
    let crowded_names: Vec<&str> = crowded_list.split_whitespace().collect();
    let mut images: Vec<PathBuf> = std::fs::read_dir(options.data.join("images"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    images.sort();
    let mut scorer = Scorer::default();
    let mut times = Vec::new();
    let mut crowded_seen = [[0; 2]; 2];
    for path in images {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if options
            .only
            .as_ref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        let image = decode(&std::fs::read(&path)?)?;
        let (width, height) = image.dimensions();
        let Some(truth) = truth(&options.data, &name, width, height)? else {
            continue;
        };
        let start = Instant::now();
        let found = segment(&image);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let crowded = crowded_names.contains(&name.as_str());
        crowded_seen[usize::from(crowded)][usize::from(found.crowded)] += 1;
        let predictions: Vec<_> = found.cells.iter().map(uninfected).collect();
        let field = ScoredField {
            width,
            height,
            truth: &truth,
            predictions: &predictions,
            others: &found.others,
            crowded,
        };
        let errors = scorer.add(&field);
        if options.each {
            let quality = quality(&image, &found, least_diameter(INPUT_SIZE));
            let mut own = Scorer::default();
            own.add(&ScoredField {
                crowded: false,
                ..field
            });
            println!(
                "{name} ms {:.0} cells {} others {} diameter {:.1} focus {:.2} exposure {:.2} split {:.2} crowded {crowded}/{} {}",
                times.last().unwrap_or(&0.0),
                found.cells.len(),
                found.others.len(),
                found.cell_diameter.unwrap_or(0.0),
                quality.focus,
                quality.exposure,
                found.cells.iter().filter(|c| c.split).count() as f32
                    / found.cells.len().max(1) as f32,
                found.crowded,
                figures(&own, &truth)?
            );
        }
        if let Some(folder) = &options.overlay {
            std::fs::create_dir_all(folder)?;
            let ground = if options.blank {
                RgbImage::from_pixel(width, height, Rgb([190; 3]))
            } else {
                image
            };
            let drawn = overlay(ground, &found, &errors);
            std::fs::write(folder.join(format!("{name}.png")), encode_png(&drawn)?)?;
        }
    }
    times.sort_by(f64::total_cmp);
    println!("{}", serde_json::to_string(&scorer.summary())?);
    println!("crowded by the list [no, yes] and by the segmentation [no, yes]: {crowded_seen:?}");
    if let (Some(least), Some(most)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        println!("segment ms per field: least {least:.1} median {median:.1} most {most:.1}");
    }
    Ok(())
}

fn options() -> Result<Options> {
    const USAGE: &str =
        "usage: score_segmentation DATA [--overlay DIR [--blank]] [--only NAME] [--each]";
    let mut words = std::env::args().skip(1);
    let data = words.next().ok_or(USAGE)?.into();
    let mut options = Options {
        data,
        overlay: None,
        blank: false,
        only: None,
        each: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--overlay" => options.overlay = Some(words.next().ok_or(USAGE)?.into()),
            "--blank" => options.blank = true,
            "--only" => options.only = Some(words.next().ok_or(USAGE)?),
            "--each" => options.each = true,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

/// The truth of a field; `None` where there is none.
fn truth(data: &Path, name: &str, width: u32, height: u32) -> Result<Option<Truth>> {
    let (text, format) = if let Ok(text) =
        std::fs::read_to_string(data.join(format!("labels/{name}.txt")))
    {
        let format = Format::of_lines(&text).unwrap_or(Format::Yolo);
        (text, format)
    } else if let Ok(text) = std::fs::read_to_string(data.join(format!("annotations/{name}.xml"))) {
        (text, Format::Voc)
    } else {
        return Ok(None);
    };
    let truth = format.parse(&text, width, height);
    Ok(Some(truth.map_err(|error| format!("{name}: {error}"))?))
}

/// Nobody judges the cells here.
fn uninfected(cell: &Cell) -> CellResult {
    CellResult {
        bbox: cell.bbox,
        label: Label::Uninfected,
        p_parasitized: 0.0,
        counted_before: false,
    }
}

/// The figures of one field, in a few words.
fn figures(own: &Scorer, truth: &Truth) -> Result<String> {
    let score = own.summary().rest;
    Ok(match truth {
        Truth::Boxes(_) => format!(
            "recall {:.3} precision {:.3}",
            score.recall.unwrap_or(1.0),
            score.precision.unwrap_or(1.0)
        ),
        Truth::Centres(_) => format!("centres {}", serde_json::to_string(&score.centres)?),
        Truth::Named(_) => format!("named {}", serde_json::to_string(&score.named)?),
    })
}

fn overlay(mut image: RgbImage, found: &Segmentation, errors: &Errors) -> RgbImage {
    const GREEN: [u8; 3] = [0, 160, 0];
    const YELLOW: [u8; 3] = [255, 200, 0];
    const RED: [u8; 3] = [255, 0, 0];
    const MAGENTA: [u8; 3] = [255, 0, 255];
    for cell in &found.cells {
        let Rect { x, y, w, h } = cell.bbox;
        let colour = if cell.split { YELLOW } else { GREEN };
        for dy in 0..h {
            for dx in 0..w {
                let inside = |x: u32, y: u32| cell.mask.get(x, y);
                let outline = inside(dx, dy)
                    && !(inside(dx.wrapping_sub(1), dy)
                        && inside(dx + 1, dy)
                        && inside(dx, dy.wrapping_sub(1))
                        && inside(dx, dy + 1));
                if outline {
                    image.put_pixel(x + dx, y + dy, Rgb(colour));
                }
            }
        }
    }
    for other in &found.others {
        let colour = match other.kind {
            OtherKind::Edge => [128, 128, 128],
            OtherKind::Platelet => [0, 200, 255],
            OtherKind::WhiteCell => [255, 255, 255],
            OtherKind::Debris => [0, 0, 0],
        };
        frame(&mut image, other.bbox, colour);
    }
    for &spurious in &errors.spurious {
        frame(&mut image, spurious, MAGENTA);
    }
    for &missed in &errors.missed {
        // A centre is a single pixel.
        let grown = Rect {
            x: missed.x.saturating_sub(3),
            y: missed.y.saturating_sub(3),
            w: missed.w + 6,
            h: missed.h + 6,
        };
        frame(&mut image, grown, RED);
    }
    image
}

/// Draws the outline of a box, two pixels wide.
fn frame(image: &mut RgbImage, bbox: Rect, colour: [u8; 3]) {
    for dy in 0..bbox.h {
        for dx in 0..bbox.w {
            let outline = dx < 2 || dy < 2 || dx + 2 >= bbox.w || dy + 2 >= bbox.h;
            if outline && let Some(pixel) = image.get_pixel_mut_checked(bbox.x + dx, bbox.y + dy) {
                *pixel = Rgb(colour);
            }
        }
    }
}
