//! `smearscope-train`: the workstation's tool. Data in, a self-describing model out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod augment;
mod checkpoint;
mod cli;
mod commands;
mod dataset;
mod densenet;
#[cfg(test)]
mod densenet_tests;
mod device;
mod error;
mod evaluate;
mod export;
#[cfg(test)]
mod export_tests;
mod inspect;
mod loader;
mod metrics;
mod onnx_graph;
mod schedule;
mod split;
mod train;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("smearscope_train=info,warn,tract=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    device::load_cuda();
    match commands::run(cli::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::from(error::exit_code(&e))
        }
    }
}
