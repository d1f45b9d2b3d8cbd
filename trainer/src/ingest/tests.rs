use smearscope_common::exported::{CELLS_FILE, KEY_FILE, Part};
use smearscope_common::geometry::Rect;
use smearscope_common::image::Rgb;
use smearscope_common::message::{
    Decision, KeptCell, KeptReason, Label, ModelRef, Reviewer, SlideId,
};
use tempfile::TempDir;

use super::*;

/// A cell number `n` of a slide, with a spot at a place of its own, and what somebody said of it.
fn cell(n: u32, slide: &str, said: Option<Label>) -> Cell {
    let picture = RgbImage::from_fn(60, 60, |x, y| {
        let (dx, dy) = (x as i32 - 30, y as i32 - 30);
        let (at, turn) = ((n % 7) as i32 * 5 - 15, (n / 7) as i32 * 6 - 12);
        match (dx - at).pow(2) + (dy - turn).pow(2) {
            ..40 => Rgb([60, 30, 80]),
            _ => Rgb([170, 130, 140]),
        }
    });
    let mask = RgbImage::from_fn(60, 60, |x, y| {
        let (dx, dy) = (x as i32 - 30, y as i32 - 30);
        Rgb([if dx * dx + dy * dy < 25 * 25 { 255 } else { 0 }; 3])
    });
    let (picture, mask) = (encode_png(&picture).unwrap(), encode_png(&mask).unwrap());
    let kept = KeptCell {
        id: Uuid::from_u128(100 + u128::from(n)),
        field_id: Uuid::from_u128(u128::from(n / 2)),
        series: Uuid::nil(),
        seq: 1,
        slide: Some(slide.parse().unwrap()),
        captured_at: jiff::Timestamp::UNIX_EPOCH,
        clock_synchronised: Some(true),
        reason: KeptReason::Suspicious,
        bbox: Rect::from([5, 5, 50, 50]),
        crop: Rect::from([0, 0, 60, 60]),
        label: Label::Uninfected,
        p_parasitized: 0.25,
        model: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        decision: said.map(|verdict| Decision {
            verdict,
            at: "2026-11-28T10:00:00Z".parse().unwrap(),
            by: Some(Reviewer::try_from("Ada".to_owned()).unwrap()),
        }),
        field_colour: Some([150.0, 120.0, 130.0]),
        stands_for: 3,
        field_cells: 6,
        novelty: Some(1.5),
    };
    Cell {
        record: ExportedCell::of("scope-1".parse().unwrap(), kept, &picture, &mask),
        picture,
        mask,
    }
}

const P: Option<Label> = Some(Label::Parasitized);
const U: Option<Label> = Some(Label::Uninfected);

/// Cells that are at hand.
struct AtHand(Vec<Cell>);

impl Source for AtHand {
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
        self.0.drain(..).try_for_each(take)
    }

    fn damaged(&self) -> u64 {
        0
    }
}

fn taken(cells: Vec<Cell>, out: &Path) -> Ingested {
    ingest(&mut AtHand(cells), out, Some("clinic")).unwrap()
}

fn rows(out: &Path) -> Manifest {
    manifest::read(&fs::read(out.join(manifest::FILE)).unwrap()).unwrap()
}

#[test]
fn decided_cells_become_a_data_set_with_whom_they_are_from() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    let cells = vec![
        cell(0, "a", P),
        cell(1, "a", U),
        cell(2, "b", U),
        cell(3, "b", None),
    ];
    let done = taken(cells, &out);
    assert_eq!((done.seen, done.added, done.undecided), (4, 3, 1));
    assert_eq!(
        (done.classes["Parasitized"], done.classes["Uninfected"]),
        (1, 2)
    );
    assert_eq!(done.groups, 2);
    let rows = rows(&out);
    let row = &rows[&Uuid::from_u128(100)];
    // A name that came without a pseudonym has got one.
    assert!(row.group.starts_with("clinic/anon-"), "{}", row.group);
    assert_eq!(row.device, "scope-1");
    assert_eq!((row.stands_for, row.complete), (3, true));
    assert!(
        !rows[&Uuid::from_u128(102)].complete,
        "its field has a cell that waits"
    );
    let bytes = fs::read(out.join(&row.file)).unwrap();
    assert_eq!(row.sha256, sha256(&bytes));
    let dataset = crate::dataset::Dataset::open(&out, &regex::Regex::new("^C").unwrap()).unwrap();
    assert_eq!(dataset.samples.len(), 3);
    assert_eq!(dataset.samples[0].subject, row.group);
    let kept = dataset.samples[0].kept.as_ref().unwrap();
    assert_eq!(
        (kept.weight, kept.colour),
        (Some(3), Some([150.0, 120.0, 130.0]))
    );
    // Whatever else lies there is none of it.
    fs::write(out.join("Uninfected/stray.png"), &bytes).unwrap();
    let dataset = crate::dataset::Dataset::open(&out, &regex::Regex::new("^C").unwrap()).unwrap();
    assert_eq!(dataset.samples.len(), 3);
}

