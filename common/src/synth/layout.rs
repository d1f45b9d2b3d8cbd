//! Where the things of a field lie.

use super::SmearSpec;
use super::chance::Chance;

/// A place for a thing of a given radius; the centre may lie outside the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
}

/// How often a free place is sought for one thing before it is left out.
const TRIES: u32 = 400;

/// Room between two things that don't touch: a part of the radii, and pixels.
const ROOM: (f32, f32) = (1.06, 3.0);

/// How close two overlapping cells are, as a part of the sum of their radii.
const OVERLAP: (f32, f32) = (0.62, 0.92);

/// The places taken so far, with a grid of buckets to look neighbours up.
pub(super) struct Layout {
    width: f32,
    height: f32,
    places: Vec<Place>,
    /// The side of a bucket: the largest distance at which two things can be too close.
    side: f32,
    columns: usize,
    buckets: Vec<Vec<usize>>,
}

impl Layout {
    /// An empty field. `largest` is the radius of the largest thing.
    pub fn new(spec: &SmearSpec, largest: f32) -> Self {
        let (width, height) = (spec.width as f32, spec.height as f32);
        let side = 2.0 * largest * ROOM.0 + ROOM.1;
        // One bucket more on each side, for centres outside the frame.
        let columns = (width / side) as usize + 3;
        let rows = (height / side) as usize + 3;
        Self {
            width,
            height,
            places: Vec::new(),
            side,
            columns,
            buckets: vec![Vec::new(); columns * rows],
        }
    }

    /// A free place for a thing of that radius, if one is found; it may be cut by the frame's edge by up to
    /// `outside` of its radius.
    pub fn free(&mut self, radius: f32, outside: f32, chance: &mut Chance) -> Option<Place> {
        let beyond = radius * outside;
        for _ in 0..TRIES {
            let place = Place {
                x: chance.between(-beyond, self.width + beyond),
                y: chance.between(-beyond, self.height + beyond),
                radius,
            };
            if self.is_free(&place, None) {
                self.take(place);
                return Some(place);
            }
        }
        None
    }

    /// A place that overlaps the thing at `partner` and nothing else.
    pub fn beside(&mut self, partner: Place, radius: f32, chance: &mut Chance) -> Option<Place> {
        for _ in 0..TRIES / 10 {
            let [c, s] = chance.direction();
            let apart = (partner.radius + radius) * chance.between(OVERLAP.0, OVERLAP.1);
            let (x, y) = (partner.x + c * apart, partner.y + s * apart);
            let place = Place { x, y, radius };
            let within = x > 0.0 && y > 0.0 && x < self.width && y < self.height;
            if within && self.is_free(&place, Some(&partner)) {
                self.take(place);
                return Some(place);
            }
        }
        None
    }

    fn bucket(&self, x: f32, y: f32) -> (usize, usize) {
        let along = |v: f32| (v / self.side + 1.0).max(0.0) as usize;
        (
            along(x).min(self.columns - 1),
            along(y).min(self.buckets.len() / self.columns - 1),
        )
    }

    fn take(&mut self, place: Place) {
        let (column, row) = self.bucket(place.x, place.y);
        self.buckets[row * self.columns + column].push(self.places.len());
        self.places.push(place);
    }

    fn is_free(&self, place: &Place, except: Option<&Place>) -> bool {
        let (column, row) = self.bucket(place.x, place.y);
        let rows = self.buckets.len() / self.columns;
        (row.saturating_sub(1)..=(row + 1).min(rows - 1)).all(|row| {
            (column.saturating_sub(1)..=(column + 1).min(self.columns - 1)).all(|column| {
                self.buckets[row * self.columns + column]
                    .iter()
                    .map(|&i| &self.places[i])
                    .all(|other| {
                        let (dx, dy) = (place.x - other.x, place.y - other.y);
                        let apart = (place.radius + other.radius) * ROOM.0 + ROOM.1;
                        except.is_some_and(|e| e.x == other.x && e.y == other.y)
                            || dx * dx + dy * dy >= apart * apart
                    })
            })
        })
    }
}
