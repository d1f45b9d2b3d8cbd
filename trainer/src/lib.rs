//! The parts of `smearscope-train`, the workstation's tool: data in, a self-describing model out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod augment;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod dataset;
#[cfg(test)]
mod dataset_tests;
pub mod densenet;
#[cfg(test)]
mod densenet_tests;
pub mod device;
pub mod duplicates;
pub mod error;
pub mod evaluate;
pub mod export;
#[cfg(test)]
mod export_tests;
pub mod files;
pub mod inspect;
pub mod inspect_command;
mod inspect_text;
pub mod loader;
pub mod metrics;
pub mod montage;
pub mod onnx_graph;
pub mod predict;
pub mod predict_command;
pub mod predictions;
pub mod progress;
pub mod schedule;
pub mod split;
pub mod suspects;
pub mod suspects_page;
pub mod train;
