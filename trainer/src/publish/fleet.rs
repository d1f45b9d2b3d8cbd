//! What the boards of a broker say of themselves.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::{Span, Timestamp};
use smearscope_common::message::{
    DesiredModel, DeviceState, ModelHash, ModelMessage, ModelRef, StatusMessage, UpdateState,
};
use smearscope_common::topic::{DeviceId, Topic};

use super::broker::Message;
use crate::error::bad_input;

/// What is subscribed to: of every board whether it is there, what it makes of models, and which one it is to take.
pub const FILTERS: [&str; 3] = [
    "smearscope/+/status",
    "smearscope/+/model",
    "smearscope/+/model/desired",
];

/// What a message tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Whether a board is there.
    Status(DeviceId, DeviceState),
    /// What it makes of models.
    Model(DeviceId, Box<ModelMessage>),
}

/// All boards that were heard of.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    states: BTreeMap<DeviceId, DeviceState>,
    models: BTreeMap<DeviceId, ModelMessage>,
    /// The model at work by `status`, which older programs tell, too.
    at_work: BTreeMap<DeviceId, ModelRef>,
    desired: BTreeMap<DeviceId, DesiredModel>,
}

impl Fleet {
    /// Takes a message. What can't be read is named in the log and otherwise ignored.
    pub fn hear(&mut self, message: &Message) -> Option<News> {
        let mut parts = message.topic.splitn(3, '/');
        let (Some("smearscope"), Some(device), Some(leaf)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let device: DeviceId = device.parse().ok()?;
        let payload = &message.payload[..];
        if leaf == Topic::ModelDesired.leaf() {
            match DesiredModel::read(payload) {
                Ok(Some(desired)) => self.desired.insert(device, desired),
                // What the board can't follow needs no chunks either.
                Ok(None) | Err(_) => self.desired.remove(&device),
            };
            return None;
        }
        if payload.is_empty() {
            // Somebody has forgotten the board.
            if leaf == Topic::Status.leaf() {
                self.states.remove(&device);
            }
            return None;
        }
        let unread = |error: serde_json::Error| {
            tracing::warn!(
                "what {device} says on {} cannot be read ({error}): is its program of another version?",
                message.topic
            );
        };
        if leaf == Topic::Status.leaf() {
            let said: StatusMessage = serde_json::from_slice(payload).map_err(unread).ok()?;
            self.states.insert(device.clone(), said.state);
            self.at_work.insert(device.clone(), said.model);
            return Some(News::Status(device, said.state));
        }
        if leaf == Topic::Model.leaf() {
            let said: ModelMessage = serde_json::from_slice(payload).map_err(unread).ok()?;
            self.models.insert(device.clone(), said.clone());
            return Some(News::Model(device, Box::new(said)));
        }
        None
    }

    /// Every board that has told its status, sorted.
    pub fn all(&self) -> Vec<DeviceId> {
        self.states.keys().cloned().collect()
    }

    /// Whether a board has told its status.
    pub fn knows(&self, device: &DeviceId) -> bool {
        self.states.contains_key(device)
    }

    /// Whether a board is there now.
    pub fn is_online(&self, device: &DeviceId) -> bool {
        self.states.get(device) == Some(&DeviceState::Online)
    }

    /// What a board has said of models.
    pub fn model(&self, device: &DeviceId) -> Option<&ModelMessage> {
        self.models.get(device)
    }

    /// The model that decides on a board, as far as that is known.
    pub fn at_work(&self, device: &DeviceId) -> Option<&ModelRef> {
        let said = self.models.get(device).map(|said| &said.current);
        said.or_else(|| self.at_work.get(device))
    }

    /// When to say that a signature for these boards was made: now, and after every one that they have accepted, for they
    /// take no older one.
    ///
    /// # Errors
    /// A board has accepted a signature of the end of time.
    pub fn time_to_sign(&self, boards: &[DeviceId], now: Timestamp) -> Result<Timestamp> {
        let signed =
            |device: &DeviceId| Some((self.models.get(device)?.signed_at?, device.clone()));
        let newest = boards.iter().filter_map(signed).max();
        let now = Timestamp::from_second(now.as_second())?;
        let Some((newest, device)) = newest.filter(|(newest, _)| *newest >= now) else {
            return Ok(now);
        };
        tracing::warn!(
            "{device} has accepted a signature of {newest}, which is later than this machine's clock says: ours is dated after it"
        );
        newest.checked_add(Span::new().seconds(1)).map_err(|_| {
            bad_input!("{device} has accepted a signature of {newest}: no later one can be made")
        })
    }

    /// The boards that are to take this model from chunks and, by what they say, don't have it yet. Those of `settled` are
    /// left out: the caller knows better.
    pub fn in_need(&self, model: &ModelHash, settled: &[DeviceId]) -> Vec<DeviceId> {
        let needs = |(device, desired): (&DeviceId, &DesiredModel)| {
            let is_wanted = desired.sha256 == *model && desired.url.is_none();
            let said = self.models.get(device);
            let update = said.and_then(|said| said.update.as_ref());
            let has_it = said.is_some_and(|said| said.current.sha256 == model.to_string())
                || update.is_some_and(|update| {
                    use UpdateState as S;
                    let is_here = matches!(update.state, S::Switching | S::Watching);
                    update.sha256 == *model && (is_here || update.state.is_final())
                });
            (is_wanted && !has_it && !settled.contains(device)).then(|| device.clone())
        };
        self.desired.iter().filter_map(needs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(topic: &str, payload: &serde_json::Value) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.to_string().into(),
            is_retained: true,
        }
    }

    fn model(name: &str) -> serde_json::Value {
        json!({"name": name, "version": "1", "sha256": "ab".repeat(32)})
    }

    fn said(device: &str, signed_at: Option<&str>) -> Message {
        let text = json!({
            "schema": ModelMessage::SCHEMA, "device": device, "boot_id": uuid::Uuid::nil(),
            "current": model("newer"), "origin": "installed", "previous": null, "watch": null,
            "signed_at": signed_at, "update": null,
        });
        message(&format!("smearscope/{device}/model"), &text)
    }

    fn status(device: &str, state: &str) -> Message {
        let text = json!({
            "schema": StatusMessage::SCHEMA, "state": state, "device": device, "version": "1",
            "model": model("older"), "boot_id": uuid::Uuid::nil(),
        });
        message(&format!("smearscope/{device}/status"), &text)
    }

    #[test]
    fn boards_are_known_by_what_they_say() {
        let mut fleet = Fleet::default();
        let (a, b): (DeviceId, DeviceId) = ("a".parse().unwrap(), "b".parse().unwrap());
        for message in [status("b", "online"), status("a", "stopped")] {
            assert!(fleet.hear(&message).is_some());
        }
        assert_eq!(fleet.all(), [a.clone(), b.clone()]);
        assert!(fleet.is_online(&b) && !fleet.is_online(&a));
        assert_eq!(fleet.at_work(&a).unwrap().name, "older");
        fleet.hear(&said("a", None));
        assert_eq!(fleet.at_work(&a).unwrap().name, "newer");
        for odd in [
            "smearscope/a b/status",
            "other/a/status",
            "smearscope/a/field",
            "x",
        ] {
            assert_eq!(fleet.hear(&message(odd, &json!({}))), None, "{odd}");
        }
        assert_eq!(fleet.hear(&message("smearscope/a/model", &json!([]))), None);
    }

    #[test]
    fn a_signature_is_later_than_all_that_were_accepted() {
        let mut fleet = Fleet::default();
        let now: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        let boards: Vec<DeviceId> = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        let sign = |fleet: &Fleet, boards: &[DeviceId]| {
            fleet.time_to_sign(boards, now).unwrap().to_string()
        };
        assert_eq!(sign(&fleet, &boards), "2026-01-01T00:00:00Z");
        fleet.hear(&said("a", Some("2025-01-01T00:00:00Z")));
        assert_eq!(sign(&fleet, &boards), "2026-01-01T00:00:00Z");
        fleet.hear(&said("b", Some("2026-01-01T00:00:00Z")));
        assert_eq!(sign(&fleet, &boards), "2026-01-01T00:00:01Z");
        fleet.hear(&said("c", Some("2027-01-01T00:00:00Z")));
        assert_eq!(sign(&fleet, &boards), "2027-01-01T00:00:01Z");
        // Another board's clock is of no interest.
        assert_eq!(sign(&fleet, &boards[..1]), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_board_needs_chunks_until_it_has_the_model() {
        let mut fleet = Fleet::default();
        let hash: ModelHash = "cd".repeat(32).parse().unwrap();
        let desired = |hash: &ModelHash| json!({"sha256": hash, "size": 1, "signature": "x"});
        fleet.hear(&message("smearscope/a/model/desired", &desired(&hash)));
        fleet.hear(&message("smearscope/b/model/desired", &desired(&hash)));
        let (a, b): (DeviceId, DeviceId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(fleet.in_need(&hash, &[]), [a.clone(), b.clone()]);
        assert_eq!(
            fleet.in_need(&hash, std::slice::from_ref(&b)),
            std::slice::from_ref(&a)
        );
        let mut withdrawn = message("smearscope/a/model/desired", &json!(""));
        withdrawn.payload = "".into();
        fleet.hear(&withdrawn);
        assert_eq!(fleet.in_need(&hash, &[]), [b]);
        assert!(
            fleet
                .in_need(&"ab".repeat(32).parse().unwrap(), &[])
                .is_empty()
        );
    }
}
