//! Who listens to which name, and what the server has to be told so that it is so.
//!
//! Changes are collected while an earlier step is under way, and go out together: ten thousand feeds that
//! start at once are a handful of commands. One step at a time, so that the server sees them in their order.

use super::channel::{Kind, Name};
use crate::sources::Ticket;
use redis::{RedisError, aio::MultiplexedConnection};
use smallvec::SmallVec;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Names in one command.
const BATCH_MAX: usize = 1000;

/// Names that somebody listens to, or that the server does not know yet to be over.
#[derive(Default)]
pub(super) struct Routes {
    channels: HashMap<Arc<str>, Route>,
    patterns: HashMap<Arc<str>, Route>,
    /// Names whose state is not what it should be.
    changed: HashSet<Name>,
}

#[derive(Default)]
struct Route {
    tickets: SmallVec<[Ticket; 1]>,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Absent,
    /// Sent, not confirmed.
    Asked,
    Confirmed,
}

/// What the server is to be told next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    subscribe: Vec<Name>,
    unsubscribe: Vec<Name>,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    pub(super) confirmed: Vec<Name>,
    /// The server will not have them; with its reason.
    pub(super) refused: Vec<(Name, String)>,
}

impl Routes {
    /// Adds a listener; whether the server sends the name's messages already.
    pub(super) fn add(&mut self, name: &Name, ticket: Ticket) -> bool {
        let route = self.of_kind(name.kind).entry(name.text.clone()).or_default();
        route.tickets.push(ticket);
        let is_confirmed = route.state == State::Confirmed;
        if route.state == State::Absent {
            self.changed.insert(name.clone());
        }
        is_confirmed
    }

    pub(super) fn remove(&mut self, name: &Name, ticket: Ticket) {
        let Some(route) = self.of_kind(name.kind).get_mut(&name.text) else { return };
        route.tickets.retain(|it| *it != ticket);
        if !route.tickets.is_empty() {
            return;
        }
        match route.state {
            State::Absent => {
                self.of_kind(name.kind).remove(&name.text);
                self.changed.remove(name);
            }
            // Its answer comes first.
            State::Asked => {}
            State::Confirmed => {
                self.changed.insert(name.clone());
            }
        }
    }

    /// Who listens to a name.
    pub(super) fn listeners(&self, kind: Kind, text: &[u8]) -> &[Ticket] {
        let routes = match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        };
        let found = std::str::from_utf8(text).ok().and_then(|it| routes.get(it));
        found.map_or(&[], |it| &it.tickets)
    }

    /// Everything that has changed, as one step; `None` when all is as it should be.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        let mut step = Step::default();
        for name in std::mem::take(&mut self.changed) {
            let routes = self.of_kind(name.kind);
            let Some(route) = routes.get_mut(&name.text) else { continue };
            match (route.tickets.is_empty(), route.state) {
                (false, State::Absent) => {
                    route.state = State::Asked;
                    step.subscribe.push(name);
                }
                (true, State::Confirmed) => {
                    routes.remove(&name.text);
                    step.unsubscribe.push(name);
                }
                _ => {}
            }
        }
        let is_empty = step.subscribe.is_empty() && step.unsubscribe.is_empty();
        (!is_empty).then_some(step)
    }

    /// The server sends a name's messages from here on: who waited for it.
    pub(super) fn confirm(&mut self, name: &Name) -> SmallVec<[Ticket; 1]> {
        let Some(route) = self.of_kind(name.kind).get_mut(&name.text) else { return SmallVec::new() };
        route.state = State::Confirmed;
        let tickets = route.tickets.clone();
        if tickets.is_empty() {
            self.changed.insert(name.clone());
        }
        tickets
    }

    /// The server will not have a name: whose feeds are over by that.
    pub(super) fn refuse(&mut self, name: &Name) -> SmallVec<[Ticket; 1]> {
        self.changed.remove(name);
        self.of_kind(name.kind).remove(&name.text).map(|it| it.tickets).unwrap_or_default()
    }

    /// The connection is gone, and with it everything that the server knew.
    pub(super) fn forget_server(&mut self) {
        self.changed.clear();
        for kind in [Kind::Channel, Kind::Pattern] {
            let routes = self.of_kind(kind);
            routes.retain(|_, it| !it.tickets.is_empty());
            routes.values_mut().for_each(|it| it.state = State::Absent);
            let names: Vec<Name> = routes.keys().map(|text| Name { kind, text: text.clone() }).collect();
            self.changed.extend(names);
        }
    }

    fn of_kind(&mut self, kind: Kind) -> &mut HashMap<Arc<str>, Route> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }
}

