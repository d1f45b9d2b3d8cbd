//! What is told of the models: the message on `model`, and the answers to commands.

use smearscope_common::message::{
    KeptModel, ModelHistory, ModelList, ModelMessage, ModelOrigin, ModelRef, ModelUse, UpdateState,
};
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

use super::state::{State, Which, origin};
use super::watch::Watch;
use super::{Inner, Models};
use crate::model;

impl Models {
    /// What is on the board, the model that decides first.
    pub fn list(&self) -> ModelList {
        let inner = self.inner();
        if self.is_fixed || self.folder.is_none() {
            let only = KeptModel {
                model: inner.at_work.clone(),
                origin: self.origin(&inner),
                used: ModelUse::Current,
            };
            return ModelList { models: vec![only] };
        }
        list_of(&inner.record.state)
    }

    /// What happened with models, the newest last, and where the one that decides comes from.
    pub fn history(&self) -> ModelHistory {
        let inner = self.inner();
        ModelHistory {
            events: inner.record.state.history.clone(),
            chain: inner.chain.clone(),
        }
    }

    /// The message on `model`.
    pub fn message(&self, device: &DeviceId, boot_id: Uuid) -> ModelMessage {
        let inner = self.inner();
        let mut update = inner
            .update
            .clone()
            .or_else(|| inner.record.state.update.clone());
        let is_taken = inner.next.is_none() && inner.watch.is_some();
        if let Some(update) = update.as_mut()
            && is_taken
            && update.state == UpdateState::Switching
        {
            update.state = UpdateState::Watching;
        }
        ModelMessage {
            schema: ModelMessage::SCHEMA.into(),
            device: device.clone(),
            boot_id,
            current: inner.at_work.clone(),
            origin: self.origin(&inner),
            previous: inner
                .record
                .state
                .previous()
                .filter(|_| !self.is_fixed)
                .map(|which| reference_of(&inner.record.state, &which)),
            watch: inner.watch.as_ref().map(Watch::progress),
            signed_at: inner.record.state.signed_at,
            update,
        }
    }

    fn origin(&self, inner: &Inner) -> ModelOrigin {
        if self.is_fixed {
            return ModelOrigin::File;
        }
        let is_installed = inner
            .record
            .state
            .models
            .values()
            .any(|model| model.sha256 == inner.at_work.sha256);
        if is_installed {
            ModelOrigin::Installed
        } else {
            ModelOrigin::Program
        }
    }
}

/// What is on a board, by its state.
pub fn list_of(state: &State) -> ModelList {
    let entry = |which: &Which, used| KeptModel {
        model: reference_of(state, which),
        origin: origin(which),
        used,
    };
    let mut models = vec![entry(&state.current, ModelUse::Current)];
    let previous = state.previous();
    if let Some(which) = &previous {
        models.push(entry(which, ModelUse::Previous));
    }
    let others = state.before.iter().rev().skip(1);
    models.extend(others.map(|which| entry(which, ModelUse::Kept)));
    if !models
        .iter()
        .any(|model| model.origin == ModelOrigin::Program)
    {
        models.push(entry(&None, ModelUse::Kept));
    }
    ModelList { models }
}

pub(super) fn reference_of(state: &State, which: &Which) -> ModelRef {
    match which {
        None => model::default_reference(),
        Some(hash) => state.models.get(hash).cloned().unwrap_or_else(|| ModelRef {
            name: "unknown".into(),
            version: String::new(),
            sha256: hash.to_string(),
        }),
    }
}
