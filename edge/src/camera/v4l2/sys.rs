//! What the kernel is asked and told: the one place with C structures.
//!
//! The `v4l` crate gives the structures, the numbers of the requests and the calls. Its own stream and descriptions are
//! passed by: they panic where a camera's name is no UTF-8, a control's type or a colour space is unknown, or the end of
//! a stream is refused, and they keep the Y'CbCr matrix to themselves.

#![expect(
    unsafe_code,
    reason = "V4L2 is C structures and memory shared with the kernel"
)]

use std::cell::Cell;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{mem, ptr, slice};

use rustix::time::{ClockId, clock_gettime};
use v4l::v4l_sys::*;
use v4l::v4l2::{self, vidioc};
use v4l::video::Capture;
use v4l::{Device, Fraction, frameinterval::FrameIntervalEnum, framesize::FrameSizeEnum};

use super::controls::{self, Control};
use super::host::Stream;
use super::negotiate::{Interval, Sizes};
use crate::camera::FourCc;

/// Single-planar capture, V4L2_BUF_TYPE_VIDEO_CAPTURE.
const CAPTURE: u32 = 1;
/// V4L2_MEMORY_MMAP.
const MMAP: u32 = 1;
/// V4L2_FIELD_NONE: whole pictures, no half ones.
const PROGRESSIVE: u32 = 1;
/// More than any driver lists; a broken one may never end.
const MOST_ITEMS: u32 = 512;

/// Structures of integers, and unions of integers: all zeros is a value of each.
///
/// # Safety
/// Only for such types.
unsafe trait Plain: Sized {
    fn zeroed() -> Self {
        // SAFETY: see the trait.
        unsafe { mem::zeroed() }
    }
}

// SAFETY: integers, arrays and unions of them; the pointer in a buffer's union may be null.
unsafe impl Plain for v4l2_capability {}
// SAFETY: as above.
unsafe impl Plain for v4l2_fmtdesc {}
// SAFETY: as above.
unsafe impl Plain for v4l2_format {}
// SAFETY: as above.
unsafe impl Plain for v4l2_streamparm {}
// SAFETY: as above.
unsafe impl Plain for v4l2_queryctrl {}
// SAFETY: as above.
unsafe impl Plain for v4l2_querymenu {}
// SAFETY: as above.
unsafe impl Plain for v4l2_control {}
// SAFETY: as above.
unsafe impl Plain for v4l2_requestbuffers {}
// SAFETY: as above.
unsafe impl Plain for v4l2_buffer {}
// SAFETY: as above.
unsafe impl Plain for u32 {}

/// What a device node says of itself.
pub(super) struct Capabilities {
    pub(super) driver: String,
    pub(super) card: String,
    pub(super) bus: String,
    flags: u32,
}

impl Capabilities {
    /// Whether frames can be had in the way that we take them: in one plane, by streaming.
    pub(super) fn is_camera(&self) -> bool {
        let wanted = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        self.flags & wanted == wanted
    }

    /// Whether it captures in several planes only, as the raw nodes of CSI cameras do.
    pub(super) fn is_multi_planar(&self) -> bool {
        self.flags & V4L2_CAP_VIDEO_CAPTURE == 0 && self.flags & V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0
    }
}

/// A format as the driver has set it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) code: FourCc,
    pub(super) size: (u32, u32),
    pub(super) stride: u32,
    /// V4L2_FIELD_*.
    field: u32,
    pub(super) colorspace: u32,
    pub(super) ycbcr_enc: u32,
    pub(super) quantization: u32,
}

impl Format {
    /// Whether each buffer holds a whole picture: V4L2_FIELD_ANY, NONE or one of the interlaced ones.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.field, 0 | 1 | 4 | 8 | 9)
    }
}

/// An open device node.
pub(super) struct Node {
    device: Device,
    /// Whether it let a request wait for long and failed: it is asked nothing more.
    is_stuck: Cell<bool>,
}

/// Longer than any camera takes to refuse something. One that hangs lets each request wait for some seconds, and a camera
/// with many controls would hold us for minutes.
const STUCK: Duration = Duration::from_secs(1);

