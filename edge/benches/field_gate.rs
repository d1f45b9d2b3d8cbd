//! How long the field gate looks at a frame of 1280 × 720 pixels.
//!
//! ```text
//! cargo bench -p smearscope-edge --bench field_gate
//! ```
//!
//! Sixteen fields are remembered. `moving`: each frame shows another place. `still`: a picture goes on standing still,
//! whose place is known. `arrived`: the first still frame, which is compared with all sixteen; half of them overlap it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use smearscope_common::geometry::Rect;
use smearscope_common::image::RgbImage;
use smearscope_common::message::Verdict;
use smearscope_common::synth::{SmearSpec, SyntheticSlide};
use smearscope_edge::field::{Gate, GateOptions};
use uuid::Uuid;

const STEP: Duration = Duration::from_millis(400);

/// A gate that remembers sixteen fields, and the time of its last look.
fn experienced(fields: &[RgbImage], options: &GateOptions) -> (Gate, Instant) {
    let mut gate = Gate::new(options.clone());
    let mut now = Instant::now();
    for field in fields {
        gate.look(field, now);
        gate.accept(Uuid::now_v7());
        now += STEP;
    }
    (gate, now)
}

fn main() {
    let spec = SmearSpec {
        width: 5200,
        height: 2700,
        cells: 1700,
        ..SmearSpec::default()
    };
    let slide = SyntheticSlide::new(&spec, 1);
    let at = |x, y, seed| slide.field(Rect::from([x, y, 1280, 720]), [1.0; 3], seed);
    let fields: Vec<RgbImage> = (0..16u32)
        .map(|i| at(i % 4 * 1024, i / 4 * 576, i.into()))
        .collect();
    let here = [at(1500, 900, 20), at(1500, 900, 21)];
    let elsewhere = at(2100, 200, 22);
    let options = GateOptions::default();
    let (mut gate, now) = experienced(&fields, &options);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("field_gate");
    let mut frames = [&here[0], &elsewhere].into_iter().cycle();
    group.bench_function("moving", |b| {
        b.iter(|| {
            let frame = frames.next().expect("a cycle has no end");
            assert_eq!(gate.look(black_box(frame), now).verdict, Verdict::Moving);
        });
    });
    gate.look(&here[0], now);
    gate.look(&here[1], now + STEP);
    group.bench_function("still", |b| {
        b.iter(|| {
            assert_eq!(
                gate.look(black_box(&here[0]), now + STEP).verdict,
                Verdict::New
            );
        });
    });
    group.bench_function("arrived", |b| {
        b.iter_batched(
            || {
                let (mut gate, now) = experienced(&fields, &options);
                gate.look(&here[0], now);
                (gate, now)
            },
            |(mut gate, now)| {
                let look = gate.look(black_box(&here[1]), now + STEP);
                assert_eq!(look.verdict, Verdict::New);
                gate
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
    criterion.final_summary();
}
