//! Where logs go: to systemd's journal with their levels, where the program writes into it; else as text to standard error.

use std::io::{IsTerminal, stderr};

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// What is never told, whatever RUST_LOG says: every byte of a WebSocket, the password's among them.
const TOO_MUCH: [(&str, LevelFilter); 2] = [
    ("tungstenite::protocol", LevelFilter::INFO),
    ("tungstenite::protocol::frame", LevelFilter::INFO),
];

/// Begins to log.
pub fn begin() {
    let levels = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    let journal = is_journal()
        .then(|| tracing_journald::layer().ok())
        .flatten()
        .map(|layer| layer.with_priority_mappings(levels));
    let text = journal.is_none().then(|| {
        fmt::layer()
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false)
    });
    registry().with(filter()).with(journal).with(text).init();
}

/// Whether standard error is a stream of systemd's journal. systemd says so by a variable, which programs started by a
/// service inherit; so it names the stream by device and inode. Source: systemd.exec(5), `$JOURNAL_STREAM`.
pub fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(stderr())
        .is_ok_and(|stream| named == format!("{}:{}", stream.st_dev, stream.st_ino))
}

fn filter() -> Targets {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    // Empty, it would tell nothing.
    let wanted = wanted.parse().ok().filter(|_| !wanted.is_empty());
    wanted
        .unwrap_or_else(usual)
        // They take the place of what is asked for these, and come before what is for all of a crate.
        .with_targets(TOO_MUCH)
}

/// What is told where RUST_LOG says nothing: our own news, and other crates' troubles.
fn usual() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("smearscope_edge", LevelFilter::INFO)
        .with_targets(["rmqtt", "rmqtt_net"].map(|target| (target, LevelFilter::ERROR)))
}
