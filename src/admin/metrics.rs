//! `/metrics`: what each number is called and means.
//!
//! Names that existing dashboards know are kept: `router_engine_*`, `router_streams_*`, `router_http_*`.

use super::{
    process,
    state::{Labelled, Snapshot, State},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, text},
    metrics::MetricType,
    registry::Registry,
};
use std::{
    fmt::{self, Error, Write as _},
    sync::Arc,
};

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

impl Format {
    /// OpenMetrics for those who ask for it.
    pub(super) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics of the process.
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) fn new(state: Arc<dyn State>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Router(state)));
        registry.register_collector(Box::new(Process));
        Self { registry }
    }

    pub(super) fn encode(&self, format: Format) -> Result<String, Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(match format {
            Format::OpenMetrics => out,
            Format::Text => as_prometheus_text(&out),
        })
    }
}

/// The older format names a counter's family like its samples, with `_total`, and knows no end mark.
fn as_prometheus_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let lines: Vec<&str> = open_metrics.lines().collect();
    let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    for (index, line) in lines.iter().enumerate() {
        if *line == "# EOF" {
            continue;
        }
        let of_counter = is_counter(line)
            || (line.starts_with("# HELP ") && lines.get(index + 1).is_some_and(|it| is_counter(it)));
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            [hash, keyword, name, rest] if of_counter => {
                _ = writeln!(out, "{hash} {keyword} {name}_total {rest}")
            }
            _ => _ = writeln!(out, "{line}"),
        }
    }
    out
}

struct Router(Arc<dyn State>);

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Router")
    }
}

impl Collector for Router {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let snapshot = self.0.metrics();
        let mut page = Page(encoder);
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("router_info", "What is running", &[(&info, 1.0)])?;
        gauges(&snapshot, &mut page)?;
        counters(&snapshot, &mut page)?;
        labelled(&snapshot, &mut page)?;
        caches(&snapshot, &mut page)?;
        providers(&snapshot, &mut page)?;
        subgraphs(&snapshot, &mut page)?;
        queues(&snapshot, &mut page)?;
        loops(&snapshot, &mut page)
    }
}

fn gauges(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    for (name, help, value) in [
        ("router_engine_connections", "WebSocket connections", it.connections),
        ("router_engine_subscriptions", "Live subscriptions", it.subscriptions),
        ("router_engine_http_streams", "Those of them that go out in HTTP answers", it.http_streams),
        ("router_engine_upstream_connections", "WebSockets to subgraphs", it.upstream_connections),
        (
            "router_engine_upstream_subscriptions",
            "Subscriptions on WebSockets to subgraphs",
            it.upstream_subscriptions,
        ),
        ("router_engine_triggers", "Feeds that someone listens to", it.triggers),
        ("router_engine_groups", "Groups of subscriptions that share their responses", it.groups),
        ("router_engine_shapes", "Kinds of entity fetches in use", it.shapes),
        ("router_engine_resolvers_inflight", "Executions under way", it.resolvers_in_flight),
        ("router_engine_resolvers_max_concurrent", "Executions there may be at a time", it.resolvers_max),
        (
            "router_engine_catch_up_subscriptions",
            "Subscriptions that read on from a log",
            it.catch_up_subscriptions,
        ),
        ("router_engine_outbound_bytes", "Bytes waiting for slow sockets", it.outbound_bytes),
        (
            "router_http_requests_in_flight",
            "Operations sent over HTTP that are being answered",
            it.http_requests_in_flight,
        ),
    ] {
        page.gauge(name, help, value as f64)?;
    }
    page.gauge("router_supergraph_age_seconds", "Age of the graph in use", it.supergraph_age_seconds)
}

