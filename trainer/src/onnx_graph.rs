//! A DenseNet as an ONNX graph: one node per operation, initializers named as in torchvision,
//! nothing folded, so that any export can be trained on again.

use std::collections::HashMap;

use half::f16;
use tch::{Device, Kind, Tensor};
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

use crate::densenet::{Architecture, Head};

/// Opset of the default domain: every runtime of the last years reads it.
const OPSET: i64 = 17;

/// IR version that goes with it.
const IR_VERSION: i64 = 8;

/// Batch-norm epsilon, torch's default.
const EPSILON: f32 = 1e-5;

/// How convolution and linear weights are stored. Batch norm is f32 always: its variances leave
/// the range of f16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// Half the size; a cast in the graph makes them f32 again.
    F16,
    /// As trained.
    F32,
}

/// Why a graph could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The weights lack a tensor that the architecture has.
    #[error("the weights have no tensor {0:?}")]
    Missing(String),
    /// A tensor can't be read back from the device.
    #[error("tensor {0:?} cannot be read: {1}")]
    Unreadable(String, tch::TchError),
    /// A weight is too large for f16, or is not a number.
    #[error("tensor {0:?} holds a value that f16 cannot; export with --precision f32")]
    NotHalf(String),
}

/// Whether a variable is stored as f16 under [`Precision::F16`].
pub fn is_half(name: &str) -> bool {
    name.ends_with(".weight") && (name.contains("conv") || name.starts_with("classifier"))
}

/// Builds the model: input `image` f32 `[N, 3, size, size]`, output `logits` f32 `[N, classes]`.
///
/// # Errors
/// See [`GraphError`].
pub fn build(
    variables: &HashMap<String, Tensor>,
    architecture: Architecture,
    head: Head,
    size: u32,
    classes: usize,
    precision: Precision,
) -> Result<pb::ModelProto, GraphError> {
    let mut graph = Graph {
        variables,
        precision,
        nodes: Vec::new(),
        initializers: Vec::new(),
    };
    let logits = graph.densenet(architecture, head)?;
    graph.node("Identity", "logits", vec![logits], vec![]);
    let symbol = |name: &str| dim(dimension::Value::DimParam(name.into()));
    let number = |value: i64| dim(dimension::Value::DimValue(value));
    let side = i64::from(size);
    Ok(pb::ModelProto {
        ir_version: IR_VERSION,
        producer_name: "smearscope-train".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![pb::OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        graph: Some(pb::GraphProto {
            name: architecture.to_string(),
            node: graph.nodes,
            initializer: graph.initializers,
            input: vec![value(
                "image",
                vec![symbol("N"), number(3), number(side), number(side)],
            )],
            output: vec![value("logits", vec![symbol("N"), number(classes as i64)])],
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn dim(value: dimension::Value) -> Dimension {
    Dimension {
        denotation: String::new(),
        value: Some(value),
    }
}

fn value(name: &str, dims: Vec<Dimension>) -> pb::ValueInfoProto {
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            denotation: String::new(),
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(pb::TensorShapeProto { dim: dims }),
            })),
        }),
        doc_string: String::new(),
    }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: pb::attribute_proto::AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: pb::attribute_proto::AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

fn float(name: &str, value: f32) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: pb::attribute_proto::AttributeType::Float as i32,
        f: value,
        ..Default::default()
    }
}

struct Graph<'a> {
    variables: &'a HashMap<String, Tensor>,
    precision: Precision,
    nodes: Vec<pb::NodeProto>,
    initializers: Vec<pb::TensorProto>,
}

