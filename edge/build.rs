//! Packs the page: the program holds it compressed, as browsers take it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

const PAGE: &str = "web/dist";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={PAGE}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("page");
    // What another page left.
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    pack(Path::new(PAGE), &out)
}

fn pack(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let to = to.join(path.file_name().expect("an entry of a folder has a name"));
        if path.is_dir() {
            pack(&path, &to)?;
        } else {
            let mut packed = GzEncoder::new(File::create(to)?, Compression::best());
            packed.write_all(&fs::read(&path)?)?;
            packed.finish()?;
        }
    }
    Ok(())
}
