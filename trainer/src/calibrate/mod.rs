//! What turns logits into decisions, chosen on the validation subset and never on test: a
//! temperature that makes probabilities honest, and a threshold that reaches a stated target.
//!
//! The temperature is the one of Guo et al., ICML 2017: the logits are divided by it so that the
//! negative log-likelihood of the validation cells is least.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{self, Run};
use crate::dataset::Dataset;
use crate::error::bad_input;
use crate::evaluate::{logits_of_crops, subset_of};
use crate::metrics::curves::{self, Step};
use crate::metrics::{Confusion, Judged};
use crate::split::Subset;
use crate::train::Machine;

/// Name in a run folder.
pub const CALIBRATION: &str = "calibration.json";

/// The range in which the temperature is sought.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];

/// With fewer validation cells than this, a fitted temperature says more of them than of the
/// network, and makes other cells' probabilities worse.
const FEWEST: usize = 50;

/// With fewer validation cells of a class than this a site's threshold would be a guess.
const FEWEST_OF_CLASS: usize = 10;

/// Narrowings of that range; each shortens it by 0.618, so it ends far below a float's precision.
const NARROWINGS: usize = 80;

/// What the threshold must reach on the validation subset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// At least this specificity, and as many parasites found as that allows: for counting, where
    /// each false positive adds to the parasitemia.
    Specificity(f64),
    /// At least this sensitivity, and as few false positives as that allows: for screening.
    Sensitivity(f64),
    /// This threshold, whatever it reaches.
    Fixed(f64),
}

impl Default for Target {
    /// For counting.
    fn default() -> Self {
        Self::Specificity(0.99)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Specificity(value) => write!(f, "specificity:{value}"),
            Self::Sensitivity(value) => write!(f, "sensitivity:{value}"),
            Self::Fixed(value) => write!(f, "fixed:{value}"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "{s:?} is no target; write specificity:0.99, sensitivity:0.95 or fixed:0.5, \
                 with a number from 0 to 1"
            )
        };
        let (kind, value) = s.split_once(':').ok_or_else(usage)?;
        let value: f64 = value.parse().map_err(|_| usage())?;
        if !(0.0..=1.0).contains(&value) {
            return Err(usage());
        }
        match kind {
            "specificity" => Ok(Self::Specificity(value)),
            "sensitivity" => Ok(Self::Sensitivity(value)),
            "fixed" => Ok(Self::Fixed(value)),
            _ => Err(usage()),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// How logits become a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The logits are divided by this before the softmax.
    pub temperature: f64,
    /// A cell is called parasitized from this probability on.
    pub threshold: f64,
}

impl Default for Decision {
    /// As a network comes out of training, and as run folders without [`CALIBRATION`] were judged.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            threshold: 0.5,
        }
    }
}

/// `calibration.json`: what was chosen on the validation subset, and what it reached there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The logits are divided by this before the softmax. In 32 bits, as in a model card, so that
    /// the run folder and its export decide alike.
    pub temperature: f32,
    /// A cell is called parasitized from this probability on.
    pub threshold: f32,
    /// What was asked for.
    pub target: Target,
    /// Whether the validation subset reached it.
    pub reached: bool,
    /// What a reader must know before trusting the choice, in whole sentences; often empty.
    pub notes: Vec<String>,
    /// Loss on the validation subset at temperature 1.
    pub loss_before: f64,
    /// Loss on the validation subset at the temperature.
    pub loss_after: f64,
    /// Sensitivity on the validation subset at the threshold; `null` without parasitized cells.
    pub sensitivity: Option<f64>,
    /// Specificity on the validation subset at the threshold; `null` without uninfected cells.
    pub specificity: Option<f64>,
    /// The counts behind them.
    pub confusion: Confusion,
}

