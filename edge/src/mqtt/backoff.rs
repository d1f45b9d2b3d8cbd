//! How long to wait before the next try.

use std::time::Duration;

use rand::Rng;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest after a broker has refused us, such as for a wrong password: only a person can mend that, and some brokers
/// ban who asks too often.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// Waits that double from half a second to half a minute, each ± 50 %, so that a fleet of boards
/// doesn't fall upon a broker that comes back.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait for a broker that can't be reached.
    pub fn next_wait(&mut self) -> Duration {
        self.wait(FIRST, LONGEST)
    }

    /// The next wait for a broker that has refused us: ten times as long.
    pub fn next_wait_refused(&mut self) -> Duration {
        self.wait(FIRST * 10, LONGEST_REFUSED)
    }

    fn wait(&mut self, first: Duration, longest: Duration) -> Duration {
        let factor = 1 << self.tries.min(16);
        self.tries += 1;
        let wait = (first * factor).min(longest);
        wait.mul_f64(rand::rng().random_range(0.5..1.5))
    }

    /// Begins anew: a try has gone well.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_wait() < FIRST * 2);
        for _ in 0..100 {
            assert!(backoff.next_wait() <= LONGEST.mul_f64(1.5));
        }
        assert!(backoff.next_wait() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next_wait() < FIRST * 2);
        backoff.reset();
        let first = backoff.next_wait_refused();
        assert!(first >= FIRST * 5 && first < FIRST * 15);
        for _ in 0..100 {
            assert!(backoff.next_wait_refused() <= LONGEST_REFUSED.mul_f64(1.5));
        }
    }
}
