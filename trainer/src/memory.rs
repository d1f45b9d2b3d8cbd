//! Memory: kept from step to step, and running out of it told as something that the user can mend.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use anyhow::{Result, anyhow};

use crate::error::bad_input;

/// What to do about memory where the user chose a batch size.
pub fn smaller_batch(batch: i64) -> String {
    format!(
        "with --batch {batch}; try --batch {}, a smaller --size or a smaller --crop-memory",
        (batch / 2).max(2)
    )
}

/// What to do about memory elsewhere.
pub const ANOTHER_DEVICE: &str = "; try --device cpu, or close what else uses the memory";

/// Lets the allocator keep what is freed. Each step on the CPU frees what the next one needs, and
/// glibc would give it back to the system in between, which then hands it out anew page by page, each
/// filled with zeros (measured: a sixth of a training step). Without effect elsewhere than on glibc.
#[allow(unsafe_code)]
pub fn keep() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets two numbers in the allocator; an unfit one is refused and changes nothing.
    unsafe {
        // The highest that glibc takes: larger pieces still go back at once.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        // Never.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Runs `work`, during which libtorch may panic: most of tch's operations do so on any error of
/// libtorch, above all when memory runs out. That becomes an error with the advice in it. Panics of
/// our own go on as they would.
///
/// # Errors
/// libtorch's own, in a sentence.
pub fn guarded<T>(advice: &str, work: impl FnOnce() -> T) -> Result<T> {
    // The default hook would print a backtrace of what is told in a sentence below.
    let hook = Arc::new(panic::take_hook());
    let own = Arc::clone(&hook);
    panic::set_hook(Box::new(move |info| {
        if !is_libtorch(message(info.payload())) {
            own(info);
        }
    }));
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| hook(info)));
    done.map_err(|cause| {
        let said = message(cause.as_ref());
        if !is_libtorch(said) {
            panic::resume_unwind(cause);
        } else if is_memory(said) {
            bad_input!("out of memory {advice} ({})", first_line(said))
        } else {
            anyhow!("libtorch failed: {}", first_line(said))
        }
    })
}

/// What a panic said.
fn message(cause: &(dyn Any + Send)) -> &str {
    cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or_default()
}

/// Whether a panic is tch's way of passing on an error of libtorch.
fn is_libtorch(message: &str) -> bool {
    message.contains("called `Result::unwrap()` on an `Err` value: Torch(")
}

/// Whether libtorch's message is about memory: CUDA's, cuDNN's or the processor's allocator's.
fn is_memory(message: &str) -> bool {
    [
        "out of memory",
        "can't allocate memory",
        "CUDNN_STATUS_ALLOC_FAILED",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

/// The first line that says something; libtorch appends a stack trace.
fn first_line(message: &str) -> &str {
    let message = message.rsplit("value: Torch(").next().unwrap_or(message);
    message
        .split("\\n")
        .next()
        .unwrap_or(message)
        .lines()
        .next()
        .unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn more_memory_than_there_is_names_a_smaller_batch() {
        let error = guarded(&smaller_batch(64), || {
            Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu))
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--batch 32"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn other_failures_are_told_in_one_line() {
        let error = guarded(&smaller_batch(64), || {
            Tensor::from_slice(&[1.0, 2.0]).view([3, 3])
        });
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("libtorch failed") && error.lines().count() == 1,
            "{error}"
        );
        assert_eq!(guarded(ANOTHER_DEVICE, || 7).unwrap(), 7);
        let own = panic::catch_unwind(|| guarded(ANOTHER_DEVICE, || panic!("a bug")));
        assert!(own.is_err(), "a bug of our own is not hushed up");
    }
}
