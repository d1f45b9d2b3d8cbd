//! TensorBoard's event files, so that a run can be watched and compared with the tools that people
//! have.
//!
//! The format is a sequence of TFRecords, each a protobuf `Event`. The crates that write it want
//! `protoc` at build time or bring a protobuf with a known vulnerability, so the four messages are
//! declared here for `prost`, which we have anyway.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use prost::Message;

use crate::train::Epoch;

/// TensorFlow's `event.proto`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

/// TFRecords hold a CRC-32C that is rotated and shifted, so that a checksum of data with checksums
/// in it is sound (TensorFlow, `lib/hash/crc32c.h`).
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Names of event files begin with this, by which TensorBoard finds them.
pub const PREFIX: &str = "events.out.tfevents";

/// An event file that grows.
pub struct Events(File);

impl Events {
    /// Begins a new event file in a run folder; TensorBoard reads all that are there.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn open(folder: &Path) -> Result<Self> {
        let now = Timestamp::now();
        let path = folder.join(format!("{PREFIX}.{}.smearscope", now.as_millisecond()));
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut events = Self(file);
        events.append(&Event {
            wall_time: seconds(now),
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        })?;
        Ok(events)
    }

    /// Appends the figures of an epoch.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, epoch: &Epoch) -> Result<()> {
        let figures = [
            ("loss/train", Some(epoch.train_loss)),
            ("loss/validation", Some(epoch.val_loss)),
            ("validation/accuracy", Some(epoch.val_accuracy)),
            ("validation/auc", epoch.val_auc),
            ("rate", Some(epoch.rate)),
            ("images per second", Some(epoch.images_per_s)),
        ];
        let value = figures
            .into_iter()
            .filter_map(|(tag, figure)| {
                Some(Value {
                    tag: tag.into(),
                    simple_value: figure? as f32,
                })
            })
            .collect();
        self.append(&Event {
            wall_time: seconds(Timestamp::now()),
            step: epoch.epoch as i64,
            file_version: None,
            summary: Some(Summary { value }),
        })
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        let body = event.encode_to_vec();
        let length = (body.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(&body);
        record.extend(masked_crc(&body).to_le_bytes());
        self.0
            .write_all(&record)
            .context("cannot write the TensorBoard events")
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, by the format's rules.
    fn read(bytes: &[u8]) -> Vec<Event> {
        let (mut events, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(number(8), masked_crc(&rest[..8]));
            let body = &rest[12..12 + length];
            assert_eq!(number(12 + length), masked_crc(body));
            events.push(Event::decode(body).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn the_checksum_is_tensorflows() {
        // The CRC-32C check value of "123456789" is 0xe3069283 (RFC 3720's polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn an_epoch_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::open(dir.path()).unwrap();
        let epoch = Epoch {
            epoch: 3,
            train_loss: 0.5,
            val_loss: 0.25,
            val_accuracy: 0.75,
            val_auc: None,
            rate: 1e-3,
            images_per_s: 100.0,
            seconds: 1.0,
            best: true,
        };
        events.write(&epoch).unwrap();
        let path = std::fs::read_dir(dir.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        assert!(path.to_string_lossy().contains("tfevents"));
        let read = read(&std::fs::read(path).unwrap());
        assert_eq!(read[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(read[1].step, 3);
        let values = &read[1].summary.as_ref().unwrap().value;
        assert_eq!(
            (values[0].tag.as_str(), values[0].simple_value),
            ("loss/train", 0.5)
        );
        assert_eq!(values.len(), 5, "no AUC with one class");
    }
}
