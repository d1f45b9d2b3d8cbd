//! The real daemon and a real mosquitto over TLS and WebSockets: what is right delivers, what is
//! wrong is named, and nothing is sent that others could read.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use smearscope_tests::pki::{Authority, Identity, write_private};
use smearscope_tests::wire::Wire;
use smearscope_tests::{
    PATIENCE, Running, edge, frames, free_port, mosquitto, mosquitto_with, subscribe,
};
use tempfile::TempDir;

/// What no log and no wire may show.
const PASSWORD: &str = "s3cret-of-the-board";
/// All that the daemon and what it speaks MQTT with could tell.
const TELL_ALL: &str = "warn,smearscope_edge=trace,rumqttc=trace,rustls=trace,tokio_rustls=trace,\
                        tungstenite=trace,tungstenite::protocol::frame=trace,\
                        async_tungstenite=trace,ws_stream_tungstenite=trace";

/// `run` with its log.
struct Station {
    _program: Running,
    lines: Receiver<String>,
    log: String,
}

impl Station {
    /// Starts `run` on drawn fields; `mqtt` is what stands in that table.
    fn start(folder: &Path, mqtt: &str, variables: &[(&str, &Path)]) -> Self {
        let mut child = run(folder, mqtt)
            .env("RUST_LOG", TELL_ALL)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in log.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self {
            _program: Running(child),
            lines,
            log: String::new(),
        }
    }

    /// Waits for a line of the log that has all these words.
    fn says(&mut self, words: &[&str]) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no line with {words:?} in:\n{}", self.log);
            };
            self.log += &line;
            self.log.push('\n');
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// The whole log until now.
    fn log(&mut self) -> &str {
        for line in self.lines.try_iter() {
            self.log += &line;
            self.log.push('\n');
        }
        &self.log
    }
}

/// `run` with a config of its own.
fn run(folder: &Path, mqtt: &str) -> Command {
    let frames = frames(folder, 1);
    let config = folder.join(format!("station-{}.toml", free_port()));
    let text = format!(
        "[device]\nid = \"bench-tls\"\n[source]\nkind = \"replay\"\nfolder = {frames:?}\n\
         repeat = true\ninterval_ms = 200\n[image]\nenabled = false\n[mqtt]\n{mqtt}\n\
         [store]\npath = {:?}\n",
        // Stations of one test may run at the same time.
        folder.join(format!("{}.sqlite", free_port()))
    );
    fs::write(&config, text).unwrap();
    let mut command = edge();
    command.args(["run", "--config"]).arg(config);
    command
}

/// Waits until a result of the board's has reached a subscriber.
fn delivers(messages: &Receiver<smearscope_tests::Received>) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let message = messages.recv_timeout(PATIENCE).unwrap();
        if message.topic == "smearscope/bench-tls/field" {
            return;
        }
    }
    panic!("no result comes");
}

/// A listener for TLS that shows `identity`.
fn listener(port: u16, identity: &Identity) -> String {
    format!(
        "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\nallow_anonymous true\n",
        identity.certificate.display(),
        identity.key.display()
    )
}

/// A file of mosquitto's with the board's password.
fn users(folder: &Path) -> String {
    let file = folder.join("users");
    write_private(&file, "");
    let status = Command::new("mosquitto_passwd")
        .arg("-b")
        .arg(&file)
        .args(["board", PASSWORD])
        .status()
        .unwrap();
    assert!(status.success());
    format!("allow_anonymous false\npassword_file {}\n", file.display())
}

/// The board's user name and password.
fn credentials(folder: &Path, password: &str) -> String {
    let file = folder.join("password");
    write_private(&file, &format!("{password}\n"));
    format!("username = \"board\"\npassword_file = {file:?}\n")
}

