//! The store alone.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::homes::RETRY;
use super::*;
use crate::slide::tests::{judge, rules, seen};
use crate::slide::{NotCounted, Suspect};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a test's store goes by: small limits are set where they matter.
pub fn options(path: Option<PathBuf>) -> Options {
    Options {
        path,
        max_bytes: 64 << 20,
        keep: Duration::from_secs(3600),
        max_wait: Duration::from_secs(3600),
        rules: rules(100),
        auto_start: true,
    }
}

/// A store without a file.
pub fn store_in_memory() -> Store {
    Store::open(options(None)).unwrap()
}

/// Commits a small field.
pub fn commit(store: &Store) -> Place {
    commit_sized(store, 0)
}

fn commit_sized(store: &Store, padding: usize) -> Place {
    commit_with(store, padding, &[])
}

fn commit_with(store: &Store, padding: usize, suspects: &[Suspect]) -> Place {
    let judge = judge((1930, 2000));
    let seen = Seen {
        suspects,
        ..seen(&judge, 10, 1)
    };
    let id = Uuid::now_v7();
    store
        .commit(&seen, |place| {
            let payload = json!({
                "id": id, "seq": place.seq, "series": place.series, "slide": place.slide,
                "padding": "x".repeat(padding),
            });
            (id, payload.to_string().into())
        })
        .unwrap()
}

