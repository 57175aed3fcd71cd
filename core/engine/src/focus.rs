//! Who may sound: what a card does when the system takes the loudspeaker away and gives it back.
//!
//! Both platforms say the same four things (Android's audio focus, iOS's session interruptions), and two more things
//! stop sound for good: unplugged headphones, and another app that keeps the loudspeaker. The rule is the platforms'
//! own: what was interrupted for a moment goes on by itself, anything else waits for the person.

/// Share of the volume that is left while another app speaks: about 14 dB down, as Android's own ducking.
pub const DUCKED: f64 = 0.2;

/// What the system says about sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundFocus {
    /// The loudspeaker is ours.
    Gained,
    /// Another app speaks for a moment and suffers quiet sound beside it.
    Duck,
    /// Another app or a call has the loudspeaker for a while.
    LostForNow,
    /// Another app has the loudspeaker and keeps it.
    Lost,
    /// The headphones are gone: the next sound would be heard by everybody.
    BecomingNoisy,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FocusAction {
    /// Factor to every player's volume.
    pub volume: f64,
    /// Pause what plays (`Some(true)`), let it go on (`Some(false)`), or leave it as it is.
    pub hold: Option<bool>,
}

/// Keeps what the system said last and whether the pause is ours to end.
#[derive(Debug, Clone, Copy, Default)]
pub struct FocusKeeper {
    ducked: bool,
    holds: bool,
}

impl FocusKeeper {
    /// The system said something; `playing` says whether a card plays at this moment.
    pub fn handle_focus(&mut self, focus: SoundFocus, playing: bool) -> FocusAction {
        self.ducked = focus == SoundFocus::Duck;
        let hold = match focus {
            SoundFocus::Gained => std::mem::take(&mut self.holds).then_some(false),
            SoundFocus::Duck => None,
            SoundFocus::LostForNow => {
                self.holds |= playing;
                playing.then_some(true)
            }
            SoundFocus::Lost | SoundFocus::BecomingNoisy => {
                self.holds = false;
                playing.then_some(true)
            }
        };
        FocusAction { volume: if self.ducked { DUCKED } else { 1.0 }, hold }
    }

    /// The person paused, played or swiped: whatever plays from now on is theirs.
    pub fn handle_person(&mut self) {
        self.holds = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_pauses_and_its_end_goes_on() {
        let mut keeper = FocusKeeper::default();
        assert_eq!(keeper.handle_focus(SoundFocus::LostForNow, true).hold, Some(true));
        assert_eq!(keeper.handle_focus(SoundFocus::LostForNow, false).hold, None, "told twice");
        assert_eq!(keeper.handle_focus(SoundFocus::Gained, false).hold, Some(false));
        assert_eq!(keeper.handle_focus(SoundFocus::Gained, false).hold, None);
    }

    #[test]
    fn what_the_person_did_meanwhile_stays() {
        let mut keeper = FocusKeeper::default();
        keeper.handle_focus(SoundFocus::LostForNow, true);
        keeper.handle_person();
        assert_eq!(keeper.handle_focus(SoundFocus::Gained, false).hold, None);
        keeper.handle_focus(SoundFocus::LostForNow, false);
        assert_eq!(keeper.handle_focus(SoundFocus::Gained, false).hold, None, "it did not play before");
    }

    #[test]
    fn what_is_lost_for_good_waits_for_the_person() {
        for focus in [SoundFocus::Lost, SoundFocus::BecomingNoisy] {
            let mut keeper = FocusKeeper::default();
            keeper.handle_focus(SoundFocus::LostForNow, true);
            keeper.handle_focus(focus, false);
            assert_eq!(keeper.handle_focus(SoundFocus::Gained, false).hold, None);
            assert_eq!(keeper.handle_focus(focus, true).hold, Some(true));
        }
    }

    #[test]
    fn ducking_is_quiet_and_ends() {
        let mut keeper = FocusKeeper::default();
        assert_eq!(keeper.handle_focus(SoundFocus::Duck, true), FocusAction { volume: DUCKED, hold: None });
        assert_eq!(keeper.handle_focus(SoundFocus::Gained, true), FocusAction { volume: 1.0, hold: None });
    }
}
