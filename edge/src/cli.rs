//! The command line.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use smearscope_common::message::SlideId;
use smearscope_common::topic::DeviceId;

use crate::camera::FourCc;
use crate::config::CameraDevice;
use crate::mqtt::BrokerUrl;

/// Finds and counts malaria parasites in blood smears on a board beside a microscope.
///
/// Decision support for research, not a diagnostic device.
#[derive(Parser)]
#[command(
    name = "smearscope-edge",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 failed, 2 bad usage or bad input.\n\
                  Results go to standard output, logs to standard error (RUST_LOG sets how much)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the station that a config file describes, until a signal or the end of its source
    #[command(
        after_help = "Example:\n  smearscope-edge run --config /etc/smearscope/edge.toml\n\n\
                      Variables of the environment go before the file: SMEARSCOPE_MQTT_HOST=broker.lab is `host` of [mqtt]."
    )]
    Run(RunArgs),
    /// Show the whole way from field to live page: needs no broker, no camera and no model file
    #[command(after_help = "Examples:\n  smearscope-edge demo\n  \
                      smearscope-edge demo --fields 5 --frames my-fields --mqtt broker.lab:1883")]
    Demo(DemoArgs),
    /// Find and judge the cells of images
    #[command(
        after_help = "Examples:\n  smearscope-edge analyze field.png --overlay boxes\n  \
                      smearscope-edge analyze my-fields --json --truth my-labels"
    )]
    Analyze(AnalyzeArgs),
    /// Say what is wrong with a config file, or what `run` would do with it, with the environment as it is now
    #[command(
        after_help = "Examples:\n  smearscope-edge check-config /etc/smearscope/edge.toml\n  \
                      SMEARSCOPE_DEVICE_ID=scope-17 smearscope-edge check-config station.toml --json"
    )]
    CheckConfig(CheckConfigArgs),
    /// List the cameras with their formats and controls, and say which one `auto` takes
    #[command(after_help = "Example:\n  smearscope-edge cameras --json")]
    Cameras(CamerasArgs),
    /// Write one frame of a camera into a file
    #[command(
        after_help = "Examples:\n  smearscope-edge capture --out field.png\n  \
                      smearscope-edge capture --out field.jpg --device /dev/video2 --format MJPG --size 1280x720\n  \
                      smearscope-edge capture --out field.png --config /etc/smearscope/station.toml"
    )]
    Capture(CaptureArgs),
    /// Look after models
    #[command(
        subcommand,
        after_help = "Examples:\n  smearscope-edge model verify new.onnx\n  \
                      smearscope-edge model install new.onnx"
    )]
    Model(ModelCommand),
    /// Measure how fast this machine finds and judges cells
    #[command(after_help = "Example:\n  smearscope-edge bench --model new.onnx --json")]
    Bench(BenchArgs),
    /// Write down what goes over MQTT: a JSON Schema for each kind of message, and an AsyncAPI document of the topics
    #[command(after_help = "Example:\n  smearscope-edge schema --out docs/wire")]
    Schema(SchemaArgs),
    /// Ask for a password for the board's page (on a terminal, or the first line of standard input), and print its hash
    #[command(
        after_help = "Example:\n  smearscope-edge hash-password | sudo install -m 600 /dev/stdin /etc/smearscope/http-password\n\n\
                      and in the service: LoadCredential=http-password:/etc/smearscope/http-password"
    )]
    HashPassword,
}

/// `run`
#[derive(Args)]
pub struct RunArgs {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `check-config`
#[derive(Args)]
pub struct CheckConfigArgs {
    /// The config file (TOML)
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `demo`
#[derive(Args)]
pub struct DemoArgs {
    /// Exit once N fields are acknowledged by the broker [default: run until a signal]
    #[arg(long, value_name = "N")]
    pub fields: Option<NonZeroU64>,
    /// Play the images of this folder in the order of their names [default: draw synthetic fields]
    #[arg(long, value_name = "DIR")]
    pub frames: Option<PathBuf>,
    /// Where to serve the live page; port 0 for any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub http: SocketAddr,
    /// Use this broker instead of starting one: HOST:PORT, or a URL that begins with mqtt://, mqtts://, ws:// or wss://
    #[arg(long, value_name = "HOST:PORT")]
    pub mqtt: Option<BrokerUrl>,
    /// The model [default: the one inside the program]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The board's name in all topics
    #[arg(long, value_name = "ID", default_value = "demo")]
    pub device: DeviceId,
}

/// `analyze`
#[derive(Args)]
pub struct AnalyzeArgs {
    /// Images, or folders of images
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// The model [default: the one inside the program]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Print one line of JSON for each image
    #[arg(long)]
    pub json: bool,
    /// Write each image with its boxes into this folder; with --truth also what was missed (crossed out, red) and
    /// what is not labelled (framed twice, magenta)
    #[arg(long, value_name = "DIR")]
    pub overlay: Option<PathBuf>,
    /// Score against the labels in this folder: .txt with YOLO boxes (0 uninfected, 1 to 4 parasitized, 5 ignored) or
    /// centres (x y type), or .xml of Pascal VOC
    #[arg(long, value_name = "DIR")]
    pub truth: Option<PathBuf>,
    /// Write each cell into this folder as a board's export, for `smearscope-train ingest`; with --truth decided as labelled
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// Of these only the cells that a board would keep for a second look
    #[arg(long, requires = "export")]
    pub choose: bool,
    /// The slide that all exported cells are from [default: each image is one of its own]
    #[arg(long, value_name = "ID", requires = "export")]
    pub slide: Option<SlideId>,
    /// The board that exported cells are from
    #[arg(
        long,
        value_name = "ID",
        default_value = "analyze",
        requires = "export"
    )]
    pub device: DeviceId,
    /// Threads that judge cells [default: one for each core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
}

