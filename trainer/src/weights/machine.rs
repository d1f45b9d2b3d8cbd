//! The stack machine that follows a pickle's instructions; see [`super::pickle`].

use std::collections::HashMap;

use super::WeightsError;
use super::numbers::View;
use super::pickle::{Global, Id, Storage, Value};

/// Most instructions followed and items moved. A checkpoint of DenseNet-201 with Adam's moments
/// takes about 95,000.
pub const MOST_STEPS: usize = 1 << 20;

/// Most axes of a tensor.
const MOST_AXES: usize = 8;

/// Longest name of a module or of what is in one, in bytes.
const LONGEST_NAME: usize = 256;

/// Follows the pickle at the start of `bytes`; returns all values, which of them it leaves, and where
/// the pickle ends.
///
/// # Errors
/// As [`super::pickle::Pickle::read`].
pub fn run(bytes: &[u8]) -> Result<(Vec<Value<'_>>, Id, usize), WeightsError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        steps: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    match machine.run() {
        Ok(root) => Ok((machine.values, root, machine.at)),
        Err(Stop::Damaged(what)) => Err(WeightsError::Pickle {
            at: machine.at,
            what,
        }),
        Err(Stop::Refused(e)) => Err(e),
    }
}

/// Why the machine stops early.
enum Stop {
    Damaged(&'static str),
    Refused(WeightsError),
}

impl From<&'static str> for Stop {
    fn from(what: &'static str) -> Self {
        Self::Damaged(what)
    }
}

type Step<T = ()> = Result<T, Stop>;

