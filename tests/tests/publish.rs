//! `smearscope-train keygen` and `publish`: the real program, a real mosquitto, and boards that do what a script says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use smearscope_common::message::{DesiredModel, MAX_CHUNK};
use smearscope_common::topic::of_model_chunk;
use smearscope_tests::model_board::{ModelBoard, Script, note, retain, signed_at, status};
use smearscope_tests::pki::{Authority, write_private};
use smearscope_tests::proxy::{Mode, Proxy};
use smearscope_tests::site::{Site, password};
use smearscope_tests::{
    PATIENCE, Received, Running, free_port, mosquitto, mosquitto_with, subscribe, trainer,
};
use tempfile::TempDir;

/// The model inside the board's program.
const ONNX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/models/default.onnx");

/// All that the program and what it speaks MQTT with could tell.
const TELL_ALL: &str = "warn,smearscope_trainer=trace,rumqttc=trace,rustls=trace,tokio_rustls=trace,\
                        tungstenite=trace,tungstenite::protocol::frame=trace,\
                        async_tungstenite=trace,ws_stream_tungstenite=trace";

/// A broker, a folder and a key.
struct Clinic {
    folder: TempDir,
    port: u16,
    _broker: Running,
}

impl Clinic {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let clinic = Self {
            _broker: mosquitto(port, folder.path()),
            folder,
            port,
        };
        let made = trainer()
            .args(["keygen", "--no-password", "--json", "--out"])
            .arg(clinic.key())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        clinic
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("clinic.key")
    }

    fn command(&self, more: &[&str]) -> Command {
        publish(
            ONNX,
            &self.key(),
            &format!("mqtt://127.0.0.1:{}", self.port),
            more,
        )
    }

    fn publish(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// What the broker keeps on some topics.
    fn retained(&self, filter: &str) -> BTreeMap<String, Vec<u8>> {
        let heard = subscribe(self.port, filter);
        let mut kept = BTreeMap::new();
        while let Ok(message) = heard.recv_timeout(Duration::from_millis(700)) {
            kept.insert(message.topic, message.payload);
        }
        kept
    }
}

fn publish(onnx: &str, key: &Path, broker: &str, more: &[&str]) -> Command {
    let mut command = trainer();
    command
        .args(["publish", onnx, "--broker", broker, "--key"])
        .arg(key)
        .args(more)
        .stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines of `--json`: device, state, reason.
fn states(output: &Output) -> Vec<(String, String, Option<String>)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    stdout(output)
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line.as_object().unwrap().len(), 4, "{line}");
            (
                word(&line["device"]).unwrap(),
                word(&line["state"]).unwrap(),
                word(&line["reason"]),
            )
        })
        .collect()
}

