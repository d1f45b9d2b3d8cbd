//! Which data sets are taken, how, and which are refused.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use regex::Regex;
use zip::write::SimpleFileOptions;

use super::source::MAX_CROP_BYTES;
use crate::dataset::{Dataset, NIH_SUBJECT};

fn nih() -> Regex {
    Regex::new(NIH_SUBJECT).unwrap()
}

fn write_zip(path: &Path, names: &[&str]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for name in names {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(name.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

fn write_folder(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name.as_bytes()).unwrap();
    }
}

const NAMES: [&str; 4] = [
    "cell_images/Parasitized/C12P3ThinF_cell_1.png",
    "cell_images/Parasitized/Thumbs.db",
    "cell_images/Uninfected/C12ThinF_cell_2.png",
    "cell_images/Uninfected/C7ThinF_cell_3.png",
];

#[test]
fn a_zip_and_its_folder_are_the_same_data_set() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(&dir.path().join("f"), &NAMES);
    write_zip(&dir.path().join("d.zip"), &NAMES);
    let folder = Dataset::open(&dir.path().join("f"), &nih()).unwrap();
    let zip = Dataset::open(&dir.path().join("d.zip"), &nih()).unwrap();
    assert_eq!(folder.samples, zip.samples);
    assert_eq!(folder.classes, ["Parasitized", "Uninfected"]);
    assert_eq!(folder.ignored, ["cell_images/Parasitized/Thumbs.db"]);
    let subjects: Vec<_> = folder.samples.iter().map(|s| s.subject.as_str()).collect();
    assert_eq!(subjects, ["12", "12", "7"]);
    assert_eq!(folder.class_counts(), [1, 2]);
    assert_eq!(folder.sha256().unwrap(), zip.sha256().unwrap());
    let read = zip
        .map_bytes(&[2, 0], |i, bytes| (i, bytes.unwrap()))
        .unwrap();
    assert_eq!(read[0], (2, NAMES[3].as_bytes().to_vec()));
    assert_eq!(read[1], (0, NAMES[0].as_bytes().to_vec()));
}

#[test]
fn what_cannot_be_used_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |names: &[&str]| {
        let path = dir.path().join("bad.zip");
        write_zip(&path, names);
        Dataset::open(&path, &nih()).unwrap_err().to_string()
    };
    assert!(refuse(&["a/../../etc/C1.png"]).contains("points outside"));
    assert!(refuse(&["/a/C1.png"]).contains("points outside"));
    assert!(refuse(&["C1.png"]).contains("class folder"));
    assert!(refuse(&["a/cell.png"]).contains("--subject-pattern"));
    assert!(refuse(&["a/Thumbs.db"]).contains("no images"));
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(
        Dataset::open(&empty, &nih())
            .unwrap_err()
            .to_string()
            .contains("no images")
    );
    let text = dir.path().join("text.zip");
    fs::write(&text, "no zip").unwrap();
    assert!(
        Dataset::open(&text, &nih())
            .unwrap_err()
            .to_string()
            .contains("zip")
    );
    assert!(Dataset::open(&dir.path().join("absent"), &nih()).is_err());
}

#[test]
fn classes_are_folder_names_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "site1/Parasitized/C1_a.png",
        "site2/Parasitized/C1_a.png",
        "site2/Uninfected/C2_b.png",
    ];
    write_zip(&dir.path().join("d.zip"), &names);
    let data = Dataset::open(&dir.path().join("d.zip"), &nih()).unwrap();
    assert_eq!(data.classes, ["Parasitized", "Uninfected"]);
    assert_eq!(data.class_counts(), [2, 1]);
    let files: Vec<_> = data.samples.iter().map(|s| s.file.as_str()).collect();
    assert_eq!(files, names, "none hides another");
    assert_eq!(
        data.warnings(),
        ["the class Uninfected has only one image, from which nothing can be learnt"]
    );

    let twins = ["a/Parasitized/C1.png", "b/parasitized/C2.png", "b/x/C3.png"];
    write_zip(&dir.path().join("twins.zip"), &twins);
    let said = Dataset::open(&dir.path().join("twins.zip"), &nih()).unwrap_err();
    assert!(said.to_string().contains("differ only by case"), "{said}");
}

#[test]
fn a_folder_named_like_an_image_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), &["a/C1.png", "a/C2.png/notes.txt"]);
    fs::create_dir(dir.path().join("a/C3.png")).unwrap();
    let data = Dataset::open(dir.path(), &nih()).unwrap();
    assert_eq!(data.samples.len(), 1);
    assert_eq!(data.ignored, ["a/C2.png/notes.txt"]);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_utf8_are_left_out_and_others_are_kept_as_they_are() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), &["a/C1.png", "a/C2\\Ä.png"]);
    let odd = std::ffi::OsStr::from_bytes(b"C3\xff.png");
    fs::write(dir.path().join("a").join(odd), b"x").unwrap();
    let data = Dataset::open(dir.path(), &nih()).unwrap();
    let files: Vec<_> = data.samples.iter().map(|s| s.file.as_str()).collect();
    assert_eq!(files, ["a/C1.png", "a/C2\\Ä.png"]);
    assert_eq!(data.ignored, ["a/C3\u{fffd}.png"]);
    let read = data.map_bytes(&[1], |_, bytes| bytes.is_ok()).unwrap();
    assert_eq!(read, [true]);
}

/// What reading the only entry of an archive says.
fn said_of_entry(zip: &Path) -> String {
    let data = Dataset::open(zip, &nih()).unwrap();
    let read = data.map_bytes(&[0], |_, bytes| bytes).unwrap();
    let error = read.into_iter().next().unwrap().unwrap_err();
    error.to_string()
}

#[test]
fn an_encrypted_entry_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.zip");
    write_zip(&path, &["a/C1.png"]);
    // Bit 0 of the flags, in the entry's own header and in the central directory.
    let mut bytes = fs::read(&path).unwrap();
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|w| w == mark).unwrap();
        bytes[at + flags] |= 1;
    }
    fs::write(&path, bytes).unwrap();
    assert!(said_of_entry(&path).contains("encrypted"));
}

#[test]
fn a_zip_bomb_is_an_error_and_not_half_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.zip");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    zip.start_file("a/C1.png", SimpleFileOptions::default())
        .unwrap();
    let zeros = vec![0; MAX_CROP_BYTES as usize];
    zip.write_all(&zeros).unwrap();
    zip.write_all(b"one more").unwrap();
    zip.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    assert!(said_of_entry(&path).contains("64 MiB"));
    let file = dir.path().join("f/a/C1.png");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    File::create(&file)
        .unwrap()
        .set_len(MAX_CROP_BYTES + 1)
        .unwrap();
    assert!(said_of_entry(&dir.path().join("f")).contains("64 MiB"));
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.zip");
    write_zip(&path, &["a/C1.png", "a/C2.png"]);
    // The writer refuses to do this, so it is done to its bytes: two headers each.
    let mut bytes = fs::read(&path).unwrap();
    while let Some(at) = bytes.windows(8).position(|w| w == b"a/C2.png") {
        bytes[at + 3] = b'1';
    }
    fs::write(&path, bytes).unwrap();
    let said = Dataset::open(&path, &nih()).unwrap_err().to_string();
    assert!(said.contains("the same name"), "{said}");
}
