//! What a report says of a model, its data and its decisions, as names and values.

use std::path::Path;

use serde_json::Value;

use crate::calibrate::Calibration;
use crate::evaluate::Evaluation;
use crate::plot;

/// A name and what stands beside it.
pub type Fact = (&'static str, String);

/// Where the weights began.
pub fn started_from(parent: Option<&str>) -> String {
    parent.map_or_else(
        || "random weights".to_owned(),
        |sha| format!("weights of SHA-256 {sha}"),
    )
}

/// The last part of a path: the folders above are nobody else's business.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What was judged, and the hashes of what it is part of.
pub fn data_facts(data: &Path, evaluation: &Evaluation, sha256: &str, split: &str) -> Vec<Fact> {
    vec![
        ("Data", file_name(data)),
        ("Cells judged", evaluation.metrics.n.to_string()),
        ("Subjects", evaluation.metrics.subjects.len().to_string()),
        ("SHA-256 of the data", sha256.to_owned()),
        ("SHA-256 of the split", split.to_owned()),
    ]
}

/// How logits became decisions, and what the choice reached on validation cells.
pub fn decision_facts(evaluation: &Evaluation, calibration: Option<&Calibration>) -> Vec<Fact> {
    let decision = evaluation.decision;
    let mut facts = vec![
        ("Temperature", format!("{:.4}", decision.temperature)),
        ("Threshold", plot::short(decision.threshold)),
    ];
    let Some(c) = calibration else {
        return facts;
    };
    let rate = |value: Option<f64>, hits: u64, n: u64| {
        value.map_or_else(
            || "undefined".to_owned(),
            |v| format!("{v:.4} ({hits} of {n})"),
        )
    };
    let [positive, negative] = [
        c.confusion.tp + c.confusion.missed,
        c.confusion.tn + c.confusion.fp,
    ];
    let reached = if c.reached { "reached" } else { "not reached" };
    facts.extend([
        ("Target", format!("{}, {reached} on validation", c.target)),
        (
            "Sensitivity on validation",
            rate(c.sensitivity, c.confusion.tp, positive),
        ),
        (
            "Specificity on validation",
            rate(c.specificity, c.confusion.tn, negative),
        ),
        (
            "Loss on validation",
            format!(
                "{:.4} before the temperature, {:.4} after",
                c.loss_before, c.loss_after
            ),
        ),
    ]);
    facts
}

/// Nested settings as `a.b` and their values, by name.
pub fn flat(settings: &Value) -> Vec<(String, String)> {
    fn walk(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let name = if name.is_empty() {
                        key.clone()
                    } else {
                        format!("{name}.{key}")
                    };
                    walk(&name, value, lines);
                }
            }
            Value::String(text) => lines.push((name.to_owned(), text.clone())),
            other => lines.push((name.to_owned(), other.to_string())),
        }
    }
    let mut lines = Vec::new();
    walk("", settings, &mut lines);
    lines
}
