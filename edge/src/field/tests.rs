//! The gate on drawn fields and slides; on real ones in `tests/field_gate.rs` of this crate.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use smearscope_common::geometry::Rect;
use smearscope_common::image::{Rgb, RgbImage};
use smearscope_common::segment::segment;
use smearscope_common::synth::{SmearSpec, SyntheticSlide};

use super::*;

const FIELD: [u32; 2] = [640, 480];

/// A slide of this size under an objective that shows a cell 38 pixels wide.
fn slide(width: u32, height: u32, seed: u64) -> SyntheticSlide {
    let cells = 480.0 * (f64::from(width) * f64::from(height)) / (1280.0 * 960.0);
    let spec = SmearSpec {
        width,
        height,
        cells: cells as u32,
        cell_diameter: 38.0,
        blur: 1.5,
        ..SmearSpec::default()
    };
    SyntheticSlide::new(&spec, seed)
}

/// A gate with a clock that the test moves.
struct Stage {
    gate: Gate,
    now: Instant,
}

impl Stage {
    fn new(options: GateOptions) -> Self {
        Self {
            gate: Gate::new(options),
            now: Instant::now(),
        }
    }

    /// Looks so many milliseconds after the last look.
    fn after(&mut self, ms: u64, image: &RgbImage) -> Look {
        self.now += Duration::from_millis(ms);
        self.gate.look(image, self.now)
    }

    /// What a frame that is held still for long enough is.
    fn held(&mut self, image: &RgbImage) -> Look {
        self.after(100, image);
        self.after(400, image)
    }
}

fn window(x: u32, y: u32) -> Rect {
    Rect::from([x, y, FIELD[0], FIELD[1]])
}

#[test]
fn a_field_is_new_once_it_stood_still_and_seen_before_once_it_is_accepted() {
    let slide = slide(1000, 700, 1);
    let mut stage = Stage::new(GateOptions::default());
    let frame = |seed| slide.field(window(100, 100), [1.0; 3], seed);
    for (ms, verdict) in [
        (0, Verdict::Moving),
        (299, Verdict::Moving),
        (1, Verdict::New),
    ] {
        assert_eq!(stage.after(ms, &frame(ms)).verdict, verdict, "{ms}");
    }
    let field = Uuid::now_v7();
    stage.gate.accept(field);
    // Nothing was looked at since.
    stage.gate.accept(Uuid::now_v7());
    let again = stage.after(40, &frame(7));
    assert_eq!(again.verdict, Verdict::SeenBefore);
    let overlap = again.overlaps[0];
    assert_eq!(
        (overlap.field, overlap.confidence),
        (field, Confidence::Sure)
    );
    assert!(overlap.share > 0.99 && overlap.dx.abs() < 1.0 && overlap.dy.abs() < 1.0);
    stage.gate.clear();
    assert_eq!(stage.after(40, &frame(8)).verdict, Verdict::New);
}

#[test]
fn what_moves_is_told_with_its_distance() {
    let slide = slide(1900, 700, 2);
    let mut stage = Stage::new(GateOptions::default());
    let frame = |x, seed| slide.field(window(x, 50), [1.0; 3], seed);
    assert_eq!(stage.held(&frame(100, 0)).verdict, Verdict::New);
    for (i, x) in [110, 140, 250, 450].into_iter().enumerate() {
        let before = [100, 110, 140, 250][i];
        let look = stage.after(40, &frame(x, x.into()));
        assert_eq!(look.verdict, Verdict::Moving, "{x}");
        let motion = look.motion.unwrap();
        assert!((motion - (x - before) as f32).abs() < 2.0, "{motion}");
    }
    // So far that nothing of the last place is left.
    let look = stage.after(500, &slide.field(window(1240, 220), [1.0; 3], 3));
    assert_eq!((look.verdict, look.motion), (Verdict::Moving, None));
    assert_eq!(
        stage
            .after(299, &slide.field(window(1240, 220), [1.0; 3], 4))
            .verdict,
        Verdict::Moving
    );
    let look = stage.after(1, &slide.field(window(1241, 220), [1.0; 3], 5));
    assert_eq!(look.verdict, Verdict::New, "a pixel is nothing");
}

