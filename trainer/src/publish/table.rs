//! How far each board is, while it happens: a table on the terminal, or a line in the log for each change.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use smearscope_common::message::UpdateState;
use smearscope_common::topic::DeviceId;

use super::rollout::{Board, Rollout, Standing, Wish, word};

/// Where progress is shown.
pub struct Table {
    /// `None` where no terminal is.
    terminal: Option<MultiProgress>,
    rows: BTreeMap<DeviceId, ProgressBar>,
    /// What was logged last of each board.
    logged: BTreeMap<DeviceId, String>,
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            terminal: stderr().is_terminal().then(MultiProgress::new),
            rows: BTreeMap::new(),
            logged: BTreeMap::new(),
        }
    }

    /// A bar of the chunks that are to go to the broker.
    pub fn chunks(&self, total: usize) -> ProgressBar {
        let bar = crate::progress::bar("to the broker", "chunks", total);
        match &self.terminal {
            Some(terminal) => terminal.add(bar),
            None => bar,
        }
    }

    /// Logs something without spoiling what is drawn.
    pub fn aside(&self, log: impl FnOnce()) {
        match &self.terminal {
            Some(terminal) => terminal.suspend(log),
            None => log(),
        }
    }

    /// Shows how far the boards are.
    pub fn show(&mut self, rollout: &Rollout) {
        let width = rollout
            .boards()
            .iter()
            .map(|board| board.device.to_string().len());
        let width = width.max().unwrap_or(0);
        for board in rollout.boards() {
            if let Some(terminal) = &self.terminal {
                let row = self.rows.entry(board.device.clone()).or_insert_with(|| {
                    let bar = terminal.add(ProgressBar::new(0));
                    if let Ok(style) = ProgressStyle::with_template("{msg}") {
                        bar.set_style(style);
                    }
                    bar
                });
                row.set_message(line(board, rollout.wish(), width));
                continue;
            }
            let state = state(board, rollout.wish());
            let logged = self.logged.get(&board.device);
            if state != "pending" && logged != Some(&state) {
                let device = &board.device;
                match &board.standing {
                    Standing::Failed(_, why) => tracing::error!("{device}: {state}: {why}"),
                    _ => tracing::info!("{device}: {state}"),
                }
                self.logged.insert(device.clone(), state);
            }
        }
    }

    /// Takes everything off the terminal; what comes then is the result.
    pub fn clear(&mut self) {
        if let Some(terminal) = &self.terminal {
            // A terminal that is gone needs no clearing.
            let _ = terminal.clear();
        }
        self.rows.clear();
    }
}

/// A board's state in a word or two; on the way, what it says itself.
fn state(board: &Board, wish: &Wish) -> String {
    match &board.standing {
        Standing::Pending => "pending".into(),
        Standing::Told { .. } => {
            let said = board.update(wish).filter(|update| {
                // The end of an earlier attempt is no progress of this one.
                !update.state.is_final()
            });
            let state = said.map_or("told", |update| word(update.state));
            if board.is_online {
                state.into()
            } else {
                format!("{state}, but it is offline now")
            }
        }
        Standing::Waiting => "offline: it takes the model when it is back".into(),
        Standing::Spared => "withdrawn before it took the model".into(),
        other => other.word().into(),
    }
}

/// A row of the table.
fn line(board: &Board, wish: &Wish, width: usize) -> String {
    let device = board.device.to_string();
    let mut line = format!("{device:width$}  {}", state(board, wish));
    if let Standing::Failed(_, why) = &board.standing {
        line += &format!(": {why}");
    }
    let is_shown = matches!(board.standing, Standing::Told { .. } | Standing::Has(_));
    let Some(update) = board.update(wish).filter(|_| is_shown) else {
        return line;
    };
    let watch = board.said.as_ref().and_then(|said| said.watch);
    match (update.state, watch) {
        (UpdateState::Receiving, _) if update.size > 0 => {
            let percent = 100.0 * update.received as f64 / update.size as f64;
            line += &format!("  {percent:.0} %");
        }
        (UpdateState::Watching, Some(watch)) => {
            line += &format!("  {} of {} cells", watch.cells, watch.cells_needed);
        }
        _ => {}
    }
    line
}
