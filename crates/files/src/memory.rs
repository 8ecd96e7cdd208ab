//! Memory that the program can still allocate, to check a run before it starts.

use std::{fs, path::Path};

/// Memory that this program can still allocate, in bytes; `None` if the system does not report it.
///
/// It is the least of three numbers: the free memory of the machine, and the rest of the limits of
/// the control group (a Slurm job, a container) and of `ulimit -v`.
#[must_use]
pub fn available() -> Option<usize> {
    let of_machine = kilobytes(&read("/proc/meminfo")?, "MemAvailable:");
    of_machine
        .into_iter()
        .chain(of_own_groups())
        .chain(address_space())
        .min()
}

/// The smallest rest of the limits of this program's control group and its ancestors.
fn of_own_groups() -> Option<usize> {
    let text = read("/proc/self/cgroup")?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Path::new(group.trim_start_matches('/'))
        .ancestors()
        .filter_map(|group| of_group(&Path::new("/sys/fs/cgroup").join(group)))
        .min()
}

/// Rest of the limit of `ulimit -v`, in bytes; `None` without such a limit.
#[must_use]
pub fn address_space() -> Option<usize> {
    of_process(&read("/proc/self/limits")?, &read("/proc/self/status")?)
}

/// Rest of the limit of the address space; `None` without a limit.
fn of_process(limits: &str, status: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit = line.split_whitespace().next()?.parse::<usize>().ok()?;
    Some(limit.saturating_sub(kilobytes(status, "VmSize:")?))
}

/// Rest of the limit of a control group (version 2); `None` without a limit. Cached file contents
/// that the system can drop count as free.
fn of_group(folder: &Path) -> Option<usize> {
    let limit = read_number(&folder.join("memory.max"))?;
    let used = read_number(&folder.join("memory.current"))?;
    let stat = read(folder.join("memory.stat")).unwrap_or_default();
    let droppable = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file ")?.parse::<usize>().ok())
        .unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(droppable)))
}

fn kilobytes(text: &str, key: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<usize>()
        .ok()?
        .checked_mul(1_024)
}

fn read_number(path: &Path) -> Option<usize> {
    read(path)?.trim().parse().ok()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_leaves_its_limit_less_what_is_used_and_cannot_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(of_group(path), None);
        fs::write(path.join("memory.current"), "700\n").unwrap();
        fs::write(path.join("memory.max"), "max\n").unwrap();
        assert_eq!(of_group(path), None);
        fs::write(path.join("memory.max"), "1000\n").unwrap();
        assert_eq!(of_group(path), Some(300));
        let stat = "anon 500\ninactive_file 150\nactive_file 50\n";
        fs::write(path.join("memory.stat"), stat).unwrap();
        assert_eq!(of_group(path), Some(450));
        assert_eq!(of_process(&limits("unlimited"), "VmSize:\t  2 kB\n"), None);
        assert_eq!(of_process(&limits("3000"), "VmSize:\t  2 kB\n"), Some(952));
        assert_eq!(
            kilobytes("MemTotal: 9 kB\nMemAvailable:   12 kB\n", "MemAvailable:"),
            Some(12_288)
        );
    }

    /// A text like `/proc/self/limits` with this soft limit of the address space.
    fn limits(soft_limit: &str) -> String {
        format!(
            "Max cpu time  unlimited  unlimited  seconds\nMax address space         \
             {soft_limit}  unlimited  bytes\n"
        )
    }
}
