//! `fetch` as a user types it, from a server on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use sha2::{Digest, Sha256};
use smearscope_trainer::densenet::Architecture;
use tempfile::TempDir;

use crate::forms::{network, saved};

/// Serves the same bytes at every address; returns where.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap());
            for line in request.lines() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&bytes).unwrap();
        }
    });
    format!("http://{address}")
}

fn fetch(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smearscope-train"));
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
        .env("OMP_NUM_THREADS", "1")
        .current_dir(folder)
        .arg("fetch")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn weights_are_checked_when_they_come() {
    let file = saved(&network(Architecture::DenseNet121, 3), str::to_owned);
    let bytes = file.stream();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let url = format!("{}/densenet121-{}.pth", serve(bytes.clone()), &sha256[..8]);
    let dir = TempDir::new().unwrap();
    let here = dir.path();

    let other = fetch(&["weights", "densenet169", "--url", &url], here);
    let said = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(2), "{said}");
    assert!(said.contains("densenet121, but densenet169"), "{said}");
    assert_eq!(fs::read_dir(here).unwrap().count(), 0, "nothing is left");

    for fetched in [true, false] {
        let output = fetch(&["weights", "densenet121", "--url", &url, "--json"], here);
        assert!(output.status.success(), "{output:?}");
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(line["fetched"], fetched);
        assert_eq!(line["sha256"], sha256);
        assert_eq!(line["architecture"], "densenet121");
        let file = here.join(line["file"].as_str().unwrap());
        assert!(fs::read(file).unwrap() == bytes);
    }
    for refused in [
        ["--url", "ftp://host/file"],
        ["--url", "http://host/"],
        ["--sha256", "xyz"],
    ] {
        let output = fetch(&[&["data"][..], &refused].concat(), here);
        assert_eq!(output.status.code(), Some(2), "{refused:?}: {output:?}");
    }
}

#[test]
fn a_page_instead_of_the_data_is_refused() {
    let url = format!(
        "{}/cells.zip",
        serve(b"<html>please log in</html>".to_vec())
    );
    let dir = TempDir::new().unwrap();
    let output = fetch(&["data", "--url", &url], dir.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("zip"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
