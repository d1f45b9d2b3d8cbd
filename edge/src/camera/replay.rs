//! A folder of images instead of a camera: in the order of their names, none dropped.

use std::path::{Path, PathBuf};

use anyhow::Context;
use smearscope_common::image::{self, RgbImage};
use tracing::{info, warn};

use super::{Camera, Frame};
use crate::exit::{OrBadInput, bad_input};

/// Plays the images of a folder.
pub struct Replay {
    folder: PathBuf,
    images: Vec<PathBuf>,
    next: usize,
    repeat: bool,
    /// Images of this round that could not be read.
    skipped: usize,
}

impl Replay {
    /// Lists the images of a folder; with `repeat` it begins again after the last one.
    ///
    /// # Errors
    /// Bad input, when the folder can't be read or holds no image.
    pub fn open(folder: &Path, repeat: bool) -> anyhow::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            images: images_of(folder)?,
            next: 0,
            repeat,
            skipped: 0,
        })
    }

    /// Says how the round went. Nothing readable at all is bad input.
    fn end_round(&mut self) -> anyhow::Result<()> {
        let (all, folder) = (self.images.len(), self.folder.display());
        if self.skipped == all {
            return Err(bad_input(format!(
                "none of the {all} images in {folder} can be read"
            )));
        }
        if self.skipped > 0 {
            warn!("{} of {all} images in {folder} were skipped", self.skipped);
        } else {
            info!("all {all} images in {folder} were played");
        }
        Ok(())
    }
}

impl Camera for Replay {
    fn next_frame(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            let Some(path) = self.images.get(self.next) else {
                self.end_round()?;
                if !self.repeat {
                    return Ok(None);
                }
                (self.next, self.skipped) = (0, 0);
                continue;
            };
            self.next += 1;
            match read_image(path) {
                Ok(image) => {
                    return Ok(Some(Frame::played(image, name_of(path))));
                }
                Err(error) => {
                    self.skipped += 1;
                    warn!("skipped: {error:#}");
                }
            }
        }
    }
}

/// The images of a folder by name, at least one; what has no image's ending is passed over.
///
/// # Errors
/// Bad input, when the folder can't be read or holds no image.
pub fn images_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let mut images = Vec::new();
    for entry in std::fs::read_dir(folder)
        .with_context(cannot_read)
        .or_bad_input()?
    {
        let path = entry.with_context(cannot_read)?.path();
        if path.is_file() && image::has_image_extension(&path.to_string_lossy()) {
            images.push(path);
        }
    }
    if images.is_empty() {
        return Err(bad_input(format!(
            "{} holds no image (.png, .jpg, .webp, .tif or .bmp)",
            folder.display()
        )));
    }
    images.sort();
    Ok(images)
}

/// Reads and decodes one image file.
///
/// # Errors
/// When it can't be read or decoded; the message names it.
pub fn read_image(path: &Path) -> anyhow::Result<RgbImage> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    image::decode(&bytes).with_context(|| path.display().to_string())
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smearscope_common::image::{Rgb, encode_png};

    fn folder(files: &[(&str, Option<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, gray) in files {
            let bytes = match gray {
                Some(v) => encode_png(&RgbImage::from_pixel(4, 3, Rgb([*v; 3]))).unwrap(),
                None => b"garbage".to_vec(),
            };
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn names(replay: &mut Replay, n: usize) -> Vec<String> {
        (0..n)
            .map_while(|_| replay.next_frame().unwrap().map(|frame| frame.source))
            .collect()
    }

    #[test]
    fn a_bad_image_is_skipped_and_the_order_is_that_of_the_names() {
        let folder = folder(&[
            ("b.png", Some(2)),
            ("a.png", Some(1)),
            ("aa.png", None),
            ("notes.txt", None),
        ]);
        let mut replay = Replay::open(folder.path(), false).unwrap();
        assert_eq!(names(&mut replay, 9), ["a.png", "b.png"]);
    }

    #[test]
    fn repeat_begins_again() {
        let folder = folder(&[("a.png", Some(1)), ("b.png", None), ("c.png", Some(1))]);
        let mut replay = Replay::open(folder.path(), true).unwrap();
        assert_eq!(
            names(&mut replay, 5),
            ["a.png", "c.png", "a.png", "c.png", "a.png"]
        );
    }

    #[test]
    fn nothing_to_play_is_bad_input_even_with_repeat() {
        assert!(Replay::open(folder(&[]).path(), false).is_err());
        assert!(Replay::open(Path::new("no/such/folder"), false).is_err());
        let all_bad = folder(&[("a.png", None), ("b.png", None)]);
        let mut replay = Replay::open(all_bad.path(), true).unwrap();
        let error = replay.next_frame().err().unwrap().to_string();
        assert!(error.contains("none of the 2 images"), "{error}");
    }
}