fn all_pending(store: &Store) -> Vec<Message> {
    let mut cursor = Cursor::default();
    let mut all = Vec::new();
    loop {
        let more = store.pending(&mut cursor, 3, 1 << 20);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message.kind == Kind::Field)
        .map(|message| {
            serde_json::from_slice::<Value>(&message.payload).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("state/results.sqlite")
}

fn open(dir: &TempDir) -> Store {
    Store::open(options(Some(file(dir)))).unwrap()
}

#[test]
fn results_outlive_the_program_and_the_numbers_go_on() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let first = commit(&store);
    let second = commit(&store);
    assert_eq!((first.seq, second.seq), (1, 2));
    let messages = all_pending(&store);
    store.acknowledge(messages[0].id);
    store.flush();
    let slide = store.slide().unwrap();
    assert_eq!((slide.fields, slide.counts.cells), (2, 20));
    drop(store);

    let store = open(&dir);
    assert_eq!(seqs(&all_pending(&store)), [2]);
    let third = commit(&store);
    assert_eq!((third.seq, third.series), (3, first.series));
    let again = store.slide().unwrap();
    assert_eq!((again.id, again.fields), (slide.id, 3));
    let (health, drops) = store.health();
    assert_eq!((health.pending, health.kept, health.last_seq), (2, 1, 3));
    assert_eq!((health.state, drops), (StoreState::Disk, Drops::default()));
    let mode = std::fs::metadata(file(&dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_store_belongs_to_one_program() {
    let dir = TempDir::new().unwrap();
    let _store = open(&dir);
    let error = Store::open(options(Some(file(&dir)))).err().unwrap();
    assert!(
        error.to_string().contains("another smearscope-edge"),
        "{error}"
    );
}

#[test]
fn a_closed_slide_is_reported_and_takes_no_more_fields() {
    let store = store_in_memory();
    commit(&store);
    let closed = store.stop_slide(None).unwrap();
    assert_eq!(closed.fields, 1);
    let place = commit(&store);
    assert_eq!((place.slide, place.counted), (None, Counts::default()));
    assert_eq!(store.slide().unwrap().fields, 1);
    assert!(matches!(store.stop_slide(None), Err(StoreError::NoSlide)));
    assert!(matches!(
        store.start_slide(closed.id.clone(), Notes::default(), None),
        Err(StoreError::SlideExists(_))
    ));
    let next = SlideId::from(Uuid::from_u128(3));
    assert_eq!(
        store
            .start_slide(next.clone(), Notes::default(), None)
            .unwrap(),
        None
    );
    assert_eq!(commit(&store).slide, Some(next));
    let kinds: Vec<_> = all_pending(&store).iter().map(|m| m.kind).collect();
    assert_eq!(kinds, [Kind::Field, Kind::Report, Kind::Field, Kind::Field]);
}

#[test]
fn a_slide_that_was_stopped_stays_so_where_none_begins_by_itself() {
    let dir = TempDir::new().unwrap();
    let by_hand = || {
        Store::open(Options {
            auto_start: false,
            ..options(Some(file(&dir)))
        })
        .unwrap()
    };
    let store = by_hand();
    assert_eq!((store.slide(), commit(&store).slide), (None, None));
    let by_name: SlideId = "ward-3_17".parse().unwrap();
    store
        .start_slide(by_name.clone(), Notes::default(), None)
        .unwrap();
    drop(store);
    let store = by_hand();
    assert_eq!(commit(&store).slide, Some(by_name));
    store.stop_slide(None).unwrap();
    drop(store);
    assert_eq!(commit(&by_hand()).slide, None);
}

#[test]
fn what_was_acknowledged_can_be_made_pending_again() {
    let store = store_in_memory();
    for _ in 0..10 {
        commit(&store);
    }
    let mut cursor = Cursor::default();
    for message in store.pending(&mut cursor, 100, 1 << 20) {
        store.acknowledge(message.id);
    }
    assert!(store.is_delivered() && all_pending(&store).is_empty());
    assert_eq!(store.resend(None, 4, 6, || {}).unwrap(), 3);
    // The same cursor finds them, though they lie before it.
    assert_eq!(seqs(&store.pending(&mut cursor, 100, 1 << 20)), [4, 5, 6]);
    assert_eq!(
        store
            .resend(Some(Uuid::from_u128(9)), 1, 10, || {})
            .unwrap(),
        0
    );
    assert_eq!(store.resend(None, 9, u64::MAX, || {}).unwrap(), 2);
    for (from, to) in [(0, 3), (4, 3)] {
        assert!(matches!(
            store.resend(None, from, to, || {}),
            Err(StoreError::Range { .. })
        ));
    }
}

#[test]
fn what_has_no_room_goes_delivered_first_and_is_counted() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        max_bytes: 2 << 20,
        ..options(Some(file(&dir)))
    })
    .unwrap();
    let padding = 50_000;
    for _ in 0..60 {
        commit_sized(&store, padding);
    }
    for message in all_pending(&store).iter().take(40) {
        store.acknowledge(message.id);
    }
    assert_eq!(store.maintain(|| {}), Drops::default());
    assert_eq!(seqs(&all_pending(&store)), (41..=60).collect::<Vec<_>>());
    for _ in 0..60 {
        commit_sized(&store, padding);
    }
    let drops = store.maintain(|| {});
    let left = seqs(&all_pending(&store));
    assert_eq!(drops.no_room + left.len() as u64, 80, "{drops:?}");
    assert!(drops.no_room > 30 && left.len() > 20, "{drops:?}");
    assert_eq!(left.last(), Some(&120));
    drop(store);
    assert_eq!(open(&dir).health().1, drops);
}

#[test]
fn much_is_removed_and_sent_again_step_by_step() {
    const MANY: u64 = 600;
    let dir = TempDir::new().unwrap();
    let path = file(&dir);
    let store = Store::open(options(Some(path.clone()))).unwrap();
    for _ in 0..MANY {
        commit(&store);
    }
    let acknowledge_all = |store: &Store| {
        let mut cursor = Cursor::default();
        for message in store.pending(&mut cursor, 1000, 1 << 30) {
            store.acknowledge(message.id);
        }
        store.flush();
    };
    acknowledge_all(&store);
    let steps = Cell::new(0);
    let alive = || steps.set(steps.get() + 1);
    assert_eq!(store.resend(None, 2, u64::MAX, alive).unwrap(), MANY - 1);
    assert_eq!(seqs(&all_pending(&store)), (2..=MANY).collect::<Vec<_>>());
    assert!(steps.get() > 2, "all in {} steps", steps.get());
    acknowledge_all(&store);
    drop(store);

    let store = Store::open(Options {
        keep: Duration::ZERO,
        ..options(Some(path))
    })
    .unwrap();
    assert_eq!(store.health().0.kept, MANY);
    steps.set(0);
    assert_eq!(store.maintain(alive), Drops::default());
    // Not where the clock was never set: then nothing has an age.
    let is_set = Timestamp::now().as_second() > 1_767_225_600;
    assert_eq!(store.health().0.kept, if is_set { 0 } else { MANY });
    assert!(!is_set || steps.get() > 2, "all in {} steps", steps.get());
}

#[test]
fn what_waits_too_long_is_given_up_and_counted() {
    let store = Store::open(Options {
        max_wait: Duration::ZERO,
        ..options(None)
    })
    .unwrap();
    commit(&store);
    std::thread::sleep(Duration::from_millis(1100));
    let drops = store.maintain(|| {});
    // Not where the clock was never set: then nothing has an age.
    let is_set = Timestamp::now().as_second() > 1_767_225_600;
    assert_eq!(drops.expired, u64::from(is_set));
}

#[test]
fn a_clock_that_jumps_ages_nothing_that_was_committed_since_the_start() {
    const HOUR: Duration = Duration::from_secs(3600);
    let dir = TempDir::new().unwrap();
    let open = || {
        Store::open(Options {
            max_wait: 2 * HOUR,
            ..options(Some(file(&dir)))
        })
        .unwrap()
    };
    commit(&open());
    let store = open();
    commit(&store);
    // The clock goes three hours ahead, and the start was more than one hour ago.
    let mut inner = store.lock();
    let disk = inner.disk.as_ref().unwrap();
    disk.connection
        .execute("UPDATE message SET committed_at = committed_at - 10800", [])
        .unwrap();
    inner.opened = Instant::now().checked_sub(HOUR + HOUR / 60).unwrap();
    drop(inner);
    assert_eq!(store.maintain(|| {}).expired, 1);
    assert_eq!(seqs(&all_pending(&store)), [2]);
    store.lock().opened = Instant::now().checked_sub(2 * HOUR).unwrap();
    assert_eq!(store.maintain(|| {}).expired, 1);
}

#[test]
fn a_step_that_failed_and_was_written_all_the_same_is_one_message() {
    let dir = TempDir::new().unwrap();
    let mut disk = Database::open(&file(&dir)).unwrap();
    let mut memory = Database::in_memory().unwrap();
    let add = |database: &mut Database, id: u128, payload: &[u8]| {
        let step = database.step().unwrap();
        let seq = step.next_seq().unwrap();
        step.add(Uuid::from_u128(id), Kind::Field, Some(seq), payload)
            .unwrap();
        step.commit().unwrap();
    };
    add(&mut disk, 1, b"first");
    add(&mut disk, 2, b"of the disk");
    add(&mut memory, 2, b"of the memory, and seen");
    add(&mut memory, 3, b"last");
    disk.absorb(&memory, None, None, &options(None).rules)
        .unwrap();
    let payloads: Vec<_> = disk
        .pending(0, 9, 1000)
        .unwrap()
        .into_iter()
        .map(|message| message.payload)
        .collect();
    assert_eq!(payloads, ["first", "of the memory, and seen", "last"]);
    assert_eq!(disk.last_seq().unwrap(), 1, "the next is its second");
}

#[test]
fn what_is_sent_again_is_so_even_while_its_acknowledgement_can_t_be_written() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    commit(&store);
    // As after a failure of the disk, which is not asked for a while.
    let mut inner = store.lock();
    inner.memory = Some(memory().unwrap());
    inner.ask_at = Instant::now() + RETRY;
    drop(inner);
    store.acknowledge(all_pending(&store)[0].id);
    store.flush();
    assert_eq!(all_pending(&store), []);
    let series = store.lock().disk.as_ref().unwrap().series();
    assert_eq!(store.resend(Some(series), 1, 1, || {}).unwrap(), 1);
    assert_eq!(seqs(&all_pending(&store)), [1]);
}

