//! The cameras of this machine, and which of them is the one that is meant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Mode;
use super::controls::{Control, Knobs};
use super::negotiate::{Offer, OfferedSize, choose};
use super::sys::{Capabilities, Node};
use crate::camera::{FourCc, PixelFormat};
use crate::config::{BY_ID, CameraConfig, CameraDevice};

/// Where the kernel describes video nodes.
const CLASS: &str = "/sys/class/video4linux";

/// What stays the same of a camera when its number changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// What the camera calls itself.
    pub card: String,
    /// The place where it is plugged in.
    pub bus: String,
    /// Its serial number, where the kernel knows one. Cheap cameras share theirs.
    pub serial: Option<String>,
    /// Which one of the nodes of the same camera it is.
    pub index: u32,
}

/// A video node that captures.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The node.
    pub path: PathBuf,
    /// Its name in `/dev/v4l/by-id`.
    pub by_id: Option<String>,
    /// The driver.
    pub driver: String,
    /// What it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// Why it can't be used at all.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl Found {
    /// The name to tell people: what they can write into a config.
    pub fn name(&self) -> String {
        match &self.by_id {
            Some(name) => name.clone(),
            None if self.identity.card.is_empty() => self.path.display().to_string(),
            None => self.identity.card.clone(),
        }
    }
}

/// The names of all video nodes, without opening one.
pub fn nodes() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| number(name).is_some())
        .collect();
    names.sort_by_key(|name| number(name));
    names
}

/// The number of a video node's name.
fn number(name: &str) -> Option<u32> {
    name.strip_prefix("video")?.parse().ok()
}

/// All cameras, in the order in which `auto` looks at them: those with a name in `/dev/v4l/by-id` by that name, then the
/// others by number. Nodes that capture nothing (a camera's metadata, encoders) are left out.
pub fn cameras() -> Vec<Found> {
    let links = links(Path::new(BY_ID));
    let mut found: Vec<_> = nodes()
        .iter()
        .filter_map(|name| look(&Path::new("/dev").join(name), &links))
        .collect();
    // Stable: the rest stays in the order of numbers.
    found.sort_by_key(|camera| (camera.by_id.is_none(), camera.by_id.clone()));
    found
}

/// Each node that udev has named, with its name.
fn links(folder: &Path) -> BTreeMap<PathBuf, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| {
        let node = entry.path().canonicalize().ok()?;
        Some((node, entry.file_name().into_string().ok()?))
    });
    links.collect()
}

/// Looks at one node; `None` when it captures nothing.
fn look(path: &Path, links: &BTreeMap<PathBuf, String>) -> Option<Found> {
    let of = |capabilities: Option<Capabilities>, problem| {
        let name = path.file_name().unwrap_or_default();
        let about = Path::new(CLASS).join(name);
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(file).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let (driver, card, bus) = match capabilities {
            Some(c) => (c.driver, c.card, c.bus),
            None => Default::default(),
        };
        let device = about.join("device").canonicalize().ok();
        // A USB camera's node belongs to an interface of the device that has the number.
        let serial = device.and_then(|device| {
            let up = device.parent().map(|parent| parent.join("serial"));
            read(device.join("serial")).or_else(|| read(up?))
        });
        Found {
            path: path.to_owned(),
            by_id: links.get(path).cloned(),
            driver,
            identity: Identity {
                card: if card.is_empty() {
                    read(about.join("name")).unwrap_or_default()
                } else {
                    card
                },
                bus,
                serial,
                index: read(about.join("index"))
                    .and_then(|index| index.parse().ok())
                    .unwrap_or_default(),
            },
            problem,
        }
    };
    match Node::open(path).and_then(|node| node.capabilities()) {
        Ok(capabilities) if capabilities.is_camera() => Some(of(Some(capabilities), None)),
        Ok(capabilities) if capabilities.is_multi_planar() => {
            let why = "it captures in several planes only, as CSI cameras do: use it through a v4l2loopback bridge";
            Some(of(Some(capabilities), Some(why.to_owned())))
        }
        Ok(_) => None,
        // It vanished while we looked.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(of(None, Some(super::trouble::words(&error)))),
    }
}

