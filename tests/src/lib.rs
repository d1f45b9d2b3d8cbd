//! What the whole-system tests share: the real binary, a real mosquitto, an independent client,
//! and frames drawn at run time. Everything here panics with a sentence: it is test equipment.
#![allow(clippy::unwrap_used)]

pub mod board;
pub mod browser;
pub mod fake_broker;
pub mod model_board;
pub mod models;
pub mod operator;
pub mod peer;
pub mod pki;
pub mod proxy;
pub mod site;
pub mod vm;
pub mod wire;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, Event, Incoming, MqttOptions};
use smearscope_common::image::encode_png;
use smearscope_common::synth::{SmearSpec, smear};

/// How long anything may take on a busy machine before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The real `smearscope-edge`, beside the test's own binary in the target folder.
pub fn edge() -> Command {
    beside("smearscope-edge")
}

/// The real `smearscope-train`, as [`edge`].
pub fn trainer() -> Command {
    beside("smearscope-train")
}

fn beside(name: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let release = own.ancestors().nth(2).unwrap();
    let binary = release.join(name);
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --release --workspace --bins` first",
        binary.display()
    );
    Command::new(binary)
}

/// A program that is killed when the test ends, however it ends.
pub struct Running(pub Child);

impl Running {
    /// Waits for the end and returns the exit code; `None` after a signal.
    pub fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a program writes, as they come.
pub fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a real mosquitto on a port and waits until it listens. What it must not forget is in
/// `folder`: started there once more after a SIGTERM, it knows its sessions and messages again.
pub fn mosquitto(port: u16, folder: &Path) -> Running {
    mosquitto_with(port, folder, "", &[])
}

/// As [`mosquitto`], with `more` listeners in its config (each with its own `allow_anonymous`) and
/// `variables` in its environment.
pub fn mosquitto_with(
    port: u16,
    folder: &Path,
    more: &str,
    variables: &[(&str, &Path)],
) -> Running {
    let config = folder.join(format!("mosquitto-{port}.conf"));
    // Started by root it would become another user, who may not write there.
    let text = format!(
        "per_listener_settings true\nuser root\npersistence true\npersistence_location {}/\n\
         listener {port} 127.0.0.1\nallow_anonymous true\n{more}",
        folder.display()
    );
    fs::write(&config, text).unwrap();
    mosquitto_from(&config, port, variables)
}

/// Starts a real mosquitto with a config file and `variables` in its environment, and waits until it listens on `port`, one
/// of the file's.
pub fn mosquitto_from(config: &Path, port: u16, variables: &[(&str, &Path)]) -> Running {
    let child = Command::new("mosquitto")
        .arg("-c")
        .arg(config)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto cannot be started: install it with `make setup`");
    let mut broker = Running(child);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            begun.elapsed() < PATIENCE && broker.0.try_wait().unwrap().is_none(),
            "mosquitto with {} does not listen on port {port}",
            config.display()
        );
        thread::sleep(Duration::from_millis(20));
    }
    broker
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its topic.
    pub topic: String,
    /// Whether the broker had kept it.
    pub retained: bool,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Subscribes with a client that shares no code of ours, at QoS 1. Returns when the broker has
/// acknowledged the subscription.
pub fn subscribe(port: u16, filter: &str) -> Receiver<Received> {
    let id = format!("test-{}-{}", std::process::id(), free_port());
    subscribed(MqttOptions::new(id, "127.0.0.1", port), filter)
}

/// As [`subscribe`], but the broker keeps for `id` what comes while nobody of that name is there.
pub fn subscribe_as(id: &str, port: u16, filter: &str) -> Receiver<Received> {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(3600));
    subscribed(options, filter)
}

fn subscribed(mut options: MqttOptions, filter: &str) -> Receiver<Received> {
    options.set_keep_alive(Duration::from_secs(30));
    options.set_max_packet_size(Some(16 << 20));
    let (client, mut connection) = Client::new(options, 16);
    client.subscribe(filter, QoS::AtLeastOnce).unwrap();
    let (sender, receiver) = channel();
    let (ready, is_ready) = channel();
    thread::spawn(move || {
        // The client must live as long as its connection.
        let _client = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Incoming::SubAck(_))) => {
                    let _ = ready.send(());
                }
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    let message = Received {
                        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                        retained: publish.retain,
                        payload: publish.payload.to_vec(),
                    };
                    if sender.send(message).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    is_ready
        .recv_timeout(PATIENCE)
        .expect("the broker does not acknowledge a subscription");
    receiver
}

/// Writes `count` drawn fields as PNG and returns their folder.
pub fn frames(folder: &Path, count: u64) -> PathBuf {
    let folder = folder.join("frames");
    fs::create_dir_all(&folder).unwrap();
    let spec = SmearSpec {
        width: 640,
        height: 480,
        cells: 24,
        ..SmearSpec::default()
    };
    for seed in 0..count {
        let field = smear(&spec, seed).image;
        fs::write(
            folder.join(format!("field-{seed}.png")),
            encode_png(&field).unwrap(),
        )
        .unwrap();
    }
    folder
}

/// A thread that failed while it held the lock has said so; those that clean up after it go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
