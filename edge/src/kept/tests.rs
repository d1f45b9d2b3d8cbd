use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use smearscope_common::geometry::Rect;
use smearscope_common::message::{
    CellResult, Decided, KeptCell, KeptReason, Label, ModelRef, Reviewer, SlideId,
};
use smearscope_common::parasitemia::Counts;
use tempfile::TempDir;

use super::*;

/// Room for some dozen cells of [`chosen`], and for what a database itself takes.
const FEW: u64 = 96 << 10;

/// What keeps nothing longer than the program runs.
pub fn in_memory() -> KeptCells {
    opened(None, 1 << 20)
}

fn opened(path: Option<&Path>, max_bytes: u64) -> KeptCells {
    KeptCells::open(Options {
        path: path.map(Path::to_owned),
        max_bytes,
        pseudonyms: None,
    })
    .unwrap()
}

/// A field of a slide.
pub fn field(seq: u64, slide: Option<&str>) -> KeptField {
    KeptField {
        field_id: Uuid::from_u128(seq.into()),
        series: Uuid::from_u128(1),
        seq,
        slide: slide.map(|id| id.parse().unwrap()),
        captured_at: Timestamp::UNIX_EPOCH,
        clock_synchronised: Some(true),
        model: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        colour: Some([150.0, 120.5, 130.0]),
        counted: 90,
    }
}

/// A cell of about 700 bytes with this probability.
pub fn chosen(reason: KeptReason, p_parasitized: f32) -> Chosen {
    let bbox = Rect::from([10, 20, 30, 40]);
    Chosen {
        reason,
        cell: CellResult {
            bbox,
            label: match p_parasitized >= 0.5 {
                true => Label::Parasitized,
                false => Label::Uninfected,
            },
            p_parasitized,
            counted_before: false,
        },
        crop: Rect::from([4, 12, 42, 56]),
        picture: vec![7; 100],
        mask: vec![9; 50],
        stands_for: 1,
        novelty: None,
    }
}

fn list(kept: &KeptCells, wanted: CellsList) -> Vec<KeptCell> {
    kept.list(&wanted).unwrap().cells
}

fn all(kept: &KeptCells) -> Vec<KeptCell> {
    let wanted = CellsList {
        limit: 200,
        ..CellsList::default()
    };
    list(kept, wanted)
}

fn review(kept: &KeptCells, id: Uuid, verdict: Option<Label>) -> CellReviewed {
    let review = CellsReview {
        id,
        verdict,
        by: None,
    };
    kept.review(&review, &Uuid::now_v7().to_string(), None)
        .unwrap()
}

#[test]
fn the_most_suspicious_come_first_page_by_page_as_they_are_asked_for() {
    let kept = in_memory();
    kept.keep(
        &field(1, Some("A")),
        &[
            chosen(KeptReason::Threshold, 0.5),
            chosen(KeptReason::Suspicious, 0.9),
            chosen(KeptReason::Random, 0.1),
        ],
    );
    kept.keep(&field(2, None), &[chosen(KeptReason::Suspicious, 0.9)]);
    let found = all(&kept);
    let seen: Vec<_> = found.iter().map(|c| (c.seq, c.p_parasitized)).collect();
    assert_eq!(seen, [(1, 0.9), (2, 0.9), (1, 0.5), (1, 0.1)]);
    assert_eq!(found[0].crop, Rect::from([4, 12, 42, 56]));
    assert_eq!(
        (found[0].reason, found[0].decision.clone()),
        (KeptReason::Suspicious, None)
    );

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = kept.list(&CellsList {
            after,
            limit: 1,
            ..CellsList::default()
        });
        let page = page.unwrap();
        assert_eq!(page.total, 4);
        assert_eq!(page.more, paged.len() < 3);
        let Some(cell) = page.cells.into_iter().next() else {
            break;
        };
        after = Some(cell.id);
        paged.push(cell);
    }
    assert_eq!(paged, found);

    let of = |slide: &str| CellsList {
        slide: Some(slide.parse().unwrap()),
        ..CellsList::default()
    };
    assert_eq!(list(&kept, of("A")).len(), 3);
    assert_eq!(list(&kept, of("B")), []);
    let by_lot = CellsList {
        reason: Some(KeptReason::Random),
        ..CellsList::default()
    };
    assert_eq!(list(&kept, by_lot)[0].p_parasitized, 0.1);
    let unknown = CellsList {
        after: Some(Uuid::from_u128(99)),
        ..CellsList::default()
    };
    assert!(matches!(kept.list(&unknown), Err(KeptError::Unknown(_))));
}

