//! Tests of the synthetic fields.

use sha2::{Digest, Sha256};

use super::*;

fn small() -> SmearSpec {
    SmearSpec {
        width: 320,
        height: 240,
        cells: 30,
        cell_diameter: 36.0,
        parasitemia: 0.2,
        platelets: 3,
        ..SmearSpec::default()
    }
}

#[test]
fn a_seed_gives_the_same_field_and_another_seed_another_one() {
    let (a, b, c) = (smear(&small(), 1), smear(&small(), 1), smear(&small(), 2));
    assert_eq!(a.image, b.image);
    assert_eq!(a.truth, b.truth);
    assert_ne!(a.image, c.image);
}

/// Also holds on other machines; changes with every change to how things are drawn, which is then to be said
/// in the changelog: a demo of one version differs from that of the next.
#[test]
fn a_seed_gives_these_bytes() {
    let field = smear(&small(), 1);
    let hash = hex::encode(Sha256::digest(field.image.as_raw()));
    assert_eq!(&hash[..16], "fdd16d237e87f8cf");
}

#[test]
fn the_truth_has_what_was_asked_for() {
    let spec = SmearSpec {
        white_cells: 1,
        ..SmearSpec::default()
    };
    for seed in 0..5 {
        let field = smear(&spec, seed);
        let count = |f: fn(ObjectKind) -> bool| field.truth.iter().filter(|o| f(o.kind)).count();
        assert!(
            count(ObjectKind::is_red_cell) >= 110,
            "{}",
            count(ObjectKind::is_red_cell)
        );
        assert!((3..=5).contains(&count(ObjectKind::is_parasitized)));
        assert_eq!(count(|kind| kind == ObjectKind::WhiteCell), 1);
        for object in &field.truth {
            assert!(object.bbox.right() <= 1280 && object.bbox.bottom() <= 960);
            assert!(object.bbox.area() > 0);
        }
    }
}

#[test]
fn cells_are_darker_in_green_than_their_background() {
    let field = smear(&small(), 3);
    let whole = |o: &&TrueObject| o.kind == ObjectKind::RedCell && !o.bbox.touches_edge(320, 240);
    let cell = field.truth.iter().find(whole).unwrap().bbox;
    let rim = field
        .image
        .get_pixel(cell.x + cell.w / 8, cell.y + cell.h / 2)[1];
    let mut greens: Vec<u8> = field.image.pixels().map(|p| p[1]).collect();
    greens.sort_unstable();
    assert!(f32::from(rim) < 0.8 * f32::from(greens[greens.len() * 9 / 10]));
}

#[test]
fn no_spec_is_too_strange() {
    let strange = SmearSpec {
        width: 0,
        height: 7,
        cells: 1000,
        cell_diameter: f32::NAN,
        parasitemia: 7.0,
        overlap: -1.0,
        stain_variation: f32::INFINITY,
        noise: f32::NAN,
        blur: -3.0,
        illumination: 9.0,
        platelets: 50,
        white_cells: 3,
    };
    let field = smear(&strange, 0);
    assert_eq!(field.image.dimensions(), (1, 7));
    let empty = SmearSpec {
        cells: 0,
        platelets: 0,
        ..small()
    };
    assert!(smear(&empty, 0).truth.is_empty());
    let crowded = SmearSpec {
        cells: 500,
        overlap: 1.0,
        ..small()
    };
    assert!(smear(&crowded, 0).truth.len() > 20);
}
