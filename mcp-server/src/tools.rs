//! What the server offers to MCP clients: tools, one resource and one prompt.
//!
//! Everything that concerns a user takes an [`Identity`], so it cannot be called without one.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    ErrorCode, GetPromptResult, Implementation, ListResourcesResult, PaginatedRequestParams,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{
    ErrorData, Json, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, schemars,
    tool, tool_handler, tool_router,
};
use serde::{Deserialize, Serialize};

use crate::identity::{self, Identity};
use crate::notes::{Notes, Shelf, Title, Written};

/// The resource that holds the caller's own notes.
pub const MY_NOTES: &str = "notes://mine";

/// The MCP server itself. Clones share their notes.
#[derive(Clone, Debug, Default)]
pub struct NoteServer {
    notes: Arc<Notes>,
}

#[tool_router]
impl NoteServer {
    /// Who you are, as the gateway in front of this server has verified it.
    #[tool(annotations(read_only_hint = true))]
    async fn whoami(&self, caller: Identity) -> Json<Identity> {
        Json(caller)
    }

    /// Says the same back.
    #[tool(annotations(read_only_hint = true))]
    async fn echo(&self, Parameters(said): Parameters<Message>) -> String {
        said.message
    }

    /// Adds two numbers.
    #[tool(annotations(read_only_hint = true))]
    async fn add(&self, Parameters(Summands { a, b }): Parameters<Summands>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }

    /// Lists your notes. Nobody else sees them.
    #[tool(annotations(read_only_hint = true))]
    async fn list_notes(&self, caller: Identity) -> Json<NoteList> {
        let shelf = self.notes.of(&caller.user_id);
        let notes = shelf.into_iter().map(|(title, text)| Note { title: title.into(), text });
        Json(NoteList { notes: notes.collect() })
    }

    /// Writes a note, in place of the one with the same title if there is one.
    #[tool(annotations(destructive_hint = true, idempotent_hint = true))]
    async fn write_note(
        &self,
        caller: Identity,
        Parameters(note): Parameters<Note>,
    ) -> Result<String, String> {
        let title = Title::new(note.title).map_err(|refused| refused.to_string())?;
        match self.notes.write(&caller.user_id, title, note.text) {
            Ok(Written::Created) => Ok("created".into()),
            Ok(Written::Replaced) => Ok("replaced".into()),
            Err(refused) => Err(refused.to_string()),
        }
    }

    /// Deletes one of your notes.
    #[tool(annotations(destructive_hint = true))]
    async fn delete_note(
        &self,
        caller: Identity,
        Parameters(note): Parameters<NoteTitle>,
    ) -> Result<String, String> {
        let title = Title::new(note.title).map_err(|refused| refused.to_string())?;
        self.notes.delete(&caller.user_id, title).map_err(|refused| refused.to_string())?;
        Ok("deleted".into())
    }
}

#[expect(missing_docs, reason = "rmcp's macro writes a public function without a comment")]
#[prompt_router]
impl NoteServer {
    /// Asks for a summary of your notes.
    #[prompt]
    async fn summarize_notes(
        &self,
        caller: Identity,
        Parameters(wish): Parameters<SummaryWish>,
    ) -> GetPromptResult {
        let focus =
            wish.focus.map(|focus| format!(" Look at {focus} above all.")).unwrap_or_default();
        let notes = as_markdown(&self.notes.of(&caller.user_id));
        let text = format!("Summarize these notes in a few sentences.{focus}\n\n{notes}");
        GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for NoteServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Keeps notes for each user. `whoami` says who you are to it.")
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mine = Resource::new(MY_NOTES, "my-notes")
            .with_title("My notes")
            .with_description("All notes of the user who reads it")
            .with_mime_type("text/markdown");
        Ok(ListResourcesResult::with_all_items(vec![mine]))
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if asked.uri != MY_NOTES {
            let message = format!("there is no resource but {MY_NOTES}");
            return Err(ErrorData::new(ErrorCode::RESOURCE_NOT_FOUND, message, None));
        }
        let caller = identity::caller(&context.extensions)?;
        let markdown = as_markdown(&self.notes.of(&caller.user_id));
        let contents = ResourceContents::text(markdown, MY_NOTES).with_mime_type("text/markdown");
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

/// A text to say back.
#[derive(Deserialize, schemars::JsonSchema)]
struct Message {
    /// What to say back.
    message: String,
}

/// Two numbers.
#[derive(Deserialize, schemars::JsonSchema)]
struct Summands {
    /// The first.
    a: f64,
    /// The second.
    b: f64,
}

/// Their sum.
#[derive(Serialize, schemars::JsonSchema)]
struct Sum {
    sum: f64,
}

/// One note.
#[derive(Deserialize, Serialize, schemars::JsonSchema)]
struct Note {
    /// Its name: 1 to 64 characters, no line breaks.
    title: String,
    /// Up to 4,096 bytes.
    text: String,
}

/// Names a note.
#[derive(Deserialize, schemars::JsonSchema)]
struct NoteTitle {
    /// The note's title.
    title: String,
}

/// The notes of one user.
#[derive(Serialize, schemars::JsonSchema)]
struct NoteList {
    notes: Vec<Note>,
}

/// What a summary should dwell on.
#[derive(Deserialize, schemars::JsonSchema)]
struct SummaryWish {
    /// A subject to dwell on.
    focus: Option<String>,
}

impl From<Title> for String {
    fn from(title: Title) -> Self {
        title.as_str().to_owned()
    }
}

fn as_markdown(shelf: &Shelf) -> String {
    if shelf.is_empty() {
        return "No notes yet.\n".into();
    }
    let sections = shelf.iter().map(|(title, text)| format!("# {}\n\n{text}\n", title.as_str()));
    sections.collect::<Vec<_>>().join("\n")
}
