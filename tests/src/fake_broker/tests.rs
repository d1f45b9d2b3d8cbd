use std::sync::mpsc::{Receiver, channel};

use rumqttc::v5::{
    Client as MqttClient, ConnectionError, Event, Incoming, MqttOptions, StateError,
};

use rumqttc::v5::mqttbytes::v5::ConnAck;

use super::*;

/// A client of rumqttc on one connection, with what came to it and how it ended.
struct Visitor {
    client: MqttClient,
    came: Receiver<Result<Incoming, Box<ConnectionError>>>,
}

impl Visitor {
    fn to(broker: &FakeBroker) -> Self {
        let mut options = MqttOptions::new("visitor", "127.0.0.1", broker.port());
        options.set_credentials("board", "secret");
        let (client, mut connection) = MqttClient::new(options, 64);
        let (sender, came) = channel();
        thread::spawn(move || {
            for event in connection.iter() {
                let (what, last) = match event {
                    Ok(Event::Incoming(packet)) => (Ok(packet), false),
                    Ok(Event::Outgoing(_)) => continue,
                    Err(error) => (Err(Box::new(error)), true),
                };
                if sender.send(what).is_err() || last {
                    return;
                }
            }
        });
        Self { client, came }
    }

    fn next(&self) -> Result<Incoming, Box<ConnectionError>> {
        self.came.recv_timeout(PATIENCE).unwrap()
    }

    fn welcome(&self) -> ConnAck {
        match self.next() {
            Ok(Incoming::ConnAck(ack)) => ack,
            other => panic!("{other:?}"),
        }
    }

    fn publish(&self, topic: &str, payload: &str) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload.to_owned())
            .unwrap();
    }

    fn puback(&self) -> (u16, PubAckReason) {
        match self.next() {
            Ok(Incoming::PubAck(ack)) => (ack.pkid, ack.reason),
            other => panic!("{other:?}"),
        }
    }

    fn farewell(&self) -> DisconnectReasonCode {
        let end = loop {
            if let Err(end) = self.next() {
                break end;
            }
        };
        match *end {
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
                reason_code
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_obliging_broker_accepts_and_records_everything() {
    let broker = FakeBroker::start();
    let visitor = Visitor::to(&broker);
    assert_eq!(visitor.welcome().code, ConnectReturnCode::Success);
    assert_eq!(broker.clients(), 1);
    visitor.publish("a/b", "one");
    assert_eq!(visitor.puback().1, PubAckReason::Success);
    visitor.client.disconnect().unwrap();
    broker.wait_for("a DISCONNECT", |records| {
        matches!(records.last().unwrap().packet, Packet::Disconnect(_))
    });
    let published = broker.published("a/b");
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].1.payload, "one");
    assert!(published[0].0 >= broker.connects()[0]);
    assert!(broker.last_will().is_none());
}

#[test]
fn a_connect_is_refused_with_any_reason() {
    let broker = FakeBroker::start();
    broker.on_connect(|connect, login| {
        assert_eq!(connect.client_id, "visitor");
        match login {
            Some(login) if login.password == "secret" => ConnectReturnCode::Banned,
            _ => ConnectReturnCode::BadUserNamePassword,
        }
    });
    let end = Visitor::to(&broker).next().unwrap_err();
    assert!(
        matches!(
            *end,
            ConnectionError::ConnectionRefused(ConnectReturnCode::Banned)
        ),
        "{end:?}"
    );
    assert_eq!(broker.clients(), 0);
}

#[test]
fn what_is_announced_arrives_and_is_enforced() {
    let broker = FakeBroker::start();
    broker.announce(Announced {
        session_present: true,
        receive_max: Some(1),
        max_packet_size: Some(100),
        max_qos: Some(1),
        retain_available: Some(false),
        server_keep_alive: Some(7),
    });
    let visitor = Visitor::to(&broker);
    let welcome = visitor.welcome();
    let properties = welcome.properties.unwrap();
    assert!(welcome.session_present);
    assert_eq!(properties.receive_max, Some(1));
    assert_eq!(properties.max_packet_size, Some(100));
    assert_eq!(properties.max_qos, Some(1));
    assert_eq!(properties.retain_available, Some(0));
    assert_eq!(properties.server_keep_alive, Some(7));
    visitor
        .client
        .publish("a", QoS::AtLeastOnce, true, "x")
        .unwrap();
    assert_eq!(visitor.farewell(), DisconnectReasonCode::RetainNotSupported);
    assert_eq!(
        broker.breaches(),
        [DisconnectReasonCode::RetainNotSupported]
    );
    // What can't be provoked with a client that keeps to the rules.
    let announced = lock(&broker.shared.script).announced;
    let mut publish = Publish::new("a", QoS::AtLeastOnce, "x", None);
    assert_eq!(announced.breach(&publish, 100, 1), None);
    assert_eq!(
        announced.breach(&publish, 101, 1),
        Some(DisconnectReasonCode::PacketTooLarge)
    );
    assert_eq!(
        announced.breach(&publish, 100, 2),
        Some(DisconnectReasonCode::ReceiveMaximumExceeded)
    );
    publish.qos = QoS::ExactlyOnce;
    assert_eq!(
        announced.breach(&publish, 100, 1),
        Some(DisconnectReasonCode::QoSNotSupported)
    );
}

