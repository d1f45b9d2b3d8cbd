//! The files of docs/mosquitto, as they are, in a real mosquitto: who gets in, who may say and hear what, and what a
//! bridge brings across. Only ports, paths and passwords are put in at run time.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rumqttc::Transport;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason, Publish, PublishProperties};
use smearscope_tests::peer::{Peer, topic};
use smearscope_tests::site::{Site, password};
use smearscope_tests::{PATIENCE, Running, edge, frames, lines};

/// What a board publishes, below its own name.
const BOARD_WRITES: [&str; 10] = [
    "status",
    "health",
    "field",
    "slide",
    "slide/report",
    "image/field",
    "live",
    "model",
    "command/reply",
    "command/reply/desk-7",
];

fn of(device: &str, leaves: &[&str]) -> Vec<String> {
    leaves
        .iter()
        .map(|leaf| format!("smearscope/{device}/{leaf}"))
        .collect()
}

/// Answers one command as a board does; returns the command.
fn answer(board: &Peer, reply: &str) -> Publish {
    let command = board.next();
    let asked = command.properties.clone().expect("MQTT 5 properties");
    let properties = PublishProperties {
        correlation_data: asked.correlation_data,
        ..PublishProperties::default()
    };
    let to = asked.response_topic.expect("a response topic");
    assert_eq!(
        board.publish_with(&to, reply, properties),
        PubAckReason::Success
    );
    command
}

#[test]
fn nobody_gets_in_without_the_password() {
    let site = Site::start();
    let refused = |options: MqttOptions| Peer::enter(options).err();
    let not_authorized = Some(ConnectReturnCode::NotAuthorized);

    let anonymous = MqttOptions::new("anyone", "127.0.0.1", site.port);
    assert_eq!(refused(anonymous), not_authorized);
    let mut wrong = site.options("scope-1");
    wrong.set_credentials("scope-1", password("scope-2"));
    assert_eq!(refused(wrong), not_authorized);
    let mut unknown = site.options("scope-1");
    unknown.set_credentials("stranger", password("scope-1"));
    assert_eq!(refused(unknown), not_authorized);
    assert_eq!(refused(site.options("scope-1")), None);

    // What is unencrypted is for this machine alone: a listener on all addresses would answer here too.
    for port in [site.port, site.websockets] {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(TcpStream::connect(("127.0.0.2", port)).is_err());
    }
}

#[test]
fn a_board_writes_below_its_own_name_and_reads_its_own_commands() {
    let site = Site::start();
    let operator = site.listener("operator");
    let board = site.enter("scope-1");
    board.subscribe("smearscope/#");

    for own in of("scope-1", &BOARD_WRITES) {
        board.is_allowed(&own, "mine");
    }
    board.is_allowed("homeassistant/device/scope-1/config", "{}");
    for other in of("scope-2", &BOARD_WRITES) {
        board.is_refused(&other);
    }
    for topic in [
        "smearscope/scope-1/command",
        "smearscope/scope-2/command",
        "smearscope/scope-1/model/desired",
        "smearscope/models/00/0",
        "smearscope/scope-1/anything",
        "smearscope/scope-1",
        "homeassistant/device/scope-2/config",
        "homeassistant/device/scope-1/other",
        "bridges/clinic-1/state",
        "anything",
    ] {
        board.is_refused(topic);
    }
    board.is_allowed("smearscope/scope-1/field", "end");
    assert_eq!(operator.heard_until("end"), of("scope-1", &BOARD_WRITES));

    let publisher = site.enter("publisher");
    operator.is_allowed("smearscope/scope-2/command", "not for this board");
    operator.is_allowed("smearscope/scope-1/command", "{}");
    publisher.is_allowed("smearscope/scope-2/model/desired", "not for this board");
    publisher.is_allowed("smearscope/scope-1/model/desired", "{}");
    publisher.is_allowed("smearscope/models/00/0", "bytes");
    operator.is_allowed("smearscope/scope-1/command", "end");
    assert_eq!(
        board.heard_until("end"),
        [
            "smearscope/scope-1/command",
            "smearscope/scope-1/model/desired",
            "smearscope/models/00/0"
        ]
    );
}

#[test]
fn a_dashboard_hears_everything_and_says_nothing() {
    let site = Site::start();
    // As a browser comes: by WebSockets.
    let url = format!("ws://127.0.0.1:{}/mqtt", site.websockets);
    let mut by_websocket = MqttOptions::new("a-browser", url, site.websockets);
    by_websocket.set_transport(Transport::Ws);
    by_websocket.set_credentials("dashboard", password("dashboard"));
    let dashboard = Peer::enter(by_websocket).unwrap();
    dashboard.subscribe("#");
    let second = site.enter("dashboard");
    second.subscribe("smearscope/+/field");

    for leaf in of("scope-1", &["command", "field", "status", "command/reply"]) {
        dashboard.is_refused(&leaf);
    }
    // An account that is no board can't play one of its own name.
    for leaf in of("dashboard", &["field", "status"]) {
        dashboard.is_refused(&leaf);
    }
    let (board, operator) = (site.enter("scope-1"), site.enter("operator"));
    let publisher = site.enter("publisher");
    for own in of("scope-1", &BOARD_WRITES) {
        board.is_allowed(&own, "mine");
    }
    operator.is_allowed("smearscope/scope-1/command", "{}");
    publisher.is_allowed(
        "smearscope/models/00/0",
        "128 KiB that a dashboard need not hear",
    );
    board.is_allowed("smearscope/scope-1/field", "end");
    let mut all = of("scope-1", &BOARD_WRITES);
    all.push("smearscope/scope-1/command".into());
    assert_eq!(dashboard.heard_until("end"), all);
    assert_eq!(second.heard_until("end"), of("scope-1", &["field"]));
}

