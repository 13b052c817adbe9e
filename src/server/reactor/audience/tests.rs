use super::*;
use crate::server::reactor::connections::ConnectionKey;

fn group(index: u32, generation: u32) -> GroupId {
    GroupId { index, generation }
}

fn subscriber(subscriptions: &mut Subscriptions) -> SubscriptionKey {
    subscriptions.insert(ConnectionKey(0), "1".into(), None)
}

fn walk(audiences: &mut Audiences, group: GroupId, subscriptions: &Subscriptions) -> Vec<SubscriptionKey> {
    audiences.begin(group);
    std::iter::from_fn(|| audiences.step(group, subscriptions)).collect()
}

#[test]
fn a_group_that_took_over_an_index_has_members_of_its_own() {
    let (mut audiences, mut subscriptions) = (Audiences::default(), Subscriptions::default());
    let (old, new) = (group(3, 1), group(3, 2));
    let (first, second) = (subscriber(&mut subscriptions), subscriber(&mut subscriptions));
    audiences.join(old, first, &mut subscriptions);
    audiences.leave(old, first, &mut subscriptions);
    audiences.join(new, second, &mut subscriptions);
    assert!(walk(&mut audiences, old, &subscriptions).is_empty());
    audiences.leave(old, second, &mut subscriptions);
    assert_eq!(walk(&mut audiences, new, &subscriptions), [second], "a stale leave changes nothing");
}

#[test]
fn a_group_that_nobody_joined_has_no_members() {
    let mut audiences = Audiences::default();
    assert!(walk(&mut audiences, group(9, 1), &Subscriptions::default()).is_empty());
}

/// Members come, leave and are walked over, in two groups at once, against sets and lists.
#[test]
fn random_walks_reach_exactly_those_who_were_there_and_stayed() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut audiences, mut subscriptions) = (Audiences::default(), Subscriptions::default());
        let groups = [group(0, 7), group(5, 1)];
        let mut members: [Vec<SubscriptionKey>; 2] = Default::default();
        // Whom the walk in progress still has to reach, in each group.
        let mut due: [Vec<SubscriptionKey>; 2] = Default::default();
        for _ in 0..400 {
            let at = random.usize(0..2);
            match random.u8(0..8) {
                0..3 => {
                    let key = subscriber(&mut subscriptions);
                    audiences.join(groups[at], key, &mut subscriptions);
                    members[at].push(key);
                }
                3..5 if !members[at].is_empty() => {
                    let key = members[at].swap_remove(random.usize(0..members[at].len()));
                    due[at].retain(|it| *it != key);
                    audiences.leave(groups[at], key, &mut subscriptions);
                    subscriptions.remove(key);
                }
                5 if due[at].is_empty() => {
                    audiences.begin(groups[at]);
                    due[at].clone_from(&members[at]);
                }
                _ => {
                    let reached = audiences.step(groups[at], &subscriptions);
                    assert_eq!(reached.is_some(), !due[at].is_empty(), "seed {seed}");
                    if let Some(reached) = reached {
                        let place = due[at].iter().position(|it| *it == reached);
                        due[at].swap_remove(place.unwrap_or_else(|| panic!("seed {seed}: not due")));
                    }
                }
            }
        }
        for at in 0..2 {
            let mut reached = walk(&mut audiences, groups[at], &subscriptions);
            assert_eq!(reached.len(), members[at].len(), "seed {seed}");
            reached.retain(|it| !members[at].contains(it));
            assert!(reached.is_empty(), "seed {seed}");
        }
    }
}
