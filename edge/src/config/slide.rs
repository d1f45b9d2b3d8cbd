//! `[slide]`: when slides begin, and what is said of them.

use serde::Deserialize;

/// The most cells that a report shows: a page of them is looked at, a hundred are not.
const MOST_REPORT_CELLS: usize = 200;
/// What a microlitre of human blood can hold, from deep anaemia to the other extreme.
const RED_CELLS: std::ops::RangeInclusive<u64> = 500_000..=10_000_000;

/// `[slide]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slide {
    /// How many cells make a count sufficient. Default: 5000, as the WHO asks.
    pub cells_needed: u64,
    /// Whether a slide is begun at the start of the program where none is open. Default: true; otherwise fields join no
    /// slide until `slide.start`.
    pub auto_start: bool,
    /// Whether slides go by pseudonyms: what `slide.start` says of a slide is hashed with the key of `[cells]
    /// pseudonym_key_file`, or the board's own, before anything is made of it, so that no result, report or file holds it.
    /// Default: false.
    pub pseudonyms: bool,
    /// Red cells in a microlitre of blood, by which a rate becomes parasites per microlitre. Default: 5000000.
    pub red_cells_per_ul: u64,
    /// The `dataset` of the model card's validation, word for word, if those rates were measured on this site's own
    /// slides, with its stain and its microscope: then the rate is also corrected for the model's errors. Default: none,
    /// and nothing is corrected, because rates from elsewhere mislead.
    pub site_validation: Option<String>,
    /// How many of the most suspicious cells the report of a closed slide shows, at most 200. Default: 24.
    pub report_cells: usize,
    /// How many reports are kept as files, beside the store in `reports`; the oldest go first. Default: 1000.
    pub keep_reports: usize,
}

impl Default for Slide {
    fn default() -> Self {
        Self {
            cells_needed: 5000,
            auto_start: true,
            pseudonyms: false,
            red_cells_per_ul: 5_000_000,
            site_validation: None,
            report_cells: 24,
            keep_reports: 1000,
        }
    }
}

impl Slide {
    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !RED_CELLS.contains(&self.red_cells_per_ul) {
            let (least, most) = (RED_CELLS.start(), RED_CELLS.end());
            let why = format!(
                "`red_cells_per_ul` is {}, but goes from {least} to {most}",
                self.red_cells_per_ul
            );
            return Err(("red_cells_per_ul", why));
        }
        if self.report_cells > MOST_REPORT_CELLS {
            let why = format!(
                "`report_cells` is {}, but goes to {MOST_REPORT_CELLS}",
                self.report_cells
            );
            return Err(("report_cells", why));
        }
        if self.keep_reports == 0 {
            let why = "`keep_reports` is 0, but the last report is always kept".into();
            return Err(("keep_reports", why));
        }
        Ok(())
    }
}
