//! Virtual machines with cameras: Debian's kernel under qemu, with `vivid` and `v4l2loopback`. One sees the files of this
//! machine at their own paths and may write to one folder only (`scripts/vm.sh`, docs/camera-tests.md); the other is a board,
//! with systemd and a disk of its own (`scripts/board-vm.sh`, docs/board-tests.md).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::{Running, lines};

/// How long a command in the guest may take: emulated, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How the kernel says that it has waited for its timer in vain.
const NO_TIMER: &str = "timer doesn't work";

/// Where the guest reaches what listens on this machine's 127.0.0.1.
pub const HOST: &str = "10.0.2.2";

/// A running virtual machine; it ends with this value, or with the thread that started it.
pub struct Vm {
    // Before `qemu`: nobody writes to it any more when it is killed.
    commands: ChildStdin,
    answers: Receiver<String>,
    qemu: Running,
    folder: PathBuf,
    /// What ends it.
    end: &'static str,
}

/// What a command in the guest said, and its exit status.
#[derive(Debug)]
pub struct Answer {
    /// The status, 0 for success.
    pub status: i32,
    /// Its output, standard error included.
    pub said: String,
}

impl Vm {
    /// Boots one with this machine's files that can write to `folder`. Where there is none, says so as a skipped test and
    /// gives `None`.
    pub fn boot(folder: &Path) -> Option<Self> {
        at_hand("camera tests", &["v4l2-ctl"], "made-from")?;
        Some(Self::start("vm.sh", folder, &[], "exit"))
    }

    /// Boots the board whose disk is in `folder`, a fresh one the first time; there, the folder is `/shared`. `options` are
    /// variables for `scripts/board-vm.sh`. Where there is none, says so as a skipped test and gives `None`.
    pub fn boot_board(folder: &Path, options: &[(&str, &str)]) -> Option<Self> {
        at_hand("board tests", &["qemu-img", "ssh"], "board-made-from")?;
        let vm = Self::start("board-vm.sh", folder, options, "systemctl poweroff");
        Some(vm)
    }

    /// Boots until it answers. An emulated timer that gets no processor for too long makes the kernel give up before it has
    /// touched anything; then it is started again.
    fn start(script: &str, folder: &Path, options: &[(&str, &str)], end: &'static str) -> Self {
        let begun = Instant::now();
        loop {
            let vm = Self::begin(script, folder, options, end);
            loop {
                match vm.next_line(begun) {
                    Ok(line) if line == "ready" => return vm,
                    Ok(_) => {}
                    Err(RecvTimeoutError::Disconnected) if vm.console().contains(NO_TIMER) => break,
                    Err(_) => panic!("booting: it doesn't answer: {}", vm.console()),
                }
            }
        }
    }

    fn begin(script: &str, folder: &Path, options: &[(&str, &str)], end: &'static str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        // Should this thread or the whole test be killed, the kernel takes the machine with it.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(root.join("scripts").join(script))
            .arg(folder)
            .env("ANSWER", "yes")
            .envs(options.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("qemu")).unwrap())
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take().unwrap(),
            answers: lines(child.stdout.take().unwrap()),
            qemu: Running(child),
            folder: folder.to_owned(),
            end,
        }
    }

    /// Runs one line of bash, in the folder, with the functions of `tests/vm/guest.sh`. Variables and background jobs stay.
    pub fn try_sh(&mut self, command: &str) -> Answer {
        assert!(!command.contains('\n'), "one line at a time: {command}");
        // A terminal would cut longer ones.
        assert!(command.len() < 4000, "too long a command: {command}");
        let begun = Instant::now();
        if let Err(error) = writeln!(self.commands, "{command}") {
            panic!("{command}: {error}: {}", self.console());
        }
        let mut said = Vec::new();
        loop {
            let line = self.line(command, begun);
            if let Some(status) = line.strip_prefix("status ") {
                // The guest ends a line before, which is an empty one where the command has ended its own.
                if said.last().is_some_and(String::is_empty) {
                    said.pop();
                }
                return Answer {
                    status: status.parse().unwrap(),
                    said: said.join("\n"),
                };
            }
            said.push(line);
        }
    }

    /// As [`Self::try_sh`], for what must succeed: gives the output.
    pub fn sh(&mut self, command: &str) -> String {
        let answer = self.try_sh(command);
        assert_eq!(
            answer.status,
            0,
            "{command}: {}\n{}",
            answer.said,
            self.console()
        );
        answer.said
    }

    /// The end of the kernel's log: what oopses stands there.
    pub fn console(&self) -> String {
        let console = fs::read(self.folder.join("console")).unwrap_or_default();
        let qemu = fs::read_to_string(self.folder.join("qemu")).unwrap_or_default();
        let text = String::from_utf8_lossy(&console);
        let last: Vec<_> = text.lines().rev().take(40).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        format!("the guest's console:\n{}\n{qemu}", last.join("\n"))
    }

    /// As when the plug is pulled: what it had not written is lost.
    pub fn cut_the_power(self) {
        drop(self.qemu);
    }

    fn line(&self, what: &str, begun: Instant) -> String {
        match self.next_line(begun) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{what}: no end in sight: {}", self.console()),
            Err(RecvTimeoutError::Disconnected) => panic!("{what}: it ended: {}", self.console()),
        }
    }

    fn next_line(&self, begun: Instant) -> Result<String, RecvTimeoutError> {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let line = self
            .answers
            .recv_timeout(left.max(Duration::from_millis(1)))?;
        Ok(line.trim_end_matches('\r').to_owned())
    }

    /// Powers it off and holds that its kernel complained about nothing.
    pub fn off(mut self) {
        self.sh("sync");
        let complaints = self.sh("dmesg | grep -E 'BUG:|Oops|Out of memory' || true");
        assert_eq!(complaints, "", "{}", self.console());
        writeln!(self.commands, "{}", self.end).unwrap();
        // systemd stops service by service.
        let begun = Instant::now();
        while self.answers.recv_timeout(PATIENCE).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.console());
        }
        assert_eq!(self.qemu.wait(), Some(0), "{}", self.console());
    }
}

/// Whether a virtual machine is to be had; if not, says so.
fn at_hand(what: &str, programs: &[&str], made: &str) -> Option<()> {
    let home =
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/smearscope");
    let place = std::env::var_os("SMEARSCOPE_DEPS")
        .map_or_else(home, PathBuf::from)
        .join("vm");
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let programs = ["qemu-system-x86_64", "setpriv"].iter().chain(programs);
    let why = match programs.into_iter().find(|program| !runs(program)) {
        Some(missing) => format!("no {missing} on this machine"),
        None if place.join(made).exists() => return Some(()),
        None => format!("no virtual machine for them in {}", place.display()),
    };
    // Straight to standard error: cargo's test runner would swallow `eprintln!`.
    let line = format!("SKIP: {what}: {why} (make setup)\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
