//! What was drawn into the picture: a scale bar and its text, black with a white outline.

use super::grid::{Grid, Reduced};

/// Ink lets at most this part of the light through, in red as in green. No stain is so dark in both …
const BLACK: f32 = 0.2;
/// … in strokes so thin, in reduced pixels.
const MAX_STROKE: usize = 5;

/// How far around a stroke its outline reaches, in reduced pixels.
const OUTLINE: usize = 2;

/// The widest gap that is painted over, in reduced pixels: less than a cell.
const MAX_GAP: usize = 24;

/// Where the light itself is found: the brightest of so many pixels, leaving out this part of them.
const GLARE: f32 = 0.05;

/// Paints over what was drawn into the picture, from what is on both sides of it. Returns where that
/// was; `None` where nothing was drawn.
pub(super) fn paint_over(picture: &mut Reduced) -> Option<Grid<bool>> {
    let limits =
        [&picture.red, &picture.green].map(|plane| (BLACK * f32::from(light(plane))) as u8);
    let black = |i: usize| picture.red.data[i] <= limits[0] && picture.green.data[i] <= limits[1];
    let (w, h) = (picture.red.width, picture.red.height);
    let mut dark = Grid::filled(w, h, false);
    let mut any = false;
    for (i, dark) in dark.data.iter_mut().enumerate() {
        *dark = black(i);
        any |= *dark;
    }
    if !any {
        return None;
    }
    let strokes = thin(&dark)?;
    let ink = widen(&strokes);
    let across = runs(&transposed(&ink));
    let along = runs(&ink);
    for plane in [&mut picture.red, &mut picture.green] {
        let mut painted = bridged(plane, &along, [w, 1, w]);
        painted.extend(bridged(plane, &across, [1, w, h]));
        // Of the two the shorter way across.
        painted.sort_unstable_by_key(|&(place, length, _)| (place, length));
        painted.dedup_by_key(|&mut (place, ..)| place);
        for (place, _, value) in painted {
            plane.data[place] = value;
        }
    }
    Some(ink)
}

/// The light of a plane: nearly its brightest value.
fn light(plane: &Grid<u8>) -> u8 {
    let mut sample: Vec<u8> = plane.data.iter().copied().step_by(16).collect();
    let at = (GLARE * sample.len() as f32) as usize;
    let (_, light, _) = sample.select_nth_unstable_by(at, |a, b| b.cmp(a));
    *light
}

/// The runs of `true` in each row: row, first, one past the last.
fn runs(mask: &Grid<bool>) -> Vec<[usize; 3]> {
    let mut runs = Vec::new();
    for y in 0..mask.height {
        let row = mask.row(y);
        let mut x = 0;
        while let Some(start) = row[x..].iter().position(|&inside| inside) {
            let start = x + start;
            x = start
                + row[start..]
                    .iter()
                    .position(|&inside| !inside)
                    .unwrap_or(row.len() - start);
            runs.push([y, start, x]);
        }
    }
    runs
}

/// What is thin along its row or its column; `None` where nothing is.
fn thin(dark: &Grid<bool>) -> Option<Grid<bool>> {
    let thin_in_rows = |mask: &Grid<bool>| {
        let mut thin = Grid::filled(mask.width, mask.height, false);
        for [y, start, end] in runs(mask)
            .into_iter()
            .filter(|[_, start, end]| end - start <= MAX_STROKE)
        {
            thin.data[y * mask.width..][start..end].fill(true);
        }
        thin
    };
    let mut thin = thin_in_rows(dark);
    let across = transposed(&thin_in_rows(&transposed(dark)));
    for (thin, across) in thin.data.iter_mut().zip(across.data) {
        *thin |= across;
    }
    thin.data.contains(&true).then_some(thin)
}