impl Step {
    /// Tells the server. The error is that of a connection that is of no more use.
    pub(super) async fn carry_out(self, mut commands: MultiplexedConnection) -> Result<Stepped, RedisError> {
        let mut stepped = Stepped::default();
        // What is over first: who asks for the same name again comes after it.
        for (kind, names) in by_kind(self.unsubscribe) {
            for batch in names.chunks(BATCH_MAX) {
                let texts: Vec<&str> = batch.iter().map(|it| &*it.text).collect();
                match kind {
                    Kind::Channel => commands.unsubscribe(texts).await?,
                    Kind::Pattern => commands.punsubscribe(texts).await?,
                }
            }
        }
        for (kind, names) in by_kind(self.subscribe) {
            for batch in names.chunks(BATCH_MAX) {
                subscribe(&mut commands, kind, batch, &mut stepped).await?;
            }
        }
        Ok(stepped)
    }
}

/// Subscribes to all of these. A server that will not have one of them refuses the whole command: then one by one.
async fn subscribe(
    commands: &mut MultiplexedConnection,
    kind: Kind,
    names: &[Name],
    stepped: &mut Stepped,
) -> Result<(), RedisError> {
    match ask(commands, kind, names).await {
        Ok(()) => stepped.confirmed.extend_from_slice(names),
        Err(error) if error.code().is_none() => return Err(error),
        Err(error) if names.len() == 1 => stepped.refused.push((names[0].clone(), error.to_string())),
        Err(_) => {
            for name in names.chunks(1) {
                match ask(commands, kind, name).await {
                    Ok(()) => stepped.confirmed.extend_from_slice(name),
                    Err(error) if error.code().is_none() => return Err(error),
                    Err(error) => stepped.refused.push((name[0].clone(), error.to_string())),
                }
            }
        }
    }
    Ok(())
}

async fn ask(commands: &mut MultiplexedConnection, kind: Kind, names: &[Name]) -> Result<(), RedisError> {
    let texts: Vec<&str> = names.iter().map(|it| &*it.text).collect();
    match kind {
        Kind::Channel => commands.subscribe(texts).await,
        Kind::Pattern => commands.psubscribe(texts).await,
    }
}

fn by_kind(names: Vec<Name>) -> [(Kind, Vec<Name>); 2] {
    let (channels, patterns) = names.into_iter().partition(|it| it.kind == Kind::Channel);
    [(Kind::Channel, channels), (Kind::Pattern, patterns)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::of(&text.into())
    }

    fn step(subscribe: &[&str], unsubscribe: &[&str]) -> Option<Step> {
        let names = |texts: &[&str]| texts.iter().map(|it| name(it)).collect();
        Some(Step { subscribe: names(subscribe), unsubscribe: names(unsubscribe) })
    }

    #[test]
    fn a_name_is_asked_for_once_and_given_back_by_the_last() {
        let mut routes = Routes::default();
        assert!(!routes.add(&name("a"), Ticket(1)));
        assert!(!routes.add(&name("a"), Ticket(2)));
        assert_eq!(routes.next_step(), step(&["a"], &[]));
        assert_eq!(routes.next_step(), None, "it is under way");
        assert_eq!(&routes.confirm(&name("a"))[..], [Ticket(1), Ticket(2)]);
        assert!(routes.add(&name("a"), Ticket(3)), "it is there already");
        assert_eq!(routes.listeners(Kind::Channel, b"a").len(), 3);
        assert!(routes.listeners(Kind::Pattern, b"a").is_empty());
        for ticket in 1..=3 {
            assert_eq!(routes.next_step(), None);
            routes.remove(&name("a"), Ticket(ticket));
        }
        assert_eq!(routes.next_step(), step(&[], &["a"]));
    }

    #[test]
    fn whoever_changes_their_mind_costs_no_command_too_many() {
        let mut routes = Routes::default();
        routes.add(&name("a"), Ticket(1));
        routes.remove(&name("a"), Ticket(1));
        assert_eq!(routes.next_step(), None, "nothing was sent");

        routes.add(&name("a"), Ticket(2));
        assert_eq!(routes.next_step(), step(&["a"], &[]));
        routes.remove(&name("a"), Ticket(2));
        assert_eq!(routes.next_step(), None, "not before the answer");
        assert!(routes.confirm(&name("a")).is_empty());
        routes.add(&name("a"), Ticket(3));
        assert_eq!(routes.next_step(), None, "wanted again, and there");
        routes.remove(&name("a"), Ticket(3));
        assert_eq!(routes.next_step(), step(&[], &["a"]));
        assert!(!routes.add(&name("a"), Ticket(4)), "given up, so asked for again");
        assert_eq!(routes.next_step(), step(&["a"], &[]));
    }

    #[test]
    fn a_new_connection_is_told_everything() {
        let mut routes = Routes::default();
        routes.add(&name("a*"), Ticket(1));
        routes.add(&name("b"), Ticket(1));
        routes.next_step();
        routes.confirm(&name("b"));
        routes.remove(&name("b"), Ticket(1));
        routes.forget_server();
        assert_eq!(routes.next_step(), step(&["a*"], &[]));
        assert_eq!(&routes.refuse(&name("a*"))[..], [Ticket(1)]);
        assert_eq!(routes.next_step(), None);
    }
}