fn counters(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    for (name, help, value) in [
        ("router_engine_messages_sent", "Responses sent to subscribers", it.messages_sent),
        ("router_engine_triggers_started", "Times a broker was asked for a feed", it.triggers_started),
        ("router_engine_events_decoded", "Events decoded, once for all groups", it.events_decoded),
        ("router_engine_resolves", "Executions for events, one per group and event", it.resolves),
        (
            "router_engine_serialisations",
            "Responses written, each once for all its readers",
            it.serialisations,
        ),
        ("router_engine_deliveries", "Responses handed to the members of a group", it.deliveries),
        ("router_engine_fetches", "Requests sent to subgraphs", it.fetches),
        (
            "router_engine_fetches_shared",
            "Requests not sent because an equal one was under way",
            it.fetches_shared,
        ),
        ("router_engine_representations", "Entities asked for in requests to subgraphs", it.representations),
        ("router_engine_results_unchanged", "Results not sent because nothing changed", it.results_unchanged),
        ("router_engine_events_unreadable", "Events that are no JSON object", it.events_unreadable),
        (
            "router_engine_events_refused",
            "Times an event was of no type that a group's field returns",
            it.events_refused,
        ),
        ("router_engine_events_filtered", "Times a filter kept an event from a group", it.events_filtered),
        (
            "router_engine_events_undecided",
            "Times a filter could not be decided, so the event was kept from the group",
            it.events_undecided,
        ),
        (
            "router_engine_events_lost",
            "Events that did not reach every subscriber, who was told",
            it.events_lost,
        ),
        (
            "router_connections_timed_out",
            "Connections dropped because pings went unanswered",
            it.connections_timed_out,
        ),
        (
            "router_engine_prepare_threads_replaced",
            "Threads started in place of those that came to no end of planning an operation",
            it.prepare_threads_replaced,
        ),
        ("router_log_lines_dropped", "Lines of the log that nobody took in time", it.log_lines_dropped),
        (
            "router_tls_handshakes_failed",
            "TLS handshakes of clients that came to nothing",
            it.tls_handshakes_failed,
        ),
        ("router_subscriptions_started", "Subscriptions accepted", it.subscriptions_started),
    ] {
        page.counter(name, help, value)?;
    }
    Ok(())
}

fn labelled(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    for (name, help, label, values) in [
        ("router_connections_refused", "Connections turned away", "cause", &it.connections_refused),
        ("router_engine_overflow", "Times a slow reader's policy applied", "policy", &it.overflow),
        ("router_subscriptions_ended", "Subscriptions that ended", "reason", &it.subscriptions_ended),
        ("router_subscriptions_rejected", "Subscriptions refused", "reason", &it.subscriptions_rejected),
        ("router_supergraph_reload", "Times a new graph was loaded", "result", &it.supergraph_reloads),
        ("router_tls_reload", "Times a certificate for clients was put in place", "result", &it.tls_reloads),
    ] {
        let sample = |it: &Labelled| ([(label, it.label)], it.value);
        let samples: Vec<_> = values.iter().map(sample).collect();
        let samples: Vec<Sample<'_, u64>> = samples.iter().map(|(it, value)| (&it[..], *value)).collect();
        page.counters(name, help, &samples)?;
    }
    let help = "WebSockets that the router closed";
    by_number(page, "router_connections_closed", help, "code", &it.connections_closed)?;
    let help = "HTTP requests that were answered, those for health and the page aside";
    by_number(page, "router_http_requests", help, "http_status_code", &it.http_requests)
}

fn by_number(
    page: &mut Page<'_>,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    counts: &[(u16, u64)],
) -> Result<(), Error> {
    let numbers: Vec<_> = counts.iter().map(|(number, _)| number.to_string()).collect();
    let labels: Vec<_> = numbers.iter().map(|it| [(label, it.as_str())]).collect();
    let samples: Vec<Sample<'_, u64>> =
        labels.iter().zip(counts).map(|(labels, (_, count))| (&labels[..], *count)).collect();
    page.counters(name, help, &samples)
}

fn caches(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let labels: Vec<_> =
        it.plan_cache.iter().map(|it| [("cache_type", "plan"), ("type", it.label)]).collect();
    let samples: Vec<Sample<'_, u64>> =
        labels.iter().zip(&it.plan_cache).map(|(labels, it)| (&labels[..], it.value)).collect();
    page.counters("router_graphql_cache_requests_stats", "Times a cache was asked", &samples)
}

