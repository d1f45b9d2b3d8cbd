//! Files that a config names, secrets among them.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exit::{OrBadInput, bad_input};

/// What stands before the name of a credential of systemd.
const CREDENTIAL: &str = "credential:";
/// Where systemd says in which folder this service's credentials are.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A file: by its path, or as `credential:NAME` one that systemd hands over by `LoadCredential=NAME:…`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum NamedFile {
    /// A path; a relative one begins at the folder that the program was started in.
    Path(PathBuf),
    /// The name of a credential.
    Credential(String),
}

/// Whether a file can be read, as far as that can be told where the service doesn't run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It was read.
    Read,
    /// Root read a secret of its own, which a service with a user of its own can't.
    ReadByRoot,
    /// A secret that belongs to the user with this id, and root asks: right if the service runs as that user.
    OfUser(u32),
    /// systemd hands it over, to the service alone.
    OfService,
}

impl Reach {
    /// Whether this program can read it.
    pub fn is_here(self) -> bool {
        matches!(self, Self::Read | Self::ReadByRoot)
    }
}

/// A text that nobody is to see: its `Debug` doesn't show it, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first line of it.
    pub fn first_line(&self) -> Self {
        Self(self.0.lines().next().unwrap_or_default().to_owned())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl TryFrom<String> for NamedFile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix(CREDENTIAL) {
            // What systemd allows in a credential's name, and what stays in its folder.
            Some("" | "." | "..") => Err(format!("{text:?} does not name a credential")),
            Some(name) if name.contains('/') => {
                Err(format!("{name:?} is no name of a credential: it has a `/`"))
            }
            Some(name) => Ok(Self::Credential(name.into())),
            None if text.is_empty() => Err("an empty text names no file".into()),
            None => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "{CREDENTIAL}{name}"),
        }
    }
}

impl NamedFile {
    /// Reads what everyone may know; `what` says in an error what the file is.
    ///
    /// # Errors
    /// Bad input, when the file can't be read or is no text.
    pub fn read(&self, what: &str) -> anyhow::Result<String> {
        let mut opened = self.open(what, credentials_directory().as_deref())?;
        self.text(&mut opened.file, what)
    }

    /// Reads what nobody else may know. The file must belong to root or to who runs this program, and nobody else may
    /// read or change it; except for a credential, which systemd guards.
    ///
    /// # Errors
    /// Bad input, when the file can't be read, is no text, or isn't kept from others.
    pub fn read_secret(&self, what: &str) -> anyhow::Result<Secret> {
        self.read_secret_from(what, credentials_directory().as_deref())
    }

    /// Looks whether a file could be read by a service, whoever asks.
    ///
    /// # Errors
    /// Bad input, when it can't be.
    pub fn reach(&self, what: &str, is_secret: bool) -> anyhow::Result<Reach> {
        let credentials = credentials_directory();
        if matches!(self, Self::Credential(_)) && credentials.is_none() {
            return Ok(Reach::OfService);
        }
        if !is_secret {
            return self.read(what).map(|_| Reach::Read);
        }
        let opened = self.open(what, credentials.as_deref())?;
        let owner = opened.file.metadata().map_or(0, |about| about.uid());
        // Root may look at what belongs to the service's user.
        let user = if own_user() == 0 { owner } else { own_user() };
        self.check_kept(&opened, what, user)?;
        Ok(match (own_user(), owner) {
            (0, 0) if !opened.is_guarded => Reach::ReadByRoot,
            (0, owner) if owner != 0 && !opened.is_guarded => Reach::OfUser(owner),
            _ => Reach::Read,
        })
    }

    fn read_secret_from(&self, what: &str, credentials: Option<&Path>) -> anyhow::Result<Secret> {
        let mut opened = self.open(what, credentials)?;
        self.check_kept(&opened, what, own_user())?;
        self.text(&mut opened.file, what).map(Secret)
    }

    /// Checks that nobody but root and `user` can read or change a secret.
    fn check_kept(&self, opened: &Opened, what: &str, user: u32) -> anyhow::Result<()> {
        if opened.is_guarded {
            return Ok(());
        }
        let about = opened.file.metadata();
        let about = about
            .with_context(|| format!("cannot read the {what} {self}"))
            .or_bad_input()?;
        is_kept_from_others(&about, user)
            .map_err(|why| bad_input(format!("the {what} {self} {why} {self}`")))
    }

