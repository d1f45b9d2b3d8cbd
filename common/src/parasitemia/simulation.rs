//! Whether the intervals hold what they promise: slides whose truth is known, drawn and judged. The seed is fixed, so that a
//! test says the same each time.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::correction::rogan_gladen;
use super::{Counts, FieldSums, IntervalMethod, corrected, detection_limit};
use crate::model_card::{Rate, Validation};

/// A drawn slide: how many fields of about how many cells.
#[derive(Clone, Copy)]
struct Slide {
    fields: u64,
    cells: u64,
    /// The correlation of two cells of a field: 0 for independent ones.
    icc: f64,
}

impl Slide {
    /// Draws a slide with so many parasitized cells per cell. The fields are beta-binomial, drawn as from Pólya's urn: each
    /// cell makes the next ones of its field like it.
    fn draw(self, chance: &mut ChaCha8Rng, rate: f64) -> FieldSums {
        let mut sums = FieldSums::default();
        for _ in 0..self.fields {
            let cells = (self.cells as f64 * chance.random_range(0.7..1.3)).round() as u64;
            let parasitized = self.field(chance, rate, cells);
            sums.add(Counts { cells, parasitized });
        }
        sums
    }

    fn field(self, chance: &mut ChaCha8Rng, rate: f64, cells: u64) -> u64 {
        let weight = self.icc / (1.0 - self.icc);
        (0..cells).fold(0, |parasitized, before| {
            let next = (rate + weight * parasitized as f64) / (1.0 + weight * before as f64);
            parasitized + u64::from(chance.random::<f64>() < next)
        })
    }
}

fn hits(chance: &mut ChaCha8Rng, n: u64, rate: f64) -> Rate {
    let hits = (0..n).filter(|_| chance.random::<f64>() < rate).count() as u64;
    Rate::new(hits, n).unwrap()
}

/// How often the raw interval holds the truth, over prevalences and field sizes, and the least of it.
fn coverage(chance: &mut ChaCha8Rng, fields: u64, icc: f64) -> f64 {
    let (mut held, mut all) = (0, 0);
    for rate in [0.002, 0.005, 0.01, 0.02, 0.05, 0.1] {
        for cells in [60, 120, 200] {
            let slide = Slide { fields, cells, icc };
            for _ in 0..60 {
                let estimate = slide.draw(chance, rate).estimate().unwrap();
                assert_eq!(estimate.method, IntervalMethod::WilsonClustered);
                held += u32::from((estimate.interval.0..=estimate.interval.1).contains(&rate));
                all += 1;
            }
        }
    }
    f64::from(held) / f64::from(all)
}

const FIELDS: [u64; 5] = [5, 8, 15, 30, 60];

#[test]
fn the_interval_holds_the_truth_95_times_in_100_for_independent_and_for_clustered_fields() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    for icc in [0.0, 0.002, 0.005, 0.01, 0.02] {
        let by_fields = FIELDS.map(|fields| coverage(&mut chance, fields, icc));
        let mean = by_fields.iter().sum::<f64>() / by_fields.len() as f64;
        println!("icc {icc}: {mean:.3}, by fields {by_fields:.3?}");
        assert!((0.93..=0.97).contains(&mean), "icc {icc}: {mean}");
        for (fields, held) in FIELDS.iter().zip(by_fields) {
            assert!(
                (0.90..=0.985).contains(&held),
                "{fields} fields, icc {icc}: {held}"
            );
        }
    }
}

#[test]
fn an_interval_for_independent_cells_would_not_do_for_clustered_fields() {
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let slide = Slide {
        fields: 30,
        cells: 120,
        icc: 0.02,
    };
    let held = (0..400).filter(|_| {
        let p = slide.draw(&mut chance, 0.02).counts.parasitemia().unwrap();
        (p.low..=p.high).contains(&2.0)
    });
    assert!(held.count() < 340);
}

#[test]
fn the_corrected_rate_is_unbiased_before_it_is_put_into_its_bounds_and_its_interval_holds_the_truth()
 {
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    let (sensitivity, specificity) = (0.90, 0.98);
    let (mut all_held, mut settings) = (0.0, 0.0);
    for icc in [0.0, 0.005] {
        for truth in [0.0, 0.01, 0.05, 0.2] {
            let slide = Slide {
                fields: 40,
                cells: 120,
                icc,
            };
            let raw_rate = truth * sensitivity + (1.0 - truth) * (1.0 - specificity);
            let (mut sum, mut squares, mut held) = (0.0, 0.0, 0.0);
            let slides = 400;
            for _ in 0..slides {
                let raw = slide.draw(&mut chance, raw_rate).estimate().unwrap();
                let se = hits(&mut chance, 1500, sensitivity);
                let sp = hits(&mut chance, 1500, specificity);
                let free = rogan_gladen(raw.rate, se.value, sp.value).unwrap();
                sum += free;
                squares += free * free;
                let found = corrected(&raw, se, sp).unwrap();
                assert!((found.percent - 100.0 * free.clamp(0.0, 1.0)).abs() < 1e-9);
                held += f64::from((found.low..=found.high).contains(&(100.0 * truth)));
            }
            let n = f64::from(slides);
            let mean = sum / n;
            let error = ((squares / n - mean * mean) / n).sqrt();
            println!(
                "icc {icc}, truth {truth}: mean {mean:.5} ± {error:.5}, held {:.3}",
                held / n
            );
            assert!(
                (mean - truth).abs() < 3.5 * error,
                "icc {icc}, {truth}: {mean}"
            );
            all_held += held / n;
            settings += 1.0;
        }
    }
    let mean = all_held / settings;
    assert!((0.93..=0.97).contains(&mean), "{mean}");
}

#[test]
fn a_clean_slide_is_taken_for_more_than_its_model_s_errors_once_in_forty_times() {
    let mut chance = ChaCha8Rng::seed_from_u64(4);
    for icc in [0.0, 0.005] {
        let slide = Slide {
            fields: 45,
            cells: 120,
            icc,
        };
        let above = |chance: &mut ChaCha8Rng, rate: f64| {
            let slides = 400;
            let above = (0..slides).filter(|_| {
                let validation = Validation {
                    dataset: "drawn".into(),
                    subjects: 30,
                    sensitivity: Rate::new(90, 100).unwrap(),
                    specificity: hits(chance, 2000, 0.965),
                    devices: Vec::new(),
                };
                let raw = slide.draw(chance, rate).estimate().unwrap();
                detection_limit(&raw, &validation).unwrap().is_above
            });
            above.count() as f64 / f64::from(slides)
        };
        let clean = above(&mut chance, 0.035);
        // 3 % of the cells, found with a sensitivity of 0.9.
        let infected = above(&mut chance, 0.03 * 0.9 + 0.97 * 0.035);
        println!("icc {icc}: clean {clean:.4}, 3 % {infected:.4}");
        assert!(clean < 0.05, "icc {icc}: {clean}");
        assert!(infected > 0.95, "icc {icc}: {infected}");
    }
}
