//! Variables of the environment.

use super::*;

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn overrides(variables: &[(&str, &str)]) -> Overrides {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Overrides::of(variables).unwrap()
}

pub fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::parse(text, &overrides(variables)).map_err(|fault| fault.to_string())
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = "[source]\nkind = \"camera\"\n[source.controls]\ngain = 1\nsharpness = 2\n[mqtt]\nhost = \"a\"\n";
    let config = with(
        file,
        &[
            ("SMEARSCOPE_DEVICE_ID", "17"),
            ("SMEARSCOPE_MQTT_HOST", "broker.lab"),
            ("SMEARSCOPE_MQTT_PORT", "1884"),
            ("SMEARSCOPE_MQTT_USERNAME", "\"in quotes\""),
            ("SMEARSCOPE_GATE_MIN_FOCUS", "12"),
            ("SMEARSCOPE_IMAGE_ENABLED", "false"),
            ("SMEARSCOPE_SLIDE_SITE_VALIDATION", "ward 3"),
            ("SMEARSCOPE_SOURCE_DEVICE", "/dev/video7"),
            ("SMEARSCOPE_SOURCE_CONTROLS__GAIN", "3"),
            ("SMEARSCOPE_SOURCE_CONTROLS__AUTO_EXPOSURE", "manual mode"),
            ("SMEARSCOPE_MODEL_TRUSTED_KEYS", &format!("[{KEY:?}]")),
            ("SMEARSCOPE_PYTHON", "not ours"),
            ("HOME", "/"),
        ],
    )
    .unwrap();
    assert_eq!(config.device.id.to_string(), "17");
    assert_eq!(
        (&*config.mqtt.host, config.mqtt.port),
        ("broker.lab", Some(1884))
    );
    assert_eq!(config.mqtt.username.as_deref(), Some("in quotes"));
    assert_eq!(config.gate.min_focus, 12.0);
    assert_eq!(config.model.trusted_keys.len(), 1);
    assert!(!config.image.enabled);
    assert_eq!(config.slide.site_validation.as_deref(), Some("ward 3"));
    let Source::Camera(camera) = &config.source else {
        panic!("{config:?}")
    };
    assert_eq!(camera.device.to_string(), "/dev/video7");
    let controls: Vec<_> = camera
        .controls
        .iter()
        .map(|(name, to)| format!("{name} {to}"))
        .collect();
    assert_eq!(
        controls,
        ["auto_exposure \"manual mode\"", "gain 3", "sharpness 2"]
    );
    assert_eq!(config.overrides.used().count(), 11);
    // A whole table at once adds to what the file and other variables say.
    let config = with(
        &format!("{SMALLEST}[source.smear]\ncells = 5\n"),
        &[
            ("SMEARSCOPE_SOURCE_SMEAR", "{ cells = 7, width = 640 }"),
            ("SMEARSCOPE_SOURCE_SMEAR__WIDTH", "320"),
        ],
    );
    let Source::Synthetic(source) = config.unwrap().source else {
        panic!("another source")
    };
    assert_eq!((source.smear.cells, source.smear.width), (7, 320));
}

#[test]
fn another_source_forgets_that_of_the_file() {
    let replay =
        "[device]\nid = \"a\"\n[source]\nkind = \"replay\"\nfolder = \"f\"\ninterval_ms = 7\n";
    let camera = with(replay, &[("SMEARSCOPE_SOURCE_KIND", "camera")]).unwrap();
    assert!(matches!(&camera.source, Source::Camera(camera) if camera.interval_ms == 0));
    let same = with(replay, &[("SMEARSCOPE_SOURCE_KIND", "replay")]).unwrap();
    assert_eq!(same.source.interval(), Duration::from_millis(7));
    let all = [
        ("SMEARSCOPE_SOURCE_KIND", "replay"),
        ("SMEARSCOPE_SOURCE_FOLDER", "f"),
        ("SMEARSCOPE_DEVICE_ID", "a"),
    ];
    assert!(matches!(with("", &all).unwrap().source, Source::Replay(_)));
}

