//! The program `smearscope-train`: reads the command line, sets up the log, and ends with the right exit code.

use std::process::ExitCode;

use clap::Parser;
use smearscope_trainer::{cli, commands, device, error, memory};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// What is never told, whatever RUST_LOG says: every byte of a WebSocket, a password among them.
const TOO_MUCH: [(&str, LevelFilter); 2] = [
    ("tungstenite::protocol", LevelFilter::INFO),
    ("tungstenite::protocol::frame", LevelFilter::INFO),
];

fn main() -> ExitCode {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    // Empty, it would tell nothing.
    let wanted = wanted.parse().ok().filter(|_| !wanted.is_empty());
    // They take the place of what is asked for these, and come before what is for all of a crate.
    let filter = wanted.unwrap_or_else(usual).with_targets(TOO_MUCH);
    let text = fmt::layer().with_writer(std::io::stderr).with_target(false);
    registry().with(filter).with(text).init();
    memory::keep();
    device::load_cuda();
    match commands::run(cli::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::from(error::exit_code(&e))
        }
    }
}

/// What is told where RUST_LOG says nothing: our own news, and other crates' troubles.
fn usual() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("smearscope_trainer", LevelFilter::INFO)
        .with_target("rumqttc", LevelFilter::OFF)
        .with_target("tract", LevelFilter::ERROR)
}
