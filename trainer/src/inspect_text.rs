//! The report of `inspect` for people.

use std::fmt::{Display, Formatter, Result};

use crate::duplicates::{Group, Same};
use crate::inspect::{Bin, Inspection};

/// The most lines of one kind; `--json` and `--manifest` have them all.
const MOST: usize = 10;

/// Letters of the longest bar of the histogram.
const BAR: usize = 50;

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{} images of {} subjects", self.images, self.subjects)?;
        for (name, class) in &self.classes {
            write!(
                f,
                "  {name}: {} images of {} subjects",
                class.images, class.subjects
            )?;
            if class.folders.len() > 1 {
                write!(f, ", gathered from {} folders", class.folders.len())?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "{} subjects have cells in more than one class",
            self.subjects_in_several_classes
        )?;
        self.subjects(f)?;
        if let Some([low, median, high]) = self.longer_side {
            writeln!(f, "longer side: {low} to {high} pixels, median {median}")?;
            histogram(f, &self.longer_side_bins)?;
        }
        for (what, files) in [
            ("unreadable", &self.unreadable),
            ("hardly a cell", &self.degenerate),
        ] {
            let files = files.iter().map(|(file, why)| format!("{file}: {why}"));
            told(f, what, files)?;
        }
        self.duplicates(f)?;
        told(f, "no image", self.ignored.iter())?;
        told(f, "warning", self.warnings.iter())?;
        write!(
            f,
            "{} unreadable, {} hardly a cell, {} duplicates, {} files that are no images",
            self.unreadable.len(),
            self.degenerate.len(),
            self.duplicates.surplus,
            self.ignored.len()
        )
    }
}

impl Inspection {
    /// The subjects with the most cells: a model may learn them by heart.
    fn subjects(&self, f: &mut Formatter<'_>) -> Result {
        let total = |subject: &str| self.by_subject[subject].values().sum::<usize>();
        let mut subjects: Vec<_> = self.by_subject.keys().map(|s| (total(s), s)).collect();
        subjects.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let (Some(most), Some(least)) = (subjects.first(), subjects.last()) else {
            return Ok(());
        };
        let median = subjects[subjects.len() / 2].0;
        writeln!(
            f,
            "images per subject: {} to {}, median {median}; the largest:",
            least.0, most.0
        )?;
        for (_, subject) in subjects.iter().take(MOST) {
            let classes: Vec<_> = self.by_subject[*subject]
                .iter()
                .map(|(class, n)| format!("{n} {class}"))
                .collect();
            writeln!(f, "  {subject}: {}", classes.join(", "))?;
        }
        if subjects.len() > MOST {
            writeln!(f, "  and {} more (all in --json)", subjects.len() - MOST)?;
        }
        Ok(())
    }

    fn duplicates(&self, f: &mut Formatter<'_>) -> Result {
        let found = &self.duplicates;
        if found.groups.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "{} pictures are there more than once, {} files too many",
            found.groups.len(),
            found.surplus
        )?;
        if found.label_conflicts > 0 {
            writeln!(
                f,
                "  {} of them with two labels: one must be wrong",
                found.label_conflicts
            )?;
        }
        if found.leaks > 0 {
            writeln!(
                f,
                "  {} of them under two subjects: a split may put the same cell on both sides",
                found.leaks
            )?;
        }
        // What does harm first.
        let mut groups: Vec<&Group> = found.groups.iter().collect();
        groups.sort_by_key(|g| !(g.label_conflict() || g.leak()));
        told(f, "duplicate", groups.into_iter().map(duplicate))
    }
}

fn duplicate(group: &Group) -> String {
    let same = match group.same {
        Same::Bytes => "same bytes",
        Same::Pixels => "same pixels",
    };
    let mut text = format!("{} ({same}", group.files.join(" = "));
    if group.label_conflict() {
        text.push_str("; two labels");
    }
    if group.leak() {
        text.push_str("; two subjects");
    }
    text.push(')');
    text
}

/// `what: item` for the first of the items, and how many more there are.
fn told<T: Display>(
    f: &mut Formatter<'_>,
    what: &str,
    items: impl ExactSizeIterator<Item = T>,
) -> Result {
    let more = items.len().saturating_sub(MOST);
    for item in items.take(MOST) {
        writeln!(f, "{what}: {item}")?;
    }
    if more > 0 {
        writeln!(f, "{what}: and {more} more (all in --json)")?;
    }
    Ok(())
}

fn histogram(f: &mut Formatter<'_>, bins: &[Bin]) -> Result {
    let most = bins.iter().map(|b| b.images).max().unwrap_or(0).max(1);
    for bin in bins {
        let bar = "█".repeat((bin.images * BAR).div_ceil(most));
        let range = format!("{}–{}", bin.from, bin.to - 1);
        let space = if bar.is_empty() { "" } else { " " };
        writeln!(f, "  {range:>11} {bar}{space}{}", bin.images)?;
    }
    Ok(())
}
