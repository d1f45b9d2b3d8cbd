//! The one door by which commands come in.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::v5::Publish;
use serde::Serialize;
use serde_json::Value;
use smearscope_common::image::encode_jpeg;
use smearscope_common::message::{
    CellsGet, CellsList, Command, FieldImage, InvalidCommand, MAX_SLIDE_ID, ModelRollback, NoArgs,
    Pong, Reply, ReplyCode, Request, RequestId, Resend, Resent, SlideId, SlideNote, SlideStart,
    WhichModel, WhichSlide,
};
use smearscope_common::topic::{DeviceId, Topic};
use tracing::{info, warn};

use super::{Picture, to_json};
use crate::health::Board;
use crate::kept::KeptError;
use crate::pulse::Pulse;
use crate::store::{Answer, Store, StoreError};

/// The most bytes of a command.
pub const MAX_BYTES: usize = 16 << 10;
/// Commands in a second, over a longer time.
const RATE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// Commands at once.
const BURST: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// How many answers are remembered of commands that change nothing on the disk.
const REMEMBERED: usize = 256;
/// A response topic may be no longer.
const MAX_TOPIC: usize = 256;

/// An answer on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where it goes.
    pub topic: String,
    /// JSON.
    pub payload: Bytes,
    /// What the sender wants to find in it.
    pub correlation: Option<Bytes>,
}

/// Carries commands out.
pub struct Commands {
    board: Arc<Board>,
    store: Arc<Store>,
    /// That of the stage that hands commands over: some take long.
    pulse: Arc<Pulse>,
    quality: u8,
    pseudonyms: bool,
    /// First words of topics that answers must not go to, besides our own.
    reserved: Vec<String>,
    limiter: DefaultDirectRateLimiter,
    /// Of answers that say no more than that: a flood of commands must not become a flood of answers.
    complaints: DefaultDirectRateLimiter,
    /// Whether it was said that commands come too fast: once for each time.
    is_told: bool,
    answers: VecDeque<(RequestId, Bytes)>,
}

/// What a command brings.
enum Done {
    /// Something to answer, noted or not worth noting on the disk.
    Result(Value),
    /// As above, already noted in the store with what it did.
    Noted(Bytes),
    /// Something long to answer, which whoever asks once more gets anew.
    Fleeting(Value),
}

/// Why it wasn't done.
struct Undone {
    code: ReplyCode,
    error: String,
}

impl Commands {
    /// A door for commands to this store and these stages; `quality` is that of pictures, slides go by `pseudonyms` from here
    /// on where that is wanted, and below the `announced` topics' first words no answer goes.
    pub fn new(
        board: Arc<Board>,
        store: Arc<Store>,
        pulse: Arc<Pulse>,
        quality: u8,
        pseudonyms: bool,
        announced: &[(String, Bytes)],
    ) -> Self {
        let words = announced
            .iter()
            .filter_map(|(topic, _)| topic.split('/').next());
        Self {
            board,
            store,
            pulse,
            quality,
            pseudonyms,
            reserved: words.map(str::to_owned).collect(),
            limiter: RateLimiter::direct(Quota::per_second(RATE).allow_burst(BURST)),
            complaints: RateLimiter::direct(Quota::per_second(RATE).allow_burst(BURST)),
            is_told: false,
            answers: VecDeque::new(),
        }
    }

    /// Does what a message on `command` asks for and gives the answer, and a picture if that was asked for. There is no answer
    /// where even that would be too many.
    pub fn handle(&mut self, message: &Publish) -> (Option<Outgoing>, Option<Picture>) {
        let properties = message.properties.clone().unwrap_or_default();
        let topic = properties
            .response_topic
            .filter(|topic| is_safe(topic, &self.board.device, &self.reserved))
            .unwrap_or_else(|| Topic::CommandReply.of(&self.board.device));
        if self.limiter.check().is_err() {
            let answer = self.too_fast(&message.payload);
            let outgoing = answer.map(|payload| Outgoing {
                topic,
                payload,
                correlation: properties.correlation_data,
            });
            return (outgoing, None);
        }
        self.is_told = false;
        let (payload, picture) = self.answer(&message.payload, message.retain);
        let outgoing = Outgoing {
            topic,
            payload,
            correlation: properties.correlation_data,
        };
        (Some(outgoing), picture)
    }

    fn answer(&mut self, payload: &[u8], is_retained: bool) -> (Bytes, Option<Picture>) {
        if payload.len() > MAX_BYTES {
            let error = format!("a command has at most {MAX_BYTES} bytes");
            return (self.refusal(None, undone(ReplyCode::TooLarge, error)), None);
        }
        let request = match Request::read(payload) {
            Ok(request) => request,
            Err(error) => {
                return (
                    self.refusal(None, undone(ReplyCode::Malformed, error.to_string())),
                    None,
                );
            }
        };
        let id = request.request_id.clone();
        if is_retained {
            let error =
                "a retained command would be repeated at each connection: send it without retain";
            return (
                self.refusal(Some(id), undone(ReplyCode::Malformed, error.into())),
                None,
            );
        }
        if let Some(known) = self.known(&id) {
            return (known, None);
        }
        let mut picture = None;
        let reply = match self.carry_out(&request, &mut picture) {
            Ok(Done::Noted(reply)) => return (reply, None),
            Ok(Done::Fleeting(result)) => return (self.reply(&id, result), None),
            Ok(Done::Result(result)) => self.reply(&id, result),
            Err(undone) => {
                // Both are the sender's words: quoted, so that they can't pass for lines of this log.
                warn!(
                    "command {:?} ({id}) refused: {:?}",
                    request.command, undone.error
                );
                self.refusal(Some(id.clone()), undone)
            }
        };
        if self.answers.len() == REMEMBERED {
            self.answers.pop_front();
        }
        self.answers.push_back((id, reply.clone()));
        (reply, picture)
    }

