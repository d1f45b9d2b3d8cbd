//! What a model's judged cells say for its card: its rates where these cells are from, and what such cells look like.
//!
//! A board chooses the cells that it keeps, so among them doubtful ones abound. Each says how many cells of its field it speaks
//! for ([`Kept::weight`](crate::dataset::Kept)), and by these weights the rates are those of all cells (D. G. Horvitz and
//! D. J. Thompson, JASA 47 (1952) 663-685). They are stated as hits among as many independent cells as say as much (L. Kish,
//! Survey Sampling, 1965: (Σw)² / Σw²). That cells of one slide are alike is not in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use smearscope_common::drift::{self, Looks, Reference};
use smearscope_common::image;
use smearscope_common::model_card::{Rate, Validation};
use smearscope_common::topic::DeviceId;

use crate::checkpoint::{self, Run};
use crate::dataset::{Dataset, Kept};
use crate::error::bad_input;
use crate::metrics::Judged;

/// Its name in a run folder.
pub const FILE: &str = "site.json";
/// Of a person or slide at most so many cells are looked at: their median is known well enough.
const ENOUGH: usize = 100;

/// What goes into the card beside what was learnt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// The rates at the threshold; `None` where a class is lacking, or the cells were chosen and their weights are not known.
    pub validation: Option<Validation>,
    /// What the cells look like; `None` where there are too few slides or people.
    pub reference: Option<Reference>,
    /// How many of the slides or people would be called different by a reference that the others make; `None` where there are
    /// too few.
    #[serde(default)]
    pub false_alarms: Option<usize>,
    /// The threshold that this is about.
    pub threshold: f64,
}

impl Site {
    /// What judged cells of a data set say; `place` is what the data set is called.
    ///
    /// # Errors
    /// The data can't be opened any more.
    pub fn of(dataset: &Dataset, place: &str, cells: &[Judged], threshold: f64) -> Result<Self> {
        let samples = dataset.samples.iter().enumerate();
        let by_file: HashMap<&str, usize> = samples.map(|(i, s)| (s.file.as_str(), i)).collect();
        let judged: Vec<(usize, &Judged)> = cells
            .iter()
            .map(|cell| (by_file[cell.file.as_str()], cell))
            .collect();
        let about = About::of(dataset, place, &judged);
        // Chosen cells are not what a slide looks like.
        let looks = match about.is_weighed {
            true => looks(dataset, &judged, threshold)?,
            false => Vec::new(),
        };
        let reference = Reference::of(&about.dataset, &looks);
        if reference.is_none() && about.is_weighed {
            tracing::warn!(
                "{} slides or people are too few to tell what usual slides look like: boards with this model won't notice when \
                 theirs are others",
                looks.len()
            );
        }
        Ok(Self {
            validation: validation(dataset, &about, &judged, threshold),
            reference,
            false_alarms: Reference::false_alarms(&looks),
            threshold,
        })
    }

    /// What a run folder holds; `None` where it was not looked at, or another threshold was chosen since.
    ///
    /// # Errors
    /// It is not readable by this version.
    pub fn read(folder: &Path, threshold: f64) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let json = match std::fs::read(&path) {
            Ok(json) => json,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(bad_input!("{}: cannot be read: {e}", path.display())),
        };
        let read: Self = serde_json::from_slice(&json)
            .map_err(|e| bad_input!("{}: is not readable: {e}", path.display()))?;
        Ok((read.threshold as f32 == threshold as f32).then_some(read))
    }

    /// Looks at the judged test cells of a run, and notes it in the folder.
    ///
    /// # Errors
    /// The data can't be read any more, or the folder can't be written.
    pub fn note(
        run: &Run,
        folder: &Path,
        dataset: &Dataset,
        cells: &[Judged],
        threshold: f64,
    ) -> Result<()> {
        let place = run.data.file_name().unwrap_or_default().to_string_lossy();
        let found = Self::of(dataset, &format!("{place}, test subset"), cells, threshold)?;
        checkpoint::write_whole(&folder.join(FILE), &serde_json::to_vec_pretty(&found)?)
    }
}

/// Where the cells are from.
struct About {
    dataset: String,
    devices: Vec<DeviceId>,
    /// Whether all weights are known; cells that no board has chosen speak for themselves.
    is_weighed: bool,
}

impl About {
    fn of(dataset: &Dataset, place: &str, judged: &[(usize, &Judged)]) -> Self {
        let kept: Vec<&Kept> = judged
            .iter()
            .filter_map(|(i, _)| dataset.samples[*i].kept.as_ref())
            .collect();
        let sites: BTreeSet<&str> = kept.iter().map(|kept| kept.site.as_str()).collect();
        let devices: BTreeSet<&str> = kept.iter().map(|kept| kept.device.as_str()).collect();
        let named = sites.into_iter().collect::<Vec<_>>().join(" and ");
        Self {
            dataset: match named.as_str() {
                "" => place.to_owned(),
                site => format!("{site}, {place}"),
            },
            devices: devices.iter().filter_map(|id| id.parse().ok()).collect(),
            is_weighed: kept.iter().all(|kept| kept.weight.is_some()),
        }
    }
}

