//! Models from a publisher to a board that is at work: over a bad network, through kills, and those that must not decide.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use minisign::KeyPair;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use smearscope_tests::board::Board;
use smearscope_tests::models::{
    Publisher, VERSION, desired, edited, key, sha256, signature, version,
};
use smearscope_tests::proxy::Proxy;
use smearscope_tests::{
    PATIENCE, Received, Running, edge, frames, free_port, mosquitto, subscribe, trainer,
};
use tempfile::TempDir;

const DEVICE: &str = "scope-1";

/// A board whose fields are played again and again, and that trusts this key.
fn board(folder: &Path, port: u16, key: &KeyPair, more: &str) -> Board {
    board_of(folder, port, &key.pk.to_base64(), more)
}

/// As [`board`], with the public key as a config has it.
fn board_of(folder: &Path, port: u16, key: &str, more: &str) -> Board {
    let frames = frames(folder, 4);
    Board::new(
        folder,
        DEVICE,
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 100"),
        &format!("port = {port}"),
        &format!(
            "[image]\nenabled = false\n[model]\ntrusted_keys = [{:?}]\nwatch_cells = 100\n{more}",
            key
        ),
    )
}

/// A board with its broker, what is heard of it, and who hands it models.
struct Ward {
    key: KeyPair,
    port: u16,
    board: Board,
    fields: Receiver<Received>,
    models: Receiver<Received>,
    publisher: Publisher,
    _broker: Running,
    /// Goes last: the others have files in it.
    _folder: TempDir,
}

impl Ward {
    /// With these lines more in the board's `[model]`.
    fn new(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (port, key) = (free_port(), key());
        let broker = mosquitto(port, folder.path());
        let board = board(folder.path(), port, &key, more);
        Self {
            fields: subscribe(port, &board.topic("field")),
            models: subscribe(port, &board.topic("model")),
            publisher: Publisher::enter(port),
            _broker: broker,
            _folder: folder,
            key,
            port,
            board,
        }
    }
}

fn payload(message: &Received) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

/// Waits for a message on `model` in which the update has this state; gives it.
fn becomes(models: &Receiver<Received>, sha256: &str, state: &str) -> Value {
    let begun = Instant::now();
    let mut last = Value::Null;
    while begun.elapsed() < 2 * PATIENCE {
        let Ok(message) = models.recv_timeout(PATIENCE) else {
            break;
        };
        let model = payload(&message);
        if model["update"]["sha256"] == sha256 && model["update"]["state"] == state {
            return model;
        }
        last = model;
    }
    panic!("it does not become {state}: {last}");
}

/// The fields that are here by now.
fn come(fields: &Receiver<Received>) -> Vec<Value> {
    fields.try_iter().map(|message| payload(&message)).collect()
}

/// Waits for the next field.
fn next_field(fields: &Receiver<Received>) -> Value {
    payload(&fields.recv_timeout(PATIENCE).expect("no field comes"))
}

/// Asserts that no field is missing, and that the frames came in their order; gives the models that judged, in turn.
fn models_in_turn(mut fields: Vec<Value>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    fields.retain(|field| seen.insert(field["id"].as_str().unwrap().to_owned()));
    fields.sort_by_key(|field| field["seq"].as_u64().unwrap());
    let mut models: Vec<String> = Vec::new();
    for (number, field) in fields.iter().enumerate() {
        assert_eq!(field["seq"], json!(number + 1), "a field is missing");
        let source = field["source"].as_str().unwrap();
        let wanted = format!("field-{}.png", number % 4);
        assert!(source.ends_with(&wanted), "{source} is not {wanted}");
        for cell in field["cells"].as_array().unwrap() {
            assert!(cell["p_parasitized"].is_number(), "{cell}");
        }
        let model = field["model"]["version"].as_str().unwrap();
        if models.last().is_none_or(|last| last != model) {
            models.push(model.to_owned());
        }
    }
    models
}

