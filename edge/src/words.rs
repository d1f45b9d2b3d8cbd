//! Results in words, for those who read no JSON.

use smearscope_common::message::Quality;
use smearscope_common::parasitemia::{Counts, wilson};
use smearscope_common::score::{CentresScore, ClassScore, NamedScore, Score, SeenAs};

/// What was counted, in one line.
pub fn counted(counts: Counts) -> String {
    let Counts { cells, parasitized } = counts;
    match counts.parasitemia() {
        None => "no red cells".into(),
        Some(p) => format!(
            "{cells} red cells, {parasitized} parasitized: {:.2} % (95 % interval {:.2} to {:.2} %)",
            p.percent, p.low, p.high
        ),
    }
}

/// Why a field's count is not to be trusted, and what to do: a sentence for each reason.
pub fn doubts(quality: &Quality) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(diameter) = quality.cell_diameter.filter(|_| quality.objective_too_low) {
        doubts.push(format!(
            "the cells are only {diameter:.0} pixels wide, too few for the model: use a stronger objective or a \
             camera with more pixels"
        ));
    }
    if quality.crowded {
        doubts.push(
            "so many cells overlap that the count is doubtful: go to a thinner part of the smear"
                .into(),
        );
    }
    doubts
}

/// The figures of a group of fields; none where there is no field.
pub fn scored(title: &str, score: &Score) -> Vec<String> {
    let mut lines = Vec::new();
    if score.images == 0 {
        return lines;
    }
    if score.cells > 0 || (score.centres.is_none() && score.named.is_none()) {
        lines.push(format!(
            "{title}: {} images, {} cells, recall {}, precision {}, sensitivity {}, specificity {}, \
             sensitivity at specificity 0.98 {}, mean error of the parasitemia {} points",
            score.images,
            score.cells,
            ratio(score.recall),
            ratio(score.precision),
            ratio(score.sensitivity),
            ratio(score.specificity),
            ratio(score.sensitivity_at_specificity_0_98),
            ratio(score.parasitemia_mae),
        ));
        lines.extend(of_parasites(title, score));
    }
    if let Some(centres) = &score.centres {
        lines.push(format!(
            "{title}: {} images, {}",
            score.images,
            of_centres(centres)
        ));
    }
    for (name, named) in score.named.iter().flatten() {
        lines.push(format!(
            "{title}: {} images, {name}: {}",
            score.images,
            of_name(named)
        ));
    }
    lines
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("–".into(), |v| format!("{v:.3}"))
}

/// How many parasitized cells are recognised at a specificity of 0.98, with Wilson's 95 % intervals; `None`
/// where there are none.
fn of_parasites(title: &str, score: &Score) -> Option<String> {
    let stages = score.by_class.parasitized();
    let told = |name: &str, n: u64, called: u64| {
        let (low, high) = wilson(called, n)?;
        Some(format!("{name} {called} of {n} ({low:.2} to {high:.2})"))
    };
    let sum = |count: fn(&ClassScore) -> u64| stages.iter().map(count).sum();
    let all = told(
        "all stages",
        sum(|stage| stage.n),
        sum(|stage| stage.called_at_specificity_0_98),
    )?;
    let names = ["rings", "trophozoites", "schizonts", "gametocytes"];
    let each = names
        .iter()
        .zip(stages)
        .filter_map(|(name, stage)| told(name, stage.n, stage.called_at_specificity_0_98));
    Some(format!(
        "{title}, at specificity 0.98, of all labelled: {all}, {}; AUC over the cells found {}",
        each.collect::<Vec<_>>().join(", "),
        ratio(score.auc),
    ))
}

fn of_centres(centres: &CentresScore) -> String {
    format!(
        "{} of {} labelled centres found: recall {}; {} more are in cells that the frame cuts; {} cells counted where \
         no centre is",
        centres.found,
        centres.n,
        ratio(centres.recall),
        centres.at_edge,
        centres.unlabelled,
    )
}

