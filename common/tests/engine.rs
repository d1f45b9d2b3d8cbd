//! The engine against plain tract, on networks with weights of chance.
#![allow(clippy::unwrap_used)] // Its panic is the report.

use prost::Message;
use smearscope_common::engine::{Blocks, EngineError, Model};
use smearscope_common::model_card::self_test_input;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

#[path = "densenet/mod.rs"]
mod densenet;

use densenet::{Net, Style};

/// How far a logit may be from plain tract's.
const TOLERANCE: f32 = 1e-3;

/// Loads both ways, compares, and returns the number of fused blocks.
fn compared(onnx: &[u8], size: usize) -> usize {
    let fused = Model::load(onnx).unwrap();
    let plain = Model::load_with(onnx, Blocks::Plain).unwrap();
    assert!(plain.fused_blocks() == 0 && !plain.fused_stem());
    assert!(fused.fused_stem() || fused.fused_blocks() == 0);
    let mut workers = (fused.worker().unwrap(), plain.worker().unwrap());
    for seed in 0..3 {
        let input = self_test_input(seed, size as u32);
        let ours = workers.0.logits(&input).unwrap();
        let theirs = workers.1.logits(&input).unwrap();
        assert_eq!(ours.len(), theirs.len());
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

/// Planes of all kinds: many pixels and few, odd and even; the smallest has four.
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

/// A layer of another width doesn't fit the buffers of those before it: the block ends there, and tract does the rest.
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
    let edited = |edit: &dyn Fn(&mut GraphProto)| {
        let mut proto = net.proto(5);
        edit(proto.graph.as_mut().unwrap());
        compared(&proto.encode_to_vec(), 32)
    };
    let of = |op: &'static str, last: &'static str| {
        move |node: &&mut NodeProto| node.op_type == op && node.name.ends_with(last)
    };
    assert_eq!(edited(&|_| ()), 3);
    // Another function after a norm of the first block.
    let other = |graph: &mut GraphProto| {
        let relu = graph
            .node
            .iter_mut()
            .find(of("Relu", "block0.layer0.norm2.relu"));
        relu.unwrap().op_type = "Sigmoid".into();
    };
    assert_eq!(edited(&other), 2);
    // A layer of another block is read once more.
    let again = |graph: &mut GraphProto| {
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

/// Down to a plane of one pixel, which an average without a border (`auto_pad="VALID"`) makes none
/// of: there is no answer then, but an error and no panic.
#[test]
fn an_average_of_a_single_pixel_is_an_error() {
    let net = Net {
        growth: 1,
        stem: 2,
        blocks: vec![1; 5],
        ..Net::small(32, Style::Nested)
    };
    let mut proto = net.proto(5);
    for node in &mut proto.graph.as_mut().unwrap().node {
        if node.op_type == "AveragePool" {
            node.attribute.push(AttributeProto {
                name: "auto_pad".into(),
                r#type: AttributeType::String as i32,
                s: b"VALID".to_vec(),
                ..Default::default()
            });
        }
    }
    for blocks in [Blocks::Fused, Blocks::Plain] {
        let answer = Model::load_with(&proto.encode_to_vec(), blocks)
            .and_then(|model| model.worker()?.logits(&self_test_input(1, 32)));
        assert!(answer.is_err(), "{blocks:?} {answer:?}");
    }
}

fn attribute<'g>(graph: &'g mut GraphProto, node: &str, name: &str) -> &'g mut AttributeProto {
    let node = graph.node.iter_mut().find(|n| n.name == node).unwrap();
    if !node.attribute.iter().any(|a| a.name == name) {
        node.attribute.push(AttributeProto {
            name: name.into(),
            ..Default::default()
        });
    }
    let found = node.attribute.iter_mut().find(|a| a.name == name);
    found.unwrap()
}

fn set_ints(graph: &mut GraphProto, node: &str, name: &str, values: &[i64]) {
    let attribute = attribute(graph, node, name);
    attribute.r#type = AttributeType::Ints as i32;
    attribute.ints = values.to_vec();
}

fn set_int(graph: &mut GraphProto, node: &str, name: &str, value: i64) {
    let attribute = attribute(graph, node, name);
    attribute.r#type = AttributeType::Int as i32;
    attribute.i = value;
}

/// What differs from a dense block in one attribute or one wire: the number of blocks that are
/// fused all the same.
#[test]
fn near_misses_are_computed_as_written() {
    type Edit = fn(&mut GraphProto);
    let cases: [(&str, usize, usize, Edit); 9] = [
        ("pads on two sides", 32, 2, |graph| {
            set_ints(graph, "block0.layer0.conv2", "pads", &[0, 0, 2, 2]);
        }),
        ("wider apart", 32, 2, |graph| {
            set_ints(graph, "block0.layer0.conv2", "dilations", &[2, 2]);
            set_ints(graph, "block0.layer0.conv2", "pads", &[2; 4]);
        }),
        ("in groups", 32, 2, |graph| {
            set_int(graph, "block0.layer0.conv2", "group", 2);
            let mut weights = graph.initializer.iter_mut();
            let weight = weights.find(|w| w.name == "block0.layer0.conv2.weight");
            let weight = weight.unwrap();
            weight.dims[1] /= 2;
            weight.raw_data.truncate(weight.raw_data.len() / 2);
        }),
        // Its layers are fused, the transition isn't.
        ("a padded average", 32, 3, |graph| {
            set_ints(graph, "transition0.pool", "pads", &[0, 0, 1, 1]);
            set_int(graph, "transition0.pool", "count_include_pad", 1);
        }),
        ("an average that rounds up", 36, 3, |graph| {
            set_int(graph, "transition0.pool", "ceil_mode", 1);
        }),
        ("a maximum", 32, 3, |graph| {
            let mut nodes = graph.node.iter_mut();
            let pool = nodes.find(|n| n.name == "transition0.pool").unwrap();
            pool.op_type = "MaxPool".into();
        }),
        ("the new channels first", 32, 2, |graph| {
            let mut nodes = graph.node.iter_mut();
            let concat = nodes.find(|n| n.name == "block2.layer0.cat").unwrap();
            concat.input.reverse();
        }),
        // Both layers are what they should be, though they have a weight in common.
        ("a shared weight", 32, 3, |graph| {
            let mut nodes = graph.node.iter_mut();
            let conv = nodes.find(|n| n.name == "block1.layer1.conv2").unwrap();
            conv.input[1] = "block1.layer0.conv2.weight".into();
        }),
        // The new channels of a layer are read outside too: they would be computed twice.
        ("one more reader", 32, 2, |graph| {
            let index = graph
                .node
                .iter()
                .position(|n| n.name == "block2.layer0.cat");
            let concat = &mut graph.node[index.unwrap()];
            let new = concat.input[1].clone();
            let whole = std::mem::replace(&mut concat.output[0], "whole".into());
            concat.name = "whole".into();
            let wired = |op: &str, name: &str, input: &[&str]| NodeProto {
                op_type: op.into(),
                name: name.into(),
                input: input.iter().map(|&name| name.into()).collect(),
                output: vec![name.into()],
                ..Default::default()
            };
            let at = index.unwrap() + 1;
            let mean = wired("GlobalAveragePool", "mean", &[&new]);
            let one = wired("ReduceMean", "one", &["mean"]);
            graph.node.insert(at, mean);
            graph.node.insert(at + 1, one);
            graph
                .node
                .insert(at + 2, wired("Mul", &whole, &["whole", "one"]));
        }),
    ];
    for style in [Style::Nested, Style::Flat] {
        for (what, size, fused, edit) in &cases {
            let mut proto = Net::small(*size, style).proto(5);
            edit(proto.graph.as_mut().unwrap());
            let found = compared(&proto.encode_to_vec(), *size);
            assert_eq!(found, *fused, "{style:?}, {what}");
        }
    }
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

/// Of a negative variance tract makes a constant that is no number.
#[test]
fn a_batch_norm_without_a_root_is_refused() {
    let mut proto = Net::small(32, Style::Nested).proto(5);
    let graph = proto.graph.as_mut().unwrap();
    let weight = graph
        .initializer
        .iter_mut()
        .find(|w| w.name == "norm5.running_var");
    weight.unwrap().raw_data[..4].copy_from_slice(&(-1f32).to_le_bytes());
    for blocks in [Blocks::Fused, Blocks::Plain] {
        let refused = Model::load_with(&proto.encode_to_vec(), blocks).err();
        assert!(matches!(refused, Some(EngineError::Weights(_))));
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
