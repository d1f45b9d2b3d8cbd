//! Y'CbCr → R'G'B' by the matrix and range of the stream.
//!
//! Kr and Kb are those of ITU-R BT.601-7, BT.709-6 and BT.2020-2 and of SMPTE 240M; what a driver means by "default"
//! follows the macros V4L2_MAP_YCBCR_ENC_DEFAULT and V4L2_MAP_QUANTIZATION_DEFAULT of linux/videodev2.h.

/// Which mixture of red, green and blue is Y'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, also that of JPEG and sYCC.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
    /// SMPTE 240M.
    Smpte240m,
}

impl Matrix {
    /// The shares of red and blue in Y'.
    fn kr_kb(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Smpte240m => (0.212, 0.087),
        }
    }
}

/// Which values stand for black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 0 and 255.
    Full,
    /// 16 and 235; Cb and Cr go from 16 to 240.
    Limited,
}

/// How values of a stream stand for colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// For Y'CbCr; RGB has no use for it.
    pub matrix: Matrix,
    /// For all of them.
    pub range: Range,
}

// linux/videodev2.h, as the kernel writes them.
const COLORSPACE_SMPTE240M: u32 = 2;
const COLORSPACE_REC709: u32 = 3;
const COLORSPACE_JPEG: u32 = 7;
const COLORSPACE_BT2020: u32 = 10;
const COLORSPACE_DCI_P3: u32 = 12;
const YCBCR_ENC_601: u32 = 1;
const YCBCR_ENC_709: u32 = 2;
const YCBCR_ENC_XV601: u32 = 3;
const YCBCR_ENC_XV709: u32 = 4;
const YCBCR_ENC_SYCC: u32 = 5;
const YCBCR_ENC_BT2020: u32 = 6;
const YCBCR_ENC_BT2020_CONST_LUM: u32 = 7;
const YCBCR_ENC_SMPTE240M: u32 = 8;
const QUANTIZATION_FULL_RANGE: u32 = 1;
const QUANTIZATION_LIM_RANGE: u32 = 2;

impl Colour {
    /// What the fields `colorspace`, `ycbcr_enc` and `quantization` of a V4L2 format mean together. A value that is
    /// none of V4L2's counts as "default".
    pub fn of_driver(is_rgb: bool, colorspace: u32, ycbcr_enc: u32, quantization: u32) -> Self {
        let matrix = match ycbcr_enc {
            YCBCR_ENC_601 | YCBCR_ENC_XV601 | YCBCR_ENC_SYCC => Matrix::Bt601,
            YCBCR_ENC_709 | YCBCR_ENC_XV709 => Matrix::Bt709,
            YCBCR_ENC_BT2020 | YCBCR_ENC_BT2020_CONST_LUM => Matrix::Bt2020,
            YCBCR_ENC_SMPTE240M => Matrix::Smpte240m,
            _ => match colorspace {
                COLORSPACE_REC709 | COLORSPACE_DCI_P3 => Matrix::Bt709,
                COLORSPACE_BT2020 => Matrix::Bt2020,
                COLORSPACE_SMPTE240M => Matrix::Smpte240m,
                _ => Matrix::Bt601,
            },
        };
        let range = match quantization {
            QUANTIZATION_FULL_RANGE => Range::Full,
            QUANTIZATION_LIM_RANGE => Range::Limited,
            _ if is_rgb || colorspace == COLORSPACE_JPEG => Range::Full,
            _ => Range::Limited,
        };
        Self { matrix, range }
    }
}

/// Bits behind the point.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);

/// The conversion of one stream in fixed point: exact to 1/1000 of a step before it is rounded.
#[derive(Clone, Copy)]
pub(super) struct Conversion {
    black: i32,
    y: i32,
    cr_to_r: i32,
    cb_to_g: i32,
    cr_to_g: i32,
    cb_to_b: i32,
}

/// What a pair of Cb and Cr adds to red, green and blue.
#[derive(Clone, Copy)]
pub(super) struct Chroma {
    r: i32,
    g: i32,
    b: i32,
}

impl Conversion {
    pub(super) fn new(colour: Colour) -> Self {
        let (black, y, chroma) = match colour.range {
            Range::Full => (0, 1.0, 1.0),
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let (kr, kb) = colour.matrix.kr_kb();
        let kg = 1.0 - kr - kb;
        let fixed = |factor: f64| (factor * f64::from(1 << BITS)).round() as i32;
        Self {
            black,
            y: fixed(y),
            cr_to_r: fixed(chroma * 2.0 * (1.0 - kr)),
            cb_to_g: fixed(chroma * 2.0 * kb * (1.0 - kb) / kg),
            cr_to_g: fixed(chroma * 2.0 * kr * (1.0 - kr) / kg),
            cb_to_b: fixed(chroma * 2.0 * (1.0 - kb)),
        }
    }

    #[inline]
    pub(super) fn chroma(&self, cb: u8, cr: u8) -> Chroma {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        Chroma {
            r: self.cr_to_r * cr + HALF,
            g: HALF - self.cb_to_g * cb - self.cr_to_g * cr,
            b: self.cb_to_b * cb + HALF,
        }
    }

    #[inline]
    pub(super) fn rgb(&self, y: u8, chroma: Chroma) -> [u8; 3] {
        let y = self.y * (i32::from(y) - self.black);
        [chroma.r, chroma.g, chroma.b].map(|add| ((y + add) >> BITS).clamp(0, 255) as u8)
    }
}

/// RGB of 16 to 235 becomes RGB of 0 to 255.
pub(super) fn widen(pixels: &mut [u8]) {
    let table: [u8; 256] = std::array::from_fn(|value| {
        let wide = (value as f64 - 16.0) * 255.0 / 219.0;
        wide.round().clamp(0.0, 255.0) as u8
    });
    for value in pixels {
        *value = table[usize::from(*value)];
    }
}
