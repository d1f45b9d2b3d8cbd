//! Stored numbers → f32.

use half::{bf16, f16};

/// How numbers are stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F16,
    BF16,
    F32,
    F64,
    /// Whole numbers or truth values of this many bytes, which no weights are made of.
    Whole(usize),
}

impl Kind {
    /// Bytes of one number.
    pub fn width(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Whole(width) => width,
        }
    }
}

/// All numbers in `bytes`, whose length is a multiple of the width; whole numbers give none.
pub fn decode(kind: Kind, bytes: &[u8]) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (numbers, _) = bytes.as_chunks::<N>();
        numbers.iter().map(|&number| value(number)).collect()
    }
    match kind {
        Kind::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Kind::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Kind::F32 => each(bytes, f32::from_le_bytes),
        Kind::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Kind::Whole(_) => Vec::new(),
    }
}

/// Number of elements of a shape; `None` when it overflows.
pub fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d))
}

/// What part of a storage a tensor is, in numbers, not bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Index of the first number.
    pub offset: usize,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// How far the next element along an axis is.
    pub strides: Vec<usize>,
}

impl View {
    /// The tensor's numbers in row-major order, out of the `storage`'s bytes.
    ///
    /// # Errors
    /// It reaches beyond the storage, or has more elements than the storage has numbers.
    pub fn gather(&self, kind: Kind, storage: &[u8]) -> Result<Vec<f32>, &'static str> {
        let numbers = storage.len() / kind.width();
        let count = count(&self.shape).ok_or("is larger than any memory")?;
        if self.shape.len() != self.strides.len() {
            return Err("has a shape and strides of different lengths");
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let beyond = "reaches beyond the numbers that are there";
        if count > numbers {
            return Err(beyond);
        }
        let mut last = self.offset;
        for (&length, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = (length - 1).checked_mul(stride).ok_or(beyond)?;
            last = last.checked_add(reach).ok_or(beyond)?;
        }
        if last >= numbers {
            return Err(beyond);
        }
        let at = |index: usize| index * kind.width();
        if self.is_row_major() {
            return Ok(decode(
                kind,
                &storage[at(self.offset)..at(self.offset + count)],
            ));
        }
        let mut values = Vec::with_capacity(count);
        let mut place = vec![0; self.shape.len()];
        for _ in 0..count {
            let steps = place.iter().zip(&self.strides).map(|(p, s)| p * s);
            let index = self.offset + steps.sum::<usize>();
            values.extend(decode(kind, &storage[at(index)..at(index + 1)]));
            for (p, &length) in place.iter_mut().zip(&self.shape).rev() {
                *p += 1;
                if *p < length {
                    break;
                }
                *p = 0;
            }
        }
        Ok(values)
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&d, &s)| {
            let fits = d == 1 || s == expected;
            expected *= d;
            fits
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Vec<u8> {
        (0..12u8).flat_map(|v| f32::from(v).to_le_bytes()).collect()
    }

    fn gather(offset: usize, shape: &[usize], strides: &[usize]) -> Result<Vec<f32>, &'static str> {
        let view = View {
            offset,
            shape: shape.into(),
            strides: strides.into(),
        };
        view.gather(Kind::F32, &storage())
    }

    #[test]
    fn a_view_is_gathered_as_torch_sees_it() {
        assert_eq!(
            gather(2, &[2, 3], &[3, 1]).unwrap(),
            [2., 3., 4., 5., 6., 7.]
        );
        assert_eq!(
            gather(0, &[3, 2], &[1, 3]).unwrap(),
            [0., 3., 1., 4., 2., 5.]
        );
        assert_eq!(gather(1, &[2, 2], &[0, 1]).unwrap(), [1., 2., 1., 2.]);
        assert_eq!(gather(11, &[], &[]).unwrap(), [11.]);
        assert_eq!(gather(11, &[1], &[1000]).unwrap(), [11.]);
        assert!(gather(5, &[0, 1 << 40], &[1, 1]).unwrap().is_empty());
    }

    #[test]
    fn a_view_beyond_its_storage_is_refused() {
        assert!(gather(11, &[2], &[1]).is_err());
        assert!(gather(0, &[2], &[12]).is_err());
        assert!(gather(0, &[13], &[0]).is_err());
        assert!(gather(usize::MAX, &[2], &[1]).is_err());
        assert!(gather(0, &[2], &[usize::MAX]).is_err());
        assert!(gather(0, &[usize::MAX, usize::MAX], &[1, 1]).is_err());
        assert!(gather(0, &[2], &[1, 1]).is_err());
    }

    #[test]
    fn halves_and_doubles_become_singles() {
        assert_eq!(decode(Kind::F16, &[0x00, 0x3e]), [1.5]);
        assert_eq!(decode(Kind::BF16, &[0xc0, 0x3f]), [1.5]);
        assert_eq!(decode(Kind::F64, &1.5f64.to_le_bytes()), [1.5]);
        assert!(decode(Kind::Whole(8), &[1; 8]).is_empty());
    }
}
