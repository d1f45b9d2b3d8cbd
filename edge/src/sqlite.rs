//! What all databases of a board have in common: how their files are made, opened, and set aside when they are damaged.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, Transaction};

/// How long another process may still hold the file, such as one that is being killed.
const BUSY: Duration = Duration::from_secs(5);

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another process has it.
    #[error("another program uses it")]
    InUse,
    /// Its bytes are no database any more.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// It can't be read or written now.
    #[error("{0}")]
    Unusable(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Our statements are always the same: one that doesn't fit the tables (`Unknown` is SQLITE_ERROR), or is kept
            // from a row by another, has met what we never made.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::Unknown
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch,
            ) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(_) => Self::Unusable(error.to_string()),
            // No error of SQLite's, but of what we found in it: a missing row, a text for a number.
            None => Self::Damaged(error.to_string()),
        }
    }
}

/// Makes the file of a database and the folder that it is in, where they are not there yet: for the owner's eyes only.
///
/// # Errors
/// When that can't be done.
pub fn private_file(path: &Path) -> Result<(), Trouble> {
    let cannot = |error: std::io::Error| Trouble::Unusable(error.to_string());
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(cannot)?;
    }
    // Made by us and not by SQLite, so that nobody else can read what was found in someone's blood.
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(error)),
        _ => {}
    }
    Ok(())
}

/// How every connection works.
///
/// # Errors
/// When the file can't be used.
pub fn set_up(connection: &Connection) -> Result<(), Trouble> {
    connection.busy_timeout(BUSY)?;
    // Exclusive: one daemon for a store, and no file of shared memory beside it.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(())
}

/// Makes the tables of a database that has none yet, and tells whether it did; one of another version is left alone.
///
/// # Errors
/// When its version is none that this program reads, or it can't be read or written.
pub fn make_tables(step: &Transaction<'_>, version: i64, tables: &str) -> Result<bool, Trouble> {
    match step.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => {
            step.execute_batch(tables)?;
            step.pragma_update(None, "user_version", version)?;
            Ok(true)
        }
        known if known == version => Ok(false),
        newer => Err(Trouble::Unusable(format!(
            "it is of version {newer}, made by a newer smearscope-edge; this one reads {version}"
        ))),
    }
}

/// Renames a database with the files that belong to it, and gives its new name.
///
/// # Errors
/// When a file can't be renamed.
pub fn set_aside(path: &Path) -> Result<PathBuf, Trouble> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stamp = Timestamp::now().as_second();
    let aside = (0..)
        .map(|n| with(&format!(".damaged-{}", stamp + n)))
        .find(|aside| !aside.exists())
        .expect("some second is free");
    let unusable = |error: std::io::Error| Trouble::Unusable(error.to_string());
    std::fs::rename(path, &aside).map_err(unusable)?;
    for suffix in ["-wal", "-journal"] {
        let mut name = aside.as_os_str().to_owned();
        name.push(suffix);
        if with(suffix).exists() {
            std::fs::rename(with(suffix), name).map_err(unusable)?;
        }
    }
    Ok(aside)
}

/// What is in use of a database's file, in bytes.
///
/// # Errors
/// When the file can't be read.
pub fn used_bytes(connection: &Connection) -> Result<u64, Trouble> {
    Ok(connection
        .prepare_cached(
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )?
        .query_row([], |row| row.get(0))?)
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