#[test]
fn a_row_whose_bits_have_flipped_is_not_published() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for _ in 0..3 {
        commit(&store);
    }
    drop(store);
    let raw = rusqlite::Connection::open(file(&dir)).unwrap();
    raw.execute(
        "UPDATE message SET payload = CAST('{' AS BLOB) || substr(payload, 2, 5) WHERE seq = 2",
        [],
    )
    .unwrap();
    drop(raw);
    let store = open(&dir);
    assert_eq!(seqs(&all_pending(&store)), [1, 3]);
    assert_eq!(store.health().1.damaged, 1);
    drop(store);
    // It would be another message's.
    changed(
        &dir,
        "UPDATE message SET id = CAST(x'00' || substr(id, 2) AS BLOB) WHERE seq = 3",
    );
    let store = open(&dir);
    assert_eq!(seqs(&all_pending(&store)), [1]);
    assert_eq!(store.health().1.damaged, 2);
}

/// Changes a store's file behind the daemon's back.
fn changed(dir: &TempDir, sql: &str) {
    let raw = rusqlite::Connection::open(file(dir)).unwrap();
    raw.execute_batch(sql).unwrap();
}

/// A store with so many fields, closed.
fn with_fields(count: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for _ in 0..count {
        commit(&store);
    }
    dir
}

#[test]
fn sound_messages_behind_many_damaged_ones_are_found() {
    let dir = with_fields(9);
    changed(
        &dir,
        "UPDATE message SET crc = crc + 1 WHERE seq BETWEEN 2 AND 8",
    );
    let store = open(&dir);
    // The first is not the last, though nothing sound comes next.
    store.acknowledge(all_pending(&store)[0].id);
    assert!(!store.is_delivered());
    assert_eq!(seqs(&all_pending(&store)), [9]);
    assert_eq!(store.health().1.damaged, 7);
    let dir = with_fields(9);
    changed(&dir, "UPDATE message SET crc = crc + 1 WHERE seq < 9");
    assert!(!open(&dir).is_delivered());
}

