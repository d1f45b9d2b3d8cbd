//! Any bytes as a model; what must hold stands in `smearscope_fuzz::model`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::model::check(bytes));
