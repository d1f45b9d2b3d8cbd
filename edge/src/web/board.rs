//! What a board tells over HTTP: figures, health, the last field, the reports of its slides, and kept cells.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use smearscope_common::image::encode_jpeg;
use smearscope_common::message::SlideId;
use tokio::task::spawn_blocking;

use super::{PATIENCE, Site, say};
use crate::kept::{KeptError, Page};
use crate::metrics;
use crate::supervisor::longest_silence;

/// Quality of the field's JPEG.
const QUALITY: u8 = 85;
/// A report is one file: its style and its pictures are in it, and nothing of it runs.
const REPORT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/// The figures, for Prometheus.
pub async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let stored = site.board.stored_within(PATIENCE).await;
    let text = metrics::text(&site.board, stored.as_ref());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Whether every stage stirs.
pub async fn health(State(site): State<Arc<Site>>) -> Response {
    match site.board.pulses.hung(longest_silence()) {
        None => say(StatusCode::OK, "ok"),
        Some((stage, silence)) => {
            let (stage, seconds) = (stage.name(), silence.as_secs());
            let what = format!("the {stage} has not stirred for {seconds} s");
            say(StatusCode::SERVICE_UNAVAILABLE, &what)
        }
    }
}

/// The picture of the field that was analysed last.
pub async fn field(State(site): State<Arc<Site>>) -> Response {
    let Some(field) = site.board.control.last_field() else {
        return say(StatusCode::NOT_FOUND, "no field was analysed yet");
    };
    let id = field.id.to_string();
    match spawn_blocking(move || encode_jpeg(&field.image, QUALITY)).await {
        Ok(Ok(jpeg)) => {
            let headers = [("content-type", "image/jpeg"), ("x-field-id", &id)];
            (headers, jpeg).into_response()
        }
        _ => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the picture can't be encoded",
        ),
    }
}

/// Behind which cell a page begins.
#[derive(Deserialize)]
pub struct After {
    #[serde(default)]
    after: i64,
}

/// Kept cells for the workstation, a page of them: `x-next` says behind which cell the next one begins, if there is one.
pub async fn cells(
    State(site): State<Arc<Site>>,
    Query(After { after }): Query<After>,
) -> Response {
    let board = Arc::clone(&site.board);
    let page = spawn_blocking(move || board.kept.export(&board.device, after)).await;
    match page {
        Ok(Ok(Page { tar, next })) => {
            let mut response = ([(CONTENT_TYPE, "application/x-tar")], tar).into_response();
            if let Some(next) = next {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static("x-next"), HeaderValue::from(next));
            }
            response
        }
        Ok(Err(KeptError::Off)) => say(StatusCode::NOT_FOUND, &KeptError::Off.to_string()),
        Ok(Err(error)) => say(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the cells can't be packed",
        ),
    }
}

/// A slide that has a report.
#[derive(Serialize)]
struct Reported {
    id: String,
    /// Of the page and of the JSON, from here.
    html: String,
    json: String,
}

/// Which slides have a report, the newest first.
pub async fn reports(State(site): State<Arc<Site>>) -> Response {
    let Some(folder) = site.reports.clone() else {
        return say(StatusCode::NOT_FOUND, "no reports are kept here");
    };
    let listed = spawn_blocking(move || list(folder))
        .await
        .unwrap_or_default();
    Json(listed).into_response()
}

fn list(folder: PathBuf) -> Vec<Reported> {
    let mut found: Vec<(std::time::SystemTime, String)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let id: SlideId = name.strip_suffix(".html")?.parse().ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, id.to_string()))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    let reported = |(_, id): (_, String)| Reported {
        html: format!("{id}.html"),
        json: format!("{id}.json"),
        id,
    };
    found.into_iter().map(reported).collect()
}

/// A report's file: `<slide>.html` or `<slide>.json`. The name of a slide can be no path.
pub async fn report(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    let nothing = || say(StatusCode::NOT_FOUND, "there is no such report");
    let Some((folder, (slide, ending))) = site.reports.as_ref().zip(name.rsplit_once('.')) else {
        return nothing();
    };
    let kind = match ending {
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        _ => return nothing(),
    };
    let Ok(slide) = slide.parse::<SlideId>() else {
        return nothing();
    };
    let path = folder.join(format!("{slide}.{ending}"));
    match spawn_blocking(|| std::fs::read(path)).await {
        Ok(Ok(bytes)) => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(kind)),
                (
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(REPORT_POLICY),
                ),
            ];
            (headers, bytes).into_response()
        }
        _ => nothing(),
    }
}
