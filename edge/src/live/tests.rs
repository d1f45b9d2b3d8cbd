//! A camera whose pictures the test chooses, and the test as the analysis.

use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use smearscope_common::geometry::Rect;
use smearscope_common::image::RgbImage;
use smearscope_common::message::Notes;
use smearscope_common::synth::{SmearSpec, SyntheticSlide};

use super::*;
use crate::pulse::{Pulses, Stage};
use crate::store::tests::store_in_memory;

const SIDE: (u32, u32) = (480, 360);
/// No field may come within this time, which is that of several looks and more than a field must stand still.
const QUIET: Duration = Duration::from_millis(1500);
/// A field must come within this time, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(60);

/// What lies before the camera.
#[derive(Clone)]
enum Scene {
    Field(Arc<RgbImage>),
    /// Bytes that are no picture.
    Garbage,
    Unplugged,
}

struct FakeCamera {
    scene: Arc<Mutex<Scene>>,
    faulty: u64,
}

impl Watched for FakeCamera {
    fn newest(&mut self, _patience: Duration) -> Option<RawFrame> {
        thread::sleep(Duration::from_millis(20));
        match self.scene.lock().unwrap().clone() {
            Scene::Field(image) => {
                let (width, height) = image.dimensions();
                Some(RawFrame::of_pixels(width, height, image.as_raw().clone()))
            }
            Scene::Garbage => Some(RawFrame::of_pixels(SIDE.0, SIDE.1, vec![1, 2, 3])),
            Scene::Unplugged => None,
        }
    }

    fn health(&self) -> LiveCamera {
        let is_there = !matches!(*self.scene.lock().unwrap(), Scene::Unplugged);
        LiveCamera {
            trouble: (!is_there).then(|| "it was unplugged".into()),
            faulty_frames: self.faulty,
            ..LiveCamera::default()
        }
    }

    fn name(&self) -> String {
        "v4l2:fake".into()
    }

    fn was_faulty(&mut self, _error: &DecodeError) {
        self.faulty += 1;
    }
}

fn view(slide: &SyntheticSlide, x: u32) -> Scene {
    let window = Rect::from([x, 20, SIDE.0, SIDE.1]);
    Scene::Field(Arc::new(slide.field(window, [1.0; 3], 9)))
}

/// A microscope with its camera at work.
struct Bench {
    slide: SyntheticSlide,
    /// The same, out of focus.
    soft: SyntheticSlide,
    scene: Arc<Mutex<Scene>>,
    control: Arc<Control>,
    store: Arc<Store>,
    stop: CancellationToken,
    fields: mpsc::Receiver<Frame>,
    work: Option<JoinHandle<()>>,
}

impl Bench {
    fn new(gate: GateOptions) -> Self {
        let spec = SmearSpec {
            width: 2000,
            height: 400,
            cells: 180,
            cell_diameter: 38.0,
            ..SmearSpec::default()
        };
        let soft = SmearSpec {
            blur: 12.0,
            ..spec.clone()
        };
        let slide = SyntheticSlide::new(&spec, 5);
        let soft = SyntheticSlide::new(&soft, 5);
        let scene = Arc::new(Mutex::new(Scene::Unplugged));
        let live = Live {
            camera: Box::new(FakeCamera {
                scene: Arc::clone(&scene),
                faulty: 0,
            }),
            gate,
            interval: Duration::ZERO,
        };
        let (control, store) = (Arc::new(Control::default()), Arc::new(store_in_memory()));
        let stop = CancellationToken::new();
        let (sender, fields) = mpsc::channel(1);
        let work = {
            let (control, store, stop) = (Arc::clone(&control), Arc::clone(&store), stop.clone());
            let pulse = Arc::new(Pulses::default()).begin(Stage::Capture);
            thread::spawn(move || live.run(&control, &store, &pulse, &stop, &sender))
        };
        Self {
            slide,
            soft,
            scene,
            control,
            store,
            stop,
            fields,
            work: Some(work),
        }
    }

    /// Moves the slide so that this is in view.
    fn shows(&self, x: u32) {
        self.sets(view(&self.slide, x));
    }

    fn shows_blurred(&self, x: u32) {
        self.sets(view(&self.soft, x));
    }

    fn sets(&self, scene: Scene) {
        *self.scene.lock().unwrap() = scene;
    }

