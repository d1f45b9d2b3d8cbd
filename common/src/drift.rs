//! Whether the slides of a board still look like those that its model was taught or validated with.
//!
//! A model says nothing of a stain, a lens or a camera that it has never seen, and does not know it. So its card holds what
//! cells usually look like ([`Reference`]), and the board compares: the colour of its cells, their size, how sharp and how
//! contrasty they are, and how the model's answers are distributed. Both sides measure by the same functions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::crop::letterbox;
use crate::image::RgbImage;
use crate::stain::cell_colour;

/// Side at which sharpness and contrast are measured: whatever the camera's pixels, the same detail of a cell.
const SIDE: u32 = 64;
/// Pixels at the cell's rim that are left out of these, at that side: its edge is the mask's and not the lens's.
const RIM: usize = 4;
/// With fewer pixels of it left, a cell is too narrow to be measured.
const FEWEST_PIXELS: usize = 50;
/// A pixel whose brightest colour is below this is outside the mask, as in [`crate::stain`].
const MASKED_OUT: u8 = 32;
/// Bins of the probabilities, of equal width.
pub const BINS: usize = 20;
/// A slide of the reference's own kind is outside a range with this chance, if measures are normally distributed.
const CHANCE: f64 = 0.001;
/// Groups (people or slides) that a reference needs: fewer say nothing of the next one.
pub const FEWEST_GROUPS: usize = 5;
/// A range goes at least this part of its middle to either side: a handful of slides of one day are more alike than those
/// of a year.
const LEAST_PART: f64 = 0.1;
/// Less than any measure of a picture comes to, so that it has a logarithm.
const LEAST_VALUE: f64 = 1e-6;
/// The distance of distributions that is never called drift.
const LEAST_DISTANCE: f64 = 0.15;

/// What is measured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Red of the typical cell, 0 to 255, as the camera saw it.
    StainRed,
    /// Green of it.
    StainGreen,
    /// Blue of it.
    StainBlue,
    /// The diameter of a disc of the typical cell's area, in pixels of the field.
    CellDiameter,
    /// The mean of the second difference of optical density within the typical cell, scaled to 64 pixels.
    Sharpness,
    /// The standard deviation of optical density within it.
    Contrast,
    /// The distance of Kolmogorov and Smirnov between the probabilities of a parasite that cells called uninfected get, and
    /// those of the reference, 0 to 1.
    Probability,
}

/// Those that a cell's picture has, in the order of [`CellLook`].
pub const OF_PICTURE: [Measure; 6] = [
    Measure::StainRed,
    Measure::StainGreen,
    Measure::StainBlue,
    Measure::CellDiameter,
    Measure::Sharpness,
    Measure::Contrast,
];

/// What a cell looks like: the measures of [`OF_PICTURE`].
pub type CellLook = [f32; OF_PICTURE.len()];

/// Measures a crop as [`crate::crop::cut`] makes it, before any stain step; `None` of one too narrow.
pub fn look(crop: &RgbImage) -> Option<CellLook> {
    let [red, green, blue] = cell_colour(crop)?;
    let is_cell = |value: &[u8; 3]| value.iter().any(|&v| v >= MASKED_OUT);
    let area = crop.pixels().filter(|pixel| is_cell(&pixel.0)).count();
    let diameter = (4.0 * area as f64 / std::f64::consts::PI).sqrt();

    let small = letterbox(crop, SIDE);
    let side = SIDE as usize;
    let pixels: Vec<[u8; 3]> = small.pixels().map(|pixel| pixel.0).collect();
    let mut inside: Vec<bool> = pixels.iter().map(is_cell).collect();
    for _ in 0..RIM {
        inside = eroded(&inside, side);
    }
    let density: Vec<f64> = pixels
        .iter()
        .map(|value| {
            let mean = value.iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0;
            (255.0 / mean.max(1.0)).ln()
        })
        .collect();
    let within: Vec<usize> = (0..pixels.len()).filter(|&i| inside[i]).collect();
    if within.len() < FEWEST_PIXELS {
        return None;
    }
    let n = within.len() as f64;
    let mean = within.iter().map(|&i| density[i]).sum::<f64>() / n;
    let variance = within
        .iter()
        .map(|&i| (density[i] - mean).powi(2))
        .sum::<f64>()
        / n;
    // Where the rim is left out, all four neighbours are there.
    let second = |i: usize| {
        let around = density[i - 1] + density[i + 1] + density[i - side] + density[i + side];
        (4.0 * density[i] - around).abs()
    };
    let sharpness = within.iter().map(|&i| second(i)).sum::<f64>() / n;
    Some([
        red,
        green,
        blue,
        diameter as f32,
        sharpness as f32,
        variance.sqrt() as f32,
    ])
}