/// `cameras`
#[derive(Args)]
pub struct CamerasArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `capture`
#[derive(Args)]
pub struct CaptureArgs {
    /// The file, .png or .jpg; what is there is replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Which camera: auto, a path such as /dev/video0, or a name in /dev/v4l/by-id [default: that of the config, or auto]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<CameraDevice>,
    /// The pixel format as V4L2 names it, such as YUYV or MJPG [default: that of the config, or the best on offer]
    #[arg(long, value_name = "CODE")]
    pub format: Option<FourCc>,
    /// The size in pixels [default: that of the config, or the best on offer]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Use the camera of this config file, with its controls
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| "write width x height, such as 1280x720".to_owned())
}

/// `model`
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Check a model's card, shapes and self-test in the engine that would run it
    #[command(after_help = "Example:\n  smearscope-edge model verify new.onnx --json")]
    Verify(VerifyArgs),
    /// Take a signed model: checked as one that comes over MQTT, it decides from the next field on
    #[command(after_help = "Examples:\n  smearscope-edge model install new.onnx\n  \
                      smearscope-edge model install new.onnx --signature new.minisig --config station.toml")]
    Install(InstallArgs),
    /// List the models on this board, the one that decides first
    #[command(after_help = "Example:\n  smearscope-edge model list --json")]
    List(ModelsArgs),
    /// Go back to the model before; it decides from the next field on
    #[command(after_help = "Example:\n  smearscope-edge model rollback")]
    Rollback(ModelsArgs),
    /// Tell what happened with models on this board
    #[command(after_help = "Example:\n  smearscope-edge model history")]
    History(ModelsArgs),
}

/// Which board's models.
#[derive(Args)]
pub struct ModelsArgs {
    /// The board's config file (TOML)
    #[arg(long, value_name = "FILE", default_value = "/etc/smearscope/edge.toml")]
    pub config: PathBuf,
    /// The folder of the models [default: `models` beside the results of that config; of one below /etc, which is a
    /// service's, /var/lib/smearscope/models]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `model install`
#[derive(Args)]
pub struct InstallArgs {
    /// The .onnx file
    #[arg(value_name = "FILE")]
    pub model: PathBuf,
    /// Its signature [default: FILE.minisig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Whose models
    #[command(flatten)]
    pub of: ModelsArgs,
}

/// `model verify`
#[derive(Args)]
pub struct VerifyArgs {
    /// The .onnx file [default: the model inside the program]
    #[arg(value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `bench`
#[derive(Args)]
pub struct BenchArgs {
    /// The model [default: the one inside the program]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Threads that judge cells at the same time
    #[arg(long, value_name = "N", default_value = "1")]
    pub threads: NonZeroUsize,
    /// Take turns with another program: for each line on standard input, `ours` or `plain`, run the network once on
    /// FILE (its input as little-endian f32 values) and answer with one line of JSON. The model needs no valid
    /// self-test, so that its weights can be tried at another input size
    #[arg(long, value_name = "FILE", conflicts_with_all = ["threads", "json"])]
    pub turns: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `schema`
#[derive(Args)]
pub struct SchemaArgs {
    /// The folder to write asyncapi.json and schemas/*.json into; what is there of these is replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn with_commands_below(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(with_commands_below);
        std::iter::once(command.clone()).chain(below).collect()
    }

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in with_commands_below(&Cli::command()).iter_mut().skip(1) {
            let help = command.render_long_help().to_string();
            assert!(
                help.contains("Example"),
                "{} has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for line in [
            "demo --fields 0",
            "demo --mqtt nonsense",
            "demo --mqtt http://a:1",
            "demo --http nowhere",
            "demo --device a/b",
            "analyze",
            "run",
            "bench --threads 0",
            "schema",
            "capture",
            "capture --out a.png --size 640",
            "capture --out a.png --format YUYV422",
        ] {
            let words = std::iter::once("smearscope-edge").chain(line.split(' '));
            let error = Cli::try_parse_from(words).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
