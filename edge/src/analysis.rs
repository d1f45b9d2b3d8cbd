//! Frames → results: each is analysed, counted and committed before the next is begun.
//!
//! Between two fields another model may take over ([`crate::models`]). A field whose model gives no answer is judged once
//! more by the model before it: none is lost.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use smearscope_common::engine::Model;
use smearscope_common::image::{ImageError, encode_jpeg};
use smearscope_common::message::{CellResult, DriftHealth, FieldAnalysis, FieldMessage, Label};
use smearscope_common::parasitemia::Counts;
use smearscope_common::stain::Colour;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::analyze::{AnalysedField, Analyzer};
use crate::camera::Frame;
use crate::clock;
use crate::config::Image;
use crate::control::{Analysed, LastField};
use crate::counting::Counting;
use crate::drift::Slides;
use crate::health::Board;
use crate::kept::{Chosen, KeptField, choose};
use crate::models::{AtWork, Before, Judged, Next};
use crate::mqtt::{Picture, to_json};
use crate::pulse::Pulse;
use crate::slide::{Judge, Seen, most_suspicious};
use crate::store::Store;
use crate::timing::Step;
use crate::words;

/// What turns frames into results.
pub struct Analysis {
    /// What is known of the station.
    pub board: Arc<Board>,
    /// Where results go.
    pub store: Arc<Store>,
    /// Threads that judge cells.
    pub workers: NonZeroUsize,
    /// The pictures for the dashboard.
    pub image: Image,
    /// How many fields a live camera's may overlap.
    pub remembered: usize,
    /// No more fields.
    pub stop: CancellationToken,
    /// Its own.
    pub pulse: Pulse,
    /// What it waits by.
    pub runtime: Handle,
}

/// What goes on from field to field.
struct Course {
    frames: mpsc::Receiver<Frame>,
    /// One that is not committed yet.
    in_hand: Option<Frame>,
    changes: watch::Receiver<()>,
    counting: Counting,
    last_image: Option<Instant>,
    /// What was doubtful in the field before: told again only when it is something else.
    doubtful: (bool, bool),
    /// The last fields, held against what the model at work knows; `None` where its card doesn't say.
    slides: Option<Slides>,
}

/// What there is to do next.
enum Turn {
    Field(Frame),
    /// Perhaps another model decides.
    Models,
    End,
}

impl Analysis {
    /// Analyses what comes, on this thread and its workers, until there is no more.
    ///
    /// # Errors
    /// When the model fails and there is none to go back to, or a result can't be committed anywhere.
    pub fn run(
        self,
        at_work: AtWork,
        frames: mpsc::Receiver<Frame>,
        pictures: &mpsc::Sender<Picture>,
    ) -> anyhow::Result<()> {
        let mut course = Course {
            frames,
            in_hand: None,
            changes: self.board.models.changes(),
            counting: Counting::new(self.remembered),
            last_image: None,
            doubtful: (false, false),
            slides: None,
        };
        let AtWork {
            mut model,
            mut before,
        } = at_work;
        while let Some(next) = self.run_with(&model, before.as_deref(), &mut course, pictures)? {
            // What has not stood its watch is nothing to compare with.
            let compared = before.take().unwrap_or(model);
            before = next.is_watched.then_some(compared);
            model = next.model;
        }
        Ok(())
    }

    /// Analyses with one model, until another one decides or there is no more.
    fn run_with(
        &self,
        model: &Model,
        before: Option<&Model>,
        course: &mut Course,
        pictures: &mpsc::Sender<Picture>,
    ) -> anyhow::Result<Option<Next>> {
        let mut analyzer = Analyzer::new(model, self.workers)?;
        let mut other = before
            .map(|model| Analyzer::new(model, self.workers))
            .transpose()?;
        course.slides = model.card().reference.clone().map(Slides::new);
        // What was said of another model is true no more.
        let unknown = course.slides.as_ref().map(|_| DriftHealth::unknown());
        self.board.control.drift(unknown);
        let judge = Judge {
            model: model.reference(),
            validation: model.card().validation.clone(),
            threshold: model.card().threshold,
        };
        loop {
            if let Some(next) = self.board.models.next() {
                return Ok(Some(next));
            }
            let Some(frame) = course.in_hand.take() else {
                match self.turn(course) {
                    // Another model may have come with it.
                    Turn::Field(frame) => course.in_hand = Some(frame),
                    Turn::Models => {}
                    Turn::End => return Ok(None),
                }
                continue;
            };
            self.board.control.busy();
            let analysed = match analyzer.analyze(&frame.image, || self.pulse.beat()) {
                Ok(analysed) => analysed,
                Err(error) => {
                    let why = format!("it can't judge a cell of {}: {error}", frame.source);
                    if self.board.models.failed(&why) {
                        course.in_hand = Some(frame);
                        continue;
                    }
                    return Err(error).with_context(|| format!("cannot analyse {}", frame.source));
                }
            };
            if self.board.models.is_watched() {
                self.compare(&analysed.analysis, other.as_mut(), &frame);
            }
            self.commit(frame, analysed, &judge, course, pictures)?;
        }
    }

