//! Circles through rims.

use std::cmp::Ordering;
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
/// How often a circle is fitted, each time to the rims near the one before.
const FITS: usize = 2;
/// The side of the squares by which rims are looked up, as a part of the typical radius.
const SIDE: f32 = 0.5;
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
        let is_near = move |[x, y]: [usize; 2]| {
            let [dx, dy] = [x as f32 - disc.centre[0], y as f32 - disc.centre[1]];
            dx * dx + dy * dy <= r * r
        };
        span(self.centre[1], height)
            .flat_map(move |y| span(disc.centre[0], width).map(move |x| [x, y]))
            .filter(move |&at| is_near(at))
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
    pub rims: Box<[u32]>,
}

/// The one with the most support is the greatest, then the topmost.
impl Ord for Fit {
    fn cmp(&self, other: &Self) -> Ordering {
        let [[x, y], [other_x, other_y]] = [self, other].map(|fit| fit.disc.centre);
        let support = self.support.total_cmp(&other.support);
        let higher = other_y.total_cmp(&y);
        support.then(higher).then(other_x.total_cmp(&x))
    }
}

impl PartialOrd for Fit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Fit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fit {}

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
    /// In squares of `side` pixels, row by row, the places in `rims` where they begin.
    squares: Grid<usize>,
    side: f32,
}

impl Rims {
    pub fn new(rims: &[Rim], size: [usize; 2], typical: f32) -> Self {
        let side = SIDE * typical;
        let [columns, rows] = size.map(|n| (n as f32 / side) as usize + 1);
        let square = |rim: &Rim| {
            let [x, y] = rim.at.map(|v| (v / side) as usize);
            y * columns + x
        };
        // Counted first, so that each has its place.
        let mut squares = Grid::filled(columns, rows, 0usize);
        for rim in rims {
            squares.data[square(rim)] += 1;
        }
        let mut before = 0;
        for begin in &mut squares.data {
            before += std::mem::replace(begin, before);
        }
        let mut next = squares.data.clone();
        let mut sorted = rims.to_vec();
        for rim in rims {
            let place = &mut next[square(rim)];
            sorted[*place] = *rim;
            *place += 1;
        }
        Self {
            used: vec![false; rims.len()],
            rims: sorted,
            size,
            typical,
            squares,
            side,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Rim] {
        &self.rims
    }

    /// Keeps the rims that a disc explains from all others, if they are all free.
    pub fn take(&mut self, fit: &Fit) -> bool {
        let free = fit.rims.iter().all(|&rim| !self.used[rim as usize]);
        if free {
            for &rim in &fit.rims {
                self.used[rim as usize] = true;
            }
        }
        free
    }

    /// The free rims that point to a place, with their distance from it, within a range of distances.
    fn pointing_to(&self, place: [f32; 2], [least, most]: [f32; 2], found: &mut Vec<(f32, usize)>) {
        found.clear();
        let along = |v: f32, n: usize| {
            let square = |v: f32| ((v / self.side).max(0.0) as usize).min(n - 1);
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
        let radius = most_at(&found, [least, most], 2.0 * BAND * self.typical)?;
        let mut disc = Disc {
            centre: place,
            radius,
        };
        for _ in 0..FITS {
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
            rims: found.iter().map(|&(_, i)| i as u32).collect(),
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

/// The mean of the distances in that range where most of them are within `width` of each other, in steps of a sixteenth
/// of the range.
fn most_at(distances: &[(f32, usize)], [least, most]: [f32; 2], width: f32) -> Option<f32> {
    const STEPS: usize = 16;
    let step = (most - least) / STEPS as f32;
    // How many there are in each step, and their sum.
    let mut steps = [(0u32, 0.0f32); STEPS];
    for &(distance, _) in distances {
        let (count, sum) = &mut steps[(((distance - least) / step) as usize).min(STEPS - 1)];
        *count += 1;
        *sum += distance;
    }
    let wide = ((width / step).round() as usize).clamp(1, STEPS);
    let add = |a: (u32, f32), b: &(u32, f32)| (a.0 + b.0, a.1 + b.1);
    let sums = steps
        .windows(wide)
        .map(|near| near.iter().fold((0, 0.0), add));
    // The first of equals.
    let (count, sum) = sums.rev().max_by_key(|&(count, _)| count)?;
    (count > 0).then(|| sum / count as f32)
}
