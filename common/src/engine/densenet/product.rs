//! A convolution's weights times the pixels of a plane, by the matrix kernel that tract has for
//! this machine.

use tract_onnx::prelude::tract_linalg::BinOp;
use tract_onnx::prelude::tract_linalg::mmm::{
    AsInputValue, EagerPackedInput, FusedSpec, MMMInputValue, PackedExoticFact, ScratchSpace,
};
use tract_onnx::prelude::tract_linalg::pack::PackedFormat;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::kernel::{Choice, Side};

/// Panels of pixels are packed for about this many bytes at a time, to be read again from the
/// second-level cache of a small board.
const PACKED_BYTES: usize = 192 * 1024;

/// How much a packer may write past its last panel: it copies whole vectors.
const SLACK: usize = 64;

/// Pixels packed as a kernel reads them: panels of `width` pixels, in each of them one row of
/// `width` values for each channel (or each channel and place of a 3 × 3 kernel).
pub struct Panels {
    packed: EagerPackedInput,
    format: PackedFormat,
    /// Values that there is room for.
    room: usize,
}

impl Panels {
    /// Room for as many panels as are worth packing at a time.
    pub fn new(format: &PackedFormat, longest: usize, pixels: usize) -> TractResult<Self> {
        let panel = format.single_panel_len(longest);
        let all = pixels.div_ceil(format.r) * panel;
        let room = all.min(PACKED_BYTES / size_of::<f32>()).max(panel);
        let zeros = vec![0; (room + SLACK) * size_of::<f32>()];
        let blob = Blob::from_bytes_alignment(&zeros, format.alignment_bytes.max(64))?;
        Ok(Self {
            packed: EagerPackedInput {
                fact: PackedExoticFact {
                    format: Box::new(format.clone()),
                    mn: 0.to_dim(),
                    k: 0,
                },
                packed: Arc::new(blob),
                panel_bytes: 0,
                mn: 0,
            },
            format: format.clone(),
            room,
        })
    }

    /// Pixels in a panel.
    pub fn width(&self) -> usize {
        self.format.r
    }

    /// Pixels that are packed at a time where each has `length` values.
    pub fn pixels_at_a_time(&self, length: usize) -> usize {
        self.room / self.format.single_panel_len(length) * self.format.r
    }

    /// Begins to pack: room for `pixels` pixels of `length` values each, a panel after another, and
    /// the distance of their beginnings.
    pub fn begin(&mut self, pixels: usize, length: usize) -> TractResult<(&mut [f32], usize)> {
        let distance = self.format.single_panel_len(length);
        ensure!(
            pixels.div_ceil(self.format.r) * distance <= self.room,
            "more pixels than there is room for"
        );
        self.packed.fact.k = length;
        self.packed.mn = pixels;
        self.packed.panel_bytes = distance * size_of::<f32>();
        let blob = Arc::get_mut(&mut self.packed.packed).context("packed pixels are shared")?;
        Ok((floats(blob.as_bytes_mut()), distance))
    }
}

/// The bytes of a blob that was made for values.
fn floats(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: every pattern of bits is an f32, and what is not aligned is left out.
    #[allow(unsafe_code)]
    let (_, values, _) = unsafe { bytes.align_to_mut::<f32>() };
    values
}

/// What a kernel keeps between calls; one for each thread.
pub struct Scratch(Box<dyn ScratchSpace>);

/// Weights packed for one kernel.
pub struct Product {
    choice: Choice,
    weights: Box<dyn MMMInputValue>,
    bias: Option<Tensor>,
    zero: Option<Tensor>,
    length: usize,
    channels: usize,
}

impl Product {
    /// Packs `[channels, length]` weights. With `relu`, what is made is cut off below zero.
    pub fn new(
        choice: &Choice,
        matrix: &[f32],
        bias: &[f32],
        channels: usize,
        relu: bool,
    ) -> TractResult<Self> {
        let length = matrix.len() / channels.max(1);
        ensure!(length > 0 && length * channels == matrix.len() && bias.len() == channels);
        let tensor = Tensor::from_shape(&[channels, length], matrix)?;
        let bias = bias.iter().any(|&b| b != 0.0).then(|| tensor1(bias));
        Ok(Self {
            choice: choice.clone(),
            weights: choice.weights_format()?.pack_tensor(&tensor, 1, 0)?,
            bias,
            zero: relu.then(|| tensor0(0f32)),
            length,
            channels,
        })
    }

    /// Values that a pixel must have.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Channels that are made.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Panels for this and longer products, as long as the kernel is the same.
    pub fn panels(&self, longest: usize, pixels: usize) -> TractResult<Panels> {
        Panels::new(self.choice.pixels_format()?, longest, pixels)
    }

    /// What [`Product::run`] needs.
    pub fn scratch(&self) -> Scratch {
        // SAFETY: allocates an empty structure, whatever the kernel.
        #[allow(unsafe_code)]
        let scratch = unsafe { self.choice.kernel.allocate_scratch_space() };
        Scratch(scratch)
    }

    /// Writes what the weights make of the packed pixels into `out`, `[rows, pixels]`: each channel
    /// into a row, from row `first.0` on, and each pixel into a column, from `first.1` on.
    ///
    /// # Errors
    /// When the packed pixels, or what is made of them, don't fit.
    pub fn run(
        &self,
        panels: &Panels,
        scratch: &mut Scratch,
        out: &mut Tensor,
        first: (usize, usize),
    ) -> TractResult<()> {
        let pixels = panels.packed.mn;
        let &[rows, columns] = out.shape() else {
            bail!("a plane has rows and columns");
        };
        ensure!(
            panels.packed.fact.k == self.length,
            "pixels packed for other weights"
        );
        ensure!(
            panels.format == *self.choice.pixels_format()?,
            "pixels packed for another kernel"
        );
        ensure!(first.0 + self.channels <= rows && first.1 + pixels <= columns);
        ensure!(out.datum_type() == f32::datum_type());
        let packed = AsInputValue::Borrowed(&panels.packed);
        let weights = AsInputValue::Borrowed(&*self.weights);
        let (m, n, a, b, store) = match self.choice.pixels_are {
            Side::Rows => (pixels, self.channels, packed, weights, (1, 0)),
            Side::Columns => (self.channels, pixels, weights, packed, (0, 1)),
        };
        let mut steps: TVec<FusedSpec> = tvec!(FusedSpec::AddMatMul { a, b, packing: 0 });
        if let Some(bias) = &self.bias {
            steps.push(match self.choice.pixels_are {
                Side::Rows => FusedSpec::BinPerCol(bias.view(), BinOp::Add),
                Side::Columns => FusedSpec::BinPerRow(bias.view(), BinOp::Add),
            });
        }
        if let Some(zero) = &self.zero {
            steps.push(FusedSpec::BinScalar(zero, BinOp::Max));
        }
        let target = out.view_offsetting_mut(&[first.0, first.1])?;
        // SAFETY: the store reaches `channels` rows and `pixels` columns from `first` on, which
        // was checked to be inside `out`; `out` is borrowed for as long. Both sides are packed in
        // the kernel's own formats with equal lengths, and the bias has a value for each channel.
        #[allow(unsafe_code)]
        unsafe {
            let store = self
                .choice
                .kernel
                .c_view(Some(store.0), Some(store.1))
                .wrap(&target);
            steps.push(FusedSpec::Store(store));
            self.choice
                .kernel
                .run_with_scratch_space(m, n, &mut *scratch.0, &steps)
        }
    }
}