impl Node {
    /// Opens a node for reading and writing, without waiting for anything.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Device::with_path(path).map(|device| Self {
            device,
            is_stuck: Cell::new(false),
        })
    }

    /// One request; a signal in between doesn't count.
    fn ask<T: Plain>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        // The number of a request holds the size of its structure in 14 bits.
        assert_eq!((request >> 16) as usize & 0x3FFF, size_of::<T>());
        if self.is_stuck.get() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let begun = Instant::now();
        loop {
            let argument = ptr::from_mut(argument).cast();
            // SAFETY: the kernel reads and writes as many bytes as the number of the request says, which are those of
            // the argument; it follows no pointer in it, for memory shared with us is asked for by MMAP only.
            match unsafe { v4l2::ioctl(self.device.handle().fd(), request, argument) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    self.is_stuck
                        .set(result.is_err() && begun.elapsed() > STUCK);
                    return result;
                }
            }
        }
    }

    pub(super) fn capabilities(&self) -> io::Result<Capabilities> {
        let mut answer = v4l2_capability::zeroed();
        self.ask(vidioc::VIDIOC_QUERYCAP, &mut answer)?;
        let flags = if answer.capabilities & V4L2_CAP_DEVICE_CAPS == 0 {
            answer.capabilities
        } else {
            answer.device_caps
        };
        Ok(Capabilities {
            driver: text(&answer.driver),
            card: text(&answer.card),
            bus: text(&answer.bus_info),
            flags,
        })
    }

    /// The pixel formats on offer, in the driver's order, with its description of each.
    pub(super) fn formats(&self) -> Vec<(FourCc, String)> {
        let mut formats = Vec::new();
        for index in 0..MOST_ITEMS {
            let mut answer = v4l2_fmtdesc {
                index,
                type_: CAPTURE,
                ..Plain::zeroed()
            };
            if self.ask(vidioc::VIDIOC_ENUM_FMT, &mut answer).is_err() {
                break;
            }
            let code = FourCc::from_u32(answer.pixelformat);
            formats.push((code, text(&answer.description)));
        }
        formats
    }

    /// The sizes of a format. A driver that lists none has the one that is set.
    pub(super) fn sizes(&self, code: FourCc) -> Sizes {
        let listed = self
            .device
            .enum_framesizes(code.to_u32().into())
            .unwrap_or_default();
        let mut exact = Vec::new();
        for size in listed {
            match size.size {
                FrameSizeEnum::Discrete(size) => exact.push((size.width, size.height)),
                FrameSizeEnum::Stepwise(range) => {
                    return Sizes::Range {
                        least: (range.min_width, range.min_height),
                        most: (range.max_width, range.max_height),
                        step: (range.step_width.max(1), range.step_height.max(1)),
                    };
                }
            }
        }
        if exact.is_empty() {
            exact.extend(self.format().ok().map(|format| format.size));
        }
        Sizes::Exact(exact)
    }

    /// The times between frames that a format has at a size; none where the driver doesn't say.
    pub(super) fn intervals(&self, code: FourCc, (width, height): (u32, u32)) -> Vec<Interval> {
        let interval = |fraction: &Fraction| Interval {
            numerator: fraction.numerator,
            denominator: fraction.denominator,
        };
        let listed = self
            .device
            .enum_frameintervals(code.to_u32().into(), width, height)
            .unwrap_or_default();
        let mut intervals = Vec::new();
        for listed in listed {
            match listed.interval {
                FrameIntervalEnum::Discrete(fraction) => intervals.push(interval(&fraction)),
                FrameIntervalEnum::Stepwise(range) => {
                    intervals.extend(Interval::between(
                        interval(&range.min),
                        interval(&range.max),
                    ));
                }
            }
        }
        intervals.retain(Interval::is_sound);
        intervals
    }

    /// The format that is set.
    pub(super) fn format(&self) -> io::Result<Format> {
        let mut answer = v4l2_format {
            type_: CAPTURE,
            ..Plain::zeroed()
        };
        self.ask(vidioc::VIDIOC_G_FMT, &mut answer)?;
        // SAFETY: the driver has filled the structure for this type of buffer, and both are integers.
        let (pix, ycbcr_enc) = unsafe {
            let pix = answer.fmt.pix;
            (pix, pix.__bindgen_anon_1.ycbcr_enc)
        };
        Ok(Format {
            code: FourCc::from_u32(pix.pixelformat),
            size: (pix.width, pix.height),
            stride: pix.bytesperline,
            field: pix.field,
            colorspace: pix.colorspace,
            ycbcr_enc,
            quantization: pix.quantization,
        })
    }

    /// Asks for a format and says what is set then, which may be another.
    pub(super) fn set_format(
        &self,
        code: FourCc,
        (width, height): (u32, u32),
    ) -> io::Result<Format> {
        let mut wish = v4l2_format {
            type_: CAPTURE,
            ..Plain::zeroed()
        };
        wish.fmt.pix = v4l2_pix_format {
            width,
            height,
            pixelformat: code.to_u32(),
            field: PROGRESSIVE,
            // SAFETY: integers, as those above.
            ..unsafe { mem::zeroed() }
        };
        self.ask(vidioc::VIDIOC_S_FMT, &mut wish)?;
        self.format()
    }

    /// Asks for a rate, where the driver has several, and says which time between frames is set then.
    pub(super) fn set_interval(&self, wish: Option<Interval>) -> Option<Interval> {
        let mut parameters = v4l2_streamparm {
            type_: CAPTURE,
            ..Plain::zeroed()
        };
        self.ask(vidioc::VIDIOC_G_PARM, &mut parameters).ok()?;
        // SAFETY: the driver has filled the structure for this type of buffer, and all of it are integers.
        let mut capture = unsafe { parameters.parm.capture };
        if let Some(wish) = wish
            && capture.capability & V4L2_CAP_TIMEPERFRAME != 0
        {
            capture.timeperframe = v4l2_fract {
                numerator: wish.numerator,
                denominator: wish.denominator,
            };
            parameters.parm.capture = capture;
            // A refusal changes nothing; what is set is read below.
            let _ = self.ask(vidioc::VIDIOC_S_PARM, &mut parameters);
            self.ask(vidioc::VIDIOC_G_PARM, &mut parameters).ok()?;
            // SAFETY: as above.
            capture = unsafe { parameters.parm.capture };
        }
        let set = Interval {
            numerator: capture.timeperframe.numerator,
            denominator: capture.timeperframe.denominator,
        };
        Some(set).filter(Interval::is_sound)
    }

    /// A buffer's number and what the driver says of it.
    fn buffer(index: u32) -> v4l2_buffer {
        v4l2_buffer {
            index,
            type_: CAPTURE,
            memory: MMAP,
            ..Plain::zeroed()
        }
    }
}

