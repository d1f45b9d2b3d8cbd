//! Circles through rims.

use std::f32::consts::{PI, TAU};

use super::grid::Grid;
use super::rims::Rim;

/// The cosine of the largest angle between where a rim points and where its centre is: cells aren't quite
/// round.
const MIN_COSINE: f32 = 0.85;
/// How far from the fitted circle a rim may be, as a part of its radius.
const BAND: f32 = 0.2;
/// The smallest and the largest disc, as a part of the typical radius.
pub(super) const RADII: [f32; 2] = [0.65, 1.4];
/// The part of its circumference that must have a rim that no better disc has taken.
const MIN_SUPPORT: f32 = 0.7;
/// Into how many sectors a circumference is divided.
const SECTORS: usize = 24;
/// The fewest rims that tell a circle.
const MIN_RIMS: usize = 8;

/// A cell as a disc.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disc {
    pub centre: [f32; 2],
    pub radius: f32,
}

impl Disc {
    /// How far a place is from the centre, in radii.
    pub fn radii_to(&self, place: [f32; 2]) -> f32 {
        distance(self.centre, place) / self.radius
    }

    /// The pixels of a plane of that size that are no further from the centre than `reach` radii: column and row.
    pub fn pixels(
        &self,
        reach: f32,
        [width, height]: [usize; 2],
    ) -> impl Iterator<Item = [usize; 2]> {
        let disc = *self;
        let r = reach * self.radius;
        let span = move |middle: f32, n: usize| {
            (middle - r).max(0.0) as usize..((middle + r).max(0.0) as usize + 1).min(n)
        };
        span(self.centre[1], height)
            .flat_map(move |y| span(disc.centre[0], width).map(move |x| [x, y]))
            .filter(move |&[x, y]| disc.radii_to([x as f32, y as f32]) <= reach)
    }

    /// The place in a plane of that size of the pixel at its centre; `None` beyond the frame.
    pub fn middle(&self, [width, height]: [usize; 2]) -> Option<usize> {
        let [x, y] = self.centre.map(f32::round);
        let inside = x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32;
        inside.then(|| y as usize * width + x as usize)
    }
}

pub(super) fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// A disc with the rims that it explains.
pub(super) struct Fit {
    pub disc: Disc,
    /// The part of its circumference, as far as that lies in the plane, that has a rim.
    pub support: f32,
    /// Places in the list of rims.
    pub rims: Vec<usize>,
}

/// The rims of a plane, to be looked up by place.
pub(super) struct Rims {
    /// Square by square.
    rims: Vec<Rim>,
    /// Whether a disc has taken it.
    used: Vec<bool>,
    /// Of the plane, in pixels.
    size: [usize; 2],
    /// The radius of a typical cell.
    typical: f32,
    /// In squares of `typical` pixels, row by row, the places in `rims` where they begin.
    squares: Grid<usize>,
}

