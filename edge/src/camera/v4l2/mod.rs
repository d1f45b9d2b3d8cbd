//! A V4L2 camera that is kept going: opened when it is there, read without ever blocking for long, and found again when it
//! comes back.
//!
//! [`V4l2Camera::newest`] is called over and over by one thread. It never fails: what is wrong is an [`Event`] once, and
//! stands in [`CameraStatus`] as long as it lasts. Frames are handed out in the order in which they were taken, each at
//! most once, and none that is older than one and a half frame times when a newer one can be had. They are decoded
//! only when someone asks.
//!
//! On any error of the stream the device is closed and opened anew, first after a quarter of a second, then ever later,
//! up to ten seconds; at once when the list of video nodes changes. A camera counts as the same one by its name, place and
//! serial number, never by its number.

mod controls;
mod host;
mod list;
mod negotiate;
mod sys;
#[cfg(test)]
mod tests;
mod trouble;

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use smearscope_common::image::RgbImage;
use tracing::{info, warn};

use super::pixel::{DecodeError, FourCc, Layout};
use crate::config::CameraConfig;

use host::{Host, Machine, Opened, Stream};
use list::Known;
use sys::Filled;

pub use list::{Description, cameras, describe, expected};
pub use trouble::{Kind as TroubleKind, Trouble};

/// Until the first attempt to open a lost camera again.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest time between two attempts.
const LAST_RETRY: Duration = Duration::from_secs(10);
/// How often the list of video nodes is looked at while a camera is lost.
const LOOK: Duration = Duration::from_millis(200);
/// What udev needs to name a new node and to give it to its group.
const SETTLE: Duration = Duration::from_millis(100);
/// A stream without a frame for this long, and for ten frame times, is stalled.
const STALLED: Duration = Duration::from_secs(2);
/// Before its first frame a camera may have to find its exposure.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// The frame time of a camera that tells none.
const USUAL_PERIOD: Duration = Duration::from_millis(100);
/// Damage is news again after so long without.
const SOUND: Duration = Duration::from_secs(10);
/// How many buffers one look takes at most: a source without a pace must not keep us for ever.
const MOST_AT_ONCE: usize = 16;

/// What a stream sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mode {
    /// V4L2's code of the pixel format.
    pub format: FourCc,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second, where the driver says.
    pub fps: Option<f64>,
}

impl Mode {
    /// From one frame to the next.
    fn period(&self) -> Duration {
        self.fps
            .and_then(|fps| Duration::try_from_secs_f64(1.0 / fps).ok())
            .unwrap_or(USUAL_PERIOD)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.format, self.width, self.height)?;
        match self.fps {
            Some(fps) => write!(f, " at {} fps", negotiate::short(fps)),
            None => Ok(()),
        }
    }
}

/// How a camera is.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nothing was tried yet.
    Opening,
    /// Frames come, or are about to.
    Streaming(Mode),
    /// There are no frames.
    Lost {
        /// Why.
        trouble: Trouble,
        /// Since when.
        since: Timestamp,
    },
}

/// How a camera is, and what it did since the start of the program. The numbers only grow.
#[derive(Clone, Debug, Serialize)]
pub struct CameraStatus {
    /// How it is.
    #[serde(flatten)]
    pub state: State,
    /// Frames handed out.
    pub frames: u64,
    /// Frames that were there and not handed out, because a newer one was.
    pub passed_over: u64,
    /// Frames that the camera counted and that never came, although there was room for them. While nobody looks there is
    /// none, and what is lost then is not counted.
    pub missed: u64,
    /// Frames that were damaged.
    pub corrupt: u64,
    /// How often it was opened again.
    pub reopened: u64,
}

/// What [`V4l2Camera::newest`] has to say.
#[derive(Debug)]
pub enum Event {
    /// The newest frame.
    Frame(RawFrame),
    /// No frame yet; while a camera is lost that is all there is to say after the [`Event::Trouble`].
    Nothing,
    /// Something went wrong that was not wrong before.
    Trouble(Trouble),
}

/// One frame as the driver gave it. Decoding is asked for only where someone looks.
#[derive(Debug)]
pub struct RawFrame {
    bytes: Vec<u8>,
    layout: Layout,
    /// When it was taken, by the machine's clock.
    pub captured_at: Timestamp,
    /// The same moment for measuring times.
    pub taken: Instant,
    /// The driver's number of the frame; it begins anew when the camera is opened again.
    pub sequence: u32,
}

impl RawFrame {
    /// The picture.
    ///
    /// # Errors
    /// When the frame is damaged. Tell the camera, which counts it: [`V4l2Camera::note_damaged`].
    pub fn decode(&self) -> Result<RgbImage, DecodeError> {
        self.layout.decode(&self.bytes)
    }

