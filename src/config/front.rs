//! The keys of what clients meet first: HTTP traffic, batches, other origins, uploads, caches, blocked kinds
//! of operations, the access log. Declared like all the others; see `settings`.

use super::{
    format::{
        AnyText, Count, HeadSize, HeaderText, Limit, List, Maybe, Size, SizeOrNone, Text, Time, Toggle, Wait,
    },
    keys::{
        Fallback::{Absent, Items, Required, Section, Text as Is},
        settings,
    },
};
use std::time::Duration;

impl Cors {
    /// Whether any page may come.
    pub fn is_open(&self) -> bool {
        self.allow_origins.iter().any(|it| it == "*")
    }
}

settings! {
    /// Bounds on traffic between clients and the router.
    pub struct RouterTraffic {
        /// Largest body of an HTTP request, after decompression; beyond, `413`. Uploads have limits of their
        /// own.
        max_request_body_size: usize as Size = Is("5MB");
        /// Largest head of an HTTP request, the request line and all headers; beyond, `431`. At least `8KiB`;
        /// `0` stands for the default.
        max_header_bytes: usize as HeadSize = Is("64KiB");
        /// HTTP connections at a time, those that carry subscriptions included; one more gets `503`. WebSockets do
        /// not count, `limits.connections` is for them.
        max_connections: usize as Count = Is("10000");
        /// Bytes of all bodies that are being read; beyond, `503`. Files that pass through do not count.
        max_request_bodies_total: usize as Size = Is("256MiB");
        /// How long a client may take for the head of a request, and keep a connection without one.
        read_header_timeout: Duration as Wait = Is("10s");
        /// How long a client may take for the body; beyond, `408`. With files: for `operations` and `map`, and
        /// for each piece of a file.
        read_body_timeout: Duration as Wait = Is("30s");
        /// How long a client may take nothing of what waits for it, be it that it does not read or that its machine is
        /// gone; then the connection is given up. `0s`: as long as the system waits. On Linux alone. WebSockets have
        /// pings instead.
        write_timeout: Duration as Time = Is("60s");
        /// Take bodies with `Content-Encoding: gzip`, `deflate` or `br`. With `false` they get `415`.
        decompression_enabled: bool as Toggle = Is("true");
        /// Answers of at least this size are compressed with `gzip` or `br` for clients that take it. `0`: none
        /// is.
        response_compression_min_size: usize as SizeOrNone = Is("4KiB");
    }
}

settings! {
    /// Several operations in one HTTP request: a JSON list of requests, answered by a list in the same order.
    pub struct Batching {
        /// Answer batches. With `false` they get `400` with the code `BATCHING_NOT_ENABLED`.
        enabled: bool as Toggle = Is("false");
        /// Operations of one batch that are carried out at a time.
        max_concurrency: usize as Count = Is("10");
        /// Operations in one batch; more get `400` with the code `BATCH_LIMIT_EXCEEDED`, and none is carried
        /// out.
        max_entries_per_batch: usize as Count = Is("100");
        /// Leave the code out of errors about the batch itself.
        omit_extensions: bool as Toggle = Is("false");
    }
}

settings! {
    /// Which pages of other origins may use the GraphQL endpoint from a browser. Pages of the router's own
    /// origin always may.
    pub struct Cors {
        /// Judge requests by their origin, WebSockets included. With `false` browsers let pages of other
        /// origins read nothing, but nothing is refused either.
        enabled: bool as Toggle = Is("true");
        /// Such as `https://app.example`; a `*` within stands for any characters, `*` alone for every origin.
        allow_origins: Vec<String> as List<Text> = Items(&["*"]);
        /// Methods such pages may use.
        allow_methods: Vec<String> as List<Text> = Items(&["HEAD", "GET", "POST"]);
        /// Request headers that such pages may set, beside those that browsers allow anyway.
        allow_headers: Vec<String> as List<Text> = Items(&["Origin", "Content-Length", "Content-Type"]);
        /// Let cookies and other credentials through. Without this key they go through unless `*` is among the
        /// origins: every page could use its visitors' sessions then. A file that asks for both is refused.
        allow_credentials: Option<bool> as Maybe<Toggle> = Absent("true");
        /// How long browsers may remember what they were allowed.
        max_age: Duration as Time = Is("5m");
    }
}

settings! {
    /// `Cache-Control` of answers to queries: the strictest of what the subgraphs involved said. Mutations, and
    /// answers with errors, are `no-store`.
    pub struct CacheControlPolicy {
        /// Send the header.
        enabled: bool as Toggle = Is("false");
        /// What holds for a subgraph that says nothing, such as `max-age=60, public`. Empty: nothing does.
        value: String as HeaderText = Is("");
        /// The same for single subgraphs.
        subgraphs: Vec<SubgraphCacheControl> as List<SubgraphCacheControl> = Absent("");
    }
}

settings! {
    /// What holds for one subgraph that says nothing about caching.
    pub struct SubgraphCacheControl {
        /// Its name in the supergraph.
        name: String as Text = Required("deals");
        /// Its `Cache-Control`.
        value: String as HeaderText = Required("max-age=60, public");
    }
}

settings! {
    /// Files in variables, sent as the GraphQL multipart request specification says.
    pub struct FileUpload {
        /// Take them. They need a header that no page can send unasked, such as `Apollo-Require-Preflight: true`.
        enabled: bool as Toggle = Is("true");
        /// Largest file; beyond, `413`.
        max_file_size: usize as Size = Is("50MB");
        /// Files in one request; beyond, `413`.
        max_files: usize as Count = Is("10");
    }
}

settings! {
    /// Kinds of operations that are refused.
    pub struct Security {
        /// Refuse mutations, over HTTP and WebSocket, with the code `OPERATION_BLOCKED`.
        block_mutations: BlockOperations as BlockOperations = Section;
        /// Refuse subscriptions in the same way.
        block_subscriptions: BlockOperations as BlockOperations = Section;
        /// Refuse operations that were not registered. Not there yet: switching it on is an error.
        block_non_persisted_operations: BlockOperations as BlockOperations = Section;
        /// Bytes of an operation's name; longer ones are refused with the code `OPERATION_LIMIT_EXCEEDED`. `0`: no limit.
        operation_name_length_limit: usize as Limit = Is("512");
        /// Bounds of Cosmo's parser; they tighten those of `limits.operation`, and never loosen them.
        parser_limits: ParserLimits as ParserLimits = Section;
    }
}

settings! {
    /// Bounds of Cosmo's parser. What is left out or `0` bounds nothing.
    pub struct ParserLimits {
        /// How deep selections may nest, where that is less than `limits.operation.depth`.
        approximate_depth_limit: Option<usize> as Maybe<Limit> = Absent("200");
        /// Fields, where that is less than `limits.operation.selections`; those of a fragment count wherever it is used.
        total_fields_limit: Option<usize> as Maybe<Limit> = Absent("3500");
    }
}

settings! {
    /// Whether a kind of operations is refused.
    pub struct BlockOperations {
        /// Refuse them.
        enabled: bool as Toggle = Is("false");
        /// Expressions are not there yet: anything but the empty text is an error, because ignoring it would
        /// switch protection off.
        condition: String as AnyText = Is("");
    }
}

settings! {
    /// One line in the log for each operation that comes by HTTP.
    pub struct AccessLogs {
        /// Write them, with the target `access` at the level `info`.
        enabled: bool as Toggle = Is("true");
    }
}
