//! The whole way of a model, with the program's own model under other cards.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use minisign::KeyPair;
use smearscope_common::message::{DesiredModel, ModelMessage, ModelOrigin, ModelUse, UpdateState};
use tempfile::TempDir;
use uuid::Uuid;

use super::state::MOST_STARTS;
use super::told::reference_of;
use super::*;
use crate::model;

const PROGRAM: &[u8] = include_bytes!("../../models/default.onnx");
/// Its card's version, and that of another model.
const NEW: (&str, &str) = ("\"version\":\"2.1.0\"", "\"version\":\"2.0.1\"");

/// The program's model with other words of the same length in its card.
pub fn edited(edits: &[(&str, &str)]) -> Vec<u8> {
    let mut onnx = PROGRAM.to_vec();
    for (from, to) in edits {
        assert_eq!(from.len(), to.len(), "{from} {to}");
        let at = onnx
            .windows(from.len())
            .position(|bytes| bytes == from.as_bytes())
            .unwrap_or_else(|| panic!("the card has no {from}"));
        onnx[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    onnx
}

fn keys() -> &'static [KeyPair; 2] {
    static KEYS: OnceLock<[KeyPair; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap()))
}

fn signed(onnx: &[u8], key: &KeyPair, comment: &str) -> String {
    minisign::sign(Some(&key.pk), &key.sk, onnx, Some(comment), None)
        .unwrap()
        .to_string()
}

fn demands() -> Demands {
    let trusted = |key: &KeyPair| key.pk.to_base64().try_into().unwrap();
    Demands {
        device: "scope-1".parse().unwrap(),
        keys: keys().iter().map(trusted).collect(),
        max_bytes: 64 << 20,
        watch: Rules {
            cells: 200,
            max_share_shift: 0.1,
            min_agreement: 0.2,
            max_ms_per_crop: 1e6,
        },
    }
}

/// The models of a folder.
pub fn opened(path: &Path) -> (Models, AtWork) {
    Models::open(Options {
        path: None,
        folder: Some(path.into()),
        demands: demands(),
    })
    .unwrap()
}

fn message(models: &Models) -> ModelMessage {
    models.message(&"scope-1".parse().unwrap(), Uuid::nil())
}

/// Signs at this second and installs.
fn install(models: &Models, onnx: &[u8], second: u32) -> Result<ModelRef, Refusal> {
    let comment = format!("timestamp:{second}");
    models.install(onnx, &signed(onnx, &keys()[0], &comment))
}

/// Installs what must be taken.
pub fn installed(models: &Models, onnx: &[u8], second: u32) {
    install(models, onnx, second).unwrap();
}

fn field(parasitized: u64, before: u64) -> Judged {
    Judged {
        cells: 100,
        parasitized,
        before: Some(Before {
            parasitized: before,
            agreed: before.min(parasitized),
        }),
        ms: 100.0,
    }
}

#[test]
fn a_signed_model_is_taken_watched_and_stays() {
    let dir = TempDir::new().unwrap();
    let (models, at_work) = opened(dir.path());
    assert!(at_work.before.is_none() && models.next().is_none());
    assert_eq!(message(&models).origin, ModelOrigin::Program);
    let new = edited(&[NEW]);
    let taken = install(&models, &new, 5).unwrap();
    assert_eq!(taken.version, "2.0.1");
    // It decides from the next field on, not before.
    assert_eq!(models.at_work().version, "2.1.0");
    assert_eq!(
        message(&models).update.unwrap().state,
        UpdateState::Switching
    );
    let next = models.next().unwrap();
    assert!(next.is_watched && models.next().is_none());
    assert_eq!(next.model.reference(), taken);
    let said = message(&models);
    assert_eq!(
        (&said.current, said.origin),
        (&taken, ModelOrigin::Installed)
    );
    assert_eq!(said.previous, Some(model::default_reference()));
    assert_eq!(said.update.unwrap().state, UpdateState::Watching);
    models.judged(&field(3, 2));
    assert_eq!(message(&models).watch.unwrap().cells, 100);
    models.judged(&field(3, 2));
    let said = message(&models);
    assert_eq!(
        (said.watch, said.update.unwrap().state),
        (None, UpdateState::Installed)
    );
    assert!(!models.is_watched());

    drop(models);
    let (models, at_work) = opened(dir.path());
    assert_eq!(at_work.model.reference(), taken);
    assert!(at_work.before.is_none());
    let uses: Vec<_> = models.list().models.iter().map(|kept| kept.used).collect();
    assert_eq!(uses, [ModelUse::Current, ModelUse::Previous]);
    assert_eq!(models.history().events.len(), 2);
}

