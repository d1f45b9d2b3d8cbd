//! What is in a data set, before anything is learnt from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;
use smearscope_common::image;

use crate::dataset::Dataset;

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
    /// Smallest, median and largest longer side in pixels.
    pub longer_side: Option<[u32; 3]>,
    /// Files with an image's name that can't be decoded, and why.
    pub unreadable: BTreeMap<String, String>,
    /// Files that are no images by their name.
    pub ignored: Vec<String>,
}

/// One class.
#[derive(Debug, Default, Serialize)]
pub struct ClassReport {
    /// Images.
    pub images: usize,
    /// Distinct subjects.
    pub subjects: usize,
}

/// Decodes every image of a data set and counts.
///
/// # Errors
/// The zip can't be opened any more.
pub fn inspect(dataset: &Dataset) -> Result<Inspection> {
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let sizes = dataset.map_bytes(&all, |i, bytes| {
        let size = bytes.and_then(|b| Ok(image::decode(&b)?.dimensions()));
        (i, size.map_err(|e| format!("{e:#}")))
    })?;
    let mut unreadable = BTreeMap::new();
    let mut sides = Vec::with_capacity(sizes.len());
    let mut subjects: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); dataset.classes.len()];
    let mut counts = vec![0; dataset.classes.len()];
    for (i, size) in sizes {
        let sample = &dataset.samples[i];
        match size {
            Ok((w, h)) => {
                sides.push(w.max(h));
                counts[sample.class] += 1;
                subjects[sample.class].insert(&sample.subject);
            }
            Err(why) => {
                unreadable.insert(sample.file.clone(), why);
            }
        }
    }
    sides.sort_unstable();
    let mut classes_of: BTreeMap<&str, usize> = BTreeMap::new();
    for subject in subjects.iter().flatten() {
        *classes_of.entry(subject).or_default() += 1;
    }
    let classes = dataset.classes.iter().zip(counts).zip(&subjects);
    Ok(Inspection {
        images: sides.len(),
        classes: classes
            .map(|((name, images), subjects)| {
                (
                    name.clone(),
                    ClassReport {
                        images,
                        subjects: subjects.len(),
                    },
                )
            })
            .collect(),
        subjects: classes_of.len(),
        subjects_in_several_classes: classes_of.values().filter(|&&n| n > 1).count(),
        longer_side: match sides.as_slice() {
            [] => None,
            [first, .., last] => Some([*first, sides[sides.len() / 2], *last]),
            [only] => Some([*only; 3]),
        },
        unreadable,
        ignored: dataset.ignored.clone(),
    })
}

impl std::fmt::Display for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} images of {} subjects", self.images, self.subjects)?;
        for (name, class) in &self.classes {
            writeln!(
                f,
                "  {name}: {} images of {} subjects",
                class.images, class.subjects
            )?;
        }
        writeln!(
            f,
            "{} subjects have cells in more than one class",
            self.subjects_in_several_classes
        )?;
        if let Some([low, median, high]) = self.longer_side {
            writeln!(f, "longer side: {low} to {high} pixels, median {median}")?;
        }
        for (file, why) in &self.unreadable {
            writeln!(f, "unreadable: {file}: {why}")?;
        }
        write!(
            f,
            "{} files are no images: {}",
            self.ignored.len(),
            self.ignored.join(", ")
        )
    }
}
