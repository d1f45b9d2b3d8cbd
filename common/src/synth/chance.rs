//! Random numbers that are the same on every machine.
//!
//! Only what IEEE 754 fixes to the bit is used here and wherever a field is drawn: addition,
//! multiplication, division and square root of single numbers, in the order written. No sine, no exponential
//! of the system's library, whose last bit differs between machines.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded source of chance.
pub(super) struct Chance {
    rng: ChaCha8Rng,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Evenly from `low` to below `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        // 24 random bits are all that an f32 below 1 can hold.
        let part = (self.rng.next_u32() >> 8) as f32 / 16_777_216.0;
        low + (high - low) * part
    }

    /// A whole number from `low` to `high`, both included.
    pub fn count(&mut self, low: u32, high: u32) -> u32 {
        low + self.rng.next_u32() % (high - low + 1)
    }

    /// Whether something of that probability happens.
    pub fn happens(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// A point within the unit disc, evenly.
    pub fn in_disc(&mut self) -> [f32; 2] {
        loop {
            let point = [self.between(-1.0, 1.0), self.between(-1.0, 1.0)];
            if point[0] * point[0] + point[1] * point[1] <= 1.0 {
                return point;
            }
        }
    }

    /// A direction of length 1.
    pub fn direction(&mut self) -> [f32; 2] {
        loop {
            let [x, y] = self.in_disc();
            let length = (x * x + y * y).sqrt();
            if length > 0.1 {
                return [x / length, y / length];
            }
        }
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }
}