#[test]
fn a_store_that_has_lost_its_numbering_or_a_table_is_set_aside_and_its_results_are_taken_over() {
    for damage in [
        "DELETE FROM meta WHERE key = 'series'",
        "UPDATE meta SET value = 'x' WHERE key = 'series'",
        "UPDATE meta SET value = -1 WHERE key = 'last_seq'",
        "UPDATE meta SET value = 9223372036854775807 WHERE key = 'last_seq'",
        "INSERT INTO meta VALUES ('damaged', 'x')",
        "DROP TABLE meta",
        "DROP TABLE slide",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "INSERT INTO answer VALUES (9223372036854775807, 'r', x'00')",
        "UPDATE message SET n = -5 WHERE seq = 2",
        "UPDATE slide SET fields = 9223372036854775807",
        "UPDATE slide SET parasitized = cells + 1",
        "UPDATE slide SET fields = fields + 1",
        "UPDATE slide SET tally = replace(tally, '\"cells\":30', '\"cells\":31')",
        "UPDATE slide SET id = '../../x'",
        "UPDATE slide SET closed_at = '2026-01-01T00:00:00Z'",
        "DROP TABLE suspect",
        "DROP TABLE report",
        "PRAGMA user_version = 0",
        // Behind those that can't be taken over there is one that can.
        "UPDATE message SET series = 'x' WHERE seq IN (1, 3); DELETE FROM meta",
        "UPDATE message SET committed_at = 'x', acknowledged_at = 'y' WHERE seq = 3; DROP TABLE meta",
    ] {
        let dir = with_fields(3);
        changed(&dir, damage);
        let store = open(&dir);
        let place = commit(&store);
        let (health, _) = store.health();
        assert_eq!(
            (health.state, &health.trouble, health.set_aside.len()),
            (StoreState::Disk, &None, 1),
            "{damage}"
        );
        let mut found = seqs(&all_pending(&store));
        found.sort_unstable();
        assert_eq!((found, place.seq), (vec![1, 1, 2, 3], 1), "{damage}");
        drop(store);
        assert!(open(&dir).health().0.set_aside.is_empty(), "{damage}");
    }
}

#[test]
fn a_number_that_is_taken_begins_a_new_numbering() {
    let dir = with_fields(3);
    changed(&dir, "UPDATE meta SET value = 2 WHERE key = 'last_seq'");
    let store = open(&dir);
    let place = commit(&store);
    let (health, _) = store.health();
    assert_eq!((health.state, place.seq), (StoreState::Disk, 1));
    assert_eq!(health.pending, 4);
}

#[test]
fn a_wrong_length_does_not_hide_what_is_pending() {
    for length in ["-1", "'x'", "9223372036854775807"] {
        let dir = with_fields(3);
        changed(
            &dir,
            &format!("UPDATE message SET bytes = {length} WHERE seq > 1"),
        );
        let (health, _) = open(&dir).health();
        assert_eq!(health.pending, 3, "{length}");
        assert!(
            health.pending_bytes > 50 && health.pending_bytes < 1000,
            "{length}"
        );
    }
}

#[test]
fn what_is_acknowledged_goes_even_where_the_index_has_lost_it() {
    let dir = with_fields(3);
    let store = open(&dir);
    let second = all_pending(&store)[1].id;
    drop(store);
    // The id stands in the row (and in its payload, as text) and in the index; the latter comes later in the file.
    let mut bytes = std::fs::read(file(&dir)).unwrap();
    let places: Vec<_> = bytes
        .windows(16)
        .enumerate()
        .filter(|(_, window)| window == second.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places.len(), 2);
    bytes[places[1] + 15] ^= 1;
    std::fs::write(file(&dir), &bytes).unwrap();

    let store = open(&dir);
    for message in all_pending(&store) {
        store.acknowledge(message.id);
    }
    store.flush();
    assert!(store.is_delivered());
    assert_eq!(store.health().0.set_aside.len(), 1);
    drop(store);
    assert_eq!(all_pending(&open(&dir)), []);
}

/// Damages pages in the middle, as a worn-out SD card would have it.
fn wear_out(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(path, &bytes).unwrap();
}

