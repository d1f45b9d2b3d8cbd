//! The page: what a report says, in words.

use askama::Template;
use jiff::Timestamp;
use smearscope_common::message::{SlideMessage, SlideState};
use smearscope_common::model_card::Rate;
use smearscope_common::parasitemia::{Parasitemia, wilson};

use super::{Report, ReportedCell};

/// What the template is filled with. The template escapes all of it.
#[derive(Template)]
#[template(path = "slide.html")]
struct Page {
    slide: String,
    device: String,
    /// Chooses the colour of the finding.
    tone: &'static str,
    finding: String,
    meaning: Vec<String>,
    times: Vec<Fact>,
    is_clock_wrong: bool,
    figures: Vec<Figure>,
    counting: Vec<Fact>,
    models: Vec<Vec<Fact>>,
    method: Vec<String>,
    cells: Vec<Shown>,
    version: &'static str,
}

struct Fact {
    name: &'static str,
    value: String,
}

/// A number with what it was made of.
struct Figure {
    name: &'static str,
    value: String,
    /// 95 %.
    interval: String,
    of: String,
}

struct Shown {
    picture: String,
    p: String,
    field: u64,
    place: String,
}

/// The page of a report.
///
/// # Errors
/// When the template fails, which it doesn't for text.
pub(super) fn page(report: &Report) -> askama::Result<String> {
    let m = &report.message;
    let (tone, finding, meaning) = finding(m);
    Page {
        slide: m.id.to_string(),
        device: m.device.to_string(),
        tone,
        finding,
        meaning,
        times: times(m),
        is_clock_wrong: m.clock_synchronised == Some(false),
        figures: figures(m),
        counting: counting(m),
        models: models(m),
        method: method(m),
        cells: report.cells.iter().map(shown).collect(),
        version: env!("CARGO_PKG_VERSION"),
    }
    .render()
}

/// What was found, at a glance.
fn finding(m: &SlideMessage) -> (&'static str, String, Vec<String>) {
    let Some(raw) = &m.parasitemia else {
        let meaning = "No field with countable red cells joined this slide.".into();
        return ("open", "Nothing was counted".into(), vec![meaning]);
    };
    let counted = format!(
        "{} of {} counted red cells were called parasitized: {}, 95 % interval {}.",
        whole(m.counts.parasitized),
        whole(m.counts.cells),
        percent(raw.percent),
        interval(raw),
    );
    let below = m
        .detection_limit
        .as_ref()
        .filter(|limit| !limit.is_above)
        .map(|limit| {
            format!(
                "That can't be told from the model's own errors: it calls {} of healthy cells parasitized \
                 (95 % interval {} to {}). With so many cells, only a rate above {} could be told from them.",
                percent(limit.false_positives.percent),
                percent(limit.false_positives.low),
                percent(limit.false_positives.high),
                percent(limit.percent),
            )
        });
    match m.state {
        SlideState::Insufficient => {
            let missing = format!(
                "{} of the {} cells asked for were counted. Until there are enough, the figures below are \
                 preliminary.",
                whole(m.counts.cells),
                whole(m.cells_needed)
            );
            let meaning = [missing, counted].into_iter().chain(below).collect();
            ("open", "Not enough cells".into(), meaning)
        }
        SlideState::BelowDetectionLimit => {
            let meaning = [counted].into_iter().chain(below).collect();
            ("below", "Below the limit of detection".into(), meaning)
        }
        SlideState::Sufficient => match &m.corrected {
            Some(corrected) => {
                let finding = format!("Parasitemia {} (corrected)", percent(corrected.percent));
                let without = format!(
                    "Without the model's own errors, as they were measured at this site, that is {}, 95 % interval {}.",
                    percent(corrected.percent),
                    interval(corrected),
                );
                ("found", finding, vec![counted, without])
            }
            None => {
                let finding = format!("Parasitemia {} (raw)", percent(raw.percent));
                let not_corrected = "The model's own errors are in this figure: it is not corrected, because no error \
                                     rates measured at this site are configured."
                    .into();
                ("found", finding, vec![counted, not_corrected])
            }
        },
    }
}

