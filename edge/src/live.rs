//! A live camera at work: its frames are looked at, and one that is fit is handed to the analysis when that is free.
//!
//! The newest frame wins. While a field is analysed the looking goes on, for the person at the focus knob; what was fit
//! meanwhile is not kept, so that no field is analysed late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smearscope_common::message::{CameraState, Verdict};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::camera::v4l2::{Event, State};
use crate::camera::{DecodeError, Frame, RawFrame, V4l2Camera};
use crate::control::{Control, LiveCamera, Sight};
use crate::field::{Gate, GateOptions, Look};
use crate::pulse::Pulse;
use crate::store::Store;
use crate::timing::Step;

/// How often a frame is decoded and looked at: often enough for a hand on the focus knob.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a frame is waited for before there is something else to say.
const PATIENCE: Duration = Duration::from_millis(500);

/// A camera that delivers whether or not anybody looks.
pub trait Watched: Send {
    /// The newest frame that was not given before; waits for it no longer than `patience`.
    fn newest(&mut self, patience: Duration) -> Option<RawFrame>;
    /// How it is.
    fn health(&self) -> LiveCamera;
    /// What fields name as their source.
    fn name(&self) -> String;
    /// A frame that it gave was no picture.
    fn was_faulty(&mut self, error: &DecodeError);
}

impl Watched for V4l2Camera {
    fn newest(&mut self, patience: Duration) -> Option<RawFrame> {
        match Self::newest(self, patience) {
            Event::Frame(frame) => Some(frame),
            // What went wrong is in its status, and was logged.
            Event::Nothing | Event::Trouble(_) => None,
        }
    }

    fn health(&self) -> LiveCamera {
        let status = self.status();
        let (format, trouble) = match &status.state {
            State::Opening => (None, None),
            State::Streaming(mode) => (Some(mode.to_string()), None),
            State::Lost { trouble, .. } => (None, Some(trouble.to_string())),
        };
        LiveCamera {
            format,
            trouble,
            frames: status.frames,
            lost_frames: status.missed,
            faulty_frames: status.corrupt,
            reopened: status.reopened,
        }
    }

    fn name(&self) -> String {
        Self::name(self)
    }

    fn was_faulty(&mut self, error: &DecodeError) {
        self.note_damaged(error);
    }
}

/// A live camera, and what judges its frames.
pub struct Live {
    /// The camera.
    pub camera: Box<dyn Watched>,
    /// What the judge goes by.
    pub gate: GateOptions,
    /// The shortest time between two fields.
    pub interval: Duration,
}

impl Live {
    /// Hands fields over until `stop`, or until nobody takes them any more. It blocks.
    pub fn run(
        self,
        control: &Control,
        store: &Arc<Store>,
        pulse: &Pulse,
        stop: &CancellationToken,
        fields: &mpsc::Sender<Frame>,
    ) {
        let mut gate = Gate::new(self.gate.clone());
        let mut camera = self.camera;
        let mut slide = store.open_slide();
        let mut looked: Option<Instant> = None;
        let mut taken: Option<Instant> = None;
        while !stop.is_cancelled() {
            pulse.beat();
            let newest = camera.newest(PATIENCE);
            let health = camera.health();
            let state = control.camera(health.clone());
            let Some(raw) = newest else {
                control.sees(nothing(state, health));
                continue;
            };
            if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
                continue;
            }
            let begun = Instant::now();
            looked = Some(begun);
            let image = match raw.decode() {
                Ok(image) => image,
                Err(error) => {
                    camera.was_faulty(&error);
                    continue;
                }
            };
            let decoded = Instant::now();
            control.timings().took(Step::Decode, decoded - begun);
            // Another slide has other fields, and what was counted of one is not taken off the next.
            let open = store.open_slide();
            if open != slide {
                slide = open;
                gate.clear();
            }
            if let Some(diameter) = control.cell_diameter() {
                gate.cells_measure(diameter);
            }
            let look = gate.look(&image, raw.taken);
            control.timings().took(Step::Gate, decoded.elapsed());
            let is_taken = match control.wanted() {
                // Asked for by hand: whatever it looks like.
                Some(true) => true,
                Some(false) => {
                    let rests = taken.is_some_and(|at| at.elapsed() < self.interval);
                    !rests && (!self.gate.enabled || look.verdict == Verdict::New)
                }
                None => false,
            } && control.is_free();
            if self.gate.enabled && look.verdict != Verdict::New && control.wanted().is_some() {
                store.turn_away(look.verdict.word());
            }
            control.sees(sight(state, &look, &self.gate));
            if !is_taken {
                continue;
            }
            let id = Uuid::now_v7();
            gate.accept(id);
            taken = Some(Instant::now());
            control.hands_over();
            let field = Frame {
                id,
                image,
                captured_at: raw.captured_at,
                source: camera.name(),
                overlaps: look.overlaps,
                is_gated: self.gate.enabled,
            };
            if fields.blocking_send(field).is_err() {
                // The analysis has failed and says so itself.
                return;
            }
        }
    }
}

/// What is told while there is no frame.
fn nothing(camera: CameraState, health: LiveCamera) -> Sight {
    Sight {
        camera,
        focus: None,
        exposure: None,
        verdict: None,
        reason: match health.trouble {
            Some(trouble) => format!("No picture: {trouble}."),
            None => "Waiting for the camera.".into(),
        },
    }
}

/// What is told of a frame.
fn sight(camera: CameraState, look: &Look, gate: &GateOptions) -> Sight {
    Sight {
        camera,
        focus: Some(look.focus),
        exposure: Some(look.exposure),
        verdict: gate.enabled.then_some(look.verdict),
        reason: match gate.enabled {
            true => look.words(gate),
            false => "Every field is taken.".into(),
        },
    }
}

#[cfg(test)]
mod tests;
