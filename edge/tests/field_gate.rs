//! The field gate on real fields, which lie beside the workspace and not in it.
#![allow(clippy::unwrap_used)] // Test equipment: its panic is the report.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smearscope_common::image::{RgbImage, decode};
use smearscope_common::message::Verdict;
use smearscope_edge::field::{Confidence, Gate, GateOptions, Look};
use uuid::Uuid;

/// The overlapping pairs of `iml`: the numbers in their files' names, and how much farther right and down the same cell is
/// in the second, in pixels. Found by registering all 22,155 pairs; each was then laid side by side at its shift and looked
/// at: all show the same cells. Some changed their light (690, 771), were blurred by motion (740) or have the same place
/// twice (697, 879).
const OVERLAPS: [(u32, u32, i32, i32); 88] = [
    (690, 691, -798, 428),
    (697, 698, 4, -3),
    (697, 699, 241, 788),
    (698, 699, 237, 791),
    (701, 702, -376, -580),
    (703, 704, -608, -284),
    (705, 706, 8, -541),
    (706, 707, 7, -583),
    (707, 708, -1067, -15),
    (710, 711, 544, -168),
    (710, 712, 546, -781),
    (711, 712, 3, -613),
    (712, 713, -584, -313),
    (712, 714, -1000, -318),
    (713, 714, -416, -5),
    (715, 716, 675, -593),
    (721, 722, -145, 282),
    (727, 728, 12, -812),
    (728, 729, 12, -564),
    (730, 731, 1, -475),
    (731, 732, 645, -400),
    (732, 733, 419, -605),
    (733, 734, 8, -418),
    (736, 737, -748, -10),
    (737, 738, -860, -13),
    (739, 740, 14, -713),
    (740, 741, 445, -523),
    (742, 743, 616, 6),
    (743, 744, 529, 8),
    (746, 747, 568, -362),
    (746, 748, 570, -22),
    (747, 748, 1, 340),
    (749, 750, 10, -778),
    (750, 751, 10, -731),
    (751, 752, 8, -633),
    (753, 754, 566, 788),
    (755, 756, -435, -305),
    (760, 761, -6, -420),
    (762, 763, -417, -7),
    (767, 768, -746, -14),
    (767, 769, -748, 390),
    (767, 770, 531, 403),
    (768, 769, -2, 404),
    (771, 772, -9, -9),
    (773, 774, -1028, 220),
    (773, 775, -827, -572),
    (774, 775, 201, -791),
    (778, 779, 862, 98),
    (778, 780, 1036, -345),
    (779, 780, 174, -443),
    (780, 781, 6, -553),
    (784, 785, 8, -461),
    (785, 786, 10, -563),
    (787, 788, -6, 652),
    (787, 789, -786, 336),
    (787, 790, -775, -308),
    (788, 789, -780, -316),
    (789, 790, 12, -645),
    (795, 796, -834, 308),
    (797, 798, 705, 656),
    (800, 801, -354, -3),
    (804, 805, 552, 210),
    (809, 810, -280, -614),
    (812, 813, -1042, -18),
    (815, 816, -746, -154),
    (819, 820, -1042, 201),
    (829, 830, 871, -376),
    (832, 833, 4, -33),
    (845, 846, -652, -10),
    (847, 848, 816, 13),
    (848, 849, 264, 552),
    (855, 856, 496, 412),
    (857, 858, -797, 550),
    (862, 864, 233, -503),
    (863, 864, 208, 467),
    (865, 866, -8, 612),
    (867, 868, -512, 529),
    (869, 870, -706, -11),
    (874, 875, 426, 8),
    (876, 877, -632, -572),
    (879, 880, -3, 4),
    (882, 883, -780, -11),
    (885, 886, 887, 86),
    (887, 888, 874, 12),
    (889, 890, -8, 597),
    (891, 892, -9, 451),
    (893, 894, 649, 259),
    (897, 898, 743, 13),
];

/// Pairs that have nothing in common, of which the correlation is the highest.
const HARD: [(u32, u32); 4] = [(747, 788), (733, 772), (733, 771), (838, 878)];

/// How far a shift may be off, in pixels: less than a sixth of a cell.
const TOLERANCE: f32 = 10.0;

/// The images of a data set with the numbers in their names; `None`, said loudly, where it isn't at hand.
fn images(set: &str) -> Option<Vec<(u32, PathBuf)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(set)
        .join("images");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let skip = format!("SKIP: the field gate on {set}: shared/data/{set} is not at hand\n");
        std::io::stderr().write_all(skip.as_bytes()).unwrap();
        return None;
    };
    let number = |path: &Path| {
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        let digits: String = stem.chars().filter(char::is_ascii_digit).collect();
        digits.get(digits.len().saturating_sub(3)..)?.parse().ok()
    };
    let mut images: Vec<(u32, PathBuf)> = entries
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    images.sort();
    Some(images)
}