impl Rims {
    pub fn new(mut rims: Vec<Rim>, size: [usize; 2], typical: f32) -> Self {
        let [columns, rows] = size.map(|n| (n as f32 / typical) as usize + 1);
        let square = |rim: &Rim| {
            let [x, y] = rim.at.map(|v| (v / typical) as usize);
            y * columns + x
        };
        // Those of a square keep their order.
        rims.sort_by_key(square);
        let mut squares = Grid::filled(columns, rows, 0usize);
        let mut next = 0;
        for (number, begin) in squares.data.iter_mut().enumerate() {
            while next < rims.len() && square(&rims[next]) < number {
                next += 1;
            }
            *begin = next;
        }
        Self {
            used: vec![false; rims.len()],
            rims,
            size,
            typical,
            squares,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Rim] {
        &self.rims
    }

    /// Keeps the rims that a disc explains from all others.
    pub fn take(&mut self, fit: &Fit) {
        for &rim in &fit.rims {
            self.used[rim] = true;
        }
    }

    /// The free rims that point to a place, with their distance from it, within a range of distances.
    fn pointing_to(&self, place: [f32; 2], [least, most]: [f32; 2], found: &mut Vec<(f32, usize)>) {
        found.clear();
        let along = |v: f32, n: usize| {
            let square = |v: f32| ((v / self.typical).max(0.0) as usize).min(n - 1);
            square(v - most)..square(v + most) + 1
        };
        let squares = [least * least, most * most];
        let columns = along(place[0], self.squares.width);
        for row in along(place[1], self.squares.height) {
            let first = row * self.squares.width;
            let begin = self.squares.data[first + columns.start];
            let end = self.squares.data.get(first + columns.end);
            let end = end.copied().unwrap_or(self.rims.len());
            for (i, rim) in (begin..end).zip(&self.rims[begin..end]) {
                let to = [place[0] - rim.at[0], place[1] - rim.at[1]];
                let square = to[0] * to[0] + to[1] * to[1];
                let along = to[0] * rim.inwards[0] + to[1] * rim.inwards[1];
                let is_near = square >= squares[0] && square <= squares[1];
                let points = along > 0.0 && along * along >= MIN_COSINE * MIN_COSINE * square;
                if is_near && points && !self.used[i] {
                    found.push((square.sqrt(), i));
                }
            }
        }
    }

    /// Fits a circle to the free rims around a place that point to it; `None` where too little of it has a rim.
    pub fn fit(&self, place: [f32; 2]) -> Option<Fit> {
        let [least, most] = RADII.map(|part| part * self.typical);
        let mut found = Vec::new();
        self.pointing_to(place, [least, most], &mut found);
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        // The distances at which most of them are.
        let width = 2.0 * BAND * self.typical;
        let (mut end, mut best) = (0, (0, 0));
        for start in 0..found.len() {
            while end < found.len() && found[end].0 <= found[start].0 + width {
                end += 1;
            }
            if end - start > best.1 {
                best = (start, end - start);
            }
        }
        let (start, many) = best;
        let radius = found.get(start + many / 2)?.0;
        let mut disc = Disc {
            centre: place,
            radius,
        };
        for _ in 0..3 {
            let band = [1.0 - BAND, 1.0 + BAND].map(|part| part * disc.radius);
            self.pointing_to(disc.centre, band, &mut found);
            if found.len() < MIN_RIMS {
                return None;
            }
            disc = self.circle(&found, disc);
            disc.radius = disc.radius.clamp(least, most);
        }
        let band = [1.0 - BAND, 1.0 + BAND].map(|part| part * disc.radius);
        self.pointing_to(disc.centre, band, &mut found);
        let support = self.support(&disc, &found);
        (support >= MIN_SUPPORT).then(|| Fit {
            disc,
            support,
            rims: found.into_iter().map(|(_, i)| i).collect(),
        })
    }

    /// The circle through rims with the least squares of Kåsa (IEEE Trans. Instrum. Meas. 25, 1976, 8–14). Its
    /// centre moves by at most a fifth of the typical radius; where the arc is too short to tell it, it stays.
    fn circle(&self, around: &[(f32, usize)], before: Disc) -> Disc {
        let n = around.len() as f64;
        let relative = |i: usize| {
            let [x, y] = [0, 1].map(|c| f64::from(self.rims[i].at[c] - before.centre[c]));
            (x, y)
        };
        let (mut mx, mut my) = (0.0, 0.0);
        for &(_, i) in around {
            let (x, y) = relative(i);
            mx += x / n;
            my += y / n;
        }
        let (mut xx, mut xy, mut yy, mut xq, mut yq) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(_, i) in around {
            let (x, y) = relative(i);
            let (u, v) = (x - mx, y - my);
            let q = u * u + v * v;
            xx += u * u;
            xy += u * v;
            yy += v * v;
            xq += u * q;
            yq += v * q;
        }
        let det = xx * yy - xy * xy;
        if det <= 1e-3 * (xx + yy) * (xx + yy) {
            let mean = around.iter().map(|(d, _)| d).sum::<f32>() / n as f32;
            return Disc {
                radius: mean,
                ..before
            };
        }
        let (u, v) = (
            (xq * yy - yq * xy) / (2.0 * det),
            (yq * xx - xq * xy) / (2.0 * det),
        );
        let radius = (u * u + v * v + (xx + yy) / n).sqrt() as f32;
        let [x, y] = [mx + u, my + v].map(|v| v as f32);
        let most = 0.2 * self.typical;
        let part = (most / x.hypot(y).max(f32::MIN_POSITIVE)).min(1.0);
        Disc {
            centre: [before.centre[0] + part * x, before.centre[1] + part * y],
            radius,
        }
    }

    /// The part of a disc's circumference that has a rim, of that part which lies in the plane.
    fn support(&self, disc: &Disc, explained: &[(f32, usize)]) -> f32 {
        let sectors = SECTORS as f32;
        let mut counts = [0u32; SECTORS];
        for &(_, i) in explained {
            let [dx, dy] = [0, 1].map(|c| self.rims[i].at[c] - disc.centre[c]);
            let turn = dy.atan2(dx) / TAU + 0.5;
            counts[((turn * sectors) as usize).min(SECTORS - 1)] += 1;
        }
        // Rims are a pixel wide, and not everywhere at their steepest.
        let enough = (0.4 * TAU * disc.radius / sectors).max(1.0);
        let (mut held, mut seen) = (0.0, 0);
        for (sector, &n) in counts.iter().enumerate() {
            let (sin, cos) = ((sector as f32 + 0.5) / sectors * TAU - PI).sin_cos();
            let [x, y] = [(cos, 0), (sin, 1)].map(|(part, c)| disc.centre[c] + disc.radius * part);
            let inner = |v: f32, n: usize| v >= 1.0 && v < n as f32 - 1.0;
            if inner(x, self.size[0]) && inner(y, self.size[1]) {
                seen += 1;
                held += (n as f32 / enough).min(1.0);
            }
        }
        // Of a disc that lies mostly outside nobody knows.
        held / seen.max(SECTORS / 2) as f32
    }
}
