//! What can be told to a board, and what it answers.

use schemars::generate::Contract;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use smearscope_common::message::{
    CellReviewed, CellsGet, CellsList, CellsListed, CellsReview, CellsShown, FieldImage,
    ModelHistory, ModelList, ModelRollback, NoArgs, Pong, Reply, Request, Resend, Resent,
    SlideNote, SlideStart, WhichModel, WhichSlide,
};

use super::json::{generator, root};

/// The name of a type's schema among the definitions.
type Definition = fn(&mut SchemaGenerator) -> String;

/// A command, with what it takes and what it gives.
#[derive(Clone, Copy)]
pub struct Described {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    args: Definition,
    answer: Option<Definition>,
}

impl Described {
    /// What its result is called among the definitions of the reply's schema; `None` where it is empty.
    pub fn answer(&self) -> Option<String> {
        self.answer
            .map(|define| define(&mut generator(Contract::Serialize)))
    }
}

/// Every command.
pub const COMMANDS: [Described; 15] = [
    Described {
        name: "slide.start",
        summary: "Begin a slide; the one that is open is closed.",
        args: define::<SlideStart>,
        answer: Some(define::<WhichSlide>),
    },
    Described {
        name: "slide.stop",
        summary: "Close the slide; what comes then is analysed and joins none.",
        args: define::<NoArgs>,
        answer: Some(define::<WhichSlide>),
    },
    Described {
        name: "slide.note",
        summary: "Replace the notes of the slide that is open; they name no patient.",
        args: define::<SlideNote>,
        answer: Some(define::<WhichSlide>),
    },
    Described {
        name: "capture.pause",
        summary: "Take no more fields.",
        args: define::<NoArgs>,
        answer: None,
    },
    Described {
        name: "capture.resume",
        summary: "Take fields again.",
        args: define::<NoArgs>,
        answer: None,
    },
    Described {
        name: "capture.once",
        summary: "Take one field, paused or not.",
        args: define::<NoArgs>,
        answer: None,
    },
    Described {
        name: "image.get",
        summary: "Publish the picture of the last field on `image/field`.",
        args: define::<NoArgs>,
        answer: Some(define::<FieldImage>),
    },
    Described {
        name: "cells.list",
        summary: "Tell which cells are kept for a second look, the most suspicious first.",
        args: define::<CellsList>,
        answer: Some(define::<CellsListed>),
    },
    Described {
        name: "cells.get",
        summary: "Show what kept cells look like.",
        args: define::<CellsGet>,
        answer: Some(define::<CellsShown>),
    },
    Described {
        name: "cells.review",
        summary: "Note what a person decided of a kept cell, or take that back.",
        args: define::<CellsReview>,
        answer: Some(define::<CellReviewed>),
    },
    Described {
        name: "results.resend",
        summary: "Publish results once more on `field` and `slide/report`, under their old ids and numbers.",
        args: define::<Resend>,
        answer: Some(define::<Resent>),
    },
    Described {
        name: "model.list",
        summary: "Tell which models are on the board, the one that decides first.",
        args: define::<NoArgs>,
        answer: Some(define::<ModelList>),
    },
    Described {
        name: "model.history",
        summary: "Tell what happened with models on the board, the newest last.",
        args: define::<NoArgs>,
        answer: Some(define::<ModelHistory>),
    },
    Described {
        name: "model.rollback",
        summary: "Go back to the model before; it decides from the next field on.",
        args: define::<ModelRollback>,
        answer: Some(define::<WhichModel>),
    },
    Described {
        name: "ping",
        summary: "Answer, and do nothing else.",
        args: define::<NoArgs>,
        answer: Some(define::<Pong>),
    },
];

fn define<T: JsonSchema>(generator: &mut SchemaGenerator) -> String {
    generator.subschema_for::<T>();
    T::schema_name().into_owned()
}

/// The schema of a command, with the arguments of each.
pub fn request() -> Value {
    let mut generator = generator(Contract::Deserialize);
    let args = COMMANDS.map(|command| (command, (command.args)(&mut generator)));
    let mut schema = root::<Request>(generator);
    let mut rules = Vec::new();
    for (command, args) in &args {
        let takes = json!({"$ref": format!("#/$defs/{args}")});
        let then = if schema["$defs"][args].get("required").is_some() {
            json!({"required": ["args"], "properties": {"args": takes}})
        } else {
            json!({"properties": {"args": {"anyOf": [takes, {"type": "null"}]}}})
        };
        rules.push(json!({
            "if": {"properties": {"command": {"const": command.name}}},
            "then": then,
        }));
    }
    schema["properties"]["command"]["enum"] = COMMANDS.iter().map(|c| c.name).collect();
    schema["allOf"] = Value::Array(rules);
    schema
}

/// The schema of an answer; among its definitions are the results that a command may give.
pub fn reply() -> Value {
    let mut generator = generator(Contract::Serialize);
    for answer in COMMANDS.iter().filter_map(|command| command.answer) {
        answer(&mut generator);
    }
    root::<Reply>(generator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smearscope_common::message::Command;
    use uuid::Uuid;

    /// Which entry describes a command: a new one doesn't compile without a place here.
    fn place(command: Command) -> usize {
        match command {
            Command::SlideStart(_) => 0,
            Command::SlideStop => 1,
            Command::SlideNote(_) => 2,
            Command::CapturePause => 3,
            Command::CaptureResume => 4,
            Command::CaptureOnce => 5,
            Command::ImageGet => 6,
            Command::CellsList(_) => 7,
            Command::CellsGet(_) => 8,
            Command::CellsReview(_) => 9,
            Command::ResultsResend(_) => 10,
            Command::ModelList => 11,
            Command::ModelHistory => 12,
            Command::ModelRollback(_) => 13,
            Command::Ping => 14,
        }
    }

    #[test]
    fn every_command_that_is_read_is_described_once() {
        for (i, described) in COMMANDS.iter().enumerate() {
            let args = match described.name {
                "results.resend" => json!({"from": 1, "to": 2}),
                "slide.note" => json!({"text": "thick at the edge"}),
                "cells.get" => json!({"ids": [Uuid::nil()]}),
                "cells.review" => json!({"id": Uuid::nil(), "verdict": null}),
                _ => json!({}),
            };
            let request = json!({"request_id": "r", "command": described.name, "args": args});
            let request = Request::read(request.to_string().as_bytes()).unwrap();
            assert_eq!(place(request.parse().unwrap()), i, "{}", described.name);
        }
    }

    #[test]
    fn what_a_command_takes_and_gives_is_defined() {
        let (request, reply) = (request(), reply());
        for described in &COMMANDS {
            let mut generator = generator(Contract::Deserialize);
            let args = (described.args)(&mut generator);
            assert!(request["$defs"][&args].is_object(), "{args}");
            if let Some(answer) = described.answer() {
                assert!(reply["$defs"][&answer].is_object(), "{answer}");
            }
        }
        let rules = request["allOf"].as_array().unwrap();
        assert_eq!(rules.len(), COMMANDS.len());
        let needs_args = rules.iter().filter(|r| r["then"].get("required").is_some());
        assert_eq!(
            needs_args.count(),
            4,
            "those with arguments that can't be left out"
        );
    }
}
