//! The running count of a slide. A slide begins with the program.

use jiff::Timestamp;
use smearscope_common::message::{SlideMessage, SlideState};
use smearscope_common::parasitemia::Counts;
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

/// Counts fields and cells.
pub struct Slide {
    id: Uuid,
    device: DeviceId,
    cells_needed: u64,
    started_at: Option<Timestamp>,
    fields: u64,
    counts: Counts,
}

impl Slide {
    /// An empty slide.
    pub fn new(device: DeviceId, cells_needed: u64) -> Self {
        Self {
            id: Uuid::now_v7(),
            device,
            cells_needed,
            started_at: None,
            fields: 0,
            counts: Counts::default(),
        }
    }

    /// Which slide it is.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Adds a field and gives the new state of the count.
    pub fn add(&mut self, captured_at: Timestamp, field: Counts) -> SlideMessage {
        let started_at = *self.started_at.get_or_insert(captured_at);
        self.fields += 1;
        self.counts += field;
        SlideMessage {
            schema: SlideMessage::SCHEMA.into(),
            id: self.id,
            device: self.device.clone(),
            started_at,
            fields: self.fields,
            counts: self.counts,
            parasitemia: self.counts.parasitemia(),
            interval: "wilson".into(),
            cells_needed: self.cells_needed,
            state: if self.counts.cells >= self.cells_needed {
                SlideState::Sufficient
            } else {
                SlideState::Insufficient
            },
            closed_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds_up_and_becomes_sufficient_at_the_cell_that_was_asked_for() {
        let mut slide = Slide::new("lab".parse().unwrap(), 100);
        let second = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
        let field = |cells, parasitized| Counts { cells, parasitized };

        let empty = slide.add(Timestamp::UNIX_EPOCH, field(0, 0));
        assert_eq!(
            (empty.parasitemia, empty.state),
            (None, SlideState::Insufficient)
        );
        let almost = slide.add(second, field(99, 3));
        assert_eq!(almost.state, SlideState::Insufficient);
        let enough = slide.add(second, field(1, 1));
        assert_eq!(enough.state, SlideState::Sufficient);
        assert_eq!((enough.fields, enough.counts), (3, field(100, 4)));
        assert_eq!(enough.started_at, Timestamp::UNIX_EPOCH);
        let parasitemia = enough.parasitemia.unwrap();
        assert_eq!(parasitemia.percent, 4.0);
        assert!(parasitemia.low < 4.0 && parasitemia.high > 4.0);
    }
}
