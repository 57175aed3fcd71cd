//! Reading ISO base media boxes from memory without trusting them.

use super::{ProbeError, malformed};

/// Children looked at in one box; real files have under twenty.
const CHILDREN: usize = 10_000;

/// A cursor over bytes that answers an error at their end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], ProbeError> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(malformed("a box ends early"))?;
        self.bytes = tail;
        Ok(head)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), ProbeError> {
        self.take(count).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProbeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ProbeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, ProbeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ProbeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ProbeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ProbeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn fourcc(&mut self) -> Result<[u8; 4], ProbeError> {
        self.array()
    }

    /// Version and flags of a full box.
    pub(super) fn version(&mut self) -> Result<u8, ProbeError> {
        Ok(self.array::<4>()?[0])
    }

    /// A number of 64 bits in version 1, of 32 before.
    pub(super) fn sized(&mut self, version: u8) -> Result<u64, ProbeError> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// A table of `count` rows of `width` bytes; refused when the box is too short for it.
    pub(super) fn table(&mut self, count: u32, width: usize) -> Result<&'a [u8], ProbeError> {
        let bytes = (count as usize).checked_mul(width).ok_or(malformed("a table longer than its box"))?;
        self.take(bytes)
    }
}

/// Size, name and header length of a box, from its first bytes (up to 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Whole length with header; `None` means "to the end of the file".
    pub size: Option<u64>,
    pub name: [u8; 4],
    pub header: u64,
}

/// Reads a box header; `Ok(None)` when `bytes` are too few to tell.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, ProbeError> {
    let mut reader = Reader::new(bytes);
    if reader.left() < 8 {
        return Ok(None);
    }
    let size = reader.u32()?;
    let name = reader.fourcc()?;
    if !name.iter().all(|c| (0x20..0x7f).contains(c) || *c == 0xa9) {
        return Err(malformed("a box name that is not text"));
    }
    match size {
        0 => Ok(Some(Head { size: None, name, header: 8 })),
        1 if reader.left() < 8 => Ok(None),
        1 => match reader.u64()? {
            size if size >= 16 => Ok(Some(Head { size: Some(size), name, header: 16 })),
            _ => Err(malformed("a box smaller than its header")),
        },
        2..8 => Err(malformed("a box smaller than its header")),
        size => Ok(Some(Head { size: Some(size.into()), name, header: 8 })),
    }
}

/// The children of a box, as name and payload. Padding too short for a header ends the list.
pub(super) fn children(payload: &[u8]) -> impl Iterator<Item = Result<([u8; 4], &[u8]), ProbeError>> {
    let mut rest = payload;
    let mut count = 0;
    std::iter::from_fn(move || {
        if rest.len() < 8 {
            return None;
        }
        let all = std::mem::take(&mut rest);
        count += 1;
        if count > CHILDREN {
            return Some(Err(ProbeError::TooLarge { what: "boxes in a box" }));
        }
        // Some writers end a list of children with four zero bytes and padding.
        if all[..8] == [0; 8] {
            return None;
        }
        Some(head(all).and_then(|found| {
            let found = found.ok_or(malformed("a box ends early"))?;
            let size = found.size.unwrap_or(all.len() as u64);
            let size = usize::try_from(size).ok().filter(|s| *s <= all.len());
            let size = size.ok_or(malformed("a box larger than its parent"))?;
            rest = &all[size..];
            Ok((found.name, &all[found.header as usize..size]))
        }))
    })
}

/// The first child with this name.
pub(super) fn child<'a>(payload: &'a [u8], name: &[u8; 4]) -> Result<Option<&'a [u8]>, ProbeError> {
    for found in children(payload) {
        let (found, body) = found?;
        if found == *name {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// The child that must be there.
pub(super) fn need<'a>(
    payload: &'a [u8],
    name: &[u8; 4],
    missing: &'static str,
) -> Result<&'a [u8], ProbeError> {
    child(payload, name)?.ok_or(malformed(missing))
}