#[test]
fn pictures_are_given_as_they_were_kept_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let kept = opened(Some(&path), 1 << 20);
    kept.keep(&field(1, None), &vec![chosen(KeptReason::Random, 0.1); 2]);
    let ids: Vec<Uuid> = all(&kept).iter().map(|cell| cell.id).collect();
    let nobody = Uuid::from_u128(3);
    let shown = kept.show(&[ids[1], nobody, ids[0]]).unwrap();
    assert_eq!(shown.missing, [nobody]);
    assert_eq!(shown.cells[0].id, ids[1]);
    assert_eq!(STANDARD.decode(&shown.cells[0].picture).unwrap(), [7; 100]);
    assert_eq!(STANDARD.decode(&shown.cells[0].mask).unwrap(), [9; 50]);
    drop(kept);
    // One flipped bit.
    let mut picture = vec![7_u8; 100];
    picture[50] = 6;
    let connection = Connection::open(&path).unwrap();
    let changed = connection.execute(
        "UPDATE cell SET picture = ?1 WHERE id = ?2",
        rusqlite::params![picture, ids[0].as_bytes().as_slice()],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(connection);
    let kept = opened(Some(&path), 1 << 20);
    assert_eq!(kept.show(&ids).unwrap().missing, [ids[0]]);
}

#[test]
fn a_decision_lasts_can_be_changed_and_taken_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let kept = opened(Some(&path), 1 << 20);
    kept.keep(&field(1, Some("A")), &[chosen(KeptReason::Suspicious, 0.9)]);
    let id = all(&kept)[0].id;
    let decided = kept.review(
        &CellsReview {
            id,
            verdict: Some(Label::Uninfected),
            by: Some(Reviewer::try_from("A. Otieno".to_owned()).unwrap()),
        },
        "first",
        None,
    );
    let decision = decided.unwrap().decision.unwrap();
    assert_eq!(decision.verdict, Label::Uninfected);
    drop(kept);
    let kept = opened(Some(&path), 1 << 20);
    assert_eq!(all(&kept)[0].decision, Some(decision));
    let only = |decided| CellsList {
        decided: Some(decided),
        ..CellsList::default()
    };
    assert_eq!(
        (
            list(&kept, only(true)).len(),
            list(&kept, only(false)).len()
        ),
        (1, 0)
    );
    let changed = review(&kept, id, Some(Label::Parasitized));
    assert_eq!(changed.decision.unwrap().verdict, Label::Parasitized);
    assert_eq!(changed.slide.unwrap().as_str(), "A");
    assert_eq!(review(&kept, id, None).decision, None);
    assert_eq!(
        (
            list(&kept, only(true)).len(),
            list(&kept, only(false)).len()
        ),
        (0, 1)
    );
    let unknown = CellsReview {
        id: Uuid::from_u128(4),
        verdict: None,
        by: None,
    };
    assert!(matches!(
        kept.review(&unknown, "r", None),
        Err(KeptError::Unknown(_))
    ));
}

#[test]
fn decisions_are_counted_for_their_slide() {
    let kept = in_memory();
    let cells = [0.9, 0.8, 0.1, 0.2].map(|p| chosen(KeptReason::Suspicious, p));
    kept.keep(&field(1, Some("A")), &cells);
    kept.keep(&field(2, Some("B")), &cells[..1]);
    let ids: Vec<Uuid> = all(&kept)
        .iter()
        .filter(|cell| cell.seq == 1)
        .map(|cell| cell.id)
        .collect();
    review(&kept, ids[0], Some(Label::Parasitized));
    review(&kept, ids[1], Some(Label::Uninfected));
    review(&kept, ids[2], Some(Label::Parasitized));
    review(&kept, ids[3], Some(Label::Uninfected));
    let decided = |slide: &str| {
        let slide: SlideId = slide.parse().unwrap();
        kept.read(|database| database.decided(&slide)).unwrap()
    };
    let one_of_each = Decided {
        confirmed: 1,
        rejected: 1,
        found: 1,
        agreed: 1,
    };
    assert_eq!(decided("A"), one_of_each);
    assert_eq!(decided("B"), Decided::default());
    let mut slide =
        crate::slide::Slide::new("A".parse().unwrap()).message(&crate::slide::tests::rules(10));
    slide.counts = Counts {
        cells: 100,
        parasitized: 2,
    };
    let reviewed = kept.reviewed(&slide).unwrap();
    assert!(reviewed.complete && reviewed.parasitized == 2);
    let again = CellsReview {
        id: ids[0],
        verdict: None,
        by: None,
    };
    let reviewed = kept
        .review(&again, "r", Some(&slide))
        .unwrap()
        .reviewed
        .unwrap();
    assert!(!reviewed.complete && reviewed.confirmed == 0);
}

