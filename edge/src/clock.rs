//! Whether the board's clock can be trusted: most boards have none that runs without power.
//!
//! Durations are measured with [`std::time::Instant`] everywhere, which no setting of the clock moves; only what is told
//! to people carries the wall clock's time, and with it what this module says of that.

use std::path::Path;

use jiff::Timestamp;

/// Clocks that stand before 2026 were never set since the power came: this program is younger than that. In seconds since
/// 1970.
pub const IS_SET: i64 = 1_767_225_600;

/// What systemd-timesyncd makes once it has set the clock in this boot.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// Whether something keeps the wall clock right, such as NTP; `None` where nobody says so, as in a sandbox without
/// adjtimex and with a time service that leaves no mark.
pub fn is_synchronised() -> Option<bool> {
    judge(
        Timestamp::now().as_second(),
        kernel::is_synchronised(),
        Path::new(TIMESYNCD).exists(),
    )
}

fn judge(now: i64, kernel: Option<bool>, has_mark: bool) -> Option<bool> {
    if now < IS_SET {
        return Some(false);
    }
    match kernel {
        // The kernel forgets after some hours without news; the mark only says that it was set in this boot.
        Some(said) => Some(said),
        None => has_mark.then_some(true),
    }
}

/// Asking the kernel, which keeps the time service's word.
#[expect(unsafe_code, reason = "adjtimex has no safe binding")]
mod kernel {
    /// What the time service has told the kernel; `None` where it can't be asked.
    pub(super) fn is_synchronised() -> Option<bool> {
        // SAFETY: `timex` is a plain C struct of integers, for which zeros are valid.
        let mut asked: libc::timex = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live, exclusively borrowed value; `modes` of 0 asks and sets nothing.
        let state = unsafe { libc::adjtimex(&raw mut asked) };
        let is_refused = state < 0;
        (!is_refused).then_some(state != libc::TIME_ERROR && asked.status & libc::STA_UNSYNC == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_wrong_whatever_anyone_says() {
        for kernel in [None, Some(false), Some(true)] {
            assert_eq!(judge(IS_SET - 1, kernel, true), Some(false));
            assert_eq!(judge(0, kernel, false), Some(false));
        }
    }

    #[test]
    fn the_kernel_is_asked_first_and_nobody_s_word_is_no_word() {
        assert_eq!(judge(IS_SET, Some(true), false), Some(true));
        assert_eq!(judge(IS_SET, Some(false), true), Some(false));
        assert_eq!(judge(IS_SET, None, true), Some(true));
        assert_eq!(judge(IS_SET, None, false), None);
    }

    #[test]
    fn the_kernel_can_be_asked_at_any_time() {
        let said = is_synchronised();
        assert!(Timestamp::now().as_second() >= IS_SET || said == Some(false));
    }
}
