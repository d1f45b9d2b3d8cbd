//! What a calibration promises, on cells whose best answer is known.

use super::*;

/// Cells as (parasitized, log odds); parasitized is class 1 of two.
fn of(cells: &[(bool, f64)], target: Target) -> Calibration {
    let logits: Vec<f64> = cells.iter().flat_map(|(_, odds)| [0.0, *odds]).collect();
    let labels: Vec<i64> = cells.iter().map(|(truth, _)| i64::from(*truth)).collect();
    let logits = Tensor::from_slice(&logits).view([-1, 2]);
    let weights = vec![1; labels.len()];
    calibrate(&logits, &Tensor::from_slice(&labels), &weights, 1, target).unwrap()
}

/// Three of four cells of log odds ±`odds` are what they seem.
fn mixed(odds: f64) -> Vec<(bool, f64)> {
    let one = |i| (i % 4 != 0, odds);
    let other = |i| (i % 4 == 0, -odds);
    (0..40).map(one).chain((0..40).map(other)).collect()
}

#[test]
fn the_temperature_makes_the_odds_true() {
    // 3 : 1 is what is true, whatever the network says.
    for said in [0.3, 3f64.ln(), 5.0] {
        let c = of(&mixed(said), Target::Fixed(0.5));
        let expected = said / 3f64.ln();
        let ratio = f64::from(c.temperature) / expected;
        assert!((ratio - 1.0).abs() < 1e-5, "{said}: {c:?}");
        assert!(c.loss_after <= c.loss_before + 1e-12);
        assert!((c.loss_after - (4f64.ln() - 0.75 * 3f64.ln())).abs() < 1e-9);
        assert!(c.notes.is_empty(), "{c:?}");
    }
}

#[test]
fn what_cells_cannot_say_is_not_guessed() {
    let few = of(&[(true, 1.0), (false, -1.0)], Target::Fixed(0.5));
    assert_eq!(few.temperature, 1.0);
    assert!(few.notes[0].contains("2 validation cells"), "{few:?}");

    let apart = of(&[(true, 1.0), (false, -1.0)].repeat(30), Target::Fixed(0.5));
    assert_eq!(apart.temperature, 1.0);
    assert!(apart.notes[0].contains("temperature stays 1"), "{apart:?}");

    let one_class = of(&[(false, 1.0), (false, -1.0)].repeat(30), Target::default());
    assert_eq!((one_class.temperature, one_class.threshold), (1.0, 0.5));
    assert!(!one_class.reached);
    assert_eq!(
        (one_class.sensitivity, one_class.specificity),
        (None, Some(0.5))
    );
    assert!(
        one_class.notes[1].contains("no parasitized"),
        "{one_class:?}"
    );

    let upside_down = of(
        &[(true, -1.0), (false, 1.0), (true, 0.9)].repeat(30),
        Target::default(),
    );
    assert_eq!(upside_down.temperature, 20.0);
    assert!(upside_down.notes[0].contains("guessing"), "{upside_down:?}");
    assert!(!upside_down.reached);
    assert_eq!(upside_down.threshold, 0.5);

    let tied = of(&[(true, 0.2), (false, 0.2)], Target::Sensitivity(0.9));
    assert!(!tied.reached && tied.threshold == 0.5, "{tied:?}");
}

/// 100 uninfected cells at −50, −49, … 49 and ten parasitized ones between them.
fn ladder() -> Vec<(bool, f64)> {
    let uninfected = (-50..50).map(|o| (false, f64::from(o) / 10.0));
    let parasitized = (0..10).map(|i| (true, f64::from(i) + 0.05 - 4.0));
    uninfected.chain(parasitized).collect()
}

