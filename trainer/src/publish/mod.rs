//! `publish`: signs a model and hands it to boards over their broker, one board after the other.
//!
//! What can be refused is refused before the broker is asked. Then the boards are heard ([`fleet`]), the model is signed for
//! those that are meant, its bytes go to the broker as retained chunks, and [`rollout`] decides which board is told when.

mod address;
mod broker;
mod fleet;
mod model_file;
mod outcome;
mod rollout;
#[cfg(test)]
mod rollout_tests;
mod session;
mod table;
mod tls;
mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use smearscope_common::message::{DesiredModel, MAX_DESIRED};
use smearscope_common::model_signature::SignedNote;
use smearscope_common::topic::DeviceId;

use self::address::BrokerUrl;
use self::broker::Target;
use self::model_file::ModelFile;
use self::rollout::{Board, Rollout, Standing, Until, Wish};
use self::session::Session;
use crate::compare;
use crate::error::bad_input;
use crate::say::say;
use crate::secret::Secret;
use crate::signing_key::SigningKey;

/// The longest time that a board may be given, in minutes: a month.
const MOST_MINUTES: f64 = 31.0 * 24.0 * 60.0;

/// The arguments of `publish`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("boards").required(true).args(["device", "all"])))]
pub struct PublishArgs {
    /// The .onnx file that `export` has written.
    pub onnx: PathBuf,
    /// The secret key that signs, of `keygen` or `minisign -G`.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// A file whose first line is the key's password; without it, the terminal asks if the key has one.
    #[arg(long, value_name = "FILE")]
    pub key_password_file: Option<PathBuf>,
    /// The broker of the boards: mqtt://, mqtts://, ws:// or wss://, with a port where it is not the usual one.
    #[arg(long, value_name = "URL")]
    pub broker: String,
    /// The user at the broker; may stand in the URL, too.
    #[arg(long)]
    pub username: Option<String>,
    /// A file whose first line is the user's password at the broker.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The certificates (PEM) of the only CAs to trust; without it, the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// A board that is to take the model; several are told in this order.
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub device: Vec<DeviceId>,
    /// Every board that has told the broker its status, by name.
    #[arg(long)]
    pub all: bool,
    /// The comparison with the model before it, of `compare`; without it, the one that lies beside the model, if any.
    #[arg(long, value_name = "FILE")]
    pub comparison: Option<PathBuf>,
    /// Publish it even if it was shown to be worse.
    #[arg(long)]
    pub force: bool,
    /// Where the boards get the file by http or https; it must be there already. Without it, it goes over the broker.
    #[arg(long)]
    pub url: Option<String>,
    /// When a board is done and the next one is told.
    #[arg(long, value_enum, default_value = "installed")]
    pub until: Until,
    /// How long a board may take until then.
    #[arg(long, value_name = "MINUTES", default_value = "60", value_parser = minutes)]
    pub timeout: Duration,
    /// Leaves the model's bytes on the broker.
    #[arg(long)]
    pub keep_chunks: bool,
    /// Checks everything and says what would be done; signs and publishes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// One line of JSON on standard output for each board.
    #[arg(long)]
    pub json: bool,
}

fn minutes(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= MOST_MINUTES => {
            Ok(Duration::from_secs_f64(60.0 * minutes))
        }
        _ => Err(format!(
            "give minutes, more than 0 and at most {MOST_MINUTES}"
        )),
    }
}

