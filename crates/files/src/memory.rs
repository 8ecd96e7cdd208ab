//! What the machine has left, for those who ask before they begin.

use std::{fs, path::Path};

/// Memory that this program can still have, in bytes, where the system tells: what the machine has,
/// and what the program's control group (a Slurm job, a container) and `ulimit -v` leave of their
/// limits.
#[must_use]
pub fn available() -> Option<usize> {
    let of_machine = kilobytes(&read("/proc/meminfo")?, "MemAvailable:");
    let of_group = read("/proc/self/cgroup").and_then(|text| {
        let group = text
            .lines()
            .find_map(|line| line.strip_prefix("0::"))?
            .to_owned();
        let groups = Path::new(group.trim_start_matches('/')).ancestors();
        groups
            .filter_map(|group| of_group(&Path::new("/sys/fs/cgroup").join(group)))
            .min()
    });
    of_machine
        .into_iter()
        .chain(of_group)
        .chain(address_space())
        .min()
}

/// Addresses that `ulimit -v` leaves this program, in bytes; `None` without such a limit.
#[must_use]
pub fn address_space() -> Option<usize> {
    of_process(&read("/proc/self/limits")?, &read("/proc/self/status")?)
}

/// What a limit of the address space leaves, `None` without one.
fn of_process(limits: &str, status: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit = line.split_whitespace().next()?.parse::<usize>().ok()?;
    Some(limit.saturating_sub(kilobytes(status, "VmSize:")?))
}

/// What a control group (version 2) leaves of its limit, `None` without one; file contents that it
/// can drop count as free.
fn of_group(folder: &Path) -> Option<usize> {
    let number = |name: &str| read(folder.join(name))?.trim().parse::<usize>().ok();
    let limit = number("memory.max")?;
    let used = number("memory.current")?;
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

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_leaves_its_limit_less_what_is_used_and_cannot_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(of_group(folder.path()), None);
        write("memory.current", "700\n");
        write("memory.max", "max\n");
        assert_eq!(of_group(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(of_group(folder.path()), Some(300));
        write(
            "memory.stat",
            "anon 500\ninactive_file 150\nactive_file 50\n",
        );
        assert_eq!(of_group(folder.path()), Some(450));
        let limits = |soft: &str| {
            format!(
                "Max cpu time  unlimited  unlimited  seconds\nMax address space         {soft}  \
                 unlimited  bytes\n"
            )
        };
        assert_eq!(of_process(&limits("unlimited"), "VmSize:\t  2 kB\n"), None);
        assert_eq!(of_process(&limits("3000"), "VmSize:\t  2 kB\n"), Some(952));
        assert_eq!(
            kilobytes("MemTotal: 9 kB\nMemAvailable:   12 kB\n", "MemAvailable:"),
            Some(12_288)
        );
    }
}
