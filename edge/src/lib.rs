//! The smearscope daemon: camera → field → cells → MQTT, and the tools around it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod analyze;
mod analyze_command;
mod bench;
mod broker;
mod camera;
mod cli;
mod config;
mod control;
mod daemon;
mod exit;
#[doc(hidden)]
pub mod fuzz;
mod health;
mod memory;
mod model;
mod mqtt;
mod overlay;
mod schema;
mod slide;
mod station;
mod store;
mod truth;
mod verify;
mod web;
mod words;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{CheckConfigArgs, Cli, Command, ModelCommand};

/// What is told where RUST_LOG says nothing: our own news, and other crates' troubles.
const LOG: &str = "warn,smearscope_edge=info,rmqtt=error,rmqtt_net=error";

/// The program: does what the command line says and gives its exit status.
pub fn main() -> ExitCode {
    memory::one_arena();
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| LOG.into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    exit::status(match cli.command {
        Command::Run(args) => station::run(&args),
        Command::Demo(args) => station::demo(args),
        Command::Analyze(args) => analyze_command::run(&args),
        Command::CheckConfig(args) => check_config(&args),
        Command::Model(ModelCommand::Verify(args)) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Schema(args) => schema::run(&args),
    })
}

fn check_config(args: &CheckConfigArgs) -> anyhow::Result<()> {
    config::Config::read(&args.config)?;
    writeln!(std::io::stdout(), "{} is sound", args.config.display())?;
    Ok(())
}
