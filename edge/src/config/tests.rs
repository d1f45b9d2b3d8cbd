//! What is said of configs.

mod environment;
mod shipped;

use std::time::Duration;

use super::*;

const SMALLEST: &str = "[device]\nid = \"lab-1\"\n[source]\nkind = \"synthetic\"\n";

fn parsed(text: &str) -> Config {
    Config::parse(text, &Overrides::default()).unwrap()
}

fn error(text: &str) -> String {
    let fault = Config::parse(text, &Overrides::default()).unwrap_err();
    fault.to_string()
}

#[test]
fn the_smallest_config_has_the_documented_defaults() {
    let config = parsed(SMALLEST);
    assert_eq!(config.device.id.to_string(), "lab-1");
    assert_eq!(
        (config.mqtt.host.as_str(), config.mqtt.port),
        ("127.0.0.1", None)
    );
    assert_eq!(config.slide.cells_needed, 5000);
    assert_eq!(config.slide.red_cells_per_ul, 5_000_000);
    assert_eq!(config.slide.site_validation, None);
    assert_eq!(
        (config.slide.report_cells, config.slide.keep_reports),
        (24, 1000)
    );
    assert_eq!(config.source.interval(), Duration::from_secs(1));
    assert!(config.model.path.is_none() && config.model.workers.is_none());
    assert!(config.image.enabled);
    assert!(!config.homeassistant.enabled);
    assert_eq!(config.homeassistant.prefix, "homeassistant");
}

#[test]
fn a_full_config_is_read() {
    let text = r#"
        [device]
        id = "lab-1"
        [mqtt]
        host = "broker.lab"
        port = 8883
        username = "board"
        password_file = "secret"
        [source]
        folder = "frames"
        kind = "replay"
        repeat = true
        interval_ms = 250
        [model]
        path = "m.onnx"
        workers = 2
        [slide]
        cells_needed = 500
        auto_start = false
        red_cells_per_ul = 4200000
        site_validation = "ward 3, test subset"
        report_cells = 12
        keep_reports = 50
        [store]
        path = "/data/results.sqlite"
        max_mb = 64
        keep_days = 1
        max_wait_days = 30
        [image]
        enabled = false
        interval_ms = 5000
        quality = 60
        [homeassistant]
        enabled = true
        prefix = "home/discovery"
    "#;
    let config = parsed(text);
    let Source::Replay(replay) = &config.source else {
        panic!("{config:?}")
    };
    assert!(replay.repeat);
    assert_eq!(replay.folder, Path::new("frames"));
    assert_eq!(config.model.workers.unwrap().get(), 2);
    assert_eq!(config.image.quality, 60);
    assert!(!config.slide.auto_start);
    assert_eq!(config.slide.red_cells_per_ul, 4_200_000);
    assert_eq!(
        config.slide.site_validation.as_deref(),
        Some("ward 3, test subset")
    );
    assert_eq!(
        config.store.path(&config.device.id).unwrap(),
        Path::new("/data/results.sqlite")
    );
    assert!(config.homeassistant.enabled);
    assert_eq!(config.homeassistant.prefix, "home/discovery");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
    for (rest, said) in [
        (
            "[mqtt]\nhots = \"x\"",
            "line 6: unknown key `hots` in [mqtt]; did you mean `host`?",
        ),
        (
            "[mqtt]\npassword = \"x\"",
            "line 6: unknown key `password` in [mqtt]; did you mean `password_file`?",
        ),
        (
            "[mqtt]\nspeed = 1",
            "line 6: unknown key `speed` in [mqtt]; known are `embedded`, `host`, `transport`, `port`",
        ),
        (
            "[mqqt]\nhost = \"x\"",
            "line 5: unknown table [mqqt]; did you mean [mqtt]?",
        ),
        (
            "[camera]",
            "line 5: unknown table [camera]; known are [device], [mqtt]",
        ),
        (
            "[controls]\ngain = 1",
            "line 5: unknown table [controls]; did you mean [source.controls]?",
        ),
        (
            "[mqtt]\nmax_mb = 64",
            "line 6: unknown key `max_mb` in [mqtt]; it belongs into [model], [store] or [cells]",
        ),
        (
            "[mqtt]\nenabled = true",
            "line 6: unknown key `enabled` in [mqtt]; it belongs into [gate], [image] or [homeassistant]",
        ),
        (
            "folder = \"f\"",
            "line 5: unknown key `folder` in [source]; it belongs to `kind = \"replay\"`",
        ),
        (
            "[source.smear]\ncels = 1",
            "line 6: unknown key `cels` in [source.smear]; did you mean `cells`?",
        ),
        (
            "[store]\n\"a\\nb\" = 1",
            "line 6: unknown key `a b` in [store]; known are",
        ),
    ] {
        let error = error(&format!("{SMALLEST}{rest}\n"));
        assert!(error.starts_with(said), "{rest}: {error}");
    }
    for (first, said) in [
        (
            "host = \"x\"",
            "line 1: unknown key `host` outside of all tables; it belongs into [mqtt]",
        ),
        (
            "hots = \"x\"",
            "line 1: unknown key `hots` outside of all tables; did you mean `host` in [mqtt]?",
        ),
        (
            "xyzzy = 1",
            "line 1: unknown key `xyzzy` outside of all tables; known are [device]",
        ),
    ] {
        assert!(
            error(&format!("{first}\n{SMALLEST}")).starts_with(said),
            "{first}"
        );
    }
    // The first of two is told.
    let two = error(&format!("{SMALLEST}[store]\nx = 1\n[mqtt]\ny = 1\n"));
    assert!(two.starts_with("line 6: unknown key `x`"), "{two}");
}

