//! Kept cells for the workstation, page by page: each is a tar archive of three files for each cell, as
//! [`smearscope_common::exported`] says. Nothing of it names a patient or a reviewer.

use std::path::Path;

use rand::RngCore;
use smearscope_common::exported::{ExportedCell, KEY_FILE, Part, Pseudonyms};
use smearscope_common::topic::DeviceId;
use tar::{Builder, Header};
use uuid::Uuid;

use super::{KeptCells, KeptError};
use crate::sqlite::Trouble;
use crate::whole_file;

/// A page ends when it has so many bytes: it must go over a slow line before the server hangs up.
const PAGE: usize = 1 << 20;
/// Bytes of a key that is made up.
const KEY_BYTES: usize = 32;

/// Some of the kept cells.
pub struct Page {
    /// A tar archive.
    pub tar: Vec<u8>,
    /// Behind which cell the next page begins, by its place in the order of keeping; `None` where there is no more.
    pub next: Option<i64>,
}

impl KeptCells {
    /// The cells behind the `after`-th that was ever kept, the oldest first, as many as a page holds.
    ///
    /// # Errors
    /// [`KeptError`]; also when the key of the pseudonyms can be neither read nor made.
    pub fn export(&self, device: &DeviceId, after: i64) -> Result<Page, KeptError> {
        let pseudonyms = self.with(|inner| {
            let found = match (&inner.pseudonyms, &inner.path) {
                (Some(found), _) => found.clone(),
                (None, Some(path)) => read_or_make(&path.with_file_name(KEY_FILE))?,
                (None, None) => Pseudonyms::new(new_key()),
            };
            inner.pseudonyms = Some(found.clone());
            Ok(found)
        })?;
        let mut archive = Builder::new(Vec::new());
        let (mut last, mut bytes) = (after, 0);
        // One at a time, so that keeping and reviewing need not wait for a page.
        while let Some((n, found)) = self.read(|database| database.next_after(last))? {
            last = n;
            if let Some((cell, (picture, mask))) = found {
                bytes += picture.len() + mask.len();
                add(&mut archive, device, pseudonyms.cell(cell), &picture, &mask);
            }
            if bytes >= PAGE {
                break;
            }
        }
        let is_more = bytes >= PAGE;
        let tar = archive
            .into_inner()
            .expect("writing into memory does not fail");
        Ok(Page {
            tar,
            next: is_more.then_some(last),
        })
    }
}

fn add(
    archive: &mut Builder<Vec<u8>>,
    device: &DeviceId,
    cell: smearscope_common::message::KeptCell,
    picture: &[u8],
    mask: &[u8],
) {
    let id: Uuid = cell.id;
    let at = cell.captured_at.as_second();
    let record = ExportedCell::of(device.clone(), cell, picture, mask);
    let record = crate::mqtt::to_json(&record);
    for (part, bytes) in [
        (Part::Record, record.as_ref()),
        (Part::Picture, picture),
        (Part::Mask, mask),
    ] {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(at).unwrap_or_default());
        archive
            .append_data(&mut header, part.name(id), bytes)
            .expect("writing into memory does not fail, and an id is a short name");
    }
}

fn new_key() -> Vec<u8> {
    let mut key = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    hex::encode(key).into_bytes()
}

/// The key of this board's pseudonyms; one that isn't there is made.
fn read_or_make(path: &Path) -> Result<Pseudonyms, Trouble> {
    let cannot = |what: &str, error: std::io::Error| {
        let path = path.display();
        Trouble::Unusable(format!(
            "the key of the pseudonyms, {path}, cannot be {what}: {error}"
        ))
    };
    match std::fs::read(path) {
        Ok(key) if key.trim_ascii().is_empty() => Err(Trouble::Unusable(format!(
            "the key of the pseudonyms, {}, is empty; remove it, and a new one is made: then slides that were exported before \
             get other pseudonyms",
            path.display()
        ))),
        Ok(key) => Ok(Pseudonyms::new(key.trim_ascii())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = new_key();
            whole_file::write(path, &key).map_err(|error| cannot("written", error))?;
            Ok(Pseudonyms::new(key))
        }
        Err(error) => Err(cannot("read", error)),
    }
}
