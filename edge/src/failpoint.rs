//! Places at which a test may cut the power.

/// Ends the process here when the test that started it says so: `SMEARSCOPE_TEST_CRASH=place:n` at the n-th time that
/// `place` is passed. Nothing outside tests.
#[inline]
pub fn hit(_place: &str) {
    #[cfg(test)]
    tests::hit(_place);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    pub(super) fn hit(place: &str) {
        static LEFT: Mutex<Option<(String, u32)>> = Mutex::new(None);
        let Ok(wanted) = std::env::var("SMEARSCOPE_TEST_CRASH") else {
            return;
        };
        let mut left = LEFT.lock().unwrap();
        let (wanted, times) = left.get_or_insert_with(|| {
            let (place, times) = wanted.split_once(':').unwrap();
            (place.to_owned(), times.parse().unwrap())
        });
        if wanted == place {
            *times -= 1;
            if *times == 0 {
                // No destructor runs, no buffer is written: as if the power were gone.
                std::process::abort();
            }
        }
    }
}
