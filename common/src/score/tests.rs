//! Tests of the summary.

use proptest::prelude::*;

use super::*;
use crate::segment::OtherKind;

const SIDE: u32 = 400;

fn truth(class: u8, bbox: [u32; 4]) -> TruthBox {
    TruthBox {
        class,
        bbox: bbox.into(),
    }
}

fn cell(bbox: [u32; 4], p: f32) -> CellResult {
    CellResult {
        bbox: bbox.into(),
        label: if p >= 0.5 {
            Label::Parasitized
        } else {
            Label::Uninfected
        },
        p_parasitized: p,
        counted_before: false,
    }
}

fn summary(fields: &[(&[TruthBox], &[CellResult], bool)]) -> Summary {
    let mut scorer = Scorer::default();
    for &(truth, predictions, crowded) in fields {
        scorer.add(&ScoredField {
            width: SIDE,
            height: SIDE,
            truth: &Truth::Boxes(truth.to_vec()),
            predictions,
            others: &[],
            crowded,
        });
    }
    scorer.summary()
}

#[test]
fn the_json_has_the_promised_keys() {
    let json = serde_json::to_value(summary(&[])).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut expected = vec![
        "auc",
        "by_class",
        "cells",
        "images",
        "parasitemia_mae",
        "precision",
        "recall",
        "sensitivity",
        "sensitivity_at_specificity_0_98",
        "specificity",
    ];
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    assert_eq!(sorted(keys(&json["crowded"])), expected);
    expected.push("crowded");
    expected.sort_unstable();
    assert_eq!(sorted(keys(&json)), expected);
    assert_eq!(json["recall"], serde_json::Value::Null);
    assert_eq!(json["by_class"]["ring"]["called_parasitized"], 0);
    assert_eq!(
        serde_json::from_value::<Summary>(json).unwrap(),
        summary(&[])
    );
}

#[test]
fn perfect_predictions_score_one() {
    let labels = [truth(0, [10, 10, 40, 40]), truth(1, [100, 10, 40, 40])];
    let found = [cell([10, 10, 40, 40], 0.1), cell([100, 10, 40, 40], 0.9)];
    let score = summary(&[(&labels, &found, false)]).rest;
    assert_eq!((score.images, score.cells), (1, 2));
    for ratio in [
        score.recall,
        score.precision,
        score.sensitivity,
        score.specificity,
        score.sensitivity_at_specificity_0_98,
    ] {
        assert_eq!(ratio, Some(1.0));
    }
    assert_eq!(score.parasitemia_mae, Some(0.0));
}

#[test]
fn edges_and_difficult_cells_count_neither_way() {
    let labels = [
        truth(0, [0, 10, 40, 40]),
        truth(1, [100, 360, 40, 40]),
        truth(5, [100, 100, 40, 40]),
        truth(0, [200, 200, 40, 40]),
    ];
    let found = [
        cell([2, 10, 40, 40], 0.9),    // matches one at the edge
        cell([100, 100, 40, 40], 0.9), // matches a difficult one
        cell([300, 360, 40, 40], 0.9), // at the edge, unlabelled
        cell([200, 200, 40, 40], 0.1),
    ];
    let score = summary(&[(&labels, &found, false)]).rest;
    assert_eq!(
        (score.cells, score.recall, score.precision),
        (1, Some(1.0), Some(1.0))
    );
    assert_eq!((score.sensitivity, score.specificity), (None, Some(1.0)));
    assert_eq!(score.parasitemia_mae, Some(0.0));
}