/// What the child of the next test does until it is cut off: it reads a damaged store.
#[test]
fn taking_over_child() {
    let Ok(folder) = std::env::var("SMEARSCOPE_TEST_ASIDE") else {
        return;
    };
    let path = PathBuf::from(folder).join("state/results.sqlite");
    all_pending(&Store::open(options(Some(path))).unwrap());
}

#[test]
fn a_power_cut_while_a_damaged_file_is_taken_over_loses_nothing_of_it() {
    for place in [
        "aside.renamed",
        "aside.replaced",
        "absorb",
        "step.committed",
    ] {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        for _ in 0..200 {
            commit_sized(&store, 3000);
        }
        drop(store);
        wear_out(&file(&dir));
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::taking_over_child"])
            .env("SMEARSCOPE_TEST_ASIDE", dir.path())
            .env("SMEARSCOPE_TEST_CRASH", format!("{place}:1"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{place} is never passed");
        let store = open(&dir);
        let found: BTreeSet<u64> = seqs(&all_pending(&store)).into_iter().collect();
        assert!(found.len() > 180, "{place}: {}", found.len());
        // Once and for all.
        drop(store);
        assert_eq!(open(&dir).health().0.pending, found.len() as u64, "{place}");
    }
}

#[test]
fn a_slide_left_open_on_a_disk_that_could_not_be_read_is_closed_with_its_report() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    commit(&store);
    let old = store.slide().unwrap().id;
    drop(store);
    let aside = dir.path().join("aside");
    std::fs::rename(file(&dir), &aside).unwrap();
    std::fs::create_dir(file(&dir)).unwrap();
    let store = open(&dir);
    let answer = Answer {
        request_id: "r",
        reply: b"{}",
    };
    let new = SlideId::from(Uuid::from_u128(5));
    store
        .start_slide(new.clone(), Notes::default(), Some(answer))
        .unwrap();
    std::fs::remove_dir(file(&dir)).unwrap();
    std::fs::rename(&aside, file(&dir)).unwrap();
    store.lock().retry_at = Instant::now();
    store.maintain(|| {});
    assert_eq!(store.slide().unwrap().id, new);
    // A repeat is known here, too.
    assert_eq!(store.answer("r").as_deref(), Some(&b"{}"[..]));
    let reports: Vec<String> = all_pending(&store)
        .iter()
        .filter(|message| message.kind == Kind::Report)
        .map(|message| {
            serde_json::from_slice::<Value>(&message.payload).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(reports.contains(&old.to_string()), "{reports:?}");
    drop(store);
    let raw = rusqlite::Connection::open(file(&dir)).unwrap();
    let open: u64 = raw
        .query_row(
            "SELECT count(*) FROM slide WHERE closed_at IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(open, 1);
}

#[test]
fn a_damaged_file_is_set_aside_and_what_can_be_read_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for _ in 0..200 {
        commit_sized(&store, 3000);
    }
    let before = store.health().0;
    drop(store);
    wear_out(&file(&dir));

    let store = open(&dir);
    // Those before the damage are read a second time: under the same number.
    let found: BTreeSet<u64> = seqs(&all_pending(&store)).into_iter().collect();
    let (health, _) = store.health();
    assert_eq!(health.state, StoreState::Disk);
    // Two pages, with some messages on each, and what lies around them is here.
    assert!(found.len() > 180 && found.len() < 200, "{}", found.len());
    assert!(found.contains(&1) && found.contains(&200));
    assert!(health.set_aside.len() == 1 && health.series != before.series);
    commit(&store);
    drop(store);
    assert_eq!(open(&dir).health().0.pending, found.len() as u64 + 1);
}

#[test]
fn a_file_that_is_no_store_is_set_aside() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    std::fs::write(
        file(&dir),
        "not a database, but long enough to be looked at twice".repeat(100),
    )
    .unwrap();
    let store = open(&dir);
    assert_eq!(commit(&store).seq, 1);
    let (health, _) = store.health();
    assert_eq!(
        (health.state, health.set_aside.len()),
        (StoreState::Disk, 1)
    );
    assert!(Path::new(&health.set_aside[0]).exists());
}

#[test]
fn without_a_disk_results_stay_in_memory_and_move_there_when_it_is_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let first = commit(&store);
    drop(store);
    // A folder where the file should be: nothing can be opened, whoever we are.
    let aside = dir.path().join("aside");
    std::fs::rename(file(&dir), &aside).unwrap();
    std::fs::create_dir(file(&dir)).unwrap();
    let store = open(&dir);
    let (health, _) = store.health();
    assert_eq!(health.state, StoreState::Memory);
    assert!(health.trouble.is_some() && !store.is_lasting());
    let place = commit(&store);
    // A numbering of its own: were it lost, the disk's would have no gap.
    assert!(place.series != first.series && place.seq == 1);
    let slide = store.slide().unwrap().id;

    std::fs::remove_dir(file(&dir)).unwrap();
    std::fs::rename(&aside, file(&dir)).unwrap();
    store.lock().retry_at = Instant::now();
    store.maintain(|| {});
    let (health, _) = store.health();
    assert_eq!((health.state, health.trouble), (StoreState::Disk, None));
    let next = commit(&store);
    assert_eq!((next.series, next.seq), (first.series, 2));
    assert_eq!(next.slide, Some(slide.clone()));
    drop(store);
    let store = open(&dir);
    assert_eq!(seqs(&all_pending(&store)), [1, 1, 2]);
    assert_eq!(store.slide().unwrap().id, slide);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let raw = rusqlite::Connection::open(file(&dir)).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let store = open(&dir);
    let (health, _) = store.health();
    assert_eq!(health.state, StoreState::Memory);
    assert!(health.trouble.unwrap().contains("newer"));
    assert!(health.set_aside.is_empty() && file(&dir).exists());
}

/// Every place at which the power may be cut.
const PLACES: [&str; 12] = [
    "step.seq",
    "step.message",
    "step.slide",
    "step.suspect",
    "step.report",
    "step.answer",
    "step.acknowledge",
    "step.commit",
    "step.committed",
    "prune.age",
    "prune.room",
    "absorb",
];

/// What the child of the next test does until it is cut off: it notes each thing once that is done.
#[test]
fn power_cut_child() {
    let Ok(folder) = std::env::var("SMEARSCOPE_TEST_FOLDER") else {
        return;
    };
    let folder = PathBuf::from(folder);
    let log = |line: String| {
        use std::io::Write;
        let mut log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(folder.join("log"))
            .unwrap();
        writeln!(log, "{line}").unwrap();
    };
    let store = Store::open(Options {
        max_bytes: 400 << 10,
        ..options(Some(folder.join("results.sqlite")))
    })
    .unwrap();
    // Results in memory that move to the disk.
    let memory = memory().unwrap();
    {
        let mut inner = store.lock();
        inner.memory = Some(memory);
        inner.retry_at = Instant::now() + RETRY;
    }
    commit_with(&store, 10_000, &[suspect(0.5)]);
    store.lock().retry_at = Instant::now();
    store.maintain(|| {});
    for round in 0..3 {
        let number = Cell::new(0);
        let request = format!("r{round}-{}", std::process::id());
        for _ in 0..3 {
            let place = commit_with(&store, 40_000, &[suspect(0.5)]);
            number.set(place.seq);
            log(format!("committed {} {}", place.series, place.seq));
        }
        let answer = Answer {
            request_id: &request,
            reply: b"{}",
        };
        store
            .start_slide(SlideId::new_unique(), Notes::default(), Some(answer))
            .unwrap();
        log(format!("started {request}"));
        for message in all_pending(&store).into_iter().take(4) {
            store.acknowledge(message.id);
        }
        store.flush();
        store.maintain(|| {});
    }
    log("end".into());
}

#[test]
fn a_power_cut_between_any_two_writes_leaves_a_store_that_holds_together() {
    let mut cuts = 0;
    for place in PLACES {
        for times in 1.. {
            let dir = TempDir::new().unwrap();
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::tests::power_cut_child", "--nocapture"])
                .env("SMEARSCOPE_TEST_FOLDER", dir.path())
                .env("SMEARSCOPE_TEST_CRASH", format!("{place}:{times}"))
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap();
            if status.success() {
                assert!(times > 1, "{place} is never passed");
                break;
            }
            cuts += 1;
            holds_together(&dir, &format!("{place}:{times}"));
        }
    }
    assert!(cuts > 60, "{cuts}");
}

fn holds_together(dir: &TempDir, place: &str) {
    let path = dir.path().join("results.sqlite");
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let store = Store::open(options(Some(path.clone()))).unwrap();
    let (health, drops) = store.health();
    assert_eq!(health.state, StoreState::Disk, "{place}");
    assert!(health.set_aside.is_empty(), "{place}");
    // What was said to be committed is the end of what is here.
    let last = log
        .lines()
        .filter_map(|line| line.strip_prefix("committed "))
        .filter_map(|line| line.split_once(' '))
        .filter(|(series, _)| *series == health.series.to_string())
        .map(|(_, seq)| seq.parse::<u64>().unwrap())
        .max()
        .unwrap_or(0);
    assert!(
        health.last_seq == last || health.last_seq == last + 1,
        "{place}: {} {last}",
        health.last_seq
    );
    for request in log.lines().filter_map(|line| line.strip_prefix("started ")) {
        assert!(store.answer(request).is_some(), "{place}: {request}");
    }
    drop(store);
    reports_hold_together(&path, place);

    let raw = rusqlite::Connection::open(&path).unwrap();
    let sound: String = raw
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok", "{place}");
    let open: u64 = raw
        .query_row(
            "SELECT count(*) FROM slide WHERE closed_at IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(open, 1, "{place}");
    // Each slide has counted the fields that say so, and no other: as far as none was given up for want of room.
    let mut query = raw
        .prepare("SELECT payload FROM message WHERE kind = 1")
        .unwrap();
    let mut fields: BTreeMap<String, u64> = BTreeMap::new();
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let payloads = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    for payload in payloads {
        let field: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
        let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
        *fields.entry(text("slide")).or_default() += 1;
        numbers
            .entry(text("series"))
            .or_default()
            .push(field["seq"].as_u64().unwrap());
    }
    for seqs in numbers.values() {
        let from = seqs.iter().min().unwrap();
        let expected: Vec<u64> = (*from..).take(seqs.len()).collect();
        let mut sorted = seqs.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{place}: no gap and no number twice");
    }
    let counted: u64 = raw
        .query_row("SELECT sum(fields) FROM slide", [], |row| row.get(0))
        .unwrap();
    let found: u64 = fields.values().sum();
    assert!(counted >= found, "{place}: {counted} {found}");
    if drops == Drops::default() {
        let kept: u64 = raw
            .query_row("SELECT count(*) FROM message WHERE kind = 1", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(found, kept, "{place}");
    }
}

/// Each slide that was closed has its files, and pictures of it are nowhere else.
fn reports_hold_together(path: &Path, place: &str) {
    let raw = rusqlite::Connection::open(path).unwrap();
    let mut query = raw
        .prepare("SELECT id FROM slide WHERE closed_at IS NOT NULL")
        .unwrap();
    let closed = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for id in closed {
        let id = id.unwrap();
        for ending in ["json", "html"] {
            let file = reports(path).join(format!("{id}.{ending}"));
            assert!(file.exists(), "{place}: {}", file.display());
        }
    }
    let left: u64 = raw
        .query_row(
            "SELECT (SELECT count(*) FROM report) + (SELECT count(*) FROM suspect WHERE slide IN
             (SELECT id FROM slide WHERE closed_at IS NOT NULL))",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0, "{place}");
}

fn reports(path: &Path) -> PathBuf {
    path.with_file_name("reports")
}

fn suspect(p_parasitized: f32) -> Suspect {
    Suspect {
        bbox: [10, 20, 30, 40].into(),
        p_parasitized,
        picture: vec![0xFF, 0xD8, 0xFF],
    }
}

/// The probabilities of the cells in a slide's JSON file.
fn reported(path: &Path, slide: &SlideId) -> Vec<f64> {
    let text = std::fs::read(reports(path).join(format!("{slide}.json"))).unwrap();
    let report: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(report["report"]["id"], slide.as_str());
    let cells = report["cells"].as_array().unwrap();
    let ps = cells.iter().map(|cell| cell["p_parasitized"].as_f64());
    ps.map(|p| (p.unwrap() * 100.0).round() / 100.0).collect()
}

#[test]
fn the_most_suspicious_cells_of_a_slide_are_in_its_report_after_a_restart_too() {
    let dir = TempDir::new().unwrap();
    let three = || {
        Store::open(Options {
            rules: Rules {
                report_cells: 3,
                ..rules(100)
            },
            ..options(Some(file(&dir)))
        })
        .unwrap()
    };
    let store = three();
    let slide = store.slide().unwrap().id;
    assert_eq!(
        (store.wanted_suspects().most, store.wanted_suspects().above),
        (3, -1.0)
    );
    commit_with(&store, 0, &[suspect(0.6), suspect(0.1)]);
    assert_eq!(store.wanted_suspects().above, -1.0);
    commit_with(&store, 0, &[suspect(0.9), suspect(0.3)]);
    assert_eq!(store.wanted_suspects().above, 0.3);
    drop(store);
    let store = three();
    commit_with(&store, 0, &[suspect(0.5)]);
    assert_eq!(store.wanted_suspects().above, 0.5);
    assert!(!reports(&file(&dir)).exists());
    store.stop_slide(None).unwrap();
    assert_eq!(reported(&file(&dir), &slide), [0.9, 0.6, 0.5]);
    // No slide is open: nothing is wanted.
    assert_eq!(store.wanted_suspects(), Wanted::NONE);
    drop(store);
    reports_hold_together(&file(&dir), "end");
}

#[test]
fn a_report_that_can_t_be_written_is_written_later_and_is_what_was_published() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let first = store.slide().unwrap().id;
    commit_with(&store, 0, &[suspect(0.8)]);
    // A file where the folder should be.
    std::fs::write(reports(&file(&dir)), "").unwrap();
    store
        .start_slide("B".parse().unwrap(), Notes::default(), None)
        .unwrap();
    store.maintain(|| {});
    drop(store);
    std::fs::remove_file(reports(&file(&dir))).unwrap();
    let store = Store::open(Options {
        // Its message is out already: other rules change nothing.
        rules: rules(7),
        ..options(Some(file(&dir)))
    })
    .unwrap();
    assert_eq!(reported(&file(&dir), &first), [0.8]);
    let text = std::fs::read(reports(&file(&dir)).join(format!("{first}.json"))).unwrap();
    let written: Value = serde_json::from_slice(&text).unwrap();
    let published = all_pending(&store)
        .into_iter()
        .find(|message| message.kind == Kind::Report)
        .unwrap();
    assert_eq!(
        written["report"],
        serde_json::from_slice::<Value>(&published.payload).unwrap()
    );
    assert_eq!(written["report"]["cells_needed"], 100);
}

#[test]
fn a_store_without_a_disk_makes_no_files_and_keeps_no_pictures() {
    let store = store_in_memory();
    assert_eq!(store.wanted_suspects(), Wanted::NONE);
    commit_with(&store, 0, &[suspect(0.8)]);
    let closed = store.stop_slide(None).unwrap();
    assert_eq!((closed.fields, closed.counts.parasitized), (1, 1));
    let inner = store.lock();
    let kept: u64 = inner
        .current()
        .connection
        .query_row("SELECT count(*) FROM suspect", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn reports_of_slides_that_were_closed_in_memory_follow_to_the_disk() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(file(&dir)).unwrap();
    let store = open(&dir);
    assert_eq!(store.health().0.state, StoreState::Memory);
    commit_with(&store, 0, &[suspect(0.7)]);
    let closed = store.stop_slide(None).unwrap().id;
    store
        .start_slide("B".parse().unwrap(), Notes::default(), None)
        .unwrap();
    commit_with(&store, 0, &[suspect(0.4)]);
    assert!(!reports(&file(&dir)).exists());
    std::fs::remove_dir(file(&dir)).unwrap();
    store.lock().retry_at = Instant::now();
    store.maintain(|| {});
    assert_eq!(reported(&file(&dir), &closed), [0.7]);
    let open = store.stop_slide(None).unwrap().id;
    assert_eq!(reported(&file(&dir), &open), [0.4]);
}

#[test]
fn a_damaged_report_is_given_up_and_blocks_no_other() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    std::fs::write(reports(&file(&dir)), "").unwrap();
    let first = store.slide().unwrap().id;
    store
        .start_slide("B".parse().unwrap(), Notes::default(), None)
        .unwrap();
    store.stop_slide(None).unwrap();
    drop(store);
    std::fs::remove_file(reports(&file(&dir))).unwrap();
    changed(
        &dir,
        &format!("UPDATE report SET crc = crc + 1 WHERE slide = '{first}'"),
    );
    let store = open(&dir);
    assert_eq!(reported(&file(&dir), &"B".parse().unwrap()), [0.0; 0]);
    assert!(!reports(&file(&dir)).join(format!("{first}.json")).exists());
    drop(store);
    reports_of_none(&file(&dir));
}

fn reports_of_none(path: &Path) {
    let raw = rusqlite::Connection::open(path).unwrap();
    let left: u64 = raw
        .query_row("SELECT count(*) FROM report", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_was_left_out_and_turned_away_is_kept_with_the_slide() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.turn_away("moving");
    let judge = judge((1930, 2000));
    let crowded = Seen {
        not_counted: Some(NotCounted {
            cause: "crowded",
            cells: 90,
        }),
        ..seen(&judge, 0, 0)
    };
    let id = Uuid::now_v7();
    let place = store.commit(&crowded, |_| (id, "{}".into())).unwrap();
    // It belongs to the slide and does not count.
    assert!(place.slide.is_some() && place.counted == Counts::default());
    drop(store);
    let slide = open(&dir).slide().unwrap();
    assert_eq!((slide.fields, slide.counts), (0, Counts::default()));
    assert_eq!(slide.left_out[0].cells, 90);
    assert_eq!(slide.turned_away[0].frames, 1);
    assert_eq!(slide.models, []);
}
