//! Any rows in the daemon's store, and any damage of its files.
//!
//! The bytes say what is done to a sound store before the daemon opens it: rows of any values through SQLite, or other
//! bytes in the files. Then it is used as the daemon does: nothing may panic or go on for ever, what is committed is
//! pending and survives, nothing is handed out whose checksum is wrong, and what is acknowledged is gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use smearscope_common::message::{ModelRef, Notes, SlideId, SlideMessage, StoreState};
use smearscope_common::parasitemia::Counts;
use uuid::Uuid;

use crate::config;
use crate::slide::{Judge, Rules, Seen, Suspect};
use crate::store::{
    Answer, Cursor, Kind, Message, Options, Store, StoreError, checksum, slide_checksum,
};

/// The most changes of one input.
const MAX_CHANGES: usize = 64;
/// The most messages that can be pending: those of the sound store, those of the changes, and ours.
const MAX_PENDING: usize = 300;

/// Does to a store in `folder`, which is emptied first, what the bytes say, and then uses it.
pub fn check(bytes: &[u8], folder: &Path) {
    let mut bytes = Bytes(bytes);
    let path = fresh(folder);
    let mut damage = Damage::default();
    let max_bytes = if bytes.byte() % 8 == 7 {
        60_000
    } else {
        64 << 20
    };
    if bytes.byte() % 4 == 3 {
        change_files(&path, template(folder).clone(), &mut bytes);
        damage.of_files = true;
    } else {
        change_rows(&path, &mut bytes, &mut damage);
    }
    let options = || Options {
        path: Some(path.clone()),
        max_bytes,
        keep: Duration::from_secs(3600),
        max_wait: Duration::from_secs(3600 * 24 * 36500),
        rules: Rules {
            cells_needed: 100,
            ..Rules::new(
                "lab".parse().expect("a device's name"),
                &config::Slide::default(),
            )
        },
        auto_start: true,
    };
    let store = Store::open(options()).expect("a store opens whatever is in its file");
    let left = used(&store, &damage);
    let was_lasting = store.is_lasting();
    let trouble = store.health().0.trouble;
    drop(store);
    if !was_lasting {
        // A store of a newer version is left alone, and what SQLite may not write stays; other damage is set aside.
        let said = trouble.unwrap_or_default();
        assert!(
            said.contains("it is of version") || damage.of_files && said.contains("readonly"),
            "results stay in memory: {said}"
        );
        return;
    }

    let store = Store::open(options()).expect("a store opens whatever is in its file");
    let (health, _) = store.health();
    assert_eq!((health.state, &health.trouble), (StoreState::Disk, &None));
    // Of damaged pages some are only read now.
    if !damage.of_files || health.set_aside.is_empty() {
        assert_eq!(health.set_aside.len(), 0, "once is enough");
        assert_eq!(ids(&pending(&store, &damage)), left, "what waited waits");
    }
    delivered(&store, &damage);
}

