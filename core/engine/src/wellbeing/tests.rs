//! A world with a true clock, and what people do to the clocks of their phones.

use proptest::prelude::*;

use super::*;
use crate::safety::AgeBand;
use crate::time::Wall;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// 2026-03-27T12:00:00Z, two days before summer time begins in Berlin.
const BEGIN: i64 = 1_774_612_800_000;
/// 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z.
const SUMMER: [i64; 2] = [1_774_746_000_000, 1_792_890_000_000];

/// Minutes east of UTC in Berlin.
fn berlin(unix_ms: i64) -> i16 {
    if (SUMMER[0]..SUMMER[1]).contains(&unix_ms) { 120 } else { 60 }
}

/// A phone, a person, and what was on its disk at each moment.
struct World {
    unix_ms: i64,
    /// What the person added to the wall clock.
    turned_ms: i64,
    /// The zone that was chosen; Berlin's own otherwise.
    zone: Option<i16>,
    booted_ms: i64,
    boot: u64,
    names_boots: bool,
    machine: Wellbeing,
    disk: String,
    rendered: u64,
    kills: u64,
    reboots: u64,
}

impl World {
    fn new(age: AgeBand, begin: i64) -> Self {
        let mut world = World {
            unix_ms: begin,
            turned_ms: 0,
            zone: None,
            booted_ms: begin - 5_000_000,
            boot: 7,
            names_boots: true,
            machine: Wellbeing::new(age, Moment::default()),
            disk: String::new(),
            rendered: 0,
            kills: 0,
            reboots: 0,
        };
        world.machine = Wellbeing::new(age, world.now());
        world.save();
        world
    }

    fn now(&self) -> Moment {
        let shown = self.unix_ms + self.turned_ms;
        let offset_min = self.zone.unwrap_or_else(|| berlin(self.unix_ms));
        Moment {
            ticks: (self.unix_ms - self.booted_ms) as u64,
            boot: self.names_boots.then_some(self.boot),
            wall: Wall { unix_ms: shown, offset_min },
        }
    }

    fn save(&mut self) {
        if self.machine.wants_saving() {
            let watching = self.machine.is_watching();
            self.disk = self.machine.record(watching).unwrap();
            assert!(self.disk.len() < RECORD_BYTES);
        }
    }

    /// Watches for a while, in reports of a second; stops where playing is ended. Gives what was rendered.
    fn watch(&mut self, ms: u64) -> u64 {
        let mut done = 0;
        while done < ms {
            let step = 1_000.min(ms - done);
            self.unix_ms += step as i64;
            done += step;
            self.rendered += step;
            let change = self.machine.handle_watched(self.now(), step);
            self.save();
            if change.began.is_some() {
                break;
            }
        }
        done
    }

    fn idle(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(10 * MINUTE);
            self.unix_ms += step as i64;
            left -= step;
            self.machine.review(self.now());
            self.save();
        }
    }

    fn restart(&mut self) {
        self.machine = Wellbeing::restore(&self.disk, self.machine.age(), self.now()).unwrap();
        self.save();
    }

    fn kill(&mut self, gone_ms: u64) {
        self.kills += 1;
        self.unix_ms += gone_ms as i64;
        self.restart();
    }

    fn reboot(&mut self, gone_ms: u64) {
        self.kills += 1;
        self.reboots += 1;
        self.unix_ms += gone_ms as i64;
        self.booted_ms = self.unix_ms - 30_000;
        self.boot += 1;
        self.restart();
    }

    /// A server's answer arrives.
    fn hear(&mut self) {
        self.machine.handle_server_time(self.now(), self.unix_ms);
        self.save();
    }

    fn today(&self) -> u64 {
        self.machine.view().today_ms
    }

    fn total(&self) -> u64 {
        self.machine.view().total_ms
    }

    fn unlock(&mut self, right: bool) -> Result<(), GuardError> {
        let now = self.now();
        self.machine.begin_attempt(now)?;
        self.save();
        self.machine.end_attempt(now, right);
        self.save();
        Ok(())
    }
}

fn hashed() -> Hashed {
    Hashed { method: "pbkdf2".into(), rounds: 1, salt: "00".into(), hash: "11".into() }
}