fn providers(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let labels: Vec<_> =
        it.providers.iter().map(|it| [("wg_provider_type", it.kind), ("wg_provider_id", &*it.id)]).collect();
    let with = |value: fn(&super::Provider) -> u64| -> Vec<Sample<'_, u64>> {
        labels.iter().zip(&it.providers).map(|(labels, it)| (&labels[..], value(it))).collect()
    };
    let up: Vec<Sample<'_, f64>> = labels
        .iter()
        .zip(&it.providers)
        .map(|(labels, it)| (&labels[..], f64::from(u8::from(it.is_up))))
        .collect();
    page.gauges("router_streams_provider_up", "Whether the broker can be reached", &up)?;
    for (name, help, samples) in [
        ("router_streams_received_messages", "Events received from the broker", with(|it| it.received)),
        ("router_streams_sent_messages", "Messages published to the broker", with(|it| it.published)),
        (
            "router_streams_filtered_messages",
            "Events that no filter of a feed let through",
            with(|it| it.filtered),
        ),
        ("router_streams_failed_messages", "Publishes and requests without an answer", with(|it| it.failed)),
        (
            "router_streams_skipped_messages",
            "Messages that are no events: without a value, or a mark of the broker's",
            with(|it| it.skipped),
        ),
        ("router_streams_client_errors", "Errors a broker's client recovers from", with(|it| it.errors)),
    ] {
        page.counters(name, help, &samples)?;
    }
    lag(it, page)
}

fn lag(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let all: Vec<_> = it
        .providers
        .iter()
        .flat_map(|provider| provider.lag.iter().map(move |it| (provider, it, it.partition.to_string())))
        .collect();
    let labels: Vec<_> = all
        .iter()
        .map(|(provider, it, partition)| {
            let [kind, id] = [("wg_provider_type", provider.kind), ("wg_provider_id", &*provider.id)];
            [kind, id, ("topic", &*it.topic), ("partition", partition.as_str())]
        })
        .collect();
    let samples: Vec<Sample<'_, f64>> =
        labels.iter().zip(&all).map(|(labels, (_, it, _))| (&labels[..], it.events as f64)).collect();
    page.gauges("router_streams_consumer_lag", "Events in a partition that were not read yet", &samples)
}

fn subgraphs(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let labels: Vec<_> = it.subgraphs.iter().map(|it| [("subgraph", &*it.name)]).collect();
    let with = |value: fn(&super::Subgraph) -> u64| -> Vec<Sample<'_, u64>> {
        labels.iter().zip(&it.subgraphs).map(|(labels, it)| (&labels[..], value(it))).collect()
    };
    let open: Vec<Sample<'_, f64>> = labels
        .iter()
        .zip(&it.subgraphs)
        .map(|(labels, it)| (&labels[..], f64::from(u8::from(it.is_breaker_open))))
        .collect();
    page.gauges(
        "router_subgraph_circuit_breaker_open",
        "Whether requests to a subgraph are held back because it is in trouble",
        &open,
    )?;
    for (name, help, samples) in [
        (
            "router_subgraph_circuit_breaker_rejected",
            "Requests not sent because of the circuit breaker",
            with(|it| it.rejected),
        ),
        ("router_subgraph_retries", "Requests that were sent once more", with(|it| it.retries)),
    ] {
        page.counters(name, help, &samples)?;
    }
    Ok(())
}

fn queues(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let labels: Vec<_> = it.queues.iter().map(|it| [("queue", it.name)]).collect();
    let with = |value: fn(&super::Queue) -> u64| -> Vec<Sample<'_, f64>> {
        labels.iter().zip(&it.queues).map(|(labels, it)| (&labels[..], value(it) as f64)).collect()
    };
    page.gauges("router_engine_queue_depth", "Entries waiting in a queue", &with(|it| it.depth))?;
    page.gauges("router_engine_queue_capacity", "Entries a queue can hold", &with(|it| it.capacity))?;
    let full: Vec<Sample<'_, u64>> =
        labels.iter().zip(&it.queues).map(|(labels, it)| (&labels[..], it.full)).collect();
    page.counters("router_engine_queue_full", "Times a queue was full and its policy applied", &full)
}

