//! What a smearscope workstation and a smearscope board must agree on, written once.
//!
//! No file or network access, no async, no libtorch. tract is used in [`engine`] only,
//! behind the cargo feature of that name.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod crop;
pub mod drift;
#[cfg(feature = "engine")]
pub mod engine;
pub mod exported;
pub mod geometry;
pub mod image;
pub mod kept_row;
pub mod message;
pub mod model_card;
pub mod model_signature;
pub mod parasitemia;
pub mod score;
pub mod segment;
pub mod stain;
pub mod synth;
pub mod topic;
