//! A disk whose power can be cut: ext4 in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The ioctl `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing more reaches the disk, not
/// even what waits in the file system's log. No crate has it as a safe call, and there is no unsafe code here.
///
/// A sync that is under way meanwhile may succeed without having written anything (seen on Linux 6.18), so that
/// the last moment is said before.
const CUT: &str = r#"
    open(my $disk, "<", $ARGV[0]) or die "$ARGV[0]: $!\n";
    my $flags = pack("L", 2);
    syswrite(STDOUT, "$ARGV[1]\n");
    ioctl($disk, 0x8004587d, $flags) or die "EXT4_IOC_SHUTDOWN: $!\n";
"#;

/// How often a disk is tried to be unmounted: for a moment somebody else may look at whatever is mounted.
const UNMOUNT_TRIES: u32 = 100;

/// It is mounted, but for the time between a cut and [`Disk::power_on`].
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// A disk of `bytes`, empty. It takes as much room as was ever written to it.
    pub(crate) fn new(bytes: u64) -> Result<Self, String> {
        // Unlike the system's folder for temporary files, this one does not lie in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let disk = Self { folder };
        let image = File::create(disk.image()).and_then(|file| file.set_len(bytes));
        image.and_then(|()| std::fs::create_dir(disk.root())).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Whether there can be such disks here; if not, why.
    pub(crate) fn try_out() -> Result<(), String> {
        let disk = Self::new(64 << 20)?;
        disk.cut(Stdio::null(), "")?;
        if File::create(disk.root().join("file")).is_ok() {
            return Err("a file system goes on after EXT4_IOC_SHUTDOWN".into());
        }
        disk.power_on()
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// The disk's root directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Cuts the power; says `last_line` to `output` immediately before. Whoever writes or syncs from then on gets
    /// an error.
    pub(crate) fn cut(&self, output: impl Into<Stdio>, last_line: &str) -> Result<(), String> {
        run(Command::new("perl").args(["-e", CUT]).arg(self.root()).arg(last_line).stdout(output))
    }

    /// Mounts the disk again, as it was when the power was cut. Nobody may have a file of it open.
    pub(crate) fn power_on(&self) -> Result<(), String> {
        unmount(&self.root())?;
        self.mount()
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.root()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // With the last mount the system gives the loop device back; a lazy one is the last when nobody looks at
        // it any more.
        if let Err(error) = unmount(&self.root()) {
            eprintln!("{error}");
            let _ = run(Command::new("umount").arg("--lazy").arg(self.root()));
        }
    }
}

/// Unmounts what is mounted there, if anything is.
fn unmount(root: &Path) -> Result<(), String> {
    let mut result = Ok(());
    for _ in 0..UNMOUNT_TRIES {
        if run(Command::new("mountpoint").arg("-q").arg(root)).is_err() {
            return Ok(());
        }
        result = run(Command::new("umount").arg(root));
        if result.is_ok() {
            return result;
        }
        thread::sleep(Duration::from_millis(50));
    }
    result
}

/// Runs a program; its failure is what it says.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("failed without a word");
    Err(if line.starts_with(&program) { line.to_owned() } else { format!("{program}: {line}") })
}
