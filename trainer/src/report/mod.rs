//! The report for a reviewer: one HTML file that needs no network, no script and no other file.
//!
//! Everything that comes from files, folders and cards is escaped by the template; only our own
//! charts go in as they are.

mod facts;
mod pictures;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Result;
use askama::Template;
use jiff::Timestamp;
use smearscope_common::engine::Model;
use tch::Device;

use crate::calibrate::Calibration;
use crate::checkpoint::{self, Run};
use crate::dataset::Dataset;
use crate::evaluate::{self, Evaluation};
use crate::metrics::curves;
use crate::metrics::{AtThreshold, Judged, Metrics, SubjectMetrics};
use crate::plot;
use crate::predictions::{self, PREDICTIONS};
use crate::site::Site;
use crate::split::{SplitBy, Subset};
use crate::train::Machine;
use facts::{Fact, data_facts, decision_facts, file_name, flat, started_from};
use pictures::{Picture, SHOWN, Witness};

/// Name in a run folder.
pub const REPORT: &str = "report.html";

/// What the template is filled with.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    made: String,
    version: &'static str,
    scope: String,
    notes: Vec<String>,
    model: Vec<Fact>,
    data: Vec<Fact>,
    decision: Vec<Fact>,
    settings: Vec<(String, String)>,
    threshold: String,
    figures: Vec<Figure>,
    confusions: Vec<(String, AtThreshold)>,
    charts: Vec<Chart>,
    training: Option<String>,
    subjects: Vec<Subject>,
    galleries: Vec<Gallery>,
    no_heat: Option<&'static str>,
}

/// One line of the table of figures.
struct Figure {
    name: &'static str,
    meaning: &'static str,
    value: String,
    interval: String,
    at_half: String,
}

struct Chart {
    title: &'static str,
    caption: &'static str,
    svg: String,
}

struct Subject {
    name: String,
    n: u64,
    parasitized: u64,
    errors: u64,
    accuracy: String,
    sensitivity: String,
    specificity: String,
}

struct Gallery {
    title: &'static str,
    caption: String,
    pictures: Vec<Picture>,
}

/// Where a report's model and cells came from.
struct Origin {
    title: String,
    scope: String,
    notes: Vec<String>,
    model: Vec<Fact>,
    data: Vec<Fact>,
    decision: Vec<Fact>,
    settings: Vec<(String, String)>,
    training: Option<String>,
    no_heat: Option<&'static str>,
}

/// Evaluates a run on its test subset and leaves `test.json`, `report.html` and `predictions.csv` in
/// its folder, the last as the sign that it is done.
///
/// # Errors
/// The folder or its data can't be read, the test subset is empty, or the folder can't be written.
pub fn judge_run(
    run: &Run,
    folder: &Path,
    dataset: &Dataset,
    machine: &Machine,
) -> Result<Evaluation> {
    let evaluation = evaluate::evaluate_run(run, folder, dataset, Subset::Test, machine)?;
    let json = serde_json::to_vec_pretty(&evaluation.metrics)?;
    checkpoint::write_whole(&folder.join(checkpoint::TEST), &json)?;
    let html = of_run(
        run,
        folder,
        dataset,
        &evaluation,
        Subset::Test,
        machine.device,
    )?;
    checkpoint::write_whole(&folder.join(REPORT), html.as_bytes())?;
    let threshold = evaluation.decision.threshold;
    Site::note(run, folder, dataset, &evaluation.cells, threshold)?;
    let rows = predictions::of_run(dataset, &evaluation.cells);
    predictions::write(&folder.join(PREDICTIONS), &rows)?;
    Ok(evaluation)
}

