//! `schema`: the wire format for programs, made of the types that the wire is written with.

mod asyncapi;
mod commands;
mod json;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::cli::SchemaArgs;

/// A file below the folder that is written to.
struct Document {
    path: String,
    text: String,
}

/// `schema`.
///
/// # Errors
/// When the folder can't be written.
pub fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for path in write_all(&args.out)? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// Writes every document, and says where.
fn write_all(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let write = |document: Document| {
        let path = folder.join(document.path);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, document.text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    };
    documents().into_iter().map(write).collect()
}

fn documents() -> Vec<Document> {
    let schemas = json::schemas()
        .into_iter()
        .map(|(name, schema)| (json::path(name), schema));
    schemas
        .chain([("asyncapi.json".to_owned(), asyncapi::document())])
        .map(|(path, value)| Document {
            path,
            text: text(value),
        })
        .collect()
}

/// The same text for the same value, however serde_json was built.
fn text(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn kept() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wire")
    }

    #[test]
    fn what_is_kept_in_the_repository_is_what_the_program_writes() {
        let remedy = "after a wanted change of the wire: `smearscope-edge schema --out docs/wire`";
        let mut written = BTreeSet::new();
        for document in documents() {
            let there = fs::read_to_string(kept().join(&document.path)).unwrap_or_default();
            assert!(
                there == document.text,
                "docs/wire/{} differs; {remedy}",
                document.path
            );
            written.insert(document.path);
        }
        for file in fs::read_dir(kept().join("schemas")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(
                written.contains(&format!("schemas/{name}")),
                "docs/wire/schemas/{name} is of no message: delete it"
            );
        }
    }

    #[test]
    fn every_document_is_written_into_a_new_folder() {
        let dir = tempfile::TempDir::new().unwrap();
        let out = dir.path().join("new/folder");
        assert_eq!(write_all(&out).unwrap().len(), documents().len());
        for document in documents() {
            assert_eq!(
                fs::read_to_string(out.join(&document.path)).unwrap(),
                document.text
            );
        }
        let file = out.join("asyncapi.json");
        let error = write_all(&file).unwrap_err();
        assert!(format!("{error:#}").contains(&file.display().to_string()));
    }
}
