//! Reports on made-up cells whose names try to be markup.

use super::*;
use crate::calibrate::{Target, calibrate_run};
use crate::dataset::NIH_SUBJECT;
use crate::densenet::Head;
use crate::export::{Naming, export};
use crate::export_tests::run_folder;
use crate::onnx_graph::Precision;
use crate::split::{self, Split};
use regex::Regex;
use smearscope_common::image::{Rgb, RgbImage, encode_png};
use std::fs;

/// Eight people with two cells each, whose names and file names try to be markup.
fn data(folder: &Path) -> Dataset {
    for class in ["Parasitized", "Uninfected"] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for subject in 0..8u8 {
            let shade = 40 * (subject % 5) + 20;
            let cell = RgbImage::from_fn(40, 36, |x, y| Rgb([200, shade, ((x * y) % 200) as u8]));
            let name = format!("C{subject}<b>&\"'.png");
            fs::write(folder.join(class).join(name), encode_png(&cell).unwrap()).unwrap();
        }
    }
    Dataset::open(folder, &Regex::new(NIH_SUBJECT).unwrap()).unwrap()
}

/// What every report must be: whole, of one file, and without markup from elsewhere.
fn check(html: &str) {
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    let elsewhere = html.replace("http://www.w3.org/2000/svg", "");
    for word in [
        "http:", "https:", "<script", "<link", "@import", "url(", "<b>&",
    ] {
        assert!(!elsewhere.contains(word), "{word}");
    }
    for word in [
        "For research use",
        "Sensitivity",
        "ROC-AUC",
        "PR-AUC",
        "1 − specificity",
    ] {
        assert!(html.contains(word), "{word}");
    }
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert_eq!(
        html.matches("<section").count(),
        html.matches("</section>").count()
    );
}

#[test]
fn a_run_and_its_export_are_reported_in_one_file_each() {
    let dir = tempfile::tempdir().unwrap();
    let (cells, folder) = (dir.path().join("cells"), dir.path().join("run<i>"));
    let dataset = data(&cells);
    fs::create_dir(&folder).unwrap();
    run_folder(&folder, Head::Linear);
    let mut run = Run::read(&folder).unwrap();
    let csv = Split::by_subject(&dataset, [0.3, 0.3, 0.4], 1)
        .to_csv(&dataset)
        .unwrap();
    run.split_sha256 = split::sha256(&csv);
    fs::write(folder.join(checkpoint::SPLIT), csv).unwrap();
    let device = Device::Cpu;

    // Made-up weights find no difference between the classes.
    let target = Target::Specificity(0.99);
    let calibration = calibrate_run(&run, &folder, &dataset, target, &Machine::of(device)).unwrap();
    let evaluation = judge_run(&run, &folder, &dataset, &Machine::of(device)).unwrap();
    assert_eq!(evaluation.decision, calibration.decision());
    let html = fs::read_to_string(folder.join(REPORT)).unwrap();
    check(&html);
    assert!(html.contains("Run run&#60;i&#62;: evaluation"));
    assert!(html.contains("specificity:0.99, not reached on validation"));
    assert!(html.contains(&calibration.notes[0]));
    let c = evaluation.metrics.at_threshold.confusion;
    let errors = (c.fp + c.missed) as usize;
    assert!(errors > 0, "nothing to show");
    // Each with its heat.
    assert_eq!(html.matches("data:image/png;base64,").count(), 2 * errors);
    assert_eq!(
        html.matches("<svg").count(),
        4,
        "no training curves without metrics.csv"
    );

    let lines = "epoch,train_loss,val_loss,val_accuracy,val_auc\n1,1,1,0.5,0.5\n";
    fs::write(folder.join(checkpoint::METRICS), lines).unwrap();
    let html = of_run(&run, &folder, &dataset, &evaluation, Subset::Val, device).unwrap();
    assert_eq!(html.matches("<svg").count(), 5);
    assert!(html.contains("the figures flatter it"));

    let onnx = dir.path().join("m.onnx");
    let naming = Naming {
        name: "<script>alert(1)</script>",
        version: "1",
    };
    let (card, _) = export(&folder, &onnx, &naming, Precision::F16).unwrap();
    assert_eq!(
        (card.threshold, card.temperature),
        (calibration.threshold, calibration.temperature)
    );
    assert_eq!(card.validation.unwrap().sensitivity.hits, c.tp);
    let model = evaluate::load_model(&onnx).unwrap();
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let evaluation = evaluate::evaluate_model(&model, &dataset, &all).unwrap();
    let html = of_model(&model, &dataset, &cells, &evaluation, None).unwrap();
    check(&html);
    assert!(html.contains("computes no gradients"));

    // Another target makes the rates in test.json those of another threshold.
    let other = Target::Fixed(0.25);
    calibrate_run(&run, &folder, &dataset, other, &Machine::of(device)).unwrap();
    let (card, _) = export(&folder, &onnx, &naming, Precision::F16).unwrap();
    assert_eq!((card.threshold, card.validation), (0.25, None));
}
