//! The hub's state for people, as `/debug/state` shows it.

use crate::{
    hub::{GroupView, Hub, TriggerView},
    plan::Feed,
};
use bytes::Bytes;
use serde_json::{Value, json};

/// Triggers and groups that are shown; all of them are counted. The hub writes them itself, within a turn.
const SHOWN_MAX: usize = 200;
/// Characters of an operation that are shown.
const SHOWN_OPERATION_MAX: usize = 200;

/// The hub's state as a JSON text.
pub(super) fn describe(hub: &Hub) -> Bytes {
    let counters = hub.counters();
    let state = json!({
        "counts": { "triggers": counters.triggers, "groups": counters.groups, "members": counters.members },
        "triggers": hub.triggers().take(SHOWN_MAX).map(|it| describe_trigger(&it)).collect::<Vec<_>>(),
        "groups": hub.groups().take(SHOWN_MAX).map(|it| describe_group(&it)).collect::<Vec<_>>(),
    });
    state.to_string().into()
}

fn describe_trigger(trigger: &TriggerView<'_>) -> Value {
    let (provider, destinations): (_, Vec<&str>) = match trigger.feed {
        Feed::Events(it) => (json!(&*it.provider), it.destinations.iter().map(|it| &**it).collect()),
        Feed::Upstream(it) => (json!({ "subgraph": it.subgraph.0 }), vec![&*it.document]),
    };
    json!({
        "id": trigger.id.index,
        "provider": provider,
        "destinations": destinations,
        "state": format!("{:?}", trigger.state).to_lowercase(),
        "lingering": trigger.lingering,
        "groups": trigger.groups,
        "members": trigger.members,
        "position": trigger.position.0.iter().map(|(part, offset)| json!([part, offset])).collect::<Vec<_>>(),
    })
}

fn describe_group(group: &GroupView<'_>) -> Value {
    json!({
        "id": group.id.index,
        "trigger": group.trigger.map(|it| it.index),
        "operation": group.spec.bound.operation.canonical.chars().take(SHOWN_OPERATION_MAX).collect::<String>(),
        "name": group.spec.bound.operation.name.as_deref(),
        "members": group.members.iter().map(|(_, members)| *members).sum::<u32>(),
        "joining": group.joining,
        "in_flight": group.in_flight,
        "backlog_events": group.backlog_events,
        "backlog_bytes": group.backlog_bytes,
        "waits_for_credit": group.waits_for_credit,
    })
}