const CUT: &str = "it ends too early";
const EMPTY: &str = "an instruction finds too little on the stack";
const TOO_LONG: &str = "it has more steps than any state_dict";
const NO_TENSOR: &str = "a tensor is not described as torch does it";
const NO_STORAGE: &str = "a storage is not described as torch does it";

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    steps: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack that a later instruction goes back to.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    /// Follows the instructions up to the end and returns what is on top then.
    fn run(&mut self) -> Step<Id> {
        loop {
            self.spend(1)?;
            match self.byte()? {
                // PROTO, FRAME: nothing to do.
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => return self.pop(),

                // NONE, NEWTRUE, NEWFALSE, BINFLOAT
                b'N' | 0x88 | 0x89 => self.push(Value::Other),
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Other);
                }
                // BININT1, BININT2, BININT, LONG1
                b'K' => {
                    let [n] = self.array()?;
                    self.push(Value::Int(n.into()));
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(n.into()));
                }
                b'J' => {
                    let n = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(n.into()));
                }
                0x8a => self.long()?,
                // BINUNICODE, SHORT_BINUNICODE; BINSTRING, SHORT_BINSTRING of Python 2
                b'X' | b'T' => {
                    let n = u32::from_le_bytes(self.array()?);
                    self.text(n as usize)?;
                }
                0x8c | b'U' => {
                    let n = self.byte()?;
                    self.text(n.into())?;
                }

                // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                // MARK, TUPLE, TUPLE1, TUPLE2, TUPLE3
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.pop_marked()?;
                    self.push(Value::Tuple(items));
                }
                n @ 0x85..=0x87 => {
                    let items = self.pop_many(usize::from(n - 0x84))?;
                    self.push(Value::Tuple(items));
                }
                // APPEND, APPENDS, SETITEM, SETITEMS
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.pop_marked()?;
                    self.append(&items)?;
                }
                b's' => {
                    let pair = self.pop_many(2)?;
                    self.set(&pair)?;
                }
                b'u' => {
                    let pairs = self.pop_marked()?;
                    self.set(&pairs)?;
                }

                // BINPUT, LONG_BINPUT, MEMOIZE; BINGET, LONG_BINGET
                b'q' => {
                    let key = self.byte()?;
                    self.remember(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.remember(key as usize)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let key = self.byte()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key as usize)?;
                }

                // GLOBAL, STACK_GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let words = self.pop_many(2)?;
                    let (Value::Text(module), Value::Text(name)) =
                        (&self.values[words[0]], &self.values[words[1]])
                    else {
                        return Err("an import has no name".into());
                    };
                    let (module, name) = (*module, *name);
                    self.global(module, name)?;
                }
                // BINPERSID, REDUCE, BUILD
                b'Q' => self.storage()?,
                b'R' => self.call()?,
                // The only state that is ever built on is an OrderedDict's `_metadata`.
                b'b' => drop(self.pop()?),
                _ => return Err("an instruction that no state_dict needs".into()),
            }
        }
    }

    fn spend(&mut self, steps: usize) -> Step {
        self.steps += steps;
        if self.steps > MOST_STEPS {
            return Err(TOO_LONG.into());
        }
        Ok(())
    }

    fn take(&mut self, n: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..n).ok_or(CUT)?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.first_chunk().ok_or(CUT)?;
        self.at += N;
        Ok(*taken)
    }

    fn byte(&mut self) -> Step<u8> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let near = &rest[..rest.len().min(LONGEST_NAME)];
        let end = near.iter().position(|&b| b == b'\n');
        let end = end.ok_or("a name does not end")?;
        let line = self.take(end + 1)?;
        Ok(std::str::from_utf8(&line[..end]).map_err(|_| "a name is not UTF-8")?)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Step<Id> {
        Ok(self.stack.pop().ok_or(EMPTY)?)
    }

    fn pop_many(&mut self, n: usize) -> Step<Vec<Id>> {
        let from = self.stack.len().checked_sub(n).ok_or(EMPTY)?;
        Ok(self.stack.split_off(from))
    }

    fn pop_marked(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("an instruction finds no mark")?;
        if mark > self.stack.len() {
            return Err(EMPTY.into());
        }
        Ok(self.stack.split_off(mark))
    }

    /// The value on top, which is changed in place.
    fn top(&mut self) -> Step<&mut Value<'a>> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        Ok(&mut self.values[top])
    }

    fn append(&mut self, items: &[Id]) -> Step {
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err("something is added to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: &[Id]) -> Step {
        let (pairs, rest) = pairs.as_chunks::<2>();
        match self.top()? {
            Value::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err("something is set in what is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, key: usize) -> Step {
        let top = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Step {
        let value = self.memo.get(&key);
        self.stack
            .push(*value.ok_or("it recalls what it never kept")?);
        Ok(())
    }

    /// A little-endian integer in two's complement of as many bytes as the next one says.
    fn long(&mut self) -> Step {
        let n = self.byte()?;
        let bytes = self.take(n.into())?;
        let mut wide = [0; 8];
        match bytes.last() {
            Some(&last) if bytes.len() <= wide.len() => {
                let sign = if last & 0x80 == 0 { 0 } else { 0xff };
                wide.fill(sign);
                wide[..bytes.len()].copy_from_slice(bytes);
                self.push(Value::Int(i64::from_le_bytes(wide)));
            }
            None => self.push(Value::Int(0)),
            Some(_) => self.push(Value::Other),
        }
        Ok(())
    }

    fn text(&mut self, length: usize) -> Step {
        let bytes = self.take(length)?;
        // Python 2 wrote bytes where Python 3 writes text; a name of a tensor is both.
        let value = std::str::from_utf8(bytes).map_or(Value::Other, Value::Text);
        self.push(value);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Step {
        let global = Global::named(module, name).map_err(Stop::Refused)?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn index(&self, id: Id) -> Option<usize> {
        match self.values[id] {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        }
    }

    fn indices(&self, id: Id) -> Option<Vec<usize>> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= MOST_AXES => {
                items.iter().map(|&item| self.index(item)).collect()
            }
            _ => None,
        }
    }

    /// `("storage", type, key, device, numbers)`, in streams with a sixth item: None, or what part
    /// of the block it is: `(key of the part, first number, numbers)`.
    fn storage(&mut self) -> Step {
        let id = self.pop()?;
        let storage = self.described_storage(id).ok_or(NO_STORAGE)?;
        self.push(Value::Storage(storage));
        Ok(())
    }

    fn described_storage(&self, id: Id) -> Option<Storage<'a>> {
        let Value::Tuple(items) = &self.values[id] else {
            return None;
        };
        let [word, kind, key, _device, numbers, part @ ..] = &items[..] else {
            return None;
        };
        let (Value::Text("storage"), Value::Global(Global::Storage(kind)), Value::Text(key)) =
            (&self.values[*word], &self.values[*kind], &self.values[*key])
        else {
            return None;
        };
        let whole = (0, self.index(*numbers)?);
        let (from, numbers) = match part.first().map(|&part| &self.values[part]) {
            None | Some(Value::Other) => whole,
            Some(Value::Tuple(part)) => match part[..] {
                [_, from, numbers] => (self.index(from)?, self.index(numbers)?),
                _ => return None,
            },
            Some(_) => return None,
        };
        Some(Storage {
            key,
            kind: *kind,
            from,
            numbers,
        })
    }

    /// What Python would do by calling an imported name; here it only builds a value.
    fn call(&mut self) -> Step {
        let call = self.pop_many(2)?;
        let (Value::Global(function), Value::Tuple(arguments)) =
            (&self.values[call[0]], &self.values[call[1]])
        else {
            return Err("it calls what can't be called".into());
        };
        match function {
            Global::OrderedDict => {
                let pairs = match arguments[..] {
                    [] => Some(Vec::new()),
                    [list] => self.pairs(list),
                    _ => None,
                };
                let pairs = pairs.ok_or("a dictionary is made of what are no pairs")?;
                // A list can be made into a dictionary again and again.
                self.spend(pairs.len())?;
                self.push(Value::Dict(pairs));
            }
            Global::RebuildTensor => {
                let [storage, offset, shape, strides, ..] = arguments[..] else {
                    return Err(NO_TENSOR.into());
                };
                let Value::Storage(storage) = &self.values[storage] else {
                    return Err(NO_TENSOR.into());
                };
                let view = View {
                    offset: self.index(offset).ok_or(NO_TENSOR)?,
                    shape: self.indices(shape).ok_or(NO_TENSOR)?,
                    strides: self.indices(strides).ok_or(NO_TENSOR)?,
                };
                let storage = storage.clone();
                self.push(Value::Tensor(storage, view));
            }
            // A parameter is its tensor and whether it learns.
            Global::RebuildParameter => {
                let tensor = *arguments.first().ok_or(NO_TENSOR)?;
                self.stack.push(tensor);
            }
            Global::Storage(_) => return Err("it makes numbers out of nothing".into()),
        }
        Ok(())
    }

    /// The `[[key, value], …]` of which Python 2 made an OrderedDict.
    fn pairs(&self, list: Id) -> Option<Vec<(Id, Id)>> {
        let Value::List(items) = &self.values[list] else {
            return None;
        };
        let pair = |&item: &Id| match &self.values[item] {
            Value::List(pair) | Value::Tuple(pair) => match pair[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        items.iter().map(pair).collect()
    }
}
