//! Any picture through the segmentation and the crop path; what must hold stands in `smearscope_fuzz::segment`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| smearscope_fuzz::segment::check(bytes));
