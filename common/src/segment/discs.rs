//! Cells as discs, found by what their rims vote for: overlapping cells have no neck between them, but each has
//! most of its rim.

use std::f32::consts::{PI, TAU};

use super::grid::Grid;
use super::rims::{Rim, rims};

/// The cosine of the largest angle between where a rim points and where its centre is: cells aren't quite
/// round.
const MIN_COSINE: f32 = 0.85;
/// How far from the fitted circle a rim may be, as a part of its radius.
const BAND: f32 = 0.2;
/// The smallest and the largest disc, as a part of the typical radius.
const RADII: [f32; 2] = [0.65, 1.4];
/// The distances at which a rim votes, as a part of the typical radius.
const VOTES_AT: [f32; 2] = [0.75, 1.2];
/// Half the side of the square in which votes count together, as a part of the typical radius.
const VOTES_WITHIN: f32 = 0.12;
/// A place with less than this part of the votes of a whole circle is no candidate.
const MIN_VOTES: f32 = 0.15;
/// Candidates are the best places of squares of this side, as a part of the typical radius.
const CANDIDATE_SIDE: f32 = 0.4;
/// The part of its circumference that must have a rim that no better disc has taken.
const MIN_SUPPORT: f32 = 0.6;
/// The part of a disc that must lie in the mask.
const MIN_INSIDE: f32 = 0.7;
/// Centres that are closer than this, as a part of the smaller radius, are one cell's.
const MIN_APART: f32 = 1.2;
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

    /// The part of it that lies in the mask.
    fn inside(&self, mask: &Grid<bool>) -> f32 {
        let [x, y] = self.centre;
        let r = self.radius;
        let span = |middle: f32, n: usize| {
            (middle - r).max(0.0) as usize..((middle + r) as usize + 1).min(n)
        };
        let (mut all, mut inside) = (0u32, 0u32);
        for row in span(y, mask.height) {
            for column in span(x, mask.width) {
                if self.radii_to([column as f32, row as f32]) <= 1.0 {
                    all += 1;
                    inside += u32::from(mask.data[row * mask.width + column]);
                }
            }
        }
        inside as f32 / all.max(1) as f32
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The discs in a mask that its rims agree about, the best first; `typical` is the radius of a typical cell.
///
/// Each rim votes for the places at about that distance on its darker side (Kimme, Ballard and Sklansky, CACM 18,
/// 1975, 120–122). Circles are fitted where many votes fall together; the one with the most rim around it
/// takes its rims away from the others, then the next.
pub(super) fn discs(dark: &Grid<u8>, mask: &Grid<bool>, typical: f32) -> Vec<Disc> {
    let field = Rims::new(rims(dark, mask), [dark.width, dark.height], typical);
    let mut used = vec![false; field.rims.len()];
    let mut candidates: Vec<(f32, [f32; 2])> = field
        .candidates()
        .into_iter()
        .filter_map(|place| Some((field.fit(place, &used)?.support, place)))
        .collect();
    let mut found: Vec<Disc> = Vec::new();
    while let Some(best) = (0..candidates.len())
        .max_by(|&a, &b| candidates[a].0.total_cmp(&candidates[b].0).then(b.cmp(&a)))
    {
        let (support, place) = candidates[best];
        let Some(fit) = field.fit(place, &used) else {
            candidates.swap_remove(best);
            continue;
        };
        // Others have taken rims from it since: it may no longer be the best.
        if fit.support < support - 1e-4 {
            candidates[best].0 = fit.support;
            continue;
        }
        candidates.swap_remove(best);
        let disc = fit.disc;
        let is_another = |other: &Disc| {
            distance(other.centre, disc.centre) >= MIN_APART * other.radius.min(disc.radius)
        };
        if found.iter().all(is_another) && disc.inside(mask) >= MIN_INSIDE {
            for rim in fit.rims {
                used[rim] = true;
            }
            found.push(disc);
        }
    }
    found
}

/// A disc with the rims that it explains.
struct Fit {
    disc: Disc,
    /// The part of its circumference, as far as that lies in the plane, that has a rim.
    support: f32,
    /// Places in the list of rims.
    rims: Vec<usize>,
}

/// The rims of a plane, to be looked up by place.
struct Rims {
    rims: Vec<Rim>,
    size: [usize; 2],
    /// The radius of a typical cell.
    typical: f32,
    /// In squares of `typical` pixels, row by row, the places in `rims`.
    squares: Grid<usize>,
    sorted: Vec<usize>,
}

impl Rims {
    fn new(rims: Vec<Rim>, size: [usize; 2], typical: f32) -> Self {
        let [columns, rows] = size.map(|n| (n as f32 / typical) as usize + 1);
        let square = |rim: &Rim| {
            let [x, y] = rim.at.map(|v| (v / typical) as usize);
            y * columns + x
        };
        let mut sorted: Vec<usize> = (0..rims.len()).collect();
        sorted.sort_by_key(|&i| square(&rims[i]));
        // Where each square's rims begin.
        let mut squares = Grid::filled(columns, rows, 0usize);
        let mut next = 0;
        for (number, begin) in squares.data.iter_mut().enumerate() {
            while next < sorted.len() && square(&rims[sorted[next]]) < number {
                next += 1;
            }
            *begin = next;
        }
        Self {
            rims,
            size,
            typical,
            squares,
            sorted,
        }
    }

    /// The free rims that point to a place, with their distance from it, within a range of distances.
    fn pointing_to(
        &self,
        place: [f32; 2],
        [least, most]: [f32; 2],
        used: &[bool],
    ) -> Vec<(f32, usize)> {
        let along = |v: f32, n: usize| {
            let square = |v: f32| ((v / self.typical).max(0.0) as usize).min(n - 1);
            square(v - most)..square(v + most) + 1
        };
        let mut found = Vec::new();
        for row in along(place[1], self.squares.height) {
            let columns = along(place[0], self.squares.width);
            let first = row * self.squares.width;
            let begin = self.squares.data[first + columns.start];
            let end = self.squares.data.get(first + columns.end);
            for &i in &self.sorted[begin..end.copied().unwrap_or(self.sorted.len())] {
                let rim = &self.rims[i];
                let d = distance(place, rim.at);
                let to = [place[0] - rim.at[0], place[1] - rim.at[1]];
                let along = to[0] * rim.inwards[0] + to[1] * rim.inwards[1];
                if !used[i] && (least..=most).contains(&d) && along >= MIN_COSINE * d {
                    found.push((d, i));
                }
            }
        }
        found
    }

    /// The places for which many rims vote.
    fn candidates(&self) -> Vec<[f32; 2]> {
        let [w, h] = self.size;
        let mut votes = Grid::filled(w, h, 0u16);
        let [first, last] = VOTES_AT.map(|part| (part * self.typical).round() as i32);
        for rim in &self.rims {
            for r in first..=last {
                let [x, y] = [0, 1].map(|i| rim.at[i] + r as f32 * rim.inwards[i] + 0.5);
                if x >= 0.0 && y >= 0.0 && (x as usize) < w && (y as usize) < h {
                    votes.data[y as usize * w + x as usize] += 1;
                }
            }
        }
        let reach = ((VOTES_WITHIN * self.typical).round() as usize).max(1);
        let sums = box_sums(&box_sums(&votes, reach), reach);
        let least = (MIN_VOTES * TAU * self.typical * (2 * reach + 1) as f32) as u16;
        let side = ((CANDIDATE_SIDE * self.typical) as usize).max(2);
        let mut places = Vec::new();
        for top in (0..h).step_by(side) {
            for left in (0..w).step_by(side) {
                let mut best = (least, [0; 2]);
                for y in top..(top + side).min(h) {
                    for x in left..(left + side).min(w) {
                        if sums.data[y * w + x] > best.0 {
                            best = (sums.data[y * w + x], [x, y]);
                        }
                    }
                }
                if best.0 > least {
                    places.push(best.1.map(|v| v as f32));
                }
            }
        }
        places
    }

    /// Fits a circle to the free rims around a place that point to it; `None` where too little of it has a rim.
    fn fit(&self, place: [f32; 2], used: &[bool]) -> Option<Fit> {
        let [least, most] = RADII.map(|part| part * self.typical);
        let mut found = self.pointing_to(place, [least, most], used);
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The distances at which most of them are.
        let width = 2.0 * BAND * self.typical;
        let many =
            |&start: &usize| found.partition_point(|f| f.0 <= found[start].0 + width) - start;
        let start =
            (0..found.len()).max_by_key(|start| (many(start), std::cmp::Reverse(*start)))?;
        let radius = found[start + many(&start) / 2].0;
        let mut disc = Disc {
            centre: place,
            radius,
        };
        for _ in 0..3 {
            let band = [1.0 - BAND, 1.0 + BAND].map(|part| part * disc.radius);
            let around = self.pointing_to(disc.centre, band, used);
            if around.len() < MIN_RIMS {
                return None;
            }
            disc = self.circle(&around, disc);
            disc.radius = disc.radius.clamp(least, most);
        }
        let band = [1.0 - BAND, 1.0 + BAND].map(|part| part * disc.radius);
        let explained = self.pointing_to(disc.centre, band, used);
        let support = self.support(&disc, &explained);
        (support >= MIN_SUPPORT).then(|| Fit {
            disc,
            support,
            rims: explained.into_iter().map(|(_, i)| i).collect(),
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

/// Sums over `reach` pixels on both sides along rows, transposed: twice is a square, and upright again.
fn box_sums(grid: &Grid<u16>, reach: usize) -> Grid<u16> {
    let (w, h) = (grid.width, grid.height);
    let mut out = Grid::filled(h, w, 0u16);
    for y in 0..h {
        let row = grid.row(y);
        let mut sum: u16 = row[..reach.min(w)].iter().sum();
        for x in 0..w {
            if x + reach < w {
                sum = sum.saturating_add(row[x + reach]);
            }
            out.data[x * h + y] = sum;
            if x >= reach {
                sum = sum.saturating_sub(row[x - reach]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discs whose darkness adds up where they overlap.
    fn drawn(size: [usize; 2], discs: &[[f32; 3]]) -> (Grid<u8>, Grid<bool>) {
        let dark = Grid::drawn(size, |x, y| {
            let over: f32 = discs
                .iter()
                .map(|&[cx, cy, r]| (r + 0.5 - (x - cx).hypot(y - cy)).clamp(0.0, 1.0))
                .sum();
            (60.0 * over) as u8
        });
        let mask = dark.map(|d| d > 30);
        (dark, mask)
    }

    #[test]
    fn overlapping_discs_without_a_neck_are_found() {
        let truth = [[50.0, 50.0, 20.0], [76.0, 50.0, 20.0], [62.0, 72.0, 19.0]];
        let (dark, mask) = drawn([130, 120], &truth);
        let found = discs(&dark, &mask, 20.0);
        assert_eq!(found.len(), 3, "{found:?}");
        for [x, y, r] in truth {
            let is_it = |d: &Disc| distance(d.centre, [x, y]) < 3.0 && (d.radius - r).abs() < 3.0;
            assert!(found.iter().any(is_it), "{x} {y} {found:?}");
        }
    }

    #[test]
    fn a_single_cell_is_one_disc_and_a_bar_none() {
        let (dark, mask) = drawn([80, 80], &[[40.0, 40.0, 22.0]]);
        assert_eq!(discs(&dark, &mask, 20.0).len(), 1);
        let bar = Grid::drawn(
            [120, 40],
            |_, y| if (y - 20.0).abs() < 5.0 { 90 } else { 0 },
        );
        assert!(discs(&bar, &bar.map(|d| d > 45), 20.0).is_empty());
    }

    #[test]
    fn box_sums_are_what_adding_gives() {
        let grid = Grid::drawn([7, 5], |x, y| (x * 3.0 + y * y) as u16);
        for reach in [1, 2, 9] {
            let sums = box_sums(&grid, reach);
            for y in 0..5 {
                for x in 0..7usize {
                    let near = x.saturating_sub(reach)..(x + reach + 1).min(7);
                    let expected: u16 = grid.row(y)[near].iter().sum();
                    assert_eq!(sums.data[x * 5 + y], expected, "{x} {y} {reach}");
                }
            }
        }
    }
}
