//! Files of weights: `parse` must neither panic nor need much memory, whatever the bytes.
//!
//! Reading them calls nothing of libtorch, but the library is linked with it. From `trainer/`, with
//! the environment of `make -s env`; the seeds are what torch itself wrote:
//!
//! ```sh
//! mkdir -p fuzz/corpus/weights
//! LD_LIBRARY_PATH=$LIBTORCH/lib cargo +nightly fuzz run weights \
//!     fuzz/corpus/weights fixtures/weights -- -rss_limit_mb=1024
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use smearscope_trainer::weights;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensors) = weights::parse(bytes) {
        for array in tensors.values() {
            assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
        }
    }
});
