//! Seeded synthetic fields of a thin smear, with exact truth.
//!
//! A field of the same spec and seed is the same to the bit on every machine. Each thing adds its optical
//! density to a canvas; a light that falls off towards the edges shines through, and a camera with
//! grain takes the picture.

mod canvas;
mod cell;
mod chance;
mod layout;
mod others;
mod slide;
mod stain;

use serde::{Deserialize, Serialize};

use crate::geometry::Rect;
use crate::image::RgbImage;
use canvas::Canvas;
use chance::Chance;
use layout::{Layout, Place};
pub use slide::SyntheticSlide;
use stain::{Light, Stain};

/// What a synthetic field looks like. Values out of their range are brought into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmearSpec {
    /// Width in pixels, 1 to [`crate::image::MAX_SIDE`]; 1280.
    pub width: u32,
    /// Height in pixels, 1 to [`crate::image::MAX_SIDE`]; 960.
    pub height: u32,
    /// Red cells, those that the frame cuts included; fewer are drawn where no place is left for them. 120.
    pub cells: u32,
    /// The mean diameter of an uninfected red cell in pixels, 4 to 1000; 75.
    pub cell_diameter: f32,
    /// The part of the red cells that carry a parasite, 0 to 1; 0.035. The number is exact but for a
    /// fraction of a cell, which chance rounds.
    pub parasitemia: f32,
    /// The part of the red cells that overlap another, 0 to 1; 0.1.
    pub overlap: f32,
    /// How much stain and background vary between seeds, 0 to 1; 0.6.
    pub stain_variation: f32,
    /// The standard deviation of the camera's grain, in levels of 255; 2.
    pub noise: f32,
    /// How many pixels an outline takes to fade; 2.5.
    pub blur: f32,
    /// How much of the light is lost towards the darkest corner, about, 0 to 1; 0.2.
    pub illumination: f32,
    /// Platelets; 6.
    pub platelets: u32,
    /// White cells; 0. One field in a few has one.
    pub white_cells: u32,
}

impl Default for SmearSpec {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 960,
            cells: 120,
            cell_diameter: 75.0,
            parasitemia: 0.035,
            overlap: 0.1,
            stain_variation: 0.6,
            noise: 2.0,
            blur: 2.5,
            illumination: 0.2,
            platelets: 6,
            white_cells: 0,
        }
    }
}

impl SmearSpec {
    /// The same with every value in its range.
    fn within_range(&self) -> Self {
        let part = |v: f32| if v.is_nan() { 0.0 } else { v.clamp(0.0, 1.0) };
        let length =
            |v: f32, low: f32, high: f32| if v.is_nan() { low } else { v.clamp(low, high) };
        Self {
            width: self.width.clamp(1, crate::image::MAX_SIDE),
            height: self.height.clamp(1, crate::image::MAX_SIDE),
            cell_diameter: length(self.cell_diameter, 4.0, 1000.0),
            parasitemia: part(self.parasitemia),
            overlap: part(self.overlap),
            stain_variation: part(self.stain_variation),
            noise: length(self.noise, 0.0, 100.0),
            blur: length(self.blur, 0.5, 50.0),
            illumination: part(self.illumination),
            ..*self
        }
    }
}

/// What a thing in a synthetic field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// An uninfected red cell.
    RedCell,
    /// A red cell with a ring form.
    Ring,
    /// A red cell with a trophozoite.
    Trophozoite,
    /// A red cell with a schizont.
    Schizont,
    /// A red cell with a gametocyte.
    Gametocyte,
    /// A platelet.
    Platelet,
    /// A white cell.
    WhiteCell,
}

impl ObjectKind {
    /// Whether it is a red cell with a parasite.
    pub fn is_parasitized(self) -> bool {
        matches!(
            self,
            Self::Ring | Self::Trophozoite | Self::Schizont | Self::Gametocyte
        )
    }

    /// Whether it is a red cell.
    pub fn is_red_cell(self) -> bool {
        self == Self::RedCell || self.is_parasitized()
    }
}

/// A thing in a synthetic field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueObject {
    /// The tight box of what is within the frame; one that is cut touches the frame's edge.
    pub bbox: Rect,
    /// What it is.
    pub kind: ObjectKind,
}

/// A synthetic field.
#[derive(Clone, Debug)]
pub struct SyntheticField {
    /// The picture.
    pub image: RgbImage,
    /// Everything in it, in the order in which it was drawn.
    pub truth: Vec<TrueObject>,
}

