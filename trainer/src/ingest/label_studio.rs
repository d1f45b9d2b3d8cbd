//! Label Studio: kept cells out as tasks with pre-annotations, and its JSON export in.
//!
//! Its formats are documented at labelstud.io: "Import pre-annotated data" (`data`, and `predictions` with `model_version`,
//! `score` and `result`) and "Label Studio task format" (`annotations`, each with `result`, `was_cancelled`, `created_at`,
//! `completed_by`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use smearscope_common::exported::{ExportedCell, Part};
use smearscope_common::message::{Decision, Label, Reviewer};
use uuid::Uuid;

use super::folder::Folder;
use super::source::Source;
use super::{Cell, From};
use crate::checkpoint::write_whole;
use crate::error::bad_input;
use crate::manifest::class_of;
use crate::say::say;

/// The tasks to import, in the folder of the cells.
const TASKS: &str = "tasks.json";
/// The labelling interface for the project, beside it.
const INTERFACE: &str = "labelling-interface.xml";
/// The control that says what a cell is.
const VERDICT: &str = "verdict";
/// The control that says which kind of parasite.
const STAGE: &str = "stage";
/// What the picture is called in it.
const IMAGE: &str = "image";
/// The kinds of parasite that are asked for, as the board's own figures name them.
const STAGES: [&str; 4] = ["ring", "trophozoite", "schizont", "gametocyte"];

/// Arguments of `export-labels`.
#[derive(Debug, Args)]
pub struct ExportLabelsArgs {
    /// Where the cells come from.
    #[command(flatten)]
    pub from: From,
    /// The folder to make: the cells, `tasks.json` to import and `labelling-interface.xml` for the project.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What stands before each picture's name in the tasks: where Label Studio finds the folder.
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "/data/local-files/?d=cells/"
    )]
    pub images: String,
    /// Also cells that somebody has decided on.
    #[arg(long)]
    pub all: bool,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A task to import.
#[derive(Serialize)]
struct Task {
    data: Data,
    predictions: [Prediction; 1],
}

/// What a task is about.
#[derive(Serialize, Deserialize)]
struct Data {
    #[serde(default)]
    image: String,
    /// The cell's id, by which its label finds it again.
    cell: Uuid,
    #[serde(default)]
    device: String,
    #[serde(default)]
    slide: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    p_parasitized: f32,
}

/// What the model says, shown before a person has said anything.
#[derive(Serialize)]
struct Prediction {
    model_version: String,
    score: f32,
    result: [Choice; 1],
}

/// The answer of a control of choices.
#[derive(Serialize, Deserialize)]
struct Choice {
    from_name: String,
    to_name: String,
    r#type: String,
    value: Choices,
}

#[derive(Default, Serialize, Deserialize)]
struct Choices {
    #[serde(default)]
    choices: Vec<String>,
}

