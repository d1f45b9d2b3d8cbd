//! Brokers that refuse: named in the log and in `health`, never hammered, and nothing is lost.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason, SubscribeReasonCode};
use serde_json::Value;
use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::fake_broker::{Announced, Answer, FakeBroker, most_per_second};
use smearscope_tests::{PATIENCE, Running};
use tempfile::TempDir;

const FIELDS: u64 = 40;

/// A board that analyses [`FIELDS`] fields, and ends when all are delivered.
fn board(folder: &Path, broker: &FakeBroker) -> Board {
    let frames = small_frames(folder, FIELDS);
    Board::new(
        folder,
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}"),
        &format!("port = {}", broker.port()),
        "[image]\nenabled = false",
    )
}

/// The numbers of the fields that came, each once, in the order of their first coming.
fn seqs(broker: &FakeBroker) -> Vec<u64> {
    let mut seqs = Vec::new();
    for (_, publish) in broker.published("smearscope/scope-1/field") {
        let field: Value = serde_json::from_slice(&publish.payload).unwrap();
        let seq = field["seq"].as_u64().unwrap();
        if !seqs.contains(&seq) {
            seqs.push(seq);
        }
    }
    seqs
}

fn last_health(broker: &FakeBroker) -> Value {
    let health = broker.published("smearscope/scope-1/health");
    serde_json::from_slice(&health.last().expect("no health").1.payload).unwrap()
}

fn delivered(board: &Board, program: &mut Running) {
    assert_eq!(program.wait(), Some(0), "{}", board.log());
    let committed = board.committed();
    assert_eq!(committed.len() as u64, FIELDS);
    assert!(committed.values().all(|field| field.is_acknowledged));
}

#[test]
fn a_full_quota_stops_results_for_a_while_and_loses_none() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let left = Arc::new(AtomicU32::new(4));
    let refusals = Arc::clone(&left);
    broker.on_publish(move |publish| {
        let is_field = publish.topic.ends_with(b"/field");
        let refuses = is_field
            && refusals
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok();
        Answer::Now(if refuses {
            PubAckReason::QuotaExceeded
        } else {
            PubAckReason::Success
        })
    });
    let board = board(dir.path(), &broker);
    delivered(&board, &mut board.start());
    assert_eq!(left.load(Ordering::SeqCst), 0);
    let mut all = seqs(&broker);
    all.sort_unstable();
    assert_eq!(all, (1..=FIELDS).collect::<Vec<_>>());
    assert!(board.log().contains("QuotaExceeded"), "{}", board.log());
}