#[test]
fn what_must_not_decide_is_refused_with_its_reason_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    let good = edited(&[NEW]);
    install(&models, &good, 1000).unwrap();
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let with = |edits: &[(&str, &str)]| edited(edits);
    let by = |onnx: Vec<u8>, key: &KeyPair, comment: &str| {
        let signature = signed(&onnx, key, comment);
        (onnx, signature)
    };
    let later = "timestamp:2000";
    let ours = &keys()[0];
    let mut truncated = by(good.clone(), ours, later);
    truncated.0.truncate(good.len() / 2);
    let mut unsigned = by(good.clone(), ours, later);
    unsigned.1.clear();
    let mut forged = by(good.clone(), ours, later);
    forged.1 = forged.1.replace("timestamp:2000", "timestamp:3000");
    let cases: Vec<((Vec<u8>, String), &str)> = vec![
        (unsigned, "not signed"),
        (truncated, "of another file"),
        (forged, "fits none"),
        (by(good.clone(), &stranger, later), "2 trusted key(s)"),
        (by(good.clone(), ours, "timestamp:999"), "sign it anew"),
        (by(good.clone(), ours, "by hand"), "no `timestamp:`"),
        (
            by(good.clone(), ours, "timestamp:2000\tboards:scope-2"),
            "for other boards",
        ),
        (by(b"no model".to_vec(), ours, later), "ONNX"),
        (by(good[..good.len() / 2].to_vec(), ours, later), "ONNX"),
        (
            by(
                with(&[(
                    "\"architecture\":\"densenet121\"",
                    "\"architecture\":\"resnet00018\"",
                )]),
                ours,
                later,
            ),
            "\"resnet00018\"",
        ),
        (
            by(
                with(&[("smearscope.card/1", "smearscope.card/2")]),
                ours,
                later,
            ),
            "card/2",
        ),
        (
            by(
                with(&[("\"crop\":{\"version\":2", "\"crop\":{\"version\":9")]),
                ours,
                later,
            ),
            "crop.version",
        ),
        (
            by(with(&[("\"size\":64", "\"size\":65")]), ours, later),
            "card",
        ),
        (
            by(with(&[("[1.7170205,", "[1.7370205,")]), ours, later),
            "self-test failed",
        ),
    ];
    let before = message(&models);
    for ((onnx, signature), word) in cases {
        let said = match models.install(&onnx, &signature) {
            Ok(_) => panic!("{word} was taken"),
            Err(refusal) => refusal.to_string(),
        };
        assert!(said.contains(word), "{word}: {said}");
        assert_eq!(message(&models), before, "{word}");
    }
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 4, "model, signature, state and lock");

    let slow = Models::open(Options {
        path: None,
        folder: Some(dir.path().join("slow")),
        demands: Demands {
            watch: Rules {
                max_ms_per_crop: 1e-3,
                ..demands().watch
            },
            ..demands()
        },
    });
    let said = install(&slow.unwrap().0, &good, 1).unwrap_err().to_string();
    assert!(said.contains("max_ms_per_crop"), "{said}");
    let deaf = Models::open(Options {
        path: None,
        folder: Some(dir.path().join("deaf")),
        demands: Demands {
            keys: Vec::new(),
            ..demands()
        },
    });
    let said = install(&deaf.unwrap().0, &good, 1).unwrap_err().to_string();
    assert!(said.contains("trusted_keys"), "{said}");
}

#[test]
fn keys_rotate() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    let new = edited(&[NEW]);
    for (second, key) in keys().iter().enumerate() {
        let comment = format!("timestamp:{second}\tfile:m.onnx\thashed\tboards:scope-0,scope-1");
        models.install(&new, &signed(&new, key, &comment)).unwrap();
    }
}

