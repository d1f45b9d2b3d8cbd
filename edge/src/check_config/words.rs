//! What `run` would do, in words.

use std::io::{self, Write};

use super::report::{
    BrokerReport, FileReport, HttpReport, ModelReport, Report, SourceReport, StoreReport,
};
use crate::named_file::Reach;

/// Writes a line for each thing that one may want to know before the board is left alone.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{} is sound", report.config.display())?;
    let mut line = |what: &str, said: &str| writeln!(out, "{what:<16}{said}");
    let topics = format!("{}; its topics begin with {}", report.device, report.topics);
    line("device", &topics)?;
    line("source", &source(&report.source))?;
    line("gate", gate(report))?;
    let model = &report.model;
    let path = match &model.path {
        Some(path) => path.display().to_string(),
        None => "inside the program, until another is installed".to_owned(),
    };
    let which = &model.which;
    line(
        "model",
        &format!(
            "{} {} ({path}; sha256 {}; {}, {} px, threshold {})",
            which.name,
            which.version,
            which.sha256.get(..12).unwrap_or(&which.sha256),
            model.architecture,
            model.input_size,
            model.threshold
        ),
    )?;
    let validated = match &model.validation {
        None => "nowhere validated".to_owned(),
        Some(validation) => format!("validated on {validation}"),
    };
    line("", &validated)?;
    line("", &updates(model))?;
    line(
        "workers",
        &format!("{}, and {} cores here", report.workers, report.cores),
    )?;
    line("slide", &slide(report))?;
    line("store", &store(&report.store))?;
    let cells = match report.cells_max_mb {
        0 => "none are kept for a second look".to_owned(),
        most => format!("some are kept for a second look, at most {most} MB of them"),
    };
    line("cells", &cells)?;
    let image = match report.image_interval_ms {
        Some(interval) => format!("a picture of a field each {interval} ms at most"),
        None => "no pictures".to_owned(),
    };
    line("image", &image)?;
    for (number, said) in broker(&report.broker).iter().enumerate() {
        line(if number == 0 { "broker" } else { "" }, said)?;
    }
    let announced = match &report.homeassistant {
        Some(topic) => format!("told by {topic}"),
        None => "not told".to_owned(),
    };
    line("home assistant", &announced)?;
    for (number, said) in http(report.http.as_ref()).iter().enumerate() {
        line(if number == 0 { "http" } else { "" }, said)?;
    }
    for variable in &report.environment {
        line(
            "environment",
            &format!("{}={}", variable.name, variable.value),
        )?;
    }
    for doubt in &report.doubts {
        line("doubt", doubt)?;
    }
    Ok(())
}

/// How often a source gives a field.
fn pace(interval_ms: u64) -> String {
    match interval_ms {
        0 => "as fast as they are analysed".to_owned(),
        ms => format!("one each {ms} ms at most"),
    }
}

fn source(source: &SourceReport) -> String {
    match source {
        SourceReport::Camera {
            device,
            name,
            path,
            mode,
            problem,
            interval_ms,
        } => {
            let now = match (name, path, mode) {
                (Some(name), Some(path), Some(mode)) => {
                    format!("now {name} at {}, {mode}", path.display())
                }
                _ => format!(
                    "not to be had now, `run` waits for it: {}",
                    problem.as_deref().unwrap_or_default()
                ),
            };
            format!("camera {device}, fields {}; {now}", pace(*interval_ms))
        }
        SourceReport::Replay {
            folder,
            images,
            repeat,
            interval_ms,
        } => {
            let then = if *repeat {
                "again and again"
            } else {
                "then the program ends"
            };
            format!(
                "{images} images in {}, {then}; {}",
                folder.display(),
                pace(*interval_ms)
            )
        }
        SourceReport::Synthetic { interval_ms } => format!("drawn fields, {}", pace(*interval_ms)),
    }
}

