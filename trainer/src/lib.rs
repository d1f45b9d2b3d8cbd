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
pub mod error;
pub mod evaluate;
pub mod export;
#[cfg(test)]
mod export_tests;
pub mod files;
pub mod inspect;
pub mod loader;
pub mod metrics;
pub mod onnx_graph;
pub mod schedule;
pub mod split;
pub mod train;
