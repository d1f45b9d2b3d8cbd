//! The camera on real V4L2 devices, in a virtual machine: formats, exact pixels, and everything that a cable can do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use smearscope_common::image::{self, RgbImage, encode_jpeg, encode_png};
use smearscope_common::synth::{SmearSpec, smear};
use smearscope_tests::vm::{Answer, HOST, PATIENCE, Vm};
use smearscope_tests::{Received, Running, edge, free_port, mosquitto, subscribe};
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

/// A field of few cells: an emulated processor takes seconds for each.
fn field(seed: u64) -> RgbImage {
    let spec = SmearSpec {
        width: 640,
        height: 480,
        cells: 6,
        platelets: 0,
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

/// Loads a device that shows what it is fed with.
fn load_bridge(vm: &mut Vm) {
    vm.sh("modprobe v4l2loopback video_nr=10 card_label=Bridge exclusive_caps=1");
}

/// Begins to feed it in the background; `what` are format, width, height, rate, count and files for `feed-camera`.
fn feed(vm: &mut Vm, what: &str) {
    let feeder = program().with_file_name("feed-camera");
    vm.sh(&format!(
        "{} /dev/video10 {what} >feed 2>&1 & FEEDER=$!",
        feeder.display()
    ));
    // With exclusive_caps it is a camera only while somebody feeds it.
    vm.sh("until v4l2-ctl -d /dev/video10 --all | grep -q 'Format Video Capture'; do sleep 0.2; kill -0 $FEEDER || break; done");
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
    let listed = vm.sh(&format!("{} cameras --json", program().display()));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["auto"], device, "{listed}");
    let camera = &listed["cameras"][0];
    assert_eq!(
        (&camera["card"], &camera["path"]),
        (&"vivid".into(), &device.as_str().into())
    );
    let offers = camera["offers"].as_array().unwrap();
    let offered: Vec<_> = offers
        .iter()
        .map(|offer| offer["format"].as_str().unwrap())
        .collect();
    // What v4l2-ctl says of the same device.
    let formats = vm.sh(&format!("v4l2-ctl -d {device} --list-formats"));
    let named = formats.lines().filter_map(|line| line.split('\'').nth(1));
    // It pads short names.
    let named: Vec<_> = named.map(|name| name.replace(' ', "")).collect();
    assert_eq!(offered, named);
    let controls = camera["controls"].as_array().unwrap();
    let pattern = controls
        .iter()
        .find(|control| control["name"] == "test_pattern");
    assert_eq!(pattern.unwrap()["value"], 1, "{controls:?}");
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
    load_bridge(&mut vm);
    for (format, expected, tolerance) in [
        ("RGB3", field.clone(), 0),
        ("YUYV", from_yuyv(&yuyv, 640, 480), 1),
        ("MJPG", image::decode(&jpeg).unwrap(), 3),
    ] {
        feed(&mut vm, &format!("{format} 640 480 25 100000 {format}"));
        let picture = capture(&mut vm, folder, "/dev/video10", "");
        let picture = picture.unwrap_or_else(|answer| panic!("{format}: {answer:?}"));
        let off = largest_difference(&picture, &expected);
        assert!(off <= tolerance, "{format}: {off} levels off");
        vm.sh("kill $FEEDER; wait $FEEDER || true");
    }
    // The stain is colour.
    fs::write(folder.join("GREY"), vec![128; 640 * 480]).unwrap();
    feed(&mut vm, "GREY 640 480 25 100000 GREY");
    let refused = capture(&mut vm, folder, "/dev/video10", "").unwrap_err();
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.said.contains("monochrome"), "{refused:?}");
    vm.off();
}

/// A station in the guest that runs on a camera, its broker on this machine.
struct Station {
    folder: PathBuf,
    messages: Receiver<Received>,
    _broker: Running,
}