#[test]
fn drifting_light_is_neither_motion_nor_a_new_field() {
    let slide = slide(1000, 700, 3);
    let mut stage = Stage::new(GateOptions::default());
    let drift = |i: u64| {
        let part = i as f32 / 40.0;
        slide.field(
            window(100, 100),
            [1.0 - 0.3 * part, 1.0 - 0.4 * part, 1.0 - 0.1 * part],
            i,
        )
    };
    let first = stage.held(&drift(0));
    assert_eq!(first.verdict, Verdict::New);
    stage.gate.accept(Uuid::now_v7());
    for i in 1..=40 {
        let look = stage.after(40, &drift(i));
        assert_eq!(look.verdict, Verdict::SeenBefore, "{i}: {look:?}");
        assert!(
            (look.focus / first.focus - 1.0).abs() < 0.15,
            "{i}: {look:?}"
        );
    }
}

#[test]
fn grain_hardly_changes_the_focus_figure() {
    let of = |noise| {
        let spec = SmearSpec {
            noise,
            ..SmearSpec::default()
        };
        let image = smearscope_common::synth::smear(&spec, 1).image;
        Gate::new(GateOptions::default())
            .look(&image, Instant::now())
            .focus
    };
    let clean = of(0.0);
    for (noise, tolerance) in [(2.0, 0.1), (5.0, 0.15), (8.0, 0.25)] {
        let noisy = of(noise);
        assert!(
            (noisy / clean - 1.0).abs() < tolerance,
            "{noise}: {noisy}, {clean}"
        );
    }
}

#[test]
fn each_fault_has_its_verdict() {
    let slide = slide(1000, 700, 4);
    let good = slide.field(window(100, 100), [1.0; 3], 1);
    let verdict = |image: &RgbImage| {
        let mut stage = Stage::new(GateOptions::default());
        let look = stage.held(image);
        let words = look.words(&GateOptions::default());
        assert!(words.ends_with('.') && words.len() > 10, "{words}");
        look.verdict
    };
    assert_eq!(verdict(&good), Verdict::New);
    let dim = slide.field(window(100, 100), [0.25; 3], 1);
    assert_eq!(verdict(&dim), Verdict::TooDark);
    let burnt = slide.field(window(100, 100), [1.8; 3], 1);
    assert_eq!(verdict(&burnt), Verdict::TooBright);
    let soft = {
        let spec = SmearSpec {
            blur: 14.0,
            cell_diameter: 38.0,
            width: FIELD[0],
            height: FIELD[1],
            ..SmearSpec::default()
        };
        smearscope_common::synth::smear(&spec, 4).image
    };
    assert_eq!(verdict(&soft), Verdict::OutOfFocus);
    // Vignetting and grain alone are nothing to see.
    let empty = {
        let spec = SmearSpec {
            cells: 0,
            platelets: 1,
            illumination: 0.5,
            ..SmearSpec::default()
        };
        smearscope_common::synth::smear(&spec, 4).image
    };
    assert_eq!(verdict(&empty), Verdict::Blank);
    let packed = {
        let spec = SmearSpec {
            cells: 3000,
            overlap: 1.0,
            ..SmearSpec::default()
        };
        let mut image = smearscope_common::synth::smear(&spec, 4).image;
        // Cells upon cells but for a few gaps.
        let stained = *image.get_pixel(0, 0);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if (x / 40 + y / 40) % 12 != 0 && pixel[1] > 170 {
                *pixel = Rgb([stained[0].min(180), 130 + (x * y % 9) as u8, 140]);
            }
        }
        image
    };
    assert_eq!(verdict(&packed), Verdict::Crowded);
}

