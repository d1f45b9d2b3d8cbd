//! A model's bytes from a URL: bounded, and gone on with where the connection broke.
//!
//! What comes is trusted no more than chunks are: it is held against its hash and its signature.

use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::watch::Sender;
use tracing::warn;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::tls::{RootCerts, TlsConfig};

/// What is read at once.
const PIECE: usize = 64 << 10;
/// The first pause after a broken connection; each one is twice as long, up to the last.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A server that says nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(30);

/// A file to get.
pub struct File {
    /// http or https.
    pub url: String,
    /// Its bytes.
    pub size: u64,
    /// When it must be here.
    pub until: Instant,
}

/// Why a try ended.
enum Broken {
    /// Another try may help.
    Off(String),
    /// None will.
    For(String),
}

impl File {
    /// Gets the file; tells how many bytes are here, and stops when nobody wants to know.
    ///
    /// # Errors
    /// Why it did not arrive, in words.
    pub fn get(&self, progress: &Sender<u64>) -> Result<Vec<u8>, String> {
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            return Err("its `url` begins with neither https:// nor http://".into());
        }
        let config = Agent::config_builder()
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            )
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .http_status_as_error(false)
            .build();
        let agent = Agent::new_with_config(config);
        let mut bytes = Vec::new();
        let mut pause = PAUSE;
        loop {
            if progress.is_closed() {
                return Err("nobody wants it any more".into());
            }
            let before = bytes.len();
            match self.go_on(&agent, &mut bytes, progress) {
                Ok(()) => return Ok(bytes),
                Err(Broken::For(why)) => return Err(why),
                Err(Broken::Off(why)) if Instant::now() + pause >= self.until => {
                    return Err(format!(
                        "{} of {} by the time that is given (`receive_hours` in [model]); last: {why}",
                        bytes.len(),
                        self.size
                    ));
                }
                Err(Broken::Off(why)) => {
                    warn!("a model does not come from its url: {why}; next try in {pause:.0?}");
                    sleep(pause);
                }
            }
            pause = if bytes.len() > before {
                PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
        }
    }

    /// One connection.
    fn go_on(
        &self,
        agent: &Agent,
        bytes: &mut Vec<u8>,
        progress: &Sender<u64>,
    ) -> Result<(), Broken> {
        let off = |error: &dyn std::fmt::Display| Broken::Off(error.to_string());
        let mut request = agent.get(&self.url);
        if !bytes.is_empty() {
            request = request.header(RANGE, format!("bytes={}-", bytes.len()));
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::BadUri(why) => Broken::For(format!("its `url` is none: {why}")),
            error => off(&error),
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let wanted = format!("bytes {}-", bytes.len());
                let range = response.headers().get(CONTENT_RANGE);
                let is_next = range
                    .and_then(|range| range.to_str().ok())
                    .is_some_and(|range| range.starts_with(&wanted));
                if !is_next {
                    bytes.clear();
                    return Err(Broken::Off(
                        "the server sent another part than asked".into(),
                    ));
                }
            }
            // From its beginning, whatever was asked for.
            StatusCode::OK => bytes.clear(),
            status if status.is_client_error() => {
                return Err(Broken::For(format!("the server answered {status}")));
            }
            status => return Err(Broken::Off(format!("the server answered {status}"))),
        }
        let mut body = response.into_body().into_reader();
        let mut piece = vec![0; PIECE];
        loop {
            let read = body.read(&mut piece).map_err(|error| off(&error))?;
            bytes.extend_from_slice(&piece[..read]);
            let received = bytes.len() as u64;
            if received > self.size {
                return Err(Broken::For(format!(
                    "the server sends more than the {} bytes that were announced",
                    self.size
                )));
            }
            if progress.is_closed() {
                return Err(Broken::For("nobody wants it any more".into()));
            }
            progress.send_replace(received);
            if read == 0 {
                return match received == self.size {
                    true => Ok(()),
                    false => Err(Broken::Off(format!(
                        "it ended after {received} of {} bytes",
                        self.size
                    ))),
                };
            }
            if Instant::now() >= self.until {
                return Err(Broken::Off("it is too slow".into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    /// Serves what each request gets, and gives the ranges that were asked for.
    fn server(answers: Vec<Vec<u8>>) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/m.onnx", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let mut ranges = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<_> = lines
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let range = head.iter().find_map(|line| {
                    let line = line.to_lowercase();
                    line.strip_prefix("range: ").map(str::to_owned)
                });
                ranges.push(range.unwrap_or_default());
                stream.write_all(&answer).unwrap();
            }
            ranges
        });
        (url, asked)
    }

    fn answer(head: &str, length: usize, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes()
    }

    fn get(url: &str, size: u64) -> Result<Vec<u8>, String> {
        let file = File {
            url: url.into(),
            size,
            until: Instant::now() + Duration::from_secs(20),
        };
        let (progress, _far) = tokio::sync::watch::channel(0);
        file.get(&progress)
    }

    #[test]
    fn a_broken_connection_is_gone_on_with() {
        let (url, asked) = server(vec![
            answer("200 OK", 10, "0123"),
            answer("503 Busy", 0, ""),
            answer(
                "206 Partial Content\r\nContent-Range: bytes 4-9/10",
                6,
                "456789",
            ),
        ]);
        assert_eq!(get(&url, 10).unwrap(), b"0123456789");
        assert_eq!(asked.join().unwrap(), ["", "bytes=4-", "bytes=4-"]);
    }

    #[test]
    fn a_server_without_ranges_begins_again() {
        let (url, _asked) = server(vec![answer("200 OK", 4, "01"), answer("200 OK", 4, "0123")]);
        assert_eq!(get(&url, 4).unwrap(), b"0123");
    }

    #[test]
    fn what_can_never_arrive_is_given_up_with_its_reason() {
        let (url, _asked) = server(vec![answer("404 Not Found", 0, "")]);
        assert!(get(&url, 4).unwrap_err().contains("404"));
        let (url, _asked) = server(vec![answer("200 OK", 9, "012345678")]);
        assert!(get(&url, 4).unwrap_err().contains("more than the 4 bytes"));
        for url in ["file:///etc/passwd", "ftp://a/b", "m.onnx"] {
            assert!(get(url, 4).unwrap_err().contains("https://"), "{url}");
        }
    }
}
