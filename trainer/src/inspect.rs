//! What is in a data set, before anything is learnt from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use smearscope_common::image::{self, RgbImage};

use crate::dataset::Dataset;
use crate::duplicates::{self, Digest, Duplicates};

/// The report of `inspect`.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// Readable images.
    pub images: usize,
    /// By class name.
    pub classes: BTreeMap<String, ClassReport>,
    /// Distinct subjects.
    pub subjects: usize,
    /// Subjects with cells of more than one class: common, and legal.
    pub subjects_in_several_classes: usize,
    /// Subject → class → images.
    pub by_subject: BTreeMap<String, BTreeMap<String, usize>>,
    /// Smallest, median and largest longer side in pixels.
    pub longer_side: Option<[u32; 3]>,
    /// How many images have a longer side of which length, without gaps, from the smallest.
    pub longer_side_bins: Vec<Bin>,
    /// Files with an image's name that can't be decoded, and why.
    pub unreadable: BTreeMap<String, String>,
    /// Images that are readable but hardly show a cell, and why.
    pub degenerate: BTreeMap<String, String>,
    /// Images that are there more than once.
    pub duplicates: Duplicates,
    /// Files that are no images by their name.
    pub ignored: Vec<String>,
    /// What is legal, but bad for learning.
    pub warnings: Vec<String>,
    /// One per sample, in the order of the data set.
    #[serde(skip)]
    pub files: Vec<FileReport>,
}

/// One class.
#[derive(Debug, Default, Serialize)]
pub struct ClassReport {
    /// Images.
    pub images: usize,
    /// Distinct subjects.
    pub subjects: usize,
    /// The folders of that name, from the top of the data set.
    pub folders: BTreeSet<String>,
}

/// Images whose longer side is `from` pixels or more and less than `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bin {
    /// In pixels.
    pub from: u32,
    /// In pixels, itself not included.
    pub to: u32,
    /// How many.
    pub images: usize,
}

/// One file.
#[derive(Debug)]
pub struct FileReport {
    /// Of its bytes, unless they can't be read.
    pub sha256: Option<Digest>,
    /// Width and height, unless it can't be decoded.
    pub size: Option<(u32, u32)>,
}

/// What is kept of a picture once it is decoded.
struct Look {
    size: (u32, u32),
    pixels: Digest,
    flaw: Option<String>,
}

/// Decodes every image of a data set and counts. `bar` goes one step on for each.
///
/// # Errors
/// The zip can't be opened any more.
pub fn inspect(dataset: &Dataset, bar: &ProgressBar) -> Result<Inspection> {
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let seen = dataset.map_bytes(&all, |_, bytes| {
        let sha256 = bytes.as_ref().ok().map(|b| Sha256::digest(b).into());
        let look = bytes
            .and_then(|b| Ok(look_at(&image::decode(&b)?)))
            .map_err(|e| format!("{e:#}"));
        bar.inc(1);
        (sha256, look)
    })?;

    let mut unreadable = BTreeMap::new();
    let mut degenerate = BTreeMap::new();
    let mut by_subject: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut files = Vec::with_capacity(seen.len());
    let mut digests = Vec::with_capacity(seen.len());
    for (i, (sha256, look)) in seen.into_iter().enumerate() {
        let sample = &dataset.samples[i];
        files.push(FileReport {
            sha256,
            size: look.as_ref().ok().map(|look| look.size),
        });
        match look {
            Ok(look) => {
                let class = dataset.classes[sample.class].clone();
                let subject = by_subject.entry(sample.subject.clone()).or_default();
                *subject.entry(class).or_default() += 1;
                digests.extend(sha256.map(|bytes| (i, bytes, look.pixels)));
                if let Some(flaw) = look.flaw {
                    degenerate.insert(sample.file.clone(), flaw);
                }
            }
            Err(why) => {
                unreadable.insert(sample.file.clone(), why);
            }
        }
    }
    let mut sides: Vec<u32> = files
        .iter()
        .filter_map(|file| file.size.map(|(w, h)| w.max(h)))
        .collect();
    sides.sort_unstable();
    Ok(Inspection {
        images: sides.len(),
        classes: class_reports(dataset, &by_subject),
        subjects: by_subject.len(),
        subjects_in_several_classes: by_subject.values().filter(|c| c.len() > 1).count(),
        by_subject,
        longer_side: match sides.as_slice() {
            [] => None,
            [first, .., last] => Some([*first, sides[sides.len() / 2], *last]),
            [only] => Some([*only; 3]),
        },
        longer_side_bins: bins(&sides),
        unreadable,
        degenerate,
        duplicates: duplicates::find(dataset, &digests),
        ignored: dataset.ignored.clone(),
        warnings: dataset.warnings(),
        files,
    })
}

