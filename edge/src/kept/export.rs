//! Kept cells for the workstation, page by page: each is a tar archive of three files for each cell, as
//! [`smearscope_common::exported`] says. Nothing of it names a patient or a reviewer.

use smearscope_common::exported::{ExportedCell, Part};
use smearscope_common::topic::DeviceId;
use tar::{Builder, Header};
use uuid::Uuid;

use super::{KeptCells, KeptError};

/// A page ends when it has so many bytes: it must go over a slow line before the server hangs up.
const PAGE: usize = 1 << 20;

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
        if !self.is_on() {
            return Err(KeptError::Off);
        }
        let pseudonyms = self.pseudonyms()?;
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
