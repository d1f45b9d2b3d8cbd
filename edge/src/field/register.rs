//! Where two fields show the same place: found by phase correlation, proved on the pictures themselves.
//!
//! A candidate shift is judged by the normalised cross-correlation (NCC) of the two reliefs where they overlap, as a
//! whole and tile by tile. Tiles are what tells a common place from a common camera: dust, a scale bar or a reflection
//! lie in the same place of each frame and agree with themselves, but cells in all the other tiles don't.

use super::plane::Relief;
use super::spectrum::{Spectrum, Transform};

/// A frame as it is compared with others.
pub(super) struct Print {
    pub relief: Relief,
    /// At half the scale.
    pub coarse: Relief,
    pub spectrum: Spectrum,
}

/// How two fields lie to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    /// A thing at `p` in the earlier field is at `p + (dx, dy)` in this one, in pixels of the relief.
    pub dx: f32,
    pub dy: f32,
    /// The part of the frame that both show.
    pub share: f32,
    /// The NCC of what both show, -1 to 1.
    pub ncc: f32,
    /// Tiles with something in them …
    pub tiles: u32,
    /// … and the part of them that agree.
    pub agree: f32,
}

/// Smaller overlaps have too few cells to be sure of, as a part of the frame.
const LEAST_SHARE: f32 = 0.06;

/// Below this NCC at the coarse scale a candidate isn't looked at any closer.
const LEAST_COARSE: f32 = 0.3;

/// The side of a tile, as a part of the relief's shorter side: about a cell and a half.
const TILE: f32 = 1.0 / 7.0;

/// A tile has something in it if its variance is at least this part of that of the whole.
const TEXTURE: f64 = 0.3;

/// A tile agrees from this NCC on.
const TILE_AGREES: f64 = 0.5;

/// The best common place of two frames of the same size, if there may be one.
pub(super) fn register(this: &Print, earlier: &Print, transform: &mut Transform) -> Option<Match> {
    let shift = candidate(this, earlier, transform)?;
    let found = climb(&this.relief, &earlier.relief, shift.map(|v| 2 * v))?;
    let (tiles, agree) = tiles(&this.relief, &earlier.relief, found.at);
    Some(Match {
        dx: found.shift[0],
        dy: found.shift[1],
        share: share(found.shift, &this.relief),
        ncc: found.ncc,
        tiles,
        agree,
    })
}

/// Where a frame may have moved since an earlier one, on the coarse plane.
pub(super) fn moved(this: &Print, earlier: &Print, transform: &mut Transform) -> Option<Peak> {
    let shift = candidate(this, earlier, transform)?;
    climb(&this.coarse, &earlier.coarse, shift)
}

/// The shift of the coarse planes that explains most.
fn candidate(this: &Print, earlier: &Print, transform: &mut Transform) -> Option<[i32; 2]> {
    let (width, height) = (this.coarse.width as i32, this.coarse.height as i32);
    let mut best: Option<(f32, [i32; 2])> = None;
    for (x, y) in transform.shifts(&this.spectrum, &earlier.spectrum) {
        for dx in [x as i32, x as i32 - width] {
            for dy in [y as i32, y as i32 - height] {
                let share = share([dx as f32, dy as f32], &this.coarse);
                if share < LEAST_SHARE {
                    continue;
                }
                let ncc = ncc(&this.coarse, &earlier.coarse, [dx, dy]);
                // The larger the overlap, the less chance gives it.
                let weight = ncc * share.sqrt();
                if ncc >= LEAST_COARSE && best.is_none_or(|(than, _)| weight > than) {
                    best = Some((weight, [dx, dy]));
                }
            }
        }
    }
    best.map(|(_, shift)| shift)
}

/// The highest NCC near a shift.
pub(super) struct Peak {
    pub at: [i32; 2],
    /// The same between the pixels.
    pub shift: [f32; 2],
    pub ncc: f32,
}

/// How many steps it may take to the top of the NCC.
const STEPS: usize = 6;

/// Climbs from a shift to where the NCC is highest; `None` where that is not near.
pub(super) fn climb(this: &Relief, earlier: &Relief, from: [i32; 2]) -> Option<Peak> {
    let mut at = from;
    let mut top = ncc(this, earlier, at);
    for _ in 0..STEPS {
        let [x, y] = at;
        let beside = [[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]];
        let around = beside.map(|at| ncc(this, earlier, at));
        let next = (0..4).max_by(|&a, &b| around[a].total_cmp(&around[b]))?;
        if around[next] <= top {
            let between = |low: f32, high: f32| {
                let bend = 2.0 * top - low - high;
                if bend > 0.0 {
                    (0.5 * (high - low) / bend).clamp(-0.5, 0.5)
                } else {
                    0.0
                }
            };
            return Some(Peak {
                at,
                shift: [
                    x as f32 + between(around[0], around[1]),
                    y as f32 + between(around[2], around[3]),
                ],
                ncc: top,
            });
        }
        (at, top) = (beside[next], around[next]);
    }
    None
}