/// A mask without the pixels that have a neighbour outside it.
fn eroded(mask: &[bool], side: usize) -> Vec<bool> {
    (0..mask.len())
        .map(|i| {
            let (x, y) = (i % side, i / side);
            let is_within = x > 0 && y > 0 && x + 1 < side && y + 1 < side;
            is_within && mask[i] && mask[i - 1] && mask[i + 1] && mask[i - side] && mask[i + side]
        })
        .collect()
}

/// The usual range of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// What is measured.
    pub measure: Measure,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What the cells of a model's own slides look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// The cells that it was made of: where they came from.
    pub dataset: String,
    /// The slides, or people.
    pub groups: u64,
    /// The cells.
    pub cells: u64,
    /// The range in which the next slide of that kind lies.
    pub ranges: Vec<Range>,
    /// The shares of the cells called uninfected with a probability in each of [`BINS`] equal parts of 0 to 1.
    pub probabilities: Vec<f64>,
}

/// The cells of a slide, or of a person: each with how many cells it speaks for.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    pictures: Vec<(CellLook, f64)>,
    bins: [f64; BINS],
    cells: u64,
}

impl Looks {
    /// Takes in an uninfected cell: what it looks like, if it could be measured, and its probability of a parasite.
    pub fn add(&mut self, look: Option<CellLook>, p_parasitized: f32, weight: f64) {
        self.pictures.extend(look.map(|look| (look, weight)));
        let bin = (f64::from(p_parasitized) * BINS as f64) as usize;
        self.bins[bin.min(BINS - 1)] += weight;
        self.cells += 1;
    }

    /// How many cells were taken in.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// The weighted median of each measure of the pictures; `None` without any.
    fn medians(&self) -> Option<[f64; OF_PICTURE.len()]> {
        (!self.pictures.is_empty()).then(|| {
            std::array::from_fn(|i| {
                let mut values: Vec<(f32, f64)> = self
                    .pictures
                    .iter()
                    .map(|(look, w)| (look[i], *w))
                    .collect();
                values.sort_by(|a, b| a.0.total_cmp(&b.0));
                let half = values.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
                let mut sum = 0.0;
                let middle = values.iter().find(|(_, w)| {
                    sum += w;
                    sum >= half
                });
                f64::from(middle.map_or(f32::NAN, |(value, _)| *value))
            })
        })
    }

    fn shares(&self) -> Vec<f64> {
        shares(&self.bins)
    }
}

fn shares(bins: &[f64; BINS]) -> Vec<f64> {
    let all = bins.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    bins.iter().map(|bin| bin / all).collect()
}

/// The largest difference of two cumulative distributions.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (mut of_a, mut of_b) = (0.0, 0.0);
    let steps = a.iter().zip(b).map(|(a, b)| {
        of_a += a;
        of_b += b;
        f64::abs(of_a - of_b)
    });
    steps.fold(0.0, f64::max)
}

