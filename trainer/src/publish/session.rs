//! What goes between us and the boards by way of the broker, step by step.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use smearscope_common::message::{DeviceState, MAX_CHUNK, ModelHash};
use smearscope_common::topic::{DeviceId, Topic, model_chunk};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::broker::{Broker, Heard, Target, Ticket};
use super::fleet::{FILTERS, Fleet, News};
use super::rollout::{Action, Failure, Rollout};
use super::table::Table;
use crate::error::bad_input;

/// When no retained message has come for so long, there are no more.
const QUIET: Duration = Duration::from_millis(1500);
/// So long is waited for them at most.
const MOST_QUIET: Duration = Duration::from_secs(20);
/// How often it is looked whether a board takes too long.
const LOOK: Duration = Duration::from_millis(250);
/// How long the broker may take for the last of what is published.
const GRACE: Duration = Duration::from_secs(20);

/// A connection, and what was heard on it.
pub struct Session {
    /// What the boards say.
    pub fleet: Fleet,
    /// Where progress is shown.
    pub table: Table,
    broker: Broker,
    name: String,
    was_up: bool,
    is_up: bool,
}

/// What concerns a step.
enum Event {
    News(Option<News>, bool),
    Acked(Ticket),
    Refused(Ticket, String),
    Connection,
}

impl Session {
    /// Connects and hears what the broker has kept of the boards.
    ///
    /// # Errors
    /// The broker can't be reached or does not let us in.
    pub async fn open(target: &Target) -> Result<Self> {
        let mut session = Self {
            fleet: Fleet::default(),
            table: Table::new(),
            broker: Broker::connect(target, &FILTERS)?,
            name: target.url.to_string(),
            was_up: false,
            is_up: false,
        };
        while !session.was_up {
            session.hear().await?;
        }
        let latest = Instant::now() + MOST_QUIET;
        let mut quiet = Instant::now() + QUIET;
        loop {
            tokio::select! {
                event = session.hear() => if let Event::News(_, true) = event? {
                    quiet = latest.min(Instant::now() + QUIET);
                },
                () = sleep_until(quiet) => return Ok(session),
            }
        }
    }

    /// The next that comes; losing the connection is none of the caller's business unless it is for good.
    async fn hear(&mut self) -> Result<Event> {
        Ok(match self.broker.next().await {
            Heard::Connected => {
                if self.was_up {
                    let name = &self.name;
                    self.table
                        .aside(|| tracing::info!("connected to {name} again"));
                }
                self.was_up = true;
                self.is_up = true;
                Event::Connection
            }
            Heard::Lost(trouble) if trouble.is_final && !self.was_up => {
                return Err(bad_input!("the broker {}: {}", self.name, trouble.why));
            }
            Heard::Lost(trouble) if trouble.is_final || !self.was_up => {
                return Err(anyhow!("the broker {}: {}", self.name, trouble.why));
            }
            Heard::Lost(trouble) => {
                if self.is_up {
                    let name = &self.name;
                    let why = trouble.why;
                    self.table.aside(|| {
                        tracing::warn!("the connection to {name} is lost ({why}); it is made anew");
                    });
                }
                self.is_up = false;
                Event::Connection
            }
            Heard::Message(message) => Event::News(self.fleet.hear(&message), message.is_retained),
            Heard::Acked(ticket) => Event::Acked(ticket),
            Heard::Refused(ticket, why) => Event::Refused(ticket, why),
        })
    }