fn of_name(named: &NamedScore) -> String {
    let SeenAs {
        cell,
        white_cell,
        platelet,
        edge,
        debris,
        pieces,
        nothing,
    } = named.seen_as;
    let seen: Vec<String> = [
        (cell, "red cell"),
        (white_cell, "white cell"),
        (platelet, "platelet"),
        (edge, "cut by the frame"),
        (debris, "debris"),
        (pieces, "pieces counted as red cells"),
        (nothing, "nothing"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, kind)| format!("{n} {kind}"))
    .collect();
    let seen = if seen.is_empty() {
        String::new()
    } else {
        format!("; seen as: {}", seen.join(", "))
    };
    format!(
        "{} boxes, recall {}, counted as red cells {}{seen}",
        named.n,
        ratio(named.recall),
        ratio(named.called_red_cell),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_doubt_says_what_to_do() {
        let quality = Quality {
            focus: 50.0,
            exposure: 0.9,
            crowded: false,
            cell_diameter: Some(23.6),
            objective_too_low: false,
        };
        assert!(doubts(&quality).is_empty());
        let low = doubts(&Quality {
            objective_too_low: true,
            ..quality
        });
        assert_eq!(low.len(), 1);
        assert!(low[0].contains("only 24 pixels wide") && low[0].contains("stronger objective"));
        let both = doubts(&Quality {
            objective_too_low: true,
            crowded: true,
            ..quality
        });
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn parasites_are_told_by_stage_with_intervals() {
        let mut score = Score {
            images: 1,
            cells: 30,
            auc: Some(0.9),
            ..Score::default()
        };
        assert_eq!(of_parasites("all", &score), None);
        score.by_class.ring = ClassScore {
            n: 29,
            found: 20,
            called_parasitized: 9,
            called_at_specificity_0_98: 1,
        };
        let line = of_parasites("all", &score).unwrap();
        // The interval of 1 of 29 is in Newcombe's table I (1998).
        assert!(line.contains("all stages 1 of 29 (0.01 to 0.17)"), "{line}");
        assert!(line.contains("rings 1 of 29") && !line.contains("gametocytes"));
        assert!(line.ends_with("0.900"));
    }

    #[test]
    fn each_kind_of_truth_has_its_line() {
        assert!(scored("x", &Score::default()).is_empty());
        let boxes = Score {
            images: 2,
            recall: Some(0.5),
            ..Score::default()
        };
        let lines = scored("x", &boxes);
        assert!(
            lines.len() == 1 && lines[0].contains("recall 0.500, precision –"),
            "{lines:?}"
        );

        let centres = Score {
            images: 2,
            centres: Some(CentresScore {
                n: 4,
                found: 3,
                recall: Some(0.75),
                at_edge: 1,
                unlabelled: 7,
            }),
            ..Score::default()
        };
        let lines = scored("x", &centres);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("3 of 4 labelled centres found: recall 0.750"),
            "{lines:?}"
        );

        let named = NamedScore {
            n: 2,
            recall: None,
            called_red_cell: Some(0.5),
            seen_as: SeenAs {
                pieces: 1,
                nothing: 1,
                ..SeenAs::default()
            },
        };
        let none = NamedScore {
            n: 0,
            recall: None,
            called_red_cell: None,
            seen_as: SeenAs::default(),
        };
        let named = Score {
            images: 1,
            named: Some(BTreeMap::from([
                ("Mite".into(), named),
                ("RBC".into(), none),
            ])),
            ..Score::default()
        };
        let lines = scored("x", &named);
        assert_eq!(
            lines,
            [
                "x: 1 images, Mite: 2 boxes, recall –, counted as red cells 0.500; seen as: 1 pieces counted as red \
                 cells, 1 nothing",
                "x: 1 images, RBC: 0 boxes, recall –, counted as red cells –",
            ]
        );
    }
}
