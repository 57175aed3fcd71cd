//! How long the scripted person stays on each card.
//!
//! A quarter skips within a second, half stays a few seconds, a quarter watches on: the shape of published retention
//! curves, where 2 to 18 % are gone after one second and the median stays for seconds.

use std::time::Duration;

/// A seeded sequence of watch times.
pub struct Person(u64);

impl Person {
    /// A person; the same seed swipes the same way.
    pub fn new(seed: u64) -> Self {
        Person(seed | 1)
    }

    /// Time on the next card after its first frame.
    pub fn stays(&mut self) -> Duration {
        let mood = self.draw(4);
        Duration::from_millis(match mood {
            0 => 300 + self.draw(600),
            1 | 2 => 1_200 + self.draw(1_600),
            _ => 3_000 + self.draw(2_000),
        })
    }

    /// A number below `n` (xorshift64*, Vigna 2016).
    fn draw(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_swipes_alike_and_moods_differ() {
        let stays = |seed| {
            let mut person = Person::new(seed);
            (0..200).map(|_| person.stays()).collect::<Vec<_>>()
        };
        assert_eq!(stays(42), stays(42));
        let all = stays(42);
        let skips = all.iter().filter(|d| d.as_millis() < 1_000).count();
        assert!((20..80).contains(&skips), "{skips} of 200 skip");
        assert!(all.iter().all(|d| (300..5_000).contains(&d.as_millis())));
    }
}
