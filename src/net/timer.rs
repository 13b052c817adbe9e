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
