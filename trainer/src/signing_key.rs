//! The secret key that signs models: reads a file of minisign's, and signs with it.

use std::fmt::Display;
use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use minisign::{PublicKey, SecretKey, SecretKeyBox};
use smearscope_common::model_signature::SignedNote;

use crate::error::bad_input;
use crate::secret::{Secret, warn_if_open};

/// What a signature's first line says; nobody may trust it, for it isn't signed itself.
const COMMENT: &str = "signature of a smearscope model";
/// More is no key: minisign's have about 200 bytes.
const MOST_BYTES: u64 = 16 << 10;
/// The bytes of a secret key, and of the checksum at its end.
const KEY_BYTES: usize = 158;
const SUM_BYTES: usize = 32;

/// A secret key that is ready to sign. It has no Debug, for that would show it.
pub struct SigningKey {
    secret: SecretKey,
    public: PublicKey,
}

/// Where the public key of a secret one lies: `.key` becomes `.pub`, as scripts/release.sh expects.
pub fn public_path(secret: &Path) -> PathBuf {
    let name = secret.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".key").unwrap_or(&name);
    secret.with_file_name(format!("{stem}.pub"))
}

impl SigningKey {
    /// Reads a key of `keygen` or of `minisign -G`. An encrypted one is opened with the password of a file, or else with one
    /// that is asked for.
    ///
    /// # Errors
    /// It is no secret key, or the password is not its.
    pub fn read(path: &Path, password_file: Option<&Path>) -> Result<Self> {
        let name = path.display();
        let meta = fs::metadata(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => bad_input!(
                "{name}: there is no such key; `smearscope-train keygen --out {name}` makes one"
            ),
            _ => bad_input!("{name}: the key cannot be read: {e}"),
        })?;
        let no_key = || {
            bad_input!(
                "{name} is no secret key of minisign; `smearscope-train keygen` or `minisign -G` makes one"
            )
        };
        if meta.is_dir() || meta.len() > MOST_BYTES {
            return Err(no_key());
        }
        let bytes =
            fs::read(path).map_err(|e| bad_input!("{name}: the key cannot be read: {e}"))?;
        let text = String::from_utf8(bytes).map_err(|_| no_key())?;
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() < 2 {
            return Err(no_key());
        }
        if PublicKey::from_base64(lines[1].trim()).is_ok() {
            return Err(bad_input!(
                "{name} is a public key; signing takes the secret one beside it, which ends in .key"
            ));
        }
        warn_if_open(path);
        let damaged = |why: &dyn Display| bad_input!("{name} cannot be opened: {why}");
        let sealed = SecretKeyBox::from(text.clone());
        let secret = match protection(lines[1]) {
            None => return Err(no_key()),
            Some(Protection::Password) => {
                let password = match password_file {
                    Some(file) => Secret::from_file(file, "the password of the key")?,
                    None => Secret::ask(&format!("Password of {name}: "), "--key-password-file")?,
                };
                let opened = sealed.into_secret_key(Some(password.expose().to_owned()));
                opened.map_err(|e| match e.kind() {
                    minisign::ErrorKind::Verify => {
                        bad_input!("{name}: the password is not that of this key")
                    }
                    _ => damaged(&e),
                })?
            }
            Some(open) => {
                if password_file.is_some() {
                    tracing::warn!("{name} is not encrypted: its password is not needed");
                }
                match open {
                    Protection::Unsummed(bytes) => SecretKey::from_bytes(&bytes),
                    _ => sealed.into_unencrypted_secret_key(),
                }
                .map_err(|e| damaged(&e))?
            }
        };
        let public = PublicKey::from_secret_key(&secret).map_err(|e| damaged(&e))?;
        let key = Self { secret, public };
        // A key without a checksum may be damaged: what it signs must verify.
        key.sign_bytes(b"", "", "").map_err(|e| damaged(&e))?;
        Ok(key)
    }

    /// Signs the bytes of the file of this name, and what is to be said with it. Gives the text of a .minisig file.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn sign(&self, bytes: &[u8], note: &SignedNote, file: &str) -> Result<String> {
        self.sign_bytes(bytes, &note.comment(file), COMMENT)
            .map_err(|e| anyhow::anyhow!("the model cannot be signed: {e}"))
    }

    fn sign_bytes(&self, bytes: &[u8], trusted: &str, untrusted: &str) -> minisign::Result<String> {
        let (public, data) = (Some(&self.public), Cursor::new(bytes));
        let signed = minisign::sign(public, &self.secret, data, Some(trusted), Some(untrusted))?;
        Ok(signed.into_string())
    }
}

