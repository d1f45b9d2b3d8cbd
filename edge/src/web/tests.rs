//! Against the real server, byte by byte.

use std::time::Instant;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::health::tests::board;
use crate::pulse::Stage;
use crate::supervisor::longest_silence;

const TOKEN: &str = "a-token-that-nobody-guesses";

struct Served {
    address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

async fn served(site: Site) -> Served {
    let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    Served {
        address: listener.local_addr().unwrap(),
        _server: site.serve(listener),
    }
}

fn site(access: Access) -> Site {
    Site::new(Arc::new(board()), access, None, None, None)
}

fn open() -> Site {
    site(Access::Loopback)
}

/// Both a token and the password "correct horse".
fn guarded_site() -> Site {
    let params = argon2::Params::new(64, 1, 1, None).unwrap();
    let hash = crate::password::hash_with("correct horse", params).unwrap();
    let password = HashedPassword::parse(&hash).unwrap();
    site(Access::new(Some(TOKEN.into()), Some(password), false))
}

impl Served {
    /// Status and all of the answer to a request, whose head may have more lines and a body behind it.
    async fn ask(&self, first: &str, headers: &str) -> (u16, String) {
        self.send(first, &format!("Host: localhost\r\n{headers}"), "")
            .await
    }

    async fn send(&self, first: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{first} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer[9..12].parse().unwrap(), answer)
    }

    /// Posts a form as a browser would from our own page, or from `origin`.
    async fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let headers = format!(
            "Host: board.lab\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{headers}",
            body.len()
        );
        self.send(&format!("POST {path}"), &headers, body).await
    }
}

#[tokio::test]
async fn a_board_serves_its_page_and_figures() {
    let served = served(open()).await;
    let (status, text) = served.ask("GET /metrics", "").await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("version=0.0.4") && text.contains("smearscope_uptime_seconds "),
        "{text}"
    );
    assert_eq!(served.ask("GET /healthz", "").await.0, 200);
    let (status, text) = served.ask("GET /", "").await;
    assert!(status == 200 && text.contains("<html"), "{text}");
    let (_, text) = served.ask("GET /broker.json", "").await;
    assert!(
        text.contains("\"device\":\"scope-1\"") && text.contains("\"url\":null"),
        "{text}"
    );
    for path in ["/metrics", "/", "/assets/app.js"] {
        let (status, text) = served.ask(&format!("POST {path}"), "").await;
        assert!(
            status == 405 && text.to_lowercase().contains("allow: get"),
            "{text}"
        );
    }
    let (status, text) = served.ask("HEAD /metrics", "").await;
    assert!(status == 200 && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(served.ask("GET /no", "").await.0, 404);
    assert_eq!(served.ask("GET /field.jpg", "").await.0, 404);
    assert_eq!(served.ask("GET /mqtt", "").await.0, 404);
}

#[tokio::test]
async fn the_page_goes_packed_and_once() {
    let served = served(open()).await;
    let (_, plain) = served.ask("GET /", "").await;
    assert!(!plain.to_lowercase().contains("content-encoding"));
    let (status, packed) = served
        .ask("GET /", "Accept-Encoding: br, gzip;q=0.5\r\n")
        .await;
    assert_eq!(status, 200);
    assert!(packed.to_lowercase().contains("content-encoding: gzip"));
    let tag = packed
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let known = format!("If-None-Match: {tag}\r\n");
    assert_eq!(served.ask("GET /", &known).await.0, 304);
    let other = "If-None-Match: \"00000000\"\r\n";
    assert_eq!(served.ask("GET /", other).await.0, 200);
}

#[tokio::test]
async fn every_answer_tells_a_browser_what_not_to_do() {
    let served = served(guarded_site()).await;
    for (first, headers) in [
        ("GET /login", ""),
        ("GET /", ""),
        (
            "GET /no",
            "Authorization: Bearer a-token-that-nobody-guesses\r\n",
        ),
        ("POST /no", ""),
    ] {
        let (_, text) = served.ask(first, headers).await;
        let text = text.to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(text.contains(header), "{first}: {text}");
        }
        assert!(!text.contains("unsafe"), "{text}");
    }
}

#[tokio::test]
async fn another_name_for_the_loopback_interface_gets_nothing() {
    let served = served(open()).await;
    for host in ["evil.example", "10.0.0.1", "localhost.evil.example:80"] {
        for path in ["/", "/metrics", "/broker.json", "/mqtt"] {
            let headers = format!("Host: {host}\r\n");
            let (status, _) = served.send(&format!("GET {path}"), &headers, "").await;
            assert_eq!(status, 421, "{host} {path}");
        }
    }
    for host in ["localhost:8787", "127.0.0.1", "[::1]:80"] {
        let headers = format!("Host: {host}\r\n");
        assert_eq!(served.send("GET /metrics", &headers, "").await.0, 200);
    }
}

