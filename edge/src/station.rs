//! `run` and `demo`: from arguments or a config to a station at work.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rand::RngCore;
use smearscope_common::exported::Pseudonyms;
use smearscope_common::message::{Notes, SlideId};
use smearscope_common::synth::SmearSpec;
use smearscope_common::topic::DeviceId;
use tracing::{info, warn};

use crate::analyze::all_cores;
use crate::broker::Broker;
use crate::camera::{Camera, Replay, Synthetic, V4l2Camera};
use crate::cli::{DemoArgs, RunArgs};
use crate::config::{self, Config, HomeAssistant, Image, Source};
use crate::daemon::{self, Played, Shutdown, Station};
use crate::health::Board;
use crate::kept::{self, KeptCells};
use crate::live::Live;
use crate::models::{self, Models};
use crate::mqtt::{self, Address, BrokerUrl, Trust, discovery};
use crate::password;
use crate::slide::Rules;
use crate::store::{self, Store};
use crate::web::{self, Access, HashedPassword, Site};

/// What the results of a demo may take of the memory.
const DEMO_BYTES: u64 = 64 << 20;
/// What the cells that a demo keeps for a second look may take of it.
const DEMO_CELLS: u64 = 16 << 20;
/// How long a demo's delivered results can be sent again.
const DEMO_KEEPS: Duration = Duration::from_secs(60 * 60);

/// `run`.
///
/// # Errors
/// Bad input, when the config or what it names can't be used; else what ended the station.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    for (name, value) in config.overrides.used() {
        info!("{name}={value} goes before the config");
    }
    for doubt in config.overrides.doubts() {
        warn!("{doubt}");
    }
    let runtime = runtime()?;
    let broker = match config.mqtt.embedded {
        true => Some(runtime.block_on(Broker::start(config.mqtt.port.unwrap_or(0)))?),
        false => None,
    };
    let http = &config.http;
    let (listen, access, tls) = (http.listen, http.access()?, http.tls()?);
    let url = match &http.broker {
        Some(url) => Some(url.clone()),
        None => config.mqtt.websocket_url()?,
    };
    let reports = config.store.reports(&config.device.id)?;
    let station = from_config(config, broker.as_ref())?;
    let websocket = broker.as_ref().map(|broker| broker.websocket);
    runtime.block_on(async {
        let board = Arc::clone(&station.board);
        let site = Site::new(board, access, url, websocket, Some(reports)).with_tls(tls);
        let _server = listen.map(|address| site.serve_at(address));
        daemon::run(station, Shutdown::on_signals()?).await?;
        Ok(())
    })
}

fn from_config(config: Config, broker: Option<&Broker>) -> anyhow::Result<Station> {
    let interval = config.source.interval();
    let played = |camera: Box<dyn Camera>| {
        daemon::Source::Played(Played {
            camera,
            interval,
            fields: None,
            stay: false,
        })
    };
    let source = match config.source {
        Source::Camera(camera) => daemon::Source::Live(Live {
            camera: Box::new(V4l2Camera::new(camera)),
            gate: config.gate,
            interval,
        }),
        Source::Replay(replay) => played(Box::new(Replay::open(&replay.folder, replay.repeat)?)),
        Source::Synthetic(source) => played(Box::new(Synthetic::new(source.smear, source.seed))),
    };
    let credentials = config.mqtt.credentials()?;
    let address = match broker {
        Some(broker) => address_of(broker),
        None => config.mqtt.address()?,
    };
    let transport = config.mqtt.transport()?;
    for doubt in config.mqtt.doubt().into_iter().chain(config.http.doubt()) {
        warn!("{doubt}");
    }
    let rules = Rules::new(config.device.id.clone(), &config.slide);
    let days = |days: u64| Duration::from_secs(days.saturating_mul(24 * 60 * 60));
    let store = Store::open(store::Options {
        path: Some(config.store.path(&config.device.id)?),
        max_bytes: config.store.max_mb.saturating_mul(1 << 20),
        keep: days(config.store.keep_days),
        max_wait: days(config.store.max_wait_days),
        rules: rules.clone(),
        auto_start: config.slide.auto_start,
    })?;
    if config.slide.pseudonyms
        && let Some(open) = store.open_slide()
        && !Pseudonyms::is_nobodys(&open)
    {
        info!("the slide that was open may be called by somebody's name, and is closed");
        match config.slide.auto_start {
            true => store.start_slide(SlideId::new_unique(), Notes::default(), None)?,
            false => Some(store.stop_slide(None)?),
        };
    }
    let kept = KeptCells::open(kept::Options {
        path: Some(config.store.cells(&config.device.id)?),
        max_bytes: config.cells.max_bytes(),
        pseudonyms: config.cells.pseudonyms()?,
    })?;
    let announced = match &config.homeassistant {
        HomeAssistant { enabled: false, .. } => Vec::new(),
        HomeAssistant { prefix, .. } => vec![(
            discovery::topic(prefix, &config.device.id),
            discovery::announcement(&config.device.id, env!("CARGO_PKG_VERSION")),
        )],
    };
    let (models, at_work) = Models::open(models::Options {
        path: config.model.path.clone(),
        folder: Some(config.store.models(&config.device.id)?),
        demands: config.model.demands(&config.device.id),
    })?;
    let validation = at_work.model.card().validation.as_ref();
    if let Some(doubt) = rules.doubt(validation) {
        warn!("{doubt}");
    }
    let store = Arc::new(store);
    let announcements = mqtt::announcements(&store, announced);
    let board = Board::new(
        config.device.id.clone(),
        Arc::new(models),
        Arc::clone(&store),
        Arc::new(kept),
    );
    Ok(Station {
        at_work,
        receive_within: config.model.receive_within(),
        workers: config.model.workers.unwrap_or_else(all_cores),
        source,
        image: config.image,
        pseudonyms: config.slide.pseudonyms,
        mqtt: mqtt::Options {
            address,
            transport,
            credentials,
            device: config.device.id,
            boot_id: board.boot_id,
            announcements,
        },
        store,
        board: Arc::new(board),
    })
}

