//! Memory: kept from step to step, and running out of it told as something that the user can mend.

use std::panic::{self, AssertUnwindSafe};

use anyhow::{Result, anyhow};

use crate::error::bad_input;

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
/// libtorch, above all when memory runs out. That becomes an error which names a batch size to try.
///
/// # Errors
/// libtorch's own, in a sentence.
pub fn guarded<T>(batch: i64, work: impl FnOnce() -> T) -> Result<T> {
    // The default hook would print a backtrace of what is told in a sentence below.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    done.map_err(|cause| {
        let cause = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied())
            .unwrap_or("libtorch failed without a word");
        if is_memory(cause) {
            bad_input!(
                "out of memory with --batch {batch}; try --batch {} or a smaller --size ({})",
                (batch / 2).max(2),
                first_line(cause)
            )
        } else {
            anyhow!("libtorch failed: {}", first_line(cause))
        }
    })
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
    let message = message.rsplit("value: ").next().unwrap_or(message);
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
        let error = guarded(64, || Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu)));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--batch 32"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn other_failures_are_told_in_one_line() {
        let error = guarded(64, || Tensor::from_slice(&[1.0, 2.0]).view([3, 3]));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("libtorch failed") && error.lines().count() == 1,
            "{error}"
        );
        assert_eq!(guarded(1, || 7).unwrap(), 7);
    }
}
