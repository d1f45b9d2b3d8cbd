//! From `model/desired` to a model that is installed or refused. One at a time: a newer wish ends the receiving of an
//! older one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smearscope_common::message::{DesiredModel, ModelHash, UpdateState};
use smearscope_common::topic::model_chunk;
use tokio::sync::{mpsc, watch};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::check::{Refusal, hash_of};
use super::chunks::Chunks;
use super::{Models, Need, fetch};

/// Chunks between the connection and us; more are not asked for at once.
const QUEUE: usize = 16;
/// When nothing of what was asked for has come for so long, it is asked for again.
const QUIET: Duration = Duration::from_secs(20);

/// A chunk that has come.
#[derive(Debug)]
pub struct Chunk {
    /// Of which model.
    pub model: ModelHash,
    /// Which one.
    pub number: u32,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What the connection is to ask the broker for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The topics of chunks.
    pub topics: Vec<String>,
    /// Rises when all of them are to be asked for anew.
    pub round: u64,
}

/// The connection's side.
pub struct Door {
    /// The newest payload of `model/desired`.
    pub desired: watch::Sender<Option<Bytes>>,
    /// What has come of what was wanted.
    pub chunks: mpsc::Sender<Chunk>,
    /// What is wanted.
    pub wanted: watch::Receiver<Wanted>,
}

/// Follows `model/desired`.
pub struct Updates {
    models: Arc<Models>,
    patience: Duration,
    desired: watch::Receiver<Option<Bytes>>,
    chunks: mpsc::Receiver<Chunk>,
    wanted: watch::Sender<Wanted>,
}

/// What came of receiving.
enum Received {
    Whole(Vec<u8>),
    /// Something else is desired by now.
    Overtaken,
}

impl Updates {
    /// Updates of these models, whose bytes must arrive within `patience`; and the connection's side.
    pub fn new(models: Arc<Models>, patience: Duration) -> (Self, Door) {
        let (desired, desired_in) = watch::channel(None);
        let (chunks, chunks_in) = mpsc::channel(QUEUE);
        let (wanted, wanted_out) = watch::channel(Wanted::default());
        let updates = Self {
            models,
            patience,
            desired: desired_in,
            chunks: chunks_in,
            wanted,
        };
        let door = Door {
            desired,
            chunks,
            wanted: wanted_out,
        };
        (updates, door)
    }

    /// Follows, until the connection's side is gone.
    pub async fn run(mut self) {
        let mut last: Option<Bytes> = None;
        while self.desired.changed().await.is_ok() {
            let payload = self.desired.borrow_and_update().clone();
            // With each connection the broker repeats what is desired.
            if payload.is_none() || payload == last {
                continue;
            }
            last.clone_from(&payload);
            self.follow(&payload.unwrap_or_default()).await;
            self.want(Vec::new());
        }
    }

    async fn follow(&mut self, payload: &[u8]) {
        let desired = match DesiredModel::read(payload) {
            Ok(Some(desired)) => desired,
            Ok(None) => {
                self.models.withdrawn();
                return;
            }
            Err(error) => {
                warn!("what is desired on `model/desired` can't be followed: {error}");
                return;
            }
        };
        match self.bytes_of(&desired).await {
            Ok(None) => {}
            Ok(Some(onnx)) => {
                let size = onnx.len() as u64;
                self.models.tell(&desired, UpdateState::Checking, size);
                let models = Arc::clone(&self.models);
                let (wish, signature) = (desired.clone(), desired.signature.clone());
                let checked = spawn_blocking(move || {
                    hold_against(&wish, &onnx)?;
                    models.install(&onnx, &signature)
                });
                let refusal = match checked.await {
                    Ok(Ok(_)) => None,
                    Ok(Err(refusal)) => Some(refusal),
                    Err(error) => Some(Refusal::NotReceived(format!(
                        "checking it broke down ({error})"
                    ))),
                };
                // What was refused is no use, and may be damaged.
                let cleared = block_in_place(|| {
                    self.models
                        .incoming(&desired)
                        .map(|mut chunks| chunks.clear())
                });
                if let Ok(Err(error)) = cleared {
                    warn!("the chunks of a model can't be removed: {error}");
                }
                if let Some(refusal) = refusal {
                    block_in_place(|| self.models.refuse(&desired, &refusal));
                }
            }
            Err(refusal) => block_in_place(|| self.models.refuse(&desired, &refusal)),
        }
    }

