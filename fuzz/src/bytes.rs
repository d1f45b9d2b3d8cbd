//! Numbers from bytes. After the last byte there are zeros, so that any bytes mean something.

/// What is left of the bytes.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// Whether all were taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// 0 to 1, from one byte.
    pub fn part(&mut self) -> f32 {
        f32::from(self.byte()) / 255.0
    }

    /// 0 to 65,280, small ones as likely as large ones: a byte shifted left by the next one's remainder of 9.
    pub fn length(&mut self) -> u32 {
        let digits = u32::from(self.byte());
        digits << (self.byte() % 9)
    }

    /// Three bytes.
    pub fn colour(&mut self) -> [u8; 3] {
        [self.byte(), self.byte(), self.byte()]
    }
}
