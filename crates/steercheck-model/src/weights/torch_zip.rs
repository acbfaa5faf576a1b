//! Where the members of a PyTorch file lie: a zip archive whose members are stored as they are, so that they can be mapped.
//!
//! The crate `zip` is not used here: it takes the last of two members of one name without a word, and looks for an end record
//! through the whole of a file that has none, which for weights are gigabytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pytorch::Refusal;

/// More than the directory of any real checkpoint has, by far (100 bytes per tensor).
const MAX_DIRECTORY: usize = 64 << 20;
/// The end record without its comment, and the longest comment.
const END: usize = 22;
const MAX_COMMENT: usize = 0xffff;
/// What 32 bits say when the number stands in the entry's extra field.
const ELSEWHERE: u64 = 0xffff_ffff;

/// The number in `N` bytes at `at`, least significant first.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64, Refusal> {
    let found = at.checked_add(N).and_then(|end| bytes.get(at..end));
    let found = found.ok_or_else(|| Refusal::Damaged("the zip directory is cut off".into()))?;
    Ok(found.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// The bytes `start..start + length`, if the file has them.
fn part<'a>(bytes: &'a [u8], start: usize, length: u64, what: &str) -> Result<&'a [u8], Refusal> {
    let end = usize::try_from(length).ok().and_then(|n| start.checked_add(n));
    end.and_then(|end| bytes.get(start..end))
        .ok_or_else(|| Refusal::Damaged(format!("{what} lies past the file's end")))
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Where the directory is and how many entries it has.
fn directory(bytes: &[u8]) -> Result<(Range<usize>, u64), Refusal> {
    let last = bytes.len().checked_sub(END).ok_or_else(|| Refusal::Damaged("it is cut short".into()))?;
    let is_end = |at: &usize| {
        bytes[*at..].starts_with(b"PK\x05\x06") && number::<2>(bytes, at + 20).ok() == Some((last - at) as u64)
    };
    let end = (last.saturating_sub(MAX_COMMENT)..=last)
        .rev()
        .find(is_end)
        .ok_or_else(|| Refusal::Damaged("it has no zip directory at its end".into()))?;
    let locator = end.checked_sub(20).filter(|at| bytes[*at..].starts_with(b"PK\x06\x07"));
    let (count, size, start) = if let Some(locator) = locator {
        let record = index(number::<8>(bytes, locator + 8)?);
        if number::<4>(bytes, record)? != 0x0606_4b50 {
            return Err(Refusal::Damaged("its zip directory is not where it says".into()));
        }
        (number::<8>(bytes, record + 32)?, number::<8>(bytes, record + 40)?, number::<8>(bytes, record + 48)?)
    } else {
        (number::<2>(bytes, end + 10)?, number::<4>(bytes, end + 12)?, number::<4>(bytes, end + 16)?)
    };
    let start = index(start);
    part(&bytes[..end], start, size, "the zip directory")?;
    let size = index(size);
    if size > MAX_DIRECTORY {
        return Err(Refusal::Damaged(format!("its zip directory has {size} bytes")));
    }
    Ok((start..start + size, count))
}

/// A size or offset of an entry: in its own 4 bytes, or the next 8 of the extra field for numbers that are larger.
fn large(entry: &[u8], at: usize, extra: &mut &[u8]) -> Result<u64, Refusal> {
    let short = number::<4>(entry, at)?;
    if short != ELSEWHERE {
        return Ok(short);
    }
    let long = number::<8>(extra, 0)?;
    *extra = &extra[8..];
    Ok(long)
}

/// The field of large numbers among an entry's extra fields; empty where there is none.
fn large_field(mut extra: &[u8]) -> Result<&[u8], Refusal> {
    while extra.len() >= 4 {
        let (id, length) = (number::<2>(extra, 0)?, number::<2>(extra, 2)?);
        let field = part(extra, 4, length, "an extra field")?;
        if id == 1 {
            return Ok(field);
        }
        extra = &extra[4 + field.len()..];
    }
    Ok(&[])
}

fn name_of(raw: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(raw).map_err(|_| Refusal::Damaged("a member's name is not text".into()))
}

/// Refuses members that have to be unpacked.
fn as_stored(name: &str, flags: u64, method: u64) -> Result<(), Refusal> {
    let how = if flags & 1 == 1 {
        "encrypted"
    } else if method != 0 {
        "compressed"
    } else {
        return Ok(());
    };
    let what = format!("its member '{name}' is {how}; save it again with torch.save or as safetensors");
    Err(Refusal::Foreign(what))
}

/// Where a member's bytes are, by its own header at `start`; nothing of it may reach into the directory at the end of `bytes`.
fn contents(bytes: &[u8], start: usize, name: &str, size: u64) -> Result<Range<usize>, Refusal> {
    let misplaced = || Refusal::Damaged(format!("member '{name}' is not where the zip directory says"));
    if number::<4>(bytes, start).map_err(|_| misplaced())? != 0x0403_4b50 {
        return Err(misplaced());
    }
    as_stored(name, number::<2>(bytes, start + 6)?, number::<2>(bytes, start + 8)?)?;
    let (name_length, extra) = (number::<2>(bytes, start + 26)?, number::<2>(bytes, start + 28)?);
    if part(bytes, start + 30, name_length, "a member's name")? != name.as_bytes() {
        return Err(misplaced());
    }
    let from = start + 30 + index(name_length) + index(extra);
    let found = part(bytes, from, size, &format!("member '{name}'"))?;
    Ok(from..from + found.len())
}

/// Every member's bytes by its name.
pub(super) fn members(bytes: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, Refusal> {
    let (range, count) = directory(bytes)?;
    let (data, mut entries) = (&bytes[..range.start], &bytes[range]);
    let mut out = BTreeMap::new();
    while !entries.is_empty() {
        if number::<4>(entries, 0)? != 0x0201_4b50 {
            return Err(Refusal::Damaged("its zip directory holds something else than entries".into()));
        }
        let lengths = [number::<2>(entries, 28)?, number::<2>(entries, 30)?, number::<2>(entries, 32)?];
        let name = name_of(part(entries, 46, lengths[0], "a member's name")?)?;
        let extra = part(entries, 46 + name.len(), lengths[1], "an extra field")?;
        let length = 46 + name.len() + extra.len() + index(lengths[2]);
        part(entries, 0, length as u64, "an entry")?;
        as_stored(name, number::<2>(entries, 8)?, number::<2>(entries, 10)?)?;
        let mut extra = large_field(extra)?;
        let size = large(entries, 24, &mut extra)?;
        let packed = large(entries, 20, &mut extra)?;
        let start = large(entries, 42, &mut extra)?;
        if packed != size {
            return Err(Refusal::Damaged(format!("member '{name}' has two sizes")));
        }
        if out.insert(name, contents(data, index(start), name, size)?).is_some() {
            return Err(Refusal::Damaged(format!("it has two members '{name}'")));
        }
        entries = &entries[length..];
    }
    if out.len() as u64 != count {
        return Err(Refusal::Damaged(format!("its zip directory has {} entries and says {count}", out.len())));
    }
    Ok(out)
}
