//! The camera's keeper on a scripted machine with a clock of its own: nothing here waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use super::list::Identity;
use super::*;
use crate::camera::{Colour, PixelFormat};

/// What the camera does next when it is looked at.
#[derive(Clone, Copy)]
enum Step {
    /// A sound frame of this number is ready, taken so many milliseconds ago.
    Frame(u32, u64),
    /// One that the driver marks as damaged.
    Marked(u32),
    /// One that lacks bytes.
    Short(u32),
    /// Frames without a time, as from drivers that stamp none.
    Untimed(u32),
    /// What follows is not ready yet when this is met, and is at the next look.
    Later,
    /// Nothing for so many milliseconds.
    Silence(u64),
    /// The kernel says so.
    Errno(i32),
}

/// The machine's state, seen by test and keeper.
struct World {
    now: Instant,
    begun: Instant,
    nodes: Vec<String>,
    /// What the next attempts to open lead to; a camera with these steps, or a trouble. Nothing: no camera.
    cameras: VecDeque<Result<Vec<Step>, Trouble>>,
    /// When each attempt was, in milliseconds.
    attempts: Vec<u128>,
    /// Buffers that the driver lacks now, and the most that it ever lacked at once.
    taken: usize,
    most_taken: usize,
}

#[derive(Clone)]
struct Script(Arc<Mutex<World>>);

