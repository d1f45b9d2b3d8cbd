//! The exported file in our engine and in software that is not ours.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use smearscope_common::crop;
use smearscope_common::engine::{EngineError, Model};
use smearscope_common::model_card::InputSpec;
use smearscope_common::segment::segment;
use smearscope_common::synth::{SmearSpec, smear};
use tch::nn::{ModuleT, VarStore};
use tch::{Device, Tensor};

use crate::augment::Augment;
use crate::calibrate::Target;
use crate::checkpoint::{self, Run};
use crate::densenet::{Architecture, Arithmetic, DenseNet, Head};
use crate::densenet_tests::made_up;
use crate::export::{Naming, export};
use crate::onnx_graph::{Precision, round_to_half};
use crate::optimizer::Rule;
use crate::schedule::Schedule;
use crate::split::SplitBy;
use crate::train::{Freeze, Keep, Settings};

/// A run folder as training leaves it, with made-up weights.
pub fn run_folder(folder: &Path, head: Head) -> (VarStore, DenseNet, InputSpec) {
    let input = InputSpec {
        size: 64,
        colour_order: "rgb".into(),
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    let run = Run {
        lineage: Vec::new(),
        replay: None,
        architecture: Architecture::DenseNet121,
        head,
        classes: vec!["Parasitized".into(), "Uninfected".into()],
        input: input.clone(),
        typical_cell: Some([184.0, 152.5, 155.5]),
        data: "cells.zip".into(),
        subject_pattern: ".*".into(),
        data_sha256: "00".into(),
        split_sha256: "00".into(),
        split_by: SplitBy::Subject,
        target: Target::default(),
        parent: None,
        settings: Settings {
            epochs: 1,
            batch: 2,
            rate: 1e-3,
            weight_decay: 0.0,
            backbone_factor: 1.0,
            optimizer: Rule::Adam,
            schedule: Schedule::Constant,
            clip: 0.0,
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            freeze: Freeze::None,
            cached_views: 0,
            arithmetic: Arithmetic::F32,
            keep: Keep::Best,
            blend: 1.0,
            patience: 1,
            seed: 1,
            augment: Augment::mild(),
        },
    };
    let store = VarStore::new(Device::Cpu);
    let net = DenseNet::new(&store.root(), run.architecture, head, 2);
    tch::no_grad(|| {
        for (name, mut tensor) in store.variables() {
            tensor.copy_(&made_up(&name, &tensor.size()));
        }
    });
    fs::write(
        folder.join(checkpoint::RUN),
        serde_json::to_vec(&run).unwrap(),
    )
    .unwrap();
    checkpoint::save_weights(&store, &folder.join(checkpoint::BEST)).unwrap();
    (store, net, input)
}

const NAMING: Naming<'_> = Naming {
    name: "made up",
    version: "7",
};

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn libtorch_our_engine_and_onnx_runtime_agree_on_a_hundred_cells() {
    let dir = tempfile::tempdir().unwrap();
    let (store, net, input) = run_folder(dir.path(), Head::Linear);
    let onnx = dir.path().join("model.onnx");
    let (card, delta) = export(dir.path(), &onnx, &NAMING, Precision::F16).unwrap();
    assert_eq!(
        (card.name.as_str(), card.version.as_str()),
        ("made up", "7")
    );
    assert!(delta < 1e-3, "self-test differs by {delta}");
    assert_eq!(card.crop.stain_reference(), Some([184.0, 152.5, 155.5]));

    let crops: Vec<_> = [5, 6]
        .into_iter()
        .flat_map(|seed| {
            let field = smear(&SmearSpec::default(), seed).image;
            crop::cut_all(&field, &segment(&field).cells, &card.crop).crops
        })
        .take(105)
        .collect();
    assert_eq!(crops.len(), 105, "the synthetic fields have too few cells");
    round_to_half(&store.variables());
    let model = Model::load(&fs::read(&onnx).unwrap()).unwrap();
    let mut worker = model.worker().unwrap();
    let (mut inputs, mut logits) = (Vec::new(), Vec::new());
    for crop in &crops {
        let values = crop::prepare(crop, &input);
        let pixels = Tensor::from_slice(&values).view([1, 3, 64, 64]);
        let torch: Vec<f32> = tch::no_grad(|| net.forward_t(&pixels, false))
            .view(-1)
            .try_into()
            .unwrap();
        let ours = worker.logits(&values).unwrap();
        for (a, b) in torch.iter().zip(&ours) {
            assert!((a - b).abs() <= 1e-3, "engine {ours:?}, libtorch {torch:?}");
        }
        inputs.extend(values);
        logits.extend(torch);
    }

    let python = std::env::var("SMEARSCOPE_PYTHON").unwrap_or_default();
    if !Path::new(&python).exists() {
        // Straight to standard error: cargo's test runner would swallow `eprintln!`.
        let skip =
            "SKIP: ONNX Runtime on the export: SMEARSCOPE_PYTHON names no Python (make setup)\n";
        std::io::stderr().write_all(skip.as_bytes()).unwrap();
        return;
    }
    let file = |name: &str| dir.path().join(name);
    fs::write(file("inputs"), bytes(&inputs)).unwrap();
    fs::write(file("logits"), bytes(&logits)).unwrap();
    let check = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/check_onnx.py"))
        .args([onnx, file("inputs"), file("logits")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(
        check.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&check.stderr)
    );
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["crops"], 105);
    assert_eq!(
        report["initializers"], 606,
        "initializers keep torchvision's names"
    );
}

