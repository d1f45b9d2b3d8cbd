//! Makes the seeds of the fuzz targets, `fuzz/seeds`: small, drawn by us, nobody's data.
//!
//! ```text
//! cargo run --release -p smearscope-common --features engine --example fuzz_seeds
//! ```
//!
//! How bytes become pictures and cells stands in `fuzz/src/picture.rs` and `fuzz/src/crop.rs`.

use std::error::Error;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgba};
use smearscope_common::image::{RgbImage, encode_jpeg};
use smearscope_common::synth::{SmearSpec, smear};

#[cfg(feature = "engine")]
#[path = "../tests/densenet/mod.rs"]
mod densenet;

const GLASS: [u8; 3] = [225, 210, 220];
const CELL: [u8; 3] = [175, 110, 130];
const NUCLEUS: [u8; 3] = [80, 40, 120];
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

// The kinds of strokes.
const DISC: u8 = 0;
const PALE_CELL: u8 = 1;
const RECTANGLE: u8 = 2;
const DISCS: u8 = 3;
const CHECKS: u8 = 4;
const GRAIN: u8 = 5;
const LIGHT: u8 = 6;
const PIXELS: u8 = 7;

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (target, seeds) in [
        ("segment", pictures()),
        ("crop", cells()),
        ("decode", files()?),
        ("labels", labels()),
        ("command", commands()),
        ("config", configs()),
        ("store", stores()),
        #[cfg(feature = "engine")]
        ("model", models()),
    ] {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            println!("{target}/{name}: {} bytes", bytes.len());
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

/// Networks of three layers in two blocks, written in both ways, and one that is damaged.
#[cfg(feature = "engine")]
fn models() -> Seeds {
    use densenet::{Net, Style};
    let net = |style| Net {
        growth: 2,
        stem: 3,
        blocks: vec![2, 1],
        ..Net::small(32, style)
    };
    let (nested, flat) = (net(Style::Nested).onnx(1), net(Style::Flat).onnx(2));
    let half = nested[..nested.len() / 2].to_vec();
    vec![("nested", nested), ("flat", flat), ("half", half)]
}

/// A length of at most 255 << 8 pixels, rounded down to what two bytes can say.
fn length(pixels: u32) -> [u8; 2] {
    let shift = (0..9).find(|shift| pixels >> shift <= 255).unwrap_or(8);
    [(pixels >> shift).min(255) as u8, shift as u8]
}

/// A ground without strokes.
fn ground(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    [&length(width)[..], &length(height), &colour].concat()
}

/// A disc or a cell at a place in parts of 255.
fn disc(kind: u8, [x, y]: [u8; 2], radius: u32, colour: [u8; 3]) -> Vec<u8> {
    [&[kind, x, y][..], &length(radius), &colour].concat()
}

/// Discs all over: how far apart, their radius and the shift of each row in parts of 255 of that.
fn discs(pitch: u32, radius: u8, shift: u8, colour: [u8; 3]) -> Vec<u8> {
    [&[DISCS][..], &length(pitch), &[radius, shift], &colour].concat()
}

fn checks(across: u32, down: u32, colour: [u8; 3]) -> Vec<u8> {
    [&[CHECKS][..], &length(across), &length(down), &colour].concat()
}

fn pictures() -> Seeds {
    let field = ground(240, 180, GLASS);
    let cell = |at, radius| disc(PALE_CELL, at, radius, CELL);
    vec![
        ("nothing", Vec::new()),
        ("one-pixel", ground(1, 1, BLACK)),
        (
            "one-row",
            [ground(60_000, 1, GLASS), checks(12, 0, CELL)].concat(),
        ),
        (
            "one-column",
            [ground(1, 60_000, GLASS), checks(0, 12, CELL)].concat(),
        ),
        ("black", ground(160, 120, BLACK)),
        ("white", ground(160, 120, WHITE)),
        ("grain", [field.clone(), vec![GRAIN, 60, 1]].concat()),
        ("one-cell", [field.clone(), cell([128, 128], 20)].concat()),
        (
            "giant-blob",
            [field.clone(), disc(DISC, [128, 128], 80, CELL)].concat(),
        ),
        (
            "cells",
            [
                field.clone(),
                cell([30, 40], 20),
                cell([128, 60], 19),
                cell([200, 200], 21),
                cell([90, 190], 20),
                cell([115, 180], 20),
                disc(DISC, [200, 60], 30, CELL),
                disc(DISC, [200, 60], 20, NUCLEUS),
                disc(DISC, [60, 110], 4, NUCLEUS),
                cell([0, 128], 20),
                vec![GRAIN, 6, 3],
                vec![LIGHT, 100, 100, 180],
            ]
            .concat(),
        ),
        (
            "cells-touching",
            [field.clone(), discs(36, 130, 128, CELL)].concat(),
        ),
        (
            "cells-small",
            [ground(736, 728, GLASS), discs(24, 90, 128, CELL)].concat(),
        ),
        (
            "cells-reduced",
            [
                ground(744, 724, GLASS),
                discs(90, 100, 100, CELL),
                vec![GRAIN, 8, 9],
            ]
            .concat(),
        ),
        (
            "specks",
            [ground(320, 240, GLASS), discs(6, 60, 0, NUCLEUS)].concat(),
        ),
        (
            "checkerboard",
            [ground(255, 200, WHITE), checks(1, 1, BLACK)].concat(),
        ),
        (
            "rings",
            [
                field.clone(),
                disc(DISC, [128, 128], 80, CELL),
                disc(DISC, [128, 128], 70, GLASS),
                disc(DISC, [128, 128], 50, CELL),
                disc(DISC, [128, 128], 40, GLASS),
                disc(DISC, [128, 128], 20, CELL),
            ]
            .concat(),
        ),
        (
            "scale-bar",
            [
                field,
                cell([40, 40], 20),
                cell([200, 90], 20),
                vec![RECTANGLE, 150, 230, 240, 238, 0, 0, 0],
            ]
            .concat(),
        ),
        (
            "pixels",
            [
                ground(16, 12, GLASS),
                vec![PIXELS, 7, 0, 255, 20, 240, 128, 1, 254, 90],
            ]
            .concat(),
        ),
    ]
}

/// A cell: its box, the input, its mask's bits, its picture.
fn cell(bbox: [u32; 4], input: [u8; 7], bits: &[u8], picture: &[u8]) -> Vec<u8> {
    let [x, y, w, h] = bbox;
    [
        &x.to_be_bytes()[..],
        &y.to_be_bytes(),
        &length(w),
        &length(h),
        &input,
        &[bits.len() as u8],
        bits,
        picture,
    ]
    .concat()
}

fn cells() -> Seeds {
    let picture = [ground(64, 48, GLASS), vec![GRAIN, 200, 5]].concat();
    let input = [32, 128, 128, 128, 64, 64, 64];
    vec![
        ("inside", cell([10, 8, 20, 24], input, &[], &picture)),
        (
            "over-the-edge",
            cell([50, 40, 40, 40], input, &[0x3C, 0xFF], &picture),
        ),
        (
            "far-outside",
            cell([u32::MAX - 4, u32::MAX - 4, 9, 9], input, &[], &picture),
        ),
        ("no-pixels", cell([4, 4, 0, 7], input, &[], &picture)),
        ("empty-mask", cell([4, 4, 30, 30], input, &[0], &picture)),
        ("a-line", cell([0, 0, 60_000, 1], input, &[], &picture)),
        (
            "steep",
            cell([1, 1, 3, 40], [96, 0, 255, 0, 0, 0, 0], &[0xA5], &picture),
        ),
    ]
}

fn files() -> Result<Seeds, Box<dyn Error>> {
    let spec = SmearSpec {
        width: 20,
        height: 14,
        cells: 2,
        cell_diameter: 9.0,
        ..SmearSpec::default()
    };
    let rgb = smear(&spec, 1).image;
    let as_format = |image: &DynamicImage, format| -> Result<Vec<u8>, Box<dyn Error>> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format)?;
        Ok(bytes.into_inner())
    };
    let small: DynamicImage = image::imageops::crop_imm(&rgb, 0, 0, 9, 5)
        .to_image()
        .into();
    let jpeg = encode_jpeg(&RgbImage::from_pixel(9, 5, *rgb.get_pixel(3, 3)), 50)?;
    let deep = ImageBuffer::from_fn(7, 3, |x, y| Luma([(x * 9000 + y * 70) as u16]));
    let clear = ImageBuffer::from_fn(5, 4, |x, y| Rgba([x as u8 * 50, y as u8 * 60, 9, 128]));
    Ok(vec![
        ("small.png", as_format(&small, ImageFormat::Png)?),
        ("gray16.png", as_format(&deep.into(), ImageFormat::Png)?),
        (
            "alpha.png",
            as_format(&DynamicImage::from(clear), ImageFormat::Png)?,
        ),
        ("small.bmp", as_format(&small, ImageFormat::Bmp)?),
        ("small.tiff", as_format(&small, ImageFormat::Tiff)?),
        ("small.webp", as_format(&small, ImageFormat::WebP)?),
        ("broken-off.jpg", jpeg[..jpeg.len() - 10].to_vec()),
        ("small.jpg", jpeg),
    ])
}