    /// Publishes the chunks of a model and waits until the broker has all of them.
    ///
    /// # Errors
    /// It refuses one, or takes none for as long as `patience`.
    pub async fn upload(
        &mut self,
        model: &ModelHash,
        onnx: &Bytes,
        patience: Duration,
    ) -> Result<()> {
        let mut open = HashSet::new();
        for (number, begin) in (0u32..).zip((0..onnx.len()).step_by(MAX_CHUNK)) {
            let chunk = onnx.slice(begin..onnx.len().min(begin + MAX_CHUNK));
            open.insert(self.broker.publish(model_chunk(model, number), chunk));
        }
        let bar = self.table.chunks(open.len());
        let mut until = Instant::now() + patience;
        while !open.is_empty() {
            let Ok(event) = timeout_at(until, self.hear()).await else {
                return Err(anyhow!(
                    "the broker {} has taken no chunk for {:.1} minutes (--timeout); no board was told anything, and running this again is harmless",
                    self.name,
                    patience.as_secs_f64() / 60.0
                ));
            };
            match event? {
                Event::Acked(ticket) if open.remove(&ticket) => {
                    bar.inc(1);
                    until = Instant::now() + patience;
                }
                Event::Refused(ticket, why) if open.contains(&ticket) => {
                    bar.abandon();
                    return Err(anyhow!("{why}; no board was told anything"));
                }
                _ => {}
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Tells one board after the other and follows what they make of it. Gives whether the broker has all that was said.
    ///
    /// # Errors
    /// The connection is of no use any more. What has become of boards stands in `rollout`.
    pub async fn follow(&mut self, rollout: &mut Rollout, desired: &Bytes) -> Result<bool> {
        let mut open: HashMap<Ticket, Action> = HashMap::new();
        let mut over_since = None;
        loop {
            for action in rollout.step(std::time::Instant::now()) {
                let (device, payload) = match &action {
                    Action::Desire(device) => (device, desired.clone()),
                    Action::Withdraw(device) => (device, Bytes::new()),
                };
                let topic = Topic::ModelDesired.of(device);
                open.insert(self.broker.publish(topic, payload), action);
            }
            self.table.show(rollout);
            if rollout.is_over() {
                let since = *over_since.get_or_insert_with(Instant::now);
                if open.is_empty() || since.elapsed() > GRACE {
                    return Ok(open.is_empty());
                }
            }
            let event = tokio::select! {
                event = self.hear() => event?,
                () = sleep(LOOK) => continue,
            };
            match event {
                Event::News(Some(News::Status(device, state)), _) => {
                    rollout.status(&device, state == DeviceState::Online);
                }
                Event::News(Some(News::Model(device, said)), _) => rollout.model(&device, *said),
                Event::Acked(ticket) => {
                    open.remove(&ticket);
                }
                Event::Refused(ticket, why) => match open.remove(&ticket) {
                    Some(Action::Desire(device)) => rollout.fail(&device, Failure::Broker, why),
                    Some(Action::Withdraw(_)) => self.table.aside(|| tracing::warn!("{why}")),
                    None => {}
                },
                Event::News(None, _) | Event::Connection => {}
            }
        }
    }

    /// Takes a model's chunks off the broker again; gives whether it has confirmed all of that.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn clear(&mut self, model: &ModelHash, size: usize) -> Result<bool> {
        let numbers = 0..size.div_ceil(MAX_CHUNK) as u32;
        let topics = numbers.map(|number| model_chunk(model, number));
        let mut open: HashSet<Ticket> = topics
            .map(|topic| self.broker.publish(topic, Bytes::new()))
            .collect();
        let until = Instant::now() + GRACE;
        while !open.is_empty() {
            let Ok(event) = timeout_at(until, self.hear()).await else {
                return Ok(false);
            };
            match event? {
                Event::Acked(ticket) => {
                    open.remove(&ticket);
                }
                Event::Refused(ticket, why) if open.contains(&ticket) => {
                    tracing::warn!("{why}");
                    return Ok(false);
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// The boards that still need a model's chunks; of `settled` nobody does.
    pub fn in_need(&self, model: &ModelHash, settled: &[DeviceId]) -> Vec<DeviceId> {
        self.fleet.in_need(model, settled)
    }

    /// Takes leave.
    pub async fn close(self) {
        self.broker.close().await;
    }
}
