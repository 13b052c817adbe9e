//! What a server is to others. It is asked: a replica answers like its master, and passes nothing on.

use redis::{Cmd, RedisError, Value, cmd};

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    Replica {
        /// It has a connection to its master, so that what is published there comes through.
        is_linked: bool,
    },
    /// Something else, of that name.
    Other(String),
    /// It may not be asked, and is believed to be what it should be.
    Untold,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Publish,
    Listen,
}

impl Role {
    pub(super) fn question() -> Cmd {
        cmd("ROLE")
    }

    /// # Errors
    /// The connection is of no use.
    pub(super) fn read(answer: Result<Value, RedisError>) -> Result<Self, RedisError> {
        match answer {
            Ok(answer) => Ok(Self::of(&answer)),
            // A user may not be allowed to ask.
            Err(error) if error.code().is_some() => Ok(Self::Untold),
            Err(error) => Err(error),
        }
    }

    fn of(answer: &Value) -> Self {
        let Value::Array(facts) = answer else { return Self::Untold };
        let text = |at: usize| match facts.get(at) {
            Some(Value::BulkString(it)) => String::from_utf8_lossy(it).into_owned(),
            Some(Value::SimpleString(it)) => it.clone(),
            _ => String::new(),
        };
        match &*text(0) {
            "master" => Self::Master,
            // Behind it: where its master is, and how far the connection there is.
            "slave" | "replica" => Self::Replica { is_linked: text(3) == "connected" },
            "" => Self::Untold,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Nothing better can be had.
    pub(super) fn is_best(&self) -> bool {
        matches!(self, Self::Master | Self::Untold)
    }

    /// Why a server of this role is of no use.
    pub(super) fn objection(&self, purpose: Purpose) -> Option<String> {
        match (self, purpose) {
            (Self::Master | Self::Untold, _) | (Self::Replica { is_linked: true }, Purpose::Listen) => None,
            (Self::Replica { .. }, Purpose::Publish) => {
                Some("the server is a replica, and publishing needs a master".to_owned())
            }
            (Self::Replica { is_linked: false }, Purpose::Listen) => {
                Some("the server is a replica without a connection to its master".to_owned())
            }
            (Self::Other(name), _) => Some(format!("the server is a {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn who_has_lost_its_master_hears_nothing_and_a_replica_passes_nothing_on() {
        let master = Value::Array(vec![word("master"), Value::Int(7), Value::Array(Vec::new())]);
        let replica = |state| {
            Value::Array(vec![word("slave"), word("h"), Value::Int(6379), word(state), Value::Int(7)])
        };
        let sentinel = Value::Array(vec![word("sentinel"), Value::Array(Vec::new())]);
        for (answer, publishes, listens) in [
            (master, true, true),
            (replica("connected"), false, true),
            (replica("sync"), false, false),
            (replica("connect"), false, false),
            (sentinel, false, false),
            (Value::Nil, true, true),
        ] {
            let role = Role::of(&answer);
            let does = |purpose| role.objection(purpose).is_none();
            assert_eq!((does(Purpose::Publish), does(Purpose::Listen)), (publishes, listens), "{role:?}");
        }
    }
}
