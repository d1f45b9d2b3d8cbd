//! The field gate: is this frame a new, still, sharp, well-exposed field, and what of it was seen before?
//!
//! Each frame is reduced once (`plane`), judged for itself (`light`), compared with where the picture last stood still,
//! and, if all that is well, with the last fields (`spectrum`, `register`). Which of its cells were counted already is
//! told by `counted`. No threads, no clock but the frames' own times: the same frames give the same looks.

mod counted;
mod light;
mod look;
mod options;
mod plane;
mod register;
mod spectrum;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smearscope_common::image::RgbImage;
use smearscope_common::message::Verdict;
use uuid::Uuid;

pub use counted::CountedCells;
pub use look::{Confidence, Look, Overlap};
pub use options::GateOptions;
use plane::{Plane, Relief};
use register::{Match, Print};
use spectrum::Transform;

/// How wide a cell is where sharpness is measured, in pixels: as in `common::segment::quality`.
const FOCUS_CELL: f32 = 40.0;

/// From this correlation on, a picture is the one that was there before; below, the focus or what is seen changed.
const SAME: f32 = 0.93;

/// From this correlation on, a picture that moved is recognised.
const RECOGNISED: f32 = 0.5;

/// What makes a registration sure: so high a correlation, in so many tiles, of which so many agree. See the tests for
/// what pairs of real fields have.
const SURE: (f32, u32, f32) = (0.7, 4, 0.75);

/// What makes it worth a word.
const WEAK: (f32, u32, f32) = (0.45, 3, 0.4);

/// How much wider the scale of sharpness may be off than it should be, as a logarithm: half as much again.
const OFF: f32 = 0.4;

/// How many pixels of the fine plane make one of the relief, and of the relief one of the coarse plane.
const RELIEF: i32 = 2;

/// Decides which frames become fields.
pub struct Gate {
    options: GateOptions,
    /// The diameter of a cell in pixels of a frame, if an analysed field has told it.
    cell_diameter: Option<f32>,
    /// How many pixels of a frame make one where sharpness is measured.
    focus_factor: Option<usize>,
    /// For the size of the last frame.
    transform: Option<Transform>,
    /// Where the picture stands still.
    stand: Option<Stand>,
    /// The last frame, until it is accepted.
    last: Option<Arc<Print>>,
    /// The last accepted fields, the oldest first.
    fields: VecDeque<(Uuid, Arc<Print>)>,
}

/// A picture that stands still.
struct Stand {
    print: Arc<Print>,
    since: Instant,
    /// What it has in common with the last fields, once that was looked for.
    overlaps: Option<Vec<Overlap>>,
}

/// What became of the picture since it stood still.
enum Change {
    /// It is where it was.
    None,
    /// It looks different: the focus was turned, or it is the first.
    Look,
    /// It is another place.
    Place,
}

impl Gate {
    /// A gate that has seen nothing.
    pub fn new(options: GateOptions) -> Self {
        Self {
            cell_diameter: options.cell_diameter,
            options,
            focus_factor: None,
            transform: None,
            stand: None,
            last: None,
            fields: VecDeque::new(),
        }
    }

    /// Tells the diameter of a cell in pixels, from an analysed field: better than the gate's own guess at what the focus
    /// figure is relative to.
    pub fn cells_measure(&mut self, diameter: f32) {
        self.cell_diameter = Some(diameter).filter(|d| d.is_finite() && *d > 0.0);
    }

    /// Looks at a frame that was taken at a time, which must not run backwards. A picture of any size gets an answer; one
    /// of another size than the last begins anew.
    pub fn look(&mut self, image: &RgbImage, at: Instant) -> Look {
        let factor = plane::fine_factor(image.width(), image.height());
        let fine = plane::green(image, factor);
        let exposure = light::exposure(&fine);
        let (sums, relief) = plane::relief(&fine);
        let stained = light::stained(&sums);
        let focus = self.focus(image, &fine, factor, &relief);
        let (change, motion) = match self.print(relief) {
            Some(print) => {
                let compared = self.change(&print, factor);
                if !matches!(compared.0, Change::None) {
                    self.stand = Some(Stand {
                        print: Arc::clone(&print),
                        since: at,
                        overlaps: None,
                    });
                }
                self.last = Some(print);
                compared
            }
            None => (Change::Look, None),
        };
        let options = &self.options;
        let settled = self.stand.as_ref().is_some_and(|stand| {
            at.saturating_duration_since(stand.since) >= Duration::from_millis(options.still_ms)
        });
        let fault = if exposure < options.min_exposure {
            Some(Verdict::TooDark)
        } else if exposure > options.max_exposure {
            Some(Verdict::TooBright)
        } else if stained < options.min_stained {
            Some(Verdict::Blank)
        } else if matches!(change, Change::Place) {
            Some(Verdict::Moving)
        } else if focus < options.min_focus {
            Some(Verdict::OutOfFocus)
        } else if !settled {
            Some(Verdict::Moving)
        } else if stained > options.max_stained {
            Some(Verdict::Crowded)
        } else {
            None
        };
        let (verdict, overlaps) = match fault {
            Some(fault) => (fault, Vec::new()),
            None => self.place(factor),
        };
        Look {
            verdict,
            focus,
            exposure,
            stained,
            motion,
            overlaps,
        }
    }

