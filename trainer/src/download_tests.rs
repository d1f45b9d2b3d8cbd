//! Downloads from a server on this machine that misbehaves as told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::download::{Downloader, Fetched, Wanted};

/// How the server answers one request.
#[derive(Clone)]
struct Answer {
    status: &'static str,
    content: Vec<u8>,
    etag: Option<&'static str>,
    /// Whether it goes on where the client wants it to.
    ranges: bool,
    /// Closes the connection after this many bytes of content.
    drop_after: Option<usize>,
    /// A Content-Length that is not true; `None` is the true one.
    claimed: Option<usize>,
}

fn good(content: &[u8]) -> Answer {
    Answer {
        status: "200 OK",
        content: content.into(),
        etag: Some("\"one\""),
        ranges: true,
        drop_after: None,
        claimed: None,
    }
}

fn status(status: &'static str) -> Answer {
    Answer {
        status,
        ranges: false,
        ..good(b"<html>no</html>")
    }
}

/// What the client asked: the values of Range and If-Range.
type Asked = (Option<String>, Option<String>);

struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Gives the answers in turn; the last one for ever.
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let answer = &answers[n.min(answers.len() - 1)];
                // A client that hangs up early is its own business.
                let _ = reply(stream.unwrap(), answer, &log);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(mut stream: TcpStream, answer: &Answer, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let (mut range, mut if_range) = (None, None);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            if line.is_empty() {
                break;
            }
            continue;
        };
        match &*name.to_ascii_lowercase() {
            "range" => range = Some(value.to_owned()),
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    log.lock().unwrap().push((range.clone(), if_range.clone()));
    let total = answer.content.len();
    let unchanged = if_range.is_some() && if_range.as_deref() == answer.etag;
    let from: usize = range
        .filter(|_| answer.ranges && unchanged)
        .map_or(0, |r| r["bytes=".len()..r.len() - 1].parse().unwrap());
    let body = &answer.content[from..];
    let length = answer.claimed.unwrap_or(body.len());
    let mut head = format!(
        "HTTP/1.1 {}\r\nContent-Length: {length}\r\nConnection: close\r\n",
        if from > 0 {
            "206 Partial Content"
        } else {
            answer.status
        },
    );
    if let Some(etag) = answer.etag {
        head += &format!("ETag: {etag}\r\n");
    }
    if from > 0 {
        head += &format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(&body[..answer.drop_after.unwrap_or(body.len()).min(body.len())])
}

/// 200 kB that are nowhere alike.
fn content() -> Vec<u8> {
    (0..6_250u32)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()))
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

struct Place {
    _dir: TempDir,
    out: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let out = dir.path().join("file");
        Self { _dir: dir, out }
    }

    fn fetch(&self, url: &str, sha256: Option<&str>) -> Result<Fetched> {
        self.fetch_checked(url, sha256, |_| Ok(()))
    }

    fn fetch_checked(
        &self,
        url: &str,
        sha256: Option<&str>,
        check: impl Fn(&Path) -> Result<()>,
    ) -> Result<Fetched> {
        let wanted = Wanted {
            url,
            out: &self.out,
            sha256,
        };
        Downloader::new(None, Duration::from_millis(1)).fetch(&wanted, check)
    }

    /// Names and lengths of what is in the folder.
    fn files(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.out.parent().unwrap()).unwrap();
        let mut files: Vec<_> = entries
            .map(|e| e.unwrap())
            .map(|e| {
                let name = e.file_name().into_string().unwrap();
                (name, e.metadata().unwrap().len())
            })
            .collect();
        files.sort();
        files
    }

    fn is_whole(&self) -> bool {
        self.files() == [("file".into(), content().len() as u64)]
            && fs::read(&self.out).unwrap() == content()
    }
}

fn range(from: usize) -> Asked {
    (Some(format!("bytes={from}-")), Some("\"one\"".into()))
}

#[test]
fn a_dropped_connection_is_resumed_where_it_broke() {
    let place = Place::new();
    let drop = |n| Answer {
        drop_after: Some(n),
        ..good(&content())
    };
    // More drops than tries: each of them made progress.
    let mut answers = vec![drop(100_000), status("503 Service Unavailable")];
    answers.extend((0..6).map(|_| drop(1000)));
    answers.push(good(&content()));
    let server = Server::start(answers);
    let hash = sha256(&content());
    let fetched = place.fetch(&server.url, Some(&hash[..8])).unwrap();
    assert_eq!(
        fetched,
        Fetched {
            fetched: true,
            bytes: 200_000,
            sha256: hash.clone()
        }
    );
    assert!(place.is_whole());
    let mut wanted = vec![(None, None), range(100_000), range(100_000)];
    wanted.extend((1..=6).map(|n| range(100_000 + n * 1000)));
    assert_eq!(server.asked(), wanted);

    // It is there now: nothing is asked again, but the content is looked at.
    let again = place.fetch(&server.url, Some(&hash)).unwrap();
    assert!(!again.fetched);
    assert_eq!(server.asked().len(), wanted.len());
    let error = place.fetch(&server.url, Some("00000000")).unwrap_err();
    assert!(error.to_string().contains("00000000"), "{error}");
    let refuse = |_: &Path| Err(anyhow!("no weights"));
    let error = place.fetch_checked(&server.url, None, refuse).unwrap_err();
    assert!(format!("{error:#}").contains("no weights"), "{error:#}");
    assert!(place.is_whole(), "what is there is never removed");
}

