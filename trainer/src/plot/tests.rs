//! Charts of a few cells.

use super::*;

fn cells(of: &[(bool, f64)]) -> Vec<Judged> {
    let one = |&(truth, p): &(bool, f64)| Judged {
        file: String::new(),
        truth,
        p,
        subject: "s".into(),
    };
    of.iter().map(one).collect()
}

fn all(cells: &[Judged]) -> Vec<String> {
    let metrics = Metrics::of(cells, 0.73);
    let steps = curves::steps(cells);
    vec![
        roc(&steps, &metrics).unwrap(),
        precision_recall(&steps, &metrics).unwrap(),
        calibration(cells, &metrics).unwrap(),
        probabilities(cells, &metrics).unwrap(),
    ]
}

#[test]
fn charts_are_labelled_and_repeat_to_the_byte() {
    let cells = cells(&[(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.1)]);
    let charts = all(&cells);
    assert_eq!(charts, all(&cells));
    let said = [
        ["1 − specificity", "area 0.7500", "threshold 0.73"],
        ["recall", "area 0.8333", "guessing"],
        ["share parasitized", "error (ECE)", "perfect"],
        ["probability of a parasite", "uninfected", "threshold 0.73"],
    ];
    for (chart, words) in charts.iter().zip(said) {
        assert!(chart.starts_with("<svg") && chart.trim_end().ends_with("</svg>"));
        for word in words {
            assert!(chart.contains(word), "{word} is not in {chart}");
        }
    }
}

#[test]
fn one_class_or_one_cell_still_gives_charts() {
    let charts = all(&cells(&[(true, 1.0)]));
    assert!(charts[0].contains("one class only"));
    assert_eq!(all(&cells(&[(false, 0.0), (false, 0.0)])).len(), 4);
}

#[test]
fn training_curves_take_what_older_and_newer_runs_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    let header = "epoch,train_loss,val_loss,val_accuracy,val_auc,seconds,best";
    std::fs::write(&path, format!("{header}\n1,0.7,0.6,0.7,NaN,3.5,true\n")).unwrap();
    let old = read_epochs(&path).unwrap();
    assert!(old[0].best && old[0].rate.is_none() && old[0].val_auc.is_nan());
    let drawn = training(&old).unwrap();
    assert!(drawn.contains("Accuracy") && !drawn.contains("Learning rate"));

    let rows = "1,0.7,0.6,0.7,0.8,3.5,false,0.001\n2,0.5,0.4,0.8,0.9,3.5,true,0.00002\n";
    std::fs::write(&path, format!("{header},rate\n{rows}")).unwrap();
    let new = read_epochs(&path).unwrap();
    assert_eq!(new[1].rate, Some(0.00002));
    let drawn = training(&new).unwrap();
    for word in [
        "Learning rate",
        "training",
        "validation",
        "best epoch",
        "AUC",
    ] {
        assert!(drawn.contains(word), "{word} is not in {drawn}");
    }
    assert_eq!(drawn, training(&new).unwrap());
    assert!(training(&[]).is_ok());
    std::fs::write(&path, "no,metrics\n1,2\n").unwrap();
    assert!(read_epochs(&path).is_err());
}

#[test]
fn the_histogram_counts_each_cell_once() {
    let outline = outline(&[1, 0, 100]);
    let heights: Vec<_> = outline.iter().map(|p| p.1).collect();
    assert_eq!(heights, [NONE, 0.0, 0.0, NONE, NONE, 2.0, 2.0, NONE]);
    assert_eq!(whole_power_of_ten(&2.0), "100");
    assert_eq!(whole_power_of_ten(&0.5), "");
    assert_eq!((short(0.5), short(1.0)), ("0.5".to_owned(), "1".to_owned()));
}