#[test]
fn a_model_that_fails_is_left_at_once_and_its_order_is_not_followed_again() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    let new = edited(&[NEW]);
    let signature = signed(&new, &keys()[0], "timestamp:5");
    let desired = DesiredModel {
        schema: None,
        sha256: hash_of(&new),
        size: new.len() as u64,
        signature: signature.clone(),
        url: None,
    };
    assert!(matches!(models.need(&desired), Ok(Need::Receive)));
    models.install(&new, &signature).unwrap();
    assert!(matches!(models.need(&desired), Ok(Need::Nothing)));
    models.next().unwrap();
    assert!(models.failed("NaN"));
    let next = models.next().unwrap();
    assert!(!next.is_watched);
    assert_eq!(next.model.reference(), model::default_reference());
    let update = message(&models).update.unwrap();
    assert_eq!(update.state, UpdateState::RolledBack);
    assert_eq!(update.reason.as_deref(), Some("NaN"));
    assert!(matches!(models.need(&desired), Ok(Need::Nothing)));
    // Of the program's own model there is nothing to go back to.
    assert!(!models.failed("NaN"));

    // Signed anew, it is another order; its bytes are gone.
    let again = DesiredModel {
        signature: signed(&new, &keys()[1], "timestamp:6"),
        ..desired.clone()
    };
    assert!(matches!(models.need(&again), Ok(Need::Receive)));
    models.install(&new, &again.signature).unwrap();
    models.next().unwrap();
    models.judged(&field(90, 2));
    let said = message(&models);
    assert_eq!(said.update.unwrap().state, UpdateState::RolledBack);
    assert!(models.next().is_some());
    // An old signature brings nothing back.
    assert!(matches!(models.need(&desired), Err(Refusal::Older { .. })));
}

#[test]
fn a_command_that_comes_late_takes_nothing_back() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    assert!(models.roll_back(None).is_err());
    let new = edited(&[NEW]);
    let hash = hash_of(&new);
    install(&models, &new, 1).unwrap();
    let other: ModelHash = "00".repeat(32).parse().unwrap();
    assert!(models.roll_back(Some(&other)).is_err());
    let back = models.roll_back(Some(&hash)).unwrap();
    assert_eq!(back, model::default_reference());
    assert!(models.roll_back(Some(&hash)).is_err());
}

#[test]
fn a_program_that_dies_again_and_again_on_a_new_model_leaves_it() {
    let dir = TempDir::new().unwrap();
    let new = edited(&[NEW]);
    let taken = install(&opened(dir.path()).0, &new, 1).unwrap();
    // Those that ended in order don't count.
    for _ in 0..=MOST_STARTS {
        opened(dir.path()).0.end();
    }
    for _ in 0..MOST_STARTS {
        let (models, at_work) = opened(dir.path());
        assert_eq!(at_work.model.reference(), taken);
        assert!(at_work.before.is_some() && models.is_watched());
    }
    let (models, at_work) = opened(dir.path());
    assert_eq!(at_work.model.reference(), model::default_reference());
    let reason = message(&models).update.unwrap().reason.unwrap();
    assert!(reason.contains("started 4 times"), "{reason}");
}

#[test]
fn a_damaged_file_makes_way_for_the_model_before() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    let new = edited(&[NEW]);
    install(&models, &new, 1).unwrap();
    models.next().unwrap();
    models.judged(&field(1, 1));
    models.judged(&field(1, 1));
    let newer = edited(&[("\"version\":\"2.1.0\"", "\"version\":\"2.0.2\"")]);
    install(&models, &newer, 2).unwrap();
    drop(models);
    let file = dir.path().join(format!("{}.onnx", hash_of(&newer)));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[9_000_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (models, at_work) = opened(dir.path());
    assert_eq!(at_work.model.reference().version, "2.0.1");
    let events = models.history().events;
    assert_eq!(events.last().unwrap().kind, ModelEventKind::Damaged);
    assert!(!file.exists(), "it is no use any more");
}

#[test]
fn damaged_files_on_a_disk_that_can_t_be_written_leave_the_programs_model() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    for (second, version) in [(1, "2.0.1"), (2, "2.0.2")] {
        let to = format!("\"version\":\"{version}\"");
        installed(&models, &edited(&[("\"version\":\"2.1.0\"", &to)]), second);
        models.next().unwrap();
        models.judged(&field(1, 1));
        models.judged(&field(1, 1));
    }
    drop(models);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "onnx") {
            std::fs::write(path, "damaged").unwrap();
        }
    }
    // Nobody may write there, not even root.
    std::fs::create_dir(dir.path().join(".state.json.new")).unwrap();
    let (models, at_work) = opened(dir.path());
    assert_eq!(at_work.model.reference(), model::default_reference());
    assert_eq!(models.at_work(), model::default_reference());
}

