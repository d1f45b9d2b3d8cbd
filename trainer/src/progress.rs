//! How far long work is, on the terminal.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error for `total` steps of a `unit`; nothing is drawn where no terminal is.
pub fn bar(what: impl Into<Cow<'static, str>>, unit: &str, total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    let template =
        format!("{{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    // The template is made of constants and valid; a wrong one only costs looks.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}