    /// The field that comes within this time.
    fn field(&mut self, within: Duration) -> Option<Frame> {
        let end = Instant::now() + within;
        while Instant::now() < end {
            match self.fields.try_recv() {
                Ok(field) => return Some(field),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        None
    }

    /// Waits until what is told of the camera is so.
    fn until(&self, is_so: impl Fn(&Sight) -> bool) -> Sight {
        let sights = self.control.sights();
        let end = Instant::now() + PATIENT;
        loop {
            if let Some(sight) = sights.borrow().clone().filter(&is_so) {
                return sight;
            }
            assert!(Instant::now() < end, "{:?}", sights.borrow());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(work) = self.work.take() {
            let ended = work.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

#[test]
fn each_field_is_taken_once_and_only_while_the_analysis_is_free() {
    let mut bench = Bench::new(GateOptions::default());
    bench.shows(0);
    bench.until(|sight| sight.verdict == Some(Verdict::New));
    assert!(bench.field(QUIET).is_none(), "nobody was free");
    bench.control.free();
    let first = bench.field(PATIENT).unwrap();
    assert_eq!(
        (first.source.as_str(), first.overlaps.len()),
        ("v4l2:fake", 0)
    );
    assert!(first.is_gated);
    bench.control.free();
    bench.until(|sight| sight.verdict == Some(Verdict::SeenBefore));
    assert!(bench.field(QUIET).is_none(), "it was taken twice");
    // Half a field on: what both show is known.
    bench.shows(SIDE.0 / 2);
    let second = bench.field(PATIENT).unwrap();
    let [overlap] = second.overlaps[..] else {
        panic!("{:?}", second.overlaps);
    };
    assert_eq!(overlap.field, first.id);
    assert!(
        (overlap.dx + SIDE.0 as f32 / 2.0).abs() < 3.0,
        "{overlap:?}"
    );
    let gated = bench.control.health().1.gated;
    assert!(gated.new >= 2 && gated.seen_before > 0 && gated.moving > 0);
    let slide = bench.store.slide().unwrap();
    let causes: Vec<&str> = slide.turned_away.iter().map(|t| t.cause.as_str()).collect();
    assert!(
        causes.contains(&"seen_before") && !causes.contains(&"new"),
        "{causes:?}"
    );
}

#[test]
fn what_is_not_fit_is_taken_only_when_asked_for_by_hand() {
    let mut bench = Bench::new(GateOptions::default());
    bench.control.free();
    bench.shows_blurred(0);
    let sight = bench.until(|sight| sight.verdict == Some(Verdict::OutOfFocus));
    assert!(sight.reason.contains("focus"), "{}", sight.reason);
    assert!(bench.field(QUIET).is_none());
    bench.control.once();
    assert!(bench.field(PATIENT).is_some());
    bench.control.free();
    assert!(bench.field(QUIET).is_none(), "once is once");

    // While capture waits, nothing is turned away and nothing is taken; the figures go on.
    bench.control.pause(true);
    bench.shows(700);
    bench.until(|sight| sight.verdict == Some(Verdict::New));
    assert!(bench.field(QUIET).is_none());
    bench.control.pause(false);
    assert!(bench.field(PATIENT).is_some());
}

#[test]
fn a_camera_that_is_lost_or_sends_garbage_is_told_and_the_next_picture_is_taken() {
    let mut bench = Bench::new(GateOptions::default());
    bench.control.free();
    let lost = bench.until(|sight| sight.camera == CameraState::Lost);
    assert!(lost.reason.contains("unplugged") && lost.focus.is_none());
    bench.sets(Scene::Garbage);
    assert!(bench.field(QUIET).is_none());
    bench.shows(0);
    assert!(bench.field(PATIENT).is_some());
    assert!(bench.control.health().0.faulty_frames > 0);
}

#[test]
fn another_slide_begins_anew() {
    let mut bench = Bench::new(GateOptions::default());
    bench.control.free();
    bench.shows(0);
    let first = bench.field(PATIENT).unwrap();
    bench.control.free();
    bench.until(|sight| sight.verdict == Some(Verdict::SeenBefore));
    bench
        .store
        .start_slide(Uuid::now_v7().into(), Notes::default(), None)
        .unwrap();
    let again = bench.field(PATIENT).unwrap();
    assert_ne!(first.id, again.id);
    assert!(again.overlaps.is_empty());
}

#[test]
fn without_the_gate_every_picture_is_taken() {
    let mut bench = Bench::new(GateOptions {
        enabled: false,
        ..GateOptions::default()
    });
    bench.shows_blurred(0);
    for _ in 0..2 {
        bench.control.free();
        let field = bench.field(PATIENT).unwrap();
        assert!(!field.is_gated);
    }
}
