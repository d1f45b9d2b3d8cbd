//! The parts of `smearscope-train`, the workstation's tool: data in, a self-describing model out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod augment;
pub mod bench;
pub mod calibrate;
pub mod calibrate_command;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod compare;
pub mod crossval;
pub mod dataset;
pub mod densenet;
#[cfg(test)]
mod densenet_tests;
pub mod device;
pub mod download;
#[cfg(test)]
mod download_tests;
pub mod duplicates;
pub mod error;
pub mod evaluate;
pub mod evaluate_command;
pub mod export;
#[cfg(test)]
mod export_tests;
pub mod fetch;
pub mod files;
pub mod frozen;
pub mod grad_cam;
pub mod ingest;
pub mod inspect;
pub mod inspect_command;
mod inspect_text;
pub mod keygen;
pub mod loader;
pub mod manifest;
pub mod memory;
pub mod metrics;
pub mod montage;
pub mod onnx_graph;
pub mod optimizer;
pub mod plot;
pub mod predict;
pub mod predict_command;
pub mod predictions;
pub mod progress;
pub mod publish;
pub mod recipe;
pub mod replay;
pub mod report;
mod say;
pub mod schedule;
pub mod secret;
pub mod signing_key;
pub mod site;
pub mod split;
pub mod suspects;
pub mod suspects_page;
pub mod tensorboard;
pub mod train;
pub mod train_command;
pub mod typical_cell;
pub mod validate;
pub mod weights;
