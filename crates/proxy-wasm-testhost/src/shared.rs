//! Shared data and shared queues, of one host each.

use std::collections::{BTreeMap, VecDeque};

use proxy_wasm::types::Status;

/// The process-wide store of Envoy, seen from one VM.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    next_cas: u32,
    queues: Vec<(Vec<u8>, VecDeque<Vec<u8>>)>,
}

impl Shared {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.data.get(key).cloned().ok_or(Status::NotFound)
    }

    /// Sets `key`; a `cas` other than 0 has to be that of the value it replaces.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        let current = self.data.get(key).map(|(_, cas)| *cas);
        if cas != 0 && current.is_some_and(|current| current != cas) {
            return Err(Status::CasMismatch);
        }
        self.next_cas += 1;
        self.data.insert(key.to_vec(), (value.to_vec(), self.next_cas));
        Ok(())
    }

    /// The queue of this name, made if need be.
    pub(crate) fn register_queue(&mut self, name: &[u8]) -> u32 {
        if let Ok(id) = self.resolve_queue(name) {
            return id;
        }
        self.queues.push((name.to_vec(), VecDeque::new()));
        u32::try_from(self.queues.len()).expect("a test has few queues")
    }

    pub(crate) fn resolve_queue(&self, name: &[u8]) -> Result<u32, Status> {
        let index = self.queues.iter().position(|(have, _)| have == name);
        index.and_then(|index| u32::try_from(index + 1).ok()).ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&mut self, id: u32, value: &[u8]) -> Result<(), Status> {
        self.queue(id)?.push_back(value.to_vec());
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, id: u32) -> Result<Vec<u8>, Status> {
        self.queue(id)?.pop_front().ok_or(Status::Empty)
    }

    fn queue(&mut self, id: u32) -> Result<&mut VecDeque<Vec<u8>>, Status> {
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let queue = index.and_then(|index| self.queues.get_mut(index));
        queue.map(|(_, values)| values).ok_or(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use proxy_wasm::types::Status;

    use super::Shared;

    #[test]
    fn stale_cas_is_refused() {
        let mut shared = Shared::default();
        shared.set(b"k", b"1", 0).unwrap();
        let (_, cas) = shared.get(b"k").unwrap();
        shared.set(b"k", b"2", cas).unwrap();
        assert_eq!(shared.set(b"k", b"3", cas), Err(Status::CasMismatch));
    }

    #[test]
    fn queue_is_first_in_first_out_then_empty() {
        let mut shared = Shared::default();
        let id = shared.register_queue(b"q");
        assert_eq!(shared.register_queue(b"q"), id);
        shared.enqueue(id, b"1").unwrap();
        shared.enqueue(id, b"2").unwrap();
        assert_eq!(shared.dequeue(id).unwrap(), b"1");
        assert_eq!(shared.dequeue(id).unwrap(), b"2");
        assert_eq!(shared.dequeue(id), Err(Status::Empty));
        assert_eq!(shared.dequeue(id + 1), Err(Status::NotFound));
    }
}
