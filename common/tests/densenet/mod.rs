//! DenseNets with weights of chance, as .onnx files: test equipment, for the benches too.
#![allow(clippy::unwrap_used)] // Its panic is the report.
#![allow(dead_code)] // No user needs all of it.

use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smearscope_common::model_card::{
    CropSpec, InputSpec, METADATA_KEY, ModelCard, SCHEMA, SelfTest,
};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{self, attribute_proto::AttributeType};

/// A DenseNet.
#[derive(Clone, Debug)]
pub struct Net {
    /// Channels that each layer adds; its bottleneck has four times as many.
    pub growth: usize,
    /// Channels of the stem.
    pub stem: usize,
    /// Side of the stem's kernel.
    pub stem_kernel: usize,
    /// Layers of each dense block.
    pub blocks: Vec<usize>,
    /// Side of the input.
    pub size: usize,
    /// Who wrote it.
    pub style: Style,
    /// Whether the last layer of a block of several adds a channel more than the others.
    pub uneven: bool,
}

/// The two ways in which DenseNets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `smearscope-train export`: nothing is folded, each layer concatenates all before it and its own.
    Nested,
    /// torch: one flat concatenation for each layer, the norm after the first convolution folded into it.
    Flat,
}

impl Net {
    /// One of the four published networks.
    pub fn published(depth: u32, size: usize) -> Self {
        let (growth, stem, blocks) = match depth {
            121 => (32, 64, [6, 12, 24, 16]),
            161 => (48, 96, [6, 12, 36, 24]),
            169 => (32, 64, [6, 12, 32, 32]),
            201 => (32, 64, [6, 12, 48, 32]),
            _ => panic!("there is no DenseNet-{depth}"),
        };
        Self {
            growth,
            stem,
            stem_kernel: 7,
            blocks: blocks.to_vec(),
            size,
            style: Style::Nested,
            uneven: false,
        }
    }

    /// A small one.
    pub fn small(size: usize, style: Style) -> Self {
        Self {
            growth: 4,
            stem: 6,
            stem_kernel: 3,
            blocks: vec![2, 3, 1],
            size,
            style,
            uneven: false,
        }
    }

    /// The network as a file's contents.
    pub fn onnx(&self, seed: u64) -> Vec<u8> {
        self.proto(seed).encode_to_vec()
    }

    /// The network as ONNX.
    pub fn proto(&self, seed: u64) -> pb::ModelProto {
        let mut graph = Graph {
            nodes: Vec::new(),
            weights: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        let logits = graph.densenet(self);
        graph.node("Identity", "logits", vec![logits], vec![]);
        let size = self.size as i64;
        pb::ModelProto {
            ir_version: 8,
            opset_import: vec![pb::OperatorSetIdProto {
                domain: String::new(),
                version: 17,
            }],
            graph: Some(pb::GraphProto {
                name: "densenet".into(),
                node: graph.nodes,
                initializer: graph.weights,
                input: vec![value("image", &[1, 3, size, size])],
                output: vec![value("logits", &[1, 2])],
                ..Default::default()
            }),
            metadata_props: vec![pb::StringStringEntryProto {
                key: METADATA_KEY.into(),
                value: card(self.size as u32).to_json().unwrap(),
            }],
            ..Default::default()
        }
    }
}

/// A card; its self-test does not hold.
fn card(size: u32) -> ModelCard {
    ModelCard {
        schema: SCHEMA.into(),
        name: "chance".into(),
        version: "1".into(),
        architecture: "densenet".into(),
        classes: vec!["Parasitized".into(), "Uninfected".into()],
        input: InputSpec {
            size,
            colour_order: "rgb".into(),
            mean: [0.5; 3],
            std: [0.25; 3],
        },
        crop: CropSpec::newest(None),
        threshold: 0.5,
        temperature: 1.0,
        validation: None,
        data_sha256: String::new(),
        split_sha256: String::new(),
        parent: None,
        lineage: Vec::new(),
        reference: None,
        trainer_version: "0".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        self_test: SelfTest {
            seed: 1,
            logits: vec![0.0, 1.0],
        },
    }
}

struct Graph {
    nodes: Vec<pb::NodeProto>,
    weights: Vec<pb::TensorProto>,
    rng: ChaCha8Rng,
}

impl Graph {
    fn densenet(&mut self, net: &Net) -> String {
        let mut channels = net.stem;
        let x = self.conv(
            "conv0",
            "image".into(),
            [3, channels],
            net.stem_kernel,
            2,
            false,
        );
        let x = self.norm_relu("norm0", x, channels);
        let pool = vec![
            ints("kernel_shape", &[3, 3]),
            ints("strides", &[2, 2]),
            ints("pads", &[1; 4]),
        ];
        let mut x = self.node("MaxPool", "pool0", vec![x], pool);
        for (b, &layers) in net.blocks.iter().enumerate() {
            let mut parts = vec![x.clone()];
            for l in 0..layers {
                let path = format!("block{b}.layer{l}");
                let wider = net.uneven && l > 0 && l + 1 == layers;
                let growth = net.growth + usize::from(wider);
                let between = 4 * growth;
                let flat = net.style == Style::Flat;
                let inner = self.norm_relu(&format!("{path}.norm1"), x.clone(), channels);
                let name = format!("{path}.conv1");
                let inner = self.conv(&name, inner, [channels, between], 1, 1, flat);
                let inner = if flat {
                    self.node("Relu", &format!("{path}.relu"), vec![inner], vec![])
                } else {
                    self.norm_relu(&format!("{path}.norm2"), inner, between)
                };
                let name = format!("{path}.conv2");
                let new = self.conv(&name, inner, [between, growth], 3, 1, false);
                parts.push(new.clone());
                let joined = if flat { parts.clone() } else { vec![x, new] };
                x = self.node(
                    "Concat",
                    &format!("{path}.cat"),
                    joined,
                    vec![int("axis", 1)],
                );
                channels += growth;
            }
            if b + 1 < net.blocks.len() {
                let path = format!("transition{b}");
                let inner = self.norm_relu(&format!("{path}.norm"), x, channels);
                let half = channels / 2;
                let inner = self.conv(
                    &format!("{path}.conv"),
                    inner,
                    [channels, half],
                    1,
                    1,
                    false,
                );
                let pool = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                x = self.node("AveragePool", &format!("{path}.pool"), vec![inner], pool);
                channels = half;
            }
        }
        let x = self.norm_relu("norm5", x, channels);
        let x = self.node("GlobalAveragePool", "pooled", vec![x], vec![]);
        let x = self.node("Flatten", "flattened", vec![x], vec![int("axis", 1)]);
        let weight = self.uniform("classifier.weight", &[2, channels], 1.0);
        let bias = self.uniform("classifier.bias", &[2], 1.0);
        self.node(
            "Gemm",
            "classifier",
            vec![x, weight, bias],
            vec![int("transB", 1)],
        )
    }