/// A field of 640 × 480 pixels as Pascal VOC.
const VOC: &str = "<annotation><size><width>640</width><height>480</height></size>
<object><name>RBC</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>20</ymin><xmax>90</xmax><ymax>110</ymax></bndbox></object>
<object><name>WBC</name>
<bndbox><xmin>300</xmin><ymin>200</ymin><xmax>480</xmax><ymax>390</ymax></bndbox></object>
</annotation>
";

fn labels() -> Seeds {
    let text = |text: &str| [&length(640)[..], &length(480), text.as_bytes()].concat();
    vec![
        ("none", text("")),
        ("two", text("0 0.5 0.5 0.1 0.2\n1 0.25 0.75 0.05 0.05\n")),
        ("windows", text("0 0.5 0.5 0.1 0.2\r\n\r\n5 0 0 0 0\r\n")),
        (
            "at-the-edge",
            text("4 0.995 0.005 0.01 0.01\n2 0.5 0.5 1 1"),
        ),
        ("odd-numbers", text("3 1e-3 5E-1 +0.1 .1\n0 NaN 0 0 0\n")),
        ("centres", text("12 34 0\n639 479 11\n")),
        ("centre-outside", text("12 34 0\n640 0 1\n")),
        ("voc", text(VOC)),
        (
            "voc-of-another-size",
            [&length(64)[..], &length(48), VOC.as_bytes()].concat(),
        ),
        ("voc-broken-off", text(&VOC[..VOC.len() / 2])),
        (
            "not-text",
            [&length(64)[..], &length(64), &[0xFF, 0xFE, b'\n', 0]].concat(),
        ),
    ]
}

