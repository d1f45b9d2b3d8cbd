//! Pages of small pictures with a few words to each, as PNG.

use std::convert::Infallible;
use std::path::Path;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable, Pixel};
use smearscope_common::crop::letterbox;
use smearscope_common::image::{Rgb, RgbImage};

/// Nothing special.
pub const PLAIN: Rgb<u8> = Rgb([190, 190, 190]);
/// As it should be; with [`WRONG`] apart for colour-blind eyes too.
pub const RIGHT: Rgb<u8> = Rgb([0, 114, 178]);
/// Something to look at.
pub const WRONG: Rgb<u8> = Rgb([213, 94, 0]);

const PAPER: Rgb<u8> = Rgb([250, 250, 250]);
const INK: Rgb<u8> = Rgb([20, 20, 20]);
/// Between tiles, and around the page, in pixels.
const GAP: u32 = 10;
const FRAME: u32 = 3;

/// The name of a file without its folders and its extension, which say little below a picture.
pub fn stem(file: &str) -> String {
    let name = Path::new(file).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A picture with the lines below it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Any size; it is scaled into its square with its proportions kept.
    pub picture: RgbImage,
    /// What is too long is cut in the middle.
    pub lines: Vec<String>,
    /// Of the frame.
    pub colour: Rgb<u8>,
}

/// Tiles under one heading.
#[derive(Clone, Debug)]
pub struct Section {
    /// One line.
    pub heading: String,
    /// In order, row by row.
    pub tiles: Vec<Tile>,
}

/// Draws sections below each other, `columns` tiles wide, each picture a square of `side` pixels.
pub fn page(sections: &[Section], side: u32, columns: u32) -> RgbImage {
    let columns = columns.max(1);
    let cell = side + 2 * FRAME;
    let lines = |section: &Section| section.tiles.iter().map(|t| t.lines.len()).max();
    let row = |section: &Section| {
        cell + lines(section).unwrap_or(0) as u32 * line_height(&FONT_7X13) + GAP
    };
    let heading = line_height(&FONT_10X20) + GAP;
    let rows = |section: &Section| (section.tiles.len() as u32).div_ceil(columns);
    let width = GAP + columns * (cell + GAP);
    let sections_height: u32 = sections
        .iter()
        .map(|s| heading + rows(s) * row(s) + GAP)
        .sum();
    let mut canvas = Canvas::new(width, GAP + sections_height);
    let mut y = GAP;
    for section in sections {
        canvas.write(&section.heading, GAP, y, width - 2 * GAP, &FONT_10X20);
        y += heading;
        for tiles in section.tiles.chunks(columns as usize) {
            let mut x = GAP;
            for tile in tiles {
                canvas.tile(tile, x, y, side, &FONT_7X13);
                x += cell + GAP;
            }
            y += row(section);
        }
        y += GAP;
    }
    canvas.0
}

/// One picture, enlarged or shrunk to a square of `side` pixels, with its lines in large letters.
pub fn card(tile: &Tile, side: u32) -> RgbImage {
    let text = tile.lines.len() as u32 * line_height(&FONT_10X20);
    let cell = side + 2 * FRAME;
    let mut canvas = Canvas::new(cell + 2 * GAP, cell + text + 2 * GAP);
    canvas.tile(tile, GAP, GAP, side, &FONT_10X20);
    canvas.0
}

fn line_height(font: &MonoFont<'_>) -> u32 {
    font.character_size.height + 2
}

/// `text` in at most `most` letters, and nothing in it that moves the line. What is left out comes
/// before the end, as the number that tells one cell from the next stands there.
fn fit(text: &str, most: usize) -> String {
    let letters: Vec<char> = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if letters.len() <= most {
        return letters.into_iter().collect();
    }
    let kept = most.saturating_sub(2);
    let (head, tail) = (kept / 3, kept - kept / 3);
    let head = &letters[..head];
    let tail = &letters[letters.len() - tail..];
    head.iter().chain(&['.', '.']).chain(tail).collect()
}

