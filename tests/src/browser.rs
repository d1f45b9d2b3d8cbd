//! Scripts of `tests/browser`, which look at the page in a real Chromium.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{PATIENCE, Running, edge, lines};

/// Straight to standard error: cargo's test runner would swallow `eprintln!`.
fn skip(why: &str) {
    let line = format!("SKIP: the page in a browser: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A browser needs the processor for itself: what is to be seen within seconds is else not.
static ALONE: Mutex<()> = Mutex::new(());

/// Waits until no other test of this program has a browser.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the pictures of what was seen are, to be looked at: `screenshots` in the target folder.
pub fn pictures() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    target.join("screenshots")
}

/// What a script saw; `None`, and said so, where this machine has no browser.
pub fn seen_by(script: &str, arguments: &[&str]) -> Option<Value> {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !browser.join("node_modules").exists() {
        skip("its npm modules are not installed (make setup says why)");
        return None;
    }
    let output = Command::new("node")
        .arg(browser.join(script))
        .args(arguments)
        .args(["--timeout", "480", "--pictures"])
        .arg(pictures())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) {
        skip(said.trim());
        return None;
    }
    assert!(
        output.status.success(),
        "{said}\npictures are in {}",
        pictures().display()
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A demo at work.
pub struct Demo {
    /// The program.
    pub program: Running,
    /// Where its page is.
    pub page: String,
    /// Where its broker is for MQTT, as HOST:PORT.
    pub broker: String,
    /// The same, for a browser.
    pub websocket: String,
}

impl Demo {
    /// Starts one that plays the images of a folder, or draws fields.
    pub fn start(frames: Option<&Path>) -> Self {
        let mut command = edge();
        command.args(["demo", "--http", "127.0.0.1:0"]);
        if let Some(frames) = frames {
            command.arg("--frames").arg(frames);
        }
        let mut program = Running(command.stdout(Stdio::piped()).spawn().unwrap());
        let told = lines(program.0.stdout.take().unwrap());
        let next = |begins: &str| loop {
            let line = told.recv_timeout(PATIENCE).unwrap();
            if let Some(rest) = line.strip_prefix(begins) {
                return rest.trim().to_owned();
            }
        };
        let (page, broker, websocket) = (next("page "), next("broker "), next("        "));
        // It ends where nobody listens to it any more.
        std::thread::spawn(move || told.iter().for_each(drop));
        Self {
            program,
            page,
            broker,
            websocket,
        }
    }
}
