//! Where fields come from.

mod pixel;
mod replay;
mod synthetic;
pub mod v4l2;

use jiff::Timestamp;
use smearscope_common::image::RgbImage;
use uuid::Uuid;

use crate::field::Overlap;

pub use pixel::{Colour, DecodeError, FourCc, Layout, PixelFormat};
pub use replay::{Replay, images_of, read_image};
pub use synthetic::Synthetic;
pub use v4l2::{RawFrame, V4l2Camera};

/// One picture of a field.
pub struct Frame {
    /// The id that the field will have.
    pub id: Uuid,
    /// The pixels.
    pub image: RgbImage,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Where it came from: a file name or a camera.
    pub source: String,
    /// The fields before it that it overlaps, where somebody looked.
    pub overlaps: Vec<Overlap>,
    /// Whether only fields that are fit are to join the count.
    pub is_gated: bool,
}

impl Frame {
    /// A picture that is played: taken now, and counted as it is.
    pub fn played(image: RgbImage, source: String) -> Self {
        Self {
            id: Uuid::now_v7(),
            image,
            captured_at: Timestamp::now(),
            source,
            overlaps: Vec::new(),
            is_gated: false,
        }
    }
}

/// A camera, or what stands in for one. It may block.
pub trait Camera: Send {
    /// The next picture; `None` when there will be no more.
    ///
    /// # Errors
    /// When no picture can be had any more; a single bad one is skipped.
    fn next_frame(&mut self) -> anyhow::Result<Option<Frame>>;
}
