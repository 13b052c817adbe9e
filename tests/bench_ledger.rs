//! The bench's account notices every way in which deliveries can go wrong: a bench that cannot fail
//! proves nothing.

#[allow(dead_code, unreachable_pub, reason = "the bench uses the rest")]
#[path = "../benches/load/ledger.rs"]
mod ledger;

use ledger::{Ledger, PROBE};

fn ledger_after(deliveries: &[(usize, u64)]) -> Ledger {
    let mut ledger = Ledger::new(2, 1);
    for (connection, sequence) in deliveries {
        ledger.receive(*connection, *sequence);
    }
    ledger
}

#[test]
fn a_complete_account_has_no_faults() {
    let ledger = ledger_after(&[(0, 1), (1, 1), (0, 2), (1, 2)]);
    assert_eq!((ledger.delivered, ledger.missing(2), ledger.faults(2)), (4, 0, 0));
}

#[test]
fn what_never_came_is_missing_in_the_middle_and_at_the_end() {
    let ledger = ledger_after(&[(0, 1), (0, 3), (1, 1)]);
    assert_eq!((ledger.delivered, ledger.missing(3)), (3, 3));
}

#[test]
fn a_late_one_is_out_of_order_and_no_longer_missing() {
    let ledger = ledger_after(&[(0, 2), (0, 1), (1, 1), (1, 2)]);
    assert_eq!((ledger.delivered, ledger.missing(2), ledger.out_of_order, ledger.faults(2)), (4, 0, 1, 1));
}

#[test]
fn a_second_copy_is_a_duplicate_and_no_delivery() {
    let ledger = ledger_after(&[(0, 1), (0, 1), (1, 1)]);
    assert_eq!((ledger.delivered, ledger.duplicates, ledger.faults(1)), (2, 1, 1));
}

#[test]
fn probes_count_once_per_connection_and_not_as_deliveries() {
    let ledger = ledger_after(&[(0, PROBE), (0, PROBE), (1, PROBE)]);
    assert_eq!((ledger.probes, ledger.delivered, ledger.faults(0)), (2, 0, 0));
}
