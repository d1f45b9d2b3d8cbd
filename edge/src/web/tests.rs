//! Against the real server, byte by byte.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::health::tests::board;
use crate::pulse::Stage;

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

impl Served {
    /// Status and all of the answer.
    async fn ask(&self, first: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{first} HTTP/1.1\r\nHost: board\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }
}

#[tokio::test]
async fn a_board_serves_its_figures_and_no_page() {
    let served = served(Site::new(Arc::new(board()), None)).await;
    let (status, text) = served.ask("GET /metrics", "").await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("version=0.0.4") && text.contains("smearscope_uptime_seconds "),
        "{text}"
    );
    assert_eq!(served.ask("GET /healthz", "").await.0, 200);
    assert_eq!(served.ask("GET /", "").await.0, 404);
    let (status, text) = served.ask("POST /metrics", "").await;
    assert!(
        status == 405 && text.to_lowercase().contains("allow: get, head"),
        "{text}"
    );
    let (status, text) = served.ask("HEAD /metrics", "").await;
    assert!(status == 200 && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_demo_serves_the_page() {
    let info = BrokerInfo {
        url: None,
        device: "demo".parse().unwrap(),
    };
    let served = served(Site::new(Arc::new(board()), None).with_page(&info)).await;
    assert_eq!(served.ask("GET /", "").await.0, 200);
    let (_, text) = served.ask("GET /broker.json", "").await;
    assert!(text.contains("\"device\":\"demo\""), "{text}");
}

#[tokio::test]
async fn who_does_not_show_the_token_learns_nothing() {
    let site = Site::new(
        Arc::new(board()),
        Some("a token that nobody guesses".into()),
    );
    let served = served(site).await;
    for headers in [
        "",
        "Authorization: Bearer a token that nobody guesse\r\n",
        "Authorization: Basic a token that nobody guesses\r\n",
        "Authorization: a token that nobody guesses\r\n",
    ] {
        for path in ["/metrics", "/healthz", "/", "/no"] {
            let (status, text) = served.ask(&format!("GET {path}"), headers).await;
            assert!(
                status == 401 && !text.contains("uptime"),
                "{path} {headers}: {text}"
            );
        }
    }
    let right = "Authorization: Bearer a token that nobody guesses\r\n";
    assert_eq!(served.ask("GET /metrics", right).await.0, 200);
}

#[tokio::test]
async fn health_names_the_stage_that_hangs() {
    let board = Arc::new(board());
    let pulse = board.pulses.begin(Stage::Analysis);
    let site = Site::new(Arc::clone(&board), None);
    assert_eq!(site.health().status(), StatusCode::OK);
    drop(pulse);
    let long_ago = Instant::now() - longest_silence() * 2;
    board.pulses.set(Stage::Analysis, Some(long_ago));
    let response = site.health();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn garbage_and_silence_keep_nobody_else_out() {
    let served = served(Site::new(Arc::new(board()), None)).await;
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