/// An adult with a guardian, an hour a day and nothing else.
fn an_hour_a_day(begin: i64) -> World {
    let mut world = World::new(AgeBand::Adult, begin);
    let choices = Choices {
        daily_min: Some(60),
        at_daily: Some(Measure::Stop),
        break_min: Some(0),
        ..Choices::default()
    };
    let now = world.now();
    world.machine.choose(now, choices).unwrap();
    world.machine.set_passcode(now, Some(hashed())).unwrap();
    world.save();
    world
}

#[derive(Debug, Clone)]
enum Op {
    Watch(u64),
    Idle(u64),
    Kill(u64),
    Reboot(u64),
    Turn(i64),
    Zone(i16),
    Home,
    Online,
}

fn honest() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1u64..40).prop_map(|m| Op::Watch(m * MINUTE + 333)),
        3 => (1u64..300).prop_map(|m| Op::Idle(m * MINUTE)),
        1 => (0u64..900).prop_map(|m| Op::Kill(m * MINUTE)),
        1 => (1u64..900).prop_map(|m| Op::Reboot(m * MINUTE)),
    ]
}

/// What can be done with a switch and a clock.
fn switches() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1u64..90).prop_map(|m| Op::Watch(m * MINUTE)),
        1 => (1u64..600).prop_map(|m| Op::Idle(m * MINUTE)),
        2 => (0u64..120).prop_map(|m| Op::Reboot(m * MINUTE)),
        1 => (0u64..10).prop_map(|m| Op::Kill(m * MINUTE)),
        3 => (-4_000i64..4_000).prop_map(|m| Op::Turn(m * MINUTE as i64)),
        1 => (-12i16..=14).prop_map(|h| Op::Zone(h * 60)),
        1 => Just(Op::Home),
        1 => Just(Op::Online),
    ]
}

fn tricks() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1u64..90).prop_map(|m| Op::Watch(m * MINUTE)),
        2 => (1u64..300).prop_map(|m| Op::Idle(m * MINUTE)),
        1 => (0u64..60).prop_map(|m| Op::Kill(m * MINUTE)),
        3 => (-2_000i64..2_000).prop_map(|m| Op::Turn(m * MINUTE as i64)),
        2 => (-12i16..=14).prop_map(|h| Op::Zone(h * 60)),
        1 => Just(Op::Home),
    ]
}