/// The largest white cell, in radii of a red one.
const WHITE_CELL: (f32, f32) = (1.45, 1.8);
/// The sizes of platelets, in radii of a red cell.
const PLATELET: (f32, f32) = (0.14, 0.26);

/// Draws a field.
pub fn smear(spec: &SmearSpec, seed: u64) -> SyntheticField {
    let spec = spec.within_range();
    let mut chance = Chance::new(seed);
    let (canvas, truth) = draw(&spec, &mut chance);
    let light = Light::new(&spec, &mut chance);
    let whole = Rect::from([0, 0, spec.width, spec.height]);
    let image = stain::photograph(&canvas, whole, &light, spec.noise, &mut chance);
    SyntheticField { image, truth }
}

/// Puts everything on a canvas.
fn draw(spec: &SmearSpec, chance: &mut Chance) -> (Canvas, Vec<TrueObject>) {
    let stain = Stain::new(spec.stain_variation, chance);
    let mut canvas = Canvas::new(spec.width, spec.height, spec.blur);
    let mut truth = Vec::new();
    for (place, kind) in arrange(spec, chance) {
        let bbox = match kind {
            ObjectKind::WhiteCell => others::white_cell(&mut canvas, place, &stain, chance),
            ObjectKind::Platelet => others::platelet(&mut canvas, place, &stain, chance),
            _ => cell::red_cell(&mut canvas, place, kind, &stain, chance),
        };
        truth.extend(bbox.map(|bbox| TrueObject { bbox, kind }));
    }
    (canvas, truth)
}

/// Finds a place for everything: the largest first, as long as there is room.
fn arrange(spec: &SmearSpec, chance: &mut Chance) -> Vec<(Place, ObjectKind)> {
    let radius = spec.cell_diameter / 2.0;
    let mut layout = Layout::new(spec, radius * WHITE_CELL.1);
    let mut things = Vec::new();
    for _ in 0..spec.white_cells {
        let size = radius * chance.between(WHITE_CELL.0, WHITE_CELL.1);
        let place = layout.free(size, 0.0, chance);
        things.extend(place.map(|place| (place, ObjectKind::WhiteCell)));
    }
    let mut partner: Option<Place> = None;
    for kind in red_cells(spec, chance) {
        let size = radius * cell::swelling(kind, chance);
        // Cells overlap in pairs: every second one of those that do is put beside the one before it.
        let beside = partner
            .take()
            .and_then(|partner| layout.beside(partner, size, chance));
        let place = match beside {
            Some(place) => Some(place),
            None => {
                let place = layout.free(size, 0.8, chance);
                let inside = place.filter(|p| {
                    p.x > 0.0 && p.y > 0.0 && p.x < spec.width as f32 && p.y < spec.height as f32
                });
                // With the part o of the cells in pairs, o/2 of all are followed by their partner, so
                // o/2 of the 1 − o/2 that are not partners themselves.
                partner = inside.filter(|_| chance.happens(spec.overlap / (2.0 - spec.overlap)));
                place
            }
        };
        things.extend(place.map(|place| (place, kind)));
    }
    for _ in 0..spec.platelets {
        let size = radius * chance.between(PLATELET.0, PLATELET.1);
        let place = layout.free(size, 0.0, chance);
        things.extend(place.map(|place| (place, ObjectKind::Platelet)));
    }
    things
}

/// The kinds of the red cells, in random order.
fn red_cells(spec: &SmearSpec, chance: &mut Chance) -> Vec<ObjectKind> {
    let expected = spec.cells as f32 * spec.parasitemia;
    let infected = expected as u32 + u32::from(chance.happens(expected - expected.floor()));
    let mut kinds: Vec<ObjectKind> = (0..spec.cells)
        .map(|i| {
            if i >= infected {
                return ObjectKind::RedCell;
            }
            // About what an infection with all stages shows.
            match chance.between(0.0, 1.0) {
                p if p < 0.4 => ObjectKind::Ring,
                p if p < 0.65 => ObjectKind::Trophozoite,
                p if p < 0.8 => ObjectKind::Schizont,
                _ => ObjectKind::Gametocyte,
            }
        })
        .collect();
    for i in (1..kinds.len()).rev() {
        kinds.swap(i, chance.count(0, i as u32) as usize);
    }
    kinds
}

#[cfg(test)]
mod tests;
