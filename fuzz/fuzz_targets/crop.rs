//! Any cell of any picture through the crop path; what must hold stands in `smearscope_fuzz::crop`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::crop::check(bytes));