#[test]
fn a_model_arrives_over_a_network_that_breaks_and_takes_over_between_two_fields() {
    let dir = TempDir::new().unwrap();
    let (port, key) = (free_port(), key());
    let _broker = mosquitto(port, dir.path());
    let proxy = Proxy::start(port, 8);
    let board = board(dir.path(), proxy.port(), &key, "");
    let fields = subscribe(port, &board.topic("field"));
    let models = subscribe(port, &board.topic("model"));
    let mut program = board.start();
    let mut all = vec![next_field(&fields)];
    assert_eq!(all[0]["model"]["version"], "2.1.0");

    let new = version("2.0.1");
    let hash = sha256(&new);
    let publisher = Publisher::enter(port);
    // Small chunks, so that the network breaks in the midst of them.
    publisher.put(&hash, &new, 40_000);
    publisher.wish(DEVICE, &desired(&new, &signature(&new, &key, 1000)));
    let mut breaks = 0;
    let begun = Instant::now();
    let taken = loop {
        assert!(begun.elapsed() < 2 * PATIENCE, "it does not arrive");
        let message = models.recv_timeout(PATIENCE).unwrap();
        let model = payload(&message);
        match model["update"]["state"].as_str() {
            Some("receiving") if breaks < 4 => {
                let received = model["update"]["received"].as_u64().unwrap();
                if received > breaks * 3_000_000 {
                    breaks += 1;
                    proxy.reset();
                }
            }
            Some("installed") => break model,
            _ => {}
        }
    };
    assert_eq!(breaks, 4);
    assert_eq!(taken["current"]["sha256"], hash.as_str());
    assert_eq!(
        (&taken["origin"], &taken["watch"]),
        (&json!("installed"), &Value::Null)
    );
    assert_eq!(taken["previous"]["version"], "2.1.0");
    // The status names the model, too.
    let status = subscribe(port, &board.topic("status"));
    let told = payload(&status.recv_timeout(PATIENCE).unwrap());
    assert_eq!(told["model"]["sha256"], hash.as_str());
    all.push(next_field(&fields));
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    all.extend(come(&fields));
    assert_eq!(models_in_turn(all), ["2.1.0", "2.0.1"]);
    // After the next start it still decides, and nothing is fetched again.
    fs::remove_file(board.folder.join("log")).unwrap();
    let _program = board.start();
    assert_eq!(next_field(&fields)["model"]["sha256"], hash.as_str());
    assert!(
        !board.log().contains("bytes are to come"),
        "{}",
        board.log()
    );
}

