//! Which of a camera's formats, sizes and rates is used.
//!
//! What the config names is taken as it is or refused. Where it says nothing, a field wants pixels more than speed:
//!
//! 1. uncompressed, at least 1280 pixels wide, at most [`LARGEST`], at least [`SLOWEST`] frames per second: the largest;
//! 2. else the largest of any format within the same limits of size and rate (Motion JPEG, mostly);
//! 3. else what is within the limit of size, the fastest first;
//! 4. else the smallest of the rest.
//!
//! Between equals: RGB before 4:2:2 before 4:2:0 (each loses more of the colour's detail), then JPEG, then Bayer, which
//! comes without white balance and gamma. Of the rates, the highest up to [`USUAL`] is taken.

use std::cmp::Reverse;
use std::fmt;

use serde::{Serialize, Serializer};

use super::Mode;
use crate::camera::{FourCc, PixelFormat};
use crate::config::CameraConfig;

/// Pixels that a field has at most, unless the config asks for more: analysing takes time, and no objective shows more.
const LARGEST: u64 = 1920 * 1440;
/// The width in pixels from which on a cell has enough of them for the network.
const WIDE: u32 = 1280;
/// Frames per second below which focusing by the live picture is tiresome.
const SLOWEST: f64 = 5.0;
/// Frames per second beyond which nobody sees more, and each frame gets less light.
const USUAL: f64 = 30.0;

/// The time between two frames in seconds, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Seconds.
    pub numerator: u32,
    /// What they are divided by.
    pub denominator: u32,
}

impl Interval {
    /// Of a rate in frames per second, which is more than 0.
    fn of_fps(fps: f64) -> Self {
        Self {
            numerator: 1000,
            denominator: (fps * 1000.0).round().max(1.0) as u32,
        }
    }

    /// Frames per second.
    pub fn fps(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// Whether it is a time at all.
    pub(super) fn is_sound(&self) -> bool {
        self.numerator > 0 && self.denominator > 0
    }

    /// The ends of a range of intervals and the usual ones between them.
    pub(super) fn between(shortest: Self, longest: Self) -> Vec<Self> {
        let mut all = vec![shortest, longest];
        if shortest.is_sound() && longest.is_sound() {
            let usual = [60, 50, 30, 25, 20, 15, 10, 5, 2, 1];
            all.extend(
                usual
                    .map(|denominator| Self {
                        numerator: 1,
                        denominator,
                    })
                    .into_iter()
                    .filter(|i| longest.fps() < i.fps() && i.fps() < shortest.fps()),
            );
        }
        all
    }
}

impl Serialize for Interval {
    /// As frames per second.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.fps() * 100.0).round() / 100.0)
    }
}

/// The sizes that a driver lists for a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// These.
    Exact(Vec<(u32, u32)>),
    /// All of a grid.
    Range {
        least: (u32, u32),
        most: (u32, u32),
        step: (u32, u32),
    },
}

impl Sizes {
    /// The sizes to choose from: of a grid the greatest, the usual ones and the wished one.
    pub(super) fn candidates(&self, wish: Option<(u32, u32)>) -> Vec<(u32, u32)> {
        const USUAL_SIZES: [(u32, u32); 9] = [
            (1920, 1440),
            (1920, 1080),
            (1600, 1200),
            (1280, 960),
            (1280, 720),
            (1024, 768),
            (800, 600),
            (640, 480),
            (320, 240),
        ];
        match self {
            Self::Exact(sizes) => sizes.clone(),
            Self::Range { least, most, step } => {
                let fits = |value: u32, least: u32, most: u32, step: u32| {
                    (least..=most).contains(&value) && (value - least).is_multiple_of(step)
                };
                let mut sizes = vec![*most];
                let more = USUAL_SIZES.into_iter().chain(wish);
                sizes.extend(more.filter(|&(width, height)| {
                    fits(width, least.0, most.0, step.0) && fits(height, least.1, most.1, step.1)
                }));
                sizes.sort_unstable_by_key(|&size| Reverse(size));
                sizes.dedup();
                sizes
            }
        }
    }
}

