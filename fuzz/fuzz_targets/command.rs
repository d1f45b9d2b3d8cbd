//! Any bytes as a command; what must hold stands in `smearscope_fuzz::command`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::command::check(bytes));