fn updates(model: &ModelReport) -> String {
    match (&model.path, model.trusted_keys.as_slice()) {
        (Some(_), _) => "it stays: no other is installed".into(),
        (None, []) => "no other is installed: no key is trusted".into(),
        (None, [key]) => format!(
            "others are installed if signed by {key}, up to {} MB",
            model.max_mb
        ),
        (None, keys) => format!(
            "others are installed if signed by any of {}, up to {} MB",
            keys.join(", "),
            model.max_mb
        ),
    }
}

fn gate(report: &Report) -> &'static str {
    match (&report.source, report.gate) {
        (SourceReport::Camera { .. }, true) => {
            "on: frames that are lit, still, sharp and new become fields"
        }
        (SourceReport::Camera { .. }, false) => {
            "off: each frame becomes a field for which there is time"
        }
        _ => "not asked: it is for cameras",
    }
}

fn slide(report: &Report) -> String {
    let slide = &report.slide;
    let begins = if slide.auto_start {
        "begun at the start where none is open"
    } else {
        "begun by the command slide.start only"
    };
    let corrected = match &slide.corrected {
        Some(site) => format!("with this model corrected by the rates of {site:?}"),
        None => "with this model not corrected".to_owned(),
    };
    let called = match slide.pseudonyms {
        true => "by pseudonyms, ",
        false => "",
    };
    format!(
        "{called}{begins}; {} cells make a count sufficient; {} red cells in a microlitre; {corrected}",
        slide.cells_needed, slide.red_cells_per_ul
    )
}

fn store(store: &StoreReport) -> String {
    let path = store.path.as_ref().map(|path| path.display().to_string());
    let place = match (path, store.of_service) {
        (Some(path), false) => path,
        (Some(path), true) => {
            format!("in the folder that systemd gives the service; started from here, {path}")
        }
        (None, _) => "in the folder that systemd gives the service".to_owned(),
    };
    let state = if store.exists {
        "there"
    } else {
        "not there yet"
    };
    let free = store
        .free_mb
        .map_or(String::new(), |free| format!(", {free:.0} MB free"));
    format!(
        "{place} ({state}{free}); at most {} MB; delivered results stay {} days, others wait {}",
        store.max_mb, store.keep_days, store.max_wait_days
    )
}

fn broker(broker: &BrokerReport) -> Vec<String> {
    let Some(url) = &broker.url else {
        return vec!["the one inside the program; not started now".to_owned()];
    };
    let name = match &broker.username {
        Some(name) => format!("as {name:?}"),
        None => "without a name".to_owned(),
    };
    let mut lines = vec![format!("{url} {name}; not called now")];
    lines.extend(broker.files.iter().map(file));
    lines
}

fn http(http: Option<&HttpReport>) -> Vec<String> {
    let Some(http) = http else {
        return vec!["no page and no figures are served".to_owned()];
    };
    let shown = match (&http.token, &http.password) {
        (Some(_), Some(_)) => "whoever shows the token or types the password",
        (Some(_), None) => "whoever shows the token",
        (None, Some(_)) => "whoever types the password",
        (None, None) => "whoever asks",
    };
    let scheme = match &http.certificate {
        Some(_) => "https",
        None => "http",
    };
    let listen = http.listen;
    let mut lines = vec![format!(
        "{scheme}://{listen}/, {scheme}://{listen}/metrics and /healthz for {shown}"
    )];
    if let Some(url) = &http.broker {
        lines.push(format!("the page asks the broker at {url}"));
    }
    lines.extend(http.files().map(file));
    lines
}

fn file(file: &FileReport) -> String {
    let reach = match file.reach {
        Reach::Read => "can be read".to_owned(),
        Reach::ReadByRoot => "can be read by root".to_owned(),
        Reach::OfUser(id) => {
            format!("belongs to the user with id {id}: right if the service runs as that user")
        }
        Reach::OfService => "systemd hands it over, to the service only".to_owned(),
    };
    format!("{} {}: {reach}", file.what, file.file)
}
