//! Pretrained weights: every form that people have, files that mean harm, and their way from a
//! server.
#![allow(clippy::unwrap_used)]

mod fetch;
mod forms;
mod hostile;
mod torch_writer;
