//! Messages between the socket and whoever sorts them.
//!
//! The library hands messages over without waiting and without a bound of its own; this is the bound. What
//! does not fit is counted by the name that it came by.

use super::{channel::Kind, entry::bytes};
use bytes::Bytes;
use redis::{PushInfo, PushKind};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Messages that wait at most.
const MESSAGES_MAX: usize = 65_536;
/// The same in bytes of payload.
const BYTES_MAX: usize = 16 << 20;

/// Bounded; sorting takes all of it at once.
#[derive(Default)]
pub(super) struct Intake {
    waiting: Mutex<Waiting>,
    came: Notify,
}

/// What came since it was last looked at.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) messages: VecDeque<Message>,
    bytes: usize,
    /// Messages that did not fit, by the name they came by.
    pub(super) lost: HashMap<(Kind, Bytes), u64>,
}

/// One message, by one subscription of the connection.
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The channel or pattern that was subscribed to.
    pub(super) name: Bytes,
    pub(super) channel: Bytes,
    pub(super) payload: Bytes,
}

impl Intake {
    /// Takes what the server pushed. Confirmations of subscriptions are answers too, and not taken here.
    pub(super) fn take_in(&self, info: PushInfo) {
        let Some(message) = message(info) else { return };
        let mut waiting = self.waiting();
        if waiting.messages.len() >= MESSAGES_MAX || waiting.bytes + message.payload.len() > BYTES_MAX {
            *waiting.lost.entry((message.kind, message.name)).or_default() += 1;
        } else {
            waiting.bytes += message.payload.len();
            waiting.messages.push_back(message);
        }
        drop(waiting);
        self.came.notify_one();
    }

    /// Everything there is; waits for something.
    pub(super) async fn next(&self) -> Waiting {
        loop {
            let all = std::mem::take(&mut *self.waiting());
            if !all.messages.is_empty() || !all.lost.is_empty() {
                return all;
            }
            self.came.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `message` CHANNEL PAYLOAD, or `pmessage` PATTERN CHANNEL PAYLOAD.
fn message(info: PushInfo) -> Option<Message> {
    let kind = match info.kind {
        PushKind::Message => Kind::Channel,
        PushKind::PMessage => Kind::Pattern,
        _ => return None,
    };
    let mut parts = info.data.into_iter().map(bytes);
    let name = parts.next()??;
    let channel = if kind == Kind::Channel { name.clone() } else { parts.next()?? };
    Some(Message { kind, name, channel, payload: parts.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use redis::Value;

    fn push(kind: PushKind, parts: &[&str]) -> PushInfo {
        PushInfo { kind, data: parts.iter().map(|it| Value::BulkString((*it).into())).collect() }
    }

    #[test]
    fn messages_know_how_they_came() {
        let intake = Intake::default();
        intake.take_in(push(PushKind::Subscribe, &["a"]));
        assert!(intake.next().now_or_never().is_none());
        intake.take_in(push(PushKind::Message, &["a", "1"]));
        intake.take_in(push(PushKind::PMessage, &["*", "a", "2"]));
        let all = intake.next().now_or_never().expect("two");
        let told: Vec<_> =
            all.messages.iter().map(|it| (it.kind, &*it.name, &*it.channel, &*it.payload)).collect();
        assert_eq!(
            told,
            [
                (Kind::Channel, &b"a"[..], &b"a"[..], &b"1"[..]),
                (Kind::Pattern, &b"*"[..], &b"a"[..], &b"2"[..]),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted_by_its_name() {
        let intake = Intake::default();
        for _ in 0..MESSAGES_MAX + 2 {
            intake.take_in(push(PushKind::Message, &["a", "1"]));
        }
        intake.take_in(push(PushKind::PMessage, &["b*", "b", "1"]));
        let all = intake.next().now_or_never().expect("many");
        assert_eq!(all.messages.len(), MESSAGES_MAX);
        assert_eq!(all.lost[&(Kind::Channel, Bytes::from_static(b"a"))], 2);
        assert_eq!(all.lost[&(Kind::Pattern, Bytes::from_static(b"b*"))], 1);
        intake.take_in(PushInfo {
            kind: PushKind::Message,
            data: vec![Value::BulkString(b"a".into()), Value::BulkString(vec![0; BYTES_MAX])],
        });
        intake.take_in(push(PushKind::Message, &["a", "1"]));
        let all = intake.next().now_or_never().expect("one");
        assert_eq!((all.messages.len(), all.lost.len()), (1, 1), "bytes are bounded too");
    }
}
