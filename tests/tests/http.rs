//! A board that works alone, reached from elsewhere: its own broker, its page, a password, a certificate.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::TlsConfiguration;
use rumqttc::Transport;
use rumqttc::v5::MqttOptions;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use smearscope_tests::board::Board;
use smearscope_tests::operator::Operator;
use smearscope_tests::pki::{Authority, write_private};
use smearscope_tests::{PATIENCE, edge, frames, free_port, trainer};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery";
const TOKEN: &str = "0123456789abcdef-token";

/// What `hash-password` makes of a line of standard input.
fn hash(password: &str) -> (Option<i32>, String) {
    let mut child = edge()
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("{password}\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = match output.status.success() {
        true => output.stdout,
        false => output.stderr,
    };
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// curl, an independent client: status, headers and body.
fn curl(ca: &Path, arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--include",
            "--max-time",
            "60",
            "--cacert",
        ])
        .arg(ca)
        .args(arguments)
        .output()
        .expect("curl is missing: install it with `make setup`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.get(9..12).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), text)
}

/// MQTT over the page's own address, by who shows the token.
fn through_the_page(ca: &Path, port: u16) -> Operator {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = format!("wss://localhost:{port}/mqtt");
    let mut options = MqttOptions::new("through-the-page", url, port);
    options.set_transport(Transport::wss_with_config(TlsConfiguration::Rustls(
        Arc::new(tls),
    )));
    options.set_request_modifier(|mut request| async move {
        let token = format!("Bearer {TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
        request
    });
    Operator::new(options, "alone")
}

#[test]
fn a_board_that_works_alone_is_reached_by_password_and_token_only() {
    let dir = TempDir::new().unwrap();
    let (code, hash) = hash(PASSWORD);
    assert!(code == Some(0) && hash.starts_with("$argon2id$"), "{hash}");
    write_private(&dir.path().join("password"), &hash);
    write_private(&dir.path().join("token"), TOKEN);
    let authority = Authority::new(dir.path(), "ca");
    let page = authority.server("page", &["localhost"]);
    let frames = frames(dir.path(), 2);
    let port = free_port();
    let board = Board::new(
        dir.path(),
        "alone",
        &format!("kind = \"replay\"\nfolder = {frames:?}\nrepeat = true"),
        "embedded = true",
        &format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\npassword_file = {:?}\ntoken_file = {:?}\ncertificate = {:?}\nkey = {:?}",
            dir.path().join("password"),
            dir.path().join("token"),
            page.certificate,
            page.key
        ),
    );
    let mut program = board.start();
    let ca = authority.certificate.as_path();
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let begun = Instant::now();
    while curl(ca, &[&at("/login")]).0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "{}", board.log());
        thread::sleep(Duration::from_millis(50));
    }
    // Who shows nothing gets nothing, and nobody speaks plainly here.
    for path in ["/", "/metrics", "/broker.json", "/field.jpg", "/slides/"] {
        assert_eq!(curl(ca, &[&at(path)]).0, 401, "{path}");
    }
    assert_eq!(curl(ca, &[&format!("http://localhost:{port}/login")]).0, 0);

    let jar = dir.path().join("cookies");
    let jar = jar.to_str().unwrap();
    let login = |password: &str| {
        let form = format!("password={password}");
        curl(
            ca,
            &[
                "--cookie-jar",
                jar,
                "--data-urlencode",
                &form,
                &at("/login"),
            ],
        )
        .0
    };
    assert_eq!(login("wrong horse"), 401);
    assert_eq!(login(PASSWORD), 303);
    assert!(
        fs::read_to_string(jar).unwrap().contains("TRUE"),
        "the cookie goes by TLS only"
    );
    let (status, text) = curl(ca, &["--cookie", jar, "--compressed", &at("/")]);
    assert!(status == 200 && text.contains("<html"), "{text}");
    let (_, text) = curl(ca, &["--cookie", jar, &at("/broker.json")]);
    assert!(
        text.contains("\"url\":\"mqtt\"") && text.contains("\"reports\":true"),
        "{text}"
    );

    let desk = through_the_page(ca, port);
    desk.gets("begin", "slide.start", json!({ "id": "A-17" }));
    desk.sees_slide(|slide| slide["id"] == "A-17" && slide["fields"].as_u64() > Some(0));
    let (status, text) = curl(ca, &["--cookie", jar, &at("/field.jpg")]);
    assert!(status == 200 && text.contains("image/jpeg"), "{status}");
    desk.gets("end", "slide.stop", json!({}));
    let begun = Instant::now();
    while curl(ca, &["--cookie", jar, &at("/slides/A-17.html")]).0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "{}", board.log());
        thread::sleep(Duration::from_millis(50));
    }
    let (_, text) = curl(ca, &["--cookie", jar, &at("/slides/")]);
    assert!(text.contains("\"A-17\""), "{text}");

    // Kept cells leave the board by the token, and without the slide's name.
    let (_, page) = curl(ca, &["--cookie", jar, &at("/cells.tar?after=0")]);
    assert!(
        page.contains(".mask.png") && page.contains("anon-"),
        "{}",
        page.len()
    );
    assert!(!page.contains("A-17"), "a slide's name has left the board");
    let ingest = |more: &[&str]| {
        let output = trainer()
            .args(["ingest", &at("/"), "--out"])
            .arg(dir.path().join("data"))
            .arg("--ca-file")
            .arg(ca)
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    };
    assert!(ingest(&[]).contains("the board wants a token"));
    let token = dir.path().join("token").display().to_string();
    let said = ingest(&["--token-file", &token]);
    // Nobody has looked at them yet.
    assert!(
        said.contains("none was decided on") && !said.contains("of 0 cells"),
        "{said}"
    );
    assert_eq!(
        curl(ca, &["--cookie", jar, "--request", "POST", &at("/logout")]).0,
        303
    );
    assert_eq!(curl(ca, &["--cookie", jar, &at("/field.jpg")]).0, 401);
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0), "{}", board.log());
}

#[test]
fn a_password_that_can_be_guessed_is_refused() {
    let (code, said) = hash("short");
    assert!(
        code == Some(2) && said.contains("guessed") && !said.contains("short"),
        "{said}"
    );
}

#[test]
fn a_config_without_a_password_is_not_served_to_others() {
    let dir = TempDir::new().unwrap();
    for (http, word) in [
        ("listen = \"0.0.0.0:0\"", "password_file"),
        (
            "listen = \"127.0.0.1:0\"\npassword_file = \"PASSWORD\"",
            "hash-password",
        ),
    ] {
        let file = dir.path().join("plain");
        write_private(&file, "not a hash");
        let http = http.replace("PASSWORD", file.to_str().unwrap());
        let board = Board::new(
            dir.path(),
            "alone",
            "kind = \"synthetic\"",
            "embedded = true",
            &format!("[http]\n{http}"),
        );
        let mut program = board.start();
        assert_eq!(program.wait(), Some(2));
        let log = board.log();
        assert!(log.contains(word) && !log.contains("not a hash"), "{log}");
        fs::remove_file(dir.path().join("log")).unwrap();
    }
}
