//! What the board serves over HTTP: `/metrics`, `/healthz`, and in a demo the live page.

mod page;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::exit::bad_input;
use crate::health::Board;
use crate::metrics;
use crate::mqtt::to_json;
use crate::named_file::Secret;
use crate::supervisor::longest_silence;

pub use page::BrokerInfo;

/// Who comes when so many are there waits.
const MOST_CONNECTIONS: usize = 32;
/// The store must answer within this time: it may hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest time for a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The longest time that a client may keep a connection: who reads slowly, or not at all, keeps others out.
const CONNECTION: Duration = Duration::from_secs(60);
/// How long after an address could not be had it is tried again: it may come with the network.
const AGAIN: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// What is served.
pub struct Site {
    board: Arc<Board>,
    /// [`BrokerInfo`] as JSON, where the page is served.
    page: Option<Bytes>,
    /// What a client must show.
    token: Option<Secret>,
}

impl Site {
    /// Metrics and health of a board, to whoever shows the token, if there is one.
    pub fn new(board: Arc<Board>, token: Option<Secret>) -> Self {
        Self {
            board,
            page: None,
            token,
        }
    }

    /// The page, too.
    pub fn with_page(self, broker: &BrokerInfo) -> Self {
        Self {
            page: Some(to_json(broker)),
            ..self
        }
    }

    /// Serves to whom comes.
    pub fn serve(self, listener: TcpListener) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::new(self))))
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
                            warn!("cannot serve metrics at {address}: {error}; it is tried again");
                        }
                        sleep(AGAIN).await;
                    }
                }
            };
            // Any free one may have been asked for.
            let address = listener.local_addr().unwrap_or(address);
            info!("metrics at http://{address}/metrics");
            accept(listener, Arc::new(self)).await;
        }))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        if method != Method::GET && method != Method::HEAD {
            let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if !self.lets_in(request.headers()) {
            let mut response = said(StatusCode::UNAUTHORIZED, "a token is needed");
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        let mut response = match path {
            "/metrics" => self.metrics().await,
            "/healthz" => self.health(),
            _ => match self
                .page
                .as_ref()
                .and_then(|broker| page::find(path, broker))
            {
                Some((kind, body)) => respond(StatusCode::OK, kind, body),
                None => said(StatusCode::NOT_FOUND, "no such page"),
            },
        };
        if method == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // In a time that tells nothing of how much of it was right.
        shown.is_some_and(|shown| shown.ct_eq(token.expose().as_bytes()).into())
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let stored = self.board.stored_within(PATIENCE).await;
        let text = metrics::text(&self.board, stored.as_ref());
        respond(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
    }

    fn health(&self) -> Response<Full<Bytes>> {
        match self.board.pulses.hung(longest_silence()) {
            None => said(StatusCode::OK, "ok"),
            Some((stage, silence)) => {
                let (stage, seconds) = (stage.name(), silence.as_secs());
                let what = format!("the {stage} has not stirred for {seconds} s");
                said(StatusCode::SERVICE_UNAVAILABLE, &what)
            }
        }
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let permit = Arc::clone(&room)
            .acquire_owned()
            .await
            .expect("nobody closes this semaphore");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, or a client that was gone before it was let in.
            Err(error) => {
                debug!("a request could not be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let site = Arc::clone(&site);
                async move { Ok::<_, Infallible>(site.answer(request).await) }
            });
            // The timer ends connections that never finish their request.
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            if let Ok(Err(error)) = timeout(CONNECTION, served).await {
                debug!("a request ended: {error}");
            }
            drop(permit);
        });
    }
}

fn said(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    respond(status, TEXT, format!("{words}\n").into())
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Another version of the program may stand at this address tomorrow.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
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
