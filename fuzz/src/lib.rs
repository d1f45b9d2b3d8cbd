//! What must hold for any bytes from outside: one function for each fuzz target, called `check`, which panics
//! with a sentence when it doesn't.
//!
//! Each takes plain bytes. `common/tests/fuzz.rs` includes this file and calls the same functions with the seeds
//! and a fixed number of mutations of them, so that every run of the tests fuzzes for a few seconds. For longer, without
//! anything but cargo, or led by coverage with cargo-fuzz, in the repository's root:
//!
//! ```sh
//! SMEARSCOPE_FUZZ_RUNS=100000 cargo test --release -p smearscope-common --test fuzz
//! mkdir -p fuzz/corpus/segment
//! cargo +nightly fuzz run segment fuzz/corpus/segment fuzz/seeds/segment -- -rss_limit_mb=3072
//! ```
//!
//! The seeds are made by `cargo run --release -p smearscope-common --features engine --example fuzz_seeds`; the feature
//! is for models. A new target is a module here
//! with a `check`, a file of five lines in `fuzz_targets` with its entry in `Cargo.toml`, and a line in
//! `common/tests/fuzz.rs`. What only the daemon reads (its config, its stored rows) is checked by `smearscope_edge::fuzz`
//! in the same way, from `edge/tests/fuzz.rs`.

mod bytes;

pub mod command;
pub mod crop;
pub mod decode;
pub mod labels;
#[cfg(feature = "engine")]
pub mod model;
pub mod picture;
pub mod segment;