impl controls::Knobs for Node {
    fn list(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut query = v4l2_queryctrl::zeroed();
        while controls.len() < MOST_ITEMS as usize {
            query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
            if self.ask(vidioc::VIDIOC_QUERYCTRL, &mut query).is_err() {
                break;
            }
            let kind = controls::Kind::of(query.type_);
            let mut control = Control {
                id: query.id,
                name: controls::normalised(&text(&query.name)),
                kind,
                least: query.minimum.into(),
                most: query.maximum.into(),
                step: query.step.into(),
                default: query.default_value.into(),
                value: None,
                items: Vec::new(),
                is_read_only: query.flags & V4L2_CTRL_FLAG_READ_ONLY != 0,
                is_inactive: query.flags & V4L2_CTRL_FLAG_INACTIVE != 0,
            };
            if kind == controls::Kind::Heading || query.flags & V4L2_CTRL_FLAG_DISABLED != 0 {
                continue;
            }
            if kind.has_value() && query.flags & V4L2_CTRL_FLAG_WRITE_ONLY == 0 {
                let mut value = v4l2_control {
                    id: query.id,
                    value: 0,
                };
                let read = self.ask(vidioc::VIDIOC_G_CTRL, &mut value);
                control.value = read.is_ok().then_some(value.value.into());
            }
            if kind.is_menu() {
                control.items = self.menu(&query);
            }
            controls.push(control);
        }
        controls
    }

    fn set(&self, id: u32, value: i32) -> io::Result<()> {
        self.ask(vidioc::VIDIOC_S_CTRL, &mut v4l2_control { id, value })
    }
}

impl Node {
    /// The items that a menu has; there may be gaps in their numbers.
    fn menu(&self, query: &v4l2_queryctrl) -> Vec<(i64, String)> {
        let (first, last) = (query.minimum.max(0) as u32, query.maximum.max(0) as u32);
        (first..=last.min(first.saturating_add(MOST_ITEMS)))
            .filter_map(|index| {
                let mut item = v4l2_querymenu {
                    id: query.id,
                    index,
                    ..Plain::zeroed()
                };
                self.ask(vidioc::VIDIOC_QUERYMENU, &mut item).ok()?;
                // The structure is packed: its parts are copied before they are looked at.
                let union = item.__bindgen_anon_1;
                // SAFETY: both parts of the union are integers, and which one is meant is told by the type.
                let name = unsafe {
                    if controls::Kind::of(query.type_) == controls::Kind::Menu {
                        text(&union.name)
                    } else {
                        union.value.to_string()
                    }
                };
                Some((index.into(), name))
            })
            .collect()
    }
}

/// What the driver says of a filled buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// Which buffer.
    pub(super) index: u32,
    /// Bytes of the frame.
    pub(super) bytes_used: usize,
    /// Whether the driver says that the bytes are damaged.
    pub(super) is_damaged: bool,
    /// Counts the frames that the camera sent.
    pub(super) sequence: u32,
    /// How long ago it was taken, where the driver says.
    pub(super) age: Option<Duration>,
}