/// Uses a store as the daemon does; gives what is pending at the end.
fn used(store: &Store, damage: &Damage) -> BTreeSet<Uuid> {
    let first = pending(store, damage);
    assert!(
        damage.sound.is_subset(&ids(&first)),
        "a sound message is not handed out"
    );
    let taken: BTreeSet<Uuid> = first.iter().step_by(2).map(|message| message.id).collect();
    for &id in &taken {
        store.acknowledge(id);
    }
    for _ in 0..2 {
        let left = ids(&pending(store, damage));
        assert!(left.is_disjoint(&taken), "acknowledged and still pending");
        assert!(left.len() == first.len() / 2 || damage.of_files);
        store.flush();
    }

    let reply = Answer {
        request_id: "new",
        reply: b"{}",
    };
    let slide = SlideId::from(Uuid::from_u128(99));
    match store.start_slide(slide.clone(), Notes::default(), Some(reply)) {
        Ok(closed) => {
            assert!(closed.is_none_or(|closed| closed.closed_at.is_some()));
            assert_eq!(store.answer("new").as_deref(), Some(reply.reply));
            assert!(store.slide().is_some_and(|now| now.id == slide));
        }
        Err(StoreError::SlideExists(_)) => {}
        Err(error) => panic!("no slide can be started: {error}"),
    }
    store.answer("r1");
    store.note("discovery");
    let committed = [commit(store), commit(store)];
    match store.stop_slide(None) {
        Ok(SlideMessage { closed_at, .. }) => assert!(closed_at.is_some()),
        Err(error) => panic!("the open slide can't be stopped: {error}"),
    }
    assert!(matches!(store.stop_slide(None), Err(StoreError::NoSlide)));
    let waiting = ids(&pending(store, damage));
    assert!(
        committed.iter().all(|id| waiting.contains(id)),
        "committed and not pending"
    );

    delivered(store, damage);
    let (before, _) = store.health();
    match store.resend(None, 1, u64::MAX, || {}) {
        Ok(again) => {
            let resent = pending(store, damage).len() as u64;
            assert!(again >= resent, "{again} {resent}");
            assert!(resent <= before.kept || damage.of_files, "{before:?}");
        }
        Err(error) => assert!(damage.of_files && before.trouble.is_some(), "{error}"),
    }
    assert!(store.resend(Some(series()), 1, 5, || {}).is_ok() || damage.of_files);
    store.maintain(|| {});
    store.write_note("discovery", "x");
    let last = commit(store);
    let left = pending(store, damage);
    assert!(ids(&left).contains(&last));
    let (health, drops) = store.health();
    assert_eq!(health.pending, left.len() as u64, "{health:?} {drops:?}");
    assert!(!store.is_delivered());
    ids(&left)
}

/// Acknowledges all that is pending.
fn delivered(store: &Store, damage: &Damage) {
    loop {
        let before = store.health().0.set_aside.len();
        for message in pending(store, damage) {
            // Unless its index is damaged.
            let found = store.message(message.id);
            assert!(found.as_ref() == Some(&message) || damage.of_files && found.is_none());
            store.acknowledge(message.id);
        }
        store.flush();
        // What was set aside only now may have had more than its indexes told; a file that we made has not.
        if store.health().0.set_aside.len() == before {
            break;
        }
    }
    assert_eq!(pending(store, damage), []);
    assert!(store.is_delivered());
    let (health, _) = store.health();
    assert_eq!(health.pending, 0, "{health:?}");
}

fn commit(store: &Store) -> Uuid {
    let counts = Counts {
        cells: 10,
        parasitized: 1,
    };
    let judge = judge();
    let suspects = [suspect(store.wanted_suspects().above.clamp(0.0, 0.9) + 0.1)];
    let seen = Seen {
        counted: counts,
        not_counted: None,
        focus: 40.0,
        judge: &judge,
        suspects: &suspects,
    };
    let id = Uuid::now_v7();
    store
        .commit(&seen, |_| (id, sealed(20).into()))
        .expect("a result can be committed");
    id
}

/// All that is pending, each once.
fn pending(store: &Store, damage: &Damage) -> Vec<Message> {
    let mut cursor = Cursor::default();
    let mut all = Vec::new();
    loop {
        let more = store.pending(&mut cursor, 3, 5000);
        if more.is_empty() {
            // The cursor goes back where a damaged file was followed by a new one.
            let mut seen = BTreeSet::new();
            all.retain(|message: &Message| seen.insert(message.id));
            return all;
        }
        for message in &more {
            damage.allows(message);
        }
        all.extend(more);
        assert!(all.len() < MAX_PENDING, "reading doesn't end");
    }
}

fn ids(messages: &[Message]) -> BTreeSet<Uuid> {
    messages.iter().map(|message| message.id).collect()
}