#[tokio::test]
async fn who_shows_neither_token_nor_session_learns_nothing() {
    let served = served(guarded_site()).await;
    for headers in [
        "",
        "Authorization: Bearer a-token-that-nobody-guesse\r\n",
        "Authorization: Basic a-token-that-nobody-guesses\r\n",
        "Authorization: a-token-that-nobody-guesses\r\n",
        "Cookie: smearscope-session=0000\r\n",
    ] {
        for path in [
            "/metrics",
            "/healthz",
            "/",
            "/broker.json",
            "/mqtt",
            "/field.jpg",
            "/slides/",
            "/no",
        ] {
            let (status, text) = served.ask(&format!("GET {path}"), headers).await;
            assert!(
                status == 401 && !text.contains("uptime"),
                "{path} {headers}: {text}"
            );
        }
    }
    // A person is sent to where one can sign in.
    let (status, text) = served.ask("GET /", "Accept: text/html,*/*\r\n").await;
    assert!(status == 303 && text.contains("location: /login"), "{text}");
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(served.ask("GET /metrics", &right).await.0, 200);
}

#[tokio::test]
async fn one_signs_in_and_out() {
    let served = served(guarded_site()).await;
    let (status, text) = served.ask("GET /login", "").await;
    assert!(
        status == 200 && text.contains("type=\"password\""),
        "{text}"
    );
    assert_eq!(served.ask("GET /login.css", "").await.0, 200);
    let (status, text) = served.post("/login", "", "password=wrong").await;
    assert!(status == 401 && !text.contains("set-cookie"), "{text}");
    let (status, text) = served.post("/login", "", "password=correct+horse").await;
    assert_eq!(status, 303, "{text}");
    let cookie = text
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(served.ask("GET /metrics", &cookie).await.0, 200);
    let (_, text) = served.ask("GET /broker.json", &cookie).await;
    assert!(text.contains("\"login\":true"), "{text}");
    assert_eq!(served.post("/logout", &cookie, "").await.0, 303);
    assert_eq!(served.ask("GET /metrics", &cookie).await.0, 401);
}