#[test]
fn a_parasite_not_found_is_a_miss() {
    let labels = [
        truth(2, [10, 10, 40, 40]),
        truth(2, [100, 10, 40, 40]),
        truth(0, [200, 10, 40, 40]),
    ];
    let found = [
        cell([10, 10, 40, 40], 0.9),
        cell([200, 10, 40, 40], 0.2),
        cell([10, 300, 40, 40], 0.1),
    ];
    let score = summary(&[(&labels, &found, true)]);
    assert_eq!(score.rest.images, 0);
    let score = score.crowded;
    assert_eq!(score.sensitivity, Some(0.5));
    assert_eq!(score.sensitivity_at_specificity_0_98, Some(0.5));
    assert_eq!(score.auc, Some(1.0));
    assert_eq!(
        (score.recall, score.precision),
        (Some(2.0 / 3.0), Some(2.0 / 3.0))
    );
    let expected = ClassScore {
        n: 2,
        found: 1,
        called_parasitized: 1,
        called_at_specificity_0_98: 1,
    };
    assert_eq!(score.by_class.trophozoite, expected);
    let error = score.parasitemia_mae.unwrap();
    assert!((error - 100.0 / 3.0).abs() < 1e-9, "{error}");
}

#[test]
fn two_in_a_hundred_healthy_cells_may_be_called() {
    let place = |i: u32| [10 + 35 * (i % 10), 10 + 35 * (i / 10), 30, 30];
    let labels: Vec<_> = (0..100)
        .map(|i| truth(u8::from(i >= 50), place(i)))
        .collect();
    // 50 healthy ones with 0.00 to 0.49, 50 sick ones with 0.30 to 0.79.
    let found: Vec<_> = (0..100)
        .map(|i| cell(place(i), (if i < 50 { i } else { i - 20 }) as f32 / 100.0))
        .collect();
    let score = summary(&[(&labels, &found, false)]).rest;
    // One of 50 may exceed the threshold: 0.49. So 0.48 may not, and the sick with more are 31.
    assert_eq!(score.sensitivity_at_specificity_0_98, Some(31.0 / 50.0));
    assert_eq!(score.specificity, Some(1.0));
}

/// The score of one uncrowded field, and what went wrong in it.
fn scored(truth: &Truth, predictions: &[CellResult], others: &[Other]) -> (Score, Errors) {
    let mut scorer = Scorer::default();
    let errors = scorer.add(&ScoredField {
        width: SIDE,
        height: SIDE,
        truth,
        predictions,
        others,
        crowded: false,
    });
    (scorer.summary().rest, errors)
}

fn other(bbox: [u32; 4], kind: OtherKind) -> Other {
    Other {
        bbox: bbox.into(),
        kind,
    }
}

fn named(name: &str, bbox: [u32; 4]) -> NamedBox {
    NamedBox {
        name: name.into(),
        bbox: bbox.into(),
        difficult: false,
    }
}

#[test]
fn errors_of_boxes_are_what_the_figures_count() {
    let labels = [
        truth(0, [10, 10, 40, 40]),
        truth(0, [100, 10, 40, 40]),
        truth(0, [0, 200, 40, 40]),
        truth(5, [200, 200, 40, 40]),
    ];
    let found = [
        cell([10, 10, 40, 40], 0.1),
        cell([300, 300, 40, 40], 0.1),
        cell([300, 360, 40, 40], 0.1),
    ];
    let (_, errors) = scored(&Truth::Boxes(labels.to_vec()), &found, &[]);
    assert_eq!(errors.missed, [labels[1].bbox]);
    assert_eq!(errors.spurious, [found[1].bbox]);
}

#[test]
fn centres_are_found_one_to_one_and_cut_cells_excused_one_to_one() {
    let centres = [
        (30, 30),   // found
        (110, 30),  // found, with …
        (115, 30),  // … another in the same box: a miss
        (210, 210), // nothing there: a miss
        (30, 110),  // cut by the frame: neither way, with …
        (5, 110),   // … another in the same clump: a miss
        (5, 300),   // platelets excuse nothing: a miss
    ]
    .map(|(x, y)| Centre { x, y })
    .to_vec();
    let found = [
        cell([10, 10, 40, 40], 0.1),
        cell([90, 10, 40, 40], 0.1),
        cell([300, 300, 40, 40], 0.1),
    ];
    let others = [
        other([0, 90, 50, 40], OtherKind::Edge),
        other([0, 290, 20, 20], OtherKind::Platelet),
    ];
    let (score, errors) = scored(&Truth::Centres(centres), &found, &others);
    let expected = CentresScore {
        n: 6,
        found: 2,
        recall: Some(2.0 / 6.0),
        at_edge: 1,
        unlabelled: 1,
    };
    assert_eq!(score.centres, Some(expected));
    assert_eq!((score.images, score.cells, score.recall), (1, 0, None));
    assert_eq!(score.named, None);
    let missed = [[115, 30], [210, 210], [5, 110], [5, 300]];
    let mut points: Vec<_> = errors.missed.iter().map(|r| [r.x, r.y]).collect();
    points.sort_unstable();
    let mut expected = missed.to_vec();
    expected.sort_unstable();
    assert_eq!(points, expected);
    assert_eq!(errors.spurious, [found[2].bbox]);
}

