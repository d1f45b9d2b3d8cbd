//! The parts of `smearscope-train`, the workstation's tool: data in, a self-describing model out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod augment;
pub mod calibrate;
pub mod calibrate_command;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod dataset;
pub mod densenet;
#[cfg(test)]
mod densenet_tests;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod evaluate_command;
pub mod export;
#[cfg(test)]
mod export_tests;
pub mod grad_cam;
pub mod inspect;
pub mod loader;
pub mod metrics;
pub mod onnx_graph;
pub mod plot;
pub mod report;
pub mod schedule;
pub mod split;
pub mod train;