fn read(path: &Path) -> RgbImage {
    decode(&std::fs::read(path).unwrap()).unwrap()
}

/// What a gate says of a frame that is held still.
fn held(gate: &mut Gate, image: &RgbImage, now: &mut Instant) -> Look {
    gate.look(image, *now);
    *now += Duration::from_secs(1);
    gate.look(image, *now)
}

/// All overlaps that a gate finds which remembers so many of the fields before each.
fn found(images: &[(u32, RgbImage)], remembered: usize) -> Vec<(u32, u32, [f32; 2], Confidence)> {
    let mut gate = Gate::new(GateOptions {
        remembered,
        min_focus: 0.0,
        ..GateOptions::default()
    });
    let mut now = Instant::now();
    let mut found = Vec::new();
    for (number, image) in images {
        let look = held(&mut gate, image, &mut now);
        found.extend(look.overlaps.iter().map(|o| {
            let earlier = u32::try_from(o.field.as_u128()).unwrap();
            (earlier, *number, [o.dx, o.dy], o.confidence)
        }));
        gate.accept(Uuid::from_u128((*number).into()));
    }
    found
}

#[test]
fn neighbours_that_overlap_are_recognised_and_none_is_invented() {
    let Some(files) = images("iml") else { return };
    let images: Vec<(u32, RgbImage)> = files.iter().map(|(n, path)| (*n, read(path))).collect();
    let mut found = found(&images, 16);
    for (first, second) in HARD {
        let pair = [first, second].map(|n| {
            let (_, image) = images.iter().find(|(number, _)| *number == n).unwrap();
            (n, image.clone())
        });
        found.extend(self::found(&pair, 16));
    }
    let (mut missed, mut weak) = (Vec::new(), 0);
    for (first, second, dx, dy) in OVERLAPS {
        let same = found.iter().position(|f| (f.0, f.1) == (first, second));
        match same.map(|i| found.swap_remove(i)) {
            Some((.., [x, y], confidence)) => {
                let off = (x - dx as f32).hypot(y - dy as f32);
                assert!(off < TOLERANCE, "{first} {second}: {x} {y}");
                weak += usize::from(confidence == Confidence::Weak);
            }
            None => missed.push((first, second)),
        }
    }
    assert!(found.is_empty(), "invented: {found:?}");
    assert!(
        missed.is_empty() && weak == 0,
        "missed: {missed:?}, not sure of {weak}"
    );
}

/// A minute of time: `cargo test --release --test field_gate -- --ignored`.
#[test]
#[ignore = "all 22,155 pairs take a minute; the test above has those that matter"]
fn no_pair_of_all_is_invented() {
    let Some(files) = images("iml") else { return };
    let images: Vec<(u32, RgbImage)> = files.iter().map(|(n, path)| (*n, read(path))).collect();
    // A gate remembers 64 at most: blocks of 32 with each other.
    let blocks: Vec<&[(u32, RgbImage)]> = images.chunks(32).collect();
    let mut pairs = std::collections::BTreeSet::new();
    for (i, first) in blocks.iter().enumerate() {
        for second in &blocks[i + 1..] {
            let both = [*first, *second].concat();
            pairs.extend(found(&both, 64).iter().map(|f| (f.0, f.1)));
        }
    }
    let expected = OVERLAPS.iter().map(|o| (o.0, o.1)).collect();
    assert_eq!(pairs, expected);
}

#[test]
fn sharp_fields_of_three_microscopes_pass_and_blurred_ones_do_not() {
    for (set, rate) in [("iml", 1.0), ("chula", 1.0), ("bccd", 0.9)] {
        let Some(files) = images(set) else { continue };
        let verdict = |image: &RgbImage| {
            let mut gate = Gate::new(GateOptions::default());
            held(&mut gate, image, &mut Instant::now()).verdict
        };
        let (mut sharp, mut n) = (0, 0);
        let mut blurred = Vec::new();
        for (number, path) in files.iter().step_by(3) {
            let image = read(path);
            n += 1;
            sharp += usize::from(verdict(&image) == Verdict::New);
            // A tenth of a cell.
            let sigma = image.width() as f32 / 200.0;
            let soft = image::imageops::fast_blur(&image, sigma);
            if verdict(&soft) == Verdict::New {
                blurred.push(number);
            }
        }
        assert!(sharp as f64 >= rate * f64::from(n), "{set}: {sharp} of {n}");
        assert!(blurred.is_empty(), "{set}: {blurred:?}");
    }
}