/// What a camera offers; of a grid of sizes also the wished one.
pub(super) fn offers(node: &Node, wish: Option<(u32, u32)>) -> Vec<Offer> {
    let offer = |(format, description): (FourCc, String)| {
        let is_usable = PixelFormat::of(format).is_some();
        let candidates = node.sizes(format).candidates(wish).into_iter();
        let sizes = candidates.map(|(width, height)| OfferedSize {
            width,
            height,
            intervals: node.intervals(format, (width, height)),
        });
        Offer {
            format,
            description,
            is_usable,
            // Of what can't be used nobody needs to know more, and some drivers list very much.
            sizes: if is_usable {
                sizes.collect()
            } else {
                Vec::new()
            },
        }
    };
    node.formats().into_iter().map(offer).collect()
}

/// All there is to know of a camera.
#[derive(Debug, Serialize)]
pub struct Description {
    /// Which one it is.
    #[serde(flatten)]
    pub found: Found,
    /// Its formats.
    pub offers: Vec<Offer>,
    /// What would be used of it.
    pub choice: Option<Mode>,
    /// Why it can't be used.
    pub problem: Option<String>,
    /// Its controls.
    pub controls: Vec<Control>,
}

/// Asks a camera for all it has; `wish` is what a config would ask of it.
pub fn describe(found: Found, wish: &CameraConfig) -> Description {
    let node = match (&found.problem, Node::open(&found.path)) {
        (None, Ok(node)) => node,
        (problem, opened) => {
            let why = opened.err().map(|error| super::trouble::words(&error));
            return Description {
                problem: problem.clone().or(why),
                found,
                offers: Vec::new(),
                choice: None,
                controls: Vec::new(),
            };
        }
    };
    let offers = offers(&node, wish.size());
    let choices = choose(&offers, wish);
    Description {
        found,
        controls: node.list(),
        problem: choices.as_ref().err().cloned(),
        choice: choices.ok().map(|choices| choices[0].mode()),
        offers,
    }
}

/// The camera that a config gets now, and how it would send, as far as that can be told without starting it.
///
/// # Errors
/// A sentence that says why there is none.
pub fn expected(wish: &CameraConfig) -> Result<(Found, Mode), String> {
    let mut passed_over = Vec::new();
    for found in candidates(&wish.device, None, &cameras())? {
        let Description {
            found,
            choice,
            problem,
            ..
        } = describe(found, wish);
        match choice {
            Some(mode) => return Ok((found, mode)),
            None => passed_over.push(format!(
                "{} ({}) can't be used: {}",
                found.name(),
                found.path.display(),
                problem.unwrap_or_default()
            )),
        }
    }
    Err(passed_over.join("; "))
}

/// A camera that was used and is to be found again.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it was.
    pub identity: Identity,
    /// Where other cameras were plugged in when it was lost: they are not it.
    pub others: Vec<String>,
}

/// The cameras to try, best first.
///
/// # Errors
/// A sentence that says why there is none, and what there is.
pub(super) fn candidates(
    device: &CameraDevice,
    known: Option<&Known>,
    found: &[Found],
) -> Result<Vec<Found>, String> {
    let named = |path: &Path| {
        let node = path.canonicalize().ok()?;
        found.iter().find(|camera| camera.path == node).cloned()
    };
    // A link is somebody's word for which camera is meant; a number is the kernel's, and changes.
    let linked = match device {
        CameraDevice::ById(name) => Some(Path::new(BY_ID).join(name)),
        CameraDevice::Path(path) if path.is_symlink() => Some(path.clone()),
        CameraDevice::Auto | CameraDevice::Path(_) => None,
    };
    if let Some(known) = known {
        let again = same(known, found)
            .cloned()
            .or_else(|| linked.as_deref().and_then(named));
        return again
            .map(|camera| vec![camera])
            .ok_or_else(|| gone(known, found));
    }
    match (device, linked) {
        (CameraDevice::Auto, _) if found.is_empty() => {
            Err("no camera is plugged in (there is no /dev/video* that captures)".to_owned())
        }
        (CameraDevice::Auto, _) => Ok(found.to_vec()),
        (CameraDevice::Path(path), None) => {
            named(path).map(|camera| vec![camera]).ok_or_else(|| {
                format!(
                    "there is no camera at {}; {}",
                    path.display(),
                    there_are(found)
                )
            })
        }
        (_, link) => {
            let link = link.unwrap_or_default();
            named(&link).map(|camera| vec![camera]).ok_or_else(|| {
                format!(
                    "there is no camera {}; {}",
                    link.display(),
                    there_are(found)
                )
            })
        }
    }
}

