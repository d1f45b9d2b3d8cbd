//! Files of weights in every form that people have, into networks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};
use smearscope_trainer::checkpoint::save_weights;
use smearscope_trainer::densenet::{Architecture, DenseNet, Head};
use smearscope_trainer::onnx_graph::{self, Precision};
use smearscope_trainer::weights::{self, Array, Weights};
use tch::Device;
use tch::nn::VarStore;
use tempfile::TempDir;
use zip::CompressionMethod;

use crate::torch_writer::{self, Block, File, zip_of, zip_with};

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/weights").join(name)
}

/// Twin of `values` in tools/state_dict_fixture.py.
fn value(name: &str, i: usize) -> f32 {
    (name.len() + i) as f32 / 8.0
}

fn array(name: &str, shape: &[usize]) -> Array {
    let count = shape.iter().product();
    Array {
        shape: shape.into(),
        values: (0..count).map(|i| value(name, i)).collect(),
    }
}

#[test]
fn what_torch_itself_writes_is_read_exactly() {
    let wanted: BTreeMap<String, Array> = [
        ("features.norm0.weight", "features.norm0.weight", &[5][..]),
        (
            "features.denseblock1.denselayer1.norm.1.bias",
            "features.denseblock1.denselayer1.norm1.bias",
            &[5],
        ),
        (
            "module.features.norm5.running_mean",
            "features.norm5.running_mean",
            &[5],
        ),
        ("classifier.bias", "classifier.bias", &[5]),
        (
            "features.conv0.weight",
            "features.conv0.weight",
            &[2, 3, 2, 2],
        ),
        ("shared.first", "shared.first", &[3]),
        ("shared.second", "shared.second", &[2]),
        ("classifier.weight", "classifier.weight", &[2, 3]),
    ]
    .into_iter()
    .map(|(stored, present, shape)| (present.to_owned(), array(stored, shape)))
    .collect();
    for name in [
        "zip.pth",
        "zip_protocol4.pth",
        "stream.pth",
        "checkpoint.pth",
        "plain.safetensors",
    ] {
        let read = weights::read(&fixture(name)).unwrap();
        assert_eq!(read.tensors, wanted, "{name}");
        let bytes = fs::read(fixture(name)).unwrap();
        assert_eq!(read.sha256, hex::encode(Sha256::digest(bytes)));
    }
}

#[test]
fn checkpoints_are_opened_under_the_usual_names() {
    for wrap in [
        None,
        Some("state_dict"),
        Some("model"),
        Some("model_state_dict"),
    ] {
        let mut file = File::new(&[("a", &[2], &[1.0, 2.0])]);
        file.wrap = wrap;
        for bytes in [file.zip(), file.stream()] {
            let tensors = weights::parse(&bytes).unwrap();
            assert_eq!(tensors["a"].values, [1.0, 2.0], "{wrap:?}");
        }
    }
    let mut file = File::new(&[("a", &[2], &[1.0, 2.0])]);
    file.wrap = Some("optimizer");
    let error = weights::parse(&file.zip()).unwrap_err().to_string();
    assert!(error.contains("no state_dict"), "{error}");
}

/// As Python 2 wrote it in 2017: byte strings, an OrderedDict out of a list of pairs, storages
/// that are parts of others.
#[test]
fn a_stream_of_python_2_is_read() {
    let mut object = b"\x80\x02ccollections\nOrderedDict\n](](U\x03one".to_vec();
    object.extend(b"ctorch._utils\n_rebuild_tensor\n(");
    object
        .extend(b"(U\x07storagectorch\nFloatStorage\nU\x0242U\x06cuda:0K\x03(U\x0243K\x01K\x02ttQ");
    object.extend(b"K\x00(K\x02t(K\x01ttRee\x85R.");
    let mut bytes = torch_writer::stream_start();
    bytes.extend(object);
    bytes.extend(b"\x80\x02](U\x0242e.");
    bytes.extend(3u64.to_le_bytes());
    bytes.extend([1f32, 2., 3.].iter().flat_map(|v| v.to_le_bytes()));
    let tensors = weights::parse(&bytes).unwrap();
    assert_eq!(tensors["one"].values, [2.0, 3.0]);
}