/// Waits until a listener beside mosquitto's first is open, too.
fn wait_for_listener(address: (&str, u16)) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing listens at {address:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn results_pass_through_tls_1_3_and_1_2_and_nobody_on_the_wire_can_read_them() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let broker_identity = ca.server("broker-shows-this", &["localhost", "127.0.0.1", "::1"]);
    let openssl = here.join("openssl.cnf");
    // mosquitto can only be told the oldest version that it speaks, OpenSSL also the newest.
    let tls12 = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n\
                 MaxProtocol = TLSv1.2\n";
    fs::write(&openssl, tls12).unwrap();
    let newest: &[(&str, &Path)] = &[];
    let oldest: &[(&str, &Path)] = &[("OPENSSL_CONF", &openssl)];
    for (variables, is_tls12) in [(newest, false), (oldest, true)] {
        let (port, tls_port) = (free_port(), free_port());
        let user = users(here);
        let more = listener(tls_port, &broker_identity).replace("allow_anonymous true\n", &user);
        let _broker = mosquitto_with(port, here, &more, variables);
        wait_for_listener(("127.0.0.1", tls_port));
        let wire = Wire::to(tls_port);
        let messages = subscribe(port, "smearscope/#");
        let mqtt = format!(
            "host = \"localhost\"\nport = {}\ntransport = \"tls\"\nca_file = {:?}\n{}",
            wire.port,
            ca.certificate,
            credentials(here, PASSWORD)
        );
        let mut station = Station::start(here, &mqtt, &[]);
        station.says(&["online at the broker", "localhost"]);
        delivers(&messages);
        assert!(wire.sent_bytes() > 1000);
        for word in [PASSWORD, "MQTT", "smearscope"] {
            assert!(!wire.has_sent(word), "{word}");
        }
        assert!(!station.log().contains(PASSWORD));
        // Up to 1.2, a broker's certificate is sent in clear; since 1.3 it isn't.
        assert_eq!(wire.has_answered("broker-shows-this"), is_tls12);
    }
}

#[test]
fn an_ipv6_address_can_be_what_a_certificate_is_for() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let server = ca.server("server", &["::1"]);
    let (port, tls_port, wss_port) = (free_port(), free_port(), free_port());
    let tls = listener(tls_port, &server).replace("127.0.0.1", "::1");
    let wss = listener(wss_port, &server).replace("127.0.0.1", "");
    let more = format!("{tls}{wss}protocol websockets\n");
    let _broker = mosquitto_with(port, here, &more, &[]);
    let messages = subscribe(port, "smearscope/#");
    for (transport, port) in [("tls", tls_port), ("wss", wss_port)] {
        wait_for_listener(("::1", port));
        let mqtt = format!(
            "host = \"::1\"\nport = {port}\ntransport = \"{transport}\"\nca_file = {:?}\n",
            ca.certificate
        );
        let mut station = Station::start(here, &mqtt, &[]);
        station.says(&["online at the broker [::1]:"]);
        delivers(&messages);
    }
}

#[test]
fn a_broker_that_proves_nothing_is_named_and_told_nothing() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let stranger = Authority::new(here, "strange-ca");
    let good = ca.server("good", &["127.0.0.1"]);
    let elsewhere = ca.server("elsewhere", &["broker.lab", "10.0.0.1"]);
    let expired = ca.expired_server("expired", &["127.0.0.1"]);
    let no_server = ca.client("no-server");
    let itself = ca.itself();
    for (identity, trusted, words) in [
        (&good, &stranger, ["CA that is not trusted", "`ca_file`"]),
        (&elsewhere, &ca, ["127.0.0.1", "broker.lab"]),
        (&expired, &ca, ["has expired", "clock"]),
        (&no_server, &ca, ["not one for servers", "certificate"]),
        (&itself, &ca, ["is a CA's own", "sign one"]),
    ] {
        for transport in ["tls", "wss"] {
            let (port, tls_port) = (free_port(), free_port());
            let mut more = listener(tls_port, identity);
            if transport == "wss" {
                more += "protocol websockets\n";
            }
            let _broker = mosquitto_with(port, here, &more, &[]);
            wait_for_listener(("127.0.0.1", tls_port));
            let wire = Wire::to(tls_port);
            let mqtt = format!(
                "port = {}\ntransport = \"{transport}\"\nca_file = {:?}\n{}",
                wire.port,
                trusted.certificate,
                credentials(here, PASSWORD)
            );
            let mut station = Station::start(here, &mqtt, &[]);
            for _ in 0..2 {
                let line = station.says(&["no connection to the broker", "next try"]);
                assert!(words.iter().all(|word| line.contains(word)), "{line}");
            }
            assert!(wire.sent_bytes() > 0, "it has tried");
            for word in [PASSWORD, "MQTT", "mqtt", "smearscope"] {
                assert!(!wire.has_sent(word), "{word}");
            }
            assert!(!station.log().contains(PASSWORD));
        }
    }
}