impl Calibration {
    /// Reads that of a run folder; `None` when it has none, as those of older versions.
    ///
    /// # Errors
    /// There is one, but it can't be read or used.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CALIBRATION);
        let json = match fs::read_to_string(&path) {
            Ok(json) => json,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(bad_input!("{}: cannot be read: {e}", path.display())),
        };
        let redo = format!(
            "redo it with `smearscope-train calibrate {}`",
            folder.display()
        );
        let calibration: Self = serde_json::from_str(&json)
            .map_err(|e| bad_input!("{}: not readable: {e}; {redo}", path.display()))?;
        let Self {
            temperature,
            threshold,
            ..
        } = calibration;
        if !(temperature.is_finite() && temperature > 0.0 && (0.0..=1.0).contains(&threshold)) {
            return Err(bad_input!(
                "{}: temperature {temperature} or threshold {threshold} is out of range; {redo}",
                path.display()
            ));
        }
        Ok(Some(calibration))
    }

    /// Writes it into a run folder, whole or not at all.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        checkpoint::write_whole(&folder.join(CALIBRATION), &json)
    }

    /// What of it turns logits into decisions.
    pub fn decision(&self) -> Decision {
        Decision {
            temperature: self.temperature.into(),
            threshold: self.threshold.into(),
        }
    }
}

/// Calibrates a run on the validation subset of its own split, with its best weights, and writes
/// the result into its folder.
///
/// # Errors
/// The folder or its data can't be read, or the split has no validation subset.
pub fn calibrate_run(
    run: &Run,
    folder: &Path,
    dataset: &Dataset,
    target: Target,
    machine: &Machine,
) -> Result<Calibration> {
    let all = subset_of(run, folder, dataset, Subset::Val)?;
    let positive = dataset.parasitized()?;
    let of_site = site_cells(dataset, &all, positive);
    let mut notes = Vec::new();
    if of_site.is_none() && run.replay.is_some() {
        notes.push(format!(
            "The site has fewer than {FEWEST_OF_CLASS} validation cells of one class, so temperature and threshold are chosen on \
             the replayed cells, too."
        ));
    }
    let indices = of_site.unwrap_or(all);
    let (_store, net) = run.load(folder, machine.device)?;
    let crops = machine.crops(dataset, &indices, run)?;
    let logits = logits_of_crops(&net, &run.input, &crops)?;
    let weight = |&i: &usize| {
        dataset.samples[i]
            .kept
            .as_ref()
            .and_then(|kept| kept.weight)
    };
    let weights: Vec<u32> = crops
        .samples
        .iter()
        .map(|i| weight(i).unwrap_or(1))
        .collect();
    let is_chosen = |&i: &usize| {
        let kept = dataset.samples[i].kept.as_ref();
        kept.is_some_and(|kept| kept.weight.is_none())
    };
    if crops.samples.iter().any(is_chosen) {
        notes.push(
            "Not all cells that were kept of these fields were decided on, so doubtful ones abound among the validation cells, and \
             the threshold is higher than it need be."
                .to_owned(),
        );
    }
    let mut calibration = calibrate(&logits, &crops.labels, &weights, positive, target)?;
    calibration.notes.extend(notes);
    calibration.write(folder)?;
    Ok(calibration)
}

/// Of the validation cells those of the site, if they suffice: the threshold is for its boards.
fn site_cells(dataset: &Dataset, indices: &[usize], positive: usize) -> Option<Vec<usize>> {
    let mut of_site = indices.to_vec();
    of_site.retain(|&i| !dataset.samples[i].is_replay());
    let is_positive = |i: &&usize| dataset.samples[**i].class == positive;
    let parasitized = of_site.iter().filter(is_positive).count();
    let least = parasitized.min(of_site.len() - parasitized);
    (least >= FEWEST_OF_CLASS).then_some(of_site)
}

