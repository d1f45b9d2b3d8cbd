//! Commands to a board, and what it answers.
//!
//! A command arrives on `command`; its answer goes to the response topic that came with it, else to `command/reply`. A
//! field that this version doesn't know is refused and not ignored: who asks for more than is done must be told.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::brief::brief;
use super::{
    CellsGet, CellsList, CellsReview, MAX_LISTED, MAX_SHOWN, ModelRollback, Notes, SlideId,
};
use crate::topic::DeviceId;

/// The longest `request_id` in characters.
pub const MAX_REQUEST_ID: usize = 64;

/// What a sender calls its command, so that it knows the answer and that a repeat is done once: 1 to 64 printable ASCII
/// characters.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[!-~]{1,64}$"))]
pub struct RequestId(String);

impl TryFrom<String> for RequestId {
    type Error = InvalidCommand;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        if (1..=MAX_REQUEST_ID).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(s))
        } else {
            Err(InvalidCommand::RequestId)
        }
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command that can't be carried out as it was sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidCommand {
    /// Not JSON, or not of the form of a command.
    #[error("this is no command of the form {{\"request_id\", \"command\", \"args\"}}: {0}")]
    Form(String),
    /// Not 1 to 64 printable ASCII characters.
    #[error("`request_id` is not 1 to 64 printable ASCII characters without spaces")]
    RequestId,
    /// A name that this version doesn't have.
    #[error("there is no command {0:?} here")]
    Unknown(String),
    /// Arguments that the command doesn't take, or wrong ones.
    #[error("wrong `args` for {command}: {reason}")]
    Args {
        /// Which command.
        command: String,
        /// What is wrong.
        reason: String,
    },
}

/// A command as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`Request::SCHEMA`]; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        description = "Names this schema and its version; may be left out.",
        extend("const" = Request::SCHEMA)
    )]
    pub schema: Option<String>,
    /// Chosen by the sender, new for each new command.
    pub request_id: RequestId,
    /// What to do: `slide.start`, `slide.stop`, `slide.note`, `capture.pause`, `capture.resume`, `capture.once`,
    /// `image.get`, `cells.list`, `cells.get`, `cells.review`, `results.resend`, `model.list`, `model.history`, `model.rollback` or `ping`.
    pub command: String,
    /// What the command needs to know; may be left out where that is nothing.
    #[serde(default)]
    pub args: Option<Value>,
}

impl Request {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.command/1";

    /// Reads a payload. What it asks for is checked by [`Request::parse`].
    ///
    /// # Errors
    /// [`InvalidCommand::Form`] or [`InvalidCommand::RequestId`].
    pub fn read(payload: &[u8]) -> Result<Self, InvalidCommand> {
        let form = |reason: &dyn fmt::Display| InvalidCommand::Form(brief(reason));
        // serde would read an array as the fields in their order.
        if payload.trim_ascii_start().starts_with(b"[") {
            return Err(form(&"it is an array and no JSON object"));
        }
        let request: Self = serde_json::from_slice(payload).map_err(|e| form(&e))?;
        match request.schema.as_deref() {
            None | Some(Self::SCHEMA) => Ok(request),
            Some(other) => Err(form(&format_args!(
                "this version reads the schema {:?} and not {other:?}",
                Self::SCHEMA
            ))),
        }
    }

    /// The command with its arguments.
    ///
    /// # Errors
    /// [`InvalidCommand::Unknown`] or [`InvalidCommand::Args`].
    pub fn parse(&self) -> Result<Command, InvalidCommand> {
        Ok(match self.command.as_str() {
            "slide.start" => Command::SlideStart(self.args()?),
            "slide.stop" => self.no_args(Command::SlideStop)?,
            "slide.note" => Command::SlideNote(self.args()?),
            "capture.pause" => self.no_args(Command::CapturePause)?,
            "capture.resume" => self.no_args(Command::CaptureResume)?,
            "capture.once" => self.no_args(Command::CaptureOnce)?,
            "image.get" => self.no_args(Command::ImageGet)?,
            "cells.list" => Command::CellsList(self.cells_list()?),
            "cells.get" => Command::CellsGet(self.cells_get()?),
            "cells.review" => Command::CellsReview(self.args()?),
            "results.resend" => Command::ResultsResend(self.args()?),
            "model.list" => self.no_args(Command::ModelList)?,
            "model.history" => self.no_args(Command::ModelHistory)?,
            "model.rollback" => Command::ModelRollback(self.args()?),
            "ping" => self.no_args(Command::Ping)?,
            other => return Err(InvalidCommand::Unknown(other.chars().take(64).collect())),
        })
    }

