//! Probable label errors: cells of which a model that never saw their subject is sure that they
//! are the other thing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::checkpoint;
use crate::dataset::Dataset;
use crate::error::bad_input;
use crate::predictions::Prediction;

/// One cell whose label is in doubt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Path below the data set.
    pub file: String,
    /// Its label.
    pub class: String,
    /// Whom it came from.
    pub subject: String,
    /// What the model says.
    pub p_parasitized: f64,
    /// How sure the model is that the label is wrong, 0 to 1.
    pub confidence: f64,
    /// Which fold's model said so.
    pub fold: Option<usize>,
    /// Index in the data set.
    #[serde(skip)]
    pub sample: usize,
}

/// All suspects of a data set.
#[derive(Debug, Serialize)]
pub struct Suspects {
    /// How sure a model had to be.
    pub least_confidence: f64,
    /// Cells of the data set of which there is a prediction.
    pub predicted: usize,
    /// Predictions whose file is not in the data set any more.
    pub gone: usize,
    /// How many suspects.
    pub suspects: usize,
    /// Suspects per predicted cell.
    pub share: f64,
    /// By label; every class is named.
    pub by_class: BTreeMap<String, Count>,
    /// By subject; those without a suspect are not named.
    pub by_subject: BTreeMap<String, Count>,
    /// The surest first.
    #[serde(skip)]
    pub cells: Vec<Suspect>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Suspects.
    pub suspects: usize,
    /// Predicted cells.
    pub predicted: usize,
}

/// How sure a model must be that a label is wrong, from the command line.
///
/// # Errors
/// Not a number from 0.5 to 1.
pub fn confidence(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.5..=1.0).contains(&p) => Ok(p),
        _ => Err("must be a number from 0.5 to 1".into()),
    }
}

/// Finds the cells whose label a prediction contradicts with at least `least_confidence`: labelled
/// parasitized at `p_parasitized` ≤ 1 − it, or labelled anything else at ≥ it. The label that
/// counts is the data set's of today.
///
/// # Errors
/// The data set has no parasitized class, or none of the predictions is about one of its files.
pub fn find(
    dataset: &Dataset,
    predictions: &[Prediction],
    least_confidence: f64,
) -> Result<Suspects> {
    let positive = dataset.parasitized()?;
    let index: HashMap<&str, usize> = dataset
        .samples
        .iter()
        .enumerate()
        .map(|(i, sample)| (sample.file.as_str(), i))
        .collect();
    let mut by_class: BTreeMap<String, Count> = dataset
        .classes
        .iter()
        .map(|class| (class.clone(), Count::default()))
        .collect();
    let mut by_subject: BTreeMap<String, Count> = BTreeMap::new();
    let mut predicted = 0;
    let mut cells = Vec::new();
    for prediction in predictions {
        let Some(&sample) = index.get(prediction.file.as_str()) else {
            continue;
        };
        predicted += 1;
        let cell = &dataset.samples[sample];
        let confidence = if cell.class == positive {
            1.0 - prediction.p_parasitized
        } else {
            prediction.p_parasitized
        };
        let class = dataset.classes[cell.class].clone();
        // A p written as 0.05 must count at 0.95, whatever 1 − 0.95 is in binary.
        let suspect = confidence >= least_confidence - 1e-12;
        for count in [
            by_class.entry(class.clone()).or_default(),
            by_subject.entry(cell.subject.clone()).or_default(),
        ] {
            count.predicted += 1;
            count.suspects += usize::from(suspect);
        }
        if suspect {
            cells.push(Suspect {
                file: cell.file.clone(),
                class,
                subject: cell.subject.clone(),
                p_parasitized: prediction.p_parasitized,
                confidence,
                fold: prediction.fold,
                sample,
            });
        }
    }
    if predicted == 0 {
        return Err(bad_input!(
            "none of the {} predictions is about a file of this data set, {} for instance; \
             give the data that the run was made with",
            predictions.len(),
            predictions.first().map_or("", |p| &p.file)
        ));
    }
    cells.sort_by(|a, b| {
        let surest = b.confidence.total_cmp(&a.confidence);
        surest.then_with(|| a.file.cmp(&b.file))
    });
    by_subject.retain(|_, count| count.suspects > 0);
    Ok(Suspects {
        least_confidence,
        predicted,
        gone: predictions.len() - predicted,
        suspects: cells.len(),
        share: cells.len() as f64 / predicted as f64,
        by_class,
        by_subject,
        cells,
    })
}