/// A format that a camera offers.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// V4L2's code.
    pub format: FourCc,
    /// What the driver calls it.
    pub description: String,
    /// Whether it can be decoded here.
    pub is_usable: bool,
    /// Its sizes.
    pub sizes: Vec<OfferedSize>,
}

/// A size that a format comes in.
#[derive(Clone, Debug, Serialize)]
pub struct OfferedSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second; none where the driver doesn't say.
    #[serde(rename = "fps")]
    pub intervals: Vec<Interval>,
}

impl fmt::Display for OfferedSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        let rates: Vec<_> = self.intervals.iter().map(|i| short(i.fps())).collect();
        if rates.is_empty() {
            return Ok(());
        }
        write!(f, " ({} fps)", rates.join(", "))
    }
}

/// What is asked of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// V4L2's code.
    pub code: FourCc,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// `None` leaves the rate as it is.
    pub interval: Option<Interval>,
}

impl Choice {
    /// What a stream so chosen sends.
    pub fn mode(&self) -> Mode {
        Mode {
            format: self.code,
            width: self.size.0,
            height: self.size.1,
            fps: self.interval.map(Interval::fps),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mode().fmt(f)
    }
}

/// A rate without needless digits.
pub fn short(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Chooses among what a camera offers; the best first, one for each format.
///
/// # Errors
/// A sentence that says what is offered, when none of it can be used or the config wishes for something else.
pub fn choose(offers: &[Offer], wish: &CameraConfig) -> Result<Vec<Choice>, String> {
    let usable: Vec<_> = offers.iter().filter(|offer| offer.is_usable).collect();
    if usable.is_empty() {
        return Err(nothing_usable(offers));
    }
    let formats: Vec<_> = match wish.format {
        None => usable,
        Some(code) => usable
            .into_iter()
            .filter(|offer| offer.format == code)
            .collect(),
    };
    if let (true, Some(code)) = (formats.is_empty(), wish.format) {
        return Err(format!(
            "it has no usable format {code}, but offers {}",
            names(offers)
        ));
    }
    let mut choices: Vec<_> = formats
        .iter()
        .flat_map(|offer| offer.sizes.iter().map(|size| (offer.format, size)))
        .filter(|(_, offered)| {
            let size = (offered.width, offered.height);
            wish.size().is_none_or(|wished| wished == size)
        })
        .map(|(code, offered)| Choice {
            code,
            size: (offered.width, offered.height),
            interval: interval(&offered.intervals, wish.fps),
        })
        .collect();
    if let (true, Some((width, height))) = (choices.is_empty(), wish.size()) {
        return Err(format!(
            "it has no size {width}x{height}, but offers {}",
            sizes(&formats)
        ));
    }
    let wanted_fps = wish.fps.unwrap_or(SLOWEST);
    // A size that is named is no matter of choice any more.
    let limit = if wish.size().is_some() {
        u64::MAX
    } else {
        LARGEST
    };
    choices.sort_by_key(|choice| Reverse(rank(choice, wanted_fps, limit)));
    let mut seen = Vec::new();
    choices.retain(|choice| {
        let is_new = !seen.contains(&choice.code);
        seen.push(choice.code);
        is_new
    });
    if choices.is_empty() {
        return Err("it lists no size for any of its formats".to_owned());
    }
    Ok(choices)
}

/// Greater is better: class, what decides within the class, and the format between equals.
fn rank(choice: &Choice, wanted_fps: f64, limit: u64) -> (u8, i64, u8) {
    let pixels = u64::from(choice.size.0) * u64::from(choice.size.1);
    let fps = choice.interval.map_or(f64::INFINITY, Interval::fps);
    let format = PixelFormat::of(choice.code).map_or(0, |format| match format {
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => 5,
        PixelFormat::Yuyv | PixelFormat::Uyvy => 4,
        PixelFormat::Nv12 => 3,
        PixelFormat::Jpeg => 2,
        PixelFormat::Bayer(_) => 1,
    });
    let area = i64::try_from(pixels).unwrap_or(i64::MAX);
    if pixels > limit {
        return (0, -area, format);
    }
    // Rates are rounded by drivers: 29.97 is meant where 30 is wanted.
    if fps < wanted_fps * 0.99 {
        return (1, (fps * 1000.0) as i64, format);
    }
    // Bayer counts as uncompressed only where there is nothing better.
    let is_plain = choice.size.0 >= WIDE && format > 2;
    (if is_plain { 3 } else { 2 }, area, format)
}

/// The nearest to the wished rate, else the highest up to the usual one.
fn interval(offered: &[Interval], wish: Option<f64>) -> Option<Interval> {
    let by_fps = |a: &Interval, b: &Interval| a.fps().total_cmp(&b.fps());
    let Some(wish) = wish else {
        let usual = offered.iter().filter(|i| i.fps() <= USUAL * 1.01);
        let slowest = || offered.iter().min_by(|a, b| by_fps(a, b));
        return usual.max_by(|a, b| by_fps(a, b)).or_else(slowest).copied();
    };
    let off = |i: &Interval| (i.fps() - wish).abs();
    let nearest = offered.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
    Some(nearest.copied().unwrap_or_else(|| Interval::of_fps(wish)))
}

fn nothing_usable(offers: &[Offer]) -> String {
    let is_gray = |offer: &Offer| {
        let code = offer.format.to_string();
        code == "GREY"
            || code.starts_with('Y') && code[1..].bytes().all(|b| b.is_ascii_digit())
            || code == "Y16-BE"
    };
    if offers.is_empty() {
        return "it offers no format at all".to_owned();
    }
    let names = names(offers);
    if offers.iter().all(is_gray) {
        return format!("it is monochrome ({names}), and the stain is told by its colour");
    }
    format!(
        "none of its formats can be decoded here ({names}); these can: YUYV, UYVY, NV12, MJPG, RGB3, BGR3 and \
         8-bit Bayer (BA81, GBRG, GRBG, RGGB)"
    )
}

/// The codes on offer; of very many the first ones.
fn names(offers: &[Offer]) -> String {
    let mut names: Vec<_> = offers
        .iter()
        .map(|offer| offer.format.to_string())
        .collect();
    let many = 24;
    if names.len() > many {
        let more = names.len() - many;
        names.truncate(many);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn sizes(offers: &[&Offer]) -> String {
    let of = |offer: &&Offer| {
        let sizes = offer
            .sizes
            .iter()
            .map(|s| format!("{}x{}", s.width, s.height));
        format!("{} {}", offer.format, sizes.collect::<Vec<_>>().join(" "))
    };
    offers.iter().map(of).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(code: &str, sizes: &[(u32, u32, &[u32])]) -> Offer {
        let format: FourCc = code.parse().unwrap();
        Offer {
            format,
            description: code.into(),
            is_usable: PixelFormat::of(format).is_some(),
            sizes: sizes
                .iter()
                .map(|&(width, height, fps)| OfferedSize {
                    width,
                    height,
                    intervals: fps
                        .iter()
                        .map(|&denominator| Interval {
                            numerator: 1,
                            denominator,
                        })
                        .collect(),
                })
                .collect(),
        }
    }

    /// As a usual USB camera offers: fast JPEG, slow YUYV.
    fn webcam() -> Vec<Offer> {
        vec![
            offer(
                "YUYV",
                &[
                    (640, 480, &[30, 15]),
                    (1280, 720, &[10, 5]),
                    (1920, 1080, &[5]),
                    (2592, 1944, &[2]),
                ],
            ),
            offer(
                "MJPG",
                &[
                    (640, 480, &[60, 30]),
                    (1920, 1080, &[60, 30, 15]),
                    (2592, 1944, &[15]),
                ],
            ),
        ]
    }

    fn best(offers: &[Offer], wish: &str) -> String {
        let wish: CameraConfig = toml::from_str(wish).unwrap();
        match choose(offers, &wish) {
            Ok(choices) => choices[0].to_string(),
            Err(why) => why,
        }
    }

    #[test]
    fn pixels_go_before_speed_and_plain_pixels_before_jpeg() {
        assert_eq!(best(&webcam(), ""), "YUYV 1920x1080 at 5 fps");
        assert_eq!(best(&webcam()[1..], ""), "MJPG 1920x1080 at 30 fps");
        let narrow = [offer("YUYV", &[(640, 480, &[30])]), webcam().remove(1)];
        assert_eq!(best(&narrow, ""), "MJPG 1920x1080 at 30 fps");
        let slow = [offer("YUYV", &[(1600, 1200, &[2]), (640, 480, &[3])])];
        assert_eq!(best(&slow, ""), "YUYV 640x480 at 3 fps");
        let huge = [offer("RGB3", &[(4000, 3000, &[10]), (2592, 1944, &[10])])];
        assert_eq!(best(&huge, ""), "RGB3 2592x1944 at 10 fps");
    }

    #[test]
    fn between_equals_more_colour_wins() {
        let all =
            ["GRBG", "MJPG", "NV12", "UYVY", "BGR3"].map(|code| offer(code, &[(1280, 960, &[15])]));
        let order: Vec<_> = choose(&all, &CameraConfig::default())
            .unwrap()
            .iter()
            .map(|choice| choice.code.to_string())
            .collect();
        assert_eq!(order, ["BGR3", "UYVY", "NV12", "MJPG", "GRBG"]);
    }

    #[test]
    fn what_the_config_names_is_taken() {
        assert_eq!(
            best(&webcam(), "format = \"mjpg\""),
            "MJPG 1920x1080 at 30 fps"
        );
        assert_eq!(
            best(&webcam(), "width = 640\nheight = 480"),
            "YUYV 640x480 at 30 fps"
        );
        assert_eq!(
            best(&webcam(), "width = 2592\nheight = 1944"),
            "MJPG 2592x1944 at 15 fps"
        );
        assert_eq!(best(&webcam(), "fps = 25"), "MJPG 1920x1080 at 30 fps");
        assert_eq!(best(&webcam(), "fps = 10"), "YUYV 1280x720 at 10 fps");
        let silent = [offer("YUYV", &[(640, 480, &[])])];
        assert_eq!(best(&silent, ""), "YUYV 640x480");
        assert_eq!(best(&silent, "fps = 12.5"), "YUYV 640x480 at 12.5 fps");
    }

    #[test]
    fn what_is_not_offered_is_refused_with_what_is() {
        let error = best(&webcam(), "format = \"NV12\"");
        assert!(
            error.contains("NV12") && error.contains("YUYV, MJPG"),
            "{error}"
        );
        let error = best(&webcam(), "width = 1000\nheight = 1000");
        assert!(
            error.contains("1000x1000") && error.contains("1280x720"),
            "{error}"
        );
        let gray = ["GREY", "Y10", "Y16"].map(|code| offer(code, &[(640, 480, &[30])]));
        let error = best(&gray, "");
        assert!(
            error.contains("monochrome") && error.contains("Y10"),
            "{error}"
        );
        let odd = [offer("H264", &[(640, 480, &[30])]), offer("YV12", &[])];
        let error = best(&odd, "");
        assert!(
            !error.contains("monochrome") && error.contains("H264"),
            "{error}"
        );
        assert!(best(&[], "").contains("no format"));
        assert!(best(&[offer("YUYV", &[])], "").contains("no size"));
    }

    #[test]
    fn a_grid_offers_the_usual_sizes_its_greatest_and_the_wished() {
        let grid = Sizes::Range {
            least: (48, 32),
            most: (1300, 1000),
            step: (2, 2),
        };
        let sizes = grid.candidates(Some((500, 400)));
        assert_eq!(sizes[..2], [(1300, 1000), (1280, 960)]);
        assert!(sizes.contains(&(500, 400)) && !sizes.contains(&(1920, 1080)));
        assert!(!grid.candidates(Some((501, 400))).contains(&(501, 400)));
    }

    #[test]
    fn a_range_of_rates_is_its_ends_and_the_usual_ones() {
        let of = |numerator, denominator| Interval {
            numerator,
            denominator,
        };
        let rates: Vec<_> = Interval::between(of(1, 12), of(1, 4))
            .iter()
            .map(|i| i.fps())
            .collect();
        assert_eq!(rates, [12.0, 4.0, 10.0, 5.0]);
    }
}
