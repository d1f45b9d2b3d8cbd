//! The slide alone, and what other tests make slides of.

use super::*;
use smearscope_common::model_card::Rate;

/// Rules with so many cells to count.
pub fn rules(cells_needed: u64) -> Rules {
    Rules {
        cells_needed,
        ..Rules::new("lab".parse().unwrap(), &config::Slide::default())
    }
}

/// A model whose rates were measured on "a lab".
pub fn judge(specificity: (u64, u64)) -> Judge {
    Judge {
        model: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        validation: Some(Validation {
            dataset: "a lab".into(),
            subjects: 31,
            sensitivity: Rate::new(1800, 2000).unwrap(),
            specificity: Rate::new(specificity.0, specificity.1).unwrap(),
            devices: Vec::new(),
        }),
        threshold: 0.5,
    }
}

/// A field without anything special.
pub fn seen(judge: &Judge, cells: u64, parasitized: u64) -> Seen<'_> {
    Seen {
        counted: Counts { cells, parasitized },
        not_counted: None,
        focus: 40.0,
        judge,
        suspects: &[],
    }
}

fn slide() -> Slide {
    Slide::new("A-17".parse().unwrap())
}

#[test]
fn it_adds_up_and_becomes_sufficient_at_the_cell_that_was_asked_for() {
    let (rules, judge) = (rules(100), judge((2000, 2000)));
    let mut slide = slide();
    let mut add = |cells, parasitized| {
        slide.add(1, &seen(&judge, cells, parasitized));
        slide.message(&rules)
    };
    let empty = add(0, 0);
    assert_eq!(
        (empty.parasitemia, empty.state, empty.cells_to_go),
        (None, SlideState::Insufficient, Some(100))
    );
    let almost = add(99, 30);
    assert_eq!(
        (almost.state, almost.cells_to_go),
        (SlideState::Insufficient, Some(1))
    );
    let enough = add(1, 1);
    assert_eq!(
        (enough.state, enough.cells_to_go),
        (SlideState::Sufficient, Some(0))
    );
    assert_eq!(
        (
            enough.fields,
            enough.counts.cells,
            enough.counts.parasitized
        ),
        (3, 100, 31)
    );
    let parasitemia = enough.parasitemia.unwrap();
    assert_eq!(parasitemia.percent, 31.0);
    assert!(parasitemia.low < 31.0 && parasitemia.high > 31.0);
    let blood = enough.parasites_per_ul.unwrap();
    assert!((blood.count - 1_550_000.0).abs() < 1.0 && !blood.is_corrected);
    assert!(blood.low < blood.count && blood.high > blood.count);
    assert_eq!((enough.closed_at, enough.design_effect), (None, None));
    let closed = slide.closed();
    assert!(!closed.is_open() && closed.message(&rules).closed_at.is_some());
}

#[test]
fn a_clean_slide_under_a_model_of_specificity_0_965_reads_below_the_limit_and_not_3_5_percent() {
    let (rules, judge) = (rules(5000), judge((1930, 2000)));
    let mut slide = slide();
    for field in 0..60 {
        // 3.5 % on average.
        slide.add(1, &seen(&judge, 100, 3 + field % 2));
    }
    let message = slide.message(&rules);
    assert_eq!(message.state, SlideState::BelowDetectionLimit);
    let limit = message.detection_limit.unwrap();
    assert!(
        !limit.is_above && limit.percent > 4.0 && limit.percent < 5.0,
        "{limit:?}"
    );
    assert!((limit.false_positives.percent - 3.5).abs() < 1e-9);
    assert_eq!(limit.false_positives.dataset, "a lab");
    // No number of parasites is made of the model's errors.
    assert_eq!(message.parasites_per_ul, None);
    assert_eq!(message.interval, "wilson_clustered");
    // More cells are asked for first.
    let more = Rules {
        cells_needed: 6001,
        ..rules
    };
    assert_eq!(slide.message(&more).state, SlideState::Insufficient);
    assert!(slide.message(&more).detection_limit.is_some());
}

#[test]
fn rates_from_elsewhere_are_named() {
    let validation = judge((1930, 2000)).validation.unwrap();
    let site = |name: &str| Rules {
        site_validation: Some(name.into()),
        ..rules(5000)
    };
    assert_eq!(rules(5000).doubt(None), None);
    assert_eq!(site("a lab").doubt(Some(&validation)), None);
    let other = site("ward 4").doubt(Some(&validation)).unwrap();
    assert!(
        other.contains("a lab") && other.contains("ward 4"),
        "{other}"
    );
    assert!(site("a lab").doubt(None).unwrap().contains("none"));
    // Since then they were measured on this very board.
    let devices = vec!["lab".parse().unwrap()];
    let here = Validation {
        devices,
        ..validation
    };
    assert_eq!(site("ward 4").doubt(Some(&here)), None);
    assert!(rules(5000).corrects(&here));
}

