//! Crops that are there more than once, and what is wrong with that.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::dataset::Dataset;

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// All duplicates of a data set.
#[derive(Debug, Default, Serialize)]
pub struct Duplicates {
    /// How many files could go and no picture would be lost.
    pub surplus: usize,
    /// Groups with more than one label: at least one is wrong.
    pub label_conflicts: usize,
    /// Groups with more than one subject: the same cell may be learnt from and tested on.
    pub leaks: usize,
    /// By their first file.
    pub groups: Vec<Group>,
}

/// Files that show the same pixels.
#[derive(Debug, Serialize)]
pub struct Group {
    /// In the order of the data set, at least two.
    pub files: Vec<String>,
    /// What is equal.
    pub same: Same,
    /// Their labels.
    pub classes: BTreeSet<String>,
    /// Whom they came from.
    pub subjects: BTreeSet<String>,
}

/// What is equal in a group of duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Same {
    /// The files, byte for byte.
    Bytes,
    /// The decoded pictures; the files differ, in format or compression for instance.
    Pixels,
}

impl Group {
    /// Whether the same picture has two labels.
    pub fn label_conflict(&self) -> bool {
        self.classes.len() > 1
    }

    /// Whether the same picture is said to come from two subjects.
    pub fn leak(&self) -> bool {
        self.subjects.len() > 1
    }
}

/// Finds duplicates. `seen` holds, for each sample that could be read, its index in the data set
/// in rising order, the digest of its bytes, and that of its pixels and size.
pub fn find(dataset: &Dataset, seen: &[(usize, Digest, Digest)]) -> Duplicates {
    let mut alike: BTreeMap<Digest, Vec<(usize, Digest)>> = BTreeMap::new();
    for &(sample, bytes, pixels) in seen {
        alike.entry(pixels).or_default().push((sample, bytes));
    }
    let mut groups: Vec<_> = alike.into_values().filter(|g| g.len() > 1).collect();
    groups.sort_by_key(|group| group[0].0);
    let groups: Vec<Group> = groups.iter().map(|group| named(dataset, group)).collect();
    Duplicates {
        surplus: groups.iter().map(|g| g.files.len() - 1).sum(),
        label_conflicts: groups.iter().filter(|g| g.label_conflict()).count(),
        leaks: groups.iter().filter(|g| g.leak()).count(),
        groups,
    }
}

fn named(dataset: &Dataset, group: &[(usize, Digest)]) -> Group {
    let samples = || group.iter().map(|&(i, _)| &dataset.samples[i]);
    Group {
        files: samples().map(|s| s.file.clone()).collect(),
        same: if group.iter().all(|(_, bytes)| *bytes == group[0].1) {
            Same::Bytes
        } else {
            Same::Pixels
        },
        classes: samples()
            .map(|s| dataset.classes[s.class].clone())
            .collect(),
        subjects: samples().map(|s| s.subject.clone()).collect(),
    }
}
