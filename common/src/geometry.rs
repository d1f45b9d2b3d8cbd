//! Boxes and masks in pixels. The origin is the upper left corner of a field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An axis-aligned box in whole pixels. On the wire it is `[x, y, w, h]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width; the box covers the columns `x .. x + w`.
    pub w: u32,
    /// Height; the box covers the rows `y .. y + h`.
    pub h: u32,
}

impl From<[u32; 4]> for Rect {
    fn from([x, y, w, h]: [u32; 4]) -> Self {
        Self { x, y, w, h }
    }
}

impl From<Rect> for [u32; 4] {
    fn from(r: Rect) -> Self {
        [r.x, r.y, r.w, r.h]
    }
}

impl Rect {
    /// The covered area in pixels.
    pub fn area(&self) -> u64 {
        u64::from(self.w) * u64::from(self.h)
    }

    /// One past the last column, without overflow.
    pub fn right(&self) -> u64 {
        u64::from(self.x) + u64::from(self.w)
    }

    /// One past the last row, without overflow.
    pub fn bottom(&self) -> u64 {
        u64::from(self.y) + u64::from(self.h)
    }

    /// Intersection over union, 0 (apart, or both empty) to 1 (equal).
    pub fn iou(&self, other: &Self) -> f64 {
        let w = self
            .right()
            .min(other.right())
            .saturating_sub(u64::from(self.x.max(other.x)));
        let h = self
            .bottom()
            .min(other.bottom())
            .saturating_sub(u64::from(self.y.max(other.y)));
        let intersection = w * h;
        let union = self.area() + other.area() - intersection;
        if union == 0 {
            0.0
        } else {
            intersection as f64 / union as f64
        }
    }

    /// Whether the pixel lies inside the box.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        x >= self.x && y >= self.y && u64::from(x) < self.right() && u64::from(y) < self.bottom()
    }

    /// Whether the box lies within a field of `width` × `height` pixels and touches its edge.
    pub fn touches_edge(&self, width: u32, height: u32) -> bool {
        self.x == 0
            || self.y == 0
            || self.right() >= u64::from(width)
            || self.bottom() >= u64::from(height)
    }
}

/// Which pixels of a box belong to a cell, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    bits: Vec<bool>,
}

impl Mask {
    /// An empty mask of `width` × `height` pixels.
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            bits: vec![false; width as usize * height as usize],
        }
    }

    /// A mask of that width from its pixels, row by row: a whole number of rows.
    pub(crate) fn from_bits(width: u32, bits: Vec<bool>) -> Self {
        Self { width, bits }
    }

    /// Whether the pixel belongs to the cell; `false` outside the mask.
    pub fn get(&self, x: u32, y: u32) -> bool {
        x < self.width
            && self
                .bits
                .get(y as usize * self.width as usize + x as usize)
                .copied()
                .unwrap_or(false)
    }

    /// Marks one pixel; outside the mask nothing happens.
    pub fn set(&mut self, x: u32, y: u32) {
        if x < self.width
            && let Some(bit) = self
                .bits
                .get_mut(y as usize * self.width as usize + x as usize)
        {
            *bit = true;
        }
    }

    /// The number of marked pixels.
    pub fn area(&self) -> u32 {
        self.bits.iter().filter(|&&b| b).count() as u32
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        (self.bits.len() as u32)
            .checked_div(self.width)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn iou_of_equal_half_and_apart() {
        let a = Rect::from([0, 0, 10, 10]);
        assert_eq!(a.iou(&a), 1.0);
        assert!((a.iou(&Rect::from([5, 0, 10, 10])) - 50.0 / 150.0).abs() < 1e-12);
        assert_eq!(a.iou(&Rect::from([20, 20, 5, 5])), 0.0);
        assert_eq!(Rect::from([3, 3, 0, 0]).iou(&Rect::from([3, 3, 0, 0])), 0.0);
    }

    #[test]
    fn a_box_contains_its_first_and_last_pixels() {
        let r = Rect::from([3, 4, 2, 1]);
        for (x, y, inside) in [
            (3, 4, true),
            (4, 4, true),
            (5, 4, false),
            (3, 5, false),
            (2, 4, false),
            (3, 3, false),
        ] {
            assert_eq!(r.contains(x, y), inside, "{x} {y}");
        }
    }

    #[test]
    fn a_mask_forgives_pixels_outside_it() {
        let mut mask = Mask::new(3, 2);
        mask.set(2, 1);
        mask.set(3, 0);
        mask.set(0, 2);
        assert!(mask.get(2, 1));
        assert!(!mask.get(3, 0));
        assert_eq!((mask.area(), mask.width(), mask.height()), (1, 3, 2));
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in any::<[u32; 4]>(), b in any::<[u32; 4]>()) {
            let shrink = |r: [u32; 4]| Rect::from(r.map(|v| v % 1000));
            let (a, b) = (shrink(a), shrink(b));
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0).contains(&iou));
            prop_assert_eq!(iou, b.iou(&a));
        }
    }
}
