//! Models to send: the program's own under other cards, signed or not.

use minisign::KeyPair;
use rumqttc::v5::MqttOptions;
use serde_json::{Value, json};

use crate::peer::Peer;

const PROGRAM: &[u8] = include_bytes!("../../edge/models/default.onnx");

/// The card's version of the program's model, as it stands there.
pub const VERSION: &str = "\"version\":\"2.1.0\"";

/// The program's model under another version.
pub fn version(version: &str) -> Vec<u8> {
    edited(&[(VERSION, &format!("\"version\":\"{version}\""))])
}

/// The program's model with other words of the same length in its card.
pub fn edited(edits: &[(&str, &str)]) -> Vec<u8> {
    let mut onnx = PROGRAM.to_vec();
    for (from, to) in edits {
        assert_eq!(from.len(), to.len(), "{from} {to}");
        let at = onnx
            .windows(from.len())
            .position(|bytes| bytes == from.as_bytes())
            .unwrap_or_else(|| panic!("the card has no {from}"));
        onnx[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    onnx
}

/// A new key pair.
pub fn key() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

/// The signature of these bytes, made at this second for all boards.
pub fn signature(onnx: &[u8], key: &KeyPair, second: u64) -> String {
    let comment = format!("timestamp:{second}\tfile:m.onnx\thashed");
    minisign::sign(Some(&key.pk), &key.sk, onnx, Some(&comment), None)
        .unwrap()
        .to_string()
}

/// The SHA-256 of these bytes.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What `model/desired` says of these bytes.
pub fn desired(onnx: &[u8], signature: &str) -> Value {
    json!({
        "schema": "smearscope.desired/1",
        "sha256": sha256(onnx),
        "size": onnx.len(),
        "signature": signature,
    })
}

/// Who hands out models.
pub struct Publisher(pub Peer);

impl Publisher {
    /// Connects to the broker on this port.
    pub fn enter(port: u16) -> Self {
        let id = format!("publisher-{}", crate::free_port());
        Self(Peer::enter(MqttOptions::new(id, "127.0.0.1", port)).unwrap())
    }

    /// Puts the bytes on the broker under this name, the last chunk first.
    pub fn put(&self, name: &str, onnx: &[u8], chunk: usize) {
        let chunks: Vec<_> = onnx.chunks(chunk).enumerate().collect();
        for (number, bytes) in chunks.into_iter().rev() {
            self.0
                .retain(&format!("smearscope/models/{name}/{number}"), bytes);
        }
    }

    /// Tells a board what it is to take.
    pub fn wish(&self, device: &str, desired: &Value) {
        let topic = format!("smearscope/{device}/model/desired");
        self.0.retain(&topic, desired.to_string().as_bytes());
    }

    /// All of it: the bytes, their signature, the wish.
    pub fn publish(&self, device: &str, onnx: &[u8], key: &KeyPair, second: u64) {
        self.put(&sha256(onnx), onnx, 128 << 10);
        self.wish(device, &desired(onnx, &signature(onnx, key, second)));
    }
}