impl World {
    fn run(&mut self, op: &Op) {
        match *op {
            Op::Watch(ms) => drop(self.watch(ms)),
            Op::Idle(ms) => self.idle(ms),
            Op::Kill(ms) => self.kill(ms),
            Op::Reboot(ms) => self.reboot(ms),
            Op::Turn(ms) => self.turned_ms += ms,
            Op::Zone(min) => self.zone = Some(min),
            Op::Home => (self.turned_ms, self.zone) = (0, None),
            Op::Online => self.hear(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Against a calendar of its own that knows the true clock: over summer time both ways, midnights, kills and reboots.
    #[test]
    fn with_honest_clocks_a_day_is_the_day_on_the_wall(
        autumn in any::<bool>(),
        ops in prop::collection::vec(honest(), 1..60),
    ) {
        let begin = if autumn { SUMMER[1] - 3 * DAY_MS as i64 } else { BEGIN };
        let mut world = World::new(AgeBand::Adult, begin);
        let local_day = |unix: i64| (unix + i64::from(berlin(unix)) * MINUTE as i64).div_euclid(DAY_MS as i64);
        let (mut day, mut today, mut total) = (local_day(world.unix_ms), 0u64, 0u64);
        let mut promised = 0;
        for op in ops {
            // The reference walks through the watching second by second.
            let watched_from = world.unix_ms;
            let kills = world.kills;
            world.run(&op);
            world.hear();
            if let Op::Watch(_) = op {
                let mut at = watched_from;
                while at < world.unix_ms {
                    let step = 1_000.min(world.unix_ms - at);
                    at += step;
                    if local_day(at) != day {
                        (day, today) = (local_day(at), 0);
                    }
                    today += step as u64;
                }
            } else if local_day(world.unix_ms) != day {
                (day, today) = (local_day(world.unix_ms), 0);
                promised = 0;
            }
            promised += (world.kills - kills) * AHEAD_MS;
            prop_assert!(world.total() >= total, "{} after {total}", world.total());
            total = world.total();
            // A second of a report may lie on either side of midnight.
            prop_assert!(world.today() + 2_000 >= today, "{} of {today}", world.today());
            prop_assert!(world.today() <= today + promised + 2_000, "{} of {today}", world.today());
            prop_assert!(total >= world.rendered && total <= world.rendered + world.kills * AHEAD_MS);
        }
    }

    /// Whatever is done to clock, zone and process, time is never given back, and days end at most every 18 hours.
    #[test]
    fn tricks_with_clocks_give_no_time_back(ops in prop::collection::vec(tricks(), 1..80)) {
        let mut world = an_hour_a_day(BEGIN);
        let (mut total, mut today, mut fell, mut ended) = (0, 0, 0u64, world.unix_ms);
        for op in ops {
            if let Op::Watch(ms) = op {
                // The shell swipes as hard as it can, and plays only what it is given.
                if (0..50).all(|_| world.machine.handle_go_on(world.now()).is_none()) {
                    world.watch(ms);
                }
            } else {
                world.run(&op);
                world.machine.review(world.now());
                world.save();
            }
            prop_assert!(world.total() >= total);
            total = world.total();
            if world.today() < today {
                prop_assert!(world.unix_ms - ended >= SHORTEST_DAY_MS as i64 || fell == 0);
                fell += 1;
                ended = world.unix_ms;
            }
            today = world.today();
            let days = 2 + (world.unix_ms - BEGIN) as u64 / SHORTEST_DAY_MS;
            prop_assert!(
                world.rendered <= days * (HOUR + 1_000),
                "{} ms in {days} days", world.rendered
            );
        }
    }

    /// Nor does switching the device off and turning its clock meanwhile, however often, with or without a network: half a
    /// day has to pass for sure between two days.
    #[test]
    fn switching_off_and_turning_the_clock_gives_a_day_for_half_a_day_at_most(
        named in any::<bool>(),
        ops in prop::collection::vec(switches(), 1..120),
    ) {
        let mut world = an_hour_a_day(BEGIN);
        world.names_boots = named;
        world.hear();
        let mut total = 0;
        for op in ops {
            if let Op::Watch(ms) = op {
                if (0..50).all(|_| world.machine.handle_go_on(world.now()).is_none()) {
                    world.watch(ms);
                }
            } else {
                world.run(&op);
                world.machine.review(world.now());
                world.save();
            }
            prop_assert!(world.total() >= total);
            total = world.total();
            let days = 2 + (world.unix_ms - BEGIN) as u64 / CLAIM_EVERY_MS;
            prop_assert!(world.rendered <= days * (HOUR + 1_000), "{} ms in {days} days", world.rendered);
        }
    }

    /// A record of any bytes is refused or bounded, and never a panic.
    #[test]
    fn any_record_is_refused_or_taken(cut in 0usize..2_000, byte in any::<u8>()) {
        let mut world = an_hour_a_day(BEGIN);
        world.watch(10 * MINUTE);
        let mut bytes = world.disk.clone().into_bytes();
        let place = cut % bytes.len();
        bytes[place] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            if let Ok(mut back) = Wellbeing::restore(&text, AgeBand::Teen, world.now()) {
                back.handle_watched(world.now(), u64::MAX);
                let _ = back.handle_go_on(world.now());
            }
            prop_assert!(Wellbeing::restore(&text[..0], AgeBand::Teen, world.now()).is_err());
        }
    }
}

#[test]
fn next_in_a_loop_cannot_pass_a_stop_in_any_way() {
    let mut world = an_hour_a_day(BEGIN);
    assert_eq!(world.watch(3 * HOUR), HOUR, "playing ends in the middle of a card");
    for round in 0..1_000 {
        let card = world.machine.handle_go_on(world.now()).unwrap();
        assert_eq!((card.cause, card.measure), (Cause::Daily, Measure::Stop));
        assert!(card.opens_in_ms > 0 && card.passcode_opens);
        match round % 5 {
            0 => world.kill(0),
            1 => world.turned_ms += 3 * HOUR as i64,
            2 => world.zone = Some(if world.zone == Some(840) { -720 } else { 840 }),
            3 => world.turned_ms = -(round as i64) * HOUR as i64,
            _ => world.idle(1_000),
        }
    }
    (world.turned_ms, world.zone) = (0, None);
    world.idle(2 * DAY_MS);
    assert!(world.machine.handle_go_on(world.now()).is_none(), "a day that is over is over");
    assert_eq!(world.today(), 0);
}

#[test]
fn a_pause_lasts_half_a_minute_and_a_reminder_one_swipe() {
    let mut world = World::new(AgeBand::Unknown, BEGIN);
    world.watch(HOUR);
    let card = world.machine.handle_go_on(world.now()).unwrap();
    assert_eq!((card.cause, card.measure, card.opens_in_ms), (Cause::Break, Measure::Remind, 0));
    assert!(world.machine.handle_go_on(world.now()).is_none(), "the next swipe passes it");
    let choices = Choices { break_min: Some(10), at_break: Some(Measure::Pause), ..Choices::default() };
    world.machine.choose(world.now(), choices).unwrap();
    assert_eq!(world.watch(HOUR), 10 * MINUTE);
    let standing = world.machine.standing().unwrap();
    assert_eq!((standing.cause, standing.opens_in_ms), (Cause::Break, PAUSE_MS));
    world.idle(PAUSE_MS - 1);
    world.kill(0);
    assert_eq!(world.machine.handle_go_on(world.now()).unwrap().opens_in_ms, 1, "a kill does not skip it");
    world.turned_ms += HOUR as i64;
    assert!(world.machine.handle_go_on(world.now()).is_some(), "nor does the clock");
    world.idle(1);
    assert!(world.machine.handle_go_on(world.now()).is_none());
    world.watch(9 * MINUTE);
    world.idle(REST_MS);
    world.watch(9 * MINUTE);
    assert_eq!(world.machine.standing(), None, "who rested is not sent to rest");
}

#[test]
fn nights_hold_by_both_clocks_and_pages_end_for_minors() {
    let mut world = World::new(AgeBand::Under16, BEGIN);
    for _ in 0..PAGE_CARDS {
        assert!(world.machine.handle_go_on(world.now()).is_none());
        world.machine.handle_moved();
    }
    let card = world.machine.handle_go_on(world.now()).unwrap();
    assert_eq!((card.cause, card.measure), (Cause::Page, Measure::Remind));
    assert!(world.machine.handle_go_on(world.now()).is_none());
    // 13:00 in Berlin; at 22:00 the night begins.
    world.idle(9 * HOUR - 1);
    assert!(world.machine.handle_go_on(world.now()).is_none());
    world.idle(1);
    let card = world.machine.handle_go_on(world.now()).unwrap();
    assert_eq!((card.cause, card.measure, card.opens_in_ms), (Cause::Night, Measure::Stop, 9 * HOUR));
    world.turned_ms = -5 * HOUR as i64;
    assert!(world.machine.handle_go_on(world.now()).is_some(), "the clock was turned, the night was not");
    world.turned_ms = 0;
    world.idle(9 * HOUR);
    assert!(world.machine.handle_go_on(world.now()).is_none(), "07:00");
}

#[test]
fn ten_thousand_guesses_and_restarts_get_nowhere() {
    let mut world = an_hour_a_day(BEGIN);
    let mut checked = 0;
    for guess in 0..10_000 {
        match world.unlock(false) {
            Ok(()) => checked += 1,
            Err(GuardError::Wait { wait_ms }) => assert!(wait_ms > 0),
            Err(GuardError::NotSet) => panic!("it is set"),
        }
        match guess % 4 {
            0 => world.kill(0),
            1 => world.turned_ms += 100 * DAY_MS as i64,
            2 => world.zone = Some(840),
            _ => world.idle(1_000),
        }
        if guess % 100 == 0 {
            world.reboot(1_000);
        }
    }
    // Two thousand five hundred seconds passed, and a hundred reboots with their half minutes.
    assert!(checked <= 9, "{checked} guesses were compared");
    let wait = world.machine.view().guard.wait_ms;
    assert!(wait > 0);
    world.idle(wait);
    assert_eq!(world.unlock(true), Ok(()));
    assert_eq!(world.machine.view().guard.wrong, 0);
    world.machine.allow_more(world.now(), 10).unwrap();
    world.idle(UNLOCKED_MS);
    assert!(world.machine.allow_more(world.now(), 10).is_err(), "it locks itself");
}

#[test]
fn an_attempt_counts_although_the_process_ends_in_it() {
    let mut world = an_hour_a_day(BEGIN);
    for _ in 0..5 {
        world.machine.begin_attempt(world.now()).unwrap();
        world.save();
        world.kill(0);
    }
    assert!(matches!(world.machine.begin_attempt(world.now()), Err(GuardError::Wait { .. })));
}

#[test]
fn where_boots_have_no_names_a_restart_shortens_no_wait() {
    let mut world = an_hour_a_day(BEGIN);
    world.names_boots = false;
    world.idle(1);
    for _ in 0..5 {
        world.unlock(false).unwrap();
    }
    world.turned_ms += DAY_MS as i64;
    world.kill(0);
    assert!(matches!(world.unlock(true), Err(GuardError::Wait { .. })));
}

#[test]
fn minors_cannot_loosen_and_may_be_stricter() {
    for age in [AgeBand::Under16, AgeBand::Teen] {
        let mut world = World::new(age, BEGIN);
        let now = world.now();
        let policy = Limits::of_age(age);
        assert!(!policy.autoplay && !policy.endless && !policy.push && policy.daily_min == 60);
        let loose = [
            Choices { daily_min: Some(61), ..Choices::default() },
            Choices { daily_min: Some(0), ..Choices::default() },
            Choices { at_daily: Some(Measure::Remind), ..Choices::default() },
            Choices { break_min: Some(31), ..Choices::default() },
            Choices { at_break: Some(Measure::Remind), ..Choices::default() },
            Choices { night: Some(Night::default()), ..Choices::default() },
            Choices { night: Some(Night { from_min: 1_321, until_min: 420 }), ..Choices::default() },
            Choices { at_night: Some(Measure::Remind), ..Choices::default() },
            Choices { autoplay: Some(true), ..Choices::default() },
            Choices { endless: Some(true), ..Choices::default() },
            Choices { push: Some(true), ..Choices::default() },
            Choices { recap: Some(false), ..Choices::default() },
        ];
        let tries = |world: &mut World, is_set: bool| {
            for choices in loose {
                let before = world.machine.view().limits;
                let refused = Err(WellbeingError::Guarded { is_set });
                assert_eq!(world.machine.choose(now, choices), refused, "{choices:?}");
                assert_eq!(world.machine.view().limits, before);
            }
            for older in [AgeBand::Adult, AgeBand::Unknown] {
                assert!(world.machine.may_be(now, older).is_err());
            }
            assert!(world.machine.allow_more(now, 1).is_err());
        };
        tries(&mut world, false);
        let strict = Choices { daily_min: Some(30), ..Choices::default() };
        world.machine.choose(now, strict).unwrap();
        world.machine.choose(now, Choices::default()).unwrap();
        world.machine.set_passcode(now, Some(hashed())).unwrap();
        world.save();
        tries(&mut world, true);
        world.kill(0);
        tries(&mut world, true);
        assert!(world.machine.set_passcode(now, None).is_err());
        world.unlock(true).unwrap();
        for choices in loose {
            world.machine.choose(now, choices).unwrap();
        }
        let guardian = Choices { daily_min: Some(90), ..Choices::default() };
        world.machine.choose(now, guardian).unwrap();
        world.machine.lock();
        world.machine.choose(now, strict).unwrap();
        world.machine.choose(now, guardian).unwrap();
        assert!(world.machine.choose(now, loose[1]).is_err(), "what the guardian left is the floor");
    }
}

#[test]
fn an_age_that_becomes_known_undoes_what_was_chosen_before() {
    let mut world = World::new(AgeBand::Unknown, BEGIN);
    let now = world.now();
    world.machine.choose(now, Choices { autoplay: Some(true), ..Choices::default() }).unwrap();
    world.machine.may_be(now, AgeBand::Teen).unwrap();
    world.machine.set_age(now, AgeBand::Teen);
    assert!(!world.machine.view().limits.autoplay);
    assert_eq!(world.machine.view().limits, Limits::of_age(AgeBand::Teen));
}

#[test]
fn an_age_that_got_lost_is_not_believed() {
    let world = World::new(AgeBand::Teen, BEGIN);
    for age in [AgeBand::Unknown, AgeBand::Adult] {
        let back = Wellbeing::restore(&world.disk, age, world.now()).unwrap();
        assert_eq!(back.age(), AgeBand::Teen);
    }
    let back = Wellbeing::restore(&world.disk, AgeBand::Under16, world.now()).unwrap();
    assert_eq!(back.age(), AgeBand::Under16);
}

#[test]
fn no_more_is_counted_than_passed() {
    let mut world = World::new(AgeBand::Adult, BEGIN);
    world.idle(HOUR);
    world.machine.handle_watched(world.now(), u64::MAX);
    assert_eq!(world.total(), CREDIT_MS);
    world.machine.handle_watched(world.now(), u64::MAX);
    assert_eq!(world.total(), CREDIT_MS);
}

#[test]
fn a_week_is_told_once_it_is_over() {
    // A Monday, 2026-03-30, noon.
    let mut world = World::new(AgeBand::Adult, BEGIN + 3 * DAY_MS as i64);
    for _ in 0..7 {
        world.watch(10 * MINUTE);
        world.idle(DAY_MS - 10 * MINUTE);
    }
    let view = world.machine.view();
    let monday = view.recap_due.unwrap();
    let recap = world.machine.recap(monday);
    assert_eq!(recap.days_ms, [10 * MINUTE; 7]);
    assert_eq!(world.machine.recap(monday + 7).before_ms, 70 * MINUTE);
    world.machine.recap_shown();
    world.save();
    assert_eq!(world.machine.view().recap_due, None);
    world.kill(0);
    assert_eq!(world.machine.view().recap_due, None);
}

#[test]
fn bounds_are_told() {
    let wrong = |choices: Choices| choices.check().unwrap_err();
    assert_eq!(wrong(Choices { daily_min: Some(1_441), ..Choices::default() }), LimitsError::Daily);
    assert_eq!(wrong(Choices { break_min: Some(4), ..Choices::default() }), LimitsError::Break);
    let night = Some(Night { from_min: 1_440, until_min: 0 });
    assert_eq!(wrong(Choices { night, ..Choices::default() }), LimitsError::Night);
}

#[test]
fn a_morning_after_a_night_switched_off_is_a_new_day_with_and_without_a_network() {
    for network in [false, true] {
        let mut world = an_hour_a_day(BEGIN);
        world.hear();
        for day in 0..10 {
            assert_eq!(world.watch(HOUR), HOUR, "day {day}, network {network}");
            world.idle(14 * HOUR);
            world.reboot(9 * HOUR);
            if network {
                world.hear();
            }
            assert_eq!(world.today(), 0, "day {day}, network {network}");
            assert!(world.machine.handle_go_on(world.now()).is_none());
        }
    }
}

#[test]
fn a_clock_turned_while_the_device_was_off_gives_one_day_and_a_server_takes_it_back() {
    let mut world = an_hour_a_day(BEGIN);
    world.hear();
    world.watch(HOUR);
    world.turned_ms = 2 * DAY_MS as i64;
    world.reboot(MINUTE);
    assert_eq!(world.today(), 0, "nobody can tell, and it is the last one for half a day");
    world.watch(HOUR);
    for _ in 0..20 {
        world.turned_ms += DAY_MS as i64;
        world.reboot(MINUTE);
        assert!(world.machine.handle_go_on(world.now()).is_some());
    }
    let before = world.machine.view().day_ends_in_ms;
    world.hear();
    let after = world.machine.view().day_ends_in_ms;
    assert!(after > before && after > DAY_MS, "{after} after {before}: what was gained is paid back");
    world.idle(13 * HOUR);
    world.turned_ms += DAY_MS as i64;
    world.reboot(MINUTE);
    assert!(world.machine.handle_go_on(world.now()).is_some(), "who was caught waits a day");
    assert!(world.today() >= HOUR);
}

#[test]
fn a_server_that_is_wrong_or_late_ends_no_day_twice() {
    let mut world = an_hour_a_day(BEGIN);
    world.hear();
    world.watch(HOUR);
    let ends = world.machine.view().day_ends_in_ms;
    let at = world.unix_ms;
    for late in [1_000, MINUTE as i64, 30 * MINUTE as i64, 20 * HOUR as i64] {
        world.machine.handle_server_time(world.now(), at - late);
        world.hear();
        assert_eq!((world.today(), world.machine.view().day_ends_in_ms), (HOUR, ends), "{late}");
    }
    world.machine.handle_server_time(world.now(), at + 400 * DAY_MS as i64);
    assert_eq!(world.today(), 0, "a server is believed");
    world.watch(HOUR);
    for _ in 0..20 {
        world.hear();
        world.machine.handle_server_time(world.now(), i64::MAX);
        world.machine.handle_server_time(world.now(), i64::MIN);
    }
    assert!(world.total() >= 2 * HOUR);
}
