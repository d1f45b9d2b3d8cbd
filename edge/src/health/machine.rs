//! The machine: temperature, what slows it down, memory, disk.

use std::fs;
use std::path::{Path, PathBuf};

use smearscope_common::message::Throttling;

/// Where the kernel tells of its devices.
const SYS: &str = "/sys";

/// The hottest sensor of the system in °C.
pub fn temperature_c() -> Option<f32> {
    hottest(Path::new(SYS))
}

/// What slows the processor down or undermines it now; `None` where nothing tells.
pub fn throttled() -> Option<Vec<Throttling>> {
    throttled_by(Path::new(SYS))
}

/// Memory of this program in megabytes.
pub fn memory_mb() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(round(pages * rustix::param::page_size() as f64 / 1e6))
}

/// What this program has written to disks, in megabytes: whole pages, as the kernel hands them on. `None` where the kernel
/// doesn't count.
pub fn written_mb() -> Option<f64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    let bytes = io.lines().find_map(|l| l.strip_prefix("write_bytes: "))?;
    Some(round(bytes.parse::<f64>().ok()? / 1e6))
}

/// Room that is left on the disk of a folder in megabytes.
pub fn disk_free_mb(folder: &Path) -> Option<f64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(round(disk.f_bavail as f64 * disk.f_frsize as f64 / 1e6))
}

fn hottest(sys: &Path) -> Option<f32> {
    entries(&sys.join("class/thermal"))
        // Of a Jetson's PMIC only the limit is known: its sensor always says 100 °C.
        .filter(|zone| text(&zone.join("type")).as_deref() != Some("PMIC-Die"))
        .filter_map(|zone| text(&zone.join("temp"))?.parse::<f32>().ok())
        // In thousandths. Some sensors that aren't there say -273 or a few thousand degrees.
        .map(|milli| milli / 1000.0)
        .filter(|degrees| (-40.0..200.0).contains(degrees))
        .max_by(f32::total_cmp)
}

/// Asks whoever knows: the Raspberry Pi's firmware, its voltage monitor, and the kernel's own cooling of the processor, on a
/// Jetson too. The firmware's word is the only one for three of the four; the first reading in a boot makes newer kernels
/// warn once in their log that the file is deprecated.
fn throttled_by(sys: &Path) -> Option<Vec<Throttling>> {
    let mut found = Vec::new();
    let mut is_known = false;
    let firmware = entries(&sys.join("bus/platform/drivers/raspberrypi-firmware"))
        .find_map(|device| text(&device.join("get_throttled")));
    if let Some(bits) = firmware.and_then(|bits| u32::from_str_radix(&bits, 16).ok()) {
        is_known = true;
        // What bits 16 to 19 say is past. Source: the documentation of `vcgencmd get_throttled`.
        for (bit, what) in [
            (0, Throttling::UnderVoltage),
            (1, Throttling::FrequencyCapped),
            (2, Throttling::Throttled),
            (3, Throttling::TemperatureLimit),
        ] {
            if bits & (1 << bit) != 0 {
                found.push(what);
            }
        }
    }
    for monitor in entries(&sys.join("class/hwmon")) {
        if text(&monitor.join("name")).as_deref() == Some("rpi_volt") {
            is_known = true;
            if text(&monitor.join("in0_lcrit_alarm")).as_deref() == Some("1") {
                found.push(Throttling::UnderVoltage);
            }
        }
    }
    for device in entries(&sys.join("class/thermal")) {
        // `thermal-cpufreq-0` or `cpufreq-cpu0`; on a Jetson Nano `cpu-balanced`.
        let cools_processor =
            |kind: &str| kind.contains("cpufreq") || kind.starts_with("cpu-balanced");
        if text(&device.join("type")).is_some_and(|kind| cools_processor(&kind)) {
            is_known = true;
            if text(&device.join("cur_state")).is_some_and(|state| state != "0") {
                found.push(Throttling::FrequencyCapped);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    is_known.then_some(found)
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

/// Tenths are enough.
fn round(megabytes: f64) -> f64 {
    (megabytes * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use Throttling::{FrequencyCapped, TemperatureLimit, Throttled, UnderVoltage};

    /// A `/sys` with these files.
    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{content}\n")).unwrap();
        }
        folder
    }

    #[test]
    fn memory_disk_and_writing_are_known_on_any_linux() {
        let memory = memory_mb().unwrap();
        assert!(memory > 1.0 && memory < 100_000.0, "{memory}");
        assert!(disk_free_mb(Path::new("/")).is_some());
        assert_eq!(disk_free_mb(Path::new("/no/such/folder")), None);
        assert!(written_mb().is_none_or(|written| written >= 0.0));
        assert!(temperature_c().is_none_or(|degrees| degrees < 200.0));
    }

    #[test]
    fn the_hottest_sensor_is_told_unless_it_is_none() {
        let jetson = sys(&[
            ("class/thermal/thermal_zone0/type", "CPU-therm"),
            ("class/thermal/thermal_zone0/temp", "41500"),
            ("class/thermal/thermal_zone1/type", "PMIC-Die"),
            ("class/thermal/thermal_zone1/temp", "100000"),
            ("class/thermal/thermal_zone2/type", "thermal-fan-est"),
            ("class/thermal/thermal_zone2/temp", "42000"),
            ("class/thermal/thermal_zone3/type", "absent"),
            ("class/thermal/thermal_zone3/temp", "-273150"),
            ("class/thermal/cooling_device0/type", "pwm-fan"),
        ]);
        assert_eq!(hottest(jetson.path()), Some(42.0));
        assert_eq!(hottest(Path::new("/no/such/folder")), None);
    }

    #[test]
    fn a_raspberry_pi_tells_by_its_firmware_and_by_its_voltage_monitor() {
        let firmware = "bus/platform/drivers/raspberrypi-firmware/soc:firmware/get_throttled";
        // Under-voltage and throttled now; capped in the past, which is no news.
        let weak = sys(&[(firmware, "70005")]);
        assert_eq!(
            throttled_by(weak.path()),
            Some(vec![UnderVoltage, Throttled])
        );
        let hot = sys(&[(firmware, "a")]);
        let both = Some(vec![FrequencyCapped, TemperatureLimit]);
        assert_eq!(throttled_by(hot.path()), both);
        let fine = sys(&[(firmware, "0")]);
        assert_eq!(throttled_by(fine.path()), Some(vec![]));
        let monitor = sys(&[
            ("class/hwmon/hwmon0/name", "cpu_thermal"),
            ("class/hwmon/hwmon1/name", "rpi_volt"),
            ("class/hwmon/hwmon1/in0_lcrit_alarm", "1"),
            (firmware, "1"),
        ]);
        assert_eq!(throttled_by(monitor.path()), Some(vec![UnderVoltage]));
    }

    #[test]
    fn cooling_of_the_processor_is_told_and_a_fan_is_none() {
        let cooled = |kind: &str, state: &str| {
            let sys = sys(&[
                ("class/thermal/cooling_device0/type", kind),
                ("class/thermal/cooling_device0/cur_state", state),
            ]);
            throttled_by(sys.path())
        };
        assert_eq!(
            cooled("thermal-cpufreq-0", "2"),
            Some(vec![FrequencyCapped])
        );
        assert_eq!(cooled("cpu-balanced", "0"), Some(vec![]));
        assert_eq!(cooled("pwm-fan", "3"), None);
        assert_eq!(throttled_by(Path::new("/no/such/folder")), None);
    }
}
