//! Writes the bytes of `torch.save`, in both of its forms, and what it would never write.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A block of numbers: torch's name for its type, its bytes, and how many numbers they are.
pub struct Block {
    pub storage: &'static str,
    pub bytes: Vec<u8>,
    pub numbers: u64,
}

pub fn block(values: &[f32]) -> Block {
    Block {
        storage: "FloatStorage",
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        numbers: values.len() as u64,
    }
}

/// A tensor: a view of a block.
pub struct Tensor {
    pub name: String,
    pub block: usize,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

/// A whole file. `wrap` puts the state_dict into a checkpoint under that name.
pub struct File {
    pub blocks: Vec<Block>,
    pub tensors: Vec<Tensor>,
    pub wrap: Option<&'static str>,
}

impl File {
    pub fn new(tensors: &[(&str, &[u64], &[f32])]) -> Self {
        let mut file = Self {
            blocks: Vec::new(),
            tensors: Vec::new(),
            wrap: None,
        };
        for (name, shape, values) in tensors {
            file.push(name, shape, block(values));
        }
        file
    }

    /// Adds a tensor with a block of its own, in row-major order.
    pub fn push(&mut self, name: &str, shape: &[u64], block: Block) {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        self.tensors.push(Tensor {
            name: name.into(),
            block: self.blocks.len(),
            offset: 0,
            shape: shape.into(),
            strides,
        });
        self.blocks.push(block);
    }

    /// What torch writes since 1.6.
    pub fn zip(&self) -> Vec<u8> {
        zip_of(&self.object(false), &self.blocks)
    }

    /// What torch wrote before, and still does with `_use_new_zipfile_serialization=False`.
    pub fn stream(&self) -> Vec<u8> {
        let mut keys = b"\x80\x02](".to_vec();
        for n in 0..self.blocks.len() {
            text(&mut keys, &n.to_string());
        }
        keys.extend(b"e.");
        let mut bytes = stream_start();
        bytes.extend(self.object(true));
        bytes.extend(keys);
        for block in &self.blocks {
            bytes.extend(block.numbers.to_le_bytes());
            bytes.extend(&block.bytes);
        }
        bytes
    }

    /// The pickle of the object alone.
    pub fn object(&self, stream: bool) -> Vec<u8> {
        let mut p = b"\x80\x02".to_vec();
        if let Some(name) = self.wrap {
            p.extend(b"}(");
            text(&mut p, "epoch");
            p.extend(b"K\x07");
            text(&mut p, name);
        }
        p.extend(b"ccollections\nOrderedDict\n)R(");
        for tensor in &self.tensors {
            text(&mut p, &tensor.name);
            self.tensor(&mut p, tensor, stream);
        }
        p.push(b'u');
        // The metadata that state_dict() hangs on its dictionary.
        p.push(b'}');
        text(&mut p, "_metadata");
        p.extend(b"ccollections\nOrderedDict\n)Rsb");
        if self.wrap.is_some() {
            p.push(b'u');
        }
        p.push(b'.');
        p
    }

    fn tensor(&self, p: &mut Vec<u8>, tensor: &Tensor, stream: bool) {
        let block = &self.blocks[tensor.block];
        p.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(p, "storage");
        p.extend(format!("ctorch\n{}\n", block.storage).bytes());
        text(p, &tensor.block.to_string());
        text(p, "cpu");
        long(p, block.numbers);
        if stream {
            p.push(b'N');
        }
        p.extend(b"tQ");
        long(p, tensor.offset);
        for axis in [&tensor.shape, &tensor.strides] {
            p.push(b'(');
            axis.iter().for_each(|&n| long(p, n));
            p.push(b't');
        }
        p.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
}

/// The three pickles that begin a stream: magic number, protocol, kind of machine.
pub fn stream_start() -> Vec<u8> {
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec()
}

/// A zip around any pickle.
pub fn zip_of(pickle: &[u8], blocks: &[Block]) -> Vec<u8> {
    zip_with(pickle, blocks, CompressionMethod::Stored, b"little")
}

pub fn zip_with(
    pickle: &[u8],
    blocks: &[Block],
    method: CompressionMethod,
    byte_order: &[u8],
) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    let mut entry = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    entry("archive/data.pkl", pickle);
    entry("archive/byteorder", byte_order);
    for (n, block) in blocks.iter().enumerate() {
        entry(&format!("archive/data/{n}"), &block.bytes);
    }
    entry("archive/version", b"3\n");
    zip.finish().unwrap().into_inner()
}

/// BINUNICODE.
pub fn text(p: &mut Vec<u8>, text: &str) {
    p.push(b'X');
    p.extend((text.len() as u32).to_le_bytes());
    p.extend(text.bytes());
}

/// An integer that is not negative, as Python writes it.
fn long(p: &mut Vec<u8>, n: u64) {
    if let Ok(small) = u8::try_from(n) {
        p.extend([b'K', small]);
    } else if let Ok(small) = i32::try_from(n) {
        p.push(b'J');
        p.extend(small.to_le_bytes());
    } else {
        // The highest bit would be the sign; nothing here needs it.
        p.extend([0x8a, 8]);
        p.extend(n.to_le_bytes());
    }
}