#[test]
fn a_publish_is_refused_by_number_topic_or_content_and_withheld() {
    let broker = FakeBroker::start();
    let mut left = 2;
    broker.on_publish(move |publish| {
        if publish.topic == "forbidden" {
            return Answer::Now(PubAckReason::NotAuthorized);
        }
        if publish.payload == "poison" {
            return Answer::Now(PubAckReason::PayloadFormatInvalid);
        }
        if publish.payload == "lost" {
            return Answer::Never;
        }
        if left > 0 {
            left -= 1;
            return Answer::Now(PubAckReason::QuotaExceeded);
        }
        Answer::Now(PubAckReason::Success)
    });
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    for (topic, payload, reason) in [
        ("a", "1", PubAckReason::QuotaExceeded),
        ("a", "2", PubAckReason::QuotaExceeded),
        ("a", "3", PubAckReason::Success),
        ("forbidden", "4", PubAckReason::NotAuthorized),
        ("a", "poison", PubAckReason::PayloadFormatInvalid),
    ] {
        visitor.publish(topic, payload);
        assert_eq!(visitor.puback().1, reason, "{payload}");
    }
    visitor.publish("a", "lost");
    visitor.publish("a", "5");
    assert_eq!(visitor.puback(), (7, PubAckReason::Success));
    assert_eq!(broker.published("a").len(), 6);
}

#[test]
fn acknowledgements_come_in_reversed_order() {
    let broker = FakeBroker::start();
    broker.on_publish(|_| Answer::Reversed(PubAckReason::Success, 3));
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    for payload in ["1", "2", "3", "4"] {
        visitor.publish("a", payload);
    }
    // The fourth waits for two more in vain.
    let order: Vec<u16> = (0..4).map(|_| visitor.puback().0).collect();
    assert_eq!(order, [3, 2, 1, 4]);
}

#[test]
fn a_connection_is_ended_with_a_reason_or_without_a_word() {
    let broker = FakeBroker::start();
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    broker.disconnect(DisconnectReasonCode::ServerShuttingDown);
    assert_eq!(visitor.farewell(), DisconnectReasonCode::ServerShuttingDown);
    broker.on_publish(|_| Answer::Disconnect(DisconnectReasonCode::MessageRateTooHigh));
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    visitor.publish("a", "x");
    assert_eq!(visitor.farewell(), DisconnectReasonCode::MessageRateTooHigh);
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    broker.hang_up();
    assert!(visitor.next().is_err());
    assert_eq!(broker.connects().len(), 3);
}

#[test]
fn a_subscription_is_refused_and_a_command_arrives_with_its_properties() {
    let broker = FakeBroker::start();
    broker.on_subscribe(|filter| match filter.path.as_str() {
        "secret" => SubscribeReasonCode::NotAuthorized,
        _ => SubscribeReasonCode::Success(filter.qos),
    });
    let visitor = Visitor::to(&broker);
    visitor.welcome();
    for (filter, code) in [
        ("secret", SubscribeReasonCode::NotAuthorized),
        ("command", SubscribeReasonCode::Success(QoS::AtLeastOnce)),
    ] {
        visitor.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        match visitor.next() {
            Ok(Incoming::SubAck(ack)) => assert_eq!(ack.return_codes, [code]),
            other => panic!("{other:?}"),
        }
    }
    broker.command("command", "{}", Some("answers/1"), Some(b"\x00\xff"));
    let Ok(Incoming::Publish(publish)) = visitor.next() else {
        panic!("no command came");
    };
    assert_eq!(
        (&publish.topic[..], publish.retain),
        (&b"command"[..], false)
    );
    let properties = publish.properties.unwrap();
    assert_eq!(properties.response_topic.as_deref(), Some("answers/1"));
    assert_eq!(
        properties.correlation_data.as_deref(),
        Some(&b"\x00\xff"[..])
    );
    broker.publish("command", "old", true);
    let Ok(Incoming::Publish(publish)) = visitor.next() else {
        panic!("no command came");
    };
    assert!(publish.retain && publish.pkid == 2);
    broker.wait_for("two PUBACKs", |records| {
        let acks = records.iter();
        acks.filter(|record| matches!(record.packet, Packet::PubAck(_)))
            .count()
            == 2
    });
}

#[test]
fn the_most_in_any_second_is_counted() {
    let times: Vec<Duration> = [0, 100, 900, 1050, 1099, 5000]
        .map(Duration::from_millis)
        .to_vec();
    assert_eq!(most_per_second(&times), 4);
    assert_eq!(most_per_second(&[]), 0);
}
