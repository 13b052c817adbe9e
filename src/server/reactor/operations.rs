//! The life of one operation on a connection: subscribe, prepare, join or answer, end.

use super::{
    Reactor,
    connections::ConnectionKey,
    outbox::{FrameKind, write_framed},
    subscriptions::{Stage, SubscriptionKey},
};
use crate::{
    graphql::{self, Error, Request},
    hub::{GroupId, Input, Member, Sink},
    plan::{BoundOperation, OperationKind},
    protocol::Operation,
    resolve::{Executed, Work},
    server::{
        abandon::tied,
        client::Client,
        clock,
        engine::{Engine, Errors, Prepared},
        mail::ReactorMail,
        reply::{Reply, internal_error},
    },
};
use bytes::Bytes;
use std::sync::Arc;

impl Reactor {
    pub(super) fn subscribe(&mut self, key: ConnectionKey, id: &str, operation: Operation<'_>) {
        let connection = &mut self.connections[key];
        if connection.subscriptions as usize >= self.options.subscriptions_per_connection_max {
            self.stats.subscriptions_refused.increment();
            let error = Error::new("Too many operations on this connection.")
                .with_code("SUBSCRIPTION_LIMIT_EXCEEDED");
            return self.refuse(key, id, &[error]);
        }
        let request = match request_of(operation) {
            Ok(request) => request,
            Err(error) => return self.refuse(key, id, &[error]),
        };
        let subscription = self.subscriptions.insert(key, id.into(), connection.first);
        connection.first = Some(subscription);
        connection.subscriptions += 1;
        let token = self.subscriptions.token(subscription);
        let (engine, client) = (connection.engine.clone(), connection.client.clone());
        match engine.prepared(&request, &client, self.now) {
            Some(result) => self.prepared(token, result),
            None => self.prepare(token, engine, request, client),
        }
    }

    /// The client wants no more of an operation.
    pub(super) fn unsubscribe(&mut self, key: ConnectionKey, id: &str) {
        let first = self.connections[key].first;
        let found = self.subscriptions.siblings(first).find(|it| *self.subscriptions[*it].id == *id);
        if let Some(subscription) = found {
            self.leave_group(subscription);
            self.forget(subscription);
        }
        let dialect = self.connections[key].session.dialect();
        if dialect.confirms_stop() || self.options.echo_complete {
            let mut frame = Vec::new();
            write_framed(&mut frame, |out| dialect.write_complete(id, out));
            self.push_raw(key, frame.into());
        }
    }

    /// Ends all operations of a connection, silently.
    pub(super) fn end_operations(&mut self, key: ConnectionKey) {
        while let Some(subscription) = self.connections[key].first {
            self.leave_group(subscription);
            self.forget(subscription);
        }
    }

    /// Has an operation prepared on the pool; the answer comes as mail.
    fn prepare(&mut self, token: u64, engine: Arc<Engine>, request: Request, client: Arc<Client>) {
        let mail = self.mail.clone();
        let reply = Reply::new(move |result: Option<Result<Prepared, Errors>>| {
            let result = result.unwrap_or_else(|| Err(internal_errors()));
            mail.send(ReactorMail::Prepared { token, result });
        });
        let work: Work = Box::new(move || reply.give(engine.prepare(&request, &client, clock::now())));
        self.unprepared.push_back(work);
        self.offer_unprepared();
    }

    /// Hands the prepare lane what it has room for. What is left waits, unless nobody knows until when: its operations get an
    /// error then, and the sockets are read on.
    fn offer_unprepared(&mut self) {
        while let Some(work) = self.unprepared.pop_front() {
            let Err(work) = self.neighbours.pool.prepare(work) else { continue };
            if !self.neighbours.pool.is_prepare_held() {
                return self.unprepared.push_front(work);
            }
        }
    }

    /// Offers again what the hub or the prepare lane had no room for.
    pub(super) fn hand_over_waiting(&mut self) {
        while let Some(input) = self.asks.pop_front() {
            if let Err(input) = self.neighbours.hub.ask(input) {
                self.asks.push_front(input);
                break;
            }
        }
        self.offer_unprepared();
    }

    /// Asks the hub, in order, now or as soon as it has room.
    pub(super) fn ask(&mut self, input: Input) {
        if !self.asks.is_empty() {
            return self.asks.push_back(input);
        }
        if let Err(input) = self.neighbours.hub.ask(input) {
            self.asks.push_back(input);
        }
    }

