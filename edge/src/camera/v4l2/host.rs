//! The machine as the camera's keeper sees it: its clocks, its video nodes, and a stream once one is opened. Tests put a
//! scripted one in its place.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use super::Mode;
use super::controls;
use super::list::{self, Found, Identity, Known};
use super::negotiate::{Choice, choose, short};
use super::sys::{Filled, Node, Streaming};
use super::trouble::{Kind, Trouble};
use crate::camera::{Colour, Layout, PixelFormat};
use crate::config::CameraConfig;

/// Buffers that the driver fills in turn. More would only keep older frames.
const BUFFERS: u32 = 4;

/// A camera that streams.
pub(super) trait Stream: Send {
    /// Whether there is a filled buffer, or an error, within `patience`.
    fn wait(&mut self, patience: Duration) -> io::Result<bool>;
    /// Takes the oldest filled buffer; `None` when there is none after all.
    fn take(&mut self) -> io::Result<Option<Filled>>;
    /// The bytes of a buffer that was taken and not given back.
    fn bytes(&self, filled: &Filled) -> &[u8];
    /// Lets a buffer be filled again.
    fn give_back(&mut self, filled: Filled) -> io::Result<()>;
}

/// A camera that was opened.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) layout: Layout,
    pub(super) mode: Mode,
    pub(super) identity: Identity,
    /// Where the other cameras are plugged in.
    pub(super) others: Vec<String>,
    /// What the camera is called.
    pub(super) name: String,
}

