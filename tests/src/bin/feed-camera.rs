//! Shows files as a camera's frames through a v4l2loopback device, as programs that bring other cameras to V4L2 do.
//!
//! `feed-camera DEVICE FORMAT WIDTH HEIGHT FPS COUNT FILE...`: each file holds the bytes of one frame of that format, such as
//! YUYV or MJPG. They are shown in turn, COUNT frames in all; then the device stays open, as a camera that has stalled.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use v4l::video::Output;
use v4l::{Device, Format, FourCC};

/// How long a device is tried that doesn't take the format: while a reader has it open it may not.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [device, format, width, height, fps, count, files @ ..] = &arguments[..] else {
        panic!("usage: feed-camera DEVICE FORMAT WIDTH HEIGHT FPS COUNT FILE...");
    };
    let frames: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!frames.is_empty(), "no frame to show");
    let fourcc = FourCC::new(format.as_bytes().try_into().unwrap());
    let wanted = Format::new(width.parse().unwrap(), height.parse().unwrap(), fourcc);
    let mut device = output(device, &wanted);
    let period = Duration::from_secs_f64(1.0 / fps.parse::<f64>().unwrap());
    let mut due = Instant::now();
    for frame in frames.iter().cycle().take(count.parse().unwrap()) {
        // One write is one frame.
        assert_eq!(device.write(frame).unwrap(), frame.len());
        // What a slow machine missed is not made up for.
        due = (due + period).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    println!("showed {count} frames");
    loop {
        thread::park();
    }
}

/// Opens the device and sets its format.
fn output(path: &str, wanted: &Format) -> Device {
    let begun = Instant::now();
    loop {
        let device = Device::with_path(path).unwrap();
        match Output::set_format(&device, wanted) {
            Ok(given) => {
                let is_same = given.fourcc == wanted.fourcc
                    && (given.width, given.height) == (wanted.width, wanted.height);
                assert!(is_same, "asked for {wanted} and got {given}");
                return device;
            }
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{path}: {error}"),
        }
        drop(device);
        thread::sleep(Duration::from_millis(100));
    }
}
