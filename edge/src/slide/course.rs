//! How a slide's rate became what it is, and what its last fields brought.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use smearscope_common::message::{CoursePoint, JoinedField, MAX_COURSE, MAX_RECENT};
use smearscope_common::parasitemia::{Counts, FieldSums, Parasitemia};

/// A course of bounded length: where it grows too long, every second point goes.
///
/// Invariant: the points are of ascending numbers of fields, each a multiple of `every` – after the first thinning at
/// least – and one fewer than a message may have, which adds where things are now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The distance of two points in doublings of one field.
    doublings: u32,
    /// Fields, cells, parasitized; percent, low, high.
    points: Vec<(u64, u64, u64, f64, f64, f64)>,
    /// Seq, cells, parasitized; focus.
    recent: VecDeque<(u64, u64, u64, f32)>,
}

impl Course {
    /// Adds a field that has joined as the `fields`th, and is in the sums already.
    pub fn add(&mut self, fields: u64, field: JoinedField, sums: &FieldSums) {
        let JoinedField { seq, counts, focus } = field;
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent
            .push_back((seq, counts.cells, counts.parasitized, focus));
        if !fields.is_multiple_of(self.every()) {
            return;
        }
        let Some(point) = point(fields, sums) else {
            return;
        };
        self.points.push((
            fields,
            point.counts.cells,
            point.counts.parasitized,
            point.parasitemia.percent,
            point.parasitemia.low,
            point.parasitemia.high,
        ));
        while self.points.len() >= MAX_COURSE {
            self.doublings += 1;
            let every = self.every();
            self.points.retain(|point| point.0.is_multiple_of(every));
        }
    }

    /// The points, the last of which says how things are now.
    pub fn points(&self, fields: u64, sums: &FieldSums) -> Vec<CoursePoint> {
        let before = self.points.iter().filter(|point| point.0 < fields);
        let before = before.map(
            |&(fields, cells, parasitized, percent, low, high)| CoursePoint {
                fields,
                counts: Counts { cells, parasitized },
                parasitemia: Parasitemia { percent, low, high },
            },
        );
        before.chain(point(fields, sums)).collect()
    }

    /// The last fields.
    pub fn recent(&self) -> Vec<JoinedField> {
        let recent = self.recent.iter();
        recent
            .map(|&(seq, cells, parasitized, focus)| JoinedField {
                seq,
                counts: Counts { cells, parasitized },
                focus,
            })
            .collect()
    }

    /// Whether a slide can have such a course: what was kept and read again may be damaged.
    pub fn is_possible(&self) -> bool {
        self.doublings < u64::BITS
            && self.points.len() < MAX_COURSE
            && self.recent.len() <= MAX_RECENT
            && self.points.is_sorted_by_key(|point| point.0)
    }

    fn every(&self) -> u64 {
        1 << self.doublings
    }
}

/// Where so many fields with these sums are; `None` before the first cell.
fn point(fields: u64, sums: &FieldSums) -> Option<CoursePoint> {
    let rate = sums.estimate()?.parasitemia();
    Some(CoursePoint {
        fields,
        counts: sums.counts,
        parasitemia: Parasitemia {
            percent: rounded(rate.percent),
            low: rounded(rate.low),
            high: rounded(rate.high),
        },
    })
}

/// To a ten-thousandth of a percent: a curve is drawn of it, and each digit is written with each field.
fn rounded(percent: f64) -> f64 {
    (percent * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A course of so many fields, and the sums of these.
    fn course(fields: u64) -> (Course, FieldSums) {
        let (mut course, mut sums) = (Course::default(), FieldSums::default());
        for n in 1..=fields {
            let counts = Counts {
                cells: 100,
                parasitized: n % 3,
            };
            sums.add(counts);
            let field = JoinedField {
                seq: n + 7,
                counts,
                focus: 40.0,
            };
            course.add(n, field, &sums);
        }
        (course, sums)
    }

    #[test]
    fn a_short_course_has_every_field_and_ends_now() {
        let (course, sums) = course(10);
        let points = course.points(10, &sums);
        let fields: Vec<u64> = points.iter().map(|point| point.fields).collect();
        assert_eq!(fields, (1..=10).collect::<Vec<_>>());
        assert_eq!(points[9].counts, sums.counts);
        let recent = course.recent();
        assert_eq!(
            (recent.len(), recent[9].seq, recent[9].counts.parasitized),
            (10, 17, 1)
        );
        assert_eq!(Course::default().points(0, &FieldSums::default()), []);
    }

    proptest! {
        #[test]
        fn however_long_it_stays_bounded_and_evenly_spaced(fields in 1u64..3000) {
            let (course, sums) = course(fields);
            prop_assert!(course.is_possible());
            let points = course.points(fields, &sums);
            prop_assert!(points.len() <= MAX_COURSE);
            prop_assert!(fields < 64 || points.len() > MAX_COURSE / 2 - 2);
            prop_assert_eq!(points.last().unwrap().counts, sums.counts);
            let steps: Vec<u64> = points.windows(2).map(|p| p[1].fields - p[0].fields).collect();
            if let Some((_last, steps)) = steps.split_last() {
                prop_assert!(steps.iter().all(|step| *step == course.every()));
            }
            prop_assert_eq!(course.recent().len() as u64, fields.min(MAX_RECENT as u64));
            let json = serde_json::to_string(&course).unwrap();
            prop_assert_eq!(serde_json::from_str::<Course>(&json).unwrap(), course);
        }
    }
}