#[test]
fn a_client_certificate_is_asked_for_by_name_and_lets_the_board_in() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let stranger = Authority::new(here, "strange-ca");
    let server = ca.server("server", &["127.0.0.1"]);
    let (port, tls_port) = (free_port(), free_port());
    let more = format!(
        "{}cafile {}\nrequire_certificate true\n",
        listener(tls_port, &server),
        ca.certificate.display()
    );
    let _broker = mosquitto_with(port, here, &more, &[]);
    wait_for_listener(("127.0.0.1", tls_port));
    let messages = subscribe(port, "smearscope/#");
    let mqtt = format!(
        "port = {tls_port}\ntransport = \"tls\"\nca_file = {:?}\n",
        ca.certificate
    );
    Station::start(here, &mqtt, &[]).says(&["no connection", "`client_certificate`"]);

    let unknown = stranger.client("unknown-board");
    let with_unknown = format!(
        "{mqtt}client_certificate = {:?}\nclient_key = {:?}\n",
        unknown.certificate, unknown.key
    );
    Station::start(here, &with_unknown, &[])
        .says(&["no connection", "does not accept our client certificate"]);

    // The key as systemd hands it over: whatever its mode is, systemd guards it.
    let board = ca.client("board");
    fs::create_dir(here.join("credentials")).unwrap();
    let key = here.join("credentials/mqtt-key");
    fs::copy(&board.key, &key).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o440)).unwrap();
    let with_board = format!(
        "{mqtt}client_certificate = {:?}\nclient_key = \"credential:mqtt-key\"\n",
        board.certificate
    );
    let folder = here.join("credentials");
    let mut station = Station::start(
        here,
        &with_board,
        &[("CREDENTIALS_DIRECTORY", folder.as_path())],
    );
    station.says(&["online at the broker"]);
    delivers(&messages);
}

#[test]
fn results_pass_through_websockets_and_no_log_shows_the_password() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let server = ca.server("server", &["127.0.0.1"]);
    let (port, ws_port, wss_port) = (free_port(), free_port(), free_port());
    let user = users(here);
    let more = format!(
        "listener {ws_port} 127.0.0.1\nprotocol websockets\n{user}{}protocol websockets\n",
        listener(wss_port, &server).replace("allow_anonymous true\n", &user)
    );
    let _broker = mosquitto_with(port, here, &more, &[]);
    let messages = subscribe(port, "smearscope/#");
    for (transport, port) in [
        ("transport = \"ws\"\n".to_owned(), ws_port),
        (
            format!("transport = \"wss\"\nca_file = {:?}\n", ca.certificate),
            wss_port,
        ),
    ] {
        wait_for_listener(("127.0.0.1", port));
        let mqtt = format!("port = {port}\n{transport}{}", credentials(here, PASSWORD));
        let mut station = Station::start(here, &mqtt, &[]);
        station.says(&["online at the broker"]);
        delivers(&messages);
        let hex: String = PASSWORD.bytes().map(|b| format!("{b:02x}")).collect();
        let bytes = format!("{:?}", PASSWORD.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for written in [PASSWORD, &hex, bytes] {
            let log = station.log();
            let line = log.lines().find(|line| line.contains(written));
            assert_eq!(line, None, "the password is in the log");
        }
    }
}

