//! What the gate says of a frame.

use serde::{Deserialize, Serialize};
use smearscope_common::message::Verdict;
use uuid::Uuid;

use super::GateOptions;

/// Whether two fields show the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The pictures agree nearly everywhere.
    Sure,
    /// They may: worth a word, but nothing is taken from a count for it.
    Weak,
}

/// What a frame has in common with an earlier field.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// The earlier field.
    pub field: Uuid,
    /// How much farther right a thing is in this frame than it was in the earlier field, in pixels of the frame.
    pub dx: f32,
    /// How much farther down.
    pub dy: f32,
    /// The part of the frame that both show, 0 to 1.
    pub share: f32,
    /// Whether it can be relied on.
    pub confidence: Confidence,
}

/// What the gate saw in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// What the frame is.
    pub verdict: Verdict,
    /// How sharp it is, 0 and more. As `quality.focus` of an analysed field, but less by the camera's grain, and taken
    /// for a cell of the size that was last told, before that for one of about a twelfth of the frame's shorter side.
    pub focus: f32,
    /// The light between the cells, 1 the brightest that the camera can tell.
    pub exposure: f32,
    /// The part of the frame that is stained, 0 to 1.
    pub stained: f32,
    /// How far the picture lies from where it stood, in pixels of the frame; `None` for the first frame and where nothing
    /// of the last place is recognised.
    pub motion: Option<f32>,
    /// The last fields that it overlaps; looked for in frames that are otherwise good only.
    pub overlaps: Vec<Overlap>,
}

impl Look {
    /// The verdict with its reason and what to do, for the person at the microscope.
    pub fn words(&self, options: &GateOptions) -> String {
        let percent = |part: f32| (part * 100.0).round();
        match self.verdict {
            Verdict::TooDark => format!(
                "Too dark: the light is at {} %, at least {} % is needed. Turn up the lamp or open the condenser.",
                percent(self.exposure),
                percent(options.min_exposure)
            ),
            Verdict::TooBright => format!(
                "Too bright: the light is at {} %, more than {} % burns out. Turn down the lamp.",
                percent(self.exposure),
                percent(options.max_exposure)
            ),
            Verdict::Blank => {
                "Nothing to see: move to where the smear is, or turn the coarse focus.".to_owned()
            }
            Verdict::Moving => match self.motion {
                Some(motion) if motion >= 1.0 => {
                    format!("Moving, by {motion:.0} pixels: hold still.")
                }
                _ => "Not still yet: hold still for a moment.".to_owned(),
            },
            Verdict::OutOfFocus => format!(
                "Out of focus: the figure is {:.0}, at least {:.0} is needed. Turn the fine focus to where it is highest.",
                self.focus, options.min_focus
            ),
            Verdict::Crowded => format!(
                "Crowded: {} % is covered. Move to where the cells lie side by side.",
                percent(self.stained)
            ),
            Verdict::SeenBefore => {
                let seen = self
                    .overlaps
                    .iter()
                    .filter(|o| o.confidence == Confidence::Sure);
                let most = seen.map(|o| o.share).fold(0.0, f32::max);
                format!("Seen before: {} % of it. Move on.", percent(most))
            }
            Verdict::New => {
                let of = |confidence| {
                    self.overlaps
                        .iter()
                        .filter(|o| o.confidence == confidence)
                        .count()
                };
                match (of(Confidence::Sure), of(Confidence::Weak)) {
                    (0, 0) => "A new field.".to_owned(),
                    (0, _) => {
                        "A new field. It may overlap an earlier one: its cells are counted in full."
                            .to_owned()
                    }
                    _ => "A new field. It overlaps an earlier one: cells are counted once."
                        .to_owned(),
                }
            }
        }
    }
}