    /// Says that the last frame became this field. It is remembered among the last ones, and a frame that shows the same
    /// was seen before. Nothing happens where no frame was looked at since the last time.
    pub fn accept(&mut self, field: Uuid) {
        let Some(print) = self.last.take() else {
            return;
        };
        self.fields.push_back((field, print));
        while self.fields.len() > self.options.remembered {
            self.fields.pop_front();
        }
        if let Some(stand) = &mut self.stand {
            stand.overlaps = None;
        }
    }

    /// Forgets all fields: another slide.
    pub fn clear(&mut self) {
        self.fields.clear();
        if let Some(stand) = &mut self.stand {
            stand.overlaps = None;
        }
    }

    /// How sharp a frame is where a cell is about [`FOCUS_CELL`] wide. The figure must not jump at the knob, so the scale
    /// stays until it is clearly off.
    fn focus(&mut self, image: &RgbImage, fine: &Plane<u8>, factor: usize, relief: &Relief) -> f32 {
        let guess =
            || light::cell_width(relief).map(|width| width * (factor as i32 * RELIEF) as f32);
        let current = self.focus_factor.unwrap_or(factor);
        let wanted = self.cell_diameter.or_else(guess).map(|d| d / FOCUS_CELL);
        let chosen = match wanted {
            Some(wanted) if (wanted / current as f32).ln().abs() > OFF => {
                wanted.round().max(1.0) as usize
            }
            _ => current,
        };
        self.focus_factor = Some(chosen);
        if chosen == factor {
            light::focus(fine)
        } else {
            light::focus(&plane::green(image, chosen))
        }
    }

    /// A frame as it is compared; `None` of one without pixels. After one of another size all begins anew.
    fn print(&mut self, relief: Relief) -> Option<Arc<Print>> {
        let coarse = plane::coarse(&relief);
        if !self.transform.as_ref().is_some_and(|t| t.fits(&coarse)) {
            self.transform = Transform::new(coarse.width, coarse.height);
            self.focus_factor = None;
            self.stand = None;
            self.last = None;
            self.fields.clear();
        }
        let spectrum = self.transform.as_mut()?.spectrum(&coarse);
        Some(Arc::new(Print {
            relief,
            coarse,
            spectrum,
        }))
    }

    /// What became of the picture since it stood still, and how far it is from there in pixels of the frame.
    fn change(&mut self, print: &Print, factor: usize) -> (Change, Option<f32>) {
        let (Some(stand), Some(transform)) = (&self.stand, &mut self.transform) else {
            return (Change::Look, None);
        };
        let scale = (factor as i32 * RELIEF * RELIEF) as f32;
        let side = print.coarse.width.min(print.coarse.height) as f32 * scale;
        let near = register::climb(&print.coarse, &stand.print.coarse, [0, 0])
            .filter(|peak| peak.ncc >= SAME);
        let peak = near.or_else(|| {
            register::moved(print, &stand.print, transform).filter(|peak| peak.ncc >= RECOGNISED)
        });
        let Some(peak) = peak else {
            return (Change::Place, None);
        };
        let motion = peak.shift[0].hypot(peak.shift[1]) * scale;
        let change = if motion > self.options.max_motion * side {
            Change::Place
        } else if peak.ncc < SAME {
            Change::Look
        } else {
            Change::None
        };
        (change, Some(motion))
    }

    /// Whether a good frame is new, and what it has in common with the last fields. A picture that goes on standing still
    /// is compared once.
    fn place(&mut self, factor: usize) -> (Verdict, Vec<Overlap>) {
        let known = self.stand.as_ref().and_then(|stand| stand.overlaps.clone());
        let overlaps = known.unwrap_or_else(|| self.overlaps(factor));
        let seen = overlaps
            .iter()
            .any(|o| o.confidence == Confidence::Sure && o.share >= self.options.seen_share);
        if let Some(stand) = &mut self.stand {
            stand.overlaps = Some(overlaps.clone());
        }
        let verdict = if seen {
            Verdict::SeenBefore
        } else {
            Verdict::New
        };
        (verdict, overlaps)
    }

    fn overlaps(&mut self, factor: usize) -> Vec<Overlap> {
        let (Some(last), Some(transform)) = (&self.last, &mut self.transform) else {
            return Vec::new();
        };
        let scale = (factor as i32 * RELIEF) as f32;
        self.fields
            .iter()
            .filter_map(|(field, print)| {
                let found = register::register(last, print, transform)?;
                Some(Overlap {
                    field: *field,
                    dx: found.dx * scale,
                    dy: found.dy * scale,
                    share: found.share,
                    confidence: confidence(&found)?,
                })
            })
            .collect()
    }
}

/// How far a match can be relied on; `None` where it is chance.
fn confidence(found: &Match) -> Option<Confidence> {
    let reaches = |(ncc, tiles, agree): (f32, u32, f32)| {
        found.ncc >= ncc && found.tiles >= tiles && found.agree >= agree
    };
    if reaches(SURE) {
        Some(Confidence::Sure)
    } else {
        reaches(WEAK).then_some(Confidence::Weak)
    }
}

#[cfg(test)]
mod tests;
