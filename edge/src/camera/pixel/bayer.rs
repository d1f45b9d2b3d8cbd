//! Demosaicing by bilinear interpolation: each missing colour is the mean of its nearest neighbours.

use super::Rows;

/// The colours of the first two pixels of the first two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Blue, green; green, red. V4L2's `BA81`.
    Bggr,
    /// Green, blue; red, green.
    Gbrg,
    /// Green, red; blue, green.
    Grbg,
    /// Red, green; green, blue.
    Rggb,
}

impl Order {
    /// Where red is: its column and row, each 0 or 1. Blue is diagonal to it.
    fn red(self) -> (usize, usize) {
        match self {
            Self::Rggb => (0, 0),
            Self::Grbg => (1, 0),
            Self::Gbrg => (0, 1),
            Self::Bggr => (1, 1),
        }
    }
}

/// Both sides have at least 2 pixels. At the border the neighbours are mirrored, which keeps their colours.
pub(super) fn demosaic(rows: Rows<'_>, pixels: &mut [u8], width: usize, order: Order) {
    let height = pixels.len() / (3 * width);
    let (red_x, red_y) = order.red();
    for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let above = rows.row(if y == 0 { 1 } else { y - 1 });
        let here = rows.row(y);
        let below = rows.row(if y + 1 == height { y - 1 } else { y + 1 });
        let is_red_row = y % 2 == red_y;
        let (out, _) = out.as_chunks_mut::<3>();
        for (x, out) in out.iter_mut().enumerate() {
            let left = if x == 0 { 1 } else { x - 1 };
            let right = if x + 1 == width { x - 1 } else { x + 1 };
            let mean2 = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
            let mean4 = |v: [u8; 4]| ((v.map(u16::from).iter().sum::<u16>() + 2) / 4) as u8;
            let own = here[x];
            let across = mean2(here[left], here[right]);
            let upright = mean2(above[x], below[x]);
            let is_red_column = x % 2 == red_x;
            *out = match (is_red_row, is_red_column) {
                (true, false) => [across, own, upright],
                (false, true) => [upright, own, across],
                (is_red, _) => {
                    let green = mean4([here[left], here[right], above[x], below[x]]);
                    let corner = mean4([above[left], above[right], below[left], below[right]]);
                    if is_red {
                        [own, green, corner]
                    } else {
                        [corner, green, own]
                    }
                }
            };
        }
    }
}