#[test]
fn what_is_wrong_in_the_environment_names_the_variable() {
    for (name, value, said) in [
        (
            "MQTT_HOTS",
            "x",
            "unknown key `hots` in [mqtt]; did you mean SMEARSCOPE_MQTT_HOST?",
        ),
        (
            "MQTT_MAX_MB",
            "64",
            "unknown key `max_mb` in [mqtt]; did you mean SMEARSCOPE_MODEL_MAX_MB, SMEARSCOPE_STORE_MAX_MB or SMEARSCOPE_CELLS_MAX_MB?",
        ),
        (
            "STORE_QQ",
            "x",
            "unknown key `qq` in [store]; known are SMEARSCOPE_STORE_PATH, SMEARSCOPE_STORE_MAX_MB",
        ),
        (
            "SOURCE_SMEAR__CELS",
            "1",
            "unknown key `cels` in [source.smear]; did you mean SMEARSCOPE_SOURCE_SMEAR__CELLS?",
        ),
        (
            "MQTT_PORT",
            "abc",
            "`port` in [mqtt] is \"abc\", but must be a whole number from 0 to 65535",
        ),
        (
            "MQTT_TRANSPORT",
            "tsl",
            "`transport` in [mqtt] is \"tsl\", but must be",
        ),
        (
            "MQTT_HOST__X",
            "1",
            "`host` in [mqtt] is a table, but must be a text in quotes",
        ),
        (
            "SOURCE_KIND",
            "webcam",
            "`kind` in [source] is \"webcam\", but must be",
        ),
        ("MQTT_HOST", "a b", "\"a b\""),
        (
            "STORE_MAX_MB",
            "15",
            "`max_mb` is 15, but a store needs at least 16",
        ),
        ("DEVICE_ID", "", "`id` in [device]: "),
        (
            "MODEL",
            "m.onnx",
            "it names a table and no key; known are SMEARSCOPE_MODEL_MAX_MB, SMEARSCOPE_MODEL_MAX_MS_PER_CROP",
        ),
    ] {
        let name = format!("SMEARSCOPE_{name}");
        let file = format!("{SMALLEST}[mqtt]\nhost = \"b\"\n");
        let error = with(&file, &[(&name, value)]).unwrap_err();
        let begins = format!("environment variable {name}: ");
        assert!(
            error.starts_with(&begins) && error.contains(said),
            "{error}"
        );
    }
}

#[test]
fn a_variable_that_is_no_text_is_refused_only_where_it_is_ours() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let bad = || OsString::from_vec(vec![0xFF]);
    let fault = Overrides::of([("SMEARSCOPE_MQTT_HOST".into(), bad())]).unwrap_err();
    assert!(
        fault.to_string().contains("SMEARSCOPE_MQTT_HOST"),
        "{fault}"
    );
    for name in ["SMEARSCOPE_PYTHON".into(), "PATH".into(), bad()] {
        assert_eq!(Overrides::of([(name, bad())]).unwrap().used().count(), 0);
    }
}

#[test]
fn a_variable_for_a_table_that_is_nearly_called_so_is_doubtful() {
    let doubts = |name: &str| overrides(&[(name, "x")]).doubts();
    let doubt = &doubts("SMEARSCOPE_MQQT_HOST")[0];
    assert!(
        doubt.ends_with("did you mean SMEARSCOPE_MQTT_HOST?"),
        "{doubt}"
    );
    // Those that this project uses for other things are none of the config's.
    for name in [
        "DEPS",
        "ROOT",
        "PYTHON",
        "VENV",
        "TEST_FOLDER",
        "TEST_CRASH",
        "FUZZ_RUNS",
        "WRITE_DOCS",
    ] {
        let name = format!("SMEARSCOPE_{name}");
        assert!(doubts(&name).is_empty(), "{name}");
        assert_eq!(overrides(&[(&name, "x")]).used().count(), 0, "{name}");
    }
}
