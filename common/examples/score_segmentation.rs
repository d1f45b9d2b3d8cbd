//! Scores the segmentation against labelled fields.
//!
//! ```text
//! cargo run --release -p smearscope-common --example score_segmentation -- DATA [--overlay DIR] [--only NAME] [--each]
//! ```
//!
//! `DATA/images` holds the fields. The truth is `DATA/labels/*.txt`, either YOLO boxes (with the crowded
//! fields named in `DATA/crowded.txt`) or lines of `x y type`, or `DATA/annotations/*.xml` (Pascal VOC).
//! `--overlay` writes each field as PNG: cells green, split ones yellow, others by kind, truth boxes without a
//! cell red, cells without a truth box magenta.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage, decode, encode_png};
use smearscope_common::message::{CellResult, Label};
use smearscope_common::score::{DIFFICULT, MIN_IOU, ScoredField, Scorer, TruthBox, parse_yolo};
use smearscope_common::segment::{OtherKind, Segmentation, quality, segment};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is known of a field.
enum Truth {
    Boxes(Vec<TruthBox>),
    Centres(Vec<[u32; 2]>),
    Named(Vec<(String, Rect)>),
}

struct Options {
    data: PathBuf,
    overlay: Option<PathBuf>,
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
    let (mut centres, mut centres_found) = (0, 0);
    let mut named: BTreeMap<(String, &str), u32> = BTreeMap::new();
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
        let quality = quality(&image, &found);
        let crowded = crowded_names.contains(&name.as_str());
        crowded_seen[usize::from(crowded)][usize::from(found.crowded)] += 1;
        let mut line = format!(
            "{name} ms {:.0} cells {} others {} diameter {:.1} focus {:.2} exposure {:.2} split {:.2} crowded {crowded}/{}",
            times.last().unwrap_or(&0.0),
            found.cells.len(),
            found.others.len(),
            found.cell_diameter.unwrap_or(0.0),
            quality.focus,
            quality.exposure,
            found.cells.iter().filter(|c| c.split).count() as f32 / found.cells.len().max(1) as f32,
            found.crowded,
        );
        match &truth {
            Truth::Boxes(truth) => {
                let predictions: Vec<_> = found
                    .cells
                    .iter()
                    .map(|cell| uninfected(cell.bbox))
                    .collect();
                let field = ScoredField {
                    width,
                    height,
                    truth,
                    predictions: &predictions,
                    crowded,
                };
                let mut own = Scorer::default();
                own.add(&ScoredField {
                    crowded: false,
                    ..field
                });
                let own = own.summary().rest;
                line += &format!(
                    " recall {:.3} precision {:.3}",
                    own.recall.unwrap_or(1.0),
                    own.precision.unwrap_or(1.0)
                );
                scorer.add(&field);
            }
            Truth::Centres(points) => {
                let counted = |p: &&[u32; 2]| found.cells.iter().any(|c| within(&c.bbox, p));
                // A cell that the frame cuts isn't counted, so its centre is none that must be found.
                let cut = |p: &&[u32; 2]| {
                    let mut edges = found.others.iter().filter(|o| o.kind == OtherKind::Edge);
                    !counted(p) && edges.any(|o| within(&o.bbox, p))
                };
                let hit = points.iter().filter(counted).count();
                let whole = points.len() - points.iter().filter(cut).count();
                line += &format!(" centres {whole} found {hit}");
                centres += whole;
                centres_found += hit;
            }
            Truth::Named(boxes) => {
                for (what, bbox) in boxes.iter().filter(|(_, b)| !b.touches_edge(width, height)) {
                    *named
                        .entry((what.clone(), seen_as(bbox, &found)))
                        .or_insert(0) += 1;
                }
            }
        }
        if options.each {
            println!("{line}");
        }
        if let Some(folder) = &options.overlay {
            std::fs::create_dir_all(folder)?;
            let drawn = overlay(image, &found, &truth);
            std::fs::write(folder.join(format!("{name}.png")), encode_png(&drawn)?)?;
        }
    }
    times.sort_by(f64::total_cmp);
    let summary = scorer.summary();
    if summary.rest.images + summary.crowded.images > 0 {
        println!("{}", serde_json::to_string(&summary)?);
        println!(
            "crowded by the list [no, yes] and by the segmentation [no, yes]: {crowded_seen:?}"
        );
    }
    if centres > 0 {
        println!(
            "centres {centres} found {centres_found} recall {:.4}",
            centres_found as f64 / centres as f64
        );
    }
    for ((what, seen), count) in &named {
        println!("{what} seen as {seen}: {count}");
    }
    if let (Some(least), Some(most)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        println!("segment ms per field: least {least:.1} median {median:.1} most {most:.1}");
    }
    Ok(())
}

