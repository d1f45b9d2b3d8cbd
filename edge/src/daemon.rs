//! The station at work: capture → analysis → store → delivery.
//!
//! Order of the end: the capture stops (its source ran out, enough fields, or a signal), its channel closes; the analysis
//! finishes and commits the field in hand, its channel closes; the delivery waits for what the broker has not
//! acknowledged, says `stopped` and disconnects. After a signal the delivery has [`PATIENCE`], and none where there is no
//! connection and the results last; a second signal ends it at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::analysis::Analysis;
use crate::camera::{Camera, Frame};
use crate::config::Image;
use crate::control::Control;
use crate::health::Board;
use crate::live::Live;
use crate::models::{AtWork, Models, Updates};
use crate::mqtt::{Commands, Delivered, Delivery, Ends, Options};
use crate::pulse::{Pulse, Stage};
use crate::store::Store;
use crate::supervisor;

/// How long a signal leaves for what is not delivered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the store is looked after.
const UPKEEP: Duration = Duration::from_secs(30);
/// How often it is looked for models that were installed by hand.
const REFRESH: Duration = Duration::from_secs(2);

/// Everything that a station needs to begin.
pub struct Station {
    /// What judges the cells first.
    pub at_work: AtWork,
    /// Threads that do.
    pub workers: NonZeroUsize,
    /// How long the bytes of a new model may take.
    pub receive_within: Duration,
    /// Where fields come from.
    pub source: Source,
    /// Where results go first.
    pub store: Arc<Store>,
    /// What is known of all this.
    pub board: Arc<Board>,
    /// Whether slides go by pseudonyms.
    pub pseudonyms: bool,
    /// The pictures for the dashboard.
    pub image: Image,
    /// Where results go from there.
    pub mqtt: Options,
}

/// Where fields come from.
pub enum Source {
    /// What can wait: every picture becomes a field.
    Played(Played),
    /// What can't: some of its frames do.
    Live(Live),
}

/// Pictures that are played.
pub struct Played {
    /// Where they come from.
    pub camera: Box<dyn Camera>,
    /// The shortest time between two fields.
    pub interval: Duration,
    /// How many fields to take; `None` for all.
    pub fields: Option<u64>,
    /// Whether to stay online when the source has ended, until a signal.
    pub stay: bool,
}

/// The two words that end a station.
#[derive(Clone, Default)]
pub struct Shutdown {
    /// No more fields.
    pub stop: CancellationToken,
    /// No more time for results that are not delivered.
    pub give_up: CancellationToken,
}

impl Shutdown {
    /// The first SIGINT or SIGTERM stops, the second gives up.
    ///
    /// # Errors
    /// When the signals can't be listened to.
    pub fn on_signals() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = "cannot listen to signals";
        let mut interrupt = signal(SignalKind::interrupt()).context(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).context(cannot)?;
        let shutdown = Self::default();
        let heard = shutdown.clone();
        tokio::spawn(async move {
            for word in [&heard.stop, &heard.give_up] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                info!("stopping");
                word.cancel();
            }
        });
        Ok(shutdown)
    }
}

