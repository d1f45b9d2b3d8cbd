//! Judges held-out cells, with the network as trained or with the exported file as a board does.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use smearscope_common::engine::{Model, Worker};
use smearscope_common::model_card::InputSpec;
use tch::nn::ModuleT;
use tch::{Device, Kind, Tensor};

use crate::calibrate::{Calibration, Decision};
use crate::checkpoint::Run;
use crate::dataset::Dataset;
use crate::densenet::{DenseNet, channels_last};
use crate::error::bad_input;
use crate::loader::{Crops, normalise, to_unit};
use crate::metrics::{Judged, Metrics};
use crate::split::Subset;
use crate::train::Machine;

/// What an evaluation found.
pub struct Evaluation {
    /// Every cell that could be judged.
    pub cells: Vec<Judged>,
    /// How their logits became decisions.
    pub decision: Decision,
    /// The figures.
    pub metrics: Metrics,
}

impl Evaluation {
    fn of(cells: Vec<Judged>, decision: Decision) -> Self {
        Self {
            metrics: Metrics::of(&cells, decision.threshold),
            cells,
            decision,
        }
    }
}

/// Crops per forward pass.
const BATCH: i64 = 64;

/// The network's answers to crops: f64 `[N, classes]` logits, on the CPU.
///
/// # Errors
/// Never for crops of one size; libtorch's own otherwise.
pub fn logits_of_crops(net: &DenseNet, input: &InputSpec, crops: &Crops) -> Result<Tensor> {
    let answer = |start: i64| {
        let n = BATCH.min(crops.len() - start);
        let places: Vec<i64> = (start..start + n).collect();
        let pixels = to_unit(&crops.pixels(&places));
        net.forward_t(&channels_last(&normalise(&pixels, input)), false)
    };
    let logits: Vec<_> = tch::no_grad(|| {
        let starts = (0..crops.len()).step_by(BATCH as usize);
        starts.map(answer).collect()
    });
    Ok(Tensor::f_cat(&logits, 0)?
        .to_device(Device::Cpu)
        .to_kind(Kind::Double))
}

/// Logits → judged cells. `positive` is the class that counts as parasitized.
///
/// # Errors
/// The logits are not `[N, classes]`.
pub fn judge(
    logits: &Tensor,
    temperature: f64,
    crops: &Crops,
    dataset: &Dataset,
    positive: usize,
) -> Result<Vec<Judged>> {
    let p = (logits / temperature)
        .f_softmax(-1, Kind::Double)?
        .f_select(1, positive as i64)?;
    let p = Vec::<f64>::try_from(p)?;
    Ok(crops
        .samples
        .iter()
        .zip(p)
        .map(|(&i, p)| judged(dataset, i, p, positive))
        .collect())
}

fn judged(dataset: &Dataset, sample: usize, p: f64, positive: usize) -> Judged {
    let sample = &dataset.samples[sample];
    Judged {
        file: sample.file.clone(),
        truth: sample.class == positive,
        p,
        subject: sample.subject.clone(),
    }
}

/// The samples of a data set that a run's own split gives to a subset; never none.
///
/// # Errors
/// The classes are others than the run's, the split has changed, or the subset is empty.
pub fn subset_of(
    run: &Run,
    folder: &Path,
    dataset: &Dataset,
    subset: Subset,
) -> Result<Vec<usize>> {
    if run.classes != dataset.classes {
        return Err(bad_input!(
            "{}: was trained on the classes {:?}, but the data has {:?}",
            folder.display(),
            run.classes,
            dataset.classes
        ));
    }
    let indices = run.split(folder, dataset)?.indices(subset);
    if indices.is_empty() {
        return Err(bad_input!(
            "{}: its split has no sample for {subset}",
            folder.display()
        ));
    }
    Ok(indices)
}

