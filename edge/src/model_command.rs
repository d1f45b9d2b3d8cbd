//! `model install|list|rollback|history`: the models of this board by hand. A program that runs on them notices.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use smearscope_common::engine::read_card;
use smearscope_common::message::{
    ModelEventKind, ModelHistory, ModelList, ModelOrigin, ModelRef, ModelUse, WhichModel,
};
use smearscope_common::model_card::Ancestor;
use tracing::warn;

use crate::cli::{InstallArgs, ModelsArgs};
use crate::config::Config;
use crate::exit::{OrBadInput, bad_input};
use crate::model;
use crate::models::{self, Folder, Refusal};

/// Where systemd puts the service's state, and with it the models.
const OF_SERVICE: &str = "/var/lib/smearscope";

/// `model install`.
///
/// # Errors
/// Bad input, when the model is refused or can't be read.
pub fn install(args: &InstallArgs) -> anyhow::Result<()> {
    let config = Config::read(&args.of.config)?;
    let file = args.model.display();
    let onnx = std::fs::read(&args.model)
        .with_context(|| format!("cannot read the model {file}"))
        .or_bad_input()?;
    let signature = args.signature.clone().unwrap_or_else(|| {
        let mut beside = args.model.clone().into_os_string();
        beside.push(".minisig");
        beside.into()
    });
    let signature = match std::fs::read_to_string(&signature) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let missing = signature.display();
            return Err(bad_input(format!(
                "{file} is not signed: there is no {missing}; name another place with --signature"
            )));
        }
        read => read
            .with_context(|| format!("cannot read the signature {}", signature.display()))
            .or_bad_input()?,
    };
    if config.model.path.is_some() {
        return Err(bad_input(Refusal::Fixed));
    }
    let folder = folder(&args.of, &config)?;
    let demands = config.model.demands(&config.device.id);
    let (state, model) = models::install(&folder, &demands, &onnx, &signature)
        .with_context(|| format!("{file} is refused"))
        .or_bad_input()?;
    print(
        &args.of,
        &WhichModel {
            model: model.reference(),
        },
        |which, out| {
            writeln!(out, "{} is installed", named(&which.model))?;
            if state.watch.is_some() {
                let cells = config.model.watch_cells;
                writeln!(out, "it is watched over its first {cells} cells")?;
            }
            Ok(())
        },
    )
}

/// `model list`.
///
/// # Errors
/// When the folder can't be read.
pub fn list(args: &ModelsArgs) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    let state = folder(args, &config)?
        .state()
        .context("the state of the models can't be read")?;
    let fixed = config.model.path;
    print(args, &models::list_of(&state), |list: &ModelList, out| {
        if let Some(path) = &fixed {
            writeln!(
                out,
                "the config names {}: it decides, and none of these",
                path.display()
            )?;
        }
        for kept in &list.models {
            let used = match kept.used {
                ModelUse::Current => "decides ",
                ModelUse::Previous => "before  ",
                ModelUse::Kept => "kept    ",
            };
            let origin = match kept.origin {
                ModelOrigin::Installed => "",
                ModelOrigin::Program => ", inside the program",
                ModelOrigin::File => ", of the config",
            };
            writeln!(out, "{used} {}{origin}", named(&kept.model))?;
        }
        Ok(())
    })
}

/// `model rollback`.
///
/// # Errors
/// Bad input, when there is nothing to go back to.
pub fn rollback(args: &ModelsArgs) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    if config.model.path.is_some() {
        return Err(bad_input(Refusal::Fixed));
    }
    let folder = folder(args, &config)?;
    let mut is_done = false;
    let state = folder
        .change(|state| {
            is_done = state.roll_back(ModelEventKind::RolledBack, models::ASKED);
            Ok(is_done)
        })
        .context("the state of the models can't be changed")?;
    if !is_done {
        return Err(bad_input(models::NOTHING_BEFORE));
    }
    let model = models::list_of(&state).models.remove(0).model;
    print(args, &WhichModel { model }, |which, out| {
        writeln!(
            out,
            "{} decides from the next field on",
            named(&which.model)
        )
    })
}

/// `model history`.
///
/// # Errors
/// When the folder can't be read.
pub fn history(args: &ModelsArgs) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    let folder = folder(args, &config)?;
    let state = folder
        .state()
        .context("the state of the models can't be read")?;
    let file = match (&config.model.path, &state.current) {
        (Some(path), _) => std::fs::read(path),
        (None, Some(hash)) => folder.model(hash),
        (None, None) => Ok(model::DEFAULT.to_vec()),
    };
    let chain = file.map_or_else(
        |error| {
            warn!("the file of the model at work can't be read ({error}): where it comes from is not known");
            Vec::new()
        },
        |onnx| chain_of(&onnx),
    );
    let history = ModelHistory {
        events: state.history,
        chain,
    };
    print(args, &history, |history, out| {
        if history.events.is_empty() {
            writeln!(
                out,
                "nothing has happened: the model inside the program decides"
            )?;
        }
        for event in &history.events {
            let kind = match event.kind {
                ModelEventKind::Taken => "taken",
                ModelEventKind::Stood => "stood its watch",
                ModelEventKind::Refused => "refused",
                ModelEventKind::RolledBack => "rolled back",
                ModelEventKind::Damaged => "damaged",
            };
            let name = event.model.as_deref().unwrap_or("unknown");
            write!(
                out,
                "{:.0} {kind}: {name} ({})",
                event.at,
                event.sha256.brief()
            )?;
            if let Some(key) = &event.signed_by {
                write!(out, ", signed by key {key}")?;
            }
            match &event.reason {
                Some(reason) => writeln!(out, ": {reason}")?,
                None => writeln!(out)?,
            }
        }
        if !history.chain.is_empty() {
            writeln!(out, "where the model that decides comes from:")?;
        }
        for (i, ancestor) in history.chain.iter().enumerate() {
            let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
            writeln!(
                out,
                "  {}{} {} ({}), made {:.0} with data {}",
                if i == 0 { "" } else { "→ " },
                ancestor.name,
                ancestor.version,
                short(&ancestor.sha256),
                ancestor.created,
                short(&ancestor.data_sha256)
            )?;
        }
        Ok(())
    })
}

/// Where a model comes from, by its card; nothing where that can't be read.
fn chain_of(onnx: &[u8]) -> Vec<Ancestor> {
    let hash = models::hash_of(onnx).to_string();
    read_card(onnx).map_or_else(|_| Vec::new(), |card| card.chain(&hash))
}

/// The folder of the models.
fn folder(args: &ModelsArgs, config: &Config) -> anyhow::Result<Folder> {
    let is_known = config.store.path.is_some() || std::env::var_os("STATE_DIRECTORY").is_some();
    let path = match &args.folder {
        Some(folder) => folder.clone(),
        None if !is_known && args.config.starts_with("/etc") => {
            PathBuf::from(OF_SERVICE).join(models::FOLDER)
        }
        None => config.store.models(&config.device.id)?,
    };
    Folder::open(path.clone()).with_context(|| {
        format!(
            "the folder of the models, {}, can't be used",
            path.display()
        )
    })
}

fn named(model: &ModelRef) -> String {
    let brief = model.sha256.get(..12).unwrap_or(&model.sha256);
    format!("{} {} ({brief})", model.name, model.version)
}

/// Prints JSON or words.
fn print<T: Serialize>(
    args: &ModelsArgs,
    value: &T,
    words: impl FnOnce(&T, &mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(value)?)?;
    } else {
        words(value, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
