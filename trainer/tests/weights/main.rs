//! Pretrained weights: every form that people have, and files that mean harm.
#![allow(clippy::unwrap_used)]

mod forms;
mod hostile;
mod torch_writer;
