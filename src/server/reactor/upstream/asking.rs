//! What is asked of a subgraph, and taken back: as much as its socket takes.
//!
//! A connection is shared, so neither one subscription's size nor the number of all of them may count against it.
//! Feeds wait at their link; some of them are put into words whenever the socket has taken what was there. Large ones
//! have a link to themselves: subgraphs close a connection over a message that is larger than they take.

use super::{LinkId, Upstreams, link::Stage};
use crate::{
    graphql::Error,
    net::websocket,
    plan::{Feed, UpstreamFeed},
    protocol::{
        Dialect,
        client::{Session, Subscribe},
    },
    server::clock::Slice,
    sources::Report,
};
use std::time::{Duration, Instant};

/// Bytes that are put into words at a time; a single larger subscription goes out whole.
const ASK_BYTES: usize = 64 << 10;
/// A subscription whose message is longer than this shares no connection. Well below what servers refuse, and more
/// than nearly all need.
const SHARED_SUBSCRIBE_BYTES_MAX: usize = 16 << 10;
/// A subscription beyond this is not sent: what others wait for would come behind it.
const SUBSCRIBE_BYTES_MAX: usize = 4 << 20;

/// Why a subscription is not sent at all, if so.
pub(super) fn refusal(feed: &UpstreamFeed) -> Option<Error> {
    let message = || format!("The subscription is larger than the limit of {SUBSCRIBE_BYTES_MAX} bytes.");
    (bytes(feed) > SUBSCRIBE_BYTES_MAX).then(|| Error::new(message()).with_code("PAYLOAD_TOO_LARGE"))
}

/// Whether a subscription has to have a connection of its own.
pub(super) fn is_large(feed: &UpstreamFeed) -> bool {
    if bytes(feed) > SHARED_SUBSCRIBE_BYTES_MAX {
        return true;
    }
    let mut message = Vec::new();
    Session::new(Dialect::GraphqlTransportWs).write_subscribe(u64::MAX, subscribe(feed), &mut message);
    message.len() > SHARED_SUBSCRIBE_BYTES_MAX
}

/// What a subscription comes to before it is put into words, which only adds to it.
fn bytes(feed: &UpstreamFeed) -> usize {
    feed.document.len() + feed.variables.len() + feed.forwarded.extensions.len()
}

fn subscribe(feed: &UpstreamFeed) -> Subscribe<'_> {
    Subscribe { document: &feed.document, variables: &feed.variables, extensions: &feed.forwarded.extensions }
}

impl Upstreams {
    /// Gives a link a turn to ask, if its socket takes something and there is something to ask.
    pub(super) fn want_to_ask(&mut self, id: LinkId) {
        let link = &mut self.links[id.index as usize];
        let has_to_ask = link.has_to_ask();
        let Some(up) = link.up() else { return };
        let takes_bytes = up.out.is_empty() && up.blocked.is_none();
        if has_to_ask && takes_bytes && !std::mem::replace(&mut up.asking, true) {
            self.asking.push_back(id);
        }
    }

    /// Has links ask, each once a turn, until the turn's budget is used up or the hub has no room for the news.
    pub(in crate::server::reactor) fn ask(&mut self, now: Instant, phase: Duration) {
        let mut slice = Slice::new(phase);
        for _ in 0..self.asking.len() {
            if self.is_paused() || slice.is_over() {
                break;
            }
            let Some(id) = self.asking.pop_front() else { break };
            if self.is_known(id)
                && let Some(up) = self.links[id.index as usize].up()
            {
                up.asking = false;
                if up.blocked.is_none() {
                    self.ask_once(now, id);
                }
            }
        }
    }

    fn ask_once(&mut self, now: Instant, id: LinkId) {
        let mut message = Vec::new();
        while self.has_room(id)
            && let Some(news) = self.put_into_words(id, &mut message)
        {
            let mask = self.mask();
            let Some(up) = self.links[id.index as usize].up() else { return };
            let before = up.out.len();
            websocket::client::write_text(&message, mask, &mut up.out);
            up.asked_bytes += up.out.len() - before;
            message.clear();
            self.tell(news);
        }
        self.flush(now, id);
    }

    /// Whether a link's buffer has room for one more.
    fn has_room(&mut self, id: LinkId) -> bool {
        self.links[id.index as usize].up().is_some_and(|it| it.out.len() < ASK_BYTES)
    }

    /// Writes the next message and says what it means for the hub; `None` when there is none.
    fn put_into_words(&mut self, id: LinkId, message: &mut Vec<u8>) -> Option<News> {
        let link = &mut self.links[id.index as usize];
        let super::State::Up(up) = &mut link.state else { return None };
        if !up.session.is_acknowledged() {
            return None;
        }
        if let Some(number) = up.to_leave.pop_front() {
            up.session.write_unsubscribe(number, message);
            return Some(News::Nothing);
        }
        let (number, listening) = link.feeds.range_mut(up.next_to_ask..).next()?;
        up.next_to_ask = number + 1;
        if let Feed::Upstream(feed) = &*listening.feed {
            up.session.write_subscribe(*number, subscribe(feed), message);
        }
        let was = std::mem::replace(&mut listening.stage, Stage::Live);
        Some(if was == Stage::Interrupted {
            News::Restored(listening.ticket)
        } else {
            News::Live(listening.ticket)
        })
    }

    /// A feed is live once it was asked for: the subprotocols know no confirmation.
    fn tell(&mut self, news: News) {
        match news {
            News::Nothing => {}
            News::Live(ticket) => self.report(ticket, Report::Live),
            News::Restored(ticket) => {
                self.report(ticket, Report::Restored);
                self.report(ticket, Report::Gap);
            }
        }
    }
}

enum News {
    Nothing,
    Live(crate::sources::Ticket),
    Restored(crate::sources::Ticket),
}