    fn cells_list(&self) -> Result<CellsList, InvalidCommand> {
        let list: CellsList = self.args()?;
        if !(1..=MAX_LISTED).contains(&list.limit) {
            let limit = list.limit;
            return Err(self.wrong_args(format_args!(
                "`limit` is {limit}, but goes from 1 to {MAX_LISTED}"
            )));
        }
        Ok(list)
    }

    fn cells_get(&self) -> Result<CellsGet, InvalidCommand> {
        let get: CellsGet = self.args()?;
        if !(1..=MAX_SHOWN).contains(&get.ids.len()) {
            let count = get.ids.len();
            return Err(self.wrong_args(format_args!(
                "`ids` are {count}, but 1 to {MAX_SHOWN} can be asked for at once"
            )));
        }
        Ok(get)
    }

    fn args<T: for<'de> Deserialize<'de>>(&self) -> Result<T, InvalidCommand> {
        // serde would read an array as the fields in their order.
        let args = match &self.args {
            None | Some(Value::Null) => Value::Object(serde_json::Map::new()),
            Some(args @ Value::Object(_)) => args.clone(),
            Some(_) => return Err(self.wrong_args("they are no JSON object")),
        };
        serde_json::from_value(args).map_err(|e| self.wrong_args(e))
    }

    fn no_args(&self, command: Command) -> Result<Command, InvalidCommand> {
        self.args::<NoArgs>().map(|_| command)
    }

    fn wrong_args(&self, reason: impl fmt::Display) -> InvalidCommand {
        InvalidCommand::Args {
            command: self.command.clone(),
            reason: brief(reason),
        }
    }
}

/// The arguments of a command that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArgs {}

/// The arguments of `slide.start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlideStart {
    /// The new slide's id, as it is written on the slide; without one, a UUID is made. An id that was used before is refused.
    #[serde(default)]
    pub id: Option<SlideId>,
    /// What there is to say of it; see `slide.note`.
    #[serde(default)]
    pub notes: Notes,
}

/// The arguments of `slide.note`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlideNote {
    /// What there is to say of the slide, in place of what was said before; nothing that names the patient.
    pub text: Notes,
}

/// The arguments of `results.resend`: which results are to be published once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    /// The first `seq`.
    pub from: u64,
    /// The last `seq`, itself included.
    pub to: u64,
    /// The numbering that is meant; without one, the current one.
    #[serde(default)]
    pub series: Option<Uuid>,
}

/// What a board can be told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin a slide; the one that is open is closed.
    SlideStart(SlideStart),
    /// Close the slide; what comes then is analysed and joins none.
    SlideStop,
    /// Replace the notes of the slide that is open.
    SlideNote(SlideNote),
    /// Take no more fields.
    CapturePause,
    /// Take fields again.
    CaptureResume,
    /// Take one field, paused or not.
    CaptureOnce,
    /// Publish the picture of the last field.
    ImageGet,
    /// Tell which cells are kept.
    CellsList(CellsList),
    /// Show what some of them look like.
    CellsGet(CellsGet),
    /// Note what a person decided of one.
    CellsReview(CellsReview),
    /// Publish results once more.
    ResultsResend(Resend),
    /// Tell which models are here.
    ModelList,
    /// Tell what happened with models.
    ModelHistory,
    /// Go back to the model before.
    ModelRollback(ModelRollback),
    /// Answer.
    Ping,
}