#[test]
fn an_operator_commands_hears_the_answer_and_forges_nothing() {
    let site = Site::start();
    let (board, operator) = (site.listener("scope-1"), site.listener("operator"));
    for leaf in ["status", "field", "slide", "slide/report", "command/reply"] {
        operator.is_refused(&format!("smearscope/scope-1/{leaf}"));
    }
    for topic in [
        "smearscope/scope-1/model/desired",
        "smearscope/models/00/0",
        "smearscope/operator/field",
        "homeassistant/device/scope-1/config",
    ] {
        operator.is_refused(topic);
    }
    let request = PublishProperties {
        response_topic: Some("smearscope/scope-1/command/reply/desk-7".into()),
        correlation_data: Some("17".into()),
        ..PublishProperties::default()
    };
    let ping = r#"{"request_id":"17","command":"ping"}"#;
    assert_eq!(
        operator.publish_with("smearscope/scope-1/command", ping, request),
        PubAckReason::Success
    );
    assert_eq!(answer(&board, "pong").payload, ping);
    let heard = [operator.next(), operator.next()];
    assert_eq!(topic(&heard[0]), "smearscope/scope-1/command");
    assert_eq!(topic(&heard[1]), "smearscope/scope-1/command/reply/desk-7");
    assert_eq!(heard[1].payload, "pong");
    let properties = heard[1].properties.as_ref().unwrap();
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"17"[..]));

    // The line of docs/mqtt.md.
    let rr = Command::new("mosquitto_rr")
        .args(site.login("operator"))
        .args(["-q", "1", "-W", "30", "-t", "smearscope/scope-1/command"])
        .args(["-e", "smearscope/scope-1/command/reply/desk-7", "-m", ping])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    answer(&board, "pong by mosquitto_rr");
    let said = rr.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        "pong by mosquitto_rr"
    );
}

#[test]
fn home_assistant_reads_and_commands_and_a_publisher_hands_out_models_only() {
    let site = Site::start();
    let (board, home) = (site.enter("scope-1"), site.listener("homeassistant"));
    board.is_allowed("homeassistant/device/scope-1/config", "{}");
    board.is_allowed("smearscope/scope-1/status", "end");
    assert_eq!(
        home.heard_until("end"),
        ["homeassistant/device/scope-1/config"]
    );
    home.is_allowed("smearscope/scope-1/command", "{}");
    home.is_allowed("homeassistant/status", "online");
    home.is_refused("smearscope/scope-1/field");
    home.is_refused("homeassistant/device/scope-1/config");
    home.is_refused("smearscope/homeassistant/field");

    let publisher = site.listener("publisher");
    for topic in of("scope-1", &["command", "field", "command/reply"]) {
        publisher.is_refused(&topic);
    }
    publisher.is_refused("smearscope/publisher/field");
    board.is_allowed("smearscope/scope-1/field", "not for a publisher");
    board.is_allowed("smearscope/scope-1/status", "end");
    let heard = publisher.heard_until("end");
    assert!(heard.iter().all(|t| !t.contains("field")), "{heard:?}");
}

