//! A hashed timer wheel: one coarse alarm for everything that waits.
//!
//! An entry is a key and nothing else. The wheel hands a key out once the tick of its deadline has
//! passed, and has then forgotten it. Moving or cancelling a deadline does not touch the wheel: the owner
//! stores the real one, looks at it when the key comes out, and inserts the key again if it is not due
//! yet. That keeps traffic on a connection free of timer work.
//!
//! Inserting is O(1). A turn costs one look per 64 slots passed, plus one step per key handed out. The
//! clock is the caller's.

use std::time::{Duration, Instant};

/// What an entry means is the owner's business. Ids that are used again should carry their generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey(pub u64);

/// The length of a tick that suits timeouts of seconds.
pub const TICK_DEFAULT: Duration = Duration::from_millis(100);

/// With [`TICK_DEFAULT`] a horizon of almost seven minutes.
pub const SLOTS_DEFAULT: usize = 4096;

/// Slots that grew beyond this many keys give their memory back when they are emptied.
const SLOT_KEYS_KEPT_MAX: usize = 16;

/// Keys by the tick at which they come due.
#[derive(Debug)]
pub struct TimerWheel {
    start: Instant,
    tick: Duration,
    /// The first tick that has not been handed out; its slot is `next_tick % slots.len()`.
    next_tick: u64,
    slots: Vec<Vec<TimerKey>>,
    /// One bit per slot that holds keys.
    occupied: Vec<u64>,
    len: usize,
}

impl TimerWheel {
    /// A wheel whose first tick begins at `now`.
    ///
    /// # Panics
    /// If `tick` is zero, or `slots` is no multiple of 64.
    pub fn new(now: Instant, tick: Duration, slots: usize) -> Self {
        assert!(!tick.is_zero(), "a tick takes time");
        assert!(slots > 0 && slots.is_multiple_of(64), "slots come in words of 64");
        Self {
            start: now,
            tick,
            next_tick: 0,
            slots: vec![Vec::new(); slots],
            occupied: vec![0; slots / 64],
            len: 0,
        }
    }

    /// How many keys are waiting.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Asks for `key` at the first tick that ends at or after `due`.
    ///
    /// A deadline beyond the horizon comes out early, at the horizon: see the module about re-checking.
    /// The horizon counts from the last [`TimerWheel::expire`], so call that first in a turn; a wheel
    /// that slept for longer hands a new key out at once, to be inserted again.
    pub fn insert(&mut self, due: Instant, key: TimerKey) {
        let last_tick = self.next_tick + self.slots.len() as u64 - 1;
        let tick = self.tick_at_or_after(due).clamp(self.next_tick, last_tick);
        let slot = self.slot(tick);
        self.slots[slot].push(key);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
    }

    /// Appends every key whose tick has passed, earliest tick first.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<TimerKey>) {
        let passed = self.ticks_passed(now);
        while let Some(tick) = self.first_occupied().filter(|tick| *tick <= passed) {
            let slot = self.slot(tick);
            self.len -= self.slots[slot].len();
            due.append(&mut self.slots[slot]);
            if self.slots[slot].capacity() > SLOT_KEYS_KEPT_MAX {
                self.slots[slot] = Vec::new();
            }
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            self.next_tick = tick + 1;
        }
        self.next_tick = self.next_tick.max(passed + 1);
    }

    /// How long until [`TimerWheel::expire`] has something to hand out; `None` while nothing waits.
    pub fn next_wake(&self, now: Instant) -> Option<Duration> {
        let tick = self.first_occupied()?;
        let at = self.start + self.since_start(tick);
        Some(at.saturating_duration_since(now))
    }

    /// The first tick, from the next one on, whose slot holds keys.
    fn first_occupied(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let from = self.slot(self.next_tick);
        let words = self.occupied.len();
        // The word that holds `from` is looked at twice: its upper bits first, its lower bits last.
        let slot = (0..=words).find_map(|step| {
            let word = (from / 64 + step) % words;
            let upper = u64::MAX << (from % 64);
            let bits = match step {
                0 => self.occupied[word] & upper,
                _ if step == words => self.occupied[word] & !upper,
                _ => self.occupied[word],
            };
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })?;
        let ahead = (slot + self.slots.len() - from) % self.slots.len();
        Some(self.next_tick + ahead as u64)
    }

    fn slot(&self, tick: u64) -> usize {
        (tick % self.slots.len() as u64) as usize
    }

    /// How many ticks have ended by `now`, which makes the number of the last one that has passed.
    fn ticks_passed(&self, now: Instant) -> u64 {
        whole_ticks(now.saturating_duration_since(self.start), self.tick)
    }

    fn tick_at_or_after(&self, due: Instant) -> u64 {
        let wait = due.saturating_duration_since(self.start);
        let ticks = whole_ticks(wait, self.tick);
        if self.since_start(ticks) < wait { ticks + 1 } else { ticks }
    }

    fn since_start(&self, ticks: u64) -> Duration {
        Duration::from_nanos_u128(self.tick.as_nanos() * u128::from(ticks))
    }
}

