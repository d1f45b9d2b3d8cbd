//! `predictions.csv`: what was said of cells by models that never saw their subjects.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::dataset::Dataset;
use crate::error::bad_input;
use crate::metrics::Judged;

/// Its name in a folder of `crossval` or of one run.
pub const PREDICTIONS: &str = "predictions.csv";

const COLUMNS: [&str; 5] = ["file", "subject", "class", "p_parasitized", "fold"];

/// One line: the opinion about one cell of a model that never saw its subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Path below the data set, with `/`; unique.
    pub file: String,
    /// Whom it came from.
    pub subject: String,
    /// Its label: the name of its class folder.
    pub class: String,
    /// 0 to 1.
    pub p_parasitized: f64,
    /// Which fold's model said so; none for a single run, whose test subset is listed.
    pub fold: Option<usize>,
}

/// The lines of a single run, from its judged test cells, which are samples of the data set.
pub fn of_run(dataset: &Dataset, cells: &[Judged]) -> Vec<Prediction> {
    let class_of: HashMap<&str, usize> = dataset
        .samples
        .iter()
        .map(|sample| (sample.file.as_str(), sample.class))
        .collect();
    cells
        .iter()
        .map(|cell| Prediction {
            file: cell.file.clone(),
            subject: cell.subject.clone(),
            class: dataset.classes[class_of[cell.file.as_str()]].clone(),
            p_parasitized: cell.p,
            fold: None,
        })
        .collect()
}

/// Writes `predictions.csv`, whole or not at all. Probabilities keep every digit.
///
/// # Errors
/// The folder can't be written or the disk is full.
pub fn write(path: &Path, rows: &[Prediction]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        writer.serialize(row)?;
    }
    let csv = writer
        .into_inner()
        .with_context(|| format!("cannot finish {}", path.display()))?;
    checkpoint::write_whole(path, &csv)
}

/// Reads `predictions.csv`; at least one line.
///
/// # Errors
/// Not readable, a column missing, a value that is none, a probability outside 0 to 1, a file
/// listed twice (both with file and line), or nothing listed.
pub fn read(path: &Path) -> Result<Vec<Prediction>> {
    let shown = path.display();
    let mut reader = csv::Reader::from_path(path)
        .map_err(|e| bad_input!("{shown}: the predictions cannot be read: {e}"))?;
    let header = reader
        .headers()
        .map_err(|e| bad_input!("{shown}, line 1: the predictions cannot be read: {e}"))?;
    if let Some(missing) = COLUMNS.iter().find(|c| !header.iter().any(|h| h == **c)) {
        return Err(bad_input!(
            "{shown}, line 1: no column {missing}; expected {}",
            COLUMNS.join(",")
        ));
    }
    let header = header.clone();
    let mut rows: Vec<Prediction> = Vec::new();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|e| match e.position() {
            Some(at) => bad_input!("{shown}, line {}: {e}", at.line()),
            None => bad_input!("{shown}: {e}"),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Prediction = record
            .deserialize(Some(&header))
            .map_err(|e| bad_input!("{shown}, line {line}: not a prediction: {e}"))?;
        if !(0.0..=1.0).contains(&row.p_parasitized) {
            return Err(bad_input!(
                "{shown}, line {line}: p_parasitized {} of {} is not between 0 and 1",
                row.p_parasitized,
                row.file
            ));
        }
        if !seen.insert(row.file.clone()) {
            return Err(bad_input!(
                "{shown}, line {line}: {} is listed twice, so it is not clear what was said of it",
                row.file
            ));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(bad_input!("{shown}: lists no predictions"));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn row(file: &str, p: f64, fold: Option<usize>) -> Prediction {
        Prediction {
            file: file.into(),
            subject: "12".into(),
            class: "Parasitized".into(),
            p_parasitized: p,
            fold,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PREDICTIONS);
        let rows = [
            row("Parasitized/C12 \"odd\", name.png", 1.0 / 3.0, Some(4)),
            row("Parasitized/C12.png", 0.0, None),
        ];
        write(&path, &rows).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("file,subject,class,p_parasitized,fold\n"));
        assert!(text.ends_with("Parasitized/C12.png,12,Parasitized,0.0,\n"));
        assert_eq!(read(&path).unwrap(), rows);
    }

    #[test]
    fn a_mistake_is_named_with_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PREDICTIONS);
        assert!(read(&path).unwrap_err().to_string().contains(PREDICTIONS));
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        let head = "file,subject,class,p_parasitized,fold\na,1,U,0.5,0\n";
        for (more, line, why) in [
            ("b,1,U,1.5,0\n", 3, "not between 0 and 1"),
            ("b,1,U,NaN,0\n", 3, "not between 0 and 1"),
            ("b,1,U,half,0\n", 3, "not a prediction"),
            ("b,1,U,0.5,first\n", 3, "not a prediction"),
            ("b,1,U\n", 3, "fields"),
            ("b,1,U,0.5,0\na,1,U,0.5,1\n", 4, "listed twice"),
        ] {
            let said = said(&format!("{head}{more}"));
            let place = format!("{}, line {line}: ", dir.path().join(PREDICTIONS).display());
            assert!(said.starts_with(&place), "{said}");
            assert!(said.contains(why), "{said}");
        }
        assert!(said("file,class\n").contains("line 1: no column subject"));
        assert!(said("file,subject,class,p_parasitized,fold\n").contains("no predictions"));
    }
}