/// Carries out `publish`.
///
/// # Errors
/// Something can't be used as it was given, the broker can't be reached, or a board failed.
pub fn run(args: &PublishArgs) -> Result<()> {
    let target = target(args)?;
    if let Some(url) = &args.url {
        check_url(url)?;
    }
    let model = ModelFile::read(&args.onnx)?;
    compare::refuse_worse(
        &args.onnx,
        &model.sha256.to_string(),
        model.card.parent.as_deref(),
        args.comparison.as_deref(),
        args.force,
    )?;
    let described = format!("{}: {}", args.onnx.display(), model.describe());
    if args.json {
        tracing::info!("{described}");
    } else {
        say!("{described}")?;
    }
    let key = SigningKey::read(&args.key, args.key_password_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the network cannot be used")?;
    runtime.block_on(publish(args, &target, &model, &key))
}

/// Where to connect, and as whom.
fn target(args: &PublishArgs) -> Result<Target> {
    let url = BrokerUrl::read(&args.broker)?;
    let user = match (&args.username, &url.user) {
        (Some(given), Some(in_url)) if given != in_url => {
            return Err(bad_input!(
                "--username says {given:?} and --broker says {in_url:?}: name the user once"
            ));
        }
        (given, in_url) => given.clone().or_else(|| in_url.clone()),
    };
    let password = args
        .password_file
        .as_deref()
        .map(|file| Secret::from_file(file, "the password at the broker"))
        .transpose()?;
    if user.is_none() && password.is_some() {
        return Err(bad_input!(
            "--password-file is of no use without a user: name it with --username"
        ));
    }
    let is_here = matches!(url.host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    if password.is_some() && !url.protocol.is_encrypted() && !is_here {
        tracing::warn!(
            "the password goes to {url} unencrypted: use mqtts:// or wss:// where the broker has TLS"
        );
    }
    if args.ca_file.is_some() && !url.protocol.is_encrypted() {
        return Err(bad_input!(
            "--ca-file is for TLS, and {url} has none: use mqtts:// or wss://"
        ));
    }
    Ok(Target {
        url,
        user,
        password,
        ca: args.ca_file.clone(),
    })
}

/// An address that boards can fetch from.
fn check_url(text: &str) -> Result<()> {
    let url = url::Url::parse(text).ok();
    match url.filter(|url| matches!(url.scheme(), "http" | "https")) {
        // It goes to every board and stays on the broker, readable for all who may read there.
        Some(url) if url.password().is_some() => Err(bad_input!(
            "--url holds a password, which everyone at the broker could read: give an address without one"
        )),
        Some(_) => Ok(()),
        None => Err(bad_input!(
            "--url must be where boards fetch the file: http://… or https://…"
        )),
    }
}

/// The boards that are meant, each once.
fn choose(args: &PublishArgs, session: &Session) -> Result<Vec<DeviceId>> {
    let fleet = &session.fleet;
    if args.all {
        let all = fleet.all();
        if all.is_empty() {
            return Err(bad_input!(
                "no board has told this broker its status (smearscope/+/status): is it the boards' broker, and may this user read there?"
            ));
        }
        return Ok(all);
    }
    let mut chosen: Vec<DeviceId> = Vec::new();
    for device in &args.device {
        if chosen.contains(device) {
            continue;
        }
        if !fleet.knows(device) {
            tracing::warn!(
                "{device} has never told this broker its status: it is treated as offline; is the name right?"
            );
        }
        chosen.push(device.clone());
    }
    Ok(chosen)
}

async fn publish(
    args: &PublishArgs,
    target: &Target,
    model: &ModelFile,
    key: &SigningKey,
) -> Result<()> {
    let mut session = Session::open(target).await?;
    let boards = choose(args, &session)?;
    if args.dry_run {
        outcome::print_plan(&boards, &session.fleet, &model.sha256, args.json)?;
        session.close().await;
        return Ok(());
    }
    let signed_at = session.fleet.time_to_sign(&boards, Timestamp::now())?;
    let desired = desired(args, model, key, signed_at, &boards)?;
    let mut stop = Stop::new()?;
    if args.url.is_none() {
        tokio::select! {
            done = session.upload(&model.sha256, &model.onnx, args.timeout) => done?,
            () = stop.asked() => return Err(anyhow!(
                "stopped while the model went to the broker; no board was told anything, and running this again is harmless"
            )),
        }
    }
    let wish = Wish {
        sha256: model.sha256.clone(),
        signed_at,
    };
    let fleet = &session.fleet;
    let meant = boards.iter().map(|device| Board {
        device: device.clone(),
        standing: Standing::Pending,
        is_online: fleet.is_online(device),
        said: fleet.model(device).cloned(),
    });
    let mut rollout = Rollout::new(wish, args.until, args.timeout, meant.collect());
    let followed = tokio::select! {
        followed = session.follow(&mut rollout, &desired) => followed,
        () = stop.asked() => Err(anyhow!(
            "stopped; nothing is lost: what was published stays on the broker, boards that were told go on by themselves, \
             and running this again is harmless"
        )),
    };
    session.table.clear();
    let told = outcome::print(&rollout, &session.fleet, args.json);
    if !followed? {
        return Err(unsaid(&rollout));
    }
    if args.url.is_none() {
        tidy(args, &mut session, model, &rollout).await;
    }
    session.close().await;
    outcome::verdict(&rollout).and(told)
}

/// Signs the model for these boards; gives the payload of `model/desired`.
fn desired(
    args: &PublishArgs,
    model: &ModelFile,
    key: &SigningKey,
    signed_at: Timestamp,
    boards: &[DeviceId],
) -> Result<Bytes> {
    let note = SignedNote {
        signed_at,
        boards: Some(boards.to_vec()),
    };
    let desired = DesiredModel {
        schema: Some(DesiredModel::SCHEMA.into()),
        sha256: model.sha256.clone(),
        size: model.onnx.len() as u64,
        signature: key.sign(&model.onnx, &note, &model.name)?,
        url: args.url.clone(),
    };
    let payload = serde_json::to_vec(&desired)?;
    if payload.len() > MAX_DESIRED {
        return Err(bad_input!(
            "a signature for {} boards is longer than a board reads: publish in several parts, with --device",
            boards.len()
        ));
    }
    Ok(payload.into())
}

/// The broker was away when the last was to be said.
fn unsaid(rollout: &Rollout) -> anyhow::Error {
    match rollout.failed() {
        Some(failed) => anyhow!(
            "{} failed, and the broker could not be reached to withdraw the model there; run this again when it can be",
            failed.device
        ),
        None => anyhow!(
            "the broker could not be reached to tell the boards that are offline; run this again when it can be"
        ),
    }
}

/// Takes the chunks off the broker where no board needs them any more, and says what was done. That something is left there
/// is no failure.
async fn tidy(args: &PublishArgs, session: &mut Session, model: &ModelFile, rollout: &Rollout) {
    let say = |words: String| {
        if args.json {
            tracing::info!("{words}");
        } else if let Err(error) = say!("{words}") {
            tracing::warn!("{error:#}");
        }
    };
    if args.keep_chunks {
        say("the model's bytes stay on the broker, as --keep-chunks says".into());
        return;
    }
    let is_settled = |board: &&Board| !matches!(board.standing, Standing::Waiting);
    let settled: Vec<DeviceId> = rollout
        .boards()
        .iter()
        .filter(is_settled)
        .map(|board| board.device.clone())
        .collect();
    let mut needy = session.in_need(&model.sha256, &settled);
    // Those that are told now may not have come back to us from the broker yet.
    for board in rollout.boards() {
        if board.standing == Standing::Waiting && !needy.contains(&board.device) {
            needy.push(board.device.clone());
        }
    }
    if !needy.is_empty() {
        let names: Vec<String> = needy.iter().map(ToString::to_string).collect();
        say(format!(
            "the model's bytes stay on the broker for {}; run this again when they have it, and the bytes are removed",
            names.join(", ")
        ));
        return;
    }
    match session.clear(&model.sha256, model.onnx.len()).await {
        Ok(true) => say(
            "the model's bytes were removed from the broker: no board needs them any more".into(),
        ),
        Ok(false) => tracing::warn!(
            "the model's bytes could not be removed from the broker; they do no harm, and running this again removes them"
        ),
        Err(error) => {
            tracing::warn!("the model's bytes were not removed from the broker: {error:#}");
        }
    }
}

/// Waits for Ctrl-C, or for SIGTERM where there is one.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .context("signals cannot be waited for")?,
        })
    }

    async fn asked(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(more: &[&str]) -> Result<PublishArgs, clap::Error> {
        let begin = ["smearscope-train", "publish", "m.onnx", "--key", "k.key"];
        let words = begin
            .iter()
            .chain(["--broker", "mqtt://a"].iter())
            .chain(more);
        crate::cli::Cli::try_parse_from(words).map(|cli| match cli.command {
            crate::cli::Command::Publish(args) => *args,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn boards_are_named_or_all_are_meant() {
        let args = parse(&["--device", "a", "b", "--device", "c"]).unwrap();
        let names: Vec<String> = args.device.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(args.timeout, Duration::from_secs(3600));
        assert_eq!(args.until, Until::Installed);
        assert!(parse(&["--all", "--until", "watching", "--timeout", "0.5"]).is_ok());
        for bad in [
            &[][..],
            &["--all", "--device", "a"],
            &["--device", "a/b"],
            &["--all", "--timeout", "0"],
            &["--all", "--timeout", "nan"],
            &["--all", "--timeout", "1e9"],
            &["--all", "--until", "refused"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_user_without_contradiction_and_no_password_that_is_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "s3cret\n").unwrap();
        let file = file.to_str().unwrap();
        let target = |broker: &str, more: &[&str]| {
            let mut args = parse(&[&["--all"], more].concat()).unwrap();
            args.broker = broker.into();
            target(&args)
        };
        let both = target("mqtts://u@a", &["--username", "u", "--password-file", file])
            .ok()
            .unwrap();
        assert_eq!(both.user.as_deref(), Some("u"));
        assert_eq!(both.password.unwrap().expose(), "s3cret");
        for (broker, more) in [
            ("mqtts://u@a", &["--username", "v"][..]),
            ("mqtts://a", &["--password-file", file]),
            ("mqtt://a", &["--ca-file", file]),
            ("mqtt://u:s3cret@a", &[]),
        ] {
            let said = target(broker, more).err().unwrap().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn boards_fetch_by_http_only() {
        assert!(check_url("https://models.lab/m.onnx").is_ok());
        for bad in [
            "",
            "models.lab/m.onnx",
            "ftp://a/b",
            "file:///etc/passwd",
            "https://u:p@a/b",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
