//! What the stages and the network tell each other: capture goes on or waits, the last field, how things are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smearscope_common::image::RgbImage;
use smearscope_common::message::{
    CameraHealth, CameraState, DriftHealth, FieldHealth, Gated, Verdict,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::timing::Timings;

/// The rate of fields is that of so many.
const RATE_FIELDS: usize = 16;

/// Shared by all stages of a station.
pub struct Control {
    capture: watch::Sender<Capture>,
    seen: Mutex<Seen>,
    /// What a live camera sees; `None` where there is none.
    sight: watch::Sender<Option<Sight>>,
    /// Whether the analysis waits for a field.
    is_free: AtomicBool,
    timings: Timings,
}

/// What a live camera sees now.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// What the camera does.
    pub camera: CameraState,
    /// Sharpness of its frame.
    pub focus: Option<f32>,
    /// Light of its frame.
    pub exposure: Option<f32>,
    /// What is said of the frame.
    pub verdict: Option<Verdict>,
    /// The same in words.
    pub reason: String,
}

/// How a live camera is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveCamera {
    /// What it delivers; `None` while it delivers nothing.
    pub format: Option<String>,
    /// Why it delivers nothing.
    pub trouble: Option<String>,
    /// Frames that it gave.
    pub frames: u64,
    /// Frames that the driver lost.
    pub lost_frames: u64,
    /// Frames that were no picture.
    pub faulty_frames: u64,
    /// How often it was opened anew.
    pub reopened: u64,
}

/// What an analysis tells of its field.
pub struct Analysed<'a> {
    /// Where it came from.
    pub source: &'a str,
    /// Its sharpness.
    pub focus: f32,
    /// How wide its cells are, in pixels.
    pub cell_diameter: Option<f32>,
    /// Cells of it that were counted before.
    pub repeats: u64,
    /// Whether it may overlap another one.
    pub overlap_is_uncertain: bool,
    /// Its picture.
    pub field: LastField,
}

#[derive(Clone, Copy, Debug, Default)]
struct Capture {
    is_paused: bool,
    /// Single fields asked for, and those taken.
    wanted: u64,
    taken: u64,
}

#[derive(Default)]
struct Seen {
    has_ended: bool,
    source: Option<String>,
    fields: FieldHealth,
    last: Option<LastField>,
    times: VecDeque<Instant>,
    camera: LiveCamera,
    cell_diameter: Option<f32>,
    drift: Option<DriftHealth>,
}

/// The field that was analysed last.
#[derive(Clone)]
pub struct LastField {
    /// Its id.
    pub id: Uuid,
    /// Its picture.
    pub image: Arc<RgbImage>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            capture: watch::Sender::new(Capture::default()),
            seen: Mutex::default(),
            sight: watch::Sender::new(None),
            is_free: AtomicBool::new(false),
            timings: Timings::default(),
        }
    }
}

impl Control {
    /// How long the steps of a field take.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Takes no more fields, or takes them again.
    pub fn pause(&self, is_paused: bool) {
        self.capture
            .send_modify(|capture| capture.is_paused = is_paused);
    }

    /// Takes one field, paused or not.
    pub fn once(&self) {
        self.capture.send_modify(|capture| capture.wanted += 1);
    }

    /// Waits until a field is to be taken.
    pub async fn next_wanted(&self) {
        let mut capture = self.capture.subscribe();
        // The sender lives as long as this value.
        let _ = capture
            .wait_for(|capture| !capture.is_paused || capture.wanted > capture.taken)
            .await;
    }

    /// A field was taken.
    pub fn taken(&self) {
        self.capture.send_modify(|capture| {
            capture.taken = capture.wanted.min(capture.taken + 1);
        });
    }

    /// There will be no more fields.
    pub fn ended(&self) {
        self.seen().has_ended = true;
    }

    /// Whether a field is to be taken now; `Some(true)`: whatever it looks like.
    pub fn wanted(&self) -> Option<bool> {
        let capture = *self.capture.borrow();
        let is_asked_for = capture.wanted > capture.taken;
        (is_asked_for || !capture.is_paused).then_some(is_asked_for)
    }