fn times(m: &SlideMessage) -> Vec<Fact> {
    let mut facts = vec![fact("Begun", time(m.started_at))];
    if let Some(closed_at) = m.closed_at {
        facts.push(fact("Closed", time(closed_at)));
    }
    if let Some(seconds) = m.duration_s {
        facts.push(fact("At work", duration(seconds)));
    }
    let clock = match m.clock_synchronised {
        Some(true) => "synchronised",
        Some(false) => "not synchronised",
        None => "not known whether it was synchronised",
    };
    facts.push(fact("Clock", clock.into()));
    facts
}

fn figures(m: &SlideMessage) -> Vec<Figure> {
    let mut figures = Vec::new();
    let cells = format!(
        "{} of {} red cells in {}",
        whole(m.counts.parasitized),
        whole(m.counts.cells),
        count(m.fields, "field"),
    );
    if let Some(raw) = &m.parasitemia {
        figures.push(Figure {
            name: "Parasitemia, raw",
            value: percent(raw.percent),
            interval: interval(raw),
            of: cells.clone(),
        });
    }
    if let Some(corrected) = &m.corrected {
        figures.push(Figure {
            name: "Parasitemia, corrected for the model's errors",
            value: percent(corrected.percent),
            interval: interval(corrected),
            of: format!("{cells}; error rates of the model measured at this site, see below"),
        });
    }
    if let Some(blood) = &m.parasites_per_ul {
        figures.push(Figure {
            name: "Parasitized cells per microlitre",
            value: rounded(blood.count),
            interval: format!("{} to {}", rounded(blood.low), rounded(blood.high)),
            of: format!(
                "{} rate × {} red cells per microlitre, which is configured and was not measured in this patient",
                if blood.is_corrected { "corrected" } else { "raw" },
                whole(blood.red_cells_per_ul),
            ),
        });
    }
    match &m.detection_limit {
        Some(limit) => {
            let wrong = &limit.false_positives;
            figures.push(Figure {
                name: "False positives of the model",
                value: percent(wrong.percent),
                interval: format!("{} to {}", percent(wrong.low), percent(wrong.high)),
                of: format!("{} healthy cells of {}", whole(wrong.cells), wrong.dataset),
            });
            figures.push(Figure {
                name: "Limit of detection",
                value: percent(limit.percent),
                interval: "–".into(),
                of: format!(
                    "of the raw rate, with {} counted cells; this slide lies {}",
                    whole(m.counts.cells),
                    if limit.is_above { "above" } else { "below" },
                ),
            });
        }
        None => figures.push(Figure {
            name: "Limit of detection",
            value: "not known".into(),
            interval: "–".into(),
            of: "the model's card has no error rates, or several models have counted".into(),
        }),
    }
    figures
}

fn counting(m: &SlideMessage) -> Vec<Fact> {
    let mut facts = vec![
        fact("Counted fields", whole(m.fields)),
        fact(
            "Counted red cells",
            format!(
                "{} of {} asked for",
                whole(m.counts.cells),
                whole(m.cells_needed)
            ),
        ),
    ];
    if let Some(effect) = m.design_effect {
        facts.push(fact(
            "Scatter between fields",
            format!("{effect:.2} times that of independent cells (design effect)"),
        ));
    }
    if let Some(focus) = &m.focus {
        facts.push(fact(
            "Focus",
            format!(
                "mean {:.0}, least sharp field {:.0} (35 and more is sharp)",
                focus.mean, focus.min
            ),
        ));
    }
    let left_out = m.left_out.iter().map(|out| {
        format!(
            "{}: {} in {}",
            in_words(&out.cause),
            count(out.cells, "cell"),
            count(out.fields, "field")
        )
    });
    facts.push(fact("Seen and not counted", listed(left_out)));
    let away = m
        .turned_away
        .iter()
        .map(|away| format!("{}: {}", in_words(&away.cause), whole(away.frames)));
    facts.push(fact("Pictures not analysed", listed(away)));
    if !m.notes.as_str().is_empty() {
        facts.push(fact("Notes", m.notes.as_str().into()));
    }
    facts
}

