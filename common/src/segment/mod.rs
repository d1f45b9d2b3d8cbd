//! Field → cells: finds every red cell of a thin smear, with its mask.
//!
//! 1. `grid`: the picture is reduced until a cell is about 40 pixels wide.
//! 2. `background`: the light behind the cells is modelled and taken out of the green channel.
//! 3. `ink` paints over what was drawn into the picture; `threshold`, `local`: Otsu's threshold parts cells from
//!    background, then each neighbourhood its own; `pale` adds the palest cells.
//! 4. `rims`, `size`: the outlines tell the size of the cells; `holes`, `gap`: pale centres are filled.
//! 5. `nucleus`, `white`: white cells are taken out.
//! 6. `circles`, `discs`: cells as circles of rims; `ghosts`: those that are too pale are filled.
//! 7. `distance`, `watershed`: touching cells are split; `overlap`: those that overlap, too.
//! 8. `classify`: platelets, white cells, debris and cells cut by the frame are set apart.
//! 9. `mask`: the outlines are drawn in the pixels of the picture.
//!
//! The steps visit each pixel a bounded number of times and every length is relative to the size of the
//! cells found, so nothing is tuned to one microscope. One thread; the memory is about 20 bytes per reduced pixel for
//! a field and up to about 35 for noise, of which there are at most about four million, and the masks of the cells.

mod background;
mod circles;
mod classify;
mod discs;
mod distance;
mod gap;
mod ghosts;
mod grid;
mod holes;
mod ink;
mod local;
mod mask;
mod nucleus;
mod overlap;
mod pale;
mod quality;
mod regions;
mod rims;
mod size;
mod threshold;
mod watershed;
mod white;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::{Mask, Rect};
use crate::image::RgbImage;
use classify::Kind;
use grid::Grid;
use nucleus::Stained;
pub use quality::{brightest_tenth, quality};
use rims::Rim;
use white::White;

/// A countable red cell: whole, inside the frame.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The tight box around the mask.
    pub bbox: Rect,
    /// Which pixels of the box belong to the cell; as large as the box.
    pub mask: Mask,
    /// The number of pixels in the mask.
    pub area: u32,
    /// 4π·area / perimeter², 1 for a disc.
    pub roundness: f32,
    /// Whether the cell was cut from a clump of touching cells.
    pub split: bool,
}

/// What a thing that is not a countable red cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherKind {
    /// A platelet.
    Platelet,
    /// A white cell.
    WhiteCell,
    /// A cell cut by the edge of the frame.
    Edge,
    /// Dirt, a scale bar, precipitate or a clump that could not be resolved.
    Debris,
}

/// A thing in the field that is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Other {
    /// The tight box around it.
    pub bbox: Rect,
    /// What it is.
    pub kind: OtherKind,
}

/// All that was found in one field.
#[derive(Clone, Debug, Default)]
pub struct Segmentation {
    /// The countable red cells, ordered by row, then column, of their boxes.
    pub cells: Vec<Cell>,
    /// All else, in the same order; where there is more, the [`MAX_OTHERS`] largest.
    pub others: Vec<Other>,
    /// The median diameter of the red cells in pixels; `None` where there is no cell.
    pub cell_diameter: Option<f32>,
    /// The diameter of what may be typical cells, as it was taken before they were split, in pixels; known
    /// even where they are too small to be counted.
    pub rough_diameter: Option<f32>,
    /// Whether so many cells touch or overlap that the count is doubtful.
    pub crowded: bool,
}

/// The most things of [`Segmentation::others`]: dirt, precipitate or noise may make any number of them, and a field's
/// message must stay one that a broker takes. A thousand are about 45 kB of JSON.
pub const MAX_OTHERS: usize = 1000;

/// The shorter side of the reduced picture, where the size of the cells isn't known yet. Under the usual
/// oil immersion lens it spans 6 to 15 red cells.
const REDUCED_SIDE: u32 = 480;

/// Cells narrower than this in the reduced picture are looked for again in a larger one, wider ones in a
/// smaller one, in pixels …
const MIN_DIAMETER: f32 = 16.0;
const MAX_DIAMETER: f32 = 60.0;
/// … where they are about this wide.
const GOOD_DIAMETER: f32 = 36.0;

