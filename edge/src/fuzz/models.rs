//! What comes to a board about models before anything of it is proved: cards, signatures, wishes, keys, chunks, and a
//! state that was damaged on the disk.
//!
//! The first byte says which of them the rest is.

use std::fs;
use std::path::Path;

use minisign_verify::Signature;
use smearscope_common::message::DesiredModel;
use smearscope_common::model_card::ModelCard;
use smearscope_common::model_signature::SignedNote;

use crate::config::TrustedKey;
use crate::models::{Chunks, Folder, Refusal};

/// The key of the signatures among the seeds.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

/// Reads the bytes as what their first one says; `folder` is emptied.
pub fn check(bytes: &[u8], folder: &Path) {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 6 {
        0 => card(&String::from_utf8_lossy(rest)),
        1 => signature(&String::from_utf8_lossy(rest)),
        2 => wish(rest),
        3 => drop(TrustedKey::try_from(
            String::from_utf8_lossy(rest).into_owned(),
        )),
        4 => chunks(rest, folder),
        _ => state(rest, folder),
    }
}

/// A card that is taken is written as it was read.
fn card(text: &str) {
    let Ok(card) = ModelCard::from_json(text) else {
        return;
    };
    assert!(card.parasitized_index().is_some());
    let again = card
        .to_json()
        .expect("a card that was taken can be written");
    assert_eq!(ModelCard::from_json(&again).expect("and read"), card);
}

/// No signature is of bytes that its key has not signed.
fn signature(text: &str) {
    let Ok(signature) = Signature::decode(text) else {
        return;
    };
    let key = TrustedKey::try_from(KEY.to_owned()).expect("a sound key");
    assert!(key.verify(b"not what was signed", &signature).is_err());
    if let Ok(note) = SignedNote::read(signature.trusted_comment()) {
        let again = SignedNote::read(&note.comment("m.onnx")).expect("a note that is written");
        assert_eq!(again, note);
    }
}

fn wish(bytes: &[u8]) {
    if let Ok(Some(desired)) = DesiredModel::read(bytes) {
        assert_eq!(desired.sha256.to_string().len(), 64);
        let text = serde_json::to_vec(&desired).expect("a wish serialises");
        // Signatures of control characters alone grow beyond the limit when they are written.
        if let Ok(again) = DesiredModel::read(&text) {
            assert_eq!(again, Some(desired));
        }
    }
}

/// Chunks never have more than was announced, and are whole exactly when nothing is wanted.
fn chunks(bytes: &[u8], folder: &Path) {
    let Some((&size, rest)) = bytes.split_first() else {
        return;
    };
    let size = u64::from(size) + 1;
    let incoming = folder.join("incoming");
    let _ = fs::remove_dir_all(&incoming);
    let mut chunks = Chunks::open(incoming.clone(), size).expect("a folder");
    for (at, pair) in rest.chunks_exact(2).take(64).enumerate() {
        // Some numbers are far off.
        let number = match pair[0] {
            255 => u32::MAX,
            254 => 1 << 20,
            number => u32::from(number % 16),
        };
        if let Err(refusal) = chunks.accept(number, &vec![pair[0]; usize::from(pair[1])]) {
            assert!(matches!(refusal, Refusal::Endless(_)), "{refusal}");
        }
        if at % 8 == 7 {
            // A new start finds what was there.
            let received = chunks.received();
            chunks = Chunks::open(incoming.clone(), size).expect("a folder");
            assert_eq!(chunks.received(), received);
        }
        assert!(chunks.received() <= size);
        let whole = chunks.whole().expect("chunks can be read");
        assert_eq!(whole.is_some(), chunks.wanted().is_empty());
        if let Some(whole) = whole {
            assert_eq!(whole.len() as u64, size);
        }
    }
}

/// What is written down is understood or set aside, and can then be written.
fn state(bytes: &[u8], folder: &Path) {
    fs::write(folder.join("state.json"), bytes).expect("a file");
    let folder = Folder::open(folder.to_owned()).expect("a folder");
    let state = folder.state().expect("a state, or the first one");
    let _ = state.previous();
    let again = folder.change(|_| Ok(true)).expect("it can be written");
    assert_eq!(again, state);
    folder.sweep(None);
}