    fn too_fast(&mut self, payload: &[u8]) -> Option<Bytes> {
        if !std::mem::replace(&mut self.is_told, true) {
            warn!("commands come too fast: at most {BURST} at once and {RATE} in a second");
        }
        self.complaints.check().ok()?;
        let error = format!("too many commands: at most {BURST} at once and {RATE} in a second");
        // Which one it was may be read, as long as that costs little.
        let id = (payload.len() <= MAX_BYTES)
            .then(|| Request::read(payload).ok())
            .flatten();
        let undone = undone(ReplyCode::RateLimited, error);
        Some(self.refusal(id.map(|request| request.request_id), undone))
    }

    fn known(&self, id: &RequestId) -> Option<Bytes> {
        let here = self.answers.iter().find(|(known, _)| known == id);
        match here {
            Some((_, reply)) => Some(reply.clone()),
            None => self.store.answer(&id.to_string()),
        }
    }

    fn carry_out(&self, request: &Request, picture: &mut Option<Picture>) -> Result<Done, Undone> {
        let command = request.parse().map_err(|error| {
            let code = match error {
                InvalidCommand::Unknown(_) => ReplyCode::UnknownCommand,
                InvalidCommand::Args { .. } => ReplyCode::BadArgs,
                InvalidCommand::Form(_) | InvalidCommand::RequestId => ReplyCode::Malformed,
            };
            let said = match error {
                // It may quote a slide's id.
                InvalidCommand::Args { command, .. } if self.pseudonyms => format!(
                    "wrong `args` for {command}, which are not repeated because slides go by pseudonyms here; a slide id has 1 \
                     to {MAX_SLIDE_ID} characters of A-Z, a-z, 0-9, ., _ and -, the first of them no dot"
                ),
                error => error.to_string(),
            };
            undone(code, said)
        })?;
        let id = &request.request_id;
        info!("command {} ({id})", request.command);
        match command {
            Command::SlideStart(SlideStart { id: slide, notes }) => {
                let slide = match slide {
                    Some(slide) => self.called(slide)?,
                    None => SlideId::new_unique(),
                };
                let begun = WhichSlide {
                    slide: slide.clone(),
                };
                self.noted(id, &begun, |answer| {
                    self.store.start_slide(slide, notes, Some(answer)).map(drop)
                })
            }
            Command::SlideStop => {
                let slide = self.open_slide()?;
                self.noted(id, &WhichSlide { slide }, |answer| {
                    self.store.stop_slide(Some(answer)).map(drop)
                })
            }
            Command::SlideNote(SlideNote { text }) => {
                let slide = self.open_slide()?;
                self.noted(id, &WhichSlide { slide }, |answer| {
                    self.store.note_slide(text, answer)
                })
            }
            Command::CapturePause => {
                self.board.control.pause(true);
                Ok(Done::Result(result(&NoArgs {})))
            }
            Command::CaptureResume => {
                self.board.control.pause(false);
                Ok(Done::Result(result(&NoArgs {})))
            }
            Command::CaptureOnce => {
                self.board.control.once();
                Ok(Done::Result(result(&NoArgs {})))
            }
            Command::ImageGet => {
                let field =
                    self.board.control.last_field().ok_or_else(|| {
                        undone(ReplyCode::NotNow, "no field was analysed yet".into())
                    })?;
                let image = encode_jpeg(&field.image, self.quality).map_err(|error| {
                    undone(
                        ReplyCode::Failed,
                        format!("the picture can't be encoded: {error}"),
                    )
                })?;
                let bytes = image.len() as u64;
                *picture = Some(Picture {
                    field_id: field.id,
                    jpeg: image.into(),
                });
                Ok(Done::Result(result(&FieldImage {
                    field_id: field.id,
                    bytes,
                })))
            }
            Command::CellsList(wanted) => {
                let slide = wanted.slide.clone().map(|slide| self.called(slide));
                let called = CellsList {
                    slide: slide.transpose()?,
                    ..wanted.clone()
                };
                let kept = &self.board.kept;
                let mut listed = kept.list(&called).map_err(of_cells)?;
                if listed.total == 0 && called.slide != wanted.slide {
                    // The board's own name for it, or one from before slides went by pseudonyms.
                    listed = kept.list(&wanted).map_err(of_cells)?;
                }
                Ok(Done::Fleeting(result(&listed)))
            }
            Command::CellsGet(CellsGet { ids }) => {
                let shown = self.board.kept.show(&ids).map_err(of_cells)?;
                Ok(Done::Fleeting(result(&shown)))
            }
            Command::CellsReview(review) => {
                let slide = self.store.slide();
                let reviewed = self
                    .board
                    .kept
                    .review(&review, &id.to_string(), slide.as_ref());
                let reviewed = reviewed.map_err(of_cells)?;
                // The slide's figure is another one now.
                self.store.tell();
                Ok(Done::Result(result(&reviewed)))
            }
            Command::ResultsResend(Resend { from, to, series }) => {
                let resent = self
                    .store
                    .resend(series, from, to, || self.pulse.beat())
                    .map_err(in_words)?;
                let missing = (to - from).saturating_add(1).saturating_sub(resent);
                Ok(Done::Result(result(&Resent { resent, missing })))
            }
            Command::ModelList => Ok(Done::Result(result(&self.board.models.list()))),
            Command::ModelHistory => Ok(Done::Result(result(&self.board.models.history()))),
            Command::ModelRollback(ModelRollback { from }) => {
                let model = self
                    .board
                    .models
                    .roll_back(from.as_ref())
                    .map_err(|why| undone(ReplyCode::NotNow, why))?;
                Ok(Done::Result(result(&WhichModel { model })))
            }
            Command::Ping => Ok(Done::Result(result(&Pong {
                version: env!("CARGO_PKG_VERSION").into(),
                at: Timestamp::now(),
                uptime_s: self.board.uptime().as_secs(),
                boot_id: self.board.boot_id,
            }))),
        }
    }

