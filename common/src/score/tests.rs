//! Tests of the summary.

use proptest::prelude::*;

use super::*;
use crate::geometry::Rect;

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
    }
}

fn summary(fields: &[(&[TruthBox], &[CellResult], bool)]) -> Summary {
    let mut scorer = Scorer::default();
    for &(truth, predictions, crowded) in fields {
        scorer.add(&ScoredField {
            width: SIDE,
            height: SIDE,
            truth,
            predictions,
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
    assert_eq!(
        (score.recall, score.precision),
        (Some(2.0 / 3.0), Some(2.0 / 3.0))
    );
    let expected = ClassScore {
        n: 2,
        found: 1,
        called_parasitized: 1,
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
}
