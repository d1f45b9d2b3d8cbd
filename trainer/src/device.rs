//! Where tensors live: the graphics card when there is one.

use std::str::FromStr;

use anyhow::Result;
use tch::{Cuda, Device};

use crate::error::bad_input;

/// What the user asks for with `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// CUDA when it works, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// This CUDA device or none.
    Cuda(usize),
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => s
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("unknown device {s:?}; use auto, cpu, cuda or cuda:N")),
        }
    }
}

impl Wish {
    /// The device for a wish.
    ///
    /// # Errors
    /// CUDA was asked for by name and isn't there.
    pub fn device(self) -> Result<Device> {
        match self {
            Self::Auto => Ok(Device::cuda_if_available()),
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(n) if Cuda::is_available() && (n as i64) < Cuda::device_count() => {
                Ok(Device::Cuda(n))
            }
            Self::Cuda(n) => Err(bad_input!(
                "CUDA device {n} is not available ({} found); use --device cpu, or put a libtorch \
                 with CUDA on LD_LIBRARY_PATH",
                Cuda::device_count()
            )),
        }
    }
}

impl Wish {
    /// Every device that may share work: all CUDA devices where none is named, else just the one.
    ///
    /// # Errors
    /// As [`Wish::device`].
    pub fn all(self) -> Result<Vec<Device>> {
        let own = self.device()?;
        Ok(match (self, own) {
            (Self::Auto, Device::Cuda(_)) => (0..Cuda::device_count() as usize)
                .map(Device::Cuda)
                .collect(),
            _ => vec![own],
        })
    }
}

/// Loads libtorch's CUDA half when it is installed. Must come before any use of tch: the linker
/// drops the library because nothing refers to it by name, and without it CUDA is silently off.
#[allow(unsafe_code)]
pub fn load_cuda() {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: libtorch's own library, made to be loaded like this; its initialisers register
    // CUDA kernels with the libtorch that is already there.
    match unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) } {
        // Never unloaded: the registered kernels point into it.
        Ok(library) => std::mem::forget(library),
        Err(e) => tracing::debug!("no CUDA: {e}"),
    }
}
