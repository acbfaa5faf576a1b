//! What this machine has, and what this process took of it.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes that can be used without pushing others out.
fn available_memory() -> u64 {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    // Where the system does not tell, 4 GB are assumed.
    let Ok(system) = System::new_with_specifics(kind) else { return 4_000_000_000 };
    let limit = system.cgroup_limits().map_or(u64::MAX, |c| c.free_memory);
    system.available_memory().min(limit)
}

/// What a run takes at most where nothing else is asked for: 80 % of what is available.
pub(crate) fn usable_memory() -> u64 {
    available_memory() / 5 * 4
}

/// Largest resident size of this process so far, in bytes; `None` where the platform does not tell.
pub(crate) fn peak_memory() -> Option<u64> {
    #[cfg(unix)]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        let raw = u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()?;
        // Linux counts kilobytes, macOS bytes.
        Some(if cfg!(target_os = "macos") { raw } else { raw * 1024 })
    }
    #[cfg(not(unix))]
    None
}

/// Reads `800M`, `12G`, `1.5GB` or plain bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let stem = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, unit) = match stem.as_bytes().last() {
        Some(b'k') => (&stem[..stem.len() - 1], 1e3),
        Some(b'm') => (&stem[..stem.len() - 1], 1e6),
        Some(b'g') => (&stem[..stem.len() - 1], 1e9),
        Some(b't') => (&stem[..stem.len() - 1], 1e12),
        _ => (stem, 1.0),
    };
    match digits.trim().parse::<f64>() {
        Ok(n) if n.is_finite() && n > 0.0 && n * unit < 1e18 => Ok((n * unit) as u64),
        _ => Err(format!("'{text}' is not a size; write for example 800M or 12G")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(parse_bytes("800M"), Ok(800_000_000));
        assert_eq!(parse_bytes("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(parse_bytes("12345"), Ok(12345));
        for wrong in ["", "G", "-1G", "many", "nan", "1e30"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