/// One sentence in the last line, and this exit code.
fn fails_with(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(last.starts_with("error: ") || code == 2, "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

fn has_minisign() -> bool {
    let is_there = Command::new("minisign").arg("-v").output().is_ok();
    if !is_there {
        // `eprintln!` would be captured.
        let line =
            "SKIP: signatures against the minisign tool: it is not on this machine (make setup)\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    is_there
}

/// Whether the minisign tool verifies a desired model's signature by a public key.
fn minisign_verifies(folder: &Path, desired: &DesiredModel, public: &Path) -> bool {
    let signature = folder.join("model.minisig");
    fs::write(&signature, &desired.signature).unwrap();
    let verified = Command::new("minisign")
        .args(["-V", "-m", ONNX, "-x"])
        .arg(&signature)
        .arg("-p")
        .arg(public)
        .output()
        .unwrap();
    verified.status.success()
}

/// The chunks that came, by number, and the numbers that were removed again.
fn chunks(heard: &Receiver<Received>) -> (BTreeMap<u32, Vec<u8>>, Vec<u32>) {
    let (mut chunks, mut removed) = (BTreeMap::new(), Vec::new());
    while let Ok(message) = heard.recv_timeout(Duration::from_secs(1)) {
        let (_, number) = of_model_chunk(&message.topic).unwrap();
        if message.payload.is_empty() {
            removed.push(number);
        } else {
            chunks.insert(number, message.payload);
        }
    }
    (chunks, removed)
}

#[test]
fn a_model_goes_to_every_board_in_turn_and_its_bytes_are_removed() {
    let clinic = Clinic::start();
    let heard = subscribe(clinic.port, "smearscope/models/#");
    // One board's clock is ahead.
    let future = 4_000_000_000;
    let boards = [
        ("scope-2", Some(future)),
        ("scope-1", None),
        ("scope-3", Some(7)),
    ]
    .map(|(device, signed)| ModelBoard::start(clinic.port, device, Script::Takes, signed));
    let output = clinic.publish(&["--all", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let installed = |device: &str| (device.to_owned(), "installed".to_owned(), None);
    assert_eq!(
        states(&output),
        ["scope-1", "scope-2", "scope-3"].map(installed)
    );
    let told: Vec<Instant> = [1, 0, 2].map(|at: usize| boards[at].is_told()).to_vec();
    assert!(told.is_sorted());

    let (came, removed) = chunks(&heard);
    assert!(came.keys().copied().eq(0..came.len() as u32));
    assert!(came.values().all(|chunk| chunk.len() <= MAX_CHUNK));
    let onnx = fs::read(ONNX).unwrap();
    assert!(came.values().flatten().copied().eq(onnx.iter().copied()));
    assert_eq!(removed.len(), came.len());
    assert!(clinic.retained("smearscope/models/#").is_empty());

    let desired = boards[0].desired();
    assert_eq!(desired.schema.as_deref(), Some(DesiredModel::SCHEMA));
    assert_eq!((desired.size, &desired.url), (onnx.len() as u64, &None));
    assert_eq!(desired, boards[2].desired(), "signed once");
    assert_eq!(signed_at(&desired), future + 1);
    let names: Vec<String> = note(&desired)
        .boards
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["scope-1", "scope-2", "scope-3"]);
    assert_eq!(clinic.retained("smearscope/+/model/desired").len(), 3);

    let said = stderr(&output);
    let signature = desired.signature.lines().nth(1).unwrap();
    assert!(!said.contains(signature), "a signature is in the log");
    if has_minisign() {
        let public = clinic.folder.path().join("clinic.pub");
        assert!(minisign_verifies(clinic.folder.path(), &desired, &public));
    }

    // Once more: harmless, and every board is asked.
    let output = clinic.publish(&["--device", "scope-1", "--keep-chunks"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("scope-1: installed"),
        "{}",
        stdout(&output)
    );
    assert_eq!(clinic.retained("smearscope/models/#").len(), came.len());
    assert_eq!(boards[1].heard().len(), 2);
}

#[test]
fn the_first_board_that_refuses_ends_it() {
    let clinic = Clinic::start();
    let first = ModelBoard::start(clinic.port, "a", Script::Takes, None);
    let second = ModelBoard::start(clinic.port, "b", Script::Refuses("it is too slow"), None);
    let third = ModelBoard::start(clinic.port, "c", Script::Takes, None);
    let output = clinic.publish(&["--device", "a", "b", "c", "--json"]);
    fails_with(
        &output,
        1,
        &[
            "b failed (refused): it is too slow",
            "have the model: a;",
            "not reached: c",
        ],
    );
    let expected = [
        ("a", "installed", None),
        ("b", "refused", Some("it is too slow")),
        ("c", "not_reached", None),
    ];
    let expected = expected
        .map(|(device, state, why)| (device.to_owned(), state.to_owned(), why.map(str::to_owned)));
    assert_eq!(states(&output), expected);
    sleep(Duration::from_millis(500));
    assert_eq!(
        first.heard().len(),
        1,
        "it was withdrawn from the first one"
    );
    assert_eq!(second.heard()[1], b"");
    assert!(third.heard().is_empty());
    let kept = clinic.retained("smearscope/+/model/desired");
    assert!(kept.keys().eq(["smearscope/a/model/desired"]), "{kept:?}");
    assert!(clinic.retained("smearscope/models/#").is_empty());
    // It refused what was, and may take what is.
    drop(second);
    let _second = ModelBoard::start(clinic.port, "b", Script::Takes, None);
    let output = clinic.publish(&["--device", "b", "c"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_board_that_takes_the_model_back_ends_it_even_when_it_was_done() {
    let clinic = Clinic::start();
    let first = ModelBoard::start(clinic.port, "a", Script::Watches, None);
    let second = ModelBoard::start(clinic.port, "b", Script::Silent, None);
    let command = clinic
        .command(&["--device", "a", "b", "--until", "watching", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    second.is_told();
    first.roll_back("it calls everything parasitized");
    let output = command.wait_with_output().unwrap();
    fails_with(&output, 1, &["a failed (rolled back): it calls everything"]);
    let words: Vec<String> = states(&output)
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    assert_eq!(words, ["rolled_back", "not_reached"]);
    assert!(clinic.retained("smearscope/+/model/desired").is_empty());

    let _third = ModelBoard::start(clinic.port, "c", Script::RollsBack("NaN"), None);
    let output = clinic.publish(&["--device", "c"]);
    fails_with(&output, 1, &["c failed (rolled back): NaN"]);
}

#[test]
fn a_board_that_is_away_finds_the_model_when_it_is_back_and_its_bytes_stay() {
    let clinic = Clinic::start();
    retain(
        clinic.port,
        "smearscope/away/status",
        &status("away", "offline"),
    );
    let here = ModelBoard::start(clinic.port, "here", Script::Takes, None);
    let output = clinic.publish(&["--device", "away", "never", "here", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("never has never told"), "{said}");
    assert!(
        said.contains("stay on the broker for away, never"),
        "{said}"
    );
    let words: Vec<String> = states(&output)
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    assert_eq!(words, ["offline", "offline", "installed"]);
    let kept = clinic.retained("smearscope/+/model/desired");
    let desired = DesiredModel::read(&kept["smearscope/away/model/desired"]).unwrap();
    assert_eq!(desired.unwrap(), here.desired());
    assert_eq!(kept.len(), 3);
    let chunks = clinic.retained("smearscope/models/#").len();
    assert_eq!(
        chunks,
        fs::metadata(ONNX).unwrap().len().div_ceil(MAX_CHUNK as u64) as usize
    );

    // Another rollout does not take the bytes away from them.
    let output = clinic.publish(&["--device", "here"]);
    assert!(
        stdout(&output).contains("for away, never"),
        "{}",
        stdout(&output)
    );
    // Back, it hears of the model; now everybody has it.
    let away = ModelBoard::start(clinic.port, "away", Script::Takes, None);
    let never = ModelBoard::start(clinic.port, "never", Script::Takes, None);
    away.is_told();
    never.is_told();
    let output = clinic.publish(&["--all"]);
    assert!(
        stdout(&output).contains("were removed"),
        "{}",
        stdout(&output)
    );
    assert!(clinic.retained("smearscope/models/#").is_empty());
}

#[test]
fn a_dry_run_publishes_nothing() {
    let clinic = Clinic::start();
    let board = ModelBoard::start(clinic.port, "a", Script::Takes, None);
    retain(clinic.port, "smearscope/b/status", &status("b", "stopped"));
    let heard = subscribe(clinic.port, "#");
    let mut before = 0;
    while heard.recv_timeout(Duration::from_millis(700)).is_ok() {
        before += 1;
    }
    assert_eq!(before, 3, "two states and what one says of models");
    let output = clinic.publish(&["--all", "--dry-run", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let words: Vec<String> = states(&output)
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    assert_eq!(words, ["would_be_told", "would_wait"]);
    let output = clinic.publish(&["--all", "--dry-run"]);
    let said = stdout(&output);
    assert!(
        said.contains("self-test passed") && said.contains("inside 1 decides"),
        "{said}"
    );
    assert!(heard.recv_timeout(Duration::from_secs(1)).is_err());
    assert!(board.heard().is_empty());
}

#[test]
fn who_takes_too_long_fails_and_ctrl_c_loses_nothing() {
    let clinic = Clinic::start();
    let board = ModelBoard::start(clinic.port, "a", Script::Silent, None);
    let url = "http://models.lab/default.onnx";
    let output = clinic.publish(&["--device", "a", "--timeout", "0.03", "--url", url]);
    fails_with(
        &output,
        1,
        &["a failed (timed out)", "did not begin", "--timeout"],
    );
    assert_eq!(board.desired().url.as_deref(), Some(url));
    assert!(
        clinic.retained("smearscope/models/#").is_empty(),
        "no chunks with --url"
    );
    assert_eq!(board.heard().len(), 2);

    let command = clinic
        .command(&["--device", "a", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        board.is_told();
    }
    let id = command.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = command.wait_with_output().unwrap();
    fails_with(&output, 1, &["nothing is lost", "again is harmless"]);
    assert_eq!(states(&output)[0].1, "told");
    assert_eq!(clinic.retained("smearscope/+/model/desired").len(), 1);
}

#[test]
fn a_connection_that_breaks_is_made_anew() {
    let clinic = Clinic::start();
    let proxy = Proxy::start(clinic.port, 7);
    // So slow that the chunks take seconds.
    let slow = Mode::Delay {
        least: Duration::from_millis(4),
        most: Duration::from_millis(8),
    };
    proxy.set(slow);
    let board = ModelBoard::start(clinic.port, "a", Script::Takes, None);
    let heard = subscribe(clinic.port, "smearscope/models/#");
    let broker = format!("mqtt://127.0.0.1:{}", proxy.port());
    let command = publish(
        ONNX,
        &clinic.key(),
        &broker,
        &["--all", "--json", "--keep-chunks"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    // In the midst of the chunks, and once more.
    for _ in 0..2 {
        for _ in 0..20 {
            heard.recv_timeout(PATIENCE).unwrap();
        }
        proxy.set(Mode::Refuse);
        proxy.reset();
        sleep(Duration::from_millis(300));
        proxy.set(slow);
    }
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(proxy.accepted() >= 3, "{} connections", proxy.accepted());
    assert_eq!(board.heard().len(), 1);
    let kept = clinic.retained("smearscope/models/#");
    let by_number: BTreeMap<u32, Vec<u8>> = kept
        .into_iter()
        .map(|(topic, chunk)| (of_model_chunk(&topic).unwrap().1, chunk))
        .collect();
    let onnx = fs::read(ONNX).unwrap();
    assert!(
        by_number
            .values()
            .flatten()
            .copied()
            .eq(onnx.iter().copied())
    );
}

#[test]
fn a_broker_is_reached_by_tls_and_websockets_if_its_certificate_is_trusted() {
    let clinic = Clinic::start();
    let here = clinic.folder.path();
    let ca = Authority::new(here, "lab-ca");
    let server = ca.server("server", &["localhost"]);
    let [port, tls, ws, wss] = [(); 4].map(|()| free_port());
    let listener =
        |port: u16, more: &str| format!("listener {port} 127.0.0.1\nallow_anonymous true\n{more}");
    let identity = format!(
        "certfile {}\nkeyfile {}\n",
        server.certificate.display(),
        server.key.display()
    );
    let websockets = "protocol websockets\n";
    let more = [
        listener(tls, &identity),
        listener(ws, websockets),
        listener(wss, &format!("{identity}{websockets}")),
    ];
    let folder = TempDir::new().unwrap();
    let _broker = mosquitto_with(port, folder.path(), &more.concat(), &[]);
    let board = ModelBoard::start(port, "a", Script::Watches, None);
    let secret = here.join("password");
    write_private(&secret, "s3cret-of-the-publisher\n");
    let authority = ca.certificate.to_str().unwrap();
    let login = [
        "--username",
        "publisher",
        "--password-file",
        secret.to_str().unwrap(),
    ];
    let trusted = [
        &["--all", "--until", "watching", "--ca-file", authority],
        &login[..],
    ]
    .concat();
    let open = [&["--all", "--until", "watching"], &login[..]].concat();
    for (broker, more) in [
        (format!("mqtts://localhost:{tls}"), &trusted),
        (format!("wss://localhost:{wss}"), &trusted),
        (format!("ws://localhost:{ws}/mqtt"), &open),
    ] {
        let mut command = publish(ONNX, &clinic.key(), &broker, more);
        // Whatever the log is asked to tell, it tells neither the password nor what it signs with.
        let output = command.env("RUST_LOG", TELL_ALL).output().unwrap();
        assert!(output.status.success(), "{broker}: {}", tail(&output));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("s3cret"), "{broker}");
        let key = fs::read_to_string(clinic.key()).unwrap();
        assert!(!said.contains(key.lines().nth(1).unwrap()), "{broker}");
    }
    assert_eq!(board.heard().len(), 3);

    let stranger = Authority::new(here, "other-ca");
    let stranger = stranger.certificate.to_str().unwrap();
    for (broker, more, word) in [
        (
            format!("mqtts://localhost:{tls}"),
            ["--all", "--ca-file", stranger],
            "--ca-file",
        ),
        (
            format!("wss://localhost:{wss}"),
            ["--all", "--ca-file", stranger],
            "--ca-file",
        ),
        (
            format!("mqtts://127.0.0.1:{tls}"),
            ["--all", "--ca-file", authority],
            "another name",
        ),
        (
            format!("mqtts://localhost:{port}"),
            ["--all", "--ca-file", authority],
            "scheme and port",
        ),
    ] {
        let output = publish(ONNX, &clinic.key(), &broker, &more)
            .output()
            .unwrap();
        fails_with(&output, 1, &[&broker, word]);
    }
}

/// The end of what a program has logged.
fn tail(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().rev().take(5).collect();
    lines.join("\n")
}

#[test]
fn what_the_acl_forbids_is_named() {
    let site = Site::start();
    let clinic = Clinic::start();
    let secret = clinic.folder.path().join("password");
    fs::write(&secret, password("dashboard")).unwrap();
    let secret = secret.to_str().unwrap();
    let broker = format!("mqtt://dashboard@127.0.0.1:{}", site.port);
    let login = ["--device", "scope-1", "--password-file", secret];
    let output = publish(ONNX, &clinic.key(), &broker, &login)
        .output()
        .unwrap();
    fails_with(
        &output,
        1,
        &["smearscope/models/", "ACL", "no board was told anything"],
    );
    fs::write(secret, "wrong").unwrap();
    let output = publish(ONNX, &clinic.key(), &broker, &login)
        .output()
        .unwrap();
    fails_with(
        &output,
        2,
        &["user name or password is wrong", "--password-file"],
    );
    assert!(!stderr(&output).contains("panic"));
}

#[test]
fn what_cannot_be_used_is_refused_in_a_sentence() {
    let clinic = Clinic::start();
    let folder = clinic.folder.path();
    let broker = format!("mqtt://127.0.0.1:{}", clinic.port);
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |onnx: &str, key: &Path, broker: &str, more: &[&str]| {
        publish(onnx, key, broker, more).output().unwrap()
    };
    let key = clinic.key();
    let no_model = file("no.onnx", "this is no model");
    let all = ["--all"];
    fails_with(
        &run("absent.onnx", &key, &broker, &all),
        2,
        &["absent.onnx"],
    );
    fails_with(
        &run(&no_model, &key, &broker, &all),
        2,
        &["no.onnx", "ONNX"],
    );
    fails_with(
        &run(ONNX, &folder.join("no.key"), &broker, &all),
        2,
        &["no.key", "keygen"],
    );
    fails_with(
        &run(ONNX, Path::new(&no_model), &broker, &all),
        2,
        &["no secret key"],
    );
    fails_with(&run(ONNX, &key, &broker, &all), 2, &["no board has told"]);
    fails_with(
        &run(ONNX, &key, &broker, &["--device", "a/b"]),
        2,
        &["device id"],
    );
    fails_with(&run(ONNX, &key, &broker, &[]), 2, &["--device", "--all"]);
    fails_with(&run(ONNX, &key, "http://a", &all), 2, &["mqtts://"]);
    let output = run(ONNX, &key, "mqtt://u:s3cret@127.0.0.1", &all);
    fails_with(&output, 2, &["--password-file"]);
    assert!(!stderr(&output).contains("s3cret"));
    let nobody = format!("mqtt://127.0.0.1:{}", free_port());
    fails_with(&run(ONNX, &key, &nobody, &all), 1, &["refused"]);

    let (right, wrong) = (file("right", "right\n"), file("wrong", "wrong\n"));
    let locked = folder.join("locked.key");
    let keygen = |more: &[&str]| {
        let mut command = trainer();
        command
            .args(["keygen", "--out"])
            .arg(&locked)
            .args(more)
            .stdin(Stdio::null());
        command.output().unwrap()
    };
    fails_with(&keygen(&[]), 2, &["--password-file", "--no-password"]);
    let made = keygen(&["--password-file", &right]);
    assert!(
        stdout(&made).contains("trusted_keys = [\"RW"),
        "{}",
        stdout(&made)
    );
    fails_with(&keygen(&["--no-password"]), 2, &["--force"]);
    let more = ["--all", "--key-password-file", &wrong];
    fails_with(
        &run(ONNX, &locked, &broker, &more),
        2,
        &["not that of this key"],
    );
    fails_with(
        &run(ONNX, &locked, &broker, &all),
        2,
        &["no terminal", "--key-password-file"],
    );
    let more = ["--all", "--key-password-file", &right];
    fails_with(
        &run(ONNX, &locked, &broker, &more),
        2,
        &["no board has told"],
    );
}

#[test]
fn keys_are_interchangeable_with_the_minisign_tool() {
    if !has_minisign() {
        return;
    }
    let clinic = Clinic::start();
    let folder = clinic.folder.path();
    let board = ModelBoard::start(clinic.port, "a", Script::Takes, None);
    let (secret, public) = (folder.join("theirs.key"), folder.join("theirs.pub"));
    let made = Command::new("minisign")
        .args(["-G", "-W", "-p"])
        .arg(&public)
        .arg("-s")
        .arg(&secret)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let broker = format!("mqtt://127.0.0.1:{}", clinic.port);
    let output = publish(ONNX, &secret, &broker, &["--all"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(minisign_verifies(folder, &board.desired(), &public));
    assert!(!minisign_verifies(
        folder,
        &board.desired(),
        &folder.join("clinic.pub")
    ));

    // And the tool signs with ours.
    let file = folder.join("file");
    fs::write(&file, "x").unwrap();
    let signed = Command::new("minisign")
        .args(["-S", "-W", "-s"])
        .arg(clinic.key())
        .arg("-m")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(signed.status.success(), "{signed:?}");
    let verified = Command::new("minisign")
        .arg("-Vm")
        .arg(&file)
        .arg("-p")
        .arg(folder.join("clinic.pub"))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
