//! Which of a client's headers reach which subgraph, and which of a subgraph's reach the client.
//!
//! Nothing passes unless a rule says so; hop-by-hop headers and those that belong to one connection, body
//! or handshake never pass. Rules run in the order: for all subgraphs, for groups of them, for the one;
//! what a later rule says of a header replaces what an earlier one did.
//!
//! Pure functions over header maps: who sends them, and to whom, is for others.

mod options;
mod request;
mod response;

pub use options::{Algorithm, Group, Matcher, Options, Pattern, RequestRule, ResponseRule, Rules, canonical};

use crate::plan::{Forwarded, HeaderList, SubgraphId};
use http::{HeaderMap, HeaderName, header};
use std::sync::Arc;

/// Rules by subgraph, ready to be applied.
#[derive(Debug, Default)]
pub struct HeaderRules {
    /// Request rules; subgraphs with equal ones share a list.
    request: Vec<Vec<RequestRule>>,
    /// By subgraph: which of the lists.
    request_of: Vec<usize>,
    /// By subgraph.
    response: Vec<Vec<ResponseRule>>,
    /// Set on every answer to a client.
    router: HeaderList,
    cookies: Option<Vec<String>>,
}

impl HeaderRules {
    /// Compiles rules for subgraphs of these names, by [`SubgraphId`].
    pub fn new<'n>(options: &Options, subgraphs: impl IntoIterator<Item = &'n str>) -> Self {
        let mut rules = Self {
            router: options.router.as_slice().into(),
            cookies: (!options.cookie_whitelist.is_empty()).then(|| options.cookie_whitelist.clone()),
            ..Self::default()
        };
        for name in subgraphs {
            let all = options.for_subgraph(name);
            let request: Vec<_> = all.iter().flat_map(|it| it.request.iter().cloned()).collect();
            let known = rules.request.iter().position(|it| *it == request);
            rules.request_of.push(known.unwrap_or_else(|| {
                rules.request.push(request);
                rules.request.len() - 1
            }));
            rules.response.push(all.iter().flat_map(|it| it.response.iter().cloned()).collect());
        }
        rules
    }

    /// What a client's headers come to for these subgraphs.
    pub fn forward(&self, subgraphs: &[SubgraphId], client: &HeaderMap) -> Forwarded {
        if self.request.iter().all(Vec::is_empty) {
            return Forwarded::default();
        }
        let mut lists: Vec<Option<HeaderList>> = vec![None; self.request.len()];
        Forwarded::new(subgraphs.iter().filter_map(|id| {
            let which = *self.request_of.get(usize::from(id.0))?;
            let made = || Arc::from(request::apply(&self.request[which], client, self.cookies.as_deref()));
            Some((*id, lists[which].get_or_insert_with(made).clone()))
        }))
    }

    /// Those of a client's headers that rules look at: all that needs to be kept of a client that stays.
    pub fn relevant(&self, client: &HeaderMap) -> HeaderMap {
        let rules = || self.request.iter().flatten();
        let wanted = |name: &HeaderName| rules().any(|it| it.looks_at(name));
        let kept = client.iter().filter(|(name, _)| wanted(name));
        let mut relevant = HeaderMap::new();
        for (name, value) in kept {
            relevant.append(name, value.clone());
        }
        relevant
    }

    /// The headers of an answer to a client, from those of the subgraphs' answers in the order in which
    /// they came.
    pub fn respond<'h>(&self, answers: impl Iterator<Item = (SubgraphId, &'h HeaderMap)>) -> HeaderMap {
        let mut out = response::Merged::default();
        for (id, headers) in answers {
            if let Some(rules) = self.response.get(usize::from(id.0)).filter(|it| !it.is_empty()) {
                response::apply(rules, headers, &mut out);
            }
        }
        let mut out = out.headers;
        for (name, value) in self.router.iter().filter(|(name, _)| !is_private(name) && !is_granted(name)) {
            if name == header::VARY {
                out.append(name, value.clone());
            } else {
                out.insert(name, value.clone());
            }
        }
        out
    }

    /// Whether some request rule may carry a client's headers to subgraph fetches.
    pub fn forwards(&self) -> bool {
        self.request.iter().flatten().any(|it| matches!(it, RequestRule::Propagate { .. }))
    }
}

/// Whether a header is never passed on: it belongs to one connection (RFC 9110, section 7.6.1), one body or
/// one handshake, or it is the router's own to say.
pub fn is_private(name: &HeaderName) -> bool {
    const PRIVATE: [HeaderName; 18] = [
        header::ACCEPT,
        header::ACCEPT_CHARSET,
        header::ACCEPT_ENCODING,
        header::ACCEPT_RANGES,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::ALT_SVC,
    ];
    let text = name.as_str();
    PRIVATE.contains(name)
        || matches!(text, "keep-alive" | "proxy-connection")
        || text.starts_with("sec-websocket-")
}

/// Whether a header says something of the one answer that it stands in, or of whoever gives that. Of the router's
/// answers the router says it: what a subgraph says so holds for the subgraph's.
///
/// `Vary` is none of them: what a subgraph's answer depends on, the router's does too.
pub fn is_of_answer(name: &HeaderName) -> bool {
    const OF_ANSWER: [HeaderName; 6] = [
        header::AGE,
        header::DATE,
        header::ETAG,
        header::LAST_MODIFIED,
        header::SERVER,
        header::WWW_AUTHENTICATE,
    ];
    let text = name.as_str();
    OF_ANSWER.contains(name)
        || matches!(text, "authentication-info" | "digest" | "repr-digest" | "x-request-id")
        || ["content-", "x-accel-"].iter().any(|it| text.starts_with(it))
        || is_granted(name)
}

/// Whether a header tells browsers what pages of other origins may do: nobody grants that but the router's own
/// rules for it.
pub fn is_granted(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("access-control-") || text == "timing-allow-origin"
}

#[cfg(test)]
mod tests;
