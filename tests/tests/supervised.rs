//! What those are told who look after a board: systemd, by its notifications and its watchdog, and Prometheus.
#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use smearscope_tests::board::{Board, small_frames};
use smearscope_tests::{PATIENCE, edge, free_port, mosquitto};

/// As systemd: a socket for notifications, and a watchdog that waits four seconds.
struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
}

const WATCHDOG: Duration = Duration::from_secs(4);

impl Systemd {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// What comes next, in one notification.
    fn next(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Waits for a notification in which `wanted` stands.
    fn wait_for(&self, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = self.next().filter(|_| begun.elapsed() < PATIENCE);
            let said = said.unwrap_or_else(|| panic!("never said: {wanted}"));
            if said.contains(wanted) {
                return said;
            }
        }
    }
}

fn played(frames: &Path) -> String {
    format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true\ninterval_ms = 100")
}

#[test]
fn the_watchdog_is_fed_without_a_broker_and_not_while_a_stage_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let frames = small_frames(folder.path(), 2);
    let systemd = Systemd::new(folder.path());
    let mqtt = format!("port = {}", free_port());
    let board = Board::new(folder.path(), "watched", &played(&frames), &mqtt, "");
    let watchdog = WATCHDOG.as_micros().to_string();
    let mut running = board.start_with(&[
        ("NOTIFY_SOCKET", systemd.path.as_os_str()),
        ("WATCHDOG_USEC", OsStr::new(&watchdog)),
    ]);
    systemd.wait_for("READY=1");
    let status = systemd.wait_for("STATUS=taking fields; slide ");
    assert!(status.contains("; no broker"), "{status}");
    // For longer than the watchdog waits.
    let begun = Instant::now();
    while begun.elapsed() < WATCHDOG * 2 {
        systemd.wait_for("WATCHDOG=1");
    }

    // Reading this image takes until somebody writes one.
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    fs::rename(&pipe, frames.join("0001.png")).unwrap();
    systemd.wait_for("STATUS=the capture hangs");
    systemd.socket.set_read_timeout(Some(WATCHDOG)).unwrap();
    assert_eq!(systemd.next(), None, "fed although a stage hangs");
    assert!(
        board.log().contains("the capture has not stirred for"),
        "{}",
        board.log()
    );

    systemd.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // It was removed from the folder's list of images by nobody: from now on it is an ordinary, empty file.
    let pipe = frames.join("0001.png");
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    fs::copy(frames.join("0000.png"), &pipe).unwrap();
    writer.write_all(b"no image").unwrap();
    drop(writer);
    systemd.wait_for("WATCHDOG=1");
    assert!(
        board.log().contains("the capture goes on"),
        "{}",
        board.log()
    );

    running.signal("TERM");
    systemd.wait_for("STOPPING=1");
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn the_watchdog_is_fed_without_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = Systemd::new(folder.path());
    let camera = "kind = \"camera\"\ndevice = \"/dev/no-such-camera\"";
    let mqtt = format!("port = {}", free_port());
    let board = Board::new(folder.path(), "blind", camera, &mqtt, "");
    let watchdog = WATCHDOG.as_micros().to_string();
    let mut running = board.start_with(&[
        ("NOTIFY_SOCKET", systemd.path.as_os_str()),
        ("WATCHDOG_USEC", OsStr::new(&watchdog)),
    ]);
    systemd.wait_for("STATUS=no camera (");
    let begun = Instant::now();
    while begun.elapsed() < WATCHDOG * 2 {
        systemd.wait_for("WATCHDOG=1");
    }
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn a_bad_config_is_told_to_systemd_in_the_words_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = Systemd::new(folder.path());
    let board = Board::new(folder.path(), "watched", "kind = \"webcam\"", "", "");
    let mut running = board.start_with(&[("NOTIFY_SOCKET", systemd.path.as_os_str())]);
    assert_eq!(running.wait(), Some(2));
    let status = systemd.wait_for("STATUS=error: ");
    let words = status.trim().strip_prefix("STATUS=").unwrap();
    assert!(
        words.contains("line 4") && words.contains("webcam"),
        "{words}"
    );
    assert_eq!(board.log().trim(), words);
}

/// Asks for a path; gives the status and the body. `None` where nobody listens.
fn get(port: u16, path: &str, header: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: board\r\nConnection: close\r\n{header}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Some((head[9..12].parse().unwrap(), body.to_owned()))
}

