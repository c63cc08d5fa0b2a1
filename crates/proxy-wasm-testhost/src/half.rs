//! One direction of a stream, request or response: what has arrived, what the plugin holds, and
//! what has gone on.

use crate::headers::Headers;

/// The way something flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// One direction's headers and body.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// The header map as edited so far; `None` before headers arrive.
    pub(crate) headers: Option<Headers>,
    /// Whether the plugin can reach the map: from its callback until the stream goes on.
    pub(crate) visible: bool,
    /// The plugin said `Pause` and has not resumed.
    pub(crate) held: bool,
    /// A resume came while the plugin was still in the callback it is about to answer.
    pub(crate) resumed: bool,
    /// The chunk of the current callback, after what earlier pauses buffered.
    pub(crate) body: Vec<u8>,
    /// Whether the plugin can reach `body` in the current callback.
    pub(crate) body_visible: bool,
    /// Whether the plugin paused at a chunk, so that `body` is kept and grows.
    pub(crate) buffering: bool,
    /// Body that waits for the plugin to let the headers go.
    pub(crate) waiting: Option<Vec<u8>>,
    /// Trailers that wait behind that body.
    pub(crate) trailers_wait: bool,
    /// Everything of this direction has arrived.
    pub(crate) ended: bool,
    /// The headers as they went on; `None` while they have not.
    pub(crate) released: Option<Headers>,
    /// The body that went on.
    pub(crate) released_body: Vec<u8>,
    /// Everything of this direction went on.
    pub(crate) complete: bool,
}

impl Half {
    /// The map as the plugin may see it now.
    pub(crate) fn map(&self) -> Option<&Headers> {
        self.headers.as_ref().filter(|_| self.visible)
    }

    /// The map as the plugin may edit it now.
    pub(crate) fn map_mut(&mut self) -> Option<&mut Headers> {
        self.headers.as_mut().filter(|_| self.visible)
    }

    /// The body as the plugin may see it now.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        (self.body_visible || self.buffering).then_some(&self.body)
    }

    /// The body as the plugin may edit it now.
    pub(crate) fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        (self.body_visible || self.buffering).then_some(&mut self.body)
    }

    /// Takes in a chunk for the plugin's next body callback; returns what it will see.
    pub(crate) fn arrive(&mut self, chunk: &[u8]) -> usize {
        if !self.buffering {
            self.body.clear();
        }
        self.body.extend_from_slice(chunk);
        self.body_visible = true;
        self.resumed = false;
        self.body.len()
    }

    /// Lets everything that is held go on; `all` says that no body waits behind it.
    pub(crate) fn release(&mut self, all: bool) {
        self.held = false;
        self.visible = false;
        if self.released.is_none() {
            self.released.clone_from(&self.headers);
        }
        self.released_body.append(&mut self.body);
        self.body_visible = false;
        self.buffering = false;
        self.complete = self.ended && all;
    }
}
