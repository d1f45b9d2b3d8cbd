//! Where fields come from.

mod pixel;
mod replay;
mod synthetic;
pub mod v4l2;

use jiff::Timestamp;
use smearscope_common::image::RgbImage;

pub use pixel::{Colour, FourCc, Layout, PixelFormat};
pub use replay::{Replay, images_of, read_image};
pub use synthetic::Synthetic;
pub use v4l2::{RawFrame, V4l2Camera};

/// One picture of a field.
pub struct Frame {
    /// The pixels.
    pub image: RgbImage,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Where it came from: a file name or a camera.
    pub source: String,
}

/// A camera, or what stands in for one. It may block.
pub trait Camera: Send {
    /// The next picture; `None` when there will be no more.
    ///
    /// # Errors
    /// When no picture can be had any more; a single bad one is skipped.
    fn next_frame(&mut self) -> anyhow::Result<Option<Frame>>;
}