    /// Waits for a field, or for another model.
    fn turn(&self, course: &mut Course) -> Turn {
        self.board.control.free();
        let turn = async {
            tokio::select! {
                biased;
                changed = course.changes.changed() => match changed {
                    Ok(()) => Turn::Models,
                    Err(_) => Turn::End,
                },
                frame = course.frames.recv() => match frame {
                    Some(frame) if !self.stop.is_cancelled() => Turn::Field(frame),
                    _ => Turn::End,
                },
            }
        };
        self.runtime.block_on(self.pulse.while_waiting(turn))
    }

    /// Holds a field of a new model against what the one before says of it.
    fn compare(&self, analysis: &FieldAnalysis, other: Option<&mut Analyzer<'_>>, frame: &Frame) {
        let said = other.and_then(|other| {
            let theirs = other.analyze(&frame.image, || self.pulse.beat());
            theirs.ok().map(|theirs| before(analysis, &theirs.analysis))
        });
        self.board.models.judged(&Judged {
            cells: analysis.counts.cells,
            parasitized: analysis.counts.parasitized,
            before: said,
            ms: analysis.timing_ms.classify * self.workers.get() as f64,
        });
    }

    /// Counts a field, commits it, and tells everyone.
    fn commit(
        &self,
        frame: Frame,
        analysed: AnalysedField,
        judge: &Judge,
        course: &mut Course,
        pictures: &mpsc::Sender<Picture>,
    ) -> anyhow::Result<()> {
        let AnalysedField {
            mut analysis,
            masks,
            novelties,
            colour,
            looks,
        } = analysed;
        let control = &self.board.control;
        let timings = control.timings();
        let timing = &analysis.timing_ms;
        timings.took(Step::Segment, milliseconds(timing.segment));
        timings.took(Step::Classify, milliseconds(timing.classify));
        let joining = course
            .counting
            .count(&frame, &mut analysis, self.store.open_slide());
        let (id, overlap) = (frame.id, joining.overlap);
        let mut field = FieldMessage {
            schema: FieldMessage::SCHEMA.into(),
            id,
            device: self.board.device.clone(),
            // The store's to give.
            seq: 0,
            series: Uuid::nil(),
            boot_id: self.board.boot_id,
            slide: None,
            captured_at: frame.captured_at,
            clock_synchronised: clock::is_synchronised(),
            source: frame.source,
            counted: Counts::default(),
            overlap,
            analysis,
            model: judge.model.clone(),
        };
        let counts = field.analysis.counts;
        let wanted = self.store.wanted_suspects();
        let suspects = most_suspicious(&frame.image, &joining.cells, wanted)
            .context("cannot encode a cell's picture")?;
        let seen = Seen {
            counted: joining.counted,
            not_counted: joining.not_counted,
            focus: field.analysis.quality.focus,
            judge,
            suspects: &suspects,
        };
        let begun = Instant::now();
        let place = self.store.commit(&seen, |place| {
            field.seq = place.seq;
            field.series = place.series;
            field.slide.clone_from(&place.slide);
            field.counted = place.counted;
            (id, to_json(&field))
        })?;
        timings.took(Step::Commit, begun.elapsed());
        let seq = place.seq;
        info!(
            "field {seq} ({}): {} cells, {} parasitized, {:.0} ms",
            field.source, counts.cells, counts.parasitized, field.analysis.timing_ms.total
        );
        let quality = &field.analysis.quality;
        let now = (quality.objective_too_low, quality.crowded);
        if std::mem::replace(&mut course.doubtful, now) != now {
            for doubt in words::doubts(quality) {
                warn!("field {seq}: {doubt}");
            }
        }
        if !joining.cells.is_empty() && self.board.kept.is_on() {
            let cells = &field.analysis.cells;
            let mut lot = rand::rng();
            let chosen = choose(
                &frame.image,
                cells,
                &masks,
                &novelties,
                judge.threshold,
                &mut lot,
            );
            self.keep(&field, colour, chosen);
        }
        if let Some((slides, looks)) = course.slides.as_mut().zip(looks) {
            control.drift(Some(slides.add(looks)));
        }
        let every = Duration::from_millis(self.image.interval_ms);
        let is_due = course.last_image.is_none_or(|at| at.elapsed() >= every);
        if self.image.enabled && is_due {
            course.last_image = Some(Instant::now());
            let jpeg = encode_jpeg(&frame.image, self.image.quality)
                .context("cannot encode the picture")?;
            // The network is behind: the next picture is newer.
            let _ = pictures.try_send(Picture {
                field_id: id,
                jpeg: jpeg.into(),
            });
        }
        let last = LastField {
            id,
            image: Arc::new(frame.image),
        };
        control.analysed(Analysed {
            source: &field.source,
            focus: quality.focus,
            cell_diameter: quality.cell_diameter,
            repeats: overlap.map_or(0, |overlap| overlap.repeats),
            overlap_is_uncertain: overlap.is_some_and(|overlap| overlap.is_uncertain),
            field: last,
        });
        Ok(())
    }

