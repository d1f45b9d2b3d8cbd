//! What `check-config` finds out.

use super::*;
use crate::config::Overrides;
use std::os::unix::fs::PermissionsExt;

fn report(text: &str) -> anyhow::Result<Report> {
    let text = format!("[device]\nid = \"lab-1\"\n{text}");
    let config = Config::parse(&text, &Overrides::default()).unwrap();
    Report::of(Path::new("edge.toml"), &config)
}

fn said(report: &Report) -> String {
    let mut out = Vec::new();
    words::write(&mut out, report).unwrap();
    String::from_utf8(out).unwrap()
}

fn refusal(text: &str) -> String {
    let error = report(text).err().expect("a refusal");
    assert!(error.is::<crate::exit::BadInput>(), "{error}");
    error.to_string()
}

#[test]
fn a_camera_that_is_not_there_is_waited_for() {
    let report = report("[source]\nkind = \"camera\"\ndevice = \"/dev/video987\"\n").unwrap();
    let said = said(&report);
    assert!(
        said.contains("`run` waits for it: there is no camera at /dev/video987"),
        "{said}"
    );
    assert!(said.contains("on: frames that are lit"), "{said}");
    assert!(report.doubts.is_empty(), "{said}");
}

#[test]
fn what_run_would_refuse_is_refused() {
    let source = "[source]\nkind = \"synthetic\"\n";
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("text.onnx"), "no model").unwrap();
    std::fs::write(here.join("open"), "s3cret\n").unwrap();
    std::fs::set_permissions(here.join("open"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(here.join("empty"), "").unwrap();
    std::fs::set_permissions(here.join("empty"), PermissionsExt::from_mode(0o600)).unwrap();
    let named = |file: &str| format!("{:?}", here.join(file));
    for (text, word) in [
        (
            format!(
                "[source]\nkind = \"replay\"\nfolder = {}\n",
                named("absent")
            ),
            "absent",
        ),
        (
            format!("{source}[model]\npath = {}\n", named("text.onnx")),
            "text.onnx",
        ),
        (
            format!(
                "{source}[mqtt]\nusername = \"a\"\npassword_file = {}\n",
                named("open")
            ),
            "chmod 600",
        ),
        (
            format!(
                "{source}[mqtt]\nusername = \"a\"\npassword_file = {}\n",
                named("empty")
            ),
            "no password",
        ),
        (
            format!(
                "{source}[mqtt]\ntransport = \"tls\"\nca_file = {}\n",
                named("empty")
            ),
            "empty",
        ),
    ] {
        let said = refusal(&text);
        assert!(
            said.contains(word) && !said.contains("s3cret"),
            "{text}: {said}"
        );
    }
}

#[test]
fn secrets_are_looked_at_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("p");
    std::fs::write(&password, "s3cret\n").unwrap();
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    let text = format!(
        "[source]\nkind = \"synthetic\"\n[mqtt]\nhost = \"broker.lab\"\nusername = \"board\"\npassword_file = {password:?}\n\
         [store]\npath = {:?}\n",
        folder.path().join("new/results.sqlite")
    );
    let report = report(&text).unwrap();
    let said = said(&report) + &serde_json::to_string(&report).unwrap();
    assert!(!said.contains("s3cret"), "{said}");
    assert!(
        said.contains("mqtt://broker.lab:1883 as \"board\""),
        "{said}"
    );
    assert!(report.broker.files[0].reach.is_here());
    // Its owner may be root, whose secrets a service of its own user can't read.
    assert!(
        report
            .doubts
            .iter()
            .any(|doubt| doubt.contains("unencrypted")),
        "{said}"
    );
    assert!(
        report.doubts.iter().any(|doubt| doubt.contains("drawn")),
        "{said}"
    );
    assert!(!report.store.exists && !folder.path().join("new").exists());
    assert!(report.store.free_mb.is_some());
}

#[test]
fn what_slides_are_called_and_whose_rates_correct_them_is_told() {
    let synthetic = "[source]\nkind = \"synthetic\"\n[slide]\n";
    let plain = report(synthetic).unwrap();
    let card = model::load(None).unwrap().card().clone();
    let name = card.validation.unwrap().dataset;
    let wanted = format!("{synthetic}pseudonyms = true\nsite_validation = {name:?}\n");
    let wanted = report(&wanted).unwrap();
    assert!(said(&plain).contains("microlitre; with this model not corrected"));
    assert!(said(&wanted).contains("by pseudonyms, begun"));
    assert!(said(&wanted).contains(&format!("corrected by the rates of {name:?}")));
}

#[test]
fn a_credential_is_left_to_systemd() {
    let text = "[source]\nkind = \"synthetic\"\n[mqtt]\ntransport = \"tls\"\nhost = \"broker.lab\"\n\
                client_certificate = \"credential:cert\"\nclient_key = \"credential:key\"\nusername = \"a\"\n\
                password_file = \"credential:password\"\n";
    let report = report(text).unwrap();
    assert_eq!(report.broker.files.len(), 3);
    assert!(
        report
            .broker
            .files
            .iter()
            .all(|file| file.reach == Reach::OfService)
    );
    let said = said(&report);
    assert!(
        said.contains("client key credential:key: systemd hands it over"),
        "{said}"
    );
}

#[test]
fn a_store_that_is_larger_than_the_disk_and_idle_workers_are_doubtful() {
    let text = "[source]\nkind = \"camera\"\n[store]\npath = \"/var/tmp/no-such-store/r\"\nmax_mb = 1000000000000\n\
                [model]\nworkers = 9999\n";
    let report = report(text).unwrap();
    let doubts = report.doubts.join("\n");
    assert!(
        doubts.contains("`max_mb`") && doubts.contains("9999 workers"),
        "{doubts}"
    );
}

#[test]
fn who_may_ask_for_figures_is_told_and_a_bad_token_refused() {
    let source = "[source]\nkind = \"camera\"\n";
    assert!(said(&report(source).unwrap()).contains("no figures are served"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let text = format!("{source}[http]\nlisten = \"0.0.0.0:9788\"\ntoken_file = {token:?}\n");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let said = said(&report(&text).unwrap());
    assert!(said.contains("http://0.0.0.0:9788/metrics"), "{said}");
    assert!(!said.contains("0123456789abcdef"), "{said}");
    std::fs::write(&token, "short\n").unwrap();
    assert!(refusal(&text).contains("can be guessed"));
}