/// Why a command was not carried out, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyCode {
    /// Not JSON, no `request_id`, an unknown key, a schema of another version.
    Malformed,
    /// A name that this version doesn't have.
    UnknownCommand,
    /// Wrong arguments.
    BadArgs,
    /// More bytes than a command may have.
    TooLarge,
    /// Too many commands in too short a time; nothing was done.
    RateLimited,
    /// It can't be done as things are: no slide is open, no field was taken.
    NotNow,
    /// It was tried and failed.
    Failed,
}

/// The answer to a command, on the response topic that came with it, else on `command/reply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"ok": {"const": true}}},
    "then" = {"required": ["result"], "properties": {"result": true, "error": false, "code": false}},
    "else" = {"required": ["error", "code"], "properties": {"error": true, "code": true, "result": false}},
))]
pub struct Reply {
    /// [`Reply::SCHEMA`].
    #[schemars(description = "Names this schema and its version.", extend("const" = Reply::SCHEMA))]
    pub schema: String,
    /// The board.
    pub device: DeviceId,
    /// The command's; `null` where it could not be read.
    pub request_id: Option<RequestId>,
    /// Whether it was done.
    pub ok: bool,
    /// What was wrong, in a sentence; only where `ok` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub error: Option<String>,
    /// What was wrong, for programs; only where `ok` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReplyCode")]
    pub code: Option<ReplyCode>,
    /// What the command gives, empty where that is nothing; only where `ok` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "object"))]
    pub result: Option<Value>,
}

impl Reply {
    /// The schema of this version.
    pub const SCHEMA: &str = "smearscope.reply/1";
}

#[cfg(test)]
mod tests {
    use super::super::ModelHash;
    use super::*;

    fn parse(text: &str) -> Result<Command, InvalidCommand> {
        Request::read(text.as_bytes())?.parse()
    }

    #[test]
    fn every_command_is_read() {
        let named = |name: &str, args: &str| {
            parse(&format!(
                r#"{{"request_id":"r","command":"{name}","args":{args}}}"#
            ))
        };
        for (name, command) in [
            ("slide.stop", Command::SlideStop),
            ("capture.pause", Command::CapturePause),
            ("capture.resume", Command::CaptureResume),
            ("capture.once", Command::CaptureOnce),
            ("image.get", Command::ImageGet),
            ("model.list", Command::ModelList),
            ("model.history", Command::ModelHistory),
            ("ping", Command::Ping),
        ] {
            for args in ["{}", "null"] {
                assert_eq!(named(name, args), Ok(command.clone()));
            }
            for args in ["{\"x\":1}", "[]", "3"] {
                assert!(
                    matches!(named(name, args), Err(InvalidCommand::Args { .. })),
                    "{name} {args}"
                );
            }
        }
        for id in [&Uuid::from_u128(7).to_string(), "ward-3_2026.11"] {
            let start = SlideStart {
                id: Some(id.parse().unwrap()),
                notes: Notes::default(),
            };
            assert_eq!(
                named("slide.start", &format!("{{\"id\":\"{id}\"}}")),
                Ok(Command::SlideStart(start))
            );
        }
        let long = "9".repeat(10_000);
        for id in ["a/b", "a b", "#", "+", ".a", "", &long] {
            let said = named("slide.start", &format!("{{\"id\":\"{id}\"}}"))
                .unwrap_err()
                .to_string();
            assert!(said.contains("slide id") && said.len() < 400, "{said}");
        }
        assert!(named("slide.start", "{\"id\":7}").is_err());
        let from: ModelHash = "ab".repeat(32).parse().unwrap();
        assert_eq!(
            named("model.rollback", &format!("{{\"from\":\"{from}\"}}")),
            Ok(Command::ModelRollback(ModelRollback { from: Some(from) }))
        );
        assert!(named("model.rollback", "{}").is_ok());
        assert!(named("model.rollback", "{\"from\":\"../x\"}").is_err());
        assert_eq!(
            named("results.resend", "{\"from\":3,\"to\":5}"),
            Ok(Command::ResultsResend(Resend {
                from: 3,
                to: 5,
                series: None
            }))
        );
        for args in ["{}", "{\"from\":-1,\"to\":5}", "{\"from\":1,\"to\":1e9}"] {
            assert!(named("results.resend", args).is_err(), "{args}");
        }
    }

