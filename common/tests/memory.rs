//! How much memory the segmentation needs, counted at the allocator.
#![allow(unsafe_code)] // A global allocator is an unsafe trait.

mod pictures;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smearscope_common::image::{Rgb, RgbImage};
use smearscope_common::segment::{quality, segment};

/// Counts what is allocated at the moment, and the most that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Dark discs on glass.
fn discs(width: u32, height: u32, pitch: u32, radius: f32) -> RgbImage {
    pictures::lattice([width, height], pitch, radius, [[150, 90, 110], [230; 3]])
}

/// No two neighbours are alike.
fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503);
        Rgb([(mixed.wrapping_mul(0x9E37_79B1) >> 24) as u8; 3])
    })
}

/// Black strokes four pixels thick and as far apart.
fn ink(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([if (x + y) % 8 < 4 { 0 } else { 230 }; 3])
    })
}

/// The most that [`segment`] and [`quality`] had allocated at once, in bytes.
fn peak(image: &RgbImage) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let found = segment(image);
    quality(image, &found, 32.0);
    MOST.load(Relaxed) - before
}

/// One test alone: what others allocate at the same time would be counted too.
///
/// A reduced pixel costs most in noise, where nearly every second one founds a basin of the watershed: two or three
/// planes of four bytes, as many of one or two, and what is kept of each basin, about 25 bytes in all. Of these
/// pixels there are four million at most. The masks of the cells have one byte for each pixel of their boxes and exist
/// twice for a moment.
#[test]
fn memory_is_bounded() {
    for (width, height) in [(1280, 960), (4000, 3000)] {
        let pixels = width as usize * height as usize;
        let most = 32 * pixels.min(1 << 22) + 3 * pixels;
        for (name, image) in [
            (
                "cells",
                discs(width, height, height / 12, height as f32 / 28.0),
            ),
            ("small cells", discs(width, height, 14, 5.0)),
            ("specks", discs(width, height, 9, 1.5)),
            ("noise", noise(width, height)),
            ("ink", ink(width, height)),
        ] {
            let peak = peak(&image);
            let each = peak as f64 / pixels as f64;
            assert!(
                peak <= most,
                "{name}, {width}x{height}: {peak} bytes, {each:.1} a pixel"
            );
            // With --nocapture it tells how much it was.
            println!("{name}, {width}x{height}: {each:.1} bytes a pixel");
        }
    }
    let large = discs(12_000, 9_000, 14, 5.0);
    let peak = peak(&large);
    assert!(peak <= 32 << 22, "{peak} bytes for 108 million pixels");
}
