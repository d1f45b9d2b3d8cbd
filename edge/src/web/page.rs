//! The live page: a few files inside the program, and where the page finds its broker.

use bytes::Bytes;
use include_dir::{Dir, include_dir};
use serde::Serialize;
use smearscope_common::topic::DeviceId;

static PAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/web/dist");

/// `broker.json`: what the page has to know.
#[derive(Serialize)]
pub struct BrokerInfo {
    /// The broker's WebSocket; `null` when a browser can't reach one.
    pub url: Option<String>,
    /// The board to show.
    pub device: DeviceId,
}

/// Type and content of what stands at a path; `broker` is [`BrokerInfo`] as JSON.
pub fn find(path: &str, broker: &Bytes) -> Option<(&'static str, Bytes)> {
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

    fn kind(path: &str) -> Option<&'static str> {
        find(path, &Bytes::from_static(b"{}")).map(|(kind, _)| kind)
    }

    #[test]
    fn the_page_its_files_and_the_broker_are_found() {
        assert_eq!(kind("/"), Some("text/html; charset=utf-8"));
        assert!(kind("/index.html").is_some());
        assert_eq!(kind("/broker.json"), Some("application/json"));
        for file in all_files(&PAGE) {
            let path = file.path().to_str().unwrap();
            let kind = kind(&format!("/{path}")).unwrap();
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
            assert_eq!(kind(path), None, "{path}");
        }
    }
}