/// Fits the temperature and chooses the threshold. `logits` are f64 `[N, classes]`, `labels` i64
/// `[N]` in the order of the classes, `weights` how many cells each of them speaks for where the threshold is chosen, and
/// `positive` is the class that counts as parasitized; they must be those of validation cells. The same numbers give the same
/// result.
///
/// # Errors
/// The tensors have other shapes, or a logit is not a finite number.
pub fn calibrate(
    logits: &Tensor,
    labels: &Tensor,
    weights: &[u32],
    positive: usize,
    target: Target,
) -> Result<Calibration> {
    let cells = Cells::new(logits, labels)?;
    let mut notes = Vec::new();
    let temperature = cells.temperature(&mut notes);
    let judged: Vec<Judged> = cells
        .judged(temperature.into(), positive)
        .into_iter()
        .zip(weights)
        .flat_map(|(cell, &weight)| std::iter::repeat_n(cell, weight as usize))
        .collect();
    let (threshold, reached) = choose(&judged, target, &mut notes);
    let confusion = Confusion::of(&judged, threshold.into());
    Ok(Calibration {
        temperature,
        threshold,
        target,
        reached,
        notes,
        loss_before: cells.loss(1.0),
        loss_after: cells.loss(temperature.into()),
        sensitivity: confusion.sensitivity(),
        specificity: confusion.specificity(),
        confusion,
    })
}

/// Validation cells. Summed up here and not in libtorch, whose order of summing varies with the
/// number of threads.
struct Cells {
    /// One row per cell, with one logit per class.
    logits: Vec<Vec<f64>>,
    labels: Vec<usize>,
}

impl Cells {
    fn new(logits: &Tensor, labels: &Tensor) -> Result<Self> {
        let (n, classes) = logits.size2()?;
        ensure!(
            n > 0 && classes > 1 && labels.size() == [n],
            "logits {:?} and labels {:?} are no validation cells",
            logits.size(),
            labels.size()
        );
        let labels = Vec::<i64>::try_from(labels.to_device(Device::Cpu))?;
        let flat = logits.to_device(Device::Cpu).to_kind(Kind::Double);
        let flat = Vec::<f64>::try_from(flat.contiguous().view(-1))?;
        ensure!(
            flat.iter().all(|l| l.is_finite()),
            "the network answered with what is not a finite number"
        );
        ensure!(
            labels.iter().all(|l| (0..classes).contains(l)),
            "a label is not among the {classes} classes"
        );
        Ok(Self {
            logits: flat.chunks(classes as usize).map(<[f64]>::to_vec).collect(),
            labels: labels.into_iter().map(|l| l as usize).collect(),
        })
    }

    /// Mean negative log-likelihood at a temperature. Convex in its reciprocal, so it has one
    /// lowest point.
    fn loss(&self, temperature: f64) -> f64 {
        let one = |(row, &label): (&Vec<f64>, &usize)| -softmax_ln(row, temperature, label);
        let sum: f64 = self.logits.iter().zip(&self.labels).map(one).sum();
        sum / self.labels.len() as f64
    }

    /// The temperature of the least loss, by golden-section search on its logarithm.
    fn temperature(&self, notes: &mut Vec<String>) -> f32 {
        let n = self.labels.len();
        if n < FEWEST {
            notes.push(format!(
                "{n} validation cells are too few to fit a temperature; it stays 1."
            ));
            return 1.0;
        }
        if self.labels.iter().all(|l| l == &self.labels[0]) {
            notes.push(
                "All validation cells are of one class, so the temperature stays 1.".to_owned(),
            );
            return 1.0;
        }
        let shorter = (5f64.sqrt() - 1.0) / 2.0;
        let [mut low, mut high] = TEMPERATURES.map(f64::ln);
        for _ in 0..NARROWINGS {
            let step = shorter * (high - low);
            if self.loss((high - step).exp()) <= self.loss((low + step).exp()) {
                high = low + step;
            } else {
                low = high - step;
            }
        }
        let found = ((low + high) / 2.0).exp();
        let [least, most] = TEMPERATURES;
        if found < least * 1.001 {
            notes.push(
                "The validation cells are told apart without a doubtful one, so they don't say \
                 how far to trust a probability; the temperature stays 1."
                    .to_owned(),
            );
            return 1.0;
        }
        if found > most * 0.999 {
            notes.push(format!(
                "The temperature is at its upper bound of {most}: on the validation cells the \
                 network is hardly better than guessing."
            ));
        }
        found as f32
    }

