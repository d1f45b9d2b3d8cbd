//! `[source]`: where fields come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use smearscope_common::synth::SmearSpec;

use crate::camera::FourCc;

/// `[source]`, told apart by its `kind`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `kind = "camera"`
    Camera(CameraConfig),
    /// `kind = "replay"`
    Replay(Replay),
    /// `kind = "synthetic"`
    Synthetic(Box<Synthetic>),
}

impl Source {
    /// The shortest time between two fields.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(match self {
            Self::Camera(camera) => camera.interval_ms,
            Self::Replay(replay) => replay.interval_ms,
            Self::Synthetic(synthetic) => synthetic.interval_ms,
        })
    }
}

/// `[source]` with `kind = "camera"`: a V4L2 camera.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// Which camera: `auto`, a path such as `/dev/video0`, or a name in `/dev/v4l/by-id`. Default: `auto`, the first one
    /// with a usable format.
    pub device: Device,
    /// The pixel format as V4L2 names it, such as `YUYV` or `MJPG`. Default: chosen from what the camera offers.
    pub format: Option<FourCc>,
    /// The width of a frame in pixels; with `height` or not at all. Default: chosen from what the camera offers.
    pub width: Option<u32>,
    /// The height of a frame in pixels; with `width` or not at all.
    pub height: Option<u32>,
    /// Frames for each second; the nearest rate that the camera offers is taken. Default: the highest up to 30.
    pub fps: Option<f64>,
    /// The shortest time between two fields in milliseconds. Default: 0, as fast as they are analysed.
    pub interval_ms: u64,
    /// `[source.controls]`: the camera's controls by name, as `smearscope-edge cameras` and `v4l2-ctl -l` list them. Default: none
    /// is touched.
    pub controls: BTreeMap<String, Setting>,
}

impl CameraConfig {
    /// The wished size.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.width.zip(self.height)
    }

    /// Checks what doesn't show in a type; the error names a key and says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.width.is_some() != self.height.is_some() {
            let key = if self.width.is_some() {
                "width"
            } else {
                "height"
            };
            let why = "a size needs both `width` and `height`".to_owned();
            return Err((key, why));
        }
        if let Some(fps) = self.fps.filter(|fps| !(0.1..=1000.0).contains(fps)) {
            return Err(("fps", format!("`fps` is {fps}, but goes from 0.1 to 1000")));
        }
        Ok(())
    }
}

/// Which camera is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The first one with a usable format.
    #[default]
    Auto,
    /// The one behind a path.
    Path(PathBuf),
    /// The one with this name in `/dev/v4l/by-id`.
    ById(String),
}

/// Where udev links cameras by maker, model and serial number.
pub const BY_ID: &str = "/dev/v4l/by-id";

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err(format!(
                "{text:?} names no camera: write \"auto\", a path such as \"/dev/video0\", or a name in {BY_ID}"
            ));
        }
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let path = Path::new(text);
        match (path.strip_prefix(BY_ID), text.contains('/')) {
            (Ok(name), _) => Ok(Self::ById(name.to_string_lossy().into_owned())),
            (Err(_), false) => Ok(Self::ById(text.to_owned())),
            (Err(_), true) => Ok(Self::Path(path.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Path(path) => path.display().fmt(f),
            Self::ById(name) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// What a control is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A number; of a menu, the number of an item.
    Number(i64),
    /// On or off.
    Switch(bool),
    /// The name of a menu's item.
    Name(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged, whose message names no type.
        struct Any;
        impl de::Visitor<'_> for Any {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, true, false or the name of a menu's item")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Setting, E> {
                Ok(Setting::Number(number))
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Setting, E> {
                Ok(Setting::Switch(on))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Setting, E> {
                Ok(Setting::Name(name.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `[source]` with `kind = "replay"`: the images of a folder, in the order of their names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The folder. No default.
    pub folder: PathBuf,
    /// Whether to begin again after the last image. Default: false, the program ends.
    #[serde(default)]
    pub repeat: bool,
    /// The shortest time between two fields in milliseconds. Default: 0, as fast as they are
    /// analysed.
    #[serde(default)]
    pub interval_ms: u64,
}

/// `[source]` with `kind = "synthetic"`: drawn fields. A test instrument, never blood.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthetic {
    /// The seed of the first field; the next ones count up. Default: 1.
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// The shortest time between two fields in milliseconds. Default: 1000.
    #[serde(default = "a_second")]
    pub interval_ms: u64,
    /// What the fields look like. Default: a field of 1280 × 960 pixels with 120 cells.
    #[serde(default)]
    pub smear: SmearSpec,
}

fn first_seed() -> u64 {
    1
}

fn a_second() -> u64 {
    1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(rest: &str) -> Result<CameraConfig, String> {
        let config: CameraConfig = toml::from_str(rest).map_err(|e| e.message().to_owned())?;
        config
            .check()
            .map_err(|(key, why)| format!("{key}: {why}"))?;
        Ok(config)
    }

    #[test]
    fn a_camera_needs_nothing_and_takes_all() {
        let nothing = camera("").unwrap();
        assert_eq!((nothing.device, nothing.format), (Device::Auto, None));
        let all = camera(
            "device = \"usb-Acme_X-video-index0\"\nformat = \"mjpg\"\nwidth = 1280\n\
             height = 720\nfps = 10\n[controls]\nexposure_time_absolute = 156\nfocus_auto = false\n\
             power_line_frequency = \"50 Hz\"\n",
        )
        .unwrap();
        assert_eq!(all.device, Device::ById("usb-Acme_X-video-index0".into()));
        assert_eq!(all.size(), Some((1280, 720)));
        assert_eq!(all.format.unwrap().to_string(), "MJPG");
        let controls: Vec<_> = all.controls.values().cloned().collect();
        assert_eq!(
            controls,
            [
                Setting::Number(156),
                Setting::Switch(false),
                Setting::Name("50 Hz".into())
            ]
        );
    }

    #[test]
    fn a_device_is_auto_a_path_or_a_name() {
        let read = |text: &str| text.parse::<Device>();
        assert_eq!(read("auto"), Ok(Device::Auto));
        assert_eq!(read("/dev/video2"), Ok(Device::Path("/dev/video2".into())));
        assert_eq!(read("/dev/v4l/by-id/a-b"), Ok(Device::ById("a-b".into())));
        assert_eq!(read("a-b"), Ok(Device::ById("a-b".into())));
        assert!(read("").is_err() && read("/dev/vi\0deo0").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, word) in [
            ("width = 640", "height"),
            ("height = 480", "width"),
            ("fps = 0", "fps"),
            ("fps = nan", "fps"),
            ("format = \"YUYV422\"", "YUYV422"),
            ("device = \"\"", "camera"),
            ("exposure = 3", "exposure"),
            ("[controls]\ngain = 1.5", "whole number"),
        ] {
            let error = camera(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
