//! A board at work: the real `run` with a config, a store and a log of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use smearscope_common::image::encode_png;
use smearscope_common::synth::{SmearSpec, smear};

use crate::{Running, edge};

/// Where a board has its files, and what its config says.
pub struct Board {
    /// Its folder: config, store and log.
    pub folder: PathBuf,
    /// The device id.
    pub device: String,
}

impl Board {
    /// A board whose fields come from `source` (the lines of `[source]`) and go to the broker of `mqtt` (those of
    /// `[mqtt]`); `more` are other tables.
    pub fn new(folder: &Path, device: &str, source: &str, mqtt: &str, more: &str) -> Self {
        let board = Self {
            folder: folder.to_owned(),
            device: device.into(),
        };
        let text = format!(
            "[device]\nid = {device:?}\n[source]\n{source}\n[mqtt]\n{mqtt}\n[store]\npath = {:?}\n{more}\n",
            board.store()
        );
        fs::write(folder.join("edge.toml"), text).unwrap();
        board
    }

    /// The file of its results.
    pub fn store(&self) -> PathBuf {
        self.folder.join("results.sqlite")
    }

    /// Starts it; what it logs is added to its log.
    pub fn start(&self) -> Running {
        Running(self.command(&mut edge()).spawn().unwrap())
    }

    /// Starts it with `variables` in its environment.
    pub fn start_with(&self, variables: &[(&str, &OsStr)]) -> Running {
        let mut edge = edge();
        let command = self.command(&mut edge).envs(variables.iter().copied());
        Running(command.spawn().unwrap())
    }

    /// Starts it with a limit to the size of any file that it writes, in KiB: a disk that is full.
    pub fn start_on_a_full_disk(&self, kib: u32) -> Running {
        let program = edge().get_program().to_owned();
        // Without a trap the signal would end it before it sees the error. The hard limit stays: it can be lifted.
        let mut shell = Command::new("bash");
        shell
            .arg("-c")
            .arg(format!(
                "trap '' XFSZ; ulimit -S -f {kib}; exec \"$0\" \"$@\""
            ))
            .arg(program);
        Running(self.command(&mut shell).spawn().unwrap())
    }

    fn command<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .unwrap();
        command
            .args(["run", "--config"])
            .arg(self.folder.join("edge.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            // Killed as one, should it start others.
            .process_group(0)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// One of its topics.
    pub fn topic(&self, leaf: &str) -> String {
        format!("smearscope/{}/{leaf}", self.device)
    }

    /// The fields in its store by id, each with its numbering, its number, and whether the broker has it. It must not be
    /// running.
    pub fn committed(&self) -> BTreeMap<String, Committed> {
        let store = rusqlite::Connection::open(self.store()).unwrap();
        let mut query = store
            .prepare("SELECT lower(hex(id)), lower(hex(series)), seq, acknowledged_at IS NOT NULL, payload FROM message WHERE kind = 1")
            .unwrap();
        let rows = query.query_map([], |row| {
            let committed = Committed {
                series: row.get(1)?,
                seq: row.get(2)?,
                is_acknowledged: row.get(3)?,
                payload: row.get(4)?,
            };
            Ok((row.get(0)?, committed))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

/// A field in a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Its numbering.
    pub series: String,
    /// Its number.
    pub seq: u64,
    /// Whether the broker has it.
    pub is_acknowledged: bool,
    /// Its message.
    pub payload: Vec<u8>,
}

/// Draws `count` fields of a cell or two, which are analysed in some milliseconds; gives their folder.
pub fn small_frames(folder: &Path, count: u64) -> PathBuf {
    let folder = folder.join("frames");
    fs::create_dir_all(&folder).unwrap();
    let spec = SmearSpec {
        width: 200,
        height: 150,
        cells: 2,
        ..SmearSpec::default()
    };
    for seed in 0..count {
        let field = smear(&spec, seed).image;
        fs::write(
            folder.join(format!("{seed:04}.png")),
            encode_png(&field).unwrap(),
        )
        .unwrap();
    }
    folder
}
