//! How the board is: temperature, memory, disk.

use std::path::Path;

/// The hottest sensor of the system in °C.
pub fn temperature_c() -> Option<f32> {
    let zones = std::fs::read_dir("/sys/class/thermal").ok()?;
    zones
        .filter_map(|zone| std::fs::read_to_string(zone.ok()?.path().join("temp")).ok())
        // In thousandths. Some sensors that aren't there say -273 or a few thousand degrees.
        .filter_map(|text| text.trim().parse::<f32>().ok().map(|milli| milli / 1000.0))
        .filter(|degrees| (-40.0..200.0).contains(degrees))
        .max_by(f32::total_cmp)
}

/// Memory of this program in megabytes.
pub fn memory_mb() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(round(pages * rustix::param::page_size() as f64 / 1e6))
}

/// Room that is left on the disk of a folder in megabytes.
pub fn disk_free_mb(folder: &Path) -> Option<f64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(round(disk.f_bavail as f64 * disk.f_frsize as f64 / 1e6))
}

/// Tenths are enough.
fn round(megabytes: f64) -> f64 {
    (megabytes * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_disk_are_known_on_any_linux() {
        let memory = memory_mb().unwrap();
        assert!(memory > 1.0 && memory < 100_000.0, "{memory}");
        assert!(disk_free_mb(Path::new("/")).is_some());
        assert_eq!(disk_free_mb(Path::new("/no/such/folder")), None);
        assert!(temperature_c().is_none_or(|degrees| degrees < 200.0));
    }
}
