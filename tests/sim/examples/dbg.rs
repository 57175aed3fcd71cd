//! Debug.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use unspool_sim::policy::*;
use unspool_sim::shipped::Shipped;
use unspool_sim::session::Session;
use unspool_sim::world::*;
struct Log(Shipped, u32);
impl Policy for Log {
    fn reset(&mut self, s: &Session) { self.0.reset(s) }
    fn decide(&mut self, o: &Observation) -> Action {
        let a = self.0.decide(o);
        self.1 += 1;
        if self.1 < 150 { println!("{:?} d{:.0} r{:.0} {:?} -> {:?}", o.playing, o.delay_ms, o.rebuffer_ms, o.queue.iter().map(|q| (q.video, q.chunks.clone(), q.played_ms as u32, q.buffer_ms as u32)).collect::<Vec<_>>(), a); }
        if self.1 > 2000 { std::process::exit(1); }
        a
    }
}
fn main() {
    let w = World::build(&Settings { users: 1, traces: 1, seed: 7, shared: Some("/work/shared".into()), ..Settings::default() }).unwrap();
    let c = std::env::args().nth(1).map_or(0, |a| a.parse().unwrap());
    let class = &w.classes[c];
    println!("{}", class.name);
    let o = unspool_sim::sim::play(&class.cases[0].session, class.truth(&class.cases[0]), &mut Log(Shipped::new(Default::default()), 0), false);
    println!("{:?} {} {}", o.score, o.decisions, o.thinking.as_secs_f64() * 1e6 / o.decisions as f64);
}
