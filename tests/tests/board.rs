//! The packages on a board: Debian with systemd in a virtual machine, where they are installed, upgraded and removed, and
//! the service goes through whatever happens to boards (docs/board-tests.md).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use smearscope_tests::vm::{PATIENCE, Vm};
use smearscope_tests::{edge, free_port};
use tempfile::TempDir;

/// A config for the machine's camera, whose pictures have no cells, and for the broker beside it.
const CONFIG: &str = "[device]\nid = \"scope\"\n[source]\nkind = \"camera\"\ndevice = \"/dev/smearscope-camera\"\n\
    format = \"YUYV\"\nwidth = 320\nheight = 180\nfps = 5\ninterval_ms = 1000\n[gate]\nenabled = false\n\
    [image]\nenabled = false\n";

/// Shorter than on a board, so that nobody waits long for a hang to be noticed; long enough for an emulated processor.
const WATCHDOG: &str = "[Service]\nWatchdogSec=40\n";

/// Everything of ours that may be left on a board, in one command.
const LEFT: &str = "find / -xdev -name '*smearscope*' -not -path '/shared/*' -not -path '/var/log/journal/*'; \
    getent passwd smearscope; getent group smearscope; grep smearscope /etc/group";

/// The packages of the program under test.
struct Packages {
    deb: PathBuf,
    archive: PathBuf,
    /// A later version, whose example config is another.
    upgrade: PathBuf,
}

/// `None` where they can't be made; it says so as skipped tests.
static PACKAGES: LazyLock<Packages> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let _ = fs::remove_dir_all(&folder);
    let program = edge().get_program().to_owned();
    run(Command::new(script("package.sh"))
        .arg(program)
        .arg("amd64")
        .arg(&folder)
        .env("FAST", "yes"));
    let (deb, archive) = (package(&folder, "amd64.deb"), package(&folder, ".tar.gz"));
    let upgrade = folder.join("upgrade.deb");
    let change = format!(
        "set -e; cd {}; dpkg-deb --raw-extract {} new; sed -i 's/^Version: .*/Version: 99.0.0/' new/DEBIAN/control; \
         echo '# as of 99.0.0' >>new/etc/smearscope/edge.toml; \
         (cd new && find etc usr -type f -exec md5sum {{}} +) >new/DEBIAN/md5sums; \
         dpkg-deb --root-owner-group -Zgzip -z1 --build new upgrade.deb; rm -r new",
        folder.display(),
        deb.display()
    );
    run(Command::new("bash").arg("-c").arg(change));
    Packages {
        deb,
        archive,
        upgrade,
    }
});

fn script(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("scripts").join(name)
}

/// The file of a folder whose name ends so.
fn package(folder: &Path, ending: &str) -> PathBuf {
    let mut files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .find(|path| path.to_string_lossy().ends_with(ending))
        .unwrap()
}

/// Runs it, and gives what it says if it succeeds.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// A machine on which the service is to run, and the folder that it shares with this one.
struct Board {
    folder: PathBuf,
    vm: Vm,
}

impl Board {
    /// Boots it; `options` are variables for `scripts/board-vm.sh`.
    fn boot(folder: &Path, options: &[(&str, &str)]) -> Option<Self> {
        let vm = Vm::boot_board(folder, options)?;
        let folder = folder.to_owned();
        Some(Self { folder, vm })
    }

    fn sh(&mut self, command: &str) -> String {
        self.vm.sh(command)
    }

    /// Puts a file of this machine where the board sees it, and gives its path there.
    fn put(&self, file: &Path) -> String {
        let name = file.file_name().unwrap();
        fs::copy(file, self.folder.join(name)).unwrap();
        format!("/shared/{}", name.to_string_lossy())
    }

    fn configure(&mut self, config: &str) {
        fs::write(self.folder.join("edge.toml"), config).unwrap();
        // Into the file that is there, whose owner and mode are right.
        self.sh("cat edge.toml >/etc/smearscope/edge.toml");
    }

