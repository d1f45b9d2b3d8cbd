//! `/mqtt`: the way from the page to the broker inside this program, by the page's own address. So one port, one
//! certificate and one password are enough, and the broker itself can't be reached from elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::copy;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::access::Admission;
use super::{PATIENCE, Site, say};

/// The headers of a WebSocket's handshake that go through.
const HANDSHAKE: [&str; 4] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-accept",
];

/// Joins a client's WebSocket with one to the broker.
pub async fn open(State(site): State<Arc<Site>>, request: Request) -> Response {
    let Some(broker) = site.broker else {
        return say(
            StatusCode::NOT_FOUND,
            "this program has no broker of its own",
        );
    };
    if !request.headers().contains_key(UPGRADE) {
        return say(StatusCode::UPGRADE_REQUIRED, "here is a WebSocket");
    }
    let Ok(permit) = Arc::clone(&site.tunnels).try_acquire_owned() else {
        return say(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open");
    };
    let asked = handshake(request.headers());
    let joined = timeout(PATIENCE, shake_hands(broker, asked)).await;
    let mut theirs = match joined.context("it takes too long").flatten() {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => response,
        Ok(response) => {
            return say(response.status(), "the broker takes no such WebSocket");
        }
        Err(error) => {
            debug!("the embedded broker can't be reached: {error:#}");
            return say(StatusCode::BAD_GATEWAY, "the broker can't be reached");
        }
    };
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    answer.headers_mut().extend(handshake(theirs.headers()));
    let admission = request.extensions().get::<Admission>().cloned();
    let admission = admission.unwrap_or_default();
    tokio::spawn(async move {
        let _permit = permit;
        let joined = async {
            let ours = TokioIo::new(hyper::upgrade::on(request).await?);
            let theirs = TokioIo::new(hyper::upgrade::on(&mut theirs).await?);
            let (mut from_us, mut to_us) = tokio::io::split(ours);
            let (mut from_them, mut to_them) = tokio::io::split(theirs);
            // One side that has ended says that there is nobody to talk to any more.
            tokio::select! {
                copied = copy(&mut from_us, &mut to_them) => copied?,
                copied = copy(&mut from_them, &mut to_us) => copied?,
                () = admission.is_over() => 0,
            };
            anyhow::Ok(())
        };
        if let Err(error) = joined.await {
            debug!("a page's connection to the broker ended: {error:#}");
        }
    });
    answer
}

/// What of a handshake's headers goes through.
fn handshake(headers: &HeaderMap) -> HeaderMap {
    let mut through = HeaderMap::new();
    through.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    through.insert(UPGRADE, HeaderValue::from_static("websocket"));
    for name in HANDSHAKE.map(HeaderName::from_static) {
        if let Some(value) = headers.get(&name) {
            through.insert(name, value.clone());
        }
    }
    through
}

/// Asks the broker for a WebSocket.
async fn shake_hands(
    broker: SocketAddr,
    headers: HeaderMap,
) -> anyhow::Result<hyper::Response<hyper::body::Incoming>> {
    let stream = TcpStream::connect(broker).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let mut ours = hyper::Request::new(Body::empty());
    *ours.uri_mut() = Uri::from_static("/mqtt");
    *ours.headers_mut() = headers;
    ours.headers_mut()
        .insert(HOST, HeaderValue::try_from(broker.to_string())?);
    Ok(sender.send_request(ours).await?)
}
