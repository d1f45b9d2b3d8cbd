//! `check-config`: would `run` take this config, and what would it do with it here? Nothing is begun: no broker is called,
//! no camera started, no store made.

mod report;
mod words;

use std::io::Write;
use std::path::Path;

use crate::analyze::all_cores;
use crate::camera::images_of;
use crate::camera::v4l2::expected;
use crate::cli::CheckConfigArgs;
use crate::config::{Config, Http, Mqtt, Source, Store};
use crate::health::machine::disk_free_mb;
use crate::model;
use crate::mqtt::{BrokerUrl, DEFAULT_PATH, discovery};
use crate::named_file::{NamedFile, Reach};
use crate::slide::Rules;

use report::{
    BrokerReport, FileReport, HttpReport, ModelReport, Report, SlideReport, SourceReport,
    StoreReport, Variable,
};

/// Says what `run` would do.
///
/// # Errors
/// Bad input, when `run` wouldn't begin.
pub fn run(args: &CheckConfigArgs) -> anyhow::Result<()> {
    let report = Report::of(&args.config, &Config::read(&args.config)?)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        words::write(&mut out, &report)?;
    }
    out.flush()?;
    Ok(())
}

impl Report {
    fn of(file: &Path, config: &Config) -> anyhow::Result<Self> {
        let id = &config.device.id;
        let source = source(&config.source)?;
        let broker = broker(&config.mqtt)?;
        let store = store(config);
        let http = http(&config.http, &config.mqtt)?;
        let model = model::load(config.model.path.as_deref())?;
        let card = model.card();
        let workers = config.model.workers.unwrap_or_else(all_cores).get();
        let cores = all_cores().get();
        let mut doubts = config.overrides.doubts();
        doubts.extend(config.mqtt.doubt());
        doubts.extend(config.http.doubt());
        let rules = Rules::new(id.clone(), &config.slide);
        let validation = card.validation.as_ref();
        doubts.extend(rules.doubt(validation));
        doubts.extend(doubts_of(
            &source,
            &broker,
            http.as_ref(),
            &store,
            config.cells.max_mb,
        ));
        if workers > cores {
            doubts.push(format!(
                "there are {workers} workers, but this machine has {cores} cores: more workers don't make it faster"
            ));
        }
        Ok(Self {
            config: file.to_owned(),
            device: id.to_string(),
            topics: format!("smearscope/{id}/"),
            source,
            gate: config.gate.enabled,
            workers,
            cores,
            slide: SlideReport {
                auto_start: config.slide.auto_start,
                cells_needed: config.slide.cells_needed,
                red_cells_per_ul: config.slide.red_cells_per_ul,
                pseudonyms: config.slide.pseudonyms,
                site_validation: config.slide.site_validation.clone(),
                corrected: validation
                    .filter(|v| rules.corrects(v))
                    .map(|v| v.dataset.clone()),
            },
            store,
            cells_max_mb: config.cells.max_mb,
            image_interval_ms: config.image.enabled.then_some(config.image.interval_ms),
            broker,
            http,
            homeassistant: config
                .homeassistant
                .enabled
                .then(|| discovery::topic(&config.homeassistant.prefix, id)),
            environment: config
                .overrides
                .used()
                .map(|(name, value)| Variable {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
                .collect(),
            doubts,
            model: ModelReport {
                path: config.model.path.clone(),
                which: model.reference(),
                architecture: card.architecture.clone(),
                input_size: card.input.size,
                threshold: card.threshold,
                validation: card.validation.clone(),
                trusted_keys: config
                    .model
                    .trusted_keys
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                max_mb: config.model.max_mb,
            },
        })
    }
}

fn source(source: &Source) -> anyhow::Result<SourceReport> {
    Ok(match source {
        Source::Camera(camera) => {
            let (found, mode, problem) = match expected(camera) {
                Ok((found, mode)) => (Some(found), Some(mode), None),
                Err(why) => (None, None, Some(why)),
            };
            SourceReport::Camera {
                device: camera.device.to_string(),
                name: found.as_ref().map(|found| found.name()),
                path: found.map(|found| found.path),
                mode,
                problem,
                interval_ms: camera.interval_ms,
            }
        }
        Source::Replay(replay) => SourceReport::Replay {
            images: images_of(&replay.folder)?.len(),
            folder: replay.folder.clone(),
            repeat: replay.repeat,
            interval_ms: replay.interval_ms,
        },
        Source::Synthetic(synthetic) => SourceReport::Synthetic {
            interval_ms: synthetic.interval_ms,
        },
    })
}

/// Reads all that can be read from here, as `run` would.
fn broker(mqtt: &Mqtt) -> anyhow::Result<BrokerReport> {
    let mut files = Vec::new();
    for (what, file, is_secret) in [
        ("CA file", &mqtt.ca_file, false),
        ("client certificate", &mqtt.client_certificate, false),
        ("client key", &mqtt.client_key, true),
        ("password file", &mqtt.password_file, true),
    ] {
        if let Some(file) = file {
            files.push(look_at(file, what, is_secret)?);
        }
    }
    let is_here = |of: &[&str]| {
        let meant = files.iter().filter(|file| of.contains(&file.what));
        meant.into_iter().all(|file| file.reach.is_here())
    };
    if is_here(&["CA file", "client certificate", "client key"]) {
        mqtt.transport()?;
    }
    if is_here(&["password file"]) {
        mqtt.credentials()?;
    }
    if mqtt.embedded {
        return Ok(BrokerReport {
            url: None,
            username: None,
            files,
        });
    }
    let url = BrokerUrl {
        protocol: mqtt.transport,
        address: mqtt.address()?,
        path: mqtt.path.clone().unwrap_or_else(|| DEFAULT_PATH.into()),
    };
    Ok(BrokerReport {
        url: Some(url.to_string()),
        username: mqtt.username.clone(),
        files,
    })
}

fn http(http: &Http, mqtt: &Mqtt) -> anyhow::Result<Option<HttpReport>> {
    let Some(listen) = http.listen else {
        return Ok(None);
    };
    let look = |file: &Option<NamedFile>, what, is_secret| {
        file.as_ref()
            .map(|file| look_at(file, what, is_secret))
            .transpose()
    };
    let report = HttpReport {
        listen,
        token: look(&http.token_file, "token file", true)?,
        password: look(&http.password_file, "password file of [http]", true)?,
        certificate: look(&http.certificate, "certificate of [http]", false)?,
        key: look(&http.key, "key of [http]", true)?,
        broker: match &http.broker {
            Some(url) => Some(url.clone()),
            None => mqtt.websocket_url()?,
        },
    };
    let is_here = |file: &Option<FileReport>| file.as_ref().is_none_or(|file| file.reach.is_here());
    if is_here(&report.token) {
        http.token()?;
    }
    if is_here(&report.password) {
        http.password()?;
    }
    if is_here(&report.certificate) && is_here(&report.key) {
        http.tls()?;
    }
    Ok(Some(report))
}

fn look_at(file: &NamedFile, what: &'static str, is_secret: bool) -> anyhow::Result<FileReport> {
    Ok(FileReport {
        what,
        file: file.to_string(),
        reach: file.reach(what, is_secret)?,
    })
}

fn store(config: &Config) -> StoreReport {
    let Store {
        path,
        max_mb,
        keep_days,
        max_wait_days,
    } = &config.store;
    let here = config.store.path(&config.device.id).ok();
    StoreReport {
        of_service: path.is_none() && std::env::var_os("STATE_DIRECTORY").is_none(),
        exists: here.as_ref().is_some_and(|path| path.exists()),
        free_mb: here.as_deref().and_then(free_mb),
        path: here,
        max_mb: *max_mb,
        keep_days: *keep_days,
        max_wait_days: *max_wait_days,
    }
}

/// Room on the disk where a file is or will be.
fn free_mb(path: &Path) -> Option<f64> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find_map(disk_free_mb)
}

fn doubts_of(
    source: &SourceReport,
    broker: &BrokerReport,
    http: Option<&HttpReport>,
    store: &StoreReport,
    cells_max_mb: u64,
) -> Vec<String> {
    let mut doubts = Vec::new();
    if matches!(source, SourceReport::Synthetic { .. }) {
        doubts.push(
            "the fields are drawn: they are no blood, and nothing that is counted means anything"
                .into(),
        );
    }
    let served = http.into_iter().flat_map(HttpReport::files);
    for FileReport { what, file, reach } in broker.files.iter().chain(served) {
        if *reach == Reach::ReadByRoot {
            doubts.push(format!(
                "only root can read the {what} {file}: a service with a user of its own, as smearscope-edge.service has, \
                 needs it by `LoadCredential=` and as \"credential:NAME\""
            ));
        }
    }
    let both = store.max_mb.saturating_add(cells_max_mb);
    if let Some(free) = store
        .free_mb
        .filter(|free| !store.exists && *free < both as f64)
    {
        doubts.push(format!(
            "the disk has {free:.0} MB left, but the store may grow to {} MB and the kept cells to {cells_max_mb} MB: set \
             `max_mb` in [store] or [cells] to less",
            store.max_mb
        ));
    }
    doubts
}

#[cfg(test)]
mod tests;