fn options() -> Result<Options> {
    const USAGE: &str = "usage: score_segmentation DATA [--overlay DIR] [--only NAME] [--each]";
    let mut words = std::env::args().skip(1);
    let data = words.next().ok_or(USAGE)?.into();
    let mut options = Options {
        data,
        overlay: None,
        only: None,
        each: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--overlay" => options.overlay = Some(words.next().ok_or(USAGE)?.into()),
            "--only" => options.only = Some(words.next().ok_or(USAGE)?),
            "--each" => options.each = true,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

/// The truth of a field; `None` where there is none.
fn truth(data: &Path, name: &str, width: u32, height: u32) -> Result<Option<Truth>> {
    if let Ok(text) = std::fs::read_to_string(data.join(format!("labels/{name}.txt"))) {
        if text
            .lines()
            .next()
            .is_some_and(|line| line.split_whitespace().count() == 3)
        {
            let point = |line: &str| {
                let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
                Some([numbers.next()?, numbers.next()?])
            };
            return Ok(Some(Truth::Centres(
                text.lines().filter_map(point).collect(),
            )));
        }
        return Ok(Some(Truth::Boxes(parse_yolo(&text, width, height)?)));
    }
    let Ok(text) = std::fs::read_to_string(data.join(format!("annotations/{name}.xml"))) else {
        return Ok(None);
    };
    let boxes = text.split("<object>").skip(1).filter_map(|object| {
        let value = |key: &str| {
            let (_, rest) = object.split_once(&format!("<{key}>"))?;
            Some(rest.split_once('<')?.0)
        };
        let [x, y, right, bottom] =
            ["xmin", "ymin", "xmax", "ymax"].map(|key| value(key)?.parse::<u32>().ok());
        let (x, y) = (x?, y?);
        let (w, h) = (right?.saturating_sub(x), bottom?.saturating_sub(y));
        // These labels put cut cells one pixel inside the frame.
        Some((
            value("name")?.to_owned(),
            Rect {
                x: x.saturating_sub(1),
                y: y.saturating_sub(1),
                w: w + 2,
                h: h + 2,
            },
        ))
    });
    Ok(Some(Truth::Named(boxes.collect())))
}

fn uninfected(bbox: Rect) -> CellResult {
    CellResult {
        bbox,
        label: Label::Uninfected,
        p_parasitized: 0.0,
    }
}

fn within(bbox: &Rect, &[x, y]: &[u32; 2]) -> bool {
    x >= bbox.x && y >= bbox.y && u64::from(x) < bbox.right() && u64::from(y) < bbox.bottom()
}

/// What the segmentation took a labelled box for.
fn seen_as(bbox: &Rect, found: &Segmentation) -> &'static str {
    let cells = found.cells.iter().map(|cell| (cell.bbox, "cell"));
    let others = found
        .others
        .iter()
        .map(|other| (other.bbox, kind_name(other.kind)));
    cells
        .chain(others)
        .map(|(own, name)| (own.iou(bbox), name))
        .filter(|&(iou, _)| iou >= MIN_IOU)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or("nothing", |(_, name)| name)
}

fn kind_name(kind: OtherKind) -> &'static str {
    match kind {
        OtherKind::Platelet => "platelet",
        OtherKind::WhiteCell => "white cell",
        OtherKind::Edge => "edge",
        OtherKind::Debris => "debris",
    }
}

fn overlay(mut image: RgbImage, found: &Segmentation, truth: &Truth) -> RgbImage {
    const GREEN: [u8; 3] = [0, 160, 0];
    const YELLOW: [u8; 3] = [255, 200, 0];
    const RED: [u8; 3] = [255, 0, 0];
    const MAGENTA: [u8; 3] = [255, 0, 255];
    let (width, height) = image.dimensions();
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
    match truth {
        Truth::Boxes(boxes) => {
            let counts = |b: &&TruthBox| b.class < DIFFICULT && !b.bbox.touches_edge(width, height);
            let missed =
                |b: &&TruthBox| !found.cells.iter().any(|c| c.bbox.iou(&b.bbox) >= MIN_IOU);
            for labelled in boxes.iter().filter(counts).filter(missed) {
                frame(&mut image, labelled.bbox, RED);
            }
            let spurious = |bbox: &&Rect| !boxes.iter().any(|b| b.bbox.iou(bbox) >= MIN_IOU);
            for bbox in found.cells.iter().map(|cell| &cell.bbox).filter(spurious) {
                frame(&mut image, *bbox, MAGENTA);
            }
        }
        Truth::Centres(points) => {
            for point in points {
                let hit = found.cells.iter().any(|cell| within(&cell.bbox, point));
                let [x, y] = point.map(|v| v.saturating_sub(3));
                frame(
                    &mut image,
                    Rect { x, y, w: 6, h: 6 },
                    if hit { GREEN } else { RED },
                );
            }
        }
        Truth::Named(boxes) => {
            for (_, bbox) in boxes
                .iter()
                .filter(|(_, bbox)| seen_as(bbox, found) == "nothing")
            {
                frame(&mut image, *bbox, RED);
            }
        }
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
