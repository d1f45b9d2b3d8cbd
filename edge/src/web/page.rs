//! The page's files, inside the program.

use std::io::Read;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use include_dir::{Dir, include_dir};
use serde::Serialize;
use smearscope_common::topic::DeviceId;

use super::say;

/// Packed by `build.rs`.
static PAGE: Dir = include_dir!("$OUT_DIR/page");

/// `broker.json`: what the page has to know.
#[derive(Serialize)]
pub struct BrokerInfo {
    /// The broker's WebSocket, or the path of one at the page's own address; `null` when a browser can't reach one.
    pub url: Option<String>,
    /// The board to show.
    pub device: DeviceId,
    /// Whether reports of slides are beside the page.
    pub reports: bool,
    /// Whether one has to sign in, and so can sign out.
    pub login: bool,
}

/// A file of the page.
pub async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let Some((kind, packed)) = find(uri.path()) else {
        return say(StatusCode::NOT_FOUND, "no such page");
    };
    let tag = format!("\"{:08x}\"", crc32c::crc32c(packed));
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        let no_cache = [(CACHE_CONTROL, "no-cache")];
        return (StatusCode::NOT_MODIFIED, no_cache).into_response();
    }
    let takes_packed = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|one| one.trim().starts_with("gzip")));
    let mut response = Response::new(match takes_packed {
        true => Body::from(Bytes::from_static(packed)),
        false => Body::from(unpacked(packed)),
    });
    let told = response.headers_mut();
    if takes_packed {
        told.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    told.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // Another version of the program may stand at this address tomorrow.
    told.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    told.insert(
        ETAG,
        HeaderValue::try_from(tag).expect("hexadecimal digits in quotes"),
    );
    response
}

/// Type and packed content of what stands at a path. Only what was packed can be found: no path leads elsewhere.
fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    let path = match path.strip_prefix('/')? {
        "" => "index.html",
        other => other,
    };
    let file = PAGE.get_file(path)?;
    Some((content_type(path), file.contents()))
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .expect("the program's own file was packed by its build");
    bytes
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        Some("md" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What the page to sign in at says, in English and in French.
pub type Said = (&'static str, &'static str);

/// The page to sign in at: the one thing that who is not signed in sees.
pub fn sign_in(said: Option<Said>) -> Response {
    let said = said.map_or_else(String::new, |(english, french)| {
        format!(
            "<p class=\"said\" role=\"alert\">{english} <span lang=\"fr\">/ {french}</span></p>"
        )
    });
    let html = include_str!("login.html").replace("<!-- said -->", &said);
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// The style of [`sign_in`].
pub async fn style() -> Response {
    let css = include_str!("login.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_files<'d>(dir: &'d Dir<'d>) -> Vec<&'d include_dir::File<'d>> {
        let below = dir.dirs().flat_map(|dir| all_files(dir));
        dir.files().chain(below).collect()
    }

    #[test]
    fn the_page_and_its_files_are_found_as_they_were_built() {
        assert_eq!(find("/").unwrap().0, "text/html; charset=utf-8");
        assert!(find("/index.html").is_some());
        for file in all_files(&PAGE) {
            let path = file.path().to_str().unwrap();
            let (kind, packed) = find(&format!("/{path}")).unwrap();
            assert_ne!(kind, "application/octet-stream", "{path} has no type");
            let built = format!("{}/web/dist/{path}", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(unpacked(packed), std::fs::read(built).unwrap(), "{path}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for path in [
            "",
            "/no",
            "/../Cargo.toml",
            "/..%2fCargo.toml",
            "//etc/passwd",
            "/assets",
            "/assets/../index.html",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