#[test]
fn what_is_too_much_goes_by_age_and_no_reason_drives_another_out() {
    let kept = opened(None, FEW);
    kept.keep(&field(1, None), &[chosen(KeptReason::Random, 0.1)]);
    kept.keep(&field(2, None), &[chosen(KeptReason::Threshold, 0.5)]);
    kept.keep(&field(3, None), &[chosen(KeptReason::Suspicious, 0.99)]);
    let first = all(&kept)[0].id;
    review(&kept, first, Some(Label::Parasitized));
    for seq in 4..200 {
        kept.keep(&field(seq, None), &[chosen(KeptReason::Suspicious, 0.9)]);
        let health = kept.health().unwrap();
        assert!(health.bytes <= FEW && health.kept > 3, "{health:?}");
    }
    let left = all(&kept);
    assert_eq!(left[0].id, first, "decided, and so the last to go");
    let of = |reason| left.iter().filter(|c| c.reason == reason).count();
    assert_eq!((of(KeptReason::Random), of(KeptReason::Threshold)), (1, 1));
    let newest = left.iter().map(|cell| cell.seq).max();
    assert_eq!(newest, Some(199));
    // Where only decided ones are left, the oldest of these goes.
    for cell in all(&kept) {
        review(&kept, cell.id, Some(Label::Parasitized));
    }
    for seq in 200..240 {
        kept.keep(&field(seq, None), &[chosen(KeptReason::Suspicious, 0.9)]);
        for cell in all(&kept) {
            review(&kept, cell.id, Some(Label::Parasitized));
        }
    }
    assert!(all(&kept).iter().all(|cell| cell.id != first));
    assert!(kept.health().unwrap().bytes <= FEW);
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    std::fs::write(
        &path,
        "no database at all, but longer than a header of SQLite's would be, so that it is read"
            .repeat(9),
    )
    .unwrap();
    let kept = opened(Some(&path), 1 << 20);
    kept.keep(&field(1, None), &[chosen(KeptReason::Random, 0.1)]);
    assert_eq!(all(&kept).len(), 1);
    assert_eq!(kept.health().unwrap().trouble, None);
    let aside = std::fs::read_dir(dir.path()).unwrap();
    let names: Vec<_> = aside.map(|f| f.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .any(|n| n.to_string_lossy().starts_with("cells.sqlite.damaged-")),
        "{names:?}"
    );
}

#[test]
fn a_table_that_is_not_ours_is_damage_too() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    drop(opened(Some(&path), 1 << 20));
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("DROP TABLE cell").unwrap();
    drop(connection);
    let kept = opened(Some(&path), 1 << 20);
    kept.keep(&field(1, None), &[chosen(KeptReason::Random, 0.1)]);
    kept.keep(&field(2, None), &[chosen(KeptReason::Random, 0.1)]);
    assert_eq!(all(&kept).len(), 1, "the first one met the damage");
}

#[test]
fn one_program_has_it_and_where_it_can_t_be_it_is_told() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let _kept = opened(Some(&path), 1 << 20);
    let second = KeptCells::open(Options {
        path: Some(path),
        max_bytes: 1 << 20,
        pseudonyms: None,
    });
    let error = format!("{:#}", second.err().unwrap());
    assert!(error.contains("another smearscope-edge"), "{error}");

    // A file where a folder should be.
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let kept = opened(Some(&file.join("cells.sqlite")), 1 << 20);
    kept.keep(&field(1, None), &[chosen(KeptReason::Random, 0.1)]);
    assert!(kept.health().unwrap().trouble.is_some());
    assert!(matches!(
        kept.list(&CellsList::default()),
        Err(KeptError::Unusable(_))
    ));
}

#[test]
fn a_write_that_fails_is_told_until_one_succeeds_whatever_can_be_read() {
    let kept = in_memory();
    let cells = vec![chosen(KeptReason::Suspicious, 0.9); 8];
    kept.keep(&field(1, None), &cells);
    // A disk that is full.
    let pages = |most: &str| {
        kept.read(|database| database.limit_pages(most)).unwrap();
    };
    pages("page_count");
    for seq in 2..40 {
        kept.keep(&field(seq, None), &cells);
    }
    let full = all(&kept).len();
    let trouble = kept.health().unwrap().trouble.unwrap();
    assert!(trouble.contains("full"), "{trouble}");
    assert!(
        kept.health().unwrap().trouble.is_some(),
        "reading heals nothing"
    );
    pages("1000000");
    kept.keep(&field(50, None), &cells);
    assert_eq!(kept.health().unwrap().trouble, None);
    assert_eq!(all(&kept).len(), full + 8);
}

