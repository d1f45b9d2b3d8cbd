//! The smearscope daemon: camera → field → cells → MQTT, and the tools around it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod analysis;
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
mod drift;
mod exit;
mod export;
mod failpoint;
pub mod field;
#[doc(hidden)]
pub mod fuzz;
mod health;
mod kept;
mod live;
mod log;
mod memory;
mod metrics;
mod model;
mod model_command;
mod models;
mod mqtt;
mod named_file;
mod novelty;
mod overlay;
mod password;
mod pem;
mod pulse;
mod report;
mod schema;
mod slide;
mod sqlite;
mod station;
mod store;
mod supervisor;
mod timing;
mod truth;
mod verify;
mod web;
mod whole_file;
mod words;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ModelCommand};

/// The program: does what the command line says and gives its exit status.
pub fn main() -> ExitCode {
    memory::one_arena();
    let cli = Cli::parse();
    log::begin();
    exit::status(match cli.command {
        Command::Run(args) => station::run(&args),
        Command::Demo(args) => station::demo(args),
        Command::Analyze(args) => analyze_command::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Cameras(args) => cameras::run(&args),
        Command::Capture(args) => capture::run(&args),
        Command::Model(ModelCommand::Verify(args)) => verify::run(&args),
        Command::Model(ModelCommand::Install(args)) => model_command::install(&args),
        Command::Model(ModelCommand::List(args)) => model_command::list(&args),
        Command::Model(ModelCommand::Rollback(args)) => model_command::rollback(&args),
        Command::Model(ModelCommand::History(args)) => model_command::history(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::HashPassword => password::run(),
    })
}
