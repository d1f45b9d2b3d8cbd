//! White cells and platelets.

use super::canvas::{Canvas, Outline, smooth, times};
use super::chance::Chance;
use super::layout::Place;
use super::stain::Stain;
use crate::geometry::Rect;

/// Draws a white cell: pale granular cytoplasm with a nucleus, round or in lobes; its box within the frame.
pub(super) fn white_cell(
    canvas: &mut Canvas,
    place: Place,
    stain: &Stain,
    chance: &mut Chance,
) -> Option<Rect> {
    let r = place.radius;
    let outline = Outline::uneven([place.x, place.y], r, 0.05, 0.03, chance);
    let body = [0, 1, 2].map(|i| 0.25 * stain.red_cell[i] + 0.25 * stain.cytoplasm[i]);
    let bbox = canvas.add(&outline, |_| body);
    // Nuclei are bluer than the chromatin of parasites.
    let nucleus = [
        stain.chromatin[0] * 1.3,
        stain.chromatin[1] * 0.8,
        stain.chromatin[2] * 0.6,
    ];
    if chance.happens(0.4) {
        // A lymphocyte: one round nucleus that leaves a narrow rim.
        let [dx, dy] = chance.in_disc().map(|v| v * 0.1 * r);
        let size = chance.between(0.72, 0.82) * r;
        let outline = Outline::uneven([place.x + dx, place.y + dy], size, 0.06, 0.04, chance);
        canvas.add(&outline, |_| nucleus);
    } else {
        // A neutrophil: lobes along an arc. The density falls off towards their rims, so that neighbours run
        // into each other.
        let [c, s] = chance.direction();
        let lobes = chance.count(3, 4);
        for i in 0..lobes {
            let along = (i as f32 / (lobes - 1) as f32 - 0.5) * 1.1;
            let bow = 0.45 - along * along;
            let (x, y) = (c * along - s * bow, s * along + c * bow);
            let size = chance.between(0.3, 0.38) * r;
            let outline =
                Outline::uneven([place.x + x * r, place.y + y * r], size, 0.12, 0.08, chance);
            canvas.add(&outline, |rho| times(nucleus, 1.0 - 0.5 * smooth(rho)));
        }
        for _ in 0..80 {
            let [x, y] = chance.in_disc().map(|v| v * 0.9 * r);
            let grain = Outline::disc(place.x + x, place.y + y, 0.03 * r);
            canvas.add(&grain, |_| times(stain.chromatin, 0.12));
        }
    }
    bbox
}

/// Draws a platelet: small, purple, with a darker middle; its box within the frame.
pub(super) fn platelet(
    canvas: &mut Canvas,
    place: Place,
    stain: &Stain,
    chance: &mut Chance,
) -> Option<Rect> {
    let outline = Outline::uneven([place.x, place.y], place.radius, 0.15, 0.1, chance);
    let strength = chance.between(0.3, 0.6);
    canvas.add(&outline, |rho| {
        times(stain.chromatin, strength * (1.0 - 0.6 * smooth(rho)))
    })
}