    /// The bytes of a model; `None` where they aren't needed, or not any more.
    async fn bytes_of(&mut self, desired: &DesiredModel) -> Result<Option<Vec<u8>>, Refusal> {
        match block_in_place(|| self.models.need(desired))? {
            Need::Nothing => Ok(None),
            Need::Bytes(bytes) => Ok(Some(bytes)),
            Need::Receive => {
                info!(
                    "model {} is desired: {} bytes are to come",
                    desired.sha256.brief(),
                    desired.size
                );
                let received = match &desired.url {
                    Some(url) => self.fetch(desired, url).await?,
                    None => self.receive(desired).await?,
                };
                match received {
                    Received::Whole(bytes) => Ok(Some(bytes)),
                    Received::Overtaken => Ok(None),
                }
            }
        }
    }

    /// Takes the chunks from the broker.
    async fn receive(&mut self, desired: &DesiredModel) -> Result<Received, Refusal> {
        let mut chunks = block_in_place(|| self.models.incoming(desired))?;
        let deadline = Instant::now() + self.patience;
        loop {
            let received = chunks.received();
            self.models.tell(desired, UpdateState::Receiving, received);
            if let Some(whole) = block_in_place(|| chunks.whole())? {
                return Ok(Received::Whole(whole));
            }
            self.want(topics(desired, &chunks));
            let chunk = tokio::select! {
                chunk = timeout(QUIET, self.chunks.recv()) => chunk,
                changed = self.desired.changed() => {
                    if changed.is_err() || !self.is_still(desired) {
                        self.desired.mark_changed();
                        return Ok(Received::Overtaken);
                    }
                    continue;
                }
                () = sleep_until(deadline) => {
                    let hours = self.patience.as_secs_f64() / 3600.0;
                    return Err(Refusal::NotReceived(format!(
                        "{received} of {} within {hours:.1} hours (`receive_hours` in [model])",
                        desired.size
                    )));
                }
            };
            match chunk {
                Ok(Some(chunk)) if chunk.model == desired.sha256 => {
                    block_in_place(|| chunks.accept(chunk.number, &chunk.bytes))?;
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Received::Overtaken),
                Err(_) => self.wanted.send_modify(|wanted| wanted.round += 1),
            }
        }
    }

    /// Whether the same is desired as before.
    fn is_still(&self, desired: &DesiredModel) -> bool {
        let payload = self.desired.borrow();
        let read = DesiredModel::read(payload.as_deref().unwrap_or_default());
        read.is_ok_and(|now| now.as_ref() == Some(desired))
    }

    /// Takes the file from a URL.
    async fn fetch(&mut self, desired: &DesiredModel, url: &str) -> Result<Received, Refusal> {
        let (progress, mut far) = watch::channel(0u64);
        let fetch = fetch::File {
            url: url.to_owned(),
            size: desired.size,
            until: std::time::Instant::now() + self.patience,
        };
        // When this side is gone, the other one gives up with its next bytes.
        let mut fetched = spawn_blocking(move || fetch.get(&progress));
        loop {
            let received = *far.borrow_and_update();
            self.models.tell(desired, UpdateState::Receiving, received);
            tokio::select! {
                done = &mut fetched => {
                    let whole = done
                        .map_err(|error| error.to_string())
                        .and_then(|done| done)
                        .map_err(Refusal::NotReceived)?;
                    return Ok(Received::Whole(whole));
                }
                changed = far.changed() => if changed.is_err() {
                    continue;
                },
                changed = self.desired.changed() => {
                    if changed.is_err() || !self.is_still(desired) {
                        self.desired.mark_changed();
                        return Ok(Received::Overtaken);
                    }
                }
            }
        }
    }

    fn want(&self, topics: Vec<String>) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.topics != topics;
            wanted.topics = topics;
            is_new
        });
    }
}

/// The topics of the chunks to ask for next.
fn topics(desired: &DesiredModel, chunks: &Chunks) -> Vec<String> {
    let topic = |number| model_chunk(&desired.sha256, number);
    chunks.wanted().into_iter().map(topic).collect()
}

/// Whether these bytes are the ones that were announced.
fn hold_against(desired: &DesiredModel, onnx: &[u8]) -> Result<(), Refusal> {
    let size = onnx.len() as u64;
    if size != desired.size {
        return Err(Refusal::Truncated {
            is: size,
            wanted: desired.size,
        });
    }
    let is = hash_of(onnx);
    if is != desired.sha256 {
        return Err(Refusal::Hash {
            is,
            wanted: desired.sha256.clone(),
        });
    }
    Ok(())
}