    /// The analysis waits for a field.
    pub fn free(&self) {
        self.is_free.store(true, Ordering::SeqCst);
    }

    /// The analysis has one.
    pub fn busy(&self) {
        self.is_free.store(false, Ordering::SeqCst);
    }

    /// Whether the analysis waits for a field.
    pub fn is_free(&self) -> bool {
        self.is_free.load(Ordering::SeqCst)
    }

    /// A live camera hands a field over: the analysis waits no more.
    pub fn hands_over(&self) {
        self.busy();
        self.taken();
    }

    /// How a live camera is; tells what it does.
    pub fn camera(&self, camera: LiveCamera) -> CameraState {
        let mut seen = self.seen();
        seen.camera = camera;
        self.state(&seen)
    }

    /// A live camera's frame was looked at, or there was none.
    pub fn sees(&self, sight: Sight) {
        if let Some(verdict) = sight.verdict {
            *count(&mut self.seen().fields.gated, verdict) += 1;
        }
        self.sight.send_replace(Some(sight));
    }

    /// What a live camera sees, each time that it looks.
    pub fn sights(&self) -> watch::Receiver<Option<Sight>> {
        self.sight.subscribe()
    }

    /// A field was analysed.
    pub fn analysed(&self, analysed: Analysed<'_>) {
        let mut seen = self.seen();
        seen.source = Some(analysed.source.to_owned());
        seen.fields.analysed += 1;
        seen.fields.focus = Some(analysed.focus);
        seen.cell_diameter = analysed.cell_diameter.or(seen.cell_diameter);
        seen.fields.repeats += analysed.repeats;
        seen.fields.uncertain_overlaps += u64::from(analysed.overlap_is_uncertain);
        seen.last = Some(analysed.field);
        seen.times.push_back(Instant::now());
        if seen.times.len() > RATE_FIELDS {
            seen.times.pop_front();
        }
    }

    /// How wide cells are in pixels, by the last field that had some.
    pub fn cell_diameter(&self) -> Option<f32> {
        self.seen().cell_diameter
    }

    /// The field that was analysed last.
    pub fn last_field(&self) -> Option<LastField> {
        self.seen().last.clone()
    }

    fn state(&self, seen: &Seen) -> CameraState {
        if seen.has_ended {
            CameraState::Ended
        } else if seen.camera.trouble.is_some() {
            CameraState::Lost
        } else if self.capture.borrow().is_paused {
            CameraState::Paused
        } else {
            CameraState::Running
        }
    }

    /// How camera and analysis are.
    pub fn health(&self) -> (CameraHealth, FieldHealth) {
        let seen = self.seen();
        let live = seen.camera.clone();
        let camera = CameraHealth {
            state: self.state(&seen),
            source: seen.source.clone(),
            fields_per_minute: match seen.times.len() {
                0 | 1 => None,
                // Until now, so that a standstill shows.
                n => Some((n - 1) as f64 * 60.0 / seen.times[0].elapsed().as_secs_f64()),
            },
            format: live.format,
            trouble: live.trouble,
            frames: live.frames,
            lost_frames: live.lost_frames,
            faulty_frames: live.faulty_frames,
            reopened: live.reopened,
        };
        (camera, seen.fields)
    }

    /// Notes whether the slides look like those that the model at work knows; `None` where it doesn't say what those look like.
    pub fn drift(&self, drift: Option<DriftHealth>) {
        self.seen().drift = drift;
    }

    /// What was noted of that last.
    pub fn drifted(&self) -> Option<DriftHealth> {
        self.seen().drift.clone()
    }

