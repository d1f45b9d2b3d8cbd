//! One file over HTTP, however often the connection breaks.
//!
//! What arrives goes to `FILE.part`; `FILE.part.json` beside it says which version of the file it
//! is a part of (the server's ETag, or else its date), so that a later attempt, in this run or the
//! next, asks only for the rest and only if the file is still the same. Only a whole file whose
//! length and SHA-256 are right gets its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::error::bad_input;

/// Attempts without a byte of progress before we give up.
const TRIES: u32 = 5;

/// How long a server may take to answer, and be silent in the middle.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// An http or https address.
    pub url: &'a str,
    /// The file to make.
    pub out: &'a Path,
    /// The first hex digits of its SHA-256, or all, when they are known.
    pub sha256: Option<&'a str>,
}

/// What was fetched, or was there already.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// False when the file was there.
    pub fetched: bool,
    /// Its length.
    pub bytes: u64,
    /// All of its SHA-256 in hex.
    pub sha256: String,
}

/// Fetches files.
#[derive(Debug)]
pub struct Downloader {
    agent: Agent,
    first_wait: Duration,
}

impl Downloader {
    /// Through `proxy` if there is one. The wait after a failed attempt doubles from `first_wait`.
    pub fn new(proxy: Option<Proxy>, first_wait: Duration) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .proxy(proxy)
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("smearscope-train/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, first_wait }
    }

    /// Fetches a file, or makes sure that the one that is there is right. `check` looks at the
    /// content before the file gets its name; what it refuses is removed.
    ///
    /// # Errors
    /// The server can't be reached or refuses, the disk is full, or the file is not what it should
    /// be. What has arrived is kept for the next time, unless it is wrong.
    pub fn fetch(
        &self,
        wanted: &Wanted<'_>,
        check: impl Fn(&Path) -> Result<()>,
    ) -> Result<Fetched> {
        let Wanted { url, out, sha256 } = *wanted;
        if out.exists() {
            let (bytes, found) = hash(out)?;
            let differs = sha256.is_some_and(|known| !found.starts_with(known));
            if differs {
                return Err(bad_input!(
                    "{}: is there already, but its SHA-256 is {found} and should begin with {}; \
                     remove it, or give another --out",
                    out.display(),
                    sha256.unwrap_or_default()
                ));
            }
            check(out).context("the file is there already, but cannot be used")?;
            return Ok(Fetched {
                fetched: false,
                bytes,
                sha256: found,
            });
        }
        let mut part = Part::open(out, url)?;
        let bar = progress();
        let run = self.persist(url, &mut part, &bar);
        bar.finish_and_clear();
        run?;
        let (bytes, found) = hash(&part.path)?;
        if let Some(known) = sha256
            && !found.starts_with(known)
        {
            part.remove();
            return Err(anyhow!(
                "{url}: what came has the SHA-256 {found}, but it should begin with {known}; \
                 it was removed"
            ));
        }
        if let Err(e) = check(&part.path) {
            part.remove();
            return Err(e.context(format!("{url}: what came cannot be used and was removed")));
        }
        part.finish(out)?;
        Ok(Fetched {
            fetched: true,
            bytes,
            sha256: found,
        })
    }

    /// Tries until the part is whole.
    fn persist(&self, url: &str, part: &mut Part, bar: &ProgressBar) -> Result<()> {
        let mut furthest = part.length;
        let mut tries = 0;
        while !part.is_whole() {
            let why = match self.attempt(url, part, bar) {
                Ok(()) => return Ok(()),
                Err(Failure::Final(e)) => return Err(part.kept(e)),
                Err(Failure::Passing(why)) => why,
            };
            if part.length > furthest {
                furthest = part.length;
                tries = 0;
            }
            tries += 1;
            if tries == TRIES {
                return Err(part.kept(anyhow!("{url}: {why}; gave up after {TRIES} tries")));
            }
            let wait = self.first_wait * 2u32.pow(tries - 1);
            bar.suspend(|| {
                tracing::warn!("{url}: {why}; trying again in {:.0} s", wait.as_secs_f64());
            });
            thread::sleep(wait);
        }
        Ok(())
    }

    /// One request for what is missing.
    fn attempt(&self, url: &str, part: &mut Part, bar: &ProgressBar) -> Result<(), Failure> {
        let mut request = self
            .agent
            .get(url)
            // Lengths and ranges count bytes of the file itself.
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some(version) = part.resumable() {
            request = request
                .header(header::RANGE, format!("bytes={}-", part.length))
                .header(header::IF_RANGE, version);
        }
        let response = request.call().map_err(|e| failure(url, e))?;
        let status = response.status();
        let version = version(&response);
        let length = response.body().content_length();
        match status {
            StatusCode::OK => part.start(Origin {
                url: url.into(),
                version,
                total: length,
            })?,
            StatusCode::PARTIAL_CONTENT => {
                let total = continuation(&response, part.length);
                let same = part.resumable().is_some() && part.resumable() == version.as_deref();
                if !same || total.is_none() || total != part.origin.total {
                    part.start(Origin::default())?;
                    return Err(Failure::Passing("the file on the server changed".into()));
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                part.start(Origin::default())?;
                return Err(Failure::Passing("the file on the server changed".into()));
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Passing(format!("the server answers {status}")));
            }
            _ if status.is_server_error() => {
                return Err(Failure::Passing(format!("the server answers {status}")));
            }
            _ => {
                return Err(Failure::Final(anyhow!(
                    "{url}: the server answers {status}; --url takes another address"
                )));
            }
        }
        if let Some(total) = part.origin.total {
            bar.set_length(total);
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            bar.set_position(part.length);
            match body.read(&mut buffer) {
                Ok(0) if part.origin.total.is_some_and(|t| part.length < t) => {
                    return Err(Failure::Passing("the connection broke off".into()));
                }
                Ok(0) => return Ok(()),
                Ok(n) => part.write(&buffer[..n])?,
                Err(e) => {
                    return Err(Failure::Passing(format!("the connection broke off ({e})")));
                }
            }
        }
    }
}