fn commands() -> Seeds {
    [
        ("ping", r#"{"request_id":"1","command":"ping"}"#),
        (
            "start",
            r#"{"schema":"smearscope.command/1","request_id":"a-1","command":"slide.start","args":{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}}"#,
        ),
        ("stop", r#"{"request_id":"b","command":"slide.stop","args":{}}"#),
        (
            "resend",
            r#"{"request_id":"c","command":"results.resend","args":{"from":1,"to":18446744073709551615,"series":null}}"#,
        ),
        ("once", r#"{"request_id":"~!","command":"capture.once","args":null}"#),
        ("picture", r#" { "command" : "image.get" , "request_id" : "d" } "#),
        (
            "list",
            r#"{"request_id":"c","command":"cells.list","args":{"slide":"A-17","decided":false,"reason":"random","after":"01938b3e-7c10-7b12-9c23-4d5e6f708301","limit":200}}"#,
        ),
        (
            "cells",
            r#"{"request_id":"c","command":"cells.get","args":{"ids":["01938b3e-7c10-7b12-9c23-4d5e6f708301"]}}"#,
        ),
        (
            "review",
            r#"{"request_id":"c","command":"cells.review","args":{"id":"01938b3e-7c10-7b12-9c23-4d5e6f708301","verdict":null,"by":"É. O"}}"#,
        ),
        (
            "note",
            r#"{"request_id":"c","command":"slide.note","args":{"text":"a\nb"}}"#,
        ),
        ("no-such", r#"{"request_id":"e","command":"reboot","args":[1e400,-0.0]}"#),
        ("key-of-two-lines", "{\"request_id\":\"f\",\"command\":\"ping\",\"a\\nb\":0}"),
        ("another-version", r#"{"schema":"smearscope.command/2","request_id":"g","command":"ping"}"#),
        ("deep", r#"{"request_id":"h","command":"ping","args":{"a":[[[[[[{"b":[0.1,1e-7]}]]]]]]}}"#),
        ("broken-off", r#"{"request_id":"i","comm"#),
        ("array", r#"[null,"j","ping",{}]"#),
    ]
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .into()
}

fn configs() -> Seeds {
    const REPLAY: &str =
        "[device]\nid = \"lab-1\"\n[source]\nkind = \"replay\"\nfolder = \"frames\"\n";
    const CAMERA: &str = "[device]\nid = \"lab-1\"\n[source]\nkind = \"camera\"\ndevice = \"usb-Acme_X-video-index0\"\n\
        format = \"MJPG\"\nwidth = 1280\nheight = 960\nfps = 7.5\n[source.controls]\nfocus_absolute = 40\n\
        auto_exposure = \"manual mode\"\ngain_automatic = false\n[gate]\nmin_focus = 12.5\ncell_diameter = 70.0\n\
        remembered = 8\n";
    const FULL: &str = "repeat = true\ninterval_ms = 250\n[mqtt]\nhost = \"broker.lab\"\nport = 8883\n\
        username = \"board\"\npassword_file = \"secret\"\n[model]\npath = \"m.onnx\"\nworkers = 2\n\
        [slide]\ncells_needed = 500\nauto_start = false\n[store]\npath = \"r.sqlite\"\nmax_mb = 64\n\
        keep_days = 1\nmax_wait_days = 30\n[image]\nenabled = false\ninterval_ms = 5000\nquality = 60\n";
    const ENVIRONMENT: &str = "SMEARSCOPE_DEVICE_ID=17\nSMEARSCOPE_MQTT_PORT=1884\nSMEARSCOPE_SOURCE_KIND=camera\n\
        SMEARSCOPE_SOURCE_CONTROLS__GAIN=3\nSMEARSCOPE_SOURCE_CONTROLS={ sharpness = 2 }\nSMEARSCOPE_MQQT_HOST=a\n\
        SMEARSCOPE_GATE_MIN_FOCUS=12.5\nSMEARSCOPE_SLIDE_SITE_VALIDATION=\"ward 3\"\n";
    let text = |text: &str| text.as_bytes().to_vec();
    let small = |rest: &str| {
        text(&format!(
            "[device]\nid = \"a\"\n[source]\nkind = \"synthetic\"\n{rest}"
        ))
    };
    vec![
        ("example", text(include_str!("../../systemd/edge.toml"))),
        ("full", text(&format!("{REPLAY}{FULL}"))),
        (
            "smear",
            small("seed = 3\n[source.smear]\nwidth = 640\nnoise = 1e9\nblur = nan\n"),
        ),
        ("wrong-host", small("[mqtt]\nhost = \"a b\"\n")),
        ("wrong-port", small("[mqtt]\nport = 0\n")),
        (
            "inline",
            text(
                "device = { id = \"a\" }\nsource = { kind = \"replay\", folder = '''f''' }\n\
                 image = { quality = 0x32 }\nmqtt.port = 0x75B\n",
            ),
        ),
        (
            "windows",
            text(
                "[device]\r\nid = \"a\"\r\n[source]\r\nkind = \"synthetic\"\r\n[mqtt]\r\nhost = \"::1\"\r\n",
            ),
        ),
        ("key-of-two-lines", small("[image]\n\"a\\nb\" = 1\n")),
        ("small-store", small("[store]\nmax_mb = 15\n")),
        ("camera", text(CAMERA)),
        // Lines at the beginning are variables of the environment.
        ("environment", text(&format!("{ENVIRONMENT}{REPLAY}"))),
        (
            "environment-only",
            text("SMEARSCOPE_DEVICE_ID=a\nSMEARSCOPE_SOURCE_KIND=synthetic\n"),
        ),
        (
            "environment-wrong",
            [&text("SMEARSCOPE_MQTT_HOTS=a\n")[..], &small("")].concat(),
        ),
        ("nothing", Vec::new()),
    ]
}

/// What is done to a store; how it is written stands in `edge/src/fuzz/store.rs`.
fn stores() -> Seeds {
    let [id, kind, seq, acknowledged, crc, bytes, payload, n] =
        [0, 1, 3, 5, 6, 7, 8, 9].map(|i| 1 << i);
    // A message with a payload of 30 bytes, of which these columns are others, each given then.
    let message =
        |columns: u16, values: &[u8]| [&[0, 30][..], &columns.to_le_bytes(), values].concat();
    let sound = message(0, &[]);
    let rows = |changes: &[Vec<u8>]| [vec![0, 0], changes.concat()].concat();
    let files = |changes: &[&[u8]]| [vec![0, 3], changes.concat()].concat();
    let no_log: &[u8] = &[3, 0, 0, 0];
    vec![
        ("sound", rows(&[])),
        ("more", rows(&[sound.clone(), sound.clone()])),
        (
            "no-room",
            [vec![7, 0], sound.clone(), sound.clone()].concat(),
        ),
        (
            "id-of-four-bytes",
            rows(&[message(id, &[11, 4, 1, 2, 3, 4]), sound.clone()]),
        ),
        ("no-such-kind", rows(&[message(kind, &[1, 9])])),
        ("number-that-comes-next", rows(&[message(seq, &[1, 41])])),
        ("number-below-zero", rows(&[message(seq, &[1, 0xFB])])),
        (
            "text-for-a-time",
            rows(&[message(acknowledged, &[7, 3, b'a', b'b', b'c'])]),
        ),
        (
            "wrong-checksums",
            rows(&[vec![message(crc, &[1, 5]); 7], vec![sound.clone()]].concat()),
        ),
        (
            "lengths-below-zero",
            rows(&[message(bytes, &[1, 0x80]), message(bytes, &[3, 0])]),
        ),
        (
            "lengths-too-large",
            rows(&[message(bytes, &[2, 0]), message(bytes, &[2, 1])]),
        ),
        (
            "payload-of-text",
            rows(&[message(payload, &[7, 2, b'{', b'}'])]),
        ),
        (
            "rows-at-the-ends",
            rows(&[message(n, &[3, 0]), message(n, &[2, 0])]),
        ),
        ("slide-of-text", rows(&[vec![5, 0x18, 0, 7, 1, b'x', 1, 3]])),
        (
            "slide-too-large",
            rows(&[vec![5, 0x38, 0, 2, 0, 2, 0, 2, 0]]),
        ),
        ("more-parasites-than-cells", rows(&[vec![5, 0x20, 0, 2, 9]])),
        ("answer-of-a-number", rows(&[vec![6, 4, 0, 1, 1]])),
        ("last-answer", rows(&[vec![6, 1, 0, 2, 0]])),
        ("series-of-text", rows(&[vec![7, 0, 7, 1, b'x']])),
        ("last-number-at-the-end", rows(&[vec![7, 1, 2, 0]])),
        (
            "drops-below-zero",
            rows(&[vec![7, 2, 1, 0xFF], vec![7, 4, 2, 0], message(crc, &[1, 5])]),
        ),
        (
            "texts-among-messages",
            rows(&[
                message(seq, &[7, 1, b'x']),
                sound.clone(),
                message(acknowledged, &[7, 1, b'x']),
                vec![8, 0],
            ]),
        ),
        ("no-series", rows(&[vec![8, 0]])),
        ("no-last-number", rows(&[vec![8, 1]])),
        ("sequence-at-the-end", rows(&[vec![9, 2, 0]])),
        ("version-0", rows(&[vec![10, 0]])),
        ("version-99", rows(&[vec![10, 99]])),
        ("no-messages", rows(&[vec![11, 0]])),
        ("no-slides", rows(&[vec![11, 1]])),
        ("no-meta", rows(&[vec![11, 3]])),
        ("no-index", rows(&[vec![11, 4], vec![11, 6]])),
        ("other-column", rows(&[vec![11, 9]])),
        ("no-suspects", rows(&[vec![11, 11]])),
        ("no-reports", rows(&[vec![11, 12]])),
        (
            "suspect-of-texts",
            rows(&[
                vec![12, 0, 0],
                vec![12, 0x04, 0, 7, 1, b'x'],
                vec![12, 0x28, 0, 6, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F, 2, 0],
            ]),
        ),
        (
            "report-of-another",
            rows(&[
                vec![13, 0, 0],
                vec![13, 0x02, 0, 7, 1, b'x'],
                vec![13, 0x08, 0, 10, 9],
            ]),
        ),
        (
            "flipped",
            files(&[&[0, 0x34, 0x52, 0, 3], &[0, 0x10, 0x91, 0, 7]]),
        ),
        ("flipped-log", files(&[&[1, 0x40, 0x03, 0, 1]])),
        ("cut-off", files(&[&[2, 0x00, 0x60, 0]])),
        ("no-log", files(&[no_log])),
        ("empty", files(&[&[2, 0, 0, 0], no_log])),
        (
            "filled",
            files(&[&[4, 0x00, 0x40, 0, 0x00, 0x10, 0xA5], no_log]),
        ),
        ("other-tables", files(&[&[6, 0x90, 0x0F, 0, 0x65], no_log])),
        ("other-header", files(&[&[8, 0x1F, 0, 0, 0xFF], no_log])),
        (
            "page-in-another-s-place",
            files(&[&[10, 0, 0x30, 0, 0, 0x50], no_log]),
        ),
        // Found by chance: an index of what is pending that hides some of it until the file is set aside.
        (
            "index-of-pending",
            vec![
                0x00, 0x03, 0x04, 0x40, 0x40, 0x00, 0xF2, 0x1D, 0x00, 0x03, 0x04, 0x40, 0x40, 0x00,
                0xF2, 0x1D, 0x00, 0x10, 0xA5, 0x03, 0x32, 0x00, 0x00, 0x53, 0xB0, 0x81,
            ],
        ),
        // Found by chance: an index of answers in which none is found again.
        (
            "index-of-answers",
            vec![
                0x00, 0x03, 0x49, 0x1B, 0xAD, 0xB7, 0x33, 0x4E, 0x06, 0x90, 0x30, 0xFE, 0x00, 0x50,
            ],
        ),
        // Found by chance: more was pending than there were rows.
        (
            "index-of-more-than-there-is",
            vec![
                0x00, 0x03, 0x65, 0x40, 0x40, 0x00, 0xF2, 0x1D, 0x00, 0x03, 0x04, 0x40, 0x40, 0x00,
                0x40, 0xB2, 0x77, 0xCF, 0x40, 0x80, 0xF2, 0x1D, 0x00, 0xFE, 0x04, 0x40, 0x40, 0x00,
            ],
        ),
        // Found by chance: `health` counted one message more than were handed out.
        (
            "one-flipped-bit",
            files(&[
                &[0x06, 0x90, 0x30, 0xFE, 0x00],
                &[0x50, 0x03, 0xE2, 0x00, 0x00],
            ]),
        ),
    ]
}
