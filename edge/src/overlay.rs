//! Draws what was found over a field.

use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage};
use smearscope_common::message::{FieldAnalysis, Label};
use smearscope_common::score::Errors;

/// Vermilion, blue and gray: apart for colour-blind eyes too, and by their thickness.
const PARASITIZED: (Rgb<u8>, u32) = (Rgb([213, 94, 0]), 4);
const UNINFECTED: (Rgb<u8>, u32) = (Rgb([0, 114, 178]), 2);
const OTHER: (Rgb<u8>, u32) = (Rgb([128, 128, 128]), 1);

/// What is wrong, seen against the truth.
const MISSED: (Rgb<u8>, u32) = (Rgb([255, 0, 0]), 2);
const SPURIOUS: (Rgb<u8>, u32) = (Rgb([255, 0, 255]), 2);

/// The least side of the box around a missed thing: a centre is a single pixel.
const LEAST_MISSED: u32 = 15;

/// Boxes every cell: thick vermilion with a mark in the middle of each side for parasitized, blue
/// for uninfected, thin gray for what is not counted.
pub fn draw(field: &mut RgbImage, analysis: &FieldAnalysis) {
    for other in &analysis.others {
        frame(field, other.bbox, OTHER);
    }
    for cell in &analysis.cells {
        match cell.label {
            Label::Uninfected => frame(field, cell.bbox, UNINFECTED),
            Label::Parasitized => {
                frame(field, cell.bbox, PARASITIZED);
                for mark in marks(cell.bbox) {
                    fill(field, mark, PARASITIZED.0);
                }
            }
        }
    }
}

/// Draws what went wrong over [`draw`]'s boxes: a crossed-out red box around what is labelled and was missed or
/// taken for something else, a magenta one around the box of a counted cell that is nothing labelled. The cross
/// and the double box tell them from all others without their colours too.
pub fn draw_errors(field: &mut RgbImage, errors: &Errors) {
    for &spurious in &errors.spurious {
        frame(field, grown(spurious, SPURIOUS.1), SPURIOUS);
    }
    for &missed in &errors.missed {
        let short = LEAST_MISSED.saturating_sub(missed.w.min(missed.h));
        let r = grown(missed, short.div_ceil(2));
        frame(field, r, MISSED);
        let longest = r.w.max(r.h).max(2) - 1;
        for step in 0..=longest {
            let (dx, dy) = ((r.w - 1) * step / longest, (r.h - 1) * step / longest);
            for x in [r.x + dx, r.x + r.w - 1 - dx] {
                fill(field, [x, r.y + dy, 1, 1].into(), MISSED.0);
            }
        }
    }
}

/// A box larger by some pixels on each side, as far as there are any to the left and above.
fn grown(r: Rect, by: u32) -> Rect {
    let (x, y) = (r.x.saturating_sub(by), r.y.saturating_sub(by));
    Rect {
        x,
        y,
        w: r.x - x + r.w + by,
        h: r.y - y + r.h + by,
    }
}

/// The outline of a box, inside it.
fn frame(field: &mut RgbImage, r: Rect, (colour, thickness): (Rgb<u8>, u32)) {
    let t = thickness.min(r.w).min(r.h);
    let sides = [
        [r.x, r.y, r.w, t],
        [r.x, r.y + r.h - t, r.w, t],
        [r.x, r.y, t, r.h],
        [r.x + r.w - t, r.y, t, r.h],
    ];
    for side in sides {
        fill(field, side.into(), colour);
    }
}

/// Short bars that reach inwards from the middle of each side.
fn marks(r: Rect) -> [Rect; 4] {
    let t = PARASITIZED.1.min(r.w).min(r.h);
    let (reach_x, reach_y) = (r.w / 6, r.h / 6);
    let (x, y) = (r.x + (r.w - t) / 2, r.y + (r.h - t) / 2);
    [
        [x, r.y, t, reach_y],
        [x, r.y + r.h - reach_y, t, reach_y],
        [r.x, y, reach_x, t],
        [r.x + r.w - reach_x, y, reach_x, t],
    ]
    .map(Rect::from)
}