/// What the keeper asks the machine.
pub(super) trait Host: Send {
    /// Time that only goes on.
    fn now(&self) -> Instant;
    /// The time of day.
    fn time_of_day(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// The names of the video nodes.
    fn nodes(&self) -> Vec<String>;
    /// Opens the camera that is meant.
    fn open(&mut self, config: &CameraConfig, known: Option<&Known>) -> Result<Opened, Trouble>;
}

/// The machine that we run on.
#[derive(Default)]
pub(super) struct Machine {
    /// What was said of the camera last time: it is opened often when it is sick.
    said: String,
}

impl Host for Machine {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn time_of_day(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    fn nodes(&self) -> Vec<String> {
        list::nodes()
    }

    fn open(&mut self, config: &CameraConfig, known: Option<&Known>) -> Result<Opened, Trouble> {
        let found = list::cameras();
        let candidates = list::candidates(&config.device, known, &found)
            .map_err(|why| Trouble::new(Kind::Absent, why))?;
        let mut passed_over = Vec::new();
        for camera in &candidates {
            match self.open_one(camera, config) {
                Ok((stream, layout, mode, story)) => {
                    self.tell(camera, &candidates, &passed_over, &story);
                    let others = found.iter().filter(|other| other.path != camera.path);
                    return Ok(Opened {
                        stream: Box::new(stream),
                        layout,
                        mode,
                        identity: camera.identity.clone(),
                        others: others.map(|other| other.identity.bus.clone()).collect(),
                        name: camera.name(),
                    });
                }
                Err(trouble) => passed_over.push((camera, trouble)),
            }
        }
        let first = passed_over
            .first()
            .map_or(Kind::Absent, |(_, trouble)| trouble.kind);
        Err(Trouble::new(first, sentence(&passed_over)))
    }
}

/// Why the cameras that were tried can't be used.
fn sentence(passed_over: &[(&Found, Trouble)]) -> String {
    let each = passed_over.iter().map(|(camera, trouble)| {
        format!(
            "{} ({}) can't be used: {trouble}",
            camera.name(),
            camera.path.display()
        )
    });
    each.collect::<Vec<_>>().join("; ")
}

/// What opening a camera led to, for the log.
struct Story {
    choices: Vec<Choice>,
    mode: Mode,
    colour: Option<Colour>,
    warnings: Vec<String>,
}

impl Machine {
    fn open_one(
        &self,
        camera: &Found,
        config: &CameraConfig,
    ) -> Result<(Streaming, Layout, Mode, Story), Trouble> {
        let unusable = |why: String| Trouble::new(Kind::Unusable, why);
        let node = Node::open(&camera.path).map_err(|e| Trouble::of("opening it", &e))?;
        if let Some(problem) = &camera.problem {
            return Err(unusable(problem.clone()));
        }
        let offers = list::offers(&node, config.size());
        let choices = choose(&offers, config).map_err(unusable)?;
        let wish = choices[0];
        let format = node
            .set_format(wish.code, wish.size)
            .map_err(|e| Trouble::of(&format!("setting {wish}"), &e))?;
        // Another size is no harm where none was named; another format may be one that can't be decoded.
        let is_as_named = config.size().is_none_or(|size| size == format.size);
        if format.code != wish.code || !is_as_named {
            let (width, height) = format.size;
            let set = format.code;
            return Err(unusable(format!(
                "{wish} was asked for, but the driver has set {set} {width}x{height}"
            )));
        }
        if !format.is_whole() {
            return Err(unusable(
                "it sends half pictures (interlaced fields)".to_owned(),
            ));
        }
        let pixels = PixelFormat::of(format.code)
            .ok_or_else(|| unusable(format!("{} can't be decoded", format.code)))?;
        let colour = Colour::of_driver(
            pixels.is_rgb(),
            format.colorspace,
            format.ycbcr_enc,
            format.quantization,
        );
        let layout = Layout::new(pixels, format.size, format.stride, colour).ok_or_else(|| {
            let (width, height) = format.size;
            unusable(format!(
                "its frames are of an unusable size, {width}x{height}"
            ))
        })?;
        let interval = node.set_interval(wish.interval);
        let mode = Mode {
            format: format.code,
            width: format.size.0,
            height: format.size.1,
            fps: interval.map(|interval| interval.fps()),
        };
        let mut warnings = controls::apply(&node, &config.controls);
        if let (Some(wished), Some(fps)) = (config.fps, mode.fps)
            && (fps - wished).abs() > wished * 0.01
        {
            let (fps, wished) = (short(fps), short(wished));
            warnings.push(format!(
                "{wished} fps were asked for, and {fps} are what it has"
            ));
        }
        let stream =
            Streaming::start(node, BUFFERS).map_err(|e| Trouble::of("starting the stream", &e))?;
        let story = Story {
            choices,
            mode,
            colour: (pixels != PixelFormat::Jpeg).then_some(colour),
            warnings,
        };
        Ok((stream, layout, mode, story))
    }

    /// Says what was chosen and what else there was; the same only once.
    fn tell(
        &mut self,
        camera: &Found,
        candidates: &[Found],
        passed_over: &[(&Found, Trouble)],
        story: &Story,
    ) {
        let mut said = format!("camera {}: {}", camera.name(), story.mode);
        if let Some(colour) = story.colour {
            said += &format!(", {:?} {:?} range", colour.matrix, colour.range).to_lowercase();
        }
        if let [_, others @ ..] = &story.choices[..]
            && !others.is_empty()
        {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            said += &format!("; it could also send {}", others.join(", "));
        }
        let mut doubts = story.warnings.clone();
        doubts.extend((!passed_over.is_empty()).then(|| sentence(passed_over)));
        let others: Vec<_> = candidates
            .iter()
            .filter(|other| other.path != camera.path)
            .map(|other| format!("{} at {}", other.name(), other.path.display()))
            .collect();
        if !others.is_empty() {
            doubts.push(format!(
                "there are several cameras, also {}; choose one by `device` in [source]",
                others.join(", ")
            ));
        }
        let all = format!("{said}\n{}", doubts.join("\n"));
        if all != self.said {
            info!("{said}");
            for doubt in doubts {
                warn!("camera {}: {doubt}", camera.name());
            }
            self.said = all;
        }
    }
}
