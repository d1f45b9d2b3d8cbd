//! What must hold for any bytes that only the daemon reads: one function for each of them, which panics with a sentence
//! when it doesn't. `edge/tests/fuzz.rs` calls them as `common/tests/fuzz.rs` calls those of `fuzz/src`:
//!
//! ```sh
//! SMEARSCOPE_FUZZ_RUNS=100000 cargo test --release -p smearscope-edge --test fuzz
//! ```

mod config;
mod models;
mod store;

pub use config::check as config;
pub use models::check as models;
pub use store::check as store;