impl Station {
    /// Starts `run` in the guest; `source` are the lines of `[source]`, `more` are other tables.
    fn start(vm: &mut Vm, folder: &Path, source: &str, more: &str) -> Self {
        let port = free_port();
        let broker = mosquitto(port, folder);
        let messages = subscribe(port, "smearscope/scope/#");
        let config = folder.join("edge.toml");
        // SQLite locks its file, which 9p is slow at.
        let text = format!(
            "[device]\nid = \"scope\"\n[source]\nkind = \"camera\"\n{source}\n[mqtt]\nhost = {HOST:?}\nport = {port}\n\
             [store]\npath = \"/dev/shm/results.sqlite\"\n{more}\n"
        );
        fs::write(&config, text).unwrap();
        let (program, config) = (program(), config.display().to_string());
        vm.sh(&format!(
            "{} run --config {config} >said 2>log & STATION=$!",
            program.display()
        ));
        Self {
            folder: folder.to_owned(),
            messages,
            _broker: broker,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// How many lines of its log have these words.
    fn logged(&self, words: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(words))
            .count()
    }

    /// Waits until so many lines of its log have these words.
    fn await_log(&self, words: &str, count: usize) {
        let begun = Instant::now();
        while self.logged(words) < count {
            let log = self.log();
            assert!(
                begun.elapsed() < PATIENCE,
                "{words:?}, {count} times: {log}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next message of a topic that `is` so.
    fn message(&self, topic: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let next = self.messages.recv_timeout(left);
            let message = next.unwrap_or_else(|_| panic!("no such {topic}: {}", self.log()));
            if message.topic != format!("smearscope/scope/{topic}") {
                continue;
            }
            let message = serde_json::from_slice(&message.payload).unwrap();
            if is(&message) {
                return message;
            }
        }
    }

    /// Ends it as systemd does.
    fn stop(&self, vm: &mut Vm) {
        vm.sh("kill $STATION; wait $STATION");
        self.message("status", |status| status["state"] == "stopped");
    }
}

/// What is logged when a stream ends, and when an attempt to open the camera again fails for a new reason.
const LOST: &str = "it is opened again";
const STILL_LOST: &str = "it is tried again";
/// What is logged when it was opened again.
const BACK: &str = "is back after";

/// As when the cable is pulled: the node vanishes.
const UNPLUG: &str = "echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind";
const PLUG_IN: &str = "echo vivid.0 >/sys/bus/platform/drivers/vivid/bind";

#[test]
fn a_station_survives_whatever_a_camera_does_and_tells_each_event_once() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut vm) = Vm::boot(folder) else {
        return;
    };
    vm.sh("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
    let device = vm.sh("camera vivid-000");
    vm.sh(&format!(
        "v4l2-ctl -d {device} --stream-mmap --stream-to=/dev/null >held 2>&1 & HOLDER=$!"
    ));
    // It makes a mark for each frame.
    vm.sh("until grep -q '<' held; do kill -0 $HOLDER || { cat held; false; break; }; sleep 0.2; done");
    let source = "format = \"YUYV\"\nwidth = 320\nheight = 180\nfps = 10";
    let station = Station::start(&mut vm, folder, source, "[slide]\nauto_start = false");
    // Another program has it. That it is tried over and over is not told over and over.
    station.await_log("another program uses it", 1);
    let health = station.message("health", |health| health["camera"]["state"] == "lost");
    assert!(
        health["camera"]["trouble"]
            .as_str()
            .unwrap()
            .contains("another program"),
        "{health}"
    );
    vm.sh("kill $HOLDER; wait $HOLDER || true; sleep 1");
    station.await_log(BACK, 1);
    assert_eq!(
        (station.logged(LOST), station.logged(STILL_LOST)),
        (0, 1),
        "{}",
        station.log()
    );

    let press =
        |vm: &mut Vm, button: &str| vm.sh(&format!("v4l2-ctl -d {device} --set-ctrl {button}=0"));
    // What ends the stream: EIO, alone or with something else that fails once when it is begun again; a buffer that is not
    // taken back; a device that is gone for its user only.
    let (mut lost, mut still_lost, mut back) = (0, 1, 1);
    for buttons in [
        &["inject_fatal_streaming_error"][..],
        &[
            "inject_vidioc_reqbufs_error",
            "inject_fatal_streaming_error",
        ],
        &[
            "inject_vidioc_streamon_error",
            "inject_fatal_streaming_error",
        ],
        &["inject_vidioc_qbuf_error"],
        &["disconnect"],
    ] {
        for button in buttons {
            press(&mut vm, button);
        }
        (lost, still_lost, back) = (lost + 1, still_lost + buttons.len() - 1, back + 1);
        station.await_log(BACK, back);
        let seen = (station.logged(LOST), station.logged(STILL_LOST));
        assert_eq!(seen, (lost, still_lost), "{buttons:?}: {}", station.log());
    }

    // Damaged and dropped frames end nothing.
    for _ in 0..3 {
        press(&mut vm, "inject_v4l2_buf_flag_error");
    }
    station.await_log("damaged frames are left out", 1);
    vm.sh(&format!(
        "v4l2-ctl -d {device} --set-ctrl percentage_of_dropped_buffers=50; sleep 3"
    ));
    vm.sh(&format!(
        "v4l2-ctl -d {device} --set-ctrl percentage_of_dropped_buffers=0"
    ));

    // Unplugged and plugged in, over and over.
    for _ in 0..50 {
        vm.sh(UNPLUG);
        lost += 1;
        station.await_log(LOST, lost);
        vm.sh(PLUG_IN);
        back += 1;
        station.await_log(BACK, back);
    }
    vm.sh(UNPLUG);
    lost += 1;
    station.await_log(LOST, lost);
    // Of this loss: what was told of those before waits here, too.
    let lost_health = station.message("health", |health| {
        health["camera"]["state"] == "lost" && health["camera"]["reopened"] == back - 1
    });
    let frames_so_far = lost_health["camera"]["frames"].as_u64().unwrap();
    assert!(frames_so_far > 0, "{lost_health}");

    // Something else takes its number meanwhile.
    vm.sh("modprobe v4l2loopback card_label=Intruder");
    vm.sh(PLUG_IN);
    assert_ne!(vm.sh("camera vivid-000"), device);
    back += 1;
    station.await_log(BACK, back);
    let open = vm.sh("readlink /proc/$STATION/fd/* | grep video");
    assert_eq!(open, vm.sh("camera vivid-000"));

    // What was counted before is not forgotten. How many frames came in all says how fast this machine is, no more.
    let health = station.message("health", |health| {
        let camera = &health["camera"];
        camera["state"] == "running"
            && camera["reopened"] == back - 1
            && camera["frames"].as_u64() > Some(frames_so_far)
    });
    let camera = &health["camera"];
    assert_eq!(camera["trouble"], Value::Null, "{camera}");
    assert!(camera["lost_frames"].as_u64() > Some(3), "{camera}");
    assert!(camera["faulty_frames"].as_u64() >= Some(1), "{camera}");
    assert_eq!(station.logged(LOST), lost, "{}", station.log());
    assert_eq!(station.logged(BACK), back, "{}", station.log());
    assert_eq!(station.logged("damaged frames are left out"), 1);
    station.stop(&mut vm);
    vm.off();
}

#[test]
fn five_thousand_frames_come_once_each_and_cost_no_memory() {
    const FRAMES: u64 = 5000;
    /// vivid's highest rate.
    const RATE: u64 = 60;
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut vm) = Vm::boot(folder) else {
        return;
    };
    vm.sh("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
    let source = format!("format = \"YUYV\"\nwidth = 320\nheight = 180\nfps = {RATE}");
    let station = Station::start(&mut vm, folder, &source, "[slide]\nauto_start = false");
    let frames = |health: &Value| health["camera"]["frames"].as_u64().unwrap();
    let memory = |health: &Value| health["memory_mb"].as_f64().unwrap();
    // Told each half minute: by then everything that is made once has been made.
    let early = station.message("health", |health| frames(health) > 100);
    let late = station.message("health", |health| frames(health) >= FRAMES);
    let (before, after) = (memory(&early), memory(&late));
    assert!(after < before + 16.0, "{before} MB grew to {after} MB");
    // One that was handed out twice would be one too many.
    let between = late["uptime_s"].as_u64().unwrap() - early["uptime_s"].as_u64().unwrap() + 1;
    let seen = frames(&late) - frames(&early);
    assert!(seen <= between * RATE, "{seen} frames in {between} s");
    assert_eq!(late["camera"]["reopened"], 0, "{late}");
    assert_eq!(late["camera"]["faulty_frames"], 0, "{late}");
    station.stop(&mut vm);
    vm.off();
}

#[test]
fn a_field_comes_from_the_device_to_the_broker_once_and_as_analyze_sees_it() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut vm) = Vm::boot(folder) else {
        return;
    };
    load_bridge(&mut vm);
    let picture = field(1);
    let fields = folder.join("fields");
    fs::create_dir(&fields).unwrap();
    fs::write(folder.join("rgb"), picture.as_raw()).unwrap();
    fs::write(fields.join("1.png"), encode_png(&picture).unwrap()).unwrap();
    let expected = analysed(&fields).remove(0);

