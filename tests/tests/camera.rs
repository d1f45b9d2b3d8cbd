//! The camera on real V4L2 devices, in a virtual machine: formats, exact pixels, and everything that a cable can do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use smearscope_common::image::{self, RgbImage, encode_jpeg};
use smearscope_common::synth::{SmearSpec, smear};
use smearscope_tests::edge;
use smearscope_tests::vm::{Answer, Vm};
use tempfile::TempDir;

/// What vivid shows as "100% Colorbar", from left to right.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];
/// How far a bar may be off: Y'CbCr in 8 bits rounds twice.
const NEAR: u8 = 4;

/// A field that fits through an emulated machine.
fn field(seed: u64) -> RgbImage {
    let spec = SmearSpec {
        width: 640,
        height: 480,
        cells: 24,
        ..SmearSpec::default()
    };
    smear(&spec, seed).image
}

/// Takes one picture with the real program: its `[source]` is that device with `wishes`.
fn capture(vm: &mut Vm, folder: &Path, device: &str, wishes: &str) -> Result<RgbImage, Answer> {
    let config = folder.join("capture.toml");
    let text = format!(
        "[device]\nid = \"scope\"\n[source]\nkind = \"camera\"\ndevice = {device:?}\n{wishes}\n"
    );
    fs::write(&config, text).unwrap();
    let picture = folder.join("picture.png");
    let answer = vm.try_sh(&format!(
        "{} capture --config {} --out {}",
        program().display(),
        config.display(),
        picture.display()
    ));
    if answer.status != 0 {
        return Err(answer);
    }
    let image = image::decode(&fs::read(&picture).unwrap()).unwrap();
    fs::remove_file(picture).unwrap();
    Ok(image)
}

/// The real program, where the guest sees it too.
fn program() -> PathBuf {
    edge().get_program().into()
}

/// The largest difference between two pictures of one size, in levels of 255.
fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    let pairs = a.as_raw().iter().zip(b.as_raw());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Holds that a picture shows vivid's bars, each in its place and colour.
fn shows_bars(image: &RgbImage, what: &str) {
    for (bar, colour) in (0..).zip(BARS) {
        let x = (2 * bar + 1) * image.width() / 16;
        for y in [1, 2, 3].map(|quarter| quarter * image.height() / 4) {
            let seen = image.get_pixel(x, y).0;
            let off = seen.iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
            assert!(
                off <= Some(NEAR),
                "{what}: bar {bar} is {seen:?} and not {colour:?}"
            );
        }
    }
}

/// The four bytes of two pixels each, in BT.601's limited range: ITU-R BT.601-7, 2.5.
fn to_yuyv(image: &RgbImage) -> Vec<u8> {
    let luma = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    let pixels = image.as_raw().as_chunks::<6>().0;
    let of = |six: &[u8; 6]| {
        let [r, g, b, s, h, c] = six.map(f64::from);
        let (first, second) = ([r, g, b], [s, h, c]);
        let mean = [0, 1, 2].map(|i| (first[i] + second[i]) / 2.0);
        let y = |pixel| 16.0 + luma(pixel) * 219.0 / 255.0;
        let difference = |i: usize, scale| 128.0 + (mean[i] - luma(mean)) / scale * 224.0 / 255.0;
        let four = [
            y(first),
            difference(2, 1.772),
            y(second),
            difference(0, 1.402),
        ];
        four.map(|value| value.round().clamp(0.0, 255.0) as u8)
    };
    pixels.iter().flat_map(of).collect()
}

/// The same way back, in doubles.
fn from_yuyv(bytes: &[u8], width: u32, height: u32) -> RgbImage {
    let of = |four: &[u8; 4]| {
        let [first, cb, second, cr] = four.map(f64::from);
        let (cb, cr) = ((cb - 128.0) / 224.0, (cr - 128.0) / 224.0);
        let rgb = |y: f64| {
            let y = (y - 16.0) / 219.0;
            let (red, blue) = (y + 1.402 * cr, y + 1.772 * cb);
            [red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue]
        };
        let values = [rgb(first), rgb(second)].concat();
        values
            .into_iter()
            .map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8)
    };
    let pixels = bytes.as_chunks::<4>().0.iter().flat_map(of).collect();
    RgbImage::from_raw(width, height, pixels).unwrap()
}

