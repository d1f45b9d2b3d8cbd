//! The program `smearscope-train`: reads the command line, sets up the log, and ends with the right exit code.

use std::process::ExitCode;

use clap::Parser;
use smearscope_trainer::{cli, commands, device, error, memory};
use tracing_subscriber::EnvFilter;

/// What is never told, whatever RUST_LOG says: every byte of a WebSocket, a password among them.
const TOO_MUCH: [&str; 2] = [
    "tungstenite::protocol=info",
    "tungstenite::protocol::frame=info",
];

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("smearscope_trainer=info,warn,rumqttc=off,tract=error"));
    let filter = TOO_MUCH.iter().fold(filter, |filter, limit| {
        // Takes the place of one for the same target, and comes before one for a target above it.
        filter.add_directive(limit.parse().expect("a fixed text, parsed at every start"))
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
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
