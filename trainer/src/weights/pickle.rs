//! A reader of Python's pickles that executes nothing.
//!
//! A pickle is a program for a small stack machine, and two of its instructions let it import and
//! call whatever it likes. Here an import is only a word: the few that `torch.save` needs for a
//! `state_dict` are understood, every other one is refused by name. All values lie in one list and
//! refer to each other by index, so that neither a value inside itself nor a tower of lists costs
//! any of our own stack, and [`machine::MOST_STEPS`] bounds how many there can be.

use super::numbers::{Kind, View};
use super::{WeightsError, machine};

/// Where a value lies in a [`Pickle`].
pub type Id = usize;

/// What a pickle may refer to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

impl Global {
    /// What an imported name means.
    ///
    /// # Errors
    /// It is none that weights need.
    pub fn named(module: &str, name: &str) -> Result<Self, WeightsError> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "HalfStorage") => Self::Storage(Kind::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Kind::BF16),
            ("torch", "FloatStorage") => Self::Storage(Kind::F32),
            ("torch", "DoubleStorage") => Self::Storage(Kind::F64),
            ("torch", "BoolStorage" | "ByteStorage" | "CharStorage") => {
                Self::Storage(Kind::Whole(1))
            }
            ("torch", "ShortStorage") => Self::Storage(Kind::Whole(2)),
            ("torch", "IntStorage") => Self::Storage(Kind::Whole(4)),
            ("torch", "LongStorage") => Self::Storage(Kind::Whole(8)),
            _ => return Err(WeightsError::Global(format!("{module}.{name}"))),
        })
    }
}

/// A block of numbers that lies outside the pickle, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage<'a> {
    /// The block's name.
    pub key: &'a str,
    /// How its numbers are stored.
    pub kind: Kind,
    /// Index of its first number in the block.
    pub from: usize,
    /// How many there are.
    pub numbers: usize,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// None, truth values, fractions, huge integers: nothing that weights are made of.
    Other,
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Storage<'a>, View),
}

/// What a pickle builds.
#[derive(Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
    /// Bytes up to its end; a stream may go on with another.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`.
    ///
    /// # Errors
    /// It refers to something that is not needed, is damaged, or has too many steps.
    pub fn read(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let (values, root, length) = machine::run(bytes)?;
        Ok(Self {
            values,
            root,
            length,
        })
    }

    /// The value that the pickle leaves.
    pub fn root(&self) -> &Value<'a> {
        &self.values[self.root]
    }

    /// A value that another refers to.
    pub fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// Every storage that is referred to, with repeats.
    pub fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }
}