#[test]
fn the_tutorials_head_and_full_precision_export_too() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), Head::Tutorial);
    let onnx = dir.path().join("model.onnx");
    let (_, delta) = export(dir.path(), &onnx, &NAMING, Precision::F32).unwrap();
    assert!(delta < 1e-3, "self-test differs by {delta}");
    assert!(
        fs::metadata(&onnx).unwrap().len() > 28_000_000,
        "f32 weights"
    );
}

#[test]
fn models_that_are_not_what_they_say_are_refused() {
    use prost::Message;
    use tract_onnx::pb::ModelProto;

    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), Head::Linear);
    let path = dir.path().join("model.onnx");
    export(dir.path(), &path, &NAMING, Precision::F16).unwrap();
    let good = fs::read(&path).unwrap();
    let edited = |edit: &dyn Fn(&mut ModelProto)| {
        let mut proto = ModelProto::decode(good.as_slice()).unwrap();
        edit(&mut proto);
        Model::load(&proto.encode_to_vec())
    };
    assert!(matches!(
        edited(&|m| m.metadata_props.clear()),
        Err(EngineError::NoCard)
    ));
    let card = |from: &str, to: &str| {
        edited(&|m| m.metadata_props[0].value = m.metadata_props[0].value.replace(from, to))
    };
    assert!(matches!(
        card("\"size\":64", "\"size\":96"),
        Err(EngineError::Shape { .. })
    ));
    let third = card(
        "[\"Parasitized\",\"Uninfected\"]",
        "[\"Parasitized\",\"Uninfected\",\"x\"]",
    );
    assert!(matches!(third, Err(EngineError::Card(_))));
    let test = card("\"seed\":20260101", "\"seed\":1").unwrap();
    assert!(matches!(test.self_test(), Err(EngineError::SelfTest(_))));
    let renamed = edited(&|m| {
        let graph = m.graph.as_mut().unwrap();
        graph.input[0].name = "pixels".into();
        graph
            .node
            .iter_mut()
            .flat_map(|n| &mut n.input)
            .for_each(|i| {
                if i == "image" {
                    *i = "pixels".into();
                }
            });
    });
    assert!(matches!(renamed, Err(EngineError::Shape { .. })));
    // A weight that is not a number must never become an opinion.
    let nan = edited(&|m| {
        let weights = &mut m.graph.as_mut().unwrap().initializer;
        let bias = weights
            .iter_mut()
            .find(|w| w.name == "classifier.bias")
            .unwrap();
        bias.raw_data = bytes(&[f32::NAN, 0.0]);
    });
    assert!(matches!(nan, Err(EngineError::Weights(name)) if name == "classifier.bias"));
    assert!(Model::load(&good[..good.len() / 2]).is_err());
}