    fn conv(
        &mut self,
        path: &str,
        x: String,
        [from, to]: [usize; 2],
        kernel: usize,
        stride: i64,
        bias: bool,
    ) -> String {
        let reach = (6.0 / (from * kernel * kernel) as f32).sqrt();
        let mut inputs = vec![x];
        inputs.push(self.uniform(
            &format!("{path}.weight"),
            &[to, from, kernel, kernel],
            reach,
        ));
        if bias {
            inputs.push(self.uniform(&format!("{path}.bias"), &[to], 0.2));
        }
        let attributes = vec![
            ints("kernel_shape", &[kernel as i64; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &[kernel as i64 / 2; 4]),
        ];
        self.node("Conv", path, inputs, attributes)
    }

    fn norm_relu(&mut self, path: &str, x: String, channels: usize) -> String {
        let mut inputs = vec![x];
        for (part, least, most) in [
            ("weight", 0.5, 1.5),
            ("bias", -0.3, 0.3),
            ("running_mean", -0.3, 0.3),
            ("running_var", 0.5, 1.5),
        ] {
            inputs.push(self.between(&format!("{path}.{part}"), &[channels], least, most));
        }
        let x = self.node("BatchNormalization", path, inputs, vec![]);
        self.node("Relu", &format!("{path}.relu"), vec![x], vec![])
    }

    fn uniform(&mut self, name: &str, dims: &[usize], reach: f32) -> String {
        self.between(name, dims, -reach, reach)
    }

    fn between(&mut self, name: &str, dims: &[usize], least: f32, most: f32) -> String {
        let count: usize = dims.iter().product();
        let values = (0..count).map(|_| self.rng.random_range(least..most));
        self.weights.push(pb::TensorProto {
            name: name.into(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: values.flat_map(f32::to_le_bytes).collect(),
            ..Default::default()
        });
        name.into()
    }

    fn node(
        &mut self,
        op: &str,
        name: &str,
        input: Vec<String>,
        attribute: Vec<pb::AttributeProto>,
    ) -> String {
        self.nodes.push(pb::NodeProto {
            op_type: op.into(),
            name: name.into(),
            input,
            output: vec![name.into()],
            attribute,
            ..Default::default()
        });
        name.into()
    }
}

fn value(name: &str, dims: &[i64]) -> pb::ValueInfoProto {
    let dim = |&dim: &i64| Dimension {
        denotation: String::new(),
        value: Some(dimension::Value::DimValue(dim)),
    };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            denotation: String::new(),
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(pb::TensorShapeProto {
                    dim: dims.iter().map(dim).collect(),
                }),
            })),
        }),
        doc_string: String::new(),
    }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}
