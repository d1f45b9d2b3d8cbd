//! Red cells, and the parasites in them.

use super::ObjectKind;
use super::canvas::{Canvas, Outline, smooth, times};
use super::chance::Chance;
use super::layout::Place;
use super::stain::Stain;
use crate::geometry::Rect;

/// How much larger a cell of that kind is than an uninfected one: P. vivax swells its host.
pub(super) fn swelling(kind: ObjectKind, chance: &mut Chance) -> f32 {
    match kind {
        ObjectKind::Trophozoite => chance.between(1.05, 1.25),
        ObjectKind::Schizont => chance.between(1.1, 1.25),
        ObjectKind::Gametocyte => chance.between(1.05, 1.2),
        _ => chance.between(0.9, 1.1),
    }
}

/// Draws a red cell with whatever lives in it; the box of what is within the frame.
pub(super) fn red_cell(
    canvas: &mut Canvas,
    place: Place,
    kind: ObjectKind,
    stain: &Stain,
    chance: &mut Chance,
) -> Option<Rect> {
    let outline = Outline::uneven([place.x, place.y], place.radius, 0.07, 0.025, chance);
    // A parasite eats the hemoglobin.
    let strength = chance.between(0.88, 1.12)
        * match kind {
            ObjectKind::Trophozoite => 0.85,
            ObjectKind::Schizont | ObjectKind::Gametocyte => 0.6,
            _ => 1.0,
        };
    let pallor = chance.between(0.15, 0.6);
    let width = chance.between(0.5, 0.85);
    let hemoglobin = times(stain.red_cell, strength);
    let bbox = canvas.add(&outline, |rho| {
        times(hemoglobin, 1.0 - pallor * smooth(1.0 - rho / width))
    });
    let mut host = Host {
        canvas,
        place,
        stain,
        chance,
    };
    match kind {
        ObjectKind::Ring => host.ring(),
        ObjectKind::Trophozoite => host.trophozoite(),
        ObjectKind::Schizont => host.schizont(),
        ObjectKind::Gametocyte => host.gametocyte(),
        _ => {}
    }
    bbox
}

/// A red cell that a parasite is drawn into.
struct Host<'a> {
    canvas: &'a mut Canvas,
    place: Place,
    stain: &'a Stain,
    chance: &'a mut Chance,
}

impl Host<'_> {
    /// A thing at a place given in radii of the cell from its centre, with a radius in the same unit.
    fn spot(&mut self, [x, y]: [f32; 2], radius: f32, density: [f32; 3]) {
        let r = self.place.radius;
        let centre = [self.place.x + x * r, self.place.y + y * r];
        let outline = Outline::uneven(centre, radius * r, 0.2, 0.1, self.chance);
        self.canvas.add(&outline, |_| density);
    }

    /// A thin blue ring around a pale vacuole, with one or two dots of chromatin on it.
    fn ring(&mut self) {
        let r = self.place.radius;
        let size = self.chance.between(0.22, 0.34);
        let [ox, oy] = self.chance.in_disc().map(|v| v * (0.75 - size));
        let centre = [self.place.x + ox * r, self.place.y + oy * r];
        let outline = Outline::uneven(centre, size * r, 0.15, 0.08, self.chance);
        let wall = times(self.stain.cytoplasm, self.chance.between(0.9, 1.3));
        let vacuole = times(self.stain.red_cell, -0.3);
        self.canvas.add(&outline, |rho| {
            let on_wall = smooth((rho - 0.5) / 0.25);
            [0, 1, 2].map(|i| wall[i] * on_wall + vacuole[i] * (1.0 - on_wall))
        });
        let chromatin = self.stain.chromatin;
        for _ in 0..self.chance.count(1, 2) {
            let [c, s] = self.chance.direction();
            let at = [ox + c * size * 0.85, oy + s * size * 0.85];
            let dot = self.chance.between(0.08, 0.12);
            self.spot(at, dot, chromatin);
        }
    }

    /// An amoeba: blue lobes, one larger piece of chromatin, a little pigment, fine stippling.
    fn trophozoite(&mut self) {
        let [ox, oy] = self.chance.in_disc().map(|v| v * 0.2);
        let cytoplasm = times(self.stain.cytoplasm, 0.7);
        for _ in 0..self.chance.count(4, 6) {
            let [dx, dy] = self.chance.in_disc().map(|v| v * 0.38);
            let lobe = self.chance.between(0.14, 0.3);
            self.spot([ox + dx, oy + dy], lobe, cytoplasm);
        }
        let [dx, dy] = self.chance.in_disc().map(|v| v * 0.3);
        let dot = self.chance.between(0.13, 0.19);
        let chromatin = self.stain.chromatin;
        self.spot([ox + dx, oy + dy], dot, chromatin);
        self.grains(6, 0.45, self.stain.pigment, 0.03);
        self.grains(40, 0.9, times(self.stain.chromatin, 0.12), 0.035);
    }

    /// A cluster of 12 to 24 dots of chromatin around a clump of pigment.
    fn schizont(&mut self) {
        let cytoplasm = times(self.stain.cytoplasm, 0.6);
        let size = self.chance.between(0.72, 0.88);
        self.spot([0.0, 0.0], size, cytoplasm);
        let chromatin = times(self.stain.chromatin, 0.8);
        for _ in 0..self.chance.count(12, 24) {
            let at = self.chance.in_disc().map(|v| v * (size - 0.1));
            let dot = self.chance.between(0.08, 0.13);
            self.spot(at, dot, chromatin);
        }
        let [x, y] = self.chance.in_disc().map(|v| v * 0.2);
        let pigment = self.stain.pigment;
        self.spot([x, y], 0.12, pigment);
    }

    /// A round body that nearly fills the cell, granular, with one large mass of chromatin.
    fn gametocyte(&mut self) {
        let size = self.chance.between(0.84, 0.93);
        let body =
            [0, 1, 2].map(|i| 0.55 * self.stain.cytoplasm[i] + 0.18 * self.stain.chromatin[i]);
        self.spot([0.0, 0.0], size, body);
        let at = self.chance.in_disc().map(|v| v * 0.45);
        let mass = self.chance.between(0.2, 0.32);
        let chromatin = times(self.stain.chromatin, 0.7);
        self.spot(at, mass, chromatin);
        self.grains(70, size - 0.06, times(self.stain.chromatin, 0.25), 0.045);
        self.grains(16, size - 0.1, self.stain.pigment, 0.03);
    }

    /// Fine grains within a part of the cell.
    fn grains(&mut self, count: u32, within: f32, density: [f32; 3], size: f32) {
        for _ in 0..count {
            let at = self.chance.in_disc().map(|v| v * within);
            self.spot(at, size, density);
        }
    }
}
