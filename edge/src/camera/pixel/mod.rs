//! The bytes of a camera's frame → RGB8, as the driver describes them: stride, matrix and range.

mod bayer;
mod colour;
mod fourcc;
mod jpeg;
mod yuv;

#[cfg(test)]
mod tests;

use smearscope_common::image::{MAX_SIDE, RgbImage};

pub use bayer::Order;
#[cfg(test)]
pub use colour::Matrix;
pub use colour::{Colour, Range};
pub use fourcc::FourCc;

/// How a frame's bytes stand for pixels, among the ways that can be decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// `RGB3`: 3 bytes for each pixel, red first.
    Rgb24,
    /// `BGR3`: 3 bytes for each pixel, blue first.
    Bgr24,
    /// `YUYV`: Y'CbCr 4:2:2, two pixels in 4 bytes.
    Yuyv,
    /// `UYVY`: the same with Cb first.
    Uyvy,
    /// `NV12`: Y'CbCr 4:2:0, a plane of Y' and a plane of CbCr with the same stride behind it.
    Nv12,
    /// `MJPG` or `JPEG`: one JPEG for each frame.
    Jpeg,
    /// 8-bit Bayer: one byte for each pixel, behind red, green and blue filters.
    Bayer(Order),
}

impl PixelFormat {
    /// The format of a V4L2 code; `None` for what can't be decoded here.
    pub fn of(code: FourCc) -> Option<Self> {
        Some(match &code.0 {
            b"RGB3" => Self::Rgb24,
            b"BGR3" => Self::Bgr24,
            b"YUYV" => Self::Yuyv,
            b"UYVY" => Self::Uyvy,
            b"NV12" => Self::Nv12,
            b"MJPG" | b"JPEG" => Self::Jpeg,
            // So named in V4L2 for a reason of its own: SBGGR8.
            b"BA81" => Self::Bayer(Order::Bggr),
            b"GBRG" => Self::Bayer(Order::Gbrg),
            b"GRBG" => Self::Bayer(Order::Grbg),
            b"RGGB" => Self::Bayer(Order::Rggb),
            _ => return None,
        })
    }

    /// Whether the pixels arrive as red, green and blue; else as Y'CbCr.
    pub fn is_rgb(self) -> bool {
        matches!(self, Self::Rgb24 | Self::Bgr24 | Self::Bayer(_))
    }

    /// Bytes of a row of `width` pixels without padding; 0 where there are no rows.
    fn row_bytes(self, width: u32) -> usize {
        let width = width as usize;
        match self {
            Self::Rgb24 | Self::Bgr24 => 3 * width,
            Self::Yuyv | Self::Uyvy => 4 * width.div_ceil(2),
            Self::Nv12 => width.next_multiple_of(2),
            Self::Bayer(_) => width,
            Self::Jpeg => 0,
        }
    }
}

/// Why a frame can't be decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes than the picture has.
    #[error("the frame has {found} bytes, but its picture needs {needed}")]
    Short {
        /// Bytes that came.
        found: usize,
        /// Bytes that the layout asks for.
        needed: usize,
    },
    /// The JPEG has no beginning or no end.
    #[error("the JPEG breaks off before its end ({0} bytes)")]
    BreaksOff(usize),
    /// The JPEG is damaged.
    #[error("the JPEG is damaged: {0}")]
    Damaged(String),
    /// The JPEG has brightness only.
    #[error("the JPEG has no colour, and the stain is told by its colour")]
    Gray,
    /// The JPEG is of another size than the driver says.
    #[error("the JPEG has {found:?} pixels instead of {wanted:?}")]
    Size {
        /// Width and height in the JPEG.
        found: (usize, usize),
        /// Width and height that the driver promised.
        wanted: (u32, u32),
    },
}

/// How the frames of a stream are laid out. Each side has between 2 and [`MAX_SIDE`] pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    format: PixelFormat,
    width: u32,
    height: u32,
    /// Bytes from one row to the next; 0 where there are no rows.
    stride: usize,
    colour: Colour,
}

impl Layout {
    /// The layout that a driver describes. A stride too small for a row is no stride (drivers that know none say 0):
    /// then rows follow each other without a gap.
    ///
    /// `None`, when there is no such picture: a side of less than 2 or more than [`MAX_SIDE`] pixels.
    pub fn new(
        format: PixelFormat,
        (width, height): (u32, u32),
        stride: u32,
        colour: Colour,
    ) -> Option<Self> {
        let sides = 2..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let row = format.row_bytes(width);
        Some(Self {
            format,
            width,
            height,
            stride: if row == 0 {
                0
            } else {
                row.max(stride as usize)
            },
            colour,
        })
    }

    /// The least bytes of a whole frame: the last row may lack its padding. 0 for a JPEG, which tells its own end.
    pub fn bytes_needed(&self) -> usize {
        let row = self.format.row_bytes(self.width);
        if row == 0 {
            return 0;
        }
        let height = self.height as usize;
        let rows = match self.format {
            PixelFormat::Nv12 => height + height.div_ceil(2),
            _ => height,
        };
        (rows - 1) * self.stride + row
    }

    /// Whether all of a frame is there, without decoding it.
    ///
    /// # Errors
    /// [`DecodeError::Short`] and [`DecodeError::BreaksOff`].
    pub fn check(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let (found, needed) = (bytes.len(), self.bytes_needed());
        if self.format == PixelFormat::Jpeg {
            return jpeg::body(bytes).map(|_| ());
        }
        if found < needed {
            return Err(DecodeError::Short { found, needed });
        }
        Ok(())
    }

    /// The picture.
    ///
    /// # Errors
    /// [`DecodeError`], when bytes are missing or damaged.
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
        self.check(bytes)?;
        let size = (self.width, self.height);
        let mut pixels = vec![0; 3 * self.width as usize * self.height as usize];
        let rows = Rows {
            bytes,
            stride: self.stride,
            length: self.format.row_bytes(self.width),
        };
        let width = self.width as usize;
        match self.format {
            PixelFormat::Rgb24 => rows.into_rgb(&mut pixels, width, |pixel| pixel),
            PixelFormat::Bgr24 => rows.into_rgb(&mut pixels, width, |[b, g, r]| [r, g, b]),
            PixelFormat::Yuyv => yuv::yuyv(rows, &mut pixels, width, self.colour),
            PixelFormat::Uyvy => yuv::uyvy(rows, &mut pixels, width, self.colour),
            PixelFormat::Nv12 => yuv::nv12(rows, &mut pixels, width, self.colour),
            PixelFormat::Bayer(order) => bayer::demosaic(rows, &mut pixels, width, order),
            PixelFormat::Jpeg => jpeg::decode(bytes, size, &mut pixels)?,
        }
        if self.format.is_rgb() && self.colour.range == Range::Limited {
            colour::widen(&mut pixels);
        }
        Ok(RgbImage::from_raw(self.width, self.height, pixels)
            .expect("three bytes were made for each pixel"))
    }
}

/// The rows of a frame that is whole.
#[derive(Clone, Copy)]
struct Rows<'a> {
    bytes: &'a [u8],
    stride: usize,
    /// Bytes of a row without padding.
    length: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        &self.bytes[y * self.stride..][..self.length]
    }

    fn into_rgb(self, pixels: &mut [u8], width: usize, order: impl Fn([u8; 3]) -> [u8; 3]) {
        for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
            let (from, _) = self.row(y).as_chunks::<3>();
            let (to, _) = out.as_chunks_mut::<3>();
            for (from, to) in from.iter().zip(to) {
                *to = order(*from);
            }
        }
    }
}
