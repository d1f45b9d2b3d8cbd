//! `cameras`: what is plugged in, what it offers, and which one `auto` takes.

use std::io::Write;

use serde::Serialize;

use crate::camera::v4l2::{Description, cameras, describe};
use crate::cli::CamerasArgs;
use crate::config::CameraConfig;

/// `--json`.
#[derive(Serialize)]
struct Report<'a> {
    cameras: &'a [Description],
    /// The node that `auto` takes.
    auto: Option<String>,
}

/// Lists the cameras.
///
/// # Errors
/// When there is none.
pub fn run(args: &CamerasArgs) -> anyhow::Result<()> {
    let found = cameras();
    let described: Vec<_> = found
        .into_iter()
        .map(|camera| describe(camera, &CameraConfig::default()))
        .collect();
    let taken = described.iter().position(|camera| camera.choice.is_some());
    let mut out = std::io::stdout().lock();
    if args.json {
        let report = Report {
            cameras: &described,
            auto: taken.map(|taken| described[taken].found.path.display().to_string()),
        };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        for (number, camera) in described.iter().enumerate() {
            write_camera(&mut out, camera, taken.map(|taken| taken == number))?;
        }
    }
    out.flush()?;
    anyhow::ensure!(
        !described.is_empty(),
        "no camera is plugged in: there is no /dev/video* that captures (lsusb lists what the computer sees)"
    );
    Ok(())
}

/// `is_taken` is whether `auto` takes it, `None` where it takes none.
fn write_camera(
    out: &mut impl Write,
    camera: &Description,
    is_taken: Option<bool>,
) -> std::io::Result<()> {
    let found = &camera.found;
    let identity = &found.identity;
    writeln!(out, "{}", found.name())?;
    write!(
        out,
        "  node      {} ({}",
        found.path.display(),
        identity.card
    )?;
    if !identity.bus.is_empty() {
        write!(out, ", {} at {}", found.driver, identity.bus)?;
    }
    if let Some(serial) = &identity.serial {
        write!(out, ", serial {serial}")?;
    }
    writeln!(out, ")")?;
    match (&camera.choice, &camera.problem, is_taken) {
        (Some(choice), _, Some(true)) => {
            writeln!(
                out,
                "  use       {choice}; `auto` takes this one, the first that can be used"
            )?;
        }
        (Some(choice), _, _) => writeln!(
            out,
            "  use       {choice}; write device = \"{}\" in [source] to take this one",
            found
                .by_id
                .clone()
                .unwrap_or_else(|| found.path.display().to_string())
        )?,
        (None, problem, _) => {
            let why = problem.as_deref().unwrap_or("it offers nothing");
            writeln!(out, "  no use    {why}")?;
        }
    }
    for offer in &camera.offers {
        let sizes: Vec<_> = offer.sizes.iter().map(ToString::to_string).collect();
        let sizes = if offer.is_usable {
            sizes.join(", ")
        } else {
            "can't be decoded here".to_owned()
        };
        writeln!(out, "  {:<9} {sizes}", offer.format.to_string())?;
    }
    for control in &camera.controls {
        let now = match control.value {
            Some(value) => format!(", now {value}"),
            None => String::new(),
        };
        let note = match (control.is_read_only, control.is_inactive) {
            (true, _) => ", can only be read",
            (false, true) => ", without effect while an automatism holds it",
            (false, false) => "",
        };
        writeln!(
            out,
            "  control   {} = {}{now}{note}",
            control.name,
            control.range()
        )?;
    }
    writeln!(out)
}