/// Fills a box as far as it lies in the picture.
fn fill(field: &mut RgbImage, r: Rect, colour: Rgb<u8>) {
    let right = r.right().min(u64::from(field.width())) as u32;
    let bottom = r.bottom().min(u64::from(field.height())) as u32;
    for y in r.y..bottom {
        for x in r.x..right {
            field.put_pixel(x, y, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smearscope_common::message::{CellResult, Quality, TimingMs};
    use smearscope_common::parasitemia::Counts;
    use smearscope_common::segment::{Other, OtherKind};

    fn analysis(boxes: &[[u32; 4]], label: Label) -> FieldAnalysis {
        FieldAnalysis {
            width: 40,
            height: 30,
            quality: Quality {
                focus: 1.0,
                exposure: 1.0,
                crowded: false,
                cell_diameter: None,
                objective_too_low: false,
            },
            cells: boxes
                .iter()
                .map(|&b| CellResult {
                    bbox: b.into(),
                    label,
                    p_parasitized: 0.5,
                    counted_before: false,
                })
                .collect(),
            others: boxes
                .iter()
                .map(|&b| Other {
                    bbox: b.into(),
                    kind: OtherKind::Debris,
                })
                .collect(),
            counts: Counts::default(),
            timing_ms: TimingMs::default(),
        }
    }

    fn drawn(boxes: &[[u32; 4]], label: Label) -> RgbImage {
        let mut field = RgbImage::new(40, 30);
        draw(&mut field, &analysis(boxes, label));
        field
    }

    #[test]
    fn parasitized_differs_in_colour_and_thickness() {
        let infected = drawn(&[[5, 5, 20, 20]], Label::Parasitized);
        let healthy = drawn(&[[5, 5, 20, 20]], Label::Uninfected);
        assert_eq!(infected.get_pixel(5, 5), &PARASITIZED.0);
        assert_eq!(healthy.get_pixel(5, 5), &UNINFECTED.0);
        assert_eq!(infected.get_pixel(8, 10), &PARASITIZED.0);
        assert_eq!(healthy.get_pixel(8, 10), &Rgb([0; 3]));
        assert_eq!(healthy.get_pixel(24, 24), &UNINFECTED.0);
        assert_eq!(healthy.get_pixel(25, 25), &Rgb([0; 3]));
    }

    #[test]
    fn what_was_missed_is_crossed_out_and_what_is_spurious_framed_twice() {
        let mut field = RgbImage::new(60, 60);
        draw_errors(
            &mut field,
            &Errors {
                missed: vec![Rect::from([30, 30, 1, 1]), Rect::from([2, 38, 20, 20])],
                spurious: vec![Rect::from([10, 10, 10, 10])],
            },
        );
        // A centre became a box of 15 pixels around it.
        for (x, y) in [(23, 23), (37, 37), (23, 30), (30, 30), (2, 38), (12, 48)] {
            assert_eq!(field.get_pixel(x, y), &MISSED.0, "{x} {y}");
        }
        assert_eq!(field.get_pixel(38, 38), &Rgb([0; 3]));
        // Around the cell's own box, which stays as it is.
        for (x, y) in [(8, 8), (9, 9), (21, 21)] {
            assert_eq!(field.get_pixel(x, y), &SPURIOUS.0, "{x} {y}");
        }
        assert_eq!(field.get_pixel(10, 10), &Rgb([0; 3]));
    }

    proptest! {
        #[test]
        fn boxes_anywhere_do_no_harm(b in any::<[u32; 4]>(), label in any::<bool>()) {
            let b = b.map(|v| v % 64);
            let errors = Errors { missed: vec![b.into()], spurious: vec![b.into()] };
            draw_errors(&mut RgbImage::new(40, 30), &errors);
            drawn(&[b], if label { Label::Parasitized } else { Label::Uninfected });
        }
    }
}
