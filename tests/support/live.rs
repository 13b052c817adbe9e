//! Waiting until subscriptions are where events reach them.

use super::{router::Router, wait::wait_until, ws::Client};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Subscribes and waits until the router has so many subscriptions in all, on feeds that the broker has
/// confirmed.
#[track_caller]
pub fn listen(router: &Router, client: &mut Client, id: &str, query: &str, members: u64) {
    client.subscribe(id, query);
    wait_until_live(router, members);
}

#[track_caller]
pub fn wait_until_live(router: &Router, members: u64) {
    wait_until(&format!("{members} subscriptions on live feeds"), PATIENCE, || {
        is_live(&router.state(), members)
    });
}

/// Whether a router in this state has so many subscriptions, all on live feeds.
pub fn is_live(state: &Value, members: u64) -> bool {
    let triggers = state["triggers"].as_array().expect("a list");
    let groups = state["groups"].as_array().expect("a list");
    state["counts"]["members"] == members
        && triggers.iter().all(|it| it["state"] == "live")
        && groups.iter().all(|it| it["joining"] == 0)
}

/// Waits until nobody listens to anything and nothing is left of it: feeds linger for a while.
#[track_caller]
pub fn wait_until_idle(router: &Router) {
    wait_until("no trigger, no group, no subscription", PATIENCE, || {
        is_idle(&router.state()) && router.metrics().sum("router_engine_subscriptions") == 0.0
    });
}

/// Whether a router in this state listens to nothing for anybody.
pub fn is_idle(state: &Value) -> bool {
    ["triggers", "groups", "members"].iter().all(|it| state["counts"][it] == 0)
}

/// How many `triggers`, `groups` or `members` the hub has at this moment. The metrics may be a turn older.
pub fn count(router: &Router, what: &str) -> u64 {
    router.state()["counts"][what].as_u64().expect("a count")
}
