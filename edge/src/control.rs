//! What the stages and the network tell each other: capture goes on or waits, the last field, how things are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smearscope_common::image::RgbImage;
use smearscope_common::message::{CameraHealth, CameraState, FieldHealth};
use tokio::sync::watch;
use uuid::Uuid;

/// The rate of fields is that of so many.
const RATE_FIELDS: usize = 16;

/// Shared by all stages of a station.
pub struct Control {
    capture: watch::Sender<Capture>,
    seen: Mutex<Seen>,
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
    analysed: u64,
    focus: Option<f32>,
    last: Option<LastField>,
    times: VecDeque<Instant>,
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
        }
    }
}

impl Control {
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

    /// A field was analysed.
    pub fn analysed(&self, source: &str, focus: f32, field: LastField) {
        let mut seen = self.seen();
        seen.source = Some(source.to_owned());
        seen.analysed += 1;
        seen.focus = Some(focus);
        seen.last = Some(field);
        seen.times.push_back(Instant::now());
        if seen.times.len() > RATE_FIELDS {
            seen.times.pop_front();
        }
    }

    /// The field that was analysed last.
    pub fn last_field(&self) -> Option<LastField> {
        self.seen().last.clone()
    }

    /// How camera and analysis are.
    pub fn health(&self) -> (CameraHealth, FieldHealth) {
        let is_paused = self.capture.borrow().is_paused;
        let seen = self.seen();
        let camera = CameraHealth {
            state: match (seen.has_ended, is_paused) {
                (true, _) => CameraState::Ended,
                (false, true) => CameraState::Paused,
                (false, false) => CameraState::Running,
            },
            source: seen.source.clone(),
            fields_per_minute: match seen.times.len() {
                0 | 1 => None,
                // Until now, so that a standstill shows.
                n => Some((n - 1) as f64 * 60.0 / seen.times[0].elapsed().as_secs_f64()),
            },
        };
        let fields = FieldHealth {
            analysed: seen.analysed,
            focus: seen.focus,
        };
        (camera, fields)
    }

    /// Each change is a single assignment: nothing is ever half done.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
            control.analysed("a.png", n as f32, LastField { id, image });
        }
        let (camera, fields) = control.health();
        assert_eq!(control.last_field().unwrap().id, Uuid::from_u128(39));
        assert_eq!((fields.analysed, fields.focus), (40, Some(39.0)));
        assert!(camera.fields_per_minute.unwrap() > 0.0);
        assert_eq!(camera.source.as_deref(), Some("a.png"));
    }
}
