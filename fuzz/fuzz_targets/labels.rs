//! Any text as labels; what must hold stands in `smearscope_fuzz::labels`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::labels::check(bytes));