/// Why an attempt failed.
enum Failure {
    /// Another attempt may succeed.
    Passing(String),
    /// None will.
    Final(anyhow::Error),
}

fn failure(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::HostNotFound => Failure::Passing("the host is not found; is the network up?".into()),
        E::Timeout(_) => Failure::Passing("the server does not answer".into()),
        // A certificate that is not trusted stays so.
        E::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Failure::Final(anyhow!(
            "{url}: {e}; a certificate of your own network's proxy can be named in SSL_CERT_FILE"
        )),
        E::Io(e) => Failure::Passing(format!("no connection ({e})")),
        E::ConnectionFailed | E::ConnectProxyFailed(_) | E::Protocol(_) | E::BodyStalled => {
            Failure::Passing(format!("no connection ({error})"))
        }
        E::BadUri(_) | E::Http(_) => Failure::Final(bad_input!("{url}: no address: {error}")),
        _ => Failure::Final(anyhow!("{url}: {error}")),
    }
}

/// What tells versions of the file apart: a strong ETag, or else the date of the last change.
fn version(response: &Response<Body>) -> Option<String> {
    let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    text(header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(header::LAST_MODIFIED))
        .map(Into::into)
}

/// The length of the whole file, if the answer goes on at byte `from`: `Content-Range: bytes
/// from-to/total`.
fn continuation(response: &Response<Body>, from: u64) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?;
    let (span, total) = range
        .to_str()
        .ok()?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let (start, _) = span.split_once('-')?;
    let total = total.parse().ok()?;
    (start.parse() == Ok(from)).then_some(total)
}

/// Where a part comes from: the content of `FILE.part.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Origin {
    url: String,
    /// See [`version`].
    version: Option<String>,
    /// Length of the whole file.
    total: Option<u64>,
}

/// `FILE.part`, locked, with its origin.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    origin: Origin,
}

impl Part {
    /// Opens what an earlier run left, or begins.
    fn open(out: &Path, url: &str) -> Result<Self> {
        let mut name = out
            .file_name()
            .ok_or_else(|| bad_input!("{}: names no file", out.display()))?
            .to_owned();
        name.push(".part");
        let path = out.with_file_name(name);
        let cannot = |e| bad_input!("cannot write {}: {e}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(bad_input!(
                    "{}: another process is fetching it just now",
                    out.display()
                ));
            }
            // A file system without locks: then nobody stops two runs from disturbing each other.
            Err(TryLockError::Error(e)) => tracing::debug!("no lock: {e}"),
        }
        let length = file.metadata().map_err(cannot)?.len();
        let mut part = Self {
            path,
            file,
            length,
            origin: Origin::default(),
        };
        let origin = fs::read(part.origin_path()).ok();
        part.origin = origin
            .and_then(|json| serde_json::from_slice(&json).ok())
            .filter(|origin: &Origin| origin.url == url)
            .unwrap_or_default();
        Ok(part)
    }

    fn origin_path(&self) -> PathBuf {
        self.path.with_added_extension("json")
    }

    /// The version of the file that this is the beginning of, if it can be gone on with.
    fn resumable(&self) -> Option<&str> {
        (self.length > 0)
            .then_some(self.origin.version.as_deref())
            .flatten()
    }

    fn is_whole(&self) -> bool {
        self.origin.version.is_some() && self.origin.total == Some(self.length)
    }

    /// Forgets what was there.
    fn start(&mut self, origin: Origin) -> Result<(), Failure> {
        let done = (|| {
            if self.length > 0 {
                self.file.set_len(0)?;
                self.length = 0;
            }
            fs::write(self.origin_path(), serde_json::to_vec(&origin)?)
        })();
        self.origin = origin;
        done.map_err(|e| self.unwritable(&e))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let done = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(bytes));
        done.map_err(|e| self.unwritable(&e))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn unwritable(&self, e: &std::io::Error) -> Failure {
        Failure::Final(anyhow!("cannot write {}: {e}", self.path.display()))
    }

    /// Says what the next run can go on with; an empty part is removed.
    fn kept(&self, error: anyhow::Error) -> anyhow::Error {
        if self.length == 0 {
            self.remove();
            return error;
        }
        if self.resumable().is_none() {
            return error;
        }
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let of = self.origin.total.map(|t| format!(" of {:.1}", mb(t)));
        anyhow!(
            "{error:#}; {:.1}{} MB are kept in {}, and the same command goes on from there",
            mb(self.length),
            of.unwrap_or_default(),
            self.path.display()
        )
    }

    fn remove(&self) {
        // Whatever is left is overwritten next time; the error that led here matters more.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.origin_path());
    }

    /// Gives the whole file its name.
    fn finish(self, out: &Path) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, out))
            .with_context(|| format!("cannot write {}", out.display()))?;
        let _ = fs::remove_file(self.origin_path());
        Ok(())
    }
}

/// Length and SHA-256 of a file.
fn hash(path: &Path) -> Result<(u64, String)> {
    let mut sha256 = Sha256::new();
    let bytes = File::open(path)
        .and_then(|mut file| std::io::copy(&mut file, &mut sha256))
        .map_err(|e| bad_input!("{}: cannot be read: {e}", path.display()))?;
    Ok((bytes, hex::encode(sha256.finalize())))
}

/// A bar on a terminal; nothing elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    // The template is a constant and valid; a wrong one only costs looks.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
