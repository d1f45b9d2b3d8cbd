//! A model that is desired: whether it is needed, how far it is, and taking or refusing it.

use std::sync::Arc;

use jiff::Timestamp;
use smearscope_common::engine::Model;
use smearscope_common::message::{
    DesiredModel, ModelEventKind, ModelRef, ModelUpdate, UpdateState,
};
use tracing::{info, warn};

use super::Models;
use super::check::{Checked, Demands, Refusal};
use super::chunks::Chunks;
use super::folder::Folder;
use super::state::State;

/// What is to be done about a desired model.
pub enum Need {
    /// Nothing: it is known what became of it.
    Nothing,
    /// Its bytes are here.
    Bytes(Vec<u8>),
    /// Its bytes are to come.
    Receive,
}

impl Models {
    /// What is to be done about a desired model.
    ///
    /// # Errors
    /// [`Refusal`], if that can be said without its bytes.
    pub fn need(&self, desired: &DesiredModel) -> Result<Need, Refusal> {
        if self.is_fixed {
            return Err(Refusal::Fixed);
        }
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        let mut inner = self.inner();
        let note = self
            .demands
            .foresee(desired, inner.record.state.signed_at)?;
        let known = inner.record.state.update.as_ref();
        if known.is_some_and(|update| update.sha256 == desired.sha256)
            && inner.record.state.signed_at == Some(note.signed_at)
        {
            inner.update = None;
            drop(inner);
            self.changes.send_replace(());
            return Ok(Need::Nothing);
        }
        let is_here = inner.record.state.models.contains_key(&desired.sha256);
        drop(inner);
        match is_here.then(|| folder.model(&desired.sha256)) {
            Some(Ok(bytes)) => Ok(Need::Bytes(bytes)),
            _ => Ok(Need::Receive),
        }
    }

    /// Where the chunks of a desired model arrive; those of others are given up.
    ///
    /// # Errors
    /// [`Refusal`], when they can't be kept.
    pub fn incoming(&self, desired: &DesiredModel) -> Result<Chunks, Refusal> {
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        folder.sweep(Some(&desired.sha256));
        Ok(Chunks::open(
            folder.incoming(&desired.sha256),
            desired.size,
        )?)
    }

    /// Says how far a desired model is.
    pub fn tell(&self, desired: &DesiredModel, state: UpdateState, received: u64) {
        self.set_update(desired, state, received, None);
    }

    /// Says that a desired model is not taken.
    pub fn refuse(&self, desired: &DesiredModel, refusal: &Refusal) {
        let why = refusal.to_string();
        warn!("model {} is refused: {why}", desired.sha256.brief());
        if let Some(folder) = &self.folder {
            self.change(folder, |state| {
                let hash = &desired.sha256;
                let known = state.history.last();
                // A broker repeats what is desired with each connection.
                let is_new = known.is_none_or(|event| {
                    event.sha256 != *hash || event.reason.as_deref() != Some(&why)
                });
                if is_new {
                    state.note(ModelEventKind::Refused, hash, Some(why.clone()));
                }
                is_new
            });
        }
        self.set_update(desired, UpdateState::Refused, 0, Some(why));
    }

    /// No model is desired any more.
    pub fn withdrawn(&self) {
        let mut inner = self.inner();
        // What has become of one that was taken stays said.
        inner.update = None;
        drop(inner);
        self.changes.send_replace(());
    }

    /// Checks a model and takes it: it is written down, and decides from the next field on. Takes seconds.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn install(&self, onnx: &[u8], signature: &str) -> Result<ModelRef, Refusal> {
        if self.is_fixed {
            return Err(Refusal::Fixed);
        }
        let folder = self.folder.as_ref().ok_or(Refusal::NoFolder)?;
        // What couldn't be written before goes first.
        self.change(folder, |_| false);
        let was = self.current();
        let (_, model) = install(folder, &self.demands, onnx, signature)?;
        let reference = model.reference();
        self.change(folder, |_| false);
        self.inner().update = None;
        info!(
            "model {} {} is installed",
            reference.name, reference.version
        );
        if was != self.current() {
            self.hand_over(Arc::new(model));
        }
        folder.sweep(None);
        self.changes.send_replace(());
        Ok(reference)
    }

    fn set_update(
        &self,
        desired: &DesiredModel,
        state: UpdateState,
        received: u64,
        reason: Option<String>,
    ) {
        self.inner().update = Some(ModelUpdate {
            sha256: desired.sha256.clone(),
            size: desired.size,
            received,
            state,
            at: Timestamp::now(),
            reason,
        });
        self.changes.send_replace(());
    }
}

/// Checks a model and writes it down as the one that decides.
///
/// # Errors
/// [`Refusal`].
pub fn install(
    folder: &Folder,
    demands: &Demands,
    onnx: &[u8],
    signature: &str,
) -> Result<(State, Model), Refusal> {
    let newest = folder.state()?.signed_at;
    let Checked {
        model,
        hash,
        signed,
    } = demands.check(onnx, signature, newest)?;
    let signed_at = signed.at;
    // Checking takes seconds: somebody else may have installed a newer one meanwhile.
    let mut overtaken = None;
    let state = folder.change(|state| {
        overtaken = state.signed_at.filter(|newest| *newest > signed_at);
        if overtaken.is_some() {
            return Ok(false);
        }
        // The bytes before the name.
        if !state.models.contains_key(&hash) {
            folder.keep(&hash, onnx, signature)?;
        }
        state.take(&model.reference(), &hash, onnx.len() as u64, &signed);
        Ok(true)
    })?;
    if let Some(newest) = overtaken {
        return Err(Refusal::Older { signed_at, newest });
    }
    Ok((state, model))
}
