use super::*;
use smearscope_common::image::{Rgb, RgbImage, encode_jpeg};
use smearscope_common::message::{SlideId, SlideState};
use tempfile::TempDir;

use crate::slide::tests::{judge, rules, seen};
use crate::slide::{NotCounted, Rules, Seen, Slide};

fn cell(seq: u64, p_parasitized: f32) -> ReportedCell {
    let picture = RgbImage::from_pixel(24, 20, Rgb([180, 120, 150]));
    ReportedCell {
        seq,
        suspect: Suspect {
            bbox: Rect::from([700, 60, 71, 69]),
            p_parasitized,
            picture: encode_jpeg(&picture, 80).unwrap(),
        },
    }
}

/// The report of a slide of so many fields of 100 cells.
fn report(id: &str, rules: &Rules, fields: u64, parasitized: u64) -> Report {
    let judge = judge((2105, 2123));
    let mut slide = Slide::new(id.parse().unwrap());
    for field in 0..fields {
        slide.add(
            1,
            &Seen {
                not_counted: (field % 5 == 0).then_some(NotCounted {
                    cause: "overlap",
                    cells: 13,
                }),
                ..seen(&judge, 100, parasitized)
            },
        );
    }
    slide.turn_away("out_of_focus");
    Report {
        message: slide.closed().message(rules),
        cells: vec![cell(7, 0.987_6), cell(3, 0.5)],
    }
}

fn pages(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn both_files_are_there_whole_and_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("state/reports");
    let report = report("A-17", &rules(5000), 60, 4);
    write(&folder, &report).unwrap();
    // Again, as after a crash in between.
    write(&folder, &report).unwrap();
    let names: Vec<_> = pages(&folder).into_iter().collect();
    assert_eq!(names, ["A-17.html", "A-17.json"]);
    for (path, mode) in [(folder.clone(), 0o700), (folder.join("A-17.json"), 0o600)] {
        let found = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{}", path.display());
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("A-17.json")).unwrap()).unwrap();
    let message: SlideMessage = serde_json::from_value(json["report"].clone()).unwrap();
    assert_eq!(message, report.message);
    assert_eq!(json["cells"][0]["seq"], 7);
    let picture = json["cells"][0]["picture"].as_str().unwrap();
    let bytes = STANDARD
        .decode(picture.strip_prefix("data:image/jpeg;base64,").unwrap())
        .unwrap();
    assert_eq!(bytes, report.cells[0].suspect.picture);
}

#[test]
fn the_page_has_each_number_with_its_interval_and_what_it_is_of() {
    let rules = Rules {
        site_validation: Some("a lab".into()),
        ..rules(5000)
    };
    let report = report("A-17", &rules, 60, 4);
    assert_eq!(report.message.state, SlideState::Sufficient);
    let page = page::page(&report).unwrap();
    for part in [
        "Slide A-17",
        "For research use",
        // (0.04 + 0.9915 − 1) / (0.9 + 0.9915 − 1)
        "Parasitemia 3.54 % (corrected)",
        "4.00 %, 95 % interval",
        "240 of 6\u{202f}000 counted red cells",
        "corrected for the model",
        "Parasitized cells per microlitre",
        "5\u{202f}000\u{202f}000 red cells per microlitre",
        "Limit of detection",
        "2\u{202f}123 healthy cells of a lab",
        "overlap: 156 cells in 12 fields",
        "out of focus: 1",
        "p 0.988",
        "field 7",
        "700, 60 · 71 × 69",
        "data:image/jpeg;base64,",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Nothing is fetched and nothing runs.
    for foreign in [
        "<script", "http://", "https://", "url(", "<link", " src=\"/",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let mut report = report("A-17", &rules(5000), 60, 4);
    report.message.models[0].model.name = "<img src=x onerror=alert(1)>".into();
    report.message.left_out[0].cause = "<b>".into();
    report.message.turned_away[0].cause = "\"><script>".into();
    let limit = report.message.detection_limit.as_mut().unwrap();
    limit.false_positives.dataset = "</table>".into();
    let page = page::page(&report).unwrap();
    for raw in ["<img src=x", "<script", "<b>:", "</table> "] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("onerror=alert"));
}

#[test]
fn each_outcome_has_its_words() {
    let judge = judge((1930, 2000));
    let of = |fields: u64, parasitized: u64| {
        let mut slide = Slide::new(SlideId::new_unique());
        for _ in 0..fields {
            slide.add(1, &seen(&judge, 100, parasitized));
        }
        let report = Report {
            message: slide.closed().message(&rules(5000)),
            cells: Vec::new(),
        };
        page::page(&report).unwrap()
    };
    let clean = of(60, 3);
    assert!(
        clean.contains("Below the limit of detection") && clean.contains("3.50 % of healthy cells")
    );
    assert!(!clean.contains("Parasitized cells per microlitre"));
    let few = of(3, 50);
    assert!(few.contains("Not enough cells") && few.contains("300 of the 5\u{202f}000 cells"));
    assert!(few.contains("too few fields"));
    let none = of(60, 0);
    assert!(none.contains("0.00 %") && none.contains("Below the limit"));
    let nothing = of(0, 0);
    assert!(nothing.contains("Nothing was counted") && nothing.contains("No model has counted"));
    assert!(nothing.contains("No pictures of cells"));
}

#[test]
fn times_of_a_clock_that_was_wrong_are_marked() {
    let mut report = report("A-17", &rules(5000), 1, 1);
    for (said, mark) in [(Some(false), true), (Some(true), false), (None, false)] {
        report.message.clock_synchronised = said;
        let page = page::page(&report).unwrap();
        assert_eq!(page.contains("times above may be wrong"), mark, "{said:?}");
    }
}

#[test]
fn the_oldest_reports_go_and_never_those_of_the_last_slides() {
    let dir = TempDir::new().unwrap();
    let rules = rules(5000);
    let ids = ["a", "b", "c", "d", "e"];
    for id in ids {
        write(dir.path(), &report(id, &rules, 1, 1)).unwrap();
    }
    // A board without a clock has written the newest in 1970.
    let old = std::time::SystemTime::UNIX_EPOCH;
    for (id, age) in [("e", 0), ("d", 9), ("a", 10), ("b", 20), ("c", 30)] {
        fs::File::open(dir.path().join(format!("{id}.html")))
            .unwrap()
            .set_modified(old + std::time::Duration::from_secs(age))
            .unwrap();
    }
    fs::write(dir.path().join("notes.txt"), "").unwrap();
    remove_old(dir.path(), &["e".into(), "d".into(), "x".into()], 3);
    let left: Vec<_> = pages(dir.path()).into_iter().collect();
    assert_eq!(
        left,
        [
            "c.html",
            "c.json",
            "d.html",
            "d.json",
            "e.html",
            "e.json",
            "notes.txt"
        ]
    );
    remove_old(dir.path(), &[], 1000);
    assert_eq!(pages(dir.path()).len(), 7);
}