#[test]
fn every_format_gives_the_picture_that_the_device_shows() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut vm) = Vm::boot(folder) else {
        return;
    };
    // One webcam.
    vm.sh("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
    let device = vm.sh("camera vivid-000");
    // 100% Colorbar, without a clock in the picture.
    vm.sh(&format!(
        "v4l2-ctl -d {device} --set-ctrl test_pattern=1,osd_text_mode=2"
    ));
    let size = "width = 640\nheight = 360";
    for format in [
        "YUYV", "UYVY", "NV12", "RGB3", "BGR3", "BA81", "GBRG", "GRBG", "RGGB",
    ] {
        let picture = capture(
            &mut vm,
            folder,
            &device,
            &format!("format = {format:?}\n{size}"),
        );
        let picture = picture.unwrap_or_else(|answer| panic!("{format}: {answer:?}"));
        assert_eq!(picture.dimensions(), (640, 360));
        shows_bars(&picture, format);
    }
    // What the driver says of its matrix and range is heeded: Rec. 709 and SMPTE 170M, limited and full.
    for colours in [
        "colorspace=1,quantization=0",
        "colorspace=1,quantization=1",
        "colorspace=0,quantization=0",
        "colorspace=2,quantization=1",
    ] {
        vm.sh(&format!("v4l2-ctl -d {device} --set-ctrl {colours}"));
        let picture = capture(
            &mut vm,
            folder,
            &device,
            &format!("format = \"YUYV\"\n{size}"),
        );
        shows_bars(
            &picture.unwrap_or_else(|answer| panic!("{colours}: {answer:?}")),
            colours,
        );
    }
    let refused = capture(
        &mut vm,
        folder,
        &device,
        &format!("format = \"GREY\"\n{size}"),
    )
    .unwrap_err();
    assert!(refused.said.contains("monochrome"), "{refused:?}");
    vm.off();
}

#[test]
fn a_field_comes_through_the_device_to_the_bit() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut vm) = Vm::boot(folder) else {
        return;
    };
    let field = field(1);
    let yuyv = to_yuyv(&field);
    fs::write(folder.join("RGB3"), field.as_raw()).unwrap();
    fs::write(folder.join("YUYV"), &yuyv).unwrap();
    let jpeg = encode_jpeg(&field, 90).unwrap();
    fs::write(folder.join("MJPG"), &jpeg).unwrap();
    vm.sh("modprobe v4l2loopback video_nr=10 card_label=Microscope exclusive_caps=1");
    let feeder = edge().get_program().to_owned();
    let feeder = Path::new(&feeder).with_file_name("feed-camera");
    for (format, expected, tolerance) in [
        ("RGB3", field.clone(), 0),
        ("YUYV", from_yuyv(&yuyv, 640, 480), 1),
        ("MJPG", image::decode(&jpeg).unwrap(), 3),
    ] {
        vm.sh(&format!(
            "{} /dev/video10 {format} 640 480 25 {format} >feed 2>&1 &",
            feeder.display()
        ));
        // With exclusive_caps it is a camera only while somebody feeds it.
        vm.sh("until v4l2-ctl -d /dev/video10 --all | grep -q 'Format Video Capture'; do sleep 0.2; kill -0 %% || break; done");
        let picture = capture(&mut vm, folder, "/dev/video10", "");
        let picture = picture.unwrap_or_else(|answer| panic!("{format}: {answer:?}"));
        let off = largest_difference(&picture, &expected);
        assert!(off <= tolerance, "{format}: {off} levels off");
        vm.sh("kill %%; wait");
    }
    vm.off();
}
