//! Transcripts: what happens to a breaker, second by second, and what it says.

use super::*;

/// A breaker on made-up time.
struct Rig {
    breaker: Breaker,
    start: Instant,
    seconds: f64,
}

impl Rig {
    /// Opens at half of at least 4 attempts in 10 s, for 5 s.
    fn new(change: impl FnOnce(&mut BreakerOptions)) -> Self {
        let mut options = BreakerOptions { request_threshold: 4, ..BreakerOptions::default() };
        change(&mut options);
        #[expect(clippy::disallowed_methods, reason = "made-up time starts somewhere")]
        let start = Instant::now();
        Self { breaker: Breaker::new(options), start, seconds: 0.0 }
    }

    fn at(&mut self, seconds: f64) -> &mut Self {
        self.seconds = seconds;
        self
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.seconds)
    }

    fn admit(&mut self) -> Result<Pass, Refusal> {
        self.breaker.admit(self.now())
    }

    fn report(&mut self, pass: Pass, verdict: Verdict) {
        self.breaker.report(pass, verdict, self.now());
    }

    /// Attempts one after the other: `+` succeeds, `-` fails, `?` is abandoned, `!` is turned away.
    fn play(&mut self, script: &str) -> &mut Self {
        for (index, step) in script.chars().enumerate() {
            let verdict = match step {
                '+' => Verdict::Succeeded,
                '-' => Verdict::Failed,
                '?' => Verdict::Abandoned,
                _ => {
                    assert_eq!(self.admit().err(), Some(Refusal::Open), "{script}, step {index}");
                    continue;
                }
            };
            let pass = self.admit().unwrap_or_else(|it| panic!("{script}, step {index}: {it:?}"));
            self.report(pass, verdict);
        }
        self
    }
}

#[test]
fn it_opens_at_the_share_of_failures_once_there_are_enough_attempts() {
    Rig::new(|_| {}).play("---").play("+").play("!!");
    Rig::new(|_| {}).play("+++-").play("--").play("!");
    Rig::new(|_| {}).play("++++++++-------").play("-").play("!");
    Rig::new(|it| it.error_threshold_percentage = 100).play("-+-----------");
    Rig::new(|it| it.error_threshold_percentage = 0).play("++++++").play("-").play("!");
}

#[test]
fn what_was_abandoned_does_not_count() {
    Rig::new(|_| {}).play("????????").play("---").play("????").play("-").play("!");
}

#[test]
fn failures_leave_the_window_in_buckets() {
    let mut rig = Rig::new(|_| {});
    rig.at(0.0).play("--").at(1.0).play("-");
    // The bucket of the first second has gone, that of the next is still there.
    rig.at(10.0).play("-").at(10.5).play("-").play("-").play("!");

    let mut rig = Rig::new(|_| {});
    rig.at(0.0).play("---").at(9.9).play("-").play("!");

    let mut rig = Rig::new(|_| {});
    rig.at(0.0).play("---").at(1e9).play("---").play("-").play("!");
}

#[test]
fn after_the_sleep_window_attempts_show_how_things_are() {
    let mut rig = Rig::new(|_| {});
    rig.play("----").at(4.9).play("!").at(5.0);
    let trial = rig.admit().expect("one may try");
    rig.play("!!");
    assert!(rig.breaker.is_open());
    rig.report(trial, Verdict::Succeeded);
    assert!(!rig.breaker.is_open());
    // Closed, and what was before it opened is forgotten.
    rig.play("---").play("+").play("!");
}

#[test]
fn a_trial_that_fails_opens_it_anew() {
    let mut rig = Rig::new(|_| {});
    rig.play("----").at(6.0).play("-").play("!").at(10.9).play("!").at(11.0).play("+++");
}

#[test]
fn an_abandoned_trial_makes_room_for_another() {
    Rig::new(|_| {}).play("----").at(5.0).play("??").play("+").play("++");
}

#[test]
fn several_trials_may_be_asked_for() {
    let several = |it: &mut BreakerOptions| (it.half_open_attempts, it.required_successful) = (2, 3);
    let mut rig = Rig::new(several);
    rig.play("----").at(5.0);
    let (one, two) = (rig.admit().expect("a trial"), rig.admit().expect("another"));
    rig.play("!");
    rig.report(one, Verdict::Succeeded);
    rig.report(two, Verdict::Succeeded);
    assert!(rig.breaker.is_open(), "two are not three");
    rig.play("+");
    assert!(!rig.breaker.is_open());
}

#[test]
fn late_reports_do_not_decide() {
    let mut rig = Rig::new(|_| {});
    let (one, two) = (rig.admit().expect("closed"), rig.admit().expect("closed"));
    rig.play("----");
    rig.report(one, Verdict::Succeeded);
    rig.play("!").at(5.0);
    let trial = rig.admit().expect("a trial");
    rig.report(two, Verdict::Failed);
    rig.report(trial, Verdict::Succeeded);
    assert!(!rig.breaker.is_open());
}

#[test]
fn attempts_at_a_time_are_bounded_where_that_is_asked_for() {
    let mut rig = Rig::new(|it| it.concurrent_max = Some(2));
    let (one, _two) = (rig.admit().expect("room"), rig.admit().expect("room"));
    assert_eq!(rig.admit().err(), Some(Refusal::Full));
    rig.report(one, Verdict::Abandoned);
    rig.play("+");
}