/// Scans a slide as a technician does: to and fro, with a fifth of each field in the next, not quite straight, under a
/// lamp that drifts. Returns the cells counted and those that any field shows whole.
fn scan(seed: u64) -> (usize, usize) {
    const COLUMNS: u32 = 6;
    const ROWS: u32 = 4;
    let step = FIELD.map(|side| side * 4 / 5);
    let size = [0, 1].map(|i| step[i] * ([COLUMNS, ROWS][i] - 1) + FIELD[i] + 40);
    let slide = slide(size[0], size[1], seed);
    let options = GateOptions::default();
    let mut counted = CountedCells::new(options.remembered);
    let mut stage = Stage::new(options);
    let mut total = 0;
    let mut windows: Vec<Rect> = Vec::new();
    for i in 0..COLUMNS * ROWS {
        let row = i / COLUMNS;
        let column = if row % 2 == 0 {
            i % COLUMNS
        } else {
            COLUMNS - 1 - i % COLUMNS
        };
        let jitter = [7 * i % 41, 11 * i % 37];
        let at = window(column * step[0] + jitter[0], row * step[1] + jitter[1]);
        let gain = [0, 1, 2].map(|c| 1.0 - 0.008 * (i as f32) * (1.0 + c as f32 / 4.0));
        let mut frames = (0..3).map(|n| slide.field(at, gain, u64::from(3 * i + n)));
        if let Some(before) = windows.last() {
            let between = window((before.x + at.x) / 2, (before.y + at.y) / 2);
            let look = stage.after(50, &slide.field(between, gain, 1000 + u64::from(i)));
            assert_eq!(look.verdict, Verdict::Moving, "{i}");
        }
        let arrived = stage.after(50, &frames.next().unwrap());
        assert_eq!(arrived.verdict, Verdict::Moving, "{i}");
        let image = frames.next().unwrap();
        let look = stage.after(400, &image);
        assert_eq!(look.verdict, Verdict::New, "{i}: {look:?}");
        for overlap in &look.overlaps {
            let there = windows[usize::try_from(overlap.field.as_u128()).unwrap()];
            let (dx, dy) = (there.x as f32 - at.x as f32, there.y as f32 - at.y as f32);
            let off = (overlap.dx - dx).hypot(overlap.dy - dy);
            assert!(
                off < 2.0 || overlap.confidence == Confidence::Weak,
                "{i}: {overlap:?} is {dx} {dy}"
            );
        }
        let id = Uuid::from_u128(u128::from(i));
        stage.gate.accept(id);
        assert_eq!(
            stage.after(50, &frames.next().unwrap()).verdict,
            Verdict::SeenBefore,
            "{i}"
        );
        let cells: Vec<Rect> = segment(&image).cells.iter().map(|cell| cell.bbox).collect();
        total += counted
            .fresh(&look.overlaps, &cells)
            .iter()
            .filter(|&&fresh| fresh)
            .count();
        counted.remember(id, cells);
        windows.push(at);
    }
    let whole_in = |cell: &Rect, at: &Rect| {
        cell.x > at.x && cell.y > at.y && cell.right() < at.right() && cell.bottom() < at.bottom()
    };
    let truth = slide
        .truth()
        .iter()
        .filter(|thing| thing.kind.is_red_cell())
        .filter(|thing| windows.iter().any(|at| whole_in(&thing.bbox, at)))
        .count();
    (total, truth)
}

#[test]
fn a_slide_scanned_with_a_fifth_of_overlap_is_counted_within_two_percent() {
    for seed in 1..=3 {
        let (total, truth) = scan(seed);
        assert!(truth > 1500, "{truth}");
        let off = total as f64 / truth as f64 - 1.0;
        assert!(off.abs() < 0.02, "{seed}: {total} of {truth}");
    }
}

#[test]
fn a_scale_bar_and_dust_in_each_frame_join_no_fields() {
    let slide = slide(2000, 1500, 6);
    let spots = SmearSpec {
        width: FIELD[0],
        height: FIELD[1],
        cells: 12,
        cell_diameter: 20.0,
        noise: 0.0,
        ..SmearSpec::default()
    };
    let dust = smearscope_common::synth::smear(&spots, 9).image;
    let frame = |x, y| {
        let mut image = slide.field(window(x, y), [1.0; 3], u64::from(x + y));
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let shade = f32::from(dust.get_pixel(x, y)[1]) / 225.0;
            *pixel = Rgb(pixel.0.map(|v| (f32::from(v) * shade) as u8));
            if (430..620).contains(&x) && (440..450).contains(&y) {
                *pixel = Rgb([0; 3]);
            }
        }
        image
    };
    let mut stage = Stage::new(GateOptions::default());
    for (x, y) in [(0, 0), (700, 0), (0, 600), (700, 600), (1350, 1000)] {
        let look = stage.held(&frame(x, y));
        assert_eq!(look.verdict, Verdict::New, "{look:?}");
        assert!(look.overlaps.is_empty(), "{look:?}");
        stage.gate.accept(Uuid::now_v7());
    }
}