/// About how many pixels the reduced picture has at most. It is room for 3,000 cells of the good diameter, ten times
/// what a crowded field has, and bounds time and memory where specks or noise look like far smaller cells.
const MAX_REDUCED: u32 = 1 << 22;

/// The largest reduction: the sums of its blocks fit.
const MAX_FACTOR: usize = 1 << 11;

/// Less light than this, as [`crate::message::Quality::exposure`] has it, is a covered lens or a lamp that is off: the
/// little that a cell would take away of it is no more than the grain of a camera.
const MIN_EXPOSURE: f32 = 0.1;

/// Cells narrower than this can't be told from grain, in pixels.
const MIN_CELL_DIAMETER: f32 = 8.0;

/// The half width of the thinnest thing that is kept, as a part of a cell's radius.
const THINNEST: f32 = 0.13;

/// The part of the countable cells that touch another in a crowded field …
const CROWDED_SPLIT: f32 = 0.85;
/// … with at least this many cells.
const CROWDED_CELLS: usize = 10;

/// Finds the red cells of a Giemsa-stained thin smear under bright-field light, and what else is there.
///
/// Any picture of any size gives an answer; one without contrast gives an empty one.
pub fn segment(image: &RgbImage) -> Segmentation {
    let short = image.width().min(image.height());
    if short == 0 {
        return Segmentation::default();
    }
    let pixels = f64::from(image.width()) * f64::from(image.height());
    let least = ((pixels / f64::from(MAX_REDUCED)).sqrt().ceil() as usize).max(1);
    let factor = (((short + REDUCED_SIDE / 2) / REDUCED_SIDE) as usize).max(least);
    let first = outline(image, factor);
    let good = first.radius.map_or(factor, |radius| {
        let finest = factor as f32 * 2.0 * radius / GOOD_DIAMETER;
        if (MIN_DIAMETER..=MAX_DIAMETER).contains(&(2.0 * radius)) {
            factor
        } else {
            (finest.round() as usize).clamp(least, MAX_FACTOR)
        }
    });
    if good == factor {
        return finish(image, first);
    }
    drop(first);
    finish(image, outline(image, good))
}

/// A field whose cells are told from the background, but not yet from each other.
struct Outlined {
    /// How many pixels of the picture make one, along each axis.
    factor: usize,
    /// Red light.
    red: Grid<u8>,
    /// What was drawn into the picture.
    ink: Option<Grid<bool>>,
    /// The darkness in green light.
    green: Grid<u8>,
    /// Distances to the background.
    distance: Grid<u16>,
    /// The rims of the cells.
    rims: Vec<Rim>,
    /// The radius of a typical cell in reduced pixels; `None` where there is none.
    radius: Option<f32>,
}

/// Tells cells from background at a given scale.
fn outline(image: &RgbImage, factor: usize) -> Outlined {
    let mut reduced = grid::reduce(image, factor);
    let ink = ink::paint_over(&mut reduced);
    // What isn't needed any more is given back at once: of a large picture each plane is many megabytes.
    let grid::Reduced { factor, green, red } = reduced;
    let lit = quality::exposure(&green) >= MIN_EXPOSURE;
    let green = background::darkness(&green);
    let mut histogram = [0; 256];
    for &value in &green.data {
        histogram[usize::from(value)] += 1;
    }
    let threshold = threshold::cell_threshold(&histogram)
        .or_else(|| threshold::sparse_threshold(&histogram))
        .filter(|_| lit);
    let Some(threshold) = threshold else {
        return Outlined {
            factor,
            red,
            ink,
            green,
            distance: Grid::filled(0, 0, 0),
            rims: Vec::new(),
            radius: None,
        };
    };
    let mut mask = local::darker_than_around(&green, threshold);
    pale::add(&mut mask, &green, threshold.limit);
    let rims = rims::rims(&green, &mask);
    let voted = size::voted_radius(&rims, &mask);
    let holes::Filled { distance, radius } = holes::fill(&mut mask, voted);
    drop(mask);
    Outlined {
        factor,
        red,
        ink,
        green,
        distance,
        rims,
        radius,
    }
}