impl Reference {
    /// The reference that these groups make: for each measure the interval in which the next group lies with a chance of 99.9 %,
    /// if their logarithms are normally distributed around the mean of these. `None` of fewer than [`FEWEST_GROUPS`].
    pub fn of(dataset: &str, groups: &[Looks]) -> Option<Self> {
        let medians: Vec<_> = groups.iter().filter_map(Looks::medians).collect();
        if medians.len() < FEWEST_GROUPS {
            return None;
        }
        let mut ranges: Vec<Range> = OF_PICTURE
            .into_iter()
            .enumerate()
            .map(|(i, measure)| {
                // None of them can be negative, and they vary by factors.
                let ln = |medians: &[f64; OF_PICTURE.len()]| medians[i].max(LEAST_VALUE).ln();
                let values: Vec<f64> = medians.iter().map(ln).collect();
                let (mean, half) = prediction(&values);
                let half = half.max(LEAST_PART.ln_1p());
                Range {
                    measure,
                    low: (mean - half).exp(),
                    high: (mean + half).exp(),
                }
            })
            .collect();
        let mut bins = [0.0; BINS];
        for group in groups {
            for (all, bin) in bins.iter_mut().zip(group.bins) {
                *all += bin;
            }
        }
        let probabilities = shares(&bins);
        let distances: Vec<f64> = groups
            .iter()
            .map(|group| distance(&group.shares(), &probabilities))
            .collect();
        let (mean, half) = prediction(&distances);
        ranges.push(Range {
            measure: Measure::Probability,
            low: 0.0,
            high: (mean + half).clamp(LEAST_DISTANCE, 1.0),
        });
        Some(Self {
            dataset: dataset.to_owned(),
            groups: medians.len() as u64,
            cells: groups.iter().map(Looks::cells).sum(),
            ranges,
            probabilities,
        })
    }

    /// How many of these groups would be called different by a reference that the others make: the false alarms to expect of
    /// slides of the same kind. `None` of too few.
    pub fn false_alarms(groups: &[Looks]) -> Option<usize> {
        let mut alarms = 0;
        for i in 0..groups.len() {
            let mut others = groups.to_vec();
            let one = others.remove(i);
            let measured = Self::of("", &others)?.compare(&[one]);
            alarms += usize::from(measured.iter().any(|measured| measured.is_out));
        }
        Some(alarms)
    }

    /// Whether it is one that can be compared with.
    pub fn is_sound(&self) -> bool {
        let range = |range: &Range| range.low.is_finite() && range.high >= range.low;
        self.ranges.iter().all(range)
            && self.probabilities.len() == BINS
            && self.probabilities.iter().all(|p| (0.0..=1.0).contains(p))
    }

    /// Holds the cells of some fields against it: each measure that both have.
    pub fn compare(&self, fields: &[Looks]) -> Vec<Measured> {
        let medians: Vec<_> = fields.iter().filter_map(Looks::medians).collect();
        let mut bins = [0.0; BINS];
        for field in fields {
            for (all, bin) in bins.iter_mut().zip(field.bins) {
                *all += bin;
            }
        }
        let value = |measure: Measure| match OF_PICTURE.iter().position(|m| *m == measure) {
            Some(i) => {
                let mut values: Vec<f64> = medians.iter().map(|medians| medians[i]).collect();
                values.sort_by(f64::total_cmp);
                let n = values.len();
                (n > 0).then(|| (values[(n - 1) / 2] + values[n / 2]) / 2.0)
            }
            None => Some(distance(&shares(&bins), &self.probabilities)),
        };
        let each = self.ranges.iter().filter_map(|range| {
            let value = value(range.measure)?;
            Some(Measured {
                measure: range.measure,
                value,
                low: range.low,
                high: range.high,
                is_out: !(range.low..=range.high).contains(&value),
            })
        });
        each.collect()
    }
}

/// The mean, and half the width of the interval in which the next value lies with a chance of 1 − [`CHANCE`], if they are
/// normally distributed: t · s · √(1 + 1/n).
fn prediction(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0)
        .expect("there are at least five values")
        .inverse_cdf(1.0 - CHANCE / 2.0);
    (mean, t * (variance * (1.0 + 1.0 / n)).sqrt())
}

