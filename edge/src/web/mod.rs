//! What the board serves over HTTP to whom may see it ([`access`]): the page, its way to the broker inside this program,
//! the last field, the reports of slides, kept cells for the workstation, `/metrics` and `/healthz`.

mod access;
mod board;
mod page;
mod tunnel;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::exit::bad_input;
use crate::health::Board;

use access::Peer;
pub use access::{Access, HashedPassword};
pub use page::BrokerInfo;

/// Who comes when so many are there waits.
const MOST_CONNECTIONS: usize = 64;
/// Of these so many may come from one address.
const MOST_OF_ONE: usize = 16;
/// Pages that are joined with the broker inside this program.
const MOST_TUNNELS: usize = 32;
/// The store and the broker must answer within this time: they may hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest time for a request's head, and for the handshake of TLS.
const HEAD: Duration = Duration::from_secs(10);
/// The longest time that a client may keep a connection: who reads slowly, or not at all, keeps others out.
const CONNECTION: Duration = Duration::from_secs(60);
/// The most bytes that a client may send: a password.
const MOST_BODY: usize = 4 << 10;
/// How long after an address could not be had it is tried again: it may come with the network.
const AGAIN: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";
/// The page runs its own code only, and talks to its own server and to brokers. Its own copy of this policy is stricter.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What is served.
pub struct Site {
    board: Arc<Board>,
    access: Access,
    tls: Option<Arc<ServerConfig>>,
    /// What the page is told of its broker.
    info: BrokerInfo,
    /// The WebSocket of the broker inside this program.
    broker: Option<SocketAddr>,
    tunnels: Arc<Semaphore>,
    /// Where the reports of slides are.
    reports: Option<PathBuf>,
}

impl Site {
    /// A board's page and figures. `url` is the broker's WebSocket as the page is to find it, if it isn't the one inside this
    /// program, whose address is `broker`.
    pub fn new(
        board: Arc<Board>,
        access: Access,
        url: Option<String>,
        broker: Option<SocketAddr>,
        reports: Option<PathBuf>,
    ) -> Self {
        Self {
            info: BrokerInfo {
                url: url.or(broker.map(|_| "mqtt".into())),
                device: board.device.clone(),
                reports: reports.is_some(),
                login: access.has_login(),
            },
            board,
            access,
            tls: None,
            broker,
            tunnels: Arc::new(Semaphore::new(MOST_TUNNELS)),
            reports,
        }
    }

    /// The same, encrypted.
    pub fn with_tls(self, tls: Option<Arc<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// Serves to whom comes.
    pub fn serve(self, listener: TcpListener) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(accept(listener, self)))
    }

    /// Serves at an address as soon as that can be had.
    pub fn serve_at(self, address: SocketAddr) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut is_told = false;
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(error) => {
                        if !std::mem::replace(&mut is_told, true) {
                            warn!("cannot serve the page at {address}: {error}; it is tried again");
                        }
                        sleep(AGAIN).await;
                    }
                }
            };
            // Any free one may have been asked for.
            let address = listener.local_addr().unwrap_or(address);
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            info!("the page is at {scheme}://{address}/, metrics at {scheme}://{address}/metrics");
            accept(listener, self).await;
        }))
    }
}

/// What answers at which path.
fn router(site: Arc<Site>) -> Router {
    let info = crate::mqtt::to_json(&site.info);
    let broker = move || {
        let info = info.clone();
        async move { ([(CONTENT_TYPE, "application/json")], info) }
    };
    Router::new()
        .route("/metrics", get(board::metrics))
        .route("/healthz", get(board::health))
        .route("/field.jpg", get(board::field))
        .route("/cells.tar", get(board::cells))
        .route("/slides/", get(board::reports))
        .route("/slides/{file}", get(board::report))
        .route("/broker.json", get(broker))
        .route("/mqtt", get(tunnel::open))
        .route("/logout", post(access::logout))
        .fallback_service(get(page::file))
        .layer(from_fn_with_state(Arc::clone(&site), access::check))
        // From here on for everyone.
        .route("/login", get(access::login_page).post(access::login))
        .route("/login.css", get(page::style))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(access::same_site))
        .layer(from_fn(guarded))
        .with_state(site)
}

/// What every answer says to a browser.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        // Others may use the same computer.
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Without any, browsers would send no origin with a form of ours, either.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn accept(listener: TcpListener, site: Site) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let tls = site.tls.clone().map(TlsAcceptor::from);
    let router = router(Arc::new(site));
    let places = Places::default();
    loop {
        let permit = Arc::clone(&room)
            .acquire_owned()
            .await
            .expect("nobody closes this semaphore");
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => (stream, peer.ip()),
            // Out of descriptors, or a client that was gone before it was let in.
            Err(error) => {
                debug!("a request could not be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = places.take(peer) else {
            debug!("{peer} has too many connections");
            continue;
        };
        let (tls, router) = (tls.clone(), router.clone().layer(Extension(Peer(peer))));
        tokio::spawn(async move {
            let _place = place;
            match tls {
                None => serve(stream, router).await,
                Some(tls) => match timeout(HEAD, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, router).await,
                    Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
                    Err(_) => debug!("a TLS handshake took too long"),
                },
            }
            drop(permit);
        });
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, until it is dropped.
struct Place {
    of: Places,
    peer: IpAddr,
}

impl Places {
    /// A place for one more; `None` where this address has too many. The board itself, and a proxy on it, may have all.
    fn take(&self, peer: IpAddr) -> Option<Place> {
        let mut counts = self.counts();
        let count = counts.entry(peer).or_default();
        if *count >= MOST_OF_ONE && !peer.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place {
            of: self.clone(),
            peer,
        })
    }

    /// Each change is a single one: nothing is ever half done.
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

/// Answers one client. What it makes of its connection by an upgrade goes on by itself.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    // The timer ends connections that never finish their request.
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    if let Ok(Err(error)) = timeout(CONNECTION, served).await {
        debug!("a request ended: {error}");
    }
}

/// A sentence as an answer.
fn say(status: StatusCode, words: &str) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], format!("{words}\n")).into_response()
}

/// Listens at the address of the page.
///
/// # Errors
/// Bad input, when it can't be had.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        bad_input(format!(
            "cannot serve the page at {address} ({error}); \
             name another address with --http, such as --http 127.0.0.1:0 for any free port"
        ))
    })
}

#[cfg(test)]
mod tests;
