//! The config of `run`: a file in TOML, every key known, every default written beside its field; and the variables of the
//! environment that go before it. docs/config.md is the guide.

mod cells;
mod fault;
mod homeassistant;
mod http;
mod known;
mod meant;
mod model;
mod mqtt;
mod overrides;
mod reader;
mod slide;
mod source;
mod store;
mod tree;

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use smearscope_common::topic::DeviceId;

use crate::exit::{OrBadInput, bad_input};
use crate::field::GateOptions;

pub use cells::Cells;
pub use fault::Fault;
pub use homeassistant::HomeAssistant;
pub use http::Http;
pub use model::{ModelConfig, TrustedKey};
pub use mqtt::Mqtt;
pub use overrides::Overrides;
pub use slide::Slide;
pub use source::{BY_ID, CameraConfig, Device as CameraDevice, Setting, Source};
pub use store::Store;
pub use tree::Place;

use tree::{Node, Table, Value};

/// What `run` is told: the one list of the tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this board is.
    pub device: Device,
    /// The broker.
    #[serde(default)]
    pub mqtt: Mqtt,
    /// Where fields come from.
    pub source: Source,
    /// Which frames of a camera become fields.
    #[serde(default)]
    pub gate: GateOptions,
    /// What judges fields.
    #[serde(default)]
    pub model: ModelConfig,
    /// When slides begin, and when a slide's count is enough.
    #[serde(default)]
    pub slide: Slide,
    /// Where results are kept, and for how long.
    #[serde(default)]
    pub store: Store,
    /// Which cells are kept for a second look.
    #[serde(default)]
    pub cells: Cells,
    /// The pictures for the dashboard.
    #[serde(default)]
    pub image: Image,
    /// Whether Home Assistant is told of the board.
    #[serde(default)]
    pub homeassistant: HomeAssistant,
    /// Who may ask for figures.
    #[serde(default)]
    pub http: Http,
    /// What of all this the environment has set.
    #[serde(skip)]
    pub overrides: Overrides,
}

/// `[device]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The board's name in all topics. No default: two boards must never share one.
    pub id: DeviceId,
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

impl Image {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=100).contains(&self.quality) {
            let why = format!("`quality` is {}, but goes from 1 to 100", self.quality);
            return Err(("quality", why));
        }
        Ok(())
    }
}

impl Config {
    /// Reads and checks a config file, with what the environment says instead.
    ///
    /// # Errors
    /// Bad input that names the file, the line and the key, or the variable.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let overrides = Overrides::of_environment().or_bad_input()?;
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the config {}", path.display()))
            .or_bad_input()?;
        let file = path.display();
        Self::parse(&text, &overrides).map_err(|fault| match fault.place {
            Some(Place::Line(_)) => bad_input(format!("{file}, {fault}")),
            Some(Place::Variable(_)) => bad_input(fault),
            None => bad_input(format!("{file}: {fault}")),
        })
    }

    /// Reads and checks the text of a config file; what `overrides` say goes before it.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str, overrides: &Overrides) -> Result<Self, Fault> {
        let mut written = Node::of_file(text)?;
        overrides.apply(&mut written)?;
        let mut config = Self::of(&mut written)?;
        config.overrides = overrides.clone();
        config.check().map_err(|(table, key, why)| {
            let table = written.get(table);
            let set = table.and_then(|table| table.get(key)).or(table);
            Fault::sentence(set.and_then(|node| node.place.clone()), why)
        })?;
        Ok(config)
    }

    /// Reads what was written, with no other look at it than at its types.
    fn of(written: &mut Node) -> Result<Self, Fault> {
        // So that one sentence tells what is missing, whether a key is or its whole table.
        for table in ["device", "source"] {
            let empty = || Node {
                place: None,
                value: Value::Table(Table::new()),
            };
            written
                .make_table()
                .entry(table.to_owned())
                .or_insert_with(empty);
        }
        Self::deserialize(&*written)
    }

    /// Checks what doesn't show in a type; the error names a table and its key and says what is wrong.
    fn check(&self) -> Result<(), (&'static str, &'static str, String)> {
        let source = match &self.source {
            Source::Camera(camera) => camera.check(),
            Source::Replay(_) | Source::Synthetic(_) => Ok(()),
        };
        for (table, checked) in [
            ("mqtt", self.mqtt.check()),
            ("source", source),
            ("gate", self.gate.check()),
            ("model", self.model.check()),
            ("store", self.store.check()),
            ("slide", self.slide.check()),
            ("cells", self.cells.check()),
            ("image", self.image.check()),
            ("homeassistant", self.homeassistant.check()),
            ("http", self.http.check()),
        ] {
            checked.map_err(|(key, why)| (table, key, why))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