impl Script {
    fn new(cameras: impl IntoIterator<Item = Result<Vec<Step>, Trouble>>) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(World {
            now,
            begun: now,
            nodes: vec!["video0".into()],
            cameras: cameras.into_iter().collect(),
            attempts: Vec::new(),
            taken: 0,
            most_taken: 0,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn camera(&self) -> V4l2Camera {
        V4l2Camera::on(Box::new(self.clone()), CameraConfig::default())
    }

    fn pass(&self, milliseconds: u64) {
        self.world().now += Duration::from_millis(milliseconds);
    }
}

impl Host for Script {
    fn now(&self) -> Instant {
        self.world().now
    }

    fn time_of_day(&self) -> Timestamp {
        let world = self.world();
        let since = SignedDuration::try_from(world.now - world.begun).unwrap();
        Timestamp::UNIX_EPOCH.saturating_add(since).unwrap()
    }

    fn sleep(&self, time: Duration) {
        // A scheduler's least.
        self.world().now += time.max(Duration::from_micros(50));
    }

    fn nodes(&self) -> Vec<String> {
        self.world().nodes.clone()
    }

    fn open(&mut self, _: &CameraConfig, known: Option<&Known>) -> Result<Opened, Trouble> {
        let mut world = self.world();
        let at = (world.now - world.begun).as_millis();
        world.attempts.push(at);
        let absent = || Err(Trouble::new(TroubleKind::Absent, "no camera is plugged in"));
        let steps = world.cameras.pop_front().unwrap_or_else(absent)?;
        let identity = Identity {
            card: "Scope".into(),
            bus: "usb-1".into(),
            serial: None,
            index: 0,
        };
        assert!(known.is_none_or(|known| known.identity == identity));
        let colour = Colour::of_driver(false, 8, 0, 0);
        Ok(Opened {
            stream: Box::new(Scripted {
                script: self.clone(),
                steps: steps.into(),
                bytes: Vec::new(),
            }),
            layout: Layout::new(PixelFormat::Yuyv, (2, 2), 0, colour).unwrap(),
            mode: Mode {
                format: "YUYV".parse().unwrap(),
                width: 2,
                height: 2,
                fps: Some(10.0),
            },
            identity,
            others: Vec::new(),
            name: "Scope".into(),
        })
    }
}

struct Scripted {
    script: Script,
    steps: VecDeque<Step>,
    bytes: Vec<u8>,
}

impl Stream for Scripted {
    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        let mut left = patience;
        if let Some(Later) = self.steps.front() {
            self.steps.pop_front();
            return Ok(false);
        }
        while let Some(Silence(milliseconds)) = self.steps.front_mut() {
            let pause = Duration::from_millis(*milliseconds);
            self.script.world().now += pause.min(left);
            if pause > left {
                *milliseconds -= u64::try_from(left.as_millis()).unwrap();
                return Ok(false);
            }
            left -= pause;
            self.steps.pop_front();
        }
        if self.steps.is_empty() {
            self.script.world().now += left;
        }
        Ok(!self.steps.is_empty())
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        let sound = |sequence, age| Filled {
            index: 0,
            bytes_used: 8,
            is_damaged: false,
            sequence,
            age,
        };
        let filled = match self.steps.pop_front() {
            None | Some(Silence(_) | Later) => return Ok(None),
            Some(Errno(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Frame(n, age)) => sound(n, Some(Duration::from_millis(age))),
            Some(Untimed(n)) => sound(n, None),
            Some(Marked(n)) => Filled {
                is_damaged: true,
                ..sound(n, None)
            },
            Some(Short(n)) => Filled {
                bytes_used: 5,
                ..sound(n, None)
            },
        };
        self.bytes = vec![128; filled.bytes_used];
        let mut world = self.script.world();
        world.taken += 1;
        world.most_taken = world.most_taken.max(world.taken);
        Ok(Some(filled))
    }

    fn bytes(&self, _: &Filled) -> &[u8] {
        &self.bytes
    }

    fn give_back(&mut self, _: Filled) -> io::Result<()> {
        self.script.world().taken -= 1;
        Ok(())
    }
}

const PATIENCE: Duration = Duration::from_millis(500);

/// The number of the frame that comes within `calls`, and the troubles before it.
fn next(camera: &mut V4l2Camera, calls: usize) -> (Option<u32>, Vec<Trouble>) {
    let mut troubles = Vec::new();
    for _ in 0..calls {
        match camera.newest(PATIENCE) {
            Event::Frame(frame) => return (Some(frame.sequence), troubles),
            Event::Trouble(trouble) => troubles.push(trouble),
            Event::Nothing => {}
        }
    }
    (None, troubles)
}

use Step::*;

#[test]
fn frames_come_in_order_each_once_and_a_frame_is_decoded_on_demand() {
    let script = Script::new([Ok(vec![
        Silence(100),
        Frame(1, 20),
        Silence(100),
        Frame(2, 20),
        Silence(100),
        Frame(3, 20),
    ])]);
    let mut camera = script.camera();
    assert_eq!(camera.name(), "v4l2:auto");
    let Event::Frame(first) = camera.newest(PATIENCE) else {
        panic!("a frame is due")
    };
    assert_eq!(first.decode().unwrap().dimensions(), (2, 2));
    assert_eq!(
        first.captured_at.as_millisecond(),
        80,
        "20 ms before it came"
    );
    assert_eq!(script.now() - first.taken, Duration::from_millis(20));
    assert_eq!(camera.name(), "v4l2:Scope");
    assert_eq!(next(&mut camera, 1).0, Some(2));
    assert_eq!(next(&mut camera, 1).0, Some(3));
    assert!(matches!(camera.newest(PATIENCE), Event::Nothing));
    let status = camera.status();
    assert_eq!(
        (status.frames, status.missed, status.passed_over),
        (3, 0, 0)
    );
    assert!(matches!(status.state, State::Streaming(_)));
    assert_eq!(script.world().taken, 0, "the driver has all its buffers");
}

#[test]
fn the_newest_of_several_frames_wins() {
    let script = Script::new([Ok(vec![
        Silence(300),
        Frame(1, 220),
        Frame(2, 120),
        Frame(3, 20),
    ])]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(3));
    assert_eq!(camera.status().passed_over, 2);
    assert!(
        script.world().most_taken <= 2,
        "older ones are given back at once"
    );
}

#[test]
fn after_a_pause_old_frames_are_not_handed_out() {
    for old in [[Frame(2, 4900), Frame(3, 4800)], [Untimed(2), Untimed(3)]] {
        let mut steps = vec![Silence(100), Frame(1, 20), Later];
        steps.extend(old);
        steps.extend([Silence(60), Frame(40, 20)]);
        let script = Script::new([Ok(steps)]);
        let mut camera = script.camera();
        assert_eq!(next(&mut camera, 1).0, Some(1));
        // The analysis takes its time.
        script.pass(5000);
        assert_eq!(next(&mut camera, 1).0, Some(40));
        assert_eq!(camera.status().passed_over, 2);
        assert_eq!(camera.status().missed, 0, "nobody looked");
    }
}

#[test]
fn a_young_frame_that_is_there_is_taken_without_waiting() {
    let script = Script::new([Ok(vec![Silence(100), Frame(1, 90), Frame(2, 20)])]);
    let mut camera = script.camera();
    let mut more = live(&script, vec![Frame(2, 149)]);
    assert_eq!(next(&mut camera, 1).0, Some(2));
    let mut status = camera.status().clone();
    assert!(more.fresh(&mut status, &script).unwrap().is_some());
    let mut more = live(&script, vec![Frame(3, 151)]);
    assert!(
        more.fresh(&mut status, &script).unwrap().is_none(),
        "older than 1.5 frame times"
    );
}

fn live(script: &Script, steps: Vec<Step>) -> Live {
    let now = script.now();
    Live {
        stream: Box::new(Scripted {
            script: script.clone(),
            steps: steps.into(),
            bytes: Vec::new(),
        }),
        layout: Layout::new(
            PixelFormat::Yuyv,
            (2, 2),
            0,
            Colour::of_driver(false, 0, 0, 0),
        )
        .unwrap(),
        period: Duration::from_millis(100),
        started: now - Duration::from_secs(60),
        waited: Duration::ZERO,
        looked: now,
        has_paused: false,
        last: None,
        has_frames: true,
        damage: None,
    }
}

#[test]
fn gaps_in_the_numbers_are_counted_and_a_repeated_frame_is_left_out() {
    let script = Script::new([Ok(vec![
        Silence(100),
        Frame(7, 0),
        Silence(100),
        Frame(7, 0),
        Silence(100),
        Frame(10, 0),
        Silence(100),
        Frame(0, 0),
    ])]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(7));
    assert_eq!(next(&mut camera, 1).0, Some(10));
    assert_eq!(next(&mut camera, 1).0, Some(0), "the driver counts anew");
    assert_eq!(camera.status().missed, 2);
}

#[test]
fn a_driver_that_does_not_count_is_no_trouble() {
    let script = Script::new([Ok(vec![
        Silence(100),
        Frame(0, 0),
        Silence(100),
        Frame(0, 0),
    ])]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(0));
    assert_eq!(next(&mut camera, 1).0, Some(0));
}

#[test]
fn a_frame_of_before_the_stream_is_left_out() {
    let script = Script::new([Ok(vec![Frame(1, 300), Silence(50), Frame(2, 10)])]);
    assert_eq!(next(&mut script.camera(), 1).0, Some(2));
}

#[test]
fn damaged_frames_are_left_out_and_counted() {
    let script = Script::new([Ok(vec![
        Silence(100),
        Marked(1),
        Silence(100),
        Short(2),
        Silence(100),
        Frame(3, 0),
    ])]);
    let mut camera = script.camera();
    let (frame, troubles) = next(&mut camera, 2);
    assert_eq!((frame, troubles), (Some(3), vec![]));
    assert_eq!(camera.status().corrupt, 2);
    camera.note_damaged(&DecodeError::Gray);
    assert_eq!(camera.status().corrupt, 3);
}

#[test]
fn an_unplugged_camera_is_told_once_and_read_again_when_it_is_back() {
    let script = Script::new([Ok(vec![
        Silence(100),
        Frame(1, 0),
        Later,
        Errno(libc::ENODEV),
    ])]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(1));
    script.world().nodes.clear();
    let (frame, troubles) = next(&mut camera, 20);
    assert_eq!(frame, None);
    let kinds: Vec<_> = troubles.iter().map(|trouble| trouble.kind).collect();
    assert_eq!(
        kinds,
        [TroubleKind::Absent; 2],
        "lost, and not found: {troubles:?}"
    );
    // It comes back under another number, between two attempts.
    let before = script.now();
    {
        let mut world = script.world();
        world.nodes.push("video3".into());
        world.cameras.push_back(Ok(vec![Silence(100), Frame(1, 0)]));
    }
    assert_eq!(next(&mut camera, 20), (Some(1), vec![]));
    let waited = script.now() - before;
    assert!(waited < Duration::from_millis(700), "{waited:?}");
    assert_eq!(camera.status().reopened, 1);
}

#[test]
fn each_error_of_a_stream_closes_and_opens_it_again_soon() {
    for (code, kind) in [
        (libc::ENODEV, TroubleKind::Absent),
        (libc::EIO, TroubleKind::Failed),
        (libc::EINVAL, TroubleKind::Failed),
        (libc::EBUSY, TroubleKind::Busy),
    ] {
        let script = Script::new([
            Ok(vec![Silence(100), Frame(1, 0), Silence(100), Errno(code)]),
            Ok(vec![Silence(100), Frame(5, 0)]),
        ]);
        let mut camera = script.camera();
        assert_eq!(next(&mut camera, 1).0, Some(1));
        let (frame, troubles) = next(&mut camera, 4);
        assert_eq!(frame, Some(5));
        assert_eq!(troubles.len(), 1, "{troubles:?}");
        assert_eq!(troubles[0].kind, kind);
        let attempts = script.world().attempts.clone();
        assert!(attempts[1] - 200 <= 500, "{attempts:?}");
    }
}

#[test]
fn a_silent_camera_is_stalled_after_two_seconds_and_opened_again() {
    let script = Script::new([
        Ok(vec![Silence(100), Frame(1, 0), Silence(60_000)]),
        Ok(vec![Silence(4500), Frame(9, 0)]),
    ]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(1));
    let (frame, troubles) = next(&mut camera, 30);
    assert_eq!(frame, Some(9), "the first frame may take longer");
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0].kind, TroubleKind::Stalled);
    assert_eq!(script.world().attempts, [0, 2100 + 250]);
}