/// How many cells a sample speaks for.
fn weight(dataset: &Dataset, sample: usize) -> f64 {
    let kept = dataset.samples[sample].kept.as_ref();
    kept.and_then(|kept| kept.weight).unwrap_or(1).into()
}

fn validation(
    dataset: &Dataset,
    about: &About,
    judged: &[(usize, &Judged)],
    threshold: f64,
) -> Option<Validation> {
    if !about.is_weighed {
        tracing::warn!(
            "not all cells that were kept of these fields were decided on, so nobody knows what they say of the others: the card \
             gets no rates. Decide on all of some slides on the board's page (Review), and take them in again"
        );
        return None;
    }
    let rate = |truth: bool| {
        let (mut sum, mut squares, mut right) = (0.0, 0.0, 0.0);
        for (i, cell) in judged.iter().filter(|(_, cell)| cell.truth == truth) {
            let weight = weight(dataset, *i);
            sum += weight;
            squares += weight * weight;
            if (cell.p >= threshold) == truth {
                right += weight;
            }
        }
        if sum == 0.0 {
            return None;
        }
        // Without weights these are the plain counts.
        let n = (sum * sum / squares).floor();
        let value = right / sum;
        Some(Rate {
            value,
            // Rounding must add no hit, and its own error must cost none.
            hits: (value * n + 1e-9) as u64,
            n: n as u64,
        })
    };
    let subjects: BTreeSet<&str> = judged.iter().map(|(_, c)| c.subject.as_str()).collect();
    let (sensitivity, specificity) = rate(true).zip(rate(false))?;
    Some(Validation {
        dataset: about.dataset.clone(),
        subjects: subjects.len() as u64,
        sensitivity,
        specificity,
        devices: about.devices.clone(),
    })
}

/// What the healthy cells of each slide or person look like.
fn looks(dataset: &Dataset, judged: &[(usize, &Judged)], threshold: f64) -> Result<Vec<Looks>> {
    // Healthy cells, as the board sees them: those that are called so.
    let mut groups: BTreeMap<&str, Vec<(usize, f32)>> = BTreeMap::new();
    for (i, cell) in judged {
        if !cell.truth && cell.p < threshold {
            let group = groups.entry(&cell.subject).or_default();
            group.push((*i, cell.p as f32));
        }
    }
    let mut looks = Vec::new();
    for cells in groups.values() {
        let step = cells.len().div_ceil(ENOUGH).max(1);
        let some: Vec<(usize, f32)> = cells.iter().copied().step_by(step).collect();
        let indices: Vec<usize> = some.iter().map(|(i, _)| *i).collect();
        let pictures = dataset.map_bytes(&indices, |_, bytes| {
            // A broken file was named when the cells were judged.
            image::decode(&bytes.ok()?).ok()
        })?;
        let mut group = Looks::default();
        for ((i, p), picture) in some.iter().zip(pictures) {
            let look = picture.as_ref().and_then(drift::look);
            group.add(look, *p, weight(dataset, *i));
        }
        looks.push(group);
    }
    Ok(looks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use crate::manifest::tests::ingested;
    use regex::Regex;

    fn judged(dataset: &Dataset, p: impl Fn(usize, bool) -> f64) -> Vec<Judged> {
        let positive = dataset.parasitized().unwrap();
        let samples = dataset.samples.iter().enumerate();
        samples
            .map(|(i, sample)| Judged {
                file: sample.file.clone(),
                truth: sample.class == positive,
                p: p(i, sample.class == positive),
                subject: sample.subject.clone(),
            })
            .collect()
    }

    #[test]
    fn weights_make_the_rates_those_of_all_cells() {
        let dir = tempfile::tempdir().unwrap();
        // Six slides, of each: a parasite, a false alarm, and a healthy cell that speaks for 98.
        ingested(dir.path(), 6, &[(true, 1), (false, 1), (false, 98)], true);
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let cells = judged(&data, |i, truth| {
            let is_lot = data.samples[i].kept.as_ref().unwrap().weight == Some(98);
            if truth || !is_lot { 0.9 } else { 0.1 }
        });
        let site = Site::of(&data, "test subset", &cells, 0.5).unwrap();
        let v = site.validation.unwrap();
        assert_eq!((v.sensitivity.hits, v.sensitivity.n), (6, 6));
        // 98 of 99 cells, as sure as six cells by lot and some are.
        assert!((v.specificity.value - 98.0 / 99.0).abs() < 1e-12);
        assert_eq!((v.specificity.hits, v.specificity.n), (5, 6));
        assert_eq!(v.dataset, "clinic, test subset");
        assert_eq!(v.devices, ["scope-1".parse().unwrap()]);
        assert_eq!(v.subjects, 6);
        let reference = site.reference.unwrap();
        assert_eq!((reference.groups, reference.cells), (6, 6));
    }

    #[test]
    fn what_was_chosen_and_not_all_decided_gives_no_rates() {
        let dir = tempfile::tempdir().unwrap();
        ingested(dir.path(), 6, &[(true, 1), (false, 98)], false);
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let cells = judged(&data, |_, truth| if truth { 0.9 } else { 0.1 });
        let site = Site::of(&data, "x", &cells, 0.5).unwrap();
        assert_eq!((site.validation, site.reference), (None, None));
    }
}
