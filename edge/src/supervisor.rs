//! What systemd is told: that the station works, what it is at, and that every stage is alive. Without systemd the last of
//! these is said in the log only.
//!
//! The watchdog is fed while no stage has been silent for more than half of its time; a stage that waits, for a camera or a
//! broker as for anything else, is not silent ([`crate::pulse`]). So a hang ends in a restart, and an absent camera does not.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use smearscope_common::message::{CameraState, HealthMessage, SlideMessage};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::health::{Board, Stored};
use crate::pulse::Stage;

/// The longest silence of a stage where no watchdog says otherwise.
const SILENCE: Duration = Duration::from_secs(60);
/// What a status must be known within: the store may hang.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// How long a stage may be silent.
pub fn longest_silence() -> Duration {
    sd_notify::watchdog_enabled().map_or(SILENCE, |period| period / 2)
}

/// Tells systemd that the station has begun, and from then on how it is, until `stop`.
pub async fn watch(board: Arc<Board>, stop: CancellationToken) {
    let limit = longest_silence();
    tell(&[NotifyState::Ready]);
    let mut pace = interval((limit / 2).min(LOOK));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hung: Option<Stage> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = pace.tick() => {}
        }
        match board.pulses.hung(limit) {
            Some((stage, silence)) => {
                if hung.replace(stage) != Some(stage) {
                    let seconds = silence.as_secs();
                    let stage = stage.name();
                    error!("the {stage} has not stirred for {seconds} s: it hangs");
                    tell(&[NotifyState::Status(&format!("the {stage} hangs"))]);
                }
            }
            None => {
                if let Some(stage) = hung.take() {
                    info!("the {} goes on", stage.name());
                }
                tell(&[NotifyState::Watchdog]);
                if let Some(stored) = board.stored_within(PATIENCE).await {
                    tell(&[NotifyState::Status(&status(&board, &stored))]);
                }
            }
        }
    }
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping: delivering what is left"),
    ]);
}

/// Tells systemd why the program ends: `systemctl status` shows it.
pub fn failed(error: &str) {
    tell(&[NotifyState::Status(error)]);
}

/// Does nothing where no systemd asked for it.
fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!("systemd can't be told: {error}");
    }
}

fn status(board: &Board, stored: &Stored) -> String {
    let is_online = board.link(|link| link.is_online);
    in_words(&board.health(stored), is_online, stored.slide.as_ref())
}

/// One line for a person who asks how the service is.
fn in_words(health: &HealthMessage, is_online: bool, slide: Option<&SlideMessage>) -> String {
    let mut words = match (health.camera.state, &health.camera.trouble) {
        (CameraState::Lost, Some(trouble)) => format!("no camera ({trouble})"),
        (CameraState::Lost, None) => "no camera".into(),
        (CameraState::Running, _) => "taking fields".into(),
        (CameraState::Paused, _) => "paused".into(),
        (CameraState::Ended, _) => "no more fields".into(),
    };
    if let Some(slide) = slide {
        let (seen, needed) = (slide.counts.cells, slide.cells_needed);
        // Writing to a String can't fail.
        let _ = write!(words, "; slide {}: {seen} of {needed} cells", slide.id);
    }
    words += match is_online {
        true => "; broker connected",
        false => "; no broker",
    };
    match health.store.pending {
        0 => {}
        1 => words += ", 1 result waits",
        n => {
            let _ = write!(words, ", {n} results wait");
        }
    }
    if let Some(trouble) = &health.store.trouble {
        let _ = write!(words, "; results are in memory only ({trouble})");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::LiveCamera;
    use crate::health::tests::board;

    #[test]
    fn a_line_says_what_a_person_wants_to_know() {
        let board = board();
        let stored = board.stored();
        let slide = stored.slide.as_ref().unwrap();
        let count = format!("; slide {}: 0 of 100 cells", slide.id);
        assert_eq!(
            status(&board, &stored),
            format!("taking fields{count}; no broker")
        );
        board.link(|link| link.is_online = true);
        board.control.camera(LiveCamera {
            trouble: Some("it was unplugged".into()),
            ..LiveCamera::default()
        });
        assert_eq!(
            status(&board, &stored),
            format!("no camera (it was unplugged){count}; broker connected")
        );
        let mut health = board.health(&stored);
        health.store.pending = 12;
        health.store.trouble = Some("the disk is full".into());
        let words = in_words(&health, false, None);
        assert!(
            words.ends_with(
                "; no broker, 12 results wait; results are in memory only (the disk is full)"
            ),
            "{words}"
        );
    }
}
