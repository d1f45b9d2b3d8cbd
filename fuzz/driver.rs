//! Calls a check of `fuzz/src` or of `smearscope_edge::fuzz` with the committed seeds and with mutations of them. Included
//! by `common/tests/fuzz.rs` and `edge/tests/fuzz.rs`. The mutations come from a seeded generator: the same on every
//! machine. `SMEARSCOPE_FUZZ_RUNS` says how many there are, `SMEARSCOPE_FUZZ_FROM` with which to begin: a million can be shared among
//! processes and days.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs larger than this aren't made: the seeds are a few hundred bytes, those of models a few thousand.
const MAX_BYTES: usize = 16384;

/// The seeds of a target, with their names, in the order of these.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut seeds: Vec<_> = std::fs::read_dir(folder.join(target))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds for {target}");
    seeds
}

/// One to eight changes of a seed, each of a kind that fuzzers make; one input in sixteen is nothing but chance.
pub fn mutated(seeds: &[(String, Vec<u8>)], run: u64) -> Vec<u8> {
    /// Where sums overflow and signs change.
    const EDGES: [u8; 6] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF];
    let mut rng = ChaCha8Rng::seed_from_u64(run);
    let some = |rng: &mut ChaCha8Rng, most: usize| {
        let count = rng.random_range(0..=most);
        (0..count).map(|_| rng.random()).collect::<Vec<u8>>()
    };
    if rng.random_ratio(1, 16) {
        return some(&mut rng, 200);
    }
    let mut bytes = seeds[rng.random_range(0..seeds.len())].1.clone();
    for _ in 0..rng.random_range(1..=8) {
        let from = rng.random_range(0..=bytes.len());
        let to = rng.random_range(from..=bytes.len().min(from + 16));
        match rng.random_range(0..7) {
            0 if to > from => bytes[from] ^= 1 << rng.random_range(0..8),
            1 if to > from => bytes[from] = EDGES[rng.random_range(0..EDGES.len())],
            2 if to > from => bytes[from] = rng.random(),
            3 => drop(bytes.drain(from..to)),
            4 => drop(bytes.splice(from..from, some(&mut rng, 8))),
            5 => {
                let again = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, again));
            }
            6 => {
                let other = &seeds[rng.random_range(0..seeds.len())].1;
                bytes.truncate(from);
                bytes.extend(&other[from.min(other.len())..]);
            }
            _ => {}
        }
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

/// Calls a check with every seed and with `runs` mutations. What it panicked at is told in hexadecimal digits.
pub fn driven(target: &str, check: impl Fn(&[u8]), runs: u64) {
    let seeds = seeds(target);
    let number = |name| std::env::var(name).map(|number| number.parse::<u64>().unwrap());
    let runs = number("SMEARSCOPE_FUZZ_RUNS").unwrap_or(runs);
    let from = number("SMEARSCOPE_FUZZ_FROM").unwrap_or(0);
    let given = seeds
        .iter()
        .map(|(name, bytes)| (name.clone(), bytes.clone()));
    let made = (from..from + runs).map(|run| {
        // With `--nocapture` a long run shows how far it has come.
        if run % 10_000 == 0 {
            println!("{target}: mutation {run}");
        }
        (format!("mutation {run}"), mutated(&seeds, run))
    });
    for (name, bytes) in given.chain(made) {
        assert!(
            catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_ok(),
            "{target}, {name}: the panic above was at {}",
            hex::encode(&bytes)
        );
    }
}
