//! How long to wait before the next try.

use std::time::Duration;

use rand::Rng;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from half a second to half a minute, each ± 50 %, so that a fleet of boards
/// doesn't fall upon a broker that comes back.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let factor = 1 << self.tries.min(16);
        self.tries += 1;
        let wait = (FIRST * factor).min(LONGEST);
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
    }
}
