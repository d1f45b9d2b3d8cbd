//! Whether a model may be taken: by whom it is signed, and what it is.

use std::time::Instant;

use jiff::Timestamp;
use minisign_verify::Signature;
use sha2::{Digest, Sha256};
use smearscope_common::engine::{EngineError, Model};
use smearscope_common::message::{DesiredModel, ModelHash};
use smearscope_common::model_card::self_test_input;
use smearscope_common::model_signature::{InvalidNote, SignedNote};
use smearscope_common::topic::DeviceId;

use super::watch;
use crate::config::TrustedKey;

/// How often a crop is judged to know how fast a model is; the fastest counts, for the daemon is at work meanwhile.
const TIMED: usize = 5;

/// Why a model is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The config names the model.
    #[error("this board's model is fixed by `path` in [model] of its config")]
    Fixed,
    /// There is no place for another one, as in `demo`.
    #[error("this program keeps no models: it has no folder for them")]
    NoFolder,
    /// No key is trusted.
    #[error("this board trusts no key: set `trusted_keys` in [model] of its config")]
    NoKeys,
    /// Nothing at all, or more than the limit.
    #[error(
        "it has {size} bytes; a model here has at least 1 and at most {most} (`max_mb` in [model])"
    )]
    Size {
        /// As it was announced.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// The bytes are not those that were announced.
    #[error(
        "its bytes have the SHA-256 {is}, not {wanted}: they were damaged or exchanged on the way"
    )]
    Hash {
        /// Of the bytes.
        is: ModelHash,
        /// As it was announced.
        wanted: ModelHash,
    },
    /// The bytes are more or fewer than was announced.
    #[error("it has {is} bytes, not {wanted} as was announced")]
    Truncated {
        /// What there is.
        is: u64,
        /// As it was announced.
        wanted: u64,
    },
    /// There is no signature, or what there is is none.
    #[error("it is not signed: its signature can't be read ({0})")]
    NotSigned(minisign_verify::Error),
    /// The signature is of no trusted key, or of other bytes.
    #[error("its signature fits none of this board's {0} trusted key(s), or is of another file")]
    Signature(usize),
    /// The signature says too little.
    #[error("its signature is of no use: {0}")]
    Note(#[from] InvalidNote),
    /// It is for other boards.
    #[error("its signature is for other boards, not for {0}")]
    OtherBoard(DeviceId),
    /// A newer signature was accepted before.
    #[error(
        "it was signed at {signed_at}, and this board has accepted a signature of {newest}: to go back to an older model, sign it anew"
    )]
    Older {
        /// When it was signed.
        signed_at: Timestamp,
        /// The newest accepted signature.
        newest: Timestamp,
    },
    /// It is no model of smearscope's, or does not answer as it did on the workstation.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The card speaks of a network that this program does not know, or the graph is not what the card says.
    #[error(
        "its card says that it is a {0:?}, which this program does not take: it takes a DenseNet whose graph is one"
    )]
    Architecture(String),
    /// It is slower than this board can bear.
    #[error(
        "it takes {ms:.0} ms for a cell on one core of this board, more than {most:.0} (`max_ms_per_crop` in [model])"
    )]
    Slow {
        /// The fastest of some crops.
        ms: f64,
        /// The limit.
        most: f64,
    },
    /// The bytes did not arrive.
    #[error("its bytes did not arrive: {0}")]
    NotReceived(String),
    /// The chunks are more than was announced.
    #[error("its chunks hold more than the {0} bytes that were announced")]
    Endless(u64),
    /// It can't be written down here.
    #[error("it can't be kept here: {0}")]
    Disk(#[from] std::io::Error),
}

/// What a board asks of a model.
pub struct Demands {
    /// The board.
    pub device: DeviceId,
    /// Whoever signs for it.
    pub keys: Vec<TrustedKey>,
    /// The most bytes.
    pub max_bytes: u64,
    /// What is watched, and the least speed.
    pub watch: watch::Rules,
}

/// A model that was checked.
pub struct Checked {
    /// Ready to decide.
    pub model: Model,
    /// Its file's hash.
    pub hash: ModelHash,
    /// By whom and when it was signed.
    pub signed: Signed,
}

/// A signature that a board goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// When it was made.
    pub at: Timestamp,
    /// The id of the key that made it.
    pub by: String,
}

impl Demands {
    /// What can be refused before a byte of the model is here: it saves the way, and proves nothing yet.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn foresee(
        &self,
        desired: &DesiredModel,
        newest: Option<Timestamp>,
    ) -> Result<SignedNote, Refusal> {
        if self.keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        if !(1..=self.max_bytes).contains(&desired.size) {
            return Err(Refusal::Size {
                size: desired.size,
                most: self.max_bytes,
            });
        }
        let signature = Signature::decode(&desired.signature).map_err(Refusal::NotSigned)?;
        self.note(&signature, newest)
    }

    /// Checks everything about a model, from its signature to its speed.
    ///
    /// # Errors
    /// [`Refusal`]: the first thing that is wrong.
    pub fn check(
        &self,
        onnx: &[u8],
        signature: &str,
        newest: Option<Timestamp>,
    ) -> Result<Checked, Refusal> {
        let signed = self.check_signature(onnx, signature, newest)?;
        let model = Model::load(onnx)?;
        let architecture = &model.card().architecture;
        if !architecture.starts_with("densenet") || model.fused_blocks() == 0 {
            return Err(Refusal::Architecture(architecture.clone()));
        }
        model.self_test()?;
        self.check_speed(&model)?;
        let hash = hash_of(onnx);
        Ok(Checked {
            model,
            hash,
            signed,
        })
    }

    /// Checks that a trusted key has signed these bytes for this board, and not before `newest`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_signature(
        &self,
        onnx: &[u8],
        signature: &str,
        newest: Option<Timestamp>,
    ) -> Result<Signed, Refusal> {
        if self.keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        let signature = Signature::decode(signature).map_err(Refusal::NotSigned)?;
        let is_of = |key: &&TrustedKey| key.verify(onnx, &signature).is_ok();
        let Some(key) = self.keys.iter().find(is_of) else {
            return Err(Refusal::Signature(self.keys.len()));
        };
        Ok(Signed {
            at: self.note(&signature, newest)?.signed_at,
            by: key.id(),
        })
    }

    fn note(
        &self,
        signature: &Signature,
        newest: Option<Timestamp>,
    ) -> Result<SignedNote, Refusal> {
        let note = SignedNote::read(signature.trusted_comment())?;
        if !note.is_for(&self.device) {
            return Err(Refusal::OtherBoard(self.device.clone()));
        }
        match newest {
            Some(newest) if note.signed_at < newest => Err(Refusal::Older {
                signed_at: note.signed_at,
                newest,
            }),
            _ => Ok(note),
        }
    }

    fn check_speed(&self, model: &Model) -> Result<(), Refusal> {
        let input = self_test_input(1, model.card().input.size);
        let mut worker = model.worker()?;
        let mut fastest = f64::INFINITY;
        for _ in 0..TIMED {
            let begun = Instant::now();
            worker.logits(&input)?;
            fastest = fastest.min(begun.elapsed().as_secs_f64() * 1e3);
        }
        let most = self.watch.max_ms_per_crop;
        if fastest > most {
            return Err(Refusal::Slow { ms: fastest, most });
        }
        Ok(())
    }
}

/// The hash of a model's file.
pub fn hash_of(bytes: &[u8]) -> ModelHash {
    let digest = Sha256::digest(bytes);
    // SHA-256 has 64 such digits.
    hex::encode(digest)
        .parse()
        .expect("a digest in hexadecimal is a model's hash")
}