    #[test]
    fn cells_are_asked_for_in_bounded_numbers() {
        let named = |name: &str, args: &str| {
            parse(&format!(
                r#"{{"request_id":"r","command":"{name}","args":{args}}}"#
            ))
        };
        assert_eq!(
            named("cells.list", "{}"),
            Ok(Command::CellsList(CellsList::default()))
        );
        for args in [
            "{\"limit\":1}",
            "{\"limit\":200,\"decided\":false,\"reason\":\"random\"}",
        ] {
            assert!(named("cells.list", args).is_ok(), "{args}");
        }
        for args in [
            "{\"limit\":0}",
            "{\"limit\":201}",
            "{\"slide\":\"a/b\"}",
            "{\"reason\":\"x\"}",
        ] {
            assert!(named("cells.list", args).is_err(), "{args}");
        }
        let ids = |count: usize| {
            let ids = vec![Uuid::from_u128(7).to_string(); count];
            serde_json::json!({ "ids": ids }).to_string()
        };
        assert!(named("cells.get", &ids(1)).is_ok() && named("cells.get", &ids(8)).is_ok());
        assert!(named("cells.get", &ids(0)).is_err() && named("cells.get", &ids(9)).is_err());
        let id = Uuid::from_u128(7);
        for verdict in ["null", "\"parasitized\"", "\"uninfected\""] {
            let args = format!("{{\"id\":\"{id}\",\"verdict\":{verdict},\"by\":\"A. Otieno\"}}");
            assert!(named("cells.review", &args).is_ok(), "{args}");
        }
        for args in [
            format!("{{\"id\":\"{id}\",\"verdict\":\"maybe\"}}"),
            format!("{{\"id\":\"{id}\",\"verdict\":null,\"by\":\"\"}}"),
            "{\"verdict\":null}".into(),
            format!("{{\"id\":\"{id}\"}}"),
        ] {
            assert!(named("cells.review", &args).is_err(), "{args}");
        }
    }

    #[test]
    fn a_refusal_quotes_little_of_the_sender_and_on_one_line() {
        let key = "k".repeat(16_000);
        for text in [
            format!(r#"{{"request_id":"a","command":"ping","{key}":1}}"#),
            format!(r#"{{"request_id":"a","command":"ping","args":{{"{key}":1}}}}"#),
            format!(r#"{{"request_id":"a","command":"ping","schema":"{key}"}}"#),
            r#"{"request_id":"a","command":"ping","a\nb\u001b[2J":1}"#.into(),
        ] {
            let said = parse(&text).unwrap_err().to_string();
            assert!(
                said.len() < 400 && !said.contains(char::is_control),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_its_reason() {
        for (text, word) in [
            ("", "EOF"),
            ("[]", "array"),
            (" [null,\"a\",\"ping\",{}]", "array"),
            (r#"{"command":"ping"}"#, "request_id"),
            (r#"{"request_id":"","command":"ping"}"#, "request_id"),
            (r#"{"request_id":"a b","command":"ping"}"#, "request_id"),
            (r#"{"request_id":"a","command":"ping","x":1}"#, "`x`"),
            (r#"{"request_id":"a","command":"pong"}"#, "pong"),
            (
                r#"{"request_id":"a","command":"ping","schema":"smearscope.command/2"}"#,
                "smearscope.command/2",
            ),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
        let long = format!(
            r#"{{"request_id":"{}","command":"ping"}}"#,
            "x".repeat(MAX_REQUEST_ID + 1)
        );
        assert!(parse(&long).is_err());
    }
}
