//! How long the engine takes for a crop, beside plain tract on the same networks and inputs in the same run.
//!
//! ```text
//! cargo bench -p smearscope-common --features engine --bench engine
//! ```
//!
//! `block` is a network that is hardly more than one dense block of DenseNet-121, at the planes that a crop of 64
//! pixels has there; `network` is the whole of DenseNet-121 with weights of chance. Before each group the ratio of
//! medians by turns is printed: turns feel the same load of the machine, criterion's figures follow one another.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion};
use smearscope_common::engine::{Blocks, Model};
use smearscope_common::model_card::self_test_input;

#[path = "../tests/densenet/mod.rs"]
mod densenet;

use densenet::{Net, Style};

/// Calls of each side for the printed ratio.
const TURNS: usize = 31;

/// The layers of one block of DenseNet-121, for planes of `plane` pixels a side. At least 32 pixels are needed: a small
/// plane is reached by a block of one layer and its transition.
fn block(first: usize, layers: usize, plane: usize) -> Net {
    let (stem, blocks) = if plane < 8 {
        (2 * first - 32, vec![1, layers])
    } else {
        (first, vec![layers])
    };
    Net {
        growth: 32,
        stem,
        stem_kernel: 3,
        size: (plane * 2) << blocks.len(),
        blocks,
        style: Style::Nested,
        uneven: false,
    }
}

fn measure(criterion: &mut Criterion, group: &str, nets: Vec<(String, Net)>) {
    let mut group = criterion.benchmark_group(group);
    for (name, net) in nets {
        let onnx = net.onnx(1);
        let input = self_test_input(1, net.size as u32);
        let models = [Blocks::Fused, Blocks::Plain]
            .map(|blocks| Model::load_with(&onnx, blocks).expect("a network of our own making"));
        let mut workers = models
            .each_ref()
            .map(|model| model.worker().expect("a state of a loaded model"));
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (worker, times) in workers.iter_mut().zip(&mut times) {
                let begun = Instant::now();
                black_box(worker.logits(&input).expect("numbers"));
                times.push(begun.elapsed());
            }
        }
        let [ours, plain] = times.map(|mut times| {
            times.sort();
            times[TURNS / 2].as_secs_f64() * 1e3
        });
        println!(
            "{name} by turns: {ours:.3} ms, plain {plain:.3} ms, {:.2}x",
            plain / ours
        );
        for (worker, side) in workers.iter_mut().zip(["ours", "plain"]) {
            group.bench_function(BenchmarkId::new(side, &name), |b| {
                b.iter(|| worker.logits(black_box(&input)));
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let blocks = [(64, 6, 16), (128, 12, 8), (256, 24, 4)];
    let blocks = blocks.map(|(first, layers, plane)| {
        let name = format!("{layers} layers at {plane}x{plane}");
        (name, block(first, layers, plane))
    });
    measure(&mut criterion, "block", blocks.into());
    let sizes = [64, 128];
    let networks = sizes.map(|size| (format!("{size} px"), Net::published(121, size)));
    measure(&mut criterion, "network", networks.into());
    criterion.final_summary();
}
