//! The worst of networks: whatever happens to broker, connection and program, every committed field reaches a subscriber.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::proxy::{Mode, Proxy, Way};
use smearscope_tests::{PATIENCE, Received, Running, free_port, mosquitto_from, subscribe_as};
use tempfile::TempDir;

/// How many fields are analysed while everything breaks.
const FIELDS: u64 = 1000;
/// How often the program is killed.
const KILLS: u32 = 50;

/// A mosquitto that forgets nothing when it is stopped, and takes whatever nobody has fetched.
struct Broker {
    port: u16,
    config: std::path::PathBuf,
    running: Option<Running>,
}

impl Broker {
    fn start(folder: &Path) -> Self {
        let port = free_port();
        let config = folder.join("mosquitto.conf");
        fs::create_dir_all(folder.join("kept")).unwrap();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n\
             persistence true\npersistence_location {}/\n\
             max_queued_messages 0\nmax_queued_bytes 0\n",
            folder.join("kept").display()
        );
        fs::write(&config, text).unwrap();
        let mut broker = Self {
            port,
            config,
            running: None,
        };
        broker.run();
        broker
    }

    fn run(&mut self) {
        self.running = Some(mosquitto_from(&self.config, self.port, &[]));
    }

    fn signal(&self, name: &str) {
        self.running.as_ref().unwrap().signal(name);
    }

    fn stop(&mut self) {
        self.signal("TERM");
        self.running.take().unwrap().wait();
    }

    /// A subscriber that is not there: the broker keeps for it what comes.
    fn register(&self, topic: &str) {
        let status = Command::new("mosquitto_sub")
            .args([
                "-V", "mqttv5", "-i", "archive", "-c", "-x", "36000", "-q", "1", "-E",
            ])
            .args(["-p", &self.port.to_string(), "-t", topic])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// All that was kept for it: until nothing has come for a while.
    fn fetch(&self, topic: &str) -> Vec<Received> {
        let messages = subscribe_as("archive", self.port, topic);
        let mut all = Vec::new();
        while let Ok(message) = messages.recv_timeout(Duration::from_secs(3)) {
            all.push(message);
        }
        all
    }
}

