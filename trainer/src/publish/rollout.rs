//! Which board is told when, and what becomes of it: a state machine that knows neither network nor clock.
//!
//! One board after the other, those first that are there. The first that doesn't take the model, or takes it back, ends it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use smearscope_common::message::{ModelHash, ModelMessage, ModelUpdate, UpdateState};
use smearscope_common::topic::{DeviceId, Topic};

/// When a board counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// The model decides and has stood its watch.
    #[default]
    Installed,
    /// The model decides.
    Watching,
}

/// The model that is handed out. Boards tell by `signed_at` that they have accepted this very signature, and not one that
/// the same model had before.
#[derive(Clone, Debug)]
pub struct Wish {
    /// SHA-256 of its file.
    pub sha256: ModelHash,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// In which way a board failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not take the model.
    Refused,
    /// It took the model and took it back.
    RolledBack,
    /// It took too long.
    TimedOut,
    /// Somebody else has handed it another model meanwhile.
    Overtaken,
    /// The broker does not let us tell it.
    Broker,
}

/// What has become of a board.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Its turn has not come.
    Pending,
    /// It was told and is followed.
    Told {
        /// When it was told.
        since: Instant,
        /// When its last word on models before that was of.
        stale: Option<Timestamp>,
    },
    /// It has the model: installed, watching, or about to switch to it.
    Has(UpdateState),
    /// It was told but isn't there: it takes the model when it is back.
    Waiting,
    /// It failed; says why.
    Failed(Failure, String),
    /// It was told, and that was withdrawn before it took the model, because another board failed.
    Spared,
}

/// One of the boards.
#[derive(Clone, Debug)]
pub struct Board {
    /// Which one.
    pub device: DeviceId,
    /// What has become of it.
    pub standing: Standing,
    /// Whether it is there.
    pub is_online: bool,
    /// Its last word on models.
    pub said: Option<ModelMessage>,
}

impl Board {
    /// Its update, if that is to the wished model.
    pub fn update(&self, wish: &Wish) -> Option<&ModelUpdate> {
        let update = self.said.as_ref()?.update.as_ref()?;
        (update.sha256 == wish.sha256).then_some(update)
    }

    /// Whether it has accepted the wished model with this very signature.
    fn has_accepted(&self, wish: &Wish) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|said| said.signed_at == Some(wish.signed_at))
            && self.update(wish).is_some()
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell a board which model it is to take.
    Desire(DeviceId),
    /// Take that back.
    Withdraw(DeviceId),
}

/// A model on its way to the boards.
pub struct Rollout {
    wish: Wish,
    until: Until,
    patience: Duration,
    boards: Vec<Board>,
    actions: Vec<Action>,
}

impl Rollout {
    /// A rollout that has not begun, in the order of the boards.
    pub fn new(wish: Wish, until: Until, patience: Duration, boards: Vec<Board>) -> Self {
        Self {
            wish,
            until,
            patience,
            boards,
            actions: Vec::new(),
        }
    }

    /// The boards.
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// The model.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// The board that failed first.
    pub fn failed(&self) -> Option<&Board> {
        let is_failed = |board: &&Board| matches!(board.standing, Standing::Failed(..));
        self.boards.iter().find(is_failed)
    }

    /// Whether nothing more is to be followed.
    pub fn is_over(&self) -> bool {
        let goes_on =
            |board: &Board| matches!(board.standing, Standing::Pending | Standing::Told { .. });
        self.failed().is_some() || !self.boards.iter().any(goes_on)
    }

    /// A board came or went.
    pub fn status(&mut self, device: &DeviceId, is_online: bool) {
        if let Some(board) = self.board(device) {
            board.is_online = is_online;
        }
    }

    /// A board says what it makes of models.
    pub fn model(&mut self, device: &DeviceId, said: ModelMessage) {
        let (wish, until) = (self.wish.clone(), self.until);
        let is_over = self.failed().is_some();
        let Some(board) = self.board(device) else {
            return;
        };
        board.said = Some(said);
        let verdict = match board.standing {
            Standing::Told { stale, .. } => follow(board, &wish, until, stale),
            Standing::Has(state) if !is_over => after(board, &wish, state),
            _ => None,
        };
        match verdict {
            Some(Standing::Failed(failure, why)) => self.fail(device, failure, why),
            Some(standing) => board.standing = standing,
            None => {}
        }
    }

    /// A board fails. The first failure ends everything.
    pub fn fail(&mut self, device: &DeviceId, failure: Failure, why: String) {
        if self.failed().is_some() {
            return;
        }
        let wish = self.wish.clone();
        for board in &mut self.boards {
            let is_told = matches!(board.standing, Standing::Told { .. } | Standing::Waiting);
            if board.device == *device {
                board.standing = Standing::Failed(failure, why.clone());
                // What the broker did not take is nothing to withdraw.
                if failure != Failure::Broker {
                    self.actions.push(Action::Withdraw(device.clone()));
                }
            } else if is_told && board.has_accepted(&wish) {
                let state = board.update(&wish).map(|update| update.state);
                board.standing = Standing::Has(state.unwrap_or(UpdateState::Switching));
            } else if is_told {
                // A model that has just failed elsewhere must not go further.
                board.standing = Standing::Spared;
                self.actions.push(Action::Withdraw(board.device.clone()));
            }
        }
    }

