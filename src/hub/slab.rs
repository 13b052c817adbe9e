//! Slots for triggers and groups. A slot's next tenant has another generation, so that a late answer
//! never reaches whoever moved in.

use super::{GroupId, TriggerId};
use std::marker::PhantomData;

/// An id that names a slot and its tenant's generation.
pub(super) trait SlotId: Copy {
    fn new(index: u32, generation: u32) -> Self;
    fn index(self) -> u32;
    fn generation(self) -> u32;
}

macro_rules! slot_id {
    ($id:ident) => {
        impl SlotId for $id {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            fn index(self) -> u32 {
                self.index
            }

            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

slot_id!(TriggerId);
slot_id!(GroupId);

/// Values under ids that are never given out twice (until a slot's generation wraps at 2^32).
pub(super) struct Slab<Id, T> {
    slots: Vec<Slot<T>>,
    /// Empty slots; the one emptied last is used first, so ids depend on the inputs alone.
    free: Vec<u32>,
    ids: PhantomData<Id>,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<Id: SlotId, T> Slab<Id, T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), ids: PhantomData }
    }

    pub(super) fn insert(&mut self, value: T) -> Id {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 slots")
        });
        let slot = &mut self.slots[index as usize];
        slot.value = Some(value);
        Id::new(index, slot.generation)
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.index() as usize)?;
        if is_tenant(slot.generation, id.generation()) { slot.value.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index() as usize)?;
        if is_tenant(slot.generation, id.generation()) { slot.value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.index() as usize)?;
        if !is_tenant(slot.generation, id.generation()) {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index());
        Some(value)
    }

    /// In the order of the slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((Id::new(u32::try_from(index).expect("fewer than 2^32 slots"), slot.generation), value))
        })
    }
}

/// Whether an id means the slot's present tenant. Built with `--cfg seeded_bug` the check is gone:
/// `tests/hub_seeded_bug.rs` proves that the simulation notices.
fn is_tenant(slot: u32, id: u32) -> bool {
    cfg!(seeded_bug) || slot == id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_its_tenant_and_nobody_after() {
        let mut slab: Slab<GroupId, &str> = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.index, second.index, "the slot is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(second, &"second")]);
    }
}