/// Evaluates a run folder on a subset of its own split, in libtorch, with the temperature and
/// threshold of its calibration; one without is judged at 1 and 0.5.
///
/// # Errors
/// The folder or its data can't be read, or the split has changed.
pub fn evaluate_run(
    run: &Run,
    folder: &Path,
    dataset: &Dataset,
    subset: Subset,
    machine: &Machine,
) -> Result<Evaluation> {
    let indices = subset_of(run, folder, dataset, subset)?;
    let decision = Calibration::read(folder)?
        .map_or_else(Decision::default, |calibration| calibration.decision());
    let (_store, net) = run.load(folder, machine.device)?;
    let crops = machine.crops(dataset, &indices, run)?;
    let logits = logits_of_crops(&net, &run.input, &crops)?;
    let positive = dataset.parasitized()?;
    let cells = judge(&logits, decision.temperature, &crops, dataset, positive)?;
    Ok(Evaluation::of(cells, decision))
}

/// Evaluates an exported model through the board's own crop path and engine.
///
/// # Errors
/// No image is readable, or the model's answer is no number.
pub fn evaluate_model(model: &Model, dataset: &Dataset, indices: &[usize]) -> Result<Evaluation> {
    let positive = dataset.parasitized()?;
    let workers = WorkerPool::new(model);
    let answers = dataset.map_bytes(indices, |i, bytes| {
        let opinion = bytes
            .and_then(|b| dataset.decode(i, &b, &model.card().crop))
            .and_then(|crop| workers.with(|worker| Ok(worker.classify(&crop)?)));
        (i, opinion)
    })?;
    let mut cells = Vec::with_capacity(answers.len());
    for (i, opinion) in answers {
        match opinion {
            Ok(opinion) => {
                cells.push(judged(
                    dataset,
                    i,
                    f64::from(opinion.p_parasitized),
                    positive,
                ));
            }
            Err(e) => tracing::warn!("skipped {}: {e:#}", dataset.samples[i].file),
        }
    }
    let skipped = indices.len() - cells.len();
    if skipped > 0 {
        tracing::warn!(
            "{skipped} of {} files could not be judged and were skipped",
            indices.len()
        );
    }
    if cells.is_empty() {
        return Err(bad_input!(
            "none of the {} images could be judged",
            indices.len()
        ));
    }
    let card = model.card();
    let decision = Decision {
        temperature: card.temperature.into(),
        threshold: card.threshold.into(),
    };
    Ok(Evaluation::of(cells, decision))
}

/// Lends each thread a worker; as many exist as threads ever asked at once.
pub struct WorkerPool<'m> {
    model: &'m Model,
    idle: Mutex<Vec<Worker<'m>>>,
}

impl<'m> WorkerPool<'m> {
    /// An empty pool.
    pub fn new(model: &'m Model) -> Self {
        Self {
            model,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs `work` with a worker that nobody else uses.
    ///
    /// # Errors
    /// No worker can be made, or `work` fails.
    pub fn with<T>(&self, work: impl FnOnce(&mut Worker<'m>) -> Result<T>) -> Result<T> {
        let mut idle = self.lock();
        let lent = idle.pop();
        drop(idle);
        let mut worker = match lent {
            Some(worker) => worker,
            None => self.model.worker()?,
        };
        let result = work(&mut worker);
        self.lock().push(worker);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Worker<'m>>> {
        // A thread that panicked while it held the lock can only have pushed or popped.
        self.idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Loads an .onnx file, with its name in every error.
///
/// # Errors
/// Not readable, or not a model of ours.
pub fn load_model(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path)
        .map_err(|e| bad_input!("{}: the model cannot be read: {e}", path.display()))?;
    Model::load(&bytes).with_context(|| path.display().to_string())
}

/// The logits of the network for one prepared input; used to fill the card's self-test.
///
/// # Errors
/// The answer can't be read back.
pub fn logits_of(net: &DenseNet, input: &[f32], size: u32) -> Result<Vec<f32>> {
    let side = i64::from(size);
    let pixels = Tensor::from_slice(input).view([1, 3, side, side]);
    let logits = tch::no_grad(|| net.forward_t(&pixels, false));
    Ok(Vec::<f32>::try_from(logits.view(-1))?)
}
