//! A rendition of HLS over several files, made by hand.

use unspool_testkit::pattern;

use super::World;
use super::fixture::fragmented;

/// A clip of one-second segments behind `v/all.m3u8`, its init and its segments in files of their own.
pub struct Clip {
    pub init: Vec<u8>,
    pub segments: Vec<Vec<u8>>,
}

impl Clip {
    pub fn new(lengths: &[usize]) -> Clip {
        let noise = pattern(lengths.iter().sum());
        let mut at = 0;
        let mut bodies = Vec::new();
        for length in lengths {
            bodies.push(&noise[at..at + length]);
            at += length;
        }
        let (file, headers) = fragmented(&bodies, false);
        let init = file[..headers].to_vec();
        let mut rest = &file[headers..];
        let overhead = (rest.len() - at) / lengths.len();
        let mut segments = Vec::new();
        for length in lengths {
            let (segment, after) = rest.split_at(length + overhead);
            segments.push(segment.to_vec());
            rest = after;
        }
        Clip { init, segments }
    }

    pub fn list(&self, sig: &str) -> String {
        let mut text =
            format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"init.mp4{sig}\"\n");
        for number in 0..self.segments.len() {
            text += &format!("#EXTINF:1.0,\n{number}.m4s{sig}\n");
        }
        text + "#EXT-X-ENDLIST\n"
    }

    pub fn serve(&self, world: &World, bits: u64, sig: &str) {
        let master = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={bits}\nlow/list.m3u8\n");
        world.server.put("v/all.m3u8", master.into_bytes(), "");
        world.server.put("v/low/list.m3u8", self.list(sig).into_bytes(), "");
        world.server.put("v/low/init.mp4", self.init.clone(), "\"i\"");
        for (number, segment) in self.segments.iter().enumerate() {
            world.server.put(&format!("v/low/{number}.m4s"), segment.clone(), &format!("\"{number}\""));
        }
    }

    pub fn bytes(&self) -> u64 {
        (self.init.len() + self.segments.iter().map(Vec::len).sum::<usize>()) as u64
    }
}
