//! How long it takes to find the cells of a field and to cut them out.
//!
//! ```text
//! cargo bench -p smearscope-common --bench segment
//! ```
//!
//! `segment` and `quality` run on synthetic fields: the same view at three resolutions, and four views side by
//! side. The throughput is in pixels of the picture per second; where it doesn't fall as the picture grows, time
//! is at most linear in pixels. Four views have four times the reduced pixels of one, too, the three resolutions
//! have equally many. `cut` and `letterbox` run on all cells of one field; their throughput is in cells per second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use smearscope_common::crop::{cut, letterbox};
use smearscope_common::image::RgbImage;
use smearscope_common::segment::{quality, segment};
use smearscope_common::synth::{SmearSpec, smear};

/// The side of a network's input in pixels.
const INPUT: u32 = 64;

/// `views` default views of 4:3 side by side, each `height` pixels high.
fn field(views: u32, height: u32) -> RgbImage {
    let default = SmearSpec::default();
    let scale = height as f32 / default.height as f32;
    let spec = SmearSpec {
        width: views * height * 4 / 3,
        height,
        cells: views * default.cells,
        cell_diameter: default.cell_diameter * scale,
        blur: default.blur * scale,
        ..default
    };
    smear(&spec, 1).image
}

fn fields(criterion: &mut Criterion) {
    let fields = [(1, 480), (1, 960), (1, 1920), (4, 960)].map(|(views, height)| {
        let image = field(views, height);
        (format!("{}x{}", image.width(), image.height()), image)
    });
    let mut group = criterion.benchmark_group("segment");
    for (name, image) in &fields {
        group.throughput(Throughput::Elements(
            u64::from(image.width()) * u64::from(image.height()),
        ));
        group.bench_with_input(BenchmarkId::from_parameter(name), image, |b, image| {
            b.iter(|| segment(black_box(image)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("quality");
    for (name, image) in &fields {
        let found = segment(image);
        group.throughput(Throughput::Elements(
            u64::from(image.width()) * u64::from(image.height()),
        ));
        group.bench_with_input(BenchmarkId::from_parameter(name), image, |b, image| {
            b.iter(|| quality(black_box(image), &found));
        });
    }
    group.finish();
}

fn crops(criterion: &mut Criterion) {
    let image = field(1, 960);
    let cells = segment(&image).cells;
    let crops: Vec<RgbImage> = cells.iter().map(|cell| cut(&image, cell)).collect();
    let mut group = criterion.benchmark_group("crop");
    group.throughput(Throughput::Elements(cells.len() as u64));
    group.bench_function("cut", |b| {
        b.iter(|| {
            for cell in &cells {
                black_box(cut(&image, black_box(cell)));
            }
        });
    });
    group.bench_function("letterbox", |b| {
        b.iter(|| {
            for crop in &crops {
                black_box(letterbox(black_box(crop), INPUT));
            }
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    fields(&mut criterion);
    crops(&mut criterion);
    criterion.final_summary();
}
