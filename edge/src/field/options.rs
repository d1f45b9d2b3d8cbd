//! `[gate]`: which frames become fields.

use serde::Deserialize;

/// The most fields that frames are compared with: each costs about 0.3 ms of a still frame and 0.4 MB.
const MOST_REMEMBERED: usize = 64;

/// `[gate]`, for cameras only: what is played is taken as it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateOptions {
    /// Whether only frames become fields that are fit: lit, still, sharp and new. Default: true; otherwise each one does for
    /// which the analysis has time.
    pub enabled: bool,
    /// The least light between the cells, 1 the brightest that the camera can tell. Default: 0.3.
    pub min_exposure: f32,
    /// The most light between the cells. Default: 0.98, above which the camera is burnt out.
    pub max_exposure: f32,
    /// The least sharpness, as the live focus figure has it. Default: 15.
    pub min_focus: f32,
    /// How wide a red cell is in pixels of the frame, which the sharpness is relative to. Default: guessed until the first
    /// analysed field tells it; to be set where nothing is ever sharp because cells fill more than an eighth of the frame.
    pub cell_diameter: Option<f32>,
    /// The least part of the frame that is stained; with less there is nothing to count. Default: 0.01, about two cells.
    pub min_stained: f32,
    /// The most of the frame that may be stained; with more, cells can't be told from each other. Default: 0.85.
    pub max_stained: f32,
    /// How long the picture must have stood still, in milliseconds. Default: 300.
    pub still_ms: u64,
    /// How far the picture may move and still stand still, as a part of the frame's shorter side. Default: 0.006, 4 pixels
    /// of 720.
    pub max_motion: f32,
    /// How many of the last fields a frame is compared with, at most 64. Default: 16. 0 compares with none, and each frame
    /// that is good is new.
    pub remembered: usize,
    /// From which part on that it shares with one of these fields a frame was seen before. Default: 0.7. Of less, the cells
    /// that were counted are not counted again.
    pub seen_share: f32,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            min_exposure: 0.3,
            max_exposure: 0.98,
            min_focus: 15.0,
            cell_diameter: None,
            min_stained: 0.01,
            max_stained: 0.85,
            still_ms: 300,
            max_motion: 0.006,
            remembered: 16,
            seen_share: 0.7,
        }
    }
}

impl GateOptions {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    ///
    /// # Errors
    /// The first key with a value out of its range.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, value) in [
            ("min_exposure", self.min_exposure),
            ("max_exposure", self.max_exposure),
            ("min_stained", self.min_stained),
            ("max_stained", self.max_stained),
            ("max_motion", self.max_motion),
            ("seen_share", self.seen_share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err((key, format!("`{key}` is {value}, but goes from 0 to 1")));
            }
        }
        for (low, high, [least, most]) in [
            (
                "min_exposure",
                "max_exposure",
                [self.min_exposure, self.max_exposure],
            ),
            (
                "min_stained",
                "max_stained",
                [self.min_stained, self.max_stained],
            ),
        ] {
            if least >= most {
                let why =
                    format!("`{low}` is {least}, but must be less than `{high}`, which is {most}");
                return Err((low, why));
            }
        }
        if !(self.min_focus >= 0.0 && self.min_focus.is_finite()) {
            let why = format!("`min_focus` is {}, but must be 0 or more", self.min_focus);
            return Err(("min_focus", why));
        }
        if let Some(diameter) = self.cell_diameter.filter(|d| !(1.0..=1e4).contains(d)) {
            let why = format!("`cell_diameter` is {diameter}, but goes from 1 to 10000 pixels");
            return Err(("cell_diameter", why));
        }
        if self.remembered > MOST_REMEMBERED {
            let why = format!(
                "`remembered` is {}, but goes from 0 to {MOST_REMEMBERED}",
                self.remembered
            );
            return Err(("remembered", why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_wrong_values_are_named() {
        assert_eq!(GateOptions::default().check(), Ok(()));
        let of = |text| toml::from_str::<GateOptions>(text).unwrap().check();
        for (text, key) in [
            ("min_exposure = 1.5", "min_exposure"),
            ("max_exposure = 0.2", "min_exposure"),
            ("min_stained = 0.9", "min_stained"),
            ("max_motion = -1.0", "max_motion"),
            ("seen_share = nan", "seen_share"),
            ("min_focus = inf", "min_focus"),
            ("remembered = 65", "remembered"),
            ("cell_diameter = 0.0", "cell_diameter"),
        ] {
            let (named, why) = of(text).unwrap_err();
            assert_eq!(named, key, "{text}");
            assert!(why.contains(key), "{why}");
        }
        assert!(toml::from_str::<GateOptions>("focus = 3").is_err());
    }
}