#[test]
fn the_threshold_keeps_its_promise_and_gives_away_nothing() {
    let cells = ladder();
    for least in [0.5, 0.9, 0.97, 0.99, 1.0] {
        let c = of(&cells, Target::Specificity(least));
        assert!(c.reached && c.specificity.unwrap() >= least, "{c:?}");
        // One uninfected cell more would break it.
        assert!((c.confusion.tn as f64 - 1.0) / 100.0 < least, "{c:?}");
    }
    for least in [0.1, 0.5, 0.8] {
        let c = of(&cells, Target::Sensitivity(least));
        assert!(c.reached && c.sensitivity.unwrap() >= least, "{c:?}");
        assert!((c.confusion.tp as f64 - 1.0) / 10.0 < least, "{c:?}");
    }
}

#[test]
fn an_unreachable_target_is_said_and_the_closest_taken() {
    // The highest probability is shared by both classes.
    let mut cells = vec![(true, 2.0), (false, 2.0), (true, -1.0)];
    cells.extend([(false, -2.0); 8]);
    let c = of(&cells, Target::Specificity(0.99));
    assert!(!c.reached);
    assert_eq!((c.confusion.tp, c.confusion.fp), (2, 1));
    assert!(c.notes.iter().any(|n| n.contains("out of reach")), "{c:?}");
    assert!(c.notes.iter().any(|n| n.contains("only 9")), "{c:?}");

    let c = of(
        &[(true, 2.0), (false, 0.0), (true, -1.0)],
        Target::Sensitivity(1.0),
    );
    assert!(!c.reached);
    assert_eq!((c.confusion.tp, c.confusion.tn), (1, 1));
}

#[test]
fn probabilities_that_are_equal_on_a_board_stay_together() {
    // All of these are 1 in 32 bits.
    let mut cells = vec![(true, 60.0), (false, 50.0), (true, 40.0), (false, -1.0)];
    cells.extend([(true, -2.0), (false, 1.0)]);
    let logits = Cells {
        logits: cells.iter().map(|(_, odds)| vec![0.0, *odds]).collect(),
        labels: cells.iter().map(|(truth, _)| usize::from(*truth)).collect(),
    };
    let steps = curves::steps(&logits.judged(1.0, 1));
    assert_eq!((steps[0].p, steps[0].tp, steps[0].fp), (1.0, 2, 1));
    // Neighbours in 32 bits: there is nothing between them.
    let step = |p: f32| Step {
        p: p.into(),
        tp: 0,
        fp: 0,
    };
    let close = [step(0.5f32.next_up()), step(0.5)];
    assert_eq!(between(&close, 0), 0.5f32.next_up());
}

#[test]
fn targets_are_read_as_they_are_written() {
    for text in ["specificity:0.99", "sensitivity:0.95", "fixed:0.5"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "0.5",
        "specificity",
        "specificity:2",
        "accuracy:0.9",
        "fixed:NaN",
    ] {
        let error = text.parse::<Target>().unwrap_err();
        assert!(error.contains("specificity:0.99"), "{error}");
    }
}

#[test]
fn a_folder_remembers_and_older_ones_have_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Calibration::read(dir.path()).unwrap(), None);
    let c = of(&ladder(), Target::default());
    c.write(dir.path()).unwrap();
    let read = Calibration::read(dir.path()).unwrap().unwrap();
    assert_eq!((read.decision(), read.target), (c.decision(), c.target));
    let broken = Calibration {
        temperature: 0.0,
        ..c
    };
    broken.write(dir.path()).unwrap();
    let error = Calibration::read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("smearscope-train calibrate"), "{error}");
}

#[test]
fn what_is_no_answer_is_refused() {
    let labels = Tensor::from_slice(&[0i64, 1]);
    let nan = Tensor::from_slice(&[f64::NAN, 0.0, 0.0, 1.0]).view([2, 2]);
    assert!(calibrate(&nan, &labels, &[1; 4], 1, Target::default()).is_err());
    let short = Tensor::from_slice(&[0.0, 1.0]).view([1, 2]);
    assert!(calibrate(&short, &labels, &[1; 4], 1, Target::default()).is_err());
}