#[test]
fn what_must_not_decide_is_refused_on_the_wire_and_the_board_works_on() {
    let ward = Ward::new("max_mb = 32\nreceive_hours = 0.01");
    let Ward {
        board,
        fields,
        models,
        publisher,
        key,
        ..
    } = &ward;
    let mut program = board.start();
    let mut all = vec![next_field(fields)];

    let good = version("2.0.1");
    let refused = |wish: Value, word: &str| {
        publisher.wish(DEVICE, &wish);
        let model = becomes(models, wish["sha256"].as_str().unwrap(), "refused");
        let reason = model["update"]["reason"].as_str().unwrap();
        assert!(reason.contains(word), "{word}: {reason}");
        assert_eq!(model["current"]["version"], "2.1.0");
    };
    let wish = |onnx: &[u8], signature: &str| desired(onnx, signature);
    let ours = |onnx: &[u8]| signature(onnx, key, 1000);

    // These cost no byte of the way.
    refused(wish(&good, ""), "not signed");
    let mut huge = wish(&good, &ours(&good));
    huge["size"] = json!(2_u64 << 30);
    refused(huge, "2147483648 bytes");
    // Those must be here to be judged.
    let stranger = smearscope_tests::models::key();
    publisher.put(&sha256(&good), &good, 128 << 10);
    refused(
        wish(&good, &signature(&good, &stranger, 1000)),
        "1 trusted key(s)",
    );
    let other = version("2.0.2");
    publisher.put(&sha256(&other), &good, 128 << 10);
    refused(wish(&other, &ours(&other)), "damaged or exchanged");
    let half = &good[..good.len() / 2];
    publisher.put(&sha256(half), half, 128 << 10);
    refused(wish(half, &ours(half)), "ONNX");
    for (edit, word) in [
        (("smearscope.card/1", "smearscope.card/2"), "card/2"),
        (
            (
                "\"architecture\":\"densenet121\"",
                "\"architecture\":\"resnet00018\"",
            ),
            "resnet00018",
        ),
        (("[1.7170205,", "[1.7370205,"), "self-test failed"),
        (("\"std\":[0.229", "\"std\":[-9.99"), "input.std"),
        // Its self-test is sound, but what it would make of cells is not.
        (("\"std\":[0.229", "\"std\":[1e-39"), "input.std"),
    ] {
        let wrong = edited(&[edit]);
        publisher.put(&sha256(&wrong), &wrong, 128 << 10);
        refused(wish(&wrong, &ours(&wrong)), word);
    }
    // More bytes than announced, and fewer than announced for ever.
    let mut endless = wish(&version("2.0.3"), "");
    endless["size"] = json!(200_000);
    endless["signature"] = json!(ours(&good));
    publisher.put(
        endless["sha256"].as_str().unwrap(),
        &good[..400_000],
        128 << 10,
    );
    refused(endless, "more than the 200000 bytes");
    let missing = version("2.0.4");
    publisher.put(&sha256(&missing), &missing[..300_000], 128 << 10);
    refused(
        wish(&missing, &ours(&missing)),
        &format!("300000 of {} within 0.0 hours", missing.len()),
    );
    // What is no wish at all is told in the log.
    publisher
        .0
        .retain(&board.topic("model/desired"), b"{\"sha256\": 7}");

    all.push(next_field(fields));
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    all.extend(come(fields));
    assert_eq!(models_in_turn(all), ["2.1.0"]);
    assert!(board.log().contains("can't be followed"), "{}", board.log());
    let left: Vec<_> = fs::read_dir(board.folder.join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".onnx"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let incoming = fs::read_dir(board.folder.join("models/incoming"))
        .unwrap()
        .count();
    assert!(incoming <= 1, "{incoming} models lie half here");
}

#[test]
fn a_model_that_fails_on_cells_is_left_by_itself_and_stays_left() {
    let ward = Ward::new("");
    let Ward {
        board,
        fields,
        models,
        publisher,
        key,
        port,
        ..
    } = &ward;
    let mut program = board.start();
    let mut all = vec![next_field(fields)];

    // Everything is parasitized to this one.
    let all_sick = edited(&[
        (VERSION, "\"version\":\"7.7.7\""),
        ("\"threshold\":0.89337695", "\"threshold\":0.00000000"),
    ]);
    publisher.publish(DEVICE, &all_sick, key, 2000);
    let model = becomes(models, &sha256(&all_sick), "rolled_back");
    let reason = model["update"]["reason"].as_str().unwrap();
    assert!(reason.contains("percentage points"), "{reason}");
    for judge in ["7.7.7", "2.1.0"] {
        while all.last().unwrap()["model"]["version"] != judge {
            all.push(next_field(fields));
        }
    }

    // The wish is still there, retained: it is not followed a second time, not after a new start either.
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    all.extend(come(fields));
    assert_eq!(models_in_turn(all.clone()), ["2.1.0", "7.7.7", "2.1.0"]);
    let mut program = board.start();
    let field = next_field(fields);
    assert_eq!(field["model"]["version"], "2.1.0");
    all.push(field);
    let said = becomes(models, &sha256(&all_sick), "rolled_back");
    assert_eq!(said["current"]["version"], "2.1.0");

    // By a command: what happened, and what is here.
    let asked = |id: &str, command: &str, args: Value| {
        let replies = subscribe(*port, &board.topic("command/reply"));
        let request = json!({"request_id": id, "command": command, "args": args});
        publisher
            .0
            .publish(&board.topic("command"), &request.to_string());
        payload(&replies.recv_timeout(PATIENCE).unwrap())
    };
    let history = asked("h", "model.history", json!({}));
    let kinds: Vec<_> = history["result"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["taken", "rolled_back"]);
    assert_eq!(asked("r", "model.rollback", json!({}))["code"], "not_now");

    // A good one, which the operator takes back.
    let good = version("2.0.1");
    publisher.publish(DEVICE, &good, key, 3000);
    becomes(models, &sha256(&good), "installed");
    let list = asked("l", "model.list", json!({}));
    assert_eq!(list["result"]["models"][0]["model"]["version"], "2.0.1");
    let late = json!({"from": sha256(&all_sick)});
    assert_eq!(asked("late", "model.rollback", late)["code"], "not_now");
    let back = asked("b", "model.rollback", json!({"from": sha256(&good)}));
    assert_eq!(back["result"]["model"]["version"], "2.1.0");
    becomes(models, &sha256(&good), "rolled_back");
    while next_field(fields)["model"]["version"] != "2.1.0" {}
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}

#[test]
fn kills_at_any_time_leave_a_model_that_works() {
    let ward = Ward::new("");
    let Ward {
        board,
        fields,
        models,
        publisher,
        key,
        ..
    } = &ward;
    let mut chance = StdRng::seed_from_u64(9);
    let mut last = String::new();
    let mut program = board.start();
    for round in 0..10 {
        let new = version(&format!("3.0.{round}"));
        last = sha256(&new);
        publisher.publish(DEVICE, &new, key, 1000 + round);
        thread::sleep(Duration::from_millis(chance.random_range(0..2500)));
        program.signal("KILL");
        program.wait();
        program = board.start();
    }
    becomes(models, &last, "installed");
    while next_field(fields)["model"]["sha256"] != last.as_str() {}
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    let log = board.log();
    assert!(
        !log.contains("can't be used") && !log.contains("panicked"),
        "{log}"
    );
    let list = on_board(board, "list", &[]);
    assert_eq!(list["models"][0]["model"]["version"], "3.0.9", "{list}");
    let history = on_board(board, "history", &[]);
    let is_damaged = |event: &&Value| event["kind"] == "damaged";
    assert_eq!(
        history["events"]
            .as_array()
            .unwrap()
            .iter()
            .find(is_damaged),
        None
    );
}

/// `model` with `--json` on this board.
fn on_board(board: &Board, command: &str, more: &[&str]) -> Value {
    let output = edge()
        .args(["model", command, "--json", "--config"])
        .arg(board.folder.join("edge.toml"))
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn models_are_installed_by_hand_with_the_keys_of_minisign() {
    if Command::new("minisign").arg("-v").output().is_err() {
        let line = "SKIP: models by hand: minisign is not installed (make setup says why)\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let minisign = |arguments: &[&str]| {
        let done = Command::new("minisign")
            .args(arguments)
            .current_dir(here)
            .output();
        let done = done.unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    minisign(&["-G", "-W", "-p", "lab.pub", "-s", "lab.key"]);
    let public = fs::read_to_string(here.join("lab.pub")).unwrap();
    let public = public.lines().nth(1).unwrap();
    let port = free_port();
    let _broker = mosquitto(port, here);
    let frames = frames(here, 4);
    let board = Board::new(
        here,
        DEVICE,
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 100"),
        &format!("port = {port}"),
        &format!("[model]\ntrusted_keys = [{public:?}]\nwatch_cells = 100"),
    );
    fs::write(here.join("new.onnx"), version("2.0.1")).unwrap();
    let install = |file: &str| {
        edge()
            .args(["model", "install"])
            .arg(here.join(file))
            .arg("--config")
            .arg(here.join("edge.toml"))
            .output()
            .unwrap()
    };
    let refused = install("new.onnx");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("is not signed: there is no"), "{said}");

    let fields = subscribe(port, &board.topic("field"));
    let mut program = board.start();
    assert_eq!(next_field(&fields)["model"]["version"], "2.1.0");
    minisign(&["-S", "-s", "lab.key", "-m", "new.onnx"]);
    let done = install("new.onnx");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        said.contains("2.0.1") && said.contains("100 cells"),
        "{said}"
    );
    // The program at work notices.
    while next_field(&fields)["model"]["version"] != "2.0.1" {}
    let back = on_board(&board, "rollback", &[]);
    assert_eq!(back["model"]["version"], "2.1.0");
    while next_field(&fields)["model"]["version"] != "2.1.0" {}
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    let list = on_board(&board, "list", &[]);
    assert_eq!(list["models"][0]["origin"], "program");
    let again = edge()
        .args(["model", "rollback", "--config"])
        .arg(here.join("edge.toml"))
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn the_whole_way_from_the_workstation_to_a_board() {
    let dir = TempDir::new().unwrap();
    let here = dir.path();
    let keygen = trainer()
        .args(["keygen", "--no-password", "--json", "--out"])
        .arg(here.join("lab.key"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&keygen.stderr).into_owned();
    assert!(keygen.status.success(), "{said}");
    let made: Value = serde_json::from_slice(&keygen.stdout).unwrap();
    let port = free_port();
    let _broker = mosquitto(port, here);
    let board = board_of(here, port, made["trusted_key"].as_str().unwrap(), "");
    let fields = subscribe(port, &board.topic("field"));
    let mut program = board.start();
    assert_eq!(next_field(&fields)["model"]["version"], "2.1.0");

    let publish = |onnx: Vec<u8>| {
        let file = here.join("new.onnx");
        fs::write(&file, onnx).unwrap();
        let output = trainer()
            .arg("publish")
            .arg(&file)
            .arg("--key")
            .arg(here.join("lab.key"))
            .args(["--broker", &format!("mqtt://127.0.0.1:{port}")])
            .args(["--all", "--json"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(line["device"], DEVICE);
        (output.status.code(), line)
    };
    let (status, line) = publish(version("2.0.1"));
    assert_eq!(
        (status, &line["state"]),
        (Some(0), &json!("installed")),
        "{line}"
    );
    // Twice in a second: the later signature is dated later.
    let (status, line) = publish(version("2.0.2"));
    assert_eq!(
        (status, &line["state"]),
        (Some(0), &json!("installed")),
        "{line}"
    );
    let all_sick = edited(&[
        (VERSION, "\"version\":\"7.7.7\""),
        ("\"threshold\":0.89337695", "\"threshold\":0.00000000"),
    ]);
    let (status, line) = publish(all_sick);
    assert_eq!(
        (status, &line["state"]),
        (Some(1), &json!("rolled_back")),
        "{line}"
    );
    assert!(
        line["reason"]
            .as_str()
            .unwrap()
            .contains("percentage points")
    );
    let mut turns = vec!["2.1.0".to_owned()];
    while turns.last().unwrap() != "2.0.2" || turns.len() < 5 {
        let judge = next_field(&fields)["model"]["version"]
            .as_str()
            .unwrap()
            .to_owned();
        if turns.last() != Some(&judge) {
            turns.push(judge);
        }
    }
    assert_eq!(turns, ["2.1.0", "2.0.1", "2.0.2", "7.7.7", "2.0.2"]);
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}

/// Serves a file in pieces: each connection ends after `piece` bytes. Gives the URL.
fn server(file: Vec<u8>, piece: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/m.onnx", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<_> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_lowercase())
                .collect();
            let from = head.iter().find_map(|line| {
                let from = line.strip_prefix("range: bytes=")?;
                from.trim_end_matches('-').parse::<usize>().ok()
            });
            let rest = &file[from.unwrap_or(0)..];
            let status = match from {
                None => "200 OK".to_owned(),
                Some(from) => format!(
                    "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                    file.len() - 1,
                    file.len()
                ),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                rest.len()
            );
            // The other side may have heard enough.
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&rest[..piece.min(rest.len())]);
        }
    });
    url
}

#[test]
fn a_model_comes_from_a_url_whose_server_breaks_off() {
    let ward = Ward::new("");
    let Ward {
        board,
        models,
        publisher,
        key,
        ..
    } = &ward;
    let mut program = board.start();
    let new = version("2.0.1");
    let mut wish = desired(&new, &signature(&new, key, 1000));
    wish["url"] = json!(server(new.clone(), 4_000_000));
    publisher.wish(DEVICE, &wish);
    becomes(models, &sha256(&new), "installed");

    let newer = version("2.0.2");
    let mut wish = desired(&newer, &signature(&newer, key, 2000));
    wish["url"] = json!(server(new, 100_000_000));
    publisher.wish(DEVICE, &wish);
    let model = becomes(models, &sha256(&newer), "refused");
    let reason = model["update"]["reason"].as_str().unwrap();
    assert!(reason.contains("damaged or exchanged"), "{reason}");
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}