/// The part of the frame that two fields share.
fn share([dx, dy]: [f32; 2], plane: &Relief) -> f32 {
    let along = |shift: f32, side: usize| (1.0 - shift.abs() / side as f32).max(0.0);
    along(dx, plane.width) * along(dy, plane.height)
}

/// Sums over two lines.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: i64,
    a: i64,
    b: i64,
    aa: i64,
    bb: i64,
    ab: i64,
}

impl Sums {
    /// Lines of the same length of at most 2^15 values, whose sums of squares fit into 32 bits: a relief is at most 205.
    fn add(&mut self, a: &[i16], b: &[i16]) {
        let [mut sa, mut sb, mut saa, mut sbb, mut sab] = [0i32; 5];
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (i32::from(a), i32::from(b));
            sa += a;
            sb += b;
            saa += a * a;
            sbb += b * b;
            sab += a * b;
        }
        self.n += a.len() as i64;
        self.a += i64::from(sa);
        self.b += i64::from(sb);
        self.aa += i64::from(saa);
        self.bb += i64::from(sbb);
        self.ab += i64::from(sab);
    }

    fn variances(&self) -> [f64; 2] {
        let n = (self.n as f64).max(1.0);
        [
            self.aa as f64 / n - (self.a as f64 / n).powi(2),
            self.bb as f64 / n - (self.b as f64 / n).powi(2),
        ]
    }

    fn ncc(&self) -> f64 {
        let n = (self.n as f64).max(1.0);
        let [a, b] = self.variances();
        let both = self.ab as f64 / n - (self.a as f64 / n) * (self.b as f64 / n);
        if a * b > 0.0 {
            both / (a * b).sqrt()
        } else {
            0.0
        }
    }
}

/// What two planes of the same size share at a shift: a box in this one; its place in the earlier one.
fn common(plane: &Relief, [dx, dy]: [i32; 2]) -> Option<[usize; 4]> {
    let (width, height) = (plane.width as i32, plane.height as i32);
    let (left, right) = (dx.max(0), (width + dx).min(width));
    let (top, bottom) = (dy.max(0), (height + dy).min(height));
    (left < right && top < bottom).then(|| [left, top, right, bottom].map(|v| v as usize))
}

/// The NCC of what two planes of the same size share at a shift; 0 where one is even or there is nothing.
fn ncc(this: &Relief, earlier: &Relief, shift: [i32; 2]) -> f32 {
    let Some([left, top, right, bottom]) = common(this, shift) else {
        return 0.0;
    };
    let mut sums = Sums::default();
    add_box(&mut sums, this, earlier, [left, top, right, bottom], shift);
    sums.ncc() as f32
}

fn add_box(
    sums: &mut Sums,
    this: &Relief,
    earlier: &Relief,
    [left, top, right, bottom]: [usize; 4],
    [dx, dy]: [i32; 2],
) {
    let back = |at: usize, shift: i32| (at as i32 - shift) as usize;
    for y in top..bottom {
        let there = &earlier.row(back(y, dy))[back(left, dx)..back(right, dx)];
        sums.add(&this.row(y)[left..right], there);
    }
}

/// How many tiles have something in them in either field, and the part of them that agree.
fn tiles(this: &Relief, earlier: &Relief, shift: [i32; 2]) -> (u32, f32) {
    let Some([left, top, right, bottom]) = common(this, shift) else {
        return (0, 0.0);
    };
    let mut whole = Sums::default();
    add_box(&mut whole, this, earlier, [left, top, right, bottom], shift);
    let [a, b] = whole.variances();
    let textured = TEXTURE * a.max(b);
    let side = ((this.width.min(this.height) as f32 * TILE) as usize).max(4);
    let (mut tiles, mut agree) = (0u32, 0u32);
    // What is left over at the end of a row of tiles goes to all of them.
    let parts = |from: usize, to: usize| {
        let n = ((to - from) / side).max(1);
        (0..n).map(move |i| [from + (to - from) * i / n, from + (to - from) * (i + 1) / n])
    };
    for [y0, y1] in parts(top, bottom) {
        for [x0, x1] in parts(left, right) {
            let mut sums = Sums::default();
            add_box(&mut sums, this, earlier, [x0, y0, x1, y1], shift);
            let [a, b] = sums.variances();
            if a.max(b) >= textured {
                tiles += 1;
                agree += u32::from(sums.ncc() >= TILE_AGREES);
            }
        }
    }
    (tiles, agree as f32 / tiles.max(1) as f32)
}
