//! The colour of the typical healthy cell of a training set. The board brings its fields' typical
//! cell, which is healthy too, to this colour.

use anyhow::Result;
use smearscope_common::stain::{Colour, cell_colour, typical_colour};

use crate::dataset::Dataset;

/// The median of this many cells is known to a thousandth.
const ENOUGH: usize = 4000;

/// The typical colour of the cells among the given samples that aren't parasitized, every so many of them
/// where there are more than [`ENOUGH`]; `None` when there are none, or none can be read.
///
/// # Errors
/// The data can't be opened any more, or has no class of that name.
pub fn typical_cell(dataset: &Dataset, indices: &[usize]) -> Result<Option<Colour>> {
    let parasitized = dataset.parasitized()?;
    let healthy = indices
        .iter()
        .copied()
        .filter(|&i| dataset.samples[i].class != parasitized);
    let healthy: Vec<usize> = healthy.collect();
    let step = healthy.len().div_ceil(ENOUGH).max(1);
    let some: Vec<usize> = healthy.into_iter().step_by(step).collect();
    let colours = dataset.map_bytes(&some, |_, bytes| {
        // A broken file is named when the samples are loaded.
        let crop = smearscope_common::image::decode(&bytes.ok()?).ok()?;
        cell_colour(&crop)
    })?;
    Ok(typical_colour(colours.into_iter().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::NIH_SUBJECT;
    use regex::Regex;
    use smearscope_common::image::{Rgb, RgbImage, encode_png};
    use std::fs;

    #[test]
    fn parasitized_and_broken_cells_have_no_say() {
        let dir = tempfile::tempdir().unwrap();
        for (class, cells) in [
            ("Parasitized", [90, 91, 92]),
            ("Uninfected", [150, 170, 190]),
        ] {
            let folder = dir.path().join(class);
            fs::create_dir(&folder).unwrap();
            for (i, red) in cells.into_iter().enumerate() {
                let crop = RgbImage::from_pixel(9, 9, Rgb([red, 100, 120]));
                fs::write(
                    folder.join(format!("C{i}_cell.png")),
                    encode_png(&crop).unwrap(),
                )
                .unwrap();
            }
            fs::write(folder.join("C9_cell.png"), b"broken").unwrap();
        }
        let data = Dataset::open(dir.path(), &Regex::new(NIH_SUBJECT).unwrap()).unwrap();
        let all: Vec<usize> = (0..data.samples.len()).collect();
        assert_eq!(
            typical_cell(&data, &all).unwrap(),
            Some([170.0, 100.0, 120.0])
        );
        let sick: Vec<usize> = all
            .into_iter()
            .filter(|&i| data.samples[i].class == 0)
            .collect();
        assert_eq!(typical_cell(&data, &sick).unwrap(), None);
    }
}
