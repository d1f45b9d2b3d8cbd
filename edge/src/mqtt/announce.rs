//! Retained messages on topics that are not ours alone, such as Home Assistant's discovery: published while they are
//! switched on, removed when they no longer are.

use bytes::Bytes;

use super::discovery::REMOVED;
use crate::store::Store;

/// Where the topics that were announced are noted, a line for each: so that a later start can remove them.
const NOTE: &str = "announced";

/// What is to be published at each connection: `wanted`, and nothing on each topic that was announced before and is no
/// longer wanted.
pub fn announcements(store: &Store, wanted: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    let before = noted(store);
    let mut all = wanted;
    for topic in before {
        if all.iter().all(|(known, _)| *known != topic) {
            all.push((topic, REMOVED));
        }
    }
    write(store, all.iter().map(|(topic, _)| topic.as_str()));
    all
}

/// The broker has removed what was announced on a topic.
pub(super) fn removed(store: &Store, topic: &str) {
    let left = noted(store);
    write(
        store,
        left.iter()
            .map(String::as_str)
            .filter(|known| *known != topic),
    );
}

/// What is to be published at a connection that begins: what was removed before needs no second time.
pub(super) fn still_due(store: &Store, announcements: &mut Vec<(String, Bytes)>) {
    let noted = noted(store);
    announcements.retain(|(topic, payload)| !payload.is_empty() || noted.contains(topic));
}

fn noted(store: &Store) -> Vec<String> {
    let note = store.note(NOTE).unwrap_or_default();
    note.lines().map(str::to_owned).collect()
}

fn write<'t>(store: &Store, topics: impl Iterator<Item = &'t str>) {
    let note = topics.collect::<Vec<_>>().join("\n");
    if store.note(NOTE).unwrap_or_default() != note {
        store.write_note(NOTE, &note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store_in_memory;

    #[test]
    fn what_was_announced_is_removed_once_it_is_switched_off() {
        let store = store_in_memory();
        assert!(announcements(&store, Vec::new()).is_empty());
        let on = vec![("a/config".to_owned(), Bytes::from("{}"))];
        assert_eq!(announcements(&store, on.clone()), on);
        // Another prefix: the old one goes.
        let moved = announcements(&store, vec![("b/config".to_owned(), Bytes::from("{}"))]);
        assert_eq!(moved[1], ("a/config".to_owned(), Bytes::new()));
        removed(&store, "a/config");
        let mut later = moved.clone();
        still_due(&store, &mut later);
        assert_eq!(later, moved[..1]);
        let off = announcements(&store, Vec::new());
        assert_eq!(off, [("b/config".to_owned(), Bytes::new())]);
        // Until the broker has confirmed it.
        assert_eq!(announcements(&store, Vec::new()), off);
        removed(&store, "b/config");
        assert!(announcements(&store, Vec::new()).is_empty());
    }
}