/// Parts the cells from each other and says what each is.
fn finish(image: &RgbImage, outlined: Outlined) -> Segmentation {
    let Outlined {
        factor,
        red,
        ink,
        green,
        mut distance,
        rims,
        radius: Some(radius),
    } = outlined
    else {
        return Segmentation::default();
    };
    let mut mask = distance.map(|d| d > 0);
    let red = background::darkness(&red);
    let stained = Stained::of(&mask, &green, &red);
    drop((green, red));
    let white = White::take_out(&mut mask, &stained, radius);
    let size = [mask.width, mask.height];
    let mut discs = discs::discs(&rims, size, radius);
    drop(rims);
    if let Some(white) = &white {
        discs.retain(|disc| disc.middle(size).is_none_or(|place| !white.holds(place)));
    }
    let any_ghost = ghosts::fill(&mut mask, &discs);
    if let Some(white) = &white {
        white.clear(&mut mask);
    }
    if any_ghost || white.is_some() {
        distance = distance::distances(&mask);
    }
    drop(mask);
    distance::open(&mut distance, THINNEST * radius);
    let mut split = watershed::split(&distance, radius);
    drop(distance);
    split = overlap::deal(split, &discs, &stained, radius);
    let mut is_white = Vec::new();
    if let Some(white) = white {
        (split, is_white) = white.put_back(split);
    }
    let mut classified = classify::classify(&split, &stained, &is_white, radius);
    let mut drawn = Vec::new();
    if let Some(ink) = &ink {
        classify::set_covered_apart(&split.cells, ink, &mut classified);
        let size = [image.width(), image.height()];
        drawn.extend(
            regions::connected(ink, true, regions::Corners::Joined)
                .regions
                .iter()
                .map(|region| Other {
                    bbox: region.bounds(factor, size),
                    kind: OtherKind::Debris,
                }),
        );
    }
    let mut segmentation = collect(image, factor, &split, &classified, drawn);
    segmentation.rough_diameter = Some(2.0 * radius * factor as f32);
    segmentation
}

/// Draws the regions in the pixels of the picture, beside what was drawn into it.
fn collect(
    image: &RgbImage,
    factor: usize,
    split: &watershed::Split,
    classified: &classify::Classified,
    drawn: Vec<Other>,
) -> Segmentation {
    let size = [image.width(), image.height()];
    let countable = classified
        .area
        .is_some_and(|area| diameter_of(area) >= MIN_CELL_DIAMETER);
    let mut segmentation = Segmentation {
        others: drawn,
        ..Segmentation::default()
    };
    for (i, (region, &kind)) in split
        .cells
        .regions
        .iter()
        .zip(&classified.kinds)
        .enumerate()
    {
        let kind = if kind == Kind::Cell && !countable {
            Kind::Other(OtherKind::Debris)
        } else {
            kind
        };
        match kind {
            Kind::Grain => {}
            Kind::Other(kind) => segmentation.others.push(Other {
                bbox: region.bounds(factor, size),
                kind,
            }),
            Kind::Cell => {
                let label = i as u32 + 1;
                if let Some((bbox, mask)) =
                    mask::enlarge(&split.cells.labels, label, region, factor, size)
                {
                    segmentation.cells.push(Cell {
                        bbox,
                        area: mask.area(),
                        mask,
                        roundness: region.roundness(),
                        split: split.touching[i],
                    });
                }
            }
        }
    }
    segmentation
        .cells
        .sort_by_key(|cell| (cell.bbox.y, cell.bbox.x));
    let others = &mut segmentation.others;
    others.sort_by_key(|other| std::cmp::Reverse(other.bbox.area()));
    others.truncate(MAX_OTHERS);
    others.sort_by_key(|other| (other.bbox.y, other.bbox.x));
    let cells = &segmentation.cells;
    let mut areas: Vec<u32> = cells.iter().map(|cell| cell.area).collect();
    areas.sort_unstable();
    segmentation.cell_diameter = areas
        .get(areas.len() / 2)
        .map(|&area| diameter_of(area as f32));
    let cut = cells.iter().filter(|cell| cell.split).count();
    segmentation.crowded =
        cells.len() >= CROWDED_CELLS && cut as f32 > CROWDED_SPLIT * cells.len() as f32;
    segmentation
}

/// The diameter of a disc of that area.
fn diameter_of(area: f32) -> f32 {
    2.0 * (area / std::f32::consts::PI).sqrt()
}

#[cfg(test)]
mod tests;