    /// A frame as a camera gives it that was taken now, of RGB8 pixels.
    #[cfg(test)]
    pub fn of_pixels(width: u32, height: u32, bytes: Vec<u8>) -> Self {
        use super::pixel::{Colour, Matrix, PixelFormat, Range};
        let colour = Colour {
            matrix: Matrix::Bt601,
            range: Range::Full,
        };
        Self {
            bytes,
            layout: Layout::new(PixelFormat::Rgb24, (width, height), 0, colour).unwrap(),
            captured_at: Timestamp::now(),
            taken: Instant::now(),
            sequence: 0,
        }
    }
}

/// A V4L2 camera and what is known of it.
pub struct V4l2Camera {
    config: CameraConfig,
    host: Box<dyn Host>,
    live: Option<Live>,
    known: Option<Known>,
    name: Option<String>,
    status: CameraStatus,
    retry: Retry,
    /// When damage was last seen; `None` when it is over.
    damaged: Option<Instant>,
}

/// A stream, and what of it was seen.
struct Live {
    stream: Box<dyn Stream>,
    layout: Layout,
    period: Duration,
    started: Instant,
    /// Time spent waiting since the last sound frame.
    waited: Duration,
    /// When the driver's buffers were last looked at.
    looked: Instant,
    /// Whether the driver's buffers may have been full since the last frame.
    has_paused: bool,
    last: Option<Filled>,
    has_frames: bool,
    /// The last damaged frame, until a sound one comes.
    damage: Option<String>,
}

/// When a lost camera is tried again.
struct Retry {
    at: Instant,
    pause: Duration,
    /// The video nodes that there were.
    nodes: Vec<String>,
    looked: Instant,
}

impl V4l2Camera {
    /// A camera that is opened when its first frame is asked for. It need not be there yet.
    pub fn new(config: CameraConfig) -> Self {
        Self::on(Box::new(Machine::default()), config)
    }

    fn on(host: Box<dyn Host>, config: CameraConfig) -> Self {
        let now = host.now();
        Self {
            config,
            live: None,
            known: None,
            name: None,
            status: CameraStatus {
                state: State::Opening,
                frames: 0,
                passed_over: 0,
                missed: 0,
                corrupt: 0,
                reopened: 0,
            },
            retry: Retry {
                at: now,
                pause: FIRST_RETRY,
                nodes: Vec::new(),
                looked: now,
            },
            damaged: None,
            host,
        }
    }

    /// What the camera is called, for a field's source.
    pub fn name(&self) -> String {
        match &self.name {
            Some(name) => format!("v4l2:{name}"),
            None => format!("v4l2:{}", self.config.device),
        }
    }

    /// How it is.
    pub fn status(&self) -> &CameraStatus {
        &self.status
    }

    /// The newest frame, waiting for it at most `patience`. Opens the camera where need be, which takes as long as its
    /// driver takes to answer.
    pub fn newest(&mut self, patience: Duration) -> Event {
        let deadline = self.host.now() + patience;
        if let Some(live) = &mut self.live {
            match live.fresh(&mut self.status, self.host.as_ref()) {
                Ok(Some(frame)) => return self.hand_out(frame),
                Ok(None) => {}
                Err(error) => return self.lose(Trouble::of("reading a frame", &error)),
            }
        }
        loop {
            let event = match self.live {
                Some(_) => self.await_frame(deadline),
                None => self.await_camera(deadline),
            };
            if let Some(event) = event {
                return event;
            }
            if self.host.now() >= deadline {
                return Event::Nothing;
            }
        }
    }

    /// Counts a frame that could not be decoded.
    pub fn note_damaged(&mut self, error: &DecodeError) {
        self.status.corrupt += 1;
        self.tell_damage(&error.to_string());
    }

    /// The damage is told once, until there was none for a while.
    fn tell_damage(&mut self, reason: &str) {
        if self.damaged.replace(self.host.now()).is_none() {
            warn!("{}: {reason}; damaged frames are left out", self.name());
        }
    }

    fn hand_out(&mut self, frame: RawFrame) -> Event {
        self.status.frames += 1;
        self.retry.pause = FIRST_RETRY;
        let now = self.host.now();
        if self.damaged.is_some_and(|last| now - last >= SOUND) {
            self.damaged = None;
            let corrupt = self.status.corrupt;
            info!(
                "{}: frames are sound again; {corrupt} were damaged so far",
                self.name()
            );
        }
        Event::Frame(frame)
    }