/// A measure of a board's fields beside its usual range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// What is measured.
    pub measure: Measure,
    /// What it is now.
    pub value: f64,
    /// The lower end of its usual range.
    pub low: f64,
    /// The upper end of it.
    pub high: f64,
    /// Whether it is outside.
    pub is_out: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crop::cut;
    use crate::segment::segment;
    use crate::synth::{SmearSpec, smear};
    use ::image::imageops::{FilterType, blur, resize};

    fn crops(seed: u64) -> Vec<RgbImage> {
        let field = smear(&SmearSpec::default(), seed).image;
        segment(&field)
            .cells
            .iter()
            .map(|cell| cut(&field, cell))
            .collect()
    }

    fn looks(crops: &[RgbImage], p: f32) -> Looks {
        let mut looks = Looks::default();
        for crop in crops {
            looks.add(look(crop), p, 1.0);
        }
        looks
    }

    fn out(reference: &Reference, fields: &[Looks]) -> Vec<Measure> {
        let measured = reference.compare(fields).into_iter();
        measured.filter(|m| m.is_out).map(|m| m.measure).collect()
    }

    #[test]
    fn what_has_changed_is_told_and_nothing_else() {
        let groups: Vec<Looks> = (1..9).map(|seed| looks(&crops(seed), 0.02)).collect();
        let reference = Reference::of("drawn", &groups).unwrap();
        assert!(reference.is_sound());
        assert_eq!((reference.groups, reference.ranges.len()), (8, 7));
        let fields = |change: &dyn Fn(&RgbImage) -> RgbImage, p: f32| -> Vec<Looks> {
            (11..16)
                .map(|seed| {
                    let changed: Vec<_> = crops(seed).iter().map(change).collect();
                    looks(&changed, p)
                })
                .collect()
        };
        assert_eq!(out(&reference, &fields(&RgbImage::clone, 0.03)), []);
        let small = |crop: &RgbImage| {
            let (w, h) = (crop.width() / 2, crop.height() / 2);
            resize(crop, w.max(1), h.max(1), FilterType::Triangle)
        };
        assert!(out(&reference, &fields(&small, 0.03)).contains(&Measure::CellDiameter));
        let soft = out(&reference, &fields(&|crop| blur(crop, 3.0), 0.03));
        assert!(soft.contains(&Measure::Sharpness), "{soft:?}");
        let pink = |crop: &RgbImage| {
            let mut crop = crop.clone();
            crop.pixels_mut().for_each(|pixel| pixel.0[1] /= 2);
            crop
        };
        assert!(out(&reference, &fields(&pink, 0.03)).contains(&Measure::StainGreen));
        let unsure = fields(&RgbImage::clone, 0.5);
        assert_eq!(out(&reference, &unsure), [Measure::Probability]);
    }

    #[test]
    fn a_cell_speaks_for_as_many_as_it_says() {
        let [few, many] = [[10.0; 6], [20.0; 6]];
        let mut looks = Looks::default();
        for _ in 0..5 {
            looks.add(Some(few), 0.9, 1.0);
        }
        looks.add(Some(many), 0.1, 80.0);
        assert_eq!(looks.medians(), Some([20.0; 6]));
        assert!((looks.shares()[2] - 80.0 / 85.0).abs() < 1e-12);
        assert_eq!(looks.cells(), 6);
    }

    #[test]
    fn too_little_is_no_reference() {
        let groups = vec![looks(&crops(1), 0.1); FEWEST_GROUPS - 1];
        assert_eq!(Reference::of("few", &groups), None);
        assert_eq!(Reference::of("none", &vec![Looks::default(); 9]), None);
        assert_eq!(look(&RgbImage::new(40, 40)), None);
        assert_eq!(look(&RgbImage::new(0, 0)), None);
        let reference = Reference::of("enough", &vec![looks(&crops(1), 0.1); 6]).unwrap();
        // No cells, no measure of a picture; and alike to the last digit is still a range.
        let measured = reference.compare(&[]);
        assert_eq!(measured.len(), 1);
        let range = reference.ranges[3];
        assert!(range.high > 1.2 * range.low);
    }

    #[test]
    fn the_distance_is_that_of_cumulative_shares() {
        assert_eq!(distance(&[0.5, 0.5, 0.0], &[0.5, 0.0, 0.5]), 0.5);
        assert_eq!(distance(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
        assert_eq!(distance(&[0.25; 4], &[0.25; 4]), 0.0);
    }
}