/// What was done to a store.
#[derive(Default)]
struct Damage {
    /// Messages whose checksum is wrong.
    wrong: Vec<(Vec<u8>, Vec<u8>)>,
    /// Messages that must be handed out.
    sound: BTreeSet<Uuid>,
    /// Whether the files were changed and not the rows.
    of_files: bool,
    is_of_a_newer_version: bool,
}

impl Damage {
    /// Checks a message that was handed out.
    fn allows(&self, message: &Message) {
        let Message { id, payload, .. } = message;
        let is_wrong = |(of, wrong): &(Vec<u8>, Vec<u8>)| of == id.as_bytes() && payload == wrong;
        assert!(
            !self.wrong.iter().any(is_wrong),
            "{id} has a wrong checksum"
        );
        let is_of_a_slide = || serde_json::from_slice::<SlideMessage>(payload).is_ok();
        assert!(
            !self.of_files || is_sealed(payload) || is_of_a_slide(),
            "{id} was changed: {payload:?}"
        );
    }
}

/// A payload of about this length that shows by itself whether it was changed.
fn sealed(length: usize) -> Vec<u8> {
    let mut payload = format!("{{\"pad\":\"{}\"}}", "x".repeat(length)).into_bytes();
    payload.extend(crc32c::crc32c(&payload).to_le_bytes());
    payload
}

fn is_sealed(payload: &[u8]) -> bool {
    payload
        .split_last_chunk()
        .is_some_and(|(body, crc)| crc32c::crc32c(body).to_le_bytes() == *crc)
}

fn judge() -> Judge {
    Judge {
        model: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        validation: None,
        threshold: 0.5,
    }
}

fn suspect(p_parasitized: f32) -> Suspect {
    Suspect {
        bbox: [1, 2, 3, 4].into(),
        p_parasitized,
        picture: vec![0xFF, 0xD8],
    }
}

fn series() -> Uuid {
    Uuid::from_u128(7)
}

/// The files of a sound store as a daemon leaves it whose power is cut: the database, and the log beside it.
fn template(folder: &Path) -> &'static [Vec<u8>; 2] {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    FILES.get_or_init(|| made(folder).expect("a store can be made"))
}

fn made(folder: &Path) -> anyhow::Result<[Vec<u8>; 2]> {
    let path = folder.join("template.sqlite");
    let fill = |connection: &Connection, numbers: std::ops::Range<u8>| -> rusqlite::Result<()> {
        for n in numbers {
            let is_report = n % 5 == 4;
            let payload = sealed(if n == 3 { 6000 } else { 200 });
            let mut row = sound_message(n, &payload);
            if is_report {
                row[1] = (Kind::Report as i64).into();
                row[2] = Value::Null;
                row[3] = Value::Null;
                row[CRC] = checksum_of(&row).expect("a report's row is sound");
            }
            if n % 3 == 0 {
                row[5] = 1_800_000_000.into();
            }
            insert(connection, "message", &row)?;
        }
        Ok(())
    };
    let connection = Connection::open(&path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(include_str!("../store/schema.sql"))?;
    connection.pragma_update(None, "user_version", 1)?;
    insert(
        &connection,
        "meta",
        &[text("series"), series().as_bytes().to_vec().into()],
    )?;
    insert(&connection, "meta", &[text("last_seq"), 40.into()])?;
    insert(&connection, "slide", &sound_slide(1, true))?;
    insert(&connection, "slide", &sound_slide(2, false))?;
    insert(&connection, "suspect", &sound_suspect(1))?;
    insert(&connection, "suspect", &sound_suspect(2))?;
    insert(&connection, "report", &sound_report(1))?;
    insert(
        &connection,
        "answer",
        &[1.into(), text("r1"), b"{}".to_vec().into()],
    )?;
    fill(&connection, 0..16)?;
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
    fill(&connection, 16..20)?;
    let files = [std::fs::read(&path)?, std::fs::read(with_wal(&path))?];
    drop(connection);
    std::fs::remove_file(path)?;
    Ok(files)
}

/// A folder with nothing but a sound store.
fn fresh(folder: &Path) -> PathBuf {
    let files = template(folder);
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        removed.expect("a file of ours");
    }
    let path = folder.join("results.sqlite");
    std::fs::write(&path, &files[0]).expect("room for a small file");
    std::fs::write(with_wal(&path), &files[1]).expect("room for a small file");
    path
}