fn whole_ticks(wait: Duration, tick: Duration) -> u64 {
    u64::try_from(wait.as_nanos() / tick.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an instant to count from; no test waits")]

    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn expired(wheel: &mut TimerWheel, now: Instant) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due.into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn keys_come_out_in_order_and_never_early() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start, TICK, 64);
        for (due, key) in [(250, 1), (101, 2), (300, 3), (0, 4)] {
            wheel.insert(start + ms(due), TimerKey(key));
        }
        assert_eq!(expired(&mut wheel, start), [4]);
        assert_eq!(wheel.next_wake(start), Some(ms(200)));
        assert_eq!(expired(&mut wheel, start + ms(199)), [0; 0]);
        assert_eq!(expired(&mut wheel, start + ms(200)), [2]);
        assert_eq!(expired(&mut wheel, start + ms(5_000)), [1, 3]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn an_empty_wheel_asks_for_no_wake_up() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start, TICK, 64);
        assert_eq!(wheel.next_wake(start), None);
        wheel.insert(start + ms(500), TimerKey(1));
        assert_eq!(wheel.next_wake(start + ms(120)), Some(ms(380)));
        assert_eq!(wheel.next_wake(start + ms(900)), Some(Duration::ZERO), "overdue");
        assert_eq!(expired(&mut wheel, start + ms(900)), [1]);
        assert_eq!(wheel.next_wake(start + ms(900)), None);
    }

    #[test]
    fn what_is_overdue_when_inserted_comes_out_at_the_next_tick() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start, TICK, 64);
        assert_eq!(expired(&mut wheel, start + ms(1_050)), [0; 0]);
        wheel.insert(start + ms(3), TimerKey(1));
        assert_eq!(wheel.next_wake(start + ms(1_050)), Some(ms(50)));
        assert_eq!(expired(&mut wheel, start + ms(1_100)), [1]);
    }

    #[test]
    fn beyond_the_horizon_a_key_comes_early_and_goes_in_again() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start, TICK, 64);
        let due = start + ms(20_000);
        wheel.insert(due, TimerKey(1));
        let (mut now, mut wakes) = (start, 0);
        loop {
            now += wheel.next_wake(now).expect("a key waits");
            assert_eq!(expired(&mut wheel, now), [1]);
            wakes += 1;
            if now >= due {
                break;
            }
            wheel.insert(due, TimerKey(1));
        }
        assert_eq!((now - start, wakes), (ms(20_000), 4), "one early wake-up per turn of the wheel");
    }

    #[test]
    fn slots_that_were_large_give_their_memory_back() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start, TICK, 64);
        for key in 0..10_000 {
            wheel.insert(start + ms(150), TimerKey(key));
        }
        assert_eq!(wheel.len(), 10_000);
        assert_eq!(expired(&mut wheel, start + ms(200)).len(), 10_000);
        let kept: usize = wheel.slots.iter().map(Vec::capacity).sum();
        assert!(kept <= SLOT_KEYS_KEPT_MAX, "{kept}");
    }

    /// Random inserts, pauses and re-inserts, against a list that is searched.
    #[test]
    fn random_lives_agree_with_a_sorted_list() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let start = Instant::now();
            let mut wheel = TimerWheel::new(start, ms(random.u64(1..50)), 64 * random.usize(1..4));
            let mut model: Vec<(Instant, u64)> = Vec::new();
            let mut now = start;
            for key in 0..300 {
                let due = now + ms(random.u64(0..8_000));
                wheel.insert(due, TimerKey(key));
                model.push((due, key));
                if random.u8(0..3) == 0 {
                    now += ms(random.u64(0..900));
                    settle(&mut wheel, &mut model, now, seed);
                }
            }
            while let Some(wait) = wheel.next_wake(now) {
                now += wait;
                settle(&mut wheel, &mut model, now, seed);
            }
            assert!(model.is_empty(), "seed {seed}: lost {model:?}");
        }
    }

    /// Expires as an owner does: what is not due goes back, and nothing that is overdue stays.
    fn settle(wheel: &mut TimerWheel, model: &mut Vec<(Instant, u64)>, now: Instant, seed: u64) {
        for key in expired(wheel, now) {
            let at = model.iter().position(|it| it.1 == key).expect("handed out once");
            if model[at].0 <= now {
                model.swap_remove(at);
            } else {
                wheel.insert(model[at].0, TimerKey(key));
            }
        }
        assert_eq!(wheel.len(), model.len(), "seed {seed}");
        let late = model.iter().find(|it| it.0 + wheel.tick < now);
        assert_eq!(late, None, "seed {seed}: more than a tick late");
        let wake = wheel.next_wake(now).map(|it| now + it);
        let first = model.iter().map(|it| it.0).min();
        assert!(wake.is_none_or(|it| it <= first.expect("something waits") + wheel.tick), "seed {seed}");
    }
}