/// Memory that the driver fills.
struct Mapping {
    start: *mut u8,
    length: usize,
}

// SAFETY: the memory belongs to this value, and nothing in it is bound to a thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this length, unmapped once. An error would leave the memory mapped, which harms no one.
        let _ = unsafe { v4l2::munmap(self.start.cast(), self.length) };
    }
}

/// A camera that streams. Whatever the kernel says at its end is passed over: the node is closed in any case.
pub(super) struct Streaming {
    node: Node,
    buffers: Vec<Mapping>,
}

impl Streaming {
    /// Maps `count` buffers, hands them to the driver and starts.
    pub(super) fn start(node: Node, count: u32) -> io::Result<Self> {
        let mut request = v4l2_requestbuffers {
            count,
            type_: CAPTURE,
            memory: MMAP,
            ..Plain::zeroed()
        };
        node.ask(vidioc::VIDIOC_REQBUFS, &mut request)?;
        let mut streaming = Self {
            node,
            buffers: Vec::new(),
        };
        for index in 0..request.count {
            let mut buffer = Node::buffer(index);
            streaming.node.ask(vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
            let length = buffer.length as usize;
            #[allow(clippy::cast_lossless, reason = "it has 32 bits on some boards")]
            // SAFETY: what QUERYBUF writes for buffers of this kind.
            let offset = unsafe { buffer.m.offset } as libc::off_t;
            // SAFETY: a new mapping of the driver's choice of address, at the offset that the driver gave for MMAP.
            let start = unsafe {
                v4l2::mmap(
                    ptr::null_mut(),
                    length,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    streaming.node.device.handle().fd(),
                    offset,
                )?
            };
            streaming.buffers.push(Mapping {
                start: start.cast(),
                length,
            });
        }
        if streaming.buffers.len() < 2 {
            return Err(io::Error::other("the driver gives no buffers"));
        }
        for index in 0..request.count {
            streaming.queue(index)?;
        }
        streaming
            .node
            .ask(vidioc::VIDIOC_STREAMON, &mut { CAPTURE })?;
        Ok(streaming)
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.node.ask(vidioc::VIDIOC_QBUF, &mut Node::buffer(index))
    }
}

impl Stream for Streaming {
    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        // Rounded up: a rest of a millisecond must not become a loop without waiting.
        let milliseconds = patience.as_nanos().div_ceil(1_000_000);
        let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
        match self.node.device.handle().poll(libc::POLLIN, milliseconds) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        let mut buffer = Node::buffer(0);
        match self.node.ask(vidioc::VIDIOC_DQBUF, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            result => result?,
        }
        let stamp = buffer.timestamp;
        let is_monotonic =
            buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let age = u64::try_from(stamp.tv_sec)
            .ok()
            .zip(u32::try_from(stamp.tv_usec).ok())
            .filter(|&(_, micros)| is_monotonic && micros < 1_000_000)
            .map(|(seconds, micros)| Duration::new(seconds, micros * 1000))
            .and_then(|taken| monotonic().checked_sub(taken));
        Ok(Some(Filled {
            index: buffer.index,
            bytes_used: buffer.bytesused as usize,
            is_damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
            sequence: buffer.sequence,
            age,
        }))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        let Some(mapping) = self.buffers.get(filled.index as usize) else {
            return &[];
        };
        let length = filled.bytes_used.min(mapping.length);
        // SAFETY: inside the mapping, which lives as long as `self`; the driver leaves a buffer alone until it is queued.
        unsafe { slice::from_raw_parts(mapping.start, length) }
    }

    fn give_back(&mut self, filled: Filled) -> io::Result<()> {
        self.queue(filled.index)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let _ = self.node.ask(vidioc::VIDIOC_STREAMOFF, &mut { CAPTURE });
        // The driver frees its buffers only when nobody has them mapped.
        self.buffers.clear();
        let mut nothing = v4l2_requestbuffers {
            type_: CAPTURE,
            memory: MMAP,
            ..Plain::zeroed()
        };
        let _ = self.node.ask(vidioc::VIDIOC_REQBUFS, &mut nothing);
    }
}

/// The machine's monotonic clock, which drivers stamp frames with.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// A C string of fixed length; what is no UTF-8 is replaced.
fn text<T: Copy + TryInto<i32>>(bytes: &[T]) -> String {
    // Characters are signed on some machines and not on others.
    let bytes: Vec<u8> = bytes
        .iter()
        .map_while(|&byte| byte.try_into().ok().map(|byte| byte as u8))
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
