//! Files of `torch.save`: a zip with one pickle and a file for each block of numbers, or, before
//! 2020, a stream of five pickles with the blocks after them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::numbers::{Kind, View};
use super::pickle::{Pickle, Storage, Value};
use super::{Array, WeightsError};

/// Where a checkpoint keeps the state_dict, in the order in which we look.
const KEPT_UNDER: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The number that begins a stream, as bytes.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The magic number stands within this many bytes, whatever the pickle's protocol.
const MAGIC_WITHIN: usize = 32;

/// Whether the bytes begin as a zip.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Whether the bytes begin as a stream of pickles.
pub fn is_stream(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(MAGIC_WITHIN)];
    start.windows(MAGIC.len()).any(|w| w == MAGIC)
}

/// The tensors of a zip.
pub fn read_zip(bytes: &[u8]) -> Result<Vec<(String, Array)>, WeightsError> {
    let broken = |e: &dyn fmt::Display| WeightsError::Broken(format!("is a damaged zip: {e}"));
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
    let mut names = Vec::new();
    for name in zip.file_names() {
        names.push(name.map_err(|e| broken(&e))?.into_owned());
    }
    if names.iter().any(|n| n.ends_with("/constants.pkl")) {
        return Err(WeightsError::Broken(
            "is a TorchScript program; in Python, torch.save its state_dict() instead".into(),
        ));
    }
    let Some(folder) = names.iter().find_map(|n| n.strip_suffix("/data.pkl")) else {
        return Err(WeightsError::Broken(
            "is a zip, but not one of torch.save".into(),
        ));
    };
    // Nothing is compressed, so that all entries together are never larger than the file.
    let mut left = bytes.len();
    let mut entry = |name: &str| {
        let named = |e: &dyn fmt::Display| broken(&format_args!("{name}: {e}"));
        let mut file = zip.by_name(name).map_err(|e| named(&e))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(named(&"is compressed, as torch.save never does"));
        }
        let mut content = Vec::new();
        let limit = left as u64 + 1;
        let by_ref = Read::by_ref(&mut file);
        by_ref
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|e| named(&e))?;
        left = left
            .checked_sub(content.len())
            .ok_or_else(|| broken(&"its entries overlap"))?;
        Ok(content)
    };
    let order = format!("{folder}/byteorder");
    if names.contains(&order) && entry(&order)? != b"little" {
        return Err(WeightsError::Broken(
            "was written by a big-endian machine, which is not read".into(),
        ));
    }
    let pickle = entry(&format!("{folder}/data.pkl"))?;
    let pickle = Pickle::read(&pickle)?;
    let wanted = state_dict(&pickle)?;
    let mut blocks = HashMap::new();
    for (_, storage, _) in &wanted {
        if !blocks.contains_key(storage.key) {
            let block = entry(&format!("{folder}/data/{}", storage.key))?;
            blocks.insert(storage.key, Cow::from(block));
        }
    }
    gather(&wanted, &blocks, bytes.len())
}

/// The tensors of a stream: magic number, protocol, kind of machine, the object, the blocks' keys,
/// then for each key the number of numbers and the numbers.
pub fn read_stream(bytes: &[u8]) -> Result<Vec<(String, Array)>, WeightsError> {
    let mut at = 0;
    let mut next = || {
        let pickle = Pickle::read(&bytes[at..]).map_err(|e| match e {
            WeightsError::Pickle { at: inner, what } => WeightsError::Pickle {
                at: at + inner,
                what,
            },
            other => other,
        })?;
        at += pickle.length;
        Ok::<_, WeightsError>(pickle)
    };
    next()?;
    next()?;
    next()?;
    let object = next()?;
    let keys = next()?;
    let kinds: BTreeMap<&str, Kind> = object.storages().map(|s| (s.key, s.kind)).collect();
    let cut = || WeightsError::Broken("is cut short: numbers are missing at its end".into());
    let mut blocks = HashMap::new();
    let Value::List(list) = keys.root() else {
        return Err(cut());
    };
    for &key in list {
        let (length, rest) = bytes[at..].split_first_chunk().ok_or_else(cut)?;
        let Value::Text(key) = keys.value(key) else {
            return Err(cut());
        };
        // A key that nothing refers to has numbers of unknown width: torch writes no such.
        let kind = kinds.get(key).ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .and_then(|numbers| numbers.checked_mul(kind.width()))
            .ok_or_else(cut)?;
        let block = rest.get(..length).ok_or_else(cut)?;
        at = bytes.len() - rest.len() + length;
        blocks.insert(*key, Cow::from(block));
    }
    gather(&state_dict(&object)?, &blocks, bytes.len())
}

type Described<'p> = (String, &'p Storage<'p>, &'p View);

/// The named tensors of floating-point numbers in the state_dict: the object itself, or what a
/// checkpoint keeps under one of the usual names.
fn state_dict<'p>(pickle: &'p Pickle<'p>) -> Result<Vec<Described<'p>>, WeightsError> {
    let entries = |value: &'p Value<'p>| match value {
        Value::Dict(entries) => &entries[..],
        _ => &[],
    };
    let root = entries(pickle.root());
    let under = |name| {
        root.iter()
            .rfind(|(key, _)| *pickle.value(*key) == Value::Text(name))
            .map(|(_, value)| entries(pickle.value(*value)))
            .filter(|entries| !entries.is_empty())
    };
    let dict = KEPT_UNDER.into_iter().find_map(under).unwrap_or(root);
    // A key that is set twice has the later value.
    let mut tensors = BTreeMap::new();
    for (key, value) in dict {
        if let (Value::Text(name), Value::Tensor(storage, view)) =
            (pickle.value(*key), pickle.value(*value))
            && !matches!(storage.kind, Kind::Whole(_))
        {
            tensors.insert(*name, (storage, view));
        }
    }
    if tensors.is_empty() {
        return Err(WeightsError::Broken(format!(
            "holds no state_dict, neither bare nor under {}",
            KEPT_UNDER.join(", ")
        )));
    }
    Ok(tensors
        .into_iter()
        .map(|(name, (storage, view))| (name.to_owned(), storage, view))
        .collect())
}

/// Reads the tensors out of their blocks. Together they may have as many numbers as the file has
/// bytes: tensors can share a block, but a small file must not become a large network.
fn gather(
    wanted: &[Described<'_>],
    blocks: &HashMap<&str, Cow<'_, [u8]>>,
    file_bytes: usize,
) -> Result<Vec<(String, Array)>, WeightsError> {
    let mut left = file_bytes;
    let mut tensors = Vec::with_capacity(wanted.len());
    for (name, storage, view) in wanted {
        let broken = |what| WeightsError::Tensor {
            name: name.clone(),
            what,
        };
        let block = blocks
            .get(storage.key)
            .ok_or_else(|| broken("has no numbers in the file"))?;
        let width = storage.kind.width();
        let from = storage.from.checked_mul(width);
        let to = storage
            .from
            .checked_add(storage.numbers)
            .and_then(|end| end.checked_mul(width));
        let numbers = from
            .zip(to)
            .and_then(|(from, to)| block.get(from..to))
            .ok_or_else(|| broken("refers to more numbers than are there"))?;
        let elements = super::numbers::count(&view.shape);
        left = elements
            .and_then(|n| left.checked_sub(n))
            .ok_or_else(|| broken("makes the weights larger than the file"))?;
        let values = view.gather(storage.kind, numbers).map_err(broken)?;
        let shape = view.shape.clone();
        tensors.push((name.clone(), Array { shape, values }));
    }
    Ok(tensors)
}
