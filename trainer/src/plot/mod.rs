//! Charts as SVG: the same figures always give the same bytes.
//!
//! Colours are those of Okabe and Ito, which colour-blind eyes tell apart; lines differ by their
//! dashes too. Text and lines are plain `#000000` on `#FFFFFF`, which the report's style sheet
//! turns around in the dark.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use serde::Deserialize;

use crate::checkpoint;
use crate::error::bad_input;
use crate::metrics::curves::{self, Step};
use crate::metrics::{AtThreshold, Judged, Metrics};

const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);

/// Name of the training curves in a run folder.
pub const TRAINING: &str = "curves.svg";

/// Size of one chart in pixels; a page may show it smaller.
const CHART: (u32, u32) = (720, 560);

/// Size of the four training curves together.
const CURVES: (u32, u32) = (1240, 920);

const FONT: &str = "sans-serif";

/// Height of text, in the crate's units (1.24 of the font size).
const TEXT: u32 = 27;

/// Parts of 0 to 1 in the histogram of probabilities.
const PARTS: usize = 40;

/// Where the histogram's axis begins: a little below the logarithm of one cell.
const NONE: f64 = -0.25;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One chart before anything is drawn into it.
struct Frame<'a> {
    title: &'a str,
    x: (&'a str, Range<f64>),
    y: (&'a str, Range<f64>),
    x_label: fn(&f64) -> String,
    y_label: fn(&f64) -> String,
}

impl<'a> Frame<'a> {
    /// Both axes from 0 to 1.
    fn unit(title: &'a str, x: &'a str, y: &'a str) -> Self {
        Self {
            title,
            x: (x, 0.0..1.0),
            y: (y, 0.0..1.0),
            x_label: tenths,
            y_label: tenths,
        }
    }

    fn draw<'b>(self, area: &Area<'b>) -> Result<Chart<'b>> {
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .margin_right(30)
            .caption(self.title, (FONT, TEXT + 4))
            .x_label_area_size(70)
            .y_label_area_size(96)
            .build_cartesian_2d(self.x.1, self.y.1)?;
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.12))
            .light_line_style(TRANSPARENT)
            .axis_style(BLACK.mix(0.6))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&self.x_label)
            .y_label_formatter(&self.y_label)
            .label_style((FONT, TEXT - 4))
            .axis_desc_style((FONT, TEXT))
            .x_desc(self.x.0)
            .y_desc(self.y.0)
            .draw()?;
        Ok(chart)
    }
}

/// Runs `draw` on an empty white picture.
fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(text)
}

/// A solid line with its entry in the legend.
fn line(chart: &mut Chart<'_>, points: &[(f64, f64)], colour: RGBColor, name: &str) -> Result<()> {
    let style = colour.stroke_width(3);
    chart
        .draw_series(LineSeries::new(points.iter().copied(), style))?
        .label(name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    Ok(())
}

/// A dashed line, with an entry in the legend if it has a name.
fn dashed(chart: &mut Chart<'_>, points: &[(f64, f64)], name: Option<&str>) -> Result<()> {
    let style = BLACK.mix(0.6).stroke_width(2);
    let series = DashedLineSeries::new(points.iter().copied(), 8, 6, style);
    let drawn = chart.draw_series(series)?;
    if let Some(name) = name {
        drawn
            .label(name)
            .legend(move |(x, y)| DashedPathElement::new([(x, y), (x + 24, y)], 6, 4, style));
    }
    Ok(())
}

/// The decision threshold as a disc, and 0.5 as a ring.
fn operating_points(chart: &mut Chart<'_>, metrics: &Metrics, of: Place) -> Result<()> {
    let styles = [VERMILION.filled(), BLACK.stroke_width(3)];
    for (at, style) in metrics.thresholds().zip(styles) {
        let Some(point) = of(at) else { continue };
        chart
            .draw_series([Circle::new(point, 8, style)])?
            .label(format!("threshold {}", short(at.threshold)))
            .legend(move |(x, y)| Circle::new((x + 12, y), 7, style));
    }
    Ok(())
}

/// Where a threshold stands in a chart; `None` where it is undefined.
type Place = fn(&AtThreshold) -> Option<(f64, f64)>;

/// At most four decimals, and no zeros that say nothing.
pub fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn legend(chart: &mut Chart<'_>, position: SeriesLabelPosition) -> Result<()> {
    chart
        .configure_series_labels()
        .position(position)
        .margin(14)
        .legend_area_size(34)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.25))
        .label_font((FONT, TEXT - 3))
        .draw()?;
    Ok(())
}

/// The area under a curve, for its legend.
fn area_name(area: Option<f64>) -> String {
    area.map_or_else(
        || "undefined: one class only".to_owned(),
        |a| format!("area {a:.4}"),
    )
}