#[tokio::test]
async fn passwords_can_t_be_tried_without_end_and_nothing_large_is_read() {
    let served = served(guarded_site()).await;
    let large = format!("password={}", "x".repeat(MOST_BODY));
    assert_eq!(served.post("/login", "", &large).await.0, 413);
    for body in ["", "nonsense", "password"] {
        assert!(
            [401, 422].contains(&served.post("/login", "", body).await.0),
            "{body}"
        );
    }
    let mut last = 0;
    for _ in 0..12 {
        last = served.post("/login", "", "password=guess").await.0;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn another_site_s_page_can_t_make_a_browser_do_anything_here() {
    let served = served(guarded_site()).await;
    let foreign = "Origin: https://evil.example\r\n";
    for origin in [
        foreign,
        "Origin: null\r\n",
        "Origin: http://board.lab.evil.example\r\n",
    ] {
        let (status, _) = served
            .post("/login", origin, "password=correct+horse")
            .await;
        assert_eq!(status, 403, "{origin}");
    }
    let own = "Origin: http://board.lab\r\n";
    assert_eq!(
        served.post("/login", own, "password=correct+horse").await.0,
        303
    );
    let handshake = format!(
        "{foreign}Authorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    );
    assert_eq!(served.ask("GET /mqtt", &handshake).await.0, 403);
}

#[tokio::test]
async fn reports_are_listed_and_read_and_nothing_beside_them() {
    let folder = TempDir::new().unwrap();
    let reports = folder.path().join("reports");
    std::fs::create_dir(&reports).unwrap();
    std::fs::write(folder.path().join("secret.html"), "secret").unwrap();
    std::fs::write(reports.join("A-17.html"), "<p>a report</p>").unwrap();
    std::fs::write(reports.join("A-17.json"), "{}").unwrap();
    std::fs::write(reports.join(".hidden.html"), "secret").unwrap();
    let site = Site {
        reports: Some(reports),
        ..open()
    };
    let served = served(site).await;
    let (status, text) = served.ask("GET /slides/", "").await;
    assert!(
        status == 200 && text.contains("\"A-17\"") && !text.contains("hidden"),
        "{text}"
    );
    let (status, text) = served.ask("GET /slides/A-17.html", "").await;
    assert!(
        status == 200 && text.contains("a report") && text.contains("sandbox"),
        "{text}"
    );
    assert_eq!(served.ask("GET /slides/A-17.json", "").await.0, 200);
    for path in [
        "A-18.html",
        "A-17.exe",
        "A-17",
        ".hidden.html",
        "..%2fsecret.html",
        "../secret.html",
        "%2e%2e%2fsecret.html",
        "..%5csecret.html",
        "A-17.html%00",
        "%ff.html",
    ] {
        let (status, text) = served.ask(&format!("GET /slides/{path}"), "").await;
        assert!(
            (400..500).contains(&status) && !text.contains("secret\n"),
            "{path}: {text}"
        );
        assert!(!text.ends_with("secret"), "{path}: {text}");
    }
}

#[tokio::test]
async fn health_names_the_stage_that_hangs() {
    let board = Arc::new(board());
    let pulse = board.pulses.begin(Stage::Analysis);
    let site = Site::new(Arc::clone(&board), Access::Loopback, None, None, None);
    let served = served(site).await;
    assert_eq!(served.ask("GET /healthz", "").await.0, 200);
    drop(pulse);
    let long_ago = Instant::now() - longest_silence() * 2;
    board.pulses.set(Stage::Analysis, Some(long_ago));
    let (status, text) = served.ask("GET /healthz", "").await;
    assert!(status == 503 && text.contains("has not stirred"), "{text}");
}

#[test]
fn one_address_gets_some_of_the_places_and_a_board_itself_all() {
    let places = Places::default();
    let peer: IpAddr = "10.0.0.7".parse().unwrap();
    let mut held: Vec<Place> = (0..MOST_OF_ONE)
        .map(|_| places.take(peer).unwrap())
        .collect();
    assert!(places.take(peer).is_none());
    assert!(places.take("10.0.0.8".parse().unwrap()).is_some());
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let _own: Vec<Place> = (0..=MOST_OF_ONE)
        .map(|_| places.take(loopback).unwrap())
        .collect();
    held.pop();
    assert!(places.take(peer).is_some());
    held.clear();
    assert!(!places.counts().contains_key(&peer));
}

#[tokio::test]
async fn garbage_and_silence_keep_nobody_else_out() {
    let served = served(open()).await;
    let mut silent = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    let mut garbage = TcpStream::connect(served.address).await.unwrap();
    garbage.write_all(&[0xFF; 300]).await.unwrap();
    let mut answer = Vec::new();
    // The server may close before all is read.
    let _ = garbage.read_to_end(&mut answer).await;
    drop(garbage);
    assert_eq!(served.ask("GET /healthz", "").await.0, 200);
}

/// A broker that takes the handshake of one WebSocket and says everything back; gives what it was asked.
async fn echo() -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broker = listener.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head_of(&mut stream).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: accepted\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
        head
    });
    (broker, echo)
}

/// Everything up to the end of a head, in small letters.
async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// A WebSocket of which the first bytes came back; the server's head.
async fn joined(served: &Served, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head_of(&mut stream).await;
    stream.write_all(b"hello broker").await.unwrap();
    let mut echoed = [0; 12];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello broker");
    (stream, head)
}

#[tokio::test]
async fn the_way_to_a_broker_is_a_websocket_and_carries_bytes_both_ways() {
    let (broker, echo) = echo().await;
    let site = Site::new(
        Arc::new(board()),
        Access::Loopback,
        None,
        Some(broker),
        None,
    );
    let served = served(site).await;
    let (_, text) = served.ask("GET /broker.json", "").await;
    assert!(text.contains("\"url\":\"mqtt\""), "{text}");
    assert_eq!(served.ask("GET /mqtt", "").await.0, 426);
    let (stream, head) = joined(&served, "Cookie: secret=1\r\n").await;
    assert!(
        head.starts_with("http/1.1 101")
            && head.contains("sec-websocket-accept: accepted")
            && head.contains("sec-websocket-protocol: mqtt"),
        "{head}"
    );
    drop(stream);
    let asked = echo.await.unwrap();
    assert!(
        asked.contains("sec-websocket-key: a2v5") && !asked.contains("cookie"),
        "{asked}"
    );
}

#[tokio::test]
async fn who_signs_out_is_cut_off_from_the_broker() {
    let (broker, _echo) = echo().await;
    let site = Site {
        broker: Some(broker),
        ..guarded_site()
    };
    let served = served(site).await;
    let (_, text) = served.post("/login", "", "password=correct+horse").await;
    let cookie = text
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let (mut stream, _) = joined(&served, &cookie).await;
    assert_eq!(served.post("/logout", &cookie, "").await.0, 303);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
}
