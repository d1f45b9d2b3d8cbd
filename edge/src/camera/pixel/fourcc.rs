//! V4L2's names of pixel formats.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A V4L2 code of four characters, such as `YUYV` or `MJPG`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// The code as the kernel writes it.
    pub fn from_u32(code: u32) -> Self {
        Self(code.to_le_bytes())
    }

    /// The code for the kernel.
    pub fn to_u32(self) -> u32 {
        u32::from_le_bytes(self.0)
    }
}

impl std::str::FromStr for FourCc {
    type Err = String;

    /// Small letters mean capitals, and missing ones blanks: `mjpg`, `Y10`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.as_bytes();
        if !(1..=4).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(format!(
                "{text:?} is no V4L2 format: write up to 4 characters, such as YUYV or MJPG"
            ));
        }
        let mut code = [b' '; 4];
        for (to, from) in code.iter_mut().zip(bytes) {
            *to = from.to_ascii_uppercase();
        }
        Ok(Self(code))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bit 31 of the code marks big-endian formats.
        let [a, b, c, d] = self.0;
        let text: String = [a, b, c, d & 0x7F]
            .iter()
            .map(|&b| {
                if b.is_ascii_graphic() {
                    char::from(b)
                } else {
                    ' '
                }
            })
            .collect();
        let ending = if d & 0x80 == 0 { "" } else { "-BE" };
        write!(f, "{}{ending}", text.trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FourCc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FourCc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
