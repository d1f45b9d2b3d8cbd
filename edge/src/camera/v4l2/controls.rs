//! A camera's controls by name: exposure, gain, white balance, focus, power-line frequency.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::config::Setting;

/// How a control's value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A whole number.
    Integer,
    /// On or off.
    Boolean,
    /// One of several words.
    Menu,
    /// One of several numbers.
    IntegerMenu,
    /// A number whose bits are switches.
    Bitmask,
    /// Something to be done once.
    Button,
    /// The name of a group.
    #[serde(skip)]
    Heading,
    /// Something that can't be set by a word or a number of 32 bits.
    Other,
}

impl Kind {
    /// Of V4L2_CTRL_TYPE_* in linux/videodev2.h.
    pub(super) fn of(code: u32) -> Self {
        match code {
            1 => Self::Integer,
            2 => Self::Boolean,
            3 => Self::Menu,
            4 => Self::Button,
            6 => Self::Heading,
            8 => Self::Bitmask,
            9 => Self::IntegerMenu,
            _ => Self::Other,
        }
    }

    /// Whether there is a value to be read.
    pub(super) fn has_value(self) -> bool {
        !matches!(self, Self::Button | Self::Heading | Self::Other)
    }

    /// Whether there are items to choose from.
    pub(super) fn is_menu(self) -> bool {
        matches!(self, Self::Menu | Self::IntegerMenu)
    }
}

/// One control of a camera.
#[derive(Clone, Debug, Serialize)]
pub struct Control {
    #[serde(skip)]
    pub(super) id: u32,
    /// Its name as `v4l2-ctl` writes it: small letters, digits and underscores.
    pub name: String,
    /// What its value means.
    pub kind: Kind,
    /// The least value.
    pub least: i64,
    /// The greatest value.
    pub most: i64,
    /// From one value to the next.
    pub step: i64,
    /// The value after the camera was plugged in.
    pub default: i64,
    /// The value now, where it can be read.
    pub value: Option<i64>,
    /// The items of a menu with their numbers.
    pub items: Vec<(i64, String)>,
    /// Whether it can't be set at all.
    pub is_read_only: bool,
    /// Whether another control, mostly an automatism, keeps it from having an effect now.
    pub is_inactive: bool,
}

impl Control {
    /// What may be set, in words.
    pub fn range(&self) -> String {
        match self.kind {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Menu | Kind::IntegerMenu => {
                let items = self
                    .items
                    .iter()
                    .map(|(number, name)| format!("{number} ({name})"));
                items.collect::<Vec<_>>().join(", ")
            }
            Kind::Button => "true, to press it".to_owned(),
            Kind::Other | Kind::Heading => "nothing from here".to_owned(),
            Kind::Integer | Kind::Bitmask if self.step > 1 => {
                format!("{} to {} in steps of {}", self.least, self.most, self.step)
            }
            Kind::Integer | Kind::Bitmask => format!("{} to {}", self.least, self.most),
        }
    }

    /// The number that a setting means for this control.
    fn number(&self, setting: &Setting) -> Option<i64> {
        let in_range = |number: &i64| (self.least..=self.most).contains(number);
        match (self.kind, setting) {
            (Kind::Boolean, Setting::Switch(on)) => Some((*on).into()),
            (Kind::Boolean, Setting::Number(number @ 0..=1)) => Some(*number),
            (Kind::Button, Setting::Switch(true)) => Some(1),
            (Kind::Menu | Kind::IntegerMenu, Setting::Number(number)) => {
                let item = self.items.iter().find(|(index, _)| index == number);
                item.map(|(index, _)| *index)
            }
            (Kind::Menu | Kind::IntegerMenu, Setting::Name(name)) => {
                let name = normalised(name);
                let item = self.items.iter().find(|(_, item)| normalised(item) == name);
                item.map(|(index, _)| *index)
            }
            // Bit 31 of a mask is the sign.
            (Kind::Bitmask, Setting::Number(number)) => u32::try_from(*number)
                .ok()
                .map(|bits| bits.cast_signed().into()),
            (Kind::Integer, Setting::Number(number)) => Some(*number).filter(in_range),
            _ => None,
        }
    }
}

/// A name as `v4l2-ctl` writes it: what is neither letter nor digit becomes one underscore.
pub(super) fn normalised(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("_").to_ascii_lowercase()
}

/// What has controls.
pub(super) trait Knobs {
    /// All controls with their values now.
    fn list(&self) -> Vec<Control>;
    /// Sets one.
    fn set(&self, id: u32, value: i32) -> io::Result<()>;
}

/// Sets controls by name, automatisms first, because they decide which others can be set. Gives a sentence for each one
/// that could not be set.
pub(super) fn apply(knobs: &impl Knobs, settings: &BTreeMap<String, Setting>) -> Vec<String> {
    if settings.is_empty() {
        return Vec::new();
    }
    let mut wanted: Vec<_> = settings
        .iter()
        .map(|(name, to)| (normalised(name), to))
        .collect();
    wanted.sort_by_key(|(name, _)| (!name.contains("auto"), name.clone()));
    let controls = knobs.list();
    let mut refused = Vec::new();
    for (name, setting) in wanted {
        if let Err(why) = set(knobs, &controls, &name, setting) {
            refused.push(format!(
                "the control {name} can't be set to {setting}: {why}"
            ));
        }
    }
    refused
}