    /// All fields that came to the subscriber so far.
    fn fields(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("fields")).unwrap_or_default();
        // The last line may not be whole yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits for `count` more fields than there are, and gives the last.
    fn more_fields(&mut self, count: usize) -> Value {
        let wanted = self.fields().len() + count;
        let begun = Instant::now();
        loop {
            let fields = self.fields();
            if fields.len() >= wanted {
                return fields.last().unwrap().clone();
            }
            if begun.elapsed() > PATIENCE {
                panic!("no more fields: {}", self.journal());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a command succeeds.
    fn until(&mut self, command: &str) {
        let begun = Instant::now();
        while self.vm.try_sh(command).status != 0 {
            if begun.elapsed() > PATIENCE {
                panic!("{command} never succeeds: {}", self.journal());
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// What systemd says of the service.
    fn property(&mut self, name: &str) -> String {
        self.sh(&format!("systemctl show -P {name} smearscope-edge"))
    }

    fn restarts(&mut self) -> u32 {
        self.property("NRestarts").parse().unwrap()
    }

    fn journal(&mut self) -> String {
        self.vm
            .try_sh("journalctl -b -u smearscope-edge -n 60 --no-pager; systemctl status smearscope-edge | cat")
            .said
    }

    /// Holds that nothing is lost and nothing told in two ways: each series counts from 1 without a gap, and what has the
    /// same id is the same.
    fn nothing_is_lost(&self) {
        let mut series: BTreeMap<String, BTreeMap<u64, Value>> = BTreeMap::new();
        for field in self.fields() {
            let name = field["series"].as_str().unwrap().to_owned();
            let seq = field["seq"].as_u64().unwrap();
            let numbers = series.entry(name).or_default();
            let before = numbers.entry(seq).or_insert_with(|| field.clone());
            assert_eq!(*before, field, "number {seq} is two fields");
        }
        for (name, numbers) in &series {
            let (first, last) = (numbers.keys().next(), numbers.keys().last());
            assert_eq!(first, Some(&1), "{name}");
            assert_eq!(last, Some(&(numbers.len() as u64)), "{name} has gaps");
        }
    }
}

#[test]
fn a_board_with_the_package_survives_what_happens_to_boards() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut board) = Board::boot(folder, &[]) else {
        return;
    };
    let deb = board.put(&PACKAGES.deb);
    let said = board.sh(&format!("dpkg --install {deb} 2>&1"));
    // Whoever installs it is told what is next; nothing runs with the example config.
    assert!(said.contains("check-config"), "{said}");
    assert_eq!(board.property("UnitFileState"), "enabled");
    assert_eq!(board.property("ActiveState"), "inactive");
    let security = "systemd-analyze security --threshold=15 --no-pager smearscope-edge";
    board.sh(&format!(
        "{security} >security || {{ cat security; false; }}"
    ));
    let unit = "/usr/lib/systemd/system/smearscope-edge.service";
    assert_eq!(
        board.sh(&format!("systemd-analyze verify --man=no {unit} 2>&1")),
        ""
    );

    // Results on a disk of their own, so that it can hang.
    board.sh("echo '/dev/vdb /var/lib/smearscope ext4 defaults 0 2' >/etc/fstab");
    board.sh("systemctl daemon-reload; mount /var/lib/smearscope");
    let dropins = "/etc/systemd/system/smearscope-edge.service.d";
    board.sh(&format!(
        "mkdir -p {dropins}; printf '{}' >{dropins}/test.conf; systemctl daemon-reload",
        WATCHDOG.replace('\n', "\\n")
    ));
    board.configure(CONFIG);
    // What timesyncd makes; the sandbox forbids asking the kernel.
    board.sh("mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized");
    board.sh("systemctl start smearscope-edge");
    let field = board.more_fields(3);
    assert_eq!(field["clock_synchronised"], true, "{field}");
    assert_eq!(board.restarts(), 0);

    board.sh("systemctl kill --kill-whom=main --signal=KILL smearscope-edge");
    board.until("test $(systemctl show -P NRestarts smearscope-edge) = 1");
    board.more_fields(3);

    // All of it hangs.
    board.sh("systemctl kill --kill-whom=main --signal=STOP smearscope-edge");
    board.until("test $(systemctl show -P NRestarts smearscope-edge) = 2");
    board.sh("journalctl -b -u smearscope-edge | grep -q 'Watchdog timeout'");
    board.more_fields(3);

    // One stage hangs: a result can't be written, and no error comes.
    board.sh("fsfreeze --freeze /var/lib/smearscope");
    board.until("test $(journalctl -b -u smearscope-edge | grep -c 'Watchdog timeout') = 2");
    board.sh("fsfreeze --unfreeze /var/lib/smearscope");
    board.until("test $(systemctl show -P NRestarts smearscope-edge) = 3");
    board.more_fields(3);

    // Neither camera nor broker: that is no hang. Longer than the watchdog waits.
    let process = board.property("MainPID");
    board.sh(
        "systemctl stop mosquitto; echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind; sleep 60",
    );
    assert_eq!(board.property("ActiveState"), "active");
    board.sh("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind; systemctl start mosquitto");
    board.more_fields(3);
    assert_eq!((board.restarts(), board.property("MainPID")), (3, process));

    // A mistake in the config is told where one looks, and is not tried over and over.
    board.configure(&CONFIG.replace("interval_ms", "intervall_ms"));
    board.vm.try_sh("systemctl restart smearscope-edge");
    board.until("systemctl is-failed smearscope-edge");
    let status = board
        .vm
        .try_sh("systemctl status smearscope-edge | cat")
        .said;
    assert!(status.contains("status=2"), "{status}");
    let told = |line: &&str| line.contains("error: ") && line.contains("intervall_ms");
    assert!(status.lines().any(|line| told(&line)), "{status}");
    board.sh("sleep 15");
    assert_eq!(board.property("ActiveState"), "failed");
    assert_eq!(board.restarts(), 0);
    board.configure(CONFIG);
    board.sh("systemctl restart smearscope-edge");
    board.more_fields(3);

    board.vm.cut_the_power();
    let mut board = Board::boot(folder, &[]).unwrap();
    board.more_fields(3);

    // An upgrade keeps what was written into the config, and what runs runs on.
    let upgrade = board.put(&PACKAGES.upgrade);
    board.sh(&format!(
        "DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install {upgrade} 2>&1"
    ));
    assert_eq!(
        board.sh("dpkg-query -W -f '${Version}\\n' smearscope-edge"),
        "99.0.0"
    );
    assert_eq!(board.sh("cat /etc/smearscope/edge.toml"), CONFIG.trim_end());
    board.more_fields(3);

    // Without it, what it found stays; purged, nothing does.
    board.sh("dpkg --remove smearscope-edge 2>&1");
    board.sh("test -s /var/lib/smearscope/results.sqlite -a -s /etc/smearscope/edge.toml");
    board.sh("! test -e /usr/bin/smearscope-edge && ! systemctl is-active smearscope-edge");
    board.sh(&format!(
        "umount /var/lib/smearscope; rm -r /etc/fstab {dropins}"
    ));
    board.sh("dpkg --purge smearscope-edge 2>&1");
    assert_eq!(board.vm.try_sh(LEFT).said, "");
    board.nothing_is_lost();
    board.vm.off();
}

#[test]
fn make_deploy_brings_a_board_up_and_its_root_may_be_read_only() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let port = free_port().to_string();
    let Some(mut board) = Board::boot(folder, &[("SSH_PORT", &port)]) else {
        return;
    };
    // Somebody who is not root, and has no password to be asked for.
    let key = folder.join("key");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key));
    board.sh("useradd --create-home engineer; install -d -o engineer /home/engineer/.ssh");
    board.sh("install -o engineer key.pub /home/engineer/.ssh/authorized_keys");
    board.sh(
        "echo 'engineer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/engineer; systemctl start ssh",
    );
    let home = folder.join("ssh");
    let words = format!(
        "#!/bin/sh\nexec \"$(basename \"$0\" | sed 's|^|/usr/bin/|')\" -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \"$@\"\n",
        key.display()
    );
    // As ~/.ssh/config would say it.
    fs::create_dir(&home).unwrap();
    for program in ["ssh", "scp"] {
        fs::write(home.join(program), &words).unwrap();
    }
    run(Command::new("chmod").arg("-R").arg("755").arg(&home));
    let path = format!("{}:{}", home.display(), std::env::var("PATH").unwrap());
    let deploy = |package: &Path| {
        let mut command = Command::new(script("deploy.sh"));
        command
            .envs([
                ("HOST", "engineer@127.0.0.1"),
                ("PORT", &port),
                ("WAIT", "300"),
            ])
            .env("DEB", package)
            .env("PATH", &path)
            .stdin(std::process::Stdio::null());
        command
    };

    // The example config is no board's.
    let refused = deploy(&PACKAGES.deb).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("error: "), "{said}");
    board.configure(CONFIG);
    let said = run(&mut deploy(&PACKAGES.deb));
    assert!(said.contains("online at the broker"), "{said}");
    assert!(said.contains("has published a field"), "{said}");
    // Once more, with a later version: the config is kept.
    let said = run(deploy(&PACKAGES.upgrade).env("DEVICE", "scope"));
    assert!(said.contains("has published a field"), "{said}");
    assert_eq!(board.sh("cat /etc/smearscope/edge.toml"), CONFIG.trim_end());

