//! Our DenseNet against torchvision's, with the answers of tools/torchvision_fixture.py.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tch::nn::{ModuleT, VarStore};
use tch::{Device, Tensor};

use crate::densenet::{Architecture, DenseNet, Head};

#[derive(Deserialize)]
struct Fixture {
    models: BTreeMap<String, Answers>,
}

#[derive(Deserialize)]
struct Answers {
    variables: usize,
    names_sha256: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    size: i64,
    logits: Vec<f32>,
}

/// Twin of `uniform` in the script.
fn uniform(name: &str, count: usize) -> Vec<f64> {
    let digest = Sha256::digest(name);
    let seed = u64::from_le_bytes(digest[..8].try_into().unwrap());
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

/// Twin of `made_up` in the script.
pub fn made_up(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let fan_in = shape[1..].iter().product::<i64>() as f64;
    let values: Vec<f32> = uniform(name, count)
        .into_iter()
        .map(|u| match name.rsplit('.').next() {
            Some("running_var") => 1.0 + 0.5 * u,
            Some("running_mean" | "bias") => 0.1 * u,
            _ if shape.len() == 1 => 1.0 + 0.2 * u,
            _ => u * (6.0 / fan_in).sqrt(),
        } as f32)
        .collect();
    Tensor::from_slice(&values).view(shape)
}

#[test]
fn all_four_answer_as_torchvision_does() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../fixtures/torchvision.json")).unwrap();
    assert_eq!(fixture.models.len(), 4);
    for (name, answers) in fixture.models {
        let architecture: Architecture = name.parse().unwrap();
        let store = VarStore::new(Device::Cpu);
        let net = DenseNet::new(&store.root(), architecture, Head::Linear, 2);
        let variables: BTreeMap<_, _> = store.variables().into_iter().collect();
        let listing: String = variables
            .iter()
            .map(|(n, t)| format!("{n} {:?}\n", t.size()))
            .collect();
        assert_eq!(variables.len(), answers.variables, "{name}");
        assert_eq!(
            hex::encode(Sha256::digest(listing)),
            answers.names_sha256,
            "{name}"
        );
        tch::no_grad(|| {
            for (variable, mut tensor) in variables {
                tensor.copy_(&made_up(&variable, &tensor.size()));
            }
        });
        assert!(answers.cases.len() >= 2);
        for Case { size, logits } in answers.cases {
            let pixels: Vec<f32> = uniform(&format!("input {size}"), (6 * size * size) as usize)
                .into_iter()
                .map(|u| u as f32 * 2.0)
                .collect();
            let pixels = Tensor::from_slice(&pixels).view([2, 3, size, size]);
            let ours = tch::no_grad(|| net.forward_t(&pixels, false)).view(-1);
            let delta = (ours - Tensor::from_slice(&logits)).abs().max();
            let delta = f64::try_from(delta).unwrap();
            let largest = logits.iter().fold(0f32, |a, b| a.max(b.abs()));
            assert!(
                largest > 0.1,
                "{name} at {size}: the fixture's logits say nothing: {logits:?}"
            );
            assert!(
                delta <= 1e-4,
                "{name} at {size}: differs by {delta} from {logits:?}"
            );
        }
    }
}