#[test]
fn what_is_there_is_known_and_a_changed_decision_is_followed() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    let all = |first| vec![cell(0, "a", first), cell(1, "a", U), cell(9, "a", P)];
    taken(all(P), &out);
    let again = taken(all(P), &out);
    assert_eq!((again.added, again.known, again.near_duplicates), (0, 3, 0));
    let later = |first| {
        let mut cells = all(first);
        if let Some(decision) = &mut cells[0].record.cell.decision {
            decision.at = "2026-11-29T10:00:00Z".parse().unwrap();
        }
        cells
    };
    let changed = taken(later(U), &out);
    assert_eq!((changed.changed, changed.known), (1, 2));
    assert!(
        out.join("Uninfected")
            .join(format!("{}.png", Uuid::from_u128(100)))
            .exists()
    );
    assert!(
        !out.join("Parasitized")
            .join(format!("{}.png", Uuid::from_u128(100)))
            .exists()
    );
    // An older word changes nothing, and a decision that was taken back takes the cell with it.
    assert_eq!(taken(all(P), &out).changed, 0);
    assert_eq!(taken(later(None), &out).changed, 1);
    assert_eq!(rows(&out).len(), 2);
}

#[test]
fn duplicates_go_and_contradictions_go_both() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    let with_id = |n, id, slide, said| {
        let mut cell = cell(n, slide, said);
        cell.record.cell.id = Uuid::from_u128(id);
        cell
    };
    let done = taken(
        vec![
            cell(0, "a", P),
            with_id(0, 900, "a", P),
            cell(5, "a", U),
            with_id(5, 901, "b", P),
            cell(9, "a", U),
        ],
        &out,
    );
    assert_eq!((done.duplicates, done.conflicts, done.added), (1, 1, 3));
    let left: Vec<u128> = rows(&out).keys().map(Uuid::as_u128).collect();
    assert_eq!(left, [100, 109]);
}

#[test]
fn damaged_cells_are_left_out_and_a_folder_that_is_no_data_set_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    let mut broken = cell(1, "a", P);
    broken.picture[80] ^= 1;
    let done = taken(vec![cell(0, "a", P), broken], &out);
    assert_eq!((done.damaged, done.added), (1, 1));
    let other = dir.path().join("photos");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("holiday.jpg"), "").unwrap();
    let said = ingest(&mut AtHand(Vec::new()), &other, None)
        .unwrap_err()
        .to_string();
    assert!(said.contains("no data set of `ingest`"), "{said}");
}