    // From now on it can write its results, and nothing else.
    board.sh("systemctl stop smearscope-edge; mount /dev/vdb /mnt; cp -a /var/lib/smearscope/. /mnt/; umount /mnt");
    board.sh("echo '/dev/vdb /var/lib/smearscope ext4 defaults 0 2' >/etc/fstab");
    board.vm.off();
    let mut board = Board::boot(folder, &[("DISK", "ro")]).unwrap();
    board.more_fields(3);
    board.sh("! touch /etc/smearscope/edge.toml 2>&1");
    assert_eq!(board.restarts(), 0);
    board.nothing_is_lost();
    board.vm.off();
}

#[test]
fn the_archive_installs_without_dpkg_and_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let Some(mut board) = Board::boot(folder, &[]) else {
        return;
    };
    let archive = board.put(&PACKAGES.archive);
    board.sh(&format!(
        "mkdir /opt/it; tar -xzf {archive} -C /opt/it --strip-components=1"
    ));
    // A board that has less than ours.
    board.sh("chmod a-x /usr/bin/systemd-sysusers /usr/bin/systemd-tmpfiles");
    let said = board.sh("/opt/it/install.sh 2>&1");
    assert!(said.contains("check-config"), "{said}");
    board.configure(CONFIG);
    board.sh("systemctl start smearscope-edge");
    board.more_fields(3);
    board.sh("ls -l /dev/smearscope-camera");
    let process = board.property("MainPID");
    let said = board.sh("/opt/it/install.sh --device scope 2>&1");
    assert!(said.contains("kept"), "{said}");
    board.more_fields(3);
    assert_ne!(board.property("MainPID"), process);
    assert_eq!(board.sh("cat /etc/smearscope/edge.toml"), CONFIG.trim_end());
    board.sh("/usr/lib/smearscope/uninstall.sh");
    board.sh("test -s /var/lib/smearscope/results.sqlite -a -s /etc/smearscope/edge.toml");
    board.sh("! test -e /usr/bin/smearscope-edge");
    board
        .sh("/opt/it/install.sh 2>&1 && /usr/lib/smearscope/uninstall.sh --purge && rm -r /opt/it");
    assert_eq!(board.vm.try_sh(LEFT).said, "");
    board.nothing_is_lost();
    board.vm.off();
}
