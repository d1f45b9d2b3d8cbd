//! Field → result.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use smearscope_common::crop;
use smearscope_common::drift::Looks;
use smearscope_common::engine::{EngineError, Examined, Model, Opinion, Worker};
use smearscope_common::geometry::Mask;
use smearscope_common::image::RgbImage;
use smearscope_common::message::{CellResult, FieldAnalysis, Label, TimingMs};
use smearscope_common::parasitemia::Counts;
use smearscope_common::segment::{quality, segment};
use smearscope_common::stain::Colour;

use crate::drift;
use crate::novelty::Familiar;

/// Finds and judges the cells of fields, on a number of threads.
///
/// Invariant: the number of threads changes nothing in the result. Each cell is judged alone, and
/// the answers are put in the order of the cells. What was seen before changes how novel a cell is, and nothing else.
pub struct Analyzer<'m> {
    model: &'m Model,
    workers: Vec<Worker<'m>>,
    familiar: Familiar,
}

/// What was found in a field.
pub struct AnalysedField {
    /// What is told of it.
    pub analysis: FieldAnalysis,
    /// Which pixels of their boxes belong to the cells, in the order of these.
    pub masks: Vec<Mask>,
    /// How unlike the cells before it each cell is, in the same order; see [`Familiar::look`].
    pub novelties: Vec<Option<f32>>,
    /// The colour of its typical cell; `None` without cells.
    pub colour: Option<Colour>,
    /// What its uninfected cells look like; `None` where the model's card has nothing to compare that with.
    pub looks: Option<Looks>,
}

impl<'m> Analyzer<'m> {
    /// Prepares one state of the model for each thread.
    ///
    /// # Errors
    /// When tract can't make a state.
    pub fn new(model: &'m Model, workers: NonZeroUsize) -> Result<Self, EngineError> {
        let workers = (0..workers.get())
            .map(|_| model.worker())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            model,
            workers,
            familiar: Familiar::default(),
        })
    }

    /// Analyses one field; calls `alive` after each step and each cell, from any of its threads.
    ///
    /// # Errors
    /// When the model's answer is no number; the first such cell's error.
    pub fn analyze(
        &mut self,
        field: &RgbImage,
        alive: impl Fn() + Sync,
    ) -> Result<AnalysedField, EngineError> {
        let begun = Instant::now();
        let segmentation = segment(field);
        let card = self.model.card();
        #[cfg(test)]
        if card.version == tests::GIVES_NO_NUMBERS {
            return Err(EngineError::NotFinite(vec![f32::NAN]));
        }
        let least_diameter = crop::least_diameter(card.input.size);
        let quality = quality(field, &segmentation, least_diameter);
        let segmented = Instant::now();
        alive();
        let cut = crop::cut_all(field, &segmentation.cells, &card.crop);
        let examined = self.examine(&cut.crops, &alive)?;
        let done = Instant::now();

        let cells: Vec<CellResult> = segmentation
            .cells
            .iter()
            .zip(&examined)
            .map(|(cell, examined)| CellResult {
                bbox: cell.bbox,
                label: examined.opinion.label,
                p_parasitized: examined.opinion.p_parasitized,
                counted_before: false,
            })
            .collect();
        let is_parasitized = |cell: &&CellResult| cell.label == Label::Parasitized;
        let counts = Counts {
            cells: cells.len() as u64,
            parasitized: cells.iter().filter(is_parasitized).count() as u64,
        };
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        let analysis = FieldAnalysis {
            width: field.width(),
            height: field.height(),
            quality,
            cells,
            others: segmentation.others,
            counts,
            timing_ms: TimingMs {
                segment: ms(begun, segmented),
                classify: ms(segmented, done),
                total: ms(begun, done),
            },
        };
        let opinions: Vec<Opinion> = examined.iter().map(|cell| cell.opinion).collect();
        let features: Vec<_> = examined.into_iter().map(|cell| cell.features).collect();
        let is_compared = card.reference.is_some();
        let looks = is_compared.then(|| drift::looks(field, &segmentation.cells, &opinions));
        let masks = segmentation.cells.into_iter().map(|cell| cell.mask);
        Ok(AnalysedField {
            analysis,
            masks: masks.collect(),
            novelties: self.familiar.look(&features),
            colour: cut.colour,
            looks,
        })
    }

    /// Each idle worker takes the next crop; this thread is the first worker.
    fn examine(
        &mut self,
        crops: &[RgbImage],
        alive: &(impl Fn() + Sync),
    ) -> Result<Vec<Examined>, EngineError> {
        let next = AtomicUsize::new(0);
        let work = |worker: &mut Worker<'m>| {
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(crop) = crops.get(index) else {
                    return answers;
                };
                answers.push((index, worker.examine(crop)));
                alive();
            }
        };
        let mut answers = match self.workers.as_mut_slice() {
            [only] => work(only),
            [] => Vec::new(),
            [first, others @ ..] => thread::scope(|scope| {
                let threads: Vec<_> = others
                    .iter_mut()
                    .map(|worker| scope.spawn(|| work(worker)))
                    .collect();
                let mut answers = work(first);
                for thread in threads {
                    // A panic in a worker is a panic here.
                    answers.extend(
                        thread
                            .join()
                            .unwrap_or_else(|e| std::panic::resume_unwind(e)),
                    );
                }
                answers
            }),
        };
        answers.sort_unstable_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, examined)| examined).collect()
    }
}

/// One worker for each core.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use smearscope_common::synth::{SmearSpec, smear};

    /// In tests a model of this version gives no answer: none could be made that does so for cells alone.
    pub const GIVES_NO_NUMBERS: &str = "6.6.6";

    fn analyze(model: &Model, workers: usize, field: &RgbImage) -> FieldAnalysis {
        let workers = NonZeroUsize::new(workers).unwrap();
        let mut analyzer = Analyzer::new(model, workers).unwrap();
        let steps = AtomicUsize::new(0);
        let alive = || {
            steps.fetch_add(1, Ordering::Relaxed);
        };
        let found = analyzer.analyze(field, alive).unwrap();
        assert_eq!(found.masks.len(), found.analysis.cells.len());
        let mut analysis = found.analysis;
        // Once for the cells found, and once for each.
        assert_eq!(steps.into_inner(), 1 + analysis.cells.len());
        analysis.timing_ms = TimingMs::default();
        analysis
    }

    #[test]
    fn the_number_of_workers_changes_no_bit() {
        let model = crate::model::load(None).unwrap();
        let field = smear(&SmearSpec::default(), 3).image;
        let alone = analyze(&model, 1, &field);
        for workers in [2, 4, 7] {
            assert_eq!(alone, analyze(&model, workers, &field));
        }
        assert_eq!(alone.counts.cells as usize, alone.cells.len());
        assert!(alone.counts.cells > 50, "{:?}", alone.counts);
        assert!(alone.counts.parasitized < alone.counts.cells);
    }

    #[test]
    fn a_field_without_cells_is_no_error() {
        let model = crate::model::load(None).unwrap();
        for (w, h) in [(1, 1), (3, 200), (64, 48)] {
            let blank = RgbImage::from_pixel(w, h, smearscope_common::image::Rgb([230; 3]));
            let analysis = analyze(&model, 2, &blank);
            assert_eq!(analysis.counts, Counts::default());
            assert_eq!((analysis.width, analysis.height), (w, h));
        }
    }
}