#[test]
fn what_is_missing_or_there_twice_is_one_sentence() {
    let id = "`id` is missing in [device]: write it there, or set SMEARSCOPE_DEVICE_ID in the environment";
    assert_eq!(error("[source]\nkind = \"synthetic\"\n"), id);
    assert_eq!(
        error("[device]\n[source]\nkind = \"synthetic\"\n"),
        format!("line 1: {id}")
    );
    assert_eq!(
        error("[device]\nid = \"a\"\n[source]\nkind = \"replay\"\n"),
        "line 3: `folder` is missing in [source]: write it there, or set SMEARSCOPE_SOURCE_FOLDER in the environment"
    );
    assert_eq!(
        error("[device]\nid = \"a\"\n"),
        "`kind` is missing in [source]: write \"camera\", \"replay\" or \"synthetic\" there, or set \
         SMEARSCOPE_SOURCE_KIND in the environment"
    );
    let twice = |rest: &str| error(&format!("{SMALLEST}{rest}"));
    assert_eq!(
        twice("seed = 1\nseed = 2\n"),
        "line 6: `seed` is there a second time"
    );
    assert_eq!(
        twice("[image]\n[image]\n"),
        "line 6: `image` is there a second time"
    );
}

#[test]
fn a_wrong_value_is_told_with_what_it_must_be() {
    for (rest, said) in [
        (
            "[mqtt]\nport = 99999",
            "line 6: `port` in [mqtt] is 99999, but must be a whole number from 0 to 65535",
        ),
        (
            "[mqtt]\nhost = 1",
            "line 6: `host` in [mqtt] is 1, but must be a text in quotes",
        ),
        (
            "[mqtt]\ntransport = \"tsl\"",
            "line 6: `transport` in [mqtt] is \"tsl\", but must be \"tcp\", \"tls\", \"ws\" or \"wss\"; did you mean \"tls\"?",
        ),
        (
            "[mqtt]\ntransport = 3",
            "line 6: `transport` in [mqtt] is 3, but must be \"tcp\", \"tls\", \"ws\" or \"wss\"",
        ),
        (
            "[gate]\nenabled = \"yes\"",
            "line 6: `enabled` in [gate] is \"yes\", but must be true or false",
        ),
        (
            "[gate]\nmin_focus = [1]",
            "line 6: `min_focus` in [gate] is a list, but must be a number",
        ),
        (
            "[model]\nworkers = 0",
            "line 6: `workers` in [model] is 0, but must be a whole number, 1 or more",
        ),
        ("[[mqtt]]", "line 5: [mqtt] is a list, but must be a table"),
        (
            "[store]\nkeep_days = 99999999999999999999",
            "line 6: `keep_days` in [store] is a number of too many digits, but must be a whole number, 0 or more",
        ),
    ] {
        assert_eq!(error(&format!("{SMALLEST}{rest}\n")), said);
    }
    let kind = |kind: &str| error(&format!("[device]\nid = \"a\"\n[source]\nkind = {kind}\n"));
    let must = "but must be \"camera\", \"replay\" or \"synthetic\"";
    assert_eq!(
        kind("\"webcam\""),
        format!("line 4: `kind` in [source] is \"webcam\", {must}")
    );
    assert_eq!(
        kind("3"),
        format!("line 4: `kind` in [source] is 3, {must}")
    );
    assert_eq!(
        kind("\"cammera\""),
        format!("line 4: `kind` in [source] is \"cammera\", {must}; did you mean \"camera\"?")
    );
    let id = error("[device]\nid = \"a/b\"\n[source]\nkind = \"synthetic\"\n");
    assert!(
        id.starts_with("line 2: `id` in [device]: ") && id.contains("\"a/b\""),
        "{id}"
    );
}

