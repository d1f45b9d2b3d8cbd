//! What is said of the boards at the end, or before a dry run's end.

use anyhow::{Result, anyhow};
use serde_json::json;
use smearscope_common::message::{ModelHash, ModelRef};
use smearscope_common::topic::DeviceId;

use super::fleet::Fleet;
use super::rollout::{Board, Rollout, Standing, Wish, word};
use crate::say::say;

/// What is said of a board.
struct Line<'a> {
    device: &'a DeviceId,
    state: &'static str,
    reason: Option<String>,
    model: Option<&'a ModelRef>,
}

impl Line<'_> {
    fn print(&self, json: bool) -> Result<()> {
        let Self {
            device,
            state,
            reason,
            model,
        } = self;
        if json {
            let line = json!({"device": device, "state": state, "reason": reason, "model": model});
            say!("{line}")?;
            return Ok(());
        }
        let reason = reason.as_ref().map(|why| format!(": {why}"));
        let model = model.map_or("its model is unknown".into(), |model| {
            format!("{} {} decides", model.name, model.version)
        });
        let state = state.replace('_', " ");
        say!("{device}: {state}{}; {model}", reason.unwrap_or_default())?;
        Ok(())
    }
}

/// Says what has become of each board.
pub fn print(rollout: &Rollout, fleet: &Fleet, json: bool) -> Result<()> {
    for board in rollout.boards() {
        let (state, reason) = state(board, rollout.wish());
        let line = Line {
            device: &board.device,
            state,
            reason,
            model: fleet.at_work(&board.device),
        };
        line.print(json)?;
    }
    Ok(())
}

fn state(board: &Board, wish: &Wish) -> (&'static str, Option<String>) {
    let reason = match &board.standing {
        Standing::Failed(_, why) => Some(why.clone()),
        Standing::Waiting => Some("it takes the model when it is back".into()),
        Standing::Spared => Some("withdrawn before it took the model".into()),
        Standing::Told { .. } => {
            let update = board.update(wish).filter(|update| !update.state.is_final());
            let state = update.map_or("told", |update| word(update.state));
            return (state, Some("it was not followed to the end".into()));
        }
        _ => None,
    };
    (board.standing.word(), reason)
}

/// Says what would be done.
pub fn print_plan(boards: &[DeviceId], fleet: &Fleet, model: &ModelHash, json: bool) -> Result<()> {
    for device in boards {
        let at_work = fleet.at_work(device);
        let has_it = at_work.is_some_and(|at_work| at_work.sha256 == model.to_string());
        let (state, reason) = match (fleet.is_online(device), has_it) {
            (true, true) => ("would_be_told", Some("this model decides there already")),
            (true, false) => ("would_be_told", None),
            (false, _) if fleet.knows(device) => (
                "would_wait",
                Some("it is offline: it would take the model when it is back"),
            ),
            (false, _) => (
                "would_wait",
                Some("no board of this name has ever told the broker its status"),
            ),
        };
        let line = Line {
            device,
            state,
            reason: reason.map(str::to_owned),
            model: at_work,
        };
        line.print(json)?;
    }
    Ok(())
}

/// The end of the command: an error where a board failed.
///
/// # Errors
/// It says which board failed and why, which have the model, and which were not reached.
pub fn verdict(rollout: &Rollout) -> Result<()> {
    let Some(failed) = rollout.failed() else {
        return Ok(());
    };
    let names = |is_one: &dyn Fn(&Standing) -> bool| {
        let boards = rollout
            .boards()
            .iter()
            .filter(|board| is_one(&board.standing));
        let names: Vec<String> = boards.map(|board| board.device.to_string()).collect();
        if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        }
    };
    let (state, why) = state(failed, rollout.wish());
    Err(anyhow!(
        "{} failed ({}): {}; it was withdrawn there and goes no further. Boards that have the model: {}; not reached: {}",
        failed.device,
        state.replace('_', " "),
        why.unwrap_or_default(),
        names(&|standing| matches!(standing, Standing::Has(_))),
        names(&|standing| matches!(standing, Standing::Pending | Standing::Spared)),
    ))
}