#[test]
fn the_same_command_once_more_does_not_undo_what_somebody_else_decided() {
    let kept = in_memory();
    kept.keep(&field(1, None), &[chosen(KeptReason::Suspicious, 0.9)]);
    let id = all(&kept)[0].id;
    let review = |verdict, request: &str| {
        let review = CellsReview {
            id,
            verdict: Some(verdict),
            by: None,
        };
        kept.review(&review, request, None)
            .unwrap()
            .decision
            .unwrap()
    };
    let first = review(Label::Parasitized, "a");
    assert_eq!(review(Label::Parasitized, "a"), first, "also its time");
    let second = review(Label::Uninfected, "b");
    assert_eq!(review(Label::Uninfected, "b"), second);
    assert_eq!(all(&kept)[0].decision, Some(second));
}

#[test]
fn a_row_that_can_t_be_read_costs_nothing_but_itself() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let kept = opened(Some(&path), 1 << 20);
    let cells = [0.9, 0.8, 0.7].map(|p| chosen(KeptReason::Suspicious, p));
    kept.keep(&field(1, Some("A")), &cells);
    let ids: Vec<Uuid> = all(&kept).iter().map(|cell| cell.id).collect();
    for id in &ids[1..] {
        review(&kept, *id, Some(Label::Uninfected));
    }
    drop(kept);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "UPDATE cell SET facts = '{' WHERE p > 0.85; UPDATE cell SET verdict = 7 WHERE p BETWEEN 0.75 AND 0.85",
        )
        .unwrap();
    drop(connection);
    let kept = opened(Some(&path), 1 << 20);
    let page = CellsList {
        limit: 1,
        ..CellsList::default()
    };
    let page = kept.list(&page).unwrap();
    assert!(page.cells.is_empty() && page.more, "others are behind it");
    assert_eq!(
        all(&kept).iter().map(|cell| cell.id).collect::<Vec<_>>(),
        ids[2..]
    );
    let unreadable = CellsReview {
        id: ids[0],
        verdict: None,
        by: None,
    };
    let error = kept.review(&unreadable, "r", None);
    assert!(matches!(error, Err(KeptError::Unknown(_))));
    let decided = kept.read(|database| database.decided(&"A".parse().unwrap()));
    assert_eq!(decided.unwrap().rejected, 1);
    assert!(
        review(&kept, ids[2], None).decision.is_none(),
        "it is the same file"
    );
}

#[test]
fn a_much_smaller_bound_is_reached_step_by_step() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let kept = opened(Some(&path), 64 << 20);
    for seq in 0..30 {
        kept.keep(
            &field(seq, None),
            &vec![chosen(KeptReason::Suspicious, 0.9); 16],
        );
    }
    drop(kept);
    let kept = opened(Some(&path), FEW);
    let mut before = kept.health().unwrap().kept;
    assert_eq!(before, 480);
    while kept.health().unwrap().bytes > FEW {
        kept.keep(&field(99, None), &[chosen(KeptReason::Suspicious, 0.9)]);
        let now = kept.health().unwrap().kept;
        assert!(now < before && before - now <= 64, "{before} {now}");
        before = now;
    }
}

#[test]
fn an_answer_stays_one_that_a_broker_takes() {
    let kept = in_memory();
    let mut large = chosen(KeptReason::Suspicious, 0.9);
    large.picture = vec![7; 100 << 10];
    kept.keep(&field(1, None), &vec![large; 8]);
    let ids: Vec<Uuid> = all(&kept).iter().map(|cell| cell.id).collect();
    let shown = kept.show(&ids).unwrap();
    assert_eq!((shown.cells.len(), shown.later.len()), (4, 4));
    assert_eq!(kept.show(&shown.later).unwrap().cells.len(), 4);
    assert!(serde_json::to_string(&shown).unwrap().len() < 600 << 10);
}

#[test]
fn where_none_are_to_be_kept_none_are() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cells.sqlite");
    let kept = opened(Some(&path), 0);
    kept.keep(&field(1, None), &[chosen(KeptReason::Random, 0.1)]);
    assert!(!kept.is_on() && kept.health().is_none() && !path.exists());
    assert!(matches!(kept.show(&[Uuid::nil()]), Err(KeptError::Off)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_comes_the_bound_holds_and_every_page_is_in_order(
        cells in prop::collection::vec((0u8..3, 0.0f32..=1.0, any::<bool>()), 1..60)
    ) {
        let kept = opened(None, FEW);
        for (seq, (reason, p, is_decided)) in cells.into_iter().enumerate() {
            let reason = [KeptReason::Suspicious, KeptReason::Threshold, KeptReason::Random]
                [usize::from(reason)];
            kept.keep(&field(seq as u64, Some("A")), &[chosen(reason, p)]);
            let now = all(&kept);
            prop_assert!(!now.is_empty() && kept.health().unwrap().bytes <= FEW);
            prop_assert!(now.is_sorted_by(|a, b| a.p_parasitized >= b.p_parasitized));
            if is_decided {
                review(&kept, now[now.len() / 2].id, Some(Label::Parasitized));
            }
        }
    }
}