#[test]
fn it_is_corrected_only_by_rates_of_this_site() {
    let judge = judge((1930, 2000));
    let mut slide = slide();
    for _ in 0..50 {
        slide.add(1, &seen(&judge, 100, 10));
    }
    let at = |site: Option<&str>| {
        let rules = Rules {
            site_validation: site.map(str::to_owned),
            ..rules(5000)
        };
        slide.message(&rules)
    };
    assert_eq!(at(None).corrected, None);
    assert_eq!(at(Some("another lab")).corrected, None);
    let mut own = judge.clone();
    own.validation.as_mut().unwrap().devices = vec!["lab".parse().unwrap()];
    let mut on_board = self::slide();
    for _ in 0..50 {
        on_board.add(1, &seen(&own, 100, 10));
    }
    assert!(on_board.message(&rules(5000)).corrected.is_some());
    let message = at(Some("a lab"));
    let corrected = message.corrected.unwrap();
    // (0.1 + 0.965 − 1) / (0.9 + 0.965 − 1)
    assert!((corrected.percent - 100.0 * 0.065 / 0.865).abs() < 1e-9);
    let blood = message.parasites_per_ul.unwrap();
    assert!(blood.is_corrected && (blood.count - corrected.percent * 50_000.0).abs() < 1e-6);
}

#[test]
fn where_nothing_is_known_of_the_model_no_limit_is_known() {
    let rules = Rules {
        site_validation: Some("a lab".into()),
        ..rules(10)
    };
    let mut first = judge((1930, 2000));
    let mut mixed = slide();
    mixed.add(1, &seen(&first, 100, 0));
    assert_eq!(mixed.message(&rules).state, SlideState::BelowDetectionLimit);
    let mut second = first.clone();
    second.model.sha256 = "01".into();
    mixed.add(1, &seen(&second, 50, 0));
    let message = mixed.message(&rules);
    let used: Vec<_> = message
        .models
        .iter()
        .map(|used| (used.model.sha256.as_str(), used.cells))
        .collect();
    assert_eq!(used, [("00", 100), ("01", 50)]);
    assert_eq!((message.detection_limit, message.corrected), (None, None));
    assert_eq!(message.state, SlideState::Sufficient);

    first.validation = None;
    let mut unknown = slide();
    unknown.add(1, &seen(&first, 100, 0));
    let message = unknown.message(&rules);
    assert_eq!(
        (message.detection_limit, message.state),
        (None, SlideState::Sufficient)
    );
}

#[test]
fn what_is_not_counted_is_told_by_cause() {
    let judge = judge((1930, 2000));
    let mut slide = slide();
    slide.add(
        1,
        &Seen {
            not_counted: Some(NotCounted {
                cause: "overlap",
                cells: 20,
            }),
            focus: 30.0,
            ..seen(&judge, 80, 2)
        },
    );
    // Nothing of it joins: it is no field of the slide, and its focus says nothing.
    let crowded = Seen {
        not_counted: Some(NotCounted {
            cause: "crowded",
            cells: 300,
        }),
        focus: 3.0,
        ..seen(&judge, 0, 0)
    };
    assert!(!crowded.joins());
    slide.add(1, &crowded);
    slide.add(1, &crowded);
    slide.add(1, &seen(&judge, 100, 3));
    for _ in 0..5 {
        slide.turn_away("moving");
    }
    slide.turn_away("blank");
    let message = slide.message(&rules(5000));
    assert_eq!((message.fields, message.counts.cells), (2, 180));
    let out: Vec<_> = message
        .left_out
        .iter()
        .map(|out| (out.cause.as_str(), out.fields, out.cells))
        .collect();
    assert_eq!(out, [("crowded", 2, 600), ("overlap", 1, 20)]);
    let away: Vec<_> = message
        .turned_away
        .iter()
        .map(|away| (away.cause.as_str(), away.frames))
        .collect();
    assert_eq!(away, [("blank", 1), ("moving", 5)]);
    let focus = message.focus.unwrap();
    assert_eq!((focus.mean, focus.min), (35.0, 30.0));
}

#[test]
fn its_time_runs_by_a_clock_that_nobody_sets() {
    let begun = Timestamp::UNIX_EPOCH;
    let kept = Tally {
        open_ms: 61_000,
        ..Tally::default()
    };
    // The wall clock has jumped by decades since.
    let slide = Slide::restored("a".parse().unwrap(), begun, None, 0, kept.clone());
    let seconds = slide.message(&rules(1)).duration_s.unwrap();
    assert!((61..600).contains(&seconds), "{seconds}");
    let closed = slide.closed();
    let at_the_end = closed.tally_now();
    assert_eq!(closed.tally_now(), at_the_end);
    // A closed one has no more time, however often it is read.
    let again = Slide::restored(
        "a".parse().unwrap(),
        begun,
        closed.closed_at,
        0,
        at_the_end.clone(),
    );
    assert_eq!(again.tally_now(), at_the_end);
}

#[test]
fn a_tally_reads_back_and_an_impossible_one_is_known() {
    let judge = judge((1930, 2000));
    let mut slide = slide();
    for parasitized in 0..7 {
        slide.add(1, &seen(&judge, 100, parasitized));
    }
    slide.turn_away("moving");
    let tally = slide.tally_now();
    let text = serde_json::to_string(&tally).unwrap();
    assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
    assert!(tally.is_possible(7) && !tally.is_possible(6));
    let mut damaged = tally.clone();
    damaged.sums.counts.parasitized = 701;
    assert!(!damaged.is_possible(7));
    let mut full = tally;
    for n in 0..=MOST_KINDS {
        full.turned_away.insert(n.to_string(), 1);
    }
    assert!(!full.is_possible(7));
}