/// `export-labels`.
///
/// # Errors
/// The source can't be read, or the folder can't be written.
pub fn run(args: &ExportLabelsArgs) -> Result<()> {
    let mut source = args.from.open()?;
    if fs::read_dir(&args.out).is_ok_and(|mut files| files.next().is_some()) {
        return Err(bad_input!(
            "{}: is not empty; give --out a new folder so that nothing is lost",
            args.out.display()
        ));
    }
    fs::create_dir_all(&args.out)
        .map_err(|e| bad_input!("{}: cannot be made: {e}", args.out.display()))?;
    let mut tasks: Vec<Task> = Vec::new();
    let mut decided = 0u64;
    source.each(&mut |cell| {
        if cell.record.verdict().is_some() && !args.all {
            decided += 1;
            return Ok(());
        }
        if let Err(e) = cell.record.crop(&cell.picture, &cell.mask) {
            tracing::warn!("cell {}: left out: {e}", cell.record.cell.id);
            return Ok(());
        }
        for (name, bytes) in cell.record.files(&cell.picture, &cell.mask)? {
            let path = args.out.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        tasks.push(task(&cell.record, &args.images));
        Ok(())
    })?;
    // The most doubtful first, whatever the project's own order.
    let doubt = |task: &Task| (task.data.p_parasitized - 0.5).abs();
    tasks.sort_by(|a, b| doubt(a).total_cmp(&doubt(b)));
    write_whole(&args.out.join(TASKS), &serde_json::to_vec_pretty(&tasks)?)?;
    write_whole(&args.out.join(INTERFACE), interface().as_bytes())?;
    let n = tasks.len();
    if args.json {
        say!(
            "{}",
            json!({"out": args.out, "tasks": n, "decided": decided})
        )?;
    } else {
        say!("{}: {n} cells to label", args.out.display())?;
        if decided > 0 {
            say!("  {decided} decided on already, and left out (--all takes them, too)")?;
        }
        say!(
            "  In Label Studio: a project with the code of {INTERFACE} as its labelling interface, local storage on this folder \
             (or --images with an address of it), import {TASKS}; export as JSON, then\n  \
             smearscope-train ingest EXPORT.json --cells {} --out DATA",
            args.out.display()
        )?;
    }
    Ok(())
}

fn task(record: &ExportedCell, prefix: &str) -> Task {
    let cell = &record.cell;
    let says = cell.decision.as_ref().map_or(cell.label, |d| d.verdict);
    let score = match cell.label {
        Label::Parasitized => cell.p_parasitized,
        Label::Uninfected => 1.0 - cell.p_parasitized,
    };
    Task {
        data: Data {
            image: format!("{prefix}{}", Part::Picture.name(cell.id)),
            cell: cell.id,
            device: record.device.to_string(),
            slide: cell.slide.as_ref().map(ToString::to_string),
            reason: format!("{:?}", cell.reason).to_lowercase(),
            p_parasitized: cell.p_parasitized,
        },
        predictions: [Prediction {
            model_version: format!("{} {}", cell.model.name, cell.model.version),
            score,
            result: [Choice {
                from_name: VERDICT.into(),
                to_name: IMAGE.into(),
                r#type: "choices".into(),
                value: Choices {
                    choices: vec![class_of(says).to_owned()],
                },
            }],
        }],
    }
}

/// The labelling interface: the picture, the verdict, and for a parasite its kind.
fn interface() -> String {
    let stages: String = STAGES
        .map(|stage| format!("    <Choice value=\"{stage}\"/>\n"))
        .concat();
    let (yes, no) = (class_of(Label::Parasitized), class_of(Label::Uninfected));
    format!(
        "<View>\n  \
           <Image name=\"{IMAGE}\" value=\"$image\" zoom=\"true\"/>\n  \
           <Header value=\"The cell in the middle\"/>\n  \
           <Choices name=\"{VERDICT}\" toName=\"{IMAGE}\" choice=\"single\" required=\"true\">\n    \
             <Choice value=\"{yes}\" hotkey=\"p\"/>\n    \
             <Choice value=\"{no}\" hotkey=\"u\"/>\n  \
           </Choices>\n  \
           <Choices name=\"{STAGE}\" toName=\"{IMAGE}\" choice=\"single\" visibleWhen=\"choice-selected\" \
             whenTagName=\"{VERDICT}\" whenChoiceValue=\"{yes}\">\n{stages}  </Choices>\n</View>\n"
    )
}

/// A task as Label Studio exports it.
#[derive(Deserialize)]
struct Exported {
    data: Data,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

/// What somebody said of a task.
#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    result: Vec<serde_json::Value>,
    #[serde(default)]
    was_cancelled: bool,
    #[serde(default)]
    created_at: Option<Timestamp>,
    #[serde(default)]
    updated_at: Option<Timestamp>,
    /// A number, or an object with the user's address.
    #[serde(default)]
    completed_by: serde_json::Value,
}

/// What a task's annotations come to.
struct Said {
    decision: Decision,
    stage: Option<String>,
}

/// A Label Studio export and the cells that it is about.
pub struct Labelled {
    said: BTreeMap<Uuid, Said>,
    cells: Folder,
    damaged: u64,
}

impl Labelled {
    /// Reads both.
    ///
    /// # Errors
    /// The file is no JSON export of Label Studio, or the folder holds no exported cells.
    pub fn open(path: &Path, cells: &Path) -> Result<Self> {
        let bytes =
            fs::read(path).map_err(|e| bad_input!("{}: cannot be read: {e}", path.display()))?;
        let tasks: Vec<Exported> = serde_json::from_slice(&bytes).map_err(|e| {
            bad_input!(
                "{}: is no JSON export of Label Studio on tasks of `export-labels`: {e}",
                path.display()
            )
        })?;
        let mut said = BTreeMap::new();
        for task in tasks {
            if let Some(last) = said_of(&task)? {
                said.insert(task.data.cell, last);
            }
        }
        Ok(Self {
            said,
            cells: Folder::open(cells)?,
            damaged: 0,
        })
    }
}

impl Source for Labelled {
    fn each(&mut self, take: &mut dyn FnMut(Cell) -> Result<()>) -> Result<()> {
        let Self { said, cells, .. } = self;
        cells.each(&mut |mut cell| {
            // What the page says of it is the board's to tell.
            cell.record.cell.decision = None;
            if let Some(Said { decision, stage }) = said.remove(&cell.record.cell.id) {
                cell.record.cell.decision = Some(decision);
                cell.record.stage = stage;
            }
            take(cell)
        })?;
        for id in said.keys() {
            tracing::warn!("cell {id}: is labelled, but not in the folder of --cells");
            self.damaged += 1;
        }
        Ok(())
    }

    fn decided_on(&self) -> &'static str {
        "label_studio"
    }

    fn damaged(&self) -> u64 {
        self.damaged + self.cells.damaged()
    }
}

/// The last verdict on a task; `None` where it was skipped or nobody looked.
fn said_of(task: &Exported) -> Result<Option<Said>> {
    let mut annotations: Vec<&Annotation> = task
        .annotations
        .iter()
        .filter(|annotation| !annotation.was_cancelled)
        .collect();
    let when = |a: &Annotation| {
        a.updated_at
            .or(a.created_at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
    };
    annotations.sort_by_key(|annotation| when(annotation));
    for annotation in annotations.into_iter().rev() {
        let chosen = |control: &str| {
            annotation.result.iter().find_map(|result| {
                // Other controls of a project have other values.
                let choice = Choice::deserialize(result).ok()?;
                (choice.from_name == control).then(|| choice.value.choices.into_iter().next())?
            })
        };
        let Some(verdict) = chosen(VERDICT) else {
            continue;
        };
        let verdict = match verdict.to_lowercase().as_str() {
            "parasitized" => Label::Parasitized,
            "uninfected" => Label::Uninfected,
            _ => {
                return Err(bad_input!(
                    "cell {}: its label is {verdict:?}, but Parasitized or Uninfected are known",
                    task.data.cell
                ));
            }
        };
        let by = match &annotation.completed_by {
            serde_json::Value::Null => None,
            // It may be a mail address; a pseudonym is made of it where it is taken in.
            user => Reviewer::try_from(user.to_string()).ok(),
        };
        let stage = chosen(STAGE).filter(|_| verdict == Label::Parasitized);
        return Ok(Some(Said {
            decision: Decision {
                verdict,
                at: when(annotation),
                by,
            },
            stage,
        }));
    }
    Ok(None)
}