/// What protects a secret key.
enum Protection {
    /// It is encrypted.
    Password,
    /// It has a checksum.
    Sum,
    /// Nothing: minisign 0.11 writes no checksum with -W. These are its bytes.
    Unsummed(Vec<u8>),
}

/// What protects the secret key in a line; `None` where it is no key.
fn protection(line: &str) -> Option<Protection> {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let bytes = base64.decode(line.trim()).ok()?;
    // Kind of the key, how it is encrypted, kind of the checksum.
    match (bytes.len() == KEY_BYTES).then(|| bytes.split_at(6))? {
        (b"EdScB2", _) => Some(Protection::Password),
        (b"Ed\0\0B2", rest) => {
            let sum = &rest[rest.len() - SUM_BYTES..];
            Some(match sum.iter().any(|&byte| byte != 0) {
                true => Protection::Sum,
                false => Protection::Unsummed(bytes),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minisign::{KeyPair, SignatureBox};

    fn note() -> SignedNote {
        SignedNote {
            signed_at: jiff::Timestamp::from_second(1_764_000_000).unwrap(),
            boards: Some(vec!["scope-1".parse().unwrap()]),
        }
    }

    #[test]
    fn the_public_key_lies_beside_the_secret_one() {
        for (secret, public) in [
            ("a/clinic.key", "a/clinic.pub"),
            ("clinic", "clinic.pub"),
            ("my.key.old", "my.key.old.pub"),
        ] {
            assert_eq!(public_path(Path::new(secret)), Path::new(public));
        }
    }

    #[test]
    fn what_is_signed_verifies_and_says_for_whom() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(&path, pair.sk.to_box(None).unwrap().to_bytes()).unwrap();
        let key = SigningKey::read(&path, None).unwrap();
        let text = key.sign(b"onnx", &note(), "m.onnx").unwrap();
        assert!(text.starts_with(&format!("untrusted comment: {COMMENT}\n")));
        let signature = SignatureBox::from_string(&text).unwrap();
        let verify = |bytes: &[u8]| {
            minisign::verify(&pair.pk, &signature, Cursor::new(bytes), true, false, false)
        };
        assert!(verify(b"onnx").is_ok() && verify(b"other").is_err());
        let said = signature.trusted_comment().unwrap();
        assert_eq!(SignedNote::read(&said).unwrap(), note());
    }

    #[test]
    fn a_password_opens_its_key_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let pair = KeyPair::generate_encrypted_keypair(Some("right".into())).unwrap();
        let key = file("a.key", &pair.sk.to_box(None).unwrap().to_string());
        let right = file("right", "right\n");
        let wrong = file("wrong", "wrong\n");
        assert!(SigningKey::read(&key, Some(&right)).is_ok());
        let said = SigningKey::read(&key, Some(&wrong)).err().unwrap();
        assert!(said.to_string().contains("not that of this key"), "{said}");
        assert_eq!(crate::error::exit_code(&said), 2);
    }

    #[test]
    fn what_is_no_key_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let public = pair.pk.to_box().unwrap().to_string();
        let spoilt = |edit: fn(&mut [u8])| {
            use base64::Engine;
            let mut bytes = pair.sk.to_bytes();
            edit(&mut bytes);
            let base64 = base64::engine::general_purpose::STANDARD;
            format!("one\n{}\n", base64.encode(bytes))
        };
        let damaged = spoilt(|bytes| bytes[70] ^= 1);
        let unsummed = spoilt(|bytes| {
            bytes[KEY_BYTES - SUM_BYTES..].fill(0);
            bytes[70] ^= 1;
        });
        for (text, word) in [
            ("", "no secret key"),
            ("untrusted comment: x\nRWQ=\n", "no secret key"),
            ("one\nRWRTYwAA\n", "no secret key"),
            (damaged.as_str(), "cannot be opened"),
            (unsummed.as_str(), "cannot be opened"),
            (public.as_str(), "public key"),
            ("a\u{e9}\nb\u{e9}\n", "no secret key"),
        ] {
            let path = folder.path().join("x.key");
            fs::write(&path, text).unwrap();
            let password = folder.path().join("password");
            fs::write(&password, "x").unwrap();
            let said = SigningKey::read(&path, Some(&password)).err().unwrap();
            assert!(said.to_string().contains(word), "{text}: {said}");
        }
        let said = SigningKey::read(&folder.path().join("none.key"), None)
            .err()
            .unwrap();
        assert!(said.to_string().contains("keygen"), "{said}");
        assert!(SigningKey::read(folder.path(), None).is_err());
    }
}
