//! The live page: a few files inside the program, and where the page finds its broker.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use include_dir::{Dir, include_dir};
use serde::Serialize;
use smearscope_common::topic::DeviceId;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::exit::bad_input;
use crate::mqtt::to_json;

static PAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/web/dist");

/// `broker.json`: what the page has to know.
#[derive(Serialize)]
pub struct BrokerInfo {
    /// The broker's WebSocket; `null` when a browser can't reach one.
    pub url: Option<String>,
    /// The board to show.
    pub device: DeviceId,
}

/// A running web server; it ends with this value.
pub struct WebServer {
    /// Where it listens.
    pub address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

impl WebServer {
    /// Serves the page.
    ///
    /// # Errors
    /// Bad input, when the address can't be listened at.
    pub async fn start(address: SocketAddr, broker: &BrokerInfo) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            bad_input(format!(
                "cannot serve the page at {address} ({error}); \
                 name another address with --http, such as --http 127.0.0.1:0 for any free port"
            ))
        })?;
        let address = listener
            .local_addr()
            .context("cannot tell the page's address")?;
        let server = tokio::spawn(serve(listener, to_json(broker)));
        Ok(Self {
            address,
            _server: AbortOnDropHandle::new(server),
        })
    }
}

async fn serve(listener: TcpListener, broker: Bytes) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, or a client that was gone before it was let in.
            Err(error) => {
                debug!("a page request could not be accepted: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let broker = broker.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let response = answer(&request, &broker);
                async { Ok::<_, Infallible>(response) }
            });
            // The timer ends connections that never finish their request.
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            if let Err(error) = served {
                debug!("a page request ended: {error}");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, broker: &Bytes) -> Response<Full<Bytes>> {
    respond(request.method(), request.uri().path(), broker)
}

fn respond(method: &Method, path: &str, broker: &Bytes) -> Response<Full<Bytes>> {
    let (status, kind, body) = if method != Method::GET && method != Method::HEAD {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            Bytes::from_static(b"only GET and HEAD\n"),
        )
    } else {
        find(path, broker).map_or_else(
            || {
                (
                    StatusCode::NOT_FOUND,
                    "text/plain",
                    Bytes::from_static(b"no such page\n"),
                )
            },
            |(kind, body)| (StatusCode::OK, kind, body),
        )
    };
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        body
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Another version of the program may stand at this address tomorrow.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Type and content of what stands at a path.
fn find(path: &str, broker: &Bytes) -> Option<(&'static str, Bytes)> {
    let path = match path.trim_start_matches('/') {
        "" => "index.html",
        "broker.json" => return Some(("application/json", broker.clone())),
        other => other,
    };
    let file = PAGE.get_file(path)?;
    Some((content_type(path), Bytes::from_static(file.contents())))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        Some("md" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_files<'d>(dir: &'d Dir<'d>) -> Vec<&'d include_dir::File<'d>> {
        let below = dir.dirs().flat_map(|dir| all_files(dir));
        dir.files().chain(below).collect()
    }

    fn get(path: &str) -> (StatusCode, String) {
        let response = respond(&Method::GET, path, &Bytes::from_static(b"{}"));
        let kind = response.headers()[CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        (response.status(), kind)
    }

    #[test]
    fn the_page_its_files_and_the_broker_are_found() {
        assert_eq!(
            get("/"),
            (StatusCode::OK, "text/html; charset=utf-8".into())
        );
        assert_eq!(get("/index.html").0, StatusCode::OK);
        assert_eq!(
            get("/broker.json"),
            (StatusCode::OK, "application/json".into())
        );
        for file in all_files(&PAGE) {
            let path = file.path().to_str().unwrap();
            let (status, kind) = get(&format!("/{path}"));
            assert_eq!(status, StatusCode::OK);
            assert_ne!(kind, "application/octet-stream", "{path} has no type");
        }
    }

    #[test]
    fn nothing_else_is() {
        for path in [
            "/no",
            "/../Cargo.toml",
            "/..%2fCargo.toml",
            "//etc/passwd",
            "/assets",
        ] {
            assert_eq!(get(path).0, StatusCode::NOT_FOUND, "{path}");
        }
        let post = respond(&Method::POST, "/", &Bytes::new());
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
