//! JetStream fields of an event graph against real servers: what is kept on the broker, and what clients see.

#![expect(clippy::disallowed_methods, reason = "deadlines of the broker's tests are on the real clock")]

#[path = "support/jetstream.rs"]
mod jetstream;
#[path = "support/nats.rs"]
mod nats;
mod support;

use jetstream::Api;
use nats::NatsServer;
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Demo, fixture,
    live::{count, listen, wait_until_idle},
    router::Router,
    subgraph::Behaviour,
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const DURABLE_3: &str = "subscription { employeeUpdatedStream(id: 3) { id details { forename } } }";
const ORDERED_3: &str = "subscription { employeeLogged(id: 3) { id details { forename } } }";

/// Subscriptions of which the server remembers what was read: query, field, and the stream's retention.
const REMEMBERED: [(&str, &str, &str); 2] =
    [(DURABLE_3, "employeeUpdatedStream", "limits"), (ORDERED_3, "employeeLogged", "workqueue")];

/// A router between the demo's subgraphs and a server that keeps a stream of employees.
struct Stage {
    router: Router,
    nats: NatsServer,
    api: Api,
    demo: Demo,
}

impl Stage {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With further keys of the provider, as YAML.
    fn start_with(provider: &str) -> Self {
        let (demo, nats) = (Demo::start(), jetstream::server());
        let mut api = Api::of(&nats);
        api.create("employees", &["employeeStream.>"], &json!({}));
        let router = Router::start(&config(&demo, &nats, provider));
        Self { router, nats, api, demo }
    }

    /// Over a stream of this retention.
    fn retaining(retention: &str) -> Self {
        let mut stage = Self::start();
        stage.api.delete("employees");
        stage.api.create("employees", &["employeeStream.>"], &json!({ "retention": retention }));
        stage
    }

    fn client(&self) -> Client {
        Client::connect(&self.router.websocket_url())
    }

    #[track_caller]
    fn listen(&self, client: &mut Client, id: &str, query: &str, members: u64) {
        listen(&self.router, client, id, query, members);
    }

    fn publish(&mut self, id: i64) {
        let event = json!({ "__typename": "Employee", "id": id });
        self.api.publish(&format!("employeeStream.{id}"), &event.to_string());
    }

    fn consumers(&mut self) -> Vec<Value> {
        self.api.consumers("employees")
    }

    fn acknowledged(&mut self) -> Option<u64> {
        self.consumers().first()?["ack_floor"]["stream_seq"].as_u64()
    }

    /// Stops the router in its own time.
    #[track_caller]
    fn stop(&mut self) {
        self.router.signal("TERM");
        let ended = self.router.wait(PATIENCE);
        assert!(ended.is_some_and(|it| it.success()), "{ended:?}");
    }
}