/// Runs a station until its source ends, enough fields are delivered, or `shutdown` says so.
///
/// # Errors
/// When the camera or the model fails, or results could not be delivered. What was analysed
/// before is delivered all the same.
pub async fn run(station: Station, shutdown: Shutdown) -> anyhow::Result<Delivered> {
    let options = station.mqtt;
    let address = options.address.clone();
    let (frames, frames_in) = mpsc::channel(1);
    let (pictures, pictures_in) = mpsc::channel(1);
    let (store, board) = (station.store, station.board);
    let (control, pulses) = (Arc::clone(&board.control), Arc::clone(&board.pulses));
    let pulse = Arc::new(pulses.begin(Stage::Delivery));
    let commands = Commands::new(
        Arc::clone(&board),
        Arc::clone(&store),
        Arc::clone(&pulse),
        station.image.quality,
        station.pseudonyms,
        &options.announcements,
    );
    let (updates, door) = Updates::new(Arc::clone(&board.models), station.receive_within);
    let _updates = AbortOnDropHandle::new(tokio::spawn(updates.run()));
    let _refresh = AbortOnDropHandle::new(tokio::spawn(refresh(Arc::clone(&board.models))));
    let delivery = Delivery::new(
        options,
        Arc::clone(&store),
        Arc::clone(&board),
        pulse,
        commands,
        door,
        pictures_in,
        Ends {
            stop: shutdown.stop.clone(),
            give_up: shutdown.give_up.clone(),
        },
    );
    let delivery = tokio::spawn(delivery.run());
    tokio::spawn(limit_patience(shutdown.clone()));
    let upkeep = pulses.begin(Stage::Upkeep);
    let _upkeep = AbortOnDropHandle::new(tokio::spawn(keep_up(Arc::clone(&store), upkeep)));

    let stop = shutdown.stop.clone();
    let analysis = Analysis {
        board: Arc::clone(&board),
        store: Arc::clone(&store),
        workers: station.workers,
        image: station.image,
        remembered: match &station.source {
            Source::Played(_) => 0,
            Source::Live(live) => live.gate.remembered,
        },
        stop: stop.clone(),
        pulse: pulses.begin(Stage::Analysis),
        runtime: Handle::current(),
    };
    let at_work = station.at_work;
    let analysis = spawn_blocking(move || analysis.run(at_work, frames_in, &pictures));
    let capture = tokio::spawn(capture(
        station.source,
        control,
        store,
        pulses.begin(Stage::Capture),
        stop.clone(),
        frames,
    ));
    let models = Arc::clone(&board.models);
    let _supervisor = AbortOnDropHandle::new(tokio::spawn(supervisor::watch(board, stop.clone())));

    // Whichever fails stops the others, and must not wait for a broker for ever.
    let stop_on_error = |result: anyhow::Result<()>| {
        if result.is_err() {
            stop.cancel();
        }
        result
    };
    let (captured, analysed, delivered) = tokio::join!(
        async { stop_on_error(capture.await.context("the capture broke down").flatten()) },
        async { stop_on_error(analysis.await.context("the analysis broke down").flatten()) },
        async {
            let delivered = delivery.await.context("the delivery broke down");
            // It ends last, or something is wrong.
            stop.cancel();
            delivered
        },
    );
    captured?;
    analysed?;
    spawn_blocking(move || models.end())
        .await
        .context("the models can't be put aside")?;
    let delivered = delivered?;
    if delivered.waiting > 0 && !delivered.is_lasting {
        anyhow::bail!(
            "{} results were not delivered to the broker at {address}",
            delivered.waiting
        );
    }
    Ok(delivered)
}

/// Looks after the store from time to time.
async fn keep_up(store: Arc<Store>, pulse: Pulse) {
    let pulse = Arc::new(pulse);
    let mut pace = interval(UPKEEP);
    loop {
        pulse.while_waiting(pace.tick()).await;
        let (store, alive) = (Arc::clone(&store), Arc::clone(&pulse));
        // It has told what there is to tell; a panic in it is not worth the station's life.
        let _ = spawn_blocking(move || store.maintain(|| alive.beat())).await;
    }
}

/// Looks from time to time whether somebody has installed a model by hand.
async fn refresh(models: Arc<Models>) {
    let mut pace = interval(REFRESH);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let models = Arc::clone(&models);
        // It has told what there is to tell.
        let _ = spawn_blocking(move || models.refresh()).await;
    }
}

/// A stop leaves the delivery a limited time.
async fn limit_patience(shutdown: Shutdown) {
    shutdown.stop.cancelled().await;
    tokio::time::sleep(PATIENCE).await;
    shutdown.give_up.cancel();
}

/// Takes fields from the source until it ends or a stop.
async fn capture(
    source: Source,
    control: Arc<Control>,
    store: Arc<Store>,
    pulse: Pulse,
    stop: CancellationToken,
    frames: mpsc::Sender<Frame>,
) -> anyhow::Result<()> {
    match source {
        Source::Played(played) => play(played, &control, &pulse, &stop, &frames).await,
        Source::Live(live) => {
            spawn_blocking(move || live.run(&control, &store, &pulse, &stop, &frames))
                .await
                .context("the camera broke down")
        }
    }
}

/// Takes fields at their pace, until the source ends, there are enough, or a stop.
async fn play(
    played: Played,
    control: &Control,
    pulse: &Pulse,
    stop: &CancellationToken,
    frames: &mpsc::Sender<Frame>,
) -> anyhow::Result<()> {
    let mut camera = played.camera;
    // A pace of zero is no pace; `interval` wants some time.
    let mut pace = interval(played.interval.max(Duration::from_millis(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut taken = 0;
    while played.fields.is_none_or(|wanted| taken < wanted) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = pulse.while_waiting(pace.tick()) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = pulse.while_waiting(control.next_wanted()) => {}
        }
        let frame;
        (camera, frame) = spawn_blocking(move || {
            let frame = camera.next_frame();
            (camera, frame)
        })
        .await
        .context("the camera broke down")?;
        let Some(frame) = frame? else {
            control.ended();
            if played.stay {
                pulse.while_waiting(stop.cancelled()).await;
            }
            return Ok(());
        };
        taken += 1;
        control.taken();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            sent = pulse.while_waiting(frames.send(frame)) => if sent.is_err() {
                // The analysis has failed and says so itself.
                return Ok(());
            }
        }
    }
    Ok(())
}