/// `demo`.
///
/// # Errors
/// Bad input, when an argument can't be used; else what ended the demo.
pub fn demo(args: DemoArgs) -> anyhow::Result<()> {
    // A check wants to be done; a spectator wants to see something.
    let pace = if args.fields.is_some() { 0 } else { 1000 };
    let camera: Box<dyn Camera> = match &args.frames {
        Some(folder) => Box::new(Replay::open(folder, false)?),
        None => Box::new(Synthetic::new(SmearSpec::default(), 1)),
    };
    let model_config = config::ModelConfig::default();
    // A demo leaves nothing behind: it keeps no models, either.
    let (models, at_work) = Models::open(models::Options {
        path: args.model.clone(),
        folder: None,
        demands: model_config.demands(&args.device),
    })?;
    let fields = args.fields.map(u64::from);
    runtime()?.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        let broker = match args.mqtt {
            Some(_) => None,
            None => Some(Broker::start(0).await?),
        };
        let url = match (&args.mqtt, &broker) {
            (Some(url), _) => url.clone(),
            (None, Some(broker)) => address_of(broker).into(),
            (None, None) => unreachable!("a broker was started where none was named"),
        };
        let transport = url.protocol.transport(&url.path, &Trust::default())?;
        // A demo leaves nothing behind.
        let store = Store::open(store::Options {
            path: None,
            max_bytes: DEMO_BYTES,
            keep: DEMO_KEEPS,
            max_wait: Duration::MAX,
            rules: Rules::new(args.device.clone(), &config::Slide::default()),
            auto_start: true,
        })?;
        let store = Arc::new(store);
        let kept = KeptCells::open(kept::Options {
            path: None,
            max_bytes: DEMO_CELLS,
            pseudonyms: None,
        })?;
        let board = Arc::new(Board::new(
            args.device.clone(),
            Arc::new(models),
            Arc::clone(&store),
            Arc::new(kept),
        ));
        let listener = web::listen(args.http).await?;
        let page = listener
            .local_addr()
            .context("cannot tell the page's address")?;
        let password = match args.http.ip().is_loopback() {
            true => None,
            false => Some(word()),
        };
        let hash = password.as_deref().map(hashed).transpose()?;
        // A browser goes where the board goes, if it can follow.
        let seen = url.protocol.is_websocket().then(|| url.to_string());
        let websocket = broker.as_ref().map(|broker| broker.websocket);
        let access = Access::new(None, hash, false);
        let _server = Site::new(Arc::clone(&board), access, seen, websocket, None).serve(listener);
        tell(
            page,
            &url,
            broker.as_ref(),
            &args.device,
            password.as_deref(),
        )?;
        let station = Station {
            at_work,
            receive_within: model_config.receive_within(),
            workers: all_cores(),
            source: daemon::Source::Played(Played {
                camera,
                interval: Duration::from_millis(pace),
                fields,
                stay: fields.is_none(),
            }),
            pseudonyms: false,
            image: Image {
                // A picture for every field that a spectator has time to look at.
                interval_ms: 500,
                ..Image::default()
            },
            mqtt: mqtt::Options {
                address: url.address,
                transport,
                credentials: None,
                device: args.device,
                boot_id: board.boot_id,
                announcements: Vec::new(),
            },
            store,
            board,
        };
        let delivered = daemon::run(station, shutdown).await?;
        if let Some(wanted) = fields
            && delivered.acknowledged < wanted
        {
            anyhow::bail!(
                "only {} of {wanted} fields were delivered: there were no more, or a signal came",
                delivered.acknowledged
            );
        }
        Ok(())
    })
}

/// Where a broker inside the program is.
fn address_of(broker: &Broker) -> Address {
    Address {
        host: broker.mqtt.ip().to_string(),
        port: broker.mqtt.port(),
    }
}

/// A password for as long as a demo runs that others can reach.
fn word() -> String {
    let mut bytes = [0; 6];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn hashed(password: &str) -> anyhow::Result<HashedPassword> {
    let hash = password::hash_with(password, argon2::Params::default())?;
    HashedPassword::parse(&hash)
        .map_err(|why| anyhow!("the demo's own password can't be used: {why}"))
}

/// Says where everything is.
fn tell(
    page: SocketAddr,
    url: &BrokerUrl,
    broker: Option<&Broker>,
    device: &DeviceId,
    password: Option<&str>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "page    http://{page}/")?;
    if let Some(password) = password {
        writeln!(out, "        password {password}")?;
    }
    writeln!(out, "broker  {url}")?;
    match broker {
        Some(broker) => writeln!(out, "        {}", broker.websocket_url())?,
        None if url.protocol.is_websocket() => {}
        None => writeln!(
            out,
            "        a browser speaks to WebSockets only: ?broker=wss://HOST:PORT behind the page's address names one"
        )?,
    }
    // mosquitto_sub knows no WebSocket.
    if !url.protocol.is_websocket() {
        let tls = if url.protocol.is_encrypted() {
            " --tls-use-os-certs"
        } else {
            ""
        };
        writeln!(
            out,
            "watch   mosquitto_sub -V mqttv5 -h {} -p {}{tls} -v -t 'smearscope/{device}/#' -T '+/+/image/#'",
            url.address.host, url.address.port
        )?;
    }
    out.flush()
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}
