//! What `check-config` tells.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use smearscope_common::message::ModelRef;
use smearscope_common::model_card::Validation;

use crate::camera::v4l2::Mode;
use crate::named_file::Reach;

/// What `run` would do; `--json`.
#[derive(Serialize)]
pub struct Report {
    /// The file.
    pub config: PathBuf,
    /// The board's name.
    pub device: String,
    /// What the names of the board's topics begin with.
    pub topics: String,
    /// Where fields come from.
    pub source: SourceReport,
    /// Whether only fit frames of a camera become fields.
    pub gate: bool,
    /// What judges them.
    pub model: ModelReport,
    /// Threads that do.
    pub workers: usize,
    /// The cores of this machine.
    pub cores: usize,
    /// When slides begin, and what is said of them.
    pub slide: SlideReport,
    /// Where results are kept.
    pub store: StoreReport,
    /// The most megabytes of cells that are kept for a second look; 0 for none.
    pub cells_max_mb: u64,
    /// The shortest time between two pictures; `null` without pictures.
    pub image_interval_ms: Option<u64>,
    /// Where they go.
    pub broker: BrokerReport,
    /// The topic by which Home Assistant is told of the board, if it is.
    pub homeassistant: Option<String>,
    /// Where the page, `/metrics` and `/healthz` are served, if they are.
    pub http: Option<HttpReport>,
    /// What the environment sets instead of the file.
    pub environment: Vec<Variable>,
    /// What works but shouldn't be so.
    pub doubts: Vec<String>,
}

/// `source`
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceReport {
    /// A camera.
    Camera {
        /// Which one the config means.
        device: String,
        /// What that is now.
        name: Option<String>,
        /// Its node.
        path: Option<PathBuf>,
        /// How it would send.
        mode: Option<Mode>,
        /// Why there is none now.
        problem: Option<String>,
        /// The shortest time between two fields.
        interval_ms: u64,
    },
    /// The images of a folder.
    Replay {
        /// The folder.
        folder: PathBuf,
        /// How many are there.
        images: usize,
        /// Whether it begins again after the last.
        repeat: bool,
        /// The shortest time between two fields.
        interval_ms: u64,
    },
    /// Drawn fields.
    Synthetic {
        /// The shortest time between two fields.
        interval_ms: u64,
    },
}

/// `model`
#[derive(Serialize)]
pub struct ModelReport {
    /// The file; `null` for the one inside the program.
    pub path: Option<PathBuf>,
    /// Its name, version and hash.
    #[serde(flatten)]
    pub which: ModelRef,
    /// The network.
    pub architecture: String,
    /// The side of its input in pixels.
    pub input_size: u32,
    /// From which probability on a cell is parasitized.
    pub threshold: f32,
    /// Where its rates were measured.
    pub validation: Option<Validation>,
    /// Whose models are taken.
    pub trusted_keys: Vec<String>,
    /// The most megabytes of such a model.
    pub max_mb: u64,
}

/// `slide`
#[derive(Serialize)]
pub struct SlideReport {
    /// Whether one is begun at the start where none is open.
    pub auto_start: bool,
    /// Cells that make a count sufficient.
    pub cells_needed: u64,
    /// Red cells in a microlitre.
    pub red_cells_per_ul: u64,
    /// Whether slides go by pseudonyms.
    pub pseudonyms: bool,
    /// By whose rates a count is to be corrected.
    pub site_validation: Option<String>,
    /// By whose rates it is with this model.
    pub corrected: Option<String>,
}

/// `store`
#[derive(Serialize)]
pub struct StoreReport {
    /// The file, if the program were started here and now.
    pub path: Option<PathBuf>,
    /// Whether systemd gives the service another folder for it.
    pub of_service: bool,
    /// Whether it is there already.
    pub exists: bool,
    /// Room on the disk where it is or will be.
    pub free_mb: Option<f64>,
    /// The most that it may hold.
    pub max_mb: u64,
    /// How many days a delivered result stays.
    pub keep_days: u64,
    /// How many days another one waits.
    pub max_wait_days: u64,
}

/// `broker`
#[derive(Serialize)]
pub struct BrokerReport {
    /// Where it is and how it is reached; `null` for the one inside the program.
    pub url: Option<String>,
    /// Who we say we are.
    pub username: Option<String>,
    /// What is read for it.
    pub files: Vec<FileReport>,
}

/// `http`
#[derive(Serialize)]
pub struct HttpReport {
    /// The address.
    pub listen: SocketAddr,
    /// The file with what a program must show, if it can.
    pub token: Option<FileReport>,
    /// The file with the hash of what a person must type, if one can.
    pub password: Option<FileReport>,
    /// The certificate that is shown, and the file of its key: then all is encrypted.
    pub certificate: Option<FileReport>,
    /// See `certificate`.
    pub key: Option<FileReport>,
    /// Where a browser is sent for the broker; `null` where that is the one inside the program, or there is none.
    pub broker: Option<String>,
}

impl HttpReport {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &FileReport> {
        let files = [&self.token, &self.password, &self.certificate, &self.key];
        files.into_iter().flatten()
    }
}

/// A file that is read; never what is in it.
#[derive(Serialize)]
pub struct FileReport {
    /// What is in it.
    pub what: &'static str,
    /// As the config names it.
    pub file: String,
    /// Whether it can be read.
    pub reach: Reach,
}

/// A variable of the environment.
#[derive(Serialize)]
pub struct Variable {
    /// The variable.
    pub name: String,
    /// What it holds.
    pub value: String,
}