/// The ROC curve.
///
/// # Errors
/// Never in practice: it is drawn in memory.
pub fn roc(steps: &[Step], metrics: &Metrics) -> Result<String> {
    svg(CHART, |area| {
        let frame = Frame::unit("ROC curve", "1 − specificity", "sensitivity");
        let mut chart = frame.draw(area)?;
        dashed(&mut chart, &[(0.0, 0.0), (1.0, 1.0)], Some("guessing"))?;
        line(
            &mut chart,
            &curves::roc(steps),
            BLUE,
            &area_name(metrics.auc),
        )?;
        operating_points(&mut chart, metrics, |at| {
            Some((1.0 - at.specificity?, at.sensitivity?))
        })?;
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    })
}

/// The precision-recall curve.
///
/// # Errors
/// Never in practice: it is drawn in memory.
pub fn precision_recall(steps: &[Step], metrics: &Metrics) -> Result<String> {
    svg(CHART, |area| {
        let frame = Frame::unit(
            "Precision and sensitivity",
            "sensitivity (recall)",
            "precision",
        );
        let mut chart = frame.draw(area)?;
        if let Some(last) = steps.last() {
            let share = last.tp as f64 / (last.tp + last.fp) as f64;
            dashed(&mut chart, &[(0.0, share), (1.0, share)], Some("guessing"))?;
        }
        let points = curves::precision_recall(steps);
        line(&mut chart, &points, BLUE, &area_name(metrics.pr_auc))?;
        operating_points(&mut chart, metrics, |at| {
            Some((at.sensitivity?, at.precision?))
        })?;
        legend(&mut chart, SeriesLabelPosition::LowerLeft)
    })
}

/// The reliability diagram: how often cells of a stated probability are parasitized.
///
/// # Errors
/// Never in practice: it is drawn in memory.
pub fn calibration(cells: &[Judged], metrics: &Metrics) -> Result<String> {
    let bins = curves::reliability(cells);
    let points: Vec<_> = bins.iter().filter_map(curves::Bin::point).collect();
    let discs = bins.iter().filter_map(|bin| {
        let radius = 3.0 + 2.5 * (bin.n.max(1) as f64).log10();
        Some(Circle::new(
            bin.point()?,
            radius.round() as i32,
            BLUE.filled(),
        ))
    });
    svg(CHART, |area| {
        let frame = Frame::unit("Calibration", "probability stated", "share parasitized");
        let mut chart = frame.draw(area)?;
        dashed(&mut chart, &[(0.0, 0.0), (1.0, 1.0)], Some("perfect"))?;
        let name = format!("error (ECE) {:.4}", metrics.ece);
        line(&mut chart, &points, BLUE, &name)?;
        chart.draw_series(discs)?;
        legend(&mut chart, SeriesLabelPosition::UpperLeft)
    })
}

/// How many cells of each class got which probability, on a logarithmic axis.
///
/// # Errors
/// Never in practice: it is drawn in memory.
pub fn probabilities(cells: &[Judged], metrics: &Metrics) -> Result<String> {
    let counts = |truth: bool| {
        let mut counts = [0u32; PARTS];
        for cell in cells.iter().filter(|cell| cell.truth == truth) {
            counts[((cell.p * PARTS as f64) as usize).min(PARTS - 1)] += 1;
        }
        counts
    };
    let (uninfected, parasitized) = (counts(false), counts(true));
    let most = uninfected
        .iter()
        .chain(&parasitized)
        .max()
        .copied()
        .unwrap_or(0);
    let top = f64::from(most.max(10)).log10() + 0.5;
    svg(CHART, |area| {
        let frame = Frame {
            title: "Probabilities by class",
            x: ("probability of a parasite", 0.0..1.0),
            y: ("cells", NONE..top),
            x_label: tenths,
            y_label: whole_power_of_ten,
        };
        let mut chart = frame.draw(area)?;
        for (counts, colour, name) in [
            (&uninfected, BLUE, "uninfected"),
            (&parasitized, VERMILION, "parasitized"),
        ] {
            let outline = outline(counts);
            let shape = Polygon::new(outline.as_slice(), colour.mix(0.18).filled());
            chart.draw_series([shape])?;
            line(&mut chart, &outline, colour, name)?;
        }
        let threshold = metrics.at_threshold.threshold;
        let name = format!("threshold {}", short(threshold));
        dashed(
            &mut chart,
            &[(threshold, NONE), (threshold, top)],
            Some(&name),
        )?;
        legend(&mut chart, SeriesLabelPosition::UpperMiddle)
    })
}

/// Labels 1, 10, 100 … on an axis of logarithms, and nothing between.
fn whole_power_of_ten(value: &f64) -> String {
    let whole = value.round();
    if (value - whole).abs() < 1e-6 && whole >= 0.0 {
        format!("{:.0}", 10f64.powf(whole))
    } else {
        String::new()
    }
}