/// The report on a run folder that was evaluated on a subset of its own split.
///
/// # Errors
/// The folder or its data can't be read any more.
pub fn of_run(
    run: &Run,
    folder: &Path,
    dataset: &Dataset,
    evaluation: &Evaluation,
    subset: Subset,
    device: Device,
) -> Result<String> {
    let calibration = Calibration::read(folder)?;
    let mut notes: Vec<_> = calibration.iter().flat_map(|c| c.notes.clone()).collect();
    if run.split_by == SplitBy::Cell {
        notes.push(
            "The split dealt single cells: cells of one person were learnt from and judged here, and \
             the figures flatter."
                .into(),
        );
    }
    if subset != Subset::Test {
        notes.push(format!(
            "These are the cells of the {subset} subset, on which the model was {}: the figures \
             flatter it.",
            if subset == Subset::Train {
                "taught"
            } else {
                "chosen and calibrated"
            }
        ));
    }
    let epochs = folder.join(checkpoint::METRICS);
    let training = if epochs.exists() {
        Some(plot::training(&plot::read_epochs(&epochs)?)?)
    } else {
        None
    };
    let settings = serde_json::to_value(&run.settings)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let origin = Origin {
        title: format!("Run {name}"),
        scope: format!("the {subset} subset of its own split"),
        notes,
        model: vec![
            ("Network", run.architecture.to_string()),
            ("Input", format!("{0} × {0} pixels", run.input.size)),
            ("Started from", started_from(run.parent.as_deref())),
        ],
        data: data_facts(&run.data, evaluation, &run.data_sha256, &run.split_sha256),
        decision: decision_facts(evaluation, calibration.as_ref()),
        settings: flat(&settings),
        training,
        no_heat: None,
    };
    let (_store, net) = run.load(folder, device)?;
    let spec = run.crop_spec();
    let witness = Witness {
        net: &net,
        input: &run.input,
        spec: &spec,
        device,
    };
    page(origin, dataset, evaluation, Some(&witness))
}

/// The report on an exported model that was evaluated on all of `data`, or on the subset that a
/// split file gave.
///
/// # Errors
/// The data can't be read any more.
pub fn of_model(
    model: &Model,
    dataset: &Dataset,
    data: &Path,
    evaluation: &Evaluation,
    subset: Option<Subset>,
) -> Result<String> {
    let card = model.card();
    let (scope, note) = match subset {
        Some(subset) => (
            format!("the {subset} subset of the split file that was given"),
            "Whether the model has seen these subjects in training depends on the split; compare \
             its hash with the one of the training below.",
        ),
        None => (
            "all cells of the data".to_owned(),
            "All cells of the data were judged. If the model was trained on some of these \
             subjects, the figures flatter it.",
        ),
    };
    let mut decision = decision_facts(evaluation, None);
    if let Some(validation) = &card.validation {
        let rate = |r: smearscope_common::model_card::Rate| {
            format!("{:.4} ({} of {})", r.value, r.hits, r.n)
        };
        decision.push(("Card states", validation.dataset.clone()));
        decision.push(("Its sensitivity", rate(validation.sensitivity)));
        decision.push(("Its specificity", rate(validation.specificity)));
    }
    let origin = Origin {
        title: format!("Model {} {}", card.name, card.version),
        scope,
        notes: vec![note.to_owned()],
        model: vec![
            ("Network", card.architecture.clone()),
            ("Input", format!("{0} × {0} pixels", card.input.size)),
            ("Started from", started_from(card.parent.as_deref())),
            (
                "Exported",
                format!("{:.0} by version {}", card.created, card.trainer_version),
            ),
            ("SHA-256 of the file", model.sha256().to_owned()),
        ],
        data: vec![
            ("Data", file_name(data)),
            ("Cells judged", evaluation.metrics.n.to_string()),
            ("Subjects", evaluation.metrics.subjects.len().to_string()),
            ("SHA-256 of the training data", card.data_sha256.clone()),
            ("SHA-256 of its split", card.split_sha256.clone()),
        ],
        decision,
        settings: Vec::new(),
        training: None,
        no_heat: Some(
            "An exported model is run in the board's engine, which computes no gradients, so there \
             is no Grad-CAM here; the report on a run folder has it.",
        ),
    };
    page(origin, dataset, evaluation, None)
}