fn with_wal(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}

/// Changes bytes of the files, or cuts them off.
fn change_files(path: &Path, mut files: [Vec<u8>; 2], bytes: &mut Bytes<'_>) {
    for _ in 0..MAX_CHANGES {
        if bytes.is_empty() {
            break;
        }
        let what = bytes.byte();
        let file = &mut files[usize::from(what & 1)];
        let at = bytes.number(3) as usize % file.len().max(1);
        match what >> 1 & 7 {
            0 if !file.is_empty() => file[at] ^= 1 << (bytes.byte() & 7),
            1 => file.truncate(at),
            2 => {
                let end = file.len().min(at + bytes.number(2) as usize);
                file[at..end].fill(bytes.byte());
            }
            // The header and the first page, where the tables are named.
            3 if file.len() > 4096 => file[at % 4096] = bytes.byte(),
            4 if file.len() > 100 => file[at % 100] = bytes.byte(),
            // A page in another's place.
            5 => {
                let [from, to] = [at, bytes.number(2) as usize].map(|at| at / 4096 * 4096);
                if from.max(to) + 4096 <= file.len() {
                    file.copy_within(from..from + 4096, to);
                }
            }
            _ if !file.is_empty() => file[at] = bytes.byte(),
            _ => {}
        }
    }
    for (file, path) in files.iter().zip([path.to_owned(), with_wal(path)]) {
        std::fs::write(path, file).expect("room for a small file");
    }
}

/// Puts rows into the tables, or takes something out. What SQLite refuses is left out.
fn change_rows(path: &Path, bytes: &mut Bytes<'_>, damage: &mut Damage) {
    /// What may be missing.
    const PARTS: [&str; 13] = [
        "TABLE message",
        "TABLE slide",
        "TABLE answer",
        "TABLE meta",
        "INDEX message_pending",
        "INDEX message_kept",
        "INDEX message_number",
        "COLUMN crc",
        "COLUMN kind",
        "COLUMN payload",
        "COLUMN acknowledged_at",
        "TABLE suspect",
        "TABLE report",
    ];
    const KEYS: [&str; 6] = [
        "series",
        "last_seq",
        "expired",
        "no_room",
        "damaged",
        "discovery",
    ];
    let connection = Connection::open(path).expect("a sound store");
    let _ = connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN");
    for n in 20..20 + MAX_CHANGES as u8 {
        if bytes.is_empty() {
            break;
        }
        let _ = match bytes.byte() % 14 {
            0..=4 => {
                let payload = sealed(usize::from(bytes.byte()));
                let which = bytes.number(2);
                let mut row = altered(sound_message(n, &payload), which, bytes);
                // Unless it is the checksum that is wrong, the others are values that were meant.
                if which >> CRC & 1 == 0
                    && let Some(crc) = checksum_of(&row)
                {
                    row[CRC] = crc;
                }
                let inserted = insert(&connection, "message", &row);
                if inserted.is_ok() {
                    damage.note(&row);
                }
                inserted
            }
            5 => insert(
                &connection,
                "slide",
                &altered(sound_slide(n, n % 2 == 0), bytes.number(2), bytes),
            ),
            6 => {
                let sound = [
                    i64::from(n).into(),
                    text(&format!("r{n}")),
                    b"{}".to_vec().into(),
                ];
                insert(
                    &connection,
                    "answer",
                    &altered(sound, bytes.number(2), bytes),
                )
            }
            7 => {
                let key = text(KEYS[usize::from(bytes.byte()) % KEYS.len()]);
                insert(&connection, "meta", &[key, bytes.value()])
            }
            8 => connection
                .execute(
                    "DELETE FROM meta WHERE key = ?1",
                    [KEYS[usize::from(bytes.byte()) % KEYS.len()]],
                )
                .map(drop),
            9 => connection
                .execute("UPDATE sqlite_sequence SET seq = ?1", [bytes.value()])
                .map(drop),
            10 => {
                let version = i64::from(bytes.byte() as i8);
                damage.is_of_a_newer_version = !(0..=1).contains(&version);
                connection.pragma_update(None, "user_version", version)
            }
            12 => insert(
                &connection,
                "suspect",
                &altered(sound_suspect(n), bytes.number(2), bytes),
            ),
            13 => insert(
                &connection,
                "report",
                &altered(sound_report(n), bytes.number(2), bytes),
            ),
            _ => {
                let part = PARTS[usize::from(bytes.byte()) % PARTS.len()];
                match part.strip_prefix("COLUMN ") {
                    Some(column) => connection.execute_batch(&format!(
                        "ALTER TABLE message RENAME {column} TO other_{n}"
                    )),
                    None => connection.execute_batch(&format!("DROP {part}")),
                }
            }
        };
    }
    connection.execute_batch("COMMIT").expect("a sound store");
    if !damage.is_of_a_newer_version {
        damage.sound = sound(&connection).unwrap_or_default();
    }
}