#[test]
fn a_key_that_is_none_and_limits_that_can_t_be_are_refused() {
    for (line, said) in [
        ("trusted_keys = [\"RWnone\"]", "no public key of minisign"),
        ("trusted_keys = \"RW\"", "trusted_keys"),
        ("max_mb = 0", "`max_mb` is 0"),
        ("receive_hours = 0.0", "`receive_hours` is 0"),
        ("watch_cells = 10", "`watch_cells` is 10"),
        ("max_share_shift = 2.0", "`max_share_shift` is 2"),
        ("min_agreement = -0.5", "`min_agreement` is -0.5"),
        ("max_ms_per_crop = 0.0", "`max_ms_per_crop` is 0"),
    ] {
        let error = error(&format!("{SMALLEST}[model]\n{line}\n"));
        assert!(error.contains(said) && error.contains("line 6"), "{error}");
    }
}

#[test]
fn wrong_values_are_named_with_their_line() {
    for (text, line, word) in [
        (
            "[device]\nid = \"a/b\"\n[source]\nkind = \"synthetic\"\n",
            "line 2",
            "a/b",
        ),
        (
            "[device]\nid = \"a\"\n[source]\nkind = \"webcam\"\n",
            "line 4",
            "webcam",
        ),
        (
            "[device]\nid = \"a\"\n[source]\nkind = \"replay\"\n",
            "line 3",
            "folder",
        ),
        ("[device\n", "line 1", ""),
        ("", "", "device"),
        ("[source]\nkind = \"synthetic\"\n", "", "device"),
    ] {
        let error = error(text);
        assert!(
            error.starts_with(line) && error.contains(word),
            "{text:?}: {error}"
        );
    }
    let camera = "[device]\nid = \"a\"\n[source]\nkind = \"camera\"\n";
    for (rest, line, word) in [
        ("width = 640\n", "line 5", "height"),
        ("fps = 0\n", "line 5", "fps"),
        ("device = \"\"\n", "line 5", "camera"),
        ("[source.controls]\ngain = [1]\n", "line 6", "whole number"),
    ] {
        let error = error(&format!("{camera}{rest}"));
        assert!(
            error.starts_with(line) && error.contains(word),
            "{rest:?}: {error}"
        );
    }
    for (rest, line, word) in [
        ("[mqtt]\nport = 99999\n", "line 6", "99999"),
        ("[mqtt]\nhost = \"a b\"\n", "line 6", "a b"),
        ("[store]\nmax_mb = 15\n", "line 6", "max_mb"),
        ("[store]\n\"a\\nb\" = 1\n", "line 6", "`a b`"),
        ("[mqtt]\npassword_file = \"p\"\n", "line 6", "username"),
        ("[mqtt]\ntransport = \"udp\"\n", "line 6", "udp"),
        ("[mqtt]\nclient_key = \"credential:a/b\"\n", "line 6", "a/b"),
        // Another table's `path` isn't meant.
        (
            "[model]\npath = \"m.onnx\"\n[mqtt]\npath = \"/mqtt\"\n",
            "line 8",
            "transport",
        ),
        ("[model]\nworkers = 0\n", "line 6", "0"),
        ("[image]\nquality = 0\n", "line 6", "quality"),
        ("[slide]\nred_cells_per_ul = 5\n", "line 6", "500000"),
        ("[slide]\nreport_cells = 201\n", "line 6", "200"),
        ("[slide]\nkeep_reports = 0\n", "line 6", "last report"),
        ("[homeassistant]\nenable = true\n", "line 6", "`enable`"),
        ("[homeassistant]\nprefix = \"\"\n", "line 6", "prefix"),
        ("[homeassistant]\nprefix = \"/ha\"\n", "line 6", "/ha"),
        ("[homeassistant]\nprefix = \"ha/\"\n", "line 6", "ha/"),
        ("[homeassistant]\nprefix = \"ha/+\"\n", "line 6", "ha/+"),
        ("[homeassistant]\nprefix = \"#\"\n", "line 6", "#"),
        ("[http]\nlisten = \"0.0.0.0:80\"\n", "line 6", "token_file"),
        (
            "[http]\nlisten = \"9788\"\n",
            "line 6",
            "`listen` in [http]",
        ),
        ("[homeassistant]\nprefix = \"$SYS\"\n", "line 6", "$SYS"),
        (
            "[homeassistant]\nprefix = \"a\\u0000\"\n",
            "line 6",
            "prefix",
        ),
    ] {
        let error = error(&format!("{SMALLEST}{rest}"));
        assert!(
            error.starts_with(line) && error.contains(word),
            "{rest:?}: {error}"
        );
    }
}
