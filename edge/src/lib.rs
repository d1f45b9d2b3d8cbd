//! The smearscope daemon: camera → field → cells → MQTT, and the tools around it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod analyze;
mod analyze_command;
mod bench;
mod broker;
mod camera;
mod cameras;
mod capture;
mod check_config;
mod cli;
mod clock;
mod config;
mod control;
mod counting;
mod daemon;
mod exit;
pub mod field;
#[doc(hidden)]
pub mod fuzz;
mod health;
mod live;
mod memory;
mod model;
mod mqtt;
mod named_file;
mod overlay;
mod report;
mod schema;
mod slide;
mod station;
mod store;
mod truth;
mod verify;
mod web;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, ModelCommand};

/// What is told where RUST_LOG says nothing: our own news, and other crates' troubles.
const LOG: &str = "warn,smearscope_edge=info,rmqtt=error,rmqtt_net=error";
/// What is never told, whatever RUST_LOG says: every byte of a WebSocket, the password's among them.
const TOO_MUCH: [&str; 2] = [
    "tungstenite::protocol=info",
    "tungstenite::protocol::frame=info",
];

/// The program: does what the command line says and gives its exit status.
pub fn main() -> ExitCode {
    memory::one_arena();
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    exit::status(match cli.command {
        Command::Run(args) => station::run(&args),
        Command::Demo(args) => station::demo(args),
        Command::Analyze(args) => analyze_command::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Cameras(args) => cameras::run(&args),
        Command::Capture(args) => capture::run(&args),
        Command::Model(ModelCommand::Verify(args)) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Schema(args) => schema::run(&args),
    })
}

fn log_filter() -> EnvFilter {
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| LOG.into());
    TOO_MUCH.iter().fold(wanted, |filter, limit| {
        // Takes the place of one for the same target, and comes before one for a target above it.
        filter.add_directive(limit.parse().expect("a fixed text, parsed at every start"))
    })
}
