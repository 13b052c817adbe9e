use super::*;

const CONNECTION: ConnectionKey = ConnectionKey(4);

#[test]
fn a_token_does_not_reach_whoever_moves_into_the_slot() {
    let mut subscriptions = Subscriptions::default();
    let first = subscriptions.insert(CONNECTION, "a".into(), None);
    let token = subscriptions.token(first);
    assert_eq!(subscriptions.resolve(token), Some(first));
    subscriptions.remove(first);
    assert_eq!(subscriptions.resolve(token), None, "nobody is there");
    let second = subscriptions.insert(CONNECTION, "b".into(), None);
    assert_eq!(first, second, "the slot is used again");
    assert_eq!(subscriptions.resolve(token), None, "somebody else is there");
    assert_eq!(subscriptions.resolve(subscriptions.token(second)), Some(second));
}

#[test]
fn tokens_that_were_never_given_out_resolve_to_nothing() {
    let mut subscriptions = Subscriptions::default();
    subscriptions.insert(CONNECTION, "a".into(), None);
    for token in [0, 1, u64::MAX, 1 << 32 | 1, 2 << 32] {
        assert_eq!(subscriptions.resolve(token), None, "{token:#x}");
    }
}

/// Siblings stay in one list, newest first, whoever of them goes.
#[test]
fn random_siblings_agree_with_a_list() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut subscriptions = Subscriptions::default();
        let (mut head, mut model) = (None, Vec::new());
        for step in 0..100 {
            if random.u8(0..3) > 0 || model.is_empty() {
                let key = subscriptions.insert(CONNECTION, step.to_string().into(), head);
                head = Some(key);
                model.insert(0, key);
            } else {
                let key = model.remove(random.usize(0..model.len()));
                let removed = subscriptions.remove(key);
                if head == Some(key) {
                    head = removed.siblings.next;
                }
            }
            assert!(subscriptions.siblings(head).eq(model.iter().copied()), "seed {seed}");
            assert_eq!(subscriptions.len(), model.len());
        }
    }
}