impl Graph<'_> {
    /// The whole network; returns the name of the logits.
    fn densenet(&mut self, architecture: Architecture, head: Head) -> Result<String, GraphError> {
        let x = self.conv("features.conv0", "image".into(), 7, 2)?;
        let x = self.norm_relu("features.norm0", x)?;
        let pool = [
            ints("kernel_shape", &[3, 3]),
            ints("strides", &[2, 2]),
            ints("pads", &[1; 4]),
        ];
        let mut x = self.node("MaxPool", "features.pool0", vec![x], pool.into());
        let depths = architecture.blocks();
        for (b, depth) in depths.into_iter().enumerate() {
            for layer in 1..=depth {
                let path = format!("features.denseblock{}.denselayer{layer}", b + 1);
                let inner = self.norm_relu(&format!("{path}.norm1"), x.clone())?;
                let inner = self.conv(&format!("{path}.conv1"), inner, 1, 1)?;
                let inner = self.norm_relu(&format!("{path}.norm2"), inner)?;
                let new = self.conv(&format!("{path}.conv2"), inner, 3, 1)?;
                x = self.node(
                    "Concat",
                    &format!("{path}.concat"),
                    vec![x, new],
                    vec![int("axis", 1)],
                );
            }
            if b + 1 < depths.len() {
                let path = format!("features.transition{}", b + 1);
                let inner = self.norm_relu(&format!("{path}.norm"), x)?;
                let inner = self.conv(&format!("{path}.conv"), inner, 1, 1)?;
                let pool = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                x = self.node(
                    "AveragePool",
                    &format!("{path}.pool"),
                    vec![inner],
                    pool.into(),
                );
            }
        }
        let x = self.norm_relu("features.norm5", x)?;
        let x = self.node("GlobalAveragePool", "pooled", vec![x], vec![]);
        let x = self.node("Flatten", "flattened", vec![x], vec![int("axis", 1)]);
        match head {
            Head::Linear => self.linear("classifier", x),
            Head::Tutorial => {
                let hidden = self.linear("classifier.fc1", x)?;
                let hidden = self.node("Relu", "classifier.relu", vec![hidden], vec![]);
                self.linear("classifier.fc2", hidden)
            }
        }
    }

    fn conv(
        &mut self,
        path: &str,
        x: String,
        kernel: i64,
        stride: i64,
    ) -> Result<String, GraphError> {
        let weight = self.variable(&format!("{path}.weight"))?;
        let attributes = vec![
            ints("kernel_shape", &[kernel; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &[kernel / 2; 4]),
        ];
        Ok(self.node("Conv", path, vec![x, weight], attributes))
    }

    fn norm_relu(&mut self, path: &str, x: String) -> Result<String, GraphError> {
        let mut inputs = vec![x];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.variable(&format!("{path}.{part}"))?);
        }
        let x = self.node(
            "BatchNormalization",
            path,
            inputs,
            vec![float("epsilon", EPSILON)],
        );
        Ok(self.node("Relu", &format!("{path}.relu"), vec![x], vec![]))
    }

    fn linear(&mut self, path: &str, x: String) -> Result<String, GraphError> {
        let weight = self.variable(&format!("{path}.weight"))?;
        let bias = self.variable(&format!("{path}.bias"))?;
        Ok(self.node("Gemm", path, vec![x, weight, bias], vec![int("transB", 1)]))
    }

    /// Adds a node whose only output has the node's name.
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

    /// Adds an initializer under its torchvision name and returns the name of its f32 value.
    fn variable(&mut self, name: &str) -> Result<String, GraphError> {
        let tensor = self
            .variables
            .get(name)
            .ok_or_else(|| GraphError::Missing(name.into()))?;
        let unreadable = |e| GraphError::Unreadable(name.into(), e);
        let flat = tensor
            .to_device(Device::Cpu)
            .to_kind(Kind::Float)
            .contiguous()
            .view(-1);
        let values = Vec::<f32>::try_from(flat).map_err(unreadable)?;
        let half = self.precision == Precision::F16 && is_half(name);
        let (data_type, raw_data): (_, Vec<u8>) = if half {
            let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
            if !halves.iter().all(|h| h.is_finite()) {
                return Err(GraphError::NotHalf(name.into()));
            }
            (
                DataType::Float16,
                halves.iter().flat_map(|h| h.to_le_bytes()).collect(),
            )
        } else {
            (
                DataType::Float,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        };
        self.initializers.push(pb::TensorProto {
            name: name.into(),
            dims: tensor.size(),
            data_type: data_type as i32,
            raw_data,
            ..Default::default()
        });
        if half {
            let cast = format!("{name}.f32");
            let to = int("to", i64::from(DataType::Float as i32));
            Ok(self.node("Cast", &cast, vec![name.into()], vec![to]))
        } else {
            Ok(name.into())
        }
    }
}

/// Rounds to f16 what [`build`] stores as f16, so that tch holds exactly the stored weights.
pub fn round_to_half(variables: &HashMap<String, Tensor>) {
    tch::no_grad(|| {
        for (name, variable) in variables {
            if is_half(name) {
                let rounded = variable.to_kind(Kind::Half).to_kind(Kind::Float);
                variable.shallow_clone().copy_(&rounded);
            }
        }
    });
}
