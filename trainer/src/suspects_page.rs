//! The suspects as pictures: one HTML page that needs no other file, and a montage for each class.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::ProgressBar;
use rayon::prelude::*;
use smearscope_common::crop::letterbox;
use smearscope_common::image::{self, RgbImage};

use crate::checkpoint;
use crate::dataset::Dataset;
use crate::montage::{self, Section, Tile};
use crate::suspects::{self, Count, Suspect, Suspects};

/// Names in the folder that [`write`] fills.
pub const PAGE: &str = "suspects.html";
/// See [`PAGE`].
pub const CSV: &str = "suspects.csv";

/// Side of a picture on the page, in pixels.
const SIDE: u32 = 128;
/// The most pictures of one montage; the page shows all.
const MONTAGE_MOST: usize = 120;
const MONTAGE_COLUMNS: u32 = 12;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;\
color:#1c1c1c;background:#fafafa}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}\
td,th{border-bottom:1px solid #ccc;padding:.2rem .8rem;text-align:right}\
td:first-child,th:first-child{text-align:left}\
.cells{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:1rem}\
figure{margin:0;background:#fff;border:1px solid #ccc;border-radius:6px;padding:10px}\
figure img{width:128px;height:128px;display:block;margin:0 auto .4rem;background:#000}\
figcaption{font-size:12px;overflow-wrap:anywhere}\
figcaption b{font-size:13px}";

/// Writes `suspects.csv`, `suspects.html` and `suspects-<class>.png` into a folder, which is made
/// where it is missing; what an earlier call left there is replaced. `bar` goes one step on for
/// each picture.
///
/// # Errors
/// The folder can't be written, or the data set can't be read any more. A picture that can't be
/// read is shown black.
pub fn write(
    folder: &Path,
    dataset: &Dataset,
    suspects: &Suspects,
    bar: &ProgressBar,
) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    suspects::write_csv(&folder.join(CSV), &suspects.cells)?;
    let samples: Vec<usize> = suspects.cells.iter().map(|s| s.sample).collect();
    let pictures = dataset.map_bytes(&samples, |_, bytes| {
        let picture = bytes.and_then(|b| Ok(image::decode(&b)?));
        bar.inc(1);
        letterbox(&picture.unwrap_or_default(), SIDE)
    })?;
    let page = page(dataset, suspects, &pictures)?;
    checkpoint::write_whole(&folder.join(PAGE), page.as_bytes())?;
    for class in &dataset.classes {
        let path = folder.join(format!("suspects-{class}.png"));
        let of_class: Vec<_> = suspects
            .cells
            .iter()
            .zip(&pictures)
            .filter(|(suspect, _)| suspect.class == *class)
            .collect();
        if of_class.is_empty() {
            // One of an earlier call would contradict the page.
            if path.exists() {
                std::fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
            continue;
        }
        let section = section(class, &of_class);
        let montage = montage::page(&[section], SIDE, MONTAGE_COLUMNS);
        checkpoint::write_whole(&path, &image::encode_png(&montage)?)?;
    }
    Ok(())
}

fn section(class: &str, cells: &[(&Suspect, &RgbImage)]) -> Section {
    let shown = cells.len().min(MONTAGE_MOST);
    let which = if shown < cells.len() {
        format!("the surest {shown} of {}", cells.len())
    } else {
        format!("{shown}")
    };
    Section {
        heading: format!("Labelled {class}, probably wrong: {which}"),
        tiles: cells[..shown]
            .iter()
            .map(|(suspect, picture)| Tile {
                picture: (*picture).clone(),
                lines: vec![
                    format!("p {:.4}", suspect.p_parasitized),
                    montage::stem(&suspect.file),
                ],
                colour: montage::WRONG,
            })
            .collect(),
    }
}

fn page(dataset: &Dataset, suspects: &Suspects, pictures: &[RgbImage]) -> Result<String> {
    let mut html = String::new();
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Probable label errors</title><style>{STYLE}</style>\n\
         <h1>Probable label errors</h1>\n\
         <p>{} of {} predicted cells ({:.1} %) carry a label that a model which never saw their \
         subject contradicts with at least {:.0} % confidence. The model may be wrong: look, then \
         decide.</p>\n",
        suspects.suspects,
        suspects.predicted,
        100.0 * suspects.share,
        100.0 * suspects.least_confidence,
    )?;
    table(&mut html, "Label", suspects.by_class.iter())?;
    let mut subjects: Vec<_> = suspects.by_subject.iter().collect();
    subjects.sort_by_key(|(_, count)| std::cmp::Reverse(count.suspects));
    html.push_str("<details><summary>By subject</summary>\n");
    table(&mut html, "Subject", subjects.into_iter())?;
    html.push_str("</details>\n");
    let figures: Vec<String> = suspects
        .cells
        .par_iter()
        .zip(pictures)
        .map(|(suspect, picture)| figure(suspect, picture))
        .collect::<Result<_>>()?;
    for class in &dataset.classes {
        let count = suspects.by_class[class].suspects;
        if count == 0 {
            continue;
        }
        write!(
            html,
            "<h2>Labelled {}: {count}</h2>\n<div class=\"cells\">\n",
            escape(class)
        )?;
        for (suspect, figure) in suspects.cells.iter().zip(&figures) {
            if suspect.class == *class {
                html.push_str(figure);
            }
        }
        html.push_str("</div>\n");
    }
    Ok(html)
}

fn table<'a>(
    html: &mut String,
    of: &str,
    counts: impl Iterator<Item = (&'a String, &'a Count)>,
) -> Result<()> {
    writeln!(
        html,
        "<table><tr><th>{of}</th><th>Suspects</th><th>Predicted</th><th>Share</th></tr>"
    )?;
    for (name, count) in counts {
        let share = 100.0 * count.suspects as f64 / count.predicted.max(1) as f64;
        writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{share:.1} %</td></tr>",
            escape(name),
            count.suspects,
            count.predicted
        )?;
    }
    html.push_str("</table>\n");
    Ok(())
}