#[test]
fn the_next_call_goes_on_from_what_is_kept() {
    let place = Place::new();
    let server = Server::start(vec![
        Answer {
            drop_after: Some(70_000),
            ..good(&content())
        },
        status("500 Internal Server Error"),
        status("500 Internal Server Error"),
        status("500 Internal Server Error"),
        status("500 Internal Server Error"),
        good(&content()),
    ]);
    let error = place.fetch(&server.url, None).unwrap_err().to_string();
    assert!(error.contains("500 Internal Server Error"), "{error}");
    assert!(error.contains("0.1 of 0.2 MB are kept in"), "{error}");
    let kept = |(name, length): &(String, u64)| name == "file.part" && *length == 70_000;
    assert!(place.files().iter().any(kept), "{:?}", place.files());
    assert!(!place.out.exists());
    place.fetch(&server.url, None).unwrap();
    assert!(place.is_whole());
    assert_eq!(server.asked().last(), Some(&range(70_000)));
}

#[test]
fn a_part_of_another_address_is_not_gone_on_with() {
    let place = Place::new();
    let half = Answer {
        drop_after: Some(70_000),
        ..good(&[7; 200_000])
    };
    let gone = status("410 Gone");
    let one = Server::start(vec![half, gone]);
    place.fetch(&one.url, None).unwrap_err();
    let two = Server::start(vec![good(&content())]);
    place.fetch(&two.url, None).unwrap();
    assert!(place.is_whole());
    assert_eq!(two.asked(), [(None, None)]);
}

#[test]
fn a_server_that_cannot_resume_starts_over() {
    let without_ranges = Answer {
        ranges: false,
        ..good(&content())
    };
    let without_etag = Answer {
        etag: None,
        ..good(&content())
    };
    let weak_etag = Answer {
        etag: Some("W/\"one\""),
        ..good(&content())
    };
    for answer in [without_ranges, without_etag, weak_etag] {
        let place = Place::new();
        let half = Answer {
            drop_after: Some(70_000),
            ..answer.clone()
        };
        let server = Server::start(vec![half, answer]);
        place.fetch(&server.url, None).unwrap();
        assert!(place.is_whole());
        assert_eq!(server.asked().len(), 2);
    }
}

#[test]
fn a_file_that_changed_on_the_server_starts_over() {
    let old = Answer {
        drop_after: Some(70_000),
        ..good(&[7; 200_000])
    };
    let new = Answer {
        etag: Some("\"two\""),
        ..good(&content())
    };
    let place = Place::new();
    let server = Server::start(vec![old.clone(), new]);
    place.fetch(&server.url, None).unwrap();
    assert!(place.is_whole());
    assert_eq!(server.asked(), [(None, None), range(70_000)]);

    // Of another length, and the server doesn't care for If-Range.
    let place = Place::new();
    let longer = good(&[7; 200_001]);
    let server = Server::start(vec![old, longer, good(&content())]);
    place.fetch(&server.url, None).unwrap();
    assert!(place.is_whole());
    assert_eq!(server.asked()[2], (None, None));
}

#[test]
fn a_wrong_file_is_refused_named_and_removed() {
    let place = Place::new();
    let server = Server::start(vec![good(b"something else")]);
    let error = place.fetch(&server.url, Some("a639ec97")).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("a639ec97"), "{error}");
    assert!(error.contains(&sha256(b"something else")), "{error}");
    assert!(place.files().is_empty(), "{:?}", place.files());

    let refuse = |_: &Path| Err(anyhow!("not densenet121"));
    let error = place.fetch_checked(&server.url, None, refuse).unwrap_err();
    assert!(format!("{error:#}").contains("not densenet121"));
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_server_that_lies_about_the_length_is_found_out() {
    // Too long: the rest never comes, however often it is asked for.
    let place = Place::new();
    let server = Server::start(vec![Answer {
        ranges: false,
        claimed: Some(200_010),
        ..good(&content())
    }]);
    let error = place.fetch(&server.url, None).unwrap_err().to_string();
    assert!(error.contains("broke off"), "{error}");
    assert!(error.contains("gave up after 5 tries"), "{error}");
    // Too short: what is cut off is missed by the hash.
    let place = Place::new();
    let server = Server::start(vec![Answer {
        claimed: Some(199_990),
        ..good(&content())
    }]);
    let hash = sha256(&content());
    let error = place.fetch(&server.url, Some(&hash)).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

#[test]
fn what_can_never_work_is_not_tried_again() {
    let place = Place::new();
    let server = Server::start(vec![status("404 Not Found")]);
    let error = place.fetch(&server.url, None).unwrap_err().to_string();
    assert!(error.contains("404 Not Found"), "{error}");
    assert!(error.contains(&server.url), "{error}");
    assert_eq!(server.asked().len(), 1);
    assert!(place.files().is_empty(), "{:?}", place.files());

    // Nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = place
        .fetch(&format!("http://{port}/file"), None)
        .unwrap_err();
    assert!(error.to_string().contains("no connection"), "{error}");
    let error = place.fetch("http://", None).unwrap_err();
    assert_eq!(crate::error::exit_code(&error), 2, "{error}");
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_full_disk_and_a_missing_folder_are_named() {
    let place = Place::new();
    let server = Server::start(vec![good(&content())]);
    std::os::unix::fs::symlink("/dev/full", place.out.with_extension("part")).unwrap();
    let error = place.fetch(&server.url, None).unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
    assert!(error.contains("file.part"), "{error}");

    let wanted = Wanted {
        url: &server.url,
        out: &place.out.join("deeper/file"),
        sha256: None,
    };
    let downloader = Downloader::new(None, Duration::ZERO);
    let error = downloader.fetch(&wanted, |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn two_at_once_do_not_mix() {
    let place = Place::new();
    let server = Server::start(vec![good(&content())]);
    let part = fs::File::create(place.out.with_extension("part")).unwrap();
    part.lock().unwrap();
    let error = place.fetch(&server.url, None).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    assert!(server.asked().is_empty());
}