#[test]
fn a_bridge_brings_results_out_and_commands_in_and_waits_while_the_link_is_down() {
    let mut central = Site::prepared().with_tls();
    central.run();
    let archive = {
        let mut options = MqttOptions::new("archive-1", "127.0.0.1", central.port);
        options.set_credentials("dashboard", password("dashboard"));
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(3600));
        options
    };
    let at_archive = Peer::enter(archive.clone()).unwrap();
    at_archive.subscribe("smearscope/+/field");
    let dashboard = central.listener("dashboard");
    let operator = central.enter("operator");
    let mut clinic = Site::prepared().bridged_to(&central);
    clinic.run();
    let up = dashboard.next();
    assert_eq!(topic(&up), "bridges/clinic-1/state");
    assert_eq!(up.payload, "1");

    let board = clinic.enter("scope-1");
    board.subscribe("smearscope/scope-1/command");
    // The centre doesn't know this one as a board of the clinic.
    let stranger = clinic.enter("scope-3");
    stranger.is_allowed("smearscope/scope-3/field", "0");
    for own in of("scope-1", &BOARD_WRITES) {
        board.is_allowed(&own, "1");
    }
    board.is_allowed("smearscope/scope-1/slide", "end");
    let mut heard = dashboard.heard_until("end");
    heard.sort();
    let mut expected = of("scope-1", &BOARD_WRITES);
    expected.sort();
    assert_eq!(heard, expected, "QoS 0 and 1 need not keep their order");

    // What is retained on one side is retained on the other, for who comes later.
    retain(&clinic, "scope-1", "smearscope/scope-1/status", "online");
    dashboard.heard_until("online");
    assert!(is_retained(&central, "smearscope/scope-1/status", "online"));
    retain(
        &central,
        "publisher",
        "smearscope/scope-1/model/desired",
        "m",
    );
    while !is_retained(&clinic, "smearscope/scope-1/model/desired", "m") {}

    operator.subscribe("smearscope/scope-1/command/reply/hq");
    let request = PublishProperties {
        response_topic: Some("smearscope/scope-1/command/reply/hq".into()),
        correlation_data: Some("18".into()),
        message_expiry_interval: Some(300),
        ..PublishProperties::default()
    };
    assert_eq!(
        operator.publish_with("smearscope/scope-1/command", "ping", request),
        PubAckReason::Success
    );
    let command = answer(&board, "pong");
    assert_eq!(command.payload, "ping");
    assert!(
        command
            .properties
            .unwrap()
            .message_expiry_interval
            .is_some()
    );
    let reply = operator.next();
    assert_eq!(reply.payload, "pong");
    let properties = reply.properties.as_ref().unwrap();
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"18"[..]));

    assert_eq!(at_archive.next().payload, "1");
    central.stop();
    for seq in 2..=40 {
        board.is_allowed("smearscope/scope-1/field", &seq.to_string());
    }
    // What waits outlasts the clinic's own broker.
    clinic.stop();
    clinic.run();
    central.run();
    let at_archive = Peer::enter(archive).unwrap();
    let mut seqs: Vec<u32> = Vec::new();
    while seqs.last() != Some(&40) {
        let message = at_archive.next();
        let seq = String::from_utf8_lossy(&message.payload).parse().unwrap();
        if !seqs.contains(&seq) {
            seqs.push(seq);
        }
    }
    assert_eq!(seqs, (2..=40).collect::<Vec<_>>());
}

fn retain(site: &Site, user: &str, topic: &str, payload: &str) {
    let status = Command::new("mosquitto_pub")
        .args(site.login(user))
        .args(["-r", "-q", "1", "-t", topic, "-m", payload])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Whether a dashboard that comes now is told this, within a second.
fn is_retained(site: &Site, topic: &str, payload: &str) -> bool {
    let said = Command::new("mosquitto_sub")
        .args(site.login("dashboard"))
        .args(["--retained-only", "-C", "1", "-W", "1", "-t", topic])
        .output()
        .unwrap();
    String::from_utf8_lossy(&said.stdout).trim() == payload
}

/// The real daemon as `scope-1`, with an account's name and password.
fn daemon(site: &Site, user: &str) -> Command {
    let here = site.folder.path();
    let secret = here.join(format!("password-of-{user}"));
    fs::write(&secret, password(user)).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&secret, private).unwrap();
    let config = here.join(format!("edge-as-{user}.toml"));
    let text = format!(
        "[device]\nid = \"scope-1\"\n[source]\nkind = \"replay\"\nfolder = {:?}\n\
         [mqtt]\nport = {}\nusername = {user:?}\npassword_file = {secret:?}\n[store]\npath = {:?}\n",
        here.join("frames"),
        site.port,
        here.join(format!("results-of-{user}.sqlite"))
    );
    fs::write(&config, text).unwrap();
    let mut command = edge();
    command
        .args(["run", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn the_real_daemon_delivers_under_this_acl() {
    let site = Site::start();
    frames(site.folder.path(), 3);
    let dashboard = site.listener("dashboard");
    let mut program = Running(daemon(&site, "scope-1").spawn().unwrap());
    let code = program.wait();
    let mut log = String::new();
    let stderr = program.0.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("NotAuthorized"), "{log}");
    assert!(!log.contains("refused"), "{log}");

    site.enter("scope-1")
        .is_allowed("smearscope/scope-1/slide", "end");
    let heard = dashboard.heard_until("end");
    for (leaf, least) in [
        ("status", 2),
        ("field", 3),
        ("slide", 1),
        ("image/field", 1),
    ] {
        let name = format!("smearscope/scope-1/{leaf}");
        let count = heard.iter().filter(|topic| **topic == name).count();
        assert!(count >= least, "{leaf}: {count} in {heard:?}");
    }

    // An account of another name is refused, and the log says so.
    let mut program = Running(daemon(&site, "scope-2").spawn().unwrap());
    let log = lines(program.0.stderr.take().unwrap());
    while !log
        .recv_timeout(PATIENCE)
        .expect("a refusal in the log")
        .contains("NotAuthorized")
    {}
}