#[test]
fn the_oldest_field_is_forgotten_and_none_may_be_remembered() {
    let slide = slide(2000, 700, 7);
    let frame = |x| slide.field(window(x, 50), [1.0; 3], x.into());
    let options = |remembered| GateOptions {
        remembered,
        ..GateOptions::default()
    };
    for (remembered, last) in [
        (0, Verdict::New),
        (1, Verdict::New),
        (2, Verdict::SeenBefore),
    ] {
        let mut stage = Stage::new(options(remembered));
        for x in [0, 1300] {
            assert_eq!(stage.held(&frame(x)).verdict, Verdict::New);
            stage.gate.accept(Uuid::now_v7());
        }
        assert_eq!(stage.held(&frame(0)).verdict, last, "{remembered}");
    }
}

#[test]
fn a_known_size_of_the_cells_gives_the_focus_figure_the_unit_of_the_analysis() {
    // Cells twice as wide as a frame of that size has them as a rule.
    let spec = SmearSpec {
        cell_diameter: 150.0,
        cells: 30,
        noise: 0.0,
        blur: 6.0,
        ..SmearSpec::default()
    };
    let image = smearscope_common::synth::smear(&spec, 1).image;
    let found = segment(&image);
    let quality = smearscope_common::segment::quality(&image, &found, 32.0);
    let mut gate = Gate::new(GateOptions::default());
    let before = gate.look(&image, Instant::now()).focus;
    gate.cells_measure(found.cell_diameter.unwrap());
    let after = gate.look(&image, Instant::now()).focus;
    assert!(
        (after / quality.focus - 1.0).abs() < 0.1,
        "{after}, {quality:?}"
    );
    assert!(before < 0.7 * after, "{before}, {after}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pictures_of_any_size_get_an_answer(
        frames in proptest::collection::vec((0u32..70, 0u32..70, any::<u64>(), 0usize..4), 1..6),
        diameter in any::<f32>(),
    ) {
        let mut gate = Gate::new(GateOptions { still_ms: 0, min_focus: 0.0, ..GateOptions::default() });
        gate.cells_measure(diameter);
        let now = Instant::now();
        for (width, height, seed, kind) in frames {
            let image = RgbImage::from_fn(width, height, |x, y| match kind {
                0 => Rgb([(seed % 256) as u8; 3]),
                1 => Rgb([255 * ((x + y) % 2) as u8; 3]),
                _ => {
                    let mixed = (u64::from(x * 71 + y) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    Rgb(mixed.to_be_bytes()[..3].try_into().unwrap())
                }
            });
            for _ in 0..2 {
                let look = gate.look(&image, now);
                prop_assert!(look.focus.is_finite() && look.focus >= 0.0);
                prop_assert!((0.0..=1.0).contains(&look.exposure) && (0.0..=1.0).contains(&look.stained));
                for overlap in &look.overlaps {
                    prop_assert!((0.0..=1.0).contains(&overlap.share));
                    prop_assert!(overlap.dx.abs() <= width as f32 && overlap.dy.abs() <= height as f32);
                }
            }
            gate.accept(Uuid::now_v7());
        }
    }

    #[test]
    fn a_shifted_crop_has_its_shift(x in 0u32..=400, y in 0u32..=300, seed in 0u64..4) {
        // Half of a frame in common, at the least.
        prop_assume!((1.0 - f64::from(x) / 640.0) * (1.0 - f64::from(y) / 480.0) > 0.3);
        let slide = slide(1040, 780, 10 + seed);
        let mut stage = Stage::new(GateOptions::default());
        stage.held(&slide.field(window(400 - x, 300 - y), [1.0; 3], 1));
        stage.gate.accept(Uuid::now_v7());
        let look = stage.held(&slide.field(window(400, 300), [0.9, 0.85, 0.8], 2));
        let overlap = look.overlaps.first().expect("a third is in common");
        prop_assert_eq!(overlap.confidence, Confidence::Sure);
        let off = (overlap.dx + x as f32).hypot(overlap.dy + y as f32);
        prop_assert!(off < 1.0, "{:?} is {} {}", overlap, x, y);
    }
}
