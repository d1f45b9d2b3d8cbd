//! Damaged and malicious files of weights: no panic, no deep recursion, no memory beyond a small
//! multiple of the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smearscope_trainer::weights;
use tract_onnx::pb;
use zip::CompressionMethod;

use crate::torch_writer::{self, Block, File, block, stream_start, text, zip_of, zip_with};

/// The system's allocator, which remembers for each thread how much it holds at most.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    MOST.set(MOST.get().max(HELD.get()));
}

// SAFETY: everything is left to the system's allocator; counting allocates nothing, because the
// counters are constant at the start and need no destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What reading a file of some kilobytes may hold at most.
const LITTLE: usize = 1 << 20;

/// Parses and returns the error, if there was one, and the most bytes that were held.
fn parse(bytes: &[u8]) -> (Option<String>, usize) {
    MOST.set(HELD.get());
    let before = HELD.get();
    let error = weights::parse(bytes).err().map(|e| e.to_string());
    (error, (MOST.get() - before) as usize)
}

/// A few tensors of every kind, small enough that most mutations hit something that matters.
fn sample() -> File {
    let mut file = File::new(&[
        ("features.norm0.weight", &[4], &[1.0, 2.0, 3.0, 4.0]),
        ("classifier.weight", &[2, 3], &[0.5; 6]),
    ]);
    for (storage, width) in [
        ("HalfStorage", 2),
        ("BFloat16Storage", 2),
        ("DoubleStorage", 8),
        ("LongStorage", 8),
    ] {
        let block = Block {
            storage,
            bytes: vec![0x3c; 3 * width],
            numbers: 3,
        };
        file.push(&format!("module.{storage}"), &[3], block);
    }
    file.tensors[1].shape = vec![3, 2];
    file.tensors[1].strides = vec![1, 3];
    file
}

fn onnx() -> Vec<u8> {
    let initializer = pb::TensorProto {
        name: "features.norm0.weight".into(),
        dims: vec![2],
        data_type: 1,
        raw_data: vec![0; 8],
        ..Default::default()
    };
    let graph = pb::GraphProto {
        initializer: vec![initializer],
        ..Default::default()
    };
    pb::ModelProto {
        ir_version: 8,
        graph: Some(graph),
        ..Default::default()
    }
    .encode_to_vec()
}

const INTERESTING: [u64; 8] = [
    0,
    1,
    0x7f,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    u64::MAX,
];

/// The instructions that the pickle reader knows, and some that it does not.
const INSTRUCTIONS: &[u8] =
    b"(t)}]seuaqrhjcQRb.XUTKMJNG2\x80\x81\x85\x86\x87\x88\x8a\x8c\x93\x94\x95";

fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = INSTRUCTIONS[rng.random_range(0..INSTRUCTIONS.len())],
            3 => bytes.insert(at, INSTRUCTIONS[rng.random_range(0..INSTRUCTIONS.len())]),
            4 => bytes.truncate(at),
            5 => {
                let number = INTERESTING[rng.random_range(0..INTERESTING.len())].to_le_bytes();
                let width = [1, 2, 4, 8][rng.random_range(0..4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            _ => {
                let end = (at + rng.random_range(1..64)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.random_range(0..bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

#[test]
fn thousands_of_damaged_files_do_no_harm() {
    let file = sample();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights");
    let mut whole: Vec<Vec<u8>> = fs::read_dir(fixtures)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    // The order of a folder's files is nobody's promise.
    whole.sort();
    whole.extend([file.stream(), file.zip(), onnx()]);
    for bytes in &whole {
        assert_eq!(parse(bytes).0, None);
        for end in 0..bytes.len() {
            // A zip that ends early has lost its table; a shorter list of initializers is one.
            let _ = parse(&bytes[..end]);
        }
    }
    let pickle = file.object(false);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut sound, mut refused) = (0, 0);
    for round in 0..40_000 {
        // The checksum of a zip would hide most damage to its pickle, so that is made before.
        let bytes = if round % 4 == 0 {
            let mut pickle = pickle.clone();
            mutate(&mut rng, &mut pickle);
            zip_of(&pickle, &file.blocks)
        } else {
            let mut bytes = whole[rng.random_range(0..whole.len())].clone();
            mutate(&mut rng, &mut bytes);
            bytes
        };
        let (error, held) = parse(&bytes);
        assert!(held < LITTLE, "{held} bytes held for {}", bytes.len());
        match error {
            None => sound += 1,
            Some(_) => refused += 1,
        }
    }
    // Both must happen, or the mutations test nothing.
    assert!(sound > 1000 && refused > 10_000, "{sound}, {refused}");
}

/// The error for a pickle, as the object of a stream and in a zip.
fn both(pickle: &[u8], blocks: &[Block], most: usize) -> String {
    let mut stream = stream_start();
    stream.extend(pickle);
    stream.extend(b"\x80\x02].");
    let (error, held) = parse(&stream);
    assert!(held < most, "{held}");
    let (zipped, held) = parse(&zip_of(pickle, blocks));
    assert!(held < most, "{held}");
    assert_eq!(error.is_some(), zipped.is_some());
    zipped.unwrap()
}

#[test]
fn numbers_in_the_file_allocate_nothing() {
    // A text of four gigabytes.
    assert!(both(b"\x80\x02X\xff\xff\xff\xff.", &[], LITTLE).contains("too early"));
    // A storage of 2^60 numbers, that is not there.
    let mut file = sample();
    file.blocks[0].numbers = 1 << 60;
    let (error, held) = parse(&file.zip());
    assert!(error.unwrap().contains("more numbers") && held < LITTLE);
    let (error, held) = parse(&file.stream());
    assert!(error.unwrap().contains("cut short") && held < LITTLE);
    // A tensor of 2^60 elements that are all the same number.
    let mut file = sample();
    file.tensors[0].shape = vec![1 << 20; 3];
    file.tensors[0].strides = vec![0; 3];
    for bytes in [file.zip(), file.stream()] {
        let (error, held) = parse(&bytes);
        assert!(error.unwrap().contains("larger than the file") && held < LITTLE);
    }
    // A header and a length of a tensor in the other formats.
    let mut header = u64::MAX.to_le_bytes().to_vec();
    header.extend(b"{}");
    assert!(parse(&header).1 < LITTLE);
    let mut model = onnx();
    let length = model.len();
    model[length - 9] = 0xff;
    assert!(parse(&model).1 < LITTLE);
}

#[test]
fn towers_and_multiplications_end_early() {
    let most = 256 << 20;
    // A million lists, each inside the one before, would overflow the stack when dropped.
    let mut tower = b"\x80\x02".to_vec();
    tower.extend([b']'].repeat(1_000_000));
    let mut deep = tower.clone();
    deep.extend([b'a'].repeat(1_000_000));
    deep.push(b'.');
    assert!(both(&deep, &[], most).contains("more steps"));
    let mut deep = tower[..300_002].to_vec();
    deep.extend([b'a'].repeat(299_999));
    deep.push(b'.');
    assert!(both(&deep, &[], most).contains("no state_dict"));
    // A list that holds itself.
    assert!(both(b"\x80\x02]q\0h\0a.", &[], LITTLE).contains("no state_dict"));
    // A list of many pairs, made into a dictionary over and over.
    let mut many = b"\x80\x02](".to_vec();
    text(&mut many, "k");
    many.extend(b"q\0h\0\x86q\x01");
    many.extend(b"h\x01".repeat(100_000));
    many.extend(b"e\x85q\x02");
    many.extend(b"ccollections\nOrderedDict\nq\x03");
    many.extend(b"h\x03h\x02R".repeat(100_000));
    many.push(b'.');
    assert!(both(&many, &[], most).contains("more steps"));
    // One block under a thousand names.
    let mut shared = File::new(&[]);
    shared.push("0", &[20_000], block(&[1.0; 20_000]));
    for n in 1..1000 {
        shared.tensors.push(torch_writer::Tensor {
            name: n.to_string(),
            block: 0,
            offset: 0,
            shape: vec![20_000],
            strides: vec![1],
        });
    }
    for bytes in [shared.zip(), shared.stream()] {
        let (error, held) = parse(&bytes);
        assert!(error.unwrap().contains("larger than the file"));
        assert!(held < 64 * bytes.len(), "{held} for {}", bytes.len());
    }
    // Ten megabytes of nothing in ten kilobytes.
    let bomb = vec![block(&vec![0.0; 2_500_000])];
    let mut file = File::new(&[("a", &[1], &[0.0])]);
    file.blocks[0].numbers = 2_500_000;
    let object = file.object(false);
    let bytes = zip_with(&object, &bomb, CompressionMethod::Deflated, b"little");
    assert!(bytes.len() < 20_000);
    let (error, held) = parse(&bytes);
    assert!(error.unwrap().contains("compressed") && held < LITTLE);
}