/// The steps of a histogram, from the axis up and back to it.
fn outline(counts: &[u32]) -> Vec<(f64, f64)> {
    let width = 1.0 / counts.len() as f64;
    let height = |n: u32| if n == 0 { NONE } else { f64::from(n).log10() };
    let bars = counts.iter().enumerate().flat_map(|(i, &n)| {
        let left = i as f64 * width;
        [(left, height(n)), (left + width, height(n))]
    });
    std::iter::once((0.0, NONE))
        .chain(bars)
        .chain([(1.0, NONE)])
        .collect()
}

/// What the training curves need of one line of `metrics.csv`; other columns are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EpochRow {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean loss over the training cells as they were seen, augmented.
    pub train_loss: f64,
    /// Loss on the validation subset.
    pub val_loss: f64,
    /// Accuracy on the validation subset at 0.5.
    pub val_accuracy: f64,
    /// AUC on the validation subset.
    pub val_auc: f64,
    /// The learning rate; older runs did not write it.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Whether the weights became the best so far.
    #[serde(default)]
    pub best: bool,
}

/// Reads the `metrics.csv` of a run folder.
///
/// # Errors
/// It can't be read, or is not one.
pub fn read_epochs(path: &Path) -> Result<Vec<EpochRow>> {
    let fail = |e: csv::Error| bad_input!("{}: not readable: {e}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(fail)?;
    reader.deserialize().map(|row| row.map_err(fail)).collect()
}

/// Draws the `metrics.csv` of a run folder into its `curves.svg`.
///
/// # Errors
/// The one can't be read, or the other not be written.
pub fn write_training(folder: &Path) -> Result<()> {
    let drawn = training(&read_epochs(&folder.join(checkpoint::METRICS))?)?;
    checkpoint::write_whole(&folder.join(TRAINING), drawn.as_bytes())
}

/// Loss, accuracy, AUC and learning rate by epoch. What is not a number is left out.
///
/// # Errors
/// Never in practice: it is drawn in memory.
pub fn training(rows: &[EpochRow]) -> Result<String> {
    let points = |value: &dyn Fn(&EpochRow) -> f64| -> Vec<(f64, f64)> {
        rows.iter()
            .map(|row| (row.epoch as f64, value(row)))
            .filter(|(_, value)| value.is_finite())
            .collect()
    };
    let best = rows
        .iter()
        .rfind(|row| row.best)
        .map(|row| row.epoch as f64);
    let panels = [
        (
            "Loss",
            vec![
                ("training", BLUE, points(&|row| row.train_loss)),
                ("validation", VERMILION, points(&|row| row.val_loss)),
            ],
        ),
        (
            "Accuracy at 0.5",
            vec![("validation", VERMILION, points(&|row| row.val_accuracy))],
        ),
        (
            "AUC",
            vec![("validation", VERMILION, points(&|row| row.val_auc))],
        ),
        (
            "Learning rate",
            vec![("rate", GREEN, points(&|row| row.rate.unwrap_or(f64::NAN)))],
        ),
    ];
    let last = rows.iter().map(|row| row.epoch).max().unwrap_or(1) as f64;
    let panels = panels
        .into_iter()
        .filter(|(_, lines)| lines.iter().any(|l| !l.2.is_empty()));
    svg(CURVES, |area| {
        for (area, (title, lines)) in area.split_evenly((2, 2)).iter().zip(panels) {
            let frame = Frame {
                title,
                x: ("epoch", 0.5..last + 0.5),
                y: ("", range(lines.iter().flat_map(|l| &l.2).map(|p| p.1))),
                x_label: whole,
                y_label: short_or_scientific,
            };
            let (low, high) = (frame.y.1.start, frame.y.1.end);
            let mut chart = frame.draw(area)?;
            if let Some(best) = best {
                dashed(&mut chart, &[(best, low), (best, high)], Some("best epoch"))?;
            }
            for (name, colour, points) in lines {
                chart.draw_series(points.iter().map(|&p| Circle::new(p, 4, colour.filled())))?;
                line(&mut chart, &points, colour, name)?;
            }
            let corner = if title == "Loss" || title == "Learning rate" {
                SeriesLabelPosition::UpperRight
            } else {
                SeriesLabelPosition::LowerRight
            };
            legend(&mut chart, corner)?;
        }
        Ok(())
    })
}

/// From a little below the least to a little above the greatest value.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    // One value only, or all alike, still need an axis.
    let margin = (0.06 * (high - low)).max(0.02 * high.abs()).max(1e-9);
    low - margin..high + margin
}

fn tenths(value: &f64) -> String {
    format!("{value:.1}")
}

/// Nothing between two epochs.
fn whole(value: &f64) -> String {
    if (value - value.round()).abs() < 1e-6 {
        format!("{value:.0}")
    } else {
        String::new()
    }
}

fn short_or_scientific(value: &f64) -> String {
    if *value != 0.0 && value.abs() < 1e-3 {
        format!("{value:.1e}")
    } else {
        short(*value)
    }
}