    fn judged(&self, temperature: f64, positive: usize) -> Vec<Judged> {
        let one = |(row, &label): (&Vec<f64>, &usize)| Judged {
            file: String::new(),
            truth: label == positive,
            // As coarse as a board's: what is equal there must be equal here.
            p: f64::from(softmax_ln(row, temperature, positive).exp() as f32),
            subject: String::new(),
        };
        self.logits.iter().zip(&self.labels).map(one).collect()
    }
}

/// The logarithm of the softmax of `row / temperature` at `class`, without overflow.
fn softmax_ln(row: &[f64], temperature: f64, class: usize) -> f64 {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row
        .iter()
        .map(|l| ((l - highest) / temperature).exp())
        .sum();
    (row[class] - highest) / temperature - sum.ln()
}

/// The threshold for a target, and whether these cells reach it there.
fn choose(cells: &[Judged], target: Target, notes: &mut Vec<String>) -> (f32, bool) {
    let steps = curves::steps(cells);
    let (positive, negative) = steps.last().map_or((0, 0), |last| (last.tp, last.fp));
    // A threshold that finds no parasite, or clears nobody, is no use whatever it reaches.
    let useful = |step: &Step| step.tp > 0 && step.fp < negative;
    let specificity = |step: &Step| (negative - step.fp) as f64 / negative as f64;
    let sensitivity = |step: &Step| step.tp as f64 / positive as f64;
    let (chosen, closest, wanted, n) = match target {
        Target::Fixed(threshold) => return (threshold as f32, true),
        _ if positive == 0 || negative == 0 => {
            let lacking = if positive == 0 {
                "parasitized"
            } else {
                "uninfected"
            };
            notes.push(format!(
                "The validation subset has no {lacking} cells, so {target} could not be sought; \
                 the threshold is 0.5."
            ));
            return (0.5, false);
        }
        Target::Specificity(least) => (
            steps
                .iter()
                .rposition(|step| useful(step) && specificity(step) >= least),
            steps.iter().find(|step| useful(step)).and_then(|highest| {
                steps
                    .iter()
                    .rposition(|step| useful(step) && step.fp == highest.fp)
            }),
            least,
            negative,
        ),
        Target::Sensitivity(least) => (
            steps
                .iter()
                .position(|step| useful(step) && sensitivity(step) >= least),
            steps.iter().rfind(|step| useful(step)).and_then(|lowest| {
                steps
                    .iter()
                    .position(|step| useful(step) && step.tp == lowest.tp)
            }),
            least,
            positive,
        ),
    };
    if wanted < 1.0 && (1.0 - wanted) * (n as f64) < 1.0 {
        notes.push(format!(
            "With only {n} validation cells to measure it on, {target} can't be told from \
             perfection; the threshold is a guess."
        ));
    }
    let Some(i) = chosen.or(closest) else {
        notes.push(format!(
            "{target} is out of reach: the validation cells all get the same probability, or the \
             uninfected ones a higher one; the threshold is 0.5."
        ));
        return (0.5, false);
    };
    if chosen.is_none() {
        let step = &steps[i];
        notes.push(format!(
            "{target} is out of reach on the validation cells; the closest useful threshold gives \
             sensitivity {:.4} ({} of {positive}) and specificity {:.4} ({} of {negative}).",
            sensitivity(step),
            step.tp,
            specificity(step),
            negative - step.fp,
        ));
    }
    (between(&steps, i), chosen.is_some())
}

/// A threshold halfway between the probability of a step and the next lower one, so that no cell's
/// decision hangs on the last bit.
fn between(steps: &[Step], i: usize) -> f32 {
    let next = steps.get(i + 1).map_or(0.0, |step| step.p);
    let halfway = ((steps[i].p + next) / 2.0) as f32;
    // Neighbours in 32 bits have nothing between them.
    if f64::from(halfway) > next {
        halfway
    } else {
        steps[i].p as f32
    }
}