    /// Each change is a single assignment: nothing is ever half done.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counter of a verdict.
fn count(gated: &mut Gated, verdict: Verdict) -> &mut u64 {
    match verdict {
        Verdict::Blank => &mut gated.blank,
        Verdict::TooDark => &mut gated.too_dark,
        Verdict::TooBright => &mut gated.too_bright,
        Verdict::OutOfFocus => &mut gated.out_of_focus,
        Verdict::Moving => &mut gated.moving,
        Verdict::Crowded => &mut gated.crowded,
        Verdict::SeenBefore => &mut gated.seen_before,
        Verdict::New => &mut gated.new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn is_wanted(control: &Control) -> bool {
        timeout(Duration::from_millis(10), control.next_wanted())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn capture_waits_while_paused_but_for_single_fields() {
        let control = Control::default();
        assert!(is_wanted(&control).await);
        control.taken();
        control.pause(true);
        assert!(!is_wanted(&control).await);
        control.once();
        control.once();
        assert!(is_wanted(&control).await);
        control.taken();
        assert!(is_wanted(&control).await);
        control.taken();
        assert!(!is_wanted(&control).await);
        assert_eq!(control.health().0.state, CameraState::Paused);
        control.pause(false);
        assert!(is_wanted(&control).await);
        control.ended();
        assert_eq!(control.health().0.state, CameraState::Ended);
    }

    #[test]
    fn the_last_field_and_the_rate_are_known() {
        let control = Control::default();
        assert!(control.last_field().is_none());
        assert_eq!(control.health().0.fields_per_minute, None);
        for n in 0..40 {
            let image = Arc::new(RgbImage::new(1, 1));
            let id = Uuid::from_u128(n);
            control.analysed(Analysed {
                source: "a.png",
                focus: n as f32,
                cell_diameter: (n == 7).then_some(71.5),
                repeats: 2,
                overlap_is_uncertain: n % 2 == 0,
                field: LastField { id, image },
            });
        }
        let (camera, fields) = control.health();
        assert_eq!(control.last_field().unwrap().id, Uuid::from_u128(39));
        assert_eq!((fields.analysed, fields.focus), (40, Some(39.0)));
        assert_eq!((fields.repeats, fields.uncertain_overlaps), (80, 20));
        assert_eq!(control.cell_diameter(), Some(71.5));
        assert!(camera.fields_per_minute.unwrap() > 0.0);
        assert_eq!(camera.source.as_deref(), Some("a.png"));
    }

    #[test]
    fn a_lost_camera_is_told_whether_or_not_capture_waits() {
        let control = Control::default();
        let lost = LiveCamera {
            trouble: Some("it was unplugged".into()),
            reopened: 2,
            ..LiveCamera::default()
        };
        assert_eq!(control.camera(LiveCamera::default()), CameraState::Running);
        control.pause(true);
        assert_eq!(control.camera(LiveCamera::default()), CameraState::Paused);
        assert_eq!(control.camera(lost), CameraState::Lost);
        let health = control.health().0;
        assert_eq!((health.state, health.reopened), (CameraState::Lost, 2));
        assert_eq!(health.trouble.as_deref(), Some("it was unplugged"));
    }

    #[test]
    fn every_verdict_has_a_counter_and_single_fields_are_taken_whatever_they_look_like() {
        use Verdict::{Blank, Crowded, Moving, New, OutOfFocus, SeenBefore, TooBright, TooDark};
        let control = Control::default();
        let sights = control.sights();
        assert!(sights.borrow().is_none());
        for verdict in [
            Blank, TooDark, TooBright, OutOfFocus, Moving, Crowded, SeenBefore, New,
        ] {
            control.sees(Sight {
                camera: CameraState::Running,
                focus: Some(40.0),
                exposure: Some(0.9),
                verdict: Some(verdict),
                reason: String::new(),
            });
        }
        let all_one = Gated {
            blank: 1,
            too_dark: 1,
            too_bright: 1,
            out_of_focus: 1,
            moving: 1,
            crowded: 1,
            seen_before: 1,
            new: 1,
        };
        assert_eq!(control.health().1.gated, all_one);
        assert_eq!(sights.borrow().as_ref().unwrap().verdict, Some(New));

        assert_eq!(control.wanted(), Some(false));
        control.pause(true);
        assert_eq!(control.wanted(), None);
        control.once();
        assert_eq!(control.wanted(), Some(true));
        control.free();
        assert!(control.is_free());
        control.hands_over();
        assert!(!control.is_free());
        assert_eq!(control.wanted(), None);
    }
}