    /// Keeps some of a committed field's cells for a second look. What goes wrong with that is told, and no more.
    fn keep(
        &self,
        field: &FieldMessage,
        colour: Option<Colour>,
        chosen: Result<Vec<Chosen>, ImageError>,
    ) {
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                warn!("cells of field {} can't be kept: {error}", field.seq);
                return;
            }
        };
        let cells = field.analysis.cells.iter();
        let kept_field = KeptField {
            field_id: field.id,
            series: field.series,
            seq: field.seq,
            slide: field.slide.clone(),
            captured_at: field.captured_at,
            clock_synchronised: field.clock_synchronised,
            model: field.model.clone(),
            colour,
            counted: cells.filter(|cell| !cell.counted_before).count() as u32,
        };
        self.pulse.beat();
        self.board.kept.keep(&kept_field, &chosen);
    }
}

/// What the model before says of a field, beside the new one. Both have the same cells, in the same order: how cells are
/// found is no model's.
fn before(new: &FieldAnalysis, old: &FieldAnalysis) -> Before {
    let is_parasitized = |cell: &CellResult| cell.label == Label::Parasitized;
    let both = new.cells.iter().zip(&old.cells);
    Before {
        parasitized: old.counts.parasitized,
        agreed: both
            .filter(|(new, old)| is_parasitized(new) && is_parasitized(old))
            .count() as u64,
    }
}

/// A time as messages have it.
fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::tests::GIVES_NO_NUMBERS;
    use crate::health::tests::with_models;
    use crate::models::tests::{edited, installed, opened};
    use crate::pulse::Stage;
    use crate::store::Cursor;
    use crate::store::tests::store_in_memory;
    use jiff::Timestamp;
    use smearscope_common::synth::{SmearSpec, smear};
    use tempfile::TempDir;

    fn frame(number: u64) -> Frame {
        let spec = SmearSpec {
            width: 200,
            height: 150,
            cells: 2,
            ..SmearSpec::default()
        };
        Frame {
            id: Uuid::now_v7(),
            image: smear(&spec, 1).image,
            source: number.to_string(),
            captured_at: Timestamp::UNIX_EPOCH,
            overlaps: Vec::new(),
            is_gated: false,
        }
    }

    /// The models that judged, of all fields in the store in their order.
    fn judges(store: &Store) -> Vec<(String, String)> {
        let mut cursor = Cursor::default();
        let mut judges = Vec::new();
        loop {
            let messages = store.pending(&mut cursor, 100, 1 << 20);
            if messages.is_empty() {
                return judges;
            }
            judges.extend(messages.iter().map(|message| {
                let field: FieldMessage = serde_json::from_slice(&message.payload).unwrap();
                (field.source, field.model.version)
            }));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_field_whose_model_gives_no_numbers_is_judged_by_the_one_before() {
        let dir = TempDir::new().unwrap();
        let (models, at_work) = opened(dir.path());
        let store = Arc::new(store_in_memory());
        let board = Arc::new(with_models(models, Arc::clone(&store)));
        let (frames, frames_in) = mpsc::channel(8);
        let (pictures, _shown) = mpsc::channel(8);
        let analysis = Analysis {
            pulse: board.pulses.begin(Stage::Analysis),
            board: Arc::clone(&board),
            store: Arc::clone(&store),
            workers: NonZeroUsize::MIN,
            image: Image {
                enabled: false,
                ..Image::default()
            },
            remembered: 0,
            stop: CancellationToken::new(),
            runtime: Handle::current(),
        };
        let run = tokio::task::spawn_blocking(move || analysis.run(at_work, frames_in, &pictures));
        let mut sent = 0;
        let mut send = async |count: usize| {
            for _ in 0..count {
                frames.send(frame(sent)).await.unwrap();
                sent += 1;
            }
            while (judges(&store).len() as u64) < sent {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let version = |version: &str| {
            let wanted = format!("\"version\":\"{version}\"");
            edited(&[("\"version\":\"2.1.0\"", &wanted)])
        };
        send(2).await;
        installed(&board.models, &version("2.0.1"), 1);
        send(2).await;
        installed(&board.models, &version(GIVES_NO_NUMBERS), 2);
        send(3).await;
        drop(frames);
        run.await.unwrap().unwrap();
        // 2.0.1 had not stood its watch: the program's own took over.
        let versions = [
            "2.1.0", "2.1.0", "2.0.1", "2.0.1", "2.1.0", "2.1.0", "2.1.0",
        ];
        let wanted: Vec<_> = versions
            .iter()
            .enumerate()
            .map(|(number, version)| (number.to_string(), (*version).to_owned()))
            .collect();
        assert_eq!(judges(&store), wanted);
        let history = board.models.history().events;
        let reason = history.last().unwrap().reason.clone().unwrap();
        assert!(
            reason.contains("cell of 4") && reason.contains("finite"),
            "{reason}"
        );
    }
}
