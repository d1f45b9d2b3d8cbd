//! `fetch`: pretrained weights and the NIH data from their public addresses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use regex::Regex;
use serde_json::{Value, json};
use ureq::Proxy;

use crate::dataset::Dataset;
use crate::densenet::Architecture;
use crate::download::{Downloader, Wanted};
use crate::error::bad_input;
use crate::say::say;
use crate::weights;

/// 27,558 crops of thin smears of 200 people (Rajaraman et al. 2018, doi:10.7717/peerj.4568).
const NIH_DATA: &str = "https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip";

/// Wait after the first failed attempt.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What can be fetched.
#[derive(Debug, Subcommand)]
pub enum Fetch {
    /// Weights learned on ImageNet, to start a training from. The file is checked at once.
    #[command(
        after_help = "Examples:\n  smearscope-train fetch weights densenet121\n  \
        smearscope-train train cell_images.zip --out run --weights densenet121-a639ec97.pth\n\n\
        Goes on where an earlier call stopped. A proxy is taken from HTTPS_PROXY or ALL_PROXY."
    )]
    Weights {
        /// densenet121, densenet161, densenet169 or densenet201.
        arch: Architecture,
        /// From where to where.
        #[command(flatten)]
        source: Source,
    },
    /// The NIH malaria crops: 27,558 cells of 200 people, about 350 MB.
    #[command(
        after_help = "Example: smearscope-train fetch data --out cell_images.zip\n\n\
        Goes on where an earlier call stopped. A proxy is taken from HTTPS_PROXY or ALL_PROXY."
    )]
    Data {
        /// From where to where.
        #[command(flatten)]
        source: Source,
    },
}

/// From where to where.
#[derive(Debug, Args)]
pub struct Source {
    /// The file to make; by default named as on the server, in this folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Another address than the public one.
    #[arg(long)]
    url: Option<String>,
    /// What the file's SHA-256 must begin with (8 hex digits or more); by default what its name
    /// says, as in densenet121-a639ec97.pth.
    #[arg(long, value_name = "HEX", value_parser = hex_digits)]
    sha256: Option<String>,
    /// One line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

fn hex_digits(text: &str) -> Result<String, String> {
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex && (8..=64).contains(&text.len()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("give 8 to 64 hex digits".into())
    }
}

/// torchvision's published file; the hex digits are the start of its SHA-256.
fn published(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::DenseNet121 => "https://download.pytorch.org/models/densenet121-a639ec97.pth",
        Architecture::DenseNet161 => "https://download.pytorch.org/models/densenet161-8d451a50.pth",
        Architecture::DenseNet169 => "https://download.pytorch.org/models/densenet169-b2777c0a.pth",
        Architecture::DenseNet201 => "https://download.pytorch.org/models/densenet201-c1103571.pth",
    }
}

/// Carries out `fetch`.
///
/// # Errors
/// The file can't be had, or is not what was asked for.
pub fn run(what: &Fetch) -> Result<()> {
    match what {
        Fetch::Weights { arch, source } => {
            let fits = |path: &Path| weights::read(path)?.fit(*arch);
            get(
                source,
                published(*arch),
                fits,
                json!({"architecture": arch}),
            )
        }
        Fetch::Data { source } => get(source, NIH_DATA, is_data, json!({})),
    }
}

/// Whether a file is a zip of class folders. Whose cells they are is `inspect`'s business.
fn is_data(path: &Path) -> Result<()> {
    let anyone = Regex::new(".*")?;
    Dataset::open(path, &anyone)?.parasitized()?;
    Ok(())
}

fn get(
    source: &Source,
    published: &str,
    check: impl Fn(&Path) -> Result<()>,
    mut line: Value,
) -> Result<()> {
    let url = source.url.as_deref().unwrap_or(published);
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(bad_input!(
            "{url}: only http and https addresses can be fetched"
        ));
    }
    let name = file_name(url);
    let out = match (&source.out, name) {
        (Some(out), _) => out.clone(),
        (None, Some(name)) => name.into(),
        (None, None) => return Err(bad_input!("{url}: names no file; say where to with --out")),
    };
    let named = name.and_then(hash_in);
    let wanted = Wanted {
        url,
        out: &out,
        sha256: source.sha256.as_deref().or(named),
    };
    let downloader = Downloader::new(Proxy::try_from_env(), FIRST_WAIT);
    let fetched = downloader.fetch(&wanted, check)?;
    if source.json {
        line["file"] = json!(out);
        line["url"] = json!(url);
        line["bytes"] = json!(fetched.bytes);
        line["sha256"] = json!(fetched.sha256);
        line["fetched"] = json!(fetched.fetched);
        say!("{line}")?;
        return Ok(());
    }
    let how = match (fetched.fetched, wanted.sha256) {
        (false, None) => "was there already",
        (false, Some(_)) => "was there already and is as it should be",
        (true, None) => "fetched; nothing is known to compare its SHA-256 with",
        (true, Some(_)) => "fetched and as it should be",
    };
    say!(
        "{}: {how}; {:.1} MB, SHA-256 {}",
        out.display(),
        fetched.bytes as f64 / 1e6,
        fetched.sha256
    )?;
    Ok(())
}

/// The last part of an address' path.
fn file_name(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    let plain = !matches!(name, "" | "." | "..");
    plain.then_some(name)
}

/// The start of a SHA-256 in a file's name: `densenet121-a639ec97.pth`.
fn hash_in(name: &str) -> Option<&str> {
    let (stem, _) = name.rsplit_once('.')?;
    let (_, hash) = stem.rsplit_once('-')?;
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    ((8..=64).contains(&hash.len()) && hash.bytes().all(lower)).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_file_and_the_file_its_hash() {
        for architecture in Architecture::ALL {
            let name = file_name(published(architecture)).unwrap();
            assert!(name.starts_with(&architecture.to_string()));
            assert_eq!(hash_in(name).unwrap().len(), 8);
        }
        assert_eq!(file_name(NIH_DATA), Some("cell_images.zip"));
        assert_eq!(file_name("http://host/a/b.pth?x=/c#d"), Some("b.pth"));
        assert_eq!(file_name("http://host/a/"), None);
        assert_eq!(file_name("http://host"), None);
        for plain in [
            "cell_images.zip",
            "weights-final.pth",
            "a-1234567.pth",
            "a639ec97",
        ] {
            assert_eq!(hash_in(plain), None, "{plain}");
        }
    }
}
