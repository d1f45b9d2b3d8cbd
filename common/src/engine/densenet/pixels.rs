//! Packs pixels into the panels that a kernel reads: once as they are needed for a 1 × 1
//! convolution, once for a 3 × 3.
//!
//! Whole vectors are copied. What is written too much at the end of a row of a panel is
//! overwritten by the next row, and what is read too much belongs to other pixels; so sources and
//! panels need [`SLACK`] values more than they hold.

use super::graph::Activation;

/// Values in a vector.
const LANES: usize = 8;

/// How many values more than it holds a source must have, so that whole panels can be read.
pub const SLACK: usize = 256;

/// Some channels of a plane: rows of values, one row after another.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// With [`SLACK`] values more than `channels × pitch`.
    pub values: &'a [f32],
    /// From the beginning of a channel to the next.
    pub pitch: usize,
    /// The first and the number of pixels to pack.
    pub pixels: (usize, usize),
}

/// Calls a function that the compiler may also translate for wider vectors than every machine of
/// its architecture has.
macro_rules! with_wide_vectors {
    ($call:ident$(::<$lanes:ident>)?($($name:ident: $type:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            #[target_feature(enable = "avx2")]
            fn wide$(<const $lanes: usize>)?($($name: $type),*) {
                $call$(::<$lanes>)?($($name),*);
            }
            // SAFETY: this machine has AVX2, as was just seen.
            #[allow(unsafe_code)]
            return unsafe { wide$(::<$lanes>)?($($name),*) };
        }
        $call$(::<$lanes>)?($($name),*)
    }};
}
pub(super) use with_wide_vectors;

/// Packs `max(x · scale + shift, 0)` of the pixels, a row for each channel that `activation` has.
pub fn pack_activated(
    plane: Plane<'_>,
    activation: &Activation,
    (panels, distance): (&mut [f32], usize),
    width: usize,
) {
    #[inline(always)]
    fn pack(
        plane: Plane<'_>,
        activation: &Activation,
        panels: &mut [f32],
        distance: usize,
        width: usize,
    ) {
        match width.div_ceil(LANES) {
            1 => pack_vectors::<1>(plane, activation, panels, distance, width),
            2 => pack_vectors::<2>(plane, activation, panels, distance, width),
            3 => pack_vectors::<3>(plane, activation, panels, distance, width),
            4 => pack_vectors::<4>(plane, activation, panels, distance, width),
            _ => pack_vectors::<0>(plane, activation, panels, distance, width),
        }
    }
    with_wide_vectors!(pack(
        plane: Plane<'_>,
        activation: &Activation,
        panels: &mut [f32],
        distance: usize,
        width: usize
    ));
}

/// With `VECTORS` in a row of a panel; 0 for as many as it takes.
#[inline(always)]
fn pack_vectors<const VECTORS: usize>(
    plane: Plane<'_>,
    activation: &Activation,
    panels: &mut [f32],
    distance: usize,
    width: usize,
) {
    let vectors = if VECTORS == 0 {
        width.div_ceil(LANES)
    } else {
        VECTORS
    };
    let (first, count) = plane.pixels;
    for panel in 0..count.div_ceil(width) {
        let from = &plane.values[first + panel * width..];
        let to = &mut panels[panel * distance..];
        let channels = activation.scale.iter().zip(&activation.shift);
        for (channel, (&scale, &shift)) in channels.enumerate() {
            let from = from[channel * plane.pitch..][..vectors * LANES]
                .as_chunks::<LANES>()
                .0;
            let to = to[channel * width..][..vectors * LANES]
                .as_chunks_mut::<LANES>()
                .0;
            for (to, from) in to.iter_mut().zip(from) {
                for (to, from) in to.iter_mut().zip(from) {
                    let value = from * scale + shift;
                    // Not `max`, which would make a zero of what is not a number.
                    *to = if value < 0.0 { 0.0 } else { value };
                }
            }
        }
    }
}

/// A vector's worth of pixels that lie side by side, in a plane with a border and in a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where they are in the plane.
    pub from: usize,
    /// Where they go in each row of the panel.
    pub to: usize,
}

/// How many pixels a [`Step`] has, for rows of `width`: no more than needed of the usual vectors.
pub fn lanes(width: usize) -> usize {
    if width > 4 { 8 } else { 4 }
}

/// The steps that pack the pixels from `begin` to `end` of rows of `width`, which lie `pitch`
/// apart. What a step has too many is overwritten by the next.
pub fn steps(begin: usize, end: usize, width: usize, pitch: usize, into: &mut Vec<Step>) {
    into.clear();
    let mut pixel = begin;
    while pixel < end {
        let (y, x) = (pixel / width, pixel % width);
        let row_end = end.min(pixel + width - x);
        for first in (pixel..row_end).step_by(lanes(width)) {
            into.push(Step {
                from: y * pitch + x + first - pixel,
                to: first - begin,
            });
        }
        pixel = row_end;
    }
}

/// Where the rows of a plane lie in one that has a border of zeros.
#[derive(Clone, Copy, Debug)]
pub struct Border {
    /// Values of a bordered plane.
    pub size: usize,
    /// From the beginning of a row to the next.
    pub pitch: usize,
    /// Where the first row begins, for planes that take turns.
    pub first: [usize; 4],
}

/// Copies planes of `height × width` into bordered ones. The border is left as it is.
pub fn copy_into_border(
    values: &[f32],
    (height, width): (usize, usize),
    planes: usize,
    bordered: &mut [f32],
    border: &Border,
) {
    #[inline(always)]
    fn copy(
        values: &[f32],
        size: (usize, usize),
        planes: usize,
        bordered: &mut [f32],
        border: &Border,
    ) {
        // For usual widths a row is a few moves; a call of `memcpy` takes longer than they do.
        match size.1 {
            2 => copy_rows::<2>(values, size, planes, bordered, border),
            3 => copy_rows::<3>(values, size, planes, bordered, border),
            4 => copy_rows::<4>(values, size, planes, bordered, border),
            6 => copy_rows::<6>(values, size, planes, bordered, border),
            7 => copy_rows::<7>(values, size, planes, bordered, border),
            8 => copy_rows::<8>(values, size, planes, bordered, border),
            12 => copy_rows::<12>(values, size, planes, bordered, border),
            14 => copy_rows::<14>(values, size, planes, bordered, border),
            16 => copy_rows::<16>(values, size, planes, bordered, border),
            _ => copy_rows::<0>(values, size, planes, bordered, border),
        }
    }
    let size = (height, width);
    with_wide_vectors!(copy(
        values: &[f32],
        size: (usize, usize),
        planes: usize,
        bordered: &mut [f32],
        border: &Border
    ));
}

/// With rows of `WIDTH`; 0 for any.
#[inline(always)]
fn copy_rows<const WIDTH: usize>(
    values: &[f32],
    (height, width): (usize, usize),
    planes: usize,
    bordered: &mut [f32],
    border: &Border,
) {
    for plane in 0..planes {
        let from = &values[plane * height * width..][..height * width];
        let to = &mut bordered[plane * border.size + border.first[plane % 4]..];
        for (y, from) in from.chunks_exact(width).enumerate() {
            let to = &mut to[y * border.pitch..][..width];
            match (to.first_chunk_mut::<WIDTH>(), from.first_chunk::<WIDTH>()) {
                (Some(to), Some(from)) if WIDTH > 0 => *to = *from,
                _ => to.copy_from_slice(from),
            }
        }
    }
}