    fn open(&self, what: &str, credentials: Option<&Path>) -> anyhow::Result<Opened> {
        let path = match (self, credentials) {
            (Self::Path(path), _) => path.clone(),
            (Self::Credential(name), Some(folder)) => folder.join(name),
            (Self::Credential(name), None) => {
                return Err(bad_input(format!(
                    "the {what} is to be the credential {name:?}, but systemd has handed none over: add \
                     `LoadCredential={name}:FILE` to the service, or name a file"
                )));
            }
        };
        let file = File::open(&path).map_err(|error| match self {
            Self::Credential(name) if error.kind() == ErrorKind::NotFound => bad_input(format!(
                "systemd has handed over no credential {name:?} for the {what}: add `LoadCredential={name}:FILE` to \
                 the service"
            )),
            _ => bad_input(format!("cannot read the {what} {self}: {error}")),
        })?;
        let is_guarded = credentials.is_some_and(|folder| path.starts_with(folder));
        Ok(Opened { file, is_guarded })
    }

    fn text(&self, file: &mut File, what: &str) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes).map(|_| bytes);
        read.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text"))
        })
        .map_err(|error| bad_input(format!("cannot read the {what} {self}: {error}")))
    }
}

/// A file, and whether systemd guards it.
struct Opened {
    file: File,
    is_guarded: bool,
}

/// Whether nobody but root and `user` can read or change a file. The error begins in the middle of a sentence and ends
/// within a command that mends it, before the file's name.
fn is_kept_from_others(about: &Metadata, user: u32) -> Result<(), String> {
    let (owner, mode) = (about.uid(), about.mode() & 0o7777);
    if mode & 0o077 != 0 {
        Err(format!(
            "can be read or changed by other users (mode {mode:04o}): `chmod 600"
        ))
    } else if owner != 0 && owner != user {
        Err(format!(
            "belongs to another user (id {owner}), who can read and change it: `chown {user}"
        ))
    } else {
        Ok(())
    }
}

fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from)
}

/// The id of the user whose rights this program has.
#[allow(unsafe_code)]
fn own_user() -> u32 {
    // SAFETY: takes nothing, changes nothing and can't fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn secret(folder: &Path, mode: u32) -> NamedFile {
        let path = folder.join(format!("secret-{mode:o}"));
        fs::write(&path, "s3cret\nnot this\n").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        NamedFile::Path(path)
    }

    #[test]
    fn a_secret_that_others_can_read_or_change_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400] {
            let file = secret(folder.path(), mode);
            assert_eq!(
                file.read_secret("password file")
                    .unwrap()
                    .first_line()
                    .expose(),
                "s3cret"
            );
        }
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o660] {
            let file = secret(folder.path(), mode);
            let error = file.read_secret("password file").unwrap_err().to_string();
            assert!(error.contains(&format!("`chmod 600 {file}`")), "{error}");
            assert!(error.contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_secret_belongs_to_root_or_to_who_runs_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let NamedFile::Path(path) = secret(folder.path(), 0o600) else {
            unreachable!()
        };
        let about = fs::metadata(path).unwrap();
        let owner = about.uid();
        assert!(is_kept_from_others(&about, owner).is_ok());
        let other = is_kept_from_others(&about, owner + 1);
        // Root's own file is good for every user.
        assert_eq!(other.is_ok(), owner == 0, "{other:?}");
    }

    #[test]
    fn root_may_look_at_a_secret_of_the_services_user_but_not_at_an_open_one() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_kept) in [(0o600, true), (0o644, false)] {
            let file = secret(folder.path(), mode);
            let NamedFile::Path(path) = &file else {
                unreachable!()
            };
            let given = std::os::unix::fs::chown(path, Some(4711), None);
            // Only root can give a file away.
            assert_eq!(given.is_ok(), own_user() == 0);
            let whose = if given.is_ok() {
                Reach::OfUser(4711)
            } else {
                Reach::Read
            };
            assert_eq!(
                file.reach("password file", true).ok(),
                is_kept.then_some(whose)
            );
            assert_eq!(
                file.read_secret("password file").is_ok(),
                is_kept && given.is_err()
            );
        }
        let credential = NamedFile::Credential("no-such".into());
        let handed_over = credentials_directory().is_some();
        let reach = credential.reach("password file", true).ok();
        assert_eq!(reach, (!handed_over).then_some(Reach::OfService));
    }

    #[test]
    fn a_credential_is_read_from_the_folder_of_systemd_whatever_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let NamedFile::Path(path) = secret(folder.path(), 0o440) else {
            unreachable!()
        };
        let here = Some(folder.path());
        let named = NamedFile::try_from("credential:secret-440".to_owned()).unwrap();
        for file in [named.clone(), NamedFile::Path(path)] {
            let read = file.read_secret_from("password file", here).unwrap();
            assert_eq!(read.first_line().expose(), "s3cret");
        }
        let absent = NamedFile::Credential("absent".into());
        for (file, credentials) in [(&absent, here), (&named, None)] {
            let error = file
                .read_secret_from("password file", credentials)
                .unwrap_err();
            assert!(error.to_string().contains("LoadCredential="), "{error}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in ["", "credential:", "credential:..", "credential:a/b"] {
            assert!(NamedFile::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::from("s3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(
            format!("{:#?}", Some(secret.first_line())),
            "Some(\n    (secret),\n)"
        );
    }
}
