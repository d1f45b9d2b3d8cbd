use super::figures::{group, mcnemar};
use super::*;

/// Cells of slides, of each of which the models say what they are told.
fn pairs(slides: usize, of_slide: &[(bool, [f64; 2])]) -> Vec<Pair> {
    (0..slides)
        .flat_map(|slide| {
            of_slide.iter().map(move |&(truth, p)| Pair {
                truth,
                p,
                weight: 1.0,
                subject: format!("s{slide}"),
                site: "here".into(),
                stage: String::new(),
            })
        })
        .collect()
}

#[test]
fn mcnemar_is_the_exact_one() {
    // R: binom.test(2, 12)$p.value and so on.
    assert!((mcnemar([2, 10]) - 0.038_574_218_75).abs() < 1e-12);
    assert_eq!(mcnemar([5, 5]), 1.0);
    assert_eq!(mcnemar([0, 0]), 1.0);
    assert!((mcnemar([0, 6]) - 0.031_25).abs() < 1e-12);
    assert!(mcnemar([10_000, 9_000]) < 1e-10 && mcnemar([10_000, 9_000]) > 0.0);
}

#[test]
fn what_is_better_on_every_slide_is_better_and_the_other_way_round() {
    let cells = [
        (true, [0.2, 0.9]),
        (true, [0.7, 0.8]),
        (false, [0.1, 0.1]),
        (false, [0.3, 0.2]),
    ];
    let better = group(&pairs(8, &cells), [0.5, 0.5]);
    assert_eq!(better.verdict, Verdict::Better);
    assert_eq!(better.old.sensitivity.unwrap().value, 0.5);
    assert_eq!(better.new.sensitivity.unwrap().value, 1.0);
    assert_eq!(
        better.difference.sensitivity.unwrap().interval,
        Some([0.5; 2])
    );
    assert_eq!(
        (better.cells, better.parasitized, better.subjects),
        (32, 16, 8)
    );
    assert!((better.p_sensitivity.unwrap() - 2.0 * 0.5f64.powi(8)).abs() < 1e-12);
    assert_eq!(better.p_specificity, Some(1.0));
    let swapped = cells.map(|(truth, [old, new])| (truth, [new, old]));
    let worse = group(&pairs(8, &swapped), [0.5, 0.5]);
    assert_eq!(worse.verdict, Verdict::Worse);
    // Alike, and too few slides for anything.
    let same = cells.map(|(truth, [old, _])| (truth, [old, old]));
    assert_eq!(group(&pairs(8, &same), [0.5; 2]).verdict, Verdict::NotShown);
    let few = group(&pairs(4, &cells), [0.5; 2]);
    assert_eq!(few.verdict, Verdict::NotShown);
    assert_eq!(few.old.sensitivity.unwrap().interval, None);
}

#[test]
fn each_model_has_its_own_threshold() {
    let cells = [(true, [0.2, 0.9]), (false, [0.1, 0.6])];
    let both = group(&pairs(6, &cells), [0.15, 0.7]);
    for figures in [&both.old, &both.new] {
        assert_eq!(figures.sensitivity.unwrap().value, 1.0);
        assert_eq!(figures.specificity.unwrap().value, 1.0);
    }
}

#[test]
fn figures_match_a_hand_count_with_weights() {
    let mut cells = pairs(
        1,
        &[
            (true, [0.9; 2]),
            (false, [0.8; 2]),
            (true, [0.7; 2]),
            (false, [0.1; 2]),
        ],
    );
    cells[3].weight = 99.0;
    let found = group(&cells, [0.5; 2]).old;
    assert_eq!(found.specificity.unwrap().value, 0.99);
    // Of 200 pairs the one with 0.7 and 0.8 is the wrong way round.
    assert!((found.auc.unwrap().value - 199.0 / 200.0).abs() < 1e-12);
    assert_eq!(found.sensitivity_at_specificity_0_98.unwrap().value, 1.0);
    assert_eq!(found.sensitivity_at_specificity_0_99.unwrap().value, 1.0);
    cells[3].weight = 98.0;
    let found = group(&cells, [0.5; 2]).old;
    assert_eq!(found.sensitivity_at_specificity_0_99.unwrap().value, 0.5);
    assert_eq!(group(&cells[..1], [0.5; 2]).old.auc, None);
}

fn written(verdict: Verdict, sha256: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("new.onnx");
    let named = |sha256: &str| Named {
        name: "m".into(),
        version: "1".into(),
        sha256: sha256.into(),
        threshold: 0.5,
    };
    let mut there = group(&pairs(6, &[(true, [0.9; 2]), (false, [0.1; 2])]), [0.5; 2]);
    there.verdict = verdict;
    let comparison = Comparison {
        schema: SCHEMA.into(),
        old: named("aa"),
        new: named(sha256),
        verdict,
        sites: [("clinic".to_owned(), there)].into(),
        stages: BTreeMap::new(),
        notes: Vec::new(),
    };
    std::fs::write(beside(&model), serde_json::to_vec(&comparison).unwrap()).unwrap();
    (dir, model)
}

#[test]
fn a_worse_model_goes_out_by_force_only() {
    let (_dir, model) = written(Verdict::Worse, "bb");
    let said = refuse_worse(&model, "bb", None, None, false)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("worse than m 1 at clinic") && said.contains("--force"),
        "{said}"
    );
    refuse_worse(&model, "bb", None, None, true).unwrap();
    for verdict in [Verdict::Better, Verdict::NotShown] {
        let (_dir, model) = written(verdict, "bb");
        refuse_worse(&model, "bb", None, None, false).unwrap();
    }
    let (dir, model) = written(Verdict::Better, "cc");
    let said = refuse_worse(&model, "bb", None, None, false)
        .unwrap_err()
        .to_string();
    assert!(said.contains("another file"), "{said}");
    // None beside it: that is told, and no more.
    refuse_worse(
        &dir.path().join("other.onnx"),
        "bb",
        Some("aa"),
        None,
        false,
    )
    .unwrap();
    let none = dir.path().join("none.json");
    assert!(refuse_worse(&model, "bb", None, Some(&none), false).is_err());
    std::fs::write(&none, b"{}").unwrap();
    assert!(refuse_worse(&model, "bb", None, Some(&none), false).is_err());
}