    feed(&mut vm, "RGB3 640 480 10 100000 rgb");
    let station = Station::start(&mut vm, folder, "", "[image]\nenabled = false");
    let field = station.message("field", |_| true);
    assert_eq!(field["seq"], 1);
    assert!(
        field["source"].as_str().unwrap().contains("Bridge"),
        "{field}"
    );
    agrees(&field, &expected);
    // It stays under the microscope, and is not taken again.
    vm.sh("sleep 5");
    assert_eq!(station.logged("INFO field "), 1, "{}", station.log());
    station.stop(&mut vm);
    vm.off();
}

/// What `analyze --json` says of each image of a folder, in the order of their names.
fn analysed(folder: &Path) -> Vec<Value> {
    let output = edge()
        .arg("analyze")
        .arg(folder)
        .arg("--json")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Holds that two analyses found the same cells and judged them alike; their machines have different processors.
fn agrees(field: &Value, expected: &Value) {
    assert_eq!(field["counts"], expected["counts"]);
    let cells = |analysis: &Value| analysis["cells"].as_array().unwrap().clone();
    let (found, expected) = (cells(field), cells(expected));
    assert!(!expected.is_empty() && found.len() == expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(
            (&found["bbox"], &found["label"]),
            (&expected["bbox"], &expected["label"])
        );
        let p = |cell: &Value| cell["p_parasitized"].as_f64().unwrap();
        assert!(
            (p(found) - p(expected)).abs() < 1e-3,
            "{found} and {expected}"
        );
    }
}
