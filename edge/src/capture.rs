//! `capture`: one frame of a camera into a file.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use smearscope_common::image::{RgbImage, encode_jpeg, encode_png};

use crate::camera::v4l2::{Event, RawFrame, State, V4l2Camera};
use crate::cli::CaptureArgs;
use crate::config::{CameraConfig, Config, Source};
use crate::exit::bad_input;

/// How long a frame is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Frames that are let pass, so that the camera finds its exposure …
const SETTLING: u64 = 8;
/// … but no longer than this.
const SETTLED: Duration = Duration::from_secs(2);
/// Quality of a JPEG.
const QUALITY: u8 = 95;

/// Writes one frame.
///
/// # Errors
/// Bad input, when the file's name or the config can't be used; else when no frame can be had or written.
pub fn run(args: &CaptureArgs) -> anyhow::Result<()> {
    let encode = encoder(&args.out)?;
    let mut camera = V4l2Camera::new(config(args)?);
    let (image, frame) = settled_frame(&mut camera)?;
    let bytes = encode(&image).context("cannot encode the picture")?;
    let path = args.out.display();
    std::fs::write(&args.out, bytes).with_context(|| format!("cannot write {path}"))?;
    let (width, height) = image.dimensions();
    let mode = match &camera.status().state {
        State::Streaming(mode) => format!(", {mode}"),
        State::Opening | State::Lost { .. } => String::new(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{path}: {width}x{height} from {}{mode}, frame {} of {}",
        camera.name(),
        frame.sequence,
        frame.captured_at
    )?;
    out.flush()?;
    Ok(())
}

type Encoder = fn(&RgbImage) -> Result<Vec<u8>, smearscope_common::image::ImageError>;

/// By the ending of the file's name.
fn encoder(path: &Path) -> anyhow::Result<Encoder> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    match ending.to_ascii_lowercase().as_str() {
        "png" => Ok(encode_png),
        "jpg" | "jpeg" => Ok(|image| encode_jpeg(image, QUALITY)),
        _ => Err(bad_input(format!(
            "{} is neither .png nor .jpg: a frame is written as one of these",
            path.display()
        ))),
    }
}

/// The camera of the config, if one is named, with what the command line says instead.
fn config(args: &CaptureArgs) -> anyhow::Result<CameraConfig> {
    let mut config = match &args.config {
        None => CameraConfig::default(),
        Some(path) => match Config::read(path)?.source {
            Source::Camera(camera) => camera,
            Source::Replay(_) | Source::Synthetic(_) => {
                let path = path.display();
                return Err(bad_input(format!(
                    "{path} has no camera: its [source] is of another kind"
                )));
            }
        },
    };
    if let Some(device) = &args.device {
        config.device = device.clone();
    }
    if args.format.is_some() {
        config.format = args.format;
    }
    if let Some((width, height)) = args.size {
        (config.width, config.height) = (Some(width), Some(height));
    }
    Ok(config)
}

/// A frame after the first few, decoded.
fn settled_frame(camera: &mut V4l2Camera) -> anyhow::Result<(RgbImage, RawFrame)> {
    let begun = Instant::now();
    let mut first = None;
    while begun.elapsed() < PATIENCE {
        match camera.newest(Duration::from_millis(500)) {
            Event::Nothing => {}
            // Not even opened: waiting won't help whoever stands at the shell.
            Event::Trouble(trouble) if first.is_none() => anyhow::bail!(trouble),
            Event::Trouble(_) => {}
            Event::Frame(frame) => {
                let first = *first.get_or_insert_with(Instant::now);
                if camera.status().frames <= SETTLING && first.elapsed() < SETTLED {
                    continue;
                }
                match frame.decode() {
                    Ok(image) => return Ok((image, frame)),
                    Err(error) => camera.note_damaged(&error),
                }
            }
        }
    }
    anyhow::bail!(
        "{} gave no sound frame within {} s",
        camera.name(),
        PATIENCE.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(out: &str) -> CaptureArgs {
        CaptureArgs {
            out: out.into(),
            device: None,
            format: None,
            size: None,
            config: None,
        }
    }

    #[test]
    fn the_ending_of_the_name_tells_the_format() {
        let image = RgbImage::new(4, 3);
        let png = encoder(Path::new("a.PNG")).unwrap()(&image).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        let jpeg = encoder(Path::new("a.jpeg")).unwrap()(&image).unwrap();
        assert!(jpeg.starts_with(&[0xFF, 0xD8]));
        for name in ["a", "a.bmp", ".png"] {
            assert!(encoder(Path::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_config() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("station.toml");
        let text = "[device]\nid = \"a\"\n[source]\nkind = \"camera\"\ndevice = \"/dev/video5\"\nfps = 7\n";
        std::fs::write(&path, text).unwrap();
        let mut args = args("a.png");
        args.config = Some(path.clone());
        assert_eq!(config(&args).unwrap().device.to_string(), "/dev/video5");
        args.device = Some("/dev/video6".parse().unwrap());
        args.size = Some((640, 480));
        let merged = config(&args).unwrap();
        assert_eq!(merged.device.to_string(), "/dev/video6");
        assert_eq!((merged.size(), merged.fps), (Some((640, 480)), Some(7.0)));
        std::fs::write(
            &path,
            text.replace("camera", "synthetic")
                .replace("device =", "# ")
                .replace("fps", "seed"),
        )
        .unwrap();
        assert!(
            config(&args)
                .unwrap_err()
                .to_string()
                .contains("another kind")
        );
    }
}