#[test]
fn named_boxes_tell_what_they_were_seen_as() {
    let boxes = [
        named("RBC", [10, 10, 40, 40]),
        named("RBC", [60, 10, 40, 40]),
        named("RBC", [110, 10, 40, 40]),
        named("RBC", [0, 200, 40, 40]),
        named("RBC", [358, 200, 41, 40]),
        named("WBC", [200, 200, 80, 80]),
        named("WBC", [100, 200, 80, 80]),
        named("WBC", [290, 280, 100, 100]), // cut to pieces
        named("Platelets", [10, 300, 10, 10]),
        named("Mite", [200, 100, 40, 40]),
        named("Mite", [300, 100, 40, 40]),
        NamedBox {
            difficult: true,
            ..named("Mite", [300, 20, 40, 40])
        },
    ];
    let found = [
        cell([10, 10, 40, 40], 0.1),
        cell([1, 200, 40, 40], 0.1), // matches one at the edge
        cell([200, 200, 80, 80], 0.1),
        cell([300, 300, 40, 40], 0.1),
    ];
    let others = [
        other([60, 10, 40, 40], OtherKind::Debris),
        other([100, 200, 80, 80], OtherKind::WhiteCell),
        other([10, 300, 10, 10], OtherKind::Platelet),
        other([200, 100, 40, 40], OtherKind::Debris),
    ];
    let (score, errors) = scored(&Truth::Named(boxes.to_vec()), &found, &others);
    assert_eq!((score.images, score.cells, score.centres), (1, 0, None));
    let json = serde_json::to_value(&score).unwrap();
    let none = serde_json::json!({
        "cell": 0, "white_cell": 0, "platelet": 0, "edge": 0, "debris": 0, "pieces": 0, "nothing": 0
    });
    let seen = |counts: &[(&str, u64)]| {
        let mut all = none.clone();
        for &(kind, n) in counts {
            all[kind] = n.into();
        }
        all
    };
    let third = 1.0 / 3.0;
    assert_eq!(
        json["named"],
        serde_json::json!({
            "RBC": {"n": 3, "recall": third, "called_red_cell": third,
                    "as": seen(&[("cell", 1), ("debris", 1), ("nothing", 1)])},
            "WBC": {"n": 3, "recall": third, "called_red_cell": 2.0 * third,
                    "as": seen(&[("cell", 1), ("white_cell", 1), ("pieces", 1)])},
            "Platelets": {"n": 1, "recall": 1.0, "called_red_cell": 0.0, "as": seen(&[("platelet", 1)])},
            "Mite": {"n": 2, "recall": null, "called_red_cell": 0.0,
                     "as": seen(&[("debris", 1), ("nothing", 1)])},
        })
    );
    let missed = [1, 2, 5, 7, 10].map(|i: usize| boxes[i].bbox);
    assert_eq!(errors.missed, missed);
    assert_eq!(errors.spurious, [found[3].bbox]);
    assert_eq!(serde_json::from_value::<Score>(json).unwrap(), score);
}

#[test]
fn a_name_without_boxes_that_count_has_no_ratio() {
    let boxes = vec![named("RBC", [0, 10, 40, 40])];
    let (score, errors) = scored(&Truth::Named(boxes), &[], &[]);
    let score = score.named.unwrap()["RBC"];
    assert_eq!(
        (score.n, score.recall, score.called_red_cell),
        (0, None, None)
    );
    assert_eq!(errors, Errors::default());
    let (score, _) = scored(&Truth::Centres(Vec::new()), &[], &[]);
    assert_eq!(score.centres.unwrap().recall, None);
}