/// The same camera: at the same place, else one that was not there before and says the same of itself.
fn same<'a>(known: &Known, found: &'a [Found]) -> Option<&'a Found> {
    let moved = |camera: &&Found| {
        let now = &camera.identity;
        let then = &known.identity;
        (&now.card, &now.serial, now.index) == (&then.card, &then.serial, then.index)
            && !known.others.contains(&now.bus)
    };
    let stayed = found
        .iter()
        .find(|camera| camera.identity == known.identity);
    stayed.or_else(|| found.iter().find(moved))
}

fn gone(known: &Known, found: &[Found]) -> String {
    let card = &known.identity.card;
    if found.is_empty() {
        return format!("the camera {card} is unplugged");
    }
    format!(
        "the camera {card} is unplugged, and another one is not taken for it; {} (restart to use it)",
        there_are(found)
    )
}

fn there_are(found: &[Found]) -> String {
    if found.is_empty() {
        return "no camera is plugged in".to_owned();
    }
    let names = found
        .iter()
        .map(|camera| format!("{} at {}", camera.name(), camera.path.display()));
    format!("there is {}", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(number: u32, card: &str, bus: &str, serial: Option<&str>) -> Found {
        Found {
            path: format!("/dev/video{number}").into(),
            by_id: None,
            driver: "uvcvideo".into(),
            identity: Identity {
                card: card.into(),
                bus: bus.into(),
                serial: serial.map(str::to_owned),
                index: 0,
            },
            problem: None,
        }
    }

    fn again(known: &Found, others: &[&str], found: &[Found]) -> Result<PathBuf, String> {
        let known = Known {
            identity: known.identity.clone(),
            others: others.iter().map(|&bus| bus.to_owned()).collect(),
        };
        candidates(&CameraDevice::Auto, Some(&known), found).map(|found| found[0].path.clone())
    }

    #[test]
    fn a_camera_is_found_again_under_another_number() {
        let was = camera(0, "Scope", "usb-1.1", None);
        let other = camera(0, "Scope", "usb-1.2", None);
        let now = camera(3, "Scope", "usb-1.1", None);
        assert_eq!(
            again(&was, &["usb-1.2"], &[other, now]),
            Ok("/dev/video3".into())
        );
    }

    #[test]
    fn a_camera_in_another_socket_is_found_but_its_twin_is_not_taken_for_it() {
        let was = camera(0, "Scope", "usb-1.1", None);
        let twin = camera(2, "Scope", "usb-1.2", None);
        let moved = camera(4, "Scope", "usb-1.3", None);
        let error = again(&was, &["usb-1.2"], std::slice::from_ref(&twin)).unwrap_err();
        assert!(
            error.contains("unplugged") && error.contains("/dev/video2"),
            "{error}"
        );
        assert_eq!(
            again(&was, &["usb-1.2"], &[twin, moved]),
            Ok("/dev/video4".into())
        );
        let spare = camera(0, "Scope", "usb-1.3", Some("7"));
        assert!(again(&was, &[], &[spare]).is_err(), "another serial number");
        assert!(
            again(&was, &[], &[])
                .unwrap_err()
                .contains("Scope is unplugged")
        );
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let found = [camera(1, "Scope", "usb-1", None)];
        let none = candidates(&"/dev/video77".parse().unwrap(), None, &found).unwrap_err();
        assert!(
            none.contains("/dev/video77") && none.contains("Scope at /dev/video1"),
            "{none}"
        );
        let none = candidates(&"usb-x".parse().unwrap(), None, &[]).unwrap_err();
        assert!(
            none.contains("by-id/usb-x") && none.contains("no camera is plugged in"),
            "{none}"
        );
        assert!(
            candidates(&CameraDevice::Auto, None, &[])
                .unwrap_err()
                .contains("/dev/video*")
        );
        assert_eq!(
            candidates(&CameraDevice::Auto, None, &found).unwrap().len(),
            1
        );
    }

    #[test]
    fn links_are_read_by_what_they_point_to() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("video7");
        std::fs::write(&node, "").unwrap();
        std::os::unix::fs::symlink("video7", folder.path().join("usb-Acme")).unwrap();
        std::os::unix::fs::symlink("video8", folder.path().join("dangling")).unwrap();
        let links = links(folder.path());
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!(number("video12"), Some(12));
        assert_eq!(number("video"), None);
    }
}
