//! Deals, folds and CSVs of splits.

use super::*;
use crate::dataset::NIH_SUBJECT;
use regex::Regex;
use std::collections::HashSet;
use std::fs;

/// 40 subjects with 5 to 44 cells; the odd ones are infected, with a few healthy cells.
fn dataset(dir: &Path) -> Dataset {
    for subject in 0..40usize {
        for cell in 0..5 + subject {
            let infected = subject % 2 == 1 && cell % 4 != 0;
            let class = if infected {
                "Parasitized"
            } else {
                "Uninfected"
            };
            let path = dir.join(class).join(format!("C{subject}_cell_{cell}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }
    Dataset::open(dir, &Regex::new(NIH_SUBJECT).unwrap()).unwrap()
}

#[test]
fn subjects_stay_together_and_classes_near_their_shares() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path());
    for seed in 0..20 {
        let split = Split::by_subject(&data, [0.7, 0.1, 0.2], seed);
        let mut seen: HashMap<&str, HashSet<Subset>> = HashMap::new();
        for (sample, subset) in data.samples.iter().zip(&split.subsets) {
            seen.entry(&sample.subject).or_default().insert(*subset);
        }
        assert!(seen.values().all(|subsets| subsets.len() == 1));
        let total = data.class_counts();
        for (subset, share) in Subset::ALL.into_iter().zip([0.7, 0.1, 0.2]) {
            for (class, total) in total.iter().enumerate() {
                let n = split
                    .indices(subset)
                    .iter()
                    .filter(|&&i| data.samples[i].class == class)
                    .count();
                let got = n as f64 / *total as f64;
                assert!(
                    (got - share).abs() < 0.05,
                    "seed {seed} {subset} class {class}: {got}"
                );
            }
        }
    }
    assert_ne!(
        Split::by_subject(&data, [0.7, 0.1, 0.2], 1),
        Split::by_subject(&data, [0.7, 0.1, 0.2], 2)
    );
}

#[test]
fn folds_hold_each_subject_once_and_are_alike() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path());
    let folds = Split::folds(&data, 5, 1).unwrap();
    let mut of_subject: HashMap<&str, HashSet<usize>> = HashMap::new();
    for (sample, &fold) in data.samples.iter().zip(&folds) {
        of_subject.entry(&sample.subject).or_default().insert(fold);
    }
    assert!(of_subject.values().all(|folds| folds.len() == 1));
    for fold in 0..5 {
        let share = folds.iter().filter(|&&f| f == fold).count() as f64 / folds.len() as f64;
        assert!((share - 0.2).abs() < 0.03, "fold {fold}: {share}");
        let split = Split::of_fold(&data, &folds, fold, 0.1, 1);
        let test = split.indices(Subset::Test);
        assert!(test.iter().all(|&i| folds[i] == fold));
        assert_eq!(test.len(), folds.iter().filter(|&&f| f == fold).count());
        let side = |subset| -> HashSet<&str> {
            let of = split.indices(subset).into_iter();
            of.map(|i| data.samples[i].subject.as_str()).collect()
        };
        assert!(side(Subset::Train).is_disjoint(&side(Subset::Val)));
        assert!(!side(Subset::Val).is_empty());
    }
    let error = Split::folds(&data, 41, 1).unwrap_err().to_string();
    assert!(error.contains("40 subjects"), "{error}");
}

#[test]
fn dealt_by_cell_every_class_has_its_shares_and_subjects_leak() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path());
    let split = Split::by_cell(&data, [0.8, 0.1, 0.1], 1);
    for (class, total) in data.class_counts().into_iter().enumerate() {
        let test = split.indices(Subset::Test).into_iter();
        let n = test.filter(|&i| data.samples[i].class == class).count();
        assert!(
            (n as f64 - total as f64 / 10.0).abs() <= 1.0,
            "{n} of {total}"
        );
    }
    let path = dir.path().join("split.csv");
    fs::write(&path, split.to_csv(&data).unwrap()).unwrap();
    assert!(Split::read(&path, &data, SplitBy::Subject).is_err());
    assert_eq!(Split::read(&path, &data, SplitBy::Cell).unwrap(), split);
}

#[test]
fn a_csv_reads_back_and_a_leaking_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let split = Split::by_subject(&data, [0.5, 0.25, 0.25], 3);
    let csv = split.to_csv(&data).unwrap();
    let path = dir.path().join("split.csv");
    fs::write(&path, &csv).unwrap();
    assert_eq!(Split::read(&path, &data, SplitBy::Subject).unwrap(), split);

    let text = String::from_utf8(csv).unwrap();
    let first = text.lines().nth(1).unwrap();
    let other = if first.ends_with("test") {
        "train"
    } else {
        "test"
    };
    let (head, _) = first.rsplit_once(',').unwrap();
    fs::write(&path, text.replacen(first, &format!("{head},{other}"), 1)).unwrap();
    assert!(
        Split::read(&path, &data, SplitBy::Subject)
            .unwrap_err()
            .to_string()
            .contains("two subsets")
    );
    fs::write(&path, text.replacen(&format!("{first}\n"), "", 1)).unwrap();
    assert!(
        Split::read(&path, &data, SplitBy::Subject)
            .unwrap_err()
            .to_string()
            .contains("no line for")
    );
    fs::write(&path, "file\nx\n").unwrap();
    assert!(
        Split::read(&path, &data, SplitBy::Subject)
            .unwrap_err()
            .to_string()
            .contains("not a split CSV")
    );
}

#[test]
fn an_empty_subset_is_refused_and_a_missing_class_told() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        "Parasitized/C1_a.png",
        "Uninfected/C1_b.png",
        "Uninfected/C2_c.png",
    ];
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
    let shares = [0.7, 0.1, 0.2];
    let split = Split::by_subject(&data, shares, 1);
    let said = split.refuse_empty(&data, shares).unwrap_err().to_string();
    assert!(said.starts_with("the val subset would be empty"), "{said}");
    assert!(said.contains("2 subject(s)"), "{said}");

    let halves = [0.5, 0.0, 0.5];
    let split = Split::by_subject(&data, halves, 1);
    split.refuse_empty(&data, halves).unwrap();
    let lacking = split.warnings(&data);
    assert_eq!(lacking.len(), 1, "{lacking:?}");
    assert!(lacking[0].ends_with("has no cell of the class Parasitized"));
}