#[test]
fn only_damaged_frames_are_a_trouble_of_their_own() {
    let mut steps = vec![Silence(100), Frame(1, 0)];
    for n in 2..100 {
        steps.extend([Silence(100), Short(n)]);
    }
    let script = Script::new([Ok(steps)]);
    let mut camera = script.camera();
    assert_eq!(next(&mut camera, 1).0, Some(1));
    let (frame, troubles) = next(&mut camera, 6);
    assert_eq!(frame, None);
    assert_eq!(troubles[0].kind, TroubleKind::Damaged);
    assert!(troubles[0].message.contains("5 bytes"), "{troubles:?}");
}

#[test]
fn attempts_become_rarer_up_to_ten_seconds_and_the_same_reason_is_told_once() {
    let busy = Trouble::new(TroubleKind::Busy, "another program uses it");
    let script = Script::new(vec![Err(busy.clone()); 9]);
    let mut camera = script.camera();
    let (_, troubles) = next(&mut camera, 90);
    assert_eq!(troubles, [busy]);
    let attempts = script.world().attempts.clone();
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        pauses[..8],
        [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000][..8],
        "{pauses:?}"
    );
    let State::Lost { since, trouble } = &camera.status().state else {
        panic!("it is lost")
    };
    assert_eq!(
        (since.as_millisecond(), trouble.kind),
        (0, TroubleKind::Busy)
    );
}

