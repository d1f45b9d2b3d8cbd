//! A slide: the fields that are counted together.

use jiff::Timestamp;
use smearscope_common::message::{SlideMessage, SlideState};
use smearscope_common::parasitemia::Counts;
use smearscope_common::topic::DeviceId;
use uuid::Uuid;

/// What all slides of a board go by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The board.
    pub device: DeviceId,
    /// How many cells make a count sufficient.
    pub cells_needed: u64,
}

/// A slide with its count. Once closed it takes no more fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Which slide it is.
    pub id: Uuid,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How many fields joined it.
    pub fields: u64,
    /// Their cells.
    pub counts: Counts,
}

impl Slide {
    /// An empty slide, begun now.
    pub fn new(id: Uuid) -> Self {
        Self {
            id,
            started_at: Timestamp::now(),
            closed_at: None,
            fields: 0,
            counts: Counts::default(),
        }
    }

    /// Whether fields may join.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Adds a field.
    pub fn add(&mut self, field: Counts) {
        self.fields += 1;
        self.counts += field;
    }

    /// The same slide, closed now.
    pub fn closed(mut self) -> Self {
        self.closed_at = Some(Timestamp::now());
        self
    }

    /// What is published of it.
    pub fn message(&self, rules: &Rules) -> SlideMessage {
        SlideMessage {
            schema: SlideMessage::SCHEMA.into(),
            id: self.id,
            device: rules.device.clone(),
            started_at: self.started_at,
            fields: self.fields,
            counts: self.counts,
            parasitemia: self.counts.parasitemia(),
            interval: "wilson".into(),
            cells_needed: rules.cells_needed,
            state: if self.counts.cells >= rules.cells_needed {
                SlideState::Sufficient
            } else {
                SlideState::Insufficient
            },
            closed_at: self.closed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds_up_and_becomes_sufficient_at_the_cell_that_was_asked_for() {
        let rules = Rules {
            device: "lab".parse().unwrap(),
            cells_needed: 100,
        };
        let mut slide = Slide::new(Uuid::from_u128(1));
        let mut add = |cells, parasitized| {
            slide.add(Counts { cells, parasitized });
            slide.message(&rules)
        };
        let empty = add(0, 0);
        assert_eq!(
            (empty.parasitemia, empty.state),
            (None, SlideState::Insufficient)
        );
        assert_eq!(add(99, 3).state, SlideState::Insufficient);
        let enough = add(1, 1);
        assert_eq!(enough.state, SlideState::Sufficient);
        assert_eq!(
            (enough.fields, enough.counts),
            (
                3,
                Counts {
                    cells: 100,
                    parasitized: 4
                }
            )
        );
        let parasitemia = enough.parasitemia.unwrap();
        assert_eq!(parasitemia.percent, 4.0);
        assert!(parasitemia.low < 4.0 && parasitemia.high > 4.0);
        assert!(enough.closed_at.is_none());
        let closed = slide.closed();
        assert!(!closed.is_open() && closed.message(&rules).closed_at.is_some());
    }
}
