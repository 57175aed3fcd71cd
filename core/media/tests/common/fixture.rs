//! MP4 files made by hand, small enough to read in a hex dump.

/// Wraps bytes into a progressive MP4 that a probe accepts, with one video track whose single chunk holds them.
pub fn mp4_of(samples: &[u8], sample_len: u32, moov_last: bool) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0isom".as_slice()]);
    let moov_len = moov(samples.len() as u64, sample_len, 0, &[]).len() as u64;
    let at = if moov_last { ftyp.len() as u64 + 8 } else { ftyp.len() as u64 + moov_len + 8 };
    let moov = moov(samples.len() as u64, sample_len, at, &[]);
    let mdat = boxed(b"mdat", &[samples]);
    if moov_last { [ftyp, mdat, moov].concat() } else { [ftyp, moov, mdat].concat() }
}

/// A fragmented MP4 of one-second fragments, with a segment index or without; and where its headers end.
pub fn fragmented(fragments: &[&[u8]], sidx: bool) -> (Vec<u8>, usize) {
    let ftyp = boxed(b"ftyp", &[b"iso5\0\0\0\0iso5".as_slice()]);
    let seconds = fragments.len() as u32;
    let mehd = boxed(b"mehd", &[&words(&[0, seconds * 1000])]);
    let moov = moov(0, 1, 0, &boxed(b"mvex", &[&mehd]));
    let parts: Vec<Vec<u8>> = fragments
        .iter()
        .map(|bytes| {
            [boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])])]), boxed(b"mdat", &[bytes])].concat()
        })
        .collect();
    let mut out = [ftyp, moov].concat();
    if sidx {
        let mut body = words(&[0, 1, 1000, 0, 0, seconds]);
        parts.iter().for_each(|part| body.extend(words(&[part.len() as u32, 1000, 0x9000_0000])));
        out.extend(boxed(b"sidx", &[&body]));
    }
    let headers = out.len();
    parts.iter().for_each(|part| out.extend(part));
    (out, headers)
}

pub fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let len = 8 + parts.iter().map(|p| p.len()).sum::<usize>();
    let mut out = (len as u32).to_be_bytes().to_vec();
    out.extend(name);
    parts.iter().for_each(|p| out.extend(*p));
    out
}

pub fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A movie box: H.264, 320x180, one sample every 100 ms, one chunk.
fn moov(bytes: u64, sample_len: u32, at: u64, extra: &[u8]) -> Vec<u8> {
    let count = bytes.div_ceil(sample_len.into()) as u32;
    let duration = count * 100;
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, duration]), &[0; 80]]);
    let matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000];
    let tkhd = boxed(
        b"tkhd",
        &[&words(&[7, 0, 0, 1, 0, duration, 0, 0, 0, 0]), &words(&matrix), &words(&[320 << 16, 180 << 16])],
    );
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, duration, 0])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let mut entry = vec![0; 78];
    entry[24..28].copy_from_slice(&[320u16.to_be_bytes(), 180u16.to_be_bytes()].concat());
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &boxed(b"avc1", &[&entry])]);
    let stts = boxed(b"stts", &[&words(&[0, 1, count, 100])]);
    let stsc = boxed(b"stsc", &[&words(&[0, 1, 1, count, 1])]);
    let sizes: Vec<u32> = (0..count)
        .map(|n| (bytes - u64::from(n) * u64::from(sample_len)).min(sample_len.into()) as u32)
        .collect();
    let stsz = boxed(b"stsz", &[&words(&[0, 0, count]), &words(&sizes)]);
    let stco = boxed(b"stco", &[&words(&[0, 1, at as u32])]);
    let stbl = boxed(b"stbl", &[&stsd, &stts, &stsc, &stsz, &stco]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    boxed(b"moov", &[&mvhd, &boxed(b"trak", &[&tkhd, &mdia]), extra])
}