    /// Waits for a frame of the stream; `None` when there was none, and it may be waited on.
    fn await_frame(&mut self, deadline: Instant) -> Option<Event> {
        let live = self.live.as_mut()?;
        let before = self.host.now();
        let limit = live.patience();
        let wait = (deadline - before).min(limit.saturating_sub(live.waited));
        let result = live.wait(wait, &mut self.status, self.host.as_ref());
        if !matches!(result, Ok(Some(_))) {
            live.waited += self.host.now() - before;
        }
        let is_stalled = live.waited >= limit;
        let damage = live.damage.take();
        if let Some(reason) = &damage {
            self.tell_damage(reason);
        }
        match (result, damage) {
            (Ok(Some(frame)), _) => Some(self.hand_out(frame)),
            (Err(error), _) => Some(self.lose(Trouble::of("reading a frame", &error))),
            (Ok(None), Some(reason)) if is_stalled => {
                let message = format!("only damaged frames for {} s: {reason}", limit.as_secs());
                Some(self.lose(Trouble::new(TroubleKind::Damaged, message)))
            }
            (Ok(None), None) if is_stalled => {
                let message = format!("no frame for {} s", limit.as_secs());
                Some(self.lose(Trouble::new(TroubleKind::Stalled, message)))
            }
            (Ok(None), _) => None,
        }
    }

    /// Waits until the camera is to be tried again, and tries it; `None` when that changes nothing.
    fn await_camera(&mut self, deadline: Instant) -> Option<Event> {
        let now = self.host.now();
        if now < self.retry.at {
            self.host.sleep(
                LOOK.min(self.retry.at - now)
                    .min(deadline.saturating_duration_since(now)),
            );
            self.look_for_nodes();
            return None;
        }
        self.retry.nodes = self.host.nodes();
        match self.host.open(&self.config, self.known.as_ref()) {
            Ok(opened) => {
                self.begin(opened);
                None
            }
            Err(trouble) => self.stay_lost(trouble),
        }
    }

    /// A camera that was plugged in need not wait.
    fn look_for_nodes(&mut self) {
        let now = self.host.now();
        if now.saturating_duration_since(self.retry.looked) < LOOK {
            return;
        }
        self.retry.looked = now;
        let nodes = self.host.nodes();
        if nodes != self.retry.nodes {
            self.retry.nodes = nodes;
            self.retry.pause = FIRST_RETRY;
            self.retry.at = self.retry.at.min(now + SETTLE);
        }
    }

    fn begin(&mut self, opened: Opened) {
        let now = self.host.now();
        self.name = Some(opened.name);
        if self.known.is_some() {
            self.status.reopened += 1;
        }
        if let State::Lost { since, .. } = &self.status.state {
            let seconds = self.host.time_of_day().duration_since(*since).as_secs();
            info!("{} is back after {seconds} s: {}", self.name(), opened.mode);
        }
        self.known = Some(Known {
            identity: opened.identity,
            others: opened.others,
        });
        self.status.state = State::Streaming(opened.mode);
        self.live = Some(Live {
            stream: opened.stream,
            layout: opened.layout,
            period: opened.mode.period(),
            started: now,
            waited: Duration::ZERO,
            looked: now,
            has_paused: false,
            last: None,
            has_frames: false,
            damage: None,
        });
    }

    /// The stream has ended.
    fn lose(&mut self, trouble: Trouble) -> Event {
        self.live = None;
        let now = self.host.now();
        self.retry.nodes = self.host.nodes();
        self.retry.at = now + self.retry.pause;
        // One that streams and stalls, over and over, is tried ever later, too.
        self.retry.pause = (self.retry.pause * 2).min(LAST_RETRY);
        warn!("{}: {trouble}; it is opened again", self.name());
        self.status.state = State::Lost {
            trouble: trouble.clone(),
            since: self.host.time_of_day(),
        };
        Event::Trouble(trouble)
    }

    /// Another attempt failed; told when the reason is another one.
    fn stay_lost(&mut self, trouble: Trouble) -> Option<Event> {
        self.retry.at = self.host.now() + self.retry.pause;
        self.retry.pause = (self.retry.pause * 2).min(LAST_RETRY);
        let since = match &mut self.status.state {
            State::Lost { trouble: known, .. } if *known == trouble => return None,
            // That an unplugged camera is not found is no news; who asks is told what there is instead.
            State::Lost { trouble: known, .. }
                if [known.kind, trouble.kind] == [TroubleKind::Absent; 2] =>
            {
                *known = trouble;
                return None;
            }
            State::Lost { since, .. } => *since,
            State::Opening | State::Streaming(_) => self.host.time_of_day(),
        };
        warn!("{}: {trouble}; it is tried again", self.name());
        self.status.state = State::Lost {
            trouble: trouble.clone(),
            since,
        };
        Some(Event::Trouble(trouble))
    }
}