/// The demo with one more event graph, of a stream that is read by position.
fn config(demo: &Demo, nats: &NatsServer, provider: &str) -> String {
    let url = nats.url();
    let providers =
        format!(r#"{{ nats: [{{ id: default, url: "{url}", {provider} }}], memory: [{{ id: my-nats }}] }}"#);
    let graph = format!("event_graphs: [\"{}\", ", fixture("jetstream_events.graphql").display());
    let config = demo.config_with(&providers, "skip_unavailable_providers: true", "");
    config.replace("event_graphs: [", &graph)
}

fn kadri(field: &str) -> Value {
    json!({ "data": { field: { "id": 3, "details": { "forename": "Kadri" } } } })
}

/// C-NATS-19: what is published while nobody is subscribed comes with the next subscription.
#[test]
fn c_nats_19_a_durable_consumer_replays() {
    let mut stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", DURABLE_3, 1);
    stage.publish(3);
    assert_eq!(client.next("1"), kadri("employeeUpdatedStream"));
    client.complete("1");
    wait_until_idle(&stage.router);

    stage.publish(4);
    stage.publish(3);
    client.subscribe("2", DURABLE_3);
    assert_eq!(client.next("2"), kadri("employeeUpdatedStream"));
    stage.publish(3);
    assert_eq!(client.next("2"), kadri("employeeUpdatedStream"));
    wait_until("nothing is left to acknowledge", PATIENCE, || stage.acknowledged() == Some(4));
    let consumers = stage.consumers();
    assert_eq!(consumers.len(), 1);
    assert!(consumers[0]["name"].as_str().is_some_and(|it| it.starts_with("juga-")), "{consumers:?}");

    // Another subscriber of the same feed shares it, and hears what comes from now on.
    let mut other = stage.client();
    stage.listen(&mut other, "1", &DURABLE_3.replace("details { forename }", ""), 2);
    assert_eq!(count(&stage.router, "triggers"), 1);
    stage.publish(3);
    assert_eq!(client.next("2"), kadri("employeeUpdatedStream"));
    assert_eq!(other.next("1"), json!({ "data": { "employeeUpdatedStream": { "id": 3 } } }));
}

/// A page that reloads finds what was published meanwhile: nothing is read for nobody, however soon somebody comes
/// back. So it is also where a stream deletes what was acknowledged, and a feed cannot be read by position.
#[test]
fn what_is_published_while_a_page_reloads_waits_for_it() {
    for (query, field, retention) in REMEMBERED {
        let mut stage = Stage::retaining(retention);
        let mut client = stage.client();
        stage.listen(&mut client, "1", query, 1);
        stage.publish(3);
        assert_eq!(client.next("1"), kadri(field));
        wait_until("it is acknowledged", PATIENCE, || stage.acknowledged() == Some(1));
        drop(client);
        wait_until("nobody is subscribed", PATIENCE, || count(&stage.router, "members") == 0);
        (0..3).for_each(|_| stage.publish(3));
        wait_until("nobody takes them", PATIENCE, || {
            let consumer = &stage.consumers()[0];
            let count = |what: &str| consumer[what].as_u64().expect("a number");
            count("num_pending") + count("num_ack_pending") == 3
        });

        let mut client = stage.client();
        client.subscribe("1", query);
        (0..3).for_each(|_| assert_eq!(client.next("1"), kadri(field), "{retention}"));
        wait_until("all is acknowledged", PATIENCE, || stage.acknowledged() == Some(4));
    }
}

/// An event is acknowledged once somebody has it: those that are still being resolved, or wait behind them, when the last
/// subscriber leaves are there for who comes back.
#[test]
fn what_was_under_way_when_the_last_one_left_waits_for_who_comes_back() {
    for (query, field, retention) in REMEMBERED {
        let mut stage = Stage::retaining(retention);
        let mut client = stage.client();
        stage.listen(&mut client, "1", query, 1);
        stage.demo.employees.behave(Behaviour::Hang);
        stage.demo.employees.forget_requests();
        (0..40).for_each(|_| stage.publish(3));
        wait_until("some are being resolved", PATIENCE, || stage.demo.employees.request_count() > 0);
        drop(client);
        wait_until_idle(&stage.router);
        stage.demo.employees.behave(Behaviour::Answer);
        assert_eq!(stage.acknowledged().unwrap_or(0), 0, "nobody had one");

        let mut client = stage.client();
        client.subscribe("1", query);
        (0..40).for_each(|_| assert_eq!(client.next("1"), kadri(field), "{retention}"));
        wait_until("all is acknowledged", PATIENCE, || stage.acknowledged() == Some(40));
    }
}

/// C-NATS-20.
#[test]
fn c_nats_20_durable_consumers_are_deleted_at_shutdown_if_wanted() {
    let mut stage = Stage::start_with("experiment_delete_durable_consumers_on_shutdown: true");
    let mut client = stage.client();
    stage.listen(&mut client, "1", DURABLE_3, 1);
    // One that nobody reads any more is among them.
    stage.listen(&mut client, "2", &DURABLE_3.replace('3', "4"), 2);
    client.complete("2");
    wait_until("both are there, one is read", PATIENCE, || {
        count(&stage.router, "triggers") == 1 && stage.consumers().len() == 2
    });
    stage.stop();
    assert_eq!(stage.consumers(), Vec::<Value>::new());
}

/// C-NATS-21: and another router of the same name goes on where the last one was.
#[test]
fn c_nats_21_durable_consumers_are_kept_at_shutdown() {
    let mut stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", DURABLE_3, 1);
    stage.publish(3);
    assert_eq!(client.next("1"), kadri("employeeUpdatedStream"));
    wait_until("it is acknowledged", PATIENCE, || stage.acknowledged() == Some(1));
    stage.stop();
    let consumers = stage.consumers();
    assert_eq!(consumers.len(), 1);

    stage.publish(3);
    stage.router = Router::start(&config(&stage.demo, &stage.nats, ""));
    let mut client = stage.client();
    client.subscribe("1", DURABLE_3);
    assert_eq!(client.next("1"), kadri("employeeUpdatedStream"));
    wait_until("it is the same consumer", PATIENCE, || stage.acknowledged() == Some(2));
    assert_eq!(stage.consumers()[0]["name"], consumers[0]["name"]);
}

/// C-NATS-22: the words are Cosmo's; told once, and the operation is over by it.
#[test]
fn c_nats_22_a_stream_that_does_not_exist() {
    let mut stage = Stage::start();
    stage.api.delete("employees");
    let mut client = stage.client();
    client.subscribe("1", DURABLE_3);
    let message = client.message();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
    let words = "EDFS error: failed to create or update consumer for stream \"employees\"";
    assert_eq!(message["payload"][0]["message"], words);
    assert_eq!(message["payload"][0]["extensions"]["code"], "FEED_UNAVAILABLE");
    wait_until_idle(&stage.router);

    // Nothing else was sent in between: the id is free again.
    stage.api.create("employees", &["employeeStream.>"], &json!({}));
    client.subscribe("1", DURABLE_3);
    stage.publish(3);
    assert_eq!(client.next("1"), kadri("employeeUpdatedStream"));
}

/// WG-15: with `@feed__deliver` a stream is read by position, and an outage only delays.
#[test]
fn an_outage_delays_what_is_read_by_position_and_is_not_told() {
    let mut stage = Stage::start();
    stage.publish(3);
    let mut client = stage.client();
    stage.listen(&mut client, "1", ORDERED_3, 1);
    stage.publish(3);
    assert_eq!(client.next("1"), kadri("employeeLogged"), "and nothing from before the subscription");
    let consumers = stage.consumers();
    assert_eq!(consumers.len(), 1);
    assert!(consumers[0]["config"]["durable_name"].is_null(), "{consumers:?}");

    stage.nats.restart();
    stage.api = Api::of(&stage.nats);
    wait_until("the stream is back", PATIENCE, || {
        stage.api.ask("STREAM.INFO.employees", &json!({}))["error"].is_null()
    });
    for _ in 0..100 {
        stage.publish(3);
    }
    for _ in 0..100 {
        assert_eq!(client.next("1"), kadri("employeeLogged"));
    }
    client.complete("1");
    wait_until_idle(&stage.router);
    wait_until("the server keeps nothing for us", PATIENCE, || stage.consumers().is_empty());
}

/// WG-14: a mutation's message is in the stream when the answer says so.
#[test]
fn publishing_to_a_stream_waits_for_it() {
    let mut stage = Stage::start();
    stage.api.create("orders", &["employeeUpdated.>"], &json!({ "max_msgs": 1, "discard": "new" }));
    let mutation = "mutation { updateEmployee(id: 3, update: { name: \"x\" }) { success } }";
    for (success, failed) in [(true, 0.0), (false, 1.0)] {
        let (status, answer) = stage.router.post(&json!({ "query": mutation }));
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer, json!({ "data": { "updateEmployee": { "success": success } } }));
        assert_eq!(stage.api.messages("orders"), 1);
        let metrics = stage.router.metrics();
        assert_eq!(metrics.sum("router_streams_failed_messages_total"), failed);
    }
    stage.router.logged("maximum messages exceeded");
}