/// Adds the outline.
fn widen(strokes: &Grid<bool>) -> Grid<bool> {
    let in_rows = |mask: &Grid<bool>| {
        let mut wide = Grid::filled(mask.width, mask.height, false);
        for [y, start, end] in runs(mask) {
            let row = &mut wide.data[y * mask.width..(y + 1) * mask.width];
            row[start.saturating_sub(OUTLINE)..(end + OUTLINE).min(mask.width)].fill(true);
        }
        wide
    };
    transposed(&in_rows(&transposed(&in_rows(strokes))))
}

/// What each pixel of the runs would be between the two pixels that end its run: its place, the length of the run,
/// the value. Not where a run is too long or reaches the frame. A run lies in a line; `lines` says how far the place
/// of a pixel is from that in the next line and from the next in the line, and how many pixels a line has.
fn bridged(plane: &Grid<u8>, runs: &[[usize; 3]], lines: [usize; 3]) -> Vec<(usize, usize, u8)> {
    let mut bridged = Vec::new();
    let [line_step, step, line_length] = lines;
    for &[line, start, end] in runs {
        let length = end - start;
        if start == 0 || end == line_length || length > MAX_GAP {
            continue;
        }
        let at = |i: usize| line * line_step + i * step;
        let [before, after] = [start - 1, end].map(|i| f32::from(plane.data[at(i)]));
        bridged.extend((start..end).map(|i| {
            let part = (i - start + 1) as f32 / (length + 1) as f32;
            (
                at(i),
                length,
                (before + (after - before) * part).round() as u8,
            )
        }));
    }
    bridged
}

/// Block by block: down a column each pixel is in another line of the cache.
fn transposed(grid: &Grid<bool>) -> Grid<bool> {
    const SIDE: usize = 32;
    let (w, h) = (grid.width, grid.height);
    let mut out = Grid::filled(h, w, false);
    for top in (0..h).step_by(SIDE) {
        for left in (0..w).step_by(SIDE) {
            for y in top..(top + SIDE).min(h) {
                let row = &grid.row(y)[left..(left + SIDE).min(w)];
                for (x, &value) in (left..).zip(row) {
                    out.data[x * h + y] = value;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(draw: impl Fn(f32, f32) -> u8) -> Reduced {
        let green = Grid::drawn([120, 90], draw);
        Reduced {
            factor: 1,
            red: green.clone(),
            green,
        }
    }

    #[test]
    fn a_picture_of_one_column_has_its_strokes_painted_over_too() {
        for size in [[1, 90], [90, 1]] {
            // The last stroke reaches the frame.
            let green = Grid::drawn(size, |x, y| if (x + y) % 10.0 >= 8.0 { 3 } else { 220 });
            let mut drawn = Reduced {
                factor: 1,
                red: green.clone(),
                green,
            };
            paint_over(&mut drawn);
        }
    }

    #[test]
    fn a_bar_across_a_cell_is_painted_over() {
        let cell = |x: f32, y: f32| {
            if (x - 50.0).hypot(y - 40.0) <= 20.0 {
                120
            } else {
                220
            }
        };
        let mut drawn = picture(|x, y| match (y - 42.0).abs() {
            d if !(20.0..=90.0).contains(&x) || d > 3.0 => cell(x, y),
            d if d > 1.0 => 255,
            _ => 5,
        });
        let ink = paint_over(&mut drawn).unwrap();
        assert!(ink.data[42 * 120 + 50] && !ink.data[30 * 120 + 50]);
        let wrong = (0..120 * 90)
            .filter(|&i| {
                drawn.green.data[i].abs_diff(cell((i % 120) as f32, (i / 120) as f32)) > 50
            })
            .count();
        assert!(wrong < 25, "{wrong}");
    }

    #[test]
    fn a_nucleus_is_no_ink() {
        let mut drawn = picture(|x, y| {
            if (x - 50.0).hypot(y - 40.0) <= 12.0 {
                10
            } else {
                220
            }
        });
        let before = drawn.green.clone();
        paint_over(&mut drawn);
        let changed = before
            .data
            .iter()
            .zip(&drawn.green.data)
            .filter(|(a, b)| a != b);
        assert!(changed.count() < 60);
    }
}
