//! The config file of `run`: TOML, every key known, every default written beside its field.

mod homeassistant;
mod http;
mod mqtt;
mod slide;
mod source;
mod store;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smearscope_common::topic::DeviceId;

use crate::exit::{OrBadInput, bad_input};
use crate::field::GateOptions;

pub use homeassistant::HomeAssistant;
pub use http::Http;
pub use mqtt::Mqtt;
pub use slide::Slide;
pub use source::{BY_ID, CameraConfig, Device as CameraDevice, Setting, Source};
pub use store::Store;

use source::{Kind, Replay};

/// What `run` is told.
#[derive(Debug)]
pub struct Config {
    /// Who this board is.
    pub device: Device,
    /// The broker.
    pub mqtt: Mqtt,
    /// Where fields come from.
    pub source: Source,
    /// Which frames of a camera become fields.
    pub gate: GateOptions,
    /// What judges fields.
    pub model: ModelConfig,
    /// When slides begin, and when a slide's count is enough.
    pub slide: Slide,
    /// Where results are kept, and for how long.
    pub store: Store,
    /// The pictures for the dashboard.
    pub image: Image,
    /// Whether Home Assistant is told of the board.
    pub homeassistant: HomeAssistant,
    /// Who may ask for figures.
    pub http: Http,
}

/// `[device]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The board's name in all topics. No default: two boards must never share one.
    pub id: DeviceId,
}

/// `[model]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// The .onnx file. Default: the model inside the program.
    pub path: Option<PathBuf>,
    /// Threads that classify cells. Default: one for each core.
    pub workers: Option<NonZeroUsize>,
}

/// `[image]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// Whether pictures are published at all. Default: true.
    pub enabled: bool,
    /// The shortest time between two pictures in milliseconds. Default: 1000.
    pub interval_ms: u64,
    /// Quality of the JPEG, 1 to 100. Default: 80.
    pub quality: u8,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 1000,
            quality: 80,
        }
    }
}

/// The whole file with one kind of source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<S> {
    device: Device,
    #[serde(default)]
    mqtt: Mqtt,
    source: S,
    #[serde(default)]
    gate: GateOptions,
    #[serde(default)]
    model: ModelConfig,
    #[serde(default)]
    slide: Slide,
    #[serde(default)]
    store: Store,
    #[serde(default)]
    image: Image,
    #[serde(default)]
    homeassistant: HomeAssistant,
    #[serde(default)]
    http: Http,
}

impl<S> File<S> {
    fn with(self, source: impl FnOnce(S) -> Source) -> Config {
        Config {
            device: self.device,
            mqtt: self.mqtt,
            source: source(self.source),
            gate: self.gate,
            model: self.model,
            slide: self.slide,
            store: self.store,
            image: self.image,
            homeassistant: self.homeassistant,
            http: self.http,
        }
    }
}

/// What must be known before the rest can be read. Unknown keys are left to the second reading.
#[derive(Deserialize)]
struct Peek {
    source: PeekSource,
}

#[derive(Deserialize)]
struct PeekSource {
    kind: Kind,
}

impl Config {
    /// Reads and checks a config file.
    ///
    /// # Errors
    /// Bad input that names the file, the line and the key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the config {}", path.display()))
            .or_bad_input()?;
        Self::parse(&text).map_err(|reason| bad_input(format!("{}, {reason}", path.display())))
    }

    /// Reads and checks the text of a config file.
    ///
    /// # Errors
    /// A sentence that names the line and the key.
    // serde's tagged enums forget where a key stood; reading twice keeps the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let peek: Peek = toml_of(text)?;
        let config = match peek.source.kind {
            Kind::Camera => toml_of::<File<CameraConfig>>(text)?.with(Source::Camera),
            Kind::Replay => toml_of::<File<Replay>>(text)?.with(Source::Replay),
            Kind::Synthetic => {
                toml_of::<File<_>>(text)?.with(|source| Source::Synthetic(Box::new(source)))
            }
        };
        config.check(text)?;
        Ok(config)
    }

    fn check(&self, text: &str) -> Result<(), String> {
        let refuse = |table: &str, key: &str, why: String| {
            Err(format!("{}: {why}", place_of_key(text, table, key)))
        };
        if let Err((key, why)) = self.mqtt.check() {
            return refuse("mqtt", key, why);
        }
        if let Source::Camera(camera) = &self.source
            && let Err((key, why)) = camera.check()
        {
            return refuse("source", key, why);
        }
        if let Err((key, why)) = self.gate.check() {
            return refuse("gate", key, why);
        }
        if let Err((key, why)) = self.store.check() {
            return refuse("store", key, why);
        }
        if let Err((key, why)) = self.slide.check() {
            return refuse("slide", key, why);
        }
        if let Err((key, why)) = self.homeassistant.check() {
            return refuse("homeassistant", key, why);
        }
        if let Err((key, why)) = self.http.check() {
            return refuse("http", key, why);
        }
        if !(1..=100).contains(&self.image.quality) {
            let why = format!(
                "`quality` is {}, but goes from 1 to 100",
                self.image.quality
            );
            return refuse("image", "quality", why);
        }
        Ok(())
    }
}