/// The messages that are pending and as they must be.
fn sound(connection: &Connection) -> rusqlite::Result<BTreeSet<Uuid>> {
    let mut query = connection
        .prepare("SELECT id, kind, crc, payload, acknowledged_at IS NULL FROM message")?;
    let rows = query.query_map([], |row| {
        let kind = row.get::<_, u8>(1)?;
        let payload: Vec<u8> = row.get(3)?;
        let crc: u32 = row.get(2)?;
        let is_pending: bool = row.get(4)?;
        let id = Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).ok();
        let is_sound = |id: &Uuid| {
            let kind = Kind::of(kind).filter(|kind| checksum(*id, *kind, &payload) == crc);
            is_pending && kind.is_some()
        };
        Ok(id.filter(is_sound))
    })?;
    Ok(rows.filter_map(Result::ok).flatten().collect())
}

impl Damage {
    /// Remembers a row of a message if its checksum is wrong.
    fn note(&mut self, row: &[Value]) {
        let (Value::Blob(id), Value::Blob(payload)) = (&row[0], &row[8]) else {
            return;
        };
        self.wrong.retain(|(of, _)| of != id);
        if checksum_of(row).as_ref() != Some(&row[CRC]) {
            self.wrong.push((id.clone(), payload.clone()));
        }
    }
}

/// Other values in a row's place for those that `which` has bits of, the first the lowest.
fn altered<const N: usize>(mut row: [Value; N], which: u64, bytes: &mut Bytes<'_>) -> [Value; N] {
    for (i, value) in row.iter_mut().enumerate() {
        if which >> i & 1 == 1 {
            *value = bytes.value();
        }
    }
    row
}

/// The columns of a message but the first, or, for the other tables, all.
fn insert(connection: &Connection, table: &str, row: &[Value]) -> rusqlite::Result<()> {
    let columns = match table {
        "message" => {
            " (id, kind, series, seq, committed_at, acknowledged_at, crc, bytes, payload, n)"
        }
        _ => "",
    };
    let marks = vec!["?"; row.len()].join(", ");
    connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {table}{columns} VALUES ({marks})"
        ))?
        .execute(params_from_iter(row))
        .map(drop)
}

/// Where a message's row has its checksum.
const CRC: usize = 6;

/// The checksum that a message's row must have, if it can be a message's.
fn checksum_of(row: &[Value]) -> Option<Value> {
    let (Value::Blob(id), Value::Integer(kind), Value::Blob(payload)) = (&row[0], &row[1], &row[8])
    else {
        return None;
    };
    let kind = Kind::of(u8::try_from(*kind).ok()?)?;
    let crc = checksum(Uuid::from_slice(id).ok()?, kind, payload);
    Some(i64::from(crc).into())
}

