//! The engine against plain tract, on networks with weights of chance.
#![allow(clippy::unwrap_used)] // Its panic is the report.

use prost::Message;
use smearscope_common::engine::{Blocks, EngineError, Model};
use smearscope_common::model_card::self_test_input;

#[path = "densenet/mod.rs"]
mod densenet;

use densenet::{Net, Style};

/// How far a logit may be from plain tract's.
const TOLERANCE: f32 = 1e-3;

/// Loads both ways, compares, and returns the number of fused blocks.
fn compared(onnx: &[u8], size: usize) -> usize {
    let fused = Model::load(onnx).unwrap();
    let plain = Model::load_with(onnx, Blocks::Plain).unwrap();
    assert_eq!(plain.fused_blocks(), 0);
    let mut workers = (fused.worker().unwrap(), plain.worker().unwrap());
    for seed in 0..3 {
        let input = self_test_input(seed, size as u32);
        let ours = workers.0.logits(&input).unwrap();
        let theirs = workers.1.logits(&input).unwrap();
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < TOLERANCE, "{ours:?} {theirs:?}");
        }
        // A buffer that is not written anew each time would tell.
        assert_eq!(ours, workers.0.logits(&input).unwrap());
        assert_eq!(ours, fused.worker().unwrap().logits(&input).unwrap());
    }
    fused.fused_blocks()
}

#[test]
fn the_published_networks_answer_as_in_plain_tract() {
    for depth in [121, 161, 169, 201] {
        let net = Net::published(depth, 64);
        assert_eq!(compared(&net.onnx(u64::from(depth)), 64), 4, "{depth}");
    }
}

/// Planes of all kinds: many pixels and few, odd and even, square down to one pixel.
#[test]
fn every_size_of_input_is_computed_alike() {
    for style in [Style::Nested, Style::Flat] {
        for size in [32, 36, 40, 44, 64, 72, 100, 136, 224] {
            let net = Net::small(size, style);
            let found = compared(&net.onnx(size as u64), size);
            assert_eq!(found, 3, "{style:?} {size}");
        }
    }
}

#[test]
fn channels_that_fill_no_vector_are_computed_alike() {
    for (growth, stem) in [(2, 3), (3, 5), (5, 7), (12, 24)] {
        let net = Net {
            growth,
            stem,
            ..Net::small(64, Style::Nested)
        };
        assert_eq!(compared(&net.onnx(9), 64), 3);
    }
}

/// Layers of other widths don't fit the buffers of those before them: they are left to tract.
#[test]
fn layers_of_several_widths_are_computed_alike() {
    let net = Net {
        uneven: true,
        ..Net::small(64, Style::Nested)
    };
    assert_eq!(compared(&net.onnx(3), 64), 3);
}

/// What only resembles a dense block is left to tract.
#[test]
fn other_graphs_are_left_alone() {
    let net = Net::small(32, Style::Nested);
    let edited = |edit: &dyn Fn(&mut tract_onnx::pb::GraphProto)| {
        let mut proto = net.proto(5);
        edit(proto.graph.as_mut().unwrap());
        compared(&proto.encode_to_vec(), 32)
    };
    let of = |op: &'static str, last: &'static str| {
        move |node: &&mut tract_onnx::pb::NodeProto| node.op_type == op && node.name.ends_with(last)
    };
    assert_eq!(edited(&|_| ()), 3);
    // Another function after a norm of the first block.
    let other = |graph: &mut tract_onnx::pb::GraphProto| {
        let relu = graph
            .node
            .iter_mut()
            .find(of("Relu", "block0.layer0.norm2.relu"));
        relu.unwrap().op_type = "Sigmoid".into();
    };
    assert_eq!(edited(&other), 2);
    // A layer of another block is read once more.
    let again = |graph: &mut tract_onnx::pb::GraphProto| {
        let gap = graph
            .node
            .iter_mut()
            .find(of("GlobalAveragePool", "pooled"));
        gap.unwrap().input = vec!["block2.layer0.conv1".into()];
        let weight = graph
            .initializer
            .iter_mut()
            .find(|w| w.name == "classifier.weight");
        let weight = weight.unwrap();
        weight.dims = vec![2, 16];
        weight.raw_data.resize(2 * 16 * 4, 0);
    };
    assert_eq!(edited(&again), 2);
}

/// NaN and infinity are refused wherever they are, by the tensor's name.
#[test]
fn weights_that_are_no_numbers_are_refused() {
    let net = Net::small(32, Style::Nested);
    for name in [
        "block1.layer0.conv1.weight",
        "norm5.bias",
        "classifier.weight",
    ] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut proto = net.proto(5);
            let graph = proto.graph.as_mut().unwrap();
            let weight = graph.initializer.iter_mut().find(|w| w.name == name);
            weight.unwrap().raw_data[4..8].copy_from_slice(&bad.to_le_bytes());
            for blocks in [Blocks::Fused, Blocks::Plain] {
                let refused = Model::load_with(&proto.encode_to_vec(), blocks)
                    .err()
                    .unwrap();
                assert!(
                    matches!(&refused, EngineError::Weights(at) if at == name),
                    "{refused}"
                );
            }
        }
    }
}

/// Large but finite weights overflow: that is an error too, not a result.
#[test]
fn an_answer_that_is_no_number_is_refused() {
    let mut proto = Net::small(32, Style::Nested).proto(5);
    for weight in &mut proto.graph.as_mut().unwrap().initializer {
        if weight.name == "classifier.weight" {
            for value in weight.raw_data.chunks_exact_mut(4) {
                value.copy_from_slice(&f32::MAX.to_le_bytes());
            }
        }
    }
    let model = Model::load(&proto.encode_to_vec()).unwrap();
    let answer = model.worker().unwrap().logits(&self_test_input(1, 32));
    assert!(
        matches!(answer, Err(EngineError::NotFinite(_))),
        "{answer:?}"
    );
}
