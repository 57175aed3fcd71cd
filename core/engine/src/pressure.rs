//! How many players stay when the system asks for memory.
//!
//! A player is the largest thing a session holds in memory, ten megabytes and a decoder at 720p; what is cached lies on the
//! disk. So what is given back are the players nobody looks at: first the card before, then the next one.

/// What the system says about memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryPressure {
    /// There is enough.
    #[default]
    Normal,
    /// It gets scarce: Android's `TRIM_MEMORY_RUNNING_LOW`, the warning of iOS.
    Low,
    /// The process is about to be killed: Android's `TRIM_MEMORY_RUNNING_CRITICAL`.
    Critical,
}

impl MemoryPressure {
    /// Players that may be there at once, of `most` that the device can bear.
    #[must_use]
    pub fn players(self, most: usize) -> usize {
        match self {
            MemoryPressure::Normal => most,
            MemoryPressure::Low => most.min(2),
            MemoryPressure::Critical => most.min(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_takes_players_and_never_gives_any() {
        for most in 1..5 {
            let kept = [MemoryPressure::Normal, MemoryPressure::Low, MemoryPressure::Critical]
                .map(|p| p.players(most));
            assert_eq!(kept, [most, most.min(2), 1]);
        }
    }
}