fn page(
    origin: Origin,
    dataset: &Dataset,
    evaluation: &Evaluation,
    witness: Option<&Witness<'_>>,
) -> Result<String> {
    let Evaluation { cells, metrics, .. } = evaluation;
    let steps = curves::steps(cells);
    let threshold = metrics.at_threshold.threshold;
    let kinds = [
        (
            false,
            "False positives",
            "uninfected cells called parasitized",
        ),
        (true, "Misses", "parasitized cells called uninfected"),
    ];
    let errors = kinds.map(|(truth, ..)| pictures::worst(cells, threshold, truth));
    let shown: Vec<&Judged> = errors
        .iter()
        .flat_map(|e| e.iter().take(SHOWN))
        .copied()
        .collect();
    let mut pictures = pictures::draw(&shown, dataset, witness)?.into_iter();
    let galleries = kinds
        .into_iter()
        .zip(&errors)
        .map(|((_, title, what), errors)| Gallery {
            title,
            caption: match errors.len() {
                0 => format!("No {what}."),
                all if all <= SHOWN => format!("All {all} {what}, the surest first."),
                all => format!("The {SHOWN} surest of {all} {what}."),
            },
            pictures: pictures.by_ref().take(errors.len().min(SHOWN)).collect(),
        });
    let galleries = galleries.collect();
    let page = Page {
        title: origin.title,
        made: format!("{}", Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")),
        version: env!("CARGO_PKG_VERSION"),
        scope: origin.scope,
        notes: origin.notes,
        model: origin.model,
        data: origin.data,
        decision: origin.decision,
        settings: origin.settings,
        threshold: plot::short(threshold),
        figures: figures(metrics),
        confusions: metrics
            .thresholds()
            .map(|at| (plot::short(at.threshold), at.clone()))
            .collect(),
        charts: vec![
            Chart {
                title: "ROC curve",
                caption: "How many parasites are found, against how many uninfected cells are \
                          called parasitized, as the threshold falls.",
                svg: plot::roc(&steps, metrics)?,
            },
            Chart {
                title: "Precision-recall curve",
                caption: "How many of the cells that are called parasitized are, at the share of \
                          parasites among these cells; in a slide it is far lower.",
                svg: plot::precision_recall(&steps, metrics)?,
            },
            Chart {
                title: "Calibration",
                caption: "Whether stated probabilities come true, in 15 bins of equal width; larger \
                          points hold more cells, and a point of few says little.",
                svg: plot::calibration(cells, metrics)?,
            },
            Chart {
                title: "Probabilities by class",
                caption: "How many cells of each class got which probability; the axis of counts \
                          is logarithmic.",
                svg: plot::probabilities(cells, metrics)?,
            },
        ],
        training: origin.training,
        subjects: subjects(metrics),
        galleries,
        no_heat: origin.no_heat,
    };
    Ok(page.render()?)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"))
}

fn figures(metrics: &Metrics) -> Vec<Figure> {
    let (at, half, i) = (&metrics.at_threshold, &metrics.at_0_5, &metrics.interval_95);
    let figure = |name, meaning, value, interval: Option<[f64; 2]>, at_half: String| Figure {
        name,
        meaning,
        value: number(value),
        interval: interval.map_or_else(
            || "–".to_owned(),
            |[low, high]| format!("{low:.4} to {high:.4}"),
        ),
        at_half,
    };
    let of = |name, meaning, get: fn(&AtThreshold) -> Option<f64>, interval| {
        figure(name, meaning, get(at), interval, number(get(half)))
    };
    let same =
        |name, meaning, value, interval| figure(name, meaning, value, interval, "same".to_owned());
    vec![
        of(
            "Sensitivity",
            "parasitized cells found",
            |a| a.sensitivity,
            i.sensitivity,
        ),
        of(
            "Specificity",
            "uninfected cells called so",
            |a| a.specificity,
            i.specificity,
        ),
        of("Accuracy", "right answers", |a| a.accuracy, i.accuracy),
        of(
            "Precision",
            "calls of a parasite that are right",
            |a| a.precision,
            i.precision,
        ),
        of(
            "F1",
            "harmonic mean of sensitivity and precision",
            |a| a.f1,
            i.f1,
        ),
        of(
            "MCC",
            "correlation of truth and answer, −1 to 1",
            |a| a.mcc,
            i.mcc,
        ),
        same(
            "ROC-AUC",
            "a parasitized cell ranks above an uninfected one",
            metrics.auc,
            i.auc,
        ),
        same("PR-AUC", "average precision", metrics.pr_auc, i.pr_auc),
        same(
            "ECE",
            "gap between stated and true probability",
            Some(metrics.ece),
            i.ece,
        ),
        same(
            "Loss",
            "mean negative log-likelihood",
            Some(metrics.loss),
            None,
        ),
    ]
}

/// The subjects, those with the lowest accuracy first; among equals the one with more cells.
fn subjects(metrics: &Metrics) -> Vec<Subject> {
    let mut sorted: Vec<(&String, &SubjectMetrics)> = metrics.subjects.iter().collect();
    sorted.sort_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy).then(b.n.cmp(&a.n)));
    let line = |(name, m): (&String, &SubjectMetrics)| Subject {
        name: name.clone(),
        n: m.n,
        parasitized: m.parasitized,
        errors: ((1.0 - m.accuracy) * m.n as f64).round() as u64,
        accuracy: number(Some(m.accuracy)),
        sensitivity: number(m.sensitivity),
        specificity: number(m.specificity),
    };
    sorted.into_iter().map(line).collect()
}