    /// What is to be done now; to be called after everything that was heard, and now and then.
    pub fn step(&mut self, now: Instant) -> Vec<Action> {
        self.give_up_on_the_late(now);
        let is_told = |board: &Board| matches!(board.standing, Standing::Told { .. });
        if self.failed().is_none() && !self.boards.iter().any(is_told) {
            self.tell_the_next(now);
        }
        std::mem::take(&mut self.actions)
    }

    fn tell_the_next(&mut self, now: Instant) {
        let is_pending = |board: &&mut Board| board.standing == Standing::Pending;
        let mut pending = self.boards.iter_mut().filter(is_pending);
        if let Some(board) = pending.find(|board| board.is_online) {
            let update = board.said.as_ref().and_then(|said| said.update.as_ref());
            board.standing = Standing::Told {
                since: now,
                stale: update.map(|update| update.at),
            };
            self.actions.push(Action::Desire(board.device.clone()));
            return;
        }
        // The others aren't there: what is retained waits for them.
        for board in self.boards.iter_mut().filter(is_pending) {
            board.standing = Standing::Waiting;
            self.actions.push(Action::Desire(board.device.clone()));
        }
    }

    fn give_up_on_the_late(&mut self, now: Instant) {
        let late = self.boards.iter().find(|board| {
            matches!(board.standing, Standing::Told { since, .. }
                if now.saturating_duration_since(since) >= self.patience)
        });
        if let Some(board) = late {
            let device = board.device.clone();
            let why = self.why_late(board);
            self.fail(&device, Failure::TimedOut, why);
        }
    }

    fn why_late(&self, board: &Board) -> String {
        let minutes = self.patience.as_secs_f64() / 60.0;
        let limit = format!("{minutes:.1} minutes (--timeout)");
        if !board.is_online {
            return format!("it went offline and was not done within {limit}");
        }
        let Some(said) = &board.said else {
            let topic = Topic::Model.of(&board.device);
            return format!(
                "nothing came on {topic} within {limit}: is this user allowed to read it, and is the board's program new enough?"
            );
        };
        let Some(update) = board.update(&self.wish) else {
            return format!("it did not begin to take the model within {limit}");
        };
        match (update.state, &said.watch) {
            (UpdateState::Receiving, _) => format!(
                "it had received {} of {} bytes within {limit}",
                update.received, update.size
            ),
            (UpdateState::Switching, _) => format!(
                "it had the model but judged no field with it within {limit}: is its camera paused?"
            ),
            (UpdateState::Watching, Some(watch)) => format!(
                "it had watched {} of {} cells within {limit}: its slides go on, and so does the watch",
                watch.cells, watch.cells_needed
            ),
            (state, _) => format!("it was still {} within {limit}", word(state)),
        }
    }

    fn board(&mut self, device: &DeviceId) -> Option<&mut Board> {
        self.boards.iter_mut().find(|board| board.device == *device)
    }
}

/// What a board that is followed has come to; `None` while it goes on.
fn follow(board: &Board, wish: &Wish, until: Until, stale: Option<Timestamp>) -> Option<Standing> {
    use UpdateState as S;
    let said = board.said.as_ref()?;
    if let Some(overtaken) = overtaken(said, wish) {
        return Some(overtaken);
    }
    let update = board.update(wish)?;
    let reason = || {
        update
            .reason
            .clone()
            .unwrap_or_else(|| "it says no reason".into())
    };
    if said.signed_at == Some(wish.signed_at) {
        return match update.state {
            S::Installed => Some(Standing::Has(S::Installed)),
            S::Watching if until == Until::Watching => Some(Standing::Has(S::Watching)),
            S::RolledBack => Some(Standing::Failed(Failure::RolledBack, reason())),
            _ => None,
        };
    }
    // A refused signature is not noted. What it said before it was told is of an earlier attempt, and may come again.
    let is_news = Some(update.at) != stale;
    (update.state == S::Refused && is_news).then(|| Standing::Failed(Failure::Refused, reason()))
}

/// What becomes of a board that has the model already.
fn after(board: &Board, wish: &Wish, before: UpdateState) -> Option<Standing> {
    let said = board.said.as_ref()?;
    let update = board.update(wish)?;
    if said.signed_at != Some(wish.signed_at) {
        return None;
    }
    match update.state {
        UpdateState::RolledBack => {
            let reason = update.reason.as_deref().unwrap_or("it says no reason");
            Some(Standing::Failed(Failure::RolledBack, reason.into()))
        }
        state if state.is_final() && state != before => Some(Standing::Has(state)),
        _ => None,
    }
}

fn overtaken(said: &ModelMessage, wish: &Wish) -> Option<Standing> {
    let newer = said.signed_at.filter(|at| *at > wish.signed_at)?;
    let why = format!(
        "it has accepted a newer signature, of {newer}: somebody else hands out a model, too"
    );
    Some(Standing::Failed(Failure::Overtaken, why))
}

/// A state in a word.
pub fn word(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Receiving => "receiving",
        UpdateState::Checking => "checking",
        UpdateState::Switching => "switching",
        UpdateState::Watching => "watching",
        UpdateState::Installed => "installed",
        UpdateState::Refused => "refused",
        UpdateState::RolledBack => "rolled_back",
    }
}

impl Standing {
    /// It in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending | Self::Spared => "not_reached",
            Self::Told { .. } => "told",
            Self::Has(state) => word(*state),
            Self::Waiting => "offline",
            Self::Failed(failure, _) => match failure {
                Failure::Refused => "refused",
                Failure::RolledBack => "rolled_back",
                Failure::TimedOut => "timed_out",
                Failure::Overtaken => "overtaken",
                Failure::Broker => "broker_refused",
            },
        }
    }
}