#[test]
fn what_is_installed_by_hand_is_noticed() {
    let dir = TempDir::new().unwrap();
    let (models, _at_work) = opened(dir.path());
    models.refresh();
    assert!(models.next().is_none());
    let new = edited(&[NEW]);
    let folder = Folder::open(dir.path().into()).unwrap();
    let signature = signed(&new, &keys()[0], "timestamp:1");
    super::install(&folder, &demands(), &new, &signature).unwrap();
    models.refresh();
    assert!(models.next().unwrap().is_watched);
    folder
        .change(|state| Ok(state.roll_back(ModelEventKind::RolledBack, ASKED)))
        .unwrap();
    models.refresh();
    assert_eq!(
        models.next().unwrap().model.reference(),
        model::default_reference()
    );
}

#[test]
fn a_model_that_the_config_names_stays() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("m.onnx");
    let fixed = edited(&[NEW]);
    std::fs::write(&path, &fixed).unwrap();
    let (models, at_work) = Models::open(Options {
        path: Some(path),
        folder: Some(dir.path().join("models")),
        demands: demands(),
    })
    .unwrap();
    assert_eq!(at_work.model.reference().version, "2.0.1");
    assert!(matches!(install(&models, &fixed, 1), Err(Refusal::Fixed)));
    assert_eq!(message(&models).origin, ModelOrigin::File);
    assert!(!models.failed("NaN"));
    assert_eq!(models.list().models.len(), 1);
}

/// What the child of the next test does until the power is cut: it installs one model, goes back, and installs another.
#[test]
fn power_cut_child() {
    let Ok(folder) = std::env::var("SMEARSCOPE_TEST_MODELS") else {
        return;
    };
    let (models, _at_work) = opened(Path::new(&folder));
    let new = edited(&[NEW]);
    let second = || {
        message(&models)
            .signed_at
            .map_or(1, |at| at.as_second() as u32 + 1)
    };
    install(&models, &new, second()).unwrap();
    models.next();
    models.judged(&field(1, 1));
    models.judged(&field(1, 1));
    let newer = edited(&[("\"version\":\"2.1.0\"", "\"version\":\"2.0.2\"")]);
    install(&models, &newer, second()).unwrap();
    models.next();
    models.failed("NaN");
}

#[test]
fn a_power_cut_between_any_two_writes_leaves_a_model_that_works() {
    let mut cuts = 0;
    for place in [
        "file.written",
        "file.renamed",
        "models.signature",
        "models.file",
        "models.state",
        "models.sweep",
    ] {
        for times in 1.. {
            // Each way once is enough of the many that only read.
            if place == "models.sweep" && times > 4 {
                break;
            }
            let dir = TempDir::new().unwrap();
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "models::tests::power_cut_child"])
                .env("SMEARSCOPE_TEST_MODELS", dir.path())
                .env("SMEARSCOPE_TEST_CRASH", format!("{place}:{times}"))
                .output()
                .unwrap()
                .status;
            if status.success() {
                break;
            }
            cuts += 1;
            let (models, at_work) = opened(dir.path());
            let state = models.inner().record.state.clone();
            // What is named is there and whole, and what the analysis begins with is what is written.
            for hash in state.kept() {
                let bytes = Folder::open(dir.path().into())
                    .unwrap()
                    .model(hash)
                    .unwrap();
                assert_eq!(hash_of(&bytes), *hash, "{place}:{times}");
            }
            let wanted = reference_of(&state, &state.current);
            assert_eq!(at_work.model.reference(), wanted, "{place}:{times}");
            let damaged = |event: &&smearscope_common::message::ModelEvent| {
                event.kind == ModelEventKind::Damaged
            };
            assert!(
                !state.history.iter().any(|e| damaged(&e)),
                "{place}:{times}"
            );
            // And it goes on from there.
            let new = edited(&[("\"version\":\"2.1.0\"", "\"version\":\"2.0.3\"")]);
            install(&models, &new, 9_999).unwrap();
        }
    }
    assert!(cuts > 20, "{cuts}");
}
