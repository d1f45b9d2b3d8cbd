//! A retained topic has only a newest value.

use bytes::Bytes;

/// The newest value of a retained topic: an older one needs no delivery.
#[derive(Debug, Default)]
pub(super) struct Newest {
    payload: Option<Bytes>,
    revision: u64,
    offered: u64,
    answered: u64,
    is_refused: bool,
}

impl Newest {
    /// Another value; none where there is none.
    pub(super) fn set(&mut self, payload: Option<Bytes>) {
        if payload.is_some() && payload != self.payload {
            self.payload = payload;
            self.revision += 1;
        }
    }

    /// What is to be offered, if anything.
    pub(super) fn due(&self) -> Option<(u64, &Bytes)> {
        let payload = self.payload.as_ref()?;
        (self.offered < self.revision).then_some((self.revision, payload))
    }

    pub(super) fn offer(&mut self, revision: u64) {
        self.offered = revision;
    }

    pub(super) fn answer(&mut self, revision: u64) {
        self.answered = self.answered.max(revision);
        self.is_refused = false;
    }

    /// As an answer, so that nobody waits for it; what is still the newest may be offered once more.
    pub(super) fn refuse(&mut self, revision: u64) {
        self.answer(revision);
        self.is_refused = true;
    }

    /// Offers what was refused once more.
    pub(super) fn try_again(&mut self) {
        if std::mem::take(&mut self.is_refused) {
            self.offered = 0;
        }
    }

    /// The broker may have forgotten what it retained: the value is offered again.
    pub(super) fn reconnect(&mut self) {
        self.offered = 0;
    }

    pub(super) fn is_settled(&self) -> bool {
        self.answered == self.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_value_is_delivered_and_a_reconnect_repeats_it() {
        let mut slide = Newest::default();
        assert!(slide.due().is_none() && slide.is_settled());
        slide.set(Some("1".into()));
        slide.set(Some("2".into()));
        let (revision, payload) = slide.due().unwrap();
        assert_eq!(payload, "2");
        slide.offer(revision);
        assert!(slide.due().is_none());
        slide.set(Some("3".into()));
        // The answer to an older value settles nothing.
        slide.answer(revision);
        assert!(!slide.is_settled());
        let (revision, _) = slide.due().unwrap();
        slide.offer(revision);
        slide.answer(revision);
        assert!(slide.is_settled() && slide.due().is_none());
        // The same is nothing new.
        slide.set(Some("3".into()));
        assert!(slide.is_settled() && slide.due().is_none());
        slide.reconnect();
        assert_eq!(slide.due().unwrap().1, "3");
        assert!(slide.is_settled());
    }

    #[test]
    fn what_was_refused_holds_nobody_up_and_is_offered_once_more() {
        let mut slide = Newest::default();
        slide.set(Some("1".into()));
        slide.offer(1);
        slide.refuse(1);
        assert!(slide.is_settled() && slide.due().is_none());
        slide.try_again();
        assert_eq!(slide.due().unwrap().1, "1");
        slide.offer(1);
        slide.answer(1);
        slide.try_again();
        assert!(slide.is_settled() && slide.due().is_none());
    }
}
