//! The chunks of a model on their way: each a file of its own, so that what has arrived stays, whatever happens.
//!
//! Chunks count from 0 and come in any order; how long each is, is the sender's to choose, up to [`MAX_CHUNK`]. The model is
//! whole when the chunks without a gap have as many bytes as were announced. Nothing here is trusted: what it comes to is
//! held against its hash and its signature.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use smearscope_common::message::MAX_CHUNK;

use super::check::Refusal;
use crate::whole_file;

/// How many chunks are asked for at once: enough to fill the way, few enough to leave room for results.
const WINDOW: u32 = 4;
/// The most chunks of a model: those of a sender who sends a byte in each would fill the disk with names.
const MOST: u32 = 16384;

/// What has arrived of a model.
#[derive(Debug)]
pub struct Chunks {
    folder: PathBuf,
    size: u64,
    /// The lengths of those that are here.
    here: BTreeMap<u32, u64>,
}

impl Chunks {
    /// What has arrived before in `folder`, which is made where it is missing, of a model of `size` bytes.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn open(folder: PathBuf, size: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut here = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let length = entry.metadata()?.len();
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.parse().ok());
            match number {
                Some(number) if is_possible(number, length) => {
                    here.insert(number, length);
                }
                // Half of a chunk, when the power went.
                _ => fs::remove_file(entry.path())?,
            }
        }
        Ok(Self { folder, size, here })
    }

    /// Keeps a chunk. One that is here already, or that can't be, changes nothing; nor does one behind a gap that has no room:
    /// a broker may still keep the end of an upload in shorter chunks.
    ///
    /// # Errors
    /// [`Refusal::Endless`] when there are more bytes than were announced, [`Refusal::Disk`] when it can't be written.
    pub fn accept(&mut self, number: u32, bytes: &[u8]) -> Result<(), Refusal> {
        let length = bytes.len() as u64;
        if !is_possible(number, length) || self.here.contains_key(&number) {
            return Ok(());
        }
        let before: Vec<u64> = self
            .here
            .range(..number)
            .map(|(_, length)| *length)
            .collect();
        let has_gap = before.len() as u64 != u64::from(number);
        if number >= MOST || !has_gap && before.iter().sum::<u64>() + length > self.size {
            return Err(Refusal::Endless(self.size));
        }
        while self.received() + length > self.size {
            // Only what lies behind this one can be too much now, or the chunk itself.
            match self.here.last_key_value() {
                Some((&last, _)) if last > number => {
                    fs::remove_file(self.folder.join(last.to_string()))?;
                    self.here.remove(&last);
                }
                _ => return Ok(()),
            }
        }
        whole_file::write(&self.folder.join(number.to_string()), bytes)?;
        self.here.insert(number, length);
        Ok(())
    }

    /// Bytes that are here.
    pub fn received(&self) -> u64 {
        self.here.values().sum()
    }

    /// The chunks to ask for next; none when the model is whole.
    pub fn wanted(&self) -> Vec<u32> {
        if self.is_whole() {
            return Vec::new();
        }
        (0..MOST)
            .filter(|number| !self.here.contains_key(number))
            .take(WINDOW as usize)
            .collect()
    }

    /// The whole model, or `None` as long as there is a gap.
    ///
    /// # Errors
    /// When a chunk can't be read.
    pub fn whole(&self) -> io::Result<Option<Vec<u8>>> {
        if !self.is_whole() {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        for number in self.here.keys() {
            whole.extend(fs::read(self.folder.join(number.to_string()))?);
        }
        Ok(Some(whole))
    }

    /// Forgets all of it.
    pub fn clear(&mut self) -> io::Result<()> {
        self.here.clear();
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn is_whole(&self) -> bool {
        let has_no_gap = self.here.keys().copied().eq(0..self.here.len() as u32);
        has_no_gap && self.received() == self.size
    }
}

/// Whether a chunk can have this number and length.
fn is_possible(number: u32, length: u64) -> bool {
    number < u32::MAX && (1..=MAX_CHUNK as u64).contains(&length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    #[test]
    fn what_has_arrived_stays_and_a_half_written_chunk_does_not() {
        let dir = TempDir::new().unwrap();
        let folder = dir.path().join("new/incoming");
        let mut chunks = Chunks::open(folder.clone(), 10).unwrap();
        assert_eq!(chunks.wanted(), [0, 1, 2, 3]);
        chunks.accept(1, b"4567").unwrap();
        assert_eq!((chunks.received(), chunks.wanted()[0]), (4, 0));
        fs::write(folder.join("2.new"), "8").unwrap();
        fs::write(folder.join("7"), "").unwrap();
        let mut again = Chunks::open(folder.clone(), 10).unwrap();
        assert_eq!(again.received(), 4);
        again.accept(0, b"0123").unwrap();
        assert_eq!(again.whole().unwrap(), None);
        again.accept(2, b"89").unwrap();
        assert!(again.wanted().is_empty());
        assert_eq!(again.whole().unwrap().unwrap(), b"0123456789");
        again.clear().unwrap();
        assert!(!folder.exists());
        again.clear().unwrap();
    }

    #[test]
    fn more_than_was_announced_is_refused_and_odd_chunks_change_nothing() {
        let dir = TempDir::new().unwrap();
        let mut chunks = Chunks::open(dir.path().into(), 10).unwrap();
        chunks.accept(0, b"").unwrap();
        chunks.accept(0, &vec![0; MAX_CHUNK + 1]).unwrap();
        assert_eq!(chunks.received(), 0);
        chunks.accept(0, b"12345678").unwrap();
        chunks.accept(0, b"other").unwrap();
        let refused = chunks.accept(1, b"901").unwrap_err();
        assert!(matches!(refused, Refusal::Endless(10)), "{refused}");
        assert!(chunks.accept(MOST, b"9").is_err());
    }

    #[test]
    fn the_end_of_an_upload_in_shorter_chunks_is_in_nobodys_way() {
        let dir = TempDir::new().unwrap();
        let mut chunks = Chunks::open(dir.path().into(), 10).unwrap();
        for (number, bytes) in [(3, "stale"), (2, "old"), (0, "01234"), (1, "56789")] {
            chunks.accept(number, bytes.as_bytes()).unwrap();
            assert!(chunks.received() <= 10);
        }
        assert_eq!(chunks.whole().unwrap().unwrap(), b"0123456789");
        let mut chunks = Chunks::open(dir.path().join("other"), 4).unwrap();
        chunks.accept(0, b"012").unwrap();
        chunks.accept(2, b"stale").unwrap();
        assert_eq!((chunks.received(), chunks.wanted()[0]), (3, 1));
        chunks.accept(1, b"3").unwrap();
        assert_eq!(chunks.whole().unwrap().unwrap(), b"0123");
    }

    proptest! {
        #[test]
        fn chunks_of_any_length_in_any_order_are_the_model(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 1..12),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let dir = TempDir::new().unwrap();
            let size = parts.iter().map(Vec::len).sum::<usize>() as u64;
            let mut chunks = Chunks::open(dir.path().into(), size).unwrap();
            for index in order {
                let number = index.index(parts.len());
                chunks.accept(number as u32, &parts[number]).unwrap();
            }
            let mut asked = 0;
            while let Some(&next) = chunks.wanted().first() {
                prop_assert!(asked < parts.len());
                asked += 1;
                chunks.accept(next, &parts[next as usize]).unwrap();
            }
            prop_assert_eq!(chunks.whole().unwrap().unwrap(), parts.concat());
        }
    }
}
