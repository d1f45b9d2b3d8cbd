//! Phase correlation: at which shifts two fields may show the same place.
//!
//! Kuglin and Hines, "The phase correlation image alignment method" (1975): the spectra of two shifted pictures differ
//! in phase only, so the inverse transform of their normalised product has a peak at the shift. Normalising also takes
//! away what all fields of round cells have in common, which would be most of a plain correlation.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};

use super::plane::Relief;

/// The frequencies that count, in cycles per pixel of the coarse plane: what is slower is uneven light, what is faster
/// is the grain.
const BAND: (f32, f32) = (0.02, 0.4);

/// Over how many pixels a plane fades to its edges, which the transform takes to meet the opposite ones.
const FADE: usize = 6;

/// A peak must stand out by so many standard deviations of the correlation; chance makes 4.3 of 20,000 places.
const LEAST_PEAK: f32 = 4.5;

/// The most peaks that are looked at.
const PEAKS: usize = 4;

/// Peaks within this many pixels are one.
const APART: usize = 3;

/// The normalised spectrum of a coarse plane, column by column.
pub(super) struct Spectrum(Vec<Complex<f32>>);

/// Transforms planes of one size.
pub(super) struct Transform {
    width: usize,
    height: usize,
    rows: Arc<dyn Fft<f32>>,
    back_rows: Arc<dyn Fft<f32>>,
    columns: Arc<dyn Fft<f32>>,
    back_columns: Arc<dyn Fft<f32>>,
    /// How much each frequency counts.
    weights: Vec<f32>,
    /// One row, and what the transforms need for their work.
    line: Vec<Complex<f32>>,
    work: Vec<Complex<f32>>,
    product: Vec<Complex<f32>>,
    correlation: Vec<f32>,
}

impl Transform {
    /// For planes of this size; `None` for one without pixels.
    pub fn new(width: usize, height: usize) -> Option<Self> {
        if width == 0 || height == 0 {
            return None;
        }
        // Transforms for real numbers and for each vector unit would be faster, in a small part of a field's time, and cost
        // 0.2 MB of program.
        let mut planner = FftPlannerScalar::new();
        let rows = planner.plan_fft_forward(width);
        let back_rows = planner.plan_fft_inverse(width);
        let columns = planner.plan_fft_forward(height);
        let back_columns = planner.plan_fft_inverse(height);
        let work =
            [&rows, &back_rows, &columns, &back_columns].map(|fft| fft.get_inplace_scratch_len());
        let half = width / 2 + 1;
        let weights = (0..half * height)
            .map(|i| {
                let (x, y) = (i / height, i % height);
                let fx = x as f32 / width as f32;
                let fy = y.min(height - y) as f32 / height as f32;
                let frequency = (fx * fx + fy * fy).sqrt();
                if frequency < BAND.0 {
                    return 0.0;
                }
                (1.0 - (frequency / BAND.1).powi(2)).max(0.0)
            })
            .collect();
        Some(Self {
            width,
            height,
            rows,
            back_rows,
            columns,
            back_columns,
            weights,
            line: vec![Complex::default(); width],
            work: vec![Complex::default(); work.into_iter().max().unwrap_or(0)],
            product: vec![Complex::default(); half * height],
            correlation: vec![0.0; width * height],
        })
    }

    /// Whether it is for planes of that size.
    pub fn fits(&self, plane: &Relief) -> bool {
        (self.width, self.height) == (plane.width, plane.height)
    }

    /// The spectrum of a plane of this size.
    pub fn spectrum(&mut self, plane: &Relief) -> Spectrum {
        let (width, height) = (self.width, self.height);
        let half = width / 2 + 1;
        let mut spectrum = vec![Complex::default(); half * height];
        for y in 0..height {
            let down = fade(y, height);
            for (x, (to, &value)) in self.line.iter_mut().zip(plane.row(y)).enumerate() {
                *to = Complex::new(f32::from(value) * down * fade(x, width), 0.0);
            }
            self.rows
                .process_with_scratch(&mut self.line, &mut self.work);
            // Of real numbers, the other half is the mirror of this one.
            for (x, &value) in self.line[..half].iter().enumerate() {
                spectrum[x * height + y] = value;
            }
        }
        self.columns
            .process_with_scratch(&mut spectrum, &mut self.work);
        for (value, &weight) in spectrum.iter_mut().zip(&self.weights) {
            let size = value.norm_sqr().sqrt();
            *value = if size > 0.0 {
                *value * (weight / size)
            } else {
                Complex::default()
            };
        }
        Spectrum(spectrum)
    }

    /// By how much a thing of the earlier plane may be farther right and down in this one, the likeliest first. As the transform
    /// goes around the edges, each is one of up to four: less or more by the whole width, by the whole height, by both.
    pub fn shifts(&mut self, this: &Spectrum, earlier: &Spectrum) -> Vec<(usize, usize)> {
        let (width, height) = (self.width, self.height);
        for ((product, a), b) in self.product.iter_mut().zip(&this.0).zip(&earlier.0) {
            *product = a * b.conj();
        }
        self.back_columns
            .process_with_scratch(&mut self.product, &mut self.work);
        let mut squares = 0.0;
        for y in 0..height {
            for x in 0..=width / 2 {
                let value = self.product[x * height + y];
                // The mirror first: the middle of an even row, and the mean, are their own.
                self.line[(width - x) % width] = value.conj();
                self.line[x] = value;
            }
            self.back_rows
                .process_with_scratch(&mut self.line, &mut self.work);
            let row = &mut self.correlation[y * width..(y + 1) * width];
            for (to, value) in row.iter_mut().zip(&self.line) {
                *to = value.re;
                squares += value.re * value.re;
            }
        }
        let least = LEAST_PEAK * (squares / (width * height) as f32).sqrt();
        if least > 0.0 {
            self.peaks(least)
        } else {
            Vec::new()
        }
    }

    fn peaks(&self, least: f32) -> Vec<(usize, usize)> {
        let (width, height) = (self.width, self.height);
        let mut high: Vec<(f32, usize)> = self
            .correlation
            .iter()
            .enumerate()
            .filter(|&(_, &value)| value >= least)
            .map(|(i, &value)| (value, i))
            .collect();
        high.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let near = |a: usize, b: usize, around: usize| {
            let apart = a.abs_diff(b);
            apart.min(around - apart) <= APART
        };
        let mut peaks: Vec<(usize, usize)> = Vec::new();
        for (_, i) in high {
            let (x, y) = (i % width, i / width);
            if !peaks
                .iter()
                .any(|p| near(p.0, x, width) && near(p.1, y, height))
            {
                peaks.push((x, y));
                if peaks.len() == PEAKS {
                    break;
                }
            }
        }
        peaks
    }
}

/// From 0 at the edges to 1.
fn fade(at: usize, length: usize) -> f32 {
    let inside = at.min(length - 1 - at) + 1;
    (inside as f32 / FADE as f32).min(1.0)
}