#[test]
fn a_board_without_the_right_to_publish_asks_seldom_and_says_so() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.on_publish(|publish| {
        Answer::Now(if publish.topic.ends_with(b"/field") {
            PubAckReason::NotAuthorized
        } else {
            PubAckReason::Success
        })
    });
    let board = board(dir.path(), &broker);
    let mut program = board.start();
    // What was in flight at first; then one after 1, 2, 4, ... seconds. A busy machine begins late.
    let begun = std::time::Instant::now();
    let tries: Vec<Duration> = loop {
        let published = broker.published("smearscope/scope-1/field");
        let tries: Vec<Duration> = published.iter().map(|(at, _)| *at).collect();
        let (first, last) = (tries.first(), tries.last());
        if last
            .zip(first)
            .is_some_and(|(last, first)| *last - *first >= Duration::from_secs(6))
        {
            break tries;
        }
        assert!(begun.elapsed() < PATIENCE, "{tries:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!((4..=20).contains(&tries.len()), "{tries:?}");
    assert!(most_per_second(&tries[tries.len() - 3..]) == 1, "{tries:?}");
    assert_eq!(broker.connects().len(), 1);
    // What is live goes on beside it.
    assert!(!broker.published("smearscope/scope-1/slide").is_empty());
    assert!(board.log().contains("NotAuthorized"));
    // The right is given: all arrive, and the next health tells what was.
    broker.on_publish(|_| Answer::Now(PubAckReason::Success));
    broker.hang_up();
    delivered(&board, &mut program);
    let health = last_health(&broker);
    assert!(
        health["broker"]["refused"].as_u64().unwrap() >= 4,
        "{health}"
    );
    let reason = health["broker"]["last_refusal"]["reason"].as_str().unwrap();
    assert!(reason.contains("NotAuthorized"), "{health}");
}

#[test]
fn a_single_message_that_is_refused_holds_no_other() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let left = Arc::new(AtomicU32::new(3));
    broker.on_publish(move |publish| {
        let is_third = publish.topic.ends_with(b"/field") && {
            let field: Value = serde_json::from_slice(&publish.payload).unwrap();
            field["seq"] == 3
        };
        let refuses = is_third
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok();
        Answer::Now(if refuses {
            PubAckReason::PayloadFormatInvalid
        } else {
            PubAckReason::Success
        })
    });
    let board = board(dir.path(), &broker);
    delivered(&board, &mut board.start());
    let order: Vec<u64> = broker
        .published("smearscope/scope-1/field")
        .iter()
        .map(|(_, p)| {
            serde_json::from_slice::<Value>(&p.payload).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(order.iter().filter(|seq| **seq == 3).count(), 4);
    let others: Vec<u64> = order.into_iter().filter(|seq| *seq != 3).collect();
    assert_eq!(
        others,
        (1..=FIELDS).filter(|seq| *seq != 3).collect::<Vec<_>>()
    );
}

#[test]
fn a_refused_connection_is_named_and_not_hammered() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let mut reasons = [
        ConnectReturnCode::BadUserNamePassword,
        ConnectReturnCode::Banned,
    ]
    .into_iter();
    broker.on_connect(move |_, _| reasons.next().unwrap_or(ConnectReturnCode::Success));
    let board = board(dir.path(), &broker);
    let mut program = board.start();
    broker.wait_for("the second CONNECT", |records| records.len() >= 2);
    let log = board.log();
    assert!(
        !log.contains("online"),
        "connected is said after CONNACK only: {log}"
    );
    delivered(&board, &mut program);
    let connects = broker.connects();
    assert_eq!(connects.len(), 3);
    // Five seconds and ten, each ± 50 %.
    assert!(
        connects[1] - connects[0] >= Duration::from_millis(2400),
        "{connects:?}"
    );
    assert!(
        connects[2] - connects[1] >= Duration::from_millis(4900),
        "{connects:?}"
    );
    let health = last_health(&broker);
    assert_eq!(health["broker"]["connections"], 1);
    let reason = health["broker"]["last_refusal"]["reason"]
        .as_str()
        .unwrap()
        .to_lowercase();
    assert!(reason.contains("ban"), "{health}");
    assert_eq!(seqs(&broker), (1..=FIELDS).collect::<Vec<_>>());
}

#[test]
fn a_packet_too_large_is_kept_and_named() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.announce(Announced {
        max_packet_size: Some(1400),
        ..Announced::default()
    });
    let board = board(dir.path(), &broker);
    let mut program = board.start();
    let begun = std::time::Instant::now();
    while !board.log().contains("more than the broker takes") {
        assert!(begun.elapsed() < PATIENCE, "{}", board.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(seqs(&broker).is_empty());
    // No packet was too large for it, and it is told how things are.
    assert_eq!(broker.breaches(), []);
    broker.announce(Announced::default());
    broker.hang_up();
    delivered(&board, &mut program);
    assert!(
        last_health(&broker)["broker"]["last_refusal"]["reason"]
            .as_str()
            .unwrap()
            .contains("more than")
    );
}

#[test]
fn a_receive_maximum_of_one_is_kept_and_drains_in_order() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.announce(Announced {
        receive_max: Some(1),
        ..Announced::default()
    });
    let board = board(dir.path(), &broker);
    delivered(&board, &mut board.start());
    assert_eq!(broker.breaches(), []);
    assert_eq!(seqs(&broker), (1..=FIELDS).collect::<Vec<_>>());
}

#[test]
fn a_broker_without_retained_messages_gets_none() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.announce(Announced {
        retain_available: Some(false),
        ..Announced::default()
    });
    let board = board(dir.path(), &broker);
    delivered(&board, &mut board.start());
    assert_eq!(broker.breaches(), []);
}

#[test]
fn answers_out_of_order_or_not_at_all_cost_repeats_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.on_publish(|publish| {
        if publish.topic.ends_with(b"/field") {
            Answer::Never
        } else {
            Answer::Now(PubAckReason::Success)
        }
    });
    let board = board(dir.path(), &broker);
    let mut program = board.start();
    let is_field = |packet: &rumqttc::v5::mqttbytes::v5::Packet| matches!(packet, rumqttc::v5::mqttbytes::v5::Packet::Publish(p) if p.topic.ends_with(b"/field"));
    // It reaches from the oldest unanswered message to the newest: what else was published in between counts.
    broker.wait_for("a full window", |records| {
        records
            .iter()
            .filter(|record| is_field(&record.packet))
            .count()
            >= 6
    });
    broker.on_publish(|_| Answer::Reversed(PubAckReason::Success, 4));
    broker.hang_up();
    delivered(&board, &mut program);
    let came = broker.published("smearscope/scope-1/field");
    assert!(came.len() as u64 > FIELDS);
    // A repeat says the same.
    let mut by_id = std::collections::BTreeMap::new();
    for (_, publish) in came {
        let field: Value = serde_json::from_slice(&publish.payload).unwrap();
        let id = field["id"].as_str().unwrap().to_owned();
        let before = by_id.insert(id, publish.payload.clone());
        assert!(before.is_none_or(|before| before == publish.payload));
    }
    assert_eq!(by_id.len() as u64, FIELDS);
}

