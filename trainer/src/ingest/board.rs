//! A board's kept cells by HTTP, page by page.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use smearscope_common::exported::Part;
use tar::Archive;
use ureq::Agent;
use ureq::http::{StatusCode, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use url::Url;
use uuid::Uuid;

use super::Cell;
use super::source::{MAX_FILE, Pieces, Source};
use crate::error::bad_input;
use crate::secret::Secret;

/// Attempts for one page.
const TRIES: u32 = 5;
/// The wait after a failed attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long a board may take for a page: it may be behind a slow line.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of a page: a board makes pages of about a megabyte.
const MAX_PAGE: u64 = 64 << 20;
/// Says behind which cell the next page begins.
const NEXT: &str = "x-next";

/// A board's HTTP side.
pub struct Board {
    address: Url,
    agent: Agent,
    token: Option<Secret>,
    damaged: u64,
}

impl Board {
    /// At an address; the path of the export is added.
    ///
    /// # Errors
    /// It is no address, or the certificates can't be read.
    pub fn new(address: &str, token: Option<Secret>, ca: Option<&Path>) -> Result<Self> {
        let parsed =
            Url::parse(address).map_err(|e| bad_input!("{address}: is no address: {e}"))?;
        let mut address = parsed;
        if !address.path().ends_with('/') {
            address.set_path(&format!("{}/", address.path()));
        }
        let address = address
            .join("cells.tar")
            .map_err(|e| bad_input!("{address}: is no address of a board: {e}"))?;
        if token.is_some() && address.scheme() == "http" && !is_loopback(&address) {
            tracing::warn!(
                "the token goes to {} without encryption",
                address.authority()
            );
        }
        let roots = match ca {
            Some(path) => certificates(path)?,
            None => RootCerts::PlatformVerifier,
        };
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            // A token is for this board and nobody else.
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("smearscope-train/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            address,
            agent,
            token,
            damaged: 0,
        })
    }

    /// One page, tried again where that may help: its bytes, and where the next one begins.
    fn page(&self, after: i64) -> Result<(Vec<u8>, Option<i64>)> {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let why = match self.attempt(after) {
                Ok(page) => return Ok(page),
                Err(Failure::Final(e)) => return Err(e),
                Err(Failure::Passing(why)) => why,
            };
            if attempt == TRIES {
                return Err(anyhow!(
                    "{}: {why}; gave up after {TRIES} tries. What came so far is taken in: run it again to go on",
                    self.address
                ));
            }
            tracing::warn!(
                "{}: {why}; trying again in {} s",
                self.address,
                wait.as_secs()
            );
            thread::sleep(wait);
            wait *= 2;
        }
        unreachable!("the loop ends only by a return")
    }

    fn attempt(&self, after: i64) -> Result<(Vec<u8>, Option<i64>), Failure> {
        let mut url = self.address.clone();
        url.set_query(Some(&format!("after={after}")));
        let mut request = self.agent.get(url.as_str());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let response = request
            .call()
            .map_err(|e| Failure::Passing(e.to_string()))?;
        let status = response.status();
        let (parts, mut body) = response.into_parts();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Failure::Final(bad_input!(
                    "{}: the board wants {}: --token-file names a file with what its `[http] token_file` holds",
                    self.address,
                    if self.token.is_some() {
                        "another token"
                    } else {
                        "a token"
                    }
                )));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Passing(format!("the board answers {status}")));
            }
            _ => {
                let said = body.read_to_string().unwrap_or_default();
                let said = said.lines().next().unwrap_or_default();
                return Err(Failure::Final(bad_input!(
                    "{}: the board answers {status}: {said}",
                    self.address
                )));
            }
        }
        let next = parts.headers.get(NEXT).map(|next| {
            let number = next.to_str().ok().and_then(|next| next.parse().ok());
            number.ok_or_else(|| {
                Failure::Final(anyhow!(
                    "{}: {NEXT} is no number in the answer",
                    self.address
                ))
            })
        });
        let next = next.transpose()?;
        let bytes = body
            .with_config()
            .limit(MAX_PAGE)
            .read_to_vec()
            .map_err(|e| Failure::Passing(e.to_string()))?;
        Ok((bytes, next))
    }
}

enum Failure {
    Final(anyhow::Error),
    Passing(String),
}

impl Source for Board {
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
        let mut after = 0;
        loop {
            let (page, next) = self.page(after)?;
            let cells = unpack(&page)
                .with_context(|| format!("{}: a page is no tar archive", self.address))?;
            for (id, pieces) in cells {
                match pieces.cell() {
                    Ok(cell) => take(cell)?,
                    Err(why) => {
                        tracing::warn!("cell {id}: left out: {why}");
                        self.damaged += 1;
                    }
                }
            }
            match next {
                Some(next) if next > after => after = next,
                Some(_) => return Err(anyhow!("{}: its pages go in a circle", self.address)),
                None => break,
            }
        }
        Ok(())
    }

    fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// The cells of a page.
fn unpack(page: &[u8]) -> Result<BTreeMap<Uuid, Pieces>> {
    let mut cells: BTreeMap<Uuid, Pieces> = BTreeMap::new();
    for entry in Archive::new(page).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        // Whatever else is in it is none of our business; nothing is written by its name.
        if let Some((id, part)) = Part::of(&name) {
            let mut bytes = Vec::new();
            entry.by_ref().take(MAX_FILE).read_to_end(&mut bytes)?;
            cells.entry(id).or_default().put(part, bytes);
        }
    }
    Ok(cells)
}

fn is_loopback(address: &Url) -> bool {
    match address.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn certificates(path: &Path) -> Result<RootCerts> {
    let pem = std::fs::read(path)
        .map_err(|e| bad_input!("{}: the certificates cannot be read: {e}", path.display()))?;
    let found: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(bad_input!("{}: holds no certificate", path.display()));
    }
    Ok(RootCerts::new_with_certs(&found))
}