fn refused(bytes: &[u8]) -> String {
    weights::parse(bytes).unwrap_err().to_string()
}

#[test]
fn what_would_run_a_program_is_refused_by_name() {
    for (pickle, name) in [
        (
            &b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."[..],
            "os.system",
        ),
        (b"\x80\x02cbuiltins\neval\n)R.", "builtins.eval"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (
            b"\x80\x02ctorchvision.models.densenet\nDenseNet\n)\x81.",
            "torchvision.models.densenet.DenseNet",
        ),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
    ] {
        let mut stream = torch_writer::stream_start();
        stream.extend(pickle);
        for bytes in [zip_of(pickle, &[]), stream] {
            let error = refused(&bytes);
            assert!(error.contains(&format!("{name:?}")), "{error}");
        }
    }
    // An instruction that could make objects another way.
    let error = refused(&zip_of(b"\x80\x02ccollections\nOrderedDict\n)\x81.", &[]));
    assert!(error.contains("byte 29"), "{error}");
}

#[test]
fn what_is_not_weights_is_said_to_be_what_it_is() {
    assert!(refused(b"").contains("not a file of weights"));
    assert!(refused(b"hello").contains("not a file of weights"));
    assert!(refused(b"PK\x03\x04").contains("damaged zip"));
    let file = File::new(&[("a", &[2], &[1.0, 2.0])]);
    let object = file.object(false);
    let big = zip_with(&object, &file.blocks, CompressionMethod::Stored, b"big");
    assert!(refused(&big).contains("big-endian"));
    let small = zip_with(
        &object,
        &file.blocks,
        CompressionMethod::Deflated,
        b"little",
    );
    assert!(refused(&small).contains("compressed"));
    assert!(refused(&zip_of(&object, &[])).contains("archive/data/0"));
    let stream = file.stream();
    assert!(refused(&stream[..stream.len() - 1]).contains("cut short"));
    let twice = File::new(&[("module.a", &[1], &[1.0]), ("a", &[1], &[1.0])]);
    assert!(refused(&twice.zip()).contains("twice"));

    let mut outside = File::new(&[("a", &[2], &[1.0, 2.0])]);
    outside.tensors[0].offset = 1;
    assert!(refused(&outside.zip()).contains("\"a\" reaches beyond"));
    let mut lying = File::new(&[("a", &[2], &[1.0, 2.0])]);
    lying.blocks[0].numbers = 3;
    assert!(refused(&lying.zip()).contains("more numbers than are there"));
    let mut whole = File::new(&[]);
    let block = Block {
        storage: "LongStorage",
        bytes: vec![0; 8],
        numbers: 1,
    };
    whole.push("features.norm0.num_batches_tracked", &[1], block);
    assert!(refused(&whole.zip()).contains("no state_dict"));
}

/// A network with made-up weights.
pub fn network(architecture: Architecture, classes: i64) -> VarStore {
    let store = VarStore::new(Device::Cpu);
    DenseNet::new(&store.root(), architecture, Head::Linear, classes);
    store
}

/// All variables as torch would save them, with their names run through `rename`.
pub fn saved(store: &VarStore, rename: impl Fn(&str) -> String) -> File {
    let mut file = File::new(&[]);
    for (name, tensor) in store.variables() {
        let shape: Vec<u64> = tensor.size().iter().map(|&d| d as u64).collect();
        let values = Vec::<f32>::try_from(tensor.contiguous().view(-1)).unwrap();
        file.push(&rename(&name), &shape, torch_writer::block(&values));
    }
    file
}

fn old(name: &str) -> String {
    let mut name = name.to_owned();
    if name.contains("denselayer") {
        for part in ["norm", "conv"] {
            for n in ["1", "2"] {
                name = name.replace(&format!(".{part}{n}."), &format!(".{part}.{n}."));
            }
        }
    }
    name
}

fn equal(a: &VarStore, b: &VarStore, but: &str) -> bool {
    let (a, b) = (a.variables(), b.variables());
    a.iter()
        .filter(|(name, _)| but.is_empty() || !name.starts_with(but))
        .all(|(name, tensor)| &b[name] == tensor)
}

struct Written {
    dir: TempDir,
}

impl Written {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { dir }
    }

    fn read(&self, bytes: &[u8]) -> Weights {
        let path = self.dir.path().join("w.pth");
        fs::write(&path, bytes).unwrap();
        weights::read(&path).unwrap()
    }
}