fn toml_of<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        // It may quote a key of the file, whatever that is.
        let message = error.message().trim().replace(char::is_control, " ");
        match error.span() {
            Some(span) => format!("line {}: {message}", line_of(text, span.start)),
            None => message,
        }
    })
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|&b| b == b'\n').count()
}

/// The line where a key of a table is set.
fn place_of_key(text: &str, table: &str, key: &str) -> String {
    let header = format!("[{table}]");
    let set = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut is_inside = false;
    let index = text.lines().map(str::trim_start).position(|line| {
        if line.starts_with('[') {
            is_inside = line.starts_with(&header);
        }
        is_inside && set(line)
    });
    match index {
        Some(index) => format!("line {}", index + 1),
        // Written in a way of TOML's that few know, such as `mqtt = { host = "a" }`.
        None => format!("key `{table}.{key}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SMALLEST: &str = "[device]\nid = \"lab-1\"\n[source]\nkind = \"synthetic\"\n";

    fn error(text: &str) -> String {
        Config::parse(text).unwrap_err()
    }

    #[test]
    fn the_smallest_config_has_the_documented_defaults() {
        let config = Config::parse(SMALLEST).unwrap();
        assert_eq!(config.device.id.to_string(), "lab-1");
        assert_eq!(
            (config.mqtt.host.as_str(), config.mqtt.port),
            ("127.0.0.1", None)
        );
        assert_eq!(config.slide.cells_needed, 5000);
        assert_eq!(config.slide.red_cells_per_ul, 5_000_000);
        assert_eq!(config.slide.site_validation, None);
        assert_eq!(
            (config.slide.report_cells, config.slide.keep_reports),
            (24, 1000)
        );
        assert_eq!(config.source.interval(), Duration::from_secs(1));
        assert!(config.model.path.is_none() && config.model.workers.is_none());
        assert!(config.image.enabled);
        assert!(!config.homeassistant.enabled);
        assert_eq!(config.homeassistant.prefix, "homeassistant");
    }

    #[test]
    fn a_full_config_is_read() {
        let text = r#"
            [device]
            id = "lab-1"
            [mqtt]
            host = "broker.lab"
            port = 8883
            username = "board"
            password_file = "secret"
            [source]
            folder = "frames"
            kind = "replay"
            repeat = true
            interval_ms = 250
            [model]
            path = "m.onnx"
            workers = 2
            [slide]
            cells_needed = 500
            auto_start = false
            red_cells_per_ul = 4200000
            site_validation = "ward 3, test subset"
            report_cells = 12
            keep_reports = 50
            [store]
            path = "/data/results.sqlite"
            max_mb = 64
            keep_days = 1
            max_wait_days = 30
            [image]
            enabled = false
            interval_ms = 5000
            quality = 60
            [homeassistant]
            enabled = true
            prefix = "home/discovery"
        "#;
        let config = Config::parse(text).unwrap();
        let Source::Replay(replay) = &config.source else {
            panic!("{config:?}")
        };
        assert!(replay.repeat);
        assert_eq!(replay.folder, Path::new("frames"));
        assert_eq!(config.model.workers.unwrap().get(), 2);
        assert_eq!(config.image.quality, 60);
        assert!(!config.slide.auto_start);
        assert_eq!(config.slide.red_cells_per_ul, 4_200_000);
        assert_eq!(
            config.slide.site_validation.as_deref(),
            Some("ward 3, test subset")
        );
        assert_eq!(
            config.store.path(&config.device.id).unwrap(),
            Path::new("/data/results.sqlite")
        );
        assert!(config.homeassistant.enabled);
        assert_eq!(config.homeassistant.prefix, "home/discovery");
    }

    #[test]
    fn the_example_of_the_unit_is_sound() {
        Config::parse(include_str!("../../systemd/edge.toml")).unwrap();
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let in_table = error(&format!("{SMALLEST}[mqtt]\nhots = \"x\"\n"));
        assert!(
            in_table.starts_with("line 6: ") && in_table.contains("`hots`"),
            "{in_table}"
        );
        let in_source =
            error("[device]\nid = \"a\"\n[source]\nspeed = 3\nkind = \"replay\"\nfolder = \"f\"\n");
        assert!(
            in_source.starts_with("line 4: ") && in_source.contains("`speed`"),
            "{in_source}"
        );
        let table = error(&format!("{SMALLEST}[camera]\n"));
        assert!(
            table.starts_with("line 5: ") && table.contains("`camera`"),
            "{table}"
        );
        let smear = error(&format!("{SMALLEST}[source.smear]\nholes = 1\n"));
        assert!(
            smear.starts_with("line 6: ") && smear.contains("`holes`"),
            "{smear}"
        );
    }

    #[test]
    fn wrong_values_are_named_with_their_line() {
        for (text, line, word) in [
            (
                "[device]\nid = \"a/b\"\n[source]\nkind = \"synthetic\"\n",
                "line 2",
                "a/b",
            ),
            (
                "[device]\nid = \"a\"\n[source]\nkind = \"webcam\"\n",
                "line 4",
                "webcam",
            ),
            (
                "[device]\nid = \"a\"\n[source]\nkind = \"replay\"\n",
                "line 3",
                "folder",
            ),
            ("[device\n", "line 1", ""),
            ("", "", "source"),
            ("[source]\nkind = \"synthetic\"\n", "", "device"),
        ] {
            let error = error(text);
            assert!(
                error.starts_with(line) && error.contains(word),
                "{text:?}: {error}"
            );
        }
        let camera = "[device]\nid = \"a\"\n[source]\nkind = \"camera\"\n";
        for (rest, line, word) in [
            ("width = 640\n", "line 5", "height"),
            ("fps = 0\n", "line 5", "fps"),
            ("device = \"\"\n", "line 5", "camera"),
            ("[source.controls]\ngain = [1]\n", "line 6", "whole number"),
        ] {
            let error = error(&format!("{camera}{rest}"));
            assert!(
                error.starts_with(line) && error.contains(word),
                "{rest:?}: {error}"
            );
        }
        for (rest, line, word) in [
            ("[mqtt]\nport = 99999\n", "line 6", "99999"),
            ("[mqtt]\nhost = \"a b\"\n", "line 6", "a b"),
            ("[store]\nmax_mb = 15\n", "line 6", "max_mb"),
            ("[store]\n\"a\\nb\" = 1\n", "line 6", "`a b`"),
            ("[mqtt]\npassword_file = \"p\"\n", "line 6", "username"),
            ("[mqtt]\ntransport = \"udp\"\n", "line 6", "udp"),
            ("[mqtt]\nclient_key = \"credential:a/b\"\n", "line 6", "a/b"),
            // Another table's `path` isn't meant.
            (
                "[model]\npath = \"m.onnx\"\n[mqtt]\npath = \"/mqtt\"\n",
                "line 8",
                "transport",
            ),
            ("[model]\nworkers = 0\n", "line 6", "0"),
            ("[image]\nquality = 0\n", "line 6", "quality"),
            ("[slide]\nred_cells_per_ul = 5\n", "line 6", "500000"),
            ("[slide]\nreport_cells = 201\n", "line 6", "200"),
            ("[slide]\nkeep_reports = 0\n", "line 6", "last report"),
            ("[homeassistant]\nenable = true\n", "line 6", "`enable`"),
            ("[homeassistant]\nprefix = \"\"\n", "line 6", "prefix"),
            ("[homeassistant]\nprefix = \"/ha\"\n", "line 6", "/ha"),
            ("[homeassistant]\nprefix = \"ha/\"\n", "line 6", "ha/"),
            ("[homeassistant]\nprefix = \"ha/+\"\n", "line 6", "ha/+"),
            ("[http]\nlisten = \"0.0.0.0:80\"\n", "line 6", "token_file"),
            ("[homeassistant]\nprefix = \"#\"\n", "line 6", "#"),
            ("[homeassistant]\nprefix = \"$SYS\"\n", "line 6", "$SYS"),
            (
                "[homeassistant]\nprefix = \"a\\u0000\"\n",
                "line 6",
                "prefix",
            ),
        ] {
            let error = error(&format!("{SMALLEST}{rest}"));
            assert!(
                error.starts_with(line) && error.contains(word),
                "{rest:?}: {error}"
            );
        }
    }
}