fn models(m: &SlideMessage) -> Vec<Vec<Fact>> {
    let facts = |used: &smearscope_common::message::SlideModel| {
        let mut facts = vec![
            fact(
                "Model",
                format!("{} {}", used.model.name, used.model.version),
            ),
            fact("SHA-256", used.model.sha256.clone()),
            fact("Has counted", count(used.cells, "cell")),
        ];
        match &used.validation {
            Some(v) => {
                facts.push(fact("Sensitivity", rate(v.sensitivity)));
                facts.push(fact("Specificity", rate(v.specificity)));
                facts.push(fact(
                    "Measured on",
                    format!("{}, {}", v.dataset, count(v.subjects, "subject")),
                ));
            }
            None => facts.push(fact("Error rates", "its card has none".into())),
        }
        facts
    };
    m.models.iter().map(facts).collect()
}

fn method(m: &SlideMessage) -> Vec<String> {
    let mut method = vec![
        "Countable red cells of a thin smear were found in each field and judged one by one by the model named above. \
         Parasitemia is the share of counted red cells that the model calls parasitized; a cell counts once, however \
         many parasites are in it. Platelets, white cells, debris and cells cut by the edge of the picture are not \
         counted. The species is not told, and gametocytes are counted like other stages."
            .into(),
    ];
    method.push(if m.interval == "wilson_clustered" {
        "The 95 % interval is Wilson's for the number of independent cells that say as much as the counted ones: cells \
         of one field are alike, and the scatter between fields is allowed for (design effect, Student's t)."
            .into()
    } else {
        "The 95 % interval is Wilson's and takes all cells to be independent of each other, because there are too few \
         fields to see how they scatter."
            .into()
    });
    if m.detection_limit.is_some() {
        method.push(
            "The limit of detection is the lowest raw rate whose difference from the model's false-positive rate has a \
             95 % interval above 0 (Newcombe's hybrid score interval). The false-positive rate is that of the named \
             data; on other slides it may be higher."
                .into(),
        );
    }
    if m.corrected.is_some() {
        method.push(
            "The corrected rate is Rogan's and Gladen's estimate, with the interval of Lang and Reiczigel, which carries \
             the uncertainty of sensitivity and specificity; it is put into 0 to 100 %."
                .into(),
        );
    }
    method
}

fn shown(cell: &ReportedCell) -> Shown {
    let [x, y, w, h]: [u32; 4] = cell.suspect.bbox.into();
    Shown {
        picture: cell.picture(),
        p: format!("{:.3}", cell.suspect.p_parasitized),
        field: cell.seq,
        place: format!("{x}, {y} · {w} × {h}"),
    }
}

fn fact(name: &'static str, value: String) -> Fact {
    Fact { name, value }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{} h {m} min", whole(h)),
    }
}

/// A percentage with as many digits as it deserves.
fn percent(value: f64) -> String {
    let digits = match value {
        v if v >= 10.0 => 1,
        v if v >= 0.1 || v == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$} %")
}

fn interval(p: &Parasitemia) -> String {
    format!("{} to {}", percent(p.low), percent(p.high))
}

fn rate(rate: Rate) -> String {
    let ends = wilson(rate.hits, rate.n).map(|(low, high)| {
        format!(
            " (95 % interval {} to {})",
            percent(100.0 * low),
            percent(100.0 * high)
        )
    });
    format!(
        "{}{}, {} of {} cells",
        percent(100.0 * rate.value),
        ends.unwrap_or_default(),
        whole(rate.hits),
        whole(rate.n)
    )
}

/// With a narrow space after each three digits.
fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// To three digits: more would say more than is known.
fn rounded(value: f64) -> String {
    let step = 10f64.powf((value.abs().max(1.0).log10().floor() - 2.0).max(0.0));
    // The conversion saturates.
    whole(((value / step).round() * step) as u64)
}

fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", whole(n), if n == 1 { "" } else { "s" })
}

fn in_words(cause: &str) -> String {
    cause.replace('_', " ")
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        "none".into()
    } else {
        items.join("; ")
    }
}