fn class_reports(
    dataset: &Dataset,
    by_subject: &BTreeMap<String, BTreeMap<String, usize>>,
) -> BTreeMap<String, ClassReport> {
    let mut reports: BTreeMap<String, ClassReport> = dataset
        .classes
        .iter()
        .map(|class| (class.clone(), ClassReport::default()))
        .collect();
    for sample in &dataset.samples {
        if let Some(report) = reports.get_mut(&dataset.classes[sample.class]) {
            let folder = sample
                .file
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            if !report.folders.contains(folder) {
                report.folders.insert(folder.to_owned());
            }
        }
    }
    for counts in by_subject.values() {
        for (class, &images) in counts {
            if let Some(report) = reports.get_mut(class) {
                report.images += images;
                report.subjects += 1;
            }
        }
    }
    reports
}

fn look_at(picture: &RgbImage) -> Look {
    let (w, h) = picture.dimensions();
    let mut pixels = Sha256::new();
    pixels.update(w.to_le_bytes());
    pixels.update(picture.as_raw());
    Look {
        size: (w, h),
        pixels: pixels.finalize().into(),
        flaw: flaw(picture),
    }
}

/// A channel brighter than this is no longer the black around a cut cell.
const BLACK: u8 = 16;

/// Why a picture can hardly be that of a cell.
fn flaw(picture: &RgbImage) -> Option<String> {
    let (w, h) = picture.dimensions();
    let (long, short) = (w.max(h), w.min(h));
    if long < 8 {
        return Some(format!("only {w} × {h} pixels"));
    }
    if short * 4 < long {
        return Some(format!("{w} × {h} pixels, far from round"));
    }
    let first = picture.get_pixel(0, 0);
    if picture.pixels().all(|p| p == first) {
        return Some("one even colour".into());
    }
    let lit = picture.pixels().filter(|p| p.0.iter().any(|&c| c > BLACK));
    let share = lit.count() as f64 / f64::from(w * h);
    (share < 0.05).then(|| format!("{:.0} % of it is black", 100.0 * (1.0 - share)))
}

/// The most bins of a histogram.
const MOST_BINS: u32 = 20;