/// Writes the suspects as CSV, the surest first.
///
/// # Errors
/// The folder can't be written or the disk is full.
pub fn write_csv(path: &Path, suspects: &[Suspect]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record([
        "file",
        "class",
        "subject",
        "p_parasitized",
        "confidence",
        "fold",
    ])?;
    for suspect in suspects {
        writer.serialize(suspect)?;
    }
    let csv = writer
        .into_inner()
        .with_context(|| format!("cannot finish {}", path.display()))?;
    checkpoint::write_whole(path, &csv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use regex::Regex;
    use std::fs;

    #[test]
    fn labels_that_a_sure_model_contradicts() {
        let dir = tempfile::tempdir().unwrap();
        let table = [
            ("Parasitized/C1_sure.png", 0.01, true),
            ("Parasitized/C1_edge.png", 0.05, true),
            ("Parasitized/C2_doubt.png", 0.06, false),
            ("Parasitized/C2_right.png", 0.99, false),
            ("Uninfected/C3_sure.png", 0.97, true),
            ("Uninfected/C3_doubt.png", 0.949, false),
            ("Uninfected/C3_right.png", 0.01, false),
        ];
        for (file, ..) in table {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        fs::write(dir.path().join("Uninfected/C4_not_predicted.png"), b"").unwrap();
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let mut predictions: Vec<_> = table
            .iter()
            .map(|&(file, p_parasitized, _)| Prediction {
                file: file.into(),
                subject: "of no importance".into(),
                class: "of no importance".into(),
                p_parasitized,
                fold: Some(2),
            })
            .collect();
        predictions.push(Prediction {
            file: "Uninfected/moved.png".into(),
            ..predictions[0].clone()
        });
        let found = find(&data, &predictions, 0.95).unwrap();
        let files: Vec<_> = found.cells.iter().map(|s| s.file.as_str()).collect();
        assert_eq!(
            files,
            [
                "Parasitized/C1_sure.png",
                "Uninfected/C3_sure.png",
                "Parasitized/C1_edge.png"
            ]
        );
        assert_eq!((found.predicted, found.gone, found.suspects), (7, 1, 3));
        assert!((found.share - 3.0 / 7.0).abs() < 1e-12);
        let count = |suspects, predicted| Count {
            suspects,
            predicted,
        };
        assert_eq!(found.by_class["Parasitized"], count(2, 4));
        assert_eq!(found.by_class["Uninfected"], count(1, 3));
        assert_eq!(found.by_subject["1"], count(2, 2));
        assert!(!found.by_subject.contains_key("2"));

        let csv = dir.path().join("suspects.csv");
        write_csv(&csv, &found.cells).unwrap();
        let text = fs::read_to_string(&csv).unwrap();
        assert_eq!(
            text.lines().take(2).collect::<Vec<_>>(),
            [
                "file,class,subject,p_parasitized,confidence,fold",
                "Parasitized/C1_sure.png,Parasitized,1,0.01,0.99,2"
            ]
        );
        assert_eq!(text.lines().count(), 4);
        assert_eq!(find(&data, &predictions, 0.94).unwrap().suspects, 5);
        let said = find(&data, &predictions[7..], 0.95)
            .unwrap_err()
            .to_string();
        assert!(said.contains("none of the 1 predictions"), "{said}");
    }
}