impl Live {
    /// How long a frame is waited for before the stream counts as stalled.
    fn patience(&self) -> Duration {
        let usual = STALLED.max(self.period * 10);
        if self.has_frames {
            usual
        } else {
            usual.max(FIRST_FRAME)
        }
    }

    /// A frame that is there already, if it is young: after a pause the driver's buffers are full of old ones.
    fn fresh(
        &mut self,
        status: &mut CameraStatus,
        host: &dyn Host,
    ) -> io::Result<Option<RawFrame>> {
        // Without a word from the driver a frame may be as old as our last look.
        let oldest = host.now() - self.looked;
        let limit = self.period * 3 / 2;
        self.has_paused |= oldest > self.period * 2;
        self.drain(status, host, |age| age.unwrap_or(oldest) <= limit)
    }

    /// A frame that comes within `patience`. However old it says to be, there is no younger one.
    fn wait(
        &mut self,
        patience: Duration,
        status: &mut CameraStatus,
        host: &dyn Host,
    ) -> io::Result<Option<RawFrame>> {
        let is_ready = self.stream.wait(patience)?;
        self.looked = host.now();
        if !is_ready {
            return Ok(None);
        }
        let drained = self.drain(status, host, |_| true);
        self.has_paused = false;
        drained
    }

    /// Takes all that the driver has and gives the newest sound frame that is `wanted` by its age.
    fn drain(
        &mut self,
        status: &mut CameraStatus,
        host: &dyn Host,
        wanted: impl Fn(Option<Duration>) -> bool,
    ) -> io::Result<Option<RawFrame>> {
        let mut newest: Option<Filled> = None;
        for _ in 0..MOST_AT_ONCE {
            if !self.stream.wait(Duration::ZERO)? {
                break;
            }
            let Some(filled) = self.stream.take()? else {
                // Said to be ready, and is not: some drivers do, and must not be asked in a hot loop.
                host.sleep(Duration::from_millis(1));
                break;
            };
            if !self.is_sound(&filled, status, host) {
                self.stream.give_back(filled)?;
                continue;
            }
            if let Some(older) = newest.replace(filled) {
                status.passed_over += 1;
                self.stream.give_back(older)?;
            }
        }
        self.looked = host.now();
        let Some(filled) = newest else {
            return Ok(None);
        };
        self.waited = Duration::ZERO;
        if !wanted(filled.age) {
            status.passed_over += 1;
            self.stream.give_back(filled)?;
            return Ok(None);
        }
        self.has_frames = true;
        let bytes = self.stream.bytes(&filled).to_vec();
        self.stream.give_back(filled)?;
        // A clock that is off by more than a frame can be late is no clock.
        let believable = Duration::from_secs(1) + self.period * 2;
        let age = filled
            .age
            .filter(|&age| age <= believable)
            .unwrap_or_default();
        Ok(Some(RawFrame {
            bytes,
            layout: self.layout,
            captured_at: host
                .time_of_day()
                .saturating_sub(SignedDuration::try_from(age).unwrap_or_default())
                .unwrap_or_else(|_| host.time_of_day()),
            taken: self.looked.checked_sub(age).unwrap_or(self.looked),
            sequence: filled.sequence,
        }))
    }

    /// Whether a frame is whole, new, and of this stream; counts what is not.
    fn is_sound(&mut self, filled: &Filled, status: &mut CameraStatus, host: &dyn Host) -> bool {
        let last = self.last.replace(*filled);
        let moment = |f: &Filled, at: Instant| f.age.and_then(|age| at.checked_sub(age));
        if let Some(last) = last {
            let step = filled.sequence.wrapping_sub(last.sequence);
            // Drivers that don't count leave it at 0.
            if step == 0 && filled.sequence != 0 {
                status.passed_over += 1;
                return false;
            }
            // A jump backwards is a count that began anew.
            if !self.has_paused && (2..1 << 31).contains(&step) {
                status.missed += u64::from(step) - 1;
            }
        }
        // Bridges between programs show the last frame of before the stream first.
        let now = host.now();
        let is_new = now - self.started < Duration::from_secs(1);
        if is_new && moment(filled, now).is_some_and(|taken| taken < self.started) {
            status.passed_over += 1;
            return false;
        }
        let damage = if filled.is_damaged {
            Some("the driver says that a frame is damaged".to_owned())
        } else {
            let check = self.layout.check(self.stream.bytes(filled));
            check.err().map(|error| error.to_string())
        };
        let is_sound = damage.is_none();
        if let Some(reason) = damage {
            status.corrupt += 1;
            self.damage = Some(reason);
        }
        is_sound
    }
}