/// Sorted sides → bins of equal width, a round number of pixels.
fn bins(sides: &[u32]) -> Vec<Bin> {
    let (Some(&low), Some(&high)) = (sides.first(), sides.last()) else {
        return Vec::new();
    };
    let round = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u32.pow(power)));
    let width = round
        .take_while(|&width| width <= image::MAX_SIDE)
        .find(|width| high / width - low / width < MOST_BINS)
        .unwrap_or(image::MAX_SIDE);
    (low / width..=high / width)
        .map(|bin| {
            let (from, to) = (bin * width, (bin + 1) * width);
            let below = |limit| sides.partition_point(|&side| side < limit);
            Bin {
                from,
                to,
                images: below(to) - below(from),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use crate::duplicates::Same;
    use regex::Regex;
    use smearscope_common::image::{Rgb, encode_jpeg, encode_png};
    use std::fs;
    use std::path::Path;

    fn put(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn cell(shade: u8, side: u32) -> RgbImage {
        RgbImage::from_fn(side, side, |x, y| Rgb([100 + (x + y) as u8, shade, 160]))
    }

    fn look(root: &Path) -> Inspection {
        let data = Dataset::open(root, &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        inspect(&data, &ProgressBar::hidden()).unwrap()
    }

    #[test]
    fn counts_by_class_and_subject() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let png = |shade, side| encode_png(&cell(shade, side)).unwrap();
        put(root, "here/Parasitized/C1_a.png", &png(1, 30));
        put(root, "there/Parasitized/C1_b.png", &png(2, 44));
        put(root, "here/Uninfected/C1_c.png", &png(3, 45));
        put(root, "here/Uninfected/C2_d.png", b"broken");
        put(root, "here/Uninfected/C2_e.png", b"");
        let seen = look(root);
        assert_eq!((seen.images, seen.subjects), (3, 1));
        assert_eq!(seen.subjects_in_several_classes, 1, "legal");
        assert_eq!(seen.by_subject["1"]["Parasitized"], 2);
        let parasitized = &seen.classes["Parasitized"];
        assert_eq!((parasitized.images, parasitized.subjects), (2, 1));
        assert_eq!(parasitized.folders.len(), 2);
        assert_eq!(seen.classes["Uninfected"].images, 1);
        assert_eq!(seen.longer_side, Some([30, 44, 45]));
        assert!(seen.unreadable["here/Uninfected/C2_d.png"].contains("not a readable image"));
        assert!(seen.unreadable["here/Uninfected/C2_e.png"].contains("empty"));
        assert!(seen.files[3].sha256.is_some() && seen.files[3].size.is_none());
        assert!(seen.duplicates.groups.is_empty() && seen.degenerate.is_empty());
    }

    #[test]
    fn duplicates_are_found_by_bytes_and_by_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let even = RgbImage::from_pixel(16, 16, Rgb([128; 3]));
        let (png, jpeg) = (encode_png(&even).unwrap(), encode_jpeg(&even, 100).unwrap());
        assert_eq!(image::decode(&png).unwrap(), image::decode(&jpeg).unwrap());
        put(root, "Parasitized/C1_a.png", &png);
        put(root, "Uninfected/C1_b.jpg", &jpeg);
        let other = encode_png(&cell(9, 20)).unwrap();
        put(root, "Parasitized/C2_a.png", &other);
        put(root, "Parasitized/C3_a.png", &other);
        // The same pixels in another shape are another picture.
        put(
            root,
            "Parasitized/C4.png",
            &encode_png(&RgbImage::from_pixel(32, 8, Rgb([128; 3]))).unwrap(),
        );
        let found = look(root).duplicates;
        assert_eq!(
            (found.surplus, found.label_conflicts, found.leaks),
            (2, 1, 1)
        );
        let [first, second] = &found.groups[..] else {
            panic!("{found:?}")
        };
        assert_eq!(first.files, ["Parasitized/C1_a.png", "Uninfected/C1_b.jpg"]);
        assert_eq!(first.same, Same::Pixels);
        assert!(first.label_conflict() && !first.leak());
        assert_eq!(second.same, Same::Bytes);
        assert!(!second.label_conflict() && second.leak());
    }

    #[test]
    fn what_is_hardly_a_cell_is_told() {
        let black = RgbImage::from_fn(40, 40, |x, y| Rgb([if x * y == 4 { 200 } else { 3 }; 3]));
        assert!(flaw(&black).unwrap().contains("100 % of it is black"));
        assert!(flaw(&RgbImage::new(40, 40)).unwrap().contains("even"));
        assert!(flaw(&cell(5, 7)).unwrap().contains("7 × 7"));
        let strip = Rgb([1, 2, 3]);
        assert!(
            flaw(&RgbImage::from_pixel(90, 20, strip))
                .unwrap()
                .contains("round")
        );
        assert_eq!(flaw(&cell(5, 40)), None);
    }

    #[test]
    fn bins_are_round_and_hold_everything() {
        let bin = |from, to, images| Bin { from, to, images };
        assert_eq!(bins(&[]), []);
        assert_eq!(bins(&[7]), [bin(7, 8, 1)]);
        let few = bins(&[38, 39, 40, 59, 99]);
        assert_eq!(few[0], bin(35, 40, 2));
        assert_eq!(few.len(), 13);
        let sides: Vec<u32> = (1..=image::MAX_SIDE).collect();
        let all = bins(&sides);
        assert!(all.len() as u32 <= MOST_BINS);
        assert_eq!(all.iter().map(|b| b.images).sum::<usize>(), sides.len());
    }
}