fn boxes() -> impl Strategy<Value = [u32; 4]> {
    [0..SIDE - 60, 0..SIDE - 60, 5..60u32, 5..60u32]
}

proptest! {
    #[test]
    fn ratios_stay_within_bounds_and_order_does_not_matter(
        labels in prop::collection::vec((0..6u8, boxes()), 0..30),
        jitter in prop::collection::vec((0..6u32, 0..6u32, 0.0..1.0f32), 30),
        extra in prop::collection::vec((boxes(), 0.0..1.0f32), 0..10),
        turn in 0..40usize,
    ) {
        let mut truths: Vec<_> = labels.iter().map(|&(class, bbox)| truth(class, bbox)).collect();
        let mut found: Vec<_> = truths
            .iter()
            .zip(&jitter)
            .map(|(t, &(dx, dy, p))| {
                cell(Rect { x: t.bbox.x + dx, y: t.bbox.y + dy, ..t.bbox }.into(), p)
            })
            .chain(extra.iter().map(|&(bbox, p)| cell(bbox, p)))
            .collect();
        let score = summary(&[(&truths, &found, false)]);
        for ratio in [
            score.rest.recall,
            score.rest.precision,
            score.rest.sensitivity,
            score.rest.specificity,
            score.rest.sensitivity_at_specificity_0_98,
        ]
        .into_iter()
        .flatten()
        {
            prop_assert!((0.0..=1.0).contains(&ratio));
        }
        truths.reverse();
        if !found.is_empty() {
            let n = found.len();
            found.rotate_left(turn % n);
        }
        prop_assert_eq!(summary(&[(&truths, &found, false)]), score);
    }

    #[test]
    fn each_centre_and_each_named_box_is_accounted_for_once_in_any_order(
        places in prop::collection::vec(boxes(), 0..30),
        found in prop::collection::vec(boxes(), 0..30),
        kinds in prop::collection::vec(0..4usize, 30),
        turn in 0..40usize,
    ) {
        const KINDS: [OtherKind; 3] = [OtherKind::Edge, OtherKind::WhiteCell, OtherKind::Debris];
        let mut things: Vec<_> = found.iter().zip(kinds).collect();
        let mut names: Vec<_> = ["RBC", "WBC", "Mite"]
            .iter()
            .cycle()
            .zip(&places)
            .map(|(name, &bbox)| named(name, bbox))
            .collect();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let cells: Vec<_> =
                things.iter().filter(|t| t.1 == 3).map(|t| cell(*t.0, 0.1)).collect();
            let others: Vec<_> =
                things.iter().filter(|t| t.1 < 3).map(|t| other(*t.0, KINDS[t.1])).collect();
            let centres: Vec<_> = names
                .iter()
                .map(|n| Centre { x: n.bbox.x + n.bbox.w / 2, y: n.bbox.y + n.bbox.h / 2 })
                .collect();
            let (of_centres, errors) = scored(&Truth::Centres(centres.clone()), &cells, &others);
            let score = of_centres.centres.unwrap();
            prop_assert_eq!(score.n + score.at_edge, centres.len() as u64);
            prop_assert_eq!(score.n - score.found, errors.missed.len() as u64);
            prop_assert_eq!(score.found + score.unlabelled, cells.len() as u64);
            prop_assert_eq!(score.unlabelled, errors.spurious.len() as u64);
            let (of_names, _) = scored(&Truth::Named(names.clone()), &cells, &others);
            let whole = names.iter().filter(|n| !n.touches_edge(SIDE, SIDE)).count() as u64;
            let by_name = of_names.named.unwrap();
            prop_assert_eq!(by_name.values().map(|score| score.n).sum::<u64>(), whole);
            seen.push((score, by_name));
            names.reverse();
            if !things.is_empty() {
                let n = things.len();
                things.rotate_left(turn % n);
            }
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }
}