#[test]
fn every_form_fills_a_network_exactly() {
    let from = network(Architecture::DenseNet121, 1000);
    let new = saved(&from, str::to_owned);
    let old = saved(&from, |name| format!("module.{}", old(name)));
    let written = Written::new();
    for bytes in [new.zip(), new.stream(), old.stream()] {
        let weights = written.read(&bytes);
        assert_eq!(weights.architecture(), Some(Architecture::DenseNet121));
        let to = network(Architecture::DenseNet121, 1000);
        weights.load_into(&to, true).unwrap();
        assert!(equal(&from, &to, ""));
        // Another number of classes: all but the head.
        let to = network(Architecture::DenseNet121, 2);
        weights.load_into(&to, false).unwrap();
        assert!(equal(&from, &to, "classifier"));
        let error = weights.load_into(&to, true).unwrap_err().to_string();
        assert!(
            error.contains("\"classifier.bias\" has shape [1000]"),
            "{error}"
        );
    }
}

#[test]
fn an_export_is_a_base_again() {
    let from = network(Architecture::DenseNet121, 2);
    let variables = from.variables();
    onnx_graph::round_to_half(&variables);
    let written = Written::new();
    for precision in [Precision::F16, Precision::F32] {
        let model = onnx_graph::build(
            &variables,
            Architecture::DenseNet121,
            Head::Linear,
            64,
            2,
            precision,
        );
        let weights = written.read(&model.unwrap().encode_to_vec());
        let to = network(Architecture::DenseNet121, 2);
        weights.load_into(&to, true).unwrap();
        assert!(equal(&from, &to, ""), "{precision:?}");
    }
}

#[test]
fn run_folders_weights_load_and_strangers_are_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("w.safetensors");
    let from = network(Architecture::DenseNet121, 2);
    save_weights(&from, &path).unwrap();
    let weights = weights::read(&path).unwrap();
    let to = network(Architecture::DenseNet121, 2);
    weights.load_into(&to, true).unwrap();
    assert!(equal(&from, &to, ""));

    let other = network(Architecture::DenseNet169, 2);
    let untouched = network(Architecture::DenseNet169, 2);
    tch::no_grad(|| {
        for (name, mut variable) in untouched.variables() {
            variable.copy_(&other.variables()[&name]);
        }
    });
    let error = weights.load_into(&other, false).unwrap_err().to_string();
    assert!(
        error.contains("another architecture, densenet121, but densenet169"),
        "{error}"
    );
    let error = weights.fit(Architecture::DenseNet161).unwrap_err();
    assert!(error.to_string().contains("densenet161"), "{error}");
    weights.fit(Architecture::DenseNet121).unwrap();

    let mut lacking = weights.clone();
    let name = "features.denseblock4.denselayer16.norm2.running_var";
    lacking.tensors.remove(name).unwrap();
    let error = lacking.load_into(&to, false).unwrap_err().to_string();
    assert!(error.contains(&format!("no tensor {name:?}")), "{error}");

    let mut broken = weights.clone();
    broken.tensors.get_mut(name).unwrap().values[3] = f32::NAN;
    let error = broken.load_into(&to, false).unwrap_err().to_string();
    assert!(error.contains(name), "{error}");

    let mut resnet = weights;
    resnet.tensors =
        weights::parse(&File::new(&[("layer1.0.conv1.weight", &[1], &[1.0])]).zip()).unwrap();
    let error = resnet.load_into(&other, false).unwrap_err().to_string();
    assert!(error.contains("layer1.0.conv1.weight"), "{error}");
    // What is refused changes nothing.
    assert!(equal(&other, &untouched, ""));

    fs::write(&path, b"garbage").unwrap();
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("w.safetensors"), "{error}");
    let absent = weights::read(&dir.path().join("absent")).unwrap_err();
    assert!(absent.to_string().contains("absent"), "{absent}");
}
