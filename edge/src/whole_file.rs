//! Files that are whole or not there, even after a cut of the power.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use crate::failpoint;

/// Writes a file beside its place and moves it there; what was there is replaced. For the owner's eyes only.
///
/// # Errors
/// When it can't be written; then its place is as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    give_to_owner_of(folder, &file)?;
    file.write_all(bytes)?;
    failpoint::hit("file.written");
    file.sync_all()?;
    fs::rename(&beside, path)?;
    failpoint::hit("file.renamed");
    File::open(folder)?.sync_all()
}

/// What root makes in a service's folder must stay the service's to read.
///
/// # Errors
/// When root itself may not.
pub fn give_to_owner_of(folder: &Path, file: &File) -> io::Result<()> {
    let (theirs, ours) = (fs::metadata(folder)?, file.metadata()?);
    if rustix::process::geteuid().is_root() && theirs.uid() != ours.uid() {
        fchown(file, Some(theirs.uid()), Some(theirs.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_its_owners_alone() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("a.json");
        write(&path, b"before").unwrap();
        write(&path, b"now").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"now");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("no/such/folder"), b"").is_err());
    }
}