/// Writes cells as a board exports them.
fn exported(folder: &Path, cells: &[Cell]) {
    fs::create_dir_all(folder).unwrap();
    for cell in cells {
        for (name, bytes) in cell.record.files(&cell.picture, &cell.mask).unwrap() {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn a_folder_is_read_with_what_lies_below_it() {
    let dir = TempDir::new().unwrap();
    exported(&dir.path().join("in/monday"), &[cell(0, "a", P)]);
    exported(
        &dir.path().join("in/tuesday"),
        &[cell(9, "a", U), cell(16, "a", U)],
    );
    fs::remove_file(
        dir.path()
            .join("in/tuesday")
            .join(Part::Mask.name(Uuid::from_u128(116))),
    )
    .unwrap();
    let mut folder = folder::Folder::open(&dir.path().join("in")).unwrap();
    let done = ingest(&mut folder, &dir.path().join("out"), None).unwrap();
    assert_eq!((done.added, done.damaged), (2, 1));
    assert!(folder::Folder::open(&dir.path().join("out")).is_err());
}

#[test]
fn a_card_is_read_with_pseudonyms_of_its_own_key() {
    use smearscope_common::kept_row::{Facts, KeptField, checksum, label_number, reason_number};
    let dir = TempDir::new().unwrap();
    let database = dir.path().join("var/lib").join(CELLS_FILE);
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE cell (n INTEGER PRIMARY KEY, id BLOB, slide TEXT, reason INTEGER, p REAL, label INTEGER, facts TEXT,
             verdict INTEGER, decided_at TEXT, decided_by TEXT, picture BLOB, mask BLOB, sum BLOB)",
        )
        .unwrap();
    for (n, is_damaged) in [(0, false), (9, true)] {
        let Cell {
            record,
            picture,
            mask,
        } = cell(n, "Ada-17", P);
        let kept = record.cell;
        let facts = serde_json::to_string(&Facts {
            field: KeptField {
                field_id: kept.field_id,
                series: kept.series,
                seq: kept.seq,
                slide: kept.slide.clone(),
                captured_at: kept.captured_at,
                clock_synchronised: None,
                model: kept.model,
                colour: kept.field_colour,
                counted: kept.field_cells,
            },
            bbox: kept.bbox,
            crop: kept.crop,
            stands_for: kept.stands_for,
            novelty: kept.novelty,
        })
        .unwrap();
        let mut sum = checksum(kept.id, &facts, &picture, &mask);
        sum[0] ^= u8::from(is_damaged);
        let decision = kept.decision.unwrap();
        connection
            .execute(
                "INSERT INTO cell VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                rusqlite::params![
                    kept.id.as_bytes().as_slice(),
                    kept.slide.as_ref().map(SlideId::as_str),
                    reason_number(kept.reason),
                    kept.p_parasitized,
                    label_number(kept.label),
                    facts,
                    label_number(decision.verdict),
                    decision.at.to_string(),
                    decision.by.map(String::from),
                    picture,
                    mask,
                    sum.as_slice(),
                ],
            )
            .unwrap();
    }
    drop(connection);
    let found = card::database_in(dir.path()).unwrap().unwrap();
    assert_eq!(found, database);
    let device = || "scope-1".parse().unwrap();
    let said = card::Card::open(&found, device(), None)
        .err()
        .unwrap()
        .to_string();
    assert!(
        said.contains(KEY_FILE) && said.contains("--pseudonym-key-file"),
        "{said}"
    );
    fs::write(database.with_file_name(KEY_FILE), "a key of the board's\n").unwrap();
    let mut card = card::Card::open(&found, device(), None).unwrap();
    let out = dir.path().join("out");
    let done = ingest(&mut card, &out, Some("clinic")).unwrap();
    assert_eq!((done.added, done.damaged), (1, 1));
    let csv = fs::read_to_string(out.join(manifest::FILE)).unwrap();
    assert!(!csv.contains("Ada"), "{csv}");
    let pseudonym = Pseudonyms::new("a key of the board's").slide(&"Ada-17".parse().unwrap());
    assert!(csv.contains(pseudonym.as_str()), "{csv}");
    // The card itself is not written to.
    let mut beside: Vec<_> = fs::read_dir(database.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    beside.sort();
    assert_eq!(beside, [CELLS_FILE, KEY_FILE]);
}

#[test]
fn labels_come_back_from_label_studio() {
    let dir = TempDir::new().unwrap();
    let cells = dir.path().join("tasks");
    exported(
        &cells,
        &[cell(0, "a", None), cell(9, "a", None), cell(16, "a", None)],
    );
    let choice = |from: &str, choice: &str| {
        serde_json::json!({
            "id": "x1", "from_name": from, "to_name": "image", "type": "choices", "origin": "manual",
            "value": {"choices": [choice]}
        })
    };
    let task = |n: u128, annotations: serde_json::Value| {
        serde_json::json!({
            "id": n, "data": {"image": "/data/local-files/?d=cells/x.png", "cell": Uuid::from_u128(n)},
            "annotations": annotations, "predictions": [], "project": 3, "created_at": "2026-11-28T09:00:00Z"
        })
    };
    let said = |verdict: &str, at: &str, cancelled: bool| {
        serde_json::json!({
            "id": 1, "result": [choice("verdict", verdict), choice("stage", "ring"),
                {"type": "textarea", "from_name": "note", "to_name": "image", "value": {"text": ["x"]}}],
            "was_cancelled": cancelled, "created_at": at, "completed_by": {"email": "ada@clinic.org"}
        })
    };
    let export = serde_json::json!([
        task(
            100,
            serde_json::json!([
                said("Uninfected", "2026-11-28T10:00:00Z", false),
                said("Parasitized", "2026-11-28T11:00:00Z", false),
                said("Uninfected", "2026-11-28T12:00:00Z", true),
            ])
        ),
        task(
            109,
            serde_json::json!([said("Uninfected", "2026-11-28T10:00:00Z", false)])
        ),
        task(116, serde_json::json!([])),
        task(
            999,
            serde_json::json!([said("Uninfected", "2026-11-28T10:00:00Z", false)])
        ),
    ]);
    let file = dir.path().join("export.json");
    fs::write(&file, export.to_string()).unwrap();
    let mut labelled = label_studio::Labelled::open(&file, &cells).unwrap();
    let out = dir.path().join("out");
    let done = ingest(&mut labelled, &out, Some("clinic")).unwrap();
    assert_eq!((done.added, done.undecided, done.damaged), (2, 1, 1));
    let rows = rows(&out);
    let parasite = &rows[&Uuid::from_u128(100)];
    assert_eq!(
        (parasite.class.as_str(), parasite.stage.as_str()),
        ("Parasitized", "ring")
    );
    assert_eq!(rows[&Uuid::from_u128(109)].stage, "");
    assert!(
        parasite.reviewer.starts_with("anon-"),
        "{}",
        parasite.reviewer
    );
    for broken in ["{}", "[{\"data\": {}}]", "no json"] {
        fs::write(&file, broken).unwrap();
        assert!(
            label_studio::Labelled::open(&file, &cells).is_err(),
            "{broken}"
        );
    }
}

#[test]
fn what_label_studio_says_stays_where_the_board_knows_nothing_of_it() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    struct Studio(AtHand);
    impl Source for Studio {
        fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
            self.0.each(take)
        }
        fn decided_on(&self) -> &'static str {
            "label_studio"
        }
        fn damaged(&self) -> u64 {
            0
        }
    }
    taken(vec![cell(0, "a", None), cell(9, "a", U)], &out);
    let mut labelled = cell(0, "a", P);
    labelled.record.stage = Some("ring".into());
    let mut studio = Studio(AtHand(vec![labelled, cell(9, "a", None)]));
    assert_eq!(ingest(&mut studio, &out, Some("clinic")).unwrap().added, 1);
    let again = taken(vec![cell(0, "a", None), cell(9, "a", U)], &out);
    assert_eq!((again.changed, again.known, again.undecided), (0, 1, 1));
    assert_eq!(rows(&out).len(), 2);
    // And once the board says the same, the kind of parasite is still known.
    taken(vec![cell(0, "a", P)], &out);
    let row = rows(&out)[&Uuid::from_u128(100)].clone();
    assert_eq!(
        (row.decided_on.as_str(), row.stage.as_str()),
        ("board", "ring")
    );
}

#[test]
fn a_run_that_was_cut_off_can_be_done_again() {
    struct Cut(Vec<Cell>);
    impl Source for Cut {
        fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
            self.0.drain(..).try_for_each(take)?;
            anyhow::bail!("the line broke")
        }
        fn damaged(&self) -> u64 {
            0
        }
    }
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("data");
    // Before the first cell, and as if killed: nothing but what `open` writes.
    drop(DataSet::open(&out).unwrap());
    assert!(ingest(&mut Cut(vec![cell(0, "a", P)]), &out, None).is_err());
    assert_eq!(rows(&out).len(), 1, "what came is noted");
    // A picture that is gone comes once more.
    let row = rows(&out).into_values().next().unwrap();
    fs::remove_file(out.join(&row.file)).unwrap();
    let done = taken(vec![cell(0, "a", P), cell(9, "a", U)], &out);
    assert_eq!((done.added, rows(&out).len()), (2, 2));
}