/// The number in the last line of the log that tells of a field.
fn last_field(board: &Board) -> u64 {
    let log = board.log();
    log.lines()
        .rev()
        .find_map(|line| {
            line.split_once(" field ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

fn id(message: &Value) -> String {
    message["id"].as_str().unwrap().replace('-', "")
}

/// What a subscriber got must be what the board has: no field is missing, none was made up, none has two contents.
fn compare(board: &Board, messages: &[Received]) -> usize {
    let committed = board.committed();
    let mut received: BTreeMap<String, &[u8]> = BTreeMap::new();
    let mut repeats = 0;
    for message in messages {
        let field: Value = serde_json::from_slice(&message.payload).unwrap();
        match received.insert(id(&field), &message.payload) {
            None => {}
            Some(before) => {
                repeats += 1;
                assert_eq!(before, message.payload, "{} has two contents", id(&field));
            }
        }
    }
    let wanted: BTreeSet<_> = committed.keys().collect();
    let got: BTreeSet<_> = received.keys().collect();
    assert_eq!(wanted.difference(&got).count(), 0, "some are missing");
    assert_eq!(
        got.difference(&wanted).count(),
        0,
        "some were never committed"
    );
    for (id, payload) in &received {
        assert_eq!(committed[id].payload, *payload, "{id}");
    }
    repeats
}

/// One thing that goes wrong, for a while, and then is right again; the killed program is started by the caller.
fn break_something(broker: &mut Broker, proxy: &Proxy, random: &mut StdRng) -> &'static str {
    let while_ms =
        |random: &mut StdRng, most| sleep(Duration::from_millis(random.random_range(50..most)));
    let way = |random: &mut StdRng| match random.random_range(0..3) {
        0 => Way::ToBroker,
        1 => Way::ToClient,
        _ => Way::Both,
    };
    let did = match random.random_range(0..8) {
        0 => {
            broker.stop();
            while_ms(random, 1000);
            broker.run();
            "broker stopped and started"
        }
        1 => {
            broker.signal("STOP");
            while_ms(random, 2000);
            broker.signal("CONT");
            "broker paused"
        }
        2 => {
            proxy.reset();
            "reset"
        }
        3 => {
            proxy.half_close(way(random));
            "half closed"
        }
        4 => {
            proxy.set(Mode::Drop(way(random)));
            while_ms(random, 1500);
            "dropped"
        }
        5 => {
            proxy.set(Mode::Delay {
                least: Duration::from_millis(1),
                most: Duration::from_millis(80),
            });
            while_ms(random, 1500);
            "delayed"
        }
        6 => {
            proxy.set(Mode::Refuse);
            proxy.reset();
            while_ms(random, 800);
            "refused"
        }
        _ => {
            proxy.set(Mode::BlackHole);
            while_ms(random, 1500);
            "swallowed"
        }
    };
    proxy.set(Mode::Pass);
    did
}

#[test]
fn nothing_is_lost_whatever_breaks() {
    let dir = TempDir::new().unwrap();
    let seed = 20_261_124;
    let mut random = StdRng::seed_from_u64(seed);
    let frames = small_frames(dir.path(), 40);
    let mut broker = Broker::start(dir.path());
    let proxy = Proxy::start(broker.port, seed);
    let board = Board::new(
        dir.path(),
        "chaos",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 15"),
        &format!("port = {}", proxy.port()),
        "[image]\nenabled = false",
    );
    broker.register(&board.topic("field"));

    let mut program = board.start();
    let mut kills = 0;
    let mut broken: BTreeMap<&str, u32> = BTreeMap::new();
    let mut started = Instant::now();
    let mut lives = Duration::from_millis(900);
    while kills < KILLS || last_field(&board) < FIELDS {
        assert!(
            program.0.try_wait().unwrap().is_none(),
            "it ended by itself: {}",
            board.log()
        );
        *broken
            .entry(break_something(&mut broker, &proxy, &mut random))
            .or_default() += 1;
        sleep(Duration::from_millis(random.random_range(0..300)));
        if started.elapsed() >= lives {
            program.signal("KILL");
            program.wait();
            kills += 1;
            program = board.start();
            started = Instant::now();
            lives = Duration::from_millis(random.random_range(600..1800));
        }
    }
    // All is well again. A start without the long waits of the last one: what is left gets delivered.
    for _ in 0..10 {
        sleep(Duration::from_secs(3));
        program.signal("TERM");
        assert_eq!(program.wait(), Some(0), "{}", board.log());
        let left = board
            .committed()
            .values()
            .filter(|field| !field.is_acknowledged)
            .count();
        if left == 0 {
            break;
        }
        program = board.start();
    }
    let committed = board.committed();
    assert!(committed.values().all(|field| field.is_acknowledged));
    let series: BTreeSet<_> = committed.values().map(|field| &field.series).collect();
    assert_eq!(series.len(), 1, "one numbering");
    let mut seqs: Vec<u64> = committed.values().map(|field| field.seq).collect();
    seqs.sort_unstable();
    assert_eq!(
        seqs,
        (1..=committed.len() as u64).collect::<Vec<_>>(),
        "no gap"
    );
    assert!(committed.len() as u64 >= FIELDS);

    let messages = broker.fetch(&board.topic("field"));
    let repeats = compare(&board, &messages);
    let summary = format!(
        "chaos (seed {seed}): {} fields, {kills} kills, {repeats} repeats, broken: {broken:?}",
        committed.len()
    );
    eprintln!("{summary}");
    // A repeat is what a lost acknowledgement costs; each break can cost a window of them, and no more.
    let breaks = broken.values().sum::<u32>() + kills;
    assert!(repeats < breaks as usize * 64, "{summary}");
}

#[test]
fn a_broker_that_has_lost_everything_is_healed() {
    let dir = TempDir::new().unwrap();
    let frames = small_frames(dir.path(), 12);
    let mut broker = Broker::start(dir.path());
    let board = Board::new(
        dir.path(),
        "healed",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = false"),
        &format!("port = {}", broker.port),
        "",
    );
    assert_eq!(board.start().wait(), Some(0), "{}", board.log());
    let committed = board.committed();
    assert!(committed.len() == 12 && committed.values().all(|field| field.is_acknowledged));

    broker.stop();
    fs::remove_dir_all(dir.path().join("kept")).unwrap();
    fs::create_dir(dir.path().join("kept")).unwrap();
    broker.run();
    broker.register(&board.topic("field"));
    // It shall stay: a source that has an end ends the program.
    let text = fs::read_to_string(dir.path().join("edge.toml")).unwrap();
    let stays = text.replace("repeat = false", "repeat = true\ninterval_ms = 3600000");
    fs::write(dir.path().join("edge.toml"), stays).unwrap();
    let mut program = board.start();
    let begun = Instant::now();
    let reply = loop {
        assert!(begun.elapsed() < PATIENCE, "no answer: {}", board.log());
        let output = Command::new("mosquitto_rr")
            .args([
                "-V",
                "mqttv5",
                "-p",
                &broker.port.to_string(),
                "-W",
                "2",
                "-q",
                "1",
            ])
            .args([
                "-t",
                &board.topic("command"),
                "-e",
                &board.topic("command/reply/healer"),
            ])
            .args([
                "-m",
                r#"{"request_id":"heal","command":"results.resend","args":{"from":1,"to":12}}"#,
            ])
            .output()
            .unwrap();
        if let Ok(reply) = serde_json::from_slice::<Value>(&output.stdout) {
            break reply;
        }
    };
    assert_eq!(reply["result"]["resent"], 12, "{reply}");
    assert_eq!(reply["result"]["missing"], 0);
    sleep(Duration::from_secs(1));
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    let messages = broker.fetch(&board.topic("field"));
    compare(&board, &messages);
}