    pub(super) fn prepared(&mut self, token: u64, result: Result<Prepared, Errors>) {
        let Some(subscription) = self.subscriptions.resolve(token) else { return };
        match result {
            Ok(Prepared::Subscription(spec)) => {
                let member = Member { sink: Sink::Reactor, token };
                self.ask(Input::Join { member, spec });
            }
            Ok(Prepared::Once(bound)) => self.execute(token, bound),
            Err(errors) => self.fail(subscription, &errors),
        }
    }

    fn execute(&mut self, token: u64, bound: BoundOperation) {
        let mail = self.mail.clone();
        let reply = Reply::new(move |executed: Option<Executed>| {
            let response = executed.map_or_else(internal_error, |it| it.response);
            mail.send(ReactorMail::Answered { token, response });
        });
        let is_mutation = bound.operation.kind == OperationKind::Mutation;
        let work = self.neighbours.executor.execute(bound);
        if is_mutation {
            return self.neighbours.pool.resolve(async move { reply.give(work.await) });
        }
        let (work, abandon) = tied(work);
        self.executing.insert(token, abandon);
        self.neighbours.pool.resolve(async move {
            if let Some(executed) = work.await {
                reply.give(executed);
            }
        });
    }

    /// A query's or mutation's only result.
    pub(super) fn answered(&mut self, token: u64, response: Bytes) {
        self.executing.remove(&token);
        let Some(subscription) = self.subscriptions.resolve(token) else { return };
        self.tell(subscription, FrameKind::Next, response);
        // The connection may have been closed for its backlog by now.
        if let Some(subscription) = self.subscriptions.resolve(token) {
            self.subscriptions[subscription].stage = Stage::Ending;
            self.tell(subscription, FrameKind::Complete, Bytes::new());
        }
    }

    pub(super) fn joined(&mut self, token: u64, group: GroupId) {
        match self.subscriptions.resolve(token) {
            Some(subscription) => {
                self.subscriptions[subscription].stage = Stage::Joined(group);
                self.audiences.join(group, subscription, &mut self.subscriptions);
            }
            // Gone before the hub answered.
            None => self.ask(Input::Leave { group, sink: Sink::Reactor }),
        }
    }

    fn fail(&mut self, subscription: SubscriptionKey, errors: &[Error]) {
        let mut payload = Vec::new();
        graphql::write_errors(errors, &mut payload);
        self.subscriptions[subscription].stage = Stage::Ending;
        self.tell(subscription, FrameKind::Error, payload.into());
    }

    /// Queues a message for one subscription alone.
    fn tell(&mut self, subscription: SubscriptionKey, kind: FrameKind, payload: Bytes) {
        let frame = self.outbox.share(kind, payload);
        self.queue(subscription, frame);
        self.outbox.release(frame);
    }

    /// An `error` for an operation that was never taken in.
    pub(super) fn refuse(&mut self, key: ConnectionKey, id: &str, errors: &[Error]) {
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        graphql::write_errors(errors, &mut payload);
        let dialect = self.connections[key].session.dialect();
        write_framed(&mut frame, |out| dialect.write_error(id, &payload, out));
        self.push_raw(key, frame.into());
    }

    fn leave_group(&mut self, subscription: SubscriptionKey) {
        if let Stage::Joined(group) = self.subscriptions[subscription].stage {
            self.audiences.leave(group, subscription, &mut self.subscriptions);
            self.ask(Input::Leave { group, sink: Sink::Reactor });
        }
    }

    /// Removes an operation that is in no audience from the tables.
    pub(super) fn forget(&mut self, subscription: SubscriptionKey) {
        if !self.executing.is_empty() {
            self.executing.remove(&self.subscriptions.token(subscription));
        }
        let removed = self.subscriptions.remove(subscription);
        let connection = &mut self.connections[removed.connection];
        connection.subscriptions -= 1;
        if connection.first == Some(subscription) {
            connection.first = removed.siblings.next;
        }
    }
}

fn request_of(operation: Operation<'_>) -> Result<Request, Error> {
    let object =
        |it: Option<&str>| it.map_or(Bytes::from_static(b"{}"), |it| Bytes::copy_from_slice(it.as_bytes()));
    Request::new(
        operation.query.map(Into::into),
        operation.operation_name.map(Into::into),
        object(operation.variables),
        object(operation.extensions),
    )
}

fn internal_errors() -> Errors {
    Errors::from([Error::internal()])
}