#[test]
fn the_systems_cas_are_trusted_where_none_is_named() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let server = ca.server("server", &["localhost"]);
    let (port, tls_port) = (free_port(), free_port());
    let _broker = mosquitto_with(port, here, &listener(tls_port, &server), &[]);
    wait_for_listener(("127.0.0.1", tls_port));
    let frames = frames(here, 2);
    let output = edge()
        .args(["demo", "--http", "127.0.0.1:0", "--fields", "2", "--mqtt"])
        .arg(format!("mqtts://localhost:{tls_port}"))
        .arg("--frames")
        .arg(frames)
        .env("SSL_CERT_FILE", &ca.certificate)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_wrong_password_is_named_and_tried_again_only_as_often_as_the_backoff_lets() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let (port, user_port) = (free_port(), free_port());
    let more = format!("listener {user_port} 127.0.0.1\n{}", users(here));
    let _broker = mosquitto_with(port, here, &more, &[]);
    wait_for_listener(("127.0.0.1", user_port));
    let wire = Wire::to(user_port);
    let mqtt = format!(
        "port = {}\n{}",
        wire.port,
        credentials(here, "wrong-s3cret")
    );
    let mut station = Station::start(here, &mqtt, &[]);
    station.says(&["no connection", "refused us", "password is wrong"]);
    // Who was refused waits at least 2.5 seconds, then 5.
    thread::sleep(Duration::from_secs(8));
    let tries = wire.connections();
    assert!((2..=3).contains(&tries), "{tries} tries in eight seconds");
    let log = station.log();
    assert!(
        !log.contains("wrong-s3cret") && !log.contains("online at"),
        "{log}"
    );
}

#[test]
fn a_transport_that_the_port_does_not_speak_is_named() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let ca = Authority::new(here, "lab-ca");
    let server = ca.server("server", &["127.0.0.1"]);
    let (port, tls_port) = (free_port(), free_port());
    let _broker = mosquitto_with(port, here, &listener(tls_port, &server), &[]);
    wait_for_listener(("127.0.0.1", tls_port));
    let trust = format!("ca_file = {:?}\n", ca.certificate);
    for (port, transport, trust) in [
        (port, "tls", trust.as_str()),
        (port, "wss", &trust),
        (port, "ws", ""),
        (tls_port, "tcp", ""),
        (tls_port, "ws", ""),
    ] {
        let mqtt = format!("port = {port}\ntransport = \"{transport}\"\n{trust}");
        let mut station = Station::start(here, &mqtt, &[]);
        let line = station.says(&["no connection"]);
        assert!(line.contains("`port`") && line.contains("right?"), "{line}");
    }
}

#[test]
fn secrets_that_others_can_read_and_credentials_that_are_missing_are_bad_input() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let port = free_port();
    let _broker = mosquitto(port, here);
    let refused = |mqtt: &str| {
        let output = run(here, mqtt)
            .env_remove("CREDENTIALS_DIRECTORY")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        let errors: Vec<_> = said.lines().filter(|l| l.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        errors[0].to_owned()
    };
    let loose = here.join("loose");
    fs::write(&loose, PASSWORD).unwrap();
    fs::set_permissions(&loose, PermissionsExt::from_mode(0o644)).unwrap();
    let error = refused(&format!(
        "port = {port}\nusername = \"a\"\npassword_file = {loose:?}\n"
    ));
    let mend = format!("chmod 600 {}", loose.display());
    assert!(error.contains(&mend), "{error}");

    let ca = Authority::new(here, "lab-ca");
    let board = ca.client("board");
    fs::set_permissions(&board.key, PermissionsExt::from_mode(0o640)).unwrap();
    let error = refused(&format!(
        "transport = \"tls\"\nca_file = {:?}\nclient_certificate = {:?}\nclient_key = {:?}\n",
        ca.certificate, board.certificate, board.key
    ));
    assert!(
        error.contains("client key") && error.contains("chmod 600"),
        "{error}"
    );

    let error = refused("username = \"a\"\npassword_file = \"credential:mqtt-password\"\n");
    assert!(error.contains("LoadCredential=mqtt-password"), "{error}");
}
