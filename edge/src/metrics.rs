//! What Prometheus scrapes: the board's health as figures, and how long each step of a field takes.
//!
//! Names and units follow Prometheus' conventions: base units, `_total` for what only grows. What isn't known, such as a
//! temperature where there is no sensor, is left out.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use smearscope_common::message::{
    CameraState, DriftState, ModelUpdate, StoreState, Throttling, UpdateState,
};

use crate::health::{Board, Stored};

/// The `Content-Type` of what is scraped.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Figure = Gauge<f64, AtomicU64>;
type Total = Counter<f64, AtomicU64>;
type Labels = [(&'static str, String); 1];

/// The metrics of now, in Prometheus' text format; without those of the store while it hangs.
pub fn text(board: &Board, stored: Option<&Stored>) -> String {
    let mut scrape = Scrape(Registry::with_prefix("smearscope"));
    scrape.stages(board);
    if let Some(stored) = stored {
        scrape.all(board, stored);
    }
    let mut text = String::new();
    prometheus_text::encode(&mut text, &scrape.0).expect("a String takes any text");
    text
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    device: String,
    model: String,
    model_version: String,
    model_sha256: String,
}

/// A registry that is made for one scrape.
struct Scrape(Registry);

impl Scrape {
    /// What is known whatever hangs.
    fn stages(&mut self, board: &Board) {
        let silences = board.pulses.silences();
        self.gauges(
            "stage_silent_seconds",
            "How long ago each stage last said that it is alive",
            "stage",
            silences
                .into_iter()
                .map(|(stage, silence)| (stage.name(), silence.as_secs_f64())),
        );
        self.gauge(
            "start_time_seconds",
            "When the program was started, by the board's clock",
            Some(board.started_at().as_millisecond() as f64 / 1e3),
        );
    }

    fn all(&mut self, board: &Board, stored: &Stored) {
        let health = board.health(stored);
        let model = board.models.at_work();
        let info = Family::<Build, Figure>::default();
        info.get_or_create(&Build {
            version: env!("CARGO_PKG_VERSION"),
            device: board.device.to_string(),
            model: model.name,
            model_version: model.version,
            model_sha256: model.sha256,
        })
        .set(1.0);
        self.0
            .register("info", "The program, the board and its model", info);
        let models = board.models.message(&board.device, board.boot_id);
        self.gauge(
            "model_watched",
            "Whether the model that decides is new and watched",
            Some(as_figure(models.watch.is_some())),
        );
        let is_failed = |update: &ModelUpdate| {
            matches!(update.state, UpdateState::Refused | UpdateState::RolledBack)
        };
        self.gauge(
            "model_update_failed",
            "Whether the model that was desired last was refused or taken back",
            Some(as_figure(models.update.as_ref().is_some_and(is_failed))),
        );
        self.gauge(
            "uptime_seconds",
            "Since the program was started",
            Some(health.uptime_s as f64),
        );

        let camera = &health.camera;
        let states = [
            ("running", CameraState::Running),
            ("paused", CameraState::Paused),
            ("ended", CameraState::Ended),
            ("lost", CameraState::Lost),
        ];
        self.gauges(
            "camera_state",
            "1 for what the camera does",
            "state",
            states.map(|(name, state)| (name, as_figure(state == camera.state))),
        );
        self.total(
            "frames",
            "Frames that the camera gave",
            camera.frames as f64,
        );
        self.total(
            "frames_lost",
            "Frames that the driver lost",
            camera.lost_frames as f64,
        );
        self.total(
            "frames_faulty",
            "Frames that were no picture",
            camera.faulty_frames as f64,
        );
        self.total(
            "camera_reopened",
            "Times that the camera was opened anew after it was lost",
            camera.reopened as f64,
        );
        let gated = health.fields.gated;
        self.totals(
            "frames_gated",
            "Frames that were looked at, by what was said of them",
            "verdict",
            [
                ("blank", gated.blank),
                ("too_dark", gated.too_dark),
                ("too_bright", gated.too_bright),
                ("out_of_focus", gated.out_of_focus),
                ("moving", gated.moving),
                ("crowded", gated.crowded),
                ("seen_before", gated.seen_before),
                ("new", gated.new),
            ],
        );

        self.total("fields", "Fields analysed", health.fields.analysed as f64);
        self.gauge(
            "focus",
            "Sharpness of the last field",
            health.fields.focus.map(f64::from),
        );
        self.gauge(
            "analysis_busy",
            "Whether a field is being analysed",
            Some(as_figure(!board.control.is_free())),
        );
        self.0.register(
            "step_seconds",
            "How long each step of a field takes",
            board.control.timings().family(),
        );
        if let Some(slide) = &stored.slide {
            self.gauge(
                "slide_cells",
                "Cells counted of the slide at hand",
                Some(slide.counts.cells as f64),
            );
            self.gauge(
                "slide_parasitized",
                "Cells of the slide at hand that are parasitized",
                Some(slide.counts.parasitized as f64),
            );
            self.gauge(
                "slide_cells_needed",
                "Cells that make the count of a slide sufficient",
                Some(slide.cells_needed as f64),
            );
        }

        let store = &health.store;
        self.gauge(
            "outbox_messages",
            "Results that the broker has not acknowledged",
            Some(store.pending as f64),
        );
        self.gauge(
            "outbox_bytes",
            "Bytes of the results that the broker has not acknowledged",
            Some(store.pending_bytes as f64),
        );
        self.gauge(
            "store_kept_messages",
            "Acknowledged results that can be sent again",
            Some(store.kept as f64),
        );
        self.gauge(
            "store_on_disk",
            "Whether results survive the loss of power",
            Some(as_figure(store.state == StoreState::Disk)),
        );
        self.gauge(
            "store_trouble",
            "Whether the disk should take results and can't",
            Some(as_figure(store.trouble.is_some())),
        );
        self.total(
            "store_set_aside",
            "Damaged files that were set aside",
            store.set_aside.len() as f64,
        );
        let drops = health.drops;
        self.totals(
            "dropped",
            "Results that nobody will ever get, by cause",
            "cause",
            [
                ("expired", drops.expired),
                ("no_room", drops.no_room),
                ("damaged", drops.damaged),
            ],
        );

        if let Some(cells) = &health.cells {
            self.gauge(
                "kept_cells",
                "Cells that are kept for a second look",
                Some(cells.kept as f64),
            );
            self.gauge(
                "kept_cells_reviewed",
                "Kept cells that somebody has decided on",
                Some(cells.reviewed as f64),
            );
            self.gauge(
                "kept_cells_trouble",
                "Whether cells should be kept and can't be",
                Some(as_figure(cells.trouble.is_some())),
            );
        }

        if let Some(drift) = &health.drift {
            self.gauge(
                "model_drifted",
                "Whether the slides look different from those that the model knows",
                Some(as_figure(drift.state == DriftState::Drifted)),
            );
        }

        let broker = &health.broker;
        self.gauge(
            "broker_connected",
            "Whether the broker has let us in",
            Some(as_figure(board.link(|link| link.is_online))),
        );
        self.total(
            "broker_connections",
            "Connections that the broker has accepted",
            broker.connections as f64,
        );
        self.total(
            "broker_acknowledged",
            "Results that the broker has acknowledged",
            broker.acknowledged as f64,
        );
        self.total(
            "broker_refused",
            "What the broker has refused: messages, subscriptions, connections, and what was too large to be sent",
            broker.refused as f64,
        );

        self.gauge(
            "temperature_celsius",
            "The hottest sensor",
            health.temperature_c.map(f64::from),
        );
        if let Some(throttled) = health.throttled {
            let causes = [
                ("under_voltage", Throttling::UnderVoltage),
                ("frequency_capped", Throttling::FrequencyCapped),
                ("throttled", Throttling::Throttled),
                ("temperature_limit", Throttling::TemperatureLimit),
            ];
            self.gauges(
                "throttled",
                "1 for what slows the processor down, or undermines it",
                "cause",
                causes.map(|(name, cause)| (name, as_figure(throttled.contains(&cause)))),
            );
        }
        self.gauge(
            "memory_bytes",
            "Memory of the program",
            health.memory_mb.map(bytes),
        );
        self.gauge(
            "disk_free_bytes",
            "Room on the disk of the results",
            health.disk_free_mb.map(bytes),
        );
        if let Some(written) = health.written_mb {
            self.total(
                "written_bytes",
                "What the program has written to disks",
                bytes(written),
            );
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            let figure = Figure::default();
            figure.set(value);
            self.0.register(name, help, figure);
        }
    }

    fn total(&mut self, name: &str, help: &str, value: f64) {
        let total = Total::default();
        total.inc_by(value);
        self.0.register(name, help, total);
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, f64)>,
    ) {
        let family = Family::<Labels, Figure>::default();
        for (word, value) in values {
            family.get_or_create(&[(label, word.into())]).set(value);
        }
        self.0.register(name, help, family);
    }

    fn totals(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) {
        let family = Family::<Labels, Total>::default();
        for (word, value) in values {
            family
                .get_or_create(&[(label, word.into())])
                .inc_by(value as f64);
        }
        self.0.register(name, help, family);
    }
}

fn as_figure(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn bytes(megabytes: f64) -> f64 {
    megabytes * 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::tests::board;
    use crate::pulse::Stage;
    use crate::timing::Step;

    /// The values of a metric, by the whole of its name with labels.
    fn value(text: &str, name: &str) -> Option<f64> {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn while_the_store_hangs_the_stages_are_told_all_the_same() {
        let board = board();
        let _pulse = board.pulses.begin(Stage::Upkeep);
        let text = text(&board, None);
        let silence = value(&text, "smearscope_stage_silent_seconds{stage=\"upkeep\"}");
        assert!(silence.unwrap() < 60.0, "{text}");
        assert!(!text.contains("outbox"), "{text}");
    }

    #[test]
    fn what_is_known_is_told_in_base_units() {
        let board = board();
        board.link(|link| {
            link.is_online = true;
            link.health.acknowledged = 7;
        });
        board
            .control
            .timings()
            .took(Step::Segment, Duration::from_millis(20));
        let text = text(&board, Some(&board.stored()));
        for (name, wanted) in [
            ("smearscope_broker_connected", 1.0),
            ("smearscope_broker_acknowledged_total", 7.0),
            ("smearscope_camera_state{state=\"running\"}", 1.0),
            ("smearscope_camera_state{state=\"lost\"}", 0.0),
            ("smearscope_frames_gated_total{verdict=\"moving\"}", 0.0),
            ("smearscope_dropped_total{cause=\"no_room\"}", 0.0),
            ("smearscope_step_seconds_count{step=\"segment\"}", 1.0),
            (
                "smearscope_step_seconds_bucket{step=\"segment\",le=\"0.025\"}",
                1.0,
            ),
            ("smearscope_store_on_disk", 0.0),
            ("smearscope_kept_cells_trouble", 0.0),
            ("smearscope_slide_cells_needed", 100.0),
        ] {
            assert_eq!(value(&text, name), Some(wanted), "{name} in\n{text}");
        }
        assert!(
            value(&text, "smearscope_memory_bytes").unwrap() > 1e6,
            "{text}"
        );
        assert!(text.contains("device=\"scope-1\""), "{text}");
    }
}