#[test]
fn a_camera_that_streams_and_never_delivers_is_tried_ever_later() {
    let script = Script::new((0..9).map(|_| Ok(vec![Errno(libc::EIO)])));
    let mut camera = script.camera();
    next(&mut camera, 60);
    let attempts = script.world().attempts.clone();
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..5], [250, 500, 1000, 2000, 4000], "{pauses:?}");
}

#[test]
fn fifty_times_unplugged_it_comes_back_fifty_times() {
    let lives = (0..51).map(|_| {
        Ok(vec![
            Silence(100),
            Frame(1, 0),
            Silence(30),
            Errno(libc::ENODEV),
        ])
    });
    let script = Script::new(lives);
    let mut camera = script.camera();
    for _ in 0..51 {
        assert_eq!(next(&mut camera, 5).0, Some(1));
    }
    assert_eq!((camera.status().frames, camera.status().reopened), (51, 50));
}

#[test]
fn no_call_takes_longer_than_its_patience() {
    let script = Script::new([
        Ok(vec![
            Silence(3000),
            Frame(1, 0),
            Silence(400),
            Marked(2),
            Silence(60_000),
        ]),
        Err(Trouble::new(TroubleKind::Busy, "busy")),
    ]);
    let mut camera = script.camera();
    for patience in [0, 1, 33, 500, 500, 700, 2000, 2000, 2000, 30, 0, 5000] {
        let before = script.now();
        camera.newest(Duration::from_millis(patience));
        let took = script.now() - before;
        assert!(
            took <= Duration::from_millis(patience + 2),
            "{took:?} of {patience} ms"
        );
    }
}