fn set(
    knobs: &impl Knobs,
    controls: &[Control],
    name: &str,
    setting: &Setting,
) -> Result<(), String> {
    let Some(control) = controls.iter().find(|control| control.name == name) else {
        let names: Vec<_> = controls
            .iter()
            .map(|control| control.name.as_str())
            .collect();
        return Err(match names[..] {
            [] => "this camera has no controls".to_owned(),
            _ => format!(
                "this camera has none of that name, but {}",
                names.join(", ")
            ),
        });
    };
    if control.is_read_only {
        return Err("it can only be read".to_owned());
    }
    let number = control
        .number(setting)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| format!("it takes {}", control.range()))?;
    knobs.set(control.id, number).map_err(|error| {
        // Asked again: what was set before may have freed it.
        let listed = knobs.list();
        match listed.iter().find(|now| now.id == control.id) {
            Some(now) if now.is_inactive => format!(
                "it has no effect now ({error}); switch off the automatism that holds it, such as {}",
                automatisms(&listed)
            ),
            _ => format!("the camera refuses it ({error}); it takes {}", control.range()),
        }
    })
}

fn automatisms(controls: &[Control]) -> String {
    let names: Vec<_> = controls
        .iter()
        .filter(|control| control.name.contains("auto"))
        .map(|control| control.name.as_str())
        .collect();
    if names.is_empty() {
        "one in the camera's own menu".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn control(id: u32, name: &str, kind: Kind, least: i64, most: i64) -> Control {
        Control {
            id,
            name: name.into(),
            kind,
            least,
            most,
            step: 1,
            default: least,
            value: Some(least),
            items: Vec::new(),
            is_read_only: false,
            is_inactive: false,
        }
    }

    /// Exposure can be set only while `auto_exposure` is 1, as in UVC cameras.
    #[derive(Default)]
    struct Camera {
        done: RefCell<Vec<(u32, i32)>>,
    }

    impl Knobs for Camera {
        fn list(&self) -> Vec<Control> {
            let is_manual = self.done.borrow().contains(&(1, 1));
            vec![
                Control {
                    items: vec![
                        (1, "Manual Mode".into()),
                        (3, "Aperture Priority Mode".into()),
                    ],
                    ..control(1, "auto_exposure", Kind::Menu, 0, 3)
                },
                Control {
                    is_inactive: !is_manual,
                    ..control(2, "exposure_time_absolute", Kind::Integer, 3, 2047)
                },
                control(3, "white_balance_automatic", Kind::Boolean, 0, 1),
                Control {
                    items: vec![
                        (0, "Disabled".into()),
                        (1, "50 Hz".into()),
                        (2, "60 Hz".into()),
                    ],
                    ..control(4, "power_line_frequency", Kind::Menu, 0, 2)
                },
                Control {
                    is_read_only: true,
                    ..control(5, "temperature", Kind::Integer, 0, 100)
                },
            ]
        }

        fn set(&self, id: u32, value: i32) -> io::Result<()> {
            if id == 2 && self.list()[1].is_inactive {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.done.borrow_mut().push((id, value));
            Ok(())
        }
    }

    fn settings<const N: usize>(of: [(&str, Setting); N]) -> BTreeMap<String, Setting> {
        of.map(|(name, setting)| (name.to_owned(), setting)).into()
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(
            normalised("White Balance, Automatic"),
            "white_balance_automatic"
        );
        assert_eq!(normalised("Exposure (Absolute)"), "exposure_absolute");
        assert_eq!(normalised(" 50 Hz "), "50_hz");
    }

    #[test]
    fn automatisms_are_set_first_and_menus_by_name_or_number() {
        let camera = Camera::default();
        let refused = apply(
            &camera,
            &settings([
                ("Exposure Time, Absolute", Setting::Number(156)),
                ("auto_exposure", Setting::Name("manual mode".into())),
                ("power_line_frequency", Setting::Name("50 hz".into())),
                ("white_balance_automatic", Setting::Switch(false)),
            ]),
        );
        assert_eq!(refused, [""; 0]);
        assert_eq!(*camera.done.borrow(), [(1, 1), (3, 0), (2, 156), (4, 1)]);
    }

    #[test]
    fn what_is_refused_is_named_with_what_would_do() {
        for (name, setting, words) in [
            (
                "gain",
                Setting::Number(1),
                &["gain", "none of that name", "auto_exposure"][..],
            ),
            (
                "exposure_time_absolute",
                Setting::Number(9999),
                &["9999", "3 to 2047"],
            ),
            (
                "exposure_time_absolute",
                Setting::Number(156),
                &["no effect", "auto_exposure"],
            ),
            (
                "power_line_frequency",
                Setting::Name("55 Hz".into()),
                &["55 Hz", "1 (50 Hz)"],
            ),
            (
                "auto_exposure",
                Setting::Number(0),
                &["0", "3 (Aperture Priority Mode)"],
            ),
            (
                "white_balance_automatic",
                Setting::Number(2),
                &["true or false"],
            ),
            ("temperature", Setting::Number(20), &["only be read"]),
        ] {
            let camera = Camera::default();
            let refused = apply(&camera, &settings([(name, setting)]));
            assert_eq!(refused.len(), 1, "{name}");
            for word in words {
                assert!(refused[0].contains(word), "{word}: {refused:?}");
            }
            assert!(camera.done.borrow().is_empty());
        }
    }
}
