//! How long each step of a field takes, as Prometheus wants it: histograms since the start of the program.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// From a fast step on a fast board to a stall: 1 ms to 30 s.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A frame's bytes become a picture.
    Decode,
    /// The picture is judged as a field.
    Gate,
    /// Its cells are found.
    Segment,
    /// They are judged.
    Classify,
    /// The result is written to the store.
    Commit,
    /// The broker has answered that it has it, since it was handed over.
    Deliver,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Gate => "gate",
            Self::Segment => "segment",
            Self::Classify => "classify",
            Self::Commit => "commit",
            Self::Deliver => "deliver",
        }
    }
}

/// The label of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfStep {
    step: &'static str,
}

/// How long the steps took.
#[derive(Clone, Debug)]
pub struct Timings(Family<OfStep, Histogram>);

impl Default for Timings {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS)))
    }
}

impl Timings {
    /// A step took so long.
    pub fn took(&self, step: Step, time: Duration) {
        let label = OfStep { step: step.name() };
        self.0.get_or_create(&label).observe(time.as_secs_f64());
    }

    /// The same histograms, for a registry.
    pub fn family(&self) -> Family<OfStep, Histogram> {
        self.0.clone()
    }
}