/// Waits until `look` gives something.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn prometheus_gets_what_there_is_to_know_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let frames = small_frames(folder.path(), 3);
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let http = free_port();
    // Somebody else has the port when the board starts.
    let other = TcpListener::bind(("0.0.0.0", http)).unwrap();
    let board = Board::new(
        folder.path(),
        "scraped",
        &played(&frames),
        &format!("port = {port}"),
        &format!("[http]\nlisten = \"0.0.0.0:{http}\"\ntoken_file = {token:?}"),
    );
    let mut running = board.start();
    until("a word about the port", || {
        board.log().contains("cannot serve the page").then_some(())
    });
    drop(other);

    let shown = format!("Authorization: Bearer {TOKEN}\r\n");
    let metrics = until("ten fields acknowledged", || {
        let (status, metrics) = get(http, "/metrics", &shown)?;
        assert_eq!(status, 200, "{metrics}");
        let done = value(&metrics, "smearscope_broker_acknowledged_total")?;
        (done >= 10.0).then_some(metrics)
    });
    for (name, least) in [
        ("smearscope_fields_total", 10.0),
        ("smearscope_broker_connected", 1.0),
        ("smearscope_store_on_disk", 1.0),
        ("smearscope_camera_state{state=\"running\"}", 1.0),
        ("smearscope_step_seconds_count{step=\"segment\"}", 10.0),
        ("smearscope_step_seconds_count{step=\"commit\"}", 10.0),
        ("smearscope_step_seconds_count{step=\"deliver\"}", 10.0),
        ("smearscope_memory_bytes", 1e6),
    ] {
        let found = value(&metrics, name).unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
        assert!(found >= least, "{name} is {found}");
    }
    // A card wears out: docs/deploy.md promises no more than this for a field of few cells.
    let (written, fields) = (
        value(&metrics, "smearscope_written_bytes_total").unwrap_or(0.0),
        value(&metrics, "smearscope_fields_total").unwrap(),
    );
    assert!(
        written < 1e6 + fields * 120e3,
        "{written} bytes for {fields} fields"
    );
    for stage in ["capture", "analysis", "delivery", "upkeep"] {
        let name = format!("smearscope_stage_silent_seconds{{stage=\"{stage}\"}}");
        assert!(value(&metrics, &name).is_some(), "no {name} in\n{metrics}");
    }
    assert_eq!(get(http, "/healthz", &shown).unwrap(), (200, "ok\n".into()));
    for wrong in [
        "",
        "Authorization: Bearer 0123456789abcdef0123456789abcdeX\r\n",
    ] {
        for path in ["/metrics", "/healthz"] {
            assert_eq!(get(http, path, wrong).unwrap().0, 401, "{path} {wrong}");
        }
    }
    judged_by_promtool(&metrics);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0));
    assert!(!board.log().contains(TOKEN), "the token is in the log");
}

/// The metrics and the alert rules of docs/prometheus, by Prometheus' own tool; and each metric that a rule asks for exists.
fn judged_by_promtool(metrics: &str) {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prometheus");
    let text = fs::read_to_string(rules.join("smearscope.rules.yml")).unwrap();
    let expressions = text
        .split("expr:")
        .skip(1)
        .map(|rest| rest.split("labels:").next().unwrap());
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    for name in expressions.flat_map(|text| text.split(|c| !is_name(c))) {
        // Not every machine has a sensor.
        let is_rare = ["smearscope_temperature_celsius", "smearscope_throttled"].contains(&name);
        let wanted = format!("# TYPE {name} ");
        if name.starts_with("smearscope_") && !is_rare {
            assert!(
                metrics.contains(&wanted),
                "no {name}, which a rule asks for, in\n{metrics}"
            );
        }
    }
    let promtool = |arguments: &[&str], input: &str| {
        let mut tool = Command::new("promtool")
            .args(arguments)
            .current_dir(&rules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        tool.stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = tool.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
        Some(said)
    };
    let Some(complaints) = promtool(&["check", "metrics"], metrics) else {
        // Straight to standard error: cargo's test runner would swallow `eprintln!`.
        let line = "SKIP: alert rules: no promtool on this machine (make setup)\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    assert_eq!(complaints, "", "{complaints}");
    promtool(&["check", "rules", "smearscope.rules.yml"], "");
    promtool(&["test", "rules", "smearscope.rules.test.yml"], "");
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"], "");
}

#[test]
fn a_board_that_others_can_reach_is_not_served_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("edge.toml");
    let text =
        "[device]\nid = \"a\"\n[source]\nkind = \"synthetic\"\n[http]\nlisten = \"0.0.0.0:9788\"\n";
    fs::write(&config, text).unwrap();
    let output = edge().arg("check-config").arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("line 6") && said.contains("token_file"),
        "{said}"
    );
}