    /// What a slide is called from here on.
    fn called(&self, slide: SlideId) -> Result<SlideId, Undone> {
        match self.pseudonyms {
            true => Ok(self
                .board
                .kept
                .pseudonyms()
                .map_err(of_cells)?
                .slide(&slide)),
            false => Ok(slide),
        }
    }

    fn open_slide(&self) -> Result<SlideId, Undone> {
        let open = self.store.open_slide();
        open.ok_or_else(|| in_words(StoreError::NoSlide))
    }

    /// Does something of which the answer is noted in the same step.
    fn noted(
        &self,
        id: &RequestId,
        slide: &WhichSlide,
        work: impl FnOnce(Answer<'_>) -> Result<(), StoreError>,
    ) -> Result<Done, Undone> {
        let reply = self.reply(id, result(slide));
        let answer = Answer {
            request_id: &id.to_string(),
            reply: &reply,
        };
        work(answer).map_err(in_words)?;
        Ok(Done::Noted(reply))
    }

    fn reply(&self, id: &RequestId, result: Value) -> Bytes {
        to_json(&Reply {
            schema: Reply::SCHEMA.into(),
            device: self.board.device.clone(),
            request_id: Some(id.clone()),
            ok: true,
            error: None,
            code: None,
            result: Some(result),
        })
    }

    fn refusal(&self, id: Option<RequestId>, undone: Undone) -> Bytes {
        to_json(&Reply {
            schema: Reply::SCHEMA.into(),
            device: self.board.device.clone(),
            request_id: id,
            ok: false,
            error: Some(undone.error),
            code: Some(undone.code),
            result: None,
        })
    }
}

/// What a command gives, as JSON.
fn result<T: Serialize>(given: &T) -> Value {
    // All have string keys and no fallible serializer.
    serde_json::to_value(given).expect("a result serialises")
}

fn undone(code: ReplyCode, error: String) -> Undone {
    Undone { code, error }
}

fn in_words(error: StoreError) -> Undone {
    let code = match error {
        StoreError::SlideExists(_) | StoreError::Range { .. } => ReplyCode::BadArgs,
        StoreError::NoSlide => ReplyCode::NotNow,
        StoreError::Unusable(_) => ReplyCode::Failed,
    };
    undone(code, error.to_string())
}

fn of_cells(error: KeptError) -> Undone {
    let code = match error {
        KeptError::Off => ReplyCode::NotNow,
        KeptError::Unknown(_) => ReplyCode::BadArgs,
        KeptError::Key(_) | KeptError::Unusable(_) => ReplyCode::Failed,
    };
    undone(code, error.to_string())
}

/// Whether an answer may go to a topic that the sender named: it must not pass for something else that we say, reach
/// another board as a command, or be no topic at all.
fn is_safe(topic: &str, device: &DeviceId, reserved: &[String]) -> bool {
    let own = Topic::CommandReply.of(device);
    let is_own = topic
        .strip_prefix(&own)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_topic = (1..=MAX_TOPIC).contains(&topic.len()) && !topic.contains(['+', '#', '\0']);
    // A slash in front makes another topic, but not one that anybody should be tricked with.
    let root = topic.trim_start_matches('/').split('/').next();
    let is_reserved = root.is_none_or(|root| {
        root.starts_with('$')
            || ["smearscope", "homeassistant", ""].contains(&root)
            || reserved.iter().any(|word| word == root)
    });
    is_topic && (is_own || !is_reserved)
}

#[cfg(test)]
mod tests;
