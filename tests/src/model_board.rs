//! A board that does with a desired model what a test says, and nothing else: it speaks the wire format by itself.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, Event, Incoming, MqttOptions};
use serde_json::{Value, json};
use smearscope_common::message::DesiredModel;
use smearscope_common::model_signature::SignedNote;

use crate::{PATIENCE, free_port, lock};

/// What a board makes of a desired model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Script {
    /// It receives, watches and installs it.
    Takes,
    /// It takes it, and stays at watching.
    Watches,
    /// It does not take it.
    Refuses(&'static str),
    /// It takes it and takes it back.
    RollsBack(&'static str),
    /// It says nothing.
    Silent,
}

/// A scripted board, online until it is dropped.
pub struct ModelBoard {
    device: String,
    client: Client,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    /// When it was told something.
    told: Receiver<Instant>,
}

/// One retained message of a client that connects for nothing else.
pub fn retain(port: u16, topic: &str, payload: &str) {
    let id = format!("retain-{}", free_port());
    let (client, mut connection) = Client::new(MqttOptions::new(id, "127.0.0.1", port), 16);
    client
        .publish(topic, QoS::AtLeastOnce, true, payload.to_owned())
        .unwrap();
    for event in connection.iter() {
        if let Event::Incoming(Incoming::PubAck(_)) = event.unwrap() {
            return;
        }
    }
}

/// The `status` of a board.
pub fn status(device: &str, state: &str) -> String {
    json!({
        "schema": "smearscope.status/1", "state": state, "device": device, "version": "0.1.0",
        "model": model("inside"), "boot_id": "01970000-0000-7000-8000-000000000000",
    })
    .to_string()
}

fn model(name: &str) -> Value {
    json!({"name": name, "version": "1", "sha256": "00".repeat(32)})
}

/// The `model` of a board; `update` is the state of the desired model and its reason.
fn said(
    device: &str,
    desired: Option<&DesiredModel>,
    signed_at: Option<i64>,
    update: Option<(&str, Option<&str>)>,
) -> String {
    let time = |second: i64| jiff_text(second);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let update = update.zip(desired).map(|((state, reason), desired)| {
        json!({
            "sha256": desired.sha256, "size": desired.size, "received": desired.size / 2,
            "state": state, "at": time(now.as_secs() as i64), "reason": reason,
        })
    });
    let watch = matches!(&update, Some(update) if update["state"] == "watching")
        .then(|| json!({"cells": 7, "cells_needed": 300, "share": 0.0, "share_before": 0.0}));
    json!({
        "schema": "smearscope.model/1", "device": device,
        "boot_id": "01970000-0000-7000-8000-000000000000",
        "current": model("inside"), "origin": "program", "previous": null, "watch": watch,
        "signed_at": signed_at.map(time), "update": update,
    })
    .to_string()
}

fn jiff_text(second: i64) -> Value {
    let note = SignedNote::read(&format!("timestamp:{second}")).unwrap();
    serde_json::to_value(note.signed_at).unwrap()
}

impl ModelBoard {
    /// Comes online, having accepted a signature of `signed_at` (seconds since 1970) before.
    pub fn start(port: u16, device: &str, script: Script, signed_at: Option<i64>) -> Self {
        let mut options = MqttOptions::new(format!("board-{device}"), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut connection) = Client::new(options, 64);
        let topic = |leaf: &str| format!("smearscope/{device}/{leaf}");
        let publish = |client: &Client, leaf: &str, payload: String| {
            client
                .publish(topic(leaf), QoS::AtLeastOnce, true, payload)
                .unwrap();
        };
        client
            .subscribe(topic("model/desired"), QoS::AtLeastOnce)
            .unwrap();
        publish(&client, "model", said(device, None, signed_at, None));
        publish(&client, "status", status(device, "online"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (telling, told) = channel();
        let (ready, is_ready) = channel();
        let (answering, name, kept) = (client.clone(), device.to_owned(), Arc::clone(&heard));
        thread::spawn(move || {
            let mut acks = 0;
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::PubAck(_))) => {
                        acks += 1;
                        if acks == 2 {
                            let _ = ready.send(());
                        }
                    }
                    Ok(Event::Incoming(Incoming::Publish(message))) => {
                        lock(&kept).push(message.payload.to_vec());
                        let _ = telling.send(Instant::now());
                        let Ok(Some(desired)) = DesiredModel::read(&message.payload) else {
                            continue;
                        };
                        for answer in answers(&name, script, &desired, signed_at) {
                            let topic = format!("smearscope/{name}/model");
                            answering
                                .try_publish(topic, QoS::AtLeastOnce, true, answer)
                                .unwrap();
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        is_ready
            .recv_timeout(PATIENCE)
            .expect("the broker does not acknowledge a board");
        Self {
            device: device.into(),
            client,
            heard,
            told,
        }
    }

    /// All that it heard on `model/desired`.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        lock(&self.heard).clone()
    }

    /// The desired model that it heard of first.
    pub fn desired(&self) -> DesiredModel {
        let heard = self.heard();
        let first = heard.first().expect("the board was told nothing");
        DesiredModel::read(first).unwrap().unwrap()
    }

    /// Waits until it is told something; when that was.
    pub fn is_told(&self) -> Instant {
        let told = self.told.recv_timeout(PATIENCE);
        told.unwrap_or_else(|_| panic!("{} is told nothing", self.device))
    }

    /// Says that it has taken the model back.
    pub fn roll_back(&self, reason: &str) {
        let desired = self.desired();
        let signed_at = Some(signed_at(&desired));
        let update = Some(("rolled_back", Some(reason)));
        let payload = said(&self.device, Some(&desired), signed_at, update);
        let topic = format!("smearscope/{}/model", self.device);
        self.client
            .publish(topic, QoS::AtLeastOnce, true, payload)
            .unwrap();
    }
}

impl Drop for ModelBoard {
    fn drop(&mut self) {
        // The connection may be gone already.
        let _ = self.client.disconnect();
    }
}

/// When a desired model's signature was made.
pub fn signed_at(desired: &DesiredModel) -> i64 {
    note(desired).signed_at.as_second()
}

/// The trusted comment of a desired model's signature.
pub fn note(desired: &DesiredModel) -> SignedNote {
    let line = desired.signature.lines().nth(2).unwrap();
    SignedNote::read(line.strip_prefix("trusted comment: ").unwrap()).unwrap()
}

fn answers(
    device: &str,
    script: Script,
    desired: &DesiredModel,
    before: Option<i64>,
) -> Vec<String> {
    let accepted = Some(signed_at(desired));
    let say =
        |signed_at, state, reason| said(device, Some(desired), signed_at, Some((state, reason)));
    let mut all = vec![
        say(before, "receiving", None),
        say(before, "checking", None),
    ];
    let taken = [
        say(accepted, "switching", None),
        say(accepted, "watching", None),
    ];
    match script {
        Script::Silent => return Vec::new(),
        Script::Refuses(why) => all.push(say(before, "refused", Some(why))),
        Script::Watches => all.extend(taken),
        Script::Takes => {
            all.extend(taken);
            all.push(say(accepted, "installed", None));
        }
        Script::RollsBack(why) => {
            all.extend(taken);
            all.push(say(accepted, "rolled_back", Some(why)));
        }
    }
    all
}