fn figure(suspect: &Suspect, picture: &RgbImage) -> Result<String> {
    let jpeg = STANDARD.encode(image::encode_jpeg(picture, 90)?);
    let fold = suspect
        .fold
        .map_or_else(String::new, |fold| format!(", fold {fold}"));
    Ok(format!(
        "<figure><img alt=\"\" src=\"data:image/jpeg;base64,{jpeg}\"><figcaption>\
         <b>p = {:.4}</b><br>labelled {}<br>subject {}{fold}<br>{}</figcaption></figure>\n",
        suspect.p_parasitized,
        escape(&suspect.class),
        escape(&suspect.subject),
        escape(&suspect.file),
    ))
}

/// Text → HTML text: names of files are foreign.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            other => html.push(other),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use crate::predictions::Prediction;
    use regex::Regex;
    use smearscope_common::image::{Rgb, encode_png};
    use std::fs;

    #[test]
    fn a_page_holds_everything_and_trusts_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let png = encode_png(&RgbImage::from_pixel(30, 30, Rgb([200, 100, 100]))).unwrap();
        for file in ["Parasitized/C1_<b>&.png", "Uninfected/C2.png"] {
            let path = dir.path().join("data").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &png).unwrap();
        }
        let data = dir.path().join("data");
        let data = Dataset::open(&data, &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let predictions: Vec<_> = data
            .samples
            .iter()
            .map(|sample| Prediction {
                file: sample.file.clone(),
                subject: sample.subject.clone(),
                class: String::new(),
                p_parasitized: 0.02,
                fold: None,
            })
            .collect();
        let found = suspects::find(&data, &predictions, 0.95).unwrap();
        let out = dir.path().join("deep/suspects");
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("suspects-Uninfected.png"), b"of yesterday").unwrap();
        write(&out, &data, &found, &ProgressBar::hidden()).unwrap();
        let html = fs::read_to_string(out.join(PAGE)).unwrap();
        assert!(html.contains("1 of 2 predicted cells (50.0 %)"));
        assert!(html.contains("Parasitized/C1_&lt;b&gt;&amp;.png") && !html.contains("<b>&"));
        assert!(!html.contains("Uninfected/C2.png"));
        let start = html.find("base64,").unwrap() + 7;
        let end = start + html[start..].find('"').unwrap();
        let jpeg = STANDARD.decode(&html[start..end]).unwrap();
        let picture = image::decode(&jpeg).unwrap();
        assert!(picture.get_pixel(64, 64)[0].abs_diff(200) < 5);
        assert!(image::decode(&fs::read(out.join("suspects-Parasitized.png")).unwrap()).is_ok());
        assert!(!out.join("suspects-Uninfected.png").exists());
        assert_eq!(
            fs::read_to_string(out.join(CSV)).unwrap().lines().count(),
            2
        );
    }
}
