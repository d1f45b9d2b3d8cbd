//! Any bytes as an image file; what must hold stands in `smearscope_fuzz::decode`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::decode::check(bytes));
