//! Which stages are alive. A stage beats while it works and while it waits, for a camera or a broker as for anything else;
//! one that is silent for too long hangs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

/// What waits beats so often.
pub const BEAT: Duration = Duration::from_secs(1);

/// A stage of the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Takes frames.
    Capture,
    /// Turns them into results.
    Analysis,
    /// Brings results to the broker.
    Delivery,
    /// Looks after the store.
    Upkeep,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Capture, Self::Analysis, Self::Delivery, Self::Upkeep];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Analysis => "analysis",
            Self::Delivery => "delivery",
            Self::Upkeep => "upkeep",
        }
    }
}

/// When each stage last beat; `None` for one that hasn't begun or has ended.
#[derive(Debug, Default)]
pub struct Pulses(Mutex<[Option<Instant>; Stage::ALL.len()]>);

impl Pulses {
    /// A stage begins: from now on it is expected to beat, until the pulse is dropped.
    pub fn begin(self: &Arc<Self>, stage: Stage) -> Pulse {
        let pulse = Pulse {
            pulses: Arc::clone(self),
            stage,
        };
        pulse.beat();
        pulse
    }

    /// How long each stage that is at work has been silent.
    pub fn silences(&self) -> Vec<(Stage, Duration)> {
        let beats = *self.beats();
        let silence = |stage| Some((stage, beats[stage as usize]?.elapsed()));
        Stage::ALL.into_iter().filter_map(silence).collect()
    }

    /// The stage that has been silent longest, if that is longer than `limit`.
    pub fn hung(&self, limit: Duration) -> Option<(Stage, Duration)> {
        let silent = self.silences().into_iter();
        silent
            .filter(|(_, silence)| *silence > limit)
            .max_by_key(|(_, silence)| *silence)
    }

    pub(crate) fn set(&self, stage: Stage, beat: Option<Instant>) {
        self.beats()[stage as usize] = beat;
    }

    /// Each change is a single assignment: nothing is ever half done.
    fn beats(&self) -> MutexGuard<'_, [Option<Instant>; Stage::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stage's own.
#[derive(Debug)]
pub struct Pulse {
    pulses: Arc<Pulses>,
    stage: Stage,
}

impl Pulse {
    /// The stage is alive.
    pub fn beat(&self) {
        self.pulses.set(self.stage, Some(Instant::now()));
    }

    /// Waits for what may take any time, and beats meanwhile.
    pub async fn while_waiting<F: Future>(&self, wait: F) -> F::Output {
        self.beating(BEAT, wait).await
    }

    async fn beating<F: Future>(&self, every: Duration, wait: F) -> F::Output {
        let mut wait = std::pin::pin!(wait);
        loop {
            self.beat();
            if let Ok(output) = timeout(every, &mut wait).await {
                self.beat();
                return output;
            }
        }
    }
}

impl Drop for Pulse {
    /// What has ended can't hang.
    fn drop(&mut self) {
        self.pulses.set(self.stage, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[test]
    fn a_stage_hangs_when_it_is_silent_and_neither_before_nor_after_its_time() {
        let pulses = Arc::new(Pulses::default());
        std::thread::sleep(LIMIT * 2);
        assert_eq!(pulses.hung(LIMIT), None);
        let (capture, analysis) = (pulses.begin(Stage::Capture), pulses.begin(Stage::Analysis));
        assert_eq!(pulses.hung(Duration::from_secs(3600)), None);
        std::thread::sleep(LIMIT * 2);
        analysis.beat();
        let (stage, silence) = pulses.hung(LIMIT).unwrap();
        assert_eq!((stage, silence > LIMIT), (Stage::Capture, true));
        drop(capture);
        assert_eq!(pulses.hung(Duration::from_secs(3600)), None);
        let silent: Vec<_> = pulses
            .silences()
            .into_iter()
            .map(|(stage, _)| stage)
            .collect();
        assert_eq!(silent, [Stage::Analysis]);
    }

    #[tokio::test]
    async fn who_waits_beats() {
        let pulses = Arc::new(Pulses::default());
        let pulse = pulses.begin(Stage::Delivery);
        let waited = pulse.beating(Duration::from_millis(1), async {
            pulses.set(Stage::Delivery, None);
            while pulses.silences().is_empty() {
                tokio::task::yield_now().await;
            }
            pulses.silences().len()
        });
        assert_eq!(waited.await, 1);
    }
}
