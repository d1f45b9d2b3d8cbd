//! Who sends commands to a board, over whatever leads to its broker.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{Client, Event, Incoming, MqttOptions};
use serde_json::{Value, json};

use crate::{PATIENCE, free_port};

/// An operator of one board.
pub struct Operator {
    client: Client,
    device: String,
    /// Where the answers go.
    response: String,
    /// What came, or how the broker was lost.
    heard: Receiver<Result<(String, Vec<u8>), String>>,
}

impl Operator {
    /// Connects with these options, listens to the board's answers and to its `slide`, and waits until it is online.
    pub fn new(mut options: MqttOptions, device: &str) -> Self {
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(Some(16 << 20));
        let (client, mut connection) = Client::new(options, 16);
        let response = format!("smearscope/{device}/command/reply/{}", free_port());
        let topic = |leaf: &str| format!("smearscope/{device}/{leaf}");
        for topic in [response.clone(), topic("slide"), topic("status")] {
            client.subscribe(topic, QoS::AtLeastOnce).unwrap();
        }
        let (sender, heard) = channel();
        let (ready, is_ready) = channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::SubAck(_))) => {
                        let _ = ready.send(());
                    }
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        if sender.send(Ok((topic, publish.payload.to_vec()))).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Whoever has ended, and the broker with him, does not mind.
                        let _ = sender.send(Err(format!("the broker was lost: {error}")));
                        return;
                    }
                }
            }
        });
        for _ in 0..3 {
            is_ready.recv_timeout(PATIENCE).expect("no subscription");
        }
        let operator = Self {
            client,
            device: device.into(),
            response,
            heard,
        };
        while operator.hears("status")["state"] != "online" {}
        operator
    }

    /// The next message on one of the board's topics; what comes on others meanwhile is passed over.
    fn hears(&self, leaf: &str) -> Value {
        let wanted = match leaf {
            "" => self.response.clone(),
            leaf => format!("smearscope/{}/{leaf}", self.device),
        };
        loop {
            let (topic, payload) = self.heard.recv_timeout(PATIENCE).unwrap().unwrap();
            if topic == wanted {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// Sends a command and gives its answer.
    pub fn asks(&self, id: &str, command: &str, args: Value) -> Value {
        let request = json!({"request_id": id, "command": command, "args": args}).to_string();
        let properties = PublishProperties {
            response_topic: Some(self.response.clone()),
            ..PublishProperties::default()
        };
        let topic = format!("smearscope/{}/command", self.device);
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, request, properties)
            .unwrap();
        loop {
            let reply = self.hears("");
            if reply["request_id"] == id {
                return reply;
            }
        }
    }

    /// The result of a command that is done.
    pub fn gets(&self, id: &str, command: &str, args: Value) -> Value {
        let reply = self.asks(id, command, args);
        assert_eq!(reply["ok"], true, "{reply}");
        reply["result"].clone()
    }

    /// Waits until the board's `slide` is so.
    pub fn sees_slide(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let slide = self.hears("slide");
            if is_so(&slide) {
                return slide;
            }
        }
    }
}
