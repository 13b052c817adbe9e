//! The order in which messages may come, and what each one asks of the caller: the same in all dialects,
//! whatever their words.

use super::{
    Close, CloseCode, Dialect,
    incoming::{Message, Operation, OperationId},
};
use std::borrow::Cow;

/// Where one connection stands. It judges one message at a time and keeps two bytes between them. Which
/// operations are live is known to the caller alone, who stores their ids; the session asks.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    AwaitingInit,
    /// `connection_init` is there, and the caller is deciding about it.
    Deciding,
    Acknowledged,
}

/// What the caller has to do about a message. Borrows from the message's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Reaction<'m> {
    Nothing,
    /// Decide whether this client may connect, then call [`Session::acknowledge`] or [`Session::refuse`].
    /// `payload` is the JSON object that came with `connection_init`, as written.
    ///
    /// Clients of `graphql-ws` do not wait for the answer: the npm client sends `start` right behind. While
    /// the caller decides, none of its messages should be handed in.
    Initialise {
        payload: Option<&'m str>,
    },
    /// Start an operation. Its id is not live yet, and is from now on.
    Subscribe {
        id: OperationId<'m>,
        operation: Operation<'m>,
    },
    /// Answer with an `error` for this id, which is not live: the operation cannot be taken in, and why.
    Decline {
        id: OperationId<'m>,
        reason: Cow<'static, str>,
    },
    /// Stop a live operation; its id is free again. Whether the client expects an answer is
    /// [`Dialect::confirms_stop`]'s to say.
    Unsubscribe {
        id: OperationId<'m>,
    },
    /// Send a pong with this JSON object, as written.
    Pong {
        payload: Option<&'m str>,
    },
    /// As [`Reaction::Close`], but first tell the client with [`super::graphql_ws::write_connection_error`].
    Refuse(Close),
    /// Close the connection and ignore what the client still sends.
    Close(Close),
}

impl Session {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, phase: Phase::default() }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Judges one text message. `is_live` is asked at most once, with an id as
    /// [`OperationId::as_str`] spells it.
    pub fn receive<'m>(&mut self, text: &'m str, is_live: impl FnOnce(&str) -> bool) -> Reaction<'m> {
        match self.dialect.read(text) {
            Ok(message) => self.react(message, is_live),
            Err(reason) => Reaction::Close(Close { code: CloseCode::BadRequest, reason }),
        }
    }

    /// Whether operations are allowed.
    pub fn is_acknowledged(&self) -> bool {
        self.phase == Phase::Acknowledged
    }

    /// The client may connect: operations are allowed once [`Dialect::write_ack`] is on its way.
    pub fn acknowledge(&mut self) {
        debug_assert_eq!(self.phase, Phase::Deciding, "there is one answer to connection_init");
        self.phase = Phase::Acknowledged;
    }

    /// The client may not connect, or no longer: what to close with. In `graphql-ws`,
    /// [`super::graphql_ws::write_connection_error`] goes before it.
    pub fn refuse(&self) -> Close {
        Close::new(CloseCode::Forbidden, "Forbidden")
    }

    /// The time for `connection_init` is over: what to close with, unless it has come.
    pub fn init_timed_out(&self) -> Option<Close> {
        (self.phase == Phase::AwaitingInit).then(|| {
            Close::new(CloseCode::ConnectionInitialisationTimeout, "Connection initialisation timeout")
        })
    }

    fn react<'m>(&mut self, message: Message<'m>, is_live: impl FnOnce(&str) -> bool) -> Reaction<'m> {
        match message {
            Message::ConnectionInit { payload } => self.initialise(payload),
            Message::BadConnectionInit { reason } => {
                Reaction::Refuse(Close { code: CloseCode::BadRequest, reason })
            }
            Message::Ping { payload } => Reaction::Pong { payload },
            Message::Pong => Reaction::Nothing,
            Message::Subscribe { id, operation } => {
                self.begin(id, is_live, |id| Reaction::Subscribe { id, operation })
            }
            Message::BadOperation { id, reason } => {
                self.begin(id, is_live, |id| Reaction::Decline { id, reason })
            }
            Message::Stop { id } if is_live(id.as_str()) => Reaction::Unsubscribe { id },
            // The operation may have ended while this message was on its way.
            Message::Stop { .. } => Reaction::Nothing,
            Message::Terminate => Reaction::Close(Close::new(CloseCode::Normal, "Normal closure")),
        }
    }

    fn initialise<'m>(&mut self, payload: Option<&'m str>) -> Reaction<'m> {
        if self.phase != Phase::AwaitingInit {
            return Reaction::Close(Close::new(
                CloseCode::TooManyInitialisationRequests,
                "Too many initialisation requests",
            ));
        }
        self.phase = Phase::Deciding;
        Reaction::Initialise { payload }
    }

    /// What becomes of a message that starts an operation, if it may be sent at all.
    fn begin<'m>(
        &self,
        id: OperationId<'m>,
        is_live: impl FnOnce(&str) -> bool,
        react: impl FnOnce(OperationId<'m>) -> Reaction<'m>,
    ) -> Reaction<'m> {
        if !self.is_acknowledged() {
            return Reaction::Close(Close::new(CloseCode::Unauthorized, "Unauthorized"));
        }
        if is_live(id.as_str()) {
            return Reaction::Close(already_exists(&id));
        }
        react(id)
    }
}

fn already_exists(id: &OperationId<'_>) -> Close {
    /// What a close frame holds beside its code (RFC 6455, section 5.5).
    const REASON_BYTES_MAX: usize = 123;
    let full = format!("Subscriber for {} already exists", id.decoded());
    let reason = if full.len() <= REASON_BYTES_MAX {
        Cow::Owned(full)
    } else {
        Cow::Borrowed("Subscriber already exists")
    };
    Close { code: CloseCode::SubscriberAlreadyExists, reason }
}