fn sound_message(n: u8, payload: &[u8]) -> [Value; 10] {
    let id = Uuid::from_u128(1000 + u128::from(n));
    [
        id.as_bytes().to_vec().into(),
        (Kind::Field as i64).into(),
        series().as_bytes().to_vec().into(),
        (i64::from(n) + 1).into(),
        1_800_000_000.into(),
        Value::Null,
        i64::from(checksum(id, Kind::Field, payload)).into(),
        (payload.len() as i64).into(),
        payload.to_vec().into(),
        Value::Null,
    ]
}

fn slide_id(n: u8) -> SlideId {
    Uuid::from_u128(500 + u128::from(n)).into()
}

fn sound_slide(n: u8, is_closed: bool) -> [Value; 8] {
    const TALLY: &str = r#"{"sums":{"fields":3,"cells":30,"parasitized":2,"cells_squared":300,"cells_by_parasitized":20,"parasitized_squared":4},"focus_sum":120.0,"focus_min":39.5,"left_out":{},"turned_away":{"moving":3},"models":[],"clock_synchronised":null,"open_ms":60000}"#;
    const BEGUN: &str = "2026-05-01T10:00:00Z";
    let closed = is_closed.then_some("2026-05-01T11:00:00Z");
    let id = slide_id(n);
    [
        text(id.as_str()),
        text(BEGUN),
        closed.map_or(Value::Null, text),
        3.into(),
        30.into(),
        2.into(),
        text(TALLY),
        i64::from(slide_checksum(id.as_str(), BEGUN, closed, 3, TALLY)).into(),
    ]
}

/// A cell of the slide that is closed, or of the one that is open.
fn sound_suspect(n: u8) -> [Value; 9] {
    [
        i64::from(n).into(),
        text(slide_id(1 + n % 2).as_str()),
        i64::from(n).into(),
        (f64::from(n) / 255.0).into(),
        10.into(),
        20.into(),
        30.into(),
        40.into(),
        vec![0xFF, 0xD8].into(),
    ]
}

fn sound_report(n: u8) -> [Value; 4] {
    let id = slide_id(n);
    let payload = format!(
        r#"{{"schema":"smearscope.slide/1","id":"{id}","device":"lab","started_at":"2026-05-01T10:00:00Z","fields":3,"cells":30,"parasitized":2,"parasitemia":null,"interval":"wilson","cells_needed":100,"state":"insufficient"}}"#
    );
    [
        i64::from(n).into(),
        text(id.as_str()),
        i64::from(crc32c::crc32c(payload.as_bytes())).into(),
        payload.into_bytes().into(),
    ]
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// What is left of the bytes; after the last one there are zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, bytes: u32) -> u64 {
        (0..bytes).map(|i| u64::from(self.byte()) << (8 * i)).sum()
    }

    /// Any value that SQLite can hold, near the ends of the integers more often than elsewhere.
    fn value(&mut self) -> Value {
        let length = |bytes: &mut Self| usize::from(bytes.byte() % 40);
        match self.byte() % 12 {
            0 => Value::Null,
            1 => i64::from(self.byte() as i8).into(),
            2 => (i64::MAX - i64::from(self.byte())).into(),
            3 => (i64::MIN + i64::from(self.byte())).into(),
            4 => (self.number(8) as i64).into(),
            5 => (self.number(4) as i64).into(),
            6 => f64::from_bits(self.number(8)).into(),
            7 | 8 => {
                let bytes: Vec<u8> = (0..length(self)).map(|_| self.byte()).collect();
                Value::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            // An id of the sound store.
            9 => Uuid::from_u128(u128::from(self.number(2)))
                .as_bytes()
                .to_vec()
                .into(),
            10 => sealed(length(self)).into(),
            _ => (0..length(self))
                .map(|_| self.byte())
                .collect::<Vec<u8>>()
                .into(),
        }
    }
}