fn loops(it: &Snapshot, page: &mut Page<'_>) -> Result<(), Error> {
    let labels: Vec<_> = it.loops.iter().map(|it| [("loop", it.name)]).collect();
    let max: Vec<Sample<'_, f64>> = labels
        .iter()
        .zip(&it.loops)
        .map(|(labels, it)| (&labels[..], it.turns.max().as_secs_f64()))
        .collect();
    page.gauges("router_engine_loop_turn_max_seconds", "Longest turn of a loop so far", &max)?;
    if it.loops.is_empty() {
        return Ok(());
    }
    let name = "router_engine_loop_turn_seconds";
    let mut family = page.family(name, "Time a loop spends on one turn", MetricType::Histogram)?;
    for (labels, it) in labels.iter().zip(&it.loops) {
        let buckets = it.turns.buckets();
        let count = buckets.iter().map(|it| it.1).sum();
        let sum = it.turns.sum().as_secs_f64();
        family.encode_family(&&labels[..])?.encode_histogram::<Labels<'_>>(sum, count, &buckets, None)?;
    }
    Ok(())
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        if let Some(bytes) = process::allocated_bytes() {
            page.gauge("router_memory_allocated_bytes", "Memory asked for and not given back", bytes as f64)?;
        }
        let Some(usage) = process::usage() else { return Ok(()) };
        let mut family =
            page.family("process_cpu_seconds", "CPU time used, user and system", MetricType::Counter)?;
        family.encode_counter::<Labels<'_>, _, f64>(&usage.cpu_seconds, None)?;
        for (name, help, value) in [
            ("process_open_fds", "Open file descriptors", usage.open_fds),
            ("process_max_fds", "File descriptors there may be", usage.max_fds),
            ("process_resident_memory_bytes", "Memory in use", usage.resident_bytes),
            ("process_virtual_memory_bytes", "Address space in use", usage.virtual_bytes),
            ("process_threads", "Threads", usage.threads),
            ("process_start_time_seconds", "Start, in seconds since 1970", usage.start_seconds),
        ] {
            page.gauge(name, help, value as f64)?;
        }
        Ok(())
    }
}

type Labels<'a> = &'a [(&'a str, &'a str)];
type Sample<'a, T> = (Labels<'a>, T);

/// The answer as it is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        self.family(name, help, MetricType::Counter)?.encode_counter::<Labels<'_>, _, f64>(&value, None)
    }

    fn gauges(&mut self, name: &str, help: &str, samples: &[Sample<'_, f64>]) -> Result<(), Error> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut family = self.family(name, help, MetricType::Gauge)?;
        samples.iter().try_for_each(|(labels, value)| family.encode_family(labels)?.encode_gauge(value))
    }

    fn counters(&mut self, name: &str, help: &str, samples: &[Sample<'_, u64>]) -> Result<(), Error> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut family = self.family(name, help, MetricType::Counter)?;
        samples.iter().try_for_each(|(labels, value)| {
            family.encode_family(labels)?.encode_counter::<Labels<'_>, _, f64>(value, None)
        })
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        of: MetricType,
    ) -> Result<MetricEncoder<'s>, Error> {
        self.0.encode_descriptor(name, help, None, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_repeats_total_in_the_family_and_has_no_end_mark() {
        let open =
            "# HELP a Help me.\n# TYPE a counter\na_total 1\n# HELP b B.\n# TYPE b gauge\nb 2\n# EOF\n";
        let text =
            "# HELP a_total Help me.\n# TYPE a_total counter\na_total 1\n# HELP b B.\n# TYPE b gauge\nb 2\n";
        assert_eq!(as_prometheus_text(open), text);
    }
}