/// A picture that letters can be drawn on.
struct Canvas(RgbImage);

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width, height, PAPER))
    }

    fn tile(&mut self, tile: &Tile, x: u32, y: u32, side: u32, font: &MonoFont<'_>) {
        let cell = side + 2 * FRAME;
        let frame = RgbImage::from_pixel(cell, cell, tile.colour);
        let picture = letterbox(&tile.picture, side);
        for (inset, part) in [(0, &frame), (FRAME, &picture)] {
            let (left, top) = (i64::from(x + inset), i64::from(y + inset));
            image::imageops::replace(&mut self.0, part, left, top);
        }
        let mut below = y + cell + 2;
        for line in &tile.lines {
            self.write(line, x, below, cell, font);
            below += line_height(font);
        }
    }

    /// Writes one line with its upper left corner at `x`, `y`, at most `width` pixels wide.
    fn write(&mut self, text: &str, x: u32, y: u32, width: u32, font: &MonoFont<'_>) {
        let text = fit(text, (width / font.character_size.width) as usize);
        let style = MonoTextStyle::new(font, Rgb888::new(INK[0], INK[1], INK[2]));
        let at = Point::new(x as i32, y as i32);
        match Text::with_baseline(&text, at, style, Baseline::Top).draw(self) {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(lines: &[&str]) -> Tile {
        Tile {
            picture: RgbImage::from_pixel(20, 10, Rgb([200, 0, 0])),
            lines: lines.iter().map(|&l| l.to_owned()).collect(),
            colour: WRONG,
        }
    }

    /// Whether anything dark stands in a box.
    fn inked(page: &RgbImage, x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> bool {
        y.into_iter()
            .any(|y| x.clone().any(|x| page.get_pixel(x, y) == &INK))
    }

    #[test]
    fn a_page_shows_every_tile_framed_and_named() {
        let sections = [
            Section {
                heading: "Parasitized".into(),
                tiles: vec![tile(&["one"]), tile(&["two"]), tile(&["three"])],
            },
            Section {
                heading: String::new(),
                tiles: vec![],
            },
        ];
        let page = page(&sections, 40, 2);
        assert_eq!(page.width(), 10 + 2 * 56);
        let first = (10, 10 + 32);
        assert_eq!(page.get_pixel(first.0, first.1), &WRONG, "frame");
        let middle = page.get_pixel(first.0 + 23, first.1 + 23);
        assert_eq!(middle, &Rgb([200, 0, 0]), "wide picture between black bars");
        assert_eq!(page.get_pixel(first.0 + 23, first.1 + 5), &Rgb([0; 3]));
        assert!(inked(&page, 10..100, 10..30), "heading");
        let below = first.1 + 46;
        assert!(
            inked(&page, 10..56, below..below + 15),
            "words of the first"
        );
        assert!(
            inked(&page, 66..112, below..below + 15),
            "words of the second"
        );
        let next = first.1 + 46 + 15 + 10;
        assert_eq!(page.get_pixel(10, next), &WRONG, "third in the next row");
        assert_eq!(page.get_pixel(66, next), &PAPER, "no fourth");
    }

    #[test]
    fn a_card_enlarges() {
        let card = card(&tile(&["parasitized", "97 %"]), 100);
        assert_eq!(card.dimensions(), (126, 126 + 44));
        assert_eq!(card.get_pixel(63, 63), &Rgb([200, 0, 0]));
        assert!(inked(&card, 10..116, 118..138) && inked(&card, 10..116, 140..160));
    }

    #[test]
    fn long_names_lose_their_middle_and_control_characters_their_power() {
        assert_eq!(fit("C116P77ThinF_cell_93", 14), "C116.._cell_93");
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("a\nb\tc", 9), "a?b?c");
        assert_eq!(fit("abc", 0), "..");
    }
}
