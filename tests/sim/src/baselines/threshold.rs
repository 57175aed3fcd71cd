//! Scratch.
use super::rate::Link;
use super::{complete, download, no_session};
use crate::policy::{Action, Observation, Policy};
use crate::session::Session;
/// x
pub struct Threshold { session: Session, link: Link, last: Option<usize>, p: Vec<f64> }
impl Threshold {
    /// x
    #[must_use]
    pub fn new() -> Self {
        let v = std::env::var("TH").unwrap_or_else(|_| "0.72,1380,3800,0.746,0.746,5,2,0.316,635,0.757,806,2470".into());
        Threshold { session: no_session(), link: Link::default(), last: None, p: v.split(',').map(|x| x.parse().unwrap()).collect() }
    }
}
impl Policy for Threshold {
    fn reset(&mut self, s: &Session) { self.session.clone_from(s); self.link = Link::new(s.rtt_ms); self.last = None; }
    fn decide(&mut self, o: &Observation) -> Action {
        self.link.observe(o);
        let p = &self.p;
        let thr = self.link.mean_mbps() * p[0];
        let idx = |id| self.session.index_of(id).unwrap_or(0);
        let cur = &o.queue[0];
        let v0 = &self.session.videos[idx(cur.video)];
        let mut pick = None;
        if !complete(v0, cur) && cur.buffer_ms < p[1] { pick = Some(0); }
        if pick.is_none() && o.queue.len() > 1 && o.queue[1].chunks.is_empty() { pick = Some(1); }
        if pick.is_none() && !complete(v0, cur) && cur.buffer_ms < p[2] && v0.reaches(cur.played_ms, v0.media_ms(cur.chunks.len())) > p[3] { pick = Some(0); }
        if pick.is_none() {
            for i in 1..o.queue.len().min(1 + p[6] as usize) {
                let q = &o.queue[i]; let v = &self.session.videos[idx(q.video)];
                if !complete(v, q) && q.chunks.len() < p[5] as usize && v.reaches(0.0, v.media_ms(q.chunks.len())) > p[4] { pick = Some(i); break; }
            }
        }
        let Some(i) = pick else { return Action::Sleep { ms: 100 } };
        let q = &o.queue[i]; let v = &self.session.videos[idx(q.video)];
        let slack = cur.buffer_ms.min(p[11]);
        let n = q.chunks.len();
        let r = (0..v.kbps.len()).rev().find(|&r| {
            let t = self.link.chunk_ms(v.sizes[r][n], thr);
            let b = if self.last.is_some_and(|l| r <= l) { p[9] * slack + p[10] } else { p[7] * slack + p[8] };
            t <= b
        }).unwrap_or(0);
        self.last = Some(r);
        download(q, r)
    }
}
