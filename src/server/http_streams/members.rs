//! The table of streams, and which of them get the responses of a group.

use super::channel::Channel;
use crate::{hub::GroupId, protocol::StreamFormat};
use std::{collections::HashMap, sync::Arc, time::Instant};

/// One stream.
pub(super) struct Member {
    pub(super) channel: Arc<Channel>,
    /// `None`: the body is the first response and nothing else.
    pub(super) format: Option<StreamFormat>,
    /// It ends with its first response.
    pub(super) first_only: bool,
    /// When something last went its way.
    pub(super) written: Instant,
    /// The group whose audience it is in, and where there.
    joined: Option<(GroupId, usize)>,
}

impl Member {
    pub(super) fn new(
        channel: Arc<Channel>,
        format: Option<StreamFormat>,
        first_only: bool,
        now: Instant,
    ) -> Self {
        Self { channel, format, first_only, written: now, joined: None }
    }
}

/// All streams, by token, and their audiences. Tokens are never used again.
#[derive(Default)]
pub(super) struct Members {
    members: HashMap<u64, Member>,
    audiences: HashMap<GroupId, Vec<u64>>,
}

impl Members {
    pub(super) fn insert(&mut self, token: u64, member: Member) {
        self.members.insert(token, member);
    }

    pub(super) fn get_mut(&mut self, token: u64) -> Option<&mut Member> {
        self.members.get_mut(&token)
    }

    /// Lets a stream into an audience; `false` when it is gone.
    pub(super) fn join(&mut self, token: u64, group: GroupId) -> bool {
        let Some(member) = self.members.get_mut(&token) else { return false };
        let audience = self.audiences.entry(group).or_default();
        member.joined = Some((group, audience.len()));
        audience.push(token);
        true
    }

    /// Takes a stream out of the table and out of its audience; tells which that was.
    pub(super) fn remove(&mut self, token: u64) -> Option<(Member, Option<GroupId>)> {
        let member = self.members.remove(&token)?;
        let group = member.joined.map(|(group, place)| {
            self.leave(group, place);
            group
        });
        Some((member, group))
    }

    fn leave(&mut self, group: GroupId, place: usize) {
        // No audience: the whole of it was taken out.
        let Some(audience) = self.audiences.get_mut(&group) else { return };
        audience.swap_remove(place);
        if let Some(moved) = audience.get(place)
            && let Some(member) = self.members.get_mut(moved)
        {
            member.joined = Some((group, place));
        }
        if self.audiences[&group].is_empty() {
            self.audiences.remove(&group);
        }
    }

    /// Members of an audience.
    pub(super) fn len_of(&self, group: GroupId) -> usize {
        self.audiences.get(&group).map_or(0, Vec::len)
    }

    /// The member at a place of an audience. When it leaves, the last one moves to its place.
    pub(super) fn at(&self, group: GroupId, place: usize) -> Option<u64> {
        self.audiences.get(&group)?.get(place).copied()
    }

    /// The group is over: takes its audience out.
    pub(super) fn disband(&mut self, group: GroupId) -> Vec<u64> {
        let audience = self.audiences.remove(&group).unwrap_or_default();
        for token in &audience {
            if let Some(member) = self.members.get_mut(token) {
                member.joined = None;
            }
        }
        audience
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn tokens(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clock;

    fn group(index: u32) -> GroupId {
        GroupId { index, generation: 1 }
    }

    fn with(count: u64, of: GroupId) -> Members {
        let mut members = Members::default();
        for token in 0..count {
            members.insert(token, Member::new(Arc::default(), None, false, clock::now()));
            assert!(members.join(token, of));
        }
        members
    }

    fn audience(members: &Members, of: GroupId) -> Vec<u64> {
        let mut all: Vec<_> = (0..members.len_of(of)).filter_map(|it| members.at(of, it)).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn whoever_leaves_is_out_and_everybody_else_is_in() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut members = with(50, group(1));
        let mut left: Vec<u64> = (0..50).collect();
        while !left.is_empty() {
            let token = left.swap_remove(random.usize(..left.len()));
            assert_eq!(members.remove(token).and_then(|it| it.1), Some(group(1)));
            left.sort_unstable();
            assert_eq!(audience(&members, group(1)), left);
        }
        assert_eq!((members.len(), members.audiences.len()), (0, 0));
    }

    #[test]
    fn members_of_a_group_that_is_over_leave_no_group() {
        let mut members = with(3, group(1));
        assert_eq!(members.disband(group(1)), [0, 1, 2]);
        assert!(members.remove(1).is_some_and(|it| it.1.is_none()));
        assert_eq!(members.tokens().len(), 2);
        assert!(!members.join(1, group(2)), "it is gone");
        assert!(members.remove(1).is_none());
    }
}
