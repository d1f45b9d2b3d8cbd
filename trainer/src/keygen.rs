//! `keygen`: the key pair by which models are signed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use minisign::KeyPair;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::error::bad_input;
use crate::say::say;
use crate::secret::Secret;
use crate::signing_key::public_path;

/// The minisign tool takes no longer one.
const LONGEST_PASSWORD: usize = 1024;

/// The arguments of `keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The file of the secret key; the public key is written beside it, as .pub.
    #[arg(long, value_name = "FILE.key")]
    pub out: PathBuf,
    /// A file whose first line is the password that encrypts the secret key; without it, the terminal asks.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The secret key is not encrypted: whoever can read its file can sign.
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,
    /// Replaces keys that are there. What boards have of the old ones is worth nothing then.
    #[arg(long)]
    pub force: bool,
    /// One line of JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Carries out `keygen`.
///
/// # Errors
/// Keys are there already, there is no password, or the files can't be written.
pub fn run(args: &KeygenArgs) -> Result<()> {
    let public = public_path(&args.out);
    if args.out.extension().is_some_and(|end| end == "pub") {
        return Err(bad_input!(
            "{}: the secret key cannot end in .pub, which is for the public one; call it FILE.key",
            args.out.display()
        ));
    }
    for path in [&args.out, &public] {
        if path.symlink_metadata().is_ok() && !args.force {
            return Err(bad_input!(
                "{} is there already, and a key that is lost can't be made again; choose another --out, or replace it with --force",
                path.display()
            ));
        }
    }
    let password = password(args)?;
    let is_encrypted = password.is_some();
    let pair = match &password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password.expose().to_owned())),
        None => KeyPair::generate_unencrypted_keypair(),
    }
    .map_err(|e| anyhow::anyhow!("a key pair cannot be made: {e}"))?;
    let text = |boxed: minisign::Result<String>| {
        boxed.map_err(|e| anyhow::anyhow!("the key pair cannot be written down: {e}"))
    };
    let comment = if is_encrypted {
        "minisign encrypted secret key"
    } else {
        "minisign secret key, not encrypted"
    };
    let secret_text = text(pair.sk.to_box(Some(comment)).map(String::from))?;
    let public_text = text(pair.pk.to_box().map(String::from))?;
    write(&args.out, &secret_text, 0o600, args.force)?;
    write(&public, &public_text, 0o644, args.force)?;

    let line = pair.pk.to_base64();
    if args.json {
        let line = json!({
            "secret_key": args.out,
            "public_key": public,
            "encrypted": is_encrypted,
            "trusted_key": line,
        });
        say!("{line}")?;
    } else {
        let how = if is_encrypted {
            "encrypted"
        } else {
            "NOT encrypted: whoever reads it can sign"
        };
        say!("{}: the secret key, {how}", args.out.display())?;
        say!("{}: the public key", public.display())?;
        say!(
            "Into the config of each board that is to take models signed with it, below [model]:"
        )?;
        say!("trusted_keys = [\"{line}\"]")?;
    }
    Ok(())
}

fn password(args: &KeygenArgs) -> Result<Option<Secret>> {
    if args.no_password {
        return Ok(None);
    }
    let password = match &args.password_file {
        Some(file) => Secret::from_file(file, "the password")?,
        None => {
            let instead = "--password-file FILE or --no-password";
            let first = Secret::ask("Password that encrypts the secret key: ", instead)?;
            if first.is_empty() {
                return Err(bad_input!(
                    "the password is empty; a key without one is made with --no-password"
                ));
            }
            if Secret::ask("The same once more: ", instead)? != first {
                return Err(bad_input!("the two passwords differ; nothing was written"));
            }
            first
        }
    };
    if password.expose().len() > LONGEST_PASSWORD {
        return Err(bad_input!(
            "the password has more than {LONGEST_PASSWORD} bytes, which minisign does not take"
        ));
    }
    Ok(Some(password))
}

/// Writes a key beside its place and renames it, so that no half of one is ever there.
fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result<()> {
    let written = || -> std::io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // For nobody but its owner from the first moment on.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        set_mode(file.path(), mode)?;
        file.as_file().sync_all()?;
        if force {
            file.persist(path)?;
        } else {
            file.persist_noclobber(path)?;
        }
        Ok(())
    };
    written()
        .map_err(|e| bad_input!("{e}"))
        .with_context(|| format!("{}: the key cannot be written", path.display()))
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_key::SigningKey;

    fn args(out: &Path) -> KeygenArgs {
        KeygenArgs {
            out: out.to_owned(),
            password_file: None,
            no_password: true,
            force: false,
            json: true,
        }
    }

    #[test]
    fn a_key_is_for_its_owner_alone_and_is_not_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("clinic.key");
        run(&args(&key)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&key), 0o600);
        assert_eq!(mode(&folder.path().join("clinic.pub")), 0o644);
        assert!(SigningKey::read(&key, None).is_ok());

        let before = fs::read(&key).unwrap();
        let said = run(&args(&key)).unwrap_err().to_string();
        assert!(said.contains("--force"), "{said}");
        assert_eq!(fs::read(&key).unwrap(), before);
        let mut again = args(&key);
        again.force = true;
        run(&again).unwrap();
        assert_ne!(fs::read(&key).unwrap(), before);
        assert_eq!(mode(&key), 0o600);

        fs::remove_file(&key).unwrap();
        let said = run(&args(&key)).unwrap_err().to_string();
        assert!(said.contains("clinic.pub"), "{said}");
        assert!(run(&args(&folder.path().join("x.pub"))).is_err());
        let said = run(&args(&folder.path().join("no/x.key"))).unwrap_err();
        assert_eq!(crate::error::exit_code(&said), 2);
    }

    #[test]
    fn a_password_of_a_file_encrypts() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("clinic.key");
        let password = folder.path().join("password");
        fs::write(&password, "clinic secret\n").unwrap();
        let mut args = args(&key);
        args.no_password = false;
        args.password_file = Some(password.clone());
        run(&args).unwrap();
        assert!(SigningKey::read(&key, Some(&password)).is_ok());
    }
}