#[test]
fn commands_that_cannot_be_heard_are_told() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    broker.on_subscribe(|_| SubscribeReasonCode::NotAuthorized);
    let board = board(dir.path(), &broker);
    delivered(&board, &mut board.start());
    assert!(board.log().contains("send us commands"), "{}", board.log());
}

#[test]
fn a_repeated_command_is_done_once_and_answered_alike() {
    let dir = TempDir::new().unwrap();
    let broker = FakeBroker::start();
    let board = board(dir.path(), &broker);
    let text = std::fs::read_to_string(dir.path().join("edge.toml")).unwrap();
    let stays = text.replace("kind =", "repeat = true\ninterval_ms = 100\nkind =");
    std::fs::write(dir.path().join("edge.toml"), stays).unwrap();
    let mut program = board.start();
    let replies = |broker: &FakeBroker| broker.published("dash/7");
    broker.wait_for("a field", |records| {
        records
            .iter()
            .any(|r| format!("{:?}", r.packet).contains("scope-1/field"))
    });
    let command = r#"{"request_id":"s1","command":"slide.start"}"#;
    let topic = board.topic("command");
    for n in 0..3u8 {
        broker.command(&topic, command, Some("dash/7"), Some(&[n]));
    }
    let wait = |count: usize| {
        let begun = std::time::Instant::now();
        while replies(&broker).len() < count {
            assert!(begun.elapsed() < PATIENCE, "{}", board.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(3);
    // After a kill too: the answer was noted with what was done.
    program.signal("KILL");
    program.wait();
    program = board.start();
    broker.wait_for("the second connection", |records| {
        records.last().is_some_and(|record| record.connection >= 2)
    });
    std::thread::sleep(Duration::from_millis(500));
    broker.command(&topic, command, Some("dash/7"), Some(&[3]));
    wait(4);
    let replies = replies(&broker);
    for (n, (_, reply)) in replies.iter().enumerate() {
        assert_eq!(reply.payload, replies[0].1.payload);
        let correlation = reply.properties.as_ref().unwrap().correlation_data.clone();
        assert_eq!(correlation.unwrap()[..], [n as u8]);
    }
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    let store = rusqlite::Connection::open(board.store()).unwrap();
    let slides: u64 = store
        .query_row("SELECT count(*) FROM slide", [], |row| row.get(0))
        .unwrap();
    // The one of the start, and the one that was asked for four times.
    assert_eq!(slides, 2);
}

#[test]
fn two_boards_of_one_name_are_told_of_each_other() {
    let dir = TempDir::new().unwrap();
    let port = smearscope_tests::free_port();
    let _broker = smearscope_tests::mosquitto(port, dir.path());
    let boards = ["a", "b"].map(|name| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let frames = small_frames(&folder, 1);
        Board::new(
            &folder,
            "scope-1",
            &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 1000"),
            &format!("port = {port}"),
            "[image]\nenabled = false",
        )
    });
    let _programs = [boards[0].start(), boards[1].start()];
    let begun = std::time::Instant::now();
    let is_told = |board: &Board| board.log().contains("two boards have the same device id");
    while !boards.iter().any(is_told) {
        assert!(
            begun.elapsed() < PATIENCE,
            "{}{}",
            boards[0].log(),
            boards[1].log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_network_that_takes_no_more_bytes_is_noticed() {
    let dir = TempDir::new().unwrap();
    let port = smearscope_tests::free_port();
    let broker = smearscope_tests::mosquitto(port, dir.path());
    let frames = small_frames(dir.path(), 4);
    let board = Board::new(
        dir.path(),
        "scope-1",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 10"),
        &format!("port = {port}"),
        // Pictures fill what the system keeps for a peer that doesn't read.
        "[image]\ninterval_ms = 0\nquality = 100",
    );
    let mut program = board.start();
    let waits = |what: &str| {
        let begun = std::time::Instant::now();
        while !board.log().contains(what) {
            assert!(begun.elapsed() < PATIENCE, "{}", board.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    waits("online");
    broker.signal("STOP");
    waits("no connection to the broker");
    broker.signal("CONT");
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0), "{}", board.log());
}
